/* Fuzz target: a vocabulary in memory. Every line of one that is accepted is found, by its number.
 */
#include <string.h>

#include "data_loaders/text/text.h"
#include "tests/fuzz/fuzz.h"

static int32_t find(const bnn_vocab *v, const char *text, size_t size) {
    return bnn_vocab_find(v, "", text, size, bnn_token_hash_add(BNN_TOKEN_HASH, text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_vocab *v;
    if (!bnn_accepted(bnn_vocab_parse("input", data, size, &v, &err), &err)) {
        bnn_insist(v == NULL);
        return 0;
    }
    size_t kept, line = 0;
    bnn_insist(bnn_vocab_bytes(v, &kept) != data && kept == size);
    bnn_insist(memcmp(bnn_vocab_bytes(v, &kept), data, size) == 0);
    for (size_t at = 0; at < size; line++) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t length = (newline ? (size_t)(newline - data) : size) - at, whole = length + 1;
        length -= length > 0 && data[at + length - 1] == '\r';
        bnn_insist(length > 0 && length <= bnn_vocab_longest(v));
        bnn_insist(find(v, (const char *)data + at, length) == (int32_t)line);
        at += whole;
    }
    bnn_insist(line == bnn_vocab_tokens(v) && find(v, "not a token", 11) < (int32_t)line);
    for (int i = 0; i < BNN_SPECIALS; i++) {
        const int32_t id = bnn_vocab_special(v, (bnn_special)i);
        bnn_insist(id == find(v, bnn_special_names[i], strlen(bnn_special_names[i])));
        bnn_insist(id >= 0 || i == BNN_TOKEN_MASK);
    }
    bnn_vocab_free(v);
    return 0;
}

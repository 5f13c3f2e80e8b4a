/* Fuzz target: a text, that becomes tokens and what a network sees. Twice the text with a blank
 * between is twice the tokens. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/text/text.h"
#include "tests/fuzz/fuzz.h"

#define LENGTH 16

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\nab\n##aba\ni\n##i\ns\n##s\n.\n,\n'\n[\n]\n"
    "the\n##ing\n\xcf\x83\n##\xcf\x83\n##\xcf\x82\n\xe4\xb8\xad\n\xc3\xa6\n##\xc3\xa6\n1\n##1\n";

static void check_features(const bnn_vocab *v, const bnn_ids *a, const bnn_ids *b) {
    int32_t ids[LENGTH], segment[LENGTH], mask[LENGTH];
    size_t tokens = 0, wanted = a->count + b->count + (b->count ? 3 : 2);
    bnn_text_features(v, a, b, LENGTH, ids, segment, mask);
    bnn_insist(ids[0] == bnn_vocab_special(v, BNN_TOKEN_CLS));
    for (int i = 0; i < LENGTH; i++) {
        bnn_insist(mask[i] == 0 || mask[i] == 1);
        bnn_insist(segment[i] == 0 || (segment[i] == 1 && mask[i]));
        bnn_insist(i == 0 || mask[i] <= mask[i - 1]);
        bnn_insist(mask[i] || ids[i] == bnn_vocab_special(v, BNN_TOKEN_PAD));
        tokens += (size_t)mask[i];
    }
    bnn_insist(tokens == (wanted < LENGTH ? wanted : LENGTH));
    bnn_insist(ids[tokens - 1] == bnn_vocab_special(v, BNN_TOKEN_SEP));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bnn_vocab *v;
    bnn_error err = {0};
    bnn_ids once = {0}, twice = {0};
    if (!v) {
        bnn_insist(bnn_vocab_parse("v", (const unsigned char *)vocabulary, sizeof vocabulary - 1,
                                   &v, &err) == BNN_OK);
    }
    bnn_code code = bnn_wordpiece(v, "input", (const char *)data, size, &once, &err);
    if (bnn_accepted(code, &err)) {
        char *text = malloc(2 * size + 1);
        bnn_insist(text != NULL);
        memset(text, ' ', 2 * size + 1);
        for (size_t i = 0; i < size; i++) {
            text[i] = text[size + 1 + i] = (char)data[i];
        }
        code = bnn_wordpiece(v, "input", text, 2 * size + 1, &twice, &err);
        bnn_insist(code == BNN_OK && twice.count == 2 * once.count);
        for (size_t i = 0; i < once.count; i++) {
            bnn_insist(once.id[i] >= 0 && (size_t)once.id[i] < bnn_vocab_tokens(v));
            bnn_insist(twice.id[i] == once.id[i] && twice.id[once.count + i] == once.id[i]);
        }
        check_features(v, &once, &(bnn_ids){0});
        check_features(v, &once, &twice);
        check_features(v, &twice, &once);
        free(text);
    }
    free(once.id);
    free(twice.id);
    return 0;
}

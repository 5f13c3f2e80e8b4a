/* What a network sees of a sentence or a pair. */
#include "data_loaders/text/text.h"

/* How many tokens of each are kept where `room` are: one at a time goes from the longer. */
static void truncate_pair(size_t *a, size_t *b, size_t room) {
    while (*a + *b > room) {
        --*(*a > *b ? a : b);
    }
}

void bnn_text_features(const bnn_vocab *vocab, const bnn_ids *a, const bnn_ids *b, size_t length,
                       int32_t *ids, int32_t *segment, int32_t *mask) {
    const int32_t sep = bnn_vocab_special(vocab, BNN_TOKEN_SEP);
    const int32_t pad = bnn_vocab_special(vocab, BNN_TOKEN_PAD);
    size_t first = a->count, second = b->count, n = 0;
    truncate_pair(&first, &second, length - (second ? 3 : 2));
    ids[n++] = bnn_vocab_special(vocab, BNN_TOKEN_CLS);
    for (size_t i = 0; i < first; i++) {
        ids[n++] = a->id[i];
    }
    ids[n++] = sep;
    const size_t before = n;
    for (size_t i = 0; i < second; i++) {
        ids[n++] = b->id[i];
    }
    if (second) {
        ids[n++] = sep;
    }
    for (size_t i = 0; i < length; i++) {
        ids[i] = i < n ? ids[i] : pad;
        segment[i] = i >= before && i < n;
        mask[i] = i < n;
    }
}

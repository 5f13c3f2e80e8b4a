/* In place of wordpiece.c where the build found no utf8proc: whoever asks for tokens is told so. */
#include "data_loaders/text/text.h"

bnn_code bnn_wordpiece_usable(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "this program was built without text; install libutf8proc-dev, and build it "
                    "again");
}

bnn_code bnn_wordpiece(const bnn_vocab *vocab, const char *name, const char *text, size_t size,
                       bnn_ids *out, bnn_error *err) {
    (void)vocab;
    (void)name;
    (void)text;
    (void)size;
    (void)out;
    return bnn_wordpiece_usable(err);
}

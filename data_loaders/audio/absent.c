/* In place of decode.c and log_mel.c where the build found no libsndfile or no kissfft: whoever
 * asks for sound is told so. */
#include "data_loaders/audio/audio.h"
#include "data_loaders/audio/internal.h"

static bnn_code absent(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "this program was built without sound; install libsndfile1-dev and "
                    "libkissfft-dev, and build it again");
}

bnn_code bnn_wav_decode(const char *name, const bnn_wav *wav, size_t frames, float *out,
                        bnn_error *err) {
    (void)name;
    (void)wav;
    (void)frames;
    (void)out;
    return absent(err);
}

bnn_code bnn_log_mel_create(bnn_log_mel **out, bnn_error *err) {
    *out = NULL;
    return absent(err);
}

void bnn_log_mel_free(bnn_log_mel *mel) {
    (void)mel;
}

void bnn_log_mel_of(const bnn_log_mel *mel, const float clip[BNN_CLIP],
                    float out[BNN_MELS * BNN_FRAMES]) {
    (void)mel;
    (void)clip;
    for (int i = 0; i < BNN_MELS * BNN_FRAMES; i++) {
        out[i] = 0; /* nobody has a bnn_log_mel */
    }
}

/* What the parts of audio/ share among themselves and show to the tests. */
#ifndef BNN_DATA_LOADERS_AUDIO_INTERNAL_H
#define BNN_DATA_LOADERS_AUDIO_INTERNAL_H

#include <stddef.h>

#include "engine/base/status.h"

/* How a sample is written; the value is its bytes, and 16 more where two are of one size. */
typedef enum bnn_coding {
    BNN_CODING_U8 = 1,
    BNN_CODING_I16 = 2,
    BNN_CODING_I24 = 3,
    BNN_CODING_I32 = 4,
    BNN_CODING_F64 = 8,
    BNN_CODING_ALAW = 16 + 1,
    BNN_CODING_MULAW = 32 + 1,
    BNN_CODING_F32 = 16 + 4,
} bnn_coding;

static inline size_t bnn_coding_bytes(bnn_coding coding) {
    return (size_t)coding % 16;
}

/* The sound of a parsed file, little-endian, channels in turn. */
typedef struct bnn_wav {
    bnn_coding coding;
    int channels, rate;
    const unsigned char *data;
    size_t frames; /* at least 1; a frame is a sample of each channel */
} bnn_wav;

bnn_code bnn_wav_parse(const char *name, const unsigned char *bytes, size_t size, bnn_wav *out,
                       bnn_error *err);
/* The mean of the channels of the first `frames` frames. */
bnn_code bnn_wav_decode(const char *name, const bnn_wav *wav, size_t frames, float *out,
                        bnn_error *err);

/* How many samples of one rate `count` of another are: rounded up, so that none is lost. */
size_t bnn_resampled_count(size_t count, int from, int to);
/* Band-limited: out[count] at the rate `to`, of in[size] at `from`; silence lies around it. */
bnn_code bnn_resample(const float *in, size_t size, int from, int to, float *out, size_t count,
                      bnn_error *err);

#endif

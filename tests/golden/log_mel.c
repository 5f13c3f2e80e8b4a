/* Reference cases of the features of sound. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data_loaders/audio/audio.h"
#include "tests/golden/golden.h"

#define QUIET 80.0 /* decibels below a clip's loudest, where float32 is not exact any more */

/* One clip. */
static int compare(const char *path, size_t clip, const float *got, const double *want) {
    double loudest = -INFINITY;
    for (int i = 0; i < BNN_MELS * BNN_FRAMES; i++) {
        loudest = fmax(loudest, want[i]);
    }
    for (int i = 0; i < BNN_MELS * BNN_FRAMES; i++) {
        double tolerance = want[i] >= loudest - QUIET ? 1e-3 : 0.1;
        if (!(fabs((double)got[i] - want[i]) <= tolerance)) {
            printf("FAIL %s: clip %zu, mel %d, frame %d: %g dB, expected %g\n", path, clip,
                   i / BNN_FRAMES, i % BNN_FRAMES, (double)got[i], want[i]);
            return 0;
        }
    }
    return 1;
}

golden_result golden_log_mel(const char *path, const bnn_st_file *file, const bnn_device *device) {
    const bnn_st_tensor *pcm = bnn_st_find(file, "pcm"), *want = bnn_st_find(file, "log_mel");
    static int16_t stored[BNN_CLIP];
    static float clip[BNN_CLIP], got[BNN_MELS * BNN_FRAMES];
    static double expected[BNN_MELS * BNN_FRAMES];
    bnn_log_mel *mel;
    bnn_error err;
    (void)device;
    bnn_code code = bnn_log_mel_create(&mel, &err);
    if (code == BNN_ERR_UNSUPPORTED) {
        printf("skipped %s: %s\n", path, err.text);
        return GOLDEN_SKIPPED;
    }
    if (code != BNN_OK || !pcm || !want || pcm->dtype != BNN_ST_I16 || want->dtype != BNN_ST_F64 ||
        pcm->count % BNN_CLIP != 0 ||
        want->count != pcm->count / BNN_CLIP * BNN_MELS * BNN_FRAMES) {
        printf("FAIL %s: no clips and features of them\n", path);
        bnn_log_mel_free(mel);
        return GOLDEN_FAILED;
    }
    int passed = 1;
    for (size_t c = 0; c < pcm->count / BNN_CLIP; c++) {
        memcpy(stored, (const char *)pcm->data + c * sizeof stored, sizeof stored);
        memcpy(expected, (const char *)want->data + c * sizeof expected, sizeof expected);
        for (size_t i = 0; i < BNN_CLIP; i++) {
            clip[i] = (float)stored[i] / 32768;
        }
        bnn_log_mel_of(mel, clip, got);
        passed &= compare(path, c, got, expected);
    }
    bnn_log_mel_free(mel);
    return passed ? GOLDEN_PASSED : GOLDEN_FAILED;
}

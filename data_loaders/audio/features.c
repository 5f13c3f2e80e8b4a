/* From a file's bytes to what a network sees, outside training. */
#include "data_loaders/audio/audio.h"

bnn_code bnn_clip_features(const char *name, const unsigned char *bytes, size_t size,
                           float out[BNN_MELS * BNN_FRAMES], bnn_error *err) {
    const bnn_sound_change none = {.gain = 1, .speed = 1};
    float clip[BNN_CLIP];
    bnn_log_mel *mel;
    bnn_sound sound;
    bnn_code code = bnn_log_mel_create(&mel, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_wav_read(name, bytes, size, BNN_SOUND_MOST, &sound, err);
    if (code == BNN_OK) {
        bnn_sound_clip(&sound, &none, clip);
        bnn_log_mel_of(mel, clip, out);
        bnn_sound_free(&sound);
    }
    bnn_log_mel_free(mel);
    return code;
}

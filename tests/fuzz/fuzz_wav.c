/* Fuzz target: a WAV file in memory. What is accepted is a sound of finite samples, and has
 * features that are finite, too, once it is changed as in training, by draws of which some change
 * nothing. */
#include <math.h>

#include "data_loaders/audio/audio.h"
#include "tests/fuzz/fuzz.h"

static void hear(const bnn_sound *sound, const bnn_sound_change *change) {
    static bnn_log_mel *mel;
    static float clip[BNN_CLIP], features[BNN_MELS * BNN_FRAMES];
    bnn_insist(mel || bnn_log_mel_create(&mel, NULL) == BNN_OK);
    bnn_sound_clip(sound, change, clip);
    bnn_log_mel_of(mel, clip, features);
    for (int i = 0; i < BNN_MELS * BNN_FRAMES; i++) {
        bnn_insist(isfinite(features[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float humming[100] = {0.25f, -0.25f};
    const bnn_sound noise = {humming, sizeof humming / sizeof humming[0]};
    bnn_error err = {0};
    bnn_sound sound;
    bnn_code code = bnn_wav_read("input", data, size, BNN_SOUND_MOST, &sound, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(!sound.sample && sound.count == 0);
        return 0;
    }
    bnn_insist(sound.count > 0 && sound.count <= BNN_SOUND_MOST);
    for (size_t i = 0; i < sound.count; i++) {
        bnn_insist(isfinite(sound.sample[i]));
    }
    bnn_sound_change change = bnn_sound_draw(&(bnn_draw){1, 0}, size, &noise, 1);
    hear(&sound, &change);
    bnn_sound_free(&sound);
    return 0;
}

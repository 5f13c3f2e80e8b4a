/* Training on sound: noise, loudness, speed, place, in this order, as BiBench and the keyword
 * networks before it train; see bnn_sound_draw for how often. Nothing is copied but the clip: what
 * sample of the sound each of the clip's is, is computed. */
#include <string.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/augment.h"
#include "engine/base/rng.h"

#define NOISE_OFTEN 0.3f
#define NOISE_MOST 0.3f
#define OFTEN 0.5f

static float between(bnn_rng *rng, float least, float most) {
    return least + (most - least) * bnn_rng_uniform(rng);
}

bnn_sound_change bnn_sound_draw(const bnn_draw *draw, size_t index, const bnn_sound *noise,
                                size_t noises) {
    bnn_sound_change c = {.gain = 1, .speed = 1};
    bnn_rng rng =
        bnn_rng_start(draw->seed, bnn_data_stream("data.augment", draw->epoch, (uint32_t)index));
    if (noises > 0 && bnn_rng_uniform(&rng) < NOISE_OFTEN) {
        c.noise = &noise[bnn_rng_below(&rng, (uint32_t)noises)];
        c.noise_place = bnn_rng_uniform(&rng);
        c.noise_share = between(&rng, 0, NOISE_MOST);
    }
    if (bnn_rng_uniform(&rng) < OFTEN) {
        c.gain = between(&rng, 0.7f, 1.1f);
    }
    if (bnn_rng_uniform(&rng) < OFTEN) {
        c.speed = 1 + (double)between(&rng, -0.2f, 0.2f);
    }
    if (bnn_rng_uniform(&rng) < OFTEN) {
        c.shift = (int)bnn_rng_below(&rng, 2 * BNN_SHIFT_MOST + 1) - BNN_SHIFT_MOST;
    }
    return c;
}

void bnn_sound_clip(const bnn_sound *sound, const bnn_sound_change *change, float clip[BNN_CLIP]) {
    const size_t count = sound->count;
    const size_t sped = (size_t)((double)count / change->speed); /* samples once sped up */
    const float share = change->noise_share;
    const bnn_sound *noise = change->noise;
    /* A noise as long as the sound; from its beginning if it is shorter. */
    size_t places = noise && noise->count > count ? noise->count - count + 1 : 1;
    size_t place = (size_t)((double)change->noise_place * (double)places);
    for (int i = 0; i < BNN_CLIP; i++) {
        const int from = i - change->shift;
        clip[i] = 0;
        if ((size_t)i >= sped || from < 0 || (size_t)from >= sped) {
            continue; /* what is shifted beyond the sound's own end is lost */
        }
        size_t at = (size_t)(from * change->speed);
        at = at < count ? at : count - 1;
        float x = sound->sample[at];
        if (noise) {
            float n = place + at < noise->count ? noise->sample[place + at] : 0;
            x = x * (1 - share) + n * share;
        }
        clip[i] = x * change->gain;
    }
}

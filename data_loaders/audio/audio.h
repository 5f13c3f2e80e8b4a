/* Sound for the networks that hear words: a WAV file in memory becomes a clip of one second at
 * 16 kHz, and that a picture of 32 mel bands by 32 frames in decibels. Every file is hostile until
 * checked. One decision: we read a WAV file's frame ourselves, so that each fault is told for what
 * it is, and libsndfile decodes what lies in it. Where the build found no libsndfile or no kissfft,
 * absent.c stands in for decode.c and log_mel.c. */
#ifndef BNN_DATA_LOADERS_AUDIO_AUDIO_H
#define BNN_DATA_LOADERS_AUDIO_AUDIO_H

#include <stddef.h>

#include "data_loaders/dataset.h"
#include "engine/base/status.h"

#define BNN_SOUND_RATE 16000 /* samples a second, of every bnn_sound */
#define BNN_CLIP 16000       /* samples that a network hears */
#define BNN_MELS 32
#define BNN_FRAMES 32

/* ---- reading ---- */
/* One channel; full scale is 1. */
typedef struct bnn_sound {
    float *sample; /* owned */
    size_t count;  /* at least 1 */
} bnn_sound;

/* Reads a WAV file, at most the first `most` samples (at 16 kHz) of it: integers of 8 to 32 bits,
 * floats, A-law or mu-law, of any number of channels (their mean counts) and any usual rate.
 * Memory is bounded by the file's size and by `most`. `name` is for messages. */
bnn_code bnn_wav_read(const char *name, const unsigned char *bytes, size_t size, size_t most,
                      bnn_sound *out, bnn_error *err);
void bnn_sound_free(bnn_sound *sound);

/* ---- features ---- */
typedef struct bnn_log_mel bnn_log_mel; /* window, filters, plan of the FFT: read only once made */

/* BNN_ERR_UNSUPPORTED where it was left out of the build. */
bnn_code bnn_log_mel_create(bnn_log_mel **out, bnn_error *err);
void bnn_log_mel_free(bnn_log_mel *mel); /* NULL is fine */
/* 10 log10 of the power in each band. From several threads at once. */
void bnn_log_mel_of(const bnn_log_mel *mel, const float clip[BNN_CLIP],
                    float out[BNN_MELS * BNN_FRAMES]);

/* What a network sees of one WAV file outside training. */
bnn_code bnn_clip_features(const char *name, const unsigned char *bytes, size_t size,
                           float out[BNN_MELS * BNN_FRAMES], bnn_error *err);

/* ---- augmentation ---- */
#define BNN_SHIFT_MOST 3200 /* samples */
/* No sample beyond it reaches a clip, however a sound is sped up and shifted. */
#define BNN_SOUND_MOST 32000

/* All zero but gain and speed 1 is the test transform. */
typedef struct bnn_sound_change {
    const bnn_sound *noise; /* NULL: none */
    float noise_place;      /* where in it, 0 to 1 */
    float noise_share;
    float gain;
    double speed; /* 1.2: every sixth sample is left out */
    int shift;    /* samples, later if positive */
} bnn_sound_change;

/* A function of (seed, epoch, index) and of how many noises there are to choose from. */
bnn_sound_change bnn_sound_draw(const bnn_draw *draw, size_t index, const bnn_sound *noise,
                                size_t noises);
/* The first second of the changed sound; zeros follow a shorter one. */
void bnn_sound_clip(const bnn_sound *sound, const bnn_sound_change *change, float clip[BNN_CLIP]);

#endif

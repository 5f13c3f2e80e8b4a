/* WAV files (Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, 1991;
 * WAVE_FORMAT_EXTENSIBLE, 2001), read from memory. Only uncompressed sound and the two telephone
 * codings: what a data set of short words is kept in. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/audio/internal.h"

#define RIFF_HEADER 12
#define CHUNK_HEADER 8
#define MOST_CHANNELS 64
#define LEAST_RATE 4000
#define MOST_RATE 384000
/* Full scale is 1. Floats may go beyond, but one that counts in 16 bits is not meant so. */
#define LOUDEST 100.0f
/* From here on a size is what a recorder writes that cannot go back to its header, as in a pipe. */
#define SIZE_UNKNOWN 0x7ffff000u
#define CURE "convert it, for instance with: ffmpeg -i FILE -ac 1 -ar 16000 -c:a pcm_s16le NEW.wav"

enum { TAG_PCM = 1, TAG_FLOAT = 3, TAG_ALAW = 6, TAG_MULAW = 7, TAG_EXTENSIBLE = 0xfffe };

static unsigned little16(const unsigned char *p) {
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t little32(const unsigned char *p) {
    return (uint32_t)little16(p) | (uint32_t)little16(p + 2) << 16;
}

typedef struct chunk {
    const unsigned char *data; /* NULL: there is none */
    size_t size;               /* that are there */
    uint32_t promised;
} chunk;

/* The first chunk of this name that begins in the file. */
static chunk find_chunk(const unsigned char *bytes, size_t size, const char *name) {
    for (size_t at = RIFF_HEADER; size - at >= CHUNK_HEADER;) {
        uint32_t promised = little32(bytes + at + 4);
        size_t left = size - at - CHUNK_HEADER;
        if (memcmp(bytes + at, name, 4) == 0) {
            return (chunk){bytes + at + CHUNK_HEADER, promised < left ? promised : left, promised};
        }
        if ((size_t)promised + (promised & 1) > left) {
            break;
        }
        at += CHUNK_HEADER + (size_t)promised + (promised & 1); /* chunks begin at even places */
    }
    return (chunk){0};
}

/* The tag behind the GUID of an extensible format; 0 if that is of no known family. */
static unsigned extensible_tag(chunk format) {
    static const unsigned char family[14] = {0, 0, 0,    0, 0x10, 0,    0x80,
                                             0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    if (format.size < 40 || memcmp(format.data + 26, family, sizeof family) != 0) {
        return 0;
    }
    return little16(format.data + 24);
}

/* 0: none that is read here. */
static int coding_of(unsigned tag, unsigned bits) {
    switch (tag) {
    case TAG_PCM: /* 12 bits stand in the upper part of 16 */
        return bits >= 1 && bits <= 32 ? (int)(bits + 7) / 8 : 0;
    case TAG_FLOAT:
        return bits == 32 ? BNN_CODING_F32 : bits == 64 ? BNN_CODING_F64 : 0;
    case TAG_ALAW:
        return bits == 8 ? BNN_CODING_ALAW : 0;
    case TAG_MULAW:
        return bits == 8 ? BNN_CODING_MULAW : 0;
    default:
        return 0;
    }
}

static bnn_code parse_format(const char *name, chunk format, bnn_wav *wav, bnn_error *err) {
    if (format.size < 16) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the WAV file does not say how its sound is written; it is damaged, "
                        "copy it again",
                        name);
    }
    unsigned tag = little16(format.data), channels = little16(format.data + 2);
    uint32_t rate = little32(format.data + 4);
    unsigned block = little16(format.data + 12), bits = little16(format.data + 14);
    int coding = coding_of(tag == TAG_EXTENSIBLE ? extensible_tag(format) : tag, bits);
    if (coding == 0) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: a WAV file of %u bits a sample in coding %u, which is not read "
                        "here; " CURE,
                        name, bits, tag);
    }
    if (channels < 1 || channels > MOST_CHANNELS || rate < LEAST_RATE || rate > MOST_RATE) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %u channels of %u samples a second, expected 1 to %d of %d to %d; it "
                        "is damaged, or " CURE,
                        name, channels, rate, MOST_CHANNELS, LEAST_RATE, MOST_RATE);
    }
    wav->coding = (bnn_coding)coding;
    wav->channels = (int)channels;
    wav->rate = (int)rate;
    if (block != channels * bnn_coding_bytes(wav->coding)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %u bytes for %u samples of %u bits, expected %zu; the file is "
                        "damaged, copy it again",
                        name, block, channels, bits, channels * bnn_coding_bytes(wav->coding));
    }
    return BNN_OK;
}

bnn_code bnn_wav_parse(const char *name, const unsigned char *bytes, size_t size, bnn_wav *out,
                       bnn_error *err) {
    *out = (bnn_wav){0};
    if (size == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: the file is empty; copy it again", name);
    }
    if (size < RIFF_HEADER || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: no WAV file, whatever it is called; " CURE, name);
    }
    chunk data = find_chunk(bytes, size, "data");
    bnn_code code = parse_format(name, find_chunk(bytes, size, "fmt "), out, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!data.data) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the WAV file ends before its sound begins; copy it again", name);
    }
    if (data.size < data.promised && data.promised < SIZE_UNKNOWN) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the WAV file is cut off: %zu bytes of sound, its header promises %u; "
                        "copy it again",
                        name, data.size, data.promised);
    }
    out->data = data.data;
    out->frames = data.size / ((size_t)out->channels * bnn_coding_bytes(out->coding));
    if (out->frames == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the WAV file holds no sound (%zu bytes of it); record it again", name,
                        data.size);
    }
    return BNN_OK;
}

static bnn_code check_levels(const char *name, const float *sample, size_t count, bnn_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(sample[i]) <= LOUDEST)) { /* neither is NaN */
            return bnn_fail(err, BNN_ERR_NUMERIC,
                            "%s: sample %zu is %g, where sound lies between -1 and 1; the file is "
                            "damaged or scaled otherwise, " CURE,
                            name, i, (double)sample[i]);
        }
    }
    return BNN_OK;
}

/* Of the file's own rate to ours. */
static bnn_code resample(const char *name, int rate, size_t most, bnn_sound *sound,
                         bnn_error *err) {
    if (rate == BNN_SOUND_RATE) {
        return BNN_OK;
    }
    bnn_sound other = {.count = bnn_resampled_count(sound->count, rate, BNN_SOUND_RATE)};
    other.count = other.count < most ? other.count : most;
    other.sample = malloc(other.count * sizeof *other.sample);
    if (!other.sample) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu samples", name,
                        other.count);
    }
    bnn_code code = bnn_resample(sound->sample, sound->count, rate, BNN_SOUND_RATE, other.sample,
                                 other.count, err);
    free(code == BNN_OK ? sound->sample : other.sample);
    *sound = code == BNN_OK ? other : *sound;
    return code;
}

bnn_code bnn_wav_read(const char *name, const unsigned char *bytes, size_t size, size_t most,
                      bnn_sound *out, bnn_error *err) {
    *out = (bnn_sound){0};
    bnn_wav wav;
    bnn_code code = bnn_wav_parse(name, bytes, size, &wav, err);
    if (code != BNN_OK) {
        return code;
    }
    /* Half a second more: what a sample is made of when the rate is changed lies around it. */
    const size_t reach = (size_t)wav.rate / 2;
    bnn_sound sound = {.count = wav.frames};
    if (most < SIZE_MAX / MOST_RATE) {
        size_t enough = bnn_resampled_count(most, BNN_SOUND_RATE, wav.rate) + reach;
        sound.count = enough < sound.count ? enough : sound.count;
    }
    sound.sample = malloc(sound.count * sizeof *sound.sample);
    if (!sound.sample) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu samples", name,
                        sound.count);
    }
    code = bnn_wav_decode(name, &wav, sound.count, sound.sample, err);
    if (code == BNN_OK) {
        code = check_levels(name, sound.sample, sound.count, err);
    }
    if (code == BNN_OK) {
        code = resample(name, wav.rate, most, &sound, err);
    }
    if (code != BNN_OK) {
        free(sound.sample);
        return code;
    }
    sound.count = sound.count < most ? sound.count : most;
    *out = sound;
    return BNN_OK;
}

void bnn_sound_free(bnn_sound *sound) {
    free(sound->sample);
    *sound = (bnn_sound){0};
}

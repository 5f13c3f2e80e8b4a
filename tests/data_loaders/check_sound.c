/* Sound: WAV files of every coding and fault, other sampling rates, features against their plain
 * definition, changes for training against the same done step by step. Every file is written here.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/audio/internal.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/wav_fixture.h"

#define PI 3.14159265358979323846
#define N 2048

static unsigned char file[WAV_HEADER + 400000];

/* A copy of the exact size, so that a sanitizer sees a read beyond it. */
static bnn_code read_copy(const unsigned char *bytes, size_t size, size_t most, bnn_sound *sound,
                          bnn_error *err) {
    unsigned char *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    bnn_code code = bnn_wav_read("clip.wav", copy, size, most, sound, err);
    free(copy);
    return code;
}

static bnn_sound read_good(size_t size, size_t most) {
    bnn_sound sound;
    bnn_error err = {0};
    bnn_code code = read_copy(file, size, most, &sound, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return sound;
}

static void expect_bad(size_t size, bnn_code expected, const char *text) {
    bnn_sound sound;
    bnn_error err = {0};
    bnn_code code = read_copy(file, size, BNN_SOUND_MOST, &sound, &err);
    expect_error(code, expected, &err, "clip.wav: ", text, NULL);
    ck_assert_ptr_null(sound.sample);
}

/* ---- codings ---- */

/* Three samples of each: what stands in the file, and what it means. */
typedef struct coding {
    unsigned tag, bits;
    uint64_t stored[3];
    float value[3];
} coding;

static const coding codings[] = {
    {1, 8, {0x80, 0, 0xc0}, {0, -1, 0.5f}},
    {1, 16, {0, 0x8000, 0x4001}, {0, -1, 0x4001 / 32768.0f}},
    {1, 12, {0, 0x8000, 0x4010}, {0, -1, 0x4010 / 32768.0f}},
    {1, 24, {1, 0x800000, 0x400001}, {1 / 8388608.0f, -1, 0x400001 / 8388608.0f}},
    {1, 20, {0x10, 0x800000, 0x400000}, {0x10 / 8388608.0f, -1, 0.5f}},
    {1, 32, {0, 0x80000000, 0x40000000}, {0, -1, 0.5f}},
    {3, 32, {0, 0xbfc00000, 0x3e000000}, {0, -1.5f, 0.125f}},
    {3, 64, {0, 0xbff8000000000000, 0x3fc0000000000000}, {0, -1.5f, 0.125f}},
    {6, 8, {0xd5, 0x2a, 0xaa}, {8 / 32768.0f, -32256 / 32768.0f, 32256 / 32768.0f}},
    {7, 8, {0xff, 0x00, 0x80}, {0, -32124 / 32768.0f, 32124 / 32768.0f}},
};

START_TEST(coding_read) {
    const coding *c = &codings[_i];
    const int bytes = (int)(c->bits + 7) / 8;
    wav_header(file, c->tag, 1, 16000, c->bits, 3 * (size_t)bytes);
    for (int i = 0; i < 3; i++) {
        put_little(file + WAV_HEADER + i * bytes, c->stored[i], bytes);
    }
    bnn_sound sound = read_good(WAV_HEADER + 3 * (size_t)bytes, SIZE_MAX);
    ck_assert_uint_eq(sound.count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(sound.sample[i], c->value[i]);
    }
    bnn_sound_free(&sound);
}
END_TEST

/* The mean of the channels, also of so many that a read holds few frames of them. */
START_TEST(channels_mixed) {
    static const unsigned channels[] = {2, 6, 64};
    const unsigned n = channels[_i], frames = 1000;
    wav_header(file, 1, n, 16000, 16, 2 * n * frames);
    for (unsigned i = 0; i < n * frames; i++) {
        put_little(file + WAV_HEADER + 2 * i, i / n + 100 * (i % n), 2);
    }
    bnn_sound sound = read_good(WAV_HEADER + 2 * n * frames, SIZE_MAX);
    ck_assert_uint_eq(sound.count, frames);
    for (unsigned i = 0; i < frames; i++) {
        ck_assert_float_eq(sound.sample[i], (float)((i + 50.0 * (n - 1)) / 32768));
    }
    bnn_sound_free(&sound);
}
END_TEST

/* Two samples, 0.5 and -0.25, after a header of this size. */
static void expect_two(size_t header) {
    put_little(file + header, 0x4000, 2);
    put_little(file + header + 2, 0xe000, 2);
    bnn_sound sound = read_good(header + 4, SIZE_MAX);
    ck_assert_uint_eq(sound.count, 2);
    ck_assert_float_eq(sound.sample[0], 0.5f);
    ck_assert_float_eq(sound.sample[1], -0.25f);
    bnn_sound_free(&sound);
}

START_TEST(frame_read) {
    static const unsigned char guid[] = {1,    0, 0, 0,    0, 0,    0x10, 0,
                                         0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    /* As recorders leave it that write to a pipe. */
    static const uint64_t unknown[] = {0xffffffff, 0x7ffff000, 0x80000000};
    for (int i = 0; i < 3; i++) {
        wav_header(file, 1, 1, 16000, 16, 4);
        put_little(file + 40, unknown[i], 4);
        expect_two(WAV_HEADER);
    }
    /* Half a sample at the end is none. */
    wav_header(file, 1, 1, 16000, 16, 5);
    bnn_sound sound = read_good(WAV_HEADER + 5, SIZE_MAX);
    ck_assert_uint_eq(sound.count, 2);
    bnn_sound_free(&sound);
    /* Extensible, with a chunk of odd size before the format and one before the sound. */
    memcpy(file + 12, "LIST\3\0\0\0abc\0fmt \x28\0\0\0", 20);
    wav_header(file + 200, 0xfffe, 1, 16000, 16, 4);
    memcpy(file + 32, file + 220, 16);
    memcpy(file + 48, "\x16\0\x10\0\4\0\0\0", 8);
    memcpy(file + 56, guid, sizeof guid);
    memcpy(file + 72, "fact\4\0\0\0\2\0\0\0data\4\0\0\0", 20);
    expect_two(92);
    file[70] ^= 1; /* the GUID's end */
    expect_bad(96, BNN_ERR_UNSUPPORTED, "coding 65534");
}
END_TEST

/* More channels than libsndfile knows: what the parser lets through never comes so far. */
START_TEST(decoder_refuses) {
    float out[1];
    bnn_error err = {0};
    const bnn_wav wav = {BNN_CODING_I16, 3000, 16000, file, 1};
    bnn_code code = bnn_wav_decode("clip.wav", &wav, 1, out, &err);
    expect_error(code, BNN_ERR_MEMORY, &err, "clip.wav: libsndfile decodes 0 of 1 samples", NULL);
}
END_TEST

/* ---- faults ---- */

START_TEST(faults) {
    int16_t two[2] = {1, 2};
    memcpy(file, "fLaC and more that is no WAV", 28);
    expect_bad(0, BNN_ERR_FORMAT, "empty");
    expect_bad(28, BNN_ERR_FORMAT, "no WAV file");
    size_t size = wav_of(file, two, 2);
    for (size_t cut = 1; cut < size; cut++) {
        expect_bad(cut, BNN_ERR_FORMAT, "");
    }
    expect_bad(11, BNN_ERR_FORMAT, "no WAV file");
    expect_bad(40, BNN_ERR_FORMAT, "ends before its sound begins");
    expect_bad(size - 1, BNN_ERR_FORMAT, "3 bytes of sound, its header promises 4; copy");
    memcpy(file + 36, "dada", 4);
    expect_bad(size, BNN_ERR_FORMAT, "ends before its sound begins");
    wav_header(file, 1, 1, 16000, 16, 0);
    expect_bad(WAV_HEADER, BNN_ERR_FORMAT, "holds no sound");
    wav_header(file, 1, 1, 16000, 16, 1);
    expect_bad(WAV_HEADER + 1, BNN_ERR_FORMAT, "holds no sound");
    memcpy(file + 12, "fmx ", 4);
    expect_bad(WAV_HEADER + 1, BNN_ERR_FORMAT, "does not say how");
    wav_of(file, two, 2);
    put_little(file + 32, 3, 2);
    expect_bad(size, BNN_ERR_FORMAT, "3 bytes for 1 samples of 16 bits, expected 2");
}
END_TEST

START_TEST(formats_refused) {
    static const struct {
        unsigned tag, channels, rate, bits;
        bnn_code code;
        const char *text;
    } cases[] = {
        {0x11, 1, 16000, 4, BNN_ERR_UNSUPPORTED, "4 bits a sample in coding 17"},
        {1, 1, 16000, 0, BNN_ERR_UNSUPPORTED, "0 bits"},
        {1, 1, 16000, 40, BNN_ERR_UNSUPPORTED, "40 bits"},
        {3, 1, 16000, 16, BNN_ERR_UNSUPPORTED, "16 bits a sample in coding 3"},
        {6, 1, 16000, 16, BNN_ERR_UNSUPPORTED, "coding 6"},
        {7, 1, 16000, 16, BNN_ERR_UNSUPPORTED, "coding 7"},
        {0xfffe, 1, 16000, 16, BNN_ERR_UNSUPPORTED, "ffmpeg"},
        {1, 0, 16000, 16, BNN_ERR_FORMAT, "0 channels"},
        {1, 65, 16000, 16, BNN_ERR_FORMAT, "65 channels"},
        {1, 1, 0, 16, BNN_ERR_FORMAT, "of 0 samples a second"},
        {1, 1, 3999, 16, BNN_ERR_FORMAT, "of 3999 samples a second, expected 1 to 64 of 4000"},
        {1, 1, 0xffffffff, 16, BNN_ERR_FORMAT, "of 4294967295 samples"},
    };
    memset(file, 0, WAV_HEADER + 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wav_header(file, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits, 1000);
        expect_bad(WAV_HEADER + 1000, cases[i].code, cases[i].text);
    }
}
END_TEST

START_TEST(levels_refused) {
    static const struct {
        uint64_t stored;
        const char *text;
    } cases[] = {{0x7fc00000, "sample 2 is"},
                 {0x7f800000, "sample 2 is inf"},
                 {0xff800000, "sample 2 is -inf"},
                 {0x46ea6000, "sample 2 is 30000, where sound lies between -1 and 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(file, 0, WAV_HEADER + 16);
        wav_header(file, 3, 1, 16000, 32, 16);
        put_little(file + WAV_HEADER + 8, cases[i].stored, 4);
        expect_bad(WAV_HEADER + 16, BNN_ERR_NUMERIC, cases[i].text);
    }
}
END_TEST

/* ---- other rates ---- */

/* A second of a tone in 16 bits, as a file. */
static size_t write_tone(unsigned rate, double hertz) {
    wav_header(file, 1, 1, rate, 16, 2 * rate);
    for (unsigned i = 0; i < rate; i++) {
        double x = 16000 * sin(2 * PI * hertz * i / rate);
        put_little(file + WAV_HEADER + 2 * i, (uint16_t)(int16_t)lrint(x), 2);
    }
    return WAV_HEADER + 2 * rate;
}

static double worst_from_tone(const bnn_sound *sound, double hertz, double level) {
    double worst = 0;
    for (size_t i = 1000; i < 15000; i++) { /* silence lies around the second */
        double want = level * sin(2 * PI * hertz * (double)i / 16000);
        worst = fmax(worst, fabs((double)sound->sample[i] - want));
    }
    return worst;
}

/* What both rates can hold stays, what 16 kHz cannot hold is gone, not another tone. */
START_TEST(rates) {
    static const unsigned rate[] = {8000, 11025, 15999, 22050, 44100, 48000, 96000};
    const double level = 16000 / 32768.0;
    for (int high = 0; high < 2; high++) {
        const double hertz = high ? 9000 : 3000;
        if (high && rate[_i] < 2 * hertz) {
            break;
        }
        bnn_sound sound = read_good(write_tone(rate[_i], hertz), SIZE_MAX);
        ck_assert_uint_eq(sound.count, 16000);
        ck_assert_double_lt(worst_from_tone(&sound, hertz, high ? 0 : level), 1e-4);
        bnn_sound_free(&sound);
    }
}
END_TEST

/* A part of a file is the beginning of the whole. */
START_TEST(part_of_file) {
    const unsigned rate = _i ? 44100 : 16000;
    size_t size = write_tone(rate, 440);
    bnn_sound whole = read_good(size, SIZE_MAX), part = read_good(size, 5000);
    bnn_sound plenty = read_good(size, BNN_SOUND_MOST);
    ck_assert_uint_eq(whole.count, 16000);
    ck_assert_uint_eq(plenty.count, 16000);
    ck_assert_uint_eq(part.count, 5000);
    ck_assert_mem_eq(part.sample, whole.sample, 5000 * sizeof *part.sample);
    ck_assert_mem_eq(plenty.sample, whole.sample, 16000 * sizeof *part.sample);
    bnn_sound_free(&whole);
    bnn_sound_free(&part);
    bnn_sound_free(&plenty);
}
END_TEST

/* ---- features ---- */

/* One frame by the definition, in double. */
static void plain_frame(const float *clip, int frame, double out[BNN_MELS]) {
    static double x[N], power[N / 2 + 1];
    double squares = 0;
    for (int i = 0; i < N; i++) {
        int at = frame * 512 - N / 2 + i;
        double window = 0.5 * (1 - cos(2 * PI * i / N));
        at = at < 0 ? -at : at > 15999 ? 2 * 15999 - at : at;
        x[i] = window * (double)clip[at];
        squares += window * window;
    }
    for (int k = 0; k <= N / 2; k++) {
        double r = 0, j = 0;
        for (int i = 0; i < N; i++) {
            r += x[i] * cos(2 * PI * (k * i % N) / N);
            j += x[i] * sin(2 * PI * (k * i % N) / N);
        }
        power[k] = (r * r + j * j) / squares;
    }
    for (int m = 0; m < BNN_MELS; m++) {
        double corner[3], sum = 0;
        for (int c = 0; c < 3; c++) {
            double mel = 2595 * log10(1 + 8000 / 700.0) * (m + c) / (BNN_MELS + 1);
            corner[c] = 700 * (pow(10, mel / 2595) - 1);
        }
        for (int k = 0; k <= N / 2; k++) {
            double hertz = k * 16000.0 / N;
            double height = fmin((hertz - corner[0]) / (corner[1] - corner[0]),
                                 (corner[2] - hertz) / (corner[2] - corner[1]));
            sum += fmax(height, 0) * power[k];
        }
        out[m] = 10 * log10(fmax(sum, 1e-10));
    }
}

static bnn_log_mel *make_mel(void) {
    bnn_log_mel *mel;
    bnn_error err = {0};
    ck_assert_msg(bnn_log_mel_create(&mel, &err) == BNN_OK, "%s", err.text);
    return mel;
}

START_TEST(features_by_definition) {
    static const int frames[] = {0, 1, 15, 30, 31};
    static float clip[BNN_CLIP], got[BNN_MELS * BNN_FRAMES];
    bnn_log_mel *mel = make_mel();
    uint32_t state = 1;
    for (int i = 0; i < BNN_CLIP; i++) { /* a tone that grows, and noise */
        state = state * 1664525 + 1013904223;
        clip[i] = (float)(0.5 * sin(0.2 * i) * i / BNN_CLIP + 1e-3 * (state >> 8) / (1 << 24));
    }
    bnn_log_mel_of(mel, clip, got);
    for (int f = 0; f < 5; f++) {
        double want[BNN_MELS];
        plain_frame(clip, frames[f], want);
        for (int m = 0; m < BNN_MELS; m++) {
            ck_assert_double_eq_tol((double)got[m * BNN_FRAMES + frames[f]], want[m], 1e-3);
        }
    }
    memset(clip, 0, sizeof clip);
    bnn_log_mel_of(mel, clip, got);
    for (int i = 0; i < BNN_MELS * BNN_FRAMES; i++) {
        ck_assert_float_eq(got[i], -100);
    }
    bnn_log_mel_free(mel);
    bnn_log_mel_free(NULL);
}
END_TEST

/* A user's file: as it is, cut or filled up to a second. */
START_TEST(features_of_file) {
    static const size_t lengths[] = {1, 9000, 16000, 30000};
    static float clip[BNN_CLIP], want[BNN_MELS * BNN_FRAMES], got[BNN_MELS * BNN_FRAMES];
    static int16_t sample[30000];
    bnn_log_mel *mel = make_mel();
    for (int i = 0; i < 30000; i++) {
        sample[i] = (int16_t)(i * 7919);
    }
    for (int l = 0; l < 4; l++) {
        bnn_error err = {0};
        for (size_t i = 0; i < BNN_CLIP; i++) {
            clip[i] = i < lengths[l] ? (float)sample[i] / 32768 : 0;
        }
        bnn_log_mel_of(mel, clip, want);
        size_t size = wav_of(file, sample, lengths[l]);
        bnn_code code = bnn_clip_features("word.wav", file, size, got, &err);
        ck_assert_msg(code == BNN_OK, "%s", err.text);
        ck_assert_mem_eq(got, want, sizeof got);
    }
    bnn_error err = {0};
    bnn_code code = bnn_clip_features("word.wav", file, 50, got, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "word.wav: ", "cut off", NULL);
    bnn_log_mel_free(mel);
}
END_TEST

/* ---- augmentation ---- */

/* Within four deviations of `share` of 20000. */
static void expect_share(int count, double share) {
    double deviation = sqrt(20000 * share * (1 - share));
    ck_assert_double_eq_tol(count, 20000 * share, 4 * deviation);
}

START_TEST(changes_drawn) {
    static float samples[3] = {0};
    const bnn_sound noise[3] = {{samples, 1}, {samples, 2}, {samples, 3}};
    const bnn_draw now = {7, 3}, later = {7, 4};
    int noisy[3] = {0}, gain = 0, speed = 0, shift = 0, same = 0;
    double share = 0, loudness = 0, faster = 0, moved = 0;
    for (size_t i = 0; i < 20000; i++) {
        bnn_sound_change c = bnn_sound_draw(&now, i, noise, 3);
        bnn_sound_change again = bnn_sound_draw(&now, i, noise, 3);
        bnn_sound_change other = bnn_sound_draw(&later, i, noise, 3);
        ck_assert(c.noise == again.noise && c.noise_place == again.noise_place &&
                  c.noise_share == again.noise_share && c.gain == again.gain &&
                  c.speed == again.speed && c.shift == again.shift);
        same += c.gain == other.gain && c.speed == other.speed && c.shift == other.shift;
        if (c.noise) {
            noisy[c.noise - noise]++;
            share += (double)c.noise_share;
            ck_assert(c.noise_share >= 0 && c.noise_share < 0.3f);
            ck_assert(c.noise_place >= 0 && c.noise_place < 1);
        }
        gain += c.gain != 1;
        loudness += c.gain != 1 ? (double)c.gain : 0;
        speed += c.speed != 1;
        faster += c.speed > 1;
        shift += c.shift != 0;
        moved += c.shift;
        ck_assert(c.gain >= 0.7f && c.gain <= 1.1f && c.speed >= 0.8 && c.speed <= 1.2);
        ck_assert(c.shift >= -3200 && c.shift <= 3200);
        ck_assert_ptr_null(bnn_sound_draw(&now, i, NULL, 0).noise);
    }
    for (int i = 0; i < 3; i++) {
        expect_share(noisy[i], 0.1);
    }
    expect_share(gain, 0.5);
    expect_share(speed, 0.5);
    expect_share((int)faster, 0.25);
    expect_share(shift, 0.5);
    expect_share(same, 1 / 64.0); /* epochs are independent: nothing drawn, twice */
    ck_assert_double_eq_tol(share / (noisy[0] + noisy[1] + noisy[2]), 0.15, 0.005);
    ck_assert_double_eq_tol(loudness / gain, 0.9, 0.005);
    ck_assert_double_eq_tol(moved / shift, 0, 80);
}
END_TEST

/* Each step on an array of its own. */
static void plain_change(const bnn_sound *sound, const bnn_sound_change *c, float *clip) {
    static float mixed[40000], sped[60000], shifted[60000];
    size_t n = sound->count, place = 0;
    if (c->noise && c->noise->count > n) {
        place = (size_t)((double)c->noise_place * (double)(c->noise->count - n + 1));
    }
    for (size_t i = 0; i < n; i++) {
        float x = sound->sample[i];
        if (c->noise) {
            float s = c->noise_share;
            float noise = place + i < c->noise->count ? c->noise->sample[place + i] : 0;
            x = x * (1 - s) + noise * s;
        }
        mixed[i] = x * c->gain;
    }
    size_t length = (size_t)((double)n / c->speed);
    for (size_t i = 0; i < length; i++) {
        sped[i] = mixed[(size_t)((double)i * c->speed)];
    }
    for (size_t i = 0; i < length; i++) {
        long from = (long)i - c->shift;
        shifted[i] = from < 0 || from >= (long)length ? 0 : sped[from];
    }
    for (size_t i = 0; i < BNN_CLIP; i++) {
        clip[i] = i < length ? shifted[i] : 0;
    }
}

START_TEST(changes_made) {
    static const size_t counts[] = {1, 2, 12000, 16000, 32000};
    static float x[32000], n[50000], want[BNN_CLIP], got[BNN_CLIP];
    for (int i = 0; i < 50000; i++) {
        n[i] = (float)sin(i);
        x[i % 32000] = (float)(i % 32000 + 1) / 32000;
    }
    const bnn_sound sound = {x, counts[_i]};
    const bnn_sound noise[] = {{n, 50000}, {n, 12000}, {n, 12001}, {n, 5}};
    bnn_sound_change change = {.gain = 1, .speed = 1};
    bnn_sound_clip(&sound, &change, got);
    for (size_t i = 0; i < BNN_CLIP; i++) { /* cut, or filled up: nothing else */
        ck_assert_float_eq(got[i], i < counts[_i] ? x[i] : 0);
    }
    for (size_t i = 0; i < 200; i++) {
        change = bnn_sound_draw(&(bnn_draw){1, 2}, i, noise, 4);
        bnn_sound_clip(&sound, &change, got);
        plain_change(&sound, &change, want);
        ck_assert_mem_eq(got, want, sizeof got);
    }
    /* The farthest sample that a clip reaches is within what is read of a file. */
    ck_assert_double_lt((BNN_CLIP + BNN_SHIFT_MOST) * 1.2, BNN_SOUND_MOST);
}
END_TEST

static int built_in(void) {
    bnn_log_mel *mel;
    bnn_error err = {0};
    bnn_code code = bnn_log_mel_create(&mel, &err);
    bnn_log_mel_free(mel);
    return code == BNN_OK;
}

/* Without libsndfile or kissfft: what is there still works, the rest says so. */
START_TEST(left_out) {
    static float got[BNN_MELS * BNN_FRAMES];
    int16_t two[2] = {1, 2};
    bnn_error err = {0};
    size_t size = wav_of(file, two, 2);
    expect_bad(size - 1, BNN_ERR_FORMAT, "cut off");
    bnn_code code = bnn_clip_features("word.wav", file, size, got, &err);
    expect_error(code, BNN_ERR_UNSUPPORTED, &err, "built without sound", "libsndfile1-dev",
                 "libkissfft-dev", NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sound");
    TCase *tests = tcase_create("sound");
    const int there = built_in();
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, faults);
    tcase_add_test(tests, formats_refused);
    tcase_add_test(tests, changes_drawn);
    tcase_add_loop_test(tests, changes_made, 0, 5);
    if (!there) {
        printf("SKIPPED: decoding and features (built without libsndfile or kissfft)\n");
        tcase_add_test(tests, left_out);
    } else {
        tcase_add_loop_test(tests, coding_read, 0, (int)(sizeof codings / sizeof codings[0]));
        tcase_add_loop_test(tests, channels_mixed, 0, 3);
        tcase_add_test(tests, frame_read);
        tcase_add_test(tests, decoder_refuses);
        tcase_add_test(tests, levels_refused);
        tcase_add_loop_test(tests, rates, 0, 7);
        tcase_add_loop_test(tests, part_of_file, 0, 2);
        tcase_add_test(tests, features_by_definition);
        tcase_add_test(tests, features_of_file);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Speech Commands: folders and lists written here, small, with everything that stands in real ones.
 */
#include <string.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/dataset.h"
#include "data_loaders/loader.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"
#include "tests/fixtures/wav_fixture.h"

#define FEATURES (BNN_MELS * BNN_FRAMES)
#define SAMPLES 4000

static unsigned char bytes[WAV_HEADER + 2 * 20000];

/* A short buzz, another for each number. */
static size_t make_clip(unsigned number) {
    static int16_t sample[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample[i] = (int16_t)(i * (i + 17 * number) % 20000 - 10000);
    }
    return wav_of(bytes, sample, SAMPLES);
}

static void write_clip(const char *name, unsigned number) {
    write_file(name, bytes, make_clip(number));
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

static void make_sub(const char *name) {
    ck_assert_int_eq(mkdir(in_folder(name), 0777), 0);
}

static const char *const words[] = {"bed", "cat", "down",  "go",   "happy", "left", "no",
                                    "off", "on",  "right", "stop", "up",    "yes"};
#define WORDS (sizeof words / sizeof words[0])

/* Each word has clips of five speakers: a of training, b of validation, c to e of the test; clip
 * number 10 * word + speaker. */
static void write_set(const char *prefix, const char *end_of_line) {
    static char testing[8000], validation[8000];
    char name[100];
    testing[0] = validation[0] = '\0';
    for (unsigned w = 0; w < WORDS; w++) {
        snprintf(name, sizeof name, "%s%s", prefix, words[w]);
        make_sub(name);
        for (unsigned s = 0; s < 5; s++) {
            snprintf(name, sizeof name, "%s%s/%c0_nohash_0.wav", prefix, words[w], 'a' + s);
            write_clip(name, 10 * w + s);
            char *list = s == 1 ? validation : testing;
            if (s > 0) {
                sprintf(list + strlen(list), "%s/%c0_nohash_0.wav%s", words[w], 'a' + s,
                        end_of_line);
            }
        }
    }
    snprintf(name, sizeof name, "%stesting_list.txt", prefix);
    write_text(name, testing);
    snprintf(name, sizeof name, "%svalidation_list.txt", prefix);
    write_text(name, validation);
}

static void write_noise(void) {
    make_sub("_background_noise_");
    static int16_t sample[20000];
    for (unsigned i = 0; i < 20000; i++) {
        sample[i] = (int16_t)(i * 7919);
    }
    write_file("_background_noise_/hum.wav", bytes, wav_of(bytes, sample, 20000));
    write_text("_background_noise_/README.md", "no sound");
}

static bnn_code open_set(const char *dir, bnn_split split, const char *variant, size_t limit,
                         bnn_dataset **out, bnn_error *err) {
    return bnn_dataset_open(bnn_dataset_find("speech_commands"), dir, split,
                            &(bnn_dataset_options){.variant = variant, .limit = limit}, out, err);
}

static bnn_dataset *open_good(bnn_split split, const char *variant) {
    bnn_dataset *d;
    bnn_error err = {0};
    bnn_code code = open_set(folder, split, variant, 0, &d, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return d;
}

static void expect_bad(const char *dir, bnn_split split, const char *variant, bnn_code expected,
                       const char *text, const char *more) {
    bnn_dataset *d;
    bnn_error err = {0};
    bnn_code code = open_set(dir, split, variant, 0, &d, &err);
    expect_error(code, expected, &err, text, more, NULL);
    ck_assert_ptr_null(d);
}

static int32_t sample(const bnn_dataset *d, size_t index, const bnn_draw *draw,
                      float features[FEATURES]) {
    int32_t label = -1;
    void *const out[] = {features, &label};
    bnn_error err = {0};
    bnn_code code = d->sample(d, index, draw, out, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    ck_assert_int_eq(label, d->label(d, index));
    return label;
}

/* Sample `index` is the clip of this number, and of this class. */
static void expect_clip(const bnn_dataset *d, size_t index, unsigned number, int label) {
    static float got[FEATURES], want[FEATURES];
    ck_assert_int_eq(sample(d, index, NULL, got), label);
    ck_assert_int_eq(bnn_clip_features("", bytes, make_clip(number), want, NULL), BNN_OK);
    ck_assert_mem_eq(got, want, sizeof got);
}

START_TEST(row) {
    const bnn_dataset_info *info = bnn_dataset_find("speech_commands");
    ck_assert_str_eq(info->task, "keywords");
    ck_assert_str_eq(info->samples, "clips");
    ck_assert_str_eq(info->variant, "words");
    ck_assert_str_eq(info->field[0].name, "mel");
    ck_assert_int_eq(info->field[0].shape.h, 32);
    ck_assert_int_eq(info->field[0].shape.w, 32);
    ck_assert_uint_eq(bnn_shape_count(info->field[0].shape), 1024);
    ck_assert_str_eq(info->field[1].name, "class");
    ck_assert_int_eq(info->classes, 12);
    ck_assert_str_eq(info->class_names[0], "unknown");
    ck_assert_str_eq(info->class_names[1], "silence");
    ck_assert_str_eq(info->class_names[2], "yes");
    ck_assert_str_eq(info->class_names[11], "go");
}
END_TEST

/* In the order of the speakers, then of the words; silence at the end. As unpacked, or the folder
 * around it; with either kind of line ends. */
START_TEST(twelve_classes) {
    /* of words[] */
    static const int label[WORDS] = {0, 0, 5, 11, 0, 6, 3, 9, 8, 7, 10, 4, 2};
    static const char *const prefixes[] = {"", "speech_commands_v0.01/", "speech_commands_v0.02/"};
    static float x[FEATURES];
    if (_i) {
        make_sub(prefixes[_i]);
    }
    write_set(prefixes[_i], _i ? "\r\n" : "\n");
    for (int test = 0; test < 2; test++) {
        bnn_dataset *d = open_good(test ? BNN_SPLIT_TEST : BNN_SPLIT_TRAIN, NULL);
        const unsigned speakers = test ? 3 : 1;
        ck_assert_int_eq(d->classes, 12);
        ck_assert_uint_eq(d->count, test ? 39 + 3 : 13 + 1);
        ck_assert_uint_eq(d->skipped, 0);
        for (unsigned i = 0; i < speakers * WORDS; i++) {
            unsigned w = i % WORDS, speaker = test ? 2 + i / WORDS : 0;
            expect_clip(d, i, 10 * w + speaker, label[w]);
        }
        for (size_t i = speakers * WORDS; i < d->count; i++) {
            ck_assert_int_eq(sample(d, i, NULL, x), 1);
            for (int j = 0; j < FEATURES; j++) {
                ck_assert_float_eq(x[j], -100);
            }
        }
        bnn_dataset_close(d);
    }
}
END_TEST

START_TEST(own_words) {
    write_set("", "\n");
    bnn_dataset *d = open_good(BNN_SPLIT_TEST, "happy,bed");
    ck_assert_int_eq(d->classes, 2);
    ck_assert_str_eq(d->class_names[0], "happy");
    ck_assert_str_eq(d->class_names[1], "bed");
    ck_assert_uint_eq(d->count, 6);
    for (size_t i = 0; i < 6; i++) { /* bed comes before happy */
        expect_clip(d, i, (i % 2 ? 40 : 0) + 2 + (unsigned)i / 2, i % 2 ? 0 : 1);
    }
    bnn_dataset_close(d);
    d = open_good(BNN_SPLIT_TEST, "cat,unknown,silence");
    ck_assert_uint_eq(d->count, 39 + 3);
    ck_assert_int_eq(d->label(d, 0), 1);
    ck_assert_int_eq(d->label(d, 1), 0);
    ck_assert_int_eq(d->label(d, 12), 1);
    ck_assert_int_eq(d->label(d, 41), 2);
    bnn_dataset_close(d);
    d = open_good(BNN_SPLIT_TRAIN, "cat,silence"); /* a tenth of one is none */
    ck_assert_uint_eq(d->count, 1);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(words_refused) {
    char many[4100] = "bed";
    for (int i = 0; i < 1001; i++) {
        sprintf(many + strlen(many), ",%03x", i);
    }
    write_set("", "\n");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,dgo", BNN_ERR_ARGUMENT,
               "no folder of the word 'dgo'; those there: bed cat down go happy", "up yes");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,bed/../cat", BNN_ERR_ARGUMENT, "no folder", "");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,_background_noise_", BNN_ERR_ARGUMENT, "no folder", "");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,testing_list.txt", BNN_ERR_ARGUMENT, "no folder", "");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,,cat", BNN_ERR_ARGUMENT, "an empty word", "bed,cat");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,", BNN_ERR_ARGUMENT, "an empty word", "");
    expect_bad(folder, BNN_SPLIT_TEST, "", BNN_ERR_ARGUMENT, "an empty word", "");
    expect_bad(folder, BNN_SPLIT_TEST, "cat,bed,cat", BNN_ERR_ARGUMENT, "'cat' is given twice", "");
    expect_bad(folder, BNN_SPLIT_TEST, "bed,c\xe4t", BNN_ERR_ARGUMENT, "is no UTF-8",
               "rename its folder");
    expect_bad(folder, BNN_SPLIT_TEST, "bed", BNN_ERR_ARGUMENT, "'bed' is one word only", "");
    expect_bad(folder, BNN_SPLIT_TEST, many, BNN_ERR_ARGUMENT, "more than 1000 words", "");
    make_sub("empty");
    make_sub("void");
    expect_bad(folder, BNN_SPLIT_TRAIN, "empty,void", BNN_ERR_FORMAT, "no clip for training",
               "--data-dir");
}
END_TEST

/* What a list names and is not there, or is no file, is left out and counted. */
START_TEST(skipped) {
    write_set("", "\n");
    ck_assert_int_eq(unlink(in_folder("bed/c0_nohash_0.wav")), 0);
    ck_assert_int_eq(unlink(in_folder("cat/d0_nohash_0.wav")), 0);
    make_sub("cat/d0_nohash_0.wav");
    ck_assert_int_eq(unlink(in_folder("bed/a0_nohash_0.wav")), 0);
    ck_assert_int_eq(symlink("nowhere", in_folder("bed/a0_nohash_0.wav")), 0);
    write_text("bed/notes.txt", "no clip");
    write_text("bed/.a.wav", "no clip");
    write_clip("bed/f0.WAV", 7);
    bnn_dataset *test = open_good(BNN_SPLIT_TEST, "bed,cat");
    bnn_dataset *train = open_good(BNN_SPLIT_TRAIN, "bed,cat");
    bnn_dataset *others = open_good(BNN_SPLIT_TEST, "go,no");
    ck_assert_uint_eq(test->count, 4);
    ck_assert_uint_eq(test->skipped, 2);
    ck_assert_uint_eq(train->count, 2);
    ck_assert_uint_eq(train->skipped, 1);
    ck_assert_uint_eq(others->skipped, 0);
    expect_clip(train, 0, 10, 1);
    expect_clip(train, 1, 7, 0);
    bnn_dataset_close(test);
    bnn_dataset_close(train);
    bnn_dataset_close(others);
    /* A clip that is listed twice is one; a word's folder may be missing whole. */
    write_text("testing_list.txt", "bed/d0_nohash_0.wav\n\nbed/d0_nohash_0.wav\nzero/x.wav\n/\n"
                                   "bed/../cat/c0_nohash_0.wav");
    test = open_good(BNN_SPLIT_TEST, "bed,unknown");
    ck_assert_uint_eq(test->count, 1);
    ck_assert_uint_eq(test->skipped, 3);
    bnn_dataset_close(test);
}
END_TEST

START_TEST(folders_refused) {
    char path[100];
    snprintf(path, sizeof path, "%s/none", folder);
    expect_bad(path, BNN_SPLIT_TEST, NULL, BNN_ERR_IO, "/none: no such folder", "--data-dir");
    expect_bad(folder, BNN_SPLIT_TEST, NULL, BNN_ERR_IO, "testing_list.txt: no such file",
               "--data-dir");
    write_text("testing_list.txt", "");
    expect_bad(folder, BNN_SPLIT_TRAIN, NULL, BNN_ERR_IO, "validation_list.txt: no such file", "");
    write_text("validation_list.txt", "");
    expect_bad(folder, BNN_SPLIT_TRAIN, NULL, BNN_ERR_ARGUMENT, "no folder of the word 'yes'",
               "those there: none");
    make_sub("speech_commands_v0.01");
    make_sub("speech_commands_v0.02");
    expect_bad(folder, BNN_SPLIT_TRAIN, NULL, BNN_ERR_ARGUMENT, "holds both speech_commands_v0.01",
               "name one");
}
END_TEST

/* Told when it is asked for, by its path. */
START_TEST(damaged_clip) {
    static float x[FEATURES];
    int32_t label;
    void *const out[] = {x, &label};
    write_set("", "\n");
    write_file("cat/d0_nohash_0.wav", bytes, make_clip(1) - 1);
    ck_assert_int_eq(unlink(in_folder("cat/e0_nohash_0.wav")), 0);
    write_text("cat/e0_nohash_0.wav", "");
    bnn_dataset *d = open_good(BNN_SPLIT_TEST, "bed,cat");
    bnn_error err = {0};
    bnn_code code = d->sample(d, 3, NULL, out, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, folder, "cat/d0_nohash_0.wav: ", "cut off", NULL);
    code = d->sample(d, 5, NULL, out, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "cat/e0_nohash_0.wav: ", "empty", NULL);
    expect_clip(d, 4, 4, 0);
    ck_assert_int_eq(unlink(in_folder("bed/e0_nohash_0.wav")), 0);
    code = d->sample(d, 4, NULL, out, &err);
    expect_error(code, BNN_ERR_IO, &err, "bed/e0_nohash_0.wav: ", NULL);
    bnn_dataset_close(d);
    make_sub("_background_noise_");
    write_text("_background_noise_/hum.wav", "RIFF");
    expect_bad(folder, BNN_SPLIT_TRAIN, NULL, BNN_ERR_FORMAT, "_background_noise_/hum.wav: ", "");
    bnn_dataset_close(open_good(BNN_SPLIT_TEST, NULL)); /* which has no need of it */
}
END_TEST

/* Drawn by (seed, epoch, index) alone, with the noise that is there. */
START_TEST(training) {
    static float got[FEATURES], want[FEATURES], clip[BNN_CLIP];
    static int16_t loud[20000];
    bnn_log_mel *mel;
    bnn_sound noise, quiet = {calloc(BNN_CLIP, sizeof(float)), BNN_CLIP};
    int noisy = 0;
    write_set("", "\n");
    write_noise();
    for (unsigned i = 0; i < 20000; i++) {
        loud[i] = (int16_t)(i * 7919);
    }
    size_t size = wav_of(bytes, loud, 20000);
    ck_assert_int_eq(bnn_wav_read("", bytes, size, SIZE_MAX, &noise, NULL), BNN_OK);
    ck_assert_int_eq(bnn_log_mel_create(&mel, NULL), BNN_OK);
    bnn_dataset *d = open_good(BNN_SPLIT_TRAIN, NULL);
    for (uint32_t epoch = 0; epoch < 10; epoch++) {
        for (size_t i = 0; i < d->count; i++) {
            const bnn_draw draw = {5, epoch};
            bnn_sound sound = quiet;
            if (i < WORDS) {
                size = make_clip(10 * (unsigned)i);
                ck_assert_int_eq(bnn_wav_read("", bytes, size, SIZE_MAX, &sound, NULL), BNN_OK);
            }
            bnn_sound_change change = bnn_sound_draw(&draw, i, &noise, 1);
            bnn_sound_clip(&sound, &change, clip);
            bnn_log_mel_of(mel, clip, want);
            sample(d, i, &draw, got);
            ck_assert_mem_eq(got, want, sizeof got);
            noisy += change.noise != NULL;
            if (i < WORDS) {
                bnn_sound_free(&sound);
            }
        }
    }
    ck_assert_int_gt(noisy, 10);
    bnn_dataset_close(d);
    bnn_log_mel_free(mel);
    bnn_sound_free(&noise);
    bnn_sound_free(&quiet);
}
END_TEST

/* Several threads read at once, and nothing else comes of it. */
START_TEST(loaded) {
    static float x[FEATURES];
    write_set("", "\n");
    write_noise();
    bnn_dataset *d = open_good(BNN_SPLIT_TRAIN, NULL);
    bnn_loader_options o = {.batch_size = 4, .augment = 1, .seed = 77, .threads = 3, .prefetch = 3};
    bnn_loader *loader;
    bnn_error err = {0};
    bnn_batch batch;
    size_t index = 0;
    ck_assert_int_eq(bnn_loader_create(d, &o, &loader, &err), BNN_OK);
    ck_assert_int_eq(bnn_loader_start(loader, 6, 0, &err), BNN_OK);
    while (bnn_loader_next(loader, &batch, &err) == BNN_OK && batch.n) {
        for (size_t i = 0; i < batch.n; i++) {
            int32_t label = sample(d, index++, &(bnn_draw){77, 6}, x);
            ck_assert_int_eq(((const int32_t *)batch.data[1])[i], label);
            ck_assert_mem_eq((const float *)batch.data[0] + i * FEATURES, x, sizeof x);
        }
    }
    ck_assert_uint_eq(index, 14);
    bnn_loader_free(loader);
    bnn_dataset_close(d);
}
END_TEST

static uint32_t checksum(bnn_split split, const char *variant) {
    bnn_dataset *d = open_good(split, variant);
    uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    return sum;
}

static int reads(const bnn_dataset *d, const char *name) {
    struct stat status = file_of(name);
    return bnn_dataset_reads(d, status.st_dev, status.st_ino);
}

START_TEST(identity) {
    write_set("", "\n");
    const uint32_t sum = checksum(BNN_SPLIT_TRAIN, "bed,cat");
    ck_assert_uint_ne(sum, 0);
    ck_assert_uint_eq(sum, checksum(BNN_SPLIT_TRAIN, "bed,cat"));
    ck_assert_uint_ne(sum, checksum(BNN_SPLIT_TEST, "bed,cat"));
    ck_assert_uint_ne(sum, checksum(BNN_SPLIT_TRAIN, "cat,bed"));
    write_clip("bed/b1.wav", 1);
    const uint32_t more = checksum(BNN_SPLIT_TRAIN, "bed,cat");
    ck_assert_uint_ne(sum, more);
    write_file("bed/b1.wav", bytes, make_clip(1) + 2);
    ck_assert_uint_ne(more, checksum(BNN_SPLIT_TRAIN, "bed,cat"));

    bnn_dataset *d = open_good(BNN_SPLIT_TEST, "bed,cat"), *few;
    ck_assert(reads(d, "bed/c0_nohash_0.wav") && reads(d, "testing_list.txt"));
    ck_assert(reads(d, "validation_list.txt"));
    ck_assert(!reads(d, "bed/a0_nohash_0.wav") && !reads(d, "go/c0_nohash_0.wav"));
    ck_assert_int_eq(open_set(folder, BNN_SPLIT_TEST, "bed,cat", 4, &few, NULL), BNN_OK);
    ck_assert_uint_eq(few->count, 4);
    ck_assert_uint_eq(few->total, d->count);
    ck_assert_uint_eq(bnn_dataset_checksum(few), bnn_dataset_checksum(d));
    bnn_dataset_close(few);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(left_out) {
    write_set("", "\n");
    expect_bad(folder, BNN_SPLIT_TEST, NULL, BNN_ERR_UNSUPPORTED,
               "speech_commands: this program was built without sound", "libsndfile1-dev");
}
END_TEST

static int built_in(void) {
    bnn_log_mel *mel;
    bnn_code code = bnn_log_mel_create(&mel, NULL);
    bnn_log_mel_free(mel);
    return code == BNN_OK;
}

int main(void) {
    Suite *suite = suite_create("speech");
    TCase *tests = tcase_create("speech commands");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, row);
    if (!built_in()) {
        printf("SKIPPED: all but the refusal (built without libsndfile or kissfft)\n");
        tcase_add_test(tests, left_out);
    } else {
        tcase_add_loop_test(tests, twelve_classes, 0, 3);
        tcase_add_test(tests, own_words);
        tcase_add_test(tests, words_refused);
        tcase_add_test(tests, skipped);
        tcase_add_test(tests, folders_refused);
        tcase_add_test(tests, damaged_clip);
        tcase_add_test(tests, training);
        tcase_add_test(tests, loaded);
        tcase_add_test(tests, identity);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

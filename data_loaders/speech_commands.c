/* Speech Commands (Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition",
 * 2018), v0.01 and v0.02: a folder of WAV files for each word, and lists of which belong to
 * validation and test. Opening lists the folders; a clip is read and decoded when it is asked for,
 * so that 105,000 of them need neither time nor memory beforehand.
 *
 * Test is testing_list.txt, training what neither list names; the clips of validation_list.txt are
 * of neither, so that numbers compare with those published. Clips stand in the order of their
 * files' names, which begin with the speaker: the first few hundred have all words among them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/dataset.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

#define NOISE_FOLDER "_background_noise_"
#define TESTING "testing_list.txt"
#define VALIDATION "validation_list.txt"
#define MOST_WORDS 1000
#define CURE                                                                                       \
    "--data-dir must name the unpacked folder of Speech Commands (speech_commands_v0.01 or "       \
    "_v0.02), in which " TESTING " lies"

typedef struct clip {
    char *file; /* "bed/0c40e715_nohash_0.wav", owned */
    int64_t bytes;
    int32_t label;
} clip;

typedef struct speech {
    bnn_dataset base;
    char root[BNN_DATA_PATH_MAX];
    bnn_log_mel *mel;
    char *names;        /* of the words, each ending with 0 */
    const char **words; /* into names */
    clip *clip;
    size_t clips, capacity; /* the samples beyond them are silent */
    bnn_sound *noise;       /* of training */
    size_t noises;
} speech;

static bnn_code read_list(speech *d, const char *name, bnn_lines *l, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_code code = bnn_data_join(path, d->root, name, err);
    return code == BNN_OK ? bnn_lines_read(&d->base, path, CURE, l, err) : code;
}

/* ---- words ---- */

/* The class of this name, or -1. */
static int find_word(const speech *d, const char *word) {
    for (int i = 0; i < d->base.classes; i++) {
        if (strcmp(d->base.class_names[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

/* What a folder's clips are: the word of its name, else unknown if that is a class, else none. */
static int label_of(const speech *d, const char *word) {
    int label = find_word(d, word);
    return label < 0 ? find_word(d, "unknown") : label;
}

static bnn_code add_word(speech *d, char *word, bnn_error *err) {
    if (!*word) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: an empty word; words are given like bed,cat,happy",
                        d->base.info->name);
    }
    if (find_word(d, word) >= 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the word '%.64s' is given twice",
                        d->base.info->name, word);
    }
    if (!bnn_utf8_is(word, strlen(word))) { /* a class's name, which files of results hold */
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: the word '%.64s' is no UTF-8; rename its folder", d->base.info->name,
                        word);
    }
    if (d->base.classes == MOST_WORDS) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: more than %d words", d->base.info->name,
                        MOST_WORDS);
    }
    d->words[d->base.classes++] = word;
    return BNN_OK;
}

/* Words of one's own are the classes, in their order; among them may be "unknown" (all other
 * words' clips, else left out) and "silence". */
static bnn_code choose_words(speech *d, const char *variant, bnn_error *err) {
    if (!variant) {
        return BNN_OK;
    }
    d->names = strdup(variant);
    d->words = calloc(MOST_WORDS, sizeof *d->words);
    if (!d->names || !d->words) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", d->base.info->name);
    }
    bnn_code code = BNN_OK;
    d->base.class_names = d->words;
    d->base.classes = 0;
    for (char *word = d->names, *next; word && code == BNN_OK; word = next) {
        next = strchr(word, ',');
        if (next) {
            *next++ = '\0';
        }
        code = add_word(d, word, err);
    }
    if (code == BNN_OK && d->base.classes < 2) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: '%.64s' is one word only, there is nothing to tell it from; add "
                        "another, or unknown",
                        d->base.info->name, d->words[0]);
    }
    return code;
}

/* ---- folders ---- */

static int is_word(const struct dirent *entry) {
    return entry->d_name[0] != '.' && entry->d_name[0] != '_';
}

static int is_wav(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && (strcmp(dot, ".wav") == 0 || strcmp(dot, ".WAV") == 0);
}

static bnn_code add_clip(speech *d, const char *file, const struct stat *status, int32_t label,
                         bnn_error *err) {
    clip *all = bnn_list_grown(d->clip, d->clips, &d->capacity, sizeof *all);
    char *copy = all ? strdup(file) : NULL;
    d->clip = all ? all : d->clip;
    if (!copy) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of clips");
    }
    d->clip[d->clips++] = (clip){copy, (int64_t)status->st_size, label};
    return bnn_data_note_file(&d->base, status->st_dev, status->st_ino, err);
}

typedef struct lists {
    bnn_lines testing, validation;
} lists;

/* The clips of one word that belong to the split. */
static bnn_code scan_word(speech *d, bnn_split split, const lists *l, const char *word,
                          bnn_error *err) {
    char folder[BNN_DATA_PATH_MAX], file[BNN_DATA_PATH_MAX], path[BNN_DATA_PATH_MAX];
    struct dirent **entry;
    bnn_code code = bnn_data_join(folder, d->root, word, err);
    int count = code == BNN_OK ? bnn_folder_list(folder, is_wav, &entry, err) : -1;
    if (count < 0) {
        return code == BNN_OK ? BNN_ERR_IO : code;
    }
    for (int i = 0; i < count && code == BNN_OK; i++) {
        struct stat status;
        code = bnn_data_join(file, word, entry[i]->d_name, err);
        int testing = code == BNN_OK && bnn_lines_have(&l->testing, file);
        if (code != BNN_OK || testing != (split == BNN_SPLIT_TEST) ||
            (!testing && bnn_lines_have(&l->validation, file))) {
            continue;
        }
        code = bnn_data_join(path, d->root, file, err);
        if (code != BNN_OK) {
            continue;
        }
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            code = add_clip(d, file, &status, label_of(d, word), err);
        } else if (!testing) {
            d->base.skipped++; /* those of the test list: see count_missing */
        }
    }
    bnn_folder_free(entry, count);
    return code;
}

/* Of the test list's clips, those that are not there. */
static void count_missing(speech *d, const bnn_lines *testing) {
    for (size_t i = 0; i < testing->count; i++) {
        char word[256];
        int length = (int)strcspn(testing->line[i], "/");
        snprintf(word, sizeof word, "%.*s", length, testing->line[i]);
        d->base.skipped += label_of(d, word) >= 0;
    }
    d->base.skipped -= d->clips;
}

/* Every word of one's own has a folder. `entry`: those that are there. */
static bnn_code check_words(const speech *d, struct dirent **entry, int count, bnn_error *err) {
    char there[400] = "";
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        int more =
            snprintf(there + length, sizeof there - length, "%s%s", i ? " " : "", entry[i]->d_name);
        length += (size_t)more < sizeof there - length ? (size_t)more : 0;
        there[length] = '\0';
    }
    for (int c = 0; c < d->base.classes; c++) {
        const char *word = d->base.class_names[c];
        int found = strcmp(word, "unknown") == 0 || strcmp(word, "silence") == 0;
        for (int i = 0; i < count && !found; i++) {
            found = strcmp(word, entry[i]->d_name) == 0;
        }
        if (!found) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s: no folder of the word '%.64s'; those there: %s", d->root, word,
                            count ? there : "none");
        }
    }
    return BNN_OK;
}

/* By the files' names, then by their folders'. */
static int compare_clips(const void *a, const void *b) {
    const char *one = ((const clip *)a)->file, *other = ((const clip *)b)->file;
    int order = strcmp(strchr(one, '/'), strchr(other, '/'));
    return order ? order : strcmp(one, other);
}

static bnn_code scan(speech *d, bnn_split split, const lists *l, bnn_error *err) {
    struct dirent **entry;
    int count = bnn_folder_list(d->root, is_word, &entry, err), folders = 0;
    if (count < 0) {
        return BNN_ERR_IO;
    }
    bnn_code code = BNN_OK;
    for (int i = 0; i < count; i++) { /* folders come first, in their order */
        char path[BNN_DATA_PATH_MAX];
        struct stat status;
        code = bnn_data_join(path, d->root, entry[i]->d_name, err);
        if (code != BNN_OK) {
            break;
        }
        if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
            struct dirent *swap = entry[folders];
            entry[folders++] = entry[i];
            entry[i] = swap;
        }
    }
    if (code == BNN_OK) {
        code = check_words(d, entry, folders, err);
    }
    for (int i = 0; i < folders && code == BNN_OK; i++) {
        if (label_of(d, entry[i]->d_name) >= 0) {
            code = scan_word(d, split, l, entry[i]->d_name, err);
        }
    }
    bnn_folder_free(entry, count);
    if (code == BNN_OK && d->clips == 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: of these words it has no clip for %s; " CURE,
                        d->root, split == BNN_SPLIT_TEST ? "testing" : "training");
    }
    return code;
}

/* ---- samples ---- */

static bnn_code read_sound(const speech *d, const char *file, size_t most, bnn_sound *out,
                           bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_code code = bnn_data_join(path, d->root, file, err);
    if (code == BNN_OK) {
        code = bnn_map_read(path, &map, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_wav_read(path, map.data, map.size, most, out, err);
    bnn_map_close(&map);
    return code;
}

static int32_t speech_label(const bnn_dataset *dataset, size_t index) {
    const speech *d = (const speech *)dataset;
    return index < d->clips ? d->clip[index].label : find_word(d, "silence");
}

static bnn_code speech_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                              void *const *out, bnn_error *err) {
    const speech *d = (const speech *)dataset;
    static const float quiet[BNN_CLIP];
    bnn_sound sound = {.sample = NULL}, silence = {(float *)quiet, BNN_CLIP};
    bnn_sound_change change = {.gain = 1, .speed = 1};
    float heard[BNN_CLIP];
    if (index < d->clips) {
        bnn_code code = read_sound(d, d->clip[index].file, BNN_SOUND_MOST, &sound, err);
        if (code != BNN_OK) {
            return code;
        }
    }
    if (draw) {
        change = bnn_sound_draw(draw, index, d->noise, d->noises);
    }
    bnn_sound_clip(sound.sample ? &sound : &silence, &change, heard);
    bnn_sound_free(&sound);
    bnn_log_mel_of(d->mel, heard, out[0]);
    *(int32_t *)out[1] = speech_label(dataset, index);
    return BNN_OK;
}

/* Of the clips' names, sizes and classes: all their contents are gigabytes. */
static uint32_t speech_checksum(const bnn_dataset *dataset) {
    const speech *d = (const speech *)dataset;
    uLong sum = 0;
    for (size_t i = 0; i < d->clips; i++) {
        char facts[64];
        int length = snprintf(facts, sizeof facts, " %lld %d\n", (long long)d->clip[i].bytes,
                              (int)d->clip[i].label);
        sum = crc32_z(sum, (const unsigned char *)d->clip[i].file, strlen(d->clip[i].file));
        sum = crc32_z(sum, (const unsigned char *)facts, (size_t)length);
    }
    return (uint32_t)sum;
}

static void speech_close(bnn_dataset *dataset) {
    speech *d = (speech *)dataset;
    for (size_t i = 0; i < d->clips; i++) {
        free(d->clip[i].file);
    }
    for (size_t i = 0; i < d->noises; i++) {
        bnn_sound_free(&d->noise[i]);
    }
    free(d->clip);
    free(d->noise);
    free(d->words);
    free(d->names);
    bnn_log_mel_free(d->mel);
}

/* ---- opening ---- */

/* Some minutes of noise, kept decoded. A set without the folder is trained without noise. */
static bnn_code load_noise(speech *d, bnn_error *err) {
    char folder[BNN_DATA_PATH_MAX], file[BNN_DATA_PATH_MAX];
    struct dirent **entry;
    bnn_code code = bnn_data_join(folder, d->root, NOISE_FOLDER, err);
    struct stat status;
    if (code != BNN_OK || stat(folder, &status) != 0) {
        return code;
    }
    int count = bnn_folder_list(folder, is_wav, &entry, err);
    if (count < 0) {
        return BNN_ERR_IO;
    }
    d->noise = calloc((size_t)count + 1, sizeof *d->noise);
    if (!d->noise) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", folder);
    }
    for (int i = 0; i < count && code == BNN_OK; i++) {
        code = bnn_data_join(file, NOISE_FOLDER, entry[i]->d_name, err);
        if (code == BNN_OK) {
            code = read_sound(d, file, SIZE_MAX, &d->noise[d->noises], err);
        }
        d->noises += code == BNN_OK;
    }
    bnn_folder_free(entry, count);
    return code;
}

/* DIR, or the one folder in it that is called as the archives are. */
static bnn_code find_root(const char *dir, char root[BNN_DATA_PATH_MAX], bnn_error *err) {
    static const char *const inner[] = {"speech_commands_v0.01", "speech_commands_v0.02"};
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    int found = 0;
    for (int i = 0; i < 2 && code == BNN_OK; i++) {
        char path[BNN_DATA_PATH_MAX];
        struct stat status;
        code = bnn_data_join(path, dir, inner[i], err);
        if (code == BNN_OK && stat(path, &status) == 0) {
            memcpy(root, path, sizeof path);
            found++;
        }
    }
    if (code == BNN_OK && found == 2) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: holds both %s and %s; name one of them", dir,
                        inner[0], inner[1]);
    }
    if (code == BNN_OK && found == 0 && snprintf(root, BNN_DATA_PATH_MAX, "%s", dir) < 0) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT, "%s: cannot be used as a path", dir);
    }
    return code == BNN_OK ? bnn_data_check_folder(root, CURE, err) : code;
}

static bnn_code fill(speech *d, bnn_split split, bnn_error *err) {
    lists l = {.testing = {0}};
    bnn_code code = read_list(d, TESTING, &l.testing, err);
    if (code == BNN_OK) {
        code = read_list(d, VALIDATION, &l.validation, err);
    }
    if (code == BNN_OK) {
        code = scan(d, split, &l, err);
    }
    if (code == BNN_OK && split == BNN_SPLIT_TEST) {
        count_missing(d, &l.testing);
    }
    if (code == BNN_OK && split == BNN_SPLIT_TRAIN) {
        code = load_noise(d, err);
    }
    bnn_lines_free(&l.testing);
    bnn_lines_free(&l.validation);
    if (code == BNN_OK) {
        qsort(d->clip, d->clips, sizeof *d->clip, compare_clips);
        d->base.count = d->clips + (find_word(d, "silence") >= 0 ? d->clips / 10 : 0);
    }
    return code;
}

static bnn_code speech_plan(bnn_dataset *dataset, const bnn_dataset_options *options,
                            bnn_error *err) {
    return choose_words((speech *)dataset, options->variant, err);
}

static bnn_code speech_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                            bnn_error *err) {
    speech *d = (speech *)dataset;
    d->base.sample = speech_sample;
    d->base.label = speech_label;
    d->base.checksum = speech_checksum;
    bnn_code code = bnn_log_mel_create(&d->mel, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "%s", d->base.info->name);
    }
    code = find_root(dir, d->root, err);
    return code == BNN_OK ? fill(d, split, err) : code;
}

static const char *const class_names[] = {"unknown", "silence", "yes", "no",  "up",   "down",
                                          "left",    "right",   "on",  "off", "stop", "go"};

static const bnn_field fields[] = {
    {"mel", BNN_F32, {1, BNN_MELS, BNN_FRAMES, 1}},
    {"class", BNN_I32, {1, 1, 1, 1}},
};

const bnn_dataset_info bnn_dataset_speech_commands = {
    .name = "speech_commands",
    .description = "65000 or more spoken words of a second each, as 32 mel bands by 32 frames",
    .default_dir = NULL,
    .task = "keywords",
    .samples = "clips",
    .variant = "words",
    .field = fields,
    .fields = 2,
    .classes = sizeof class_names / sizeof class_names[0],
    .class_names = class_names,
    .std = {1, 1, 1},
    .bytes = sizeof(speech),
    .plan = speech_plan,
    .open = speech_open,
    .close = speech_close,
};

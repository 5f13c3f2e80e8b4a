/* Datasets: a table of them, and one interface to their samples. A dataset is one file here; the
 * rest of the program sees only this header. */
#ifndef BNN_DATA_LOADERS_DATASET_H
#define BNN_DATA_LOADERS_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/batch.h"
#include "engine/base/file.h"
#include "engine/base/rng.h"
#include "engine/base/status.h"

typedef struct bnn_cloud bnn_cloud; /* clouds/clouds.h */

typedef enum bnn_split { BNN_SPLIT_TRAIN, BNN_SPLIT_TEST } bnn_split;

typedef struct bnn_dataset bnn_dataset;

/* How a network sees a photograph with boxes. */
typedef struct bnn_view {
    int height, width; /* of the canvas; 0: not given */
    /* It keeps its proportions and becomes as large as its longer and its shorter side may be and
     * as the canvas is, at whose top left it stands; training flips it. 0: it is stretched to the
     * canvas; training sees it through SSD's augmentations. */
    int longer, shorter;
} bnn_view;

/* What a split is opened with, beside where it is. */
typedef struct bnn_dataset_options {
    size_t limit;        /* keeps the first so many samples; 0: all */
    const char *variant; /* which of the sets that its files hold (info->variant), or NULL */
    int length;          /* points of a cloud, tokens of a text; 0: the row's */
    /* Of texts: the vocabulary, as the bytes of its file or as the file; neither: the one beside
     * the set. Both are needed no longer than the set is being opened. */
    const unsigned char *vocab;
    size_t vocab_bytes;
    const char *vocab_file;
    bnn_view view; /* of photographs with boxes; not given: the row's */
} bnn_dataset_options;

/* A row of the table. */
typedef struct bnn_dataset_info {
    const char *name;        /* "cifar10" */
    const char *description; /* one line */
    const char *default_dir; /* NULL: the user must say where it is */
    const char *task;        /* the name of what is to be learned (models/tasks/task.h) */
    const char *samples;     /* what a sample is called: "images" */
    int pairs;               /* of texts: a sample is two of them */
    int small_boxes;         /* of photographs with boxes: many are far smaller than VOC's */
    const char *variant;     /* the option that names a part or a choice of the set, or NULL */
    const bnn_field *field;  /* of a sample; first what a network sees */
    int fields;
    int classes;                    /* unless the files tell */
    const char *const *class_names; /* [classes]; NULL: the files tell */
    /* Of images: as they are stored. One stands in the middle of what a network sees, with black
     * around; one channel is grey, shown as three. */
    bnn_shape picture;
    float mean[3], std[3]; /* of images: of the 0..255 scale, per channel */
    /* Of photographs of any size: what a network sees of a file as of a test sample, before
     * normalization: rgb[height][width][3]. `name` is for messages. NULL: an image is brought to
     * the form of `picture` (image/image.h). */
    bnn_code (*show)(const char *name, const unsigned char *bytes, size_t size, uint8_t *rgb,
                     bnn_error *err);
    /* Of clouds: what a network sees of a shape, out[points,channels]; rng = NULL: as of a test
     * sample. `name` is for messages. NULL: no shapes. */
    bnn_code (*draw)(const char *name, bnn_cloud *shape, bnn_rng *rng, size_t points, float *out,
                     bnn_error *err);
    size_t bytes; /* of what an open set is, whose first member is its bnn_dataset */
    /* What the options make of a set that is as the row says; it has no samples yet. NULL: they
     * change nothing. */
    bnn_code (*plan)(bnn_dataset *dataset, const bnn_dataset_options *options, bnn_error *err);
    /* Fills a planned set: its samples, and how they are had. Checks what can be checked of the
     * split before the first of them. */
    bnn_code (*open)(bnn_dataset *dataset, const char *dir, bnn_split split, bnn_error *err);
    /* Frees what these two left, whichever failed. */
    void (*close)(bnn_dataset *dataset);
} bnn_dataset_info;

#define BNN_IMAGE_CHANNELS 3

/* The normalized value of each byte, by channel. */
typedef struct bnn_normalizer {
    float value[BNN_IMAGE_CHANNELS][256];
} bnn_normalizer;

/* Which file on the disk: a name may become another's, and a file have several. */
typedef struct bnn_file_id {
    dev_t device;
    ino_t inode;
} bnn_file_id;

/* What a training sample is drawn with: an augmentation depends on (seed, epoch, index) alone. */
typedef struct bnn_draw {
    uint64_t seed;
    uint32_t epoch;
} bnn_draw;

/* What an open dataset is to the loader. Each dataset embeds this as its first member; `plan` and
 * `open` set what differs from its row. */
struct bnn_dataset {
    const bnn_dataset_info *info;
    const bnn_field *field; /* the row's, or the dataset's own */
    int fields;
    int classes; /* likewise */
    const char *const *class_names;
    const int64_t *class_ids; /* [classes]: as the files number them; NULL: from 1 on */
    size_t count;             /* samples; the first of: */
    size_t total;             /* in the files */
    size_t skipped;           /* files that were named but are not there, or cannot be used */
    const char *remark;       /* what else whoever uses the split must be told, or NULL */
    bnn_file_id *file;        /* that it reads */
    size_t files, file_capacity;
    /* Of images: the row's, or bnn_dataset_normalize's. */
    float mean[3], std[3];
    bnn_normalizer normalizer;
    /* Of texts: the vocabulary's file, which is the set's own, and how many tokens it has; every id
     * is below. Planned without a vocabulary: NULL, and as many as bert-base-uncased has. */
    const unsigned char *vocab;
    size_t vocab_bytes, tokens;
    /* Writes each field of sample `index` to out[field]. draw = NULL is the test transform. Called
     * from several threads at once. An error names the file. */
    bnn_code (*sample)(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                       void *const *out, bnn_error *err);
    /* Images: writes sample `index` as it is stored, before normalization: bytes[height*width*3].
     * From several threads at once. NULL: this data set cannot. */
    bnn_code (*pixels)(const bnn_dataset *dataset, size_t index, uint8_t *bytes, int32_t *label,
                       bnn_error *err);
    /* What the files call sample `index`: its number, or if *number is negative then, its name, of
     * a path; valid as long as the set is open. NULL: this data set cannot. */
    const char *(*identify)(const bnn_dataset *dataset, size_t index, int64_t *number);
    /* About how long sample `index` is, in whatever unit: of texts, whose field "mask" has 0 where
     * a sample is filled up; of photographs with a "frame" of what they take of their canvas, first
     * how high, then how wide. NULL: all are alike. */
    uint32_t (*length)(const bnn_dataset *dataset, size_t index);
    /* The class of sample `index` < total. NULL: this data set cannot. */
    int32_t (*label)(const bnn_dataset *dataset, size_t index);
    /* See bnn_dataset_checksum. NULL: this data set cannot. */
    uint32_t (*checksum)(const bnn_dataset *dataset);
    void (*close)(bnn_dataset *dataset); /* the row's, or NULL: nothing but itself is to be freed */
};

/* The table, NULL-terminated. */
extern const bnn_dataset_info *const bnn_datasets[];
/* NULL if there is none of that name. */
const bnn_dataset_info *bnn_dataset_find(const char *name);

/* dir = NULL: the default folder, an error that names it if it is missing there. options = NULL:
 * all of the set, as its row says. */
bnn_code bnn_dataset_open(const bnn_dataset_info *info, const char *dir, bnn_split split,
                          const bnn_dataset_options *options, bnn_dataset **out, bnn_error *err);
/* The same without its files: its fields and classes as far as they do not depend on these. */
bnn_code bnn_dataset_plan(const bnn_dataset_info *info, const bnn_dataset_options *options,
                          bnn_dataset **out, bnn_error *err);
void bnn_dataset_close(bnn_dataset *dataset); /* NULL is fine */
/* From now on its samples are normalized so: as a network was trained, whatever data it sees now.
 * Not while they are being read; views that are opened later take it over. */
void bnn_dataset_normalize(bnn_dataset *dataset, const float mean[3], const float std[3]);
/* What identifies the images and labels of the whole split, whatever part of it is used, whatever
 * its files are called and however they are packed; 0: the data set cannot. Reads them all. */
uint32_t bnn_dataset_checksum(const bnn_dataset *dataset);
/* Whether this is a file that it reads: nothing may be written over it. */
int bnn_dataset_reads(const bnn_dataset *dataset, dev_t device, ino_t inode);

/* ---- CIFAR-10-C layout: <name>.npy uint8 [5*N,height,width,3] and labels.npy [5*N] ---- */
#define BNN_SEVERITIES 5

typedef struct bnn_corruptions bnn_corruptions;

/* Opens and checks, of the files of `dir`, those of the `count` corruptions kind[] (indices into
 * bnn_corruption_names, rising); no other file matters. One that is not there is passed over,
 * unless must[i]; none at all is an error. `clean` gives size, classes, normalization and the order
 * of the labels, and must outlive them. */
bnn_code bnn_corruptions_open(const bnn_dataset *clean, const char *dir, const int *kind,
                              const int *must, size_t count, bnn_corruptions **out, bnn_error *err);
void bnn_corruptions_close(bnn_corruptions *c); /* NULL is fine */
size_t bnn_corruptions_count(const bnn_corruptions *c);
/* Whether this is a file that was opened. */
int bnn_corruptions_reads(const bnn_corruptions *c, dev_t device, ino_t inode);
/* The kind of file `index`; they stand in the order of kind[]. */
int bnn_corruptions_kind(const bnn_corruptions *c, size_t index);
/* What identifies its images and labels, whatever the folder is called. Reads the whole file. */
uint32_t bnn_corruptions_checksum(const bnn_corruptions *c, size_t index);
/* A dataset of one corruption at severity 1..5, of the first `limit` images if limit > 0; valid
 * while `c` is open. */
bnn_code bnn_corruptions_dataset(const bnn_corruptions *c, size_t index, int severity, size_t limit,
                                 bnn_dataset **out, bnn_error *err);

#endif

/* What the datasets share among themselves and show to the tests and the fuzz targets, and to
 * nobody else: the table's rows, checks of what stands on the disk, and the two parsers, which
 * read memory so that a fuzzer needs no files. */
#ifndef BNN_DATA_LOADERS_INTERNAL_H
#define BNN_DATA_LOADERS_INTERNAL_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "data_loaders/augment.h"
#include "data_loaders/dataset.h"
#include "engine/base/status.h"

#define BNN_DATA_PATH_MAX 4096

/* Four bytes, the most significant first. */
static inline uint32_t bnn_big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The rows of the table. */
extern const bnn_dataset_info bnn_dataset_fashion_mnist;
extern const bnn_dataset_info bnn_dataset_cifar10;
extern const bnn_dataset_info bnn_dataset_mnist;
extern const bnn_dataset_info bnn_dataset_imagenet;
extern const bnn_dataset_info bnn_dataset_speech_commands;
extern const bnn_dataset_info bnn_dataset_modelnet40;
extern const bnn_dataset_info bnn_dataset_shapenet_part;
extern const bnn_dataset_info bnn_dataset_voc;
extern const bnn_dataset_info bnn_dataset_coco;

/* "image" [32,32,3], "class". */
extern const bnn_field bnn_fields_of_32x32[2];

/* `dir` is a folder that can be read. `cure` ends the message if it is not. */
bnn_code bnn_data_check_folder(const char *dir, const char *cure, bnn_error *err);
/* `path` is there and is a regular file: bnn_map_open would say so, too, but knows no cure. */
bnn_code bnn_data_check_file(const char *path, const char *cure, bnn_error *err);
/* Whether dir/name is there and of this kind (S_IFREG, S_IFDIR). */
int bnn_data_has(const char *dir, const char *name, mode_t kind);
/* Gives a new dataset what its row says. */
void bnn_data_describe(bnn_dataset *dataset, const bnn_dataset_info *info);
/* Gives a view of another dataset what that one has of these, and its normalization. */
void bnn_data_describe_as(bnn_dataset *view, const bnn_dataset *of);
/* Notes that the dataset reads this file. */
bnn_code bnn_data_note_file(bnn_dataset *dataset, dev_t device, ino_t inode, bnn_error *err);
/* out = dir/name. */
bnn_code bnn_data_join(char out[BNN_DATA_PATH_MAX], const char *dir, const char *name,
                       bnn_error *err);

/* ---- folders ---- */
/* The entries of `folder` that `filter` lets through, by name, in the same order everywhere;
 * (*entry)[count] until bnn_folder_free. Returns their number, or -1 after a failure. */
int bnn_folder_list(const char *folder, int (*filter)(const struct dirent *),
                    struct dirent ***entry, bnn_error *err);
void bnn_folder_free(struct dirent **entry, int count); /* count < 0: there are none */

/* ---- lists ---- */
/* A list of `count` entries of `bytes` each with room for one more, maybe elsewhere; NULL when
 * memory is out, and the list stays as it is. */
void *bnn_list_grown(void *list, size_t count, size_t *room, size_t bytes);

/* Texts one behind the other, each ending with 0; whoever needs one notes where it begins. */
typedef struct bnn_texts {
    char *at; /* to be freed */
    size_t bytes, room;
} bnn_texts;

/* Appends `length` bytes and a 0, at texts->bytes as it was; 0 when memory is out. */
int bnn_texts_add(bnn_texts *texts, const char *text, size_t length);

/* The lines of a text file, sorted, each once; no empty ones, whatever a line ends with. */
typedef struct bnn_lines {
    char *text; /* owned */
    const char **line;
    size_t count;
} bnn_lines;

/* Notes that the dataset reads the file; `cure` ends the message if there is none. */
bnn_code bnn_lines_read(bnn_dataset *dataset, const char *path, const char *cure, bnn_lines *out,
                        bnn_error *err);
int bnn_lines_have(const bnn_lines *lines, const char *text);
void bnn_lines_free(bnn_lines *lines);

/* ---- CIFAR-10, binary version ---- */
#define BNN_CIFAR10_RECORD 3073 /* label, then 32x32 planes of red, green, blue */

/* Checks a batch file's bytes: size and every label. `name` is for messages. */
bnn_code bnn_cifar10_parse(const char *name, const unsigned char *bytes, size_t size,
                           size_t *records, bnn_error *err);
/* The picture of one record of a parsed file. */
bnn_image bnn_cifar10_image(const unsigned char *bytes, size_t record);

/* ---- IDX ---- */
#define BNN_IDX_SIDE 28

typedef enum bnn_idx_kind { BNN_IDX_IMAGES, BNN_IDX_LABELS } bnn_idx_kind;

typedef struct bnn_idx {
    size_t count;
    unsigned char *data; /* [count,28,28] or [count], owned */
} bnn_idx;

/* Reads a plain or a gzip-compressed IDX file (the bytes tell, not the name). What is allocated
 * is bounded by what `size` bytes can hold. Labels must be below `classes`. */
bnn_code bnn_idx_parse(const char *name, const unsigned char *bytes, size_t size, bnn_idx_kind kind,
                       int classes, bnn_idx *out, bnn_error *err);
void bnn_idx_free(bnn_idx *idx);
/* Picture `index`: grey repeated to three channels, in the middle of 32x32. */
bnn_image bnn_idx_image(const unsigned char *data, size_t index);

#endif

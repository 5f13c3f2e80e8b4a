/* What the tests of data sets share: a folder of its own for each test, files in it, and the
 * pictures they hold. */
#ifndef BNN_TESTS_DATA_FIXTURE_H
#define BNN_TESTS_DATA_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_loaders/dataset.h"
#include "tests/expect_error.h"

#define SIDE 32
#define SAMPLE (SIDE * SIDE * 3)

static char folder[64];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/bnn-check-data-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(in_folder(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* Which file this name is of. */
static struct stat file_of(const char *name) {
    struct stat info;
    ck_assert_int_eq(stat(in_folder(name), &info), 0);
    return info;
}

/* Byte of picture `image` at (y, x) of channel c, as all the files below hold it. */
static unsigned char pixel(size_t image, int y, int x, int c) {
    return (unsigned char)(image * 37 + (size_t)(y * 11 + x * 3 + c * 91 + y * x));
}

/* What a sample must be: pad by 4 with 0, crop, flip, normalize, each step written out. */
static void plain_transform(unsigned char source[SIDE][SIDE][3], const bnn_dataset_info *info,
                            int top, int left, int flip, float *x) {
    static unsigned char padded[SIDE + 8][SIDE + 8][3], cropped[SIDE][SIDE][3];
    memset(padded, 0, sizeof padded);
    for (int y = 0; y < SIDE; y++) {
        memcpy(padded[y + 4][4], source[y], sizeof source[y]);
    }
    for (int y = 0; y < SIDE; y++) {
        memcpy(cropped[y], padded[y + top][left], sizeof cropped[y]);
    }
    for (int y = 0; y < SIDE; y++) {
        for (int column = 0; column < SIDE; column++) {
            for (int c = 0; c < 3; c++) {
                unsigned char byte = cropped[y][flip ? SIDE - 1 - column : column][c];
                *x++ = ((float)byte - info->mean[c]) / info->std[c];
            }
        }
    }
}

static void fill_source(size_t image, unsigned char source[SIDE][SIDE][3]) {
    for (int i = 0; i < SAMPLE; i++) {
        source[i / 96][i / 3 % SIDE][i % 3] = pixel(image, i / 96, i / 3 % SIDE, i % 3);
    }
}

#endif

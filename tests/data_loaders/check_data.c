/* Datasets and augmentation (the loader: check_loader.c; CIFAR-10-C: check_cifar10c.c). Every file
 * read here is written by the test itself; what a sample must hold is computed by code as plain as
 * possible (pad, crop, flip, normalize in turn).
 */
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/internal.h"
#include "data_loaders/loader.h"
#include "tests/fixtures/data_fixture.h"

/* The sample is one of the crops and flips of `source`; which, goes to *place (0..161). */
static void expect_crop(const float *x, unsigned char source[SIDE][SIDE][3],
                        const bnn_dataset_info *info, int *place) {
    static float plain[SAMPLE];
    for (int i = 0; i < 9 * 9 * 2; i++) {
        plain_transform(source, info, i / 18, i / 2 % 9, i % 2, plain);
        if (memcmp(plain, x, sizeof plain) == 0) {
            *place = i;
            return;
        }
    }
    ck_abort_msg("the sample is no crop of its picture");
}

static void write_gz(const char *name, const void *bytes, size_t size) {
    gzFile file = gzopen(in_folder(name), "wb9");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

static size_t read_back(const char *name, unsigned char *out, size_t max) {
    FILE *file = fopen(in_folder(name), "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(out, 1, max, file);
    fclose(file);
    return size;
}

/* ---- table and augmentation ---- */
START_TEST(table) {
    const char *const names[] = {"fashion_mnist", "cifar10", "mnist"};
    for (int i = 0; i < 3; i++) {
        const bnn_dataset_info *info = bnn_datasets[i];
        ck_assert_str_eq(info->name, names[i]);
        ck_assert_ptr_eq(bnn_dataset_find(names[i]), info);
        ck_assert_uint_eq(bnn_shape_count(info->field[0].shape), SAMPLE);
        /* What is stored lies in the middle of what is shown. */
        const bnn_shape stored = info->picture, shown = info->field[0].shape;
        ck_assert(stored.h > 0 && stored.h <= shown.h && (shown.h - stored.h) % 2 == 0);
        ck_assert(stored.w > 0 && stored.w <= shown.w && (shown.w - stored.w) % 2 == 0);
        ck_assert(stored.c == 1 || stored.c == shown.c);
        ck_assert_str_eq(info->task, "classify");
        ck_assert_int_eq(info->classes, 10);
        for (int c = 0; c < info->classes; c++) {
            ck_assert_ptr_nonnull(info->class_names[c]);
        }
    }
    ck_assert_str_eq(bnn_datasets[3]->name, "imagenet");
    ck_assert_str_eq(bnn_datasets[4]->name, "speech_commands");
    ck_assert_str_eq(bnn_datasets[5]->name, "modelnet40");
    ck_assert_str_eq(bnn_datasets[6]->name, "shapenet_part");
    ck_assert_str_eq(bnn_datasets[7]->name, "voc");
    ck_assert_str_eq(bnn_datasets[8]->name, "coco");
    ck_assert_str_eq(bnn_datasets[9]->name, "glue_cola");
    ck_assert_str_eq(bnn_datasets[17]->name, "glue_wnli");
    ck_assert_ptr_null(bnn_datasets[18]);
    ck_assert_ptr_null(bnn_dataset_find("cifar"));
    ck_assert_ptr_null(bnn_dataset_find(NULL));
    ck_assert_str_eq(bnn_datasets[1]->class_names[9], "truck");
    ck_assert_str_eq(bnn_datasets[0]->class_names[9], "Ankle boot");
    bnn_dataset_close(NULL);
    bnn_corruptions_close(NULL);
}
END_TEST

START_TEST(crop_flip_normalize) {
    const bnn_dataset_info *info = bnn_dataset_find("cifar10");
    static unsigned char planes[3][SIDE][SIDE], source[SIDE][SIDE][3];
    static float plain[SAMPLE], x[SAMPLE];
    for (int i = 0; i < SAMPLE; i++) {
        int y = i / 96, column = i / 3 % SIDE, c = i % 3;
        source[y][column][c] = planes[c][y][column] = pixel(5, y, column, c);
    }
    bnn_normalizer normalizer;
    bnn_normalizer_set(&normalizer, info->mean, info->std);
    const bnn_image interleaved = {&source[0][0][0], SIDE, SIDE, 0, 0, 96, 3, 1};
    const bnn_image planar = {&planes[0][0][0], SIDE, SIDE, 0, 0, SIDE, 1, SIDE * SIDE};
    for (int i = 0; i < 9 * 9 * 2; i++) {
        bnn_augmentation a = {i / 18 - 4, i / 2 % 9 - 4, i % 2};
        plain_transform(source, info, i / 18, i / 2 % 9, i % 2, plain);
        bnn_image_write(&interleaved, &normalizer, a, SIDE, SIDE, x);
        ck_assert_mem_eq(x, plain, sizeof x);
        bnn_image_write(&planar, &normalizer, a, SIDE, SIDE, x);
        ck_assert_mem_eq(x, plain, sizeof x);
    }
}
END_TEST

START_TEST(augmentation_draws) {
    int seen[9 * 9 * 2] = {0}, repeated = 0;
    const bnn_draw now = {7, 3}, next = {7, 4};
    for (size_t i = 0; i < 16200; i++) {
        bnn_augmentation a = bnn_augment_draw(&now, i, 4, 1);
        bnn_augmentation b = bnn_augment_draw(&now, i, 4, 1);
        bnn_augmentation later = bnn_augment_draw(&next, i, 4, 1);
        bnn_augmentation still = bnn_augment_draw(&now, i, 4, 0);
        ck_assert(a.dy == b.dy && a.dx == b.dx && a.flip == b.flip);
        ck_assert(still.dy == a.dy && still.dx == a.dx && still.flip == 0);
        ck_assert(a.dy >= -4 && a.dy <= 4 && a.dx >= -4 && a.dx <= 4);
        seen[(a.dy + 4) * 18 + (a.dx + 4) * 2 + a.flip]++;
        repeated += a.dy == later.dy && a.dx == later.dx && a.flip == later.flip;
    }
    for (int i = 0; i < 162; i++) { /* 100 expected, deviation 10 */
        ck_assert_int_gt(seen[i], 50);
        ck_assert_int_lt(seen[i], 150);
    }
    ck_assert_int_lt(repeated, 200); /* 100 expected: epochs are independent */
    ck_assert(bnn_data_stream("a", 1, 2) != bnn_data_stream("a", 2, 1));
    ck_assert(bnn_data_stream("a", 1, 2) != bnn_data_stream("b", 1, 2));
}
END_TEST

/* ---- CIFAR-10 ---- */
/* Picture `image` is number `image` of the set; labels count up. */
static void write_cifar(const char *name, size_t first, size_t records) {
    unsigned char *bytes = malloc(records * BNN_CIFAR10_RECORD);
    ck_assert_ptr_nonnull(bytes);
    unsigned char *p = bytes;
    for (size_t i = first; i < first + records; i++) {
        *p++ = (unsigned char)(i % 10);
        for (int j = 0; j < 3072; j++) {
            *p++ = pixel(i, j % 1024 / SIDE, j % SIDE, j / 1024);
        }
    }
    write_file(name, bytes, records * BNN_CIFAR10_RECORD);
    free(bytes);
}

static void write_cifar_set(const char *prefix) {
    char name[64];
    for (int i = 0; i < 5; i++) { /* 1 + 2 + 3 + 4 + 5 pictures */
        snprintf(name, sizeof name, "%sdata_batch_%d.bin", prefix, i + 1);
        write_cifar(name, (size_t)(i * (i + 1) / 2), (size_t)i + 1);
    }
    snprintf(name, sizeof name, "%stest_batch.bin", prefix);
    write_cifar(name, 100, 3);
}

static bnn_dataset *open_good(const char *name, bnn_split split, size_t limit) {
    bnn_dataset *dataset;
    bnn_error err = {0};
    bnn_code code = bnn_dataset_open(bnn_dataset_find(name), folder, split,
                                     &(bnn_dataset_options){.limit = limit}, &dataset, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return dataset;
}

START_TEST(cifar10_samples) {
    static unsigned char source[SIDE][SIDE][3];
    static unsigned char bytes[SAMPLE];
    static float plain[SAMPLE], x[SAMPLE], again[SAMPLE];
    if (_i == 1) {
        ck_assert_int_eq(mkdir(in_folder("cifar-10-batches-bin"), 0777), 0);
    }
    write_cifar_set(_i == 1 ? "cifar-10-batches-bin/" : "");
    for (int test = 0; test < 2; test++) {
        bnn_dataset *d = open_good("cifar10", test ? BNN_SPLIT_TEST : BNN_SPLIT_TRAIN, 0);
        ck_assert_uint_eq(d->count, test ? 3 : 15);
        int places = 0;
        for (size_t i = 0; i < d->count; i++) {
            int32_t label = -1;
            int place = 0;
            size_t image = test ? 100 + i : i;
            fill_source(image, source);
            sample(d, i, NULL, x, &label);
            plain_transform(source, d->info, 4, 4, 0, plain);
            ck_assert_int_eq(label, (int)(image % 10));
            ck_assert_mem_eq(x, plain, sizeof x);
            label = -1;
            ck_assert_int_eq(d->pixels(d, i, bytes, &label, NULL), BNN_OK);
            ck_assert_int_eq(label, (int)(image % 10));
            ck_assert_mem_eq(bytes, source, sizeof bytes);
            sample(d, i, &(bnn_draw){1, 2}, x, &label);
            expect_crop(x, source, d->info, &place);
            places |= place != 80;
            sample(d, i, &(bnn_draw){1, 2}, again, &label);
            ck_assert_mem_eq(x, again, sizeof x);
        }
        ck_assert(places);
        bnn_dataset_close(d);
    }
    bnn_dataset *few = open_good("cifar10", BNN_SPLIT_TRAIN, 4);
    bnn_dataset *all = open_good("cifar10", BNN_SPLIT_TRAIN, 400);
    ck_assert_uint_eq(few->count, 4);
    ck_assert_uint_eq(all->count, 15);
    bnn_dataset_close(few);
    bnn_dataset_close(all);
}
END_TEST

/* As a network was trained that knows other data. */
START_TEST(normalized_otherwise) {
    static unsigned char source[SIDE][SIDE][3];
    static float plain[SAMPLE], x[SAMPLE];
    bnn_dataset_info other = *bnn_dataset_find("cifar10");
    const float mean[3] = {1, 20.5f, 300}, std[3] = {7, 0.3f, 1e-3f};
    memcpy(other.mean, mean, sizeof mean);
    memcpy(other.std, std, sizeof std);
    write_cifar_set("");
    bnn_dataset *d = open_good("cifar10", BNN_SPLIT_TEST, 0);
    bnn_dataset_normalize(d, mean, std);
    for (size_t i = 0; i < 3; i++) {
        int32_t label;
        fill_source(100 + i, source);
        plain_transform(source, &other, 4, 4, 0, plain);
        sample(d, i, NULL, x, &label);
        ck_assert_mem_eq(x, plain, sizeof x);
    }
    bnn_dataset_close(d);
}
END_TEST

static uint32_t checksum_of(const char *name, bnn_split split, size_t limit) {
    bnn_dataset *d = open_good(name, split, limit);
    uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    return sum;
}

static void flip_byte(const char *name, long at) {
    FILE *file = fopen(in_folder(name), "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* Of the whole split, and of its images and labels alone. */
START_TEST(cifar10_checksum) {
    static unsigned char all[15 * BNN_CIFAR10_RECORD];
    write_cifar_set("");
    write_cifar("all", 0, 15);
    size_t size = read_back("all", all, sizeof all);
    const uint32_t train = checksum_of("cifar10", BNN_SPLIT_TRAIN, 0);
    const uint32_t test = checksum_of("cifar10", BNN_SPLIT_TEST, 0);
    ck_assert_uint_eq(size, sizeof all);
    ck_assert_uint_eq(train, crc32(0, all, (uInt)size));
    ck_assert_uint_eq(train, checksum_of("cifar10", BNN_SPLIT_TRAIN, 2));
    ck_assert(test != train && test != 0);
    flip_byte("data_batch_5.bin", 5 * BNN_CIFAR10_RECORD - 1);
    ck_assert_uint_ne(train, checksum_of("cifar10", BNN_SPLIT_TRAIN, 2));
    ck_assert_uint_eq(test, checksum_of("cifar10", BNN_SPLIT_TEST, 0));
    flip_byte("test_batch.bin", 2 * BNN_CIFAR10_RECORD); /* a label */
    ck_assert_uint_ne(test, checksum_of("cifar10", BNN_SPLIT_TEST, 1));
}
END_TEST

static int reads(const bnn_dataset *d, const char *name) {
    struct stat file = file_of(name);
    return bnn_dataset_reads(d, file.st_dev, file.st_ino);
}

START_TEST(cifar10_files) {
    write_cifar_set("");
    bnn_dataset *train = open_good("cifar10", BNN_SPLIT_TRAIN, 1);
    bnn_dataset *test = open_good("cifar10", BNN_SPLIT_TEST, 0);
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        ck_assert(reads(train, name) && !reads(test, name));
    }
    ck_assert(reads(test, "test_batch.bin") && !reads(train, "test_batch.bin"));
    ck_assert(!reads(test, "") && !reads(train, ""));
    bnn_dataset_close(train);
    bnn_dataset_close(test);
}
END_TEST

static void expect_bad(const char *name, const char *dir, bnn_split split, bnn_code expected,
                       const char *text, const char *more) {
    bnn_dataset *dataset = (bnn_dataset *)1;
    bnn_error err = {0};
    bnn_code code = bnn_dataset_open(bnn_dataset_find(name), dir, split, NULL, &dataset, &err);
    expect_error(code, expected, &err, text, more, NULL);
    ck_assert_ptr_null(dataset);
}

START_TEST(cifar10_malformed) {
    static unsigned char zero[10001 * BNN_CIFAR10_RECORD];
    const char *name = "cifar10";
    char missing[128];
    snprintf(missing, sizeof missing, "%s/none", folder);
    expect_bad(name, NULL, BNN_SPLIT_TRAIN, BNN_ERR_ARGUMENT, "cifar10", "--data-dir");
    expect_bad(name, "", BNN_SPLIT_TRAIN, BNN_ERR_ARGUMENT, "cifar10", "--data-dir");
    expect_bad(name, missing, BNN_SPLIT_TRAIN, BNN_ERR_IO, "/none: no such folder",
               "cifar-10-binary.tar.gz");
    expect_bad(name, folder, BNN_SPLIT_TRAIN, BNN_ERR_IO, "/data_batch_1.bin: no such file",
               "cifar-10-binary.tar.gz");
    write_cifar_set("");
    snprintf(missing, sizeof missing, "%s/test_batch.bin", folder);
    expect_bad(name, missing, BNN_SPLIT_TRAIN, BNN_ERR_IO, "is a file, expected a folder",
               "--data-dir");
    write_file("data_batch_3.bin", zero, 1000);
    expect_bad(name, folder, BNN_SPLIT_TRAIN, BNN_ERR_FORMAT,
               "/data_batch_3.bin: 1000 bytes, expected 30730000 (10000 images of 3073 bytes)",
               "download the binary version again");
    write_file("data_batch_3.bin", zero, 0);
    expect_bad(name, folder, BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, "/data_batch_3.bin: 0 bytes", "");
    write_file("data_batch_3.bin", zero, sizeof zero);
    expect_bad(name, folder, BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, ": 30733073 bytes", "");
    zero[7 * BNN_CIFAR10_RECORD] = 10;
    write_file("test_batch.bin", zero, 8 * BNN_CIFAR10_RECORD);
    expect_bad(name, folder, BNN_SPLIT_TEST, BNN_ERR_FORMAT,
               "/test_batch.bin: record 7 has label 10", "download");
    ck_assert_int_eq(unlink(in_folder("test_batch.bin")), 0);
    ck_assert_int_eq(mkdir(in_folder("test_batch.bin"), 0777), 0);
    expect_bad(name, folder, BNN_SPLIT_TEST, BNN_ERR_IO, "/test_batch.bin: is a folder", "");
    char *deep = malloc(6000);
    memset(deep, 'a', 5999);
    deep[5999] = 0;
    expect_bad(name, deep, BNN_SPLIT_TEST, BNN_ERR_IO, "aaa", "");
    free(deep);
}
END_TEST

START_TEST(unreadable) {
    if (geteuid() == 0) {
        printf("SKIPPED: unreadable files (root reads everything)\n");
        return;
    }
    write_cifar_set("");
    ck_assert_int_eq(chmod(in_folder("test_batch.bin"), 0), 0);
    expect_bad("cifar10", folder, BNN_SPLIT_TEST, BNN_ERR_IO, "/test_batch.bin", "ermission");
    ck_assert_int_eq(chmod(folder, 0), 0);
    expect_bad("cifar10", folder, BNN_SPLIT_TEST, BNN_ERR_IO, folder, "ermission");
    ck_assert_int_eq(chmod(folder, 0777), 0);
}
END_TEST

/* ---- IDX ---- */
static unsigned char idx_bytes[16 + 100 * 784];

static void put32(unsigned char *p, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

static size_t make_images(uint32_t count) {
    put32(idx_bytes, 2051);
    put32(idx_bytes + 4, count);
    put32(idx_bytes + 8, 28);
    put32(idx_bytes + 12, 28);
    unsigned char *p = idx_bytes + 16;
    for (uint32_t i = 0; i < count * 784; i++) {
        *p++ = pixel(i / 784, (int)(i % 784 / 28), (int)(i % 28), 0);
    }
    return (size_t)(p - idx_bytes);
}

static size_t make_labels(uint32_t count) {
    put32(idx_bytes, 2049);
    put32(idx_bytes + 4, count);
    for (uint32_t i = 0; i < count; i++) {
        idx_bytes[8 + i] = (unsigned char)(i % 10);
    }
    return 8 + (size_t)count;
}

static void expect_grey_samples(const char *name, size_t count) {
    static unsigned char source[SIDE][SIDE][3];
    static float plain[SAMPLE], x[SAMPLE];
    bnn_dataset *d = open_good(name, BNN_SPLIT_TRAIN, 0);
    ck_assert_uint_eq(d->count, count);
    int flips = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t label = -1;
        int place = 0;
        memset(source, 0, sizeof source);
        for (int j = 0; j < 784 * 3; j++) {
            int y = j / 84, column = j / 3 % 28;
            source[y + 2][column + 2][j % 3] = pixel(i, y, column, 0);
        }
        plain_transform(source, d->info, 4, 4, 0, plain);
        sample(d, i, NULL, x, &label);
        ck_assert_int_eq(label, (int)(i % 10));
        ck_assert_mem_eq(x, plain, sizeof x);
        sample(d, i, &(bnn_draw){9, 1}, x, &label);
        expect_crop(x, source, d->info, &place);
        flips += place % 2;
    }
    if (strcmp(name, "mnist") == 0) {
        ck_assert_int_eq(flips, 0);
    } else {
        ck_assert_int_gt(flips, 0);
        ck_assert_int_lt(flips, (int)count);
    }
    bnn_dataset_close(d);
}

START_TEST(idx_samples) {
    /* plain; .gz; the spelling with a dot; compressed bytes under a plain name */
    const char *const images[] = {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz",
                                  "train-images.idx3-ubyte", "train-images.idx3-ubyte"};
    const char *const labels[] = {"train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz",
                                  "train-labels.idx1-ubyte", "train-labels.idx1-ubyte"};
    (_i % 2 ? write_gz : write_file)(images[_i], idx_bytes, make_images(17));
    (_i % 2 ? write_gz : write_file)(labels[_i], idx_bytes, make_labels(17));
    expect_grey_samples("fashion_mnist", 17);
    expect_grey_samples("mnist", 17);
}
END_TEST

START_TEST(idx_files) {
    write_file("t10k-labels-idx1-ubyte", idx_bytes, make_labels(10));
    write_gz("t10k-images-idx3-ubyte.gz", idx_bytes, make_images(10));
    write_file("train-labels-idx1-ubyte", idx_bytes, make_labels(10));
    bnn_dataset *d = open_good("mnist", BNN_SPLIT_TEST, 0);
    ck_assert(reads(d, "t10k-labels-idx1-ubyte") && reads(d, "t10k-images-idx3-ubyte.gz"));
    ck_assert(!reads(d, "train-labels-idx1-ubyte"));
    bnn_dataset_close(d);
}
END_TEST

/* The same however the files are packed and called. */
START_TEST(idx_checksum) {
    write_file("t10k-labels-idx1-ubyte", idx_bytes, make_labels(10));
    write_file("t10k-images-idx3-ubyte", idx_bytes, make_images(10));
    write_gz("train-labels.idx1-ubyte", idx_bytes, make_labels(10));
    write_gz("train-images-idx3-ubyte.gz", idx_bytes, make_images(10));
    const uint32_t sum = checksum_of("mnist", BNN_SPLIT_TEST, 0);
    ck_assert_uint_ne(sum, 0);
    ck_assert_uint_eq(sum, checksum_of("mnist", BNN_SPLIT_TRAIN, 3));
    flip_byte("t10k-images-idx3-ubyte", 16 + 10 * 784 - 1);
    ck_assert_uint_ne(sum, checksum_of("mnist", BNN_SPLIT_TEST, 3));
    flip_byte("t10k-images-idx3-ubyte", 16 + 10 * 784 - 1);
    flip_byte("t10k-labels-idx1-ubyte", 8 + 6);
    ck_assert_uint_ne(sum, checksum_of("mnist", BNN_SPLIT_TEST, 3));
}
END_TEST

START_TEST(idx_folders) {
    char missing[128];
    snprintf(missing, sizeof missing, "%s/none", folder);
    expect_bad("mnist", NULL, BNN_SPLIT_TRAIN, BNN_ERR_ARGUMENT, "mnist", "--data-dir");
    expect_bad("mnist", missing, BNN_SPLIT_TRAIN, BNN_ERR_IO, "/none: no such folder",
               "--data-dir");
    expect_bad("mnist", folder, BNN_SPLIT_TEST, BNN_ERR_IO, "t10k-labels-idx1-ubyte.gz",
               "--data-dir");
    bnn_dataset_info elsewhere = *bnn_dataset_find("fashion_mnist");
    elsewhere.default_dir = missing;
    bnn_dataset *dataset;
    bnn_error err = {0};
    bnn_code code = bnn_dataset_open(&elsewhere, NULL, BNN_SPLIT_TRAIN, NULL, &dataset, &err);
    expect_error(code, BNN_ERR_IO, &err, "/none: no such folder",
                 "apt-get install dataset-fashion-mnist", "--data-dir", NULL);
    write_file("t10k-labels-idx1-ubyte", idx_bytes, make_labels(10));
    write_file("t10k-images-idx3-ubyte", idx_bytes, make_images(11));
    expect_bad("mnist", folder, BNN_SPLIT_TEST, BNN_ERR_FORMAT, "11 t10k images but 10 labels",
               folder);
    snprintf(missing, sizeof missing, "%s/t10k-labels-idx1-ubyte", folder);
    expect_bad("mnist", missing, BNN_SPLIT_TEST, BNN_ERR_IO, "is a file, expected a folder", "");
}
END_TEST

/* What has the file's name may be a folder with the file in it, beside the file or alone. */
START_TEST(idx_nested) {
    const char *const labels = "train-labels-idx1-ubyte", *const images = "train-images-idx3-ubyte";
    const char *const ending = _i % 2 ? ".gz" : "";
    char name[100], inner[200];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", i ? images : labels, ending);
        snprintf(inner, sizeof inner, "%s/%s", name, name);
        ck_assert_int_eq(mkdir(in_folder(name), 0777), 0);
        if (i == 0) { /* an empty folder is no file */
            expect_bad("mnist", folder, BNN_SPLIT_TRAIN, BNN_ERR_IO,
                       "neither train-labels-idx1-ubyte", "--data-dir");
        }
        size_t size = i ? make_images(17) : make_labels(17);
        (_i % 2 ? write_gz : write_file)(inner, idx_bytes, size);
    }
    expect_grey_samples("mnist", 17);
    /* The file beside the folder is the one, whichever way it is spelt. */
    write_file("train-labels.idx1-ubyte", idx_bytes, make_labels(12));
    write_file("train-images.idx3-ubyte", idx_bytes, make_images(12));
    expect_grey_samples("mnist", 12);
}
END_TEST

static void expect_bad_idx(const unsigned char *bytes, size_t size, bnn_idx_kind kind,
                           const char *text) {
    bnn_idx idx;
    bnn_error err = {0};
    /* A copy of the exact size, so that a sanitizer sees a read beyond it. */
    unsigned char *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    bnn_code code = bnn_idx_parse("FILE", copy, size, kind, 10, &idx, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "FILE: ", text, NULL);
    ck_assert_ptr_null(idx.data);
    free(copy);
}

START_TEST(idx_malformed) {
    size_t size = make_images(3);
    for (size_t cut = 0; cut < 16; cut++) {
        char text[32];
        snprintf(text, sizeof text, "%zu bytes, expected 16", cut);
        expect_bad_idx(idx_bytes, cut, BNN_IDX_IMAGES, text);
    }
    expect_bad_idx(idx_bytes, size - 1, BNN_IDX_IMAGES, "too few for the 3 images");
    expect_bad_idx(idx_bytes, size + 1, BNN_IDX_IMAGES, "goes on after the 2368 bytes");
    expect_bad_idx(idx_bytes, size, BNN_IDX_LABELS, "begins with 2051");
    put32(idx_bytes + 4, 0x80000000u);
    expect_bad_idx(idx_bytes, size, BNN_IDX_IMAGES, "too few for the 2147483648 images");
    put32(idx_bytes + 4, 0xffffffffu);
    expect_bad_idx(idx_bytes, size, BNN_IDX_IMAGES, "too few for the 4294967295 images");
    put32(idx_bytes + 4, 0);
    expect_bad_idx(idx_bytes, 16, BNN_IDX_IMAGES, "holds no images");
    size = make_images(3);
    put32(idx_bytes + 12, 27);
    expect_bad_idx(idx_bytes, size, BNN_IDX_IMAGES, "images of 28x27");
    size = make_labels(12);
    expect_bad_idx(idx_bytes, size, BNN_IDX_IMAGES, "begins with 2049");
    idx_bytes[8 + 11] = 10;
    expect_bad_idx(idx_bytes, size, BNN_IDX_LABELS, "label 11 is 10");
}
END_TEST

START_TEST(idx_malformed_gz) {
    static unsigned char gz[100000];
    const char *name = "x.gz";
    size_t size = make_images(50);
    write_gz(name, idx_bytes, size);
    size_t packed = read_back(name, gz, sizeof gz);
    for (size_t cut = 2; cut < packed; cut += packed / 50) {
        expect_bad_idx(gz, cut, BNN_IDX_IMAGES, "");
    }
    expect_bad_idx(gz, packed - 1, BNN_IDX_IMAGES, "gzip data is damaged");
    gz[packed - 6] ^= 1; /* the checksum */
    expect_bad_idx(gz, packed, BNN_IDX_IMAGES, "incorrect data check");
    gz[packed - 6] ^= 1;
    memset(gz + packed, 7, 5);
    expect_bad_idx(gz, packed + 5, BNN_IDX_IMAGES, "gzip data is damaged");

    put32(idx_bytes + 4, 51); /* a picture less than promised */
    write_gz(name, idx_bytes, size);
    packed = read_back(name, gz, sizeof gz);
    expect_bad_idx(gz, packed, BNN_IDX_IMAGES, "39216 bytes when unpacked, expected 40000");
    put32(idx_bytes + 4, 0x80000000u); /* 1.6 TB: refused before it is allocated */
    write_gz(name, idx_bytes, size);
    packed = read_back(name, gz, sizeof gz);
    expect_bad_idx(gz, packed, BNN_IDX_IMAGES, "too few for the 2147483648 images");

    size_t bomb = (size_t)64 << 20; /* unpacks to 64 MB, promises 50 labels */
    unsigned char *zeros = calloc(bomb, 1);
    ck_assert_ptr_nonnull(zeros);
    memcpy(zeros, idx_bytes, make_labels(50));
    write_gz(name, zeros, bomb);
    free(zeros);
    packed = read_back(name, gz, sizeof gz);
    expect_bad_idx(gz, packed, BNN_IDX_LABELS, "goes on after the 58 bytes");
}
END_TEST

START_TEST(idx_gz_members) {
    static unsigned char gz[2000];
    size_t size = make_labels(30);
    write_gz("a.gz", idx_bytes, 20);
    write_gz("b.gz", idx_bytes + 20, size - 20);
    size_t packed = read_back("a.gz", gz, sizeof gz);
    packed += read_back("b.gz", gz + packed, sizeof gz - packed);
    for (size_t padding = 0; padding < 3; padding++) { /* zeros, as tapes fill their blocks */
        bnn_idx idx;
        bnn_error err = {0};
        unsigned char *copy = calloc(packed + 300 * padding, 1);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, gz, packed);
        bnn_code code =
            bnn_idx_parse("FILE", copy, packed + 300 * padding, BNN_IDX_LABELS, 10, &idx, &err);
        ck_assert_msg(code == BNN_OK, "%s", err.text);
        ck_assert_uint_eq(idx.count, 30);
        ck_assert_mem_eq(idx.data, idx_bytes + 8, 30);
        bnn_idx_free(&idx);
        free(copy);
    }
    memset(gz + packed, 0, 20);
    gz[packed + 19] = 1; /* anything else behind it, or between members, is damage */
    expect_bad_idx(gz, packed + 20, BNN_IDX_LABELS, "gzip data is damaged");
    memmove(gz + packed + 1, gz, packed);
    expect_bad_idx(gz, 2 * packed + 1, BNN_IDX_LABELS, "gzip data is damaged");
}
END_TEST

/* The means and deviations of the table are those of the data, and every class is there equally
 * often. */
static void expect_fashion_split(bnn_split split, size_t count) {
    static float x[SAMPLE];
    bnn_dataset *d;
    bnn_error err = {0};
    bnn_code code =
        bnn_dataset_open(bnn_dataset_find("fashion_mnist"), NULL, split, NULL, &d, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    ck_assert_uint_eq(d->count, count);
    size_t histogram[10] = {0};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t label;
        sample(d, i, NULL, x, &label);
        histogram[label]++;
        for (int j = 0; j < 784; j++) {
            double v = x[((j / 28 + 2) * SIDE + j % 28 + 2) * 3];
            sum += v;
            squares += v * v;
        }
    }
    for (int c = 0; c < 10; c++) {
        ck_assert_uint_eq(histogram[c], count / 10);
    }
    double n = (double)count * 784, mean = sum / n;
    ck_assert_double_eq_tol(mean, 0, split == BNN_SPLIT_TRAIN ? 1e-4 : 1e-2);
    ck_assert_double_eq_tol(squares / n - mean * mean, 1, split == BNN_SPLIT_TRAIN ? 1e-4 : 1e-2);
    bnn_dataset_close(d);
}

START_TEST(fashion_mnist_real) {
    const char *dir = bnn_dataset_find("fashion_mnist")->default_dir;
    if (access(dir, F_OK) != 0) {
        printf("SKIPPED: the real Fashion-MNIST (%s is not there; apt-get install "
               "dataset-fashion-mnist)\n",
               dir);
        return;
    }
    expect_fashion_split(BNN_SPLIT_TRAIN, 60000);
    expect_fashion_split(BNN_SPLIT_TEST, 10000);
}
END_TEST

/* ---- with the loader ---- */
/* The whole way, on files: the loader gives what the dataset gives. */
START_TEST(loader_of_files) {
    static float x[SAMPLE];
    write_cifar_set("");
    bnn_dataset *d = open_good("cifar10", BNN_SPLIT_TRAIN, 0);
    bnn_loader_options o = {.batch_size = 4, .augment = 1, .seed = 77, .threads = 2, .prefetch = 2};
    bnn_loader *loader;
    bnn_error err = {0};
    bnn_batch batch;
    size_t index = 0;
    ck_assert_int_eq(bnn_loader_create(d, &o, &loader, &err), BNN_OK);
    ck_assert_int_eq(bnn_loader_start(loader, 6, 0, &err), BNN_OK);
    while (bnn_loader_next(loader, &batch, &err) == BNN_OK && batch.n) {
        for (size_t i = 0; i < batch.n; i++) {
            int32_t label = -1;
            sample(d, index++, &(bnn_draw){77, 6}, x, &label);
            ck_assert_int_eq(((const int32_t *)batch.data[1])[i], label);
            ck_assert_mem_eq((const float *)batch.data[0] + i * SAMPLE, x, sizeof x);
        }
    }
    ck_assert_uint_eq(index, 15);
    bnn_loader_free(loader);
    bnn_dataset_close(d);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name) {
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void) {
    Suite *suite = suite_create("data");
    TCase *common = add_case(suite, "table and augmentation");
    tcase_add_test(common, table);
    tcase_add_test(common, crop_flip_normalize);
    tcase_add_test(common, augmentation_draws);
    TCase *cifar10 = add_case(suite, "cifar10");
    tcase_add_loop_test(cifar10, cifar10_samples, 0, 2);
    tcase_add_test(cifar10, normalized_otherwise);
    tcase_add_test(cifar10, cifar10_checksum);
    tcase_add_test(cifar10, cifar10_files);
    tcase_add_test(cifar10, cifar10_malformed);
    tcase_add_test(cifar10, unreadable);
    TCase *idx = add_case(suite, "idx");
    tcase_add_loop_test(idx, idx_samples, 0, 4);
    tcase_add_test(idx, idx_files);
    tcase_add_test(idx, idx_checksum);
    tcase_add_test(idx, idx_folders);
    tcase_add_loop_test(idx, idx_nested, 0, 2);
    tcase_add_test(idx, idx_malformed);
    tcase_add_test(idx, idx_malformed_gz);
    tcase_add_test(idx, idx_gz_members);
    tcase_add_test(idx, fashion_mnist_real);
    tcase_add_test(add_case(suite, "with the loader"), loader_of_files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

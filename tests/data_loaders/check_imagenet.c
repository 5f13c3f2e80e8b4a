/* Data sets of photographs in folders: which classes and samples there are, what a sample is, and
 * what is refused. */
#include "data_loaders/augment.h"
#include "data_loaders/internal.h"
#include "data_loaders/loader.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"
#include "tests/fixtures/jpeg_fixture.h"

enum { CROP = 224, VALUES = CROP * CROP * 3 };

static bnn_error err;

static void sample(const bnn_dataset *d, size_t index, const bnn_draw *draw, float *x,
                   int32_t *label) {
    void *const out[] = {x, label};
    bnn_code code = d->sample(d, index, draw, out, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

static void write_photo(const char *name, int height, int width, int seed) {
    size_t size;
    unsigned char *bytes = make_jpeg(height, width, seed, (jpeg_kind){.channels = 3}, &size);
    write_file(name, bytes, size);
    free(bytes);
}

/* Three classes, of 3, 2 and 1 images, and other files that do not matter. */
static void write_set(void) {
    static const char *const folders[] = {"train",   "val",   "meta",  "train/b",    "train/a",
                                          "train/c", "val/a", "val/c", "train/.git", NULL};
    for (int i = 0; folders[i]; i++) {
        ck_assert_int_eq(mkdir(in_folder(folders[i]), 0777), 0);
    }
    write_photo("train/a/3.JPEG", 240, 300, 3);
    write_photo("train/a/1.jpg", 300, 240, 1);
    write_photo("train/a/2.jpeg", 256, 256, 2);
    write_photo("train/b/5.JPEG", 40, 30, 5);
    write_photo("train/b/4.JPEG", 240, 301, 4);
    write_photo("train/c/6.JPEG", 600, 700, 6);
    write_photo("val/a/7.JPEG", 300, 400, 7);
    write_photo("val/c/8.JPEG", 224, 224, 8);
    write_file("train/a/notes.txt", "x", 1);
    write_file("train/readme", "x", 1);
    write_file("train/a/.hidden.jpg", "x", 1);
}

static bnn_dataset *open_set(bnn_split split, size_t limit) {
    const bnn_dataset_options options = {.limit = limit};
    bnn_dataset *d;
    bnn_code code =
        bnn_dataset_open(bnn_dataset_find("imagenet"), folder, split, &options, &d, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return d;
}

static void refuse_set(bnn_split split, bnn_code expected, const char *part, const char *other) {
    bnn_dataset *d;
    bnn_code code = bnn_dataset_open(bnn_dataset_find("imagenet"), folder, split, NULL, &d, &err);
    expect_error(code, expected, &err, part, other, NULL);
    ck_assert_ptr_null(d);
}

START_TEST(folders) {
    static const int label[] = {0, 1, 2, 0, 1, 0}; /* in turns */
    write_set();
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0), *test = open_set(BNN_SPLIT_TEST, 0);
    ck_assert_int_eq(d->classes, 3);
    ck_assert_str_eq(d->class_names[0], "a");
    ck_assert_str_eq(d->class_names[2], "c");
    ck_assert_uint_eq(d->count, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(d->label(d, i), label[i]);
    }
    ck_assert_int_eq(test->classes, 3);
    ck_assert_uint_eq(test->count, 2);
    ck_assert(test->label(test, 0) == 0 && test->label(test, 1) == 2);
    ck_assert(bnn_dataset_checksum(d) != bnn_dataset_checksum(test));
    bnn_dataset_close(d);
    bnn_dataset_close(test);
    d = open_set(BNN_SPLIT_TRAIN, 3);
    ck_assert(d->count == 3 && d->total == 6 && d->label(d, 2) == 2);
    bnn_dataset_close(d);
}
END_TEST

/* Endings count however they are written; other files of a class are counted. */
START_TEST(endings) {
    static const char *const others[] = {"a.webp", "b.bmp", "c.jpeg2", "d", "e.jpg.txt"};
    char name[64];
    write_set();
    write_photo("train/a/0.Jpeg", 40, 30, 7);
    write_photo("train/c/9.jPG", 40, 30, 8);
    write_photo("train/c/8.Png", 40, 30, 9);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(name, sizeof name, "train/b/%s", others[i]);
        write_file(name, "x", 1);
    }
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0), *test = open_set(BNN_SPLIT_TEST, 0);
    ck_assert_uint_eq(d->count, 9);
    ck_assert_str_eq(d->remark,
                     "left out: 6 files whose names end neither in .jpeg, .jpg nor .png");
    ck_assert(test->count == 2 && !test->remark);
    bnn_dataset_close(d);
    bnn_dataset_close(test);
}
END_TEST

/* What a link leads to counts, and as missing if it leads to no file. */
START_TEST(links) {
    write_set();
    ck_assert_int_eq(symlink("../c/6.JPEG", in_folder("train/a/8.JPEG")), 0);
    ck_assert_int_eq(symlink("nowhere", in_folder("train/a/9.JPEG")), 0);
    ck_assert_int_eq(symlink("9.png", in_folder("train/b/9.png")), 0);
    ck_assert_int_eq(symlink("nowhere", in_folder("train/b/notes")), 0);
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0);
    ck_assert_uint_eq(d->count, 7);
    ck_assert_uint_eq(d->skipped, 2);
    bnn_dataset_close(d);
}
END_TEST

/* A test sample is the middle of its photograph, of 256 the short side; normalized. */
START_TEST(test_samples) {
    static uint8_t bytes[VALUES];
    static float x[VALUES];
    int32_t class, again;
    write_set();
    bnn_dataset *d = open_set(BNN_SPLIT_TEST, 0);
    for (size_t i = 0; i < 2; i++) {
        sample(d, i, NULL, x, &class);
        ck_assert(d->pixels(d, i, bytes, &again, &err) == BNN_OK);
        ck_assert(class == again && class == 2 * (int)i);
        for (int v = 0; v < VALUES; v++) {
            ck_assert(x[v] == ((float)bytes[v] - d->info->mean[v % 3]) / d->info->std[v % 3]);
        }
        /* In the middle of what is shown stands the middle of the photograph, a smooth one. */
        const int height = i ? 224 : 300, width = i ? 224 : 400, seed = 7 + (int)i;
        for (int c = 0; c < 3; c++) {
            const int got = bytes[(112 * CROP + 112) * 3 + c];
            ck_assert_int_le(abs(got - jpeg_pixel(seed, height / 2, width / 2, c)), 6);
        }
    }
    bnn_dataset_close(d);
}
END_TEST

/* Of a training sample everything depends on (seed, epoch, index) alone; its flip and its part
 * vary.
 */
START_TEST(training_samples) {
    static float x[VALUES], again[VALUES], other[VALUES];
    int32_t class;
    int same = 0, mirrored = 0;
    write_set();
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0);
    sample(d, 2, &(bnn_draw){1, 0}, x, &class);
    ck_assert_int_eq(class, 2);
    sample(d, 2, &(bnn_draw){1, 0}, again, &class);
    ck_assert_mem_eq(x, again, sizeof x);
    for (uint32_t epoch = 1; epoch < 20; epoch++) {
        sample(d, 2, &(bnn_draw){1, epoch}, other, &class);
        same += memcmp(x, other, sizeof x) == 0;
        /* Red of seed 6 rises to the right, or to the left, where it does not turn around. */
        double left = 0.0, right = 0.0;
        for (int y = 0; y < CROP; y++) {
            left += (double)other[(y * CROP + 2) * 3];
            right += (double)other[(y * CROP + 6) * 3];
        }
        mirrored += right < left;
    }
    ck_assert_int_eq(same, 0);
    ck_assert(mirrored > 2 && mirrored < 17);
    bnn_dataset_close(d);
}
END_TEST

/* The same batches from any number of threads. */
START_TEST(any_threads) {
    write_set();
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0);
    static float first[6 * VALUES];
    for (int threads = 1; threads <= 3; threads++) {
        const bnn_loader_options options = {.batch_size = 6,
                                            .shuffle = 1,
                                            .augment = 1,
                                            .seed = 9,
                                            .threads = threads,
                                            .prefetch = 1};
        bnn_loader *loader;
        bnn_batch batch;
        ck_assert(bnn_loader_create(d, &options, &loader, &err) == BNN_OK);
        ck_assert(bnn_loader_start(loader, 3, 0, &err) == BNN_OK);
        ck_assert(bnn_loader_next(loader, &batch, &err) == BNN_OK && batch.n == 6);
        if (threads == 1) {
            memcpy(first, batch.data[0], sizeof first);
        }
        ck_assert_mem_eq(first, batch.data[0], sizeof first);
        bnn_loader_free(loader);
    }
    bnn_dataset_close(d);
}
END_TEST

static void write_list(const char *text) {
    write_file("meta/val.txt", text, strlen(text));
}

/* ImageNet's own val/: all images beside each other. */
START_TEST(listed) {
    write_set();
    char command[300];
    snprintf(command, sizeof command, "cd '%s' && mv val/*/*.JPEG val && rmdir val/a val/c",
             folder);
    ck_assert_int_eq(system(command), 0);
    refuse_set(BNN_SPLIT_TEST, BNN_ERR_IO, "meta/val.txt: no such file; it must name", "folders");
    write_list("8.JPEG 2\r\n\n7.JPEG\t0\ngone.JPEG 1\n7.JPEG 0");
    bnn_dataset *d = open_set(BNN_SPLIT_TEST, 0);
    ck_assert(d->count == 3 && d->skipped == 1);
    ck_assert(d->label(d, 0) == 2 && d->label(d, 1) == 0 && d->label(d, 2) == 0);
    const struct stat list = file_of("meta/val.txt");
    ck_assert(bnn_dataset_reads(d, list.st_dev, list.st_ino));
    float *x = malloc(VALUES * sizeof *x);
    int32_t class;
    sample(d, 0, NULL, x, &class);
    free(x);
    bnn_dataset_close(d);
    static const char *const lines[] = {
        "7.JPEG 3\n", "7.JPEG\n",        "7.JPEG x\n",
        "0\n",        "/etc/passwd 1\n", "7.JPEG0\n",
        " 1\n",       "../x 1\n",        "7.JPEG 99999999999999999999\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[100];
        snprintf(text, sizeof text, "8.JPEG 2\n%s", lines[i]);
        write_list(text);
        refuse_set(BNN_SPLIT_TEST, BNN_ERR_FORMAT, "meta/val.txt: line 2 is '", "0 to 2");
    }
    write_list("");
    refuse_set(BNN_SPLIT_TEST, BNN_ERR_FORMAT, "val: has no images", "--data-dir");
}
END_TEST

START_TEST(refused) {
    refuse_set(BNN_SPLIT_TRAIN, BNN_ERR_IO, "train: no such folder", "--data-dir");
    ck_assert_int_eq(mkdir(in_folder("train"), 0777), 0);
    refuse_set(BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, "train: folders of classes: 0", "--data-dir");
    remove_folder();
    make_folder();
    write_set();
    ck_assert_int_eq(mkdir(in_folder("val/d"), 0777), 0);
    refuse_set(BNN_SPLIT_TEST, BNN_ERR_FORMAT, "val/d: there is no such folder in train", "remove");
    ck_assert_int_eq(mkdir(in_folder("train/d"), 0777), 0);
    refuse_set(BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, "train/d: a class without images", "remove");
    ck_assert_int_eq(mkdir(in_folder("train/lat\xe9in"), 0777), 0);
    refuse_set(BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, "is no UTF-8", "rename it");
}
END_TEST

/* A damaged file is told when its turn comes, by its name. */
START_TEST(damaged) {
    static float x[VALUES];
    int32_t class;
    void *const out[] = {x, &class};
    write_set();
    write_file("train/c/6.JPEG", "\xff\xd8\xff\xe0 cut", 8);
    bnn_dataset *d = open_set(BNN_SPLIT_TRAIN, 0);
    expect_error(d->sample(d, 2, NULL, out, &err), BNN_ERR_FORMAT, &err,
                 "train/c/6.JPEG: no JPEG image that can be read", NULL);
    ck_assert_int_eq(remove(in_folder("train/c/6.JPEG")), 0);
    expect_error(d->sample(d, 2, NULL, out, &err), BNN_ERR_IO, &err, "train/c/6.JPEG: ", NULL);
    write_file("train/c/6.JPEG", "", 0);
    expect_error(d->sample(d, 2, NULL, out, &err), BNN_ERR_FORMAT, &err, "6.JPEG: not an image",
                 NULL);
    bnn_dataset_close(d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("imagenet");
    TCase *tcase = tcase_create("imagenet");
    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, folders);
    tcase_add_test(tcase, endings);
    tcase_add_test(tcase, links);
    tcase_add_test(tcase, test_samples);
    tcase_add_test(tcase, training_samples);
    tcase_add_test(tcase, any_threads);
    tcase_add_test(tcase, listed);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, damaged);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ModelNet40 in each of its forms. Every file read here is written by the test itself. */
#include <math.h>

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/internal.h"
#include "tests/fixtures/cloud_fixture.h"
#include "tests/fixtures/hdf5_fixture.h"

START_TEST(row) {
    const bnn_dataset_info *info = bnn_dataset_find("modelnet40");
    ck_assert_ptr_nonnull(info);
    ck_assert_str_eq(info->task, "classify_shapes");
    ck_assert_str_eq(info->field[0].name, "points");
    ck_assert(bnn_shape_equal(info->field[0].shape, (bnn_shape){1, 1, 1024, 6}));
    ck_assert_str_eq(info->field[1].name, "class");
    ck_assert_int_eq(info->classes, 40);
    ck_assert_str_eq(info->class_names[39], "xbox");
    for (int c = 1; c < 40; c++) { /* the official order */
        ck_assert_int_lt(strcmp(info->class_names[c - 1], info->class_names[c]), 0);
    }
}
END_TEST

/* ---- lists and meshes ---- */
/* Points on the edge of a cube of side 2 `size` around (7, 8, 9); the first is a corner. */
static void write_list(const char *name, int points, char separator) {
    char text[16384] = "", *p = text;
    for (int i = 0; i < points; i++) {
        int sign = i & 1 ? 1 : -1;
        p += sprintf(p, "%.6f%c%.6f%c%.6f%c0%c0%c1\n", 7 + sign * (1.0 - i / 2 * 0.01), separator,
                     8.0 + sign, separator, 9.0 + sign, separator, separator, separator);
    }
    write_text(name, text);
}

/* The points as they are, after scaling: which of write_list's this is, or -1. */
static int which(const float *p) {
    int sign = p[1] > 0.0f ? 1 : -1;
    float step = (0.999999f - (float)sign * p[0]) / 0.00999999f;
    int at = (int)lroundf(step);
    return fabsf(step - (float)at) < 1e-3f && fabsf(fabsf(p[2]) - 0.999999f) < 1e-6f
               ? 2 * at + (sign > 0)
               : -1;
}

static void write_lists(const char *at, const char *train) {
    char name[128];
    snprintf(name, sizeof name, "%s/modelnet40_train.txt", at);
    write_text(name, train);
    snprintf(name, sizeof name, "%s/modelnet40_test.txt", at);
    write_text(name, "night_stand_0003\n");
    snprintf(name, sizeof name, "%s/bed/bed_0001.txt", at);
    write_list(name, 100, ',');
    snprintf(name, sizeof name, "%s/night_stand/night_stand_0002.txt", at);
    write_list(name, 20, ' ');
    snprintf(name, sizeof name, "%s/night_stand/night_stand_0003.txt", at);
    write_list(name, 100, ',');
}

START_TEST(modelnet_lists) {
    static float x[6 * N], again[6 * N];
    int32_t label = -1;
    int count[128] = {0};
    const char *at = _i ? "." : "modelnet40_normal_resampled";
    write_lists(at, "bed_0001\r\nbed_0002\nnight_stand_0002\nsofa_0009\n");
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_uint_eq(d->skipped, 2);
    ck_assert_int_eq(d->classes, 40);
    read_sample(d, 0, &(bnn_draw){1, 0}, x, &label);
    ck_assert_str_eq(d->class_names[label], "bed");
    ck_assert_int_eq(d->label(d, 1), 23);
    for (size_t i = 0; i < N; i++) { /* points of the file, none twice */
        int point = which(x + 6 * i + 3);
        ck_assert(point >= 0 && point < 100 && count[point]++ == 0);
    }
    read_sample(d, 0, &(bnn_draw){1, 0}, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    read_sample(d, 0, &(bnn_draw){1, 1}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 0, &(bnn_draw){2, 0}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 1, NULL, x, &label);
    memset(count, 0, sizeof count);
    for (size_t i = 0; i < N; i++) { /* 20 points: each three or four times */
        int point = which(x + 6 * i + 3);
        ck_assert(point >= 0 && point < 20);
        count[point]++;
    }
    for (int i = 0; i < 20; i++) {
        ck_assert(count[i] == 3 || count[i] == 4);
    }
    read_sample(d, 1, NULL, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    bnn_dataset_close(d);
}
END_TEST

/* A folder may bring classes of its own. */
START_TEST(modelnet_names) {
    static float x[6 * N];
    int32_t label = -1;
    write_lists("s", "bed_0001\nnight_stand_0002\n");
    write_text("s/modelnet40_shape_names.txt", "night_stand\nbed\n");
    bnn_dataset *d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    ck_assert_int_eq(d->classes, 2);
    ck_assert_str_eq(d->class_names[0], "night_stand");
    read_sample(d, 0, NULL, x, &label);
    ck_assert_int_eq(label, 1);
    struct stat list = file_of("s/modelnet40_train.txt"), shape = file_of("s/bed/bed_0001.txt");
    struct stat other = file_of("s/night_stand/night_stand_0003.txt");
    ck_assert(bnn_dataset_reads(d, list.st_dev, list.st_ino));
    ck_assert(bnn_dataset_reads(d, shape.st_dev, shape.st_ino));
    ck_assert(!bnn_dataset_reads(d, other.st_dev, other.st_ino));
    bnn_dataset_close(d);
    write_text("s/modelnet40_shape_names.txt", "bed\nnight_stand\nbed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "shape_names.txt: 'bed' stands there twice", "");
    write_text("s/modelnet40_shape_names.txt", "bed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "1 names, expected 2 to 256", "");
    write_text("s/modelnet40_shape_names.txt", "bed\nsofa bed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 2: 'sofa bed' is no name", "");
    write_text("s/modelnet40_shape_names.txt", "bed\nsofa\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "'night_stand_0002' is not CLASS_NUMBER", "");
    write_text("s/modelnet40_shape_names.txt", "..\n../..\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 1: '..' is no name", "");
}
END_TEST

START_TEST(modelnet_bad_lists) {
    bnn_dataset *d;
    bnn_error err = {0};
    write_text("e/x", "");
    expect_bad("modelnet40", "none", BNN_SPLIT_TRAIN, "/none: no such folder", "--data-dir");
    expect_bad("modelnet40", "e", BNN_SPLIT_TRAIN, "/e: neither a list of shapes", "--data-dir");
    write_lists("s", "bed_0007\nsofa_0001\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "none of the shapes of its train split", "");
    write_text("s/modelnet40_train.txt", "\n\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "train.txt: holds no names", "");
    ck_assert_int_eq(unlink(in_folder("s/modelnet40_train.txt")), 0);
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "/s/modelnet40_train.txt: no such file", "");
    write_text("s/modelnet40_train.txt", "bed_0001\nnight_stand_0002\n");
    write_text("s/bed/bed_0001.txt", "");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "/bed_0001.txt: is empty", "unpack");
    write_text("s/bed/bed_0001.txt", "1,2,3\n1,2\n");
    d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: line 2: 2 numbers, expected 3", "copy it again");
    write_text("s/bed/bed_0001.txt", "1,2,3\n1,2,3\n");
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: its 2 points all coincide", "copy it again");
    ck_assert_int_eq(unlink(in_folder("s/bed/bed_0001.txt")), 0);
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: ", "o such file");
    bnn_dataset_close(d);
    for (int length = -1; length < 1 << 30; length += 1 << 29) {
        bnn_dataset_options options = {.length = length};
        bnn_code code = bnn_dataset_open(bnn_dataset_find("modelnet40"), in_folder("s"),
                                         BNN_SPLIT_TEST, &options, &d, &err);
        expect_error(code, BNN_ERR_ARGUMENT, &err, "points of a shape: a cloud has 1 to", NULL);
    }
    write_lists("modelnet40_normal_resampled", "bed_0001\n");
    write_text("ModelNet40/bed/train/bed_0001.off", "OFF\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TRAIN,
               "holds ModelNet40 and modelnet40_normal_resampled", "--data-dir");
}
END_TEST

static void expect_remark(const char *text) {
    bnn_dataset *test = open_good("modelnet40", "s", BNN_SPLIT_TEST, NULL);
    ck_assert_msg(text ? test->remark && strstr(test->remark, text) : !test->remark, "%s",
                  test->remark);
    bnn_dataset_close(test);
}

/* A set that is tested on what it is trained on: how much of it is said. */
START_TEST(modelnet_lists_share) {
    write_lists("s", "bed_0001\nnight_stand_0002\n");
    expect_remark(NULL);
    write_text("s/modelnet40_test.txt", "night_stand_0002\nbed_0001\n");
    expect_remark("2 of the 2 names on its list for testing");
    write_text("s/modelnet40_test.txt", "night_stand_0003\nbed/bed_0001\nbed_0005\n");
    expect_remark("1 of the 3 names");
    bnn_dataset *train = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    ck_assert_ptr_null(train->remark);
    bnn_dataset_close(train);
    write_text("s/modelnet40_train.txt", "\n"); /* which is said where it is trained on */
    expect_remark(NULL);
    ck_assert_int_eq(unlink(in_folder("s/modelnet40_train.txt")), 0);
    expect_remark(NULL);
}
END_TEST

/* What a list points to is within the folder, whatever it says. */
START_TEST(modelnet_outside) {
    write_lists("s", "../../bed_0001\n/etc/bed_0001\nbed/bed_0001\n");
    bnn_dataset *d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3); /* each the file in bed/ */
    bnn_dataset_close(d);
    write_lists("s", "bed_0001/..\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 1: '..' is no name", "");
}
END_TEST

START_TEST(modelnet_meshes) {
    static float x[6 * N], again[6 * N];
    int32_t label = -1;
    const char *at = _i ? "ModelNet40/" : "";
    const char *const shapes[] = {"sofa/train/sofa_0002", "sofa/train/sofa_0001",
                                  "bed/train/bed_0001", "bed/test/bed_0002"};
    char name[64];
    for (int i = 0; i < 4; i++) { /* a square of 2, far away; then taller ones */
        char text[256];
        snprintf(name, sizeof name, "%s%s.off", at, shapes[i]);
        snprintf(text, sizeof text, "OFF4 1 0\n10 10 5\n12 10 5\n12 %d 5\n10 %d 5\n4 0 1 2 3\n",
                 12 + i, 12 + i);
        write_text(name, text);
    }
    snprintf(name, sizeof name, "%ssofa/train/notes.txt", at);
    write_text(name, "no mesh");
    snprintf(name, sizeof name, "%ssofa/train/._sofa_0001.off", at);
    write_text(name, "no mesh either");
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_int_eq(d->classes, 40);
    ck_assert_int_eq(d->label(d, 0), 2);
    ck_assert_int_eq(d->label(d, 1), 30);
    read_sample(d, 2, &(bnn_draw){1, 0}, x, &label); /* sofa_0002, the square */
    ck_assert_int_eq(label, 30);
    for (size_t i = 0; i < N; i++) {
        const float *p = x + 6 * i + 3;
        ck_assert(fabsf(p[0]) <= 1.0f && fabsf(p[1]) <= 1.0f && p[2] == 0.0f);
    }
    read_sample(d, 2, &(bnn_draw){1, 0}, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    read_sample(d, 2, &(bnn_draw){1, 1}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 1, &(bnn_draw){1, 0}, x, &label); /* taller: narrow when scaled */
    for (size_t i = 0; i < N; i++) {
        ck_assert_float_le(fabsf(x[6 * i + 3]), 0.667f);
    }
    bnn_dataset_close(d);
    d = open_good("modelnet40", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_uint_eq(d->count, 1);
    read_sample(d, 0, NULL, x, &label);
    read_sample(d, 0, NULL, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    bnn_dataset_close(d);
    snprintf(name, sizeof name, "%sbed/test/bed_0002.off", at);
    write_text(name, "OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n");
    d = open_good("modelnet40", ".", BNN_SPLIT_TEST, NULL);
    expect_bad_sample(d, 0, "/bed_0002.off: none of its faces has an area", "copy it again");
    bnn_dataset_close(d);
    snprintf(name, sizeof name, "%steapot/train/teapot_0001.off", at);
    write_text(name, "OFF\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TRAIN, "/teapot: is no class of ModelNet40",
               "modelnet_shape_names.txt");
    snprintf(name, sizeof name, "%smodelnet_shape_names.txt", at);
    write_text(name, "teapot\nbed\n");
    d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->label(d, 0), 0);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(modelnet10) {
    static const char *const names[] = {"toilet",  "table", "sofa",  "night_stand", "monitor",
                                        "dresser", "desk",  "chair", "bed",         "bathtub"};
    for (int i = 0; i < 10; i++) {
        char name[64];
        snprintf(name, sizeof name, "ModelNet10/%s/%s/x.off", names[i], i ? "train" : "test");
        write_text(name, "OFF 3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n");
    }
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_int_eq(d->classes, 10);
    ck_assert_str_eq(d->class_names[9], "toilet");
    ck_assert_uint_eq(d->count, 9);
    ck_assert_int_eq(d->label(d, 0), 0);
    bnn_dataset_close(d);
}
END_TEST

/* Of names, sizes, labels and first bytes; wherever the set lies. */
START_TEST(checksums) {
    write_lists("one", "bed_0001\nnight_stand_0002\n");
    write_lists("two", "bed_0001\nnight_stand_0002\n");
    uint32_t sum = checksum_of("modelnet40", "one", BNN_SPLIT_TRAIN);
    ck_assert(sum != 0 && sum != checksum_of("modelnet40", "one", BNN_SPLIT_TEST));
    ck_assert_uint_eq(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_list("two/bed/bed_0001.txt", 100, ' '); /* as long */
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_list("two/bed/bed_0001.txt", 99, ',');
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_lists("two", "night_stand_0002\nbed_0001\n");
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
}
END_TEST

/* ---- blocks ---- */
static void write_blocks(const float *first, const unsigned char *label) {
    write_text("train_files.txt", "data/modelnet40_ply_hdf5_2048/a.h5\nb.h5\r\ngone.h5\n");
    write_text("test_files.txt", "c.h5\n");
    write_block("a.h5", 2, 4, first, label);
    write_block("b.h5", 1, 8, first, label);
    write_block("c.h5", 1, 3, first, label);
}

START_TEST(modelnet_blocks) {
    static float x[6 * N], again[6 * N];
    float data[24], scaled[24];
    const unsigned char label[] = {39, 7};
    int32_t got = -1;
    for (int i = 0; i < 24; i++) {
        data[i] = (float)((i * i) % 29) - 10.0f;
    }
    write_blocks(data, label);
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_uint_eq(d->skipped, 1);
    ck_assert_int_eq(d->label(d, 0), 39);
    ck_assert_int_eq(d->label(d, 1), 7);
    ck_assert_int_eq(d->label(d, 2), 39);
    for (size_t shape = 0; shape < 3; shape++) { /* points of that shape alone */
        const size_t first = shape == 1 ? 4 : 0, points = shape == 2 ? 8 : 4;
        memcpy(scaled, data + 3 * first, 12 * points);
        ck_assert_int_eq(bnn_points_normalize("p", scaled, points, 3, NULL), BNN_OK);
        read_sample(d, shape, &(bnn_draw){1, 0}, x, &got);
        read_sample(d, shape, &(bnn_draw){1, 1}, again, &got);
        ck_assert_int_eq(got, label[shape % 2]);
        ck_assert(memcmp(x, again, sizeof x) != 0);
        for (size_t i = 0; i < N; i++) {
            size_t k = 0;
            while (k < points && memcmp(x + 6 * i + 3, scaled + 3 * k, 12) != 0) {
                k++;
            }
            ck_assert_uint_lt(k, points);
        }
    }
    bnn_dataset_close(d);
    uint32_t sum = checksum_of("modelnet40", ".", BNN_SPLIT_TEST);
    data[8] += 1.0f;
    write_block("c.h5", 1, 3, data, label);
    ck_assert_uint_ne(sum, checksum_of("modelnet40", ".", BNN_SPLIT_TEST));
    write_text("test_files.txt", "elsewhere/b.h5\nc.h5\n");
    d = open_good("modelnet40", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_ptr_nonnull(strstr(d->remark, "1 of the 2 names on its list for testing"));
    bnn_dataset_close(d);
    write_text("test_files.txt", "c.h5\n");
    write_text("shape_names.txt", "a\nb\nc\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: shape 0 has label 39, expected 0 to 2",
               "");
    ck_assert_int_eq(unlink(in_folder("shape_names.txt")), 0);
    data[4] = INFINITY;
    write_block("c.h5", 1, 3, data, label);
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: point 1 of shape 0 is not finite", "");
    write_text("c.h5", "x,y,z\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: the file is no HDF5", "download");
    write_text("c.h5", "");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: the file is no HDF5", "download");
    write_text("test_files.txt", "gone.h5\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "none of the shapes of its test split", "");
}
END_TEST

/* A shape that is evaluated gives the same points wherever it stands, and however it is stored. */
START_TEST(test_samples) {
    static float x[6 * N], of_block[6 * N], of_file[6 * N];
    float data[24];
    char text[1024] = "", *p = text;
    int32_t got;
    for (int i = 0; i < 24; i++) {
        data[i] = (float)((i * i) % 29) / 7.0f;
        p += i >= 12 ? sprintf(p, "%.9g%c", (double)data[i], i % 3 == 2 ? '\n' : ' ') : 0;
    }
    write_text("b/test_files.txt", "a.h5\n");
    write_block("b/a.h5", 2, 4, data, (const unsigned char *)"\1\2");
    write_text("l/modelnet40_test.txt", "bed_0001\nbed_0002\nbed_0003\n");
    write_text("l/bed/bed_0001.txt", "0 0 0\n1 1 1\n");
    write_text("l/bed/bed_0002.txt", text);
    write_text("l/bed/bed_0003.txt", text);
    bnn_dataset *d = open_good("modelnet40", "b", BNN_SPLIT_TEST, NULL);
    read_sample(d, 1, NULL, of_block, &got);
    read_sample(d, 0, NULL, x, &got);
    ck_assert_mem_ne(x, of_block, sizeof x);
    bnn_dataset_close(d);
    d = open_good("modelnet40", "l", BNN_SPLIT_TEST, NULL);
    for (size_t i = 1; i < 3; i++) {
        read_sample(d, i, NULL, x, &got);
        ck_assert_mem_eq(x, of_block, sizeof x);
    }
    read_sample(d, 1, &(bnn_draw){1, 0}, x, &got); /* in training each draws for itself */
    read_sample(d, 2, &(bnn_draw){1, 0}, of_file, &got);
    ck_assert_mem_ne(x, of_file, sizeof x);
    bnn_dataset_close(d);
    bnn_cloud cloud;
    ck_assert_int_eq(bnn_cloud_parse("c", (const unsigned char *)text, strlen(text), &cloud, NULL),
                     BNN_OK);
    ck_assert_int_eq(bnn_dataset_find("modelnet40")->draw("c", &cloud, NULL, N, of_file, NULL),
                     BNN_OK);
    ck_assert_mem_eq(of_file, of_block, sizeof x);
    bnn_cloud_free(&cloud);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("modelnet40");
    TCase *tc = tcase_create("modelnet40");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, row);
    tcase_add_loop_test(tc, modelnet_lists, 0, 2);
    tcase_add_test(tc, modelnet_names);
    tcase_add_test(tc, modelnet_bad_lists);
    tcase_add_test(tc, modelnet_lists_share);
    tcase_add_test(tc, modelnet_outside);
    tcase_add_loop_test(tc, modelnet_meshes, 0, 2);
    tcase_add_test(tc, modelnet10);
    tcase_add_test(tc, checksums);
    tcase_add_test(tc, modelnet_blocks);
    tcase_add_test(tc, test_samples);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

/* ShapeNet-Part, in either version. Every file read here is written by the test itself. */
#include <math.h>

#include "tests/fixtures/cloud_fixture.h"

START_TEST(row) {
    const bnn_dataset_info *info = bnn_dataset_find("shapenet_part");
    ck_assert_ptr_nonnull(info);
    ck_assert_str_eq(info->task, "segment");
    ck_assert_str_eq(info->variant, "category");
    ck_assert(bnn_shape_equal(info->field[0].shape, (bnn_shape){1, 1, 4096, 6}));
    ck_assert(bnn_shape_equal(info->field[1].shape, (bnn_shape){1, 1, 4096, 1}));
    ck_assert_str_eq(info->field[1].name, "part");
    ck_assert_int_eq(info->classes, 50);
    for (int c = 1; c < 50; c++) {
        ck_assert_int_lt(strcmp(info->class_names[c - 1], info->class_names[c]), 0);
    }
}
END_TEST

#define PLAIN "shapenetcore_partanno_segmentation_benchmark_v0"
#define NORMAL PLAIN "_normal"

static void write_splits(const char *at, const char *train, const char *val, const char *test) {
    const char *const text[] = {train, val, test};
    static const char *const part[] = {"train", "val", "test"};
    for (int i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/train_test_split/shuffled_%s_file_list.json", at, part[i]);
        if (text[i]) {
            write_text(name, text[i]);
        }
    }
}

static void write_plain(void) {
    write_splits(PLAIN, "[\"shape_data/02691156/a\", \"shape_data/04379243/b\"]",
                 "[\"shape_data/02691156/c\", \"shape_data/02691156/gone\"]",
                 "[\"shape_data/04379243/d\"]");
    write_text(PLAIN "/02691156/points/a.pts", "0 0 0\n2 0 0\n0 2 0\n0 0 -2\n");
    write_text(PLAIN "/02691156/points_label/a.seg", "1\n2\n3\n4\n");
    write_text(PLAIN "/02691156/points/c.pts", "0 0 0\n1 0 0\n");
    write_text(PLAIN "/02691156/points_label/c.seg", "4\n4\n");
    write_text(PLAIN "/04379243/points/b.pts", "0 0 0\n1 0 0\n");
    write_text(PLAIN "/04379243/points_label/b.seg", "1\n3\n");
    write_text(PLAIN "/04379243/points/d.pts", "0 0 0\n1 0 0\n0 1 1\n");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n2\n");
}

START_TEST(shapenet_plain) {
    static float x[6 * N], again[6 * N];
    static int32_t part[N], parts[N];
    write_plain();
    bnn_dataset *d = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, _i ? "all" : NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_uint_eq(d->skipped, 1);
    ck_assert_int_eq(d->classes, 50);
    ck_assert_int_eq(d->field[1].shape.w, N);
    read_sample(d, 1, NULL, x, part); /* 0 0 0 is of part 47, 1 0 0 of 49 */
    for (size_t i = 0; i < N; i++) {
        ck_assert_float_eq_tol(fabsf(x[6 * i]), 0.999999f, 1e-6f);
        ck_assert_int_eq(part[i], x[6 * i] < 0.0f ? 47 : 49);
        for (int c = 1; c < 6; c++) {
            ck_assert(x[6 * i + (size_t)c] == 0.0f); /* no normals */
        }
    }
    read_sample(d, 1, NULL, again, parts);
    ck_assert(memcmp(x, again, sizeof x) == 0 && memcmp(part, parts, sizeof part) == 0);
    read_sample(d, 1, &(bnn_draw){1, 0}, x, part);
    read_sample(d, 1, &(bnn_draw){1, 0}, again, parts);
    ck_assert(memcmp(x, again, sizeof x) == 0 && memcmp(part, parts, sizeof part) == 0);
    read_sample(d, 1, &(bnn_draw){1, 1}, again, parts);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    for (size_t i = 0; i < N; i++) { /* turned and moved, and yet the same points */
        float r =
            sqrtf(x[6 * i] * x[6 * i] + x[6 * i + 1] * x[6 * i + 1] + x[6 * i + 2] * x[6 * i + 2]);
        ck_assert_float_eq_tol(r, 1.0f, 0.02f);
        ck_assert_int_eq(part[i], x[6 * i] < 0.0f ? 47 : 49);
    }
    bnn_dataset_close(d);
    d = open_good("shapenet_part", PLAIN, BNN_SPLIT_TRAIN, "Airplane");
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->classes, 4);
    ck_assert_str_eq(d->class_names[3], "Airplane:4");
    bnn_dataset_close(d);
    d = open_good("shapenet_part", PLAIN, BNN_SPLIT_TEST, "Table");
    ck_assert_uint_eq(d->count, 1);
    ck_assert_int_eq(d->classes, 3);
    read_sample(d, 0, NULL, x, part);
    for (size_t i = 0; i < N; i++) { /* parts count from 0 */
        ck_assert_int_eq(part[i], x[6 * i] > 0.5f ? 2 : x[6 * i + 1] > 0.5f ? 1 : 0);
    }
    bnn_dataset_close(d);
}
END_TEST

START_TEST(shapenet_normal) {
    static float x[6 * N];
    static int32_t part[N];
    write_splits(NORMAL, "[\"shape_data/04379243/b\"]", NULL, "[\"shape_data/04379243/b\"]");
    write_text(NORMAL "/04379243/b.txt", "0 0 0 0 0 1 47.000000\n1 0 0 0 -1 0 49.000000\n");
    bnn_dataset *d = open_good("shapenet_part", ".", BNN_SPLIT_TEST, _i ? "Table" : NULL);
    read_sample(d, 0, NULL, x, part);
    for (size_t i = 0; i < N; i++) {
        int second = x[6 * i] > 0.0f;
        ck_assert(x[6 * i + 3] == 0.0f && x[6 * i + 4] == (second ? -1.0f : 0.0f));
        ck_assert(x[6 * i + 5] == (second ? 0.0f : 1.0f));
        ck_assert_int_eq(part[i], (_i ? 0 : 47) + 2 * second);
    }
    bnn_dataset_close(d);
    d = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, NULL); /* without a list of val */
    ck_assert_uint_eq(d->count, 1);
    write_text(NORMAL "/04379243/b.txt", "0 0 0 0 0 1 46\n1 0 0 0 -1 0 49\n");
    expect_bad_sample(d, 0, "/b.txt: point 1 has part 46, expected 47 to 49 (Table)", "");
    bnn_dataset_close(d);
    write_plain();
    expect_bad("shapenet_part", ".", BNN_SPLIT_TRAIN, "holds " PLAIN " and " NORMAL, "--data-dir");
}
END_TEST

static const struct {
    const char *list, *says;
} bad_splits[] = {
    {"", "file_list.json: line "},
    {"[\"a/b/c\"", "file_list.json: line "},
    {"{}", "expected an array"},
    {"[]", "expected an array"},
    {"[1]", "entry 0 is not \"shape_data/SYNSET/ID\""},
    {"[\"x/02691156/a\", \"a\"]", "entry 1 is not"},
    {"[\"../../x\"]", "entry 0 is not"},
    {"[\"x/02691156/..\"]", "entry 0 is not"},
    {"[\"x/02691156/\"]", "entry 0 is not"},
    {"[\"x/0269115/a\"]", "'0269115' is none of the 16 categories"},
    {"[\"x/02691156/gone\"]", "none of the 1 listed shapes for testing is there"},
};

START_TEST(shapenet_bad_lists) {
    write_plain();
    write_splits(PLAIN, NULL, NULL, bad_splits[_i].list);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, PLAIN, bad_splits[_i].says);
}
END_TEST

START_TEST(shapenet_malformed) {
    bnn_dataset *d;
    bnn_error err = {0};
    expect_bad("shapenet_part", ".", BNN_SPLIT_TRAIN, "no folder train_test_split", "--data-dir");
    write_plain();
    bnn_code code = open_set("shapenet_part", ".", BNN_SPLIT_TEST, "Spoon", &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "no category 'Spoon'", "Airplane, Bag", "all", NULL);
    code = open_set("shapenet_part", ".", BNN_SPLIT_TEST, "Airplane", &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "for testing of category Airplane", NULL);
    d = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n");
    expect_bad_sample(d, 0, "/d.seg: 2 labels, but ", "/d.pts has 3 points");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n0\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 0, expected 1 to 3 (Table)", "");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n4\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 4, expected 1 to 3 (Table)", "");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n1.5\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 1.5", "");
    bnn_dataset_close(d);
    ck_assert_int_eq(unlink(in_folder(PLAIN "/04379243/points_label/d.seg")), 0);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, "/d.seg: no such file", "/d.pts is there");
    ck_assert_int_eq(unlink(in_folder(PLAIN "/train_test_split/shuffled_test_file_list.json")), 0);
    ck_assert_int_eq(unlink(in_folder(PLAIN "/train_test_split/shuffled_train_file_list.json")), 0);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, "shuffled_train_file_list.json: no such file",
               "");
}
END_TEST

/* A set of one's own, with one list: tested on what it is trained on, which is said. */
START_TEST(no_list_for_testing) {
    write_plain();
    bnn_dataset *train = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, NULL);
    bnn_dataset *test = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_ptr_null(test->remark);
    ck_assert_uint_ne(train->count, test->count);
    bnn_dataset_close(test);
    ck_assert_int_eq(unlink(in_folder(PLAIN "/train_test_split/shuffled_test_file_list.json")), 0);
    test = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_ptr_nonnull(test->remark);
    ck_assert_uint_eq(train->count, test->count);
    ck_assert_uint_eq(bnn_dataset_checksum(train), bnn_dataset_checksum(test));
    bnn_dataset_close(train);
    bnn_dataset_close(test);
}
END_TEST

/* One that is tested on shapes for training, or for validation: how many is said, once. */
START_TEST(lists_share) {
    write_plain();
    write_splits(PLAIN, NULL, NULL,
                 "[\"x/04379243/d\", \"x/02691156/c\", \"y/02691156/a\", \"x/04379243/a\"]");
    bnn_dataset *test = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_ptr_nonnull(test->remark);
    ck_assert_ptr_nonnull(strstr(test->remark, "2 of the 4 names on its list for testing"));
    bnn_dataset_close(test);
    bnn_dataset *train = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_ptr_null(train->remark);
    bnn_dataset_close(train);
    write_splits(PLAIN, "no list", "{}", NULL); /* which is said where it is trained on */
    test = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_ptr_null(test->remark);
    bnn_dataset_close(test);
}
END_TEST

START_TEST(files) {
    static const char *const read[] = {PLAIN "/train_test_split/shuffled_train_file_list.json",
                                       PLAIN "/train_test_split/shuffled_val_file_list.json",
                                       PLAIN "/02691156/points/a.pts",
                                       PLAIN "/02691156/points_label/c.seg"};
    write_plain();
    bnn_dataset *d = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, NULL);
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++) {
        struct stat file = file_of(read[i]);
        ck_assert_msg(bnn_dataset_reads(d, file.st_dev, file.st_ino), "%s", read[i]);
    }
    struct stat other = file_of(PLAIN "/04379243/points/d.pts"); /* for testing */
    ck_assert(!bnn_dataset_reads(d, other.st_dev, other.st_ino));
    bnn_dataset_close(d);
}
END_TEST

/* Of the labels, too. */
START_TEST(checksums) {
    write_plain();
    uint32_t sum = checksum_of("shapenet_part", ".", BNN_SPLIT_TRAIN);
    write_text(PLAIN "/02691156/points_label/a.seg", "1\n2\n3\n3\n");
    ck_assert_uint_ne(sum, checksum_of("shapenet_part", ".", BNN_SPLIT_TRAIN));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shapenet_part");
    TCase *tc = tcase_create("shapenet_part");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, row);
    tcase_add_loop_test(tc, shapenet_plain, 0, 2);
    tcase_add_loop_test(tc, shapenet_normal, 0, 2);
    tcase_add_loop_test(tc, shapenet_bad_lists, 0, sizeof bad_splits / sizeof bad_splits[0]);
    tcase_add_test(tc, shapenet_malformed);
    tcase_add_test(tc, no_list_for_testing);
    tcase_add_test(tc, lists_share);
    tcase_add_test(tc, files);
    tcase_add_test(tc, checksums);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

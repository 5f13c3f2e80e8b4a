/* Results files: what is written is read back and written again byte for byte, what is damaged is
 * refused in one line, and cells are taken over only into the evaluation they are of. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "tools/run/results.h"

static bnn_error err;
static bnn_results now, old;
static char path[64], again[64];

enum { ROWS = 2 };

/* 7 images of 2 classes; fog and snow, of severities 2 and 4, and one cell is missing. */
static void fill(bnn_results *r) {
    static bnn_class_result classes[] = {{"cat <&>", 3, 33.3333333, NULL}, {"dog", 4, 100, NULL}};
    *r = (bnn_results){
        .model = "m.bnn",
        .checksum = "01234567",
        .arch = "resnet20",
        .algo = "bnn",
        .data = "cifar10",
        .isa = "cpu generic",
        .task = bnn_task_find("classify"),
        .samples = 7,
        .metric = {bnn_results_as_written(500.0 / 7), bnn_results_as_written(600.0 / 7)},
        .loss = bnn_results_as_written(1.0 / 3),
        .class_count = 2,
        .classes = classes,
        .wanted = {0, 1, 0, 1, 0},
        .row_count = ROWS};
    r->rows[0] = (bnn_corruption_result){7, "seed 0", 7, {-1, 3, -1, 2, -1}};
    r->rows[1] = (bnn_corruption_result){9, "seed 0", 7, {-1, 4, -1, -1, -1}};
}

static void set_up(void) {
    strcpy(path, "/tmp/check_results.XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(again, sizeof again, "%s.again", path);
    err = (bnn_error){0};
    fill(&now);
    fill(&old);
}

static void tear_down(void) {
    unlink(path);
    unlink(again);
}

static char *text_of(const char *name) {
    static char text[1 << 14];
    FILE *file = fopen(name, "rb");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

START_TEST(round_trip) {
    bnn_results read;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert_str_eq(read.classes[0].name, "cat <&>");
    ck_assert(read.classes[1].value == 100.0 && read.classes[0].samples == 3);
    ck_assert(read.metric[0] == now.metric[0] && read.metric[1] == now.metric[1]);
    ck_assert_ptr_eq(read.task, now.task);
    ck_assert_int_eq(read.wanted[1] && read.wanted[3] && !read.wanted[0], 1);
    ck_assert_mem_eq(read.rows[0].correct, now.rows[0].correct, sizeof now.rows[0].correct);
    ck_assert_str_eq(read.rows[1].source, "seed 0");
    ck_assert_uint_eq(read.examples.count, 0); /* as in older files */
    ck_assert_int_eq(bnn_results_write(again, &read, &err), BNN_OK);
    char *first = strdup(text_of(path));
    ck_assert_str_eq(first, text_of(again));
    free(first);
    bnn_results_free(&read);
}
END_TEST

/* The file with one member replaced (NULL: removed), by its path like "corruptions.rows.0.top1". */
static void damage(const char *member, const char *value, const char *part) {
    char keys[100], *save;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    json_t *root = json_load_file(path, 0, NULL), *at = root;
    snprintf(keys, sizeof keys, "%s", member);
    for (char *key = strtok_r(keys, ".", &save), *next; key; key = next) {
        next = strtok_r(NULL, ".", &save);
        json_t *new = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
        if (next) {
            json_decref(new);
            at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10))
                                   : json_object_get(at, key);
        } else if (json_is_array(at)) {
            json_array_set_new(at, strtoul(key, NULL, 10), new);
        } else if (value) {
            json_object_set_new(at, key, new);
        } else {
            ck_assert_int_eq(json_object_del(at, key), 0);
        }
    }
    char *text = json_dumps(root, 0);
    bnn_results read;
    bnn_code code = bnn_results_parse("r.json", text, strlen(text), &read, &err);
    ck_assert_msg(code != BNN_OK, "accepted: %s = %s", member, value ? value : "nothing");
    ck_assert_msg(strstr(err.text, part) != NULL, "no '%s' in '%s'", part, err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "r.json: not results of bnn-eval, or damaged"));
    bnn_results_free(&read);
    free(text);
    json_decref(root);
}

/* Of any task; with the confusion of the classes, which is read as it was written. */
START_TEST(of_another_task) {
    static int64_t confusion[] = {1, 2, 0, 4};
    now.task = bnn_task_find("keywords");
    now.confusion = confusion;
    now.row_count = 0;
    bnn_results read;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(text_of(path), "\"mean_class\": 85.7142857"));
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert_ptr_eq(read.task, now.task);
    ck_assert_mem_eq(read.confusion, confusion, sizeof confusion);
    bnn_results_free(&read);
    damage("confusion", "[[1, 2]]", "confusion");
    damage("confusion", "[[1, 2], [3]]", "confusion");
    damage("confusion.1.0", "-1", "confusion");
    damage("confusion.1.0", "0.5", "confusion");
    damage("task", "\"juggle\"", "an unknown task");
    damage("classes.0.precision_by_recall", "\"1000 999\"", "the precision of a class");
    damage("classes.0.precision_by_recall", "[]", "the precision of a class");
    damage("mean_class", NULL, "mean_class");
    now.task = bnn_task_find("classify");
    now.confusion = NULL;
}
END_TEST

/* COCO's twelve numbers; older files have the first seven. */
START_TEST(of_boxes) {
    bnn_results read;
    now.task = bnn_task_find("detect_coco");
    now.row_count = 0;
    now.loss = NAN;
    for (int i = 0; i < bnn_metric_count(now.task); i++) {
        now.metric[i] = 5.0 * i;
    }
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(text_of(path), "\"ar_large\": 55.0"));
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert(read.metric[7] == 35.0 && read.metric[11] == 55.0);
    bnn_results_free(&read);
    json_t *root = json_load_file(path, 0, NULL);
    ck_assert_int_eq(json_object_del(root, "ar1"), 0);
    ck_assert_int_eq(json_dump_file(root, path, 0), 0);
    json_decref(root);
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert(isnan(read.metric[7]) && read.metric[8] == 40.0);
    bnn_results_free(&read);
    damage("ar100", NULL, "ar100");
    damage("ar1", "101", "ar1");
    fill(&now);
}
END_TEST

/* A regression has no classes, and its correlations may be negative. */
START_TEST(of_a_regression) {
    now.task = bnn_task_find("similarity");
    now.metric[0] = -12.5, now.metric[1] = -100.0, now.metric[2] = NAN;
    now.class_count = 0;
    now.row_count = 0;
    bnn_results read;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(text_of(path), "\"spearman\": null"));
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert(read.metric[0] == -12.5 && read.metric[1] == -100.0 && isnan(read.metric[2]));
    ck_assert_uint_eq(read.class_count, 0);
    bnn_results_free(&read);
    damage("pearson", "-100.5", "pearson");
    damage("classes", "[{\"class\": \"a\", \"samples\": 1, \"corr\": 1}]", "classes");
    /* What a class is told by is not always the first metric. */
    fill(&now);
    now.task = bnn_task_find("acceptability");
    now.row_count = 0;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    damage("classes.0.accuracy", NULL, "the score of a class");
    damage("classes.0.accuracy", "-1", "the score of a class");
    damage("classes", "[]", "classes");
    fill(&now);
}
END_TEST

/* With examples, which are read as they were written (check_examples.c). */
START_TEST(with_examples) {
    int16_t value[] = {-1000, 0, 7};
    int32_t truth[] = {0}, predicted[] = {1};
    const char *names[] = {"cat <&>", "dog"};
    bnn_results read;
    now.examples.count = 1;
    now.examples.example[0] =
        (bnn_example){"points", 1, 1, 3, value, 1, truth, predicted, 2, names, NULL, 0, NULL};
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    ck_assert_msg(bnn_results_read(path, &read, &err) == BNN_OK, "%s", err.text);
    ck_assert_uint_eq(read.examples.count, 1);
    ck_assert_mem_eq(read.examples.example[0].value, value, sizeof value);
    ck_assert_int_eq(bnn_results_write(again, &read, &err), BNN_OK);
    char *first = strdup(text_of(path));
    ck_assert_str_eq(first, text_of(again));
    free(first);
    bnn_results_free(&read);
    damage("examples", "[]", "examples");
    damage("examples", "null", "examples");
    damage("examples.0.values", "\"1 2\"", "examples");
    damage("examples.0.predicted", "\"2\"", "examples");
}
END_TEST

START_TEST(derived_numbers) {
    size_t done;
    ck_assert_uint_eq(bnn_results_cells(&now, &done), 4);
    ck_assert_uint_eq(done, 3);
    ck_assert_double_eq_tol(bnn_results_row_mean(&now, &now.rows[0]), 250.0 / 7, 1e-12);
    ck_assert(isnan(bnn_results_row_mean(&now, &now.rows[1])) && isnan(bnn_results_mean(&now)));
    now.rows[1].correct[3] = 1;
    ck_assert_double_eq_tol(bnn_results_mean(&now), 250.0 / 7, 1e-12);
    ck_assert(isnan(bnn_results_cell(&now.rows[0], 1)));
    ck_assert_ptr_null(bnn_results_row(&now, 3));
    ck_assert_ptr_eq(bnn_results_row(&now, 9), &now.rows[1]);
}
END_TEST

START_TEST(damaged_files) {
    static const char *const needed[] = {"format", "model", "checksum", "arch",    "algo",
                                         "packed", "data",  "isa",      "samples", "top1",
                                         "top5",   "loss",  "classes"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        damage(needed[i], NULL, needed[i]);
        damage(needed[i], "{}", needed[i]);
    }
    damage("format", "\"bnn-results-2\"", "no format");
    damage("samples", "0", "samples");
    damage("samples", "-1", "samples");
    damage("samples", "7.0", "samples");
    damage("samples", "100000001", "samples");
    damage("top1", "-0.1", "top1");
    damage("top1", "100.1", "top1");
    damage("classes", "[]", "classes");
    damage("classes.0.samples", "-1", "samples");
    damage("classes.1.top1", "100.1", "the score of a class");
    damage("classes.1.class", "1", "class");
    damage("corruptions", "[]", "corruptions");
    damage("corruptions", "null", "corruptions");
    damage("corruptions.severities", "[]", "corruptions");
    damage("corruptions.severities", "[2, 2]", "severities");
    damage("corruptions.severities", "[2, 6]", "severities");
    damage("corruptions.severities", "[\"2\"]", "severities");
    damage("corruptions.severities", "[2]", "not among the severities");
    damage("corruptions.rows", "[]", "corruptions");
    damage("corruptions.rows.0", "3", "corruption");
    damage("corruptions.rows.0.corruption", "\"fogg\"", "unknown corruption");
    damage("corruptions.rows.0.corruption", "\"fog\"", "one twice");
    damage("corruptions.rows.0.source", "0", "source");
    damage("corruptions.rows.0.images", "0", "images");
    damage("corruptions.rows.0.top1", "[null, null, null, null]", "top1 of a corruption");
    damage("corruptions.rows.0.top1.1", "\"x\"", "top1 of a corruption");
    damage("corruptions.rows.0.top1.1", "1e300", "top1 of a corruption");
    damage("corruptions.rows.0.top1.0", "0", "not among the severities");
}
END_TEST

START_TEST(not_json) {
    static const char *const texts[] = {"", "{", "x", "{\"a\":1,\"a\":1}", "[[[[", "\"\xff\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bnn_results read;
        ck_assert_int_eq(bnn_results_parse("r", texts[i], strlen(texts[i]), &read, &err),
                         BNN_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.text, "r: not JSON: line 1"));
        bnn_results_free(&read);
    }
    bnn_results read;
    ck_assert_int_eq(bnn_results_parse("r", NULL, 0, &read, &err), BNN_ERR_FORMAT);
    bnn_results_free(&read);
    ck_assert_int_eq(bnn_results_read("/nowhere/r.json", &read, &err), BNN_ERR_IO);
    bnn_results_free(&read);
}
END_TEST

/* A class without images has no accuracy; files of older programs say 0. */
START_TEST(class_without_images) {
    static const char *const texts[] = {"\"top1\": null", "\"top1\": 0", "\"top1\": 0.0"};
    bnn_class_result classes[] = {{"cat", 0, NAN, NULL}, {"dog", 7, 57.1428571, NULL}};
    now.classes = classes;
    ck_assert_int_eq(bnn_results_write(path, &now, &err), BNN_OK);
    char *first = strdup(text_of(path));
    char *member = strstr(first, texts[0]);
    ck_assert_ptr_nonnull(member);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[1 << 12];
        bnn_results read;
        snprintf(text, sizeof text, "%.*s%s%s", (int)(member - first), first, texts[i],
                 member + strlen(texts[0]));
        bnn_code code = bnn_results_parse("r.json", text, strlen(text), &read, &err);
        ck_assert_msg(code == BNN_OK, "%s", err.text);
        ck_assert(read.classes[0].samples == 0 && isnan(read.classes[0].value));
        ck_assert_int_eq(bnn_results_write(again, &read, &err), BNN_OK);
        ck_assert_str_eq(text_of(again), first);
        bnn_results_free(&read);
    }
    free(first);
    ck_assert(isnan(bnn_percent(0, 0)));
    damage("classes.0.top1", "50", "a class without samples");
    damage("classes.1.top1", "null", "a class without samples");
}
END_TEST

static void clear_cells(bnn_results *r) {
    for (size_t i = 0; i < r->row_count; i++) {
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            r->rows[i].correct[s] = BNN_NOT_DONE;
        }
    }
}

START_TEST(cells_are_taken_over) {
    clear_cells(&now);
    now.wanted[0] = 1; /* and severity 1, anew */
    now.rows[2] = (bnn_corruption_result){3, "seed 0", 7, {-1, -1, -1, -1, -1}};
    now.row_count = 3;
    ck_assert_msg(bnn_results_continue(&now, &old, "r", &err) == BNN_OK, "%s", err.text);
    ck_assert_int_eq(now.rows[0].correct[1], 3);
    ck_assert_int_eq(now.rows[1].correct[1], 4);
    ck_assert_int_eq(now.rows[1].correct[3], BNN_NOT_DONE);
    ck_assert_int_eq(now.rows[2].correct[1], BNN_NOT_DONE);
    ck_assert_int_eq(bnn_results_same_score(&now, &old, "r", &err), BNN_OK);
    /* Without corruptions of its own, an evaluation keeps what is there. */
    now.row_count = 0;
    ck_assert_int_eq(bnn_results_continue(&now, &old, "r", &err), BNN_OK);
    ck_assert_uint_eq(now.row_count, ROWS);
    /* What has no cells may be replaced by anything. */
    old.row_count = 0;
    now.data = "mnist";
    now.metric[0] = 0;
    ck_assert_int_eq(bnn_results_continue(&now, &old, "r", &err), BNN_OK);
    ck_assert_int_eq(bnn_results_same_score(&now, &old, "r", &err), BNN_OK);
}
END_TEST

static void refused(bnn_code code, const char *part) {
    ck_assert_int_ne(code, BNN_OK);
    ck_assert_msg(strstr(err.text, part) != NULL, "no '%s' in '%s'", part, err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "--overwrite"));
    fill(&now);
    fill(&old);
    clear_cells(&now);
}

START_TEST(other_evaluations_are_refused) {
    clear_cells(&now);
    old.checksum = "76543210";
    refused(bnn_results_continue(&now, &old, "r", &err), "checksum was 76543210, now 01234567");
    old.data = "mnist";
    refused(bnn_results_continue(&now, &old, "r", &err), "data set was mnist, now cifar10");
    old.isa = "cpu avx2";
    refused(bnn_results_continue(&now, &old, "r", &err), "instruction set was cpu avx2");
    old.samples = 8;
    refused(bnn_results_continue(&now, &old, "r", &err), "samples was 8, now 7");
    old.rows[1].source = "seed 1";
    refused(bnn_results_continue(&now, &old, "r", &err), "fog was seed 1, now seed 0");
    old.rows[1].kind = 3;
    refused(bnn_results_continue(&now, &old, "r", &err),
            "defocus_blur at severity 2 was evaluated, now not wanted");
    now.wanted[1] = 0;
    refused(bnn_results_continue(&now, &old, "r", &err), "snow at severity 2 was evaluated");
    now.metric[0] = 4;
    refused(bnn_results_same_score(&now, &old, "r", &err), "score of the clean samples");
    now.loss += 1e-6;
    refused(bnn_results_same_score(&now, &old, "r", &err), "score of the clean samples");
    /* A row that is another's but holds nothing loses nothing. */
    old.rows[1].kind = 3;
    old.rows[1].correct[1] = BNN_NOT_DONE;
    ck_assert_int_eq(bnn_results_continue(&now, &old, "r", &err), BNN_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("results");
    TCase *cases = tcase_create("results");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, round_trip);
    tcase_add_test(cases, of_another_task);
    tcase_add_test(cases, of_boxes);
    tcase_add_test(cases, of_a_regression);
    tcase_add_test(cases, with_examples);
    tcase_add_test(cases, derived_numbers);
    tcase_add_test(cases, damaged_files);
    tcase_add_test(cases, not_json);
    tcase_add_test(cases, class_without_images);
    tcase_add_test(cases, cells_are_taken_over);
    tcase_add_test(cases, other_evaluations_are_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The table of devices: which rows of bnn-bench it takes, what it refuses, its order, and the
 * metric on numbers computed by hand. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixtures/folder_fixture.h"
#include "tools/report/devices.h"

static bnn_device_table table;
static bnn_error err;
static json_t *rows; /* the file that is made up */

static void set_up(void) {
    make_folder();
    err = (bnn_error){0};
    rows = json_array();
}

static void tear_down(void) {
    bnn_device_table_free(&table);
    json_decref(rows);
    remove_folder();
}

/* A row that is so many times faster and smaller than its twin. */
static json_t *add(const char *algo, const char *format, double faster, int smaller) {
    const char *engine = strcmp(format, "packed") == 0 ? "" : format;
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s++, s:f, s:f, s:i, s:i, s:i, s:n}", "cpu", "C",
        "isa", "cpu neon", "arch", "resnet20", "algo", algo, "format", format, "input", "3x32x32",
        "batch", 1, "threads", 1, "baseline", engine, *engine ? " " : "", "fp32", "seconds", 0.5,
        "baseline_seconds", 0.5 * faster, "file_bytes", 1000, "float_bytes", 1000 * smaller,
        "peak_bytes", 4096, "baseline_peak_bytes");
    ck_assert_ptr_nonnull(row);
    json_array_append_new(rows, row);
    return row;
}

static void set(json_t *row, const char *key, const char *value) {
    json_t *new = json_loads(value, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(new);
    ck_assert_int_eq(json_object_set_new(row, key, new), 0);
}

static bnn_code parse(const char *path) {
    char *text = json_dumps(rows, 0);
    bnn_code code = bnn_device_table_parse(&table, path, text, strlen(text), &err);
    free(text);
    json_array_clear(rows);
    return code;
}

static void take(const char *path) {
    ck_assert_msg(parse(path) == BNN_OK, "%s", err.text);
}

static void compute(void) {
    ck_assert_msg(bnn_device_table_compute(&table, &err) == BNN_OK, "%s", err.text);
}

static const bnn_device_algorithm *algorithm(const char *name) {
    for (size_t i = 0; i < table.algorithm_count; i++) {
        if (strcmp(table.algorithms[i].algo, name) == 0) {
            return &table.algorithms[i];
        }
    }
    ck_abort_msg("no algorithm %s", name);
}

/* ---- which rows --------------------------------------------------------------------------- */

START_TEST(a_row) {
    json_t *row = add("bnn", "packed", 6.0, 8);
    set(row, "model", "\"a.bnn\"");
    set(row, "joules", "0.25");
    set(row, "baseline_joules", "2");
    take("board/pi4/a.bnn.json");
    ck_assert_uint_eq(table.row_count, 1);
    const bnn_device_row *r = &table.rows[0];
    ck_assert_str_eq(r->file, "board/pi4/a.bnn.json");
    ck_assert_str_eq(r->host, "pi4");
    ck_assert_str_eq(r->cpu, "C");
    ck_assert_str_eq(r->isa, "cpu neon");
    ck_assert_str_eq(r->arch, "resnet20");
    ck_assert_str_eq(r->algo, "bnn");
    ck_assert_str_eq(r->format, "packed");
    ck_assert_str_eq(r->input, "3x32x32");
    ck_assert_str_eq(r->model, "a.bnn");
    ck_assert(r->batch == 1 && r->threads == 1);
    ck_assert_double_eq(r->binary.seconds, 0.5);
    ck_assert_double_eq(r->twin.seconds, 3.0);
    ck_assert(r->binary.bytes == 1000 && r->twin.bytes == 8000);
    ck_assert(r->binary.peak_bytes == 4096 && r->twin.peak_bytes == 0);
    ck_assert_double_eq(r->binary.joules, 0.25);
    ck_assert_double_eq(r->twin.joules, 2.0);
}
END_TEST

START_TEST(rows_beside_the_twin_in_the_same_engine) {
    set(add("bnn", "packed", 2.0, 8), "baseline", "\"onnxruntime fp32\"");
    set(add("bnn", "packed", 3.0, 8), "baseline", "\"packed fp32\"");
    set(add("bnn", "lce", 4.0, 8), "baseline", "\"fp32\"");
    set(add("bnn", "lce", 5.0, 8), "baseline", "\"lce fp32 \"");
    set(add("bnn", "packed", 6.0, 8), "summary", "\"worst\"");
    add("bnn", "packed", 7.0, 8);
    add("bnn", "lce", 8.0, 8);
    take("f.json");
    ck_assert_uint_eq(table.row_count, 2);
    ck_assert_double_eq(table.rows[0].twin.seconds, 3.5);
    ck_assert_double_eq(table.rows[1].twin.seconds, 4.0);
    set(add("bnn", "packed", 2.0, 8), "baseline", "\"openvino int8\"");
    ck_assert_int_eq(parse("f.json"), BNN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "f.json: no row of a network beside its float twin"));
}
END_TEST

START_TEST(hosts) {
    static const char *const files[][2] = {
        {"x.json", ""},      {"./x.json", ""},        {"../x.json", ""},
        {"/x.json", ""},     {"pi/x.json", "pi"},     {"/pi/x.json", "pi"},
        {"a/b/x.json", "b"}, {"a/..b/x.json", "..b"}, {"a//x.json", ""}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        add("bnn", "packed", 2.0, 8);
        take(files[i][0]);
        ck_assert_str_eq(table.rows[i].host, files[i][1]);
    }
}
END_TEST

START_TEST(texts_are_fit_for_a_terminal) {
    json_t *row = add("bnn", "packed", 2.0, 8);
    set(row, "cpu", "\"a\\u001b[2J\\nb\\u007f \\u00e9\"");
    set(row, "model", "\"m\\tn\"");
    take("f.json");
    ck_assert_str_eq(table.rows[0].cpu, "a?[2J?b? \xc3\xa9");
    ck_assert_str_eq(table.rows[0].model, "m?n");
}
END_TEST

/* ---- what is refused ---------------------------------------------------------------------- */

START_TEST(damaged_keys) {
    static const char *const texts[] = {"cpu",    "isa",   "arch",    "algo",
                                        "format", "input", "baseline"};
    static const char *const counts[] = {"batch", "threads", "file_bytes", "float_bytes"};
    static const char *const reals[] = {"seconds", "baseline_seconds"};
    static const char *const optional[] = {"joules", "baseline_joules", "peak_bytes", "model"};
    static const char *const bad_texts[] = {"null", "\"\"", "7", "[]", "{}", "true"};
    static const char *const bad_counts[] = {"null",  "0",    "-1",  "1.5",
                                             "\"1\"", "true", "[1]", "9223372036854775807"};
    static const char *const bad_reals[] = {"null", "0", "-1", "1e-300", "1e300", "\"1\"", "[]"};
    static const char *const bad_optional[] = {"0", "-1", "\"\"", "[]", "{}", "true"};
    static const struct {
        const char *const *keys, *const *bad;
        size_t key_count, bad_count;
    } all[] = {{texts, bad_texts, 7, 6},
               {counts, bad_counts, 4, 8},
               {reals, bad_reals, 2, 7},
               {optional, bad_optional, 4, 6}};
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        for (size_t k = 0; k < all[a].key_count; k++) {
            for (size_t b = 0; b < all[a].bad_count; b++) {
                char part[80];
                add("bnn", "packed", 2.0, 8);
                set(add("bnn", "packed", 2.0, 8), all[a].keys[k], all[a].bad[b]);
                ck_assert_msg(parse("dir/f.json") == BNN_ERR_FORMAT, "%s: %s is taken",
                              all[a].keys[k], all[a].bad[b]);
                snprintf(part, sizeof part, "dir/f.json: row 2: '%s' is ", all[a].keys[k]);
                ck_assert_msg(strstr(err.text, part) != NULL, "no %s in %s", part, err.text);
            }
            if (all[a].keys != optional) {
                ck_assert_int_eq(json_object_del(add("bnn", "packed", 2.0, 8), all[a].keys[k]), 0);
                ck_assert_int_eq(parse("dir/f.json"), BNN_ERR_FORMAT);
            }
        }
    }
    char longer[300] = {'"'};
    memset(longer + 1, 'x', 257);
    longer[258] = '"';
    set(add("bnn", "packed", 2.0, 8), "cpu", longer);
    ck_assert_int_eq(parse("f.json"), BNN_ERR_FORMAT);
}
END_TEST

START_TEST(no_rows) {
    static const char *const bad[] = {
        "",    "[",    "nonsense", "{}",     "[]",  "7",     "null",  "{\"a\":1}",
        "[7]", "[[]]", "[{}]",     "[null]", "[{}", "[] []", "\"x\"", "[{\"a\":1,\"a\":2}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(bnn_device_table_parse(&table, "f.json", bad[i], strlen(bad[i]), &err),
                         BNN_ERR_FORMAT);
        ck_assert_msg(strncmp(err.text, "f.json: ", 8) == 0, "%s", err.text);
    }
    ck_assert_int_eq(bnn_device_table_parse(&table, "f.json", NULL, 0, &err), BNN_ERR_FORMAT);
    ck_assert_uint_eq(table.row_count, 0);
}
END_TEST

START_TEST(too_many_rows) {
    for (int i = 0; i <= BNN_MAX_DEVICE_ROWS; i++) {
        add("bnn", "packed", 2.0, 8);
    }
    ck_assert_int_eq(parse("f.json"), BNN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "f.json: more than 4096 rows"));
}
END_TEST

START_TEST(too_many_algorithms) {
    for (int i = 0; i <= BNN_MAX_DEVICE_ALGORITHMS; i++) {
        char name[8];
        snprintf(name, sizeof name, "a%d", i);
        add(name, "packed", 2.0, 8);
    }
    take("f.json");
    ck_assert_int_eq(bnn_device_table_compute(&table, &err), BNN_ERR_ARGUMENT);
}
END_TEST

/* Twice the same is refused; what differs in anything is not the same. */
START_TEST(the_same_twice) {
    static const char *const others[][2] = {{"cpu", "\"D\""},           {"isa", "\"cpu generic\""},
                                            {"arch", "\"vgg_small\""},  {"algo", "\"recu\""},
                                            {"input", "\"3x224x224\""}, {"batch", "64"},
                                            {"threads", "2"},           {"model", "\"m.bnn\""}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        set(add("bnn", "packed", 2.0, 8), others[i][0], others[i][1]);
    }
    add("bnn", "lce", 2.0, 8);
    add("bnn", "packed", 2.0, 8);
    take("b.json");
    compute();
    add("bnn", "packed", 3.0, 8);
    take("pi4/a.json"); /* on another host */
    compute();
    add("bnn", "packed", 3.0, 8);
    take("a.json");
    ck_assert_int_eq(bnn_device_table_compute(&table, &err), BNN_ERR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "a.json and b.json both have resnet20 bnn (packed, 3x32x32, "
                                   "batch 1) on C with 1 threads; leave one of them out") != NULL,
                  "%s", err.text);
}
END_TEST

/* ---- order and metric --------------------------------------------------------------------- */

START_TEST(by_model_then_device) {
    static const struct {
        const char *algo, *cpu, *batch, *path;
    } in[] = {{"recu", "\"A\"", "1", "f.json"},
              {"bnn", "\"B\"", "1", "f.json"},
              {"bnn", "\"A\"", "64", "f.json"},
              {"bnn", "\"A\"", "1", "z/f.json"},
              {"bnn", "\"A\"", "1", "f.json"}};
    static const size_t expected[] = {4, 1, 3, 2, 0};
    for (size_t i = 0; i < 5; i++) {
        json_t *row = add(in[i].algo, "packed", (double)(i + 1), 8);
        set(row, "cpu", in[i].cpu);
        set(row, "batch", in[i].batch);
        take(in[i].path);
    }
    compute();
    for (size_t i = 0; i < 5; i++) {
        ck_assert_double_eq(table.rows[i].twin.seconds, 0.5 * (double)(expected[i] + 1));
    }
}
END_TEST

/* One device, two networks: (4 + 8) / 2 and (10 + 20) / 2. Another: 12 and 25. */
START_TEST(mean_over_devices) {
    add("bnn", "packed", 4.0, 10);
    set(add("bnn", "packed", 8.0, 20), "arch", "\"vgg_small\"");
    set(add("bnn", "packed", 100.0, 10), "batch", "64"); /* in the table alone */
    add("fp32", "packed", 1.0, 1);
    take("a/f.json");
    add("bnn", "packed", 12.0, 25);
    take("b/f.json");
    compute();
    ck_assert_uint_eq(table.row_count, 5);
    ck_assert_uint_eq(table.algorithm_count, 1);
    const bnn_device_algorithm *a = algorithm("bnn");
    ck_assert(a->rows == 3 && a->cells == 2 && a->undeployable == 0);
    ck_assert_double_eq_tol(a->time_ratio, 9.0, 1e-12);
    ck_assert_double_eq_tol(a->size_ratio, 20.0, 1e-12);
    ck_assert_double_eq_tol(a->metric, 15.508062419270823, 1e-12); /* sqrt((81 + 400) / 2) */
}
END_TEST

START_TEST(mean_over_engines) {
    add("bnn", "packed", 4.0, 10);
    add("bnn", "lce", 8.0, 20);
    take("f.json");
    compute();
    const bnn_device_algorithm *a = algorithm("bnn");
    ck_assert(a->rows == 2 && a->cells == 2);
    ck_assert_double_eq_tol(a->time_ratio, 6.0, 1e-12);
    ck_assert_double_eq_tol(a->size_ratio, 15.0, 1e-12);
}
END_TEST

START_TEST(larger_batches_alone) {
    set(add("bnn", "packed", 4.0, 10), "batch", "64");
    take("f.json");
    compute();
    const bnn_device_algorithm *a = algorithm("bnn");
    ck_assert(a->rows == 0 && a->cells == 0);
    ck_assert(isnan(a->time_ratio) && isnan(a->size_ratio) && isnan(a->metric));
}
END_TEST

/* 0 where BiBench has none, in engines that were measured, with or without a row; or what was
 * emulated, on demand. */
START_TEST(what_cannot_be_deployed) {
    add("bnn", "packed", 4.0, 10);
    add("bnn", "lce", 4.0, 10);
    add("bnn", "dabnn", 4.0, 10);
    add("reactnet", "packed", 4.0, 10);
    add("reactnet", "lce", 6.0, 10);
    add("xnor", "packed", 3.0, 9);
    add("xnor", "lce", 9.0, 9); /* emulated */
    take("f.json");
    table.count_emulated = 1;
    compute();
    ck_assert_uint_eq(algorithm("xnor")->cells, 2);
    ck_assert_double_eq_tol(algorithm("xnor")->time_ratio, 6.0, 1e-12);
    ck_assert_uint_eq(algorithm("reactnet")->cells, 2);
    table.count_emulated = 0;
    compute();
    const bnn_device_algorithm *a = algorithm("xnor");
    ck_assert(a->rows == 1 && a->cells == 3 && a->undeployable == 2);
    ck_assert_double_eq_tol(a->time_ratio, 1.0, 1e-12);
    ck_assert_double_eq_tol(a->size_ratio, 3.0, 1e-12);
    a = algorithm("reactnet");
    ck_assert(a->rows == 2 && a->cells == 3 && a->undeployable == 1);
    ck_assert_double_eq_tol(a->time_ratio, 10.0 / 3.0, 1e-12);
    a = algorithm("bnn");
    ck_assert(a->cells == 3 && a->undeployable == 0);
}
END_TEST

/* ---- files -------------------------------------------------------------------------------- */

static void touch(const char *name) {
    write_file(name, "[]", 2);
}

START_TEST(files_of_a_folder) {
    char path[128];
    mkdir(in_folder("pi"), 0777);
    mkdir(in_folder("pi/deep"), 0777);
    mkdir(in_folder("pi/deep/deeper"), 0777);
    mkdir(in_folder("empty"), 0777);
    touch("b.json");
    touch("a.txt");
    touch(".hidden.json");
    touch(".json");
    touch("pi/a.json");
    touch("pi/a.json.tmp-1");
    touch("pi/deep/c.json");
    snprintf(path, sizeof path, "%s//", folder);
    ck_assert_int_eq(bnn_device_table_find(&table, path, &err), BNN_OK);
    ck_assert_uint_eq(table.file_count, 2);
    ck_assert_str_eq(table.files[0], in_folder("b.json"));
    ck_assert_str_eq(table.files[1], in_folder("pi/a.json"));
    ck_assert_int_eq(bnn_device_table_find(&table, in_folder("empty"), &err), BNN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "empty: no *.json in the folder"));
    /* What was named is taken as it is, and told of when it is read. */
    ck_assert_int_eq(bnn_device_table_find(&table, in_folder("a.txt"), &err), BNN_OK);
    ck_assert_uint_eq(table.file_count, 3);
    ck_assert_int_ne(bnn_device_table_read(&table, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "b.json: no row"));
}
END_TEST

START_TEST(a_file_that_is_too_large) {
    touch("large.json");
    ck_assert_int_eq(truncate(in_folder("large.json"), (1 << 24) + 1), 0);
    ck_assert_int_eq(bnn_device_table_find(&table, in_folder("large.json"), &err), BNN_OK);
    ck_assert_int_eq(bnn_device_table_read(&table, &err), BNN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "large.json: larger than 16 MiB"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("devices");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_row);
    tcase_add_test(all, rows_beside_the_twin_in_the_same_engine);
    tcase_add_test(all, hosts);
    tcase_add_test(all, texts_are_fit_for_a_terminal);
    tcase_add_test(all, damaged_keys);
    tcase_add_test(all, no_rows);
    tcase_add_test(all, too_many_rows);
    tcase_add_test(all, too_many_algorithms);
    tcase_add_test(all, the_same_twice);
    tcase_add_test(all, by_model_then_device);
    tcase_add_test(all, mean_over_devices);
    tcase_add_test(all, mean_over_engines);
    tcase_add_test(all, larger_batches_alone);
    tcase_add_test(all, what_cannot_be_deployed);
    tcase_add_test(all, files_of_a_folder);
    tcase_add_test(all, a_file_that_is_too_large);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

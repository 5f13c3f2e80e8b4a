/* Energy by the counters of a made-up folder: which count, how they wrap, what is refused; and what
 * a case makes of them, whose runs count for themselves. */
#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixtures/folder_fixture.h"
#include "tools/bench/bench.h"
#include "tools/bench/energy.h"

static bnn_energy energy;
static bnn_error err;

static void set(const char *zone, const char *file, const char *text) {
    char name[80];
    mkdir(in_folder(zone), 0777);
    snprintf(name, sizeof name, "%s/%s", zone, file);
    write_file(name, text, strlen(text));
}

static void set_zone(const char *zone, const char *name, const char *energy_uj, const char *range) {
    set(zone, "name", name);
    set(zone, "energy_uj", energy_uj);
    set(zone, "max_energy_range_uj", range);
}

/* Two packages, the second of another range, and what is not to be counted. */
static void set_up(void) {
    make_folder();
    err = (bnn_error){0};
    set_zone("intel-rapl:0", "package-0\n", "1000000\n", "262143328850\n");
    set_zone("intel-rapl:0:0", "core\n", "5\n", "262143328850\n");
    set_zone("intel-rapl:1", "psys\n", "5\n", "262143328850\n");
    set_zone("intel-rapl:2", "package-1-die-0\n", "7000000\n", "8000000\n");
    set_zone("intel-rapl-mmio:0", "package-0\n", "5\n", "262143328850\n");
}

static void open_folder(void) {
    bnn_code code = bnn_energy_open(folder, &energy, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

static void refused(const char *part) {
    ck_assert_int_eq(bnn_energy_open(folder, &energy, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, part) && strstr(err.text, "so energy is not measured"),
                  "no '%s' in '%s'", part, err.text);
}

START_TEST(packages_are_summed) {
    open_folder();
    ck_assert_uint_eq(energy.count, 2);
    bnn_energy_start(&energy);
    set("intel-rapl:0", "energy_uj", "1500000\n");
    set("intel-rapl:0:0", "energy_uj", "900000\n");
    set("intel-rapl:1", "energy_uj", "900000\n");
    set("intel-rapl:2", "energy_uj", "7250000\n");
    set("intel-rapl-mmio:0", "energy_uj", "900000\n");
    ck_assert_double_eq_tol(bnn_energy_joules(&energy, 1.0), 0.75, 1e-12);
}
END_TEST

START_TEST(one_wraps) {
    open_folder();
    bnn_energy_start(&energy);
    set("intel-rapl:0", "energy_uj", "1500000\n");
    set("intel-rapl:2", "energy_uj", "250000\n"); /* 1 000 000 to its range, and on */
    ck_assert_double_eq_tol(bnn_energy_joules(&energy, 1.0), 0.5 + 1.25, 1e-12);
}
END_TEST

START_TEST(a_counter_that_stands_still) {
    open_folder();
    bnn_energy_start(&energy);
    ck_assert_double_eq(bnn_energy_joules(&energy, 1.0), 0.0);
}
END_TEST

START_TEST(a_time_that_is_too_short) {
    open_folder();
    bnn_energy_start(&energy);
    set("intel-rapl:0", "energy_uj", "1500000\n");
    ck_assert_double_eq(bnn_energy_joules(&energy, 0.001), 0.0);
    ck_assert_double_gt(bnn_energy_joules(&energy, BNN_ENERGY_LEAST_SECONDS), 0.0);
}
END_TEST

/* What goes wrong after the folder was opened. */
START_TEST(a_counter_that_is_lost) {
    static const char *const bad[] = {"", "\n", "-5\n", "12 34\n", "8000001\n", "x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set("intel-rapl:2", "energy_uj", "7000000\n");
        open_folder();
        bnn_energy_start(&energy);
        set("intel-rapl:0", "energy_uj", "1500000\n");
        set("intel-rapl:2", "energy_uj", bad[i]);
        ck_assert_double_eq(bnn_energy_joules(&energy, 1.0), 0.0);
        bnn_energy_start(&energy);
        set("intel-rapl:2", "energy_uj", "7500000\n");
        ck_assert_double_eq(bnn_energy_joules(&energy, 1.0), 0.0);
    }
    bnn_energy_start(&energy);
    ck_assert_int_eq(remove(in_folder("intel-rapl:2/energy_uj")), 0);
    ck_assert_double_eq(bnn_energy_joules(&energy, 1.0), 0.0);
}
END_TEST

START_TEST(one_that_cannot_be_read) {
    ck_assert_int_eq(remove(in_folder("intel-rapl:2/energy_uj")), 0);
    refused("intel-rapl:2/energy_uj: cannot be read: No such file");
    /* As a user meets it; root reads it all the same. */
    set("intel-rapl:2", "energy_uj", "7000000\n");
    ck_assert_int_eq(chmod(in_folder("intel-rapl:2/energy_uj"), 0), 0);
    if (geteuid() != 0) {
        refused("intel-rapl:2/energy_uj: cannot be read: Permission denied (root can)");
    }
    ck_assert_int_eq(chmod(in_folder("intel-rapl:2/energy_uj"), 0600), 0);
    /* Opened, and still not read. */
    ck_assert_int_eq(remove(in_folder("intel-rapl:2/energy_uj")), 0);
    ck_assert_int_eq(mkdir(in_folder("intel-rapl:2/energy_uj"), 0777), 0);
    refused("intel-rapl:2/energy_uj: cannot be read: Is a directory");
}
END_TEST

START_TEST(garbage) {
    static const char *const bad[] = {"",       "\n",    "ten\n",
                                      "-1\n",   "1.5\n", "99999999999999999999999999\n",
                                      "0x10\n", " 12\n", "12\r\n"};
    static const char *const files[] = {"energy_uj", "max_energy_range_uj"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t f = 0; f < 2; f++) {
            set("intel-rapl:0", files[f], bad[i]);
            refused("is no number of microjoules");
            ck_assert_ptr_nonnull(strstr(err.text, files[f]));
            set("intel-rapl:0", files[f], "1000000\n");
        }
    }
    open_folder();
}
END_TEST

START_TEST(no_package) {
    set("intel-rapl:0", "name", "core\n");
    set("intel-rapl:2", "name", "");
    refused("has no counters of a processor's energy");
    ck_assert_int_eq(bnn_energy_open("/nowhere/at/all", &energy, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "/nowhere/at/all has no counters"));
}
END_TEST

/* ---- a case ---- */

/* A run that takes so many microjoules, in a worker. */
static bnn_code begin(void *self, char *version, bnn_error *error) {
    (void)self, (void)version, (void)error;
    return BNN_OK;
}

static bnn_code use(void *self, bnn_error *error) {
    char text[32] = "";
    FILE *file = fopen(in_folder("intel-rapl:0/energy_uj"), "r");
    (void)error;
    ck_assert(file && fgets(text, sizeof text, file));
    fclose(file);
    snprintf(text, sizeof text, "%llu\n", strtoull(text, NULL, 10) + *(unsigned long long *)self);
    set("intel-rapl:0", "energy_uj", text);
    usleep(2000);
    return BNN_OK;
}

static json_t *first_row(bnn_bench_report *report) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(bnn_bench_report_write(report, file, &err), BNN_OK);
    rewind(file);
    json_t *rows = json_loadf(file, 0, NULL), *row = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    fclose(file);
    ck_assert_ptr_nonnull(row);
    return row;
}

static json_t *measure(bnn_energy *counters, unsigned long long microjoules,
                       unsigned long long of_baseline) {
    bnn_work work = {.set_up = begin, .run = use, .self = &microjoules};
    bnn_work other = {.set_up = begin, .run = use, .self = &of_baseline};
    bnn_bench bench = {.repeat = 1,
                       .device.threads = 1,
                       .report = bnn_bench_report_create("cpu test", 1),
                       .energy = counters};
    bnn_bench_row row = {.name = "a case", .group = "g", .threads = 1};
    ck_assert_int_eq(bnn_bench_pair(&bench, &row, &work, "B", &other, 1, &err), BNN_OK);
    json_t *json = first_row(bench.report);
    bnn_bench_report_free(bench.report);
    return json;
}

/* 0: the key is not there. */
static double of(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    ck_assert(!value || json_is_real(value));
    return json_real_value(value);
}

START_TEST(a_case_divides_by_its_runs) {
    open_folder();
    json_t *row = measure(&energy, 1000000, 2500000);
    ck_assert_double_eq_tol(of(row, "joules"), 1.0, 1e-8);
    ck_assert_double_eq_tol(of(row, "baseline_joules"), 2.5, 1e-8);
    ck_assert_double_eq_tol(of(row, "energy_ratio"), 2.5, 1e-8);
    json_decref(row);
    row = measure(&energy, 1000000, 0); /* while the other runs, the counter stands still */
    ck_assert_double_eq_tol(of(row, "joules"), 1.0, 1e-8);
    ck_assert_ptr_null(json_object_get(row, "baseline_joules"));
    ck_assert_ptr_null(json_object_get(row, "energy_ratio"));
    json_decref(row);
}
END_TEST

START_TEST(a_case_without_counters) {
    json_t *row = measure(NULL, 1000000, 2500000);
    ck_assert_ptr_null(json_object_get(row, "joules"));
    ck_assert_ptr_null(json_object_get(row, "baseline_joules"));
    ck_assert_ptr_null(json_object_get(row, "energy_ratio"));
    json_decref(row);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("energy");
    TCase *counters = tcase_create("counters"), *cases = tcase_create("cases");
    tcase_add_checked_fixture(counters, set_up, remove_folder);
    tcase_add_checked_fixture(cases, set_up, remove_folder);
    tcase_add_test(counters, packages_are_summed);
    tcase_add_test(counters, one_wraps);
    tcase_add_test(counters, a_counter_that_stands_still);
    tcase_add_test(counters, a_time_that_is_too_short);
    tcase_add_test(counters, a_counter_that_is_lost);
    tcase_add_test(counters, one_that_cannot_be_read);
    tcase_add_test(counters, garbage);
    tcase_add_test(counters, no_package);
    tcase_add_test(cases, a_case_divides_by_its_runs);
    tcase_add_test(cases, a_case_without_counters);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, counters);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

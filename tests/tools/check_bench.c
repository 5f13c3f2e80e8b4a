/* The statistics, the workers and the report of bnn-bench. Nothing here looks at how long anything
 * took, but for what sleeps at least as long. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/report.h"
#include "tools/bench/stats.h"
#include "tools/bench/worker.h"

/* ---- statistics ---- */

START_TEST(median_of_few) {
    double odd[] = {5.0, 1.0, 3.0}, even[] = {4.0, 1.0, 3.0, 9.0}, one[] = {7.0};
    ck_assert_double_eq(bnn_median(odd, 3), 3.0);
    ck_assert_double_eq(bnn_median(even, 4), 3.5);
    ck_assert_double_eq(bnn_median(one, 1), 7.0);
}
END_TEST

START_TEST(median_ignores_an_outlier) {
    double values[] = {2.0, 1e9, 1.0, 2.0, 1.5};
    ck_assert_double_eq(bnn_median(values, 5), 2.0);
}
END_TEST

START_TEST(least_of_few) {
    double values[] = {2.0, 1e9, 1.0, 2.0, 1.5}, first[] = {1.0, 3.0}, one[] = {7.0};
    ck_assert_double_eq(bnn_least(values, 5), 1.0);
    ck_assert_double_eq(bnn_least(first, 2), 1.0);
    ck_assert_double_eq(bnn_least(one, 1), 7.0);
}
END_TEST

START_TEST(geometric_mean_of_ratios) {
    double values[] = {2.0, 8.0}, small[] = {1e-300, 1e-300, 1e-300}, inverse[] = {4.0, 0.25};
    ck_assert_double_eq_tol(bnn_geometric_mean(values, 2), 4.0, 1e-12);
    ck_assert_double_eq_tol(bnn_geometric_mean(inverse, 2), 1.0, 1e-12);
    ck_assert_double_eq_tol(bnn_geometric_mean(small, 3) * 1e300, 1.0, 1e-9); /* no underflow */
}
END_TEST

/* ---- workers ---- */

enum { MIB = 1048576 };

typedef struct job {
    size_t bytes;
    int runs, fail_at;
    bnn_code code;
} job;

static bnn_code job_set_up(void *self, char *version, bnn_error *err) {
    job *j = self;
    snprintf(version, BNN_VERSION_BYTES, "of %zu bytes", j->bytes);
    if (j->bytes) {
        static volatile char *memory;
        memory = malloc(j->bytes);
        for (size_t i = 0; memory && i < j->bytes; i += 1024) {
            memory[i] = 1;
        }
    }
    return j->code == BNN_OK ? BNN_OK : bnn_fail(err, j->code, "this job does not begin");
}

static bnn_code job_run(void *self, bnn_error *err) {
    job *j = self;
    if (++j->runs == j->fail_at) {
        return bnn_fail(err, BNN_ERR_NUMERIC, "run %d is the last", j->runs);
    }
    return BNN_OK;
}

static bnn_work work_of(job *j) {
    return (bnn_work){.set_up = job_set_up, .run = job_run, .self = j};
}

START_TEST(worker_serves) {
    job j = {0};
    bnn_work work = work_of(&j);
    bnn_worker *worker;
    bnn_error err;
    bnn_repetition done = {0};
    ck_assert_int_eq(bnn_worker_start(&work, &worker, &err), BNN_OK);
    ck_assert_str_eq(bnn_worker_version(worker), "of 0 bytes");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(bnn_worker_repeat(worker, 5, 0.0, &done, &err), BNN_OK);
        ck_assert(done.seconds > 0.0 && done.peak_bytes > 0);
        ck_assert_int_eq(done.runs, 5);
    }
    bnn_worker_stop(worker);
    ck_assert_int_eq(j.runs, 0); /* it works on a copy */
}
END_TEST

/* As many runs as were asked for, and no more: the eighth fails. */
START_TEST(worker_counts_runs) {
    job j = {.fail_at = 8};
    bnn_work work = work_of(&j);
    bnn_worker *worker;
    bnn_error err;
    bnn_repetition done;
    ck_assert_int_eq(bnn_worker_start(&work, &worker, &err), BNN_OK);
    ck_assert_int_eq(bnn_worker_repeat(worker, 7, 0.0, &done, &err), BNN_OK);
    ck_assert_int_ne(bnn_worker_repeat(worker, 1, 0.0, &done, &err), BNN_OK);
    ck_assert_str_eq(err.text, "run 8 is the last");
    ck_assert_int_ne(bnn_worker_repeat(worker, 1, 0.0, &done, &err), BNN_OK); /* gone */
    bnn_worker_stop(worker);
}
END_TEST

/* Runs that only begin something take 5 ms each, when they are waited for. */
static bnn_code job_wait(void *self, bnn_error *err) {
    static int seen;
    job *j = self;
    (void)err;
    usleep(5000u * (unsigned)(j->runs - seen));
    seen = j->runs;
    return BNN_OK;
}

START_TEST(worker_waits_for_what_runs_begin) {
    job j = {0};
    bnn_work work = work_of(&j);
    bnn_repetition done;
    bnn_worker *w;
    work.wait = job_wait;
    ck_assert(bnn_worker_start(&work, &w, NULL) == BNN_OK);
    ck_assert(bnn_worker_repeat(w, 3, 0.0, &done, NULL) == BNN_OK);
    ck_assert_int_eq(done.runs, 3);
    ck_assert_double_ge(done.seconds, 0.005); /* a run's own part is no more than its beginning */
    ck_assert(bnn_worker_repeat(w, 1, 0.05, &done, NULL) == BNN_OK);
    ck_assert_int_le(done.runs, 11); /* and not as many as could be begun in that time */
    ck_assert_double_ge(done.seconds, 0.005);
    bnn_worker_stop(w);
}
END_TEST

START_TEST(workers_have_their_own_memory) {
    job small = {0}, large = {.bytes = 64 * MIB};
    bnn_work works[] = {work_of(&large), work_of(&small)};
    bnn_worker *workers[2];
    bnn_error err;
    bnn_repetition done[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(bnn_worker_start(&works[i], &workers[i], &err), BNN_OK);
        ck_assert_int_eq(bnn_worker_repeat(workers[i], 1, 0.0, &done[i], &err), BNN_OK);
    }
    ck_assert(done[0].peak_bytes >= 64 * MIB);
    ck_assert(done[0].peak_bytes - done[1].peak_bytes >= 60 * MIB);
    /* In the order of their starts, though the later one holds copies of the earlier one's ends. */
    bnn_worker_stop(workers[0]);
    bnn_worker_stop(workers[1]);
}
END_TEST

START_TEST(worker_cannot_begin) {
    job absent = {.code = BNN_ERR_UNSUPPORTED}, broken = {.code = BNN_ERR_MEMORY};
    bnn_work works[] = {work_of(&absent), work_of(&broken)};
    bnn_worker *worker = NULL;
    bnn_error err;
    ck_assert_int_eq(bnn_worker_start(&works[0], &worker, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "this job does not begin");
    bnn_code code = bnn_worker_start(&works[1], &worker, &err);
    ck_assert(code != BNN_OK && code != BNN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "this job does not begin");
    ck_assert_ptr_null(worker);
    bnn_worker_stop(worker);
}
END_TEST

START_TEST(program_as_worker) {
    const char *const good[] = {"sh", "-c",
                                "echo ready v; while read l; do echo done 2.5 77 3; done", NULL};
    static const char *const nonsense[] = {"0 1 1", "1 1 0", "1 1"};
    const char *const mute[] = {"true", NULL}, *const none[] = {"./no-such-program", NULL};
    bnn_worker *worker = NULL;
    bnn_error err;
    bnn_repetition done;
    ck_assert_int_eq(bnn_worker_exec(good, &worker, &err), BNN_OK);
    ck_assert_str_eq(bnn_worker_version(worker), "v");
    ck_assert_int_eq(bnn_worker_repeat(worker, 1, 0.0, &done, &err), BNN_OK);
    ck_assert_double_eq(done.seconds, 2.5);
    ck_assert_uint_eq(done.peak_bytes, 77);
    ck_assert_int_eq(done.runs, 3);
    bnn_worker_stop(worker);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        char script[80];
        const char *const silly[] = {"sh", "-c", script, NULL};
        snprintf(script, sizeof script, "echo ready v; while read l; do echo done %s; done",
                 nonsense[i]);
        ck_assert_int_eq(bnn_worker_exec(silly, &worker, &err), BNN_OK);
        ck_assert_int_ne(bnn_worker_repeat(worker, 1, 0.0, &done, &err), BNN_OK);
        bnn_worker_stop(worker);
    }
    ck_assert_int_eq(bnn_worker_exec(mute, &worker, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_int_eq(bnn_worker_exec(none, &worker, &err), BNN_ERR_UNSUPPORTED);
}
END_TEST

/* ---- the report ---- */

/* Our median is twice our fastest. */
static void add(bnn_bench_report *report, const char *name, const char *group, double own,
                double other, double other_fastest) {
    bnn_error err;
    bnn_bench_row row = {.group = group,
                         .baseline = "B",
                         .own = {own, own / 2.0, 100, 0.0},
                         .other = {other, other_fastest, other > 0.0 ? 300 : 0, 0.0},
                         .threads = 2};
    snprintf(row.name, sizeof row.name, "%s", name);
    ck_assert_int_eq(bnn_bench_report_add(report, &row, &err), BNN_OK);
}

static json_t *written(const bnn_bench_report *report) {
    bnn_error err;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(bnn_bench_report_write(report, file, &err), BNN_OK);
    rewind(file);
    json_t *root = json_loadf(file, 0, NULL);
    ck_assert(json_is_array(root));
    fclose(file);
    return root;
}

static double number(const json_t *rows, size_t index, const char *key) {
    const json_t *value = json_object_get(json_array_get(rows, index), key);
    ck_assert_msg(json_is_number(value), "row %zu: no number %s", index, key);
    return json_number_value(value);
}

static const char *text(const json_t *rows, size_t index, const char *key) {
    return json_string_value(json_object_get(json_array_get(rows, index), key));
}

START_TEST(report_rows) {
    bnn_error err;
    bnn_bench_report *report = bnn_bench_report_create("cpu test", 7);
    add(report, "g one", "g", 2.0, 4.0, 3.0);
    add(report, "h alone", "h", 2.0, 4.0, 4.0);
    add(report, "g two", "g", 1.0, 8.0, 0.75);
    add(report, "k absent", "k", 1.0, 0.0, 0.0);
    add(report, "k absent too", "k", 1.0, 0.0, 0.0);
    ck_assert_int_eq(bnn_bench_report_finish(report, &err), BNN_OK);
    json_t *rows = written(report);
    ck_assert_uint_eq(json_array_size(rows), 8);
    ck_assert_str_eq(text(rows, 0, "case"), "g one");
    ck_assert_str_eq(text(rows, 0, "isa"), "cpu test");
    ck_assert(strlen(text(rows, 0, "cpu")) > 0);
    ck_assert_double_eq(number(rows, 0, "threads"), 2.0);
    ck_assert_double_eq(number(rows, 0, "ratio"), 2.0);
    ck_assert_double_eq(number(rows, 0, "memory_ratio"), 3.0);
    ck_assert_double_eq(number(rows, 0, "fastest_seconds"), 1.0);
    ck_assert_double_eq(number(rows, 0, "baseline_fastest_seconds"), 3.0);
    ck_assert_double_eq(number(rows, 0, "fastest_ratio"), 3.0);
    const json_t *absent = json_array_get(rows, 3);
    ck_assert(json_is_null(json_object_get(absent, "baseline_seconds")));
    ck_assert(json_is_null(json_object_get(absent, "ratio")));
    ck_assert(json_is_null(json_object_get(absent, "baseline_peak_bytes")));
    ck_assert_double_eq(number(rows, 3, "fastest_seconds"), 0.5);
    ck_assert(json_is_null(json_object_get(absent, "baseline_fastest_seconds")));
    ck_assert(json_is_null(json_object_get(absent, "fastest_ratio")));
    /* Only the group of several that has a baseline is summed up. */
    ck_assert_str_eq(text(rows, 5, "summary"), "geometric mean");
    ck_assert_double_eq_tol(number(rows, 5, "ratio"), 4.0, 1e-7);
    ck_assert_double_eq_tol(number(rows, 5, "seconds"), sqrt(2.0), 1e-7);
    ck_assert_str_eq(text(rows, 6, "summary"), "worst");
    ck_assert_str_eq(text(rows, 6, "case"), "g: worst, g one");
    ck_assert_double_eq(number(rows, 6, "ratio"), 2.0);
    /* The fastest have a mean and a worst of their own. */
    ck_assert_double_eq_tol(number(rows, 5, "fastest_ratio"), sqrt(4.5), 1e-7);
    ck_assert_str_eq(text(rows, 7, "summary"), "worst of the fastest");
    ck_assert_str_eq(text(rows, 7, "case"), "g: worst of the fastest, g two");
    ck_assert_double_eq(number(rows, 7, "fastest_ratio"), 1.5);
    json_decref(rows);
    bnn_bench_report_free(report);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bench");
    TCase *statistics = tcase_create("statistics"), *workers = tcase_create("workers");
    TCase *report = tcase_create("report");
    tcase_add_test(statistics, median_of_few);
    tcase_add_test(statistics, median_ignores_an_outlier);
    tcase_add_test(statistics, least_of_few);
    tcase_add_test(statistics, geometric_mean_of_ratios);
    tcase_add_test(workers, worker_serves);
    tcase_add_test(workers, worker_counts_runs);
    tcase_add_test(workers, worker_waits_for_what_runs_begin);
    tcase_add_test(workers, workers_have_their_own_memory);
    tcase_add_test(workers, worker_cannot_begin);
    tcase_add_test(workers, program_as_worker);
    tcase_add_test(report, report_rows);
    tcase_set_timeout(workers, 60);
    suite_add_tcase(suite, statistics);
    suite_add_tcase(suite, workers);
    suite_add_tcase(suite, report);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

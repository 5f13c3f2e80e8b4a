/* A run's folder: what a new run writes, and that a resumed run's logs are, byte for byte, those of
 * a run that never stopped, whatever state a kill or a curious user left them in. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "tests/fixtures/file_limit.h"
#include "tools/run/run_folder.h"

#define HEADER "epoch,lr,train_loss,train_top1,test_loss,test_top1,test_top5,best_top1\n"
#define STEP_TAIL "\"epoch\":0,\"loss\":1}\n"

static char folder[64]; /* fresh for each test */
static bnn_run_folder run;
static bnn_error err;

static const bnn_task *task(void) {
    return bnn_task_find("classify");
}

static bnn_code log_epoch(uint64_t epoch, double lr, double train_loss, double train_top1,
                          double test_loss, double test_top1, double test_top5, double best) {
    bnn_epoch_scores scores = {.lr = lr,
                               .train_loss = train_loss,
                               .train = {train_top1},
                               .test_loss = test_loss,
                               .test = {test_top1, test_top5},
                               .best = best};
    return bnn_run_log_epoch(&run, epoch, &scores, &err);
}

static bnn_code log_step(uint64_t step, uint64_t epoch, double loss, double top1, double lr,
                         double seconds, double per_second) {
    const double metrics[BNN_MAX_METRICS] = {top1, NAN};
    return bnn_run_log_step(&run, step, epoch, loss, NULL, metrics, lr, seconds, "images",
                            per_second, &err);
}

static void make_folder(void) {
    strcpy(folder, "/tmp/check_run_folder.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    err = (bnn_error){.code = BNN_OK};
}

static void remove_folder(void) {
    char command[192];
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put_bytes(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(in_folder(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void put(const char *name, const char *text) {
    put_bytes(name, text, strlen(text));
}

static const char *get(const char *name) {
    static char text[1 << 16];
    FILE *file = fopen(in_folder(name), "rb");
    ck_assert_msg(file != NULL, "%s is missing", name);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static void reopen(uint64_t epochs, uint64_t steps) {
    bnn_code code = bnn_run_reopen(&run, folder, task(), NULL, epochs, steps, &err);
    ck_assert_msg(!code, "%s", err.text);
}

static void check_error(bnn_code code, const char *part) {
    ck_assert_int_ne(code, BNN_OK);
    ck_assert_msg(strstr(err.text, part) != NULL, "no '%s' in '%s'", part, err.text);
    ck_assert_ptr_null(strchr(err.text, '\n'));
}

static void log_some(uint64_t first_epoch, uint64_t end_epoch) {
    for (uint64_t epoch = first_epoch; epoch < end_epoch; epoch++) {
        for (uint64_t step = epoch * 5; step < epoch * 5 + 5; step++)
            ck_assert_int_eq(log_step(step, epoch, 1.0 / (double)(step + 1), 50.5, 0.1, 2.5, 1000),
                             BNN_OK);
        double test = epoch % 2 ? 40.25 : NAN;
        ck_assert_int_eq(log_epoch(epoch, 0.1, 1.0 / 3, 50, test, test, test, 41), BNN_OK);
    }
}

START_TEST(new_run) {
    char deep[128];
    snprintf(deep, sizeof deep, "%s/a/b//", folder);
    ck_assert_int_eq(bnn_run_create(&run, deep, task(), NULL, "{\"lr\": 1}\n", 0, &err), BNN_OK);
    ck_assert_int_eq(log_epoch(0, 0.1, 1.0 / 3, 12.5, NAN, NAN, NAN, NAN), BNN_OK);
    ck_assert_str_eq(get("a/b/metrics.csv"), HEADER "0,0.1,0.333333333,12.5,,,,\n");
    ck_assert_int_eq(log_epoch(1, 1e-5, 2, 13, 1.5, 40, 80.25, 40), BNN_OK);
    ck_assert_int_eq(log_step(0, 0, 1.0 / 3, 12.5, 0.1, 0.25, 1234.5), BNN_OK);
    ck_assert_int_eq(log_step(1, 0, NAN, INFINITY, 0.1, 0.5, 1e9), BNN_OK);
    ck_assert_int_eq(bnn_run_flush(&run, &err), BNN_OK);
    ck_assert_str_eq(get("a/b/metrics.csv"), HEADER "0,0.1,0.333333333,12.5,,,,\n"
                                                    "1,1e-05,2,13,1.5,40,80.25,40\n");
    ck_assert_str_eq(get("a/b/steps.jsonl"),
                     "{\"step\":0,\"epoch\":0,\"loss\":0.333333333,\"top1\":12.5,\"lr\":0.1,"
                     "\"seconds\":0.25,\"images_per_second\":1234.5}\n"
                     "{\"step\":1,\"epoch\":0,\"loss\":null,\"top1\":null,\"lr\":0.1,"
                     "\"seconds\":0.5,\"images_per_second\":1e+09}\n");
    json_t *line = json_loads(get("a/b/steps.jsonl"), JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_ptr_nonnull(line);
    json_decref(line);
    ck_assert_str_eq(get("a/b/config.json"), "{\"lr\": 1}\n");
    char path[200];
    ck_assert_int_eq(bnn_run_file(&run, "last.safetensors", path, sizeof path, &err), BNN_OK);
    ck_assert_str_eq(path, in_folder("a/b/last.safetensors"));
    ck_assert_int_ne(bnn_run_file(&run, "last.safetensors", path, 20, &err), BNN_OK);
    bnn_run_close(&run);
    bnn_run_close(&run);
    check_error(log_epoch(2, 0, 0, 0, 0, 0, 0, 0), "not open");
    check_error(log_step(2, 0, 0, 0, 0, 0, 0), "not open");
}
END_TEST

START_TEST(old_run_is_kept) {
    put("last.safetensors", "precious");
    put("best.safetensors", "precious");
    put("metrics.csv", "old");
    check_error(bnn_run_create(&run, folder, task(), NULL, "{}\n", 0, &err), "--resume");
    check_error(err.code, "--overwrite");
    ck_assert_str_eq(get("last.safetensors"), "precious");
    ck_assert_str_eq(get("metrics.csv"), "old");
    ck_assert_int_ne(access(in_folder("config.json"), F_OK), 0);
    ck_assert_int_eq(bnn_run_create(&run, folder, task(), NULL, "{}\n", 1, &err), BNN_OK);
    bnn_run_close(&run);
    ck_assert_str_eq(get("metrics.csv"), HEADER);
    ck_assert_int_ne(access(in_folder("last.safetensors"), F_OK), 0);
    ck_assert_int_ne(access(in_folder("best.safetensors"), F_OK), 0);
    /* Logs without a checkpoint are of a run that cannot be resumed. */
    ck_assert_int_eq(bnn_run_create(&run, folder, task(), NULL, "{}\n", 0, &err), BNN_OK);
    bnn_run_close(&run);
}
END_TEST

START_TEST(unusable_folders) {
    check_error(bnn_run_create(&run, "", task(), NULL, "{}", 0, &err), "empty");
    char longest[5000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    check_error(bnn_run_create(&run, longest, task(), NULL, "{}", 0, &err), "too long");
    check_error(bnn_run_reopen(&run, longest, task(), NULL, 0, 0, &err), "too long");
    longest[4090] = '\0';
    ck_assert_int_ne(bnn_run_create(&run, longest, task(), NULL, "{}", 0, &err), BNN_OK);
    put("file", "x");
    check_error(bnn_run_create(&run, in_folder("file"), task(), NULL, "{}", 0, &err), folder);
    check_error(bnn_run_reopen(&run, in_folder("nowhere"), task(), NULL, 0, 0, &err),
                "nowhere: cannot open the run's folder: No such file or directory");
    ck_assert_int_eq(mkdir(in_folder("metrics.csv"), 0777), 0);
    check_error(bnn_run_create(&run, folder, task(), NULL, "{}", 0, &err),
                "metrics.csv: cannot open");
    ck_assert_ptr_null(run.metrics);
    check_error(bnn_run_reopen(&run, folder, task(), NULL, 0, 0, &err), "metrics.csv");
    check_error(bnn_run_create(&run, "/proc/self", task(), NULL, "{}", 0, &err), "/proc/self");
    if (geteuid() == 0)
        return; /* root writes anywhere */
    ck_assert_int_eq(mkdir(in_folder("locked"), 0500), 0);
    check_error(bnn_run_create(&run, in_folder("locked"), task(), NULL, "{}", 0, &err),
                "Permission denied");
}
END_TEST

START_TEST(write_failures) {
    ck_assert_int_eq(bnn_run_create(&run, folder, task(), NULL, "{}", 0, &err), BNN_OK);
    fclose(run.metrics);
    fclose(run.steps);
    run.metrics = fopen("/dev/full", "w");
    run.steps = fopen("/dev/full", "w");
    check_error(log_epoch(0, 0, 0, 0, 0, 0, 0, 0),
                "metrics.csv: cannot write: No space left on device");
    bnn_code code = BNN_OK;
    int lines = 0;
    for (; !code && lines < 200; lines++)
        code = log_step((uint64_t)lines, 0, 1, 2, 3, 4, 5);
    ck_assert_int_le(lines, 100);
    check_error(code, "steps.jsonl: cannot write: No space left on device");
    bnn_run_close(&run);
    run.steps = fopen("/dev/full", "w");
    ck_assert_int_eq(log_step(0, 0, 1, 2, 3, 4, 5), BNN_OK);
    check_error(bnn_run_flush(&run, &err), "steps.jsonl: cannot write");
    bnn_run_close(&run);
    put("last.safetensors", "p");
    limit_files(1);
    bnn_code refused = bnn_run_create(&run, folder, task(), NULL, "{...........}", 1, &err);
    limit_files(RLIM_INFINITY);
    check_error(refused, "config.json");
    ck_assert_str_eq(get("last.safetensors"), "p");
    ck_assert_str_eq(get("config.json"), "{}");
}
END_TEST

START_TEST(steps_are_flushed) {
    ck_assert_int_eq(bnn_run_create(&run, folder, task(), NULL, "{}", 0, &err), BNN_OK);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(log_step(i, 0, 1, 2, 3, 4, 5), BNN_OK);
    ck_assert_ptr_nonnull(strstr(get("steps.jsonl"), "{\"step\":99,"));
    ck_assert_int_eq(log_step(100, 0, 1, 2, 3, 4, 5), BNN_OK);
    run.flushed -= 2; /* two seconds went by */
    ck_assert_int_eq(log_step(101, 0, 1, 2, 3, 4, 5), BNN_OK);
    ck_assert_ptr_nonnull(strstr(get("steps.jsonl"), "{\"step\":101,"));
    bnn_run_close(&run);
}
END_TEST

/* Stopped anywhere and resumed from an earlier epoch, the logs are the uninterrupted run's. */
START_TEST(resumed_equals_uninterrupted) {
    static char metrics[1 << 14], steps[1 << 14];
    ck_assert_int_eq(bnn_run_create(&run, folder, task(), NULL, "{}", 0, &err), BNN_OK);
    log_some(0, 6);
    bnn_run_close(&run);
    strcpy(metrics, get("metrics.csv"));
    strcpy(steps, get("steps.jsonl"));
    for (uint64_t from = 0; from <= 6; from++) {
        reopen(from, from * 5);
        log_some(from, 6);
        bnn_run_close(&run);
        ck_assert_str_eq(get("metrics.csv"), metrics);
        ck_assert_str_eq(get("steps.jsonl"), steps);
        /* A kill in the middle of a line behind the checkpoint. */
        for (size_t cut = 1; cut < 40; cut += 7) {
            put_bytes("metrics.csv", metrics, strlen(metrics) - cut);
            put_bytes("steps.jsonl", steps, strlen(steps) - cut);
            reopen(4, 20);
            log_some(4, 6);
            bnn_run_close(&run);
            ck_assert_str_eq(get("metrics.csv"), metrics);
            ck_assert_str_eq(get("steps.jsonl"), steps);
        }
    }
    ck_assert_str_eq(get("config.json"), "{}");
}
END_TEST

/* Reopens with `before` as the log and checks what is kept of it. */
static void check_metrics(const char *before, uint64_t epochs, const char *after) {
    put("metrics.csv", before);
    reopen(epochs, 0);
    bnn_run_close(&run);
    ck_assert_str_eq(get("metrics.csv"), after);
}

START_TEST(metrics_are_cut) {
    static const char rows[] = HEADER "0,1,1,1,1,1,1,1\n1,1,1,1,,,,1\n2,1,1,1,1,1,1,1\n";
    check_metrics(rows, 3, rows);
    check_metrics(rows, 99, rows);
    check_metrics(rows, 1, HEADER "0,1,1,1,1,1,1,1\n");
    check_metrics(rows, 0, HEADER);
    check_metrics("", 3, HEADER);
    check_metrics("epoch,lr", 3, HEADER);
    check_metrics("epoch,lr\n0,1\n", 3, HEADER);
    check_metrics(HEADER "0,1,1,1,1,1,1,1", 3, HEADER);                  /* no newline */
    check_metrics(HEADER "0,1,1,1,1,1,1\n1,1,1,1,1,1,1,1\n", 3, HEADER); /* a column short */
    check_metrics(HEADER "0,1,1,1,1,1,1,1\n0,2,1,1,1,1,1,1\n", 3, HEADER "0,1,1,1,1,1,1,1\n");
    check_metrics(HEADER "-1,1,1,1,1,1,1,1\n", 3, HEADER);
    check_metrics(HEADER "0x,1,1,1,1,1,1,1\n", 3, HEADER);
    check_metrics(HEADER " 0,1,1,1,1,1,1,1\n", 3, HEADER);
    check_metrics(HEADER "99999999999999999999,1,1,1,1,1,1,1\n", 3, HEADER);
    /* Started anew at epoch 2, after the log was lost: kept. */
    check_metrics(HEADER "2,1,1,1,1,1,1,1\n4,1,1,1,1,1,1,1\n", 5,
                  HEADER "2,1,1,1,1,1,1,1\n4,1,1,1,1,1,1,1\n");
}
END_TEST

/* Of COCO, whose minor numbers older runs do not have: they are left empty there. */
START_TEST(older_metrics) {
    static const char major[] = "epoch,lr,train_loss,test_loss,test_ap,test_ap50,test_ap75,"
                                "test_ap_small,test_ap_medium,test_ap_large,test_ar100,";
    static const char minor[] = "test_ar1,test_ar10,test_ar_small,test_ar_medium,test_ar_large,";
    char before[800], after[800];
    const bnn_task *coco = bnn_task_find("detect_coco");
    snprintf(before, sizeof before, "%sbest_ap\n0,1,2,,3,4,5,6,7,8,9,3\n1,1,2\n", major);
    snprintf(after, sizeof after, "%s%sbest_ap\n0,1,2,,3,4,5,6,7,8,9,,,,,,3\n", major, minor);
    put("metrics.csv", before);
    for (int i = 0; i < 2; i++) { /* and then it is as a newer one */
        ck_assert_int_eq(bnn_run_reopen(&run, folder, coco, NULL, 9, 9, &err), BNN_OK);
        bnn_run_close(&run);
        ck_assert_str_eq(get("metrics.csv"), after);
    }
}
END_TEST

static void check_steps(const char *before, uint64_t steps, const char *after) {
    put("steps.jsonl", before);
    reopen(0, steps);
    bnn_run_close(&run);
    ck_assert_str_eq(get("steps.jsonl"), after);
}

START_TEST(steps_are_cut) {
    static const char first[] = "{\"step\":0," STEP_TAIL;
    static const char lines[] = "{\"step\":0," STEP_TAIL "{\"step\":1," STEP_TAIL;
    check_steps(lines, 2, lines);
    check_steps(lines, UINT64_MAX, lines);
    check_steps(lines, 1, first);
    check_steps(lines, 0, "");
    check_steps("{\"step\":0," STEP_TAIL "{\"step\":1,\"epoch\":0,\"los", 9, first);
    check_steps("{\"step\":0," STEP_TAIL "{\"step\":1,"
                "\"epoch\":0,\"loss\":1}",
                9, first);
    check_steps("{\"step\":0," STEP_TAIL "\n{\"step\":1," STEP_TAIL, 9, first);
    check_steps("{\"step\":0," STEP_TAIL "{\"step\":0," STEP_TAIL, 9, first);
    check_steps("{\"step\":0," STEP_TAIL "{\"step\":\"1\"}\n", 9, first);
    check_steps("{\"step\":0," STEP_TAIL "{\"step\":1.0}\n", 9, first);
    check_steps("{\"step\":0," STEP_TAIL "{\"epoch\":1}\n", 9, first);
    check_steps("{\"step\":0," STEP_TAIL "[1]\n", 9, first);
    check_steps("{\"step\":-1}\n", 9, "");
    check_steps("garbage\n{\"step\":0," STEP_TAIL, 9, "");
}
END_TEST

START_TEST(garbage_and_missing_logs) {
    reopen(3, 30);
    log_some(3, 4);
    bnn_run_close(&run);
    ck_assert_ptr_nonnull(strstr(get("metrics.csv"), HEADER "3,"));
    /* Zeros (a power cut), noise, and one endless line. */
    static char noise[300000];
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = kind == 0 ? '\0' : kind == 1 ? (char)(i * 2654435761u >> 13) : '[';
        put_bytes("metrics.csv", noise, sizeof noise);
        put_bytes("steps.jsonl", noise, sizeof noise);
        reopen(3, 30);
        bnn_run_close(&run);
        ck_assert_str_eq(get("metrics.csv"), HEADER);
        ck_assert_str_eq(get("steps.jsonl"), "");
        memcpy(noise, HEADER "0,1,1,1,1,1,1,1\n", strlen(HEADER "0,1,1,1,1,1,1,1\n"));
        put_bytes("metrics.csv", noise, sizeof noise);
        memcpy(noise, "{\"step\":0}\n", 11);
        put_bytes("steps.jsonl", noise, sizeof noise);
        reopen(3, 30);
        bnn_run_close(&run);
        ck_assert_str_eq(get("metrics.csv"), HEADER "0,1,1,1,1,1,1,1\n");
        ck_assert_str_eq(get("steps.jsonl"), "{\"step\":0}\n");
    }
    /* A NUL within a row, and one behind the header. */
    put_bytes("metrics.csv", HEADER "0,1,1,\0,1,1,1,1\n", sizeof HEADER - 1 + 16);
    reopen(3, 30);
    bnn_run_close(&run);
    ck_assert_str_eq(get("metrics.csv"), HEADER);
    char zero[] = HEADER "\n0,1,1,1,1,1,1,1\n";
    zero[sizeof HEADER - 2] = '\0';
    put_bytes("metrics.csv", zero, sizeof zero - 1);
    reopen(3, 30);
    bnn_run_close(&run);
    ck_assert_str_eq(get("metrics.csv"), HEADER);
}
END_TEST

/* When the rewritten log cannot be written, the old one is still there. */
START_TEST(failed_cut_keeps_the_log) {
    static const char rows[] = HEADER "0,1,1,1,1,1,1,1\n1,1,1,1,1,1,1,1\n";
    put("metrics.csv", rows);
    limit_files(20);
    bnn_code refused = bnn_run_reopen(&run, folder, task(), NULL, 1, 0, &err);
    limit_files(RLIM_INFINITY);
    check_error(refused, "metrics.csv");
    ck_assert_ptr_null(run.metrics);
    ck_assert_str_eq(get("metrics.csv"), rows);
}
END_TEST

/* ---- the data of a run ---- */

START_TEST(recorded_paths) {
    char room[PATH_MAX], strange[80], link_to[80];
    ck_assert_ptr_null(bnn_recorded_path(NULL, room));
    ck_assert_str_eq(bnn_recorded_path("no/such", room), "no/such");
    ck_assert_str_eq(bnn_recorded_path("", room), "");
    snprintf(strange, sizeof strange, "%s/\xff", folder);
    snprintf(link_to, sizeof link_to, "%s/link", folder);
    ck_assert_int_eq(mkdir(strange, 0777), 0);
    ck_assert_int_eq(symlink(folder, link_to), 0);
    ck_assert_int_eq(chdir(link_to), 0);
    ck_assert_str_eq(bnn_recorded_path(".", room), folder);
    ck_assert_str_eq(bnn_recorded_path(link_to, room), folder);
    ck_assert_int_eq(chdir(strange), 0);
    ck_assert_str_eq(bnn_recorded_path(".", room), strange);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(same_data) {
    const bnn_run_data was = {.train = "01234567", .test = "89abcdef"}, unknown = {.train = ""};
    bnn_run_data now = was;
    ck_assert_int_eq(bnn_run_data_same("last", &was, &now, &err), BNN_OK);
    strcpy(now.test, "89abcdee");
    check_error(bnn_run_data_same("last", &was, &now, &err), "last: the test samples or labels");
    strcpy(now.train, "11234567");
    check_error(bnn_run_data_same("last", &was, &now, &err), "the training and test samples");
    strcpy(now.test, was.test);
    check_error(bnn_run_data_same("last", &was, &now, &err), "the training samples");
    ck_assert_int_eq(bnn_run_data_same("last", &unknown, &now, &err), BNN_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("run_folder");
    TCase *cases = tcase_create("run_folder");
    tcase_add_checked_fixture(cases, make_folder, remove_folder);
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, new_run);
    tcase_add_test(cases, old_run_is_kept);
    tcase_add_test(cases, unusable_folders);
    tcase_add_test(cases, write_failures);
    tcase_add_test(cases, steps_are_flushed);
    tcase_add_test(cases, resumed_equals_uninterrupted);
    tcase_add_test(cases, metrics_are_cut);
    tcase_add_test(cases, older_metrics);
    tcase_add_test(cases, steps_are_cut);
    tcase_add_test(cases, garbage_and_missing_logs);
    tcase_add_test(cases, failed_cut_keeps_the_log);
    tcase_add_test(cases, recorded_paths);
    tcase_add_test(cases, same_data);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

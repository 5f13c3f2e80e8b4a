/* libbnn in somebody else's process: whoever loads, runs and frees models, in whatever thread, and
 * whatever else the application does with OpenMP, fork() and locales, results are one result. */
#include <fenv.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/fixtures/model_fixture.h"

enum { IMAGES = 20, LOGITS = IMAGES * FIXTURE_CLASSES, THREADS = 4, HUNG_SECONDS = 60 };

static char folder[] = "/tmp/bnn-check-process-XXXXXX";
static char checkpoint[64], packed[64];
static uint8_t *pixels;
static float expected[LOGITS]; /* with one thread */

static bnn_model *load(const char *path) {
    char error[BNN_ERROR_BYTES];
    bnn_model *model = bnn_model_load(path, error);
    ck_assert_msg(model != NULL, "%s", error);
    return model;
}

/* Logits that differ from those of one thread; all, where the model fails. */
static int wrong_logits(bnn_model *model) {
    float logits[LOGITS];
    int wrong = 0;
    if (bnn_model_run_pixels(model, IMAGES, pixels, logits, NULL) != 0) {
        return LOGITS;
    }
    for (int i = 0; i < LOGITS; i++) {
        wrong += logits[i] != expected[i];
    }
    return wrong;
}

static void set_up(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(checkpoint, sizeof checkpoint, "%s/model.safetensors", folder);
    snprintf(packed, sizeof packed, "%s/model.bnn", folder);
    write_checkpoint(checkpoint, "reactnet");
    write_packed(checkpoint, packed);
    pixels = fixture_images(IMAGES);
    ck_assert_int_eq(bnn_model_set_threads(1), 1);
    bnn_model *model = load(checkpoint);
    ck_assert_int_eq(bnn_model_run_pixels(model, IMAGES, pixels, expected, NULL), 0);
    bnn_model_free(model);
    ck_assert_int_ge(bnn_model_set_threads(0), 1);
}

static void tear_down(void) {
    free(pixels);
    unlink(checkpoint);
    unlink(packed);
    rmdir(folder);
}

/* ---- threads ---- */

typedef struct job {
    bnn_model *model; /* NULL: loads one of its own */
    int rounds, wrong;
    nlink_t tasks; /* of the process, while it was at work */
} job;

static nlink_t tasks(void) {
    struct stat info;
    return stat("/proc/self/task", &info) == 0 ? info.st_nlink - 2 : 0;
}

static void *run_there(void *argument) {
    job *j = argument;
    for (int i = 0; i < j->rounds; i++) {
        bnn_model *own = j->model ? NULL : bnn_model_load(i % 2 ? checkpoint : packed, NULL);
        if (!own && !j->model) {
            j->wrong += LOGITS;
            break;
        }
        j->wrong += wrong_logits(own ? own : j->model);
        bnn_model_free(own);
    }
    j->tasks = tasks();
    return NULL;
}

static int wrong_in_thread(bnn_model *model) {
    job j = {.model = model, .rounds = 1};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_there, &j), 0);
    pthread_join(thread, NULL);
    return j.wrong;
}

/* Loaded with more threads, with fewer, and after the application has chosen for itself; run here
 * and in another thread, for which OpenMP has other defaults. */
START_TEST(anywhere) {
    static const int chosen[] = {1, 2, 3, 7, 64};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        ck_assert_int_eq(bnn_model_set_threads(chosen[i]), chosen[i]);
        bnn_model *model = load(_i ? checkpoint : packed);
        bnn_model_info info;
        bnn_model_describe(model, &info);
        ck_assert_int_eq(info.threads, chosen[i]);
        for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++) {
            omp_set_num_threads(chosen[k]);
            ck_assert_int_eq(bnn_model_set_threads(chosen[k]), chosen[k]);
            ck_assert_int_eq(wrong_logits(model), 0);
            ck_assert_int_eq(wrong_in_thread(model), 0);
        }
        bnn_model_free(model);
    }
}
END_TEST

/* What the main thread set holds in others, too: there are as many as were asked for. */
START_TEST(chosen_for_all) {
    job j[] = {{.rounds = 1}, {.rounds = 1}};
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        ck_assert_int_eq(bnn_model_set_threads(i ? 4 : 1), i ? 4 : 1);
        ck_assert_int_eq(pthread_create(&thread, NULL, run_there, &j[i]), 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(j[i].wrong, 0);
    }
    ck_assert_uint_eq(j[1].tasks, j[0].tasks + 3);
}
END_TEST

START_TEST(default_threads) {
    omp_set_num_threads(3);
    ck_assert_int_eq(bnn_model_set_threads(0), 3);
    bnn_model *model = load(packed);
    bnn_model_info info;
    bnn_model_describe(model, &info);
    ck_assert_int_eq(info.threads, 3);
    bnn_model_free(model);
}
END_TEST

/* Of a team that belongs to a thread of another team, clang 14's OpenMP does not always tell
 * ThreadSanitizer that it has joined: one run in thirty reports what happens one after the other.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NESTED_LEVELS 1
#endif
#endif
#ifndef NESTED_LEVELS
#define NESTED_LEVELS 2
#endif

/* From within the application's own parallel regions. */
START_TEST(nested) {
    int wrong = 0;
    omp_set_max_active_levels(_i ? 2 : 1);
    ck_assert_int_eq(bnn_model_set_threads(3), 3);
#pragma omp parallel num_threads(2) reduction(+ : wrong)
    {
        job j = {.rounds = 2};
        run_there(&j);
        wrong += j.wrong;
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

/* Models that are loaded, run and freed while others are. */
START_TEST(many_at_once) {
    job jobs[THREADS];
    pthread_t threads[THREADS];
    ck_assert_int_eq(bnn_model_set_threads(2), 2);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){.model = i % 2 ? NULL : load(packed), .rounds = 4};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_there, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(jobs[i].wrong, 0);
        bnn_model_free(jobs[i].model);
    }
}
END_TEST

static atomic_int refusals;

/* Every call is right or is told that it must not be. */
static void *insist(void *argument) {
    float logits[LOGITS];
    char error[BNN_ERROR_BYTES];
    for (int i = 0; i < 50; i++) {
        if (bnn_model_run_pixels(argument, IMAGES, pixels, logits, error) == 0) {
            ck_assert_mem_eq(logits, expected, sizeof logits);
        } else {
            ck_assert_ptr_nonnull(strstr(error, "in use by another thread"));
            atomic_fetch_add(&refusals, 1);
        }
    }
    return NULL;
}

START_TEST(one_at_a_time) {
    bnn_model *model = load(packed);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, insist, model), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_gt(refusals, 0);
    ck_assert_int_eq(wrong_logits(model), 0);
    bnn_model_free(model);
}
END_TEST

/* ---- what the application does to the file and to the processor ---- */

START_TEST(file_may_change) {
    bnn_model *model = load(packed);
    struct stat info;
    ck_assert_int_eq(stat(packed, &info), 0);
    FILE *file = fopen(packed, _i ? "wb" : "r+b"); /* cut off, or written over */
    ck_assert_ptr_nonnull(file);
    fseeko(file, info.st_size / 2, SEEK_SET);
    for (off_t i = info.st_size / 2; _i == 0 && i < info.st_size; i++) {
        fputc(0, file);
    }
    fclose(file);
    ck_assert_int_eq(wrong_logits(model), 0); /* of more images than were planned for */
    bnn_model_free(model);
}
END_TEST

START_TEST(rounding) {
    for (int threads = 1; threads <= 3; threads += 2) {
        ck_assert_int_eq(bnn_model_set_threads(threads), threads);
        bnn_model *before = load(checkpoint);
        ck_assert_int_eq(wrong_logits(before), 0);
        ck_assert_int_eq(fesetround(FE_UPWARD), 0);
        bnn_model *after = load(checkpoint);
        int wrong = wrong_logits(before) + wrong_logits(after);
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        fesetround(FE_TONEAREST);
        ck_assert_int_eq(wrong, 0);
        bnn_model_free(before);
        bnn_model_free(after);
    }
}
END_TEST

/* OpenMP would end the process. */
START_TEST(no_more_threads) {
    chmod(folder, 0755);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit one = {1, 1};
        bnn_model_info info;
        if (setrlimit(RLIMIT_NPROC, &one) != 0 || (geteuid() == 0 && setuid(65534) != 0)) {
            _exit(2);
        }
        bnn_model_set_threads(8);
        bnn_model *model = bnn_model_load(packed, NULL);
        if (!model) {
            _exit(3);
        }
        bnn_model_describe(model, &info);
        _exit(info.threads != 1 || wrong_logits(model) != 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* ---- fork ---- */

/* The child's exit status: 0 if `model`, or one that it loads itself, is right there. */
static int status_of_child(bnn_model *model) {
    pid_t child = fork();
    if (child == 0) {
        alarm(HUNG_SECONDS);
        job j = {.model = model, .rounds = 3};
        run_there(&j);
        _exit(j.wrong != 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "the child was killed by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void *fork_there(void *argument) {
    job *j = argument;
    run_there(j);
    j->wrong += status_of_child(j->model);
    return NULL;
}

/* After the library's and the application's own parallel regions, in the main thread and in another
 * one; the child's child as well. */
START_TEST(forked) {
    int sum = 0;
    ck_assert_int_eq(bnn_model_set_threads(3), 3);
    bnn_model *model = load(packed);
    ck_assert_int_eq(status_of_child(model), 0);
    ck_assert_int_eq(wrong_logits(model), 0);
#pragma omp parallel num_threads(3) reduction(+ : sum)
    sum++;
    ck_assert_int_ge(sum, 1);
    ck_assert_int_eq(status_of_child(model), 0);
    ck_assert_int_eq(status_of_child(NULL), 0);
    job j = {.model = model, .rounds = 1};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fork_there, &j), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(j.wrong, 0);
    ck_assert_int_eq(wrong_logits(model), 0);
    bnn_model_free(model);
}
END_TEST

/* A process that had one thread gives its child all of OpenMP. */
START_TEST(forked_early) {
    ck_assert_int_eq(bnn_model_set_threads(3), 3);
    nlink_t least = tasks() == 1 ? 3 : 1; /* a sanitizer has a thread of its own */
    pid_t child = fork();
    if (child == 0) {
        alarm(HUNG_SECONDS);
        job j = {.rounds = 1};
        run_there(&j);
        _exit(j.wrong != 0 || j.tasks < least);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process");
    TCase *threads = tcase_create("threads"), *forks = tcase_create("forks");
    tcase_add_checked_fixture(threads, set_up, tear_down);
    tcase_add_loop_test(threads, anywhere, 0, 2);
    tcase_add_test(threads, chosen_for_all);
    tcase_add_test(threads, default_threads);
    tcase_add_loop_test(threads, nested, 0, NESTED_LEVELS);
    tcase_add_test(threads, many_at_once);
    tcase_add_test(threads, one_at_a_time);
    tcase_add_loop_test(threads, file_may_change, 0, 2);
    tcase_add_test(threads, rounding);
    tcase_add_test(threads, no_more_threads);
    tcase_set_timeout(threads, 300);
    tcase_add_checked_fixture(forks, set_up, tear_down);
    tcase_add_test(forks, forked);
    tcase_add_test(forks, forked_early);
    tcase_set_timeout(forks, 300);
    suite_add_tcase(suite, threads);
    suite_add_tcase(suite, forks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

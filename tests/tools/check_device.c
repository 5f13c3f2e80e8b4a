/* A device whose memory is not the host's: trainings, their checkpoints, packed files and
 * predictions are those of the CPU, byte for byte, though nobody but kernels and copies can touch
 * a value of its tensors. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fixtures/device_training.h"
#include "tests/fixtures/fake_nccl.h"
#include "tests/fixtures/far_device.h"
#include "tests/fixtures/forked_ranks.h"

static void same_file(const subject *s, const char *name) {
    same_files(s, "cpu", "far", name);
}

static void compare(const subject *s) {
    bnn_device cpu, far;
    const char *why = NULL;
    float *logits[2][2] = {{NULL}};
    ck_assert_msg(bnn_cpu_device(NULL, s->threads, &cpu, &why), "%s", why);
    ck_assert_msg(far_device(THREADS, &far, &why), "%s", why);
    size_t before = far_live();
    train(s, &cpu, path_of("cpu", ""), NULL);
    train(s, &far, path_of("far", ""), NULL);
    deploy(s, &cpu, "cpu", logits[0]);
    deploy(s, &far, "far", logits[1]);
    bnn_spec spec = spec_of(s);
    for (int i = 0; i < 2 && logits[0][i]; i++) {
        size_t bytes = TEST * bnn_spec_outputs(&spec) * sizeof(float);
        ck_assert_msg(memcmp(logits[0][i], logits[1][i], bytes) == 0,
                      "%s %s: %s predicts otherwise", s->arch, s->algorithm,
                      i ? "the packed file" : "the checkpoint");
        ck_assert(isfinite(logits[0][i][0]));
    }
    same_file(s, "metrics.csv");
    same_file(s, "last.safetensors");
    same_file(s, "best.safetensors");
    if (spec.binarizer) {
        same_file(s, "model.bnn");
    }
    /* A finished training that is resumed reads its checkpoint, and changes nothing. */
    char *last = strdup(path_of("far", "last.safetensors"));
    train(s, &far, path_of("far", ""), last);
    same_file(s, "last.safetensors");
    free(last);
    for (int i = 0; i < 4; i++) {
        free(logits[i / 2][i % 2]);
    }
    ck_assert_uint_eq(far_live(), before);
}

/* ---- tests ---- */

static const struct {
    const char *arch;
    int height, width, channels;
} networks[] = {{"resnet20", 12, 12, 3},
                {"deep_fsmn", 16, 16, 1},
                {"pointnet", 1, 24, 6},
                {"pointnet_partseg", 1, 24, 6}};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* The float twin, then each algorithm. */
static const char *algorithm(int i) {
    return i == 0 ? BNN_FLOAT_ALGORITHM : bnn_binarizers[i - 1]->name;
}

START_TEST(is_the_cpu) {
    for (int n = 0; n < NETWORKS; n++) {
        if (n == 2 + _i % 2) { /* one of the two large ones */
            continue;
        }
        /* Both optimizers, and steps of one batch and of several, in turns. As many epochs as the
         * algorithm has phases, the least. */
        subject s = {.arch = networks[n].arch,
                     .algorithm = algorithm(_i),
                     .height = networks[n].height,
                     .width = networks[n].width,
                     .channels = networks[n].channels,
                     .epochs = n < 2 || strcmp(algorithm(_i), "fda") == 0 ? 2 : 1,
                     .accumulate = (size_t)(1 + (n + _i) % 2),
                     .optimizer = (n + _i) % 4 < 2 ? "adam" : "sgd",
                     .threads = THREADS};
        compare(&s);
    }
}
END_TEST

/* Nor does it matter to what dropout draws, or how many threads there are. */
START_TEST(text_is_the_cpu) {
    subject s = {.arch = "bert_tiny4",
                 .algorithm = _i ? "bnn" : BNN_FLOAT_ALGORITHM,
                 .height = 1,
                 .width = 8,
                 .channels = 1,
                 .epochs = 1,
                 .accumulate = (size_t)(1 + _i),
                 .optimizer = "bert_adam",
                 .dropout = 0.1f,
                 .threads = 1};
    compare(&s);
}
END_TEST

enum { RANKS = 3 };

typedef struct ranks_job {
    subject subject;
    int joins; /* do the devices add up among themselves? */
} ranks_job;

/* A rank: trains on the CPU, then far away; rank 0 writes both folders. */
static void be_one_of_many(bnn_comm *comm, const void *job) {
    const ranks_job *given = job;
    subject s = given->subject;
    const char *why = NULL;
    bnn_device cpu, far;
    s.comm = comm;
    ck_assert_msg(bnn_cpu_device(NULL, s.threads, &cpu, &why), "%s", why);
    ck_assert_msg(far_device(THREADS, &far, &why), "%s", why);
    size_t before = far_live();
    train(&s, &cpu, path_of("cpu", ""), NULL);
    train(&s, &far, path_of("far", ""), NULL);
    ck_assert_uint_eq(far_live(), before);
    ck_assert_int_eq(fake_nccl_groups() > 0, given->joins);
}

static subject shared_by_ranks(int _i) {
    return (subject){.arch = _i ? "pointnet" : "resnet20",
                     .algorithm = _i ? "xnorpp" : "reactnet",
                     .height = _i ? 1 : 12,
                     .width = _i ? 24 : 12,
                     .channels = _i ? 6 : 3,
                     .epochs = 2,
                     .accumulate = (size_t)(2 - _i),
                     .optimizer = _i ? "sgd" : "adam",
                     .threads = THREADS,
                     .clip_grad_norm = _i ? 0.0 : 1.0,
                     .ema = _i ? 0.9 : 0.0};
}

/* Gradients add up among the devices; or, where a rank has no NCCL, or it does not begin, they
 * reach the host and come back. Of several buckets, clipped or not, averaged or not; the last batch
 * is smaller than there are ranks. */
START_TEST(ranks_are_the_cpu) {
    const fake_nccl_faults none = {-1, -1, -1},
                           without = {.without = 1, .not_begun = -1, .broken = -1},
                           not_begun = {.without = -1, .not_begun = 2, .broken = -1};
    const ranks_job job = {shared_by_ranks(_i % 2), _i < 2};
    fake_nccl_prepare(RANKS, _i < 2 ? none : _i == 2 ? without : not_begun);
    ck_assert_int_eq(forked_ranks(RANKS, be_one_of_many, &job), 0);
    same_file(&job.subject, "metrics.csv");
    same_file(&job.subject, "last.safetensors");
    same_file(&job.subject, "best.safetensors");
}
END_TEST

/* A sum that fails ends the step, and all ranks. */
START_TEST(a_sum_fails) {
    const fake_nccl_faults broken = {.without = -1, .not_begun = -1, .broken = 1};
    const ranks_job job = {shared_by_ranks(0), 1};
    fake_nccl_prepare(RANKS, broken);
    ck_assert_int_gt(forked_ranks(RANKS, be_one_of_many, &job), 0);
}
END_TEST

/* Else nothing of the above would prove anything. */
START_TEST(nobody_reads_it) {
    bnn_device far;
    const char *why;
    ck_assert(far_device(1, &far, &why));
    float *memory = far.ops->alloc(&far, BNN_MEMORY_DEVICE, 4 * sizeof *memory);
    ck_assert_ptr_nonnull(memory);
    ck_assert(far_holds(memory) && !far_holds(&far));
    for (int writes = 0; writes < 2; writes++) {
        pid_t child = fork();
        if (child == 0) {
            volatile float *value = memory;
            signal(SIGSEGV, SIG_DFL);
            if (writes) {
                *value = 1.0f;
            }
            _exit(*value == 0.0f ? 0 : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    far.ops->release(&far, BNN_MEMORY_DEVICE, memory);
}
END_TEST

/* A copy to the host is there when its stream is finished, and not before. */
START_TEST(copies_take_their_time) {
    bnn_device far;
    bnn_stream stream;
    const char *why;
    bnn_error err;
    const float values[] = {1.0f, 2.0f, 3.0f};
    float back[3] = {0.0f};
    ck_assert(far_device(1, &far, &why) && bnn_stream_start(&stream, &far));
    float *memory = far.ops->alloc(&far, BNN_MEMORY_DEVICE, 2 * sizeof values);
    far.ops->put(&stream, memory, values, sizeof values);
    far.ops->copy(&stream, memory + 3, memory, sizeof values);
    far.kernels->add(&stream, 3, memory, memory + 3, memory);
    far.ops->get(&stream, back, memory, sizeof back);
    ck_assert(isnan(back[0]) && isnan(back[2]));
    ck_assert_int_eq(far.ops->finish(&stream, &err), BNN_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(back[i], 2.0f * values[i]);
    }
    far.ops->release(&far, BNN_MEMORY_DEVICE, memory);
    bnn_stream_end(&stream);
}
END_TEST

/* Parameters of one device and a graph of another do not meet. */
START_TEST(one_device_a_network) {
    bnn_device cpu, far;
    bnn_error err = {0};
    const char *why;
    bnn_net net, other;
    subject s = {.arch = "deep_fsmn", .algorithm = "bnn", .height = 16, .width = 16, .channels = 1};
    ck_assert(bnn_cpu_device(NULL, 1, &cpu, &why) && far_device(1, &far, &why));
    bnn_spec spec = spec_of(&s);
    bnn_params *params = bnn_params_create();
    ok(bnn_net_build(&spec, &far, params, 1, 0, &net, &err), &err, &s);
    ok(bnn_params_allocate(params, &err), &err, &s);
    ck_assert(bnn_net_build(&spec, &cpu, params, 1, 0, &other, &err) != BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "another device"));
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

static void set_up(void) {
    make_folders("cpu", "far");
}

int main(void) {
    int algorithms = 1;
    while (bnn_binarizers[algorithms - 1]) {
        algorithms++;
    }
    Suite *suite = suite_create("device");
    TCase *tcase = tcase_create("far");
    tcase_add_unchecked_fixture(tcase, set_up, remove_folders);
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, is_the_cpu, 0, algorithms);
    tcase_add_loop_test(tcase, text_is_the_cpu, 0, 2);
    tcase_add_loop_test(tcase, ranks_are_the_cpu, 0, 4);
    tcase_add_test(tcase, a_sum_fails);
    tcase_add_test(tcase, nobody_reads_it);
    tcase_add_test(tcase, copies_take_their_time);
    tcase_add_test(tcase, one_device_a_network);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

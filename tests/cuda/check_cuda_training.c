/* Networks trained by the kernels of cuda/; without a GPU on a device whose memory nobody else can
 * read, and with the launches that a GPU would get. Bits are exact and most of what is computed
 * value by value is the CPU's, but float products and sums are added in another order: parameters
 * come out close to the CPU's, and the same, byte for byte, whatever order threads run in. */
#include <math.h>

#include "engine/io/safetensors.h"
#include "tests/cuda/test_device.h"
#include "tests/fixtures/detector_step.h"
#include "tests/fixtures/device_training.h"

static bnn_device cpu(void) {
    bnn_device device;
    const char *why = NULL;
    ck_assert_msg(bnn_cpu_device(NULL, THREADS, &device, &why), "%s", why);
    return device;
}

/* How far a side's floats are from the other's, relative to how far all of them are from 0. */
static double distance(const subject *s, const char *a_side, const char *b_side) {
    bnn_error err = {0};
    bnn_st_file *a, *b;
    double apart = 0.0, size = 0.0;
    ok(bnn_st_open(path_of(a_side, "last.safetensors"), &a, &err), &err, s);
    ok(bnn_st_open(path_of(b_side, "last.safetensors"), &b, &err), &err, s);
    ck_assert_uint_eq(bnn_st_count(a), bnn_st_count(b));
    for (size_t i = 0; i < bnn_st_count(a); i++) {
        const bnn_st_tensor *of_a = bnn_st_at(a, i), *of_b = bnn_st_find(b, of_a->name);
        ck_assert_ptr_nonnull(of_b);
        if (of_a->dtype != BNN_ST_F32 || strncmp(of_a->name, "optimizer", 9) == 0) {
            continue;
        }
        const float *x = (const float *)(const void *)of_a->data,
                    *y = (const float *)(const void *)of_b->data;
        for (size_t j = 0; j < of_a->bytes / sizeof(float); j++) {
            apart += ((double)x[j] - (double)y[j]) * ((double)x[j] - (double)y[j]);
            size += (double)x[j] * (double)x[j];
        }
    }
    bnn_st_close(a);
    bnn_st_close(b);
    return sqrt(apart / size);
}

/* What either device makes of the checkpoint of the one, and of the packed file: sums of floats are
 * all that differs. */
static void check_predictions(const subject *s, const bnn_device *on_cpu,
                              const bnn_device *on_gpu) {
    float *logits[2][2] = {{NULL}};
    bnn_spec spec = spec_of(s);
    deploy(s, on_cpu, "cpu", logits[0]);
    deploy(s, on_gpu, "cpu", logits[1]);
    for (int i = 0; i < 2 && logits[0][i]; i++) {
        double apart = 0.0, size = 0.0;
        for (size_t j = 0; j < TEST * bnn_spec_outputs(&spec); j++) {
            double d = (double)logits[0][i][j] - (double)logits[1][i][j];
            apart += d * d;
            size += (double)logits[0][i][j] * (double)logits[0][i][j];
        }
        ck_assert_msg(apart <= 1e-10 * size, "%s %s: predictions %d are %g apart", s->arch,
                      s->algorithm, i, sqrt(apart / size));
    }
    for (int i = 0; i < 4; i++) {
        free(logits[i / 2][i % 2]);
    }
}

/* As close as two instruction sets of the CPU are: 1e-7 and less, or some 1e-3 where a sign that
 * was about 0 fell otherwise. `tolerance` 0: that decides all, and nothing can be said. */
static void check(const subject *s, double tolerance) {
    bnn_device on_cpu = cpu(), on_gpu = test_device();
    size_t before = test_device_live();
    test_device_order(0);
    train(s, &on_cpu, path_of("cpu", ""), NULL);
    train(s, &on_gpu, path_of("gpu", ""), NULL);
    double apart = distance(s, "cpu", "gpu");
    ck_assert_msg(tolerance == 0.0 || apart <= tolerance, "%s %s: %g apart from the CPU", s->arch,
                  s->algorithm, apart);
    test_device_order(1);
    train(s, &on_gpu, path_of("other", ""), NULL);
    same_files(s, "gpu", "other", "last.safetensors");
    same_files(s, "gpu", "other", "metrics.csv");
    /* A finished training that is resumed reads its checkpoint, and changes nothing. */
    char *last = strdup(path_of("gpu", "last.safetensors"));
    train(s, &on_gpu, path_of("gpu", ""), last);
    same_files(s, "gpu", "other", "last.safetensors");
    free(last);
    check_predictions(s, &on_cpu, &on_gpu);
    ck_assert_uint_eq(test_device_live(), before);
}

static const struct {
    const char *arch;
    int height, width, channels;
    double tolerance;
} networks[] = {
    {"resnet20", 12, 12, 3, 1e-2}, {"deep_fsmn", 16, 16, 1, 1e-2}, {"pointnet", 1, 24, 6, 0.0}};
enum { NETWORKS = sizeof networks / sizeof *networks };

START_TEST(is_close_to_the_cpu) {
    for (int n = 0; n < (_i % 4 == 0 ? NETWORKS : NETWORKS - 1); n++) {
        subject s = {.arch = networks[n].arch,
                     .algorithm = _i == 0 ? BNN_FLOAT_ALGORITHM : bnn_binarizers[_i - 1]->name,
                     .height = networks[n].height,
                     .width = networks[n].width,
                     .channels = networks[n].channels,
                     .epochs = 1,
                     .accumulate = (size_t)(1 + (n + _i) % 2),
                     .optimizer = "sgd"};
        check(&s, networks[n].tolerance);
    }
}
END_TEST

START_TEST(text_is_close_to_the_cpu) {
    subject s = {.arch = "bert_tiny4",
                 .algorithm = _i ? "bnn" : BNN_FLOAT_ALGORITHM,
                 .height = 1,
                 .width = 8,
                 .channels = 1,
                 .epochs = 1,
                 .accumulate = 1,
                 .optimizer = "bert_adam",
                 .dropout = 0.1f};
    check(&s, 1e-2);
}
END_TEST

/* Floats alone, as what a detector is trained on is chosen by what it finds. */
START_TEST(detector_is_close_to_the_cpu) {
    const bnn_shape images = {DETECTOR_BATCH, 64, 96, 3};
    const bnn_device devices[] = {cpu(), test_device(), test_device()};
    float loss[3], *gradient[3];
    double apart = 0.0, size = 0.0;
    size_t before = test_device_live(), count = 0;
    for (int i = 0; i < 3; i++) {
        test_device_order(i == 2);
        detector d = detector_open(&small_faster_rcnn, BNN_FLOAT_ALGORITHM, images, &devices[i]);
        loss[i] = detector_step(&d, 0, &gradient[i]);
        count = d.params->value_count;
        detector_close(&d);
    }
    for (size_t i = 0; i < count; i++) {
        double off = (double)gradient[0][i] - (double)gradient[1][i];
        apart += off * off;
        size += (double)gradient[0][i] * (double)gradient[0][i];
    }
    ck_assert_msg(fabsf(loss[0] - loss[1]) <= 1e-5f * loss[0] && apart <= 1e-8 * size,
                  "loss %g, not %g; gradients %g apart", (double)loss[1], (double)loss[0],
                  sqrt(apart / size));
    ck_assert(loss[1] == loss[2] && memcmp(gradient[1], gradient[2], count * sizeof(float)) == 0);
    ck_assert_uint_eq(test_device_live(), before);
    for (int i = 0; i < 3; i++) {
        free(gradient[i]);
    }
}
END_TEST

static void set_up(void) {
    make_folders("cpu", "gpu");
    ck_assert(mkdir(path_of("other", ""), 0755) == 0);
}

int main(void) {
    const char *why;
    if (!test_device_open(&why)) {
        printf("SKIPPED: %s\n", why);
        return 77;
    }
    int algorithms = 1;
    while (bnn_binarizers[algorithms - 1]) {
        algorithms++;
    }
    Suite *suite = suite_create("training by kernels of cuda");
    TCase *tcase = tcase_create("training");
    tcase_add_unchecked_fixture(tcase, set_up, remove_folders);
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, is_close_to_the_cpu, 0, algorithms);
    tcase_add_loop_test(tcase, text_is_close_to_the_cpu, 0, 2);
    tcase_add_test(tcase, detector_is_close_to_the_cpu);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, test_device_forks());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

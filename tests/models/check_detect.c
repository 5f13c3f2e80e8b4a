/* Detectors as networks: what they train to at any number of threads, and that what is deployed
 * finds the same boxes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "layers/binarizers/binarizer.h"
#include "layers/fold/fold.h"
#include "models/files/packed.h"
#include "models/model.h"
#include "models/nets/detector.h"
#include "models/tasks/tables.h"
#include "tests/fixtures/packed_fixture.h"

enum { CLASSES = 3, BATCH = 2, TRUTHS = 5 };

static const bnn_arch faster_rcnn = {.name = "faster_rcnn",
                                     .build = bnn_build_faster_rcnn,
                                     .blocks = {1, 1, 1, 1},
                                     .width = 8,
                                     .rpn_samples = 32,
                                     .roi_samples = 8,
                                     .proposals = {{200, 20}, {100, 12}},
                                     .detections = 100};
static const bnn_arch ssd = {.name = "ssd300", .build = bnn_build_ssd, .detections = 200};
static const struct {
    const bnn_arch *arch;
    const char *algo;
} nets[] = {{&faster_rcnn, "fp32"},   {&faster_rcnn, "bnn"},
            {&faster_rcnn, "xnor"},   {&faster_rcnn, "dorefa"},
            {&faster_rcnn, "bireal"}, {&faster_rcnn, "xnorpp"},
            {&faster_rcnn, "recu"},   {&faster_rcnn, "reactnet"},
            {&faster_rcnn, "fda"},    {&ssd, "bnn"}};
enum { NETS = sizeof nets / sizeof *nets };

static bnn_shape image_of(const bnn_arch *arch, int batch) {
    return arch == &ssd ? (bnn_shape){batch, 300, 300, 3} : (bnn_shape){batch, 64, 96, 3};
}

static float *pixels_of(bnn_shape s) {
    bnn_rng rng = bnn_rng_start(5, 1);
    float *x = malloc(bnn_shape_count(s) * sizeof *x);
    for (size_t i = 0; i < bnn_shape_count(s); i++) {
        x[i] = bnn_rng_normal(&rng);
    }
    return x;
}

/* Parameters of no special values, running statistics among them. */
static void fill(bnn_params *params, const bnn_binarizer *binarizer) {
    bnn_params_initialize(params, 3);
    bnn_apply_schedule(binarizer, params, 9, 10);
    bnn_rng rng = bnn_rng_start(9, 4);
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *p = params->list[i];
        for (size_t k = 0; strstr(p->name, "running") && k < p->count; k++) {
            bnn_param_data(params, p)[k] += 0.3f * bnn_rng_uniform(&rng);
        }
        for (size_t k = 0; strstr(p->name, "fc_") && k < p->count; k++) {
            bnn_param_data(params, p)[k] *= 9.0f; /* sure of something */
        }
    }
}

static bnn_build build_of(const char *algo, bnn_graph *g) {
    bnn_build b = {.graph = g, .binarizer = bnn_binarizer_find(algo)};
    b.phase = b.binarizer ? b.binarizer->phases - 1 : 0;
    return b;
}

/* ---- training ---- */

typedef struct step {
    float loss;
    uint32_t sum; /* of the bits of all gradients */
} step;

static step train(int net, int threads, uint64_t number) {
    const bnn_arch *arch = nets[net].arch;
    static const float box[BATCH * TRUTHS * 4] = {5,  5,  40, 50, 50, 10, 80, 60, 20, 30, 44, 60,
                                                  10, 10, 30, 20, 0,  0,  0,  0,  30, 8,  90, 55};
    static const int32_t class[BATCH * TRUTHS] = {0, 2, 1, 1, -1, 2, -1, -1, -1, -1};
    static const int32_t ignore[BATCH * TRUTHS] = {0, 0, 0, 1};
    bnn_device device;
    bnn_error err = {0};
    ck_assert(bnn_cpu_device(NULL, threads, &device, NULL));
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(&device, params, 1);
    bnn_build b = build_of(nets[net].algo, g);
    bnn_shape s = image_of(arch, BATCH), truths = {BATCH, 1, TRUTHS, 1},
              boxes = {BATCH, 1, TRUTHS, 4};
    bnn_t image = bnn_graph_input(g, "image", BNN_F32, s), target[3];
    target[0] = bnn_graph_input(g, "boxes", BNN_F32, boxes);
    target[1] = bnn_graph_input(g, "box_class", BNN_I32, truths);
    target[2] = bnn_graph_input(g, "box_ignore", BNN_I32, truths);
    bnn_output output = arch->build(&b, arch, &image, CLASSES);
    bnn_t loss = bnn_detect_loss(&b, &output, target);
    bnn_graph_keep(g, loss);
    CK_CODE(bnn_graph_compile(g, loss, &err));
    CK_CODE(bnn_params_allocate(params, &err));
    CK_CODE(bnn_graph_bind(g, NULL, &err));
    fill(params, b.binarizer);
    float *pixels = pixels_of(s);
    bnn_graph_set(g, image, pixels);
    bnn_graph_set(g, target[0], box);
    bnn_graph_set(g, target[1], class);
    bnn_graph_set(g, target[2], ignore);
    bnn_graph_set_random(g, 7, number);
    bnn_graph_forward(g);
    step r = {.loss = *bnn_f32(g, loss), .sum = 2166136261u};
    bnn_graph_backward(g);
    for (size_t i = 0; i < params->value_count; i++) {
        uint32_t bits;
        memcpy(&bits, params->grads + i, sizeof bits);
        r.sum = (r.sum ^ bits) * 16777619u;
    }
    for (size_t i = 0; i < params->count; i++) { /* what is learned, and what is not */
        const bnn_param *p = params->list[i];
        const char *name = p->name;
        int first = strstr(name, "backbone.conv1") || strstr(name, "backbone.layer1");
        int norm = strstr(name, ".bn") || strstr(name, "downsample.1");
        int fixed = !b.binarizer ? first || norm : norm && strstr(name, "shared_head");
        ck_assert_msg(!p->trainable || arch == &ssd || p->frozen == fixed, "%s", name);
    }
    free(pixels);
    bnn_graph_free(g);
    bnn_params_free(params);
    return r;
}

START_TEST(test_training) {
    step one = train(_i, 1, 0), three = train(_i, 3, 0);
    ck_assert(isfinite(one.loss) && one.loss > 0.1f);
    ck_assert_msg(one.loss == three.loss && one.sum == three.sum,
                  "%s %s: %.9g with one thread, %.9g with three", nets[_i].arch->name,
                  nets[_i].algo, (double)one.loss, (double)three.loss);
    if (nets[_i].arch == &faster_rcnn) { /* other dice fall for another batch */
        ck_assert(train(_i, 1, 1).sum != one.sum);
    }
}
END_TEST

/* ---- deployment ---- */

static void run(const bnn_inference *r, const float *pixels, float *found) {
    bnn_graph_set(r->graph, r->inputs[0], pixels);
    bnn_graph_forward(r->graph);
    memcpy(found, bnn_f32(r->graph, r->outputs[0]),
           bnn_shape_count(bnn_shape_of(r->graph, r->outputs[0])) * sizeof *found);
}

static bnn_graph *evaluation(int net, const bnn_device *device, bnn_params *params, int batch,
                             bnn_t *image, bnn_t *found) {
    bnn_graph *g = bnn_graph_create(device, params, 0);
    bnn_build b = build_of(nets[net].algo, g);
    *image = bnn_graph_input(g, "image", BNN_F32, image_of(nets[net].arch, batch));
    *found = nets[net].arch->build(&b, nets[net].arch, image, CLASSES).main;
    return g;
}

static bnn_fold *fold_of(int net, const bnn_device *device, bnn_params *params, int batch,
                         int thresholds, bnn_graph **source) {
    bnn_error err = {0};
    bnn_fold *fold;
    bnn_t image, found;
    *source = evaluation(net, device, params, batch, &image, &found);
    CK_CODE(bnn_fold_create(*source, 1, &image, 1, &found, thresholds, &fold, &err));
    if (!params->values) {
        CK_CODE(bnn_params_allocate(params, &err));
        fill(params, bnn_binarizer_find(nets[net].algo));
    }
    CK_CODE(bnn_graph_bind(bnn_fold_graph(fold), NULL, &err));
    CK_CODE(bnn_fold_evaluate(fold, &err));
    return fold;
}

/* As a checkpoint is evaluated, and as a file runs it: box for box. */
START_TEST(test_deployment) {
    const char *path = "check_detect.bnn";
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_spec spec = tiny_spec();
    bnn_params *params = bnn_params_create();
    bnn_graph *source[3];
    bnn_inference read;
    bnn_st_file *file;
    size_t bytes, values = (size_t)(BATCH * nets[_i].arch->detections * BNN_DETECTION);
    float *pixels = pixels_of(image_of(nets[_i].arch, BATCH));
    float *want = malloc(values * sizeof *want), *got = malloc(values * sizeof *got);
    bnn_fold *checkpoint = fold_of(_i, &device, params, BATCH, 0, &source[0]);
    bnn_fold *one = fold_of(_i, &device, params, 1, 1, &source[1]);
    CK_CODE(bnn_packed_save(path, &spec, bnn_fold_result(one), &bytes, &err));
    CK_CODE(bnn_st_open(path, &file, &err));
    CK_CODE(bnn_packed_build(path, file, &device, BATCH, &read, &err));
    CK_CODE(bnn_graph_bind(read.graph, NULL, &err));
    CK_CODE(bnn_packed_fill(path, file, &read, &err));
    run(bnn_fold_result(checkpoint), pixels, want);
    run(&read, pixels, got);
    ck_assert(memcmp(want, got, values * sizeof *want) == 0);
    for (size_t i = 0; i < values; i += BNN_DETECTION) { /* sorted; none behind the last */
        const float *d = want + i, *before = i % (values / BATCH) ? d - BNN_DETECTION : d;
        ck_assert(d[5] < 0.0f || (d[4] > 0.02f && d[4] <= before[4] && before[5] >= 0.0f));
        ck_assert(d[5] < CLASSES && d[0] <= d[2] && d[1] <= d[3] && d[0] >= 0.0f);
    }
    ck_assert(want[5] >= 0.0f && want[values / BATCH + 5] >= 0.0f);
    bnn_inference_free(&read);
    bnn_st_close(file);
    bnn_fold_free(checkpoint);
    bnn_fold_free(one);
    bnn_graph_free(source[0]);
    bnn_graph_free(source[1]);
    bnn_params_free(params);
    free(pixels);
    free(want);
    free(got);
    remove(path);
}
END_TEST

/* ---- what does not fit ---- */

START_TEST(test_refusals) {
    const bnn_device device = one_thread();
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(&device, params, 1);
    bnn_build b = build_of("bnn", g);
    bnn_error err = {0};
    bnn_output none = {.main = BNN_NONE};
    bnn_t image = bnn_graph_input(g, "image", BNN_F32, (bnn_shape){1, 224, 224, 3});
    ck_assert_int_eq(ssd.build(&b, &ssd, &image, CLASSES).main, BNN_NONE);
    ck_assert_int_ne(bnn_graph_status(g, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "300x300"));
    ck_assert_int_eq(bnn_detect_loss(&b, &none, &image), BNN_NONE);
    bnn_graph_free(g);
    bnn_params_free(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("detect");
    TCase *tcase = tcase_create("detect");
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, test_training, 0, NETS);
    tcase_add_loop_test(tcase, test_deployment, 0, NETS);
    tcase_add_test(tcase, test_refusals);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

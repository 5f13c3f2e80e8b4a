/* Detectors as networks: what they train to at any number of threads, and that what is deployed
 * finds the same boxes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/fold/fold.h"
#include "models/files/packed.h"
#include "models/tasks/detect.h"
#include "tests/fixtures/detector_step.h"
#include "tests/fixtures/packed_fixture.h"

enum { CLASSES = DETECTOR_CLASSES, BATCH = DETECTOR_BATCH };

static const bnn_arch ssd = {.name = "ssd300", .build = bnn_build_ssd, .detections = 200};
static const struct {
    const bnn_arch *arch;
    const char *algo;
} nets[] = {{&small_faster_rcnn, "fp32"},   {&small_faster_rcnn, "bnn"},
            {&small_faster_rcnn, "xnor"},   {&small_faster_rcnn, "dorefa"},
            {&small_faster_rcnn, "bireal"}, {&small_faster_rcnn, "xnorpp"},
            {&small_faster_rcnn, "recu"},   {&small_faster_rcnn, "reactnet"},
            {&small_faster_rcnn, "fda"},    {&ssd, "bnn"}};
enum { NETS = sizeof nets / sizeof *nets };

static bnn_shape image_of(const bnn_arch *arch, int batch) {
    return arch == &ssd ? (bnn_shape){batch, 300, 300, 3} : (bnn_shape){batch, 64, 96, 3};
}

/* ---- training ---- */

typedef struct step {
    float loss;
    uint32_t sum; /* of the bits of all gradients */
} step;

static step train(int net, int threads, uint64_t number) {
    const bnn_arch *arch = nets[net].arch;
    bnn_device device;
    float *gradients;
    ck_assert(bnn_cpu_device(NULL, threads, &device, NULL));
    detector d = detector_open(arch, nets[net].algo, image_of(arch, BATCH), &device);
    step r = {.loss = detector_step(&d, number, &gradients), .sum = 2166136261u};
    for (size_t i = 0; i < d.params->value_count; i++) {
        uint32_t bits;
        memcpy(&bits, gradients + i, sizeof bits);
        r.sum = (r.sum ^ bits) * 16777619u;
    }
    for (size_t i = 0; i < d.params->count; i++) { /* what is learned, and what is not */
        const bnn_param *p = d.params->list[i];
        const char *name = p->name;
        int first = strstr(name, "backbone.conv1") || strstr(name, "backbone.layer1");
        int norm = strstr(name, ".bn") || strstr(name, "downsample.1");
        int fixed = !d.build.binarizer ? first || norm : norm && strstr(name, "shared_head");
        ck_assert_msg(!p->trainable || arch == &ssd || p->frozen == fixed, "%s", name);
    }
    free(gradients);
    detector_close(&d);
    return r;
}

START_TEST(test_training) {
    step one = train(_i, 1, 0), three = train(_i, 3, 0);
    ck_assert(isfinite(one.loss) && one.loss > 0.1f);
    ck_assert_msg(one.loss == three.loss && one.sum == three.sum,
                  "%s %s: %.9g with one thread, %.9g with three", nets[_i].arch->name,
                  nets[_i].algo, (double)one.loss, (double)three.loss);
    if (nets[_i].arch == &small_faster_rcnn) { /* other dice fall for another batch */
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
    bnn_build b = detector_build(nets[net].algo, g);
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
        detector_fill(params, bnn_binarizer_find(nets[net].algo));
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
    float *pixels = detector_pixels(image_of(nets[_i].arch, BATCH));
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
        ck_assert(nets[_i].arch == &ssd || i < values / BATCH ||
                  (d[2] <= DETECTOR_SEEN_WIDTH && d[3] <= DETECTOR_SEEN_HEIGHT));
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

/* ---- scores ---- */

/* Two images: one that fills a quarter of the input, and one that is as large. */
typedef struct scene {
    float boxes[2 * BNN_MAX_BOXES * 4], frame[8], found[2 * 100 * BNN_DETECTION];
    int32_t class[2 * BNN_MAX_BOXES], ignore[2 * BNN_MAX_BOXES];
} scene;

static void put_found(scene *s, int image, int k, const float *box, float score, int class) {
    float *to = s->found + (image * 100 + k) * BNN_DETECTION;
    memcpy(to, box, 4 * sizeof *to);
    to[4] = score;
    to[5] = (float)class;
}

static void make_scene(scene *s) {
    static const float box[3][4] = {{4, 8, 20, 30}, {30, 2, 60, 40}, {10, 10, 90, 50}};
    static const float frames[8] = {32, 48, 320, 480, 64, 96, 64, 96};
    *s = (scene){0};
    memcpy(s->frame, frames, sizeof frames);
    for (int i = 0; i < 2 * BNN_MAX_BOXES; i++) {
        s->class[i] = -1;
    }
    for (int i = 0; i < 2 * 100; i++) {
        s->found[i * BNN_DETECTION + 5] = -1.0f;
    }
    memcpy(s->boxes, box[0], sizeof box[0]);
    memcpy(s->boxes + 4 * BNN_MAX_BOXES, box[1], 2 * sizeof box[1]);
    s->class[0] = 0, s->class[BNN_MAX_BOXES] = 1, s->class[BNN_MAX_BOXES + 1] = 1;
    put_found(s, 0, 0, box[0], 0.9f, 0);
    put_found(s, 1, 0, box[1], 0.8f, 1);
    put_found(s, 1, 1, box[2], 0.7f, 1);
}

static double scored(const bnn_task *task, const scene *s, bnn_score *score, int metric) {
    static const bnn_field field[] = {{"boxes", BNN_F32, {1, 1, BNN_MAX_BOXES, 4}},
                                      {"box_class", BNN_I32, {1, 1, BNN_MAX_BOXES, 1}},
                                      {"box_ignore", BNN_I32, {1, 1, BNN_MAX_BOXES, 1}},
                                      {"frame", BNN_F32, {1, 1, 1, 4}}};
    const bnn_spec spec = {.arch = &small_faster_rcnn,
                           .task = task,
                           .height = 64,
                           .width = 96,
                           .classes = CLASSES,
                           .class_names = "one\ntwo\nthree"};
    const bnn_batch batch = {.n = 2,
                             .field_count = 4,
                             .field = field,
                             .data = {s->boxes, s->class, s->ignore, s->frame}};
    bnn_error err = {0};
    const char *name;
    double boxes;
    bnn_score_reset(score);
    CK_CODE(task->add(&spec, &batch, s->found, 1, score, &err));
    ck_assert_uint_eq(score->samples, 2);
    ck_assert(isnan(task->group(&spec, score, 2, &name, &boxes)) && boxes == 0.0);
    ck_assert(strncmp(name, "three", 5) == 0 && isnan(score->loss));
    task->group(&spec, score, 1, &name, &boxes);
    ck_assert(boxes == 2.0 - s->ignore[BNN_MAX_BOXES]);
    return task->value(&spec, score, metric);
}

START_TEST(test_score) {
    const bnn_task *const tasks[] = {&bnn_task_detect, &bnn_task_detect_coco};
    for (int t = 0; t < 2; t++) {
        const bnn_spec spec = {.task = tasks[t], .classes = CLASSES};
        bnn_error err = {0};
        bnn_score score;
        static scene s;
        ck_assert_ptr_eq(bnn_task_find(tasks[t]->name), tasks[t]);
        CK_CODE(bnn_score_create(tasks[t], &spec, 0, &score, &err));
        make_scene(&s);
        ck_assert(fabs(scored(tasks[t], &s, &score, 0) - 100.0) < 1e-6);
        ck_assert(score.list[4] == 40.0 && score.list[7] == 300.0); /* pixels of the picture */
        put_found(&s, 1, 0, s.boxes, 0.8f, 1);                      /* nowhere near */
        const double less = scored(tasks[t], &s, &score, 0);
        ck_assert_msg(less > 50.0 && less < 80.0, "%g", less);
        s.ignore[BNN_MAX_BOXES] = 1;
        ck_assert(scored(tasks[t], &s, &score, 0) > less); /* nobody misses that one */
        bnn_score_free(&score);
    }
}
END_TEST

/* A box that is there reaches over the edges of its picture, and is scored so; what is found ends
 * with the picture. */
START_TEST(test_edges) {
    static const float beyond[4] = {-8, -4, 56, 40}, within[4] = {0, 0, 56, 40};
    const bnn_spec spec = {.task = &bnn_task_detect_coco, .classes = CLASSES};
    bnn_error err = {0};
    bnn_score score;
    static scene s;
    CK_CODE(bnn_score_create(spec.task, &spec, 0, &score, &err));
    make_scene(&s);
    memcpy(s.boxes, beyond, sizeof beyond);
    put_found(&s, 0, 0, within, 0.9f, 0);
    /* AR1: found at an overlap of .5 only, of one class; of the other one of two, at all. */
    ck_assert(fabs(scored(spec.task, &s, &score, 7) - 0.5 * (10.0 + 50.0)) < 1e-6);
    bnn_listed_boxes l = bnn_boxes_listed(&score);
    const double truth[4] = {-80, -40, 560, 400}, found[4] = {0, 0, 480, 320};
    ck_assert_mem_eq(l.truth[0].box, truth, sizeof truth);
    ck_assert(l.truth[0].area == 640.0 * 440.0);
    ck_assert_mem_eq(l.found[0].box, found, sizeof found);
    free(l.truth);
    bnn_score_free(&score);
}
END_TEST

/* Of a loss of several terms each is told by its mean over the samples. */
START_TEST(test_terms) {
    const bnn_spec spec = {
        .arch = bnn_arch_find("ssd300_vgg16"), .task = &bnn_task_detect, .classes = CLASSES};
    bnn_error err = {0};
    bnn_score score;
    CK_CODE(bnn_score_create(spec.task, &spec, 1, &score, &err));
    ck_assert(score.terms == 2 && score.count == 2);
    bnn_score_add_terms(&score, (const float[]){1.0f, 4.0f}, 3);
    bnn_score_add_terms(&score, (const float[]){2.0f, 0.0f}, 1);
    score.samples = 4;
    ck_assert(bnn_score_term(&score, 0) == 1.25 && bnn_score_term(&score, 1) == 3.0);
    bnn_score_free(&score);
    CK_CODE(bnn_score_create(spec.task, &spec, 0, &score, &err));
    ck_assert_int_eq(score.terms, 0); /* an evaluation has no loss */
    bnn_score_free(&score);
}
END_TEST

/* ---- anchors ---- */

/* mmdetection's for COCO: the reference cases are of VOC. */
START_TEST(test_small_anchors) {
    static const float least[] = {21, 45, 99, 153, 207, 261}, most[] = {45, 99, 153, 207, 261, 315};
    for (int l = 0; l < BNN_SSD_LEVELS; l++) {
        const bnn_anchors a = bnn_ssd_anchors(l, 1), usual = bnn_ssd_anchors(l, 0);
        ck_assert(a.count == usual.count && a.stride == usual.stride);
        ck_assert(a.width[0] == least[l] && a.height[0] == least[l]);
        ck_assert(fabsf(a.width[1] - sqrtf(least[l] * most[l])) < 1e-4f);
        ck_assert(fabsf(a.width[2] * a.height[2] - least[l] * least[l]) < 1e-2f);
        ck_assert(usual.width[0] > a.width[0]);
    }
}
END_TEST

/* ---- what does not fit ---- */

START_TEST(test_refusals) {
    const bnn_device device = one_thread();
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(&device, params, 1);
    bnn_build b = detector_build("bnn", g);
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
    tcase_add_test(tcase, test_score);
    tcase_add_test(tcase, test_edges);
    tcase_add_test(tcase, test_terms);
    tcase_add_test(tcase, test_small_anchors);
    tcase_add_test(tcase, test_refusals);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

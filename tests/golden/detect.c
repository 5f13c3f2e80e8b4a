/* Reference cases of what a detector decides: where anchors stand, whom they belong to, how deltas
 * become boxes, which of them stay. Numbers are compared with ==, boxes to 1e-4 pixels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/nets/detector.h"
#include "tests/golden/golden.h"

enum { MOST_INPUTS = 8 };

typedef struct detect_case {
    const char *path;
    const bnn_st_file *file;
    bnn_graph *graph;
    bnn_params *params;
    bnn_t input[MOST_INPUTS];
    const void *data[MOST_INPUTS];
    void *own[MOST_INPUTS]; /* what of these is to be freed */
    int inputs, failed;
} detect_case;

static void fail(detect_case *c, const char *what, double value) {
    printf("FAIL %s: %s %.6g\n", c->path, what, value);
    c->failed = 1;
}

static const bnn_st_tensor *need(detect_case *c, const char *name) {
    static const bnn_st_tensor none;
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || (t->dtype != BNN_ST_F32 && t->dtype != BNN_ST_I32)) {
        fail(c, name, 0.0);
    }
    return t ? t : &none;
}

static bnn_t add_input(detect_case *c, const char *name, bnn_dtype dtype, bnn_shape shape,
                       const void *data, void *own) {
    int i = c->inputs++;
    c->data[i] = data;
    c->own[i] = own;
    return c->input[i] = bnn_graph_input(c->graph, name, dtype, shape);
}

/* A tensor of the file under a shape of as many values. */
static bnn_t input(detect_case *c, const char *name, bnn_shape shape) {
    const bnn_st_tensor *t = need(c, name);
    if (t->count != bnn_shape_count(shape)) {
        fail(c, name, (double)t->count);
        shape = bnn_vector((int)t->count + 1);
    }
    void *copy = malloc(4 * bnn_shape_count(shape));
    memcpy(copy, t->data, t->bytes);
    return add_input(c, name, t->dtype == BNN_ST_F32 ? BNN_F32 : BNN_I32, shape, copy, copy);
}

static int rows(detect_case *c, const char *name) {
    const bnn_st_tensor *t = need(c, name);
    return t->ndim ? (int)t->shape[0] : (int)t->count;
}

static bnn_t boxes(detect_case *c, const char *name) {
    return input(c, name, bnn_vector(4 * rows(c, name)));
}

/* A line of integers from `first` on, in steps. */
static bnn_t counted(detect_case *c, const char *name, int count, int first, int step) {
    int32_t *list = malloc(4 * (size_t)count);
    for (int i = 0; i < count; i++) {
        list[i] = first + step * i;
    }
    return add_input(c, name, BNN_I32, (bnn_shape){1, 1, count, 1}, list, list);
}

static const float *result_of(const detect_case *c, bnn_t t) {
    return bnn_f32(c->graph, t);
}

/* Runs the graph, of which `t` (and what else its node makes) is read. */
static int run(detect_case *c, bnn_t t) {
    bnn_error err = {0};
    bnn_graph_keep(c->graph, t);
    const bnn_node *node = bnn_graph_producer(c->graph, t);
    for (int k = 1; node && k < node->out_count; k++) {
        bnn_graph_keep(c->graph, node->out[k]);
    }
    if (bnn_graph_compile(c->graph, BNN_NONE, &err) != BNN_OK ||
        bnn_params_allocate(c->params, &err) != BNN_OK ||
        bnn_graph_bind(c->graph, NULL, &err) != BNN_OK) {
        fail(c, err.text, 0.0);
        return 0;
    }
    for (int i = 0; i < c->inputs; i++) {
        bnn_graph_set(c->graph, c->input[i], c->data[i]);
    }
    bnn_graph_forward(c->graph);
    return !c->failed;
}

static void compare_floats(detect_case *c, const char *name, const float *got, double tolerance) {
    const bnn_st_tensor *want = need(c, name);
    for (size_t i = 0; i < want->count; i++) {
        float w;
        memcpy(&w, (const char *)want->data + 4 * i, 4);
        if (!(fabs((double)got[i] - (double)w) <= tolerance * fmax(1.0, fabs((double)w) / 100))) {
            fail(c, name, (double)got[i] - (double)w);
            return;
        }
    }
}

static void compare_integers(detect_case *c, const char *name, const int32_t *got) {
    const bnn_st_tensor *want = need(c, name);
    if (memcmp(got, want->data, want->bytes) != 0) {
        fail(c, name, 0.0);
    }
}

/* ---- the cases ---- */

static bnn_t map_of(detect_case *c, int h, int w) {
    float *zeros = calloc((size_t)(h * w), sizeof *zeros);
    return add_input(c, "map", BNN_F32, (bnn_shape){1, h, w, 1}, zeros, zeros);
}

static bnn_t rpn_anchors(detect_case *c) {
    int h = 0, w = 0;
    sscanf(golden_text(c->file, "feature", ""), "%dx%d", &h, &w);
    bnn_anchors anchors = bnn_rpn_anchors();
    return bnn_op_anchors(c->graph, map_of(c, h, w), BNN_NONE, &anchors);
}

static void anchors(detect_case *c) {
    static const int side[BNN_SSD_LEVELS] = {38, 19, 10, 5, 3, 1};
    bnn_t all = BNN_NONE;
    if (strcmp(golden_text(c->file, "kind", ""), "ssd300") == 0) {
        bnn_t level[BNN_SSD_LEVELS];
        for (int l = 0; l < BNN_SSD_LEVELS; l++) {
            bnn_anchors a = bnn_ssd_anchors(l, 0);
            level[l] = bnn_op_anchors(c->graph, map_of(c, side[l], side[l]), BNN_NONE, &a);
        }
        all = bnn_op_concat(c->graph, BNN_SSD_LEVELS, level);
    } else {
        all = rpn_anchors(c);
    }
    if (run(c, all)) {
        compare_floats(c, "boxes", result_of(c, all), 1e-4);
    }
}

static int is_true(const detect_case *c, const char *key) {
    return strcmp(golden_text(c->file, key, ""), "True") == 0;
}

static float number(const detect_case *c, const char *key) {
    return strtof(golden_text(c->file, key, "0"), NULL);
}

static void assign(detect_case *c) {
    const bnn_matching matching = {.positive = number(c, "pos"),
                                   .negative = number(c, "neg"),
                                   .least = number(c, "min_pos"),
                                   .best = is_true(c, "low_quality"),
                                   .ties = is_true(c, "assign_all")};
    int truths = rows(c, "gt");
    bnn_t gt = input(c, "gt", (bnn_shape){1, 1, truths, 4});
    bnn_t t = bnn_op_assign(c->graph, boxes(c, "boxes"), gt, counted(c, "class", truths, 0, 0),
                            BNN_NONE, &matching);
    if (run(c, t)) {
        compare_integers(c, "assigned", bnn_i32(c->graph, t));
    }
}

static void image_size(const detect_case *c, int *h, int *w) {
    *h = *w = 0;
    sscanf(golden_text(c->file, "image", ""), "%dx%d", h, w);
}

/* All of it is seen. */
static bnn_t image_frame(detect_case *c) {
    int h, w;
    float *frame = malloc(2 * sizeof *frame);
    image_size(c, &h, &w);
    frame[0] = (float)h;
    frame[1] = (float)w;
    return add_input(c, "frame", BNN_F32, (bnn_shape){1, 1, 1, 2}, frame, frame);
}

static void box_coder(detect_case *c) {
    int n = rows(c, "gt"), h, w;
    float std[4] = {0};
    bnn_graph *g = c->graph;
    sscanf(golden_text(c->file, "stds", ""), "%f,%f,%f,%f", &std[0], &std[1], &std[2], &std[3]);
    image_size(c, &h, &w);
    bnn_t priors = boxes(c, "priors"), gt = input(c, "gt", (bnn_shape){1, 1, n, 4});
    bnn_t class = counted(c, "class", n, 0, 0), whose = counted(c, "whose", n, 1, 1);
    bnn_t encoded = bnn_op_box_targets(g, priors, whose, gt, class, std);
    bnn_t deltas = input(c, "deltas", (bnn_shape){1, 1, n, 4});
    bnn_t decoded = bnn_op_decode_boxes(g, deltas, priors, std, 0, 0, BNN_NONE);
    bnn_graph_keep(g, encoded);
    bnn_graph_keep(g, decoded);
    bnn_t clipped = bnn_op_decode_boxes(g, deltas, priors, std, h, w, BNN_NONE);
    if (run(c, clipped)) {
        compare_floats(c, "encoded", result_of(c, encoded), 1e-5);
        compare_floats(c, "decoded", result_of(c, decoded), 1e-4);
        compare_floats(c, "clipped", result_of(c, clipped), 1e-4);
    }
}

/* Detections against boxes with scores, and their classes. */
static void compare_detections(detect_case *c, bnn_t t) {
    const bnn_st_tensor *want = need(c, "dets");
    const size_t kept = (size_t)bnn_shape_of(c->graph, t).w, count = want->count / 5;
    const float *got = result_of(c, t);
    float *line = malloc(5 * kept * sizeof *line);
    int32_t *label = malloc(kept * sizeof *label);
    for (size_t i = 0; i < kept; i++) {
        memcpy(line + 5 * i, got + 6 * i, 5 * sizeof *line);
        label[i] = (int32_t)got[6 * i + 5];
    }
    if (count > kept || (count < kept && label[count] != -1)) {
        fail(c, "number of detections, not that", (double)count);
    } else {
        compare_floats(c, "dets", line, 1e-4);
        compare_integers(c, "labels", label);
    }
    free(line);
    free(label);
}

static void nms(detect_case *c) {
    const int n = rows(c, "scores"), classes = (int)need(c, "scores")->count / n;
    const bnn_st_tensor *box = need(c, "boxes");
    const size_t keep = (size_t)golden_integer(c->file, "max_per_img", n);
    const bnn_nms_attr attr = {.nms = {.most = (size_t)(n * classes),
                                       .keep = keep,
                                       .score = number(c, "score_threshold"),
                                       .overlap = number(c, "iou_threshold")}};
    bnn_t score = input(c, "scores", (bnn_shape){1, 1, n, classes});
    bnn_t t = bnn_op_nms(c->graph, score,
                         input(c, "boxes", (bnn_shape){1, 1, n, (int)box->count / n}), &attr);
    if (!run(c, t)) {
        return;
    }
    const char *name = bnn_st_find(c->file, "keep") ? "keep" : "index";
    const int32_t *index = bnn_i32(c->graph, bnn_graph_producer(c->graph, t)->out[1]);
    size_t count = need(c, name)->count;
    compare_integers(c, name, index);
    if (count < keep && index[count] != -1) {
        fail(c, "more than it keeps:", (double)index[count]);
    }
    if (bnn_st_find(c->file, "dets")) {
        compare_detections(c, t);
    }
}

static void rpn_proposals(detect_case *c) {
    int n = rows(c, "logits");
    bnn_t score = input(c, "logits", (bnn_shape){1, 1, n, 1});
    bnn_t deltas = input(c, "deltas", (bnn_shape){1, 1, n, 4});
    size_t keep = (size_t)golden_integer(c->file, "max_per_img", 0);
    bnn_t t = bnn_rpn_proposals(c->graph, score, deltas, rpn_anchors(c), image_frame(c),
                                (size_t)golden_integer(c->file, "nms_pre", 0), keep);
    if (!run(c, t)) {
        return;
    }
    const int32_t *index = bnn_i32(c->graph, bnn_graph_producer(c->graph, t)->out[1]);
    const float *logits = result_of(c, score), *roi = result_of(c, t);
    float *box = malloc(4 * keep * sizeof *box), *p = malloc(keep * sizeof *p);
    for (size_t i = 0; i < keep; i++) {
        memcpy(box + 4 * i, roi + 5 * i + 1, 4 * sizeof *box);
        p[i] = roi[5 * i] == 0.0f ? 1.0f / (1.0f + expf(-logits[index[i]])) : -1.0f;
    }
    compare_floats(c, "boxes", box, 1e-4);
    compare_floats(c, "scores", p, 1e-6);
    free(box);
    free(p);
}

static void ssd_detect(detect_case *c) {
    int n = rows(c, "logits"), h, w;
    const bnn_st_tensor *levels = need(c, "levels");
    size_t level[BNN_LEVELS_MOST] = {0};
    image_size(c, &h, &w);
    for (size_t i = 0; i < levels->count && i < BNN_LEVELS_MOST; i++) {
        int32_t count;
        memcpy(&count, (const char *)levels->data + 4 * i, sizeof count);
        level[i] = (size_t)count;
    }
    bnn_shape s = {1, 1, n, golden_integer(c->file, "classes", 0) + 1};
    bnn_t logits = input(c, "logits", s), deltas = input(c, "deltas", (bnn_shape){1, 1, n, 4});
    bnn_t t = bnn_ssd_detections(c->graph, logits, deltas, boxes(c, "priors"), level,
                                 (size_t)golden_integer(c->file, "nms_pre", 0), h, w);
    if (run(c, t)) {
        compare_detections(c, t);
    }
}

static void rcnn_detect(detect_case *c) {
    int n = rows(c, "rois"), classes = golden_integer(c->file, "classes", 0);
    const bnn_st_tensor *from = need(c, "rois");
    float *rois = calloc(5 * (size_t)n, sizeof *rois);
    for (size_t i = 0; i < (size_t)n; i++) {
        memcpy(rois + 5 * i + 1, (const char *)from->data + 16 * i, 16);
    }
    bnn_t logits = input(c, "logits", (bnn_shape){1, 1, n, classes + 1});
    bnn_t deltas = input(c, "deltas", (bnn_shape){1, 1, n, 4 * classes});
    bnn_t t = add_input(c, "rois", BNN_F32, (bnn_shape){1, 1, n, 5}, rois, rois);
    t = bnn_rcnn_detections(c->graph, logits, deltas, t, image_frame(c));
    if (run(c, t)) {
        compare_detections(c, t);
    }
}

golden_result golden_detect(const char *path, const bnn_st_file *file, const bnn_device *device) {
    static const struct {
        const char *name;
        void (*run)(detect_case *c);
    } ops[] = {
        {"anchors", anchors},       {"assign", assign},
        {"box_coder", box_coder},   {"nms", nms},
        {"multiclass_nms", nms},    {"rpn_proposals", rpn_proposals},
        {"ssd_detect", ssd_detect}, {"rcnn_detect", rcnn_detect},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, golden_text(file, "op", "")) != 0) {
            continue;
        }
        detect_case c = {.path = path, .file = file, .params = bnn_params_create()};
        c.graph = bnn_graph_create(device, c.params, 0);
        ops[i].run(&c);
        bnn_graph_free(c.graph);
        bnn_params_free(c.params);
        for (int k = 0; k < c.inputs; k++) {
            free(c.own[k]);
        }
        return c.failed ? GOLDEN_FAILED : GOLDEN_PASSED;
    }
    return GOLDEN_SKIPPED;
}

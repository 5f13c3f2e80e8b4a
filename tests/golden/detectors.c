/* Reference cases of detectors: what they say, in training and folded for evaluation, the terms of
 * their losses, and the gradients of the sum. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/binarizers/binarizer.h"
#include "layers/fold/fold.h"
#include "models/nets/arch.h"
#include "models/nets/detector.h"
#include "tests/golden/golden.h"
#include "tests/golden/seeded.h"

enum { MOST_TRUTHS = 8, MOST_IMAGES = 2, MOST_ROWS = 64 };

typedef struct net_case {
    const char *path;
    const bnn_st_file *file;
    const bnn_device *device;
    bnn_arch arch;
    int classes, truths;
    bnn_shape image; /* all of them */
    bnn_params *params;
    float *pixels;
    float box[MOST_IMAGES * MOST_TRUTHS * 4];
    int32_t class[MOST_IMAGES * MOST_TRUTHS], ignore[MOST_IMAGES * MOST_TRUTHS];
    float rois[MOST_IMAGES * MOST_ROWS * 5]; /* those of two stages look at */
    int proposals;                           /* of an image */
    int failed;
} net_case;

/* A graph of it. */
typedef struct built {
    bnn_build build;
    bnn_output output;
    bnn_t image, target[3], rois;
} built;

static void fail(net_case *c, const char *tensor, const char *what, double value) {
    printf("FAIL %s: %s: %s %.3g\n", c->path, tensor, what, value);
    c->failed = 1;
}

static const bnn_st_tensor *need(net_case *c, const char *name, bnn_st_dtype dtype, size_t most) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != dtype || t->count > most) {
        fail(c, name, "missing", 0.0);
        return NULL;
    }
    return t;
}

/* ---- comparing ---- */

static void compare(net_case *c, const char *name, const float *got) {
    const bnn_st_tensor *want = need(c, name, BNN_ST_F32, SIZE_MAX);
    double error = want ? golden_relative_max(want, got) : 0.0;
    if (!(error <= golden_tolerance(c->file, name, 1e-5))) {
        fail(c, name, "relative error", error);
    }
}

static void compare_norms(net_case *c, const char *name, const float *x, size_t count,
                          double tolerance, double floor) {
    const bnn_st_tensor *want = need(c, name, BNN_ST_F32, 2);
    if (!want || want->count != 2) {
        return;
    }
    double error = golden_norm_error(want, x, count, floor);
    if (!(error <= tolerance)) {
        fail(c, name, "relative error", error);
    }
}

/* Those of tensors that stay as they are do not exist. In front of batch norms what is far below
 * the largest is rounding noise. */
static void compare_gradients(net_case *c, int noise) {
    double floor = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < c->params->count; i++) {
            const bnn_param *p = c->params->list[i];
            char name[280];
            snprintf(name, sizeof name, "gradnorm.%s", p->name);
            int learned = p->trainable && !p->frozen;
            if (!learned && bnn_st_find(c->file, name)) {
                fail(c, name, "has no gradient here", 0.0);
            }
            const float *gradient = learned ? bnn_param_grad(c->params, p) : NULL;
            if (gradient && pass == 0 && noise) {
                floor = fmax(floor, 1e-4 * golden_norm(gradient, p->count));
            } else if (gradient && pass == 1) {
                compare_norms(c, name, gradient, p->count, golden_tolerance(c->file, name, 1e-3),
                              floor);
            }
        }
    }
}

static void compare_losses(net_case *c, const bnn_graph *g, bnn_t sum, const bnn_output *output) {
    float losses[1 + BNN_MAX_TERMS] = {*bnn_f32(g, sum)};
    for (int i = 0; i < output->terms; i++) {
        losses[1 + i] = *bnn_f32(g, output->term[i]);
    }
    const bnn_st_tensor *want = need(c, "losses", BNN_ST_F32, 1 + BNN_MAX_TERMS);
    for (size_t i = 0; want && i < want->count; i++) {
        float w;
        memcpy(&w, (const char *)want->data + 4 * i, 4);
        double error = fabs((double)losses[i] - (double)w) / fabs((double)w);
        if (!(error <= golden_tolerance(c->file, "losses0", 1e-5))) {
            fail(c, "losses", "relative error", error);
        }
    }
}

/* ---- what there is to see, and to find ---- */

static void read_truths(net_case *c, int image, const char *box, const char *label) {
    const bnn_st_tensor *boxes = need(c, box, BNN_ST_F32, 4 * MOST_TRUTHS);
    const bnn_st_tensor *labels = need(c, label, BNN_ST_I32, MOST_TRUTHS);
    int first = image * MOST_TRUTHS;
    for (int i = first; i < first + MOST_TRUTHS; i++) {
        c->class[i] = -1;
    }
    if (boxes && labels) {
        memcpy(c->box + 4 * first, boxes->data, boxes->bytes);
        memcpy(c->class + first, labels->data, labels->bytes);
    }
}

static int start(net_case *c) {
    int channels;
    if (sscanf(golden_text(c->file, "input", ""), "%dx%dx%dx%d", &c->image.n, &channels,
               &c->image.h, &c->image.w) != 4 ||
        c->image.n > MOST_IMAGES) {
        fail(c, "input", "unknown", 0.0);
        return 0;
    }
    c->image.c = channels;
    c->classes = golden_integer(c->file, "classes", 0);
    c->params = bnn_params_create();
    size_t count = bnn_shape_count(c->image), space = (size_t)(c->image.h * c->image.w);
    const char *name = golden_text(c->file, "input_name", "input");
    c->pixels = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++) { /* [N,C,H,W] there */
        size_t n = i / (space * (size_t)channels), k = i / space % (size_t)channels;
        c->pixels[(n * space + i % space) * (size_t)channels + k] =
            (float)(2.0 * golden_unit(name, i));
    }
    return 1;
}

static built build(net_case *c, int training) {
    built r = {.build = {.graph = bnn_graph_create(c->device, c->params, training),
                         .binarizer = bnn_binarizer_find(golden_text(c->file, "algorithm", "")),
                         .without_dice = 1}};
    bnn_graph *g = r.build.graph;
    bnn_shape truths = {c->image.n, 1, MOST_TRUTHS, 1}, boxes = truths;
    boxes.c = 4;
    r.image = bnn_graph_input(g, "image", BNN_F32, c->image);
    r.target[0] = bnn_graph_input(g, "boxes", BNN_F32, boxes);
    r.target[1] = bnn_graph_input(g, "box_class", BNN_I32, truths);
    r.target[2] = bnn_graph_input(g, "box_ignore", BNN_I32, truths);
    r.rois = c->proposals
                 ? bnn_graph_input(g, "rois", BNN_F32, (bnn_shape){c->image.n, 1, c->proposals, 5})
                 : BNN_NONE;
    r.output = c->arch.build(&r.build, &c->arch, &r.image, c->classes);
    if (c->proposals) {
        r.output.part[BNN_PART_ROIS] = r.rois;
    }
    return r;
}

static void set_inputs(const net_case *c, const built *r) {
    bnn_graph *g = r->build.graph;
    bnn_graph_set(g, r->image, c->pixels);
    bnn_graph_set(g, r->target[0], c->box);
    bnn_graph_set(g, r->target[1], c->class);
    bnn_graph_set(g, r->target[2], c->ignore);
    if (c->proposals) {
        bnn_graph_set(g, r->rois, c->rois);
    }
}

/* Forward and backward; `look` compares what the network says. */
static void train(net_case *c, void (*look)(net_case *c, const built *r), int noise) {
    built r = build(c, 1);
    bnn_graph *g = r.build.graph;
    bnn_error err = {0};
    r.output.losses(&r.build, &r.output, r.target);
    for (int i = 0; i < r.output.terms; i++) {
        bnn_graph_keep(g, r.output.term[i]);
    }
    for (int i = 0; i < BNN_MAX_PARTS; i++) {
        bnn_graph_keep(g, r.output.part[i]);
    }
    const float ones[BNN_MAX_TERMS] = {1.0f, 1.0f, 1.0f, 1.0f};
    bnn_t sum = bnn_op_weighted_sum(g, r.output.terms, r.output.term, ones);
    bnn_graph_keep(g, sum);
    if (bnn_graph_compile(g, sum, &err) != BNN_OK ||
        bnn_params_allocate(c->params, &err) != BNN_OK || bnn_graph_bind(g, NULL, &err) != BNN_OK) {
        fail(c, "building", err.text, 0.0);
    } else {
        bnn_params_initialize(c->params, 0);
        golden_fill(c->params, "");
        set_inputs(c, &r);
        bnn_graph_forward(g);
        look(c, &r);
        compare_losses(c, g, sum, &r.output);
        bnn_graph_backward(g);
        compare_gradients(c, noise);
    }
    bnn_graph_free(g);
}

static golden_result finish(net_case *c) {
    bnn_params_free(c->params);
    free(c->pixels);
    return c->failed ? GOLDEN_FAILED : GOLDEN_PASSED;
}

/* ---- SSD ---- */

static void look_at_rows(net_case *c, const char *name, const bnn_graph *g, bnn_t t) {
    char norm[64];
    bnn_shape s = bnn_shape_of(g, t);
    size_t columns = (size_t)s.c, step = (size_t)golden_integer(c->file, "prior_step", 1), n = 0;
    float *some = malloc(bnn_shape_count(s) * sizeof *some);
    for (size_t row = 0; row < (size_t)s.w; row += step, n += columns) {
        memcpy(some + n, bnn_f32(g, t) + row * columns, columns * sizeof *some);
    }
    compare(c, name, some);
    snprintf(norm, sizeof norm, "%s.norm", name);
    compare_norms(c, norm, bnn_f32(g, t), bnn_shape_count(s), golden_tolerance(c->file, name, 1e-5),
                  0.0);
    free(some);
}

static void look_at_ssd(net_case *c, const built *r) {
    look_at_rows(c, "train.cls", r->build.graph, r->output.part[BNN_PART_LOGITS]);
    look_at_rows(c, "train.box", r->build.graph, r->output.part[BNN_PART_DELTAS]);
}

golden_result golden_ssd(const char *path, const bnn_st_file *file, const bnn_device *device) {
    net_case c = {.path = path,
                  .file = file,
                  .device = device,
                  .arch = {.name = "ssd300", .build = bnn_build_ssd, .without_batch_norm = 1}};
    if (start(&c)) {
        read_truths(&c, 0, "gt.box", "gt.label");
        train(&c, look_at_ssd, 0);
    }
    return finish(&c);
}

/* ---- Faster R-CNN ---- */

static void look_at_training(net_case *c, const built *r) {
    const bnn_graph *g = r->build.graph;
    compare(c, "train.rpn.cls", bnn_f32(g, r->output.part[BNN_PART_LOGITS]));
    compare(c, "train.rpn.box", bnn_f32(g, r->output.part[BNN_PART_DELTAS]));
    compare(c, "train.cls", bnn_f32(g, r->output.part[BNN_PART_ROI_LOGITS]));
    compare(c, "train.box", bnn_f32(g, r->output.part[BNN_PART_ROI_DELTAS]));
}

/* The second stage looks at what it learned from. */
static void evaluate(net_case *c, int thresholds) {
    static const char *const names[] = {"eval.rpn.cls", "eval.rpn.box", "eval.cls", "eval.box"};
    built r = build(c, 0);
    bnn_fold *fold = NULL;
    bnn_error err = {0};
    bnn_t *part = r.output.part,
          logits = bnn_faster_rcnn_head(&r.build, &c->arch, part[BNN_PART_MAP], r.rois, c->classes,
                                        &part[BNN_PART_ROI_DELTAS]);
    const bnn_t in[] = {r.image, r.rois};
    const bnn_t out[] = {part[BNN_PART_LOGITS], part[BNN_PART_DELTAS], logits,
                         part[BNN_PART_ROI_DELTAS]};
    if (bnn_fold_create(r.build.graph, 2, in, 4, out, thresholds, &fold, &err) != BNN_OK ||
        bnn_graph_bind(bnn_fold_graph(fold), NULL, &err) != BNN_OK ||
        bnn_fold_evaluate(fold, &err) != BNN_OK) {
        fail(c, "folding", err.text, 0.0);
    } else {
        const bnn_inference *network = bnn_fold_result(fold);
        bnn_graph_set(network->graph, network->inputs[0], c->pixels);
        bnn_graph_set(network->graph, network->inputs[1], c->rois);
        bnn_graph_forward(network->graph);
        for (int i = 0; i < 4; i++) {
            compare(c, names[i], bnn_f32(network->graph, network->outputs[i]));
        }
    }
    bnn_fold_free(fold);
    bnn_graph_free(r.build.graph);
}

static void read_proposals(net_case *c) {
    for (int n = 0; n < c->image.n; n++) {
        char name[3][32];
        snprintf(name[0], sizeof name[0], "gt%d.box", n);
        snprintf(name[1], sizeof name[1], "gt%d.label", n);
        snprintf(name[2], sizeof name[2], "proposals%d", n);
        read_truths(c, n, name[0], name[1]);
        const bnn_st_tensor *t = need(c, name[2], BNN_ST_F32, 4 * MOST_ROWS);
        c->proposals = t ? (int)t->count / 4 : 1;
        for (int i = 0; t && i < c->proposals; i++) {
            float *roi = c->rois + 5 * (n * c->proposals + i);
            roi[0] = (float)n;
            memcpy(roi + 1, (const char *)t->data + 16 * i, 16);
        }
    }
}

golden_result golden_faster_rcnn(const char *path, const bnn_st_file *file,
                                 const bnn_device *device) {
    net_case c = {.path = path, .file = file, .device = device, .arch = *bnn_arch_find("resnet18")};
    c.arch.name = "faster_rcnn";
    c.arch.build = bnn_build_faster_rcnn;
    c.arch.rpn_samples = golden_integer(file, "rpn_samples", 0);
    c.arch.roi_samples = golden_integer(file, "roi_samples", 0);
    for (int i = 0; i < 4; i++) {
        c.arch.proposals[i / 2][i % 2] = 50;
    }
    if (start(&c)) {
        read_proposals(&c);
        train(&c, look_at_training, 1);
        /* What it learned from, as it is written down. */
        const bnn_st_tensor *rois = need(&c, "rois", BNN_ST_F32, sizeof c.rois / 4);
        if (rois) {
            memcpy(c.rois, rois->data, rois->bytes);
            c.proposals = (int)(rois->count / 5) / c.image.n;
            golden_fill(c.params, ""); /* training moved running statistics */
            evaluate(&c, 0);
            evaluate(&c, 1);
        }
    }
    return finish(&c);
}

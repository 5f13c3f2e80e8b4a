/* Faster R-CNN (Ren et al., NIPS 2015) on three stages of ResNet-18, the fourth of which looks at
 * each region (mmdetection's C4): a first stage proposes boxes of anything, a second says what each
 * is. As BiBench binarizes it, the stages of the backbone are binary. Where batches are too small
 * for statistics, batch norms are fixed, as they come from a classifier: those of the second stage,
 * and in the float twin all, whose first layers stay as they are. It trains as one graph: what
 * is proposed, and sampled of it, has a fixed number of rows, of which some are none. */
#include <math.h>
#include <stdio.h>

#include "engine/base/rng.h"
#include "models/nets/arch.h"
#include "models/nets/detector.h"
#include "models/nets/resnet.h"

enum { REGION = 14, SHARED_STAGE = 3 };

/* Rows of which there cannot be as many are not made. */
static int at_most(int rows, int there) {
    return rows < there ? rows : there;
}

static bnn_t backbone(const bnn_build *b, const bnn_arch *arch, bnn_t x) {
    bnn_build own = *b, first = *b;
    own.fixed_batch_norm = first.fixed_batch_norm = b->binarizer == NULL;
    first.frozen |= b->binarizer == NULL;
    x = bnn_resnet_stem(&first, "backbone.", x, arch->width, 0);
    for (int stage = 0; stage < SHARED_STAGE; stage++) {
        x = bnn_resnet_stage(stage ? &own : &first, "backbone.", x, stage, arch->blocks[stage],
                             arch->width);
    }
    return x;
}

static bnn_t small_conv(const bnn_build *b, const char *name, bnn_t x, int out, int kernel) {
    bnn_conv_layer conv = {.out = out,
                           .kernel = kernel,
                           .stride = 1,
                           .pad = kernel / 2,
                           .bias = 1,
                           .full_precision = 1,
                           .init_std = 0.01f};
    return bnn_conv2d(b, name, x, &conv);
}

/* [N,h,w,count * columns] to a row an anchor. */
static bnn_t by_anchor(bnn_graph *g, bnn_t x, int columns) {
    bnn_shape s = bnn_shape_of(g, x);
    return bnn_op_reshape(g, x, (bnn_shape){s.n, 1, s.h * s.w * (s.c / columns), columns});
}

static void propose(const bnn_build *b, const bnn_arch *arch, bnn_output *output) {
    bnn_graph *g = b->graph;
    const bnn_anchors anchors = bnn_rpn_anchors();
    const int training = bnn_graph_training(g);
    const size_t *proposals = arch->proposals[!training];
    bnn_t *part = output->part;
    bnn_t x = small_conv(b, "rpn_head.rpn_conv", part[BNN_PART_MAP],
                         bnn_shape_of(g, part[BNN_PART_MAP]).c, 3);
    x = bnn_op_clamp(g, x, 0.0f, INFINITY);
    part[BNN_PART_ANCHORS] = bnn_op_anchors(g, part[BNN_PART_MAP], part[BNN_PART_FRAME], &anchors);
    part[BNN_PART_LOGITS] = by_anchor(g, small_conv(b, "rpn_head.rpn_cls", x, anchors.count, 1), 1);
    part[BNN_PART_DELTAS] =
        by_anchor(g, small_conv(b, "rpn_head.rpn_reg", x, 4 * anchors.count, 1), 4);
    const int keep = at_most((int)proposals[1], bnn_shape_of(g, part[BNN_PART_LOGITS]).w);
    part[BNN_PART_ROIS] =
        bnn_rpn_proposals(g, part[BNN_PART_LOGITS], part[BNN_PART_DELTAS], part[BNN_PART_ANCHORS],
                          part[BNN_PART_FRAME], proposals[0], (size_t)keep);
}

bnn_t bnn_faster_rcnn_head(const bnn_build *b, const bnn_arch *arch, bnn_t map, bnn_t rois,
                           int classes, bnn_t *deltas) {
    bnn_graph *g = b->graph;
    bnn_build own = *b;
    own.binarizer = NULL;
    own.fixed_batch_norm = 1;
    bnn_shape s = bnn_shape_of(g, rois);
    bnn_linear_layer cls = {.out = classes + 1, .full_precision = 1, .init_std = 0.01f};
    bnn_linear_layer reg = {.out = 4 * classes, .full_precision = 1, .init_std = 0.001f};
    bnn_t x = bnn_op_roi_align(g, map, rois, REGION, 1.0f / BNN_RCNN_STRIDE);
    x = bnn_resnet_stage(&own, "roi_head.shared_head.", x, SHARED_STAGE, arch->blocks[SHARED_STAGE],
                         arch->width);
    x = bnn_op_global_avg_pool(g, x);
    bnn_t logits = bnn_linear(&own, "roi_head.bbox_head.fc_cls", x, &cls);
    *deltas = bnn_linear(&own, "roi_head.bbox_head.fc_reg", x, &reg);
    *deltas = bnn_op_reshape(g, *deltas, (bnn_shape){s.n, 1, s.w, 4 * classes});
    return bnn_op_reshape(g, logits, (bnn_shape){s.n, 1, s.w, classes + 1});
}

static void first_losses(const bnn_build *b, bnn_output *output, const bnn_t target[3]) {
    static const bnn_matching matching = {
        .positive = 0.7f, .negative = 0.3f, .least = 0.3f, .best = 1, .ties = 1};
    bnn_graph *g = b->graph;
    const bnn_t *part = output->part, anchors = part[BNN_PART_ANCHORS];
    const int count = output->arch->rpn_samples;
    const bnn_sampling sampling = {
        .count = count, .positives = count / 2, .dice = !b->without_dice};
    bnn_t whose = bnn_op_assign(g, anchors, target[0], target[1], target[2], &matching);
    whose = bnn_op_sample(g, whose, &sampling, bnn_hash_name("rpn_head"));
    bnn_t label = bnn_op_box_labels(g, whose, BNN_NONE, BNN_NONE, 1);
    bnn_t wanted = bnn_op_box_targets(g, anchors, whose, target[0], target[1], bnn_rpn_std);
    bnn_t divisor = bnn_op_box_count(g, label, 1, BNN_COUNT_BOTH);
    output->term[output->terms++] = bnn_op_objectness(g, part[BNN_PART_LOGITS], label, divisor);
    output->term[output->terms++] =
        bnn_op_smooth_l1(g, part[BNN_PART_DELTAS], wanted, label, divisor, 1, 0.0f);
}

static void second_losses(const bnn_build *b, bnn_output *output, const bnn_t target[3]) {
    static const bnn_matching matching = {.positive = 0.5f, .negative = 0.5f};
    bnn_graph *g = b->graph;
    bnn_t *part = output->part, whose;
    const int samples = output->arch->roi_samples, background = output->classes;
    const int there = bnn_shape_of(g, part[BNN_PART_ROIS]).w + bnn_shape_of(g, target[0]).w;
    const int count = at_most(samples, there);
    const bnn_sampling sampling = {
        .count = count, .positives = at_most(samples / 4, count), .dice = !b->without_dice};
    bnn_t rois = bnn_op_sample_rois(g, part[BNN_PART_ROIS], target[0], target[1], target[2],
                                    &matching, &sampling, bnn_hash_name("roi_head"), &whose);
    bnn_t label = bnn_op_box_labels(g, whose, target[0], target[1], background);
    bnn_t wanted = bnn_op_box_targets(g, rois, whose, target[0], target[1], bnn_box_std);
    bnn_t divisor = bnn_op_box_count(g, label, background, BNN_COUNT_ALL);
    part[BNN_PART_ROI_LOGITS] = bnn_faster_rcnn_head(b, output->arch, part[BNN_PART_MAP], rois,
                                                     background, &part[BNN_PART_ROI_DELTAS]);
    output->term[output->terms++] =
        bnn_op_cross_entropy_over(g, part[BNN_PART_ROI_LOGITS], label, divisor);
    output->term[output->terms++] =
        bnn_op_smooth_l1(g, part[BNN_PART_ROI_DELTAS], wanted, label, divisor, background, 0.0f);
}

static void losses(const bnn_build *b, bnn_output *output, const bnn_t target[3]) {
    first_losses(b, output, target);
    second_losses(b, output, target);
}

bnn_output bnn_build_faster_rcnn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                 int classes) {
    bnn_graph *g = b->graph;
    bnn_output output = {.main = BNN_NONE, .arch = arch, .classes = classes};
    output.part[BNN_PART_FRAME] = bnn_op_frame(g, in[0]);
    output.part[BNN_PART_MAP] = backbone(b, arch, in[0]);
    propose(b, arch, &output);
    if (bnn_graph_training(g)) {
        output.losses = losses;
        return output;
    }
    bnn_t deltas, rois = output.part[BNN_PART_ROIS];
    bnn_t logits = bnn_faster_rcnn_head(b, arch, output.part[BNN_PART_MAP], rois, classes, &deltas);
    output.main = bnn_rcnn_detections(g, logits, deltas, rois, output.part[BNN_PART_FRAME]);
    return output;
}

/* SSD300 on VGG-16 (Liu et al., ECCV 2016), as mmdetection builds it and BiBench binarizes it: of
 * VGG all convolutions but the first are binary; what is behind it stays float. As it was published
 * VGG has no batch norms, which binary convolutions can hardly do without. */
#include <math.h>
#include <stdio.h>

#include "models/nets/arch.h"
#include "models/nets/detector.h"

enum { SIDE = 300, STAGES = 5 };

static bnn_t relu(const bnn_build *b, bnn_t x) {
    return bnn_op_clamp(b->graph, x, 0.0f, INFINITY);
}

/* A layer's number in PyTorch's list, in which activations and pooling count. */
static void feature_name(char *name, size_t room, int number) {
    snprintf(name, room, "backbone.features.%d", number);
}

/* A convolution of VGG, with what is behind it. */
static bnn_t vgg_layer(const bnn_build *b, const bnn_arch *arch, bnn_t x, int out, int *number) {
    char name[64];
    bnn_conv_layer conv = {.out = out,
                           .kernel = 3,
                           .stride = 1,
                           .pad = 1,
                           .bias = arch->without_batch_norm,
                           .full_precision = *number == 0};
    feature_name(name, sizeof name, (*number)++);
    x = bnn_conv2d(b, name, x, &conv);
    if (!arch->without_batch_norm) {
        feature_name(name, sizeof name, (*number)++);
        x = bnn_batch_norm(b, name, x, 1.0f);
    }
    (*number)++;
    return bnn_activation(b, x);
}

/* The fully connected layers of VGG, as convolutions: one of them sees holes. */
static bnn_t full_layer(const bnn_build *b, bnn_t x, int kernel, int dilation, int *number) {
    char name[64];
    bnn_conv_layer conv = {.out = 1024,
                           .kernel = kernel,
                           .stride = 1,
                           .pad = kernel / 2 * dilation,
                           .dilation = dilation,
                           .bias = 1,
                           .full_precision = 1,
                           .xavier = 1};
    feature_name(name, sizeof name, *number);
    *number += 2;
    return relu(b, bnn_conv2d(b, name, x, &conv));
}

/* map[0], map[1]: what is seen of VGG. */
static void backbone(const bnn_build *b, const bnn_arch *arch, bnn_t x, bnn_t map[2]) {
    static const int convs[STAGES] = {2, 2, 3, 3, 3}, widths[STAGES] = {64, 128, 256, 512, 512};
    int number = 0;
    map[0] = BNN_NONE;
    for (int stage = 0; stage < STAGES; stage++) {
        const int last = stage == STAGES - 1;
        for (int i = 0; i < convs[stage]; i++) {
            x = vgg_layer(b, arch, x, widths[stage], &number);
        }
        map[0] = stage == 3 ? x : map[0];
        x = last ? bnn_op_max_pool(b->graph, x, 3, 1, 1, 0)
                 : bnn_op_max_pool(b->graph, x, 2, 2, 0, 1);
        number++;
    }
    x = full_layer(b, x, 3, 6, &number);
    map[1] = full_layer(b, x, 1, 1, &number);
}

/* From one level to the next: narrow, then with fewer pixels. */
static bnn_t extra(const bnn_build *b, bnn_t x, int level, int out, int stride) {
    char name[64];
    bnn_conv_layer conv = {
        .out = out / 2, .kernel = 1, .stride = 1, .bias = 1, .full_precision = 1, .xavier = 1};
    snprintf(name, sizeof name, "neck.extra_layers.%d.0.conv", level);
    x = relu(b, bnn_conv2d(b, name, x, &conv));
    conv.out = out;
    conv.kernel = 3;
    conv.stride = stride;
    conv.pad = stride == 2;
    snprintf(name, sizeof name, "neck.extra_layers.%d.1.conv", level);
    return relu(b, bnn_conv2d(b, name, x, &conv));
}

/* What is said of each anchor of a level, in one row: `kind` "cls" or "reg". */
static bnn_t say(const bnn_build *b, const char *kind, int level, bnn_t x, int out) {
    char name[64];
    bnn_conv_layer conv = {.out = out,
                           .kernel = 3,
                           .stride = 1,
                           .pad = 1,
                           .bias = 1,
                           .full_precision = 1,
                           .xavier = 1};
    snprintf(name, sizeof name, "bbox_head.%s_convs.%d.0", kind, level);
    x = bnn_conv2d(b, name, x, &conv);
    bnn_shape s = bnn_shape_of(b->graph, x);
    return bnn_op_reshape(b->graph, x, (bnn_shape){s.n, 1, 1, s.h * s.w * s.c});
}

static void losses(const bnn_build *b, bnn_output *output, const bnn_t target[3]) {
    static const bnn_matching matching = {.positive = 0.5f, .negative = 0.5f, .best = 1};
    enum { HARD = 3 };
    bnn_graph *g = b->graph;
    const bnn_t logits = output->part[BNN_PART_LOGITS], anchors = output->part[BNN_PART_ANCHORS];
    const int background = output->classes;
    bnn_t whose = bnn_op_assign(g, anchors, target[0], target[1], target[2], &matching);
    bnn_t label = bnn_op_box_labels(g, whose, target[0], target[1], background);
    bnn_t wanted = bnn_op_box_targets(g, anchors, whose, target[0], target[1], bnn_box_std);
    bnn_t count = bnn_op_box_count(g, label, background, BNN_COUNT_POSITIVE);
    bnn_t hard = bnn_op_hard_negatives(g, logits, label, HARD);
    output->term[output->terms++] = bnn_op_cross_entropy_over(g, logits, hard, count);
    output->term[output->terms++] =
        bnn_op_smooth_l1(g, output->part[BNN_PART_DELTAS], wanted, label, count, background, 1.0f);
}

/* The rows of all levels, one behind the other: [N,1,P,columns]. */
static bnn_t all_levels(bnn_graph *g, const bnn_t *level, int n, int columns) {
    bnn_t all = bnn_op_concat(g, BNN_SSD_LEVELS, level);
    int rows = bnn_shape_of(g, all).c / columns;
    return bnn_op_reshape(g, all, (bnn_shape){n, 1, rows, columns});
}

bnn_output bnn_build_ssd(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int classes) {
    static const int width[BNN_SSD_LEVELS] = {512, 1024, 512, 256, 256, 256};
    bnn_graph *g = b->graph;
    bnn_shape s = bnn_shape_of(g, in[0]);
    bnn_output output = {.main = BNN_NONE, .arch = arch, .classes = classes};
    bnn_t map[BNN_SSD_LEVELS], logits[BNN_SSD_LEVELS], deltas[BNN_SSD_LEVELS];
    bnn_t anchors[BNN_SSD_LEVELS];
    size_t rows[BNN_LEVELS_MOST] = {0};
    if (in[0] < 0 || s.h != SIDE || s.w != SIDE) {
        bnn_graph_fail(g, BNN_ERR_SHAPE, "%s, of %dx%d pixels, does not fit an image of %dx%d",
                       arch->name, SIDE, SIDE, s.h, s.w);
        return output;
    }
    backbone(b, arch, in[0], map);
    for (int l = 2; l < BNN_SSD_LEVELS; l++) {
        map[l] = extra(b, map[l - 1], l - 2, width[l], l < 4 ? 2 : 1);
    }
    map[0] = bnn_l2_norm(b, "neck.l2_norm", map[0], 20.0f);
    for (int l = 0; l < BNN_SSD_LEVELS; l++) {
        const bnn_anchors of_level = bnn_ssd_anchors(l, b->small_boxes);
        anchors[l] = bnn_op_anchors(g, map[l], BNN_NONE, &of_level);
        logits[l] = say(b, "cls", l, map[l], of_level.count * (classes + 1));
        deltas[l] = say(b, "reg", l, map[l], of_level.count * 4);
        rows[l] = bnn_shape_count(bnn_shape_of(g, anchors[l])) / 4;
    }
    output.part[BNN_PART_LOGITS] = all_levels(g, logits, s.n, classes + 1);
    output.part[BNN_PART_DELTAS] = all_levels(g, deltas, s.n, 4);
    output.part[BNN_PART_ANCHORS] = bnn_op_concat(g, BNN_SSD_LEVELS, anchors);
    if (bnn_graph_training(g)) {
        output.losses = losses;
    } else {
        output.main =
            bnn_ssd_detections(g, output.part[BNN_PART_LOGITS], output.part[BNN_PART_DELTAS],
                               output.part[BNN_PART_ANCHORS], rows, 1000, SIDE, SIDE);
    }
    return output;
}

/* PointNet (Qi et al., CVPR 2017) for classification and part segmentation, as BiBench and
 * BiPointNet (Qin et al., ICLR 2021) binarize it: the first convolution of each branch that sees
 * raw points and the last layer stay float. A cloud is [N,1,points,channels], xyz first. */
#include <stdio.h>

#include "models/nets/arch.h"

/* How much the transform of the features is drawn to an orthogonal one (PointNet, section 4.2). */
#define REGULARISER 0.001f

/* The norm of a layer, and its activation unless a pool or a product comes next. */
static bnn_t normalized(const bnn_build *b, const char *prefix, const char *norm, bnn_t x,
                        int active) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, norm);
    x = bnn_batch_norm(b, name, x, 1.0f);
    return active ? bnn_activation(b, x) : x;
}

/* What each point becomes by itself. */
static bnn_t pointwise(const bnn_build *b, const char *prefix, const char *conv, bnn_t x, int out,
                       int full_precision) {
    char name[64];
    bnn_conv_layer layer = {
        .out = out, .kernel = 1, .stride = 1, .bias = 1, .full_precision = full_precision};
    snprintf(name, sizeof name, "%s%s", prefix, conv);
    return bnn_conv1d(b, name, x, &layer);
}

static bnn_t linear(const bnn_build *b, const char *prefix, const char *fc, bnn_t x, int out) {
    char name[64];
    bnn_linear_layer layer = {.out = out};
    snprintf(name, sizeof name, "%s%s", prefix, fc);
    return bnn_linear(b, name, x, &layer);
}

/* A transform [N,1,k,k] that a network of its own (T-Net) sees in the points. */
static bnn_t transform(const bnn_build *b, const char *prefix, bnn_t x, int k, int raw) {
    x = normalized(b, prefix, "bn1", pointwise(b, prefix, "conv1", x, 64, raw), 1);
    x = normalized(b, prefix, "bn2", pointwise(b, prefix, "conv2", x, 128, 0), 1);
    x = normalized(b, prefix, "bn3", pointwise(b, prefix, "conv3", x, 1024, 0), 0);
    x = bnn_pool_points(b, x);
    x = normalized(b, prefix, "bn4", linear(b, prefix, "fc1", x, 512), 1);
    x = normalized(b, prefix, "bn5", linear(b, prefix, "fc2", x, 256), 1);
    x = linear(b, prefix, "fc3", x, k * k);
    x = bnn_op_reshape(b->graph, x, (bnn_shape){bnn_shape_of(b->graph, x).n, 1, k, k});
    return bnn_op_diagonal(b->graph, x, 1.0f);
}

/* Each point as a row vector times the sample's matrix. */
static bnn_t transformed(const bnn_build *b, bnn_t x, bnn_t matrix) {
    return bnn_op_batch_product(b->graph, x, bnn_op_transpose(b->graph, matrix));
}

/* xyz are turned; what comes with them (normals, raw xyz) stays. */
static bnn_t aligned(const bnn_build *b, const char *prefix, bnn_t x) {
    bnn_t matrix = transform(b, prefix, x, 3, 1);
    bnn_t xyz = transformed(b, bnn_op_channels(b->graph, x, 0, 3), matrix);
    int rest = bnn_shape_of(b->graph, x).c - 3;
    if (rest < 1) {
        return xyz;
    }
    return bnn_op_concat(b->graph, 2, (bnn_t[]){xyz, bnn_op_channels(b->graph, x, 3, rest)});
}

static bnn_t classify(const bnn_build *b, bnn_t x, int classes, int transforms) {
    x = transforms ? aligned(b, "feat.stn.", x) : x;
    x = normalized(b, "feat.", "bn1", pointwise(b, "feat.", "conv1", x, 64, 1), 1);
    x = transforms ? transformed(b, x, transform(b, "feat.fstn.", x, 64, 0)) : x;
    x = normalized(b, "feat.", "bn2", pointwise(b, "feat.", "conv2", x, 128, 0), 1);
    x = normalized(b, "feat.", "bn3", pointwise(b, "feat.", "conv3", x, 1024, 0), 0);
    x = bnn_pool_points(b, x);
    x = normalized(b, "", "bn1", linear(b, "", "fc1", x, 512), 1);
    x = normalized(b, "", "bn2", linear(b, "", "fc2", x, 256), 1);
    bnn_linear_layer fc = {.out = classes, .full_precision = 1, .init_std = 0.01f};
    return bnn_linear(b, "fc", x, &fc);
}

bnn_output bnn_build_pointnet(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                              int classes) {
    (void)arch;
    return (bnn_output){.main = classify(b, in[0], classes, 1)};
}

bnn_output bnn_build_pointnet_vanilla(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                      int classes) {
    (void)arch;
    return (bnn_output){.main = classify(b, in[0], classes, 0)};
}

/* The point's own features of all depths beside those of the cloud: [N,1,points,4928]. */
static bnn_t all_features(const bnn_build *b, bnn_t x, bnn_output *out) {
    x = aligned(b, "stn.", x);
    bnn_t out1 = normalized(b, "", "bn1", pointwise(b, "", "conv1", x, 64, 1), 1);
    bnn_t out2 = normalized(b, "", "bn2", pointwise(b, "", "conv2", out1, 128, 0), 1);
    bnn_t out3 = normalized(b, "", "bn3", pointwise(b, "", "conv3", out2, 128, 0), 1);
    bnn_t matrix = transform(b, "fstn.", out3, 128, 0);
    if (bnn_graph_training(b->graph)) {
        out->penalty = bnn_transform_regulariser(b->graph, matrix);
        out->penalty_weight = REGULARISER;
    }
    x = transformed(b, out3, matrix);
    bnn_t out4 = normalized(b, "", "bn4", pointwise(b, "", "conv4", x, 512, 0), 1);
    bnn_t out5 = normalized(b, "", "bn5", pointwise(b, "", "conv5", out4, 2048, 0), 0);
    bnn_t cloud = bnn_pool_points(b, out5);
    return bnn_op_concat(b->graph, 6, (bnn_t[]){cloud, out1, out2, out3, out4, out5});
}

bnn_output bnn_build_pointnet_partseg(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                      int parts) {
    (void)arch;
    bnn_output out = {.main = BNN_NONE};
    bnn_t x = all_features(b, in[0], &out);
    x = normalized(b, "", "bns1", pointwise(b, "", "convs1", x, 256, 0), 1);
    x = normalized(b, "", "bns2", pointwise(b, "", "convs2", x, 256, 0), 1);
    x = normalized(b, "", "bns3", pointwise(b, "", "convs3", x, 128, 0), 1);
    out.main = pointwise(b, "", "convs4", x, parts, 1);
    return out;
}

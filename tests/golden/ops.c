/* Reference cases of single ops. */
#include <string.h>

#include "models/nets/arch.h"
#include "models/nets/detector.h"
#include "tests/golden/single.h"

static int parameter_count(const golden_single *c, const char *name) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    return t && t->ndim ? (int)t->shape[0] : 0;
}

static bnn_t conv2d(golden_single *c) {
    bnn_conv_layer layer = {.out = parameter_count(c, "param.weight"),
                            .kernel = golden_integer(c->file, "kernel", 1),
                            .stride = golden_integer(c->file, "stride", 1),
                            .pad = golden_integer(c->file, "padding", 0),
                            .dilation = golden_integer(c->file, "dilation", 1),
                            .bias = parameter_count(c, "param.bias")};
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_conv2d(&c->build, GOLDEN_LAYER, x, &layer);
}

static bnn_t memory_block(golden_single *c) {
    bnn_conv_layer layer = {.out = parameter_count(c, "param.weight"),
                            .kernel = golden_integer(c->file, "kernel", 1),
                            .stride = 1,
                            .groups = golden_integer(c->file, "groups", 1),
                            .bias = parameter_count(c, "param.bias"),
                            .pad_left = golden_integer(c->file, "left", 0),
                            .pad_right = golden_integer(c->file, "right", 0)};
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_conv1d(&c->build, GOLDEN_LAYER, x, &layer);
}

static bnn_t prelu(golden_single *c) {
    bnn_binary_layer layer = {.build = &c->build, .name = GOLDEN_LAYER};
    bnn_t slope = bnn_layer_vector(&layer, "weight", parameter_count(c, "param.weight"), 1, 0, 1,
                                   (bnn_init){BNN_INIT_CONSTANT, 0.25f, 0.0f});
    return bnn_op_prelu(c->build.graph, golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST), slope);
}

static bnn_t max_pool(golden_single *c) {
    return bnn_op_max_pool(
        c->build.graph, golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST),
        golden_integer(c->file, "kernel", 1), golden_integer(c->file, "stride", 1),
        golden_integer(c->file, "padding", 0), golden_integer(c->file, "ceil_mode", 0));
}

static bnn_t ema_max(golden_single *c) {
    c->build.pool = BNN_POOL_EMA_MAX;
    return bnn_pool_points(&c->build, golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST));
}

static bnn_t transform_regulariser(golden_single *c) {
    return bnn_transform_regulariser(c->build.graph, golden_single_input(c, "x", GOLDEN_ROWS));
}

/* ---- text ---- */

static bnn_t gelu(golden_single *c) {
    return bnn_op_gelu(c->build.graph, golden_single_input(c, "x", GOLDEN_ROWS));
}

static bnn_t hyperbolic_tangent(golden_single *c) {
    return bnn_op_tanh(c->build.graph, golden_single_input(c, "x", GOLDEN_ROWS));
}

static bnn_t layer_norm(golden_single *c) {
    return bnn_layer_norm(&c->build, GOLDEN_LAYER, golden_single_input(c, "x", GOLDEN_ROWS));
}

/* The embedding is binary whatever the algorithm. */
static void binarize(golden_single *c) {
    c->build.binarizer = golden_integer(c->file, "binary", 0) ? bnn_binarizer_find("bnn") : NULL;
}

static int dimension(const golden_single *c, const char *name, int i) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    return t && t->ndim > i ? (int)t->shape[i] : 0;
}

static bnn_t embedding(golden_single *c) {
    bnn_embedding_layer layer = {.rows = dimension(c, "param.weight", 0),
                                 .width = dimension(c, "param.weight", 1),
                                 .padding = 1,
                                 .binary = 1};
    binarize(c);
    return bnn_embedding(&c->build, GOLDEN_LAYER, golden_single_fixed(c, "ids"), &layer);
}

static bnn_t bert_embeddings(golden_single *c) {
    bnn_arch arch = {.vocabulary = dimension(c, "param.word_embeddings.weight", 0),
                     .width = dimension(c, "param.word_embeddings.weight", 1),
                     .positions = dimension(c, "param.position_embeddings.weight", 0)};
    binarize(c);
    bnn_t ids = golden_single_fixed(c, "ids");
    return bnn_bert_embeddings(&c->build, &arch, GOLDEN_LAYER ".", ids,
                               golden_single_fixed(c, "segments"));
}

static bnn_t attention(golden_single *c) {
    bnn_t in[3];
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++) {
        in[i] = golden_single_input(c, names[i], GOLDEN_ROWS);
    }
    return bnn_self_attention(&c->build, GOLDEN_LAYER, in[0], in[1], in[2],
                              golden_single_fixed(c, "mask"), golden_integer(c->file, "heads", 1));
}

static bnn_t bi_attention(golden_single *c) {
    bnn_t q = golden_single_input(c, "q", GOLDEN_ROWS),
          k = golden_single_input(c, "k", GOLDEN_ROWS);
    bnn_t v = golden_single_input(c, "v", GOLDEN_ROWS), mask = golden_single_fixed(c, "mask");
    return bnn_op_bi_attention(c->build.graph, q, k, v, mask, golden_integer(c->file, "heads", 1),
                               BNN_NONE, 0.0f, 0.0f);
}

static bnn_t distillation_loss(golden_single *c) {
    bnn_t student = golden_single_input(c, "student", GOLDEN_ROWS);
    return bnn_distillation_loss(c->build.graph, student, golden_single_fixed(c, "teacher"),
                                 golden_single_fixed(c, "labels"));
}

static bnn_t direction_matching(golden_single *c) {
    bnn_t student = golden_single_input(c, "student", GOLDEN_ROWS);
    return bnn_op_direction_matching(c->build.graph, student, golden_single_fixed(c, "teacher"),
                                     (float)golden_integer(c->file, "zero_at_or_below", 0));
}

/* ---- detection ---- */

static bnn_t l2_norm(golden_single *c) {
    bnn_binary_layer layer = {.build = &c->build, .name = GOLDEN_LAYER};
    bnn_t weight = bnn_layer_vector(&layer, "weight", parameter_count(c, "param.weight"), 1, 0, 1,
                                    (bnn_init){BNN_INIT_CONSTANT, 20.0f, 0.0f});
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_op_l2_norm(c->build.graph, x, weight, 1e-10f);
}

static bnn_t softmax(golden_single *c) {
    bnn_t x = golden_single_input(c, "x", GOLDEN_ROWS);
    bnn_shape s = bnn_shape_of(c->build.graph, x);
    s = (bnn_shape){dimension(c, "x", 0), dimension(c, "x", 1), dimension(c, "x", 2), s.c};
    x = bnn_op_reshape(c->build.graph, bnn_op_affine(c->build.graph, x, BNN_NONE, BNN_NONE), s);
    return bnn_op_softmax(c->build.graph, x, golden_single_fixed(c, "mask"));
}

static bnn_t roi_align(golden_single *c) {
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_op_roi_align(c->build.graph, x, golden_single_fixed(c, "rois"),
                            golden_integer(c->file, "output", 1), 1.0f / BNN_RCNN_STRIDE);
}

static bnn_t divisor(golden_single *c) {
    float value = (float)golden_integer(c->file, "divisor", 1);
    return golden_single_given(c, "divisor", BNN_F32, 1, &value);
}

enum { MOST_LABELS = 80 };

static bnn_t box_loss(golden_single *c, float beta) {
    static const int32_t zeros[MOST_LABELS];
    size_t rows = (size_t)dimension(c, "pred", 0);
    bnn_t x = golden_single_input(c, "pred", GOLDEN_ROWS);
    bnn_t label = golden_single_given(c, "label", BNN_I32, rows, zeros);
    return bnn_op_smooth_l1(c->build.graph, x, golden_single_fixed(c, "target"), label, divisor(c),
                            1, beta);
}

static bnn_t smooth_l1(golden_single *c) {
    return box_loss(c, (float)golden_integer(c->file, "beta", 1));
}

static bnn_t l1(golden_single *c) {
    return box_loss(c, 0.0f);
}

static bnn_t bce_logits(golden_single *c) {
    const bnn_st_tensor *target = bnn_st_find(c->file, "target");
    int32_t label[MOST_LABELS] = {0};
    size_t count = target && target->dtype == BNN_ST_F32 ? target->count : 0;
    for (size_t i = 0; i < count && i < MOST_LABELS; i++) {
        float there;
        memcpy(&there, (const char *)target->data + 4 * i, sizeof there);
        label[i] = there < 0.5f;
    }
    bnn_t x = golden_single_input(c, "pred", GOLDEN_ROWS);
    bnn_t labels = golden_single_given(c, "label", BNN_I32, count, label);
    return bnn_op_objectness(c->build.graph, x, labels, divisor(c));
}

/* That the right ones are found shows in the gradient. */
static bnn_t hard_negatives(golden_single *c) {
    bnn_graph *g = c->build.graph;
    bnn_t x = golden_single_input(c, "logits", GOLDEN_ROWS);
    const bnn_st_tensor *labels = bnn_st_find(c->file, "labels");
    x = bnn_op_reshape(g, bnn_op_affine(g, x, BNN_NONE, BNN_NONE),
                       (bnn_shape){1, 1, dimension(c, "logits", 0), dimension(c, "logits", 1)});
    bnn_t label = golden_single_given(c, "label", BNN_I32, labels ? labels->count : 0,
                                      labels ? labels->data : NULL);
    bnn_t hard = bnn_op_hard_negatives(g, x, label, golden_integer(c->file, "ratio", 3));
    return bnn_op_cross_entropy_over(g, x, hard, divisor(c));
}

golden_result golden_op(const char *path, const bnn_st_file *file, const bnn_device *device) {
    static const struct {
        const char *name;
        golden_builder *build;
        golden_order order; /* of the result */
    } ops[] = {
        {"conv2d", conv2d, GOLDEN_CHANNELS_FIRST},
        {"memory_block", memory_block, GOLDEN_CHANNELS_FIRST},
        {"prelu", prelu, GOLDEN_CHANNELS_FIRST},
        {"max_pool", max_pool, GOLDEN_CHANNELS_FIRST},
        {"ema_max", ema_max, GOLDEN_ROWS},
        {"transform_regulariser", transform_regulariser, GOLDEN_ROWS},
        {"gelu", gelu, GOLDEN_ROWS},
        {"tanh", hyperbolic_tangent, GOLDEN_ROWS},
        {"layer_norm", layer_norm, GOLDEN_ROWS},
        {"embedding", embedding, GOLDEN_ROWS},
        {"word_embedding", embedding, GOLDEN_ROWS},
        {"bert_embeddings", bert_embeddings, GOLDEN_ROWS},
        {"attention", attention, GOLDEN_ROWS},
        {"bi_attention", bi_attention, GOLDEN_ROWS},
        {"distillation_loss", distillation_loss, GOLDEN_ROWS},
        {"direction_matching", direction_matching, GOLDEN_ROWS},
        {"l2_norm", l2_norm, GOLDEN_CHANNELS_FIRST},
        {"softmax", softmax, GOLDEN_ROWS},
        {"roi_align", roi_align, GOLDEN_CHANNELS_FIRST},
        {"smooth_l1", smooth_l1, GOLDEN_ROWS},
        {"l1", l1, GOLDEN_ROWS},
        {"bce_logits", bce_logits, GOLDEN_ROWS},
        {"hard_negatives", hard_negatives, GOLDEN_ROWS},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, golden_text(file, "op", "")) == 0) {
            return golden_run_single(path, file, device, ops[i].build, ops[i].order);
        }
    }
    return golden_detect(path, file, device);
}

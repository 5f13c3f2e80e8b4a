/* ReCU (Xu et al., ICCV 2021): standardized weights whose tails a schedule of tau cuts off, so that
 * they keep moving; activations divided by their deviation; a learned scale. */
#include "layers/binarizers/binarizer.h"

#include <math.h>

#define EPS 1e-5f

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    /* A positive factor leaves the sign alone; only the surrogate sees it. */
    if (bnn_graph_training(g)) {
        bnn_t whole = bnn_with_padding(layer, x);
        whole = bnn_op_normalize(g, whole, bnn_statistic_rows(layer, whole), 0, 1, 1.0f, EPS);
        x = bnn_without_padding(layer, whole);
    }
    return bnn_plain_sign(layer, x, BNN_STE_TRIANGLE);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    bnn_graph *g = layer->build->graph;
    bnn_init start = {BNN_INIT_CONSTANT, 1.0f, 0.0f};
    bnn_t tau = bnn_layer_vector(layer, "tau", 1, 1, 0, 0, start);
    bnn_t w1 = bnn_op_normalize(g, w, layer->filter.n, 1, 1, 2.0f * sqrtf(2.0f), EPS);
    /* The clamp never changes a sign; it is the window through which the gradient passes. */
    bnn_t bound = bnn_op_recu_bound(g, w1, tau);
    return bnn_op_sign(g, w1, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, bound);
}

static bnn_t output(const bnn_binary_layer *layer, bnn_t y) {
    bnn_graph *g = layer->build->graph;
    bnn_init uniform = {BNN_INIT_UNIFORM, 0.0f, 1.0f};
    if (layer->kind == BNN_LINEAR) {
        bnn_t alpha = bnn_layer_scale(layer, "alpha", 3, 2, uniform);
        return bnn_add_bias(layer, bnn_op_affine(g, y, alpha, BNN_NONE));
    }
    bnn_t alpha = bnn_layer_scale(layer, "alpha", layer->kind == BNN_CONV2D ? 3 : 2, 0, uniform);
    return bnn_op_affine(g, bnn_add_bias(layer, y), alpha, BNN_NONE);
}

/* tau rises from 0.85 at the first epoch to 0.99 towards the last. */
static int schedule(int epoch, int epochs, bnn_scheduled values[BNN_MAX_SCHEDULED]) {
    const double start = 0.85, end = 0.99, e = 2.718281828459045;
    double a = (end - start) / (e - 1.0), b = start - a;
    values[0] = (bnn_scheduled){"tau", (float)(a * exp((double)epoch / epochs) + b)};
    values[1] = (bnn_scheduled){NULL, 0.0f};
    return 0;
}

const bnn_binarizer bnn_recu = {.name = "recu",
                                .title = "ReCU (Xu et al. 2021)",
                                .activation = activation,
                                .weight = weight,
                                .output = output,
                                .biased = 1,
                                .schedule = schedule,
                                .phases = 1,
                                .cost = {.channel_scales = 1}};

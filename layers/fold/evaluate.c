/* The constants of a folded graph from the parameters behind its source: copies, composed
 * coefficients, and thresholds found by asking the very operations they replace. */
#include <stdlib.h>

#include "layers/fold/fold_private.h"

/* Coefficients of the affine that run nodes i.. compose to, up to another function or the end;
 * returns the index behind them. */
static int compose(const bnn_fold *f, int run, int i, int length, int c, double *a, double *b) {
    for (int k = 0; k < c; k++) {
        a[k] = 1.0;
        b[k] = 0.0;
    }
    for (; i < length && kind_of(node_at(f, f->run[run + i])) == BNN_FOLD_AFFINE; i++) {
        const bnn_node *node = node_at(f, f->run[run + i]);
        node->op->fold->compose(f->source, node, a, b);
    }
    return i;
}

int bnn_fold_monotone(const bnn_fold *f, int run, int length) {
    int monotone = 1;
    while (length > 0 && node_at(f, f->run[run + length - 1])->op->fold->keeps_sign) {
        length--; /* whose sign is all that is asked for */
    }
    for (int i = run; i < run + length; i++) {
        const bnn_node *node = node_at(f, f->run[i]);
        const bnn_fold_rule *rule = node->op->fold;
        monotone &= !rule->monotone || rule->monotone(f->source, node);
    }
    return monotone;
}

/* A step of a run as the folded graph without thresholds computes it. */
typedef struct stage {
    float *a, *b; /* [c], or both NULL where the node says itself */
    const bnn_node *node;
} stage;

static int bit_of(const bnn_fold *f, const stage *stages, int count, int channel, int integer) {
    float x = (float)integer;
    for (int i = 0; i < count; i++) {
        const stage *s = &stages[i];
        if (s->a) {
            float ax = s->a[channel] * x;
            x = ax + s->b[channel];
        } else {
            x = s->node->op->fold->value(f->source, s->node, channel, x);
        }
    }
    return x >= 0.0f;
}

/* Every stage is monotone in float arithmetic too, so the bit changes at most once over
 * [-bound, bound]; 2t + flip (kernels.h, threshold_pack). */
static int32_t find_threshold(const bnn_fold *f, const stage *stages, int count, int channel,
                              int bound) {
    int low = bit_of(f, stages, count, channel, -bound),
        high = bit_of(f, stages, count, channel, bound);
    if (low == high) {
        return low ? 2 * -bound : 2 * (bound + 1);
    }
    int below = -bound, above = bound; /* the bit is `low` at below and `high` at above */
    while (above - below > 1) {
        int middle = below + (above - below) / 2;
        if (bit_of(f, stages, count, channel, middle) == low) {
            below = middle;
        } else {
            above = middle;
        }
    }
    return 2 * above + (high ? 0 : 1);
}

static bnn_code evaluate_threshold(const bnn_fold *f, const formula *r, int c, double *a, double *b,
                                   int32_t *threshold, bnn_error *err) {
    if (!bnn_fold_monotone(f, r->run, r->length)) {
        return bnn_fail(err, BNN_ERR_NUMERIC,
                        "a slope has changed its sign since the network was folded");
    }
    stage *stages = calloc((size_t)r->length + 1, sizeof *stages);
    float *coefficients = calloc(((size_t)r->length + 1) * 2 * (size_t)c, sizeof(float));
    if (!stages || !coefficients) {
        free(stages);
        free(coefficients);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for thresholds");
    }
    int count = 0, i = 0;
    float *free_floats = coefficients;
    while (i < r->length) {
        int end = compose(f, r->run, i, r->length, c, a, b);
        if (end > i) {
            stage s = {.a = free_floats, .b = free_floats + c};
            for (int k = 0; k < c; k++) {
                s.a[k] = (float)a[k];
                s.b[k] = (float)b[k];
            }
            free_floats += 2 * c;
            stages[count++] = s;
        }
        if (end < r->length) {
            stages[count++] = (stage){.node = node_at(f, f->run[r->run + end])};
            end++;
        }
        i = end;
    }
    for (int k = 0; k < c; k++) {
        threshold[k] = find_threshold(f, stages, count, k, r->bound);
    }
    free(stages);
    free(coefficients);
    return BNN_OK;
}

static bnn_code evaluate_formula(const bnn_fold *f, size_t index, bnn_error *err) {
    const formula *r = &f->formulas[index];
    bnn_t target = f->result.constants[index].t;
    int c = bnn_shape_of(f->graph, target).c;
    if (r->kind == COPY) {
        return bnn_graph_put(f->graph, target, bnn_graph_data(f->source, r->source), err);
    }
    double *a = malloc(3 * (size_t)c * sizeof *a);
    if (!a) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    double *b = a + c;
    void *made = b + c; /* floats, or integers as wide */
    bnn_code code = BNN_OK;
    if (r->kind == THRESHOLD) {
        code = evaluate_threshold(f, r, c, a, b, made, err);
    } else {
        compose(f, r->run, 0, r->length, c, a, b);
        const double *from = r->kind == COEFFICIENT_A ? a : b;
        float *to = made;
        for (int k = 0; k < c; k++) {
            to[k] = (float)from[k];
        }
    }
    code = code == BNN_OK ? bnn_graph_put(f->graph, target, made, err) : code;
    free(a);
    return code;
}

void bnn_fold_place_params(const bnn_fold *f, int mirror) {
    const bnn_params *params = bnn_graph_params(f->source);
    for (size_t t = 0; params && params->values && t < bnn_graph_tensor_count(f->source); t++) {
        const bnn_param *param = bnn_graph_param_of(f->source, (bnn_t)t);
        if (param) {
            bnn_graph_place(f->source, (bnn_t)t,
                            mirror ? bnn_param_data(params, param)
                                   : bnn_param_memory(params, param));
        }
    }
}

/* ---- what depends on parameters alone ---- */

static size_t bytes_of(const bnn_fold *f, bnn_t t) {
    return bnn_tensor_bytes(bnn_dtype_of(f->source, t), bnn_shape_of(f->source, t));
}

static int is_wanted(const bnn_fold *f, const bnn_node *node) {
    return f->constant[node->out[0]] && f->needed[node->out[0]];
}

/* Memory for what the node makes; memory[t] owns it. */
static int place_outputs(const bnn_fold *f, const bnn_node *node, bnn_memory kind, void **memory) {
    const bnn_device *device = bnn_graph_device(f->source);
    for (int k = 0; k < node->out_count; k++) {
        bnn_t t = node->out[k];
        if (node->op->view) {
            bnn_graph_place(f->source, t, bnn_graph_data(f->source, node->in[0]));
            continue;
        }
        memory[t] = device->ops->alloc(device, kind, bytes_of(f, t));
        bnn_graph_place(f->source, t, memory[t]);
        if (!memory[t]) {
            return 0;
        }
    }
    return 1;
}

/* Runs the nodes of the source graph. */
static int run_nodes(const bnn_fold *f, void **memory) {
    const bnn_device *device = bnn_graph_device(f->source);
    bnn_fold_place_params(f, 0);
    for (size_t i = 0; i < bnn_graph_node_count(f->source); i++) {
        bnn_node node = *node_at(f, (int)i);
        if (!is_wanted(f, &node)) {
            continue;
        }
        if (!place_outputs(f, &node, BNN_MEMORY_DEVICE, memory)) {
            return 0;
        }
        node.ws = device->ops->alloc(device, BNN_MEMORY_DEVICE, node.workspace);
        if (!node.ws) {
            return 0;
        }
        bnn_node_forward(f->source, &node);
        device->ops->release(device, BNN_MEMORY_DEVICE, node.ws);
    }
    return 1;
}

/* What they have made comes to the host, where formulas look at it. */
static int mirror_nodes(const bnn_fold *f, void *const *memory, void **mirror) {
    const bnn_stream *stream = bnn_graph_stream(f->source);
    bnn_fold_place_params(f, 1);
    for (size_t i = 0; i < bnn_graph_node_count(f->source); i++) {
        const bnn_node *node = node_at(f, (int)i);
        if (is_wanted(f, node) && !place_outputs(f, node, BNN_MEMORY_HOST, mirror)) {
            return 0;
        }
        for (int k = 0; is_wanted(f, node) && !node->op->view && k < node->out_count; k++) {
            bnn_t t = node->out[k];
            stream->device.ops->get(stream, mirror[t], memory[t], bytes_of(f, t));
        }
    }
    return 1;
}

static bnn_code evaluate(const bnn_fold *f, void **memory, void **mirror, bnn_error *err) {
    const bnn_stream *stream = bnn_graph_stream(f->source);
    int looks = stream->device.ops->host; /* as it is */
    if (!run_nodes(f, memory) || (!looks && !mirror_nodes(f, memory, mirror))) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    bnn_code code = stream->device.ops->finish(stream, err);
    for (size_t i = 0; code == BNN_OK && i < f->result.constant_count; i++) {
        code = evaluate_formula(f, i, err);
    }
    return code;
}

bnn_code bnn_fold_evaluate(bnn_fold *f, bnn_error *err) {
    const bnn_device *device = bnn_graph_device(f->source);
    size_t tensors = bnn_graph_tensor_count(f->source);
    void **memory = calloc(2 * tensors + 1, sizeof *memory), **mirror = memory + tensors;
    if (!memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    bnn_code code = evaluate(f, memory, mirror, err);
    for (size_t t = 0; t < tensors; t++) {
        device->ops->release(device, BNN_MEMORY_DEVICE, memory[t]);
        device->ops->release(device, BNN_MEMORY_HOST, mirror[t]);
    }
    free(memory);
    bnn_fold_place_params(f, 0);
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(f->graph);
    }
    return code;
}

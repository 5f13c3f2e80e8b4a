#include "layers/fold/plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/ops.h"

/* One way from a network to another. */
typedef struct walk {
    const bnn_inference *from;
    bnn_inference *to;
    int count;
    const bnn_t *outputs;  /* of `from` */
    bnn_t *map;            /* tensor of `from` -> of `to`; BNN_NONE: nobody has asked for it yet */
    unsigned char *wanted; /* tensors of `from`, from which the outputs come */
} walk;

/* The tensor in the other network; a constant comes in when it is first read. */
static bnn_t value(const walk *w, bnn_t t) {
    if (t < 0) {
        return BNN_NONE;
    }
    const bnn_constant *c = w->map[t] < 0 ? bnn_inference_constant_of(w->from, t) : NULL;
    if (c) {
        w->map[t] = bnn_inference_constant(w->to, bnn_dtype_of(w->from->graph, t),
                                           bnn_shape_of(w->from->graph, t), c->name);
    }
    return w->map[t];
}

static void put_sign(const walk *w, bnn_t x, bnn_t to) {
    w->map[to] =
        bnn_op_sign(w->to->graph, x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

static void put_product(const walk *w, const bnn_node *node) {
    bnn_graph *g = w->to->graph;
    const bnn_conv_end end = bnn_conv_end_of(node);
    const bnn_value x = {value(w, node->in[0]), value(w, node->in[2])};
    bnn_t y = bnn_op_folded_conv(g, x, bnn_plain(value(w, node->in[1])), bnn_conv_config_of(node),
                                 &bnn_conv_plain);
    if (end.threshold >= 0) {
        y = bnn_op_threshold(g, y, value(w, end.threshold));
    }
    if (end.a >= 0 || end.b >= 0) {
        y = bnn_op_affine(g, y, value(w, end.a), value(w, end.b));
    }
    if (end.add >= 0) {
        y = bnn_op_add(g, y, value(w, end.add));
    }
    if (end.clamp.lo > -INFINITY || end.clamp.hi < INFINITY) {
        y = bnn_op_clamp(g, y, end.clamp.lo, end.clamp.hi);
    }
    w->map[node->out[0]] = y;
    if (end.sign) {
        put_sign(w, y, node->out[1]);
    }
}

static void put_node(const walk *w, const bnn_node *node) {
    bnn_t in[BNN_MAX_IN];
    if (node->op == &bnn_conv_op) {
        put_product(w, node);
        return;
    }
    if (node->op == &bnn_sign_op) {
        put_sign(w, value(w, node->in[0]), node->out[0]);
        return;
    }
    for (int k = 0; k < node->in_count; k++) {
        in[k] = value(w, node->in[k]);
    }
    w->map[node->out[0]] =
        bnn_graph_add(w->to->graph, node->op, node->attr, node->attr_bytes, node->in_count, in);
}

static bnn_code copy_constants(const walk *w, bnn_error *err) {
    const bnn_graph *from = w->from->graph;
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < w->from->constant_count; i++) {
        bnn_t t = w->from->constants[i].t;
        if (w->map[t] < 0) {
            continue;
        }
        void *data =
            bnn_alloc_aligned(bnn_tensor_bytes(bnn_dtype_of(from, t), bnn_shape_of(from, t)));
        code = data ? bnn_graph_get(from, t, data, err)
                    : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the network");
        if (code == BNN_OK) {
            code = bnn_graph_put(w->to->graph, w->map[t], data, err);
        }
        free(data);
    }
    return code;
}

static int is_wanted(const walk *w, const bnn_node *node) {
    int is = 0;
    for (int k = 0; k < node->out_count; k++) {
        is |= w->wanted[node->out[k]];
    }
    return is;
}

static void find_wanted(const walk *w) {
    const bnn_graph *from = w->from->graph;
    memset(w->wanted, 0, bnn_graph_tensor_count(from));
    for (int i = 0; i < w->count; i++) {
        w->wanted[w->outputs[i]] = 1;
    }
    for (size_t i = bnn_graph_node_count(from); i-- > 0;) {
        const bnn_node *node = bnn_graph_node(from, i);
        for (int k = 0; k < node->in_count && is_wanted(w, node); k++) {
            if (node->in[k] >= 0) {
                w->wanted[node->in[k]] = 1;
            }
        }
    }
}

static bnn_code put_all(const walk *w, bnn_error *err) {
    const bnn_inference *from = w->from;
    bnn_graph *g = w->to->graph;
    bnn_code code;
    find_wanted(w);
    for (size_t t = 0; t < bnn_graph_tensor_count(from->graph); t++) {
        w->map[t] = BNN_NONE;
    }
    for (int i = 0; i < from->input_count; i++) {
        bnn_t in = from->inputs[i];
        w->to->inputs[i] = w->map[in] =
            bnn_graph_input(g, bnn_graph_name_of(from->graph, in), bnn_dtype_of(from->graph, in),
                            bnn_shape_of(from->graph, in));
    }
    for (size_t i = 0; i < bnn_graph_node_count(from->graph); i++) {
        const bnn_node *node = bnn_graph_node(from->graph, i);
        if (is_wanted(w, node)) {
            put_node(w, node);
        }
    }
    for (int i = 0; i < w->count; i++) {
        w->to->outputs[i] = value(w, w->outputs[i]);
        bnn_graph_keep(g, w->to->outputs[i]);
    }
    if (!(code = bnn_graph_compile(g, BNN_NONE, err)) && !(code = bnn_graph_bind(g, NULL, err)) &&
        !(code = copy_constants(w, err))) {
        bnn_conv_prepare_filters(g);
    }
    return code;
}

bnn_code bnn_inference_plain(const bnn_inference *network, const bnn_device *device, int count,
                             const bnn_t *outputs, bnn_inference *plain, bnn_error *err) {
    walk w = {.from = network,
              .to = plain,
              .count = outputs ? count : network->output_count,
              .outputs = outputs ? outputs : network->outputs};
    const size_t tensors = bnn_graph_tensor_count(network->graph);
    bnn_code code = bnn_inference_start(plain, device, network->input_count, w.count, err);
    if (code != BNN_OK) {
        return code;
    }
    plain->input_count = network->input_count;
    plain->output_count = w.count;
    w.map = malloc((tensors + 1) * sizeof *w.map);
    w.wanted = malloc(tensors + 1);
    code = w.map && w.wanted ? put_all(&w, err)
                             : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the network");
    free(w.map);
    free(w.wanted);
    return code;
}

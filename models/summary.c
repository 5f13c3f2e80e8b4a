#include "models/summary.h"

#include <stdio.h>
#include <string.h>

/* The parameter a product's second operand is made from. */
static const bnn_param *weight_of(const bnn_graph *g, bnn_t t) {
    for (;;) {
        const bnn_param *param = bnn_graph_param_of(g, t);
        const bnn_node *node = bnn_graph_producer(g, t);
        if (param || !node) {
            return param;
        }
        t = node->in[0];
    }
}

/* "layer1.0.conv1." of "layer1.0.conv1.weight", its length. */
static size_t stem(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) + 1 : 0;
}

/* Of all heads: q k', and times v. */
static bnn_layer_row attention_row(const bnn_graph *g, const bnn_node *node) {
    bnn_shape q = bnn_shape_of(g, node->in[0]), one = {1, q.h, q.w, q.c};
    return (bnn_layer_row){.input = one,
                           .output = one,
                           .macs = 2 * (size_t)q.w * bnn_shape_count(one),
                           .binary = node->op == &bnn_bi_attention_op};
}

static bnn_layer_row table_row(const bnn_graph *g, const bnn_node *node) {
    const bnn_param *table = weight_of(g, node->in[0]);
    bnn_shape y = bnn_shape_of(g, node->out[0]);
    return (bnn_layer_row){.weight = table,
                           .output = {1, y.h, y.w, y.c},
                           .parameters = table ? table->count : 0,
                           .bits = table ? table->count * (table->binary ? 1 : 32) : 0,
                           .binary = table && table->binary};
}

int bnn_layer_row_at(const bnn_graph *g, size_t index, int images, bnn_layer_row *row) {
    const bnn_node *node = bnn_graph_node(g, index);
    if (node->op == &bnn_attention_op || node->op == &bnn_bi_attention_op) {
        *row = attention_row(g, node);
        return 1;
    }
    if (node->op == &bnn_embedding_op) {
        *row = table_row(g, node);
        return row->weight != NULL;
    }
    const bnn_param *weight = node->op == &bnn_conv_op ? weight_of(g, node->in[1]) : NULL;
    if (!weight || strstr(weight->name, "_noise.")) {
        return 0;
    }
    bnn_conv s = bnn_conv_of(g, node);
    bnn_shape x = bnn_shape_of(g, node->in[0]);
    const bnn_params *params = bnn_graph_params(g);
    *row = (bnn_layer_row){.weight = weight,
                           .input = {1, x.h, x.w, x.c},
                           .output = {1, s.oh, s.ow, s.o},
                           .bits = weight->count * (weight->binary ? 1 : 32),
                           .macs =
                               (size_t)(s.n / images) * (size_t)s.oh * (size_t)s.ow * weight->count,
                           .binary = weight->binary};
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *p = params->list[i];
        if (p->trainable && strncmp(p->name, weight->name, stem(weight->name)) == 0) {
            row->parameters += p->count;
        }
    }
    return 1;
}

static size_t sides(bnn_shape s) {
    return (size_t)(s.h > 1 ? s.h : 0) + (size_t)(s.w > 1 ? s.w : 0);
}

/* The layer's own floats, of which a bias is deployed, are no longer there. */
static void count_binary(const bnn_spec *spec, const bnn_graph *g, const bnn_layer_row *row,
                         bnn_complexity *c) {
    char name[256];
    const bnn_float_cost *cost = &spec->binarizer->cost;
    const size_t out = (size_t)row->output.c, in = (size_t)row->input.c;
    c->binary_macs += row->macs;
    c->float_parameters -= row->parameters;
    if (!row->macs || !row->weight) { /* a table, or an attention */
        return;
    }
    const int pixel_scales = cost->pixel_scales && row->weight->ndim > 2; /* not a linear layer's */
    snprintf(name, sizeof name, "%.*sbias", (int)stem(row->weight->name), row->weight->name);
    c->float_parameters += bnn_params_find(bnn_graph_params(g), name) ? out : 0;
    c->kept += cost->channel_scales ? out : 0;
    c->kept += pixel_scales ? sides(row->output) : 0;
    c->kept += cost->shifts ? in : 0;
    c->scalings += cost->channel_scales && !pixel_scales ? bnn_shape_count(row->output) : 0;
    c->float_work += pixel_scales ? bnn_shape_count(row->output) : 0;
    c->float_work += cost->shifts || cost->statistics ? bnn_shape_count(row->input) : 0;
}

bnn_complexity bnn_complexity_of(const bnn_spec *spec, const bnn_graph *g) {
    const bnn_params *params = bnn_graph_params(g);
    bnn_complexity c = {.parameters = bnn_params_total(params),
                        .binary_weights = bnn_params_binary(params)};
    c.float_parameters = c.parameters;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        bnn_layer_row row;
        if (bnn_layer_row_at(g, i, 1, &row)) {
            c.macs += row.macs;
            if (row.binary) {
                count_binary(spec, g, &row, &c);
            }
        }
    }
    return c;
}

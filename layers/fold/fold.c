/* The structure of the folded graph: one walk over the source graph, in which runs of per-channel
 * nodes become one affine, or, in front of a sign and behind an integer, one threshold; and a
 * product takes as much of what follows it as it can do on its way out. */
#include <stdlib.h>

#include "layers/fold/fold_private.h"

/* Inputs of a conv node that stay. */
enum { CONV_X, CONV_W, CONV_X_SCALE };

/* ---- what is constant, what is needed ---- */

static void classify(bnn_fold *f, bnn_t output) {
    size_t tensors = bnn_graph_tensor_count(f->source);
    size_t nodes = bnn_graph_node_count(f->source);
    for (size_t t = 0; t < tensors; t++) {
        bnn_role role = bnn_role_of(f->source, (bnn_t)t);
        f->constant[t] = role == BNN_ROLE_PARAM || role == BNN_ROLE_BUFFER;
        f->map[t] = BNN_NONE;
    }
    for (size_t i = 0; i < nodes; i++) {
        const bnn_node *node = node_at(f, (int)i);
        int constant = 1;
        for (int k = 0; k < node->in_count; k++) {
            constant &= node->in[k] < 0 || f->constant[node->in[k]];
        }
        for (int k = 0; k < node->out_count; k++) {
            f->constant[node->out[k]] = (unsigned char)constant;
        }
    }
    f->needed[output] = 1;
    for (size_t i = nodes; i-- > 0;) {
        const bnn_node *node = node_at(f, (int)i);
        for (int k = 0; f->needed[node->out[0]] && k < node->in_count; k++) {
            if (node->in[k] >= 0) {
                f->needed[node->in[k]] = 1;
                f->uses[node->in[k]]++;
            }
        }
    }
    f->uses[output]++;
}

/* ---- constants ---- */

static bnn_t add_constant(bnn_fold *f, bnn_dtype dtype, bnn_shape shape, formula r) {
    if (f->formula_count == f->formula_capacity) {
        size_t larger = f->formula_capacity ? 2 * f->formula_capacity : 64;
        formula *p = realloc(f->formulas, larger * sizeof *p);
        if (!p) {
            return bnn_graph_fail(f->graph, BNN_ERR_MEMORY, "out of memory for folding");
        }
        f->formulas = p;
        f->formula_capacity = larger;
    }
    r.target = bnn_graph_constant(f->graph, dtype, shape);
    f->formulas[f->formula_count++] = r;
    return r.target;
}

static void emit_product(bnn_fold *f, const product *p, bnn_t to);

/* The folded tensor of a source tensor; constants and deferred products come in as they are asked
 * for. */
static bnn_t value(bnn_fold *f, bnn_t t) {
    if (t >= 0 && f->deferred[t].node) {
        emit_product(f, &f->deferred[t], t);
    }
    if (t >= 0 && f->map[t] == BNN_NONE && f->constant[t]) {
        f->map[t] = add_constant(f, bnn_dtype_of(f->source, t), bnn_shape_of(f->source, t),
                                 (formula){.kind = COPY, .source = t});
    }
    return t < 0 ? BNN_NONE : f->map[t];
}

/* The coefficients a, b of `length` run nodes; b is BNN_NONE if there is nothing to add. */
static void add_coefficients(bnn_fold *f, int c, int run, int length, bnn_t *a, bnn_t *b) {
    int has_b = 0;
    for (int i = 0; i < length; i++) {
        const bnn_node *node = node_at(f, f->run[run + i]);
        has_b |= node->op == &bnn_affine_op ? node->in[2] >= 0 : node->op != &bnn_unscale_op;
    }
    formula r = {.kind = COEFFICIENT_A, .run = run, .length = length};
    *a = add_constant(f, BNN_F32, bnn_vector(c), r);
    r.kind = COEFFICIENT_B;
    *b = has_b ? add_constant(f, BNN_F32, bnn_vector(c), r) : BNN_NONE;
}

/* ---- runs of per-channel nodes ---- */

/* Is this node, its input given, a map of each channel's value: an affine, or a clamp? */
static int per_channel(const bnn_fold *f, const bnn_node *node) {
    if (is_clamp(node)) {
        return 1;
    }
    for (int k = 1; k < node->in_count; k++) {
        if (node->in[k] >= 0 && !f->constant[node->in[k]]) {
            return 0;
        }
    }
    return node->op->fold && node->op->fold(f->source, node, NULL, NULL);
}

/* The only node that reads `t`, through its first input; or -1. */
static int only_reader(const bnn_fold *f, bnn_t t) {
    if (f->uses[t] != 1) {
        return -1;
    }
    size_t nodes = bnn_graph_node_count(f->source);
    for (size_t i = 0; i < nodes; i++) {
        const bnn_node *node = node_at(f, (int)i);
        if (f->needed[node->out[0]] && node->in[0] == t) {
            return (int)i;
        }
    }
    return -1;
}

/* A run of per-channel nodes, and the sign behind it if nobody else reads what it leads to. */
typedef struct chain {
    int run, length; /* in f->run */
    bnn_t last;      /* source tensor at its end */
    int sign;        /* node, or -1 */
    int sum;         /* instead, a sum is all that reads it, as its first term */
} chain;

/* The chain from source tensor `t` on, whose first node is `next` if that is per-channel. */
static chain take_chain(bnn_fold *f, bnn_t t, int next) {
    chain c = {.run = f->run_count, .last = t, .sign = -1};
    while (next >= 0 && per_channel(f, node_at(f, next))) {
        f->run[f->run_count++] = next;
        f->done[next] = 1;
        c.last = node_at(f, next)->out[0];
        next = only_reader(f, c.last);
    }
    c.length = f->run_count - c.run;
    c.sign = next >= 0 && node_at(f, next)->op == &bnn_sign_op ? next : -1;
    c.sum = next >= 0 && node_at(f, next)->op == &bnn_add_op;
    return c;
}

/* How many of the run's nodes from `i` on an affine takes: those up to a clamp. */
static int affine_length(const bnn_fold *f, const chain *c, int i) {
    int end = i;
    while (end < c->length && !is_clamp(node_at(f, f->run[c->run + end]))) {
        end++;
    }
    return end - i;
}

/* Emits the run from its node `i` on as affines and clamps. */
static void emit_run(bnn_fold *f, bnn_t x, const chain *c, int i) {
    while (i < c->length) {
        int length = affine_length(f, c, i);
        if (length > 0) {
            bnn_t a, b;
            add_coefficients(f, bnn_shape_of(f->graph, x).c, c->run + i, length, &a, &b);
            x = bnn_op_affine(f->graph, x, a, b);
            i += length;
        } else {
            const bnn_node *clamp = node_at(f, f->run[c->run + i]);
            x = bnn_graph_add(f->graph, clamp->op, clamp->attr, clamp->attr_bytes, 1, &x);
            i++;
        }
    }
    f->map[c->last] = x;
}

/* The threshold that replaces a chain on integers of at most `bound` up to the bits of its sign. */
static bnn_t add_threshold(bnn_fold *f, const chain *c, int channels, int bound) {
    formula r = {.kind = THRESHOLD, .run = c->run, .length = c->length, .bound = bound};
    f->done[c->sign] = 1;
    return add_constant(f, BNN_I32, bnn_vector(channels), r);
}

static void fold_run(bnn_fold *f, int first, int thresholds) {
    bnn_t in = node_at(f, first)->in[0], x = value(f, in);
    chain c = take_chain(f, in, first);
    if (thresholds && c.sign >= 0 && f->integer[in]) {
        bnn_t t = add_threshold(f, &c, bnn_shape_of(f->graph, x).c, f->integer[in]);
        f->map[node_at(f, c.sign)->out[0]] = bnn_op_threshold(f->graph, x, t);
    } else {
        emit_run(f, x, &c, 0);
    }
}

/* ---- the walk ---- */

/* Appends a product whose result is source tensor `to`. Of bits, it also leaves their signs. */
static void emit_product(bnn_fold *f, const product *p, bnn_t to) {
    product now = *p;
    int sign = -1;
    for (size_t i = 0; i < bnn_graph_node_count(f->source) && sign < 0; i++) {
        const bnn_node *node = node_at(f, (int)i);
        sign =
            f->needed[node->out[0]] && node->op == &bnn_sign_op && node->in[0] == to ? (int)i : -1;
    }
    now.end.sign = sign >= 0 && bnn_dtype_of(f->source, now.node->in[CONV_X]) == BNN_B1;
    f->deferred[to].node = NULL;
    f->map[to] = bnn_op_folded_conv(f->graph, now.x, now.w, now.node->attr, &now.end);
    const bnn_node *made = bnn_graph_producer(f->graph, f->map[to]);
    if (made && now.end.sign) {
        f->map[node_at(f, sign)->out[0]] = made->out[1];
        f->done[sign] = 1;
    }
}

/* Appends a product and the run behind it from its node `i` on, the first part of which it may
 * take: a clamp, or, if nothing else follows, a sum. */
static void emit_with_run(bnn_fold *f, product *p, const chain *c, int i) {
    if (i < c->length && is_clamp(node_at(f, f->run[c->run + i]))) {
        p->end.clamp = bnn_clamp_of(node_at(f, f->run[c->run + i]));
        i++;
    } else if (i == c->length && p->end.add == BNN_NONE && c->sum) {
        f->deferred[c->last] = *p;
        return;
    }
    if (i == c->length) {
        emit_product(f, p, c->last);
    } else {
        emit_run(f, bnn_op_folded_conv(f->graph, p->x, p->w, p->node->attr, &p->end), c, i);
    }
}

/* The product with what follows it, as far as that is an affine or a threshold. The filters' scale
 * stays behind: whoever takes it folds it. */
static void fold_conv(bnn_fold *f, const bnn_node *node, int thresholds) {
    product p = {.node = node, .end = bnn_conv_plain};
    p.w = bnn_plain(value(f, node->in[CONV_W]));
    p.x = (bnn_value){value(f, node->in[CONV_X]), value(f, node->in[CONV_X_SCALE])};
    bnn_shape filters = bnn_shape_of(f->source, node->in[CONV_W]);
    int integer = bnn_dtype_of(f->source, node->in[CONV_W]) == BNN_B1 && p.x.scale == BNN_NONE;
    int bound = integer ? filters.h * filters.w * filters.c : 0;
    chain c = take_chain(f, node->out[0], only_reader(f, node->out[0]));
    if (thresholds && c.sign >= 0 && bound) {
        p.end.threshold = add_threshold(f, &c, filters.n, bound);
        f->map[node_at(f, c.sign)->out[0]] =
            bnn_op_folded_conv(f->graph, p.x, p.w, node->attr, &p.end);
        return;
    }
    int taken = affine_length(f, &c, 0);
    if (taken > 0) {
        add_coefficients(f, filters.n, c.run, taken, &p.end.a, &p.end.b);
    }
    f->integer[node->out[0]] = c.length == 0 ? bound : 0;
    emit_with_run(f, &p, &c, taken);
}

/* A sum whose first term is a deferred product becomes that product's. */
static void fold_sum(bnn_fold *f, const bnn_node *node) {
    product p = f->deferred[node->in[0]];
    f->deferred[node->in[0]].node = NULL;
    p.end.add = value(f, node->in[1]);
    chain c = take_chain(f, node->out[0], only_reader(f, node->out[0]));
    emit_with_run(f, &p, &c, 0);
}

/* XNOR-Net++ trains scales for the longest of images; of those, this network's rows and columns. */
static bnn_t first_values(bnn_fold *f, bnn_t t, int count) {
    return t < 0
               ? BNN_NONE
               : add_constant(f, BNN_F32, bnn_vector(count), (formula){.kind = COPY, .source = t});
}

static void fold_outer_scale(bnn_fold *f, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(f->source, node->in[0]);
    bnn_t in[4] = {value(f, node->in[0]), value(f, node->in[1]), first_values(f, node->in[2], s.h),
                   first_values(f, node->in[3], s.w)};
    f->map[node->out[0]] = bnn_graph_add(f->graph, node->op, node->attr, node->attr_bytes, 4, in);
}

static void fold_node(bnn_fold *f, int index, int thresholds) {
    const bnn_node *node = node_at(f, index);
    if (node->op == &bnn_conv_op && f->constant[node->in[CONV_W]]) {
        fold_conv(f, node, thresholds);
    } else if (node->op == &bnn_add_op && f->deferred[node->in[0]].node) {
        fold_sum(f, node);
    } else if (per_channel(f, node)) {
        fold_run(f, index, thresholds);
    } else if (node->op == &bnn_outer_scale_op) {
        fold_outer_scale(f, node);
    } else {
        bnn_t in[BNN_MAX_IN];
        for (int k = 0; k < node->in_count; k++) {
            in[k] = value(f, node->in[k]);
        }
        f->map[node->out[0]] =
            bnn_graph_add(f->graph, node->op, node->attr, node->attr_bytes, node->in_count, in);
        if (node->op == &bnn_max_pool_op) { /* one of its inputs */
            f->integer[node->out[0]] = f->integer[node->in[0]];
        }
    }
}

static int allocate(bnn_fold *f) {
    size_t tensors = bnn_graph_tensor_count(f->source) + 1;
    size_t nodes = bnn_graph_node_count(f->source) + 1;
    f->constant = calloc(tensors, 1);
    f->needed = calloc(tensors, 1);
    f->uses = calloc(tensors, sizeof *f->uses);
    f->map = calloc(tensors, sizeof *f->map);
    f->integer = calloc(tensors, sizeof *f->integer);
    f->deferred = calloc(tensors, sizeof *f->deferred);
    f->done = calloc(nodes, 1);
    f->run = calloc(nodes, sizeof *f->run);
    f->graph = bnn_graph_create(bnn_graph_device(f->source), NULL, 0);
    return f->constant && f->needed && f->uses && f->map && f->integer && f->deferred && f->done &&
           f->run && f->graph;
}

bnn_code bnn_fold_create(bnn_graph *source, bnn_t input, bnn_t output, int thresholds,
                         bnn_fold **out, bnn_error *err) {
    bnn_code code = bnn_graph_status(source, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_fold *f = calloc(1, sizeof *f);
    if (!f) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    f->source = source;
    if (!allocate(f)) {
        bnn_fold_free(f);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    classify(f, output);
    f->input = bnn_graph_input(f->graph, "input", bnn_dtype_of(source, input),
                               bnn_shape_of(source, input));
    f->map[input] = f->input;
    for (size_t i = 0; i < bnn_graph_node_count(source); i++) {
        bnn_t made = node_at(f, (int)i)->out[0];
        if (f->needed[made] && !f->constant[made] && !f->done[i]) {
            fold_node(f, (int)i, thresholds);
        }
    }
    f->output = value(f, output);
    bnn_graph_keep(f->graph, f->output);
    code = bnn_graph_compile(f->graph, BNN_NONE, err);
    if (code != BNN_OK) {
        bnn_fold_free(f);
        return code;
    }
    *out = f;
    return BNN_OK;
}

void bnn_fold_free(bnn_fold *f) {
    if (!f) {
        return;
    }
    bnn_graph_free(f->graph);
    free(f->constant);
    free(f->needed);
    free(f->uses);
    free(f->map);
    free(f->integer);
    free(f->done);
    free(f->run);
    free(f->deferred);
    free(f->formulas);
    free(f);
}

bnn_graph *bnn_fold_graph(const bnn_fold *fold) {
    return fold->graph;
}

bnn_t bnn_fold_input(const bnn_fold *fold) {
    return fold->input;
}

bnn_t bnn_fold_output(const bnn_fold *fold) {
    return fold->output;
}

size_t bnn_fold_constant_count(const bnn_fold *fold) {
    return fold->formula_count;
}

bnn_t bnn_fold_constant(const bnn_fold *fold, size_t index) {
    return fold->formulas[index].target;
}

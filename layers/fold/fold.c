/* The structure of the folded graph: one walk over the source graph, in which runs of per-channel
 * nodes become one affine, or, in front of a sign and behind an integer, one threshold; and a
 * product takes as much of what follows it as it can do on its way out. */
#include <stdlib.h>

#include "layers/fold/fold_private.h"

/* Inputs of a product that stay. */
enum { PRODUCT_X, PRODUCT_W, PRODUCT_X_SCALE };

/* ---- what is constant, what is needed ---- */

static void classify(bnn_fold *f, int output_count, const bnn_t *outputs) {
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
    for (int i = 0; i < output_count; i++) {
        f->needed[outputs[i]] = 1;
        f->uses[outputs[i]]++;
    }
    for (size_t i = nodes; i-- > 0;) {
        const bnn_node *node = node_at(f, (int)i);
        for (int k = 0; f->needed[node->out[0]] && k < node->in_count; k++) {
            if (node->in[k] >= 0) {
                f->needed[node->in[k]] = 1;
                f->uses[node->in[k]]++;
            }
        }
    }
}

/* ---- constants ---- */

/* `from` and `what`: its name (names.c). */
static bnn_t add_constant(bnn_fold *f, bnn_dtype dtype, bnn_shape shape, formula r, bnn_t from,
                          const char *what) {
    size_t count = f->result.constant_count;
    char name[BNN_FOLD_NAME];
    if (count == f->formula_capacity) {
        size_t larger = f->formula_capacity ? 2 * f->formula_capacity : 64;
        formula *p = realloc(f->formulas, larger * sizeof *p);
        if (!p) {
            return bnn_graph_fail(f->graph, BNN_ERR_MEMORY, "out of memory for folding");
        }
        f->formulas = p;
        f->formula_capacity = larger;
    }
    f->formulas[count] = r;
    bnn_fold_name(f, from, what, name);
    return bnn_inference_constant(&f->result, dtype, shape, name);
}

static bnn_t add_copy(bnn_fold *f, bnn_t t, bnn_shape shape) {
    return add_constant(f, bnn_dtype_of(f->source, t), shape, (formula){.kind = COPY, .source = t},
                        t, NULL);
}

static void emit_product(bnn_fold *f, const product *p, bnn_t to);

/* The folded tensor of a source tensor; constants and deferred products come in as they are asked
 * for. */
static bnn_t value(bnn_fold *f, bnn_t t) {
    if (t >= 0 && f->deferred[t].node) {
        emit_product(f, &f->deferred[t], t);
    }
    if (t >= 0 && f->map[t] == BNN_NONE && f->constant[t]) {
        f->map[t] = add_copy(f, t, bnn_shape_of(f->source, t));
    }
    return t < 0 ? BNN_NONE : f->map[t];
}

/* Input k of a node that stays; of a constant what the node reads. */
static bnn_t operand(bnn_fold *f, const bnn_node *node, int k) {
    bnn_t t = node->in[k];
    const bnn_fold_rule *rule = node->op->fold;
    int used = rule && rule->used && t >= 0 && f->constant[t] ? rule->used(f->source, node, k) : 0;
    return used && (size_t)used < bnn_shape_count(bnn_shape_of(f->source, t))
               ? add_copy(f, t, bnn_vector(used))
               : value(f, t);
}

/* The node as it is, on the folded tensors of its inputs, `x` for the first. */
static bnn_t emit_node(bnn_fold *f, const bnn_node *node, bnn_t x) {
    bnn_t in[BNN_MAX_IN] = {x};
    for (int k = 1; k < node->in_count; k++) {
        in[k] = operand(f, node, k);
    }
    return bnn_graph_add(f->graph, node->op, node->attr, node->attr_bytes, node->in_count, in);
}

/* The coefficients a, b of `length` run nodes; b is BNN_NONE if there is nothing to add. Behind a
 * product they have the name of its filters' layer. */
static void add_coefficients(bnn_fold *f, int c, int run, int length, bnn_t filters, bnn_t *a,
                             bnn_t *b) {
    int has_b = 0;
    bnn_t from = filters >= 0 ? filters : bnn_fold_run_origin(f, run, length);
    for (int i = 0; i < length; i++) {
        const bnn_node *node = node_at(f, f->run[run + i]);
        has_b |= node->op->fold->compose(f->source, node, NULL, NULL) > 1;
    }
    formula r = {.kind = COEFFICIENT_A, .run = run, .length = length};
    *a = add_constant(f, BNN_F32, bnn_vector(c), r, from, "factor");
    r.kind = COEFFICIENT_B;
    *b = has_b ? add_constant(f, BNN_F32, bnn_vector(c), r, from, "shift") : BNN_NONE;
}

/* ---- runs of per-channel nodes ---- */

/* Is this node, its input given, a function of each channel's value? */
static int per_channel(const bnn_fold *f, const bnn_node *node) {
    bnn_fold_kind kind = kind_of(node);
    for (int k = 1; k < node->in_count; k++) {
        if (node->in[k] >= 0 && !f->constant[node->in[k]]) {
            return 0;
        }
    }
    return kind == BNN_FOLD_CHANNEL ||
           (kind == BNN_FOLD_AFFINE && node->op->fold->compose(f->source, node, NULL, NULL));
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
    c.sign = next >= 0 && kind_of(node_at(f, next)) == BNN_FOLD_SIGN ? next : -1;
    c.sum = next >= 0 && kind_of(node_at(f, next)) == BNN_FOLD_SUM;
    return c;
}

/* How many of the run's nodes from `i` on an affine takes: those up to another function. */
static int affine_length(const bnn_fold *f, const chain *c, int i) {
    int end = i;
    while (end < c->length && kind_of(node_at(f, f->run[c->run + end])) == BNN_FOLD_AFFINE) {
        end++;
    }
    return end - i;
}

/* Emits the run from its node `i` on as affines and the functions between them. */
static void emit_run(bnn_fold *f, bnn_t x, const chain *c, int i) {
    while (i < c->length) {
        int length = affine_length(f, c, i);
        if (length > 0) {
            bnn_t a, b;
            add_coefficients(f, bnn_shape_of(f->graph, x).c, c->run + i, length, BNN_NONE, &a, &b);
            x = bnn_op_affine(f->graph, x, a, b);
            i += length;
        } else {
            x = emit_node(f, node_at(f, f->run[c->run + i]), x);
            i++;
        }
    }
    f->map[c->last] = x;
}

/* Can a threshold replace the chain, on integers of at most `bound`, up to the bits of its sign? */
static int has_threshold(const bnn_fold *f, const chain *c, int bound) {
    return f->thresholds && c->sign >= 0 && bound && bnn_fold_monotone(f, c->run, c->length);
}

static bnn_t add_threshold(bnn_fold *f, const chain *c, int channels, int bound, bnn_t filters) {
    bnn_t from = filters >= 0 ? filters : bnn_fold_run_origin(f, c->run, c->length);
    formula r = {.kind = THRESHOLD, .run = c->run, .length = c->length, .bound = bound};
    f->done[c->sign] = 1;
    return add_constant(f, BNN_I32, bnn_vector(channels), r, from, "threshold");
}

static void fold_run(bnn_fold *f, int first) {
    bnn_t in = node_at(f, first)->in[0], x = value(f, in);
    chain c = take_chain(f, in, first);
    if (has_threshold(f, &c, f->integer[in])) {
        bnn_t t = add_threshold(f, &c, bnn_shape_of(f->graph, x).c, f->integer[in], BNN_NONE);
        f->map[node_at(f, c.sign)->out[0]] = bnn_op_threshold(f->graph, x, t);
    } else {
        emit_run(f, x, &c, 0);
    }
}

/* ---- the walk ---- */

static bnn_t add_product(bnn_fold *f, const product *p) {
    bnn_t in[3] = {[PRODUCT_X] = p->x.t, [PRODUCT_W] = p->w, [PRODUCT_X_SCALE] = p->x.scale};
    return p->node->op->fold->product(f->graph, p->node, in, &p->end);
}

/* Appends a product whose result is source tensor `to`. Of bits, it also leaves their signs. */
static void emit_product(bnn_fold *f, const product *p, bnn_t to) {
    product now = *p;
    int sign = -1;
    for (size_t i = 0; i < bnn_graph_node_count(f->source) && sign < 0; i++) {
        const bnn_node *node = node_at(f, (int)i);
        sign = f->needed[node->out[0]] && kind_of(node) == BNN_FOLD_SIGN && node->in[0] == to
                   ? (int)i
                   : -1;
    }
    now.end.sign = sign >= 0 && bnn_dtype_of(f->source, now.node->in[PRODUCT_X]) == BNN_B1;
    f->deferred[to].node = NULL;
    f->map[to] = add_product(f, &now);
    const bnn_node *made = bnn_graph_producer(f->graph, f->map[to]);
    if (made && now.end.sign) {
        f->map[node_at(f, sign)->out[0]] = made->out[1];
        f->done[sign] = 1;
    }
}

/* Appends a product and the run behind it from its node `i` on, the first part of which it may
 * take: a function that can be its end, or, if nothing else follows, a sum. */
static void emit_with_run(bnn_fold *f, product *p, const chain *c, int i) {
    const bnn_node *next = i < c->length ? node_at(f, f->run[c->run + i]) : NULL;
    if (next && next->op->fold->end && next->op->fold->end(next, &p->end)) {
        i++;
    } else if (i == c->length && p->end.add == BNN_NONE && c->sum) {
        f->deferred[c->last] = *p;
        return;
    }
    if (i == c->length) {
        emit_product(f, p, c->last);
    } else {
        emit_run(f, add_product(f, p), c, i);
    }
}

/* The product with what follows it, as far as that is an affine or a threshold. The filters' scale
 * stays behind: whoever takes it folds it. */
static void fold_product(bnn_fold *f, const bnn_node *node) {
    product p = {.node = node, .end = bnn_conv_plain};
    p.w = value(f, node->in[PRODUCT_W]);
    p.x = (bnn_value){value(f, node->in[PRODUCT_X]), value(f, node->in[PRODUCT_X_SCALE])};
    bnn_shape filters = bnn_shape_of(f->source, node->in[PRODUCT_W]);
    int integer = bnn_dtype_of(f->source, node->in[PRODUCT_W]) == BNN_B1 && p.x.scale == BNN_NONE;
    int bound = integer ? filters.h * filters.w * filters.c : 0;
    chain c = take_chain(f, node->out[0], only_reader(f, node->out[0]));
    if (has_threshold(f, &c, bound)) {
        p.end.threshold = add_threshold(f, &c, filters.n, bound, node->in[PRODUCT_W]);
        f->map[node_at(f, c.sign)->out[0]] = add_product(f, &p);
        return;
    }
    int taken = affine_length(f, &c, 0);
    if (taken > 0) {
        add_coefficients(f, filters.n, c.run, taken, node->in[PRODUCT_W], &p.end.a, &p.end.b);
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

/* The largest magnitude of the integers that a node makes, or selects; 0 if it does something else.
 */
static int integer_bound(const bnn_fold *f, const bnn_node *node) {
    int bound = 0;
    if (node->op->fold && node->op->fold->integers) {
        return node->op->fold->integers(f->source, node);
    }
    for (int k = 0; node->op->fold && node->op->fold->selects && k < node->in_count; k++) {
        int of_input = f->integer[node->in[k]];
        if (!of_input) {
            return 0;
        }
        bound = of_input > bound ? of_input : bound;
    }
    return bound;
}

static void fold_node(bnn_fold *f, int index) {
    const bnn_node *node = node_at(f, index);
    bnn_fold_kind kind = kind_of(node);
    if (kind == BNN_FOLD_PRODUCT && f->constant[node->in[PRODUCT_W]]) {
        fold_product(f, node);
    } else if (kind == BNN_FOLD_SUM && f->deferred[node->in[0]].node) {
        fold_sum(f, node);
    } else if (per_channel(f, node)) {
        fold_run(f, index);
    } else {
        f->map[node->out[0]] = emit_node(f, node, operand(f, node, 0));
        f->integer[node->out[0]] = integer_bound(f, node);
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
    return f->constant && f->needed && f->uses && f->map && f->integer && f->deferred && f->done &&
           f->run;
}

static bnn_code fold_all(bnn_fold *f, const bnn_t *inputs, const bnn_t *outputs, bnn_error *err) {
    bnn_inference *r = &f->result;
    classify(f, r->output_count, outputs);
    bnn_fold_place_params(f, 1);
    for (int i = 0; i < r->input_count; i++) {
        r->inputs[i] =
            bnn_graph_input(f->graph, bnn_graph_name_of(f->source, inputs[i]),
                            bnn_dtype_of(f->source, inputs[i]), bnn_shape_of(f->source, inputs[i]));
        f->map[inputs[i]] = r->inputs[i];
    }
    for (size_t i = 0; i < bnn_graph_node_count(f->source); i++) {
        bnn_t made = node_at(f, (int)i)->out[0];
        if (f->needed[made] && !f->constant[made] && !f->done[i]) {
            fold_node(f, (int)i);
        }
    }
    for (int i = 0; i < r->output_count; i++) {
        r->outputs[i] = value(f, outputs[i]);
        bnn_graph_keep(f->graph, r->outputs[i]);
    }
    return bnn_graph_compile(f->graph, BNN_NONE, err);
}

bnn_code bnn_fold_create(bnn_graph *source, int input_count, const bnn_t *inputs, int output_count,
                         const bnn_t *outputs, int thresholds, bnn_fold **out, bnn_error *err) {
    bnn_code code = bnn_graph_status(source, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_fold *f = calloc(1, sizeof *f);
    if (!f) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    }
    f->source = source;
    f->thresholds = thresholds;
    code = allocate(f) ? bnn_inference_start(&f->result, bnn_graph_device(source), input_count,
                                             output_count, err)
                       : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for folding");
    if (code == BNN_OK) {
        f->graph = f->result.graph;
        f->result.input_count = input_count;
        f->result.output_count = output_count;
        code = fold_all(f, inputs, outputs, err);
    }
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
    bnn_inference_free(&f->result);
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

const bnn_inference *bnn_fold_result(const bnn_fold *fold) {
    return &fold->result;
}

#include "models/export/c/plan.h"

#include <stdlib.h>

static int is_global_pool(const bnn_node *node) {
    return node->op == &bnn_global_avg_pool_op || node->op == &bnn_global_max_pool_op;
}

static int is_pool(const bnn_node *node) {
    return node->op == &bnn_max_pool_op || is_global_pool(node);
}

int bnn_c_pixel_wise(const bnn_translation *t, const bnn_node *node) {
    if (node->op != &bnn_conv_op) {
        return node->op == &bnn_batch_product_op;
    }
    const bnn_conv s = bnn_conv_of(t->graph, node);
    return s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 &&
           s.pad_w == 0 && s.oh == s.h && s.ow == s.w;
}

bnn_c_read bnn_c_reads(const bnn_translation *t, const bnn_node *node, int k) {
    if (node->in[k] < 0 || (node->op == &bnn_sign_op && k > 0) ||
        (node->op == &bnn_conv_op && k > 2)) {
        return BNN_C_UNREAD; /* surrogates; filters as this machine's kernels want them */
    }
    if (node->op == &bnn_concat_op) {
        return bnn_shape_rows(bnn_shape_of(t->graph, node->in[k])) ==
                       bnn_shape_rows(bnn_shape_of(t->graph, node->out[0]))
                   ? BNN_C_ROW
                   : BNN_C_ANY;
    }
    if (node->op == &bnn_add_op) {
        return BNN_C_ROW;
    }
    const int any = k > 0 || node->op == &bnn_move_op || node->op->view ||
                    (node->op == &bnn_conv_op && !bnn_c_pixel_wise(t, node));
    return any ? BNN_C_ANY : BNN_C_ROW;
}

static const bnn_node *node_at(const bnn_c_plan *p, size_t i) {
    return bnn_graph_node(p->t->graph, i);
}

static bnn_t root_of(const bnn_c_plan *p, bnn_t t) {
    return p->value[t].root;
}

/* ---- stages ---- */

/* Does node i read it, itself or in another shape? */
static int reads_root(const bnn_c_plan *p, size_t i, bnn_t root) {
    const bnn_node *node = node_at(p, i);
    int reads = 0;
    for (int k = 0; k < node->in_count; k++) {
        reads |= bnn_c_reads(p->t, node, k) != BNN_C_UNREAD && root_of(p, node->in[k]) == root;
    }
    return reads;
}

/* A pool that passes over pixels, or comes to them in another order, takes only what nobody else
 * wants: every value made in the stage so far, up to node i, is read in it. */
static int all_passes_on(const bnn_c_plan *p, const bnn_c_stage *s, size_t i) {
    const size_t nodes = bnn_graph_node_count(p->t->graph);
    for (size_t n = s->first; n < i; n++) {
        const bnn_t made = node_at(p, n)->out[0];
        for (size_t r = n + 1; r < nodes; r++) {
            if (reads_root(p, r, made) && r > i) {
                return 0;
            }
        }
        if (p->value[made].stored || made == p->t->plain.outputs[0]) {
            return 0;
        }
    }
    return 1;
}

/* Can node i go on with the pixel that the stage before it is at? */
static int joins(const bnn_c_plan *p, size_t i) {
    const bnn_node *node = node_at(p, i);
    const bnn_c_stage *s = &p->stage[p->stages - 1];
    int rows = 0;
    if (p->stages == 0 || node->op == &bnn_move_op || node_at(p, s->first)->op == &bnn_move_op) {
        return 0;
    }
    for (int k = 0; k < node->in_count; k++) {
        const bnn_c_read how = bnn_c_reads(p->t, node, k);
        const bnn_c_value *v = how == BNN_C_UNREAD ? NULL : &p->value[node->in[k]];
        if (v && p->value[v->root].stage == p->stages - 1) {
            const int here = how == BNN_C_ROW && v->root == node->in[k] &&
                             v->pooled == (s->pool != NULL) && !v->stored;
            if (!here) {
                return 0;
            }
            rows++;
        }
    }
    if (!rows || !is_pool(node)) {
        return rows;
    }
    return !s->pool && (is_global_pool(node) || (bnn_translation_int(node, "stride") >=
                                                     bnn_translation_int(node, "kernel") &&
                                                 all_passes_on(p, s, i)));
}

static void assign_stages(bnn_c_plan *p) {
    const size_t nodes = bnn_graph_node_count(p->t->graph);
    for (size_t i = 0; i < nodes; i++) {
        const bnn_node *node = node_at(p, i);
        if (node->op->view) {
            p->stage_of[i] = -1;
            p->value[node->out[0]].root = root_of(p, node->in[0]);
            continue;
        }
        if (!joins(p, i)) {
            p->stage[p->stages++] = (bnn_c_stage){.first = i};
        }
        bnn_c_stage *s = &p->stage[p->stages - 1];
        s->end = i + 1;
        s->pool = is_pool(node) ? node : s->pool;
        p->stage_of[i] = p->stages - 1;
        bnn_c_value *made = &p->value[node->out[0]];
        made->stage = made->last = p->stages - 1;
        made->pooled = s->pool != NULL;
        /* Not a row of what is read, but numbers of their own. */
        made->stored = node->op == &bnn_abs_mean_op || node->op == &bnn_move_op;
    }
}

/* ---- what is kept of each value ---- */

static void follow_readers(bnn_c_plan *p) {
    const bnn_translation *t = p->t;
    for (size_t i = 0; i < bnn_graph_node_count(t->graph); i++) {
        const bnn_node *node = node_at(p, i);
        for (int k = 0; k < node->in_count; k++) {
            if (bnn_c_reads(t, node, k) == BNN_C_UNREAD) {
                continue;
            }
            bnn_c_value *v = &p->value[root_of(p, node->in[k])];
            v->stored |= p->stage_of[i] != v->stage;
            v->last = p->stage_of[i] > v->last ? p->stage_of[i] : v->last;
        }
    }
    bnn_c_value *out = &p->value[root_of(p, t->plain.outputs[0])];
    out->stored = 1;
    out->last = p->stages;
}

/* Do integers do for all who read this? */
static int integers_do(const bnn_c_plan *p, bnn_t t) {
    int readers = 0;
    for (size_t i = 0; i < bnn_graph_node_count(p->t->graph); i++) {
        const bnn_node *node = node_at(p, i);
        if (reads_root(p, i, t)) {
            readers++;
            if (node->op != &bnn_threshold_op &&
                (node->op != &bnn_max_pool_op || !integers_do(p, node->out[0]))) {
                return 0;
            }
        }
    }
    return readers && !p->value[t].stored;
}

static int is_product_of_bits(const bnn_c_plan *p, const bnn_node *node) {
    return node->op == &bnn_conv_op && bnn_dtype_of(p->t->graph, node->in[1]) == BNN_B1;
}

static void choose_members(bnn_c_plan *p) {
    for (size_t i = 0; i < bnn_graph_node_count(p->t->graph); i++) {
        const bnn_node *node = node_at(p, i);
        const bnn_t made = node->out[0];
        const int integers =
            (is_product_of_bits(p, node) && node->in[2] < 0) ||
            (node->op == &bnn_max_pool_op && p->value[node->in[0]].member == BNN_C_INTEGERS);
        p->value[made].member = bnn_dtype_of(p->t->graph, made) == BNN_B1 ? BNN_C_BITS
                                : integers && integers_do(p, made)        ? BNN_C_INTEGERS
                                                                          : BNN_C_FLOATS;
    }
}

/* ---- buffers ---- */

static size_t words_of(const bnn_c_plan *p, bnn_t t) {
    const bnn_shape s = bnn_shape_of(p->t->graph, t);
    const bnn_c_value *v = &p->value[t];
    const size_t row = v->member == BNN_C_BITS ? ((size_t)s.c + 31) / 32 : (size_t)s.c;
    return v->stored ? row * bnn_shape_rows(s) : row;
}

static int add_buffer(bnn_c_plan *p, bnn_c_member member, size_t words, int first, int last) {
    p->buffer[p->buffers] =
        (bnn_c_buffer){.member = member, .words = words, .first = first, .last = last};
    return p->buffers++;
}

/* Does the op read of its input no other value than the one that it writes the result of? */
static int is_by_value(const bnn_node *node) {
    return node->op == &bnn_add_op || node->op == &bnn_affine_op || node->op == &bnn_clamp_op ||
           node->op == &bnn_prelu_op || node->op == &bnn_diagonal_op ||
           node->op == &bnn_outer_scale_op;
}

static int is_behind_pool(const bnn_c_plan *p, size_t i) {
    return p->value[node_at(p, i)->out[0]].pooled;
}

/* Is all that the stage reads of it the pixel at hand of node i, before that writes its own? */
static int is_over_by(const bnn_c_plan *p, bnn_t root, size_t i) {
    const bnn_c_stage *s = &p->stage[p->stage_of[i]];
    for (size_t n = s->first; n < s->end; n++) {
        const bnn_node *node = node_at(p, n);
        const int before = n < i || (n == i && is_by_value(node));
        for (int k = 0; k < node->in_count; k++) {
            const bnn_c_read how = bnn_c_reads(p->t, node, k);
            if (how != BNN_C_UNREAD && root_of(p, node->in[k]) == root &&
                (how != BNN_C_ROW || !before || is_pool(node) ||
                 is_behind_pool(p, n) != is_behind_pool(p, i))) {
                return 0;
            }
        }
    }
    return 1;
}

/* Whose memory node i's result may take over: what nobody reads afterwards, of as many values that
 * are read one by one. BNN_NONE: nobody's. */
static bnn_t taken_over(const bnn_c_plan *p, size_t i) {
    const bnn_t made = node_at(p, i)->out[0];
    const bnn_c_value *to = &p->value[made];
    const int stage = p->stage_of[i];
    for (size_t n = p->stage[stage].first; n <= i && !is_pool(node_at(p, i)); n++) {
        const bnn_node *node = node_at(p, n);
        for (int k = 0; k < node->in_count; k++) {
            const bnn_t root = node->in[k] < 0 ? BNN_NONE : root_of(p, node->in[k]);
            const bnn_c_value *from = root < 0 ? NULL : &p->value[root];
            if (from && from->buffer >= 0 && !from->taken && from->last == stage &&
                from->member == to->member && from->stored == to->stored &&
                words_of(p, root) == words_of(p, made) && is_over_by(p, root, i)) {
                return root;
            }
        }
    }
    return BNN_NONE;
}

static void assign_buffers(bnn_c_plan *p) {
    const bnn_translation *t = p->t;
    const bnn_t output = root_of(p, t->plain.outputs[0]);
    for (size_t i = 0; i < bnn_graph_node_count(t->graph); i++) {
        const bnn_node *node = node_at(p, i);
        const bnn_t made = node->out[0];
        bnn_c_value *v = &p->value[made];
        const int stage = p->stage_of[i];
        p->temporary[i] = -1;
        if (node->op->view) {
            continue;
        }
        if (is_product_of_bits(p, node) && v->member == BNN_C_FLOATS) {
            const size_t words = (size_t)bnn_shape_of(t->graph, made).c;
            p->temporary[i] = add_buffer(p, BNN_C_INTEGERS, words, stage, stage);
        }
        const bnn_t from = made == output ? BNN_NONE : taken_over(p, i);
        if (from >= 0) {
            p->value[from].taken = 1;
            v->buffer = p->value[from].buffer;
            p->buffer[v->buffer].last = v->last;
        } else if (made != output) {
            v->buffer = add_buffer(p, v->member, words_of(p, made), stage, v->last);
        }
    }
}

static int larger_first(const void *a, const void *b) {
    const bnn_c_buffer *x = *(bnn_c_buffer *const *)a, *y = *(bnn_c_buffer *const *)b;
    if (x->words != y->words) {
        return x->words < y->words ? 1 : -1;
    }
    return x < y ? -1 : x > y;
}

static int meet(const bnn_c_buffer *a, const bnn_c_buffer *b) {
    return a->member == b->member && a->first <= b->last && b->first <= a->last;
}

/* The largest first, each at the lowest offset where it fits. */
static void place_buffers(bnn_c_plan *p, bnn_c_buffer **order) {
    for (int i = 0; i < p->buffers; i++) {
        order[i] = &p->buffer[i];
    }
    qsort(order, (size_t)p->buffers, sizeof *order, larger_first);
    for (int i = 0; i < p->buffers; i++) {
        bnn_c_buffer *b = order[i];
        for (int k = 0; k < i; k++) {
            const bnn_c_buffer *o = order[k];
            if (meet(o, b) && b->offset < o->offset + o->words &&
                o->offset < b->offset + b->words) {
                b->offset = o->offset + o->words;
                k = -1; /* those before may be in the way there */
            }
        }
        size_t *words = &p->words[b->member];
        *words = b->offset + b->words > *words ? b->offset + b->words : *words;
    }
}

bnn_code bnn_c_plan_make(const bnn_translation *t, int pixels, bnn_c_plan *p) {
    const size_t tensors = bnn_graph_tensor_count(t->graph), nodes = bnn_graph_node_count(t->graph);
    *p = (bnn_c_plan){.t = t, .pixels = -1};
    p->value = bnn_arena_alloc(t->arena, (tensors + 1) * sizeof *p->value);
    p->stage = bnn_arena_alloc(t->arena, (nodes + 1) * sizeof *p->stage);
    p->stage_of = bnn_arena_alloc(t->arena, (nodes + 1) * sizeof *p->stage_of);
    p->temporary = bnn_arena_alloc(t->arena, (nodes + 1) * sizeof *p->temporary);
    p->buffer = bnn_arena_alloc(t->arena, (2 * nodes + 1) * sizeof *p->buffer);
    bnn_c_buffer **order = bnn_arena_alloc(t->arena, (2 * nodes + 1) * sizeof(bnn_c_buffer *));
    if (!p->value || !p->stage || !p->stage_of || !p->temporary || !p->buffer || !order) {
        return bnn_translation_no_memory(t);
    }
    for (size_t i = 0; i < tensors; i++) {
        p->value[i] = (bnn_c_value){.root = (bnn_t)i, .stage = -1, .stored = 1, .buffer = -1};
    }
    assign_stages(p);
    follow_readers(p);
    choose_members(p);
    if (pixels) {
        const bnn_t input = t->plain.inputs[0];
        p->pixels = add_buffer(p, BNN_C_FLOATS, words_of(p, input), 0, p->value[input].last);
    }
    assign_buffers(p);
    place_buffers(p, order);
    return BNN_OK;
}

size_t bnn_c_work_bytes(const bnn_c_plan *p) {
    size_t words = 0;
    for (int m = 0; m < BNN_C_MEMBERS; m++) {
        words += p->words[m];
    }
    return words * sizeof(float);
}

int bnn_c_largest_stage(const bnn_c_plan *p) {
    size_t most = 0;
    int largest = 0;
    for (int s = 0; s < p->stages; s++) {
        size_t words = 0;
        for (int i = 0; i < p->buffers; i++) {
            const int live = p->buffer[i].first <= s && s <= p->buffer[i].last;
            words += live ? p->buffer[i].words : 0;
        }
        largest = words > most ? s : largest;
        most = words > most ? words : most;
    }
    return largest;
}

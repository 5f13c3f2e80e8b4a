/* The loops of exported C source: one for each stage of its plan (plan.h), in which each node is
 * a call of a function of loops.inc for the pixel at hand. */
#include <math.h>
#include <string.h>

#include "models/export/c/write.h"

/* Of a stage's loop: the pixel at hand is variable i, behind a pool j; "0" where there is one. */
typedef struct level {
    const char *pixel;
    size_t pixels;
} level;

typedef struct op {
    const bnn_op *op;
    bnn_code (*put)(bnn_c_writer *w, const bnn_node *node, const level *at);
} op;

/* ---- places ---- */

static int is_one(const level *at) {
    return at->pixel[0] == '0';
}

static const char *buffer(bnn_c_writer *w, int index) {
    static const char *const member[] = {
        [BNN_C_FLOATS] = "floats", [BNN_C_BITS] = "bits", [BNN_C_INTEGERS] = "integers"};
    const bnn_c_buffer *b = &w->plan->buffer[index];
    return b->offset ? bnn_c_text(w, "work.%s + %zu", member[b->member], b->offset)
                     : bnn_c_text(w, "work.%s", member[b->member]);
}

/* Where a tensor begins. */
static const char *base(bnn_c_writer *w, bnn_t t) {
    const bnn_t root = w->plan->value[t].root;
    if (bnn_translation_is_constant(w->t, root)) {
        return bnn_c_constant_name(w, root, BNN_C_PLAIN);
    }
    return root == w->t->plain.inputs[0] ? "input"
           : root == w->plan->value[w->t->plain.outputs[0]].root
               ? "logits"
               : buffer(w, w->plan->value[root].buffer);
}

/* Where its pixel at hand is. */
static const char *row(bnn_c_writer *w, bnn_t t, const level *at) {
    const bnn_c_value *root = &w->plan->value[w->plan->value[t].root];
    const int c = bnn_shape_of(w->t->graph, t).c;
    const int step = root->member == BNN_C_BITS ? (c + 31) / 32 : c;
    return !root->stored || is_one(at) ? base(w, t)
                                       : bnn_c_text(w, "%s + %s * %d", base(w, t), at->pixel, step);
}

static int channels(const bnn_c_writer *w, bnn_t t) {
    return bnn_shape_of(w->t->graph, t).c;
}

/* Number `index` of a list that begins there. */
static const char *item(bnn_c_writer *w, const char *from, const char *index) {
    return bnn_c_text(w, "(%s)[%s]", from, index);
}

/* The pixel at hand divided by so much, or the rest. */
static const char *part(bnn_c_writer *w, const level *at, char how, size_t by) {
    return is_one(at) || (how == '/' && by == 1) ? at->pixel
                                                 : bnn_c_text(w, "%s %c %zu", at->pixel, how, by);
}

/* ---- products ---- */

static const char *window_of(bnn_c_writer *w, const bnn_node *node) {
    const bnn_conv s = bnn_conv_of(w->t->graph, node);
    const int32_t one[14] = {1, 1, s.c, s.o, 1, 1, 1, 1, 1, 0, 0, 1, 1, s.groups};
    const int32_t all[14] = {s.h,        s.w,        s.c,     s.o,     s.ow,    s.kh,    s.kw,
                             s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.dil_h, s.dil_w, s.groups};
    return bnn_c_table_name(w, 0, bnn_c_pixel_wise(w->t, node) ? one : all);
}

static void put_product(bnn_c_writer *w, const bnn_node *node, const level *at,
                        const char *function, const char *filters, const char *to) {
    static const level whole = {"0", 1};
    const int wise = bnn_c_pixel_wise(w->t, node);
    bnn_c_put(w, "%s(&%s, %s, %s, %s, %s);", function, window_of(w, node),
              row(w, node->in[0], wise ? at : &whole), filters, wise ? "0" : at->pixel, to);
}

/* The integers become floats, times the input's factor. */
static bnn_code put_scaled(bnn_c_writer *w, const bnn_node *node, const level *at,
                           const char *integers) {
    const bnn_t y = node->out[0], scale = node->in[2];
    const int c = channels(w, y);
    if (scale < 0) {
        bnn_c_put(w, "floats_row(%d, %s, %s);", c, integers, row(w, y, at));
        return BNN_OK;
    }
    const size_t factors = bnn_shape_count(bnn_shape_of(w->t->graph, scale));
    const size_t rows = bnn_shape_rows(bnn_shape_of(w->t->graph, node->in[0]));
    if (factors > 1 && !bnn_c_pixel_wise(w->t, node)) {
        return bnn_translation_refuse(w->t, node,
                                      "each pixel has a factor of its own, and windows see several "
                                      "pixels, which exported C source cannot do; use the packed "
                                      "format");
    }
    const char *index = factors > 1 ? part(w, at, '/', rows / factors) : "0";
    bnn_c_put(w, "scaled_row(%d, %s, %s, %s);", c, item(w, base(w, scale), index), integers,
              row(w, y, at));
    return BNN_OK;
}

static bnn_code put_conv(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const bnn_t filters = node->in[1], y = node->out[0];
    const int temporary = w->plan->temporary[w->node];
    const int grouped = bnn_conv_config_of(node)->groups > 1;
    if (bnn_dtype_of(w->t->graph, filters) == BNN_F32) {
        put_product(w, node, at, "floats_product", base(w, filters), row(w, y, at));
        return BNN_OK;
    }
    bnn_code code = bnn_translation_check_terms(w->t, node); /* thresholds end there */
    if (code != BNN_OK) {
        return code;
    }
    const char *integers = temporary < 0 ? row(w, y, at) : buffer(w, temporary);
    put_product(w, node, at, grouped ? "grouped_bits_product" : "bits_product",
                bnn_c_constant_name(w, filters, grouped ? BNN_C_BY_FILTER : BNN_C_BY_TAP),
                integers);
    return temporary < 0 ? BNN_OK : put_scaled(w, node, at, integers);
}

/* Each row times a matrix that was computed. */
static bnn_code put_batch_product(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const int32_t one[14] = {
        1, 1, channels(w, node->in[0]), channels(w, node->out[0]), 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};
    bnn_c_put(w, "floats_product(&%s, %s, %s, 0, %s);", bnn_c_table_name(w, 0, one),
              row(w, node->in[0], at), base(w, node->in[1]), row(w, node->out[0], at));
    return BNN_OK;
}

/* ---- rows ---- */

static void put_copy(bnn_c_writer *w, int n, const char *from, const char *to) {
    if (strcmp(from, to) != 0) {
        bnn_c_put(w, "copy_row(%d, %s, %s);", n, from, to);
    }
}

static bnn_code put_affine(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const int n = channels(w, node->out[0]);
    const char *x = row(w, node->in[0], at), *y = row(w, node->out[0], at);
    if (node->in[1] >= 0) {
        bnn_c_put(w, "times_row(%d, %s, %s, %s);", n, x, base(w, node->in[1]), y);
        x = y;
    }
    if (node->in[2] >= 0) {
        bnn_c_put(w, "plus_row(%d, %s, %s, %s);", n, x, base(w, node->in[2]), y);
        x = y;
    }
    put_copy(w, n, x, y);
    return BNN_OK;
}

static bnn_code put_add(bnn_c_writer *w, const bnn_node *node, const level *at) {
    bnn_c_put(w, "plus_row(%d, %s, %s, %s);", channels(w, node->out[0]), row(w, node->in[0], at),
              row(w, node->in[1], at), row(w, node->out[0], at));
    return BNN_OK;
}

static bnn_code put_clamp(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const bnn_clamp_bounds bounds = bnn_clamp_of(node);
    const int n = channels(w, node->out[0]);
    const char *x = row(w, node->in[0], at), *y = row(w, node->out[0], at);
    char text[BNN_C_FLOAT_ROOM];
    if (bounds.lo > -INFINITY) {
        bnn_c_put(w, "at_least_row(%d, %s, %s, %s);", n, x, bnn_c_float(bounds.lo, text), y);
        x = y;
    }
    if (bounds.hi < INFINITY) {
        bnn_c_put(w, "at_most_row(%d, %s, %s, %s);", n, x, bnn_c_float(bounds.hi, text), y);
        x = y;
    }
    put_copy(w, n, x, y);
    return BNN_OK;
}

static bnn_code put_sign(bnn_c_writer *w, const bnn_node *node, const level *at) {
    bnn_c_put(w, "sign_row(%d, %s, %s);", channels(w, node->out[0]), row(w, node->in[0], at),
              row(w, node->out[0], at));
    return BNN_OK;
}

static bnn_code put_threshold(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const int integers = w->plan->value[node->in[0]].member == BNN_C_INTEGERS;
    bnn_c_put(w, "%s(%d, %s, %s, %s);", integers ? "threshold_integers" : "threshold_row",
              channels(w, node->out[0]), row(w, node->in[0], at),
              bnn_c_constant_name(w, node->in[1], BNN_C_THRESHOLDS), row(w, node->out[0], at));
    return BNN_OK;
}

static bnn_code put_prelu(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const size_t slopes = bnn_shape_count(bnn_shape_of(w->t->graph, node->in[1]));
    bnn_c_put(w, "prelu_row(%d, %s, %s, %d, %s);", channels(w, node->out[0]),
              row(w, node->in[0], at), base(w, node->in[1]), slopes > 1, row(w, node->out[0], at));
    return BNN_OK;
}

static bnn_code put_outer_scale(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const size_t columns = (size_t)bnn_shape_of(w->t->graph, node->out[0]).w;
    const char *factor = item(w, base(w, node->in[3]), part(w, at, '%', columns));
    if (node->in[2] >= 0) {
        const char *h = item(w, base(w, node->in[2]), part(w, at, '/', columns));
        factor = bnn_c_text(w, "%s * %s", h, factor);
    }
    bnn_c_put(w, "outer_row(%d, %s, %s, %s, %s);", channels(w, node->out[0]),
              row(w, node->in[0], at), base(w, node->in[1]), factor, row(w, node->out[0], at));
    return BNN_OK;
}

static bnn_code put_diagonal(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const int n = channels(w, node->out[0]);
    const char *y = row(w, node->out[0], at);
    char text[BNN_C_FLOAT_ROOM];
    put_copy(w, n, row(w, node->in[0], at), y);
    bnn_c_put(w, "%s += %s;", item(w, y, part(w, at, '%', (size_t)n)),
              bnn_c_float(bnn_translation_float(node, "value"), text));
    return BNN_OK;
}

static bnn_code put_concat(bnn_c_writer *w, const bnn_node *node, const level *at) {
    int first = 0;
    for (int k = 0; k < node->in_count; k++) {
        const int n = channels(w, node->in[k]);
        const int by_row = bnn_c_reads(w->t, node, k) == BNN_C_ROW;
        bnn_c_put(w, "copy_row(%d, %s, %s + %d);", n,
                  by_row ? row(w, node->in[k], at) : base(w, node->in[k]), row(w, node->out[0], at),
                  first);
        first += n;
    }
    return BNN_OK;
}

/* A mean of as many pixels as there are of the input to one of the result; their sum is a variable
 * of the stage. */
static bnn_code put_abs_mean(bnn_c_writer *w, const bnn_node *node, const level *at) {
    const bnn_shape s = bnn_shape_of(w->t->graph, node->in[0]);
    const size_t means = bnn_shape_count(bnn_shape_of(w->t->graph, node->out[0]));
    const size_t pixels = bnn_shape_rows(s) / means;
    const char *y = item(w, base(w, node->out[0]), part(w, at, '/', pixels));
    const char *sum = bnn_c_text(w, "sum%zu", w->node);
    bnn_c_put(w, "%s += magnitudes(%d, %s);", sum, s.c, row(w, node->in[0], at));
    if (pixels > 1) {
        bnn_c_put(w, "if (%s == %zu) {", part(w, at, '%', pixels), pixels - 1);
        w->indent++;
    }
    bnn_c_put(w, "%s = (float)(%s / %zu.0);", y, sum, pixels * (size_t)s.c);
    bnn_c_put(w, "%s = 0.0;", sum);
    if (pixels > 1) {
        w->indent--;
        bnn_c_put(w, "}");
    }
    return BNN_OK;
}

static bnn_code put_move(bnn_c_writer *w, const bnn_node *node, const level *at) {
    static const char *const names[] = {"size0", "size1", "size2", "size3", "from0", "from1",
                                        "from2", "from3", "to0",   "to1",   "to2",   "to3"};
    const bnn_shape y = bnn_shape_of(w->t->graph, node->out[0]);
    int32_t m[14];
    (void)at;
    for (int i = 0; i < 12; i++) {
        m[i] = bnn_translation_int(node, names[i]);
    }
    const double moved = (double)m[0] * m[1] * m[2] * m[3];
    if (moved < (double)bnn_shape_count(y)) {
        bnn_c_put(w, "fill_map(%zu, 0.0f, %s);", bnn_shape_count(y), base(w, node->out[0]));
    }
    bnn_c_put(w, "move_map(%s, %s + %d, %s + %d);", bnn_c_table_name(w, 1, m), base(w, node->in[0]),
              bnn_translation_int(node, "x_first"), base(w, node->out[0]),
              bnn_translation_int(node, "y_first"));
    return BNN_OK;
}

static const op ops[] = {
    {&bnn_conv_op, put_conv},
    {&bnn_batch_product_op, put_batch_product},
    {&bnn_affine_op, put_affine},
    {&bnn_add_op, put_add},
    {&bnn_clamp_op, put_clamp},
    {&bnn_sign_op, put_sign},
    {&bnn_threshold_op, put_threshold},
    {&bnn_prelu_op, put_prelu},
    {&bnn_outer_scale_op, put_outer_scale},
    {&bnn_diagonal_op, put_diagonal},
    {&bnn_concat_op, put_concat},
    {&bnn_abs_mean_op, put_abs_mean},
    {&bnn_move_op, put_move},
};

static bnn_code put_node(bnn_c_writer *w, size_t i, const level *at) {
    const bnn_node *node = bnn_graph_node(w->t->graph, i);
    w->node = i;
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        if (ops[k].op == node->op) {
            return ops[k].put(w, node, at);
        }
    }
    return bnn_translation_refuse(w->t, node, "exported C source has no %s; use the packed format",
                                  node->op->name);
}

/* ---- stages ---- */

static level level_of(bnn_c_writer *w, bnn_t t, const char *variable) {
    const size_t pixels = bnn_shape_rows(bnn_shape_of(w->t->graph, t));
    return (level){pixels == 1 ? "0" : variable, pixels};
}

/* The nodes from..end for the pixels of a level, in a loop if there are several. */
static void open_loop(bnn_c_writer *w, const level *at) {
    if (!is_one(at)) {
        bnn_c_put(w, "for (int32_t %s = 0; %s < %zu; %s++) {", at->pixel, at->pixel, at->pixels,
                  at->pixel);
        w->indent++;
    }
}

static void close_loop(bnn_c_writer *w, const level *at) {
    if (!is_one(at)) {
        w->indent--;
        bnn_c_put(w, "}");
    }
}

static bnn_code put_nodes(bnn_c_writer *w, size_t from, size_t end, const level *at) {
    bnn_code code = BNN_OK;
    for (size_t i = from; code == BNN_OK && i < end; i++) {
        code = w->plan->stage_of[i] < 0 ? BNN_OK : put_node(w, i, at);
    }
    return code;
}

/* The index of the stage's pool, or its end. */
static size_t pool_at(const bnn_c_writer *w, const bnn_c_stage *s) {
    size_t i = s->first;
    while (i < s->end && bnn_graph_node(w->t->graph, i) != s->pool) {
        i++;
    }
    return i;
}

/* All pixels become one. */
static bnn_code put_global_pool(bnn_c_writer *w, const bnn_c_stage *s, size_t pool) {
    static const level one = {"0", 1};
    const bnn_t x = s->pool->in[0], y = s->pool->out[0];
    const level all = level_of(w, x, "i");
    const int max = s->pool->op == &bnn_global_max_pool_op, n = channels(w, y);
    char text[BNN_C_FLOAT_ROOM];
    open_loop(w, &all);
    bnn_code code = put_nodes(w, s->first, pool, &all);
    bnn_c_put(w, "%s(%d, %s, %s, %s);", max ? "max_row" : "sum_row", n,
              is_one(&all) ? "1" : bnn_c_text(w, "%s == 0", all.pixel), row(w, x, &all),
              row(w, y, &one));
    close_loop(w, &all);
    const float shift = max ? bnn_translation_float(s->pool, "shift") : 0.0f;
    if (!max) {
        bnn_c_put(w, "all_times_row(%d, %s, %s, %s);", n, row(w, y, &one),
                  bnn_c_float(1.0f / (float)all.pixels, text), row(w, y, &one));
    } else if (shift < 0.0f || shift > 0.0f) {
        bnn_c_put(w, "all_plus_row(%d, %s, %s, %s);", n, row(w, y, &one), bnn_c_float(shift, text),
                  row(w, y, &one));
    }
    return code == BNN_OK ? put_nodes(w, pool + 1, s->end, &one) : code;
}

/* For each pixel of the result, those in its window that there are. */
static bnn_code put_max_pool(bnn_c_writer *w, const bnn_c_stage *s, size_t pool) {
    const bnn_node *node = s->pool;
    const bnn_t x = node->in[0], y = node->out[0];
    const bnn_shape map = bnn_shape_of(w->t->graph, x), made = bnn_shape_of(w->t->graph, y);
    const int kernel = bnn_translation_int(node, "kernel");
    const int stride = bnn_translation_int(node, "stride"), pad = bnn_translation_int(node, "pad");
    const int32_t window[14] = {map.h,  map.w,  map.c, made.c, made.w, kernel, kernel,
                                stride, stride, pad,   pad,    1,      1,      1};
    const level inside = {"i", bnn_shape_rows(map)}, of_result = level_of(w, y, "j");
    const int integers = w->plan->value[y].member == BNN_C_INTEGERS;
    open_loop(w, &of_result);
    bnn_c_put(w, "int32_t first%zu = 1;", pool);
    bnn_c_put(w, "for (int32_t k = 0; k < %d; k++) {", kernel * kernel);
    w->indent++;
    bnn_c_put(w, "const int32_t i = pixel_at(&%s, %s, k);", bnn_c_table_name(w, 0, window),
              of_result.pixel);
    bnn_c_put(w, "if (i < 0) {");
    bnn_c_put(w, "    continue;");
    bnn_c_put(w, "}");
    bnn_code code = put_nodes(w, s->first, pool, &inside);
    bnn_c_put(w, "%s(%d, first%zu, %s, %s);", integers ? "max_integers" : "max_row", made.c, pool,
              row(w, x, &inside), row(w, y, &of_result));
    bnn_c_put(w, "first%zu = 0;", pool);
    w->indent--;
    bnn_c_put(w, "}");
    code = code == BNN_OK ? put_nodes(w, pool + 1, s->end, &of_result) : code;
    close_loop(w, &of_result);
    return code;
}

static bnn_code put_pixels(bnn_c_writer *w, const bnn_c_stage *s) {
    const bnn_node *first = bnn_graph_node(w->t->graph, s->first);
    const level at =
        first->op == &bnn_move_op
            ? (level){"0", 1}
            : level_of(w, first->op == &bnn_abs_mean_op ? first->in[0] : first->out[0], "i");
    open_loop(w, &at);
    bnn_code code = put_nodes(w, s->first, s->end, &at);
    close_loop(w, &at);
    return code;
}

static bnn_code put_stage(bnn_c_writer *w, const bnn_c_stage *s) {
    const bnn_node *first = bnn_graph_node(w->t->graph, s->first);
    const size_t pool = pool_at(w, s);
    bnn_c_put(w, "/* %s */", bnn_c_clean(w, bnn_translation_layer(w->t, first), 0));
    for (size_t i = s->first; i < s->end; i++) {
        if (bnn_graph_node(w->t->graph, i)->op == &bnn_abs_mean_op) {
            bnn_c_put(w, "double sum%zu = 0.0;", i);
        }
    }
    return !s->pool                          ? put_pixels(w, s)
           : s->pool->op == &bnn_max_pool_op ? put_max_pool(w, s, pool)
                                             : put_global_pool(w, s, pool);
}

bnn_code bnn_c_put_body(bnn_c_writer *w) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < w->plan->stages; i++) {
        code = put_stage(w, &w->plan->stage[i]);
    }
    return code == BNN_OK && w->failed ? bnn_translation_no_memory(w->t) : code;
}

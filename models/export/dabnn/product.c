/* daBNN's products. Its binary convolution takes floats, of which those above 0 are +1, pads with
 * -1 and gives the number of differing bits p, of K. */
#include "models/export/dabnn/walk.h"

/* The node of this op that alone reads a tensor, or NULL. */
static const bnn_node *follower(const bnn_dab_walk *w, bnn_t tensor, const bnn_op *op) {
    const size_t count =
        bnn_dab_map_of(w, tensor)->reads == 1 ? bnn_graph_node_count(w->t.graph) : 0;
    for (size_t i = 0; i < count; i++) {
        const bnn_node *node = bnn_graph_node(w->t.graph, i);
        if (node->op == op && node->in[0] == tensor) {
            return node;
        }
    }
    return NULL;
}

/* The filters as daBNN sees them: what was flattened is an image again, as large as a filter. */
static bnn_shape filters_of(const bnn_conv *s, const bnn_dab_map *x) {
    const int flattened = s->h == 1 && s->w == 1 && x->side > 1;
    return flattened ? (bnn_shape){s->o, x->side, x->side, x->c}
                     : (bnn_shape){s->o, s->kh, s->kw, s->c};
}

static bnn_code check_product(const bnn_dab_walk *w, const bnn_node *node, const bnn_conv *s,
                              const bnn_dab_map *x) {
    const int pointwise = s->kh * s->kw == 1 && s->oh == s->h && s->ow == s->w;
    const char *why =
        node->in[2] >= 0
            ? "its input has a scale, and daBNN has no product of maps; " BNN_DAB_OTHER_ALGO
        : s->groups != 1 ? "daBNN convolves all channels, without groups; " BNN_DAB_OTHER_ARCH
        : s->dil_h != 1 || s->dil_w != 1
            ? "daBNN's filters have no gaps (dilation); use --format onnx"
        : bnn_conv_config_of(node)->more_right
            ? "daBNN pads as much on the right as on the left; use --format onnx"
        : (s->h != x->side || s->w != x->side) && !pointwise
            ? "a convolution along one dimension, and daBNN's maps are square; " BNN_DAB_OTHER_ARCH
        : s->h == s->w && s->oh != s->ow
            ? "its result is not square, as daBNN's maps are; use --format onnx"
            : NULL;
    return why ? bnn_translation_refuse(&w->t, node, "%s", why) : BNN_OK;
}

/* What daBNN's binary kernels cannot do, or do wrong. */
static bnn_code check_kernel(const bnn_dab_walk *w, const bnn_node *node, bnn_shape f, int side,
                             int out) {
    const bnn_translation *t = &w->t;
    if ((double)f.h * f.w * f.c >= BNN_DAB_MOST_TERMS) {
        return bnn_translation_refuse(t, node,
                                      "binary filters of %dx%dx%d values, and daBNN counts to less "
                                      "than %d; use smaller images, or --format onnx",
                                      f.h, f.w, f.c, BNN_DAB_MOST_TERMS);
    }
    if (f.h != 3 || f.w != 3) {
        return BNN_OK;
    }
    if (f.c == 64 && (side % 2 || out % 2 || f.n % 2)) {
        return bnn_translation_refuse(t, node,
                                      "daBNN's 3x3 kernel for 64 channels wants even sizes, and "
                                      "here are %dx%d pixels and %d filters, with %dx%d results; "
                                      "use an input size that stays even (as 32 or 224), or "
                                      "--format onnx",
                                      side, side, f.n, out, out);
    }
    if ((f.c == 128 || f.c == 256 || f.c == 512 || f.c == 1024) && f.n % 128) {
        return bnn_translation_refuse(t, node,
                                      "daBNN's 3x3 kernel for %d channels wants a multiple of 128 "
                                      "filters, and here are %d; use --format onnx",
                                      f.c, f.n);
    }
    return BNN_OK;
}

static bnn_dab_layer *add_window(bnn_dab_walk *w, const bnn_node *node, bnn_dab_kind kind,
                                 const bnn_dab_map *x, const bnn_conv *s) {
    bnn_dab_layer *layer = bnn_dab_add(w, node, kind, x->blob);
    layer->stride_h = s->stride_h;
    layer->stride_w = s->stride_w;
    layer->pad_h = s->pad_h;
    layer->pad_w = s->pad_w;
    return layer;
}

/* Are all of an affine's factors 1? */
static int is_shift(const bnn_translation *t, const bnn_node *affine) {
    const float *a = affine->in[1] < 0 ? NULL : bnn_translation_floats(t, affine->in[1]);
    int ones = affine->in[1] < 0 || a;
    for (int i = 0; a && i < bnn_shape_of(t->graph, affine->in[1]).c; i++) {
        ones &= a[i] == 1.0f;
    }
    return ones;
}

/* A shift behind it is its bias. */
static void put_float_product(bnn_dab_walk *w, const bnn_node *node, const bnn_dab_map *x,
                              const bnn_conv *s, int side) {
    bnn_dab_layer *layer = add_window(w, node, BNN_DAB_FP_CONV, x, s);
    const bnn_node *affine = follower(w, node->out[0], &bnn_affine_op);
    layer->in[1] = bnn_dab_floats(&w->dab, bnn_translation_layer(&w->t, node), 4, filters_of(s, x),
                                  bnn_translation_floats(&w->t, node->in[1]));
    bnn_dab_give(w, node->out[0], layer->output, side, s->o);
    if (affine && affine->in[2] >= 0 && is_shift(&w->t, affine)) {
        layer->in[2] =
            bnn_dab_vector(w, affine, s->o, bnn_translation_floats(&w->t, affine->in[2]));
        bnn_dab_give(w, affine->out[0], layer->output, side, s->o);
    }
}

/* What -1 outside takes from the product, to be added, times a factor a filter. */
static const char *add_border(bnn_dab_walk *w, const bnn_node *node, const bnn_conv *s,
                              const char *y, const float *factor) {
    const bnn_shape shape = {1, s->oh, s->ow, s->o};
    float *border = bnn_translation_border(&w->t, node, 1.0f);
    for (size_t i = 0; border && i < bnn_shape_count(shape); i++) {
        border[i] *= factor[i % (size_t)s->o];
    }
    w->border_bytes += bnn_shape_count(shape) * sizeof *border;
    return bnn_dab_sum(
        w, node, y, bnn_dab_floats(&w->dab, bnn_translation_layer(&w->t, node), 4, shape, border));
}

/* The integers, or where a threshold alone reads them, what is above 0 where its bit is set. */
static bnn_code put_binary_product(bnn_dab_walk *w, const bnn_node *node, const bnn_dab_map *x,
                                   const bnn_conv *s, int side) {
    const bnn_node *threshold = follower(w, node->out[0], &bnn_threshold_op);
    const bnn_shape filters = filters_of(s, x);
    bnn_code code = check_kernel(w, node, filters, x->side, side);
    if (code != BNN_OK) {
        return code;
    }
    const size_t o = (size_t)s->o;
    const bnn_steps steps =
        bnn_translation_steps(&w->t, threshold ? threshold->in[1] : BNN_NONE, o);
    float *a = bnn_translation_filled(&w->t, o, -2.0f);
    if (!a || !steps.factor) {
        return bnn_translation_no_memory(&w->t);
    }
    for (size_t i = 0; i < o; i++) {
        a[i] *= steps.factor[i];
        steps.shift[i] += steps.factor[i] * (float)(s->kh * s->kw * s->c);
    }
    bnn_dab_layer *layer = add_window(w, node, BNN_DAB_BIN_CONV, x, s);
    layer->in[1] = bnn_dab_bits(&w->dab, bnn_translation_layer(&w->t, node), filters,
                                bnn_translation_signs(&w->t, node->in[1]));
    const char *y = bnn_dab_affine(w, node, layer->output, s->o, a, steps.shift);
    if (s->pad_h || s->pad_w) {
        y = add_border(w, node, s, y, steps.factor);
    }
    bnn_dab_give(w, (threshold ? threshold : node)->out[0], y, side, s->o);
    return BNN_OK;
}

bnn_code bnn_dab_product(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_conv s = bnn_conv_of(w->t.graph, node);
    const bnn_dab_map *x = bnn_dab_look(w, node->in[0]);
    bnn_code code = check_product(w, node, &s, x);
    if (code != BNN_OK) {
        return code;
    }
    const int side = s.h == s.w ? s.oh : x->side;
    if (bnn_dtype_of(w->t.graph, node->in[1]) == BNN_B1) {
        return put_binary_product(w, node, x, &s, side);
    }
    put_float_product(w, node, x, &s, side);
    return BNN_OK;
}

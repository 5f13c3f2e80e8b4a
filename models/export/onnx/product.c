/* Products of floats, which of binary operands are integers: the filters are +-1, a byte each, and
 * zero padding adds nothing. */
#include "models/export/onnx/ops.h"

/* A matrix [O,C] or filters [O,C,KH,KW] of what lies [O,pixels,channels]. */
static const char *filters(bnn_onnx *o, const bnn_node *node, size_t rank, const int64_t *dims,
                           int pixels) {
    const bnn_t w = node->in[1];
    const bnn_shape s = bnn_shape_of(o->t->graph, w);
    const size_t rows = (size_t)s.n, p = (size_t)pixels;
    const size_t channels = bnn_shape_count(s) / rows / p;
    const char *name = bnn_onnx_name(o, w);
    if (bnn_dtype_of(o->t->graph, w) == BNN_F32) {
        return bnn_onnx_floats(o, name, rank, dims,
                               bnn_onnx_channels_first(o, rows, p, channels, sizeof(float),
                                                       bnn_translation_floats(o->t, w)));
    }
    return bnn_onnx_int8s(
        o, name, rank, dims,
        bnn_onnx_channels_first(o, rows, p, channels, 1, bnn_translation_signs(o->t, w)));
}

/* Of one pixel, whose channels may lie in any order. */
static const char *linear(bnn_onnx *o, const bnn_node *node, const bnn_conv *s) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *w = filters(o, node, 2, (const int64_t[]){s->o, s->c}, x.form.pixels);
    const char *y = BNN_ONNX_OP(o, "Gemm", x.name, w);
    bnn_onnx_int(o, "transB", 1);
    return y;
}

static const char *convolution(bnn_onnx *o, const bnn_node *node, const bnn_conv *s) {
    const int right = s->pad_w + bnn_conv_config_of(node)->more_right;
    const int64_t dims[] = {s->o, s->c / s->groups, s->kh, s->kw};
    const char *x = bnn_onnx_get_as(o, node->in[0], (bnn_onnx_form){0, 1});
    const char *y = BNN_ONNX_OP(o, "Conv", x, filters(o, node, 4, dims, s->kh * s->kw));
    bnn_onnx_ints(o, "kernel_shape", 2, dims + 2);
    bnn_onnx_ints(o, "strides", 2, (const int64_t[]){s->stride_h, s->stride_w});
    bnn_onnx_ints(o, "pads", 4, (const int64_t[]){s->pad_h, s->pad_w, s->pad_h, right});
    bnn_onnx_ints(o, "dilations", 2, (const int64_t[]){s->dil_h, s->dil_w});
    bnn_onnx_int(o, "group", s->groups);
    return y;
}

/* A factor a sample, or a pixel where a pixel of the result is one of the input. */
static bnn_code check_scale(const bnn_onnx *o, const bnn_node *node, const bnn_conv *s) {
    const size_t factors = bnn_shape_count(bnn_shape_of(o->t->graph, node->in[2]));
    const size_t rows = (size_t)s->h * (size_t)s->w;
    const int pixelwise = s->kh == 1 && s->kw == 1 && s->oh == s->h && s->ow == s->w;
    return factors == 1 || (factors == rows && pixelwise)
               ? BNN_OK
               : bnn_translation_refuse(o->t, node,
                                        "%zu factors for %zu pixels, which ONNX has no op for",
                                        factors, rows);
}

bnn_code bnn_onnx_conv(bnn_onnx *o, const bnn_node *node) {
    const bnn_conv s = bnn_conv_of(o->t->graph, node);
    const int bits = bnn_dtype_of(o->t->graph, node->in[1]) == BNN_B1;
    const double most = (double)s.kh * s.kw * s.c / s.groups;
    const bnn_onnx_form in = bnn_onnx_any(o, node->in[0]).form;
    bnn_onnx_form form = {.flat = in.flat && s.kh == 1 && s.kw == 1 && s.groups == 1 &&
                                  s.pad_h == 0 && s.pad_w == 0 && s.ow == 1,
                          .pixels = 1};
    bnn_code code = node->in[2] >= 0 ? check_scale(o, node, &s) : BNN_OK;
    if (code != BNN_OK || (bits && (code = bnn_translation_check_terms(o->t, node)))) {
        return code;
    }
    const char *y = form.flat ? linear(o, node, &s) : convolution(o, node, &s);
    if (bits) {
        /* Changes nothing, but keeps runtimes from multiplying what follows into the filters, so
         * that the sums would be rounded. */
        y = BNN_ONNX_OP(o, "Clip", y, bnn_onnx_number(o, (float)-most),
                        bnn_onnx_number(o, (float)most));
    }
    if (node->in[2] >= 0) {
        y = BNN_ONNX_OP(o, "Mul", y, bnn_onnx_get_as(o, node->in[2], form));
    }
    bnn_onnx_put(o, node->out[0], y, form);
    return BNN_OK;
}

/* [N,O,C] times [N,C,pixels]. */
bnn_code bnn_onnx_batch_product(bnn_onnx *o, const bnn_node *node) {
    const bnn_shape s = bnn_shape_of(o->t->graph, node->out[0]);
    const int64_t dims[] = {0, bnn_shape_of(o->t->graph, node->in[0]).c, -1};
    const char *x = bnn_onnx_reshape(o, bnn_onnx_get(o, node->in[0]), 3, dims);
    const char *w = bnn_onnx_reshape(o, bnn_onnx_get(o, node->in[1]), 3, dims);
    w = bnn_onnx_transpose(o, w, 3, (const int64_t[]){0, 2, 1});
    const char *y = BNN_ONNX_OP(o, "MatMul", w, x);
    y = bnn_onnx_reshape(o, y, 4, (const int64_t[]){0, s.c, s.h, s.w});
    bnn_onnx_put(o, node->out[0], y, (bnn_onnx_form){0, 1});
    return BNN_OK;
}

/* Of a sample, or of each pixel. */
bnn_code bnn_onnx_abs_mean(bnn_onnx *o, const bnn_node *node) {
    static const int64_t axes[] = {1, 2, 3};
    const bnn_shape s = bnn_shape_of(o->t->graph, node->in[0]);
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const int rows = bnn_translation_int(node, "rows");
    if (rows != 1 && rows != s.h * s.w) {
        return bnn_translation_refuse(o->t, node,
                                      "means over %d runs of %d pixels, which ONNX has "
                                      "no op for",
                                      rows, s.h * s.w);
    }
    const char *y = BNN_ONNX_OP(o, "ReduceMean", BNN_ONNX_OP(o, "Abs", x.name));
    bnn_onnx_ints(o, "axes", x.form.flat || rows > 1 ? 1 : 3, axes);
    bnn_onnx_int(o, "keepdims", 1);
    bnn_onnx_put(o, node->out[0], y, (bnn_onnx_form){x.form.flat, 1});
    return BNN_OK;
}

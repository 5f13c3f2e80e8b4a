/* What the products of a convolution share: where a tap of a window lies, operands as floats, and
 * the ends of a forward. */
#ifndef BNN_CUDA_CONV_CUH
#define BNN_CUDA_CONV_CUH

#include "cuda/launch.cuh"

/* A convolution's sizes, as kernels count. */
struct conv_sizes {
    bnn_conv s;
    size_t c, o, cg, og, groups; /* channels and filters, of all groups and of one */
    size_t taps, depth;          /* taps * cg */
    size_t pixels, inputs;       /* of all images, of the result and of the input */
};

BNN_BOTH conv_sizes sizes_of(const bnn_conv *s) {
    size_t groups = (size_t)s->groups, taps = (size_t)s->kh * (size_t)s->kw;
    size_t c = (size_t)s->c, o = (size_t)s->o, cg = c / groups;
    conv_sizes v = {*s,
                    c,
                    o,
                    cg,
                    o / groups,
                    groups,
                    taps,
                    taps * cg,
                    (size_t)s->n * (size_t)s->oh * (size_t)s->ow,
                    (size_t)s->n * (size_t)s->h * (size_t)s->w};
    return v;
}

/* Thin groups, whose products fill no tile: each result is a thread's. */
BNN_BOTH int is_thin(const conv_sizes &v) {
    return v.groups > 1 && (v.og < 16 || v.cg < 16);
}

/* A window of the input, or for the gradient of the input an input pixel and the results that saw
 * it. */
struct window {
    size_t image; /* its first pixel */
    int y, x;
};

BNN_GPU window window_of(const conv_sizes &v, size_t pixel) {
    size_t ow = (size_t)v.s.ow, oh = (size_t)v.s.oh;
    window at = {pixel / (oh * ow) * ((size_t)v.s.h * (size_t)v.s.w),
                 (int)(pixel / ow % oh) * v.s.stride_h - v.s.pad_h,
                 (int)(pixel % ow) * v.s.stride_w - v.s.pad_w};
    return at;
}

/* The input's row of a tap; -1 in the padding. */
BNN_GPU int64_t tap_row(const conv_sizes &v, window at, size_t tap) {
    int y = at.y + (int)(tap / (size_t)v.s.kw) * v.s.dil_h;
    int x = at.x + (int)(tap % (size_t)v.s.kw) * v.s.dil_w;
    int inside = y >= 0 && y < v.s.h && x >= 0 && x < v.s.w;
    return inside ? (int64_t)at.image + (int64_t)y * v.s.w + x : -1;
}

BNN_GPU window source_of(const conv_sizes &v, size_t input) {
    size_t w = (size_t)v.s.w, h = (size_t)v.s.h;
    window at = {input / (h * w) * ((size_t)v.s.oh * (size_t)v.s.ow),
                 (int)(input / w % h) + v.s.pad_h, (int)(input % w) + v.s.pad_w};
    return at;
}

/* The result's pixel whose tap saw the input; -1 if there is none. */
BNN_GPU int64_t seen_by(const conv_sizes &v, window at, size_t tap) {
    int y = at.y - (int)(tap / (size_t)v.s.kw) * v.s.dil_h;
    int x = at.x - (int)(tap % (size_t)v.s.kw) * v.s.dil_w;
    if (y < 0 || x < 0 || y % v.s.stride_h != 0 || x % v.s.stride_w != 0) {
        return -1;
    }
    y /= v.s.stride_h, x /= v.s.stride_w;
    return y < v.s.oh && x < v.s.ow ? (int64_t)at.image + (int64_t)y * v.s.ow + x : -1;
}

/* Value j of a row of an operand of rows of `c` values. */
BNN_GPU float operand_at(const bnn_operand &v, size_t c, size_t row, size_t j) {
    if (v.f32 != NULL) {
        return v.f32[row * c + j];
    }
    float scale = scale_of(v.scale, row, v.rows_per_scale);
    return bit_at(v.b1 + row * ((c + 63) / 64), j) ? scale : -scale;
}

/* The input's factor of a window: of the first of its rows and columns in the image, as on the CPU
 * (cpu/conv/b1.c). */
BNN_GPU float window_scale(const conv_sizes &v, const bnn_operand &x, size_t pixel) {
    if (x.scale == NULL) {
        return 1.0f;
    }
    window at = window_of(v, pixel);
    while (at.y < 0) {
        at.y += v.s.dil_h;
    }
    while (at.x < 0) {
        at.x += v.s.dil_w;
    }
    at.y = at.y >= v.s.h ? v.s.h - 1 : at.y;
    at.x = at.x >= v.s.w ? v.s.w - 1 : at.x;
    size_t row = at.image + (size_t)at.y * (size_t)v.s.w + (size_t)at.x;
    return x.scale[row / x.rows_per_scale];
}

/* gw[n] = or += the sums of `splits` results, in order. */
static inline void add_splits(const bnn_stream *stream, size_t splits, size_t n, const float *part,
                              float *gw, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) {
        float sum = part[i];
        for (size_t k = 1; k < splits; k++) {
            sum += part[k * n + i];
        }
        put(gw, i, sum, acc);
    });
}

/* The end of a forward in a kernel: bounds by value, as those of bnn_result are the host's. */
struct conv_end {
    float *f32;
    const float *a, *b, *add;
    int clamps;
    float lo, hi;
    int16_t *i16;
    int32_t *i32; /* what becomes bits by a threshold waits here */
};

BNN_BOTH conv_end end_of(const bnn_result *y, void *ws) {
    conv_end end = {y->f32, y->a, y->b, y->add, y->clamp != NULL, 0.0f, 0.0f, y->i16, NULL};
    if (y->clamp != NULL) {
        end.lo = y->clamp[0], end.hi = y->clamp[1];
    }
    end.i32 = y->b1 != NULL ? (int32_t *)ws : NULL;
    return end;
}

BNN_GPU void put_float(const conv_end &end, const conv_sizes &v, size_t pixel, size_t o, float y) {
    y = end.a == NULL ? y : end.a[o] * y;
    y = end.b == NULL ? y : y + end.b[o];
    y = end.add == NULL ? y : y + end.add[pixel * v.o + o];
    if (end.clamps) {
        y = y < end.lo ? end.lo : y;
        y = y > end.hi ? end.hi : y;
    }
    end.f32[pixel * v.o + o] = y;
}

BNN_GPU void put_integer(const conv_end &end, const conv_sizes &v, const bnn_operand &x,
                         size_t pixel, size_t o, int y) {
    if (end.i16 != NULL) {
        end.i16[pixel * v.o + o] = (int16_t)y;
    } else if (end.i32 != NULL) {
        end.i32[pixel * v.o + o] = y;
    } else {
        put_float(end, v, pixel, o, (float)y * window_scale(v, x, pixel));
    }
}

#endif

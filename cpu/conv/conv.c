/* Which product computes a convolution: bits times bits forward, float times bits backward where it
 * pays, float times float for all else, with fewer multiplications where filters are 3 by 3; and a
 * driver of its own where groups are single channels. */
#include "cpu/conv/conv.h"

/* Large tiles want products that fill them: of some channels on both sides, and some rows; the
 * bounds are where times cross (AMX against AVX-512). Only the shape decides. */
static const bnn_mixed *mixed_of(const bnn_micro *micro, const bnn_conv *s) {
    int64_t rows = (int64_t)s->n * s->ow * (bnn_conv_is_pixel_wise(s) ? s->oh : 1);
    int fills = s->c / s->groups >= 16 && s->o / s->groups >= 16 && rows > 8;
    return micro->small_mixed == NULL || fills ? micro->mixed : micro->small_mixed;
}

void bnn_conv_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                      const bnn_operand *w, const bnn_result *y, void *ws) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    if (bnn_conv_is_depthwise(s) && x->b1 != NULL) {
        bnn_conv_forward_depthwise_b1(device, micro, s, x, w, y, ws);
    } else if (bnn_conv_is_depthwise(s)) {
        bnn_conv_forward_depthwise(device, micro, s, x, w, y, ws);
    } else if (x->b1 != NULL && bnn_conv_forward_few_pays(s, w)) {
        bnn_conv_forward_few(device, micro, s, x, w, y);
    } else if (x->b1 == NULL && bnn_conv_is_linear(s)) {
        bnn_conv_forward_linear(device, micro, s, x, w, y);
    } else if (x->b1 != NULL) {
        bnn_conv_forward_b1(device, micro, s, x, w, y, ws);
    } else if (bnn_conv_winograd_of(micro, s, 0)) {
        bnn_conv_forward_winograd(device, micro, s, x->f32, w, y, ws);
    } else {
        bnn_conv_forward_f32(device, micro, s, x->f32, w, y, ws);
    }
}

void bnn_conv_backward_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                         const bnn_operand *w, float *gx, int acc, void *ws) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    if (bnn_conv_is_depthwise(s)) {
        bnn_conv_backward_x_depthwise(device, micro, s, gy, w, gx, acc, ws);
    } else if (bnn_conv_few_x_pays(s, w->b1 != NULL)) {
        bnn_conv_few_x(device, micro, s, gy, w, gx, acc);
    } else if (w->b1 != NULL && bnn_conv_mix_x_pays(s)) {
        bnn_conv_mix_x(device, mixed_of(micro, s), s, gy, w, gx, acc, ws);
    } else if (w->b1 == NULL && bnn_conv_winograd_of(micro, s, 1)) {
        bnn_conv_backward_x_winograd(device, micro, s, gy, w->f32, gx, acc, ws);
    } else {
        bnn_conv_backward_x_f32(device, micro, s, gy, w, gx, acc, ws);
    }
}

void bnn_conv_backward_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                         const bnn_operand *x, float *gw, int acc, void *ws) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    if (bnn_conv_is_depthwise(s)) {
        bnn_conv_backward_w_depthwise(device, micro, s, gy, x, gw, acc, ws);
    } else if (bnn_conv_few_w_pays(s, x->b1 != NULL)) {
        bnn_conv_few_w(device, micro, s, gy, x, gw, acc);
    } else if (x->b1 != NULL && bnn_conv_mix_w_fits(s, x)) {
        bnn_conv_mix_w(device, mixed_of(micro, s), s, gy, x, gw, acc, ws);
    } else if (x->b1 == NULL && bnn_conv_winograd_of(micro, s, 1)) {
        bnn_conv_backward_w_winograd(device, micro, s, gy, x->f32, gw, acc, ws);
    } else {
        bnn_conv_backward_w_f32(device, micro, s, gy, x, gw, acc, ws);
    }
}

size_t bnn_conv_prepared_bytes(const bnn_stream *stream, const bnn_conv *s, int bits) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    if (bnn_conv_is_depthwise(s)) {
        return bits ? bnn_conv_depthwise_b1_prepared_bytes(s)
                    : bnn_conv_depthwise_prepared_bytes(s);
    }
    if (bits) {
        return bnn_conv_b1_prepared_bytes(device, micro, s);
    }
    if (bnn_conv_is_linear(s)) {
        return 0;
    }
    return bnn_conv_winograd_of(micro, s, 0) ? bnn_conv_winograd_prepared_bytes(micro, s)
                                             : bnn_conv_f32_prepared_bytes(micro, s);
}

void bnn_conv_prepare(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *w,
                      void *prepared, void *ws) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    if (bnn_conv_is_depthwise(s) && w->b1 != NULL) {
        bnn_conv_prepare_depthwise_b1(s, w->b1, prepared);
    } else if (bnn_conv_is_depthwise(s)) {
        bnn_conv_prepare_depthwise(s, w, prepared);
    } else if (w->b1 != NULL) {
        bnn_conv_prepare_b1(device, micro, s, w->b1, prepared, ws);
    } else if (bnn_conv_winograd_of(micro, s, 0)) {
        bnn_conv_prepare_winograd(device, micro, s, w->f32, prepared, ws);
    } else if (!bnn_conv_is_linear(s)) {
        bnn_conv_prepare_f32(device, micro, s, w->f32, prepared);
    }
}

size_t bnn_conv_workspace(const bnn_stream *stream, const bnn_conv *s, int bits, int gradients) {
    const bnn_device *device = &stream->device;
    const bnn_micro *micro = device->kernels->micro;
    size_t y, x = 0, w = 0;
    if (bnn_conv_is_depthwise(s)) {
        y = bits ? bnn_conv_depthwise_b1_bytes(device, s) : bnn_conv_depthwise_bytes(device, s);
        return gradients ? bnn_max_size(y, bnn_conv_depthwise_bytes(device, s)) : y;
    }
    if (bits) {
        y = bnn_conv_b1_bytes(device, micro, s);
    } else if (bnn_conv_winograd_of(micro, s, 0)) {
        y = bnn_conv_winograd_bytes(device, micro, s, 0);
    } else {
        y = bnn_conv_f32_bytes(device, micro, s, 0);
    }
    if (gradients && !bits && bnn_conv_winograd_of(micro, s, 1)) {
        x = bnn_conv_winograd_bytes(device, micro, s, 1);
        w = bnn_conv_winograd_w_bytes(device, micro, s);
    } else if (gradients) {
        x = bits && bnn_conv_mix_x_pays(s) ? bnn_conv_mix_x_bytes(device, mixed_of(micro, s), s)
                                           : bnn_conv_f32_bytes(device, micro, s, 1);
        w = bnn_conv_weights_bytes(device, micro, s);
        if (bits && bnn_conv_mix_w_pays(s)) { /* the input's factors decide whether it fits, too */
            w = bnn_max_size(w, bnn_conv_mix_w_bytes(device, mixed_of(micro, s), s));
        }
    }
    return bnn_max_size(y, bnn_max_size(x, w));
}

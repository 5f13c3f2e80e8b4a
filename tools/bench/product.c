/* The three products of a layer, each against OpenBLAS's sgemm of as many multiplications; those of
 * bits also against our own product of floats, and the better of the two. On a GPU against cuBLAS.
 * Ours begins with what a layer begins with (float maps in image order) and everything it prepares
 * counts; OpenBLAS gets matrices that are ready, as im2col would have left them, a group of
 * channels at a time:
 *
 *   forward  [n oh ow][9c] x [9c][o]
 *   dX       [n h w][9o / stride^2] x [9o / stride^2][c]: the matrix whose product is dX itself,
 *            which is kinder to sgemm than [n oh ow][9c] and a col2im behind it
 *   dW       [o][n oh ow] x [n oh ow][9c]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "tools/bench/bench.h"
#include "tools/bench/blas.h"
#include "tools/bench/cublas.h"
#include "tools/bench/shapes.h"
#include "tools/cli/interrupt.h"

typedef enum pass { FORWARD, BACKWARD_X, BACKWARD_W } pass;

/* A column of the table. */
typedef struct product {
    const char *group, *small_group, *square_group, *title;
    pass pass;
    int bits; /* forward: both operands; backward: the one that is not the gradient */
} product;

static const product products[] = {
    {"gemm binary", "gemm small binary", "gemm square binary", "", FORWARD, 1},
    {"gemm mixed", "gemm small mixed", "gemm square mixed", " dX", BACKWARD_X, 1},
    {"gemm mixed", "gemm small mixed", "gemm square mixed", " dW", BACKWARD_W, 1},
    {"gemm float", "gemm small float", "gemm square float", " forward", FORWARD, 0},
    {"gemm float", "gemm small float", "gemm square float", " dX", BACKWARD_X, 0},
    {"gemm float", "gemm small float", "gemm square float", " dW", BACKWARD_W, 0},
};

/* ---- our side ---- */

typedef struct own_product {
    const bnn_bench *bench;
    bnn_device device; /* the bench's, or what was chosen */
    bnn_stream stream;
    pass pass;
    int bits;
    bnn_conv s;
    float *x, *w, *y; /* maps or their gradients, by pass */
    uint64_t *x_bits, *w_bits;
    void *ws;
} own_product;

static size_t x_rows(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}

static size_t w_rows(const bnn_conv *s) {
    return (size_t)s->o * (size_t)s->kh * (size_t)s->kw;
}

static void *take(own_product *p, size_t bytes) {
    return p->device.ops->alloc(&p->device, BNN_MEMORY_DEVICE, bytes);
}

/* On the device; a GPU's mirror lives as long as the worker. */
static float *floats(own_product *p, size_t count, uint64_t seed) {
    float *there = NULL, *here = NULL;
    if (!bnn_mirror_take(&p->device, count, &there, &here)) {
        return NULL;
    }
    bnn_bench_fill(here, count, seed);
    bnn_mirror_put(&p->stream, there, here, count);
    return there;
}

static bnn_code wait(void *self, bnn_error *err) {
    own_product *p = self;
    return p->device.ops->finish(&p->stream, err);
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    own_product *p = self;
    const bnn_conv *s = &p->s;
    size_t c = (size_t)s->c, depth = c / (size_t)s->groups;
    (void)version;
    p->device = p->bench->device;
    bnn_code code = bnn_bench_device(p->bench->where, &p->device, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!bnn_stream_start(&p->stream, &p->device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    p->x = floats(p, x_rows(s) * c, 1);
    p->w = floats(p, w_rows(s) * depth, 2);
    p->y = floats(p, (size_t)s->n * (size_t)s->oh * (size_t)s->ow * (size_t)s->o, 3);
    p->x_bits = take(p, x_rows(s) * bnn_words(c) * sizeof(uint64_t));
    p->w_bits = take(p, w_rows(s) * bnn_words(depth) * sizeof(uint64_t));
    p->ws = take(p, p->device.kernels->conv_workspace(&p->stream, s, p->bits, 1));
    if (!p->x || !p->w || !p->y || !p->x_bits || !p->w_bits || !p->ws) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory for a product; use a smaller --batch-size");
    }
    p->device.kernels->sign_pack(&p->stream, x_rows(s), c, p->x, p->x_bits);
    p->device.kernels->sign_pack(&p->stream, w_rows(s), depth, p->w, p->w_bits);
    return wait(p, err);
}

/* Weights are bits already, as a layer's are all through a step; the input is packed here. */
static bnn_code run(void *self, bnn_error *err) {
    own_product *p = self;
    const bnn_kernels *k = p->stream.device.kernels;
    int bits = p->bits;
    bnn_operand x = {.f32 = bits ? NULL : p->x, .b1 = bits ? p->x_bits : NULL};
    bnn_operand w = {.f32 = bits ? NULL : p->w, .b1 = bits ? p->w_bits : NULL};
    bnn_result y = {.f32 = p->y};
    (void)err;
    switch (p->pass) {
    case FORWARD:
        if (bits) {
            k->sign_pack(&p->stream, x_rows(&p->s), (size_t)p->s.c, p->x, p->x_bits);
        }
        k->conv_forward(&p->stream, &p->s, &x, &w, &y, p->ws);
        break;
    case BACKWARD_X:
        k->conv_backward_x(&p->stream, &p->s, p->y, &w, p->x, 0, p->ws);
        break;
    case BACKWARD_W:
        k->conv_backward_w(&p->stream, &p->s, p->y, &x, p->w, 0, p->ws);
        break;
    }
    return BNN_OK;
}

/* ---- the other side ---- */

static bnn_sgemm matching_sgemm(const bnn_conv *s, pass which, int threads) {
    int pixels = s->n * s->oh * s->ow, taps = s->kh * s->kw;
    int c = s->c / s->groups, o = s->o / s->groups;
    bnn_sgemm sgemm = {.groups = s->groups, .threads = threads};
    switch (which) {
    case BACKWARD_X: {
        double share = (double)s->oh * s->ow / ((double)s->h * s->w);
        sgemm.m = s->n * s->h * s->w;
        sgemm.n = c;
        sgemm.k = share * taps * o < 1.0 ? 1 : (int)(share * taps * o);
        break;
    }
    case BACKWARD_W:
        sgemm.m = o;
        sgemm.n = taps * c;
        sgemm.k = pixels;
        sgemm.transpose_a = 1;
        break;
    case FORWARD:
        sgemm.m = pixels;
        sgemm.n = o;
        sgemm.k = taps * c;
        sgemm.transpose_b = 1;
        break;
    }
    return sgemm;
}

/* OpenBLAS, and for bits our own product of floats. */
static bnn_code start_on_cpu(bnn_sgemm *sgemm, const bnn_work *twin, int bits,
                             bnn_baselines *against, bnn_error *err) {
    const bnn_work other = bnn_sgemm_work(sgemm);
    against->best = bits ? "best float" : NULL;
    bnn_code code = bnn_baseline_start(against, "OpenBLAS sgemm", &other, err);
    return code == BNN_OK && bits ? bnn_baseline_start(against, BNN_FLOAT_ALGORITHM, twin, err)
                                  : code;
}

/* cuBLAS, in all types that it multiplies faster than floats. */
static bnn_code start_on_gpu(const bnn_bench *bench, const bnn_sgemm *sgemm, bnn_baselines *against,
                             bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int kind = 0; kind < BNN_CUBLAS_KINDS && code == BNN_OK; kind++) {
        bnn_cublas cublas = {
            bench->where,
            {(bnn_cublas_kind)kind, (size_t)sgemm->m, (size_t)sgemm->n, (size_t)sgemm->k}};
        const bnn_work work = bnn_cublas_work(&cublas); /* the worker has a copy */
        code = bnn_baseline_start(against, bnn_cublas_names[kind], &work, err);
    }
    return code;
}

static bnn_code measure(const bnn_bench *bench, const product *what, const char *group,
                        const bnn_conv *shape, bnn_error *err) {
    char text[64];
    bnn_bench_row row = {.group = group, .threads = bench->device.threads};
    bnn_bench_shape_text(shape, text, sizeof text);
    snprintf(row.name, sizeof row.name, "%s%s %s", group, what->title, text);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    own_product own = {.bench = bench, .pass = what->pass, .bits = what->bits, .s = *shape};
    own_product plain = own;
    plain.bits = 0;
    bnn_sgemm sgemm = matching_sgemm(shape, what->pass, bench->device.threads);
    bnn_work work = {.set_up = set_up, .run = run, .self = &own}, twin = work;
    work.wait = bench->where ? wait : NULL;
    twin.self = &plain;
    bnn_baselines against = {0};
    bnn_code code = bench->where ? start_on_gpu(bench, &sgemm, &against, err)
                                 : start_on_cpu(&sgemm, &twin, what->bits, &against, err);
    if (code == BNN_OK) {
        code = bnn_bench_case(bench, &row, &work, &against, 1, err);
    }
    bnn_baselines_stop(&against);
    return code;
}

bnn_code bnn_bench_gemm(const bnn_bench *bench, bnn_error *err) {
    bnn_bench_setting settings[2];
    bnn_conv shapes[BNN_BENCH_SHAPES];
    size_t count, setting_count = bnn_bench_settings(bench, settings);
    for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
        const product *what = &products[p];
        bnn_code code = BNN_OK;
        for (size_t i = 0; i < setting_count && code == BNN_OK; i++) {
            code = bnn_bench_shapes(bench, settings[i], shapes, &count, err);
            for (size_t k = 0; k < count && code == BNN_OK; k++) {
                code = measure(bench, what, what->group, &shapes[k], err);
            }
        }
        count = bench->where ? bnn_bench_square_shapes(bench, shapes)
                             : bnn_bench_small_shapes(bench, shapes);
        for (size_t k = 0; k < count && code == BNN_OK; k++) {
            code = measure(bench, what, bench->where ? what->square_group : what->small_group,
                           &shapes[k], err);
        }
        if (code != BNN_OK) {
            return code;
        }
    }
    return !bench->where && bnn_bench_small_shapes(bench, shapes) ? bnn_bench_attention(bench, err)
                                                                  : BNN_OK;
}

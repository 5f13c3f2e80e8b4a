/* The backward products with bits as one operand, where check_kernels.c does not look: that they
 * are as exact as a plain float loop even when magnitudes differ widely, that padding adds exactly
 * nothing, that integers come out equal, and the shapes on which blocks, strips and words of codes
 * end. Buffers lie between guard bytes. No OpenMP before srunner_run_all: Check forks. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tests/cpu/kernel_tables.h"

enum { GUARD = 64, MOST = 512, THREADS = 3 };

static unsigned char *bases[MOST];
static size_t lengths[MOST], taken;

static void *get(size_t bytes) {
    size_t room = (bytes + 63) / 64 * 64 + 2 * GUARD;
    unsigned char *base = aligned_alloc(64, room);
    ck_assert_ptr_nonnull(base);
    ck_assert_uint_lt(taken, MOST);
    memset(base, 0xaa, room);
    bases[taken] = base, lengths[taken++] = bytes;
    return base + GUARD;
}

static void release(void) {
    while (taken > 0) {
        unsigned char *base = bases[--taken];
        size_t bytes = lengths[taken], room = (bytes + 63) / 64 * 64 + 2 * GUARD;
        for (size_t i = 0; i < room; i++) {
            if ((i < GUARD || i >= GUARD + bytes) && base[i] != 0xaa) {
                ck_abort_msg("a byte beside a buffer of %zu was written", bytes);
            }
        }
        free(base);
    }
}

static uint64_t state = 88172645463325252u;

static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int below(int n) {
    return (int)(random64() >> 33) % n;
}

static uint64_t *random_bits(size_t rows, size_t c) {
    size_t words = bnn_words(c);
    uint64_t *bits = get(rows * words * 8);
    for (size_t i = 0; i < rows * words; i++) {
        size_t left = c - i % words * 64;
        bits[i] = random64() & (left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1);
    }
    return bits;
}

typedef enum values { INTEGERS, EVEN, WIDE } values;

/* WIDE: magnitudes over nine decades. */
static float *random_floats(size_t n, values kind) {
    float *x = get(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        x[i] = kind == INTEGERS ? (float)(below(33) - 16)
                                : (float)((double)(random64() >> 40) / 8388608.0 - 1.0);
        x[i] *= kind == WIDE ? powf(10.0f, (float)(below(91) - 45) / 10.0f) : 1.0f;
    }
    return x;
}

static size_t pixels_of(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}

static float sign_at(const bnn_operand *v, size_t row, size_t c, size_t i) {
    float scale = v->scale == NULL ? 1.0f : v->scale[row / v->rows_per_scale];
    return v->b1[row * bnn_words(c) + i / 64] >> i % 64 & 1 ? scale : -scale;
}

/* Both products, in double and as a plain float loop over the same sums. */
static void reference(const bnn_conv *s, const float *gy, const bnn_operand *x,
                      const bnn_operand *w, double *gx, float *gxf, double *gw, float *gwf) {
    int cg = s->c / s->groups, og = s->o / s->groups, taps = s->kh * s->kw;
    for (int i = 0; i < s->n * s->oh * s->ow; i++) {
        int ox = i % s->ow, oy = i / s->ow % s->oh, n = i / s->ow / s->oh;
        for (int t = 0; t < taps; t++) {
            int iy = oy * s->stride_h - s->pad_h + t / s->kw * s->dil_h;
            int ix = ox * s->stride_w - s->pad_w + t % s->kw * s->dil_w;
            if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) {
                continue;
            }
            size_t pixel = (size_t)(n * s->h + iy) * (size_t)s->w + (size_t)ix;
            for (int o = 0; o < s->o; o++) {
                float g = gy[(size_t)i * (size_t)s->o + (size_t)o];
                size_t row = (size_t)(o * taps + t), first = (size_t)(o / og * cg);
                for (size_t c = 0; c < (size_t)cg; c++) {
                    size_t xi = pixel * (size_t)s->c + first + c, wi = row * (size_t)cg + c;
                    float ws = sign_at(w, row, (size_t)cg, c);
                    float xs = sign_at(x, pixel, (size_t)s->c, first + c);
                    gx[xi] += (double)g * (double)ws, gxf[xi] += g * ws;
                    gw[wi] += (double)g * (double)xs, gwf[wi] += g * xs;
                }
            }
        }
    }
}

static double error_of(size_t n, const float *got, const double *want) {
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(error / (size + 1e-300));
}

/* A stream of the device of a table, with as many threads as are to be tested now. */
static int threads_now = 1;

static const bnn_stream *on(const bnn_kernels *k) {
    static bnn_stream stream;
    bnn_device device = table_device(k, threads_now);
    ck_assert(bnn_stream_start(&stream, &device));
    return &stream;
}

/* One product on one instruction set: as exact as `plain`, equal for any number of threads, also
 * when it adds. */
static void check_one(const bnn_kernels *k, const bnn_conv *s, values kind, int which,
                      const float *gy, const bnn_operand *v, size_t n, const double *want,
                      const float *plain) {
    float *first[2] = {NULL, NULL};
    char what[200];
    snprintf(what, sizeof what,
             "%s %s n%d %dx%dx%d o%d k%dx%d stride %d pad %d,%d dil %d groups %d", k->name,
             which == 0 ? "dX" : "dW", s->n, s->h, s->w, s->c, s->o, s->kh, s->kw, s->stride_h,
             s->pad_h, s->pad_w, s->dil_h, s->groups);
    for (int threads = 1; threads <= THREADS; threads++) {
        threads_now = threads;
        void *ws = get(k->conv_workspace(on(k), s, 1, 1));
        for (int acc = 0; acc < 2; acc++) {
            float *out = get(n * sizeof(float));
            for (size_t i = 0; acc && i < n; i++) {
                out[i] = (float)(i % 7);
            }
            (which == 0 ? k->conv_backward_x : k->conv_backward_w)(on(k), s, gy, v, out, acc, ws);
            if (threads > 1) {
                ck_assert_msg(memcmp(out, first[acc], n * 4) == 0, "%s: threads differ", what);
                continue;
            }
            first[acc] = out;
            for (size_t i = 0; kind == INTEGERS && i < n; i++) {
                double exact = want[i] + (acc ? (double)(i % 7) : 0.0);
                if ((double)out[i] != exact) {
                    ck_abort_msg("%s [%zu]: %g not %g", what, i, (double)out[i], exact);
                }
            }
            if (!acc) {
                double error = error_of(n, out, want), bound = error_of(n, plain, want);
                ck_assert_msg(error <= bound + 6e-8, "%s: error %g, plain loop %g", what, error,
                              bound);
            }
        }
    }
}

static int output_size(int size, int kernel, int stride, int pad, int dil) {
    return (size + 2 * pad - dil * (kernel - 1) - 1) / stride + 1;
}

static void check_shape(bnn_conv s, values kind) {
    size_t cg = (size_t)(s.c / s.groups), taps = (size_t)(s.kh * s.kw), c = (size_t)s.c;
    s.oh = output_size(s.h, s.kh, s.stride_h, s.pad_h, s.dil_h);
    s.ow = output_size(s.w, s.kw, s.stride_w, s.pad_w, s.dil_w);
    size_t nx = pixels_of(&s) * c, nw = (size_t)s.o * taps * cg;
    size_t ny = (size_t)s.n * (size_t)s.oh * (size_t)s.ow * (size_t)s.o;
    float *gy = random_floats(ny, kind),
          *factors = random_floats(pixels_of(&s) + (size_t)s.o, EVEN);
    bnn_operand x = {.b1 = random_bits(pixels_of(&s), c)};
    bnn_operand w = {.b1 = random_bits((size_t)s.o * taps, cg)};
    if (kind != INTEGERS && below(2)) {
        x.scale = factors, x.rows_per_scale = (size_t)(s.h * s.w);
        w.scale = factors, w.rows_per_scale = taps;
    }
    double *gx = get(nx * 8), *gw = get(nw * 8);
    float *gxf = get(nx * 4), *gwf = get(nw * 4);
    memset(gx, 0, nx * 8), memset(gw, 0, nw * 8);
    memset(gxf, 0, nx * 4), memset(gwf, 0, nw * 4);
    reference(&s, gy, &x, &w, gx, gxf, gw, gwf);
    for (size_t i = 0; i < KERNEL_TABLES; i++) {
        const bnn_kernels *k = kernel_table(i);
        if (k != NULL) {
            check_one(k, &s, kind, 0, gy, &w, nx, gx, gxf);
            check_one(k, &s, kind, 1, gy, &x, nw, gw, gwf);
        }
    }
    release();
}

static bnn_conv shape(int n, int h, int w, int c, int o, int kernel, int stride, int pad) {
    bnn_conv s = {n,      h, w, c,      o,      h == 1 ? 1 : kernel,
                  kernel, 0, 0, stride, stride, h == 1 ? 0 : pad,
                  pad,    1, 1, 1};
    return s;
}

/* Blocks, strips, words of codes, vectors and fours of images that end early. */
static void check_all(values kind) {
    bnn_conv groups = shape(4, 9, 9, 72, 24, 3, 1, 1), dilated = shape(3, 13, 11, 16, 12, 3, 1, 2);
    bnn_conv strips = shape(3, 10, 67, 8, 20, 3, 1, 1), sparse = shape(5, 12, 12, 24, 5, 3, 2, 1);
    groups.groups = 3;
    dilated.dil_h = dilated.dil_w = 2;
    sparse.dil_h = 2, sparse.stride_h = 3;
    bnn_conv cut = sparse;
    cut.n = 1, cut.h = 22;
    bnn_conv shapes[] = {
        shape(5, 32, 32, 16, 16, 3, 1, 1), /* ResNet-20, a four of images that is not full */
        shape(3, 16, 16, 16, 32, 3, 2, 1), /* its stride */
        shape(17, 8, 8, 64, 64, 3, 1, 1),  /* */
        shape(33, 4, 4, 48, 40, 3, 1, 1),  /* tails of vectors, rows and blocks */
        shape(6, 3, 3, 16, 600, 3, 1, 1),  /* images side by side, of which one is left over */
        shape(3, 7, 7, 40, 67, 3, 1, 1),   /* quads with three channels; an odd vector */
        shape(3, 5, 35, 9, 3, 5, 1, 2),    /* the least that pays; a row longer than a word */
        shape(2, 5, 35, 9, 3, 5, 1, 2),    /* two images, cut in two strips */
        shape(1, 9, 35, 40, 19, 3, 1, 1),  /* one in four, the last one shorter */
        shape(1, 5, 12, 24, 16, 3, 2, 3),  /* strips of nothing but padding */
        shape(1, 3, 8, 16, 5, 5, 1, 2),    /* three strips of a row */
        shape(2, 1, 35, 9, 3, 5, 1, 2),    /* too few strips for the mixed dW */
        shape(4, 6, 9, 24, 16, 3, 1, 0),   /* a row of x longer than one of gy */
        shape(6, 6, 6, 24, 16, 3, 1, 3),   /* windows of nothing but padding */
        shape(3, 1, 70, 16, 18, 7, 1, 3),  /* 1-D */
        shape(3, 1, 400, 10, 9, 3, 1, 1),  /* rows cut in pieces */
        shape(6, 1, 100, 16, 12, 7, 3, 2), /* taps in three streams of columns */
        shape(64, 1, 1, 100, 30, 1, 1, 0), /* linear */
        shape(7, 1, 1, 100, 30, 1, 1, 0),  /* linear, too few rows for the mixed dW */
        shape(70, 1, 1, 100, 30, 1, 1, 0), /* in rows of 14, strips of 2, 2, 1 and none */
        shape(3, 8, 4, 33, 300, 1, 1, 0),  /* pointwise */
        shape(4, 9, 9, 20, 20, 1, 2, 0),   /* phases without taps */
        shape(3, 3, 3, 16, 600, 3, 1, 1),  /* more quads than a run */
        groups,
        dilated,
        strips,
        sparse,
        cut,
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_shape(shapes[i], kind);
    }
}

START_TEST(test_integers) {
    check_all(INTEGERS);
}
END_TEST

START_TEST(test_even) {
    check_all(EVEN);
}
END_TEST

START_TEST(test_wide) {
    check_all(WIDE);
    check_shape(shape(8, 9, 9, 32, 600, 3, 1, 1), WIDE); /* as those side by side, on large tiles */
}
END_TEST

/* A float on padding's neighbour, however large, must not leave a trace where it is not seen. */
START_TEST(test_padding_is_nothing) {
    bnn_conv s = shape(3, 8, 8, 16, 8, 3, 1, 1);
    s.oh = s.ow = 8;
    float *gy = get(3 * 64 * 8 * 4);
    memset(gy, 0, 3 * 64 * 8 * 4);
    for (size_t o = 0; o < 8; o++) {
        gy[o] = 1e30f; /* a corner: five of its nine taps are padding */
    }
    bnn_operand x = {.b1 = random_bits(3 * 64, 16)}, w = {.b1 = random_bits(72, 16)};
    for (size_t i = 0; i < KERNEL_TABLES; i++) {
        const bnn_kernels *k = kernel_table(i);
        if (k == NULL) {
            continue;
        }
        float *gw = get(72 * 16 * 4), *gx = get(3 * 64 * 16 * 4);
        void *ws = get(k->conv_workspace(on(k), &s, 1, 1));
        k->conv_backward_w(on(k), &s, gy, &x, gw, 0, ws);
        k->conv_backward_x(on(k), &s, gy, &w, gx, 0, ws);
        for (size_t j = 0; j < 72 * 16; j++) {
            size_t tap = j / 16 % 9;
            int seen = tap / 3 > 0 && tap % 3 > 0;
            ck_assert(fabsf(gw[j]) == (seen ? 1e30f : 0.0f));
        }
        for (size_t j = 0; j < 3 * 64 * 16; j++) {
            size_t pixel = j / 16;
            ck_assert(gx[j] == 0.0f || (pixel / 8 < 2 && pixel % 8 < 2));
        }
    }
    release();
}
END_TEST

/* ---- the gradients of a real step ---- */

/* Stands in a copy of a table and looks at each mixed product a training step asks for. */
static struct {
    const bnn_kernels *table;
    int products[2];
} spied;

static void compare(const bnn_conv *s, const float *gy, const bnn_operand *v, int which,
                    const float *got) {
    size_t nx = pixels_of(s) * (size_t)s->c, taps = (size_t)(s->kh * s->kw);
    size_t nw = (size_t)s->o * taps * (size_t)(s->c / s->groups), mark = taken;
    double *gx = get(nx * 8), *gw = get(nw * 8);
    float *gxf = get(nx * 4), *gwf = get(nw * 4);
    memset(gx, 0, nx * 8), memset(gw, 0, nw * 8);
    memset(gxf, 0, nx * 4), memset(gwf, 0, nw * 4);
    bnn_operand any = {.b1 = which == 0 ? random_bits(pixels_of(s), (size_t)s->c)
                                        : random_bits((size_t)s->o * taps, (size_t)s->c)};
    reference(s, gy, which == 0 ? &any : v, which == 0 ? v : &any, gx, gxf, gw, gwf);
    double error = which == 0 ? error_of(nx, got, gx) : error_of(nw, got, gw);
    double bound = which == 0 ? error_of(nx, gxf, gx) : error_of(nw, gwf, gw);
    ck_assert_msg(error <= bound + 6e-8, "%s, %s of %dx%dx%d to %d: error %g, plain loop %g",
                  spied.table->name, which == 0 ? "dX" : "dW", s->h, s->w, s->c, s->o, error,
                  bound);
    spied.products[which]++;
    ck_assert_uint_eq(mark, 0);
    release();
}

static void spy_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                  const bnn_operand *w, float *gx, int acc, void *ws) {
    spied.table->conv_backward_x(stream, s, gy, w, gx, acc, ws);
    if (w->b1 != NULL && !acc) {
        compare(s, gy, w, 0, gx);
    }
}

static void spy_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                  const bnn_operand *x, float *gw, int acc, void *ws) {
    spied.table->conv_backward_w(stream, s, gy, x, gw, acc, ws);
    if (x->b1 != NULL && !acc) {
        compare(s, gy, x, 1, gw);
    }
}

static void check_step(const bnn_kernels *table) {
    enum { N = 4, SIDE = 16 };
    static float images[N * SIDE * SIDE * 3];
    static const int32_t labels[N] = {3, 1, 4, 1};
    bnn_kernels spy = *table;
    bnn_error err = {0};
    bnn_net net;
    bnn_spec spec = {.height = SIDE, .width = SIDE, .channels = 3, .classes = 10};
    bnn_params *params = bnn_params_create();
    spied.table = table;
    spied.products[0] = spied.products[1] = 0;
    spy.conv_backward_x = spy_x;
    spy.conv_backward_w = spy_w;
    ck_assert_int_eq(bnn_spec_find(&spec, "resnet20", "reactnet", &err), BNN_OK);
    ck_assert_msg(bnn_net_build(&spec, &on(&spy)->device, params, N, 1, &net, &err) == BNN_OK, "%s",
                  err.text);
    ck_assert_int_eq(bnn_params_allocate(params, &err), BNN_OK);
    bnn_params_initialize(params, 3);
    for (size_t i = 0; i < params->count; i++) { /* blocks that do something from the start */
        float *value = bnn_param_data(params, params->list[i]);
        for (size_t k = 0;
             strstr(params->list[i]->name, "bn2.weight") && k < params->list[i]->count; k++) {
            value[k] = 0.5f;
        }
    }
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) { /* stripes and noise */
        images[i] = sinf((float)(i / 3 % SIDE) * 0.7f + (float)(i / 3 / SIDE)) +
                    0.2f * (float)(below(1000) - 500) / 500.0f;
    }
    ck_assert_int_eq(bnn_graph_bind(net.graph, NULL, &err), BNN_OK);
    bnn_graph_set(net.graph, net.input[0], images);
    bnn_graph_set(net.graph, net.input[1], labels);
    bnn_graph_forward(net.graph);
    bnn_graph_backward(net.graph);
    ck_assert_int_eq(spied.products[0], 18); /* binary convolutions of a ResNet-20 */
    ck_assert_int_eq(spied.products[1], 18);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}

START_TEST(test_real_step) {
    threads_now = 2;
    for (size_t i = 0; i < KERNEL_TABLES; i++) {
        const bnn_kernels *k = kernel_table(i);
        if (k != NULL) {
            check_step(k);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mixed");
    TCase *tcase = tcase_create("mixed");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, test_integers);
    tcase_add_test(tcase, test_even);
    tcase_add_test(tcase, test_wide);
    tcase_add_test(tcase, test_padding_is_nothing);
    tcase_add_test(tcase, test_real_step);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

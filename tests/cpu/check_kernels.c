/* Every entry of every kernel table this machine has against plain reference code, written here in
 * the most obvious way and in double. Bits and integers must be equal; float products agree to 1e-5
 * in the relative 2-norm; every result must be the same bytes with 1, 2 and 3 threads. All buffers
 * lie between guard bytes. No OpenMP before srunner_run_all: Check forks, and the child would hang.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/tiles/tiles.h"
#include "engine/kernels.h"
#include "tests/cpu/kernel_tables.h"

/* ---- buffers, random values, tables ---- */

enum { GUARD = 64, MOST = 4096, THREADS = 3 };

/* As ck_assert, but silent where it holds: Check writes to a file at every assertion, which is too
 * slow for one per value. */
#define REQUIRE(ok) require((ok) ? 1 : 0, __LINE__, #ok)

static void require(int ok, int line, const char *what) {
    if (!ok) {
        ck_abort_msg("line %d: %s", line, what);
    }
}

static struct {
    unsigned char *base;
    size_t bytes;
} buffers[MOST];
static size_t buffer_count;

/* `bytes` between guards, 64-byte aligned, filled with 0xaa; lives until release(). */
static void *get(size_t bytes) {
    size_t room = (bytes + 63) / 64 * 64 + 2 * GUARD;
    unsigned char *base = aligned_alloc(64, room);
    ck_assert_ptr_nonnull(base);
    ck_assert_uint_lt(buffer_count, MOST);
    memset(base, 0xaa, room);
    buffers[buffer_count].base = base;
    buffers[buffer_count++].bytes = bytes;
    return base + GUARD;
}

static float *get_floats(size_t n) {
    return get(n * sizeof(float));
}

/* Frees what was taken since `from` and checks that nobody wrote beside it. */
static void release(size_t from) {
    while (buffer_count > from) {
        unsigned char *base = buffers[--buffer_count].base;
        size_t bytes = buffers[buffer_count].bytes, room = (bytes + 63) / 64 * 64 + 2 * GUARD;
        for (size_t i = 0; i < room; i++) {
            int outside = i < GUARD || i >= GUARD + bytes;
            REQUIRE(!outside || base[i] == 0xaa);
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

/* Roughly normal. */
static float random_float(void) {
    double sum = 0.0;
    for (int i = 0; i < 6; i++) {
        sum += (double)(random64() >> 40) / 16777216.0;
    }
    return (float)(sum * 1.4142 - 4.2426);
}

static float *random_floats(size_t n) {
    float *x = get_floats(n);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_float();
    }
    return x;
}

static uint64_t *pack(size_t rows, size_t c, const float *x) {
    uint64_t *bits = get(rows * bnn_words(c) * 8);
    memset(bits, 0, rows * bnn_words(c) * 8);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < c; i++) {
            bits[r * bnn_words(c) + i / 64] |= (uint64_t)(x[r * c + i] >= 0.0f) << i % 64;
        }
    }
    return bits;
}

static int bit(const uint64_t *bits, size_t i) {
    return (int)(bits[i / 64] >> i % 64 & 1);
}

/* The device of a table, with as many threads as are to be tested now. */
static int threads_now = 1;

static const bnn_device *on(const bnn_kernels *k) {
    static bnn_device device;
    device = (bnn_device){k, threads_now};
    return &device;
}

/* The first table after `k` that this machine has; the very first if k is NULL. */
static const bnn_kernels *next_table(const bnn_kernels *k) {
    int passed = k == NULL;
    for (size_t i = 0; i < KERNEL_TABLES; i++) {
        const bnn_kernels *found = kernel_table(i);
        if (found != NULL && passed) {
            return found;
        }
        passed |= found == k;
    }
    return NULL;
}

static float *duplicate(size_t n, const float *x) {
    float *y = get_floats(n);
    memcpy(y, x, n * sizeof(float));
    return y;
}

static void assert_same(size_t bytes, const void *a, const void *b, const char *what) {
    ck_assert_msg(memcmp(a, b, bytes) == 0, "%s differs", what);
}

/* |got - want| <= tolerance * |want| in the 2-norm, with `floor` for results near nothing. */
static void assert_near(size_t n, const float *got, const double *want, double tolerance,
                        const char *what) {
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    ck_assert_msg(sqrt(error) <= tolerance * sqrt(size) + 1e-12, "%s: error %g of %g", what,
                  sqrt(error), sqrt(size));
}

/* ---- the three products ---- */

static size_t in_rows(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}

static size_t out_size(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->oh * (size_t)s->ow * (size_t)s->o;
}

static size_t filter_size(const bnn_conv *s) {
    return (size_t)s->o * (size_t)s->kh * (size_t)s->kw * (size_t)(s->c / s->groups);
}

/* Walks all products y[yi] <- x[xi] * w[wi] of a convolution; any of the three may be the result.
 */
static void reference(const bnn_conv *s, const float *x, const float *w, const float *gy, double *y,
                      double *gx, double *gw) {
    int cg = s->c / s->groups, og = s->o / s->groups;
    for (int i = 0; i < s->n * s->oh * s->ow; i++) {
        int ox = i % s->ow, oy = i / s->ow % s->oh, n = i / s->ow / s->oh;
        for (int t = 0; t < s->kh * s->kw; t++) {
            int iy = oy * s->stride_h - s->pad_h + t / s->kw * s->dil_h;
            int ix = ox * s->stride_w - s->pad_w + t % s->kw * s->dil_w;
            if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) {
                continue;
            }
            for (int o = 0; o < s->o; o++) {
                size_t yi = (size_t)i * (size_t)s->o + (size_t)o;
                size_t xi = ((size_t)(n * s->h + iy) * (size_t)s->w + (size_t)ix) * (size_t)s->c +
                            (size_t)(o / og * cg);
                size_t wi = ((size_t)o * (size_t)(s->kh * s->kw) + (size_t)t) * (size_t)cg;
                double sum = 0.0, g = (double)gy[yi];
                for (int c = 0; c < cg; c++, xi++, wi++) {
                    sum += (double)x[xi] * (double)w[wi];
                    gx[xi] += g * (double)w[wi];
                    gw[wi] += g * (double)x[xi];
                }
                y[yi] += sum;
            }
        }
    }
}

typedef struct products {
    double *y, *gx, *gw;
} products;

static products run_reference(const bnn_conv *s, const float *x, const float *w, const float *gy) {
    size_t ny = out_size(s), nx = in_rows(s) * (size_t)s->c, nw = filter_size(s);
    products r = {get(ny * 8), get(nx * 8), get(nw * 8)};
    memset(r.y, 0, ny * 8);
    memset(r.gx, 0, nx * 8);
    memset(r.gw, 0, nw * 8);
    reference(s, x, w, gy, r.y, r.gx, r.gw);
    return r;
}

/* One product with 1 .. THREADS threads, replacing and adding; the results must be one result. */
static void check_product(const bnn_kernels *k, const bnn_conv *s, int which, const float *gy,
                          const bnn_operand *x, const bnn_operand *w, const double *want) {
    static const char *const names[] = {"forward", "backward_x", "backward_w"};
    size_t sizes[] = {out_size(s), in_rows(s) * (size_t)s->c, filter_size(s)}, n = sizes[which];
    size_t mark = buffer_count;
    float *first[2] = {NULL, NULL}, *start = random_floats(n);
    char what[256];
    snprintf(what, sizeof what,
             "%s %s%s n%d %dx%dx%d o%d k%dx%d stride %d,%d pad %d,%d dil %d,%d groups %d", k->name,
             names[which], x->b1 != NULL || w->b1 != NULL ? " bits" : "", s->n, s->h, s->w, s->c,
             s->o, s->kh, s->kw, s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dil_h, s->dil_w,
             s->groups);
    for (int threads = 1; threads <= THREADS; threads++) {
        threads_now = threads;
        void *ws = get(k->conv_workspace(on(k), s, x->b1 != NULL || w->b1 != NULL));
        for (int acc = 0; acc < (which == 0 ? 1 : 2); acc++) {
            float *out = acc ? duplicate(n, start) : get_floats(n);
            if (which == 0) {
                bnn_result y = {.f32 = out};
                k->conv_forward(on(k), s, x, w, &y, ws);
            } else if (which == 1) {
                k->conv_backward_x(on(k), s, gy, w, out, acc, ws);
            } else {
                k->conv_backward_w(on(k), s, gy, x, out, acc, ws);
            }
            if (threads > 1) {
                assert_same(n * sizeof(float), out, first[acc], what);
                continue;
            }
            first[acc] = out;
            double *sum = get(n * 8);
            for (size_t i = 0; i < n; i++) {
                sum[i] = want[i] + (acc ? (double)start[i] : 0.0);
            }
            assert_near(n, out, sum, 1e-5, what);
            if (which == 0 && x->b1 != NULL) { /* integers, or integers times exact factors */
                for (size_t i = 0; i < n; i++) {
                    if ((double)out[i] != want[i]) {
                        ck_abort_msg("%s [%zu]: %g not %g", what, i, (double)out[i], want[i]);
                    }
                }
            }
        }
    }
    release(mark);
}

/* Powers of two, so that scaled integers stay exact; one for every `per` of `rows` rows. */
static float *scales(size_t rows, size_t per) {
    size_t n = (rows + per - 1) / per;
    float *scale = get_floats(n);
    for (size_t i = 0; i < n; i++) {
        scale[i] = ldexpf(1.0f, below(5) - 3);
    }
    return scale;
}

static float *unpacked(size_t rows, size_t c, const bnn_operand *v) {
    float *x = get_floats(rows * c);
    for (size_t i = 0; i < rows * c; i++) {
        size_t r = i / c;
        float scale = v->scale == NULL ? 1.0f : v->scale[r / v->rows_per_scale];
        x[i] = bit(v->b1 + r * bnn_words(c), i % c) ? scale : -scale;
    }
    return x;
}

/* What may be done to a forward product on its way out is what the kernels of that name do to a
 * float map, to the bit. */
static void check_float_end(const bnn_kernels *k, const bnn_conv *s, const bnn_operand *x,
                            const bnn_operand *w, const float *plain, int which, void *ws) {
    static const float bounds[2] = {-0.5f, 1.0f};
    size_t mark = buffer_count, o = (size_t)s->o, n = out_size(s), bytes = n / o * bnn_words(o) * 8;
    bnn_result y = {.f32 = get_floats(n)};
    float *want = get_floats(n);
    y.a = which & 1 ? random_floats(o) : NULL;
    y.b = which & 2 ? random_floats(o) : NULL;
    y.add = which & 4 ? random_floats(n) : NULL;
    y.clamp = which & 8 ? bounds : NULL;
    y.sign = x->b1 != NULL && below(2) ? get(bytes) : NULL;
    k->conv_forward(on(k), s, x, w, &y, ws);
    k->affine(n / o, o, (bnn_numbers){.f32 = plain}, y.a, y.b, want, 0);
    if (y.add != NULL) {
        k->add(n, want, y.add, want);
    }
    if (y.clamp != NULL) {
        k->clamp(n, want, bounds[0], bounds[1], want, NULL);
    }
    assert_same(n * sizeof(float), y.f32, want, "a product with an end");
    if (y.sign != NULL) {
        uint64_t *bits = get(bytes);
        k->sign_pack(n / o, o, want, bits);
        assert_same(bytes, y.sign, bits, "the signs of a product");
    }
    release(mark);
}

static void check_end(const bnn_kernels *k, const bnn_conv *s, const bnn_operand *x,
                      const bnn_operand *w, const float *plain, void *ws) {
    size_t o = (size_t)s->o, n = out_size(s), rows = n / o;
    check_float_end(k, s, x, w, plain, below(16), ws);
    if (x->b1 == NULL || x->scale != NULL) {
        return;
    }
    if (s->kh * s->kw * s->c / s->groups <= 32767) {
        bnn_result y = {.i16 = get(n * sizeof(int16_t))};
        k->conv_forward(on(k), s, x, w, &y, ws);
        for (size_t i = 0; i < n; i++) {
            REQUIRE((float)y.i16[i] == plain[i]);
        }
    }
    size_t bytes = rows * bnn_words(o) * 8;
    int32_t *threshold = get(o * sizeof(int32_t));
    for (size_t i = 0; i < o; i++) { /* at a value that occurs, or next to it */
        size_t row = (size_t)below((int)rows);
        threshold[i] = 2 * ((int32_t)plain[row * o + i] + below(3) - 1) + below(2);
    }
    bnn_result y = {.b1 = get(bytes), .threshold = threshold};
    uint64_t *bits = get(bytes);
    k->conv_forward(on(k), s, x, w, &y, ws);
    k->threshold_pack(rows, o, plain, threshold, bits);
    assert_same(bytes, y.b1, bits, "a product with thresholds");
}

/* With prepared filters, against kernels on what the same product is without. */
static void check_ends(const bnn_conv *s, const bnn_operand *x, const bnn_operand *w) {
    threads_now = THREADS;
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        size_t mark = buffer_count;
        void *ws = get(k->conv_workspace(on(k), s, x->b1 != NULL));
        void *prepared = get(k->conv_prepared_bytes(on(k), s, w->b1 != NULL));
        bnn_result y = {.f32 = get_floats(out_size(s))};
        bnn_operand ready = *w;
        k->conv_forward(on(k), s, x, w, &y, ws);
        ready.prepared = prepared;
        k->conv_prepare(on(k), s, w, prepared, ws);
        check_end(k, s, x, &ready, y.f32, ws);
        release(mark);
    }
}

static void check_conv(const bnn_conv *s) {
    size_t mark = buffer_count, c = (size_t)s->c, cg = (size_t)(s->c / s->groups);
    size_t taps = (size_t)(s->kh * s->kw), filter_rows = (size_t)s->o * taps;
    float *xf = random_floats(in_rows(s) * c), *wf = random_floats(filter_size(s));
    float *gy = random_floats(out_size(s));
    products real = run_reference(s, xf, wf, gy);
    bnn_operand x = {.f32 = xf}, w = {.f32 = wf};
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_product(k, s, 0, gy, &x, &w, real.y);
        check_product(k, s, 1, gy, &x, &w, real.gx);
        check_product(k, s, 2, gy, &x, &w, real.gw);
    }
    check_ends(s, &x, &w);
    bnn_operand xb = {.b1 = pack(in_rows(s), c, xf)}, wb = {.b1 = pack(filter_rows, cg, wf)};
    for (int scaled = 0; scaled < 2; scaled++) {
        if (scaled) {
            xb.rows_per_scale = (size_t)(s->h * s->w);
            xb.scale = scales(in_rows(s), xb.rows_per_scale);
            wb.rows_per_scale = below(2) ? taps : filter_rows;
            wb.scale = scales(filter_rows, wb.rows_per_scale);
        }
        products signs =
            run_reference(s, unpacked(in_rows(s), c, &xb), unpacked(filter_rows, cg, &wb), gy);
        for (size_t i = 0; scaled && i < out_size(s); i++) { /* which the forward does not see */
            signs.y[i] /= (double)wb.scale[i % (size_t)s->o * taps / wb.rows_per_scale];
        }
        check_ends(s, &xb, &wb);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            check_product(k, s, 0, gy, &xb, &wb, signs.y);
            check_product(k, s, 1, gy, &x, &wb, signs.gx);
            check_product(k, s, 2, gy, &xb, &w, signs.gw);
        }
    }
    release(mark);
}

static int output_size(int size, int kernel, int stride, int pad, int dil) {
    int span = size + 2 * pad - dil * (kernel - 1) - 1;
    return span < 0 ? 0 : span / stride + 1;
}

/* False if the shape is empty or too much work for a test. */
static int complete(bnn_conv *s) {
    s->oh = output_size(s->h, s->kh, s->stride_h, s->pad_h, s->dil_h);
    s->ow = output_size(s->w, s->kw, s->stride_w, s->pad_w, s->dil_w);
    double work = (double)out_size(s) * s->kh * s->kw * s->c / s->groups;
    return s->oh > 0 && s->ow > 0 && work < 1.5e5;
}

static bnn_conv square(int n, int size, int c, int o, int kernel, int stride, int pad, int groups) {
    bnn_conv s = {n, size,   size,   c,   o,   kernel, kernel, 0,
                  0, stride, stride, pad, pad, 1,      1,      groups};
    s.oh = s.ow = output_size(size, kernel, stride, pad, 1);
    return s;
}

START_TEST(test_conv_random) {
    static const int channels[] = {1, 3, 16, 17, 40, 64, 65, 128, 192};
    static const int outs[] = {1, 3, 10, 16, 17, 33, 48, 64, 65, 100};
    static const int kernels[] = {1, 3, 3, 5, 7};
    for (int done = 0; done < 60;) {
        bnn_conv s = {.n = 1 + below(3), .h = 1 + below(11), .w = 1 + below(11)};
        s.c = channels[below(9)], s.o = outs[below(10)];
        s.kh = kernels[below(5)], s.kw = below(3) ? s.kh : kernels[below(5)];
        s.stride_h = 1 + below(3), s.stride_w = below(3) ? s.stride_h : 1 + below(3);
        s.dil_h = 1 + below(2), s.dil_w = below(3) ? s.dil_h : 1 + below(2);
        s.pad_h = below(s.dil_h * (s.kh / 2) + 2), s.pad_w = below(s.dil_w * (s.kw / 2) + 2);
        s.groups = 1;
        int kind = below(4);
        if (kind == 0) { /* depthwise, perhaps with a multiplier */
            s.groups = s.c, s.o = s.c * (1 + below(2));
        } else if (kind == 1) {
            s.groups = s.c % 4 == 0 ? 4 : s.c % 3 == 0 ? 3 : 1;
            s.o = s.groups * (1 + below(20));
        }
        if (complete(&s)) {
            check_conv(&s);
            done++;
        }
    }
}
END_TEST

START_TEST(test_conv_shapes) {
    bnn_conv shapes[] = {
        square(2, 1, 192, 10, 1, 1, 0, 1),    /* linear */
        square(1, 1, 70000, 3, 1, 1, 0, 1),   /* long enough to overflow 16-bit sums */
        square(13, 1, 65, 130, 1, 1, 0, 1),   /* linear, several panels and a tail */
        square(2, 12, 3, 16, 7, 2, 3, 1),     /* stem */
        square(5, 16, 3, 10, 3, 1, 1, 1),     /* a reduction in several pieces */
        square(1, 5, 128, 64, 3, 1, 1, 1),    /* */
        square(1, 3, 2, 5, 5, 1, 4, 1),       /* windows that see nothing but padding */
        square(2, 8, 128, 128, 3, 2, 1, 128), /* depthwise */
        square(3, 12, 3, 33, 3, 1, 1, 1),  /* short runs, in place and at both edges, two blocks */
        square(2, 3, 3, 43, 7, 1, 3, 1),   /* short runs that all stick out */
        square(1, 5, 200, 41, 3, 1, 1, 1), /* runs longer than a piece of the reduction */
        square(1, 6, 256, 32, 3, 1, 1, 2), /* groups of whole words */
        square(2, 7, 16, 24, 1, 2, 0, 1),  /* phases without taps */
        {3, 1, 50, 17, 20, 1, 5, 1, 0, 1, 3, 0, 2, 1, 2, 1}, /* 1-D */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        bnn_conv s = shapes[i];
        s.oh = output_size(s.h, s.kh, s.stride_h, s.pad_h, s.dil_h);
        s.ow = output_size(s.w, s.kw, s.stride_w, s.pad_w, s.dil_w);
        check_conv(&s);
    }
}
END_TEST

/* Pixels and filters that differ in every bit: random ones differ in half, which no narrow sum
 * overflows from. */
START_TEST(test_conv_opposite) {
    static const int depths[] = {8, 250, 256, 992, 1000, 2100, 70000};
    for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++) {
        size_t mark = buffer_count, c = (size_t)depths[d];
        bnn_conv s = square(5, 1, depths[d], 49, 1, 1, 0, 1);
        float *ones = get_floats(5 * c), *minus = get_floats(49 * c);
        double *want = get(5 * 49 * 8);
        for (size_t i = 0; i < 49 * c; i++) {
            minus[i] = -1.0f;
            ones[i % (5 * c)] = 1.0f;
            want[i % (5 * 49)] = -(double)c;
        }
        bnn_operand x = {.b1 = pack(5, c, ones)}, w = {.b1 = pack(49, c, minus)};
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            check_product(k, &s, 0, NULL, &x, &w, want);
        }
        release(mark);
    }
}
END_TEST

/* ---- bits ---- */

static const float probes[] = {-1.5f, -1.0f, -0.5f, -0.0f, 0.0f, 0.5f, 1.0f, 1.5f};

/* Random values with exact borders, infinities and, if asked for, NaN among them. */
static float *awkward_floats(size_t n, int with_nan) {
    float *x = random_floats(n);
    for (size_t i = 0; i < n; i += 3) {
        x[i] = probes[below(8)];
    }
    for (size_t i = 5; i < n; i += 29) {
        x[i] = below(2) ? INFINITY : -INFINITY;
        x[i] = with_nan && below(2) ? NAN : x[i];
    }
    return x;
}

START_TEST(test_sign_pack) {
    static const size_t channels[] = {1, 3, 16, 63, 64, 65, 128, 200};
    for (size_t i = 0; i < 8; i++) {
        size_t c = channels[i], rows = 7, mark = buffer_count;
        float *x = awkward_floats(rows * c, 1);
        uint64_t *want = pack(rows, c, x);
        bnn_operand v = {.b1 = want, .rows_per_scale = 2};
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            uint64_t *bits = get(rows * bnn_words(c) * 8);
            k->sign_pack(rows, c, x, bits);
            assert_same(rows * bnn_words(c) * 8, bits, want, "sign_pack");
            for (int scaled = 0; scaled < 2; scaled++) {
                v.scale = scaled ? random_floats(4) : NULL;
                float *y = get_floats(rows * c);
                k->sign_unpack(on(k), rows, c, &v, y);
                assert_same(rows * c * 4, y, unpacked(rows, c, &v), "sign_unpack");
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_threshold_pack) {
    static const size_t channels[] = {1, 17, 64, 130};
    for (size_t i = 0; i < 4; i++) {
        size_t c = channels[i], rows = 9, mark = buffer_count;
        float *x = get_floats(rows * c);
        int32_t *threshold = get(c * 4);
        uint64_t *want = get(rows * bnn_words(c) * 8);
        memset(want, 0, rows * bnn_words(c) * 8);
        for (size_t j = 0; j < c; j++) {
            threshold[j] = 2 * (below(9) - 4) + below(2);
        }
        if (c > 1) {
            threshold[0] = INT32_MAX, threshold[1] = INT32_MIN;
        }
        for (size_t j = 0; j < rows * c; j++) {
            int flip = threshold[j % c] & 1;
            int64_t t = ((int64_t)threshold[j % c] - flip) / 2;
            x[j] = (float)(below(11) - 5);
            uint64_t set = ((int64_t)x[j] >= t) != flip;
            want[j / c * bnn_words(c) + j % c / 64] |= set << j % c % 64;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            uint64_t *bits = get(rows * bnn_words(c) * 8);
            k->threshold_pack(rows, c, x, threshold, bits);
            assert_same(rows * bnn_words(c) * 8, bits, want, "threshold_pack");
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_ste) {
    static const float at[6] = {-1.0f, 1.0f, 0.0f, -0.5f, 1.5f, -1.5f};
    static const struct {
        bnn_ste ste;
        double want[6];
    } cases[] = {
        {{BNN_STE_TRIANGLE, 0}, {0, 0, 2, 1, 0, 0}},
        {{BNN_STE_CLIP, 1}, {1, 1, 1, 1, 0, 0}},
        {{BNN_STE_CLIP_OPEN, 1}, {0, 0, 1, 1, 0, 0}},
        {{BNN_STE_FOURIER, 9}, {0.5798, 0.5798, 1.2732, 1.0718, 0, 0}},
        {{BNN_STE_FOURIER, 30000}, {0}}, /* beyond the polynomial: values from ste.h */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bnn_ste ste = cases[i].ste;
        size_t rows = 5, len = 301, mark = buffer_count;
        float *x = awkward_floats(rows * len, 0), *g = random_floats(rows * len);
        float *scale = random_floats(rows);
        memcpy(x, at, sizeof at);
        for (int j = 0; j < 6 && ste.p < 1000.0f; j++) {
            REQUIRE(fabs((double)bnn_ste_slope(ste, at[j]) - (cases[i].want[j])) <= 1e-4);
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *base = random_floats(rows * len);
            float *gx = get_floats(rows * len), *in_place = duplicate(rows * len, g);
            float *sum = duplicate(rows * len, base);
            k->ste_backward(0, rows, len, 1, g, x, ste, scale, gx, 0);
            k->ste_backward(0, rows, len, 1, in_place, x, ste, scale, in_place, 0);
            k->ste_backward(0, rows, len, 1, g, x, ste, NULL, sum, 1);
            assert_same(rows * len * 4, gx, in_place, "ste_backward in place");
            for (size_t j = 0; j < rows * len; j++) {
                float slope = bnn_ste_slope(ste, x[j]);
                double bound = ste.kind == BNN_STE_FOURIER ? (ste.p < 1000.0f ? 3e-6 : 1e-1) : 0.0;
                REQUIRE(fabs((double)(gx[j] - g[j] * slope * scale[j / len])) <= bound);
                REQUIRE(fabs((double)(sum[j] - (base[j] + g[j] * slope))) <=
                        bound + 1e-6 * fabs((double)sum[j]));
            }
            if (bnn_ste_is_mask(ste.kind)) {
                size_t n = rows * len;
                uint64_t *plane = get(bnn_words(n) * 8);
                k->ste_plane(n, x, ste, plane);
                memcpy(in_place, g, n * 4);
                memcpy(sum, base, n * 4);
                k->plane_backward(n, g, plane, gx, 0);
                k->plane_backward(n, in_place, plane, in_place, 0);
                k->plane_backward(n, g, plane, sum, 1);
                for (size_t j = 0; j < n; j++) {
                    float slope = bnn_ste_slope(ste, x[j]), want = slope != 0.0f ? g[j] : 0.0f;
                    REQUIRE(bit(plane, j) == (slope != 0.0f));
                    REQUIRE(gx[j] == want && in_place[j] == want && sum[j] == base[j] + want);
                }
                REQUIRE(plane[n / 64] >> n % 64 == (0));
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_clamp) {
    size_t n = 777, mark = buffer_count;
    float *x = awkward_floats(n, 1);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *y = get_floats(n), *in_place = duplicate(n, x);
        uint64_t *plane = get(bnn_words(n) * 8);
        k->clamp(n, x, -1.0f, 1.0f, y, NULL);
        k->clamp(n, in_place, -1.0f, 1.0f, in_place, plane);
        assert_same(n * 4, y, in_place, "clamp in place");
        for (size_t i = 0; i < n; i++) {
            REQUIRE(bit(plane, i) == (-1.0f < x[i] && x[i] < 1.0f));
            if (isnan(x[i])) {
                REQUIRE(isnan(y[i]));
            } else {
                REQUIRE(y[i] == fminf(fmaxf(x[i], -1.0f), 1.0f));
            }
        }
        REQUIRE(plane[n / 64] >> n % 64 == (0));
    }
    release(mark);
}
END_TEST

/* ---- element-wise ---- */

START_TEST(test_elementwise) {
    size_t sizes[] = {1, 7, 1000, 40001};
    for (size_t s = 0; s < 4; s++) {
        size_t n = sizes[s], mark = buffer_count;
        float *a = random_floats(n), *b = random_floats(n);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *y = get_floats(n), *sum = duplicate(n, b), *in_place = duplicate(n, a);
            k->fill(on(k), n, 2.5f, y);
            for (size_t i = 0; i < n; i++) {
                REQUIRE(y[i] == 2.5f);
            }
            k->copy(n, a, y, 0);
            assert_same(n * 4, y, a, "copy");
            k->copy(n, a, sum, 1);
            k->add(n, in_place, b, in_place);
            k->add(n, a, b, y);
            for (size_t i = 0; i < n; i++) {
                REQUIRE(y[i] == a[i] + b[i] && sum[i] == y[i] && in_place[i] == y[i]);
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_affine) {
    size_t rows = 301, c = 37, n = rows * c, mark = buffer_count;
    float *x = random_floats(n), *a = random_floats(c), *b = random_floats(c);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int form = 0; form < 8; form++) {
            const float *fa = form & 1 ? a : NULL, *fb = form & 2 ? b : NULL;
            float *base = random_floats(n), *y = duplicate(n, base), *same = duplicate(n, x);
            int acc = form >> 2;
            k->affine(rows, c, (bnn_numbers){.f32 = x}, fa, fb, y, acc);
            k->affine(rows, c, (bnn_numbers){.f32 = same}, fa, fb, same, 0);
            for (size_t i = 0; i < n; i++) {
                float v = (fa ? a[i % c] : 1.0f) * x[i] + (fb ? b[i % c] : 0.0f);
                REQUIRE(same[i] == v && y[i] == (acc ? base[i] + v : v));
            }
        }
    }
    release(mark);
}
END_TEST

/* ---- row-wise kernels, as a graph runs them: pieces, and blocks of a piece ---- */

static size_t piece_first(size_t rows, size_t pieces, size_t piece) {
    return rows * piece / pieces;
}

/* Walks blocks of at most `most` rows: for (walk w = start(...); next(&w);). */
typedef struct walk {
    size_t rows, pieces, most;
    size_t piece, first, n;
    int reset;
} walk;

static walk start(size_t rows, size_t pieces, size_t most) {
    return (walk){.rows = rows, .pieces = pieces < rows ? pieces : rows, .most = most};
}

static int next(walk *w) {
    size_t at = w->first + w->n;
    w->reset = w->n == 0;
    while (w->piece < w->pieces && at >= piece_first(w->rows, w->pieces, w->piece + 1)) {
        w->piece++;
        w->reset = 1;
    }
    size_t left = w->piece < w->pieces ? piece_first(w->rows, w->pieces, w->piece + 1) - at : 0;
    w->first = at;
    w->n = left < w->most ? left : w->most;
    return w->n > 0;
}

/* How rows are cut in these tests. */
static const size_t cuts[][2] = {{1, 100000}, {1, 64}, {5, 200}, {32, 17}};
#define CUTS 4

START_TEST(test_channel_sums) {
    static const size_t shapes[][2] = {{1, 5}, {255, 3}, {1000, 64}, {9000, 17}};
    for (size_t s = 0; s < 4; s++) {
        size_t rows = shapes[s][0], c = shapes[s][1], mark = buffer_count;
        float *g = random_floats(rows * c), *x = random_floats(rows * c), *base = random_floats(c);
        for (int acc = 0; acc < 2; acc++) {
            double *sum = get(c * 8), *dot = get(c * 8);
            for (size_t j = 0; j < c; j++) {
                sum[j] = dot[j] = acc ? (double)base[j] : 0.0;
                for (size_t r = 0; r < rows; r++) {
                    sum[j] += (double)g[r * c + j];
                    dot[j] += (double)g[r * c + j] * (double)x[r * c + j];
                }
            }
            for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
                for (int cut = 0; cut < CUTS; cut++) {
                    walk both = start(rows, cuts[cut][0], cuts[cut][1]), one = both;
                    char *sums = get(both.pieces * k->sums_bytes(c));
                    float *a = duplicate(c, base), *b = duplicate(c, base);
                    float *only_sum = duplicate(c, base);
                    while (next(&both)) {
                        size_t at = both.first * c;
                        k->channel_sums(both.n, c, g + at, (bnn_numbers){.f32 = x + at}, NULL,
                                        both.reset, sums + both.piece * k->sums_bytes(c));
                    }
                    k->channel_sums_finish(c, both.pieces, sums, a, b, acc);
                    while (next(&one)) {
                        k->channel_sums(one.n, c, g + one.first * c, (bnn_numbers){NULL, NULL},
                                        NULL, one.reset, sums + one.piece * k->sums_bytes(c));
                    }
                    k->channel_sums_finish(c, one.pieces, sums, only_sum, NULL, acc);
                    assert_near(c, a, sum, 2e-6, "channel sum");
                    assert_near(c, b, dot, 2e-6, "channel dot");
                    assert_same(c * 4, only_sum, a, "sum alone");
                }
            }
        }
        release(mark);
    }
}
END_TEST

/* ---- batch normalization ---- */

typedef struct norm_case {
    size_t rows, c;
    float *x, *scale, *g, *weight, *bias; /* the value is x * scale, or x */
    double *mean, *var, *y, *gx, *gweight, *gbias;
} norm_case;

static norm_case norm_reference(size_t rows, size_t c, float shift, double eps, int scaled) {
    size_t n = rows * c;
    norm_case t = {rows,
                   c,
                   random_floats(n),
                   scaled ? random_floats(c) : NULL,
                   random_floats(n),
                   random_floats(c),
                   random_floats(c),
                   get(c * 8),
                   get(c * 8),
                   get(n * 8),
                   get(n * 8),
                   get(c * 8),
                   get(c * 8)};
    for (size_t j = 0; j < c; j++) {
        double scale = scaled ? (double)(t.scale[j] = fabsf(t.scale[j]) + 0.1f) : 1.0;
        double sum = 0.0, square_sum = 0.0, sum_g = 0.0, sum_gx = 0.0, count = (double)rows;
        for (size_t i = j; i < n; i += c) {
            t.x[i] += shift;
            sum += (double)t.x[i] * scale;
        }
        t.mean[j] = sum / count;
        for (size_t i = j; i < n; i += c) {
            double d = (double)t.x[i] * scale - t.mean[j];
            square_sum += d * d;
            sum_g += (double)t.g[i];
            sum_gx += (double)t.g[i] * d;
        }
        t.var[j] = square_sum / count;
        double r = 1.0 / sqrt(t.var[j] + eps);
        t.gweight[j] = sum_gx * r, t.gbias[j] = sum_g;
        for (size_t i = j; i < n; i += c) {
            double d = ((double)t.x[i] * scale - t.mean[j]) * r;
            t.y[i] = (double)t.weight[j] * d + (double)t.bias[j];
            t.gx[i] =
                (double)t.weight[j] * r * ((double)t.g[i] - sum_g / count - d * sum_gx * r / count);
        }
    }
    return t;
}

typedef struct norm_run {
    const bnn_kernels *k;
    const norm_case *t;
    const size_t *cut;
    bnn_numbers x;
    double *state;
    float *coefficient;
    char *sums;
} norm_run;

static bnn_numbers numbers_at(bnn_numbers x, size_t at) {
    return x.f32 ? (bnn_numbers){.f32 = x.f32 + at} : (bnn_numbers){.i16 = x.i16 + at};
}

static void norm_forward(const norm_run *r, float *run_mean, float *run_var, float *y) {
    const norm_case *t = r->t;
    walk w = start(t->rows, r->cut[0], r->cut[1]), again = w;
    while (next(&w)) {
        r->k->channel_moments(w.n, t->c, numbers_at(r->x, w.first * t->c), w.reset,
                              r->sums + w.piece * r->k->sums_bytes(t->c));
    }
    r->k->batch_norm_finish(t->c, w.pieces, r->sums, t->scale, t->weight, t->bias, 1e-5f, 0.1f,
                            run_mean, run_var, r->state);
    while (next(&again)) {
        size_t at = again.first * t->c;
        r->k->batch_norm(again.n, t->c, numbers_at(r->x, at), r->state, y + at);
    }
}

static void norm_backward(const norm_run *r, const float *g, float *gx, int gx_acc, float *gweight,
                          float *gbias, int acc) {
    const norm_case *t = r->t;
    walk w = start(t->rows, r->cut[0], r->cut[1]), again = w;
    while (next(&w)) {
        size_t at = w.first * t->c;
        r->k->channel_sums(w.n, t->c, g + at, numbers_at(r->x, at), r->state + 2 * t->c, w.reset,
                           r->sums + w.piece * r->k->sums_bytes(t->c));
    }
    r->k->batch_norm_backward_finish(t->c, w.pieces, r->sums, t->scale, t->weight, r->state,
                                     gweight, gbias, acc, r->coefficient);
    while (next(&again)) {
        size_t at = again.first * t->c;
        r->k->batch_norm_backward(again.n, t->c, g + at, numbers_at(r->x, at), r->coefficient,
                                  gx + at, gx_acc);
    }
}

static void check_norm(const norm_run *r, double tol) {
    const norm_case *t = r->t;
    size_t rows = t->rows, c = t->c, n = rows * c;
    float *y = get_floats(n), *gx = get_floats(n), *run_mean = get_floats(c);
    float *run_var = get_floats(c), *gweight = random_floats(c), *gbias = get_floats(c);
    double *want_mean = get(c * 8), *want_var = get(c * 8), *want_gw = get(c * 8);
    double unbias = rows > 1 ? (double)rows / (double)(rows - 1) : 1.0;
    for (size_t j = 0; j < c; j++) {
        run_mean[j] = 3.0f, run_var[j] = 2.0f;
        want_mean[j] = 3.0 + 0.1 * (t->mean[j] - 3.0);
        want_var[j] = 2.0 + 0.1 * (t->var[j] * unbias - 2.0);
        want_gw[j] = (double)gweight[j] + t->gweight[j];
    }
    norm_forward(r, run_mean, run_var, y);
    assert_near(n, y, t->y, tol, "batch_norm y");
    for (size_t j = 0; j < c; j++) {
        double bound = 1e-6 * (fabs(t->mean[j]) + sqrt(t->var[j]));
        double scale = t->scale ? (double)t->scale[j] : 1.0;
        REQUIRE(fabs(r->state[2 * c + j] * scale - t->mean[j]) <= bound);
    }
    assert_near(c, run_mean, want_mean, 1e-6, "running mean");
    assert_near(c, run_var, want_var, 1e-5, "running var");
    memcpy(gbias, gweight, c * 4);
    norm_backward(r, t->g, gx, 0, gweight, gbias, 1);
    assert_near(c, gweight, want_gw, tol, "batch_norm gweight");
    if (rows > 2) { /* of one row it is nothing, of two what eps leaves: less than the rounding */
        assert_near(n, gx, t->gx, tol, "batch_norm gx");
    }
    float *in_place = duplicate(n, t->g), *sum = duplicate(n, t->g);
    norm_backward(r, in_place, in_place, 0, gweight, gbias, 0);
    assert_same(n * 4, in_place, gx, "batch_norm_backward in place");
    assert_near(c, gbias, t->gbias, 1e-5, "batch_norm gbias");
    norm_backward(r, t->g, sum, 1, gweight, gbias, 0);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(sum[i] == t->g[i] + gx[i]);
    }
    /* From running statistics: the same, were they those of the batch. */
    double *fixed = get(4 * c * 8);
    for (size_t j = 0; j < c; j++) {
        run_mean[j] = (float)t->mean[j], run_var[j] = (float)t->var[j];
    }
    r->k->batch_norm_fixed(c, t->scale, t->weight, t->bias, 1e-5f, run_mean, run_var, fixed);
    if (rows > 2) {
        r->k->batch_norm(rows, c, r->x, fixed, y);
        assert_near(n, y, t->y, 10.0 * tol, "batch_norm from running statistics");
    }
}

START_TEST(test_batch_norm) {
    static const size_t shapes[][2] = {{1, 4}, {2, 65}, {300, 3}, {1030, 64}, {9000, 16}};
    for (size_t s = 0; s < 20; s++) {
        size_t rows = shapes[s / 4][0], c = shapes[s / 4][1], mark = buffer_count;
        float shift = s % 2 ? 100.0f : 0.0f; /* a mean that outweighs the deviation */
        norm_case t = norm_reference(rows, c, shift, (double)1e-5f, s % 4 > 1);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (int cut = 0; cut < CUTS; cut++) {
                norm_run r = {k,
                              &t,
                              cuts[cut],
                              {.f32 = t.x},
                              get(4 * c * 8),
                              get_floats(4 * c),
                              get(32 * k->sums_bytes(c))};
                check_norm(&r, rows < 3 ? 1e-2 : s % 2 ? 1e-4 : 1e-5);
            }
        }
        release(mark);
    }
}
END_TEST

/* 16-bit integers are read as the floats they equal. */
START_TEST(test_batch_norm_integers) {
    static const size_t shapes[][2] = {{300, 3}, {700, 16}, {1030, 64}, {500, 49}};
    for (size_t s = 0; s < 4; s++) {
        size_t rows = shapes[s][0], c = shapes[s][1], n = rows * c, mark = buffer_count;
        norm_case t = norm_reference(rows, c, 0.0f, 1e-5, 1);
        int16_t *x = get(n * 2);
        for (size_t i = 0; i < n; i++) {
            x[i] = (int16_t)(below(65535) - 32767);
            t.x[i] = (float)x[i];
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *first = NULL, *wide = get_floats(n);
            k->to_float(0, rows, c, 1, x, NULL, wide);
            assert_same(n * 4, wide, t.x, "to_float");
            size_t per = rows / c + 1; /* so that there are factors enough */
            k->to_float(5, rows - 5, c, per, x + 5 * c, t.scale, wide);
            for (size_t i = 5 * c; i < n; i++) {
                REQUIRE(wide[i - 5 * c] == t.scale[i / c / per] * t.x[i]);
            }
            for (int i16 = 0; i16 < 2; i16++) {
                norm_run r = {k,
                              &t,
                              cuts[2],
                              {.f32 = t.x},
                              get(4 * c * 8),
                              get_floats(4 * c),
                              get(32 * k->sums_bytes(c))};
                r.x = i16 ? (bnn_numbers){.i16 = x} : r.x;
                float *all = get_floats(2 * n + 4 * c), *params = all + 2 * n;
                memset(params, 0, 4 * c * 4);
                norm_forward(&r, params, params + c, all);
                norm_backward(&r, t.g, all + n, 0, params + 2 * c, params + 3 * c, 0);
                first = i16 ? first : all;
                assert_same((2 * n + 4 * c) * 4, all, first, "batch norm of integers");
            }
        }
        release(mark);
    }
}
END_TEST

/* ---- rows ---- */

START_TEST(test_rows) {
    static const size_t lengths[] = {1, 2, 9, 64, 147, 1157};
    for (size_t s = 0; s < 24; s++) {
        size_t rows = 11, len = lengths[s / 4], n = rows * len, mark = buffer_count;
        int center = (int)(s & 1), scale = (int)(s >> 1 & 1);
        float *x = random_floats(n), *g = random_floats(n), gain = 1.7f;
        double *mean = get(rows * 8), *y = get(n * 8), *gx = get(n * 8), *abs_mean = get(rows * 8);
        for (size_t i = 0; i < n; i++) {
            x[i] += 0.5f;
        }
        for (size_t r = 0; r < rows; r++) {
            double sum = 0.0, magnitude = 0.0, squares = 0.0, sum_g = 0.0, dot = 0.0;
            double others = len > 1 ? (double)len - 1.0 : 1.0;
            for (size_t i = r * len; i < (r + 1) * len; i++) {
                sum += (double)x[i], magnitude += fabs((double)x[i]), sum_g += (double)g[i];
            }
            mean[r] = sum / (double)len, abs_mean[r] = magnitude / (double)len;
            for (size_t i = r * len; i < (r + 1) * len; i++) {
                squares += ((double)x[i] - mean[r]) * ((double)x[i] - mean[r]);
                dot += (double)g[i] * ((double)x[i] - center * mean[r]);
            }
            double f = scale ? 1.0 / sqrt(squares / others + 1e-3) : 1.0;
            for (size_t i = r * len; i < (r + 1) * len; i++) {
                y[i] = (double)gain * ((double)x[i] - center * mean[r]) * f;
                gx[i] = f * ((double)g[i] - center * sum_g / (double)len);
                gx[i] -= scale ? f * f * f * ((double)x[i] - mean[r]) * dot / others : 0.0;
                gx[i] *= (double)gain;
            }
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *m = get_floats(rows), *f = get_floats(rows), *out = get_floats(n);
            float *back = get_floats(n), *sum = duplicate(n, x);
            /* Groups of one row, or of as many as len has factors. */
            size_t c = s % 2 && len % 7 == 0 ? 7 : s % 2 && len % 13 == 0 ? 13 : len;
            size_t per = len / c, all = rows * per;
            double *sums = get(rows * 3 * 8);
            for (walk w = start(all, 1, 5); next(&w);) {
                k->group_abs_sums(w.first, w.n, c, per, x + w.first * c, sums);
            }
            k->group_abs_mean(rows, len, sums, m);
            assert_near(rows, m, abs_mean, 1e-6, "group_abs_mean");
            for (walk w = start(all, 1, 5); next(&w);) {
                k->group_moments(w.first, w.n, c, per, x + w.first * c, sums);
            }
            k->normalize_finish(rows, len, sums, scale, 1e-3f, m, f);
            assert_near(rows, m, mean, 1e-6, "normalize mean");
            for (walk w = start(all, 1, 5); next(&w);) {
                k->normalize(w.first, w.n, c, per, x + w.first * c, center, gain, m, f,
                             out + w.first * c);
            }
            for (walk w = start(all, 1, 5); next(&w);) {
                k->group_dots(w.first, w.n, c, per, g + w.first * c, scale ? x + w.first * c : NULL,
                              center, m, sums);
            }
            for (walk w = start(all, 1, 5); next(&w);) {
                size_t at = w.first * c;
                const float *xs = scale ? x + at : NULL;
                k->normalize_backward(w.first, w.n, c, per, g + at, xs, center, gain, m, f, sums,
                                      back + at, 0);
                k->normalize_backward(w.first, w.n, c, per, g + at, xs, center, gain, m, f, sums,
                                      sum + at, 1);
            }
            if (len > 1) {
                assert_near(n, out, y, 1e-5, "normalize");
                assert_near(n, back, gx, 1e-5, "normalize_backward");
            }
            for (size_t i = 0; i < n; i++) {
                REQUIRE(sum[i] == x[i] + back[i]);
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_outer_scale) {
    size_t n = 6, h = 9, w = 11, mark = buffer_count;
    static const size_t channels[] = {1, 13, 64};
    for (size_t s = 0; s < 6; s++) {
        size_t c = channels[s / 2], total = n * h * w * c;
        int acc = (int)(s % 2);
        float *x = random_floats(total), *g = random_floats(total), *base = random_floats(total);
        float *so = random_floats(c), *sh = random_floats(h), *sv = random_floats(w);
        double *y = get(total * 8), *go = get(c * 8), *gh = get(h * 8), *gv = get(w * 8);
        for (size_t i = 0; i < total; i++) {
            go[i % c] = gh[i / c / w % h] = gv[i / c % w] = 0.0;
        }
        for (size_t i = 0; i < c + h + w; i++) {
            double *to = i < c ? go + i : i < c + h ? gh + (i - c) : gv + (i - c - h);
            size_t at = i < c ? i : i < c + h ? i - c : i - c - h;
            *to = acc ? (double)base[at] : 0.0;
        }
        for (size_t i = 0; i < total; i++) {
            double o = (double)so[i % c], b = (double)sh[i / c / w % h], v = (double)sv[i / c % w];
            double gx = (double)g[i] * (double)x[i];
            y[i] = (double)x[i] * o * b * v + (acc ? (double)base[i] : 0.0);
            go[i % c] += gx * b * v, gh[i / c / w % h] += gx * o * v, gv[i / c % w] += gx * o * b;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (int cut = 0; cut < CUTS; cut++) {
                float *out = duplicate(total, base);
                float *a = duplicate(c, base), *b = duplicate(h, base), *v = duplicate(w, base);
                walk at = start(n * h * w, cuts[cut][0], cuts[cut][1]);
                char *sums = get(at.pieces * k->outer_sums_bytes(h, w, c));
                while (next(&at)) {
                    const float *gs = g + at.first * c;
                    bnn_numbers xs = {.f32 = x + at.first * c};
                    k->outer_scale(at.first, at.n, h, w, c, xs, so, sh, sv, out + at.first * c,
                                   acc);
                    k->outer_scale_sums(at.first, at.n, h, w, c, gs, xs, sh, sv, at.reset,
                                        sums + at.piece * k->outer_sums_bytes(h, w, c));
                }
                k->outer_scale_finish(h, w, c, at.pieces, sums, so, sh, a, b, v, acc);
                assert_near(total, out, y, 1e-6, "outer_scale");
                assert_near(c, a, go, 1e-5, "outer_scale gso");
                assert_near(h, b, gh, 1e-5, "outer_scale gsh");
                assert_near(w, v, gv, 1e-5, "outer_scale gsv");
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_noisy_sign) {
    size_t rows = 4, len = 1033, n = rows * len, mark = buffer_count;
    float *x = random_floats(n), *lin = random_floats(n), *s = random_floats(rows);
    float *g = random_floats(n), *base = random_floats(n), alpha = 0.3f;
    static const float more[] = {0.0f, -0.0f, 1.0f, -1.0f, 900.0f, -3999.0f, 1e-6f, 12.566371f};
    memcpy(x, more, sizeof more);
    x[2 * len] = 1e5f; /* beyond the polynomial */
    for (size_t i = 100; i < 400; i++) {
        x[i] *= 100.0f;
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int form = 0; form < 4; form++) {
            const float *l = form & 1 ? lin : NULL, *sc = form & 2 ? s : NULL;
            float *y = get_floats(n), *gx = duplicate(n, base), *glin = duplicate(n, base);
            int gx_acc = form & 1, glin_acc = form >> 1;
            k->noisy_sign(0, rows, len, 1, x, l, sc, alpha, y);
            k->noisy_sign_backward(0, rows, len, 1, g, x, sc, alpha, 9.0f, gx, gx_acc, glin,
                                   glin_acc);
            for (size_t i = 0; i < n; i++) {
                double v = (double)x[i], scale = sc ? (double)s[i / len] : 1.0;
                double want = (v >= 0.0 ? 1.0 : -1.0) + (double)alpha * 0.1 * sin(v) +
                              (l ? (double)alpha * (double)l[i] : 0.0);
                REQUIRE(fabs((double)y[i] - (want * scale)) <= 1e-6);
                double u = scale * (double)g[i], b = (double)base[i];
                double slope = fabs(v) <= 1.0 ? (double)bnn_fourier_slope(x[i], 9.0f) : 0.0;
                slope += (double)alpha * 0.1 * cos(v);
                REQUIRE(fabs((double)gx[i] - (u * slope + (gx_acc ? b : 0.0))) <= 3e-6);
                REQUIRE(fabs((double)glin[i] - ((double)alpha * u + (glin_acc ? b : 0.0))) <= 1e-6);
            }
        }
        k->noisy_sign_backward(0, rows, len, 1, g, x, NULL, alpha, 9.0f, get_floats(n), 0, NULL, 0);
    }
    release(mark);
}
END_TEST

/* ---- pooling and the loss ---- */

static void check_max_pool(const bnn_kernels *k, int c, int kernel, int stride, int pad,
                           int ceil_mode) {
    int n = 2, h = 9, w = 8, up = ceil_mode ? stride - 1 : 0;
    int oh = (h + 2 * pad - kernel + up) / stride + 1,
        ow = (w + 2 * pad - kernel + up) / stride + 1;
    oh -= (oh - 1) * stride - pad >= h; /* windows begin within the image */
    ow -= (ow - 1) * stride - pad >= w;
    size_t in = (size_t)(n * h * w * c), out = (size_t)(n * oh * ow * c), mark = buffer_count;
    float *x = get_floats(in), *y = get_floats(out), *plain = get_floats(out);
    float *g = random_floats(out), *gx = get_floats(in), *sum = random_floats(in);
    float *base = duplicate(in, sum), *want = get_floats(in);
    uint8_t *index = get(out);
    for (size_t i = 0; i < in; i++) {
        x[i] = (float)(below(7) - 8); /* many equals, all negative: padding must not win */
        x[i] = below(40) == 0 ? NAN : below(40) == 0 ? -INFINITY : x[i];
        want[i] = 0.0f;
    }
    k->max_pool(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, x, y, index);
    k->max_pool(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, x, plain, NULL);
    assert_same(out * 4, y, plain, "max_pool without index");
    for (size_t o = 0; o < out; o++) {
        int ch = (int)o % c, ox = (int)o / c % ow, oy = (int)o / c / ow % oh;
        int image = (int)o / c / ow / oh, winner = -1;
        size_t from = 0;
        for (int t = 0; t < kernel * kernel; t++) {
            int iy = oy * stride - pad + t / kernel, ix = ox * stride - pad + t % kernel;
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) {
                continue;
            }
            size_t at = (size_t)(((image * h + iy) * w + ix) * c + ch);
            if (winner < 0 || (!isnan(x[from]) && (isnan(x[at]) || x[at] > x[from]))) {
                winner = t, from = at;
            }
        }
        REQUIRE(index[o] == (winner));
        REQUIRE(isnan(x[from]) ? isnan(y[o]) : y[o] == x[from]);
        want[from] += g[o];
    }
    k->max_pool_backward(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, g, index, gx, 0);
    k->max_pool_backward(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, g, index, sum, 1);
    assert_same(in * 4, gx, want, "max_pool_backward");
    for (size_t i = 0; i < in; i++) {
        REQUIRE(fabs((double)sum[i] - ((double)base[i] + (double)want[i])) <= 1e-5);
    }
    release(mark);
}

START_TEST(test_pool) {
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_max_pool(k, 1, 2, 2, 0, 0);
        check_max_pool(k, 5, 3, 2, 1, 0);
        check_max_pool(k, 64, 3, 1, 1, 0);
        check_max_pool(k, 33, 5, 3, 2, 0);
        check_max_pool(k, 5, 2, 2, 0, 1); /* one line hangs over the edge */
        check_max_pool(k, 5, 3, 2, 0, 1);
        check_max_pool(k, 3, 2, 3, 1, 1); /* the last would begin behind it */
        check_max_pool(k, 3, 14, 9, 2, 1);
        size_t n = 3, hw = 49, c = 37, mark = buffer_count;
        float *x = random_floats(n * hw * c), *y = get_floats(n * c);
        float *sum = duplicate(n * hw * c, x), *gx = get_floats(n * hw * c);
        double *want = get(n * c * 8);
        for (size_t i = 0; i < n * c; i++) {
            want[i] = 0.0;
            for (size_t p = 0; p < hw; p++) {
                want[i] += (double)x[(i / c * hw + p) * c + i % c] / (double)hw;
            }
        }
        k->global_avg_pool(on(k), n, hw, c, x, y);
        assert_near(n * c, y, want, 1e-6, "global_avg_pool");
        k->global_avg_pool_backward(on(k), n, hw, c, y, gx, 0);
        k->global_avg_pool_backward(on(k), n, hw, c, y, sum, 1);
        for (size_t i = 0; i < n * hw * c; i++) {
            double v = (double)y[i / c / hw * c + i % c] / (double)hw;
            REQUIRE(fabs((double)gx[i] - (v)) <= 1e-8);
            REQUIRE(sum[i] == x[i] + gx[i]);
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_cross_entropy) {
    static const size_t shapes[][2] = {{1, 2}, {7, 10}, {300, 100}};
    for (size_t s = 0; s < 3; s++) {
        size_t n = shapes[s][0], classes = shapes[s][1], total = n * classes, mark = buffer_count;
        float *z = random_floats(total), *base = random_floats(total), gloss = 0.7f;
        int32_t *label = get(n * 4);
        double *p = get(total * 8), *gz = get(total * 8), loss = 0.0;
        for (size_t r = 0; r < n; r++) {
            double sum = 0.0;
            label[r] = below((int)classes);
            z[r * classes] += 90.0f; /* would overflow without the maximum taken off */
            for (size_t i = 0; i < classes; i++) {
                sum += exp((double)z[r * classes + i]);
            }
            loss += (log(sum) - (double)z[r * classes + (size_t)label[r]]) / (double)n;
            for (size_t i = 0; i < classes; i++) {
                size_t at = r * classes + i;
                p[at] = exp((double)z[at]) / sum;
                gz[at] = (double)gloss * (p[at] - (i == (size_t)label[r])) / (double)n;
            }
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (int threads = 1; threads <= THREADS; threads++) {
                float *q = get_floats(total), *g = get_floats(total), *sum = duplicate(total, base);
                float got = 0.0f;
                threads_now = threads;
                k->cross_entropy(on(k), n, classes, z, label, q, &got);
                REQUIRE(fabs((double)got - (loss)) <= 1e-6 * loss + 1e-7);
                assert_near(total, q, p, 1e-6, "probability");
                k->cross_entropy_backward(on(k), n, classes, q, label, &gloss, g, 0);
                k->cross_entropy_backward(on(k), n, classes, q, label, &gloss, sum, 1);
                assert_near(total, g, gz, 1e-6, "cross_entropy_backward");
                for (size_t i = 0; i < total; i++) {
                    REQUIRE(sum[i] == base[i] + g[i]);
                }
            }
            static const float bad[] = {NAN, INFINITY, -INFINITY};
            for (int i = 0; i < 3; i++) {
                float *broken = duplicate(total, z), got = 0.0f;
                broken[total - 1] = bad[i];
                k->cross_entropy(on(k), n, classes, broken, label, get_floats(total), &got);
                REQUIRE(!isfinite(got));
            }
        }
        release(mark);
    }
}
END_TEST

/* ---- optimizers ---- */

START_TEST(test_sgd) {
    size_t n = 1003, mark = buffer_count;
    for (int form = 0; form < 8; form++) {
        double momentum = form & 1 ? (double)0.9f : 0.0, decay = form & 2 ? (double)0.01f : 0.0;
        int nesterov = form >> 2 & (momentum > 0.0);
        float *w0 = random_floats(n), *g1 = random_floats(n), *g2 = random_floats(n);
        double *want = get(n * 8), lr = (double)0.1f;
        for (size_t i = 0; i < n; i++) {
            double w = (double)w0[i], v = (double)g1[i] + decay * w, d = v;
            w -= lr * (nesterov ? d + momentum * v : v);
            d = (double)g2[i] + decay * w;
            v = momentum * v + d;
            want[i] = w - lr * (nesterov ? d + momentum * v : v);
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *w = duplicate(n, w0), *v = momentum > 0.0 ? get_floats(n) : NULL;
            k->sgd_step(on(k), n, w, g1, v, 0.1f, (float)momentum, (float)decay, nesterov, 1);
            k->sgd_step(on(k), n, w, g2, v, 0.1f, (float)momentum, (float)decay, nesterov, 0);
            assert_near(n, w, want, 1e-6, "sgd_step");
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_adam) {
    size_t n = 1003, mark = buffer_count;
    for (int form = 0; form < 4; form++) {
        double decay = form & 1 ? (double)0.1f : 0.0, lr = (double)0.01f, eps = (double)1e-8f;
        double b1 = (double)0.9f, b2 = (double)0.999f;
        int decoupled = form >> 1;
        float *w0 = random_floats(n), *g[2] = {random_floats(n), random_floats(n)};
        double *want = get(n * 8);
        for (size_t i = 0; i < n; i++) {
            double w = (double)w0[i], m = 0.0, v = 0.0;
            for (int t = 1; t <= 2; t++) {
                double d = (double)g[t - 1][i];
                if (decoupled) {
                    w *= 1.0 - lr * decay;
                } else {
                    d += decay * w;
                }
                m = b1 * m + (1.0 - b1) * d;
                v = b2 * v + (1.0 - b2) * d * d;
                double root = sqrt(v) / sqrt(1.0 - pow(b2, t));
                w -= lr / (1.0 - pow(b1, t)) * m / (root + eps);
            }
            want[i] = w;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *w = duplicate(n, w0), *m = get_floats(n), *v = get_floats(n);
            memset(m, 0, n * 4);
            memset(v, 0, n * 4);
            for (uint64_t t = 1; t <= 2; t++) {
                k->adam_step(on(k), n, w, g[t - 1], m, v, 0.01f, 0.9f, 0.999f, 1e-8f, (float)decay,
                             decoupled, t);
            }
            assert_near(n, w, want, 1e-6, "adam_step");
        }
    }
    release(mark);
}
END_TEST

/* ---- dispatch ---- */

START_TEST(test_dispatch) {
    const char *why = "";
    unsetenv("BNN_ISA");
    ck_assert_ptr_null(bnn_cpu_kernels("mmx", &why));
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_null(bnn_cpu_kernels("mmx", NULL));
    const bnn_kernels *generic = bnn_cpu_kernels("generic", &why);
    ck_assert_ptr_nonnull(generic);
    ck_assert_str_eq(generic->name, "cpu generic");
    ck_assert_ptr_nonnull(bnn_cpu_kernels(NULL, &why));
    ck_assert_str_ne(bnn_cpu_kernels(NULL, &why)->name, "cpu amx");
    const bnn_kernels *amx = bnn_cpu_kernels("amx", &why);
    ck_assert((amx == NULL) == (why != NULL));
    setenv("BNN_ISA", "amx", 1); /* only so is it the best */
    ck_assert((bnn_cpu_kernels(NULL, &why) == amx) == (amx != NULL));
    unsetenv("BNN_ISA");
#if defined(__aarch64__)
    ck_assert_str_eq(bnn_cpu_kernels(NULL, &why)->name, "cpu neon");
#endif
    setenv("BNN_ISA", "generic", 1);
    ck_assert_ptr_eq(bnn_cpu_kernels(NULL, &why), generic);
    ck_assert_ptr_null(bnn_cpu_kernels("avx2", &why));
    setenv("BNN_ISA", "mmx", 1);
    ck_assert_ptr_null(bnn_cpu_kernels(NULL, &why));
    ck_assert_ptr_nonnull(why);
    bnn_device device;
    ck_assert(!bnn_cpu_device(NULL, 1, &device, &why));
    setenv("BNN_ISA", "generic", 1);
    ck_assert(bnn_cpu_device(NULL, 0, &device, &why));
    ck_assert_int_eq(device.threads, bnn_cpu_threads());
    ck_assert(bnn_cpu_device("generic", 2, &device, &why) && device.kernels == generic);
    ck_assert_int_eq(device.threads, 2);
    ck_assert(bnn_cpu_device(NULL, BNN_MAX_THREADS + 1, &device, &why));
    ck_assert_int_eq(device.threads, BNN_MAX_THREADS);
}
END_TEST

/* Tables consist of pointers and positive sizes: none may be missing but those at `optional`. */
static void check_complete(const char *what, const void *table, size_t size,
                           const size_t *optional) {
    for (size_t at = 0; at < size; at += sizeof(uintptr_t)) {
        uintptr_t entry;
        memcpy(&entry, (const unsigned char *)table + at, sizeof entry);
        if (*optional == at) {
            optional++;
            continue;
        }
        ck_assert_msg(entry != 0, "%s: entry %zu is missing", what, at / sizeof entry);
    }
}

START_TEST(test_complete) {
    static const size_t none[] = {SIZE_MAX};
    static const size_t of_micro[] = {offsetof(bnn_micro, b1_enter), offsetof(bnn_micro, b1_leave),
                                      offsetof(bnn_micro, b1_pack_a),
                                      offsetof(bnn_micro, b1_less_w), SIZE_MAX};
    static const size_t of_mixed[] = {offsetof(bnn_mixed, enter), offsetof(bnn_mixed, leave),
                                      SIZE_MAX};
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_complete(k->name, k, sizeof *k, none);
    }
    const bnn_micro *const all[] = {
        &bnn_micro_generic,
#if defined(__x86_64__)
        &bnn_micro_avx2,
        &bnn_micro_avx512,
        &bnn_micro_amx,
#elif defined(__aarch64__)
        &bnn_micro_neon,
#endif
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char what[32];
        snprintf(what, sizeof what, "machine kernels %zu", i);
        check_complete(what, all[i], sizeof *all[i], of_micro);
        check_complete(what, all[i]->mixed, sizeof *all[i]->mixed, of_mixed);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels");
    TCase *tcase = tcase_create("kernels");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, test_dispatch);
    tcase_add_test(tcase, test_complete);
    tcase_add_test(tcase, test_conv_shapes);
    tcase_add_test(tcase, test_conv_random);
    tcase_add_test(tcase, test_conv_opposite);
    tcase_add_test(tcase, test_sign_pack);
    tcase_add_test(tcase, test_threshold_pack);
    tcase_add_test(tcase, test_ste);
    tcase_add_test(tcase, test_clamp);
    tcase_add_test(tcase, test_elementwise);
    tcase_add_test(tcase, test_affine);
    tcase_add_test(tcase, test_channel_sums);
    tcase_add_test(tcase, test_batch_norm);
    tcase_add_test(tcase, test_batch_norm_integers);
    tcase_add_test(tcase, test_rows);
    tcase_add_test(tcase, test_outer_scale);
    tcase_add_test(tcase, test_noisy_sign);
    tcase_add_test(tcase, test_pool);
    tcase_add_test(tcase, test_cross_entropy);
    tcase_add_test(tcase, test_sgd);
    tcase_add_test(tcase, test_adam);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

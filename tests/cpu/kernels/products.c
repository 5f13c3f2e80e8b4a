/* The three products of a convolution: bits equal to the integer, floats to 1e-5 in the relative
 * 2-norm, the same bytes with 1, 2 and 3 threads, and every end of a forward. */
#include "cpu/conv/conv.h"
#include "tests/cpu/kernels/harness.h"

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

/* The side of the squares by which Winograd's products compute it; 0: they do not. */
static int squares_of(const bnn_conv *s, int gradient) {
    const bnn_winograd *transforms = bnn_conv_winograd_of(&bnn_micro_generic, s, gradient);
    return transforms ? (int)transforms->m : 0;
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

/* What a float is rounded to, twice; pieces of bf16 that are to be as good as TF32 are better. */
static const double tolerances[] = {1e-5, 4e-5, 6e-3};

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
        void *ws = get(k->conv_workspace(on(k), s, x->b1 != NULL || w->b1 != NULL, which > 0));
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
            assert_near(n, out, sum, tolerances[precision_now], what);
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

/* Or so small that what comes of them is subnormal numbers. */
static float *factors(size_t n, int tiny) {
    float *x = random_floats(n);
    for (size_t i = 0; tiny && i < n; i++) {
        x[i] *= 1e-39f;
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
    int tiny = below(3) == 0;
    y.a = which & 1 ? factors(o, tiny) : NULL;
    y.b = which & 2 ? factors(o, tiny) : NULL;
    y.add = which & 4 ? factors(n, tiny) : NULL;
    y.clamp = which & 8 ? bounds : NULL;
    y.sign = x->b1 != NULL && below(2) ? get(bytes) : NULL;
    k->conv_forward(on(k), s, x, w, &y, ws);
    k->affine(on(k), n / o, o, (bnn_numbers){.f32 = plain}, y.a, y.b, want, 0);
    if (y.add != NULL) {
        k->add(on(k), n, want, y.add, want);
    }
    if (y.clamp != NULL) {
        k->clamp(on(k), n, want, bounds[0], bounds[1], want, NULL);
    }
    assert_same(n * sizeof(float), y.f32, want, "a product with an end");
    if (y.sign != NULL) {
        uint64_t *bits = get(bytes);
        k->sign_pack(on(k), n / o, o, want, bits);
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
    k->threshold_pack(on(k), rows, o, plain, threshold, bits);
    assert_same(bytes, y.b1, bits, "a product with thresholds");
}

/* With prepared filters, against kernels on what the same product is without. */
static void check_ends(const bnn_conv *s, const bnn_operand *x, const bnn_operand *w) {
    threads_now = THREADS;
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        size_t mark = buffer_count;
        void *ws = get(k->conv_workspace(on(k), s, x->b1 != NULL, 0));
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

static void check_floats(const bnn_conv *s, float *xf, float *wf, float *gy) {
    products real = run_reference(s, xf, wf, gy);
    bnn_operand x = {.f32 = xf}, w = {.f32 = wf};
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_product(k, s, 0, gy, &x, &w, real.y);
        check_product(k, s, 1, gy, &x, &w, real.gx);
        check_product(k, s, 2, gy, &x, &w, real.gw);
    }
    check_ends(s, &x, &w);
}

static void check_conv(const bnn_conv *s) {
    size_t mark = buffer_count, c = (size_t)s->c, cg = (size_t)(s->c / s->groups);
    size_t taps = (size_t)(s->kh * s->kw), filter_rows = (size_t)s->o * taps;
    float *xf = random_floats(in_rows(s) * c), *wf = random_floats(filter_size(s));
    float *gy = random_floats(out_size(s));
    check_floats(s, xf, wf, gy);
    bnn_operand x = {.f32 = xf}, w = {.f32 = wf};
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
        square(1, 1, 200, 70, 1, 1, 0, 1),    /* one sample, several words, no whole vectors */
        square(2, 1, 1025, 5, 1, 1, 0, 1),    /* two, a reduction in two pieces */
        square(3, 1, 72, 300, 1, 1, 0, 1),    /* few, more filters than one sum takes */
        square(70, 1, 33, 35, 1, 1, 0, 1),    /* more than a block of rows, and of columns */
        square(20, 3, 65, 9, 1, 1, 0, 1),     /* few outputs of many pixels */
        square(1, 5, 130, 30, 1, 2, 0, 1),    /* few pixels, others between them */
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

/* What a linear layer makes of a sample does not depend on which others are in the batch. */
START_TEST(test_linear_alone) {
    enum { N = 67, C = 1100, O = 37 };
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        size_t mark = buffer_count;
        bnn_conv all = square(N, 1, C, O, 1, 1, 0, 1), one = square(1, 1, C, O, 1, 1, 0, 1);
        bnn_operand x = {.f32 = random_floats(N * C)}, w = {.f32 = random_floats(O * C)};
        bnn_result y = {.f32 = get_floats(N * O)};
        threads_now = THREADS;
        void *ws = get(k->conv_workspace(on(k), &all, 0, 0));
        REQUIRE(k->conv_prepared_bytes(on(k), &all, 0) == 0);
        k->conv_forward(on(k), &all, &x, &w, &y, ws);
        for (size_t i = 0; i < N; i++) {
            bnn_operand sample = {.f32 = x.f32 + i * C};
            bnn_result alone = {.f32 = get_floats(O)};
            k->conv_forward(on(k), &one, &sample, &w, &alone, ws);
            assert_same(O * sizeof(float), alone.f32, y.f32 + i * O, "a sample alone");
        }
        release(mark);
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

/* Small whole numbers come out exact of small squares, whatever they are summed to on the way: a
 * filter is halved twice at most. And with few of them a value that nobody should see would show.
 */
START_TEST(test_conv_integers) {
    bnn_conv s = square(4, 6, 16, 16, 3, 1, 1, 1);
    size_t mark = buffer_count, nx = in_rows(&s) * 16, nw = filter_size(&s), ny = out_size(&s);
    float *x = get_floats(nx), *w = get_floats(nw), *gy = get_floats(ny);
    ck_assert_int_eq(squares_of(&s, 0), 2);
    ck_assert_int_eq(squares_of(&s, 1), 2);
    for (size_t i = 0; i < nw; i++) {
        w[i] = (float)(below(9) - 4);
    }
    for (size_t i = 0; i < nx; i++) {
        x[i] = (float)(below(9) - 4);
    }
    for (size_t i = 0; i < ny; i++) {
        gy[i] = below(20) ? 0.0f : (float)(below(9) - 4);
    }
    products want = run_reference(&s, x, w, gy);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        void *ws = get(k->conv_workspace(on(k), &s, 0, 1));
        float *y = get_floats(ny), *gx = get_floats(nx), *gw = get_floats(nw);
        bnn_operand image = {.f32 = x}, filters = {.f32 = w};
        bnn_result to = {.f32 = y};
        k->conv_forward(on(k), &s, &image, &filters, &to, ws);
        k->conv_backward_x(on(k), &s, gy, &filters, gx, 0, ws);
        k->conv_backward_w(on(k), &s, gy, &image, gw, 0, ws);
        for (size_t i = 0; i < ny; i++) {
            REQUIRE((double)y[i] == want.y[i]);
        }
        for (size_t i = 0; i < nx; i++) {
            REQUIRE((double)gx[i] == want.gx[i]);
        }
        for (size_t i = 0; i < nw; i++) {
            REQUIRE((double)gw[i] == want.gw[i]);
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_winograd_shapes) {
    const struct {
        bnn_conv s;
        int squares; /* of gradients */
    } cases[] = {
        {square(4, 16, 16, 17, 3, 1, 1, 1), 4},  /* several blocks, and slices of them */
        {square(2, 9, 40, 33, 3, 1, 2, 1), 4},   /* squares that stick out, and tails of vectors */
        {square(48, 3, 17, 290, 3, 1, 1, 1), 4}, /* filters in parts */
        {square(8, 9, 34, 36, 3, 1, 0, 2), 4},   /* groups */
        {square(2, 6, 16, 16, 3, 1, 4, 1), 4},   /* windows that see nothing but padding */
        {square(9, 6, 16, 17, 3, 1, 1, 1), 2},   /* the same of small squares */
        {square(64, 5, 40, 33, 3, 1, 1, 1), 2},  /* */
        {square(32, 2, 17, 150, 3, 1, 1, 1), 2}, /* */
        {square(4, 6, 34, 36, 3, 1, 1, 2), 2},   /* */
        {square(2, 6, 16, 16, 3, 1, 3, 1), 2},   /* */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bnn_conv *s = &cases[i].s;
        size_t mark = buffer_count;
        ck_assert_int_eq(squares_of(s, 1), cases[i].squares);
        check_floats(s, random_floats(in_rows(s) * (size_t)s->c), random_floats(filter_size(s)),
                     random_floats(out_size(s)));
        release(mark);
    }
}
END_TEST

/* Filters that are transformed in turns, a reduction in several pieces, whose panels come in strips
 * of which the last of a group is short. */
START_TEST(test_winograd_turns) {
    const bnn_conv shapes[] = {
        square(32, 2, 512, 160, 3, 1, 1, 1),
        square(42, 3, 208, 160, 3, 1, 1, 1),
        square(42, 3, 400, 280, 3, 1, 1, 2),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const bnn_conv *s = &shapes[i];
        size_t mark = buffer_count;
        ck_assert_int_eq(squares_of(s, 1), i == 0 ? 2 : 4);
        float *gy = random_floats(out_size(s));
        bnn_operand x = {.f32 = random_floats(in_rows(s) * (size_t)s->c)};
        bnn_operand w = {.f32 = random_floats(filter_size(s))};
        products want = run_reference(s, x.f32, w.f32, gy);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            check_product(k, s, 0, gy, &x, &w, want.y);
            check_product(k, s, 1, gy, &x, &w, want.gx);
        }
        release(mark);
    }
}
END_TEST

/* Where the products of squares' values are fewer than those of taps, transforms and all; large
 * squares for gradients, where they are fewer than small ones'. One sample's forward is as many's,
 * but its gradients are not worth the transforms of filters. */
START_TEST(test_winograd_pays) {
    static const int forward[] = {0, 0, 2, 0, 2, 2, 2, 2, 2, 2, 2, 2}; /* of maps of 0, 1 .. */
    static const int many[] = {0, 0, 2, 4, 4, 2, 2, 4, 4, 4, 4, 4};
    static const int some[] = {0, 0, 0, 0, 2, 0, 2, 4, 4, 4, 4, 4};
    for (int side = 1; side < 12; side++) {
        bnn_conv one = square(1, side, 64, 64, 3, 1, 1, 1), s = one;
        ck_assert_int_eq(squares_of(&one, 0), forward[side]);
        ck_assert_int_eq(squares_of(&one, 1), 0);
        s.n = 8;
        ck_assert_int_eq(squares_of(&s, 0), forward[side]);
        ck_assert_int_eq(squares_of(&s, 1), some[side]);
        s.n = 1000;
        ck_assert_int_eq(squares_of(&s, 1), many[side]);
    }
    bnn_conv s = square(100, 4, 64, 64, 3, 1, 1, 1);
    bnn_conv others[] = {
        square(100, 4, 64, 64, 3, 2, 1, 1), /* strided */
        square(100, 4, 64, 64, 5, 1, 2, 1), /* another window */
        square(100, 4, 15, 64, 3, 1, 1, 1), /* few channels, on either side or in a group */
        square(100, 4, 64, 15, 3, 1, 1, 1), /* */
        square(100, 4, 64, 64, 3, 1, 1, 8), /* */
        square(900, 1, 64, 64, 3, 1, 1, 1), /* three results of a square are nothing */
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_int_eq(squares_of(&others[i], 0), 0);
        ck_assert_int_eq(squares_of(&others[i], 1), 0);
    }
    s.dil_h = 2;
    ck_assert_int_eq(squares_of(&s, 0), 0);
    ck_assert_int_eq(squares_of(&s, 1), 0);
}
END_TEST

void add_product_tests(TCase *tcase) {
    tcase_add_test(tcase, test_conv_random);
    tcase_add_test(tcase, test_conv_shapes);
    tcase_add_test(tcase, test_linear_alone);
    tcase_add_test(tcase, test_conv_opposite);
    tcase_add_test(tcase, test_conv_integers);
    tcase_add_test(tcase, test_winograd_shapes);
    tcase_add_test(tcase, test_winograd_turns);
    tcase_add_test(tcase, test_winograd_pays);
}

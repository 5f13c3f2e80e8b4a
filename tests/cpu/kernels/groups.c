/* Statistics of groups, and what single algorithms do to their rows. */
#include "tests/cpu/kernels/harness.h"

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
            for (walk w = blocks(all, 1, 5); next(&w);) {
                k->group_abs_sums(on(k), w.first, w.n, c, per, x + w.first * c, sums);
            }
            k->group_abs_mean(on(k), rows, len, sums, m);
            assert_near(rows, m, abs_mean, 1e-6, "group_abs_mean");
            for (walk w = blocks(all, 1, 5); next(&w);) {
                k->group_moments(on(k), w.first, w.n, c, per, x + w.first * c, sums);
            }
            k->normalize_finish(on(k), rows, len, sums, scale, 1e-3f, m, f);
            assert_near(rows, m, mean, 1e-6, "normalize mean");
            for (walk w = blocks(all, 1, 5); next(&w);) {
                k->normalize(on(k), w.first, w.n, c, per, x + w.first * c, center, gain, m, f,
                             out + w.first * c);
            }
            for (walk w = blocks(all, 1, 5); next(&w);) {
                k->group_dots(on(k), w.first, w.n, c, per, g + w.first * c,
                              scale ? x + w.first * c : NULL, center, m, sums);
            }
            for (walk w = blocks(all, 1, 5); next(&w);) {
                size_t at = w.first * c;
                const float *xs = scale ? x + at : NULL;
                k->normalize_backward(on(k), w.first, w.n, c, per, g + at, xs, center, gain, m, f,
                                      sums, back + at, 0);
                k->normalize_backward(on(k), w.first, w.n, c, per, g + at, xs, center, gain, m, f,
                                      sums, sum + at, 1);
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

START_TEST(test_recu_bound) {
    static const double values[3] = {0.5, 2.0, 11.5};
    size_t mark = buffer_count;
    double *sums = get(sizeof values);
    const float tau = 0.9f;
    memcpy(sums, values, sizeof values);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *bound = get_floats(1);
        k->recu_bound(on(k), 3, 7, sums, boxed(tau), bound);
        REQUIRE(fabs((double)*bound + 2.0 * log(2.0 - 2.0 * (double)tau)) <= 1e-6);
        k->recu_bound(on(k), 3, 7, sums, boxed(1.0f), bound);
        REQUIRE(isinf(*bound) && *bound > 0.0f);
    }
    release(mark);
}
END_TEST

START_TEST(test_outer_scale) {
    static const size_t shapes[][3] = {{9, 11, 1}, {9, 11, 13}, {9, 11, 64}, {3, 150, 24}};
    size_t n = 6, mark = buffer_count;
    for (size_t s = 0; s < 16; s++) {
        size_t h = shapes[s / 4][0], w = shapes[s / 4][1], c = shapes[s / 4][2];
        size_t total = n * h * w * c;
        int acc = (int)(s % 2), i16 = (int)(s / 2 % 2);
        float *x = random_floats(total), *g = random_floats(total), *base = random_floats(total);
        float *so = random_floats(c), *sh = random_floats(h), *sv = random_floats(w);
        double *y = get(total * 8), *go = get(c * 8), *gh = get(h * 8), *gv = get(w * 8);
        int16_t *integers = get(total * 2);
        for (size_t i = 0; i < total; i++) {
            integers[i] = (int16_t)(below(19) - 9);
            x[i] = i16 ? (float)integers[i] : x[i];
        }
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
                walk at = blocks(n * h * w, cuts[cut][0], cuts[cut][1]);
                char *sums = get(at.pieces * k->outer_sums_bytes(on(k), h, w, c));
                while (next(&at)) {
                    const float *gs = g + at.first * c;
                    bnn_numbers xs = {.f32 = i16 ? NULL : x + at.first * c,
                                      .i16 = i16 ? integers + at.first * c : NULL};
                    k->outer_scale(on(k), at.first, at.n, h, w, c, xs, so, sh, sv,
                                   out + at.first * c, acc);
                    k->outer_scale_sums(on(k), at.first, at.n, h, w, c, gs, xs, so, sh, sv,
                                        at.reset,
                                        sums + at.piece * k->outer_sums_bytes(on(k), h, w, c));
                }
                k->outer_scale_finish(on(k), h, w, c, at.pieces, sums, a, b, v, acc);
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
    float *g = random_floats(n), *base = random_floats(n), alpha = 0.3f, order = 9.0f;
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
            k->noisy_sign(on(k), 0, rows, len, 1, x, l, sc, boxed(alpha), y);
            k->noisy_sign_backward(on(k), 0, rows, len, 1, g, x, sc, boxed(alpha), boxed(order), gx,
                                   gx_acc, glin, glin_acc);
            for (size_t i = 0; i < n; i++) {
                double v = (double)x[i], scale = sc ? (double)s[i / len] : 1.0;
                double want = (v >= 0.0 ? 1.0 : -1.0) + (double)alpha * 0.1 * sin(v) +
                              (l ? (double)alpha * (double)l[i] : 0.0);
                REQUIRE(fabs((double)y[i] - (want * scale)) <= 1e-6);
                double u = scale * (double)g[i], b = (double)base[i];
                double slope = fabs(v) <= 1.0 ? (double)bnn_fourier_slope(x[i], order) : 0.0;
                slope += (double)alpha * 0.1 * cos(v);
                REQUIRE(fabs((double)gx[i] - (u * slope + (gx_acc ? b : 0.0))) <= 3e-6);
                REQUIRE(fabs((double)glin[i] - ((double)alpha * u + (glin_acc ? b : 0.0))) <= 1e-6);
            }
        }
        k->noisy_sign_backward(on(k), 0, rows, len, 1, g, x, NULL, boxed(alpha), boxed(order),
                               get_floats(n), 0, NULL, 0);
    }
    release(mark);
}
END_TEST

typedef struct bottleneck_sums {
    double *y, *gx, *gw1, *gw2;
} bottleneck_sums;

/* Adds what one row amounts to. */
static void add_bottleneck(size_t c, size_t hidden, const float *g, const float *x, const float *w1,
                           const float *w2, double *y, double *gx, bottleneck_sums *sums) {
    for (size_t i = 0; i < hidden; i++) {
        double h = 0.0, gh = 0.0;
        for (size_t j = 0; j < c; j++) {
            h += (double)w1[i * c + j] * (double)x[j];
            gh += (double)w2[i * c + j] * (double)g[j];
        }
        for (size_t j = 0; h > 0.0 && j < c; j++) {
            y[j] += h * (double)w2[i * c + j];
            gx[j] += gh * (double)w1[i * c + j];
            sums->gw1[i * c + j] += gh * (double)x[j];
            sums->gw2[i * c + j] += h * (double)g[j];
        }
    }
}

static double *doubles(size_t n, const float *start) {
    double *d = get(n * sizeof *d);
    for (size_t i = 0; i < n; i++) {
        d[i] = start == NULL ? 0.0 : (double)start[i];
    }
    return d;
}

static void check_bottleneck(size_t rows, size_t c, size_t hidden) {
    size_t mark = buffer_count, n = rows * c, m = hidden * c;
    float *x = random_floats(n), *g = random_floats(n), *w1 = random_floats(m);
    float *w2 = random_floats(m), *base = random_floats(n), *base_w = random_floats(m);
    for (int acc = 0; acc < 2; acc++) {
        const float *from = acc ? base : NULL, *from_w = acc ? base_w : NULL;
        bottleneck_sums want = {doubles(n, NULL), doubles(n, from), doubles(m, from_w),
                                doubles(m, NULL)};
        for (size_t r = 0; r < rows; r++) {
            add_bottleneck(c, hidden, g + r * c, x + r * c, w1, w2, want.y + r * c, want.gx + r * c,
                           &want);
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *y = get_floats(n), *gx = duplicate(n, acc ? base : g);
            float *gw1 = duplicate(m, base_w), *gw2 = get_floats(m);
            walk at = blocks(rows, 37, 150);
            size_t bytes = k->bottleneck_bytes(on(k), c, hidden);
            char *sums = get(at.pieces * bytes);
            while (next(&at)) { /* without something to add to, the gradient takes g's place */
                size_t first = at.first * c;
                k->bottleneck(on(k), at.n, c, hidden, x + first, w1, w2, y + first);
                k->bottleneck_backward(on(k), at.n, c, hidden, (acc ? g : gx) + first, x + first,
                                       w1, w2, at.reset, sums + at.piece * bytes, gx + first, acc);
            }
            k->bottleneck_finish(on(k), c, hidden, at.pieces, sums, gw1, acc, NULL, 0);
            k->bottleneck_finish(on(k), c, hidden, at.pieces, sums, NULL, 0, gw2, 0);
            assert_near(n, y, want.y, 1e-5, "bottleneck");
            assert_near(n, gx, want.gx, 1e-5, "bottleneck gx");
            assert_near(m, gw1, want.gw1, 1e-5, "bottleneck gw1");
            assert_near(m, gw2, want.gw2, 1e-5, "bottleneck gw2");
            k->bottleneck_backward(on(k), rows, c, hidden, g, x, w1, w2, 1, sums, NULL, 0);
            k->bottleneck_finish(on(k), c, hidden, 1, sums, NULL, 0, gw2, 0);
            assert_near(m, gw2, want.gw2, 1e-5, "bottleneck gw2 alone");
        }
    }
    release(mark);
}

START_TEST(test_bottleneck) {
    check_bottleneck(1, 5, 1);
    check_bottleneck(300, 64, 1);
    check_bottleneck(161, 70, 3);
    check_bottleneck(40, 129, BNN_BOTTLENECK_MOST);
}
END_TEST

void add_group_tests(TCase *tcase) {
    tcase_add_test(tcase, test_rows);
    tcase_add_test(tcase, test_recu_bound);
    tcase_add_test(tcase, test_outer_scale);
    tcase_add_test(tcase, test_noisy_sign);
    tcase_add_test(tcase, test_bottleneck);
}

/* Sums of channels and batch normalization, by pieces and blocks. */
#include "tests/cpu/kernels/harness.h"

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
                    walk both = blocks(rows, cuts[cut][0], cuts[cut][1]), one = both;
                    char *sums = get(both.pieces * k->sums_bytes(on(k), c));
                    float *a = duplicate(c, base), *b = duplicate(c, base);
                    float *only_sum = duplicate(c, base);
                    while (next(&both)) {
                        size_t at = both.first * c;
                        k->channel_sums(on(k), both.n, c, g + at, (bnn_numbers){.f32 = x + at},
                                        NULL, both.reset,
                                        sums + both.piece * k->sums_bytes(on(k), c));
                    }
                    k->channel_sums_finish(on(k), c, both.pieces, sums, a, b, acc);
                    while (next(&one)) {
                        k->channel_sums(on(k), one.n, c, g + one.first * c,
                                        (bnn_numbers){NULL, NULL}, NULL, one.reset,
                                        sums + one.piece * k->sums_bytes(on(k), c));
                    }
                    k->channel_sums_finish(on(k), c, one.pieces, sums, only_sum, NULL, acc);
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
    int merged; /* the pieces become one before */
} norm_run;

static bnn_numbers numbers_at(bnn_numbers x, size_t at) {
    return x.f32 ? (bnn_numbers){.f32 = x.f32 + at} : (bnn_numbers){.i16 = x.i16 + at};
}

static void norm_forward(const norm_run *r, float *run_mean, float *run_var, float *y) {
    const norm_case *t = r->t;
    walk w = blocks(t->rows, r->cut[0], r->cut[1]), again = w;
    while (next(&w)) {
        r->k->channel_moments(on(r->k), w.n, t->c, numbers_at(r->x, w.first * t->c), w.reset,
                              r->sums + w.piece * r->k->sums_bytes(on(r->k), t->c));
    }
    if (r->merged) {
        r->k->merge_moments(on(r->k), t->c, w.pieces, r->sums);
        w.pieces = 1;
    }
    r->k->batch_norm_finish(on(r->k), t->c, w.pieces, r->sums, t->scale, t->weight, t->bias, 1e-5f,
                            0.1f, run_mean, run_var, r->state);
    while (next(&again)) {
        size_t at = again.first * t->c;
        r->k->batch_norm(on(r->k), again.n, t->c, numbers_at(r->x, at), r->state, y + at);
    }
}

static void norm_backward(const norm_run *r, const float *g, float *gx, int gx_acc, float *gweight,
                          float *gbias, int acc) {
    const norm_case *t = r->t;
    walk w = blocks(t->rows, r->cut[0], r->cut[1]), again = w;
    while (next(&w)) {
        size_t at = w.first * t->c;
        r->k->channel_sums(on(r->k), w.n, t->c, g + at, numbers_at(r->x, at), r->state + 2 * t->c,
                           w.reset, r->sums + w.piece * r->k->sums_bytes(on(r->k), t->c));
    }
    if (r->merged) {
        r->k->merge_sums(on(r->k), t->c, w.pieces, r->sums);
        w.pieces = 1;
    }
    r->k->batch_norm_backward_finish(on(r->k), t->c, w.pieces, r->sums, t->scale, t->weight,
                                     r->state, gweight, gbias, acc, r->coefficient);
    while (next(&again)) {
        size_t at = again.first * t->c;
        r->k->batch_norm_backward(on(r->k), again.n, t->c, g + at, numbers_at(r->x, at),
                                  r->coefficient, gx + at, gx_acc);
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
    r->k->batch_norm_fixed(on(r->k), c, t->scale, t->weight, t->bias, 1e-5f, run_mean, run_var,
                           fixed);
    if (rows > 2) {
        r->k->batch_norm(on(r->k), rows, c, r->x, fixed, y);
        assert_near(n, y, t->y, 10.0 * tol, "batch_norm from running statistics");
    }
}

START_TEST(test_batch_norm) {
    static const size_t shapes[][2] = {{1, 4},    {2, 65},    {300, 3},
                                       {700, 48}, {1030, 64}, {9000, 16}};
    for (size_t s = 0; s < 24; s++) {
        size_t rows = shapes[s / 4][0], c = shapes[s / 4][1], mark = buffer_count;
        float shift = s % 2 ? 100.0f : 0.0f; /* a mean that outweighs the deviation */
        norm_case t = norm_reference(rows, c, shift, (double)1e-5f, s % 4 > 1);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (int cut = 0; cut < 2 * CUTS; cut++) {
                norm_run r = {k,
                              &t,
                              cuts[cut / 2],
                              {.f32 = t.x},
                              get(4 * c * 8),
                              get_floats(4 * c),
                              get(32 * k->sums_bytes(on(k), c)),
                              cut % 2};
                check_norm(&r, rows < 3 ? 1e-2 : s % 2 ? 1e-4 : 1e-5);
            }
        }
        release(mark);
    }
}
END_TEST

/* 16-bit integers are read as the floats they equal. */
START_TEST(test_batch_norm_integers) {
    static const size_t shapes[][2] = {{300, 3}, {700, 16}, {1030, 64}, {500, 49}, {600, 48}};
    for (size_t s = 0; s < 5; s++) {
        size_t rows = shapes[s][0], c = shapes[s][1], n = rows * c, mark = buffer_count;
        norm_case t = norm_reference(rows, c, 0.0f, 1e-5, 1);
        int16_t *x = get(n * 2);
        for (size_t i = 0; i < n; i++) {
            x[i] = (int16_t)(below(65535) - 32767);
            t.x[i] = (float)x[i];
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *first = NULL, *wide = get_floats(n);
            k->to_float(on(k), 0, rows, c, 1, x, NULL, wide);
            assert_same(n * 4, wide, t.x, "to_float");
            size_t per = rows / c + 1; /* so that there are factors enough */
            k->to_float(on(k), 5, rows - 5, c, per, x + 5 * c, t.scale, wide);
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
                              get(32 * k->sums_bytes(on(k), c)),
                              0};
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

void add_norm_tests(TCase *tcase) {
    tcase_add_test(tcase, test_channel_sums);
    tcase_add_test(tcase, test_batch_norm);
    tcase_add_test(tcase, test_batch_norm_integers);
}

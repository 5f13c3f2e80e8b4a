/* Ops with a sign in them have a slope of 0, so they are compared with their equations, value by
 * value: bits, surrogate gradients at and around every corner, scales. */
#include "tests/fixtures/graph_fixture.h"

#include "layers/ops.h"

static double slope_of(bnn_ste_kind kind, double p, double x) {
    double m = fabs(x), sum = 0.0;
    switch (kind) {
    case BNN_STE_CLIP:
        return m <= p;
    case BNN_STE_CLIP_OPEN:
        return m < p;
    case BNN_STE_TRIANGLE:
        return fmax(0.0, 2.0 - 2.0 * m);
    case BNN_STE_FOURIER:
        for (int i = 0; i <= (int)p; i++) { /* the sum itself, not the closed form */
            sum += cos((2 * i + 1) * 0.1 * x);
        }
        return m <= 1.0 ? 4.0 * 0.1 / 3.14159265358979323846 * sum : 0.0;
    }
    return NAN;
}

/* Both ends of every window, and 0. */
static const float corners[] = {-1.5f, -1.0f, -0.5f, 0.0f, 0.5f, 1.0f, 1.5f, -0.0f, 0.7f, -0.7f};

typedef struct sign_case {
    bnn_ste ste;
    int scaled, in_grad, param, from_tensor, twice;
} sign_case;

static void compare_sign(const sign_case *c, const float *x, const float *scale, const float *gy,
                         const uint64_t *bits, const float *gx, bnn_shape s) {
    size_t len = bnn_shape_count(s) / 3, words = bnn_words((size_t)s.c);
    for (size_t i = 0; i < bnn_shape_count(s); i++) {
        size_t row = i / (size_t)s.c, k = i % (size_t)s.c;
        int bit = (int)(bits[row * words + k / 64] >> (k % 64) & 1);
        if (bit != (x[i] >= 0.0f)) {
            ck_abort_msg("sign of %g is %d", (double)x[i], bit);
        }
        double want = (double)gy[i] * slope_of(c->ste.kind, (double)c->ste.p, (double)x[i]) *
                      (c->scaled && c->in_grad ? (double)scale[i / len] : 1.0) *
                      (c->twice ? 2.0 : 1.0);
        ck_assert_msg(fabs((double)gx[i] - want) <= 2e-5 * (1.0 + fabs(want)),
                      "surrogate %d at %g: %g, not %g", (int)c->ste.kind, (double)x[i],
                      (double)gx[i], want);
    }
}

/* The gradient of bits reaches a sign through a product; a 1x1 product with the identity's signs
 * would mix channels, so the bits themselves are the root. For `twice` they are not enough, and the
 * doubling comes from adding x to itself in front. */
static void run_sign(const sign_case *c) {
    bnn_shape s = {3, 2, 5, 7};
    size_t n = bnn_shape_count(s);
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(test_device(), params, 1);
    bnn_rng rng = bnn_rng_start(5, 5);
    bnn_t leaf = c->param ? plain_param(g, "x", s, 1) : bnn_graph_input(g, "x", BNN_F32, s);
    bnn_graph_want_grad(g, leaf);
    bnn_t x = leaf;
    if (!c->param) {
        x = c->twice ? bnn_op_add(g, leaf, leaf) : bnn_op_affine(g, leaf, BNN_NONE, BNN_NONE);
    }
    bnn_t scale = c->scaled ? bnn_op_abs_mean(g, x, 3) : BNN_NONE;
    bnn_t p = c->from_tensor ? plain_param(g, "p", bnn_vector(1), 0) : BNN_NONE;
    bnn_ste given = {c->ste.kind, c->from_tensor ? 99.0f : c->ste.p};
    bnn_value y = bnn_op_sign(g, x, scale, c->in_grad, given, p);
    bnn_graph_keep(g, y.t);
    bnn_graph_keep(g, scale);
    bnn_error err = {0};
    ck_ok(bnn_graph_compile(g, y.t, &err), err);
    ck_ok(bnn_params_allocate(params, &err), err);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    float *values = random_floats(&rng, OFF_KINKS, n), *gy = random_floats(&rng, SHIFTED, n);
    memcpy(values, corners, sizeof corners);
    float *seen = bnn_alloc_aligned(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        seen[i] = values[i];
        values[i] *= c->twice && !c->param ? 0.5f : 1.0f;
    }
    if (c->param) {
        memcpy(bnn_f32(g, leaf), values, n * sizeof(float));
    } else {
        bnn_graph_set(g, leaf, values);
    }
    if (c->from_tensor) {
        *bnn_f32(g, p) = c->ste.p;
    }
    bnn_graph_forward(g);
    memcpy(bnn_grad(g, y.t), gy, n * sizeof(float));
    bnn_graph_backward(g);
    compare_sign(c, seen, bnn_f32(g, scale), gy, bnn_bits(g, y.t), bnn_grad(g, leaf), s);
    free(values);
    free(gy);
    free(seen);
    bnn_graph_free(g);
    bnn_params_free(params);
}

START_TEST(test_sign) {
    static const bnn_ste stes[] = {{BNN_STE_CLIP, 1.0f},      {BNN_STE_CLIP, 0.5f},
                                   {BNN_STE_CLIP_OPEN, 1.0f}, {BNN_STE_TRIANGLE, 1.0f},
                                   {BNN_STE_FOURIER, 9.0f},   {BNN_STE_FOURIER, 17.0f}};
    for (size_t i = 0; i < sizeof stes / sizeof *stes; i++) {
        for (int flags = 0; flags < 32; flags++) {
            sign_case c = {stes[i],        flags & 1,      flags >> 1 & 1,
                           flags >> 2 & 1, flags >> 3 & 1, flags >> 4 & 1};
            if (!(c.param && c.twice)) {
                run_sign(&c);
            }
        }
    }
}
END_TEST

/* Each row by its mean |x|, of channels that fill no word; the gradient is the signs'. */
static void run_unpack(int factors) {
    bnn_shape s = {3, 2, 5, 67};
    size_t n = bnn_shape_count(s), rows = bnn_shape_rows(s);
    bnn_graph *g = bnn_graph_create(test_device(), NULL, 1);
    bnn_rng rng = bnn_rng_start(5, 8);
    bnn_t x = bnn_graph_input(g, "x", BNN_F32, s);
    bnn_graph_want_grad(g, x);
    bnn_t scale = factors ? bnn_op_abs_mean(g, x, factors) : BNN_NONE;
    bnn_graph_keep(g, scale);
    bnn_value bits = bnn_op_sign(g, x, scale, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE);
    bnn_t y = bnn_op_unpack(g, bits);
    bnn_error err = {0};
    ck_ok(bnn_graph_compile(g, y, &err), err);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    float *xs = random_floats(&rng, OFF_KINKS, n), *gy = random_floats(&rng, SHIFTED, n);
    memcpy(xs, corners, sizeof corners);
    bnn_graph_set(g, x, xs);
    bnn_graph_forward(g);
    for (size_t i = 0; i < n; i++) {
        size_t row = i / (size_t)s.c;
        float factor = factors ? bnn_f32(g, scale)[row / (rows / (size_t)factors)] : 1.0f;
        ck_assert(bnn_f32(g, y)[i] == (xs[i] >= 0.0f ? factor : -factor));
    }
    memcpy(bnn_grad(g, y), gy, n * sizeof(float));
    bnn_graph_backward(g);
    for (size_t i = 0; i < n; i++) {
        float want = slope_of(BNN_STE_CLIP, 1.0, (double)xs[i]) > 0.0 ? gy[i] : 0.0f;
        ck_assert(bnn_grad(g, x)[i] == want);
    }
    free(xs);
    free(gy);
    bnn_graph_free(g);
}

START_TEST(test_unpack) {
    run_unpack(0);
    run_unpack(3);
    run_unpack(30);
}
END_TEST

/* FDA: s (sign x + alpha (lin + 0.1 sin x)) and what the Fourier surrogate makes of it. */
static void run_noisy_sign(int with_lin, int with_s, float alpha, float n_value) {
    bnn_shape s = {3, 2, 2, 5};
    size_t n = bnn_shape_count(s);
    bnn_graph *g = bnn_graph_create(test_device(), NULL, 1);
    bnn_rng rng = bnn_rng_start(5, 6);
    bnn_t x = bnn_graph_input(g, "x", BNN_F32, s), lin = BNN_NONE, sc = BNN_NONE;
    bnn_graph_want_grad(g, x);
    bnn_t a = bnn_graph_input(g, "alpha", BNN_F32, bnn_vector(1));
    bnn_t terms = bnn_graph_input(g, "n", BNN_F32, bnn_vector(1));
    float *xs = random_floats(&rng, OFF_KINKS, n), *lins = random_floats(&rng, SHIFTED, n);
    float *ss = random_floats(&rng, POSITIVE, 3), *gy = random_floats(&rng, SHIFTED, n);
    memcpy(xs, corners, sizeof corners);
    if (with_lin) {
        lin = bnn_graph_input(g, "lin", BNN_F32, s);
        bnn_graph_want_grad(g, lin);
        bnn_graph_set(g, lin, lins);
    }
    if (with_s) {
        sc = bnn_graph_input(g, "s", BNN_F32, bnn_vector(3));
        bnn_graph_set(g, sc, ss);
    }
    bnn_t y = bnn_op_noisy_sign(g, x, lin, sc, a, terms);
    bnn_error err = {0};
    ck_ok(bnn_graph_compile(g, y, &err), err);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    bnn_graph_set(g, x, xs);
    bnn_graph_set(g, a, &alpha);
    bnn_graph_set(g, terms, &n_value);
    bnn_graph_forward(g);
    for (size_t i = 0; i < n; i++) {
        double scale = with_s ? (double)ss[i / (n / 3)] : 1.0, v = (double)xs[i];
        double want = scale * ((v >= 0.0 ? 1.0 : -1.0) +
                               (double)alpha * ((with_lin ? (double)lins[i] : 0.0) + 0.1 * sin(v)));
        ck_assert_msg(fabs((double)bnn_f32(g, y)[i] - want) < 1e-5, "at %g", v);
    }
    memcpy(bnn_grad(g, y), gy, n * sizeof(float));
    bnn_graph_backward(g);
    for (size_t i = 0; i < n; i++) {
        double u = (with_s ? (double)ss[i / (n / 3)] : 1.0) * (double)gy[i], v = (double)xs[i];
        double want =
            u * (slope_of(BNN_STE_FOURIER, (double)n_value, v) + (double)alpha * 0.1 * cos(v));
        ck_assert_msg(fabs((double)bnn_grad(g, x)[i] - want) < 1e-4, "slope at %g: %g, not %g", v,
                      (double)bnn_grad(g, x)[i], want);
        ck_assert(!with_lin || fabs((double)bnn_grad(g, lin)[i] - (double)alpha * u) < 1e-5);
    }
    free(xs);
    free(lins);
    free(ss);
    free(gy);
    bnn_graph_free(g);
}

START_TEST(test_noisy_sign) {
    for (int flags = 0; flags < 8; flags++) {
        run_noisy_sign(flags & 1, flags >> 1 & 1, 0.1f, flags & 4 ? 17.0f : 9.0f);
        run_noisy_sign(flags & 1, flags >> 1 & 1, 0.0f, 13.0f);
    }
}
END_TEST

/* ---- bi-attention ---- */

enum { N = 2, T = 11, HEADS = 3, D = 14, C = HEADS * D, VALUES = N * T * C };

/* The equations of one head, on the floats before the sign, as the paper has them: scores with
 * their scale, dropout and mask, windows of |score| < 1 and of the signs. */
typedef struct head_case {
    const float *q, *k, *v, *gy; /* [T][C], from the head's first channel on */
    const int32_t *mask;
    const uint64_t *keep; /* rows [T], or NULL */
    double stay, own;
} head_case;

static double sign_at(const float *x, int token, int i) {
    return x[token * C + i] >= 0.0f ? 1.0 : -1.0;
}

static double window_at(const float *x, int token, int i) {
    return slope_of(BNN_STE_CLIP_OPEN, 1.0, (double)x[token * C + i]);
}

/* grad[0..3): of q, k, v. */
static void head_plainly(const head_case *h, double *y, double *const grad[3]) {
    for (int i = 0; i < T; i++) {
        for (int j = 0; j < T; j++) {
            double score = 0.0, of_score = 0.0, scale = 1.0 / (sqrt((double)D) * h->stay);
            for (int x = 0; x < D; x++) {
                score += sign_at(h->q, i, x) * sign_at(h->k, j, x);
                of_score += (double)h->gy[i * C + x] * sign_at(h->v, j, x);
            }
            scale *= h->keep && !(h->keep[i] >> j & 1) ? 0.0 : 1.0;
            score = scale * score + (scale > 0.0 && !h->mask[j] ? -10000.0 : 0.0);
            of_score *= fabs(score) < 1.0 ? scale : 0.0;
            for (int x = 0; x < D; x++) {
                double own = i == j ? h->own : 0.0;
                y[i * C + x] += ((score > 0.0) + own) * sign_at(h->v, j, x);
                grad[2][j * C + x] +=
                    ((score > 0.0) + own) * (double)h->gy[i * C + x] * window_at(h->v, j, x);
                grad[0][i * C + x] += of_score * sign_at(h->k, j, x) * window_at(h->q, i, x);
                grad[1][j * C + x] += of_score * sign_at(h->q, i, x) * window_at(h->k, j, x);
            }
        }
    }
}

typedef struct attention_bed {
    bnn_graph *graph;
    bnn_t in[3], mask, keep, y;
    float *x[3], *keep_values, *gy;
    int32_t masks[N * T];
} attention_bed;

static void run_attention(attention_bed *b, float dropout, float own) {
    static const char *const names[] = {"q", "k", "v"};
    bnn_shape s = {N, 1, T, C};
    bnn_error err = {0};
    bnn_rng rng = bnn_rng_start(5, 7);
    b->graph = bnn_graph_create(test_device(), NULL, 1);
    b->keep = BNN_NONE;
    for (int i = 0; i < 3; i++) {
        b->in[i] = bnn_graph_input(b->graph, names[i], BNN_F32, s);
        bnn_graph_want_grad(b->graph, b->in[i]);
        b->x[i] = random_floats(&rng, OFF_KINKS, VALUES);
        memcpy(b->x[i] + 3 * i, corners, sizeof corners);
        bnn_graph_set(b->graph, b->in[i], b->x[i]);
    }
    b->keep_values = random_floats(&rng, SHIFTED, N * HEADS * T * T);
    b->gy = random_floats(&rng, SHIFTED, VALUES);
    b->mask = bnn_graph_input(b->graph, "mask", BNN_I32, (bnn_shape){N, 1, T, 1});
    for (int i = 0; i < N * T; i++) {
        b->masks[i] = i % 4 != 1;
    }
    bnn_graph_set(b->graph, b->mask, b->masks);
    if (dropout > 0.0f) {
        bnn_t from = bnn_graph_input(b->graph, "keep", BNN_F32, (bnn_shape){N, HEADS, T, T});
        bnn_ste any = {BNN_STE_CLIP, 1.0f};
        bnn_graph_set(b->graph, from, b->keep_values);
        b->keep = bnn_op_sign(b->graph, from, BNN_NONE, 0, any, BNN_NONE).t;
        bnn_graph_keep(b->graph, b->keep);
    }
    b->y = bnn_op_bi_attention(b->graph, b->in[0], b->in[1], b->in[2], b->mask, HEADS, b->keep,
                               dropout, own);
    bnn_graph_keep(b->graph, b->y);
    ck_ok(bnn_graph_compile(b->graph, b->y, &err), err);
    ck_ok(bnn_graph_bind(b->graph, NULL, &err), err);
    bnn_graph_forward(b->graph);
    memcpy(bnn_grad(b->graph, b->y), b->gy, VALUES * sizeof(float));
    bnn_graph_backward(b->graph);
}

static void compare_attention(const attention_bed *b, double stay, double own) {
    static double y[VALUES], grads[3][VALUES];
    double slopes[3] = {0.0};
    memset(y, 0, sizeof y);
    memset(grads, 0, sizeof grads);
    for (int i = 0; i < N * HEADS; i++) {
        int at = i / HEADS * T * C + i % HEADS * D;
        head_case h = {.q = b->x[0] + at,
                       .k = b->x[1] + at,
                       .v = b->x[2] + at,
                       .gy = b->gy + at,
                       .mask = b->masks + i / HEADS * T,
                       .keep = b->keep >= 0 ? bnn_bits(b->graph, b->keep) + i * T : NULL,
                       .stay = stay,
                       .own = own};
        head_plainly(&h, y + at, (double *const[]){grads[0] + at, grads[1] + at, grads[2] + at});
    }
    for (int i = 0; i < VALUES; i++) {
        ck_assert_msg((double)bnn_f32(b->graph, b->y)[i] == y[i], "context %d", i);
        for (int x = 0; x < 3; x++) {
            double got = (double)bnn_grad(b->graph, b->in[x])[i];
            slopes[x] += fabs(got);
            ck_assert_msg(fabs(got - grads[x][i]) <= 1e-5 * (1.0 + fabs(grads[x][i])),
                          "gradient %d of input %d: %g, not %g", i, x, got, grads[x][i]);
        }
    }
    ck_assert(slopes[0] > 1.0 && slopes[1] > 1.0 && slopes[2] > 1.0);
}

START_TEST(test_bi_attention) {
    static const float dropouts[] = {0.0f, 0.25f, 0.0f, 0.25f}, own[] = {0.0f, 0.0f, 0.5f, 0.5f};
    for (int i = 0; i < 4; i++) {
        attention_bed b = {.graph = NULL};
        run_attention(&b, dropouts[i], own[i]);
        compare_attention(&b, 1.0 - (double)dropouts[i], (double)own[i]);
        for (int x = 0; x < 3; x++) {
            free(b.x[x]);
        }
        free(b.keep_values);
        free(b.gy);
        bnn_graph_free(b.graph);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("signs");
    TCase *tcase = tcase_create("signs");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_sign);
    tcase_add_test(tcase, test_unpack);
    tcase_add_test(tcase, test_noisy_sign);
    tcase_add_test(tcase, test_bi_attention);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Every op of the registry: its backward against finite differences of its forward, with inputs
 * that are inputs, parameters and results of other nodes (which take different memory), used once
 * and twice (where gradients must add). Ops with a sign in them have no such slope; they are
 * compared with their equation, value by value. */
#include "tests/graph_fixture.h"

#include "engine/gradcheck.h"
#include "layers/ops.h"

enum { MOST_LEAVES = 5, ROLES = 3 };
typedef enum leaf_role { AN_INPUT, A_PARAMETER, A_RESULT } leaf_role;

typedef struct leaf_spec {
    bnn_shape shape;
    fill_kind fill;
    int fixed; /* wants no gradient */
} leaf_spec;

typedef struct bed {
    bnn_graph *graph;
    bnn_params *params;
    bnn_rng rng;
    bnn_t label;
    int32_t labels[16];
} bed;

typedef struct op_case {
    const bnn_op *op;
    bnn_t (*build)(bed *b, const bnn_t *in, const int *arg);
    leaf_spec leaf[MOST_LEAVES];
    int arg[7];
} op_case;

/* ---- builders -------------------------------------------------------------------------------- */

static bnn_t build_conv(bed *b, const bnn_t *in, const int *arg) {
    bnn_conv_config c = {arg[0], arg[1], arg[2], arg[3], arg[4], arg[5], arg[6]};
    return bnn_op_conv(b->graph, bnn_plain(in[0]), bnn_plain(in[1]), &c);
}

static bnn_t build_normalize(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_normalize(b->graph, in[0], arg[0], arg[1], arg[2], 1.7f, 1e-5f);
}

static bnn_t build_clamp(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_clamp(b->graph, in[0], (float)arg[0], arg[1] ? 1.0f : INFINITY);
}

static bnn_t build_add(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_add(b->graph, in[0], in[arg[0]]);
}

static bnn_t build_affine(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_affine(b->graph, in[0], arg[0] ? in[1] : BNN_NONE, arg[1] ? in[2] : BNN_NONE);
}

static bnn_t build_batch_norm(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    bnn_shape c = bnn_vector(bnn_shape_of(b->graph, in[0]).c);
    bnn_t mean = plain_param(b->graph, "mean", c, 0), var = plain_param(b->graph, "var", c, 0);
    return bnn_op_batch_norm(b->graph, in[0], in[1], in[2], mean, var, 1e-5f, 0.1f);
}

static bnn_t build_outer_scale(bed *b, const bnn_t *in, const int *arg) {
    return arg[0] ? bnn_op_outer_scale(b->graph, in[0], in[1], in[2], in[3])
                  : bnn_op_outer_scale(b->graph, in[0], in[1], BNN_NONE, in[2]);
}

static bnn_t build_noisy_sign(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_noisy_sign(b->graph, in[1], in[0], arg[0] ? in[4] : BNN_NONE, in[2], in[3]);
}

static bnn_t build_max_pool(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_max_pool(b->graph, in[0], arg[0], arg[1], arg[2]);
}

static bnn_t build_global_avg_pool(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_global_avg_pool(b->graph, in[0]);
}

static bnn_t build_reshape(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_reshape(b->graph, in[0], (bnn_shape){arg[0], arg[1], arg[2], arg[3]});
}

static bnn_t build_cross_entropy(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    int n = bnn_shape_of(b->graph, in[0]).n;
    if (b->label == BNN_NONE) {
        b->label = bnn_graph_input(b->graph, "label", BNN_I32, (bnn_shape){n, 1, 1, 1});
    }
    return bnn_op_cross_entropy(b->graph, in[0], b->label);
}

#define V(c)                                                                                       \
    { {1, 1, 1, c}, POSITIVE, 0 }
static const op_case cases[] = {
    {&bnn_conv_op,
     build_conv,
     {{{2, 5, 6, 3}, SHIFTED, 0}, {{5, 3, 3, 3}, SHIFTED, 0}},
     {1, 1, 1, 1, 1, 1, 1}},
    {&bnn_conv_op,
     build_conv,
     {{{1, 7, 9, 6}, SHIFTED, 0}, {{4, 3, 2, 3}, SHIFTED, 0}},
     {2, 1, 2, 1, 2, 3, 2}},
    {&bnn_conv_op,
     build_conv,
     {{{2, 5, 4, 5}, SHIFTED, 0}, {{5, 3, 3, 1}, SHIFTED, 0}},
     {1, 2, 1, 0, 1, 1, 5}},
    {&bnn_conv_op,
     build_conv,
     {{{3, 1, 11, 7}, SHIFTED, 0}, {{9, 1, 5, 7}, SHIFTED, 0}},
     {1, 2, 0, 2, 1, 1, 1}},
    {&bnn_conv_op,
     build_conv,
     {{{7, 1, 1, 33}, SHIFTED, 0}, {{17, 1, 1, 33}, SHIFTED, 0}},
     {1, 1, 0, 0, 1, 1, 1}},
    {&bnn_normalize_op, build_normalize, {{{3, 1, 1, 10}, SHIFTED, 0}}, {3, 1, 0}},
    {&bnn_normalize_op, build_normalize, {{{3, 2, 5, 3}, SHIFTED, 0}}, {3, 1, 1}},
    {&bnn_normalize_op, build_normalize, {{{2, 3, 5, 7}, SHIFTED, 0}}, {2, 0, 1}},
    {&bnn_clamp_op, build_clamp, {{{2, 3, 5, 7}, OFF_KINKS, 0}}, {-1, 1}},
    {&bnn_clamp_op, build_clamp, {{{1, 1, 3, 67}, OFF_KINKS, 0}}, {0, 0}},
    {&bnn_add_op, build_add, {{{2, 3, 5, 7}, SHIFTED, 0}, {{2, 3, 5, 7}, SHIFTED, 0}}, {1}},
    {&bnn_add_op, build_add, {{{2, 3, 5, 7}, SHIFTED, 0}}, {0}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(7)}, {1, 1}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 9}, SHIFTED, 0}, V(9)}, {1, 0}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 1}, SHIFTED, 0}, V(1), V(1)}, {1, 1}},
    {&bnn_batch_norm_op, build_batch_norm, {{{4, 3, 5, 7}, SHIFTED, 0}, V(7), V(7)}, {0}},
    {&bnn_batch_norm_op, build_batch_norm, {{{9, 1, 1, 17}, SHIFTED, 0}, V(17), V(17)}, {0}},
    {&bnn_outer_scale_op, build_outer_scale, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(3), V(5)}, {1}},
    {&bnn_outer_scale_op, build_outer_scale, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(9), V(11)}, {1}},
    {&bnn_outer_scale_op, build_outer_scale, {{{3, 1, 6, 5}, SHIFTED, 0}, V(5), V(8)}, {0}},
    {&bnn_noisy_sign_op,
     build_noisy_sign,
     {{{3, 2, 2, 5}, SHIFTED, 0},
      {{3, 2, 2, 5}, SHIFTED, 1},
      {{1, 1, 1, 1}, POSITIVE, 1},
      {{1, 1, 1, 1}, POSITIVE, 1},
      {{1, 1, 1, 3}, POSITIVE, 1}},
     {1}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 6, 5, 3}, SPREAD, 0}}, {2, 2, 0}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 7, 5, 3}, SPREAD, 0}}, {3, 2, 1}},
    {&bnn_global_avg_pool_op, build_global_avg_pool, {{{3, 3, 5, 7}, SHIFTED, 0}}, {0}},
    {&bnn_reshape_op, build_reshape, {{{2, 3, 5, 7}, SHIFTED, 0}}, {2, 1, 1, 105}},
    {&bnn_cross_entropy_op, build_cross_entropy, {{{5, 1, 1, 7}, SHIFTED, 0}}, {0}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- finite differences ---------------------------------------------------------------------- */

static bnn_t make_leaf(bed *b, const leaf_spec *spec, int index, leaf_role role) {
    char name[16];
    snprintf(name, sizeof name, "leaf%d", index);
    if (role == A_PARAMETER) {
        return plain_param(b->graph, name, spec->shape, !spec->fixed);
    }
    bnn_t t = bnn_graph_input(b->graph, name, BNN_F32, spec->shape);
    if (!spec->fixed) {
        bnn_graph_want_grad(b->graph, t);
    }
    return t;
}

static bnn_t build_case(bed *b, const op_case *c, leaf_role role, int twice, bnn_t *leaf) {
    bnn_t in[MOST_LEAVES];
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        in[i] = leaf[i] = make_leaf(b, &c->leaf[i], i, role);
        if (role == A_RESULT) { /* a copy: memory of its own that a node may take over */
            in[i] = bnn_op_affine(b->graph, leaf[i], BNN_NONE, BNN_NONE);
        }
    }
    bnn_t y = c->build(b, in, c->arg);
    return twice ? bnn_op_add(b->graph, y, c->build(b, in, c->arg)) : y;
}

static int runs_backward(const bnn_graph *g, const bnn_op *op) {
    int count = 0;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        count += bnn_graph_node(g, i)->op == op && bnn_graph_node(g, i)->backward;
    }
    return count;
}

static void check_leaves(bed *b, const op_case *c, const bnn_t *leaf, const float *gy,
                         const char *what) {
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        if (c->leaf[i].fixed) {
            continue;
        }
        bnn_gradcheck_leaf l = {bnn_f32(b->graph, leaf[i]), bnn_grad(b->graph, leaf[i]),
                                bnn_shape_count(c->leaf[i].shape)};
        bnn_gradcheck_result r;
        bnn_error err = {0};
        ck_assert_msg(l.grad != NULL, "%s: leaf %d has no gradient", what, i);
        ck_ok(bnn_gradcheck(b->graph, gy, &l, 3, 1e-2, 7, &r, &err), err);
        ck_assert_msg(r.error < 3e-3, "%s: leaf %d: error %g", what, i, r.error);
        ck_assert_msg(r.slope > 1e-3, "%s: leaf %d: slope %g", what, i, r.slope);
    }
}

static void run_case(const op_case *c, leaf_role role, int twice) {
    char what[64];
    snprintf(what, sizeof what, "%s, case %d, role %d, %s", c->op->name, (int)(c - cases),
             (int)role, twice ? "twice" : "once");
    bed b = {.params = bnn_params_create(), .label = BNN_NONE};
    b.graph = bnn_graph_create(test_kernels(), b.params, 1);
    b.rng = bnn_rng_start(11, bnn_hash_name(what));
    bnn_t leaf[MOST_LEAVES];
    bnn_error err = {0};
    bnn_t y = build_case(&b, c, role, twice, leaf);
    ck_ok(bnn_graph_compile(b.graph, y, &err), err);
    ck_ok(bnn_params_allocate(b.params, 1, &err), err);
    ck_ok(bnn_graph_bind(b.graph, NULL, &err), err);
    ck_assert_int_ge(runs_backward(b.graph, c->op), 1 + twice);
    float *memory[MOST_LEAVES] = {NULL};
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        memory[i] = random_floats(&b.rng, c->leaf[i].fill, bnn_shape_count(c->leaf[i].shape));
        if (role == A_PARAMETER) {
            memcpy(bnn_f32(b.graph, leaf[i]), memory[i], 4 * bnn_shape_count(c->leaf[i].shape));
        } else {
            bnn_graph_set(b.graph, leaf[i], memory[i]);
        }
    }
    if (b.label != BNN_NONE) {
        for (int i = 0; i < 16; i++) {
            b.labels[i] = 3 * i % 7;
        }
        bnn_graph_set(b.graph, b.label, b.labels);
    }
    size_t count = bnn_shape_count(bnn_shape_of(b.graph, y));
    float *gy = random_floats(&b.rng, SHIFTED, count);
    check_leaves(&b, c, leaf, count == 1 ? NULL : gy, what);
    for (int i = 0; i < MOST_LEAVES; i++) {
        free(memory[i]);
    }
    free(gy);
    bnn_graph_free(b.graph);
    bnn_params_free(b.params);
}

START_TEST(test_finite_differences) {
    const op_case *c = &cases[_i];
    for (int role = 0; role < ROLES; role++) {
        if (role == AN_INPUT && c->op->view) {
            continue; /* no view of an input (op.h) */
        }
        run_case(c, (leaf_role)role, 0);
        run_case(c, (leaf_role)role, 1);
    }
}
END_TEST

/* ---- signs: value by value ------------------------------------------------------------------- */

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

/* Spec 1.0 and 1.10: both ends of every window, and 0. */
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
        ck_assert_msg(bit == (x[i] >= 0.0f), "sign of %g is %d", (double)x[i], bit);
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
    bnn_graph *g = bnn_graph_create(test_kernels(), params, 1);
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
    ck_ok(bnn_params_allocate(params, 1, &err), err);
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

/* FDA: s (sign x + alpha (lin + 0.1 sin x)) and what the Fourier surrogate makes of it. */
static void run_noisy_sign(int with_lin, int with_s, float alpha, float n_value) {
    bnn_shape s = {3, 2, 2, 5};
    size_t n = bnn_shape_count(s);
    bnn_graph *g = bnn_graph_create(test_kernels(), NULL, 1);
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

/* ---- the registry ---------------------------------------------------------------------------- */

static int covered(const bnn_op *op) {
    int found = op == &bnn_sign_op; /* test_sign */
    for (int i = 0; i < CASES; i++) {
        found |= cases[i].op == op;
    }
    return found;
}

static void check_covered(const bnn_op *op, const char *listed) {
    ck_assert_str_eq(op->name, listed);
    ck_assert_msg(op->detached ? op->backward == NULL : op->backward != NULL && covered(op),
                  "%s has neither a gradient case nor `detached`", op->name);
}

START_TEST(test_registry) {
#define CHECK_COVERED(listed) check_covered(&bnn_##listed##_op, #listed);
    BNN_OPS(CHECK_COVERED)
#undef CHECK_COVERED
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops");
    TCase *tcase = tcase_create("ops");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_finite_differences, 0, CASES);
    tcase_add_test(tcase, test_sign);
    tcase_add_test(tcase, test_noisy_sign);
    tcase_add_test(tcase, test_registry);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Attention on bits against its equations, value by value: the same bits from every table and any
 * number of threads; heads that begin within a word, and masks of all kinds. */
#include "tests/cpu/kernels/harness.h"

static const struct shape {
    size_t n, t, heads, d;
} shapes[] = {{1, 1, 1, 1},   {2, 7, 3, 5},    {1, 16, 4, 16},  {2, 33, 12, 26}, {1, 64, 2, 64},
              {2, 70, 3, 64}, {1, 130, 2, 32}, {1, 20, 1, 300}, {3, 64, 12, 64}, {1, 300, 2, 65}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* One case's operands and what the equations say. */
typedef struct attention_case {
    bnn_attention s;
    size_t values, scores; /* of q; bits of rows [n,heads,t][words(t)], in words */
    uint64_t *q, *k, *v, *keep;
    float *qs, *ks, *vs; /* +-1 */
    int32_t *mask;
    uint64_t *a, *window;
    float *context;
} attention_case;

static float *signs(size_t rows, size_t c, const uint64_t *bits) {
    return unpacked(rows, c, &(bnn_operand){.b1 = bits});
}

static int dot(const attention_case *c, size_t sample, size_t head, size_t i, size_t j) {
    size_t d = c->s.c / c->s.heads, at = head * d;
    const float *q = c->qs + (sample * c->s.t + i) * c->s.c + at;
    const float *k = c->ks + (sample * c->s.t + j) * c->s.c + at;
    float sum = 0.0f;
    for (size_t x = 0; x < d; x++) {
        sum += q[x] * k[x];
    }
    return (int)sum;
}

static void attend_plainly(attention_case *c) {
    const bnn_attention *s = &c->s;
    size_t words = bnn_words(s->t), d = s->c / s->heads;
    memset(c->a, 0, c->scores * 8);
    memset(c->window, 0, c->scores * 8);
    for (size_t i = 0; i < c->values; i++) {
        c->context[i] = s->own * c->vs[i];
    }
    for (size_t row = 0; row < s->n * s->heads * s->t; row++) {
        size_t sample = row / s->t / s->heads, head = row / s->t % s->heads, i = row % s->t;
        for (size_t j = 0; j < s->t; j++) {
            int score = dot(c, sample, head, i, j);
            int in = c->mask[sample * s->t + j] && (!c->keep || bit(c->keep + row * words, j));
            uint64_t one = (uint64_t)1 << j % 64;
            c->a[row * words + j / 64] |= in && score > 0 ? one : 0;
            c->window[row * words + j / 64] |= in && abs(score) <= s->reach ? one : 0;
            for (size_t x = 0; in && score > 0 && x < d; x++) {
                size_t at = head * d + x;
                c->context[(sample * s->t + i) * s->c + at] +=
                    c->vs[(sample * s->t + j) * s->c + at];
            }
        }
    }
}

static attention_case make_case(const struct shape *of, int with_keep) {
    size_t c = of->heads * of->d, rows = of->n * of->t;
    attention_case made = {
        .s = {.n = of->n, .t = of->t, .c = c, .heads = of->heads, .factor = 0.37f},
        .values = rows * c,
        .scores = rows * of->heads * bnn_words(of->t)};
    made.s.own = with_keep || of->n > 1 ? 0.5f : 0.0f;
    made.s.reach = (int)ceil(sqrt((double)of->d)) - 1;
    made.q = pack(rows, c, random_floats(rows * c));
    made.k = pack(rows, c, random_floats(rows * c));
    made.v = pack(rows, c, random_floats(rows * c));
    made.qs = signs(rows, c, made.q), made.ks = signs(rows, c, made.k);
    made.vs = signs(rows, c, made.v);
    made.keep =
        with_keep ? pack(rows * of->heads, of->t, random_floats(rows * of->heads * of->t)) : NULL;
    made.mask = get(rows * sizeof *made.mask);
    for (size_t i = 0; i < rows; i++) {
        made.mask[i] = i / of->t == 1 ? 0 : below(4) > 0; /* a sample of nothing but padding */
    }
    made.a = get(made.scores * 8), made.window = get(made.scores * 8);
    made.context = get_floats(made.values);
    attend_plainly(&made);
    return made;
}

START_TEST(test_forward) {
    size_t mark = buffer_count;
    attention_case c = make_case(&shapes[_i % SHAPES], _i / SHAPES);
    size_t bytes = c.values * sizeof(float);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            float *context = get_floats(c.values), *alone = get_floats(c.values);
            uint64_t *a = get(c.scores * 8), *window = get(c.scores * 8);
            void *ws = get(k->bi_attention_workspace(on(k), &c.s, 0));
            k->bi_attention(on(k), &c.s, c.q, c.k, c.v, c.mask, c.keep, context, a, window, ws);
            k->bi_attention(on(k), &c.s, c.q, c.k, c.v, c.mask, c.keep, alone, NULL, NULL, ws);
            assert_same(bytes, context, c.context, "context");
            assert_same(bytes, alone, c.context, "context without a backward");
            assert_same(c.scores * 8, a, c.a, "attention");
            assert_same(c.scores * 8, window, c.window, "window");
        }
    }
    release(mark);
}
END_TEST

/* grad[0..3): of q, k, v, added to what is there. */
static void gradients_plainly(const attention_case *c, const float *g, double *const grad[3]) {
    const bnn_attention *s = &c->s;
    size_t words = bnn_words(s->t), d = s->c / s->heads;
    for (size_t row = 0; row < s->n * s->heads * s->t; row++) {
        size_t sample = row / s->t / s->heads, first = row / s->t % s->heads * d;
        size_t i = (sample * s->t + row % s->t) * s->c + first;
        for (size_t x = 0; x < d; x++) {
            grad[2][i + x] += (double)s->own * (double)g[i + x];
        }
        for (size_t other = 0; other < s->t; other++) {
            size_t j = (sample * s->t + other) * s->c + first;
            double of_score = 0.0;
            for (size_t x = 0; x < d; x++) {
                of_score += (double)g[i + x] * (double)c->vs[j + x];
                grad[2][j + x] += bit(c->a + row * words, other) ? (double)g[i + x] : 0.0;
            }
            of_score *= bit(c->window + row * words, other) ? (double)s->factor : 0.0;
            for (size_t x = 0; x < d; x++) {
                grad[0][i + x] += of_score * (double)c->ks[j + x];
                grad[1][j + x] += of_score * (double)c->qs[i + x];
            }
        }
    }
}

START_TEST(test_backward) {
    size_t mark = buffer_count;
    attention_case c = make_case(&shapes[_i], 0);
    float *g = random_floats(c.values), *start = random_floats(c.values), *first[3] = {NULL};
    double *want[3];
    for (int i = 0; i < 3; i++) {
        want[i] = get(c.values * sizeof(double));
        for (size_t x = 0; x < c.values; x++) {
            want[i][x] = i == 1 ? 0.0 : (double)start[x]; /* that of k replaces what was there */
        }
    }
    gradients_plainly(&c, g, want);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            float *got[3], *alone = duplicate(c.values, start);
            void *ws = get(k->bi_attention_workspace(on(k), &c.s, 1));
            for (int i = 0; i < 3; i++) {
                got[i] = duplicate(c.values, start);
            }
            k->bi_attention_backward(on(k), &c.s, g, c.q, c.k, c.v, c.a, c.window, got[0], 1,
                                     got[1], 0, got[2], 1, ws);
            k->bi_attention_backward(on(k), &c.s, g, c.q, c.k, c.v, c.a, c.window, NULL, 0, NULL, 0,
                                     alone, 1, ws);
            assert_same(c.values * sizeof(float), alone, got[2], "the gradient of v alone");
            for (int i = 0; i < 3; i++) {
                first[i] = threads == 1 ? got[i] : first[i];
                assert_same(c.values * sizeof(float), got[i], first[i], "with more threads");
                assert_near(c.values, got[i], want[i], 1e-6, "gradient");
            }
        }
    }
    release(mark);
}
END_TEST

void add_attention_tests(TCase *tcase) {
    tcase_add_loop_test(tcase, test_forward, 0, 2 * SHAPES);
    tcase_add_loop_test(tcase, test_backward, 0, SHAPES);
}

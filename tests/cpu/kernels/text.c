/* The kernels of networks on text (cpu/rows/text.inc, attention.inc) against plain loops in double;
 * the same bytes in any blocks, and with 1, 2 and 3 threads. */
#include <float.h>

#include "engine/base/rng.h"
#include "tests/cpu/kernels/harness.h"

/* ---- value by value ---- */

static double phi_of(double x) {
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double gelu_slope(double x) {
    return phi_of(x) + x * exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
}

/* Some of all magnitudes, and the borders of what is computed otherwise. */
static float *many_values(size_t n) {
    static const float special[] = {0.0f,   -0.0f,  0.625f,  -0.625f,  87.0f,    -87.0f, 14.0f,
                                    -14.0f, 1e-40f, -1e-40f, -FLT_MIN, -FLT_MAX, FLT_MAX};
    float *x = random_floats(n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= i % 3 == 0 ? 4.0f : i % 3 == 1 ? 1.0f : 0.01f;
    }
    memcpy(x, special, sizeof special);
    return x;
}

START_TEST(test_gelu_tanh) {
    size_t n = 1003, mark = buffer_count;
    float *x = many_values(n), *g = random_floats(n), *base = random_floats(n);
    double *y = get(n * 8), *t = get(n * 8), *gx = get(n * 8), *gt = get(n * 8);
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        y[i] = fabs(v) < 100.0 ? v * phi_of(v) : fmax(v, 0.0);
        t[i] = tanh(v);
        gx[i] = (double)base[i] + (double)g[i] * gelu_slope(fmax(fmin(v, 40.0), -40.0));
        gt[i] = (double)g[i] * (1.0 - t[i] * t[i]);
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *a = get_floats(n), *b = duplicate(n, x), *to = duplicate(n, base);
        k->gelu(on(k), n, x, a);
        for (size_t i = 0; i < n; i++) {
            REQUIRE(x[i] < 0.0f ? a[i] <= -FLT_MIN : a[i] >= 0.0f);
            REQUIRE(fabs((double)a[i] - y[i]) <= 2e-6 * fabs(y[i]) + 1e-7 || x[i] <= -FLT_MAX);
        }
        k->gelu_backward(on(k), n, g, x, to, 1);
        assert_close(n, to, gx, 1e-6, "gelu_backward");
        k->tanh(on(k), n, b, b);
        for (size_t i = 0; i < n; i++) {
            REQUIRE(fabs((double)b[i] - t[i]) <= 3e-7 * fabs(t[i]));
        }
        k->tanh_backward(on(k), n, g, b, to, 0);
        assert_close(n, to, gt, 1e-6, "tanh_backward");
        float *bad = get_floats(2);
        bad[0] = bad[1] = NAN;
        k->gelu(on(k), 1, bad, bad);
        k->tanh(on(k), 1, bad + 1, bad + 1);
        REQUIRE(isnan(bad[0]) && isnan(bad[1]));
    }
    release(mark);
}
END_TEST

/* ---- rows ---- */

typedef struct norm_want {
    double *y, *gx, *gweight, *gbias;
} norm_want;

static void reference_norm(size_t rows, size_t c, const float *x, const float *g,
                           const float *weight, const float *bias, double eps, norm_want *to) {
    for (size_t r = 0; r < rows; r++, x += c, g += c) {
        double mean = 0.0, variance = 0.0, of_h = 0.0, of_hx = 0.0;
        for (size_t j = 0; j < c; j++) {
            mean += (double)x[j] / (double)c;
        }
        for (size_t j = 0; j < c; j++) {
            variance += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)c;
        }
        double d = 1.0 / sqrt(variance + eps);
        for (size_t j = 0; j < c; j++) {
            double h = (double)weight[j] * (double)g[j], v = ((double)x[j] - mean) * d;
            of_h += h / (double)c;
            of_hx += h * v / (double)c;
            to->y[r * c + j] = v * (double)weight[j] + (double)bias[j];
            to->gweight[j] += (double)g[j] * v;
            to->gbias[j] += (double)g[j];
        }
        for (size_t j = 0; j < c; j++) {
            double v = ((double)x[j] - mean) * d;
            to->gx[r * c + j] = d * ((double)weight[j] * (double)g[j] - of_h - v * of_hx);
        }
    }
}

START_TEST(test_layer_norm) {
    static const size_t shapes[][2] = {{3, 1}, {40, 7}, {200, 96}, {11, 768}, {5, 1203}};
    size_t rows = shapes[_i][0], c = shapes[_i][1], n = rows * c, mark = buffer_count;
    float *x = random_floats(n), *g = random_floats(n);
    float *weight = random_floats(c), *bias = random_floats(c);
    norm_want want = {get(n * 8), get(n * 8), get(c * 8), get(c * 8)};
    memset(want.gweight, 0, c * 8);
    memset(want.gbias, 0, c * 8);
    reference_norm(rows, c, x, g, weight, bias, 1e-5, &want);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *first = NULL;
        for (int cut = 0; cut < CUTS; cut++) {
            walk w = blocks(rows, cuts[cut][0], cuts[cut][1]);
            size_t bytes = k->sums_bytes(on(k), c);
            char *sums = get(w.pieces * bytes);
            float *y = duplicate(n, x), *gx = duplicate(n, g);
            float *gw = get_floats(c), *gb = get_floats(c);
            while (next(&w)) {
                size_t at = w.first * c;
                k->layer_norm(on(k), w.n, c, y + at, weight, bias, 1e-5f, y + at);
                k->layer_norm_backward(on(k), w.n, c, gx + at, x + at, weight, 1e-5f, w.reset,
                                       sums + w.piece * bytes, gx + at, 0);
            }
            k->channel_sums_finish(on(k), c, w.pieces, sums, gb, gw, 0);
            assert_close(n, y, want.y, 2e-6, "layer_norm");
            assert_close(n, gx, want.gx, 1e-5, "layer_norm_backward");
            assert_close(c, gw, want.gweight, 1e-5, "gradient of weight");
            assert_close(c, gb, want.gbias, 1e-5, "gradient of bias");
            first = first ? first : y;
            assert_same(n * 4, y, first, "layer_norm in other blocks");
        }
    }
    release(mark);
}
END_TEST

/* ---- dropout ---- */

/* The word of Philox that decides about a value. */
static uint32_t word_of(bnn_random random, size_t i) {
    uint32_t word[4];
    bnn_philox(random.seed, random.stream, i / 256 * 64 + i % 64, word);
    return word[i / 64 % 4];
}

START_TEST(test_dropout) {
    enum { N = 5000 };
    size_t mark = buffer_count;
    const bnn_random random = {0x123456789abcdefu, 0xfedcba987654321u};
    float *x = random_floats(N), *base = random_floats(N);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int cut = 0; cut < CUTS; cut++) {
            float *y = duplicate(N, x), *sum = duplicate(N, base);
            size_t kept = 0;
            for (walk w = blocks(N, cuts[cut][0], cuts[cut][1]); next(&w);) {
                k->dropout(on(k), w.first, w.n, x + w.first, 0.3f, random, sum + w.first, 1);
                k->dropout(on(k), w.first, w.n, y + w.first, 0.3f, random, y + w.first, 0);
            }
            for (size_t i = 0; i < N; i++) {
                int keeps = word_of(random, i) >= (uint32_t)((double)0.3f * 4294967296.0);
                float want = keeps ? 1.0f / (1.0f - 0.3f) * x[i] : 0.0f;
                REQUIRE(y[i] == want && sum[i] == base[i] + want);
                kept += (size_t)keeps;
            }
            REQUIRE(kept > N * 66 / 100 && kept < N * 74 / 100);
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_keep) {
    enum { MOST_C = 300 };
    static const size_t widths[] = {1, 64, 129, MOST_C};
    size_t c = widths[_i], rows = 37, mark = buffer_count;
    const bnn_random random = {7, 8};
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (threads_now = 1; threads_now <= THREADS; threads_now++) {
            uint64_t *bits = get(rows * bnn_words(c) * 8);
            k->keep(on(k), rows, c, 0.25f, random, bits);
            for (size_t i = 0; i < rows * 64 * bnn_words(c); i++) {
                size_t r = i / (64 * bnn_words(c)), j = i % (64 * bnn_words(c));
                REQUIRE(bit(bits, i) == (j < c && word_of(random, r * c + j) >= 1u << 30));
            }
        }
    }
    threads_now = 1;
    release(mark);
}
END_TEST

/* ---- rows of a table ---- */

static const int32_t some_ids[] = {3, 0, 3, 8, 1, 3, -1, 9, 100000, 0, 4, 8};
enum { IDS = sizeof some_ids / sizeof *some_ids, ROWS = 9, PERIOD = 6 };

static size_t row_of(int positions, size_t i) {
    return positions ? i % PERIOD : (size_t)(uint32_t)some_ids[i];
}

START_TEST(test_table_rows) {
    static const size_t widths[] = {1, 64, 67, 312};
    size_t c = widths[_i], mark = buffer_count;
    float *table = random_floats(ROWS * c), *scale = random_floats(ROWS);
    uint64_t *bits = pack(ROWS, c, table);
    bnn_operand of_bits = {.b1 = bits, .scale = scale, .rows_per_scale = 1};
    float *signs = unpacked(ROWS, c, &of_bits);
    int32_t *ids = get(sizeof some_ids);
    memcpy(ids, some_ids, sizeof some_ids);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int form = 0; form < 4; form++) {
            int positions = form & 1, binary = form >> 1;
            bnn_operand rows = binary ? of_bits : (bnn_operand){.f32 = table};
            float *y = get_floats(IDS * c);
            threads_now = 1 + form % THREADS;
            k->table_rows(on(k), IDS, c, &rows, ROWS, positions ? NULL : ids, PERIOD, y);
            for (size_t i = 0; i < IDS * c; i++) {
                size_t row = row_of(positions, i / c);
                const float *from = binary ? signs : table;
                REQUIRE(y[i] == (row < ROWS ? from[row * c + i % c] : 0.0f));
            }
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_table_rows_backward) {
    size_t c = _i ? 67 : 20000, mark = buffer_count; /* one, and several threads */
    float *g = random_floats(IDS * c), *base = random_floats(ROWS * c);
    int32_t *ids = get(sizeof some_ids);
    memcpy(ids, some_ids, sizeof some_ids);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int form = 0; form < 4 * THREADS; form++) {
            int positions = form & 1, acc = form >> 1 & 1;
            size_t padding = positions ? SIZE_MAX : 0;
            float *gt = duplicate(ROWS * c, base), *want = get_floats(ROWS * c);
            threads_now = 1 + form / 4;
            for (size_t j = 0; j < ROWS * c; j++) {
                want[j] = acc ? base[j] : 0.0f;
            }
            for (size_t i = 0; i < IDS * c; i++) {
                size_t row = row_of(positions, i / c);
                if (row < ROWS && row != padding) {
                    want[row * c + i % c] += g[i];
                }
            }
            k->table_rows_backward(on(k), IDS, c, g, ROWS, positions ? NULL : ids, PERIOD, padding,
                                   gt, acc);
            assert_same(ROWS * c * 4, gt, want, "table_rows_backward");
        }
    }
    release(mark);
}
END_TEST

/* ---- attention ---- */

typedef struct attention_want {
    double *y, *gq, *gk, *gv;
} attention_want;

/* Head h of sample n. */
static void reference_head(const bnn_soft_attention *s, int n, int h, const float *q,
                           const float *k, const float *v, const int32_t *mask, const float *g,
                           attention_want *to) {
    size_t t = (size_t)s->t, d = (size_t)s->d, row = (size_t)s->heads * d;
    size_t base = (size_t)n * t * row + (size_t)h * d, head = (size_t)(n * s->heads + h);
    double *p = get(t * 8), *gp = get(t * 8), root = 1.0 / sqrt((double)d);
    for (size_t i = 0; i < t; i++) {
        double most = -INFINITY, sum = 0.0, dot = 0.0;
        for (size_t j = 0; j < t; j++) {
            p[j] = mask[(size_t)n * t + j] ? 0.0 : -10000.0;
            for (size_t c = 0; c < d; c++) {
                p[j] += root * (double)q[base + i * row + c] * (double)k[base + j * row + c];
            }
            most = fmax(most, p[j]);
        }
        for (size_t j = 0; j < t; j++) {
            sum += p[j] = exp(p[j] - most);
        }
        for (size_t j = 0; j < t; j++) {
            p[j] /= sum;
            size_t number = (head * t + i) * t + j;
            int keeps = word_of(s->random, number) >= (uint32_t)((double)s->dropout * 4294967296.0);
            double factor = keeps ? 1.0 / (1.0 - (double)s->dropout) : 0.0;
            gp[j] = 0.0;
            for (size_t c = 0; c < d; c++) {
                double of_y = (double)g[base + i * row + c];
                to->y[base + i * row + c] += factor * p[j] * (double)v[base + j * row + c];
                to->gv[base + j * row + c] += factor * p[j] * of_y;
                gp[j] += factor * of_y * (double)v[base + j * row + c];
            }
            dot += p[j] * gp[j];
        }
        for (size_t j = 0; j < t; j++) {
            double ds = root * p[j] * (gp[j] - dot);
            for (size_t c = 0; c < d; c++) {
                to->gq[base + i * row + c] += ds * (double)k[base + j * row + c];
                to->gk[base + j * row + c] += ds * (double)q[base + i * row + c];
            }
        }
    }
}

static const bnn_soft_attention shapes[] = {
    {2, 5, 3, 7, 0.0f, {0, 0}},   {1, 1, 1, 1, 0.0f, {0, 0}},   {3, 16, 2, 16, 0.0f, {0, 0}},
    {1, 33, 4, 26, 0.2f, {3, 4}}, {2, 12, 12, 8, 0.5f, {5, 6}},
};

static double *zeros(size_t n) {
    double *x = get(n * 8);
    memset(x, 0, n * 8);
    return x;
}

START_TEST(test_attention) {
    const bnn_soft_attention *s = &shapes[_i];
    size_t tokens = (size_t)(s->n * s->t), n = tokens * (size_t)(s->heads * s->d);
    size_t mark = buffer_count;
    float *q = random_floats(n), *k = random_floats(n), *v = random_floats(n);
    float *g = random_floats(n), *base = random_floats(n);
    int32_t *mask = get(tokens * 4);
    for (size_t i = 0; i < tokens; i++) {
        mask[i] = i % 4 != 3;
    }
    attention_want want = {zeros(n), zeros(n), zeros(n), zeros(n)};
    for (int i = 0; i < s->n * s->heads; i++) {
        reference_head(s, i / s->heads, i % s->heads, q, k, v, mask, g, &want);
    }
    for (size_t i = 0; i < n; i++) {
        want.gk[i] += (double)base[i];
    }
    for (const bnn_kernels *table = next_table(NULL); table != NULL; table = next_table(table)) {
        float *first[4] = {NULL, NULL, NULL, NULL};
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            void *ws = get(table->attention_workspace(on(table), s));
            float *made[4] = {get_floats(n), get_floats(n), duplicate(n, base), get_floats(n)};
            table->attention(on(table), s, q, k, v, mask, made[0], ws);
            table->attention_backward(on(table), s, g, q, k, v, mask, made[1], 0, made[2], 1,
                                      made[3], 0, ws);
            assert_close(n, made[0], want.y, 5e-6, "attention");
            assert_close(n, made[1], want.gq, 1e-5, "gradient of q");
            assert_close(n, made[2], want.gk, 1e-5, "gradient of k");
            assert_close(n, made[3], want.gv, 1e-5, "gradient of v");
            for (int i = 0; i < 4; i++) {
                first[i] = first[i] ? first[i] : made[i];
                assert_same(n * 4, made[i], first[i], "attention of several threads");
            }
        }
    }
    release(mark);
}
END_TEST

void add_text_tests(TCase *tcase) {
    tcase_add_test(tcase, test_gelu_tanh);
    tcase_add_loop_test(tcase, test_layer_norm, 0, 5);
    tcase_add_test(tcase, test_dropout);
    tcase_add_loop_test(tcase, test_keep, 0, 4);
    tcase_add_loop_test(tcase, test_table_rows, 0, 4);
    tcase_add_loop_test(tcase, test_table_rows_backward, 0, 2);
    tcase_add_loop_test(tcase, test_attention, 0, sizeof shapes / sizeof *shapes);
}

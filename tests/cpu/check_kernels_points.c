/* The kernels of point clouds and sound (cpu/rows/points.inc) of every table this machine has,
 * against plain loops in double; the same bytes with 1, 2 and 3 threads. Every result lies between
 * values that must stay. No OpenMP before srunner_run_all: Check forks, and the child would hang.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "tests/cpu/kernel_tables.h"

enum { THREADS = 3, EDGE = 16 };

/* ---- results between edges, random values ---- */

typedef struct result {
    float *base, *at;
    size_t n;
} result;

/* `start` (or 0.75) where the result is to be. */
static result take(size_t n, const float *start) {
    result r = {malloc((n + 2 * EDGE) * sizeof(float)), NULL, n};
    ck_assert_ptr_nonnull(r.base);
    r.at = r.base + EDGE;
    for (size_t i = 0; i < n + 2 * EDGE; i++) {
        int inside = i >= EDGE && i < EDGE + n;
        r.base[i] = inside && start ? start[i - EDGE] : 0.75f;
    }
    return r;
}

/* Asserts the edges and, within `tolerance` of the largest value, the result. */
static void give_back(result *r, const double *want, double tolerance, const char *what) {
    double largest = 1e-30;
    for (size_t i = 0; i < EDGE; i++) {
        ck_assert(r->base[i] == 0.75f && r->base[EDGE + r->n + i] == 0.75f);
    }
    for (size_t i = 0; i < r->n; i++) {
        largest = fmax(largest, fabs(want[i]));
    }
    for (size_t i = 0; i < r->n; i++) {
        double got = (double)r->at[i];
        int same = isnan(want[i]) ? isnan(got) : fabs(got - want[i]) <= tolerance * largest;
        if (!same) {
            ck_abort_msg("%s[%zu]: %g, not %g", what, i, got, want[i]);
        }
    }
    free(r->base);
}

/* The result of one thread is that of several. */
static void same_bytes(const result *r, int threads, float **first) {
    if (threads == 1) {
        *first = malloc(r->n * sizeof(float));
        memcpy(*first, r->at, r->n * sizeof(float));
    } else {
        ck_assert_int_eq(memcmp(*first, r->at, r->n * sizeof(float)), 0);
    }
    if (threads == THREADS) {
        free(*first);
    }
}

static uint64_t state = 88172645463325252u;

static uint32_t random32(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static float random_float(void) {
    return (float)random32() / 2147483648.0f - 1.0f;
}

static float *random_floats(size_t n) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_float();
    }
    return x;
}

static double *doubles(size_t n, const float *x) {
    double *d = calloc(n, sizeof *d);
    for (size_t i = 0; x && i < n; i++) {
        d[i] = (double)x[i];
    }
    return d;
}

static const bnn_device *on(const bnn_kernels *k, int threads) {
    static bnn_device device;
    device = (bnn_device){k, threads};
    return &device;
}

#define EACH_TABLE(k)                                                                              \
    for (size_t table = 0; table < KERNEL_TABLES; table++)                                         \
        for (const bnn_kernels *k = kernel_table(table); k != NULL; k = NULL)

/* ---- copies ---- */

static const struct {
    bnn_move m;
    size_t x, y; /* values */
    float factor;
    int acc;
} moves[] = {
    {{{2, 3, 5, 7}, {105, 35, 7, 1}, {210, 70, 14, 1}}, 210, 420, 1.0f, 0}, /* every other row */
    {{{2, 3, 5, 7}, {105, 35, 1, 5}, {105, 35, 7, 1}}, 210, 210, -0.5f, 0}, /* transposed */
    {{{2, 3, 5, 7}, {105, 35, 7, 1}, {105, 35, 1, 5}}, 210, 210, 1.0f, 1},
    {{{3, 1, 40, 9}, {9, 0, 0, 1}, {360, 0, 9, 1}}, 27, 1080, 1.0f, 0},  /* repeated */
    {{{3, 1, 40, 9}, {360, 0, 9, 1}, {9, 0, 0, 1}}, 1080, 27, 2.0f, 1},  /* added up */
    {{{50, 1, 40, 9}, {360, 0, 9, 1}, {0, 0, 0, 1}}, 18000, 9, 1.0f, 1}, /* all in one place */
    {{{600, 1, 10, 9}, {90, 0, 9, 1}, {0, 0, 0, 1}}, 54000, 9, 1.0f, 1}, /* large */
    {{{6, 4, 50, 60}, {12000, 3000, 60, 1}, {12000, 3000, 1, 50}}, 72000, 72000, 1.0f, 0},
    {{{1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}}, 1, 1, 0.25f, 1},
};

static void reference_move(const bnn_move *m, float factor, const float *x, double *y, int acc) {
    for (size_t i = 0; i < m->size[0] * m->size[1] * m->size[2] * m->size[3]; i++) {
        size_t rest = i, from = 0, to = 0;
        for (int d = 3; d >= 0; d--) {
            from += rest % m->size[d] * m->from[d];
            to += rest % m->size[d] * m->to[d];
            rest /= m->size[d];
        }
        y[to] = (acc ? y[to] : 0.0) + (double)factor * (double)x[from];
    }
}

START_TEST(test_move) {
    const bnn_move *m = &moves[_i].m;
    float *x = random_floats(moves[_i].x), *start = random_floats(moves[_i].y), *first = NULL;
    double *want = doubles(moves[_i].y, start);
    reference_move(m, moves[_i].factor, x, want, moves[_i].acc);
    EACH_TABLE(k) {
        for (int threads = 1; threads <= THREADS; threads++) {
            result y = take(moves[_i].y, start);
            k->move(on(k, threads), m, moves[_i].factor, x, y.at, moves[_i].acc);
            same_bytes(&y, threads, &first);
            give_back(&y, want, 1e-5, "move");
        }
    }
    free(x), free(start), free(want);
}
END_TEST

START_TEST(test_diagonal) {
    enum { ROWS = 17, C = 5, FIRST = 3 };
    float *x = random_floats(ROWS * C);
    double *want = doubles(ROWS * C, x);
    for (size_t r = 0; r < ROWS; r++) {
        want[r * C + (FIRST + r) % C] += -1.5;
    }
    EACH_TABLE(k) {
        result y = take(ROWS * C, NULL), in_place = take(ROWS * C, x);
        k->add_diagonal(FIRST, ROWS, C, -1.5f, x, y.at);
        k->add_diagonal(FIRST, ROWS, C, -1.5f, in_place.at, in_place.at);
        give_back(&y, want, 1e-6, "add_diagonal");
        give_back(&in_place, want, 1e-6, "add_diagonal in place");
    }
    free(x), free(want);
}
END_TEST

/* ---- the maximum over all rows ---- */

static void reference_max(size_t n, size_t rows, size_t c, float shift, const float *x, double *y,
                          int32_t *index) {
    for (size_t i = 0; i < n * c; i++) {
        const float *from = x + i / c * rows * c + i % c;
        index[i] = 0;
        for (size_t r = 1; r < rows && !isnan(from[(size_t)index[i] * c]); r++) {
            int wins = from[r * c] > from[(size_t)index[i] * c] || isnan(from[r * c]);
            index[i] = wins ? (int32_t)r : index[i];
        }
        y[i] = (double)from[(size_t)index[i] * c] + (double)shift;
    }
}

START_TEST(test_global_max_pool) {
    static const size_t shapes[][3] = {{1, 1, 1}, {2, 7, 5}, {3, 20, 64}, {2, 300, 131}};
    size_t n = shapes[_i][0], rows = shapes[_i][1], c = shapes[_i][2];
    float *x = random_floats(n * rows * c), *g = random_floats(n * c), *first = NULL;
    float *start = random_floats(n * rows * c);
    for (size_t i = 0; i < n * rows * c; i++) {
        x[i] = floorf(4.0f * x[i]); /* many are equal */
    }
    x[n * rows * c - 1] = NAN;
    double *y = doubles(n * c, NULL), *gx = doubles(n * rows * c, start);
    int32_t *index = malloc(n * c * 4), *got = malloc(n * c * 4);
    reference_max(n, rows, c, -3.25f, x, y, index);
    for (size_t i = 0; i < n * c; i++) {
        gx[(i / c * rows + (size_t)index[i]) * c + i % c] += (double)g[i];
    }
    EACH_TABLE(k) {
        for (int threads = 1; threads <= THREADS; threads++) {
            result out = take(n * c, NULL), plain = take(n * c, NULL);
            result grad = take(n * rows * c, start), fresh = take(n * rows * c, start);
            k->global_max_pool(on(k, threads), n, rows, c, -3.25f, x, out.at, got);
            k->global_max_pool(on(k, threads), n, rows, c, -3.25f, x, plain.at, NULL);
            ck_assert_int_eq(memcmp(got, index, n * c * 4), 0);
            k->global_max_pool_backward(on(k, threads), n, rows, c, g, got, grad.at, 1);
            k->global_max_pool_backward(on(k, threads), n, rows, c, g, got, fresh.at, 0);
            for (size_t i = 0; i < n * rows * c; i++) {
                fresh.at[i] += start[i];
            }
            same_bytes(&grad, threads, &first);
            give_back(&out, y, 1e-7, "global_max_pool");
            give_back(&plain, y, 1e-7, "global_max_pool without index");
            give_back(&grad, gx, 1e-7, "global_max_pool_backward");
            give_back(&fresh, gx, 1e-7, "global_max_pool_backward, replacing");
        }
    }
    free(x), free(g), free(start), free(y), free(gx), free(index), free(got);
}
END_TEST

/* ---- a learned slope ---- */

/* Rows in two blocks of one piece and a third of another. */
static void check_slopes(const bnn_kernels *k, size_t rows, size_t c, size_t slopes, const float *g,
                         const float *x, const double *want) {
    size_t bytes = k->sums_bytes(c), cut[] = {0, rows / 3, rows / 2, rows};
    char *sums = malloc(2 * bytes);
    static const int piece[] = {0, 0, 1}, reset[] = {1, 0, 1};
    for (int i = 0; i < 3; i++) {
        k->prelu_sums(cut[i + 1] - cut[i], c, g + cut[i] * c, x + cut[i] * c, reset[i],
                      sums + (size_t)piece[i] * bytes);
    }
    result fresh = take(slopes, NULL), more = take(slopes, NULL);
    double *twice = malloc(slopes * sizeof *twice);
    for (size_t j = 0; j < slopes; j++) {
        twice[j] = want[j] + 0.75;
    }
    k->prelu_finish(c, 2, sums, slopes, fresh.at, 0);
    k->prelu_finish(c, 2, sums, slopes, more.at, 1);
    give_back(&fresh, want, 1e-5, "slope's gradient");
    give_back(&more, twice, 1e-5, "slope's gradient, added");
    free(sums), free(twice);
}

START_TEST(test_prelu) {
    static const size_t shapes[][3] = {
        {1, 1, 1}, {11, 7, 1}, {11, 7, 7}, {300, 70, 1}, {300, 70, 70}};
    size_t rows = shapes[_i][0], c = shapes[_i][1], slopes = shapes[_i][2], n = rows * c;
    float *x = random_floats(n), *g = random_floats(n), *a = random_floats(slopes);
    float *start = random_floats(n);
    double *y = doubles(n, x), *gx = doubles(n, NULL), *more = doubles(n, start);
    double *ga = doubles(slopes, NULL);
    x[0] = rows > 1 ? 0.0f : -0.5f;
    for (size_t i = 0; i < n; i++) {
        size_t j = slopes == 1 ? 0 : i % c;
        double slope = x[i] > 0.0f ? 1.0 : (double)a[j];
        y[i] = slope * (double)x[i];
        gx[i] = slope * (double)g[i];
        more[i] += gx[i];
        ga[j] += x[i] > 0.0f ? 0.0 : (double)g[i] * (double)x[i];
    }
    EACH_TABLE(k) {
        result out = take(n, NULL), grad = take(n, NULL), sum = take(n, start), over = take(n, g);
        k->prelu(rows, c, x, a, slopes, out.at);
        k->prelu_backward(rows, c, g, x, a, slopes, grad.at, 0);
        k->prelu_backward(rows, c, g, x, a, slopes, sum.at, 1);
        k->prelu_backward(rows, c, over.at, x, a, slopes, over.at, 0);
        give_back(&out, y, 1e-6, "prelu");
        give_back(&grad, gx, 1e-6, "prelu_backward");
        give_back(&sum, more, 1e-6, "prelu_backward, added");
        give_back(&over, gx, 1e-6, "prelu_backward in place");
        check_slopes(k, rows, c, slopes, g, x, ga);
    }
    free(x), free(g), free(a), free(start), free(y), free(gx), free(more), free(ga);
}
END_TEST

/* ---- norms ---- */

START_TEST(test_norm_mean) {
    static const size_t shapes[][2] = {{1, 1}, {3, 9}, {4, 16384}};
    size_t n = shapes[_i][0], len = shapes[_i][1];
    float *x = random_floats(n * len), *start = random_floats(n * len), gmean = -0.6f,
          *first = NULL;
    for (size_t i = 0; n > 1 && i < len; i++) {
        x[len + i] = 0.0f; /* no gradient, and nothing that is not finite */
    }
    double *norm = doubles(n, NULL), mean = 0.0, *gx = doubles(n * len, start);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < len; j++) {
            norm[i] += (double)x[i * len + j] * (double)x[i * len + j];
        }
        norm[i] = sqrt(norm[i]);
        mean += norm[i] / (double)n;
        for (size_t j = 0; norm[i] > 0.0 && j < len; j++) {
            gx[i * len + j] += (double)gmean / (double)n * (double)x[i * len + j] / norm[i];
        }
    }
    EACH_TABLE(k) {
        for (int threads = 1; threads <= THREADS; threads++) {
            result norms = take(n, NULL), got = take(1, NULL), grad = take(n * len, start);
            result fresh = take(n * len, start);
            k->norm_mean(on(k, threads), n, len, x, norms.at, got.at);
            k->norm_mean_backward(on(k, threads), n, len, &gmean, x, norms.at, grad.at, 1);
            k->norm_mean_backward(on(k, threads), n, len, &gmean, x, norms.at, fresh.at, 0);
            for (size_t i = 0; i < n * len; i++) {
                fresh.at[i] += start[i];
            }
            same_bytes(&grad, threads, &first);
            give_back(&norms, norm, 1e-6, "norms");
            give_back(&got, &mean, 1e-6, "norm_mean");
            give_back(&grad, gx, 1e-6, "norm_mean_backward");
            give_back(&fresh, gx, 1e-6, "norm_mean_backward, replacing");
        }
    }
    free(x), free(start), free(norm), free(gx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels of points");
    TCase *tcase = tcase_create("kernels of points");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_move, 0, sizeof moves / sizeof *moves);
    tcase_add_test(tcase, test_diagonal);
    tcase_add_loop_test(tcase, test_global_max_pool, 0, 4);
    tcase_add_loop_test(tcase, test_prelu, 0, 5);
    tcase_add_loop_test(tcase, test_norm_mean, 0, 3);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

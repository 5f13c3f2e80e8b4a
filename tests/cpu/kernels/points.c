/* The kernels of point clouds and sound (cpu/rows/points.inc) against plain loops; the same bytes
 * with 1, 2 and 3 threads. */
#include "tests/cpu/kernels/harness.h"

/* Zeros, or what `x` holds. */
static double *doubles(size_t n, const float *x) {
    double *d = get(n * sizeof *d);
    for (size_t i = 0; i < n; i++) {
        d[i] = x ? (double)x[i] : 0.0;
    }
    return d;
}

/* The result of one thread is that of several. */
static void same_bytes(size_t n, const float *got, float **first) {
    if (threads_now == 1) {
        *first = duplicate(n, got);
    }
    assert_same(n * sizeof(float), got, *first, "the result of several threads");
}

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
    size_t mark = buffer_count;
    const bnn_move *m = &moves[_i].m;
    float *x = random_floats(moves[_i].x), *start = random_floats(moves[_i].y), *first = NULL;
    double *want = doubles(moves[_i].y, start);
    reference_move(m, moves[_i].factor, x, want, moves[_i].acc);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            float *y = duplicate(moves[_i].y, start);
            k->move(on(k), m, moves[_i].factor, x, y, moves[_i].acc);
            same_bytes(moves[_i].y, y, &first);
            assert_close(moves[_i].y, y, want, 1e-5, "move");
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_diagonal) {
    size_t mark = buffer_count;
    enum { ROWS = 17, C = 5, FIRST = 3 };
    float *x = random_floats(ROWS * C);
    double *want = doubles(ROWS * C, x);
    for (size_t r = 0; r < ROWS; r++) {
        want[r * C + (FIRST + r) % C] += -1.5;
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *y = get_floats(ROWS * C), *in_place = duplicate(ROWS * C, x);
        k->add_diagonal(on(k), FIRST, ROWS, C, -1.5f, x, y);
        k->add_diagonal(on(k), FIRST, ROWS, C, -1.5f, in_place, in_place);
        assert_close(ROWS * C, y, want, 1e-6, "add_diagonal");
        assert_close(ROWS * C, in_place, want, 1e-6, "add_diagonal in place");
    }
    release(mark);
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
    size_t mark = buffer_count;
    static const size_t shapes[][3] = {{1, 1, 1}, {2, 7, 5}, {3, 20, 64}, {2, 300, 131}};
    size_t n = shapes[_i][0], rows = shapes[_i][1], c = shapes[_i][2];
    float *x = random_floats(n * rows * c), *g = random_floats(n * c), *first = NULL;
    float *start = random_floats(n * rows * c);
    for (size_t i = 0; i < n * rows * c; i++) {
        x[i] = floorf(4.0f * x[i]); /* many are equal */
    }
    x[n * rows * c - 1] = NAN;
    double *y = doubles(n * c, NULL), *gx = doubles(n * rows * c, start);
    int32_t *index = get(n * c * 4), *got = get(n * c * 4);
    reference_max(n, rows, c, -3.25f, x, y, index);
    for (size_t i = 0; i < n * c; i++) {
        gx[(i / c * rows + (size_t)index[i]) * c + i % c] += (double)g[i];
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            float *out = get_floats(n * c), *plain = get_floats(n * c);
            float *grad = duplicate(n * rows * c, start), *fresh = duplicate(n * rows * c, start);
            k->global_max_pool(on(k), n, rows, c, -3.25f, x, out, got);
            k->global_max_pool(on(k), n, rows, c, -3.25f, x, plain, NULL);
            ck_assert_int_eq(memcmp(got, index, n * c * 4), 0);
            k->global_max_pool_backward(on(k), n, rows, c, g, got, grad, 1);
            k->global_max_pool_backward(on(k), n, rows, c, g, got, fresh, 0);
            for (size_t i = 0; i < n * rows * c; i++) {
                fresh[i] += start[i];
            }
            same_bytes(n * rows * c, grad, &first);
            assert_close(n * c, out, y, 1e-7, "global_max_pool");
            assert_close(n * c, plain, y, 1e-7, "global_max_pool without index");
            assert_close(n * rows * c, grad, gx, 1e-7, "global_max_pool_backward");
            assert_close(n * rows * c, fresh, gx, 1e-7, "global_max_pool_backward, replacing");
        }
    }
    release(mark);
}
END_TEST

/* ---- a learned slope ---- */

/* Rows in two blocks of one piece and a third of another. */
static void check_slopes(const bnn_kernels *k, size_t rows, size_t c, size_t slopes, const float *g,
                         const float *x, const double *want) {
    size_t bytes = k->sums_bytes(on(k), c), cut[] = {0, rows / 3, rows / 2, rows};
    char *sums = get(2 * bytes);
    static const int piece[] = {0, 0, 1}, reset[] = {1, 0, 1};
    for (int i = 0; i < 3; i++) {
        k->prelu_sums(on(k), cut[i + 1] - cut[i], c, g + cut[i] * c, x + cut[i] * c, reset[i],
                      sums + (size_t)piece[i] * bytes);
    }
    float *fresh = get_floats(slopes), *more = duplicate(slopes, x);
    double *twice = get(slopes * sizeof *twice);
    for (size_t j = 0; j < slopes; j++) {
        twice[j] = want[j] + (double)x[j];
    }
    k->prelu_finish(on(k), c, 2, sums, slopes, fresh, 0);
    k->prelu_finish(on(k), c, 2, sums, slopes, more, 1);
    assert_close(slopes, fresh, want, 1e-5, "slope's gradient");
    assert_close(slopes, more, twice, 1e-5, "slope's gradient, added");
}

START_TEST(test_prelu) {
    size_t mark = buffer_count;
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
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *out = get_floats(n), *grad = get_floats(n), *sum = duplicate(n, start),
              *over = duplicate(n, g);
        k->prelu(on(k), rows, c, x, a, slopes, out);
        k->prelu_backward(on(k), rows, c, g, x, a, slopes, grad, 0);
        k->prelu_backward(on(k), rows, c, g, x, a, slopes, sum, 1);
        k->prelu_backward(on(k), rows, c, over, x, a, slopes, over, 0);
        assert_close(n, out, y, 1e-6, "prelu");
        assert_close(n, grad, gx, 1e-6, "prelu_backward");
        assert_close(n, sum, more, 1e-6, "prelu_backward, added");
        assert_close(n, over, gx, 1e-6, "prelu_backward in place");
        check_slopes(k, rows, c, slopes, g, x, ga);
    }
    release(mark);
}
END_TEST

/* ---- norms ---- */

START_TEST(test_norm_mean) {
    size_t mark = buffer_count;
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
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            float *norms = get_floats(n), *got = get_floats(1), *grad = duplicate(n * len, start);
            float *fresh = duplicate(n * len, start);
            k->norm_mean(on(k), n, len, x, norms, got);
            k->norm_mean_backward(on(k), n, len, boxed(gmean), x, norms, grad, 1);
            k->norm_mean_backward(on(k), n, len, boxed(gmean), x, norms, fresh, 0);
            for (size_t i = 0; i < n * len; i++) {
                fresh[i] += start[i];
            }
            same_bytes(n * len, grad, &first);
            assert_close(n, norms, norm, 1e-6, "norms");
            assert_close(1, got, &mean, 1e-6, "norm_mean");
            assert_close(n * len, grad, gx, 1e-6, "norm_mean_backward");
            assert_close(n * len, fresh, gx, 1e-6, "norm_mean_backward, replacing");
        }
    }
    release(mark);
}
END_TEST

void add_point_tests(TCase *tcase) {
    tcase_add_loop_test(tcase, test_move, 0, sizeof moves / sizeof *moves);
    tcase_add_test(tcase, test_diagonal);
    tcase_add_loop_test(tcase, test_global_max_pool, 0, 4);
    tcase_add_loop_test(tcase, test_prelu, 0, 5);
    tcase_add_loop_test(tcase, test_norm_mean, 0, 3);
}

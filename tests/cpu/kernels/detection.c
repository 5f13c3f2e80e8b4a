/* The kernels of detectors against plain code, or against what must be true of them; the same bytes
 * with 1, 2 and 3 threads. */
#include "tests/cpu/kernels/harness.h"

#define EACH_TABLE for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k))

static void *get_zeros(size_t bytes) {
    void *memory = get(bytes);
    memset(memory, 0, bytes);
    return memory;
}

/* ---- row by row ---- */

START_TEST(test_l2_norm) {
    enum { ROWS = 50, C = 37 };
    size_t mark = buffer_count;
    float *x = random_floats(ROWS * C), *w = random_floats(C), *g = random_floats(ROWS * C);
    double *y = get(8 * ROWS * C), *gx = get(8 * ROWS * C), gw[C] = {0};
    memset(x, 0, C * sizeof *x); /* a length of 0 has no direction */
    for (size_t r = 0; r < ROWS; r++) {
        double norm = 0.0, dot = 0.0;
        for (size_t j = r * C; j < (r + 1) * C; j++) {
            norm += (double)x[j] * (double)x[j];
            dot += (double)w[j % C] * (double)g[j] * (double)x[j];
        }
        norm = sqrt(norm);
        double over = 1.0 / (norm + 1e-3);
        for (size_t j = r * C; j < (r + 1) * C; j++) {
            y[j] = (double)x[j] * over * (double)w[j % C];
            gx[j] = (double)w[j % C] * (double)g[j] * over;
            gx[j] -= norm > 0.0 ? (double)x[j] * dot * over * over / norm : 0.0;
            gw[j % C] += (double)g[j] * (double)x[j] * over;
        }
    }
    EACH_TABLE {
        for (size_t cut = 0; cut < CUTS; cut++) {
            size_t bytes = k->sums_bytes(on(k), C);
            char *sums = get(32 * bytes);
            float *got = get_floats(ROWS * C), *back = get_floats(ROWS * C);
            float *sum = get_floats(C);
            walk b = blocks(ROWS, cuts[cut][0], cuts[cut][1]);
            size_t pieces = b.pieces;
            while (next(&b)) {
                size_t at = b.first * C;
                k->l2_norm(on(k), b.n, C, x + at, w, 1e-3f, got + at);
                k->l2_norm_backward(on(k), b.n, C, g + at, x + at, w, 1e-3f, b.reset,
                                    sums + b.piece * bytes, back + at, 0);
            }
            k->channel_sums_finish(on(k), C, pieces, sums, NULL, sum, 0);
            assert_close(ROWS * C, got, y, 1e-6, "l2_norm");
            assert_close(ROWS * C, back, gx, 1e-6, "l2_norm_backward");
            assert_close(C, sum, gw, 1e-5, "gradient of the weight");
            float *twice = duplicate(ROWS * C, back);
            k->l2_norm_backward(on(k), ROWS, C, g, x, w, 1e-3f, 1, NULL, twice, 1);
            for (size_t i = 0; i < ROWS * C; i++) {
                REQUIRE(twice[i] == back[i] + back[i]);
            }
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_softmax) {
    enum { ROWS = 12, C = 21, SAMPLES = 3, N = ROWS * C };
    size_t mark = buffer_count;
    float *x = random_floats(N), *mask = random_floats(SAMPLES * C), *g = random_floats(N);
    double y[N], gx[N];
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0.0, dot = 0.0;
        for (size_t j = 0; j < C; j++) {
            sum += y[r * C + j] =
                exp((double)x[r * C + j] + (double)mask[r / (ROWS / SAMPLES) * C + j]);
        }
        for (size_t j = r * C; j < (r + 1) * C; j++) {
            y[j] /= sum;
            dot += y[j] * (double)g[j];
        }
        for (size_t j = r * C; j < (r + 1) * C; j++) {
            gx[j] = y[j] * ((double)g[j] - dot);
        }
    }
    EACH_TABLE {
        float *got = get_floats(N), *back = get_floats(N);
        for (size_t first = 0; first < ROWS; first += 5) {
            size_t n = ROWS - first < 5 ? ROWS - first : 5, at = first * C;
            k->softmax(on(k), first, n, C, x + at, ROWS / SAMPLES, mask, got + at);
            k->softmax_backward(on(k), n, C, g + at, got + at, back + at, 0);
        }
        assert_close(N, got, y, 1e-6, "softmax");
        assert_close(N, back, gx, 1e-6, "softmax_backward");
        k->softmax_backward(on(k), ROWS, C, g, got, back, 1);
        for (size_t i = 0; i < N; i++) {
            REQUIRE(fabs((double)back[i] - 2.0 * gx[i]) <= 1e-6);
        }
    }
    release(mark);
}
END_TEST

/* ---- regions ---- */

/* The value at a point of channel c. */
static double point_of(const bnn_roi_align *s, const float *x, double y, double h, int c) {
    if (y < -1.0 || y > s->h || h < -1.0 || h > s->w) {
        return 0.0;
    }
    y = fmin(fmax(y, 0.0), s->h - 1.0);
    h = fmin(fmax(h, 0.0), s->w - 1.0);
    double sum = 0.0;
    for (int i = 0; i < s->h; i++) {
        for (int j = 0; j < s->w; j++) {
            double share = fmax(0.0, 1.0 - fabs(y - i)) * fmax(0.0, 1.0 - fabs(h - j));
            sum += share * (double)x[(i * s->w + j) * s->c + c];
        }
    }
    return sum;
}

static void align_plainly(const bnn_roi_align *s, const float *x, const float *roi, double *y) {
    double start_y = (double)roi[2] * (double)s->scale - 0.5, size = s->size;
    double start_x = (double)roi[1] * (double)s->scale - 0.5;
    double h = (double)(roi[4] - roi[2]) * (double)s->scale;
    double w = (double)(roi[3] - roi[1]) * (double)s->scale;
    int rows = roi[0] < 0.0f ? 0 : (int)ceil(h / size), columns = (int)ceil(w / size);
    for (int i = 0; i < s->size * s->size * s->c; i++) {
        int c = i % s->c, column = i / s->c % s->size, row = i / s->c / s->size;
        double sum = 0.0;
        for (int k = 0; rows > 0 && columns > 0 && k < rows * columns; k++) {
            double at_y = start_y + h / size * (row + (k / columns + 0.5) / rows);
            double at_x = start_x + w / size * (column + (k % columns + 0.5) / columns);
            sum += point_of(s, x + (int)roi[0] * s->h * s->w * s->c, at_y, at_x, c);
        }
        y[i] = rows > 0 && columns > 0 ? sum / (rows * columns) : 0.0;
    }
}

START_TEST(test_roi_align) {
    static const float rois[][5] = {
        {0, 0, 0, 24, 20}, {1, 3, 2, 17, 9}, {1, -9, -5, 30, 40}, {0, 100, 100, 120, 110},
        {0, 8, 8, 8, 8},   {-1, 1, 1, 9, 9}, {1, NAN, 0, 4, 4},   {0, 0, 0, 1e30f, 4}};
    enum { ROIS = sizeof rois / sizeof *rois, KNOWN = ROIS - 2, SIZE = 3, C = 37 };
    const bnn_roi_align s = {2, 5, 6, C, SIZE, 0.25f, ROIS};
    size_t mark = buffer_count, values = SIZE * SIZE * C, map = 2 * 5 * 6 * C;
    const float *at = copied(sizeof rois, rois);
    float *x = random_floats(map), *g = random_floats(ROIS * values), *first = NULL, *back = NULL;
    double *want = get(KNOWN * values * 8);
    for (size_t i = 0; i < KNOWN; i++) {
        align_plainly(&s, x, rois[i], want + i * values);
    }
    EACH_TABLE {
        for (threads_now = 1; threads_now <= THREADS; threads_now++) {
            float *y = get_floats(ROIS * values), *gx = get_floats(map), *sum = duplicate(map, x);
            k->roi_align(on(k), &s, x, at, y);
            k->roi_align_backward(on(k), &s, g, at, gx, 0);
            k->roi_align_backward(on(k), &s, g, at, sum, 1);
            assert_close(KNOWN * values, y, want, 1e-6, "roi_align");
            double there = 0.0, here = 0.0, size = 0.0; /* g y' = gx x' */
            for (size_t i = 0; i < ROIS * values; i++) {
                REQUIRE(isfinite(y[i]));
                there += (double)g[i] * (double)y[i];
            }
            for (size_t i = 0; i < map; i++) {
                here += (double)gx[i] * (double)x[i];
                size += fabs((double)gx[i] * (double)x[i]);
                REQUIRE(fabsf(sum[i] - x[i] - gx[i]) <= 1e-4f);
            }
            REQUIRE(fabs(here - there) <= 1e-5 * size);
            first = threads_now == 1 ? y : first;
            back = threads_now == 1 ? gx : back;
            assert_same(ROIS * values * sizeof *y, y, first, "roi_align with more threads");
            assert_same(map * sizeof *gx, gx, back, "roi_align_backward with more threads");
        }
    }
    release(mark);
}
END_TEST

/* ---- losses of what counts ---- */

enum { ROWS = 9, BACKGROUND = 3 };
static const int32_t labels[ROWS] = {0, 3, -1, 2, 1, -1, 3, 0, 2};

START_TEST(test_smooth_l1) {
    const int by_class = _i % 2;
    const float beta = _i < 2 ? 0.5f : 0.0f, divisor = 7.0f, gloss = -0.6f;
    size_t mark = buffer_count, values = 4 * ROWS * (by_class ? BACKGROUND : 1);
    float *x = random_floats(values), *target = random_floats(4 * ROWS), *over = boxed(divisor);
    const int32_t *label = copied(sizeof labels, labels);
    double loss = 0.0, *gx = get_zeros(8 * values);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t j = 0; labels[r] >= 0 && labels[r] < BACKGROUND && j < 4; j++) {
            size_t at = 4 * (by_class ? BACKGROUND * r + (size_t)labels[r] : r) + j;
            double d = (double)x[at] - (double)target[4 * r + j], b = (double)beta;
            loss += (fabs(d) < b ? d * d / 2.0 / b : fabs(d) - b / 2.0) / (double)divisor;
            gx[at] = (fabs(d) < b ? d / b : d > 0.0 ? 1.0 : -1.0) * (double)gloss / (double)divisor;
        }
    }
    EACH_TABLE {
        float *got = get_floats(1), *back = get_floats(values), *sum = get_zeros(4 * values);
        k->smooth_l1(on(k), ROWS, BACKGROUND, by_class, beta, x, target, label, over, got);
        k->smooth_l1_backward(on(k), ROWS, BACKGROUND, by_class, beta, x, target, label, over,
                              boxed(gloss), back, 0);
        k->smooth_l1_backward(on(k), ROWS, BACKGROUND, by_class, beta, x, target, label, over,
                              boxed(gloss), sum, 1);
        assert_close(1, got, &loss, 1e-6, "smooth_l1");
        assert_close(values, back, gx, 1e-6, "smooth_l1_backward");
        assert_same(4 * values, back, sum, "smooth_l1_backward, added to nothing,");
    }
    release(mark);
}
END_TEST

START_TEST(test_objectness) {
    static const float x[ROWS] = {3.0f, -2.0f, NAN, 200.0f, -200.0f, NAN, 0.0f, -1.5f, 0.25f};
    const float divisor = 5.0f, gloss = 0.8f;
    size_t mark = buffer_count;
    const float *at = copied(sizeof x, x), *over = boxed(divisor), *up = boxed(gloss);
    const int32_t *label = copied(sizeof labels, labels);
    double loss = 0.0, gx[ROWS] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        if (labels[i] >= 0) {
            double v = (double)x[i], there = labels[i] == 0;
            loss += (log1p(exp(-fabs(v))) + fmax(v, 0.0) - v * there) / (double)divisor;
            gx[i] = (double)gloss * (1.0 / (1.0 + exp(-v)) - there) / (double)divisor;
        }
    }
    EACH_TABLE {
        float *got = get_floats(1), *back = get_floats(ROWS);
        k->objectness(on(k), ROWS, at, label, over, got);
        k->objectness_backward(on(k), ROWS, at, label, over, up, back, 0);
        assert_close(1, got, &loss, 1e-6, "objectness");
        assert_close(ROWS, back, gx, 1e-6, "objectness_backward");
        k->objectness_backward(on(k), ROWS, at, label, over, up, back, 1);
        REQUIRE(fabs((double)back[0] - 2.0 * gx[0]) <= 1e-6 && back[2] == 0.0f);
        k->objectness(on(k), 1, at + 2, label, over, got); /* which counts here */
        REQUIRE(isnan(*got));
    }
    release(mark);
}
END_TEST

START_TEST(test_cross_entropy_over) {
    enum { CLASSES = BACKGROUND + 1, N = ROWS * CLASSES };
    size_t mark = buffer_count;
    const float divisor = 4.0f, gloss = 1.3f;
    float *x = random_floats(N), *over = boxed(divisor), *up = boxed(gloss);
    const int32_t *label = copied(sizeof labels, labels);
    double loss = 0.0, gx[N] = {0};
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0.0;
        for (size_t j = r * CLASSES; j < (r + 1) * CLASSES; j++) {
            sum += exp((double)x[j]);
        }
        for (size_t j = 0; labels[r] >= 0 && j < CLASSES; j++) {
            double p = exp((double)x[r * CLASSES + j]) / sum, own = (size_t)labels[r] == j;
            loss -= own > 0.0 ? log(p) / (double)divisor : 0.0;
            gx[r * CLASSES + j] = (double)gloss * (p - own) / (double)divisor;
        }
        x[2 * CLASSES] = NAN; /* of a row that does not count */
    }
    EACH_TABLE {
        float *got = get_floats(1), *p = get_floats(N), *back = get_floats(N);
        k->cross_entropy(on(k), ROWS, CLASSES, x, label, over, p, got);
        k->cross_entropy_backward(on(k), ROWS, CLASSES, p, label, over, up, back, 0);
        assert_close(1, got, &loss, 1e-6, "cross_entropy");
        assert_close(N, back, gx, 1e-6, "cross_entropy_backward");
    }
    release(mark);
}
END_TEST

void add_detection_tests(TCase *tcase) {
    tcase_add_test(tcase, test_l2_norm);
    tcase_add_test(tcase, test_softmax);
    tcase_add_test(tcase, test_roi_align);
    tcase_add_loop_test(tcase, test_smooth_l1, 0, 4);
    tcase_add_test(tcase, test_objectness);
    tcase_add_test(tcase, test_cross_entropy_over);
}

/* Losses against a teacher against their equations; the same bytes with 1, 2 and 3 threads. */
#include "tests/cpu/kernels/harness.h"

static void softmax_plainly(size_t classes, const float *x, double *p) {
    double sum = 0.0;
    for (size_t i = 0; i < classes; i++) {
        sum += p[i] = exp((double)x[i] - (double)x[0]);
    }
    for (size_t i = 0; i < classes; i++) {
        p[i] /= sum;
    }
}

START_TEST(test_soft_cross_entropy) {
    size_t mark = buffer_count;
    enum { ROWS = 7, CLASSES = 5, COUNT = ROWS * CLASSES };
    float *student = random_floats(COUNT), *teacher = random_floats(COUNT), gloss = -0.7f;
    float *start = random_floats(COUNT);
    double p[CLASSES], t[CLASSES], loss = 0.0, difference[COUNT], gx[COUNT];
    for (size_t i = 0; i < CLASSES; i++) {
        student[i] += 300.0f, teacher[i] += 300.0f; /* beyond exponentials of floats */
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (i % CLASSES == 0) {
            softmax_plainly(CLASSES, student + i, p);
            softmax_plainly(CLASSES, teacher + i, t);
        }
        loss -= t[i % CLASSES] * log(p[i % CLASSES]) / COUNT;
        difference[i] = p[i % CLASSES] - t[i % CLASSES];
        gx[i] = (double)start[i] + (double)gloss * difference[i] / COUNT;
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *kept = get_floats(COUNT), *got = get_floats(1), *grad = duplicate(COUNT, start);
        float *fresh = get_floats(COUNT);
        k->soft_cross_entropy(on(k), ROWS, CLASSES, student, teacher, kept, got);
        k->soft_cross_entropy_backward(on(k), COUNT, kept, boxed(gloss), grad, 1);
        k->soft_cross_entropy_backward(on(k), COUNT, kept, boxed(gloss), fresh, 0);
        for (size_t i = 0; i < COUNT; i++) {
            fresh[i] += start[i];
        }
        assert_close(1, got, &loss, 1e-6, "soft_cross_entropy");
        assert_close(COUNT, kept, difference, 1e-6, "difference");
        assert_close(COUNT, grad, gx, 1e-6, "soft_cross_entropy_backward");
        assert_close(COUNT, fresh, gx, 1e-6, "soft_cross_entropy_backward, replacing");
        float *damaged = duplicate(COUNT, student);
        damaged[3] = NAN;
        k->soft_cross_entropy(on(k), ROWS, CLASSES, damaged, teacher, kept, got);
        REQUIRE(isnan(*got));
    }
    release(mark);
}
END_TEST

/* ---- directions ---- */

enum { FLOORED = 1, NO_STUDENT = 2, NO_TEACHER = 4, EQUAL = 8 };

static double norm_of(size_t n, const double *x) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

static double *floored(size_t n, const float *x, float floor) {
    double *y = get(n * sizeof *y);
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] <= floor ? 0.0 : (double)x[i];
    }
    double norm = norm_of(n, y);
    for (size_t i = 0; i < n; i++) {
        y[i] = norm > 0.0 ? y[i] / norm : 0.0;
    }
    return y;
}

static void check_direction(size_t n, int flags) {
    float floor = flags & FLOORED ? -0.4f : -INFINITY, gloss = 1.3f, *first = NULL;
    float *s = random_floats(n), *t = random_floats(n), *start = random_floats(n);
    for (size_t i = 0; i < n; i++) {
        s[i] = flags & NO_STUDENT ? 0.0f : s[i];
        t[i] = flags & NO_TEACHER ? 0.0f : flags & EQUAL ? s[i] : t[i];
    }
    double *u = floored(n, s, floor), *w = floored(n, t, floor), *gap = get(n * sizeof *gap);
    double *gx = get(n * sizeof *gx), along = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        gap[i] = u[i] - w[i];
        along += u[i] * gap[i];
        squares += s[i] <= floor ? 0.0 : (double)s[i] * (double)s[i];
    }
    double loss = norm_of(n, gap), factor = (double)gloss / (loss * sqrt(squares));
    for (size_t i = 0; i < n; i++) {
        int none = s[i] <= floor || !(loss > 0.0 && squares > 0.0);
        gx[i] = (double)start[i] + (none ? 0.0 : factor * (gap[i] - along * u[i]));
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int threads = 1; threads <= THREADS; threads++) {
            threads_now = threads;
            double *kept = get(3 * sizeof *kept);
            float *got = get_floats(1), *grad = duplicate(n, start), *fresh = get_floats(n);
            k->direction_matching(on(k), n, floor, s, t, kept, got,
                                  get(k->direction_bytes(on(k), n)));
            k->direction_matching_backward(on(k), n, floor, boxed(gloss), s, t, kept, grad, 1);
            k->direction_matching_backward(on(k), n, floor, boxed(gloss), s, t, kept, fresh, 0);
            first = threads == 1 ? grad : first;
            assert_same(n * sizeof(float), grad, first, "with more threads");
            for (size_t i = 0; i < n; i++) {
                fresh[i] += start[i];
            }
            assert_close(1, got, &loss, 1e-5, "direction_matching");
            assert_close(n, grad, gx, 1e-5, "direction_matching_backward");
            assert_close(n, fresh, gx, 1e-5, "direction_matching_backward, replacing");
        }
    }
}

START_TEST(test_direction_matching) {
    static const size_t counts[] = {3, 37, 20000};
    static const int flags[] = {0, FLOORED, NO_STUDENT, NO_TEACHER, EQUAL};
    for (size_t i = 0; i < 3; i++) {
        size_t mark = buffer_count;
        check_direction(counts[i], flags[_i]);
        release(mark);
    }
}
END_TEST

void add_distillation_tests(TCase *tcase) {
    tcase_add_test(tcase, test_soft_cross_entropy);
    tcase_add_loop_test(tcase, test_direction_matching, 0, 5);
}

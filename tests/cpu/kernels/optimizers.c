/* Two steps of each optimizer. */
#include "tests/cpu/kernels/harness.h"

START_TEST(test_sgd) {
    size_t n = 1003, mark = buffer_count;
    for (int form = 0; form < 8; form++) {
        double momentum = form & 1 ? (double)0.9f : 0.0, decay = form & 2 ? (double)0.01f : 0.0;
        int nesterov = form >> 2 & (momentum > 0.0);
        float *w0 = random_floats(n), *g1 = random_floats(n), *g2 = random_floats(n);
        double *want = get(n * 8), lr = (double)0.1f;
        for (size_t i = 0; i < n; i++) {
            double w = (double)w0[i], v = (double)g1[i] + decay * w, d = v;
            w -= lr * (nesterov ? d + momentum * v : v);
            d = (double)g2[i] + decay * w;
            v = momentum * v + d;
            want[i] = w - lr * (nesterov ? d + momentum * v : v);
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *w = duplicate(n, w0), *v = momentum > 0.0 ? get_floats(n) : NULL;
            k->sgd_step(on(k), n, w, g1, v, 0.1f, (float)momentum, (float)decay, nesterov, 1);
            k->sgd_step(on(k), n, w, g2, v, 0.1f, (float)momentum, (float)decay, nesterov, 0);
            assert_near(n, w, want, 1e-6, "sgd_step");
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_adam) {
    size_t n = 1003, mark = buffer_count;
    for (int form = 0; form < 4; form++) {
        double decay = form & 1 ? (double)0.1f : 0.0, lr = (double)0.01f, eps = (double)1e-8f;
        double b1 = (double)0.9f, b2 = (double)0.999f;
        int decoupled = form >> 1;
        float *w0 = random_floats(n), *g[2] = {random_floats(n), random_floats(n)};
        double *want = get(n * 8);
        for (size_t i = 0; i < n; i++) {
            double w = (double)w0[i], m = 0.0, v = 0.0;
            for (int t = 1; t <= 2; t++) {
                double d = (double)g[t - 1][i];
                if (decoupled) {
                    w *= 1.0 - lr * decay;
                } else {
                    d += decay * w;
                }
                m = b1 * m + (1.0 - b1) * d;
                v = b2 * v + (1.0 - b2) * d * d;
                double root = sqrt(v) / sqrt(1.0 - pow(b2, t));
                w -= lr / (1.0 - pow(b1, t)) * m / (root + eps);
            }
            want[i] = w;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *w = duplicate(n, w0), *m = get_floats(n), *v = get_floats(n);
            memset(m, 0, n * 4);
            memset(v, 0, n * 4);
            for (uint64_t t = 1; t <= 2; t++) {
                k->adam_step(on(k), n, w, g[t - 1], m, v, 0.01f, 0.9f, 0.999f, 1e-8f, (float)decay,
                             decoupled, t);
            }
            assert_near(n, w, want, 1e-6, "adam_step");
        }
    }
    release(mark);
}
END_TEST

/* The same at any number of threads, and no shorter gradient is touched. */
START_TEST(test_clip_norm) {
    static const size_t sizes[] = {1, 5, 63, 1003, 70001};
    size_t mark = buffer_count;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        float *g = random_floats(n), *first = NULL;
        double *want = get(n * 8), norm = 0.0;
        for (size_t i = 0; i < n; i++) {
            norm += (double)g[i] * (double)g[i];
        }
        norm = sqrt(norm);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            first = NULL;
            for (threads_now = 1; threads_now <= THREADS; threads_now++) {
                float *x = duplicate(n, g), *y = duplicate(n, g);
                k->clip_norm(on(k), n, (float)(1.001 * norm) + 1e-5f, x);
                assert_same(n * 4, x, g, "a gradient that is short enough");
                k->clip_norm(on(k), n, (float)(0.3 * norm), y);
                for (size_t i = 0; i < n; i++) {
                    want[i] = 0.3 * (double)g[i];
                }
                assert_near(n, y, want, 1e-5, "clip_norm");
                if (first != NULL) {
                    assert_same(n * 4, y, first, "clip_norm with more threads");
                }
                first = y;
            }
            threads_now = 1;
        }
    }
    release(mark);
}
END_TEST

/* Three values of a parameter: the last counts 1 - decay, each before it decay times less. */
START_TEST(test_average) {
    static const size_t sizes[] = {1, 5, 1003, 70001};
    size_t mark = buffer_count;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        float *w[3] = {random_floats(n), random_floats(n), random_floats(n)}, *first = NULL;
        double *want = get(n * 8), decay = 0.9;
        for (size_t i = 0; i < n; i++) {
            want[i] = decay * decay * (double)w[0][i] + decay * (1.0 - decay) * (double)w[1][i] +
                      (1.0 - decay) * (double)w[2][i];
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            first = NULL;
            for (threads_now = 1; threads_now <= THREADS; threads_now++) {
                float *a = duplicate(n, w[0]);
                k->average_step(on(k), n, w[1], (float)(1.0 - decay), a);
                k->average_step(on(k), n, w[2], (float)(1.0 - decay), a);
                assert_near(n, a, want, 1e-6, "average_step");
                if (first != NULL) {
                    assert_same(n * 4, a, first, "average_step with more threads");
                }
                first = a;
            }
            threads_now = 1;
        }
    }
    release(mark);
}
END_TEST

void add_optimizer_tests(TCase *tcase) {
    tcase_add_test(tcase, test_sgd);
    tcase_add_test(tcase, test_adam);
    tcase_add_test(tcase, test_clip_norm);
    tcase_add_test(tcase, test_average);
}

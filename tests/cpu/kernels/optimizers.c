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

void add_optimizer_tests(TCase *tcase) {
    tcase_add_test(tcase, test_sgd);
    tcase_add_test(tcase, test_adam);
}

/* Pooling, and the loss. */
#include "tests/cpu/kernels/harness.h"

static void check_max_pool(const bnn_kernels *k, int c, int kernel, int stride, int pad,
                           int ceil_mode) {
    int n = 2, h = 9, w = 8, up = ceil_mode ? stride - 1 : 0;
    int oh = (h + 2 * pad - kernel + up) / stride + 1,
        ow = (w + 2 * pad - kernel + up) / stride + 1;
    oh -= (oh - 1) * stride - pad >= h; /* windows begin within the image */
    ow -= (ow - 1) * stride - pad >= w;
    size_t in = (size_t)(n * h * w * c), out = (size_t)(n * oh * ow * c), mark = buffer_count;
    float *x = get_floats(in), *y = get_floats(out), *plain = get_floats(out);
    float *g = random_floats(out), *gx = get_floats(in), *sum = random_floats(in);
    float *base = duplicate(in, sum), *want = get_floats(in);
    uint8_t *index = get(out);
    for (size_t i = 0; i < in; i++) {
        x[i] = (float)(below(7) - 8); /* many equals, all negative: padding must not win */
        x[i] = below(40) == 0 ? NAN : below(40) == 0 ? -INFINITY : x[i];
        want[i] = 0.0f;
    }
    k->max_pool(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, x, y, index);
    k->max_pool(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, x, plain, NULL);
    assert_same(out * 4, y, plain, "max_pool without index");
    for (size_t o = 0; o < out; o++) {
        int ch = (int)o % c, ox = (int)o / c % ow, oy = (int)o / c / ow % oh;
        int image = (int)o / c / ow / oh, winner = -1;
        size_t from = 0;
        for (int t = 0; t < kernel * kernel; t++) {
            int iy = oy * stride - pad + t / kernel, ix = ox * stride - pad + t % kernel;
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) {
                continue;
            }
            size_t at = (size_t)(((image * h + iy) * w + ix) * c + ch);
            if (winner < 0 || (!isnan(x[from]) && (isnan(x[at]) || x[at] > x[from]))) {
                winner = t, from = at;
            }
        }
        REQUIRE(index[o] == (winner));
        REQUIRE(isnan(x[from]) ? isnan(y[o]) : y[o] == x[from]);
        want[from] += g[o];
    }
    k->max_pool_backward(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, g, index, gx, 0);
    k->max_pool_backward(on(k), n, h, w, c, kernel, stride, pad, ceil_mode, g, index, sum, 1);
    assert_same(in * 4, gx, want, "max_pool_backward");
    for (size_t i = 0; i < in; i++) {
        REQUIRE(fabs((double)sum[i] - ((double)base[i] + (double)want[i])) <= 1e-5);
    }
    release(mark);
}

START_TEST(test_pool) {
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_max_pool(k, 1, 2, 2, 0, 0);
        check_max_pool(k, 5, 3, 2, 1, 0);
        check_max_pool(k, 64, 3, 1, 1, 0);
        check_max_pool(k, 33, 5, 3, 2, 0);
        check_max_pool(k, 5, 2, 2, 0, 1); /* one line hangs over the edge */
        check_max_pool(k, 5, 3, 2, 0, 1);
        check_max_pool(k, 3, 2, 3, 1, 1); /* the last would begin behind it */
        check_max_pool(k, 3, 14, 9, 2, 1);
        size_t n = 3, hw = 49, c = 37, mark = buffer_count;
        float *x = random_floats(n * hw * c), *y = get_floats(n * c);
        float *sum = duplicate(n * hw * c, x), *gx = get_floats(n * hw * c);
        double *want = get(n * c * 8);
        for (size_t i = 0; i < n * c; i++) {
            want[i] = 0.0;
            for (size_t p = 0; p < hw; p++) {
                want[i] += (double)x[(i / c * hw + p) * c + i % c] / (double)hw;
            }
        }
        k->global_avg_pool(on(k), n, hw, c, x, y);
        assert_near(n * c, y, want, 1e-6, "global_avg_pool");
        k->global_avg_pool_backward(on(k), n, hw, c, y, gx, 0);
        k->global_avg_pool_backward(on(k), n, hw, c, y, sum, 1);
        for (size_t i = 0; i < n * hw * c; i++) {
            double v = (double)y[i / c / hw * c + i % c] / (double)hw;
            REQUIRE(fabs((double)gx[i] - (v)) <= 1e-8);
            REQUIRE(sum[i] == x[i] + gx[i]);
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_cross_entropy) {
    static const size_t shapes[][2] = {{1, 2}, {7, 10}, {300, 100}};
    for (size_t s = 0; s < 3; s++) {
        size_t n = shapes[s][0], classes = shapes[s][1], total = n * classes, mark = buffer_count;
        float *z = random_floats(total), *base = random_floats(total), gloss = 0.7f;
        int32_t *label = get(n * 4);
        double *p = get(total * 8), *gz = get(total * 8), loss = 0.0;
        for (size_t r = 0; r < n; r++) {
            double sum = 0.0;
            label[r] = below((int)classes);
            z[r * classes] += 90.0f; /* would overflow without the maximum taken off */
            for (size_t i = 0; i < classes; i++) {
                sum += exp((double)z[r * classes + i]);
            }
            loss += (log(sum) - (double)z[r * classes + (size_t)label[r]]) / (double)n;
            for (size_t i = 0; i < classes; i++) {
                size_t at = r * classes + i;
                p[at] = exp((double)z[at]) / sum;
                gz[at] = (double)gloss * (p[at] - (i == (size_t)label[r])) / (double)n;
            }
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (int threads = 1; threads <= THREADS; threads++) {
                float *q = get_floats(total), *g = get_floats(total), *sum = duplicate(total, base);
                float *got = get_floats(1);
                threads_now = threads;
                k->cross_entropy(on(k), n, classes, z, label, NULL, q, got);
                REQUIRE(fabs((double)*got - (loss)) <= 1e-6 * loss + 1e-7);
                assert_near(total, q, p, 1e-6, "probability");
                k->cross_entropy_backward(on(k), n, classes, q, label, NULL, boxed(gloss), g, 0);
                k->cross_entropy_backward(on(k), n, classes, q, label, NULL, boxed(gloss), sum, 1);
                assert_near(total, g, gz, 1e-6, "cross_entropy_backward");
                for (size_t i = 0; i < total; i++) {
                    REQUIRE(sum[i] == base[i] + g[i]);
                }
            }
            static const float bad[] = {NAN, INFINITY, -INFINITY};
            for (int i = 0; i < 3; i++) {
                float *broken = duplicate(total, z), *got = get_floats(1);
                broken[total - 1] = bad[i];
                k->cross_entropy(on(k), n, classes, broken, label, NULL, get_floats(total), got);
                REQUIRE(!isfinite(*got));
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_squared_error) {
    static const size_t counts[] = {1, 7, 1000};
    for (size_t c = 0; c < 3; c++) {
        size_t n = counts[c], mark = buffer_count;
        float *x = random_floats(n), *target = random_floats(n), *base = random_floats(n);
        float gloss = 0.7f;
        double *want = get(n * 8), loss = 0.0;
        for (size_t i = 0; i < n; i++) {
            double off = (double)x[i] - (double)target[i];
            loss += off * off / (double)n;
            want[i] = (double)gloss * 2.0 * off / (double)n;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *g = get_floats(n), *sum = duplicate(n, base), *got = get_floats(1);
            k->squared_error(on(k), n, x, target, got);
            REQUIRE(fabs((double)*got - loss) <= 1e-6 * loss);
            k->squared_error_backward(on(k), n, x, target, boxed(gloss), g, 0);
            k->squared_error_backward(on(k), n, x, target, boxed(gloss), sum, 1);
            assert_near(n, g, want, 1e-6, "squared_error_backward");
            for (size_t i = 0; i < n; i++) {
                REQUIRE(sum[i] == base[i] + g[i]);
            }
            float *broken = duplicate(n, x);
            broken[n - 1] = NAN;
            k->squared_error(on(k), n, broken, target, got);
            REQUIRE(!isfinite(*got));
        }
        release(mark);
    }
}
END_TEST

void add_pool_tests(TCase *tcase) {
    tcase_add_test(tcase, test_pool);
    tcase_add_test(tcase, test_cross_entropy);
    tcase_add_test(tcase, test_squared_error);
}

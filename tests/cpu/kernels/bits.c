/* Kernels that make bits of values, values of bits, and the windows of surrogates and clamps. */
#include "tests/cpu/kernels/harness.h"

static const float probes[] = {-1.5f, -1.0f, -0.5f, -1e-40f, -0.0f, 0.0f, 1e-40f, 0.5f, 1.0f, 1.5f};

/* Random values with exact borders, subnormal numbers, infinities and, if asked for, NaN among
 * them. */
static float *awkward_floats(size_t n, int with_nan) {
    float *x = random_floats(n);
    for (size_t i = 0; i < n; i += 3) {
        x[i] = probes[below(10)];
    }
    for (size_t i = 5; i < n; i += 29) {
        x[i] = below(2) ? INFINITY : -INFINITY;
        x[i] = with_nan && below(2) ? NAN : x[i];
    }
    return x;
}

START_TEST(test_sign_pack) {
    static const size_t channels[] = {1, 3, 16, 63, 64, 65, 128, 200};
    for (size_t i = 0; i < 8; i++) {
        size_t c = channels[i], rows = 7, mark = buffer_count;
        float *x = awkward_floats(rows * c, 1);
        uint64_t *want = pack(rows, c, x);
        bnn_operand v = {.b1 = want, .rows_per_scale = 2};
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            uint64_t *bits = get(rows * bnn_words(c) * 8);
            k->sign_pack(on(k), rows, c, x, bits);
            assert_same(rows * bnn_words(c) * 8, bits, want, "sign_pack");
            for (int scaled = 0; scaled < 2; scaled++) {
                v.scale = scaled ? random_floats(4) : NULL;
                float *y = get_floats(rows * c);
                for (size_t first = 0, n; first < rows; first += n) { /* rows 0..2, 3..6 */
                    bnn_operand rest = v;
                    n = first ? rows - first : 3;
                    rest.b1 += first * bnn_words(c);
                    k->sign_unpack(on(k), first, n, c, &rest, y + first * c);
                }
                assert_same(rows * c * 4, y, unpacked(rows, c, &v), "sign_unpack");
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_threshold_pack) {
    static const size_t channels[] = {1, 17, 64, 130};
    for (size_t i = 0; i < 4; i++) {
        size_t c = channels[i], rows = 9, mark = buffer_count;
        float *x = get_floats(rows * c);
        int32_t *threshold = get(c * 4);
        uint64_t *want = get(rows * bnn_words(c) * 8);
        memset(want, 0, rows * bnn_words(c) * 8);
        for (size_t j = 0; j < c; j++) {
            threshold[j] = 2 * (below(9) - 4) + below(2);
        }
        if (c > 1) {
            threshold[0] = INT32_MAX, threshold[1] = INT32_MIN;
        }
        for (size_t j = 0; j < rows * c; j++) {
            int flip = threshold[j % c] & 1;
            int64_t t = ((int64_t)threshold[j % c] - flip) / 2;
            x[j] = (float)(below(11) - 5);
            uint64_t set = ((int64_t)x[j] >= t) != flip;
            want[j / c * bnn_words(c) + j % c / 64] |= set << j % c % 64;
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            uint64_t *bits = get(rows * bnn_words(c) * 8);
            k->threshold_pack(on(k), rows, c, x, threshold, bits);
            assert_same(rows * bnn_words(c) * 8, bits, want, "threshold_pack");
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_ste) {
    static const float at[6] = {-1.0f, 1.0f, 0.0f, -0.5f, 1.5f, -1.5f};
    static const struct {
        bnn_ste ste;
        double want[6];
    } cases[] = {
        {{BNN_STE_TRIANGLE, 0}, {0, 0, 2, 1, 0, 0}},
        {{BNN_STE_CLIP, 1}, {1, 1, 1, 1, 0, 0}},
        {{BNN_STE_CLIP_OPEN, 1}, {0, 0, 1, 1, 0, 0}},
        {{BNN_STE_FOURIER, 9}, {0.5798, 0.5798, 1.2732, 1.0718, 0, 0}},
        {{BNN_STE_FOURIER, 30000}, {0}}, /* beyond the polynomial: values from ste.h */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bnn_ste ste = cases[i].ste, other = {ste.kind, 0.25f}; /* a parameter from elsewhere wins */
        size_t rows = 5, len = 301, mark = buffer_count;
        float *x = awkward_floats(rows * len, 0), *g = random_floats(rows * len);
        float *scale = random_floats(rows);
        memcpy(x, at, sizeof at);
        for (int j = 0; j < 6 && ste.p < 1000.0f; j++) {
            REQUIRE(fabs((double)bnn_ste_slope(ste, at[j]) - (cases[i].want[j])) <= 1e-4);
        }
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *base = random_floats(rows * len);
            float *gx = get_floats(rows * len), *in_place = duplicate(rows * len, g);
            float *sum = duplicate(rows * len, base);
            k->ste_backward(on(k), 0, rows, len, 1, g, x, ste, NULL, scale, gx, 0);
            k->ste_backward(on(k), 0, rows, len, 1, in_place, x, other, boxed(ste.p), scale,
                            in_place, 0);
            k->ste_backward(on(k), 0, rows, len, 1, g, x, ste, NULL, NULL, sum, 1);
            assert_same(rows * len * 4, gx, in_place, "ste_backward in place");
            for (size_t j = 0; j < rows * len; j++) {
                float slope = bnn_ste_slope(ste, x[j]);
                double bound = ste.kind == BNN_STE_FOURIER ? (ste.p < 1000.0f ? 3e-6 : 1e-1) : 0.0;
                REQUIRE(fabs((double)(gx[j] - g[j] * slope * scale[j / len])) <= bound);
                REQUIRE(fabs((double)(sum[j] - (base[j] + g[j] * slope))) <=
                        bound + 1e-6 * fabs((double)sum[j]));
            }
            if (bnn_ste_is_mask(ste.kind)) {
                size_t n = rows * len;
                uint64_t *plane = get(bnn_words(n) * 8);
                k->ste_plane(on(k), n, x, other, boxed(ste.p), plane);
                memcpy(in_place, g, n * 4);
                memcpy(sum, base, n * 4);
                k->plane_backward(on(k), n, g, plane, gx, 0);
                k->plane_backward(on(k), n, in_place, plane, in_place, 0);
                k->plane_backward(on(k), n, g, plane, sum, 1);
                for (size_t j = 0; j < n; j++) {
                    float slope = bnn_ste_slope(ste, x[j]), want = slope != 0.0f ? g[j] : 0.0f;
                    REQUIRE(bit(plane, j) == (slope != 0.0f));
                    REQUIRE(gx[j] == want && in_place[j] == want && sum[j] == base[j] + want);
                }
                REQUIRE(plane[n / 64] >> n % 64 == (0));
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_clamp) {
    size_t n = 777, mark = buffer_count;
    float *x = awkward_floats(n, 1);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *y = get_floats(n), *in_place = duplicate(n, x);
        uint64_t *plane = get(bnn_words(n) * 8);
        k->clamp(on(k), n, x, -1.0f, 1.0f, y, NULL);
        k->clamp(on(k), n, in_place, -1.0f, 1.0f, in_place, plane);
        assert_same(n * 4, y, in_place, "clamp in place");
        for (size_t i = 0; i < n; i++) {
            REQUIRE(bit(plane, i) == (-1.0f < x[i] && x[i] < 1.0f));
            if (isnan(x[i])) {
                REQUIRE(isnan(y[i]));
            } else {
                REQUIRE(y[i] == fminf(fmaxf(x[i], -1.0f), 1.0f));
            }
        }
        REQUIRE(plane[n / 64] >> n % 64 == (0));
    }
    release(mark);
}
END_TEST

void add_bits_tests(TCase *tcase) {
    tcase_add_test(tcase, test_sign_pack);
    tcase_add_test(tcase, test_threshold_pack);
    tcase_add_test(tcase, test_ste);
    tcase_add_test(tcase, test_clamp);
}

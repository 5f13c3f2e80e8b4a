/* Element-wise kernels over values, and over channels. */
#include "tests/cpu/kernels/harness.h"

START_TEST(test_elementwise) {
    size_t sizes[] = {1, 7, 1000, 40001};
    for (size_t s = 0; s < 4; s++) {
        size_t n = sizes[s], mark = buffer_count;
        float *a = random_floats(n), *b = random_floats(n);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *y = get_floats(n), *sum = duplicate(n, b), *in_place = duplicate(n, a);
            k->fill(on(k), n, 2.5f, y);
            for (size_t i = 0; i < n; i++) {
                REQUIRE(y[i] == 2.5f);
            }
            k->copy(on(k), n, a, y, 0);
            assert_same(n * 4, y, a, "copy");
            k->copy(on(k), n, a, sum, 1);
            k->add(on(k), n, in_place, b, in_place);
            k->add(on(k), n, a, b, y);
            for (size_t i = 0; i < n; i++) {
                REQUIRE(y[i] == a[i] + b[i] && sum[i] == y[i] && in_place[i] == y[i]);
            }
        }
        release(mark);
    }
}
END_TEST

START_TEST(test_affine) {
    size_t rows = 301, c = 37, n = rows * c, mark = buffer_count;
    float *x = random_floats(n), *a = random_floats(c), *b = random_floats(c);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (int form = 0; form < 8; form++) {
            const float *fa = form & 1 ? a : NULL, *fb = form & 2 ? b : NULL;
            float *base = random_floats(n), *y = duplicate(n, base), *same = duplicate(n, x);
            int acc = form >> 2;
            k->affine(on(k), rows, c, (bnn_numbers){.f32 = x}, fa, fb, y, acc);
            k->affine(on(k), rows, c, (bnn_numbers){.f32 = same}, fa, fb, same, 0);
            for (size_t i = 0; i < n; i++) {
                float v = (fa ? a[i % c] : 1.0f) * x[i] + (fb ? b[i % c] : 0.0f);
                REQUIRE(same[i] == v && y[i] == (acc ? base[i] + v : v));
            }
        }
    }
    release(mark);
}
END_TEST

void add_elementwise_tests(TCase *tcase) {
    tcase_add_test(tcase, test_elementwise);
    tcase_add_test(tcase, test_affine);
}

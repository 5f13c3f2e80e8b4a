/* Clouds of points: the readers of text, and sampling (HDF5: check_hdf5.c). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data_loaders/clouds/clouds.h"
#include "engine/base/text.h"
#include "tests/fixtures/expect_error.h"

#define N 64 /* points of a sample */

/* ---- readers ---- */
static float scanned(const char *text) {
    float value = NAN;
    bnn_scan scan = bnn_scan_start("t", (const unsigned char *)text, strlen(text));
    ck_assert_int_eq(bnn_scan_more(&scan), 1);
    ck_assert_msg(bnn_scan_float(&scan, &value, NULL) == BNN_OK, "%s", text);
    return value;
}

/* The same bits as strtod's, on either path. */
START_TEST(numbers) {
    static const char *const given[] = {"0",
                                        "-0",
                                        "+1.5",
                                        ".5",
                                        "5.",
                                        "1e23",
                                        "9007199254740993",
                                        "0.1234567890123456789012",
                                        "1e-45",
                                        "3.4028234e38",
                                        "1e-400",
                                        "123456789e-30",
                                        "00000000000000000000001.5E+2"};
    bnn_rng rng = bnn_rng_start(1, 1);
    char text[64];
    for (size_t i = 0; i < 20000; i++) {
        if (i < sizeof given / sizeof given[0]) {
            snprintf(text, sizeof text, "%s", given[i]);
        } else {
            double value = (double)bnn_rng_normal(&rng);
            snprintf(text, sizeof text, i % 2 ? "%.*f" : "%.*e", (int)bnn_rng_below(&rng, 20),
                     value);
        }
        float got = scanned(text), expected = (float)bnn_text_to_double(text, NULL);
        ck_assert_msg(memcmp(&got, &expected, sizeof got) == 0, "%s: %.9g", text, (double)got);
    }
}
END_TEST

static bnn_mesh mesh_of(const char *text) {
    bnn_mesh mesh;
    bnn_error err = {0};
    bnn_code code = bnn_off_parse("m", (const unsigned char *)text, strlen(text), &mesh, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return mesh;
}

START_TEST(meshes) {
    const char *const same[] = {
        "OFF\n5 3 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n.5 2 0\n5 0 1 2 4 3\n2 0 1\n0\n",
        "OFF5 3 0\r\n0 0 0\r\n1 0 0\r\n1 1 0\r\n0 1 0\r\n.5 2 0\r\n5 0 1 2 4 3\r\n2 0 1\r\n0",
        "OFF 5 3 0 # a house\n\n0 0 0\n1 0 0\n1 1 0\n#\n0 1 0\n.5 2 0\n5 0 1 2 4 3 .1\n1 0\n0\n!"};
    const uint32_t corners[] = {0, 1, 2, 0, 2, 4, 0, 4, 3};
    for (int i = 0; i < 3; i++) {
        bnn_mesh mesh = mesh_of(same[i]);
        ck_assert_uint_eq(mesh.vertices, 5);
        ck_assert_uint_eq(mesh.triangles, 3);
        ck_assert_mem_eq(mesh.triangle, corners, sizeof corners);
        ck_assert(mesh.vertex[12] == 0.5f && mesh.vertex[13] == 2.0f);
        bnn_mesh_free(&mesh);
    }
}
END_TEST

static const struct {
    const char *text, *says;
} bad_meshes[] = {
    {"", "does not begin with OFF"},
    {"COFF\n3 1 0\n", "does not begin with OFF"},
    {"OFF\n3\n", "ends before the number of faces"},
    {"OFF BINARY\n", "line 1: 'BINARY' where a finite number"},
    {"OFF\n0 0 0\n", "there is no surface"},
    {"OFF\n4000000000 4000000000 0\n0 0 0\n", "too few for the 4000000000 vertices"},
    {"OFF\n-3 1 0\n", "line 2: number of vertices -3"},
    {"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1.000000000000000000\n", "ends after 2 of the 3 vertices"},
    {"OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "ends after 1 of the 2 faces"},
    {"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n", "ends after 0 of the 1 faces"},
    {"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", "line 6: vertex of a face 3, expected"},
    {"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", "vertex of a face -1"},
    {"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 0.5\n", "vertex of a face 0.5"},
    {"OFF\n3 1 0\n0 0 0\n1 nan 0\n0 1 0\n3 0 1 2\n", "line 4: 'nan'"},
    {"OFF\n3 1 0\n0 0 0\n1 1e39 0\n0 1 0\n3 0 1 2\n", "line 4: '1e39'"},
};

START_TEST(mesh_malformed) {
    const char *text = bad_meshes[_i].text;
    bnn_mesh mesh;
    bnn_error err = {0};
    bnn_code code = bnn_off_parse("m.off", (const unsigned char *)text, strlen(text), &mesh, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "m.off: ", bad_meshes[_i].says, NULL);
    ck_assert(!mesh.vertex && !mesh.triangle);
}
END_TEST

static const struct {
    const char *text, *says;
    int least, most;
} bad_points[] = {
    {"", "holds no points", 3, 3},
    {"\n \n# none\n", "holds no points", 3, 3},
    {"1 2\n", "line 1: 2 numbers, expected 3 to 6", 3, 6},
    {"1,5 2,5 3,5\n", "line 1: both commas and blanks between its numbers", 3, 6},
    {"# a\n1 2,3 \n", "line 2: both commas and blanks between its numbers", 3, 6},
    {"1 2 3 4\n", "line 1: more than 3 numbers, expected 3", 3, 3},
    {"1 2 3\n\n4 5\n", "line 3: 2 numbers, expected 3", 3, 6},
    {"1 2 3\n4 5 6 7\n", "line 2: more than 3 numbers", 3, 6},
    {"1 2 3\n4 inf 6\n", "line 2: 'inf' where a finite number", 3, 3},
    {"1 2 3\n4 0x1 6\n", "line 2: '0x1'", 3, 3},
    {"1 2 3e\n", "line 1: '3e'", 3, 3},
};

START_TEST(points_malformed) {
    const char *text = bad_points[_i].text;
    bnn_points points;
    bnn_error err = {0};
    bnn_code code = bnn_points_parse("p.txt", (const unsigned char *)text, strlen(text),
                                     bad_points[_i].least, bad_points[_i].most, &points, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "p.txt: ", bad_points[_i].says, NULL);
    ck_assert_ptr_null(points.value);
}
END_TEST

/* ---- sampling ---- */
START_TEST(normalized) {
    float p[] = {1, 1, 1, 9, 3, 1, 1, 9, 1, 3, 1, 9, 3, 3, 5, 9}; /* mean 2 2 2 */
    const float expected[] = {-1, -1, -1, 1, -1, -1, -1, 1, -1, 1, 1, 3};
    bnn_error err = {0};
    ck_assert_int_eq(bnn_points_normalize("p", p, 4, 4, &err), BNN_OK);
    for (int i = 0; i < 12; i++) {
        float want = expected[i] / 3.0f * 0.999999f;
        ck_assert_float_eq_tol(p[4 * (i / 3) + i % 3], want, 1e-7f);
    }
    ck_assert(p[3] == 9.0f && p[15] == 9.0f);
    float large[] = {3e38f, -3e38f, 0, -3e38f, 3e38f, 1};
    ck_assert_int_eq(bnn_points_normalize("p", large, 2, 3, &err), BNN_OK);
    ck_assert_float_eq_tol(large[0], 0.999999f, 1e-6f);
    float one[] = {0.1f, 0.2f, 0.3f, 0.1f, 0.2f, 0.3f, 0.1f, 0.2f, 0.3f};
    for (size_t n = 1; n <= 3; n++) {
        expect_error(bnn_points_normalize("p", one, n, 3, &err), BNN_ERR_FORMAT, &err,
                     "p: ", "all coincide", NULL);
    }
}
END_TEST

/* Three quarters of the area, one quarter, and two faces that have none. */
START_TEST(by_area) {
    enum { DRAWS = 40000 };
    static float p[3 * DRAWS];
    bnn_mesh mesh = mesh_of("OFF\n7 4 0\n0 0 0\n3 0 0\n0 2 0\n0 0 5\n1 0 5\n0 2 5\n9 9 9\n"
                            "3 6 6 6\n3 0 1 2\n3 0 6 0\n3 3 4 5\n");
    bnn_rng rng = bnn_rng_start(1, 2);
    int low = 0;
    double x = 0.0, y = 0.0;
    ck_assert_int_eq(bnn_mesh_sample("m", &mesh, &rng, DRAWS, p, NULL), BNN_OK);
    for (int i = 0; i < DRAWS; i++) {
        const float *q = p + 3 * i;
        ck_assert(q[2] == 0.0f || q[2] == 5.0f);
        const float side = q[2] == 0.0f ? 3.0f : 1.0f;
        ck_assert(q[0] >= 0.0f && q[1] >= 0.0f && q[0] / side + q[1] / 2.0f <= 1.00001f);
        if (q[2] == 0.0f) {
            low++;
            x += (double)q[0];
            y += (double)q[1];
        }
    }
    ck_assert_int_lt(abs(low - DRAWS * 3 / 4), 600); /* deviation 87 */
    ck_assert_double_eq_tol(x / low, 1.0, 0.03);     /* the centroid: uniform within, too */
    ck_assert_double_eq_tol(y / low, 2.0 / 3.0, 0.02);
    bnn_mesh_free(&mesh);
    static const char *const flat[] = {"OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n",
                                       "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n2 0 1\n"};
    for (int i = 0; i < 2; i++) {
        bnn_error err = {0};
        mesh = mesh_of(flat[i]);
        expect_error(bnn_mesh_sample("m", &mesh, &rng, 4, p, &err), BNN_ERR_FORMAT, &err,
                     "m: ", "none of its faces has an area", NULL);
        bnn_mesh_free(&mesh);
    }
}
END_TEST

START_TEST(chosen) {
    for (size_t count = 1; count <= 2 * N; count++) {
        uint32_t at[N];
        int times[2 * N] = {0};
        bnn_rng rng = bnn_rng_start(count, 3);
        ck_assert_int_eq(bnn_points_choose("p", &rng, count, N, at, NULL), BNN_OK);
        for (size_t i = 0; i < N; i++) {
            ck_assert_uint_lt(at[i], count);
            times[at[i]]++;
        }
        for (size_t i = 0; i < count; i++) { /* as often as any other, give or take one */
            ck_assert_int_ge(times[i], (int)(N / count));
            ck_assert_int_le(times[i], (int)((N + count - 1) / count));
        }
    }
}
END_TEST

START_TEST(features) {
    const float p[] = {1, 0, 0, -1, 0, 0, 0, 3, 0, 0, -1, 2}; /* mean 0 .5 .5 */
    float out[24];
    bnn_points_features(p, 4, out);
    float radius = sqrtf(2.5f * 2.5f + 0.25f);
    for (int i = 0; i < 4; i++) {
        float farthest = 0.0f;
        for (int c = 0; c < 3; c++) {
            float want = (p[3 * i + c] - (c ? 0.5f : 0.0f)) / radius;
            ck_assert_float_eq_tol(out[6 * i + c], want, 1e-6f);
            ck_assert(out[6 * i + 3 + c] == p[3 * i + c]);
            farthest += out[6 * i + c] * out[6 * i + c];
        }
        ck_assert_float_le(farthest, 1.00001f);
    }
    bnn_points_features(p, 1, out); /* no radius */
    ck_assert(out[0] == 0.0f && out[3] == 1.0f);
}
END_TEST

/* A turn, the same for points and normals, and a small step of each point. */
START_TEST(augmented) {
    enum { TURNS = 500 };
    float widest = 0.0f, farthest = 0.0f;
    for (int i = 0; i < TURNS; i++) {
        float p[18] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0};
        bnn_rng rng = bnn_rng_start((uint64_t)i, 4);
        bnn_points_augment(&rng, p, 3);
        const float *x = p + 3, *y = p + 9;
        ck_assert_float_eq_tol(x[0] * x[0] + x[1] * x[1] + x[2] * x[2], 1.0f, 1e-5f);
        ck_assert_float_eq_tol(x[0] * y[0] + x[1] * y[1] + x[2] * y[2], 0.0f, 1e-5f);
        for (int c = 0; c < 3; c++) {
            ck_assert_float_le(fabsf(p[c]), 0.0174f); /* .01 along each axis, turned */
            ck_assert_float_le(fabsf(p[12 + c] - p[15 + c]), 0.0174f);
            farthest = fmaxf(farthest, fabsf(p[c]));
        }
        ck_assert_float_ge(x[0], 0.93f); /* cos(15 degrees)^2 */
        widest = fmaxf(widest, 1.0f - x[0]);
    }
    ck_assert_float_ge(widest, 0.05f);
    ck_assert_float_ge(farthest, 0.009f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clouds");
    TCase *tc = tcase_create("clouds");
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, meshes);
    tcase_add_loop_test(tc, mesh_malformed, 0, sizeof bad_meshes / sizeof bad_meshes[0]);
    tcase_add_loop_test(tc, points_malformed, 0, sizeof bad_points / sizeof bad_points[0]);
    tcase_add_test(tc, normalized);
    tcase_add_test(tc, by_area);
    tcase_add_test(tc, chosen);
    tcase_add_test(tc, features);
    tcase_add_test(tc, augmented);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

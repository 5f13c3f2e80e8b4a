/* Clouds of points: the readers (their every error is met by the fuzz targets' corpora), sampling,
 * and the data sets modelnet40 and shapenet_part in each of their forms. Every file read here is
 * written by the test itself. */
#include <math.h>

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/internal.h"
#include "engine/base/text.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"

#define N 64 /* points of a sample */

static void write_text(const char *name, const char *text) {
    char command[512];
    snprintf(command, sizeof command, "%s", in_folder(name));
    *strrchr(command, '/') = '\0';
    ck_assert_int_eq(bnn_make_folder(command, NULL), BNN_OK);
    write_file(name, text, strlen(text));
}

static bnn_code open_set(const char *name, const char *at, bnn_split split, const char *variant,
                         bnn_dataset **out, bnn_error *err) {
    const bnn_dataset_options options = {.variant = variant, .length = N};
    return bnn_dataset_open(bnn_dataset_find(name), in_folder(at), split, &options, out, err);
}

static bnn_dataset *open_good(const char *name, const char *at, bnn_split split,
                              const char *variant) {
    bnn_dataset *d;
    bnn_error err = {0};
    ck_assert_msg(open_set(name, at, split, variant, &d, &err) == BNN_OK, "%s", err.text);
    ck_assert_int_eq(d->field[0].shape.w, N);
    return d;
}

static void expect_bad(const char *name, const char *at, bnn_split split, const char *text,
                       const char *more) {
    bnn_dataset *d = (bnn_dataset *)1;
    bnn_error err = {0};
    bnn_code code = open_set(name, at, split, NULL, &d, &err);
    ck_assert_int_ne(code, BNN_OK);
    expect_error(code, code, &err, text, more, NULL);
    ck_assert_ptr_null(d);
}

static void expect_bad_sample(const bnn_dataset *d, size_t index, const char *text,
                              const char *more) {
    static float x[6 * N];
    static int32_t label[N];
    bnn_error err = {0};
    bnn_code code = d->sample(d, index, NULL, (void *const[]){x, label}, &err);
    ck_assert_int_ne(code, BNN_OK);
    expect_error(code, code, &err, text, more, NULL);
}

static uint32_t checksum_of(const char *name, const char *at, bnn_split split) {
    bnn_dataset *d = open_good(name, at, split, NULL);
    uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    return sum;
}

/* ---- table ---- */
START_TEST(table) {
    const bnn_dataset_info *modelnet = bnn_dataset_find("modelnet40");
    const bnn_dataset_info *shapenet = bnn_dataset_find("shapenet_part");
    ck_assert(modelnet && shapenet);
    ck_assert_str_eq(modelnet->task, "classify_shapes");
    ck_assert_str_eq(modelnet->field[0].name, "points");
    ck_assert(bnn_shape_equal(modelnet->field[0].shape, (bnn_shape){1, 1, 1024, 6}));
    ck_assert_str_eq(modelnet->field[1].name, "class");
    ck_assert_int_eq(modelnet->classes, 40);
    ck_assert_str_eq(modelnet->class_names[39], "xbox");
    ck_assert_str_eq(shapenet->task, "segment");
    ck_assert_str_eq(shapenet->variant, "category");
    ck_assert(bnn_shape_equal(shapenet->field[0].shape, (bnn_shape){1, 1, 4096, 6}));
    ck_assert(bnn_shape_equal(shapenet->field[1].shape, (bnn_shape){1, 1, 4096, 1}));
    ck_assert_str_eq(shapenet->field[1].name, "part");
    ck_assert_int_eq(shapenet->classes, 50);
    for (int c = 1; c < 40; c++) { /* the official order */
        ck_assert_int_lt(strcmp(modelnet->class_names[c - 1], modelnet->class_names[c]), 0);
    }
    for (int c = 1; c < 50; c++) {
        ck_assert_int_lt(strcmp(shapenet->class_names[c - 1], shapenet->class_names[c]), 0);
    }
}
END_TEST

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
        "# a house\n\nOFF 5 3 0 # counts\n0 0 0\n1 0 0\n# more\n1 1 0\n0 1 0\n.5 2 0\n5 0 1 2 4 3 "
        ".1\n2 0 1 2\n0\n!"};
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

/* ---- ModelNet40 ---- */
static void read_sample(const bnn_dataset *d, size_t index, const bnn_draw *draw, float *x,
                        int32_t *y) {
    bnn_error err = {0};
    bnn_code code = d->sample(d, index, draw, (void *const[]){x, y}, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

/* Points on the edge of a cube of side 2 `size` around (7, 8, 9); the first is a corner. */
static void write_list(const char *name, int points, char separator) {
    char text[16384] = "", *p = text;
    for (int i = 0; i < points; i++) {
        int sign = i & 1 ? 1 : -1;
        p += sprintf(p, "%.6f%c%.6f%c%.6f%c0%c0%c1\n", 7 + sign * (1.0 - i / 2 * 0.01), separator,
                     8.0 + sign, separator, 9.0 + sign, separator, separator, separator);
    }
    write_text(name, text);
}

/* The points as they are, after scaling: which of write_list's this is, or -1. */
static int which(const float *p) {
    int sign = p[1] > 0.0f ? 1 : -1;
    float step = (0.999999f - (float)sign * p[0]) / 0.00999999f;
    int at = (int)lroundf(step);
    return fabsf(step - (float)at) < 1e-3f && fabsf(fabsf(p[2]) - 0.999999f) < 1e-6f
               ? 2 * at + (sign > 0)
               : -1;
}

static void write_lists(const char *at, const char *train) {
    char name[128];
    snprintf(name, sizeof name, "%s/modelnet40_train.txt", at);
    write_text(name, train);
    snprintf(name, sizeof name, "%s/modelnet40_test.txt", at);
    write_text(name, "night_stand_0003\n");
    snprintf(name, sizeof name, "%s/bed/bed_0001.txt", at);
    write_list(name, 100, ',');
    snprintf(name, sizeof name, "%s/night_stand/night_stand_0002.txt", at);
    write_list(name, 20, ' ');
    snprintf(name, sizeof name, "%s/night_stand/night_stand_0003.txt", at);
    write_list(name, 100, ',');
}

START_TEST(modelnet_lists) {
    static float x[6 * N], again[6 * N];
    int32_t label = -1;
    int count[128] = {0};
    const char *at = _i ? "." : "modelnet40_normal_resampled";
    write_lists(at, "bed_0001\r\nbed_0002\nnight_stand_0002\nsofa_0009\n");
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_uint_eq(d->skipped, 2);
    ck_assert_int_eq(d->classes, 40);
    read_sample(d, 0, &(bnn_draw){1, 0}, x, &label);
    ck_assert_str_eq(d->class_names[label], "bed");
    ck_assert_int_eq(d->label(d, 1), 23);
    for (size_t i = 0; i < N; i++) { /* points of the file, none twice */
        int point = which(x + 6 * i + 3);
        ck_assert(point >= 0 && point < 100 && count[point]++ == 0);
    }
    read_sample(d, 0, &(bnn_draw){1, 0}, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    read_sample(d, 0, &(bnn_draw){1, 1}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 0, &(bnn_draw){2, 0}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 1, NULL, x, &label);
    memset(count, 0, sizeof count);
    for (size_t i = 0; i < N; i++) { /* 20 points: each three or four times */
        int point = which(x + 6 * i + 3);
        ck_assert(point >= 0 && point < 20);
        count[point]++;
    }
    for (int i = 0; i < 20; i++) {
        ck_assert(count[i] == 3 || count[i] == 4);
    }
    read_sample(d, 1, NULL, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    bnn_dataset_close(d);
}
END_TEST

/* A folder may bring classes of its own. */
START_TEST(modelnet_names) {
    static float x[6 * N];
    int32_t label = -1;
    write_lists("s", "bed_0001\nnight_stand_0002\n");
    write_text("s/modelnet40_shape_names.txt", "night_stand\nbed\n");
    bnn_dataset *d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    ck_assert_int_eq(d->classes, 2);
    ck_assert_str_eq(d->class_names[0], "night_stand");
    read_sample(d, 0, NULL, x, &label);
    ck_assert_int_eq(label, 1);
    struct stat list = file_of("s/modelnet40_train.txt"), shape = file_of("s/bed/bed_0001.txt");
    struct stat other = file_of("s/night_stand/night_stand_0003.txt");
    ck_assert(bnn_dataset_reads(d, list.st_dev, list.st_ino));
    ck_assert(bnn_dataset_reads(d, shape.st_dev, shape.st_ino));
    ck_assert(!bnn_dataset_reads(d, other.st_dev, other.st_ino));
    bnn_dataset_close(d);
    write_text("s/modelnet40_shape_names.txt", "bed\nnight_stand\nbed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "shape_names.txt: 'bed' stands there twice", "");
    write_text("s/modelnet40_shape_names.txt", "bed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "1 names, expected 2 to 256", "");
    write_text("s/modelnet40_shape_names.txt", "bed\nsofa bed\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 2: 'sofa bed' is no name", "");
    write_text("s/modelnet40_shape_names.txt", "bed\nsofa\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "'night_stand_0002' is not CLASS_NUMBER", "");
    write_text("s/modelnet40_shape_names.txt", "..\n../..\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 1: '..' is no name", "");
}
END_TEST

START_TEST(modelnet_bad_lists) {
    bnn_dataset *d;
    bnn_error err = {0};
    write_text("e/x", "");
    expect_bad("modelnet40", "none", BNN_SPLIT_TRAIN, "/none: no such folder", "--data-dir");
    expect_bad("modelnet40", "e", BNN_SPLIT_TRAIN, "/e: neither a list of shapes", "--data-dir");
    write_lists("s", "bed_0007\nsofa_0001\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "none of the shapes of its train split", "");
    write_text("s/modelnet40_train.txt", "\n\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "train.txt: holds no names", "");
    ck_assert_int_eq(unlink(in_folder("s/modelnet40_train.txt")), 0);
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "/s/modelnet40_train.txt: no such file", "");
    write_text("s/modelnet40_train.txt", "bed_0001\nnight_stand_0002\n");
    write_text("s/bed/bed_0001.txt", "");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "/bed_0001.txt: is empty", "unpack");
    write_text("s/bed/bed_0001.txt", "1,2,3\n1,2\n");
    d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: line 2: 2 numbers, expected 3", "download");
    write_text("s/bed/bed_0001.txt", "1,2,3\n1,2,3\n");
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: its 2 points all coincide", "download");
    ck_assert_int_eq(unlink(in_folder("s/bed/bed_0001.txt")), 0);
    expect_bad_sample(d, 0, "/s/bed/bed_0001.txt: ", "o such file");
    bnn_dataset_close(d);
    for (int length = -1; length < 1 << 30; length += 1 << 29) {
        bnn_dataset_options options = {.length = length};
        bnn_code code = bnn_dataset_open(bnn_dataset_find("modelnet40"), in_folder("s"),
                                         BNN_SPLIT_TEST, &options, &d, &err);
        expect_error(code, BNN_ERR_ARGUMENT, &err, "points of a shape: a cloud has 1 to", NULL);
    }
    write_lists("modelnet40_normal_resampled", "bed_0001\n");
    write_text("ModelNet40/bed/train/bed_0001.off", "OFF\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TRAIN,
               "holds ModelNet40 and modelnet40_normal_resampled", "--data-dir");
}
END_TEST

/* What a list points to is within the folder, whatever it says. */
START_TEST(modelnet_outside) {
    write_lists("s", "../../bed_0001\n/etc/bed_0001\nbed/bed_0001\n");
    bnn_dataset *d = open_good("modelnet40", "s", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3); /* each the file in bed/ */
    bnn_dataset_close(d);
    write_lists("s", "bed_0001/..\n");
    expect_bad("modelnet40", "s", BNN_SPLIT_TRAIN, "line 1: '..' is no name", "");
}
END_TEST

START_TEST(modelnet_meshes) {
    static float x[6 * N], again[6 * N];
    int32_t label = -1;
    const char *at = _i ? "ModelNet40/" : "";
    const char *const shapes[] = {"sofa/train/sofa_0002", "sofa/train/sofa_0001",
                                  "bed/train/bed_0001", "bed/test/bed_0002"};
    char name[64];
    for (int i = 0; i < 4; i++) { /* a square of 2, far away; then taller ones */
        char text[256];
        snprintf(name, sizeof name, "%s%s.off", at, shapes[i]);
        snprintf(text, sizeof text, "OFF4 1 0\n10 10 5\n12 10 5\n12 %d 5\n10 %d 5\n4 0 1 2 3\n",
                 12 + i, 12 + i);
        write_text(name, text);
    }
    snprintf(name, sizeof name, "%ssofa/train/notes.txt", at);
    write_text(name, "no mesh");
    snprintf(name, sizeof name, "%ssofa/train/._sofa_0001.off", at);
    write_text(name, "no mesh either");
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_int_eq(d->classes, 40);
    ck_assert_int_eq(d->label(d, 0), 2);
    ck_assert_int_eq(d->label(d, 1), 30);
    read_sample(d, 2, &(bnn_draw){1, 0}, x, &label); /* sofa_0002, the square */
    ck_assert_int_eq(label, 30);
    for (size_t i = 0; i < N; i++) {
        const float *p = x + 6 * i + 3;
        ck_assert(fabsf(p[0]) <= 1.0f && fabsf(p[1]) <= 1.0f && p[2] == 0.0f);
    }
    read_sample(d, 2, &(bnn_draw){1, 0}, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    read_sample(d, 2, &(bnn_draw){1, 1}, again, &label);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    read_sample(d, 1, &(bnn_draw){1, 0}, x, &label); /* taller: narrow when scaled */
    for (size_t i = 0; i < N; i++) {
        ck_assert_float_le(fabsf(x[6 * i + 3]), 0.667f);
    }
    bnn_dataset_close(d);
    d = open_good("modelnet40", ".", BNN_SPLIT_TEST, NULL);
    ck_assert_uint_eq(d->count, 1);
    read_sample(d, 0, NULL, x, &label);
    read_sample(d, 0, NULL, again, &label);
    ck_assert_mem_eq(x, again, sizeof x);
    bnn_dataset_close(d);
    snprintf(name, sizeof name, "%sbed/test/bed_0002.off", at);
    write_text(name, "OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n");
    d = open_good("modelnet40", ".", BNN_SPLIT_TEST, NULL);
    expect_bad_sample(d, 0, "/bed_0002.off: none of its faces has an area", "download");
    bnn_dataset_close(d);
    snprintf(name, sizeof name, "%steapot/train/teapot_0001.off", at);
    write_text(name, "OFF\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TRAIN, "/teapot: is no class of ModelNet40",
               "modelnet_shape_names.txt");
    snprintf(name, sizeof name, "%smodelnet_shape_names.txt", at);
    write_text(name, "teapot\nbed\n");
    d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->label(d, 0), 0);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(modelnet10) {
    static const char *const names[] = {"toilet",  "table", "sofa",  "night_stand", "monitor",
                                        "dresser", "desk",  "chair", "bed",         "bathtub"};
    for (int i = 0; i < 10; i++) {
        char name[64];
        snprintf(name, sizeof name, "ModelNet10/%s/%s/x.off", names[i], i ? "train" : "test");
        write_text(name, "OFF 3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n");
    }
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_int_eq(d->classes, 10);
    ck_assert_str_eq(d->class_names[9], "toilet");
    ck_assert_uint_eq(d->count, 9);
    ck_assert_int_eq(d->label(d, 0), 0);
    bnn_dataset_close(d);
}
END_TEST

/* ---- HDF5 ---- */
typedef struct h5 {
    unsigned char bytes[4096];
    size_t used;
} h5;

static void put(h5 *f, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++, value >>= 8) {
        f->bytes[f->used++] = (unsigned char)value;
    }
}

static void put_text(h5 *f, const char *text, size_t bytes) {
    memcpy(f->bytes + f->used, text, bytes);
    f->used += bytes;
}

/* An object's header with space, type and layout of an array that follows; returns its address. */
static size_t put_array(h5 *f, int rank, const size_t *extent, int is_float, const void *data,
                        size_t bytes) {
    const size_t address = f->used, space = 8 + 8 * (size_t)rank;
    const size_t header = 8 + space + 8 + 24 + 8 + 24;
    put(f, 8, 1 | 3 << 16 | 1ull << 32);
    put(f, 8, header);
    put(f, 8, 1 | space << 16);
    put(f, 8, 1 | (uint64_t)rank << 8);
    for (int i = 0; i < rank; i++) {
        put(f, 8, extent[i]);
    }
    put(f, 8, 3 | 24 << 16);
    put_text(f,
             is_float ? "\x11\x20\x1f\0\4\0\0\0\0\0\x20\0\x17\x08\0\x17\x7f\0\0\0"
                      : "\x10\0\0\0\1\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\0",
             20);
    put(f, 4, 0);
    put(f, 8, 8 | 24 << 16);
    put(f, 2, 3 | 1 << 8);
    put(f, 8, f->used + 22);
    put(f, 8, bytes);
    put(f, 6, 0);
    put_text(f, data, bytes);
    return address;
}

/* "data" [clouds,points,3] and "label" [clouds,1]. */
static void write_block(const char *name, size_t clouds, size_t points, const float *data,
                        const unsigned char *label) {
    h5 f = {.used = 96 + 40 + 48 + 32 + 16 + 88}; /* what stands in front, below */
    size_t at[2];
    at[0] = put_array(&f, 3, (size_t[]){clouds, points, 3}, 1, data, 12 * clouds * points);
    at[1] = put_array(&f, 2, (size_t[]){clouds, 1}, 0, label, clouds);
    const size_t size = f.used;
    f.used = 0;
    put_text(&f, "\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\4\0\x10\0\0\0\0\0", 24);
    put(&f, 8, 0);
    put(&f, 8, UINT64_MAX);
    put(&f, 8, size);
    put(&f, 8, UINT64_MAX);
    put(&f, 8, 0);
    put(&f, 8, 96);
    f.used = 96; /* the top group: a tree of one node, a heap of two names, a table */
    put(&f, 8, 1 | 1 << 16 | 1ull << 32);
    put(&f, 8, 24);
    put(&f, 8, 0x11 | 16 << 16);
    put(&f, 8, 136);
    put(&f, 8, 184);
    put_text(&f, "TREE\0\0\1\0", 8);
    put(&f, 8, UINT64_MAX);
    put(&f, 8, UINT64_MAX);
    put(&f, 8, 0);
    put(&f, 8, 232);
    put(&f, 8, 0);
    put_text(&f, "HEAP\0\0\0\0", 8);
    put(&f, 8, 16);
    put(&f, 8, UINT64_MAX);
    put(&f, 8, 216);
    put_text(&f, "data\0\0\0\0label\0\0\0", 16);
    put_text(&f, "SNOD\1\0\2\0", 8);
    for (size_t i = 0; i < 2; i++) {
        put(&f, 8, 8 * i);
        put(&f, 8, at[i]);
        put(&f, 8, 0);
        put(&f, 8, 0);
        put(&f, 8, 0);
    }
    write_file(name, f.bytes, size);
}

static void write_blocks(const float *first, const unsigned char *label) {
    write_text("train_files.txt", "data/modelnet40_ply_hdf5_2048/a.h5\nb.h5\r\ngone.h5\n");
    write_text("test_files.txt", "c.h5\n");
    write_block("a.h5", 2, 4, first, label);
    write_block("b.h5", 1, 8, first, label);
    write_block("c.h5", 1, 3, first, label);
}

START_TEST(modelnet_blocks) {
    static float x[6 * N], again[6 * N];
    float data[24], scaled[24];
    const unsigned char label[] = {39, 7};
    int32_t got = -1;
    for (int i = 0; i < 24; i++) {
        data[i] = (float)((i * i) % 29) - 10.0f;
    }
    write_blocks(data, label);
    bnn_dataset *d = open_good("modelnet40", ".", BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_uint_eq(d->skipped, 1);
    ck_assert_int_eq(d->label(d, 0), 39);
    ck_assert_int_eq(d->label(d, 1), 7);
    ck_assert_int_eq(d->label(d, 2), 39);
    for (size_t shape = 0; shape < 3; shape++) { /* points of that shape alone */
        const size_t first = shape == 1 ? 4 : 0, points = shape == 2 ? 8 : 4;
        memcpy(scaled, data + 3 * first, 12 * points);
        ck_assert_int_eq(bnn_points_normalize("p", scaled, points, 3, NULL), BNN_OK);
        read_sample(d, shape, &(bnn_draw){1, 0}, x, &got);
        read_sample(d, shape, &(bnn_draw){1, 1}, again, &got);
        ck_assert_int_eq(got, label[shape % 2]);
        ck_assert(memcmp(x, again, sizeof x) != 0);
        for (size_t i = 0; i < N; i++) {
            size_t k = 0;
            while (k < points && memcmp(x + 6 * i + 3, scaled + 3 * k, 12) != 0) {
                k++;
            }
            ck_assert_uint_lt(k, points);
        }
    }
    bnn_dataset_close(d);
    uint32_t sum = checksum_of("modelnet40", ".", BNN_SPLIT_TEST);
    data[8] += 1.0f;
    write_block("c.h5", 1, 3, data, label);
    ck_assert_uint_ne(sum, checksum_of("modelnet40", ".", BNN_SPLIT_TEST));
    write_text("shape_names.txt", "a\nb\nc\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: shape 0 has label 39, expected 0 to 2",
               "");
    ck_assert_int_eq(unlink(in_folder("shape_names.txt")), 0);
    data[4] = INFINITY;
    write_block("c.h5", 1, 3, data, label);
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: point 1 of shape 0 is not finite", "");
    write_text("c.h5", "x,y,z\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: the file is no HDF5", "download");
    write_text("c.h5", "");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "/c.h5: the file is no HDF5", "download");
    write_text("test_files.txt", "gone.h5\n");
    expect_bad("modelnet40", ".", BNN_SPLIT_TEST, "none of the shapes of its test split", "");
}
END_TEST

/* Each byte of it another: an answer, and nothing worse. Cut anywhere: an error. */
START_TEST(block_damaged) {
    const float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    unsigned char bytes[4096];
    bnn_cloud_block block;
    write_block("x.h5", 1, 4, data, (const unsigned char *)"\5");
    FILE *file = fopen(in_folder("x.h5"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t i = 0; i < size; i++) {
        bnn_error err = {0};
        ck_assert_int_ne(bnn_hdf5_parse("x", bytes, i, 40, &block, &err), BNN_OK);
        ck_assert(err.text[0] && !block.data && !block.label);
        for (int with = 1; with < 256; with = 2 * with + 1) {
            bytes[i] ^= (unsigned char)with;
            if (bnn_hdf5_parse("x", bytes, size, 40, &block, &err) == BNN_OK) {
                bnn_cloud_block_free(&block);
            }
            bytes[i] ^= (unsigned char)with;
        }
    }
    ck_assert_int_eq(bnn_hdf5_parse("x", bytes, size, 40, &block, NULL), BNN_OK);
    ck_assert_mem_eq(block.data, data, sizeof data);
    bnn_cloud_block_free(&block);
}
END_TEST

/* As the format's own library writes them (h5py): plain, in chunks, packed, within a header, after
 * other arrays and behind a tree of several levels. Values count up. */
START_TEST(block_forms) {
    static const char *const forms[] = {"plain",   "unpacked_chunks", "gzip",  "shuffled",
                                        "compact", "attributes",      "pieces"};
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        const int pieces = strcmp(forms[f], "pieces") == 0;
        char path[512];
        bnn_map map;
        bnn_cloud_block block;
        bnn_error err = {0};
        snprintf(path, sizeof path, "%s/../fuzz/corpus/hdf5/%s", BNN_FIXTURES, forms[f]);
        ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
        bnn_code code = bnn_hdf5_parse(path, map.data, map.size, 40, &block, &err);
        ck_assert_msg(code == BNN_OK, "%s", err.text);
        ck_assert_uint_eq(block.clouds, pieces ? 150 : 2);
        ck_assert_uint_eq(block.points, pieces ? 1 : 4);
        for (size_t i = 0; i < 3 * block.clouds * block.points; i++) {
            ck_assert(block.data[i] == (float)i);
        }
        for (size_t i = 0; i < block.clouds; i++) {
            ck_assert_uint_eq(block.label[i], pieces ? i % 40 : i ? 39 : 3);
        }
        bnn_cloud_block_free(&block);
        bnn_map_close(&map);
    }
}
END_TEST

static const struct {
    const char *file, *says;
    bnn_code code;
} bad_blocks[] = {
    {"latest", "has a newer form of HDF5", BNN_ERR_UNSUPPORTED},
    {"lzf", "data is packed otherwise than by gzip", BNN_ERR_UNSUPPORTED},
    {"external", "data has no data within the file", BNN_ERR_FORMAT},
    {"soft_link", "data is not there", BNN_ERR_FORMAT},
    {"no_label", "label is not there", BNN_ERR_FORMAT},
    {"huge", "data is larger than the file could hold", BNN_ERR_FORMAT},
    {"holes", "data lacks some of its chunks", BNN_ERR_FORMAT},
    {"damaged", "data has a chunk that cannot be unpacked", BNN_ERR_FORMAT},
    {"wide_chunks", "data has chunks larger than itself", BNN_ERR_FORMAT},
    {"doubles", "data holds no floats of 32 bits", BNN_ERR_FORMAT},
    {"float_label", "label holds no whole numbers", BNN_ERR_FORMAT},
    {"labels_short", "label has not one label a shape", BNN_ERR_FORMAT},
    {"labels_wide", "label has not one label a shape", BNN_ERR_FORMAT},
    {"negative", "shape 0 has label 65533", BNN_ERR_FORMAT},
    {"four", "data is not [shapes, points, 3]", BNN_ERR_FORMAT},
    {"rank4", "data has another number of axes", BNN_ERR_FORMAT},
    {"no_clouds", "data is empty", BNN_ERR_FORMAT},
};

START_TEST(block_malformed) {
    char path[512];
    bnn_map map;
    bnn_cloud_block block;
    bnn_error err = {0};
    snprintf(path, sizeof path, "%s/../fuzz/corpus/hdf5/%s", BNN_FIXTURES, bad_blocks[_i].file);
    ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
    bnn_code code = bnn_hdf5_parse("x.h5", map.data, map.size, 40, &block, &err);
    expect_error(code, bad_blocks[_i].code, &err, "x.h5: ", bad_blocks[_i].says, NULL);
    ck_assert(!block.data && !block.label);
    bnn_map_close(&map);
}
END_TEST

/* ---- ShapeNet-Part ---- */
#define PLAIN "shapenetcore_partanno_segmentation_benchmark_v0"
#define NORMAL PLAIN "_normal"

static void write_splits(const char *at, const char *train, const char *val, const char *test) {
    const char *const text[] = {train, val, test};
    static const char *const part[] = {"train", "val", "test"};
    for (int i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/train_test_split/shuffled_%s_file_list.json", at, part[i]);
        if (text[i]) {
            write_text(name, text[i]);
        }
    }
}

static void write_plain(void) {
    write_splits(PLAIN, "[\"shape_data/02691156/a\", \"shape_data/04379243/b\"]",
                 "[\"shape_data/02691156/c\", \"shape_data/02691156/gone\"]",
                 "[\"shape_data/04379243/d\"]");
    write_text(PLAIN "/02691156/points/a.pts", "0 0 0\n2 0 0\n0 2 0\n0 0 -2\n");
    write_text(PLAIN "/02691156/points_label/a.seg", "1\n2\n3\n4\n");
    write_text(PLAIN "/02691156/points/c.pts", "0 0 0\n1 0 0\n");
    write_text(PLAIN "/02691156/points_label/c.seg", "4\n4\n");
    write_text(PLAIN "/04379243/points/b.pts", "0 0 0\n1 0 0\n");
    write_text(PLAIN "/04379243/points_label/b.seg", "1\n3\n");
    write_text(PLAIN "/04379243/points/d.pts", "0 0 0\n1 0 0\n0 1 1\n");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n2\n");
}

START_TEST(shapenet_plain) {
    static float x[6 * N], again[6 * N];
    static int32_t part[N], parts[N];
    write_plain();
    bnn_dataset *d = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, _i ? "all" : NULL);
    ck_assert_uint_eq(d->count, 3);
    ck_assert_uint_eq(d->skipped, 1);
    ck_assert_int_eq(d->classes, 50);
    ck_assert_int_eq(d->field[1].shape.w, N);
    read_sample(d, 1, NULL, x, part); /* 0 0 0 is of part 47, 1 0 0 of 49 */
    for (size_t i = 0; i < N; i++) {
        ck_assert_float_eq_tol(fabsf(x[6 * i]), 0.999999f, 1e-6f);
        ck_assert_int_eq(part[i], x[6 * i] < 0.0f ? 47 : 49);
        for (int c = 1; c < 6; c++) {
            ck_assert(x[6 * i + (size_t)c] == 0.0f); /* no normals */
        }
    }
    read_sample(d, 1, NULL, again, parts);
    ck_assert(memcmp(x, again, sizeof x) == 0 && memcmp(part, parts, sizeof part) == 0);
    read_sample(d, 1, &(bnn_draw){1, 0}, x, part);
    read_sample(d, 1, &(bnn_draw){1, 0}, again, parts);
    ck_assert(memcmp(x, again, sizeof x) == 0 && memcmp(part, parts, sizeof part) == 0);
    read_sample(d, 1, &(bnn_draw){1, 1}, again, parts);
    ck_assert(memcmp(x, again, sizeof x) != 0);
    for (size_t i = 0; i < N; i++) { /* turned and moved, and yet the same points */
        float r =
            sqrtf(x[6 * i] * x[6 * i] + x[6 * i + 1] * x[6 * i + 1] + x[6 * i + 2] * x[6 * i + 2]);
        ck_assert_float_eq_tol(r, 1.0f, 0.02f);
        ck_assert_int_eq(part[i], x[6 * i] < 0.0f ? 47 : 49);
    }
    bnn_dataset_close(d);
    d = open_good("shapenet_part", PLAIN, BNN_SPLIT_TRAIN, "Airplane");
    ck_assert_uint_eq(d->count, 2);
    ck_assert_int_eq(d->classes, 4);
    ck_assert_str_eq(d->class_names[3], "Airplane:4");
    bnn_dataset_close(d);
    d = open_good("shapenet_part", PLAIN, BNN_SPLIT_TEST, "Table");
    ck_assert_uint_eq(d->count, 1);
    ck_assert_int_eq(d->classes, 3);
    read_sample(d, 0, NULL, x, part);
    for (size_t i = 0; i < N; i++) { /* parts count from 0 */
        ck_assert_int_eq(part[i], x[6 * i] > 0.5f ? 2 : x[6 * i + 1] > 0.5f ? 1 : 0);
    }
    bnn_dataset_close(d);
}
END_TEST

START_TEST(shapenet_normal) {
    static float x[6 * N];
    static int32_t part[N];
    write_splits(NORMAL, "[\"shape_data/04379243/b\"]", NULL, "[\"shape_data/04379243/b\"]");
    write_text(NORMAL "/04379243/b.txt", "0 0 0 0 0 1 47.000000\n1 0 0 0 -1 0 49.000000\n");
    bnn_dataset *d = open_good("shapenet_part", ".", BNN_SPLIT_TEST, _i ? "Table" : NULL);
    read_sample(d, 0, NULL, x, part);
    for (size_t i = 0; i < N; i++) {
        int second = x[6 * i] > 0.0f;
        ck_assert(x[6 * i + 3] == 0.0f && x[6 * i + 4] == (second ? -1.0f : 0.0f));
        ck_assert(x[6 * i + 5] == (second ? 0.0f : 1.0f));
        ck_assert_int_eq(part[i], (_i ? 0 : 47) + 2 * second);
    }
    bnn_dataset_close(d);
    d = open_good("shapenet_part", ".", BNN_SPLIT_TRAIN, NULL); /* without a list of val */
    ck_assert_uint_eq(d->count, 1);
    write_text(NORMAL "/04379243/b.txt", "0 0 0 0 0 1 46\n1 0 0 0 -1 0 49\n");
    expect_bad_sample(d, 0, "/b.txt: point 1 has part 46, expected 47 to 49 (Table)", "");
    bnn_dataset_close(d);
    write_plain();
    expect_bad("shapenet_part", ".", BNN_SPLIT_TRAIN, "holds " PLAIN " and " NORMAL, "--data-dir");
}
END_TEST

static const struct {
    const char *list, *says;
} bad_splits[] = {
    {"", "file_list.json: line "},
    {"[\"a/b/c\"", "file_list.json: line "},
    {"{}", "expected an array"},
    {"[]", "expected an array"},
    {"[1]", "entry 0 is not \"shape_data/SYNSET/ID\""},
    {"[\"x/02691156/a\", \"a\"]", "entry 1 is not"},
    {"[\"../../x\"]", "entry 0 is not"},
    {"[\"x/02691156/..\"]", "entry 0 is not"},
    {"[\"x/02691156/\"]", "entry 0 is not"},
    {"[\"x/0269115/a\"]", "'0269115' is none of the 16 categories"},
    {"[\"x/02691156/gone\"]", "none of the 1 listed shapes for testing is there"},
};

START_TEST(shapenet_bad_lists) {
    write_plain();
    write_splits(PLAIN, NULL, NULL, bad_splits[_i].list);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, PLAIN, bad_splits[_i].says);
}
END_TEST

START_TEST(shapenet_malformed) {
    bnn_dataset *d;
    bnn_error err = {0};
    expect_bad("shapenet_part", ".", BNN_SPLIT_TRAIN, "no folder train_test_split", "--data-dir");
    write_plain();
    bnn_code code = open_set("shapenet_part", ".", BNN_SPLIT_TEST, "Spoon", &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "no category 'Spoon'", "Airplane, Bag", "all", NULL);
    code = open_set("shapenet_part", ".", BNN_SPLIT_TEST, "Airplane", &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "for testing of category Airplane", NULL);
    d = open_good("shapenet_part", ".", BNN_SPLIT_TEST, NULL);
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n");
    expect_bad_sample(d, 0, "/d.seg: 2 labels, but ", "/d.pts has 3 points");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n0\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 0, expected 1 to 3 (Table)", "");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n4\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 4, expected 1 to 3 (Table)", "");
    write_text(PLAIN "/04379243/points_label/d.seg", "1\n3\n1.5\n");
    expect_bad_sample(d, 0, "/d.seg: point 3 has part 1.5", "");
    bnn_dataset_close(d);
    ck_assert_int_eq(unlink(in_folder(PLAIN "/04379243/points_label/d.seg")), 0);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, "/d.seg: no such file", "/d.pts is there");
    ck_assert_int_eq(unlink(in_folder(PLAIN "/train_test_split/shuffled_test_file_list.json")), 0);
    expect_bad("shapenet_part", ".", BNN_SPLIT_TEST, "shuffled_test_file_list.json: no such file",
               "");
}
END_TEST

/* Of names, sizes, labels and first bytes; wherever the set lies. */
START_TEST(checksums) {
    write_lists("one", "bed_0001\nnight_stand_0002\n");
    write_lists("two", "bed_0001\nnight_stand_0002\n");
    uint32_t sum = checksum_of("modelnet40", "one", BNN_SPLIT_TRAIN);
    ck_assert(sum != 0 && sum != checksum_of("modelnet40", "one", BNN_SPLIT_TEST));
    ck_assert_uint_eq(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_list("two/bed/bed_0001.txt", 100, ' '); /* as long */
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_list("two/bed/bed_0001.txt", 99, ',');
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_lists("two", "night_stand_0002\nbed_0001\n");
    ck_assert_uint_ne(sum, checksum_of("modelnet40", "two", BNN_SPLIT_TRAIN));
    write_plain();
    sum = checksum_of("shapenet_part", ".", BNN_SPLIT_TRAIN);
    write_text(PLAIN "/02691156/points_label/a.seg", "1\n2\n3\n3\n");
    ck_assert_uint_ne(sum, checksum_of("shapenet_part", ".", BNN_SPLIT_TRAIN));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clouds");
    TCase *tc = tcase_create("clouds");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, table);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, meshes);
    tcase_add_loop_test(tc, mesh_malformed, 0, sizeof bad_meshes / sizeof bad_meshes[0]);
    tcase_add_loop_test(tc, points_malformed, 0, sizeof bad_points / sizeof bad_points[0]);
    tcase_add_test(tc, normalized);
    tcase_add_test(tc, by_area);
    tcase_add_test(tc, chosen);
    tcase_add_test(tc, features);
    tcase_add_test(tc, augmented);
    tcase_add_loop_test(tc, modelnet_lists, 0, 2);
    tcase_add_test(tc, modelnet_names);
    tcase_add_test(tc, modelnet_bad_lists);
    tcase_add_test(tc, modelnet_outside);
    tcase_add_loop_test(tc, modelnet_meshes, 0, 2);
    tcase_add_test(tc, modelnet10);
    tcase_add_test(tc, modelnet_blocks);
    tcase_add_test(tc, block_damaged);
    tcase_add_test(tc, block_forms);
    tcase_add_loop_test(tc, block_malformed, 0, sizeof bad_blocks / sizeof bad_blocks[0]);
    tcase_add_loop_test(tc, shapenet_plain, 0, 2);
    tcase_add_loop_test(tc, shapenet_normal, 0, 2);
    tcase_add_loop_test(tc, shapenet_bad_lists, 0, sizeof bad_splits / sizeof bad_splits[0]);
    tcase_add_test(tc, shapenet_malformed);
    tcase_add_test(tc, checksums);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

/* The Polygon File Format in its three forms, and shapes of whatever kind as a data set draws them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data_loaders/clouds/clouds.h"
#include "tests/fixtures/cloud_fixture.h"

/* ---- files ---- */
typedef struct file {
    unsigned char bytes[2048];
    size_t size;
    int form; /* 0: text; 1, 2: binary, little and big endian */
} file;

static void put_text(file *f, const char *text) {
    const size_t length = strlen(text);
    ck_assert_uint_le(f->size + length, sizeof f->bytes);
    memcpy(f->bytes + f->size, text, length);
    f->size += length;
}

static void start(file *f, int form, const char *header) {
    static const char *const forms[] = {"ascii", "binary_little_endian", "binary_big_endian"};
    char line[64];
    *f = (file){.form = form};
    snprintf(line, sizeof line, "ply\nformat %s 1.0\n", forms[form]);
    put_text(f, line);
    put_text(f, header);
    put_text(f, "end_header\n");
}

/* A value of so many bytes; real: a float or a double. */
static void put(file *f, int bytes, int real, double value) {
    uint64_t bits = (uint64_t)(int64_t)value;
    if (f->form == 0) {
        char text[32];
        snprintf(text, sizeof text, "%.9g ", value);
        put_text(f, text);
        return;
    }
    if (real && bytes == 8) {
        memcpy(&bits, &value, sizeof bits);
    } else if (real) {
        float single = (float)value;
        uint32_t word;
        memcpy(&word, &single, sizeof word);
        bits = word;
    }
    for (int i = 0; i < bytes; i++) {
        f->bytes[f->size++] = (unsigned char)(bits >> 8 * (f->form == 2 ? bytes - 1 - i : i));
    }
}

static bnn_cloud parse(const file *f) {
    bnn_cloud cloud;
    bnn_error err = {0};
    unsigned char *exact = malloc(f->size); /* what is read beyond it is seen */
    memcpy(exact, f->bytes, f->size);
    bnn_code code = bnn_ply_parse("p", exact, f->size, &cloud, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    free(exact);
    return cloud;
}

/* A square and a triangle; a face of two corners; whatever else a file may have. */
static void put_house(file *f, int form) {
    static const float xyz[5][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, -2}, {0, 1, 0}, {.5f, 2, 0}};
    static const int faces[3][5] = {{4, 0, 1, 2, 3}, {2, 0, 1}, {3, 3, 2, 4}};
    start(f, form,
          "comment property float x, \xff\nobj_info 3\n\n"
          "element camera 2\nproperty list ushort double when\nproperty uchar on\n"
          "element nothing 4000000000\n"
          "element vertex 5\nproperty uchar red\nproperty double y\nproperty float32 x\n"
          "property list uint8 int16 near\nproperty float nx\nproperty int8 z\r\n"
          "element face 3\nproperty float area\nproperty list uchar uint vertex_indices\n"
          "property short flags\nelement edge 7\nproperty int a\n");
    for (int i = 0; i < 2; i++) {
        put(f, 2, 0, i);
        if (i) {
            put(f, 8, 1, 0.25);
        }
        put(f, 1, 0, 1);
    }
    for (int i = 0; i < 5; i++) {
        put(f, 1, 0, 200);
        put(f, 8, 1, (double)xyz[i][1]);
        put(f, 4, 1, (double)xyz[i][0]);
        put(f, 1, 0, i % 2);
        if (i % 2) {
            put(f, 2, 0, -5);
        }
        put(f, 4, 1, 7);
        put(f, 1, 0, (double)xyz[i][2]);
    }
    for (int i = 0; i < 3; i++) {
        put(f, 4, 1, 1.5);
        put(f, 1, 0, faces[i][0]);
        for (int k = 1; k <= faces[i][0]; k++) {
            put(f, 4, 0, faces[i][k]);
        }
        put(f, 2, 0, -1);
    }
}

START_TEST(surface) {
    const float vertex[] = {0, 0, 0, 1, 0, 0, 1, 1, -2, 0, 1, 0, .5f, 2, 0};
    const uint32_t corners[] = {0, 1, 2, 0, 2, 3, 3, 2, 4};
    file f;
    put_house(&f, _i);
    bnn_cloud cloud = parse(&f);
    ck_assert_uint_eq(cloud.mesh.vertices, 5);
    ck_assert_uint_eq(cloud.mesh.triangles, 3);
    ck_assert_mem_eq(cloud.mesh.vertex, vertex, sizeof vertex);
    ck_assert_mem_eq(cloud.mesh.triangle, corners, sizeof corners);
    ck_assert_ptr_null(cloud.points.value);
    bnn_cloud_free(&cloud);
}
END_TEST

/* Cut anywhere before the last face's end it is refused in one line, and never read beyond. */
START_TEST(cut_off) {
    file f;
    put_house(&f, _i);
    for (size_t size = 0; size < f.size - 3; size++) {
        bnn_cloud cloud;
        bnn_error err = {0};
        unsigned char *cut = malloc(size + 1);
        memcpy(cut, f.bytes, size);
        cut = realloc(cut, size ? size : 1);
        expect_error(bnn_ply_parse("p", cut, size, &cloud, &err), BNN_ERR_FORMAT, &err, "p: ", "",
                     NULL);
        ck_assert(!cloud.mesh.vertex && !cloud.mesh.triangle && !cloud.points.value);
        free(cut);
    }
}
END_TEST

START_TEST(vertices) {
    static const char *const faces[] = {"",
                                        "element face 0\nproperty list uchar int vertex_index\n",
                                        "element face 1\nproperty int material\n"};
    for (size_t k = 0; k < 3; k++) {
        char header[256];
        file f;
        snprintf(header, sizeof header,
                 "element vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
                 "property float nx\nproperty float ny\nproperty float nz\n%s",
                 faces[k]);
        start(&f, _i, header);
        for (int i = 0; i < 12; i++) {
            put(&f, 4, 1, i / 4.0);
        }
        put(&f, 4, 0, 3);
        bnn_cloud cloud = parse(&f);
        ck_assert_uint_eq(cloud.mesh.triangles, 0);
        ck_assert_uint_eq(cloud.points.count, 2);
        ck_assert_int_eq(cloud.points.columns, 6);
        for (int i = 0; i < 12; i++) {
            ck_assert(cloud.points.value[i] == (float)i / 4.0f);
        }
        bnn_cloud_free(&cloud);
    }
}
END_TEST

#define XYZ "property float x\nproperty float y\nproperty float z\n"
#define A "ply\nformat ascii 1.0\n"
#define L "ply\nformat binary_little_endian 1.0\n"
#define FACES "property list uchar int vertex_indices\nend_header\n"

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "no header of a PLY file"},
    {"plyx\n", "no header of a PLY file"},
    {A "element vertex 1\n" XYZ, "no header of a PLY file"},
    {"ply\nformat utf8 1.0\n", "line 2: there is no format 'utf8'"},
    {"ply\nelement vertex 1\n" XYZ "end_header\n0 0 0\n", "has no format"},
    {A "vertex 1\n", "line 3: not known in a header: 'vertex'"},
    {A "element vertex\n", "line 3: not known in a header: 'element'"},
    {A "element vertex -1\n", "no number of elements: '-1'"},
    {A "element vertex 4294967296\n", "no number of elements: '4294967296'"},
    {A "property float x\n", "of no element: 'x'"},
    {A "element vertex 1\nproperty half x\n", "unusable type of property 'x'"},
    {A "element vertex 1\nproperty list float int x\n", "unusable type of property 'x'"},
    {A "element vertex 1\nproperty float x y\n", "no property: 'y'"},
    {A "element vertex 1\nproperty float x\nproperty float x\n", "a second property 'x'"},
    {A "element face 1\n" FACES "3 0 0 0\n", "has no vertices of x, y and z"},
    {A "element vertex 0\n" XYZ "end_header\n", "has no vertices of x, y and z"},
    {A "element vertex 1\nproperty float x\nproperty float y\nend_header\n1 2\n",
     "has no vertices of x, y and z"},
    {A "element vertex 4000000000\n" XYZ "end_header\n1 2 3\n", "too few for the 4000000000"},
    {L "element vertex 4000000000\n" XYZ "end_header\n1 2 3\n", "too few for the 4000000000"},
    {A "element vertex 2\n" XYZ "end_header\n1.000000 2.000000 3\n", "after 1 of the 2 vertices"},
    {A "element vertex 1\n" XYZ "end_header\n1 nan 3\n", "line 8: 'nan' where a finite number"},
    {L "element vertex 1\n" XYZ "end_header\naaaabb\xff\x7f"
       "cccc",
     "vertex 0 is not finite"},
    {L "element a 9\nproperty list uint char b\nelement vertex 1\n" XYZ
       "end_header\n\xff\xff\xff\x7f"
       "cccccccccccccc",
     "after 0 of the 9 records"},
    {A "element vertex 1\n" XYZ "element face 4000000000\n" FACES "0 0 0 1 0\n",
     "after 1 of the 4000000000 faces"},
    {A "element vertex 1\n" XYZ "element face 1\n" FACES "0 0 0 3 0 0 1\n",
     "vertex of a face 1, expected a whole number below 1"},
    {A "element vertex 1\n" XYZ "element face 1\n" FACES "0 0 0 3 0 0 -1\n", "of a face -1,"},
    {A "element vertex 1\n" XYZ "element face 1\n" FACES "0 0 0 3 0 0 .5\n", "of a face 0.5,"},
    {A "element vertex 1\n" XYZ "element face 1\n" FACES "0 0 0 -3 0 0 0\n", "length -3,"},
};

START_TEST(malformed) {
    bnn_cloud cloud;
    bnn_error err = {0};
    bnn_code code = bnn_ply_parse("p.ply", (const unsigned char *)bad[_i].text,
                                  strlen(bad[_i].text), &cloud, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "p.ply: ", bad[_i].says, NULL);
    ck_assert(!cloud.mesh.vertex && !cloud.mesh.triangle && !cloud.points.value);
}
END_TEST

/* As many as are told apart, and one more. */
START_TEST(many) {
    for (int more = 0; more < 2; more++) {
        static char header[1 << 16];
        bnn_cloud cloud;
        bnn_error err = {0};
        size_t at = (size_t)sprintf(header, A "element vertex 1\n" XYZ);
        for (int i = 3; i < (_i ? 3 : 128) + (_i ? 0 : more); i++) {
            at += (size_t)sprintf(header + at, "property uchar p%d\n", i);
        }
        for (int i = 1; i < (_i ? 16 : 1) + (_i ? more : 0); i++) {
            at += (size_t)sprintf(header + at, "element e%d 1\n", i);
        }
        at += (size_t)sprintf(header + at, "end_header\n");
        for (int i = 0; i < 128; i++) {
            at += (size_t)sprintf(header + at, "1 ");
        }
        bnn_code code = bnn_ply_parse("p", (unsigned char *)header, at, &cloud, &err);
        if (more) {
            expect_error(code, BNN_ERR_FORMAT, &err, "p: ", "than are known", NULL);
        } else {
            ck_assert_msg(code == BNN_OK, "%s", err.text);
        }
        bnn_cloud_free(&cloud);
    }
}
END_TEST

/* ---- shapes as they are drawn ---- */
#define OFF "OFF\n4 2 0\n0 0 0\n4 0 0\n0 2 0\n0 0 1\n3 0 1 2\n3 0 2 3\n"
#define PLY                                                                                        \
    A "element vertex 4\n" XYZ "element face 2\n" FACES "0 0 0\n4 0 0\n0 2 0\n0 0 1\n"             \
      "3 0 1 2\n3 0 2 3\n"
#define LIST "0,0,0\n4,0,0\n0,2,0\n0,0,1\n"
#define VERTICES A "element vertex 4\n" XYZ "end_header\n0 0 0\n4 0 0\n0 2 0\n0 0 1\n"

static bnn_cloud drawn(const char *set, const char *text, float *x) {
    bnn_cloud cloud;
    bnn_error err = {0};
    bnn_code code = bnn_cloud_parse("c", (const unsigned char *)text, strlen(text), &cloud, &err);
    if (code == BNN_OK) {
        code = bnn_dataset_find(set)->draw("c", &cloud, NULL, N, x, &err);
    }
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return cloud;
}

/* What the set says of such a sample, whichever it is. */
START_TEST(as_the_set) {
    static float x[6 * N], sample[6 * N];
    int32_t label[N];
    write_text("m/bed/test/a.off", "OFF\n3 1 0\n0 0 0\n4 0 0\n0 2 0\n3 0 1 2\n");
    write_text("m/bed/test/b.off", OFF);
    bnn_dataset *d = open_good("modelnet40", "m", BNN_SPLIT_TEST, NULL);
    read_sample(d, 1, NULL, sample, label);
    bnn_dataset_close(d);
    const char *const surfaces[] = {OFF, "# by hand\n" OFF, PLY};
    for (int i = 0; i < 3; i++) {
        bnn_cloud cloud = drawn("modelnet40", surfaces[i], x);
        ck_assert_mem_eq(x, sample, sizeof x);
        for (int k = 0; k < N; k++) { /* in the file's own place: on one of two sides */
            const float *p = cloud.drawn + 3 * k;
            ck_assert(fabsf(p[2]) < 1e-5f ? p[0] / 4 + p[1] / 2 < 1.0001f
                                          : fabsf(p[0]) < 1e-5f && p[1] / 2 + p[2] < 1.0001f);
        }
        bnn_cloud_free(&cloud);
    }
    write_text("s/train_test_split/shuffled_test_file_list.json",
               "[\"shape_data/04379243/c\", \"shape_data/04379243/d\"]");
    write_text("s/04379243/points/c.pts", "0 0 0\n1 0 0\n");
    write_text("s/04379243/points_label/c.seg", "1\n2\n");
    write_text("s/04379243/points/d.pts", LIST);
    write_text("s/04379243/points_label/d.seg", "1\n2\n3\n1\n");
    d = open_good("shapenet_part", "s", BNN_SPLIT_TEST, NULL);
    read_sample(d, 1, NULL, sample, label);
    bnn_dataset_close(d);
    const char *const lists[] = {LIST, VERTICES};
    for (int i = 0; i < 2; i++) {
        bnn_cloud cloud = drawn("shapenet_part", lists[i], x);
        ck_assert_mem_eq(x, sample, sizeof x);
        for (int k = 0; k < N; k++) { /* bit for bit where the file has it */
            const float *p = cloud.drawn + 3 * k;
            ck_assert_int_eq(label[k], 47 + (p[0] == 4.0f ? 1 : p[1] == 2.0f ? 2 : 0));
        }
        bnn_cloud_free(&cloud);
    }
}
END_TEST

/* Normals are taken where the set has them, and not for a part or a colour. */
START_TEST(normals) {
    static float x[6 * N];
    static const char *const lists[] = {"0 0 0 1 2 3 49\n1 0 0 1 2 3 48\n", "0 0 0 7\n1 0 0 7\n"};
    for (int i = 0; i < 2; i++) {
        bnn_cloud cloud = drawn("shapenet_part", lists[i], x);
        for (int k = 0; k < 3 * N; k++) {
            ck_assert(x[6 * (k / 3) + 3 + k % 3] == (i ? 0.0f : (float)(1 + k % 3)));
        }
        bnn_cloud_free(&cloud);
    }
}
END_TEST

int main(void) {
    const int count = sizeof bad / sizeof bad[0];
    Suite *suite = suite_create("ply");
    TCase *tc = tcase_create("ply");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_loop_test(tc, surface, 0, 3);
    tcase_add_loop_test(tc, cut_off, 0, 3);
    tcase_add_loop_test(tc, vertices, 0, 3);
    tcase_add_loop_test(tc, malformed, 0, count);
    tcase_add_loop_test(tc, many, 0, 2);
    tcase_add_test(tc, as_the_set);
    tcase_add_test(tc, normals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

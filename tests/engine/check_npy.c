/* io/npy.h: what NumPy writes is read; whatever is malformed or not supported is refused by name,
 * and no message is more than a line. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/io/npy.h"

/* A file in memory: magic, version, header length, header, `data_bytes` bytes 0, 1, 2, ... */
static unsigned char bytes[8192];

static size_t build(int major, const char *header, size_t data_bytes) {
    size_t length = strlen(header), width = major == 1 ? 2 : 4;
    ck_assert(8 + width + length + data_bytes <= sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)major;
    bytes[7] = 0;
    for (size_t i = 0; i < width; i++) {
        bytes[8 + i] = (unsigned char)(length >> (8 * i));
    }
    memcpy(bytes + 8 + width, header, length);
    for (size_t i = 0; i < data_bytes; i++) {
        bytes[8 + width + length + i] = (unsigned char)i;
    }
    return 8 + width + length + data_bytes;
}

/* From a heap copy of exact size, so that ASan sees a read past its end. */
static bnn_code parse_copy(size_t size, bnn_npy *npy, bnn_error *err, void **copy) {
    *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(*copy);
    memcpy(*copy, bytes, size);
    return bnn_npy_parse("a.npy", *copy, size, npy, err);
}

static void expect_refused(size_t size, bnn_code wanted, const char *what) {
    bnn_npy npy;
    bnn_error err = {0};
    void *copy;
    bnn_code code = parse_copy(size, &npy, &err, &copy);
    ck_assert_msg(code == wanted, "%s: code %d: %s", what, (int)code, err.text);
    ck_assert_int_eq(err.code, wanted);
    ck_assert_msg(strstr(err.text, what) != NULL, "wanted '%s': %s", what, err.text);
    ck_assert_msg(strncmp(err.text, "a.npy: ", 7) == 0, "%s", err.text);
    ck_assert_msg(strpbrk(err.text, "\n\r\033") == NULL, "%s", err.text);
    ck_assert_ptr_null(npy.data);
    bnn_npy_close(&npy);
    free(copy);
}

static const struct accepted {
    int major;
    const char *header;
    size_t data_bytes;
    char kind;
    int item_bytes, ndim;
    int64_t shape[4];
    size_t count;
} good[] = {
    {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }  \n", 3, 'u', 1, 1, {3}, 3},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, 'f', 4, 2, {2, 3}, 6},
    {2, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8, 'i', 8, 0, {0}, 1},
    {3,
     "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 2, 1, 1)}",
     4,
     'b',
     1,
     4,
     {2, 2, 1, 1},
     4},
    {1, "{'shape': (0, 5), 'descr': '<f8', 'fortran_order': False}", 0, 'f', 8, 2, {0, 5}, 0},
    {1, "{\"fortran_order\":False,\"shape\":(2,),\"descr\":\"<u2\"}", 4, 'u', 2, 1, {2}, 2},
    {1,
     "\t {  'descr'\n:'<i4' ,'fortran_order' : False,'shape' : ( 1 , 2 , ) } \n",
     8,
     'i',
     4,
     2,
     {1, 2},
     2},
    {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (1L, 2L), }\n", 4, 'f', 2, 2, {1, 2}, 2},
    {1,
     "{'descr': '|i1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1), }\n",
     1,
     'i',
     1,
     8,
     {1, 1, 1, 1},
     1},
};

START_TEST(reads_what_numpy_writes) {
    const struct accepted *g = &good[_i];
    bnn_npy npy;
    bnn_error err = {0};
    void *copy;
    size_t size = build(g->major, g->header, g->data_bytes);
    bnn_code code = parse_copy(size, &npy, &err, &copy);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    ck_assert_int_eq(npy.kind, g->kind);
    ck_assert_int_eq(npy.item_bytes, g->item_bytes);
    ck_assert_int_eq(npy.ndim, g->ndim);
    for (int i = 0; i < g->ndim && i < 4; i++) {
        ck_assert_int_eq(npy.shape[i], g->shape[i]);
    }
    ck_assert_uint_eq(npy.count, g->count);
    ck_assert_ptr_eq(npy.data, (char *)copy + size - g->data_bytes);
    for (size_t i = 0; i < g->data_bytes; i++) {
        ck_assert_uint_eq(((const unsigned char *)npy.data)[i], i);
    }
    bnn_npy_close(&npy);
    free(copy);
}
END_TEST

#define HEAD "{'descr': '<f4', 'fortran_order': False, 'shape': "
#define TAIL ", 'fortran_order': False, 'shape': (1,)}"

static const struct refused {
    const char *header;
    bnn_code code;
    const char *what;
} bad[] = {
    {"{'descr': '>f4'" TAIL, BNN_ERR_UNSUPPORTED, "big-endian"},
    {"{'descr': '|O'" TAIL, BNN_ERR_UNSUPPORTED, "Python objects"},
    {"{'descr': [('a', '<f4')]" TAIL, BNN_ERR_UNSUPPORTED, "structured"},
    {"{'descr': '<U5'" TAIL, BNN_ERR_UNSUPPORTED, "'<U5' is not supported"},
    {"{'descr': '<c8'" TAIL, BNN_ERR_UNSUPPORTED, "'<c8' is not supported"},
    {"{'descr': '<f16'" TAIL, BNN_ERR_UNSUPPORTED, "'<f16' is not supported"},
    {"{'descr': ''" TAIL, BNN_ERR_UNSUPPORTED, "'' is not supported"},
    {"{'descr': '\033[2J\r'" TAIL, BNN_ERR_UNSUPPORTED, "'?[2J?' is not supported"},
    {"{'descr': 4" TAIL, BNN_ERR_FORMAT, "'descr' is not a string"},
    {"{'descr': '<f4", BNN_ERR_FORMAT, "'descr' is not a string"},
    {"{'descr': '<f4\\''" TAIL, BNN_ERR_FORMAT, "'descr' is not a string"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", BNN_ERR_UNSUPPORTED, "Fortran"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", BNN_ERR_FORMAT, "neither True"},
    {"{'descr': '<f4', 'fortran_order': Fals", BNN_ERR_FORMAT, "neither True"},
    {HEAD "(3)}", BNN_ERR_FORMAT, "not a tuple"},
    {HEAD "3}", BNN_ERR_FORMAT, "not a tuple"},
    {HEAD "[3]}", BNN_ERR_FORMAT, "not a tuple"},
    {HEAD "(,)}", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(1 2)}", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(-1,)}", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(1.5,)}", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(1,", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(9223372036854775808,)}", BNN_ERR_FORMAT, "non-negative"},
    {HEAD "(9223372036854775807,)}", BNN_ERR_FORMAT, "larger than any memory"},
    {HEAD "(4611686018427387904, 8)}", BNN_ERR_FORMAT, "larger than any memory"},
    {HEAD "(0, 4611686018427387904, 8)}", BNN_ERR_FORMAT, "larger than any memory"},
    {HEAD "(1,1,1,1,1,1,1,1,1)}", BNN_ERR_UNSUPPORTED, "more than 8 dimensions"},
    {HEAD "(1,), 'extra': 1}", BNN_ERR_FORMAT, "unknown key 'extra'"},
    {HEAD "(1,), 'descr': '<f4'}", BNN_ERR_FORMAT, "twice"},
    {HEAD "(1,)", BNN_ERR_FORMAT, "comma is missing"},
    {HEAD "(1,) 'x'", BNN_ERR_FORMAT, "comma is missing"},
    {HEAD "(1,)} x", BNN_ERR_FORMAT, "text follows"},
    {HEAD "(1,),", BNN_ERR_FORMAT, "not a Python dictionary"},
    {"{'descr': '<f4', 'shape': (1,)}", BNN_ERR_FORMAT, "missing"},
    {"{}", BNN_ERR_FORMAT, "missing"},
    {"{,}", BNN_ERR_FORMAT, "not a Python dictionary"},
    {"{'descr'", BNN_ERR_FORMAT, "not a Python dictionary"},
    {"[]", BNN_ERR_FORMAT, "not a Python dictionary"},
    {"", BNN_ERR_FORMAT, "not a Python dictionary"},
};

START_TEST(refuses_bad_headers) {
    expect_refused(build(1, bad[_i].header, 4), bad[_i].code, bad[_i].what);
}
END_TEST

START_TEST(sizes_match_to_the_byte) {
    const char *header = HEAD "(5, 2), }\n";
    expect_refused(build(1, header, 37), BNN_ERR_FORMAT, "3 of 40 bytes of data are missing");
    expect_refused(build(1, header, 0), BNN_ERR_FORMAT, "40 of 40 bytes of data are missing");
    expect_refused(build(1, header, 41), BNN_ERR_FORMAT, "1 bytes longer");
}
END_TEST

/* Cut anywhere, it is refused, and never read past its end. */
START_TEST(every_truncation_is_refused) {
    for (int major = 1; major <= 3; major++) {
        size_t size = build(major, HEAD "(2, 2), }\n", 16);
        for (size_t n = 0; n < size; n++) {
            expect_refused(n, BNN_ERR_FORMAT, n < 8 ? "not a .npy file" : "cut short");
        }
    }
}
END_TEST

START_TEST(refuses_other_files_and_versions) {
    size_t size = build(1, HEAD "(1,)}", 4);
    bytes[6] = 4;
    expect_refused(size, BNN_ERR_UNSUPPORTED, "version 4.0");
    bytes[6] = 0;
    expect_refused(size, BNN_ERR_UNSUPPORTED, "version 0.0");
    bytes[6] = 1;
    bytes[7] = 9;
    expect_refused(size, BNN_ERR_UNSUPPORTED, "version 1.9");
    memcpy(bytes, "PK\3\4", 4);
    expect_refused(size, BNN_ERR_FORMAT, "not a .npy file");
    size = build(2, HEAD "(1,)}", 4);
    memset(bytes + 8, 0xff, 4);
    expect_refused(size, BNN_ERR_FORMAT, "header of 4294967295 bytes");
}
END_TEST

START_TEST(open_maps_a_file) {
    char path[] = "/tmp/bnn-check-npy-XXXXXX";
    bnn_npy npy;
    bnn_error err = {0};
    int fd = mkstemp(path);
    size_t size = build(1, HEAD "(2, 3), }\n", 24);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_OK);
    ck_assert_uint_eq(npy.count, 6);
    ck_assert_uint_eq(((const unsigned char *)npy.data)[23], 23);
    bnn_npy_close(&npy);
    bnn_npy_close(&npy); /* twice is harmless */
    ck_assert_int_eq(ftruncate(fd, (off_t)size - 1), 0);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_ERR_FORMAT);
    close(fd);
    unlink(path);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_ERR_IO);
    ck_assert_int_eq(bnn_npy_open(path, &npy, NULL), BNN_ERR_IO);
}
END_TEST

START_TEST(what_is_written_is_read) {
    char folder[] = "/tmp/bnn-check-npy-XXXXXX", path[64];
    const int64_t shapes[3][4] = {{6}, {2, 3}, {50000, 32, 32, 3}};
    const int dims[3] = {1, 2, 4};
    const float six_floats[6] = {-1.5f, 0.25f, 3.0f, 1e-30f, 7.0f, -0.0f};
    const uint8_t six[6] = {1, 2, 3, 250, 251, 252};
    bnn_npy_writer *w;
    bnn_npy npy;
    bnn_error err = {0};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.npy", folder);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_U8, dims[i], shapes[i], &w, &err),
                         BNN_OK);
        bnn_npy_write(w, six, 4);
        bnn_npy_write(w, six + 4, 2);
        ck_assert_int_eq(bnn_npy_write_commit(w, &err), BNN_OK);
        ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_OK);
        ck_assert_int_eq(npy.kind, 'u');
        ck_assert_int_eq(npy.ndim, dims[i]);
        ck_assert_mem_eq(npy.shape, shapes[i], (size_t)dims[i] * sizeof(int64_t));
        ck_assert_mem_eq(npy.data, six, sizeof six);
        ck_assert_uint_eq(npy.map.size, 128 + 6);
        bnn_npy_close(&npy);
    }
    ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_F32, 1, shapes[0], &w, &err), BNN_OK);
    bnn_npy_write(w, six_floats, sizeof six_floats);
    ck_assert_int_eq(bnn_npy_write_commit(w, &err), BNN_OK);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_OK);
    ck_assert(npy.kind == 'f' && npy.item_bytes == 4 && npy.count == 6);
    ck_assert_mem_eq(npy.data, six_floats, sizeof six_floats);
    bnn_npy_close(&npy);
    /* What is not complete never replaces what was there. */
    ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_U8, 4, shapes[2], &w, &err), BNN_OK);
    bnn_npy_write(w, six, 6);
    ck_assert_int_eq(bnn_npy_write_commit(w, &err), BNN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "6 bytes were written, but the shape has 153600000"));
    ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_U8, 4, shapes[2], &w, &err), BNN_OK);
    bnn_npy_write_abandon(w);
    bnn_npy_write_abandon(NULL);
    ck_assert_int_eq(bnn_npy_open(path, &npy, &err), BNN_OK);
    ck_assert_uint_eq(npy.count, 6);
    bnn_npy_close(&npy);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* and leaves nothing behind */
    ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_U8, 1, shapes[0], &w, &err), BNN_ERR_IO);
    ck_assert_int_eq(bnn_npy_write_open(path, BNN_NPY_U8, 9, shapes[0], &w, &err),
                     BNN_ERR_ARGUMENT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("npy");
    TCase *tests = tcase_create("npy");
    tcase_set_timeout(tests, 20);
    tcase_add_loop_test(tests, reads_what_numpy_writes, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tests, refuses_bad_headers, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, sizes_match_to_the_byte);
    tcase_add_test(tests, every_truncation_is_refused);
    tcase_add_test(tests, refuses_other_files_and_versions);
    tcase_add_test(tests, open_maps_a_file);
    tcase_add_test(tests, what_is_written_is_read);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

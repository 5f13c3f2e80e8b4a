/* io/safetensors.h: what we write we read back, to the byte the same each time; whatever is
 * malformed is refused with one line; a write that fails leaves the file that was there. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/io/safetensors.h"
#include "tests/fixtures/file_limit.h"

static char folder[64];
static char path[128];

static void set_up(void) {
    strcpy(folder, "/tmp/bnn-check-st-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static int entries_in_folder(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

static void expect_bytes(const char *name, const void *bytes, size_t size) {
    bnn_map map;
    bnn_error err;
    ck_assert_int_eq(bnn_map_open(name, &map, &err), BNN_OK);
    ck_assert_uint_eq(map.size, size);
    ck_assert_mem_eq(map.data, bytes, size);
    bnn_map_close(&map);
}

static void must(bnn_code code, const bnn_error *err) {
    ck_assert_msg(code == BNN_OK, "%s", err->text);
}

/* ---- round trips ---- */

static const float numbers[6] = {1.5f, -2, 0, 3e-9f, 7, -0.0f};
static const char *const odd_text =
    "quotes \" back\\slash\nnew line\ttab \x01 \xc3\xa9 \xf0\x9f\x98\x80";

static const int64_t shape_23[] = {2, 3}, shape_04[] = {0, 4}, shape_3[] = {3};
static const int64_t shape_8[] = {1, 1, 1, 1, 1, 1, 2, 1};

static bnn_st_writer *sample_writer(void) {
    bnn_error err;
    bnn_st_writer *w = bnn_st_writer_create();
    ck_assert_ptr_nonnull(w);
    must(bnn_st_add_metadata(w, "format", "pt", &err), &err);
    must(bnn_st_add_metadata(w, odd_text, odd_text, &err), &err);
    must(bnn_st_add_tensor(w, "z.weight", BNN_ST_F32, 2, shape_23, numbers, &err), &err);
    must(bnn_st_add_tensor(w, "empty", BNN_ST_F64, 2, shape_04, NULL, &err), &err);
    must(bnn_st_add_tensor(w, "scalar", BNN_ST_I64, 0, NULL, "12345678", &err), &err);
    must(bnn_st_add_tensor(w, "bytes", BNN_ST_U8, 1, shape_3, "abc", &err), &err);
    must(bnn_st_add_tensor(w, odd_text, BNN_ST_F16, 8, shape_8, "wxyz", &err), &err);
    return w;
}

static void expect_tensor(const bnn_st_file *file, size_t index, const char *name,
                          bnn_st_dtype dtype, int ndim, const int64_t *shape, const void *data,
                          size_t bytes) {
    const bnn_st_tensor *t = bnn_st_at(file, index);
    ck_assert_ptr_nonnull(t);
    ck_assert_ptr_eq(t, bnn_st_find(file, name));
    ck_assert_str_eq(t->name, name);
    ck_assert_int_eq(t->dtype, dtype);
    ck_assert_int_eq(t->ndim, ndim);
    for (int i = 0; i < ndim; i++) {
        ck_assert_int_eq(t->shape[i], shape[i]);
    }
    ck_assert_uint_eq(t->bytes, bytes);
    ck_assert_uint_eq(t->count, bytes / bnn_st_dtype_bytes(dtype));
    ck_assert(bytes == 0 || memcmp(t->data, data, bytes) == 0);
}

START_TEST(round_trip) {
    bnn_error err;
    bnn_st_file *file;
    bnn_st_writer *w = sample_writer();
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_st_open(path, &file, &err), &err);
    ck_assert_uint_eq(bnn_st_count(file), 5);
    expect_tensor(file, 0, "z.weight", BNN_ST_F32, 2, shape_23, numbers, 24);
    expect_tensor(file, 1, "empty", BNN_ST_F64, 2, shape_04, NULL, 0);
    expect_tensor(file, 2, "scalar", BNN_ST_I64, 0, NULL, "12345678", 8);
    expect_tensor(file, 3, "bytes", BNN_ST_U8, 1, shape_3, "abc", 3);
    expect_tensor(file, 4, odd_text, BNN_ST_F16, 8, shape_8, "wxyz", 4);
    ck_assert_ptr_null(bnn_st_at(file, 5));
    ck_assert_ptr_null(bnn_st_find(file, "bytes "));
    ck_assert_ptr_null(bnn_st_find(file, ""));
    ck_assert_ptr_null(bnn_st_find(file, "__metadata__"));
    ck_assert_str_eq(bnn_st_metadata(file, "format"), "pt");
    ck_assert_str_eq(bnn_st_metadata(file, odd_text), odd_text);
    ck_assert_ptr_null(bnn_st_metadata(file, "other"));
    bnn_st_close(file);
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

START_TEST(dtypes_are_named_and_sized) {
    static const char *const names[] = {"F32", "F64", "F16", "BF16", "I64", "I32", "I16",
                                        "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
    static const size_t sizes[] = {4, 8, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};
    static const unsigned char data[24];
    bnn_error err;
    bnn_st_file *file;
    bnn_st_writer *w = bnn_st_writer_create();
    for (int i = BNN_ST_F32; i <= BNN_ST_BOOL; i++) {
        ck_assert_str_eq(bnn_st_dtype_name((bnn_st_dtype)i), names[i]);
        ck_assert_uint_eq(bnn_st_dtype_bytes((bnn_st_dtype)i), sizes[i]);
        must(bnn_st_add_tensor(w, names[i], (bnn_st_dtype)i, 1, shape_3, data, &err), &err);
    }
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_st_open(path, &file, &err), &err);
    for (int i = BNN_ST_F32; i <= BNN_ST_BOOL; i++) {
        const bnn_st_tensor *t = bnn_st_find(file, names[i]);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(t->dtype, i);
        ck_assert_uint_eq(t->bytes, 3 * sizes[i]);
    }
    bnn_st_close(file);
}
END_TEST

/* The bytes themselves, so that an accidental change of the written form shows. */
START_TEST(written_bytes_are_fixed) {
    static const char wanted[] = "\x78\0\0\0\0\0\0\0"
                                 "{\"__metadata__\":{\"b\":\"\\n\",\"a\":\"\\\"\"},"
                                 "\"t\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                 "\"e\":{\"dtype\":\"F32\",\"shape\":[],"
                                 "\"data_offsets\":[3,7]}}";
    bnn_error err;
    bnn_st_writer *w = bnn_st_writer_create();
    must(bnn_st_add_tensor(w, "t", BNN_ST_U8, 1, shape_3, "abc", &err), &err);
    must(bnn_st_add_metadata(w, "b", "\n", &err), &err);
    must(bnn_st_add_tensor(w, "e", BNN_ST_F32, 0, NULL, "1234", &err), &err);
    must(bnn_st_add_metadata(w, "a", "\"", &err), &err);
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    size_t length = sizeof wanted - 1 - 8;
    char whole[512];
    memset(whole, ' ', sizeof whole);
    memcpy(whole, wanted, sizeof wanted - 1);
    length = (length + 7) / 8 * 8;
    whole[0] = (char)length;
    memcpy(whole + 8 + length, "abc1234", 7);
    expect_bytes(path, whole, 8 + length + 7);
}
END_TEST

START_TEST(same_input_same_bytes) {
    bnn_error err;
    bnn_map map;
    char other[160];
    snprintf(other, sizeof other, "%s/again", folder);
    bnn_st_writer *w = sample_writer();
    must(bnn_st_write(w, path, &err), &err);
    must(bnn_st_write(w, path, &err), &err); /* a writer may write more than once */
    bnn_st_writer_free(w);
    w = sample_writer();
    must(bnn_st_write(w, other, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_map_open(other, &map, &err), &err);
    expect_bytes(path, map.data, map.size);
    ck_assert_uint_eq(map.data[0] % 8, 0);
    bnn_map_close(&map);
}
END_TEST

START_TEST(nothing_at_all_round_trips) {
    bnn_error err;
    bnn_st_file *file;
    bnn_st_writer *w = bnn_st_writer_create();
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    expect_bytes(path, "\x08\0\0\0\0\0\0\0{}      ", 16);
    must(bnn_st_open(path, &file, &err), &err);
    ck_assert_uint_eq(bnn_st_count(file), 0);
    ck_assert_ptr_null(bnn_st_find(file, "x"));
    ck_assert_ptr_null(bnn_st_metadata(file, "x"));
    bnn_st_close(file);
    bnn_st_close(NULL);
    bnn_st_writer_free(NULL);
}
END_TEST

START_TEST(thousands_of_tensors_are_found) {
    enum { N = 5000 };
    static int32_t data[N];
    char name[32];
    bnn_error err;
    bnn_st_file *file;
    bnn_st_writer *w = bnn_st_writer_create();
    for (int i = 0; i < N; i++) {
        data[i] = i;
        snprintf(name, sizeof name, "t%d", i * 7919 % N);
        must(bnn_st_add_tensor(w, name, BNN_ST_I32, 0, NULL, &data[i], &err), &err);
    }
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_st_open(path, &file, &err), &err);
    for (int i = 0; i < N; i++) {
        int32_t value;
        snprintf(name, sizeof name, "t%d", i * 7919 % N);
        const bnn_st_tensor *t = bnn_st_find(file, name);
        ck_assert_ptr_nonnull(t);
        memcpy(&value, t->data, sizeof value);
        ck_assert_int_eq(value, i);
    }
    bnn_st_close(file);
}
END_TEST

/* ---- the writer's arguments ---- */

static void expect_error(bnn_code code, bnn_code wanted, const bnn_error *err, const char *what) {
    ck_assert_msg(code == wanted, "%s: code %d: %s", what, (int)code, err->text);
    ck_assert_int_eq(err->code, wanted);
    ck_assert_msg(strstr(err->text, what) != NULL, "wanted '%s': %s", what, err->text);
    ck_assert_msg(strpbrk(err->text, "\n\r\033") == NULL, "%s", err->text);
}

START_TEST(writer_refuses_bad_arguments) {
    const bnn_code wanted = BNN_ERR_ARGUMENT;
    const int64_t negative[] = {-1}, huge[] = {(int64_t)1 << 62, 8}, half[] = {INT64_MAX / 2 + 1};
    bnn_error err;
    bnn_st_writer *w = bnn_st_writer_create();
    must(bnn_st_add_tensor(w, "a", BNN_ST_U8, 1, shape_3, "abc", &err), &err);
    must(bnn_st_add_metadata(w, "k", "v", &err), &err);
#define TENSOR(name, dtype, ndim, shape, data)                                                     \
    bnn_st_add_tensor(w, name, dtype, ndim, shape, data, &err), wanted, &err
    expect_error(TENSOR("a", BNN_ST_U8, 1, shape_3, "abc"), "added twice");
    expect_error(TENSOR("__metadata__", BNN_ST_U8, 0, NULL, "x"), "__metadata__");
    expect_error(TENSOR(NULL, BNN_ST_U8, 0, NULL, "x"), "name");
    expect_error(TENSOR("b", (bnn_st_dtype)99, 0, NULL, "x"), "dtype");
    expect_error(TENSOR("b", BNN_ST_U8, -1, NULL, "x"), "-1 dimensions");
    expect_error(TENSOR("b", BNN_ST_U8, 9, shape_8, "x"), "9 dimensions");
    expect_error(TENSOR("b", BNN_ST_U8, 1, NULL, "x"), "1 dimensions");
    expect_error(TENSOR("b", BNN_ST_U8, 1, negative, "x"), "too large");
    expect_error(TENSOR("b", BNN_ST_U8, 2, huge, "x"), "too large");
    expect_error(TENSOR("b", BNN_ST_F32, 1, half, "x"), "too large");
    expect_error(TENSOR("b", BNN_ST_U8, 1, shape_3, NULL), "no data");
    expect_error(TENSOR("\xff\xfe\n", BNN_ST_U8, 1, shape_3, "abc"), "UTF-8");
#undef TENSOR
    expect_error(bnn_st_add_metadata(w, "k", "w", &err), wanted, &err, "added twice");
    expect_error(bnn_st_add_metadata(w, "x", "\xc3", &err), wanted, &err, "UTF-8");
    expect_error(bnn_st_add_metadata(w, NULL, "v", &err), wanted, &err, "key");
    expect_error(bnn_st_add_metadata(w, "x", NULL, &err), wanted, &err, "value");
    /* What was refused left no trace. */
    bnn_st_file *file;
    must(bnn_st_add_tensor(w, "b", BNN_ST_U8, 1, shape_3, "def", &err), &err);
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_st_open(path, &file, &err), &err);
    ck_assert_uint_eq(bnn_st_count(file), 2);
    expect_tensor(file, 1, "b", BNN_ST_U8, 1, shape_3, "def", 3);
    bnn_st_close(file);
}
END_TEST

/* ---- writes that fail ---- */

START_TEST(full_disk_leaves_the_old_file) {
    static unsigned char big[100000];
    const int64_t shape[] = {sizeof big};
    bnn_error err;
    bnn_map before;
    bnn_st_writer *w = sample_writer();
    must(bnn_st_write(w, path, &err), &err);
    must(bnn_map_open(path, &before, &err), &err);
    must(bnn_st_add_tensor(w, "big", BNN_ST_U8, 1, shape, big, &err), &err);
    limit_files(4096);
    bnn_code code = bnn_st_write(w, path, &err);
    limit_files(RLIM_INFINITY);
    expect_error(code, BNN_ERR_IO, &err, "File too large");
    ck_assert_ptr_nonnull(strstr(err.text, path));
    bnn_st_writer_free(w);
    expect_bytes(path, before.data, before.size);
    bnn_map_close(&before);
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

START_TEST(unwritable_paths_are_named) {
    char name[192];
    bnn_error err;
    bnn_st_writer *w = sample_writer();
    must(bnn_st_write(w, path, &err), &err);
    snprintf(name, sizeof name, "%s/below", path);
    expect_error(bnn_st_write(w, name, &err), BNN_ERR_IO, &err, name);
    snprintf(name, sizeof name, "%s/missing/model", folder);
    expect_error(bnn_st_write(w, name, &err), BNN_ERR_IO, &err, name);
    expect_error(bnn_st_write(w, folder, &err), BNN_ERR_IO, &err, "folder");
    bnn_st_writer_free(w);
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

/* ---- malformed files ---- */

static unsigned char bytes[16384];

static size_t build(const char *header, size_t length, size_t data_bytes) {
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    }
    ck_assert(8 + length + data_bytes <= sizeof bytes);
    memcpy(bytes + 8, header, length);
    memset(bytes + 8 + length, 'd', data_bytes);
    return 8 + length + data_bytes;
}

/* From a heap copy of exact size, so that ASan sees a read past its end. */
static void expect_refused(size_t size, bnn_code wanted, const char *what) {
    bnn_error err = {0};
    bnn_st_file *file;
    void *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    expect_error(bnn_st_parse("m.st", copy, size, &file, &err), wanted, &err, what);
    ck_assert_ptr_null(file);
    ck_assert_msg(strncmp(err.text, "m.st: ", 6) == 0, "%s", err.text);
    ck_assert_int_eq(bnn_st_parse("m.st", copy, size, &file, NULL), wanted);
    free(copy);
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct refused {
    const char *header;
    size_t data_bytes;
    bnn_code code;
    const char *what;
} bad[] = {
    /* the JSON */
    {"", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"   ", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"garbage", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"[]", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {" {}", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"{}\n", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"{} x", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"{}{}", 0, BNN_ERR_FORMAT, "not usable JSON"},
    {"{\n\033[2J}", 0, BNN_ERR_FORMAT, "not usable JSON"},
    {"{\"a\\u0000b\":1}", 0, BNN_ERR_FORMAT, "not usable JSON"},
    {"{\"\xff\":1}", 0, BNN_ERR_FORMAT, "not usable JSON"},
    {"{" T("a", "U8", "[99999999999999999999]", "[0,1]") "}", 1, BNN_ERR_FORMAT, "not usable JSON"},
    {"{" T("a", "U8", "[1]", "[0,1]") "," T("a", "U8", "[1]", "[1,2]") "}", 2, BNN_ERR_FORMAT,
     "duplicate"},
    /* metadata */
    {"{\"__metadata__\":[]}", 0, BNN_ERR_FORMAT, "__metadata__ is not"},
    {"{\"__metadata__\":{\"k\":1}}", 0, BNN_ERR_FORMAT, "\"k\" is not a string"},
    {"{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, BNN_ERR_FORMAT, "duplicate"},
    /* a tensor's fields */
    {"{\"a\":1}", 0, BNN_ERR_FORMAT, "not a JSON object"},
    {"{\"a\\n\\u001b\":1}", 0, BNN_ERR_FORMAT, "tensor \"a??\""},
    {"{\"a\":{}}", 0, BNN_ERR_FORMAT, "dtype is missing"},
    {"{\"a\":{\"dtype\":4,\"shape\":[],\"data_offsets\":[0,1]}}", 1, BNN_ERR_FORMAT,
     "dtype is missing or not"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, BNN_ERR_FORMAT, "shape is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, BNN_ERR_FORMAT, "data_offsets is missing"},
    {"{" T("a", "F8_E4M3", "[1]", "[0,1]") "}", 1, BNN_ERR_UNSUPPORTED, "\"F8_E4M3\""},
    {"{" T("a", "f32", "[1]", "[0,4]") "}", 4, BNN_ERR_UNSUPPORTED, "\"f32\""},
    {"{" T("a", "U8", "1", "[0,1]") "}", 1, BNN_ERR_FORMAT, "shape is missing or not"},
    {"{" T("a", "U8", "[-1]", "[0,1]") "}", 1, BNN_ERR_FORMAT, "dimension 0"},
    {"{" T("a", "U8", "[1,1.0]", "[0,1]") "}", 1, BNN_ERR_FORMAT, "dimension 1"},
    {"{" T("a", "U8", "[\"1\"]", "[0,1]") "}", 1, BNN_ERR_FORMAT, "dimension 0"},
    {"{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, BNN_ERR_UNSUPPORTED, "9 dimensions"},
    {"{" T("a", "U8", "[4611686018427387904,8]", "[0,0]") "}", 0, BNN_ERR_FORMAT, "larger than"},
    {"{" T("a", "U8", "[0,4611686018427387904,8]", "[0,0]") "}", 0, BNN_ERR_FORMAT, "larger than"},
    {"{" T("a", "F64", "[2305843009213693952]", "[0,0]") "}", 0, BNN_ERR_FORMAT, "larger than"},
    {"{" T("a", "F64", "[1152921504606846976]", "[0,0]") "}", 0, BNN_ERR_FORMAT, "larger than"},
    {"{" T("a", "U8", "[9223372036854775807]", "[0,0]") "}", 0, BNN_ERR_FORMAT,
     sizeof(size_t) > 4 ? "ask for" : "larger than"},
    /* offsets */
    {"{" T("a", "U8", "[1]", "[0]") "}", 1, BNN_ERR_FORMAT, "not two integers"},
    {"{" T("a", "U8", "[1]", "[0,1,2]") "}", 1, BNN_ERR_FORMAT, "not two integers"},
    {"{" T("a", "U8", "[1]", "[0,1.0]") "}", 1, BNN_ERR_FORMAT, "not two integers"},
    {"{" T("a", "U8", "[1]", "{}") "}", 1, BNN_ERR_FORMAT, "not two integers"},
    {"{" T("a", "U8", "[1]", "[-1,0]") "}", 1, BNN_ERR_FORMAT, "do not lie"},
    {"{" T("a", "U8", "[1]", "[1,0]") "}", 1, BNN_ERR_FORMAT, "do not lie"},
    {"{" T("a", "U8", "[2]", "[0,2]") "}", 1, BNN_ERR_FORMAT, "do not lie"},
    {"{" T("a", "U8", "[2]", "[0,9223372036854775807]") "}", 1, BNN_ERR_FORMAT, "do not lie"},
    {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, BNN_ERR_FORMAT, "ask for 8 bytes"},
    {"{" T("a", "U8", "[]", "[0,0]") "}", 0, BNN_ERR_FORMAT, "ask for 1 bytes"},
    /* coverage */
    {"{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[1,3]") "}", 3, BNN_ERR_FORMAT,
     "\"b\": begins at data byte 1, inside"},
    {"{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[0,2]") "}", 2, BNN_ERR_FORMAT,
     "\"b\": begins at data byte 0, inside"},
    {"{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[1]", "[3,4]") "}", 4, BNN_ERR_FORMAT,
     "\"b\": begins at data byte 3, leaving a gap"},
    {"{" T("a", "U8", "[1]", "[1,2]") "}", 2, BNN_ERR_FORMAT, "leaving a gap"},
    {"{" T("a", "U8", "[1]", "[0,1]") "}", 3, BNN_ERR_FORMAT, "2 bytes of data follow"},
    {"{}", 1, BNN_ERR_FORMAT, "1 bytes of data follow"},
};

START_TEST(refuses_bad_headers) {
    const struct refused *b = &bad[_i];
    expect_refused(build(b->header, strlen(b->header), b->data_bytes), b->code, b->what);
}
END_TEST

START_TEST(refuses_zero_bytes_in_the_header) {
    expect_refused(build("{}\0", 3, 0), BNN_ERR_FORMAT, "not a JSON object");
    expect_refused(build("{\0}", 3, 0), BNN_ERR_FORMAT, "not usable JSON");
    expect_refused(build("{\"a\0b\":{}}", 10, 0), BNN_ERR_FORMAT, "not usable JSON");
}
END_TEST

START_TEST(refuses_deep_nesting) {
    static char deep[8000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    deep[sizeof deep - 1] = '}';
    expect_refused(build(deep, sizeof deep, 0), BNN_ERR_FORMAT, "not usable JSON");
}
END_TEST

START_TEST(refuses_bad_header_lengths) {
    static const unsigned char lengths[][8] = {
        {3},                                      /* one more than there is */
        {0x00, 0xe1, 0xf5, 0x05},                 /* 100000000, the most allowed, not there */
        {0x01, 0xe1, 0xf5, 0x05},                 /* one more */
        {255, 255, 255, 255, 255, 255, 255, 127}, /* INT64_MAX */
        {255, 255, 255, 255, 255, 255, 255, 255}, /* UINT64_MAX: + 8 would wrap */
        {248, 255, 255, 255, 255, 255, 255, 255},
    };
    size_t size = build("{}", 2, 0);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(bytes, lengths[i], 8);
        expect_refused(size, BNN_ERR_FORMAT, i < 2 ? "only 2 follow" : "at most 100000000");
    }
    memset(bytes, 0, 8);
    expect_refused(size, BNN_ERR_FORMAT, "not a JSON object");
}
END_TEST

#define BYTES(text) text, sizeof text - 1
#define SAVE_FILE "safetensors.torch.save_file(model.state_dict(), "

/* As the format's own tools begin their files. */
static const struct {
    const char *start;
    size_t length;
    const char *what, *cure;
} others[] = {
    {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 44\n"),
     "a Git LFS pointer", "git lfs pull"},
    {BYTES("PK\3\4\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\x12\0"
           "archive/data.pklFB"),
     "a PyTorch file (zip)", SAVE_FILE},
    {BYTES("PK\3\4\x14\0\0\0\0\0\0\0!\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x0a\0\0\0"
           "weight.npy"),
     "NumPy arrays (npz)", "save_file"},
    {BYTES("\x80\2\x8a\nl\xfc\x9c"
           "F\xf9 j\xa8P\x19.\x80\2M\xe9\3."),
     "a PyTorch file (pickle)", SAVE_FILE},
    {BYTES("\x80\4\x95\x1b\0\0\0\0\0\0\0}\x94."), "a Python pickle", SAVE_FILE},
    {BYTES("\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0"), "an HDF5 file", "save_file"},
    {BYTES("\x93NUMPY\1\0v\0{'descr': '<f4'"), "a NumPy array (npy)", "save_file"},
    {BYTES("\x1c\0\0\0TFL3\x14\0\x20\0"), "a TensorFlow Lite model", "save_file"},
    {BYTES("\x08\7\x12\7pytorch\x1a\5"), "an ONNX model", "save_file"},
    {BYTES("\x08\x0a:\xa7\x02\n\x13\n\1x"), "an ONNX model", "save_file"},
    {BYTES("GGUF\3\0\0\0\x23\1\0\0"), "a GGUF file", "save_file"},
    {BYTES("\x1f\x8b\x08\0\0\0\0\0\0\3\xcbH"), "compressed (gzip)", "decompress"},
    {BYTES("\3757zXZ\0\0\4\xe6\xd6\xb4"), "compressed (xz)", "decompress"},
    {BYTES("(\xb5/\xfd\4X\1\0\0x"), "compressed (zstd)", "decompress"},
    {BYTES("BZh91AY&SY\xb3"), "compressed (bzip2)", "decompress"},
    {BYTES("<!DOCTYPE html>\n<html>"), "an HTML or XML page", "download"},
    {BYTES("\xef\xbb\xbf\r\n <?xml version=\"1.0\"?>"), "an HTML or XML page", "download"},
    {BYTES("{\"data\":{\"weight_map\": {}}}"), "a JSON text", ".safetensors file itself"},
};

START_TEST(other_formats_are_named) {
    memcpy(bytes, others[_i].start, others[_i].length);
    expect_refused(others[_i].length, BNN_ERR_FORMAT, others[_i].what);
    expect_refused(others[_i].length, BNN_ERR_FORMAT, others[_i].cure);
}
END_TEST

/* A signature may also be a header's length; then the header decides. */
START_TEST(a_signature_is_no_proof) {
    bnn_error err = {0};
    bnn_st_file *file;
    char header[0x280];
    memset(header, ' ', sizeof header); /* the length 0x280 reads like a pickle */
    memcpy(header, "{}", 2);
    size_t size = build(header, sizeof header, 0);
    ck_assert_mem_eq(bytes, "\x80\2", 2);
    must(bnn_st_parse("m.st", bytes, size, &file, &err), &err);
    bnn_st_close(file);
    expect_refused(size - 1, BNN_ERR_FORMAT, "cut short");
    expect_refused(0, BNN_ERR_FORMAT, "m.st: is empty");
}
END_TEST

/* Cut anywhere, it is refused, and never read past its end. */
START_TEST(every_truncation_is_refused) {
    const char *header = "{" T("a", "U8", "[3]", "[0,3]") "," T("b", "F32", "[1]", "[3,7]") "}  ";
    size_t size = build(header, strlen(header), 7);
    for (size_t n = 0; n < size; n++) {
        expect_refused(n, BNN_ERR_FORMAT, n < 8 ? "too short" : "cut short");
    }
}
END_TEST

START_TEST(accepts_what_the_format_allows) {
    /* Any order in the header, empty tensors anywhere, fields we do not know, padding. */
    const char *header = "{" T("late", "U8", "[2]", "[1,3]") "," T(
        "none", "F32", "[0]", "[1,1]") ","
                                       "\"early\":{\"x\":[{}],\"data_offsets\":[0,1],\"shape\":[],"
                                       "\"dtype\":\"BOOL\"},\"__metadata__\":{}}     ";
    size_t size = build(header, strlen(header), 3);
    bnn_error err = {0};
    bnn_st_file *file;
    must(bnn_st_parse("m.st", bytes, size, &file, &err), &err);
    ck_assert_uint_eq(bnn_st_count(file), 3);
    ck_assert_str_eq(bnn_st_at(file, 0)->name, "early");
    ck_assert_str_eq(bnn_st_at(file, 1)->name, "none");
    ck_assert_str_eq(bnn_st_at(file, 2)->name, "late");
    ck_assert_ptr_eq(bnn_st_at(file, 2)->data, bytes + size - 2);
    bnn_st_close(file);
}
END_TEST

START_TEST(open_names_the_path) {
    bnn_error err;
    bnn_st_file *file;
    expect_error(bnn_st_open(path, &file, &err), BNN_ERR_IO, &err, path);
    expect_error(bnn_st_open(folder, &file, &err), BNN_ERR_IO, &err, "folder");
    FILE *empty = fopen(path, "wb");
    ck_assert_ptr_nonnull(empty);
    fclose(empty);
    expect_error(bnn_st_open(path, &file, &err), BNN_ERR_FORMAT, &err, path);
    ck_assert_ptr_null(file);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, dtypes_are_named_and_sized);
    tcase_add_test(tests, written_bytes_are_fixed);
    tcase_add_test(tests, same_input_same_bytes);
    tcase_add_test(tests, nothing_at_all_round_trips);
    tcase_add_test(tests, thousands_of_tensors_are_found);
    tcase_add_test(tests, writer_refuses_bad_arguments);
    tcase_add_test(tests, full_disk_leaves_the_old_file);
    tcase_add_test(tests, unwritable_paths_are_named);
    tcase_add_loop_test(tests, refuses_bad_headers, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, refuses_zero_bytes_in_the_header);
    tcase_add_test(tests, refuses_deep_nesting);
    tcase_add_test(tests, refuses_bad_header_lengths);
    tcase_add_loop_test(tests, other_formats_are_named, 0, sizeof others / sizeof others[0]);
    tcase_add_test(tests, a_signature_is_no_proof);
    tcase_add_test(tests, every_truncation_is_refused);
    tcase_add_test(tests, accepts_what_the_format_allows);
    tcase_add_test(tests, open_names_the_path);
}

int main(void) {
    Suite *suite = suite_create("safetensors");
    TCase *tests = tcase_create("safetensors");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

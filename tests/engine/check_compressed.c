/* Compressed metadata of safetensors files: what is written is read back, and a stream that lies is
 * refused in one line, before memory is taken for it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "engine/io/safetensors.h"
#include "tests/fixtures/expect_error.h"

static char path[] = "/tmp/bnn-check-compressed-XXXXXX";

static void set_up(void) {
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void tear_down(void) {
    unlink(path);
    memcpy(strrchr(path, '-') + 1, "XXXXXX", 6);
}

static void must(bnn_code code, const bnn_error *err) {
    ck_assert_msg(code == BNN_OK, "%s", err->text);
}

/* ---- written ---- */

START_TEST(round_trip) {
    static const int64_t shape[1] = {3};
    bnn_error err = {0};
    bnn_st_file *file;
    char sum[16];
    bnn_st_writer *w = bnn_st_writer_create();
    must(bnn_st_add_metadata(w, "long", "abababababababababababababababababab\n\"\xc3\xa9", &err),
         &err);
    must(bnn_st_add_metadata(w, "empty", "", &err), &err);
    must(bnn_st_add_tensor(w, "t", BNN_ST_U8, 1, shape, "abc", &err), &err);
    must(bnn_st_compress_metadata(w, &err), &err);
    must(bnn_st_add_metadata(w, "plain", "here", &err), &err);
    snprintf(sum, sizeof sum, "%u", bnn_st_writer_contents(w, "sum"));
    must(bnn_st_add_metadata(w, "sum", sum, &err), &err);
    expect_error(bnn_st_compress_metadata(w, &err), BNN_ERR_ARGUMENT, &err, "added twice", NULL);
    must(bnn_st_write(w, path, &err), &err);
    bnn_st_writer_free(w);
    must(bnn_st_open(path, &file, &err), &err);
    ck_assert_str_eq(bnn_st_metadata(file, "long"),
                     "abababababababababababababababababab\n\"\xc3\xa9");
    ck_assert_str_eq(bnn_st_metadata(file, "empty"), "");
    ck_assert_str_eq(bnn_st_metadata(file, "plain"), "here");
    ck_assert_ptr_null(bnn_st_metadata(file, "other"));
    ck_assert_ptr_nonnull(bnn_st_find(file, "t"));
    ck_assert_uint_eq(bnn_st_contents(file, "sum"), strtoul(sum, NULL, 10));
    bnn_st_close(file);
}
END_TEST

/* ---- read ---- */

static unsigned char bytes[1 << 17];

/* A file whose compressed metadata are so many bytes of `stream`, with a length in front. */
static size_t build(const char *dtype, size_t stated, const unsigned char *stream, size_t size) {
    char header[300];
    const size_t item = strcmp(dtype, "U8") == 0 ? 1 : 2;
    int length = snprintf(header, sizeof header,
                          "{\"__metadata__\":{\"k\":\"header\"},\"__metadata__.zlib\":{\"dtype\":"
                          "\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
                          dtype, (size + 4) / item, size + 4);
    ck_assert(8 + (size_t)length + 4 + size <= sizeof bytes);
    memset(bytes, 0, 8);
    bytes[0] = (unsigned char)length;
    memcpy(bytes + 8, header, (size_t)length);
    for (int i = 0; i < 4; i++) {
        bytes[8 + length + i] = (unsigned char)(stated >> (8 * i));
    }
    memcpy(bytes + 8 + length + 4, stream, size);
    return 8 + (size_t)length + 4 + size;
}

/* From a heap copy of exact size, so that ASan sees a read past its end; an open file reads it
 * until the next one is parsed. */
static bnn_code parse(size_t size, bnn_st_file **file, bnn_error *err) {
    static unsigned char *copy;
    free(copy);
    copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    bnn_code code = bnn_st_parse("m.st", copy, size, file, err);
    ck_assert(code == BNN_OK || *file == NULL);
    return code;
}

static void expect_refused(size_t size, const char *what) {
    bnn_error err = {0};
    bnn_st_file *file;
    expect_error(parse(size, &file, &err), BNN_ERR_FORMAT, &err, what, NULL);
    ck_assert_msg(strncmp(err.text, "m.st: ", 6) == 0, "%s", err.text);
}

static unsigned char stream[1 << 16];

static size_t deflated(const char *text, size_t length) {
    uLongf size = sizeof stream;
    ck_assert_int_eq(compress2(stream, &size, (const Bytef *)text, (uLong)length, 9), Z_OK);
    return size;
}

START_TEST(the_header_counts) {
    static const char text[] = "{\"k\":\"compressed\",\"l\":\"too\"}";
    bnn_error err = {0};
    bnn_st_file *file;
    size_t size = deflated(text, sizeof text - 1);
    size = build("U8", sizeof text - 1, stream, size);
    must(bnn_st_parse("m.st", bytes, size, &file, &err), &err);
    ck_assert_str_eq(bnn_st_metadata(file, "k"), "header");
    ck_assert_str_eq(bnn_st_metadata(file, "l"), "too");
    bnn_st_close(file);
}
END_TEST

static const struct {
    const char *text, *error;
} bad_texts[] = {
    {"", "compressed metadata is not a JSON object"},
    {"[]", "compressed metadata is not a JSON object"},
    {" {}", "compressed metadata is not a JSON object"},
    {"{\"a\":1}", "value of \"a\" is not a string"},
    {"{\"a\":\"\",\"a\":\"\"}", "compressed metadata is not usable JSON"},
    {"{\"a\":\"\xff\"}", "compressed metadata is not usable JSON"},
    {"{\"a\":\"\\u0000\"}", "compressed metadata is not usable JSON"},
};

START_TEST(refuses_bad_texts) {
    const char *text = bad_texts[_i].text;
    size_t size = deflated(text, strlen(text));
    expect_refused(build("U8", strlen(text), stream, size), bad_texts[_i].error);
}
END_TEST

/* Another length than the stream's, a stream that is cut off or goes on, altered bytes, no bytes.
 */
START_TEST(refuses_bad_streams) {
    static const char text[] = "{\"a\":\"abcabcabcabcabcabcabcabcabcabcabcabcabc\"}";
    const size_t length = sizeof text - 1, size = deflated(text, length);
    static const char wrong[] = "not the zlib stream of a text as long";
    for (size_t stated = 0; stated < 2 * length; stated++) {
        if (stated != length) {
            expect_refused(build("U8", stated, stream, size), wrong);
        }
    }
    for (size_t cut = 1; cut < size; cut++) {
        expect_refused(build("U8", length, stream, cut), wrong);
    }
    expect_refused(build("U8", length, stream, size + 1), wrong);
    for (size_t i = 0; i < size; i++) {
        stream[i] ^= 0x55;
        expect_refused(build("U8", length, stream, size), wrong);
        stream[i] ^= 0x55;
    }
    expect_refused(build("U8", length, stream, 0), wrong);
    expect_refused(build("I16", length, stream, size / 2 * 2), "is no compressed text");
    memset(stream, 0, sizeof stream);
    expect_refused(build("U8", 0, stream, 100), wrong);
}
END_TEST

/* A bomb: a stream of what it says, whose text would be a hundred megabytes and more; and one that
 * says less than it is. */
START_TEST(refuses_bombs) {
    enum { MOST = 100000000, HALF_A_MEGABYTE = 1 << 19 };
    char *zeros = calloc(1, HALF_A_MEGABYTE);
    const size_t size = deflated(zeros, HALF_A_MEGABYTE);
    ck_assert_uint_lt(size, 1000);
    expect_refused(build("U8", MOST, stream, size), "longer text than its bytes can make");
    expect_refused(build("U8", 0xffffffff, stream, size), "longer text than its bytes can make");
    expect_refused(build("U8", (size_t)MOST + 1, stream, sizeof stream),
                   "longer text than its bytes can make");
    expect_refused(build("U8", 100, stream, size), "not the zlib stream of a text as long");
    free(zeros);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("compressed");
    TCase *tests = tcase_create("compressed");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, the_header_counts);
    tcase_add_loop_test(tests, refuses_bad_texts, 0, sizeof bad_texts / sizeof bad_texts[0]);
    tcase_add_test(tests, refuses_bad_streams);
    tcase_add_test(tests, refuses_bombs);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* Packed files that lie: whatever stands in one, word by word and byte by byte, is refused in one
 * line or computed with. */
#include "tests/fixtures/packed_fixture.h"

static char folder[] = "/tmp/bnn-check-lies-XXXXXX", path[64];
static bnn_device device;

static void set_up(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.bnn", folder);
    device = one_thread();
    bnn_model_set_threads(1);
}

static void tear_down(void) {
    unlink(path);
    rmdir(folder);
    memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
}

/* Each word, statement by statement: another in its place, none, and twice. */
START_TEST(every_word) {
    static const char *const words[] = {"",
                                        "-",
                                        "-1",
                                        "0",
                                        "1",
                                        "5",
                                        "42",
                                        "43",
                                        "^0",
                                        "^1",
                                        "^43",
                                        "^",
                                        "999999999",
                                        "9999999999",
                                        "f8",
                                        "f8:",
                                        "f8:a:b",
                                        ":f8",
                                        "f0",
                                        "i8",
                                        "b8",
                                        "b8,3,3,8",
                                        "f8,3",
                                        "f1,1,1,1,1",
                                        "f536870912,536870912,64,1",
                                        "b536870912,8,8,8",
                                        "f",
                                        "x8",
                                        "in",
                                        "out",
                                        "conv",
                                        "sign",
                                        "reshape",
                                        "cross_entropy",
                                        "pad_h=1",
                                        "pad_h=",
                                        "=",
                                        "c=8",
                                        "lo=nan",
                                        "lo=1e300",
                                        "lo=-inf",
                                        "from0=9",
                                        "x_first=536870912",
                                        "k;",
                                        ";",
                                        ";;",
                                        "\001"};
    tally tried = {0};
    parts p = tiny_parts(path);
    char *whole = p.text;
    ck_assert_ptr_null(outcome_of(&p));
    for (char *at = whole; *at;) {
        size_t length = strcspn(at, " ;");
        const char *rest = at + length;
        p.text = malloc(strlen(whole) + 64);
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            sprintf(p.text, "%.*s%s%s", (int)(at - whole), whole, words[i], rest);
            note(&tried, &p);
        }
        sprintf(p.text, "%.*s%s", (int)(at - whole), whole, rest + (*rest != '\0'));
        note(&tried, &p);
        sprintf(p.text, "%.*s%.*s %s", (int)(rest - whole), whole, (int)length, at, at);
        note(&tried, &p);
        sprintf(p.text, "%.*s", (int)(rest - whole), whole);
        note(&tried, &p);
        free(p.text);
        at += length + (*rest != '\0');
    }
    p.text = whole;
    ck_assert_ptr_null(outcome_of(&p));
    ck_assert_int_gt(tried.refusals, 3000);
    ck_assert_int_gt(tried.runs, 100); /* of other clamps, other names of equals... */
    throw_away(&p);
}
END_TEST

/* A part of the text, what takes its place, and what is said. */
static const struct {
    const char *part, *value, *error;
} lies[] = {
    {"in input", "on input", "it has no inputs, or no outputs; the file is damaged"},
    {"in input f1,4,4,3", "in", "it has no inputs, or no outputs; the file is damaged"},
    {";out 42", "", "it has no inputs, or no outputs; the file is damaged"},
    {"out 42", "out", "it has no inputs, or no outputs; the file is damaged"},
    {"out 42", "out 43", "output 0 is missing"},
    {"out 42", "out f8", "constant 14, 'f8', is longer than what is left of tensor 'f'"},
    {"out 42", "out 3", "is not one of 3x4x4 values and 3 classes"},
    {"out 42", "out 42 3", "is not one of 3x4x4 values and 3 classes"},
    {"in input f1,4,4,3", "in input f1,4,4,5", "node 0: conv: 5 input channels, 8 filters of 3"},
    {"in input f1,4,4,3", "in input f1,4,4", "input 0 is no name, type and shape"},
    {"in input f1,4,4,3", "in input f1,4,4,0", "input 0 is no name, type and shape"},
    {"in input f1,4,4,3", "in input x1,4,4,3", "input 0 is no name, type and shape"},
    {"in input f1,4,4,3", "in input f1,4,4,3 a", "its inputs are not names, types and shapes"},
    {"in input f1,4,4,3", "in input f536870912,4,4,3", "node 1: abs_mean: 1 rows of a [5368"},
    {"conv ^1 f8", "convolution ^1 f8", "node 0: no op of inference is called 'convolution'"},
    {"conv ^1 f8", "cross_entropy ^1 f8", "node 0: no op of inference is called 'cross_entropy'"},
    {"conv ^1 f8", "conv 1 f8", "node 0: its input 0, '1', is missing"},
    {"conv ^1 f8", "conv -1 f8", "node 0: its input 0, '-1', is missing"},
    {"conv ^1 f8", "conv ^2 f8", "node 0: its input 0, '^2', is missing"},
    {"conv ^1 f8", "conv ^0 f8", "node 0: its input 0, '^0', is missing"},
    {"conv ^1 f8", "conv ^ f8", "node 0: its input 0, '^', is missing"},
    {"conv ^1 f8", "conv ^-1 f8", "node 0: its input 0, '^-1', is missing"},
    {"abs_mean ^1", "abs_mean -", "node 1: its input 0, '-', is missing"},
    {"conv ^1 f8,3,3,3", "conv ^1 f8,3,3,", "constant 0, 'f8,3,3,', has no type and shape"},
    {"conv ^1 f8,3,3,3", "conv ^1 f8,3,3,9999999999",
     "constant 0, 'f8,3,3,9999999999', has no type"},
    {"conv ^1 f8,3,3,3", "conv ^1 f536870912,536870912,64,1", "has no type and shape"},
    {"conv ^1 f8,3,3,3", "conv ^1 f294",
     "constant 0, 'f294', is longer than what is left of tensor 'f'"},
    {"conv ^1 b8", "conv ^3 b8", "node 3: conv: one operand is bits, the other float"},
    {"affine ^1 -", "affine ^1 7", "node 10: its input 1 is of a type it does not take"},
    {" pad_h=1", " - - - - - - pad_h=1", "node 0 has more than 9 inputs"},
    {"pad_h=1", "pad_h=-1", "node 0: conv: stride 1x1, dilation 1x1, padding -1x1"},
    {"pad_h=1", "pad_h=300000000", "does not fit an image of 4x4"},
    {"pad_h=1", "pad_h=900000000", "node 0: its 'pad_h' is no number for that"},
    {"pad_h=1", "pad_h=1.0", "node 0: its 'pad_h' is no number for that"},
    {"pad_h=1", "pad_h=1 3", "node 0: '3' is no field of its op, or twice"},
    {"pad_h=1", "pad_h=1 pad_h=1", "node 0: 'pad_h' is no field of its op, or twice"},
    {"pad_h=1", "prepared=1", "node 0: 'prepared' is no field of its op, or twice"},
    {"lo=-1", "lo=nan", "node 0: its 'lo' is no number for that"},
    {"lo=-1", "lo=1e99", "node 0: its 'lo' is no number for that"},
    {"lo=-1", "lo=", "node 0: its 'lo' is no number for that"},
    {"abs_mean ^1", "abs_mean ^1 rows=3", "node 1: abs_mean: 3 rows of a [1,4,4,8]"},
    {"abs_mean ^1", "abs_mean ^1 rows=0", "node 1: abs_mean: 0 rows of a [1,4,4,8]"},
    {"abs_mean ^1", "abs_mean", "node 1: its input 0, '-', is missing"},
    {"add ^2 ^1", "add ^2  ^1", "constant 12, '', has no type and shape"},
    {"conv ^1 f3", "conv ^2 f3", "node 26: conv: 8 input channels, 3 filters of 16"},
    {"threshold ^1 i8", "threshold ^1 7", "the file holds more than its constants"},
};

START_TEST(lie) {
    parts p = tiny_parts(path);
    const char *at = strstr(p.text, lies[_i].part);
    ck_assert_ptr_nonnull(at);
    char *altered = malloc(strlen(p.text) + strlen(lies[_i].value) + 1);
    sprintf(altered, "%.*s%s%s", (int)(at - p.text), p.text, lies[_i].value,
            at + strlen(lies[_i].part));
    free(p.text);
    p.text = altered;
    const char *text = outcome_of(&p);
    ck_assert_msg(text && strstr(text, lies[_i].error), "%s", text ? text : "it runs");
    throw_away(&p);
}
END_TEST

/* A missing tensor, one too many values, one of another type, a value that is none, no network. */
START_TEST(damage) {
    static const char *const tensors[] = {"f", "i", "b"};
    parts p = tiny_parts(path);
    json_t *metadata = json_object_get(p.header, "__metadata__");
    const char *text;
    for (int k = 0; k < 3; k++) {
        json_t *whole = json_incref(json_object_get(p.header, tensors[k]));
        json_t *dtype = json_incref(json_object_get(whole, "dtype"));
        json_object_set_new(whole, "dtype", json_string(k == 1 ? "F32" : "I32"));
        text = outcome_of(&p);
        ck_assert_ptr_nonnull(text);
        json_object_set_new(whole, "dtype", dtype);
        ck_assert_ptr_null(outcome_of(&p));
        json_decref(whole);
    }
    json_object_del(metadata, "format"); /* known by what it holds */
    ck_assert_ptr_null(outcome_of(&p));
    json_object_set_new(metadata, "format", json_string("bnn-packed-4"));
    for (size_t i = 0; i < p.bytes; i++) {
        p.data[i] = 0xff;
    }
    text = outcome_of(&p);
    ck_assert_msg(text && strstr(text, "holds a value that is not a number; the file is damaged"),
                  "%s", text ? text : "it runs");
    bnn_st_file *file;
    bnn_error err = {0};
    bnn_inference r;
    ck_assert_int_eq(bnn_st_open(path, &file, &err), BNN_OK);
    bnn_st_close(file);
    const char *empty = "{\"__metadata__\":{\"format\":\"bnn-packed-4\"}}";
    unsigned char bytes[64] = {(unsigned char)strlen(empty)};
    memcpy(bytes + 8, empty, strlen(empty));
    ck_assert_int_eq(bnn_st_parse("model.bnn", bytes, 8 + strlen(empty), &file, &err), BNN_OK);
    ck_assert_int_eq(bnn_packed_build("model.bnn", file, &device, 1, &r, &err), BNN_ERR_FORMAT);
    ck_assert_msg(strstr(err.text, "lacks the network") != NULL, "%s", err.text);
    bnn_inference_free(&r);
    bnn_st_close(file);
    throw_away(&p);
}
END_TEST

/* Any bit that is another than was written, but in the checksum's own name: without it, nothing is
 * known of what was. */
START_TEST(every_bit) {
    static unsigned char bytes[1 << 16];
    parts p = tiny_parts(path);
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes - 1, file), refusals = 0, runs = 0;
    fclose(file);
    ck_assert(size > p.bytes && size < sizeof bytes - 1 && p.bytes > 500);
    ck_assert_ptr_null(outcome(bytes, size));
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (unsigned char)(1u << i % 8);
        const char *text = outcome(bytes, size);
        runs += text == NULL;
        refusals += text && strncmp(text, "model.bnn: damaged: its contents have ", 38) == 0;
        bytes[i] ^= (unsigned char)(1u << i % 8);
    }
    ck_assert_uint_le(runs, strlen("checksum"));
    ck_assert_uint_gt(refusals, p.bytes);
    throw_away(&p);
}
END_TEST

/* A checksum that is none, and none at all. */
START_TEST(checksum) {
    static const char *const wrong[] = {"", "0", "00000000", "999999999999999999999", "\001"};
    parts p = tiny_parts(path);
    json_t *metadata = json_object_get(p.header, "__metadata__");
    ck_assert_ptr_null(outcome_of(&p));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_object_set_new(metadata, "checksum", json_string(wrong[i]));
        const char *text = outcome_of(&p);
        ck_assert_msg(text && strstr(text, "model.bnn: damaged: "), "%s", text ? text : "it runs");
    }
    throw_away(&p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed_lies");
    TCase *tcase = tcase_create("packed_lies");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, every_word);
    tcase_add_loop_test(tcase, lie, 0, sizeof lies / sizeof lies[0]);
    tcase_add_test(tcase, damage);
    tcase_add_test(tcase, every_bit);
    tcase_add_test(tcase, checksum);
    tcase_set_timeout(tcase, 300);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* Configuration files and recorded configurations: the command line wins, mistakes are named, and
 * what is written reads back as it was. */
#include <jansson.h>

#include "engine/base/text.h"
#include "tests/fixtures/options_fixture.h"
#include "tools/cli/utf8.h"

static char config_path[64];

/* "--config FILE" and what is to stand behind it; FILE holds `json`. */
static const char *with_config(const char *json, const char *behind) {
    static char line[256];
    strcpy(config_path, "/tmp/check_options.XXXXXX");
    int fd = mkstemp(config_path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, json, strlen(json)), (int)strlen(json));
    close(fd);
    snprintf(line, sizeof line, "--config %s %s", config_path, behind);
    return line;
}

static void check_config_refusal(const char *json, const char *message) {
    char whole[1024];
    const char *line = with_config(json, "");
    snprintf(whole, sizeof whole, "%s: %s", config_path, message);
    check_refusal(line, whole);
    unlink(config_path);
}

/* ---- configuration files ---- */

START_TEST(configuration_is_read) {
    reset();
    check_run(with_config("{\"batch_size\": 7, \"lr\": 1, \"augment\": true, \"algo\": \"xnor\",\n"
                          " \"data\": \"a\\u00e9\\n\", \"seed\": -3, \"shift\": 2.5}",
                          "--lr 2 --seed 4"));
    unlink(config_path);
    ck_assert_int_eq(batch_size, 7);
    ck_assert_double_eq(lr, 2);
    ck_assert(augment);
    ck_assert_str_eq(algo, "xnor");
    ck_assert_str_eq(data, "a\xc3\xa9\n");
    ck_assert_int_eq(seed, 4);
    ck_assert_double_eq(shift, 2.5);
    ck_assert_int_eq(option_named("lr")->given, 1);
    ck_assert_int_eq(option_named("data")->given, 2);
    ck_assert_int_eq(option_named("threads")->given, 0);
    /* A default that is named on the command line is still the command line's. */
    reset();
    check_run(with_config("{\"lr\": 5, \"algo\": \"bnn\"}", "--lr=0.001"));
    unlink(config_path);
    ck_assert_double_eq(lr, 0.001);
    ck_assert_str_eq(algo, "bnn");
}
END_TEST

START_TEST(configuration_is_refused) {
    reset();
    check_config_refusal("{\"batch-size\": 0}", "\"batch-size\" 0: must be between 1 and 65536");
    check_config_refusal("{\"batch-size\": 1.5}", "\"batch-size\": must be a whole number, not a "
                                                  "number with a fraction or exponent");
    check_config_refusal("{\"lr\": \"1\"}", "\"lr\": must be a number, not a string");
    check_config_refusal("{\"lr\": null}", "\"lr\": must be a number, not null");
    check_config_refusal("{\"lr\": 11}", "\"lr\" 11: must be between 0 and 10");
    check_config_refusal("{\"augment\": 1}", "\"augment\": must be true or false, not a number");
    check_config_refusal("{\"data\": true}", "\"data\": must be a string, not true");
    check_config_refusal("{\"data\": {}}", "\"data\": must be a string, not an object");
    check_config_refusal("{\"alog\": 1}", "unknown option \"alog\" (did you mean \"algo\"?)");
    check_config_refusal("{\"wobble\\n\": 1}", "unknown option \"wobble?\"; see bnn-train --help");
    check_config_refusal("{\"help\": 1}", "unknown option \"help\"; see bnn-train --help");
    check_config_refusal("{\"out\": \"x\"}",
                         "\"out\" can be given on the command line only (--out)");
    check_config_refusal("{\"algo\": \"xnro\"}",
                         "\"algo\" xnro: unknown; did you mean xnor? (choices: bnn, xnor, bireal, "
                         "reactnet, ir-net)");
    check_config_refusal("[1]", "must be a JSON object, {\"option\": value, ...}, not an array");
    check_config_refusal("{\n\n\"lr\" 5}", "not JSON: line 3: ':' expected near '5'");
    check_config_refusal("{\"lr\":1,\"lr\":2}",
                         "not JSON: line 1: duplicate object key near '\"lr\"'");
    check_config_refusal("", "not JSON: line 1: '[' or '{' expected near end of file");
    check_refusal("--config /nowhere/x.json",
                  "--config /nowhere/x.json: cannot open: No such file or directory");
    check_refusal("--config=/tmp", "--config /tmp: cannot read: Is a directory");
    check_refusal("--config /dev/zero",
                  "--config /dev/zero: larger than 1 MiB: not a configuration");
}
END_TEST

START_TEST(encodings_of_editors) {
    static const char marked[] = "\xef\xbb\xbf{\"batch-size\": 9}";
    reset();
    check_run(with_config(marked, ""));
    unlink(config_path);
    ck_assert_int_eq(batch_size, 9);
    check_config_refusal("\xef\xbb\xbf", "not JSON: line 1: '[' or '{' expected near end of file");
    /* With marks and without, in both orders. */
    static const char wide[][4] = {"\xff\xfe{", "\xfe\xff", "{\0\"", "\0{"};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        bnn_error err;
        ck_assert_int_eq(bnn_options_from_json(&program, "c", wide[i], 4, &err), BNN_ERR_FORMAT);
        ck_assert_str_eq(err.text, "c: is text in UTF-16; save it as UTF-8");
    }
}
END_TEST

START_TEST(json_without_an_error) {
    reset();
    check_run("");
    ck_assert_int_eq(bnn_options_from_json(&program, "x", "{", 1, NULL), BNN_ERR_FORMAT);
    ck_assert_int_eq(bnn_options_from_json(&program, "x", NULL, 0, NULL), BNN_ERR_FORMAT);
    ck_assert_int_eq(bnn_options_from_json(&program, "x", "{\"q\":1}", 7, NULL), BNN_ERR_ARGUMENT);
    ck_assert_int_eq(bnn_options_from_json(&program, "x", "{}", 2, NULL), BNN_OK);
}
END_TEST

START_TEST(json_round_trip) {
    reset();
    char *text = bnn_options_to_json(&program, 1);
    /* Out of range and NULL mean "not chosen"; resume and out are no part of it. */
    ck_assert_str_eq(text, "{\n"
                           "  \"algo\": \"reactnet\",\n"
                           "  \"batch-size\": 128,\n"
                           "  \"seed\": 1,\n"
                           "  \"lr\": 0.001,\n"
                           "  \"shift\": 0,\n"
                           "  \"augment\": false\n"
                           "}\n");
    free(text);
    static const double hard[] = {0.1,
                                  1.0 / 3,
                                  1e-5,
                                  5e-324,
                                  1.7976931348623157e308,
                                  -1e22,
                                  1e15,
                                  0.3,
                                  123456789012345678.0,
                                  0.1 + 0.2};
    data = "quote \" back \\ tab \t line \n \x01 \xe2\x82\xac";
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++) {
        shift = hard[i];
        seed = i % 2 ? INT64_MIN : INT64_MAX;
        text = bnn_options_to_json(&program, 1);
        const char *written = data;
        shift = 0;
        seed = 0;
        data = NULL;
        bnn_error err;
        ck_assert_int_eq(bnn_options_from_json(&program, "t", text, strlen(text), &err), BNN_OK);
        ck_assert_double_eq(shift, hard[i]);
        ck_assert_int_eq(seed, i % 2 ? INT64_MIN : INT64_MAX);
        ck_assert_str_eq(data, written);
        free(text);
    }
    ck_assert_str_eq(bnn_real_text(0.1).text, "0.1");
    ck_assert_str_eq(bnn_real_text(0.1 + 0.2).text, "0.30000000000000004");
}
END_TEST

/* Whatever way a number is spelled: what is recorded is one value and one text. */
START_TEST(numbers_settle) {
    static const struct {
        const char *spelled, *recorded;
    } numbers[] = {
        {"-0.0", "0"},
        {"-0", "0"},
        {"-0e5", "0"},
        {"-1e-400", "0"},
        {"1e-320", "9.99988867182683e-321"},
        {"-4.9406564584124654e-324", "-4.94065645841247e-324"},
        {"1e15", "1e+15"},
        {"100000000000000", "100000000000000"},
        {"9007199254740993", "9007199254740992"},
        {"9223372036854775807", "9.223372036854776e+18"},
        {"2.0", "2"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"-1e308", "-1e+308"},
        {"0.30000000000000004", "0.30000000000000004"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char json[80], line[64], expected[80];
        bnn_error err;
        snprintf(json, sizeof json, "{\"shift\": %s}", numbers[i].spelled);
        snprintf(line, sizeof line, "--shift=%s", numbers[i].spelled);
        snprintf(expected, sizeof expected, "\"shift\": %s,", numbers[i].recorded);
        reset();
        option_named("shift")->given = 0;
        ck_assert_int_eq(bnn_options_from_json(&program, "t", json, strlen(json), &err), BNN_OK);
        double value = shift;
        char *first = bnn_options_to_json(&program, 1);
        ck_assert_msg(strstr(first, expected) != NULL, "no %s in %s", expected, first);
        ck_assert_int_eq(bnn_options_from_json(&program, "t", first, strlen(first), &err), BNN_OK);
        char *second = bnn_options_to_json(&program, 1);
        ck_assert_str_eq(second, first);
        ck_assert(shift == value && signbit(shift) == signbit(value));
        check_run(line);
        ck_assert(shift == value && signbit(shift) == signbit(value));
        free(first);
        free(second);
    }
    /* A range that begins at 0 has no negative zero either. */
    reset();
    check_run("--lr -0.0");
    ck_assert(lr == 0 && !signbit(lr));
}
END_TEST

START_TEST(json_of_odd_values) {
    reset();
    /* Bytes that are no text come back as they were, and so does what looks like their form. */
    static const char *const names[][2] = {
        {"bad \xff\xc3 utf8", "bad \\xff\\xc3 utf8"},
        {"\xc3\xa9\xe2\x82", "\xc3\xa9\\xe2\\x82"},
        {"a\\x41\\\\x\\y\\", "a\\x5cx41\\\\x5cx\\y\\"},
        {"\\x5cx41", "\\x5cx5cx41"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        data = names[i][0];
        char *text = bnn_options_to_json(&program, 1);
        json_t *root = json_loads(text, 0, NULL);
        ck_assert_ptr_nonnull(root);
        ck_assert_str_eq(json_string_value(json_object_get(root, "data")), names[i][1]);
        json_decref(root);
        data = NULL;
        option_named("data")->given = 0;
        ck_assert_int_eq(bnn_options_from_json(&program, "t", text, strlen(text), NULL), BNN_OK);
        ck_assert_str_eq(data, names[i][0]);
        free(text);
    }
    char odd[] = "\\x00\\xg1\\x4\\x";
    bnn_utf8_unescape(odd);
    ck_assert_str_eq(odd, "\\x00\\xg1\\x4\\x");
    bnn_program empty = program;
    empty.option_count = 0;
    char *text = bnn_options_to_json(&empty, 1);
    ck_assert_str_eq(text, "{}\n");
    free(text);
    ck_assert_uint_eq(bnn_utf8_length("\xed\xa0\x80", 4), 0); /* a surrogate */
    ck_assert_uint_eq(bnn_utf8_length("\xc0\x80", 4), 0);     /* too long a form */
    ck_assert_uint_eq(bnn_utf8_length("\xf4\x90\x80\x80", 4), 0);
    ck_assert_uint_eq(bnn_utf8_length("\xf0\x9f\x98\x80", 4), 4);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options_json");
    TCase *json = tcase_create("json");
    tcase_add_test(json, configuration_is_read);
    tcase_add_test(json, configuration_is_refused);
    tcase_add_test(json, encodings_of_editors);
    tcase_add_test(json, json_without_an_error);
    tcase_add_test(json, json_round_trip);
    tcase_add_test(json, numbers_settle);
    tcase_add_test(json, json_of_odd_values);
    suite_add_tcase(suite, json);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

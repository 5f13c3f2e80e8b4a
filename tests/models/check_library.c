/* libbnn's calls as a mistaken program makes them: an error and its text, never a fault. */
#include <math.h>

#include "tests/fixtures/model_fixture.h"

enum { SAMPLES = 70 }; /* more than are computed at once */

static char folder[] = "/tmp/bnn-check-library-XXXXXX", path[64];
static bnn_model *model;
static float input[SAMPLES * FIXTURE_PIXELS], output[SAMPLES * FIXTURE_CLASSES];

static void set_up(void) {
    char error[BNN_ERROR_BYTES];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    write_checkpoint(path, "bnn");
    bnn_model_set_threads(1);
    model = bnn_model_load(path, error);
    ck_assert_msg(model != NULL, "%s", error);
}

static void tear_down(void) {
    bnn_model_free(model);
    unlink(path);
    rmdir(folder);
}

static void refused(int status, const char *error, const char *why) {
    ck_assert_int_ne(status, 0);
    ck_assert_msg(strstr(error, why) && !strchr(error, '\n'), "%s", error);
}

START_TEST(nothing_given) {
    char error[BNN_ERROR_BYTES];
    const uint8_t pixels[1] = {0};
    refused(bnn_model_run(model, 2, NULL, output, error), error, "input of 2 samples: a pointer");
    refused(bnn_model_run(model, 2, input, NULL, error), error, "output of 2 samples: a pointer");
    refused(bnn_model_run_pixels(model, 1, NULL, output, error), error, "input of 1 samples");
    refused(bnn_model_run_pixels(model, 1, pixels, NULL, error), error, "output of 1 samples");
    refused(bnn_model_run(NULL, 1, input, output, error), error, "the model is NULL");
    refused(bnn_model_run_pixels(NULL, 1, pixels, output, error), error, "the model is NULL");
    refused(bnn_model_load(NULL, error) == NULL, error, "the path of the model is NULL");
    ck_assert_int_ne(bnn_model_run(model, 2, NULL, NULL, NULL), 0); /* without room for the text */
    ck_assert_ptr_null(bnn_model_load(NULL, NULL));
    ck_assert_int_eq(bnn_model_run(model, 0, NULL, NULL, error), 0);
    ck_assert_int_eq(bnn_model_run_pixels(model, 0, NULL, NULL, error), 0);
}
END_TEST

START_TEST(no_model_described) {
    bnn_model_info info = {.classes = 3, .task = "?"};
    bnn_model_describe(NULL, &info);
    ck_assert(info.classes == 0 && !info.task);
    ck_assert_str_eq(bnn_model_class_name(NULL, 0), "");
    ck_assert_str_eq(bnn_model_class_name(model, -1), "");
    ck_assert_str_eq(bnn_model_class_name(model, FIXTURE_CLASSES), "");
    bnn_model_free(NULL);
}
END_TEST

/* Counts whose bytes no memory has, by the input and by the output; -1 among them. */
START_TEST(too_many) {
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / FIXTURE_PIXELS,
                                    SIZE_MAX / FIXTURE_PIXELS / sizeof(float) + 1};
    char error[BNN_ERROR_BYTES];
    const uint8_t pixels[1] = {0};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        refused(bnn_model_run(model, counts[i], input, output, error), error,
                "more than memory can hold");
        refused(bnn_model_run_pixels(model, counts[i], pixels, output, error), error,
                "more than memory can hold");
    }
}
END_TEST

/* Wherever it stands; what was there stays. */
START_TEST(not_finite) {
    static const size_t places[] = {0, FIXTURE_PIXELS - 1, FIXTURE_PIXELS, 69 * FIXTURE_PIXELS + 5};
    const float values[] = {NAN, -NAN, INFINITY, -INFINITY};
    char error[BNN_ERROR_BYTES], why[64];
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            input[places[i]] = values[k];
            output[0] = 123.0f;
            snprintf(why, sizeof why, "sample %zu holds a value that is not finite",
                     places[i] / FIXTURE_PIXELS);
            refused(bnn_model_run(model, SAMPLES, input, output, error), error, why);
            ck_assert(output[0] == 123.0f);
            input[places[i]] = 0.0f;
        }
    }
    input[7] = 3.4028235e38f; /* the largest there is is a number */
    ck_assert_int_eq(bnn_model_run(model, SAMPLES, input, output, error), 0);
    input[7] = 0.0f;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("library");
    TCase *tcase = tcase_create("library");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nothing_given);
    tcase_add_test(tcase, no_model_described);
    tcase_add_test(tcase, too_many);
    tcase_add_test(tcase, not_finite);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

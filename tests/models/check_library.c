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
    refused(bnn_model_run_tokens(NULL, 1, NULL, NULL, NULL, output, error), error, "model is NULL");
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

/* ---- texts ---- */

enum { TEXTS = 3, TOKENS = 6, LABELS = 2, VOCABULARY = 30522 };
static const int32_t ids[TEXTS * TOKENS] = {101, 7, 2003, 102, 0, 0, 101, 30521, 5,
                                            5,   5, 102,  101, 1, 2, 3,   102,   0};
static const int32_t segment[TEXTS * TOKENS] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
static const int32_t mask[TEXTS * TOKENS] = {1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0};

static bnn_model *text_model(const char *from) {
    char error[BNN_ERROR_BYTES];
    bnn_model *text = bnn_model_load(from, error);
    ck_assert_msg(text != NULL, "%s", error);
    return text;
}

/* What the predictor makes of them. */
static void expected_of(const char *from, float *logits) {
    bnn_error err = {0};
    bnn_device device = one_thread();
    bnn_loaded loaded;
    bnn_predictor *predictor;
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch batch = {.n = TEXTS, .field = field, .data = {ids, segment, mask}};
    ck_assert(bnn_loaded_open(from, &device, &loaded, &err) == BNN_OK);
    bnn_spec_fields(&loaded.spec, field, &batch.field_count);
    ck_assert(bnn_loaded_predictor(&loaded, &predictor, &err) == BNN_OK);
    ck_assert(bnn_predictor_run(predictor, &batch, logits, &err) == BNN_OK);
    bnn_predictor_free(predictor);
    bnn_loaded_close(&loaded);
}

/* A number that is none, in each of the fields. */
static void refuse_numbers(bnn_model *text) {
    static const char *const names[] = {"'ids' hold", "'segment' hold", "'mask' hold"};
    static const int32_t wrong[3][2] = {{-1, VOCABULARY}, {-1, 2}, {-1, 2}};
    char error[BNN_ERROR_BYTES];
    float logits[TEXTS * LABELS];
    for (int f = 0; f < 3; f++) {
        for (int k = 0; k < 2; k++) {
            int32_t now[3][TEXTS * TOKENS];
            memcpy(now[0], ids, sizeof ids);
            memcpy(now[1], segment, sizeof segment);
            memcpy(now[2], mask, sizeof mask);
            now[f][TOKENS + 1] = wrong[f][k];
            refused(bnn_model_run_tokens(text, TEXTS, now[0], now[1], now[2], logits, error), error,
                    names[f]);
            ck_assert_msg(strncmp(error, "sample 1: ", 10) == 0, "%s", error);
        }
    }
}

START_TEST(texts) {
    char error[BNN_ERROR_BYTES], packed[80];
    const bnn_spec spec = {.height = 1,
                           .width = TOKENS,
                           .channels = 1,
                           .classes = LABELS,
                           .dataset = "glue_cola",
                           .vocab = "[PAD]\n[UNK]\n"};
    float logits[TEXTS * LABELS], wanted[TEXTS * LABELS];
    const uint8_t pixels[1] = {0};
    bnn_model_info info;
    write_checkpoint_of(path, "bert_tiny4", "dorefa", spec);
    snprintf(packed, sizeof packed, "%s/packed.bnn", folder);
    write_packed(path, packed);
    expected_of(path, wanted);
    const char *const files[] = {path, packed};
    for (int i = 0; i < 2; i++) {
        bnn_model *text = text_model(files[i]);
        bnn_model_describe(text, &info);
        ck_assert_str_eq(info.input, "ids");
        ck_assert_str_eq(info.vocabulary, "[PAD]\n[UNK]\n");
        ck_assert(info.width == TOKENS && info.outputs == LABELS);
        ck_assert_int_eq(bnn_model_run_tokens(text, TEXTS, ids, segment, mask, logits, error), 0);
        ck_assert(memcmp(logits, wanted, sizeof wanted) == 0 && logits[0] != logits[LABELS]);
        ck_assert_int_eq(bnn_model_run_tokens(text, 0, NULL, NULL, NULL, NULL, error), 0);
        refused(bnn_model_run_tokens(text, 1, ids, NULL, mask, logits, error), error, "is NULL");
        refused(bnn_model_run(text, 1, input, logits, error), error,
                "the model sees texts, not floats; give it tokens (bnn_model_run_tokens)");
        refused(bnn_model_run_pixels(text, 1, pixels, logits, error), error, "not images");
        refuse_numbers(text);
        bnn_model_free(text);
    }
    refused(bnn_model_run_tokens(model, 1, ids, segment, mask, logits, error), error,
            "the model sees images, not texts; give it floats (bnn_model_run)");
    bnn_model_describe(model, &info);
    ck_assert_str_eq(info.vocabulary, "");
    unlink(packed);
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
    tcase_add_test(tcase, texts);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

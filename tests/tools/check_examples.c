/* Examples of a results file: which samples become some, what is kept of them, and that a file of
 * them is read as it was written, or refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run/examples.h"

static bnn_arena *arena;
static bnn_error err;

static void set_up(void) {
    arena = bnn_arena_create();
    ck_assert_ptr_nonnull(arena);
    err = (bnn_error){0};
}

static void tear_down(void) {
    bnn_arena_free(arena);
}

/* ---- which ones --------------------------------------------------------------------------- */
enum { SAMPLES = 12, CLASSES = 6 };

static const bnn_field of_words[] = {{"mel", BNN_F32, {1, 1, 2, 1}},
                                     {"class", BNN_I32, {1, 1, 1, 1}}};

static bnn_spec words(void) {
    bnn_spec spec = {.classes = CLASSES, .class_names = "up\ndown\nleft\nright\n\nstop"};
    ck_assert_int_eq(bnn_spec_find(&spec, "fsmn", "fp32", &err), BNN_OK);
    return spec;
}

/* Sample i is heard from i to i + 1. */
static bnn_examples offered(const int32_t *label, const int *predicted, size_t batch) {
    const bnn_spec spec = words();
    bnn_examples e = {.arena = arena};
    float input[2 * SAMPLES], output[CLASSES * SAMPLES] = {0};
    for (int i = 0; i < SAMPLES; i++) {
        input[2 * i] = (float)i;
        input[2 * i + 1] = (float)i + 1;
        output[CLASSES * i + predicted[i]] = 1;
    }
    for (size_t at = 0; at < SAMPLES; at += batch) {
        const bnn_batch b = {
            .n = batch, .field_count = 2, .field = of_words, .data = {input + 2 * at, label + at}};
        for (size_t i = 0; i < batch; i++) {
            ck_assert_int_eq(
                bnn_examples_offer(&e, &spec, &b, i, output + CLASSES * (at + i), &err), BNN_OK);
        }
    }
    return e;
}

static void expect(const bnn_examples *e, const char *const *truth, const char *const *predicted,
                   size_t count) {
    ck_assert_uint_eq(e->count, count);
    for (size_t i = 0; i < count; i++) {
        const bnn_example *x = &e->example[i];
        ck_assert_str_eq(x->field, "mel");
        ck_assert_int_eq(x->labels, 1);
        ck_assert_str_eq(x->name[x->truth[0]], truth[i]);
        ck_assert_str_eq(x->name[x->predicted[0]], predicted[i]);
        ck_assert(x->value[0] == 0 && x->value[1] == 255);
    }
}

/* The first of three classes, and the first that is wrong, in the order they come in. */
START_TEST(first_ones) {
    const int32_t label[SAMPLES] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
    for (size_t batch = 1; batch <= SAMPLES; batch = batch == 6 ? SAMPLES : batch + 1) {
        if (SAMPLES % batch) {
            continue;
        }
        bnn_examples e = offered(label, (int[SAMPLES]){0, 0, 1, 1, 2, 2, 3, 3, 4, 1, 5, 0}, batch);
        expect(&e, (const char *const[]){"up", "down", "left", "class 4"},
               (const char *const[]){"up", "down", "left", "down"}, 4);
        e = offered(label, (int[SAMPLES]){0, 3, 1, 1, 1, 2, 1, 3, 4, 1, 5, 0}, batch);
        expect(&e, (const char *const[]){"up", "up", "down", "left"},
               (const char *const[]){"up", "right", "down", "down"}, 4);
        e = offered(label, (int[SAMPLES]){5, 3, 1, 1, 1, 2, 1, 3, 4, 1, 5, 0}, batch);
        expect(&e, (const char *const[]){"up", "down", "left"},
               (const char *const[]){"stop", "down", "down"}, 3);
        e = offered(label, (int[SAMPLES]){0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, batch);
        expect(&e, (const char *const[]){"up", "down", "left"},
               (const char *const[]){"up", "down", "left"}, 3);
    }
}
END_TEST

/* ---- what is kept of them ----------------------------------------------------------------- */
static bnn_examples offer_one(const bnn_spec *spec, const bnn_field *fields, const float *input,
                              const int32_t *label, const float *output) {
    const bnn_batch batch = {.n = 1, .field_count = 2, .field = fields, .data = {input, label}};
    bnn_examples e = {.arena = arena};
    ck_assert_int_eq(bnn_examples_offer(&e, spec, &batch, 0, output, &err), BNN_OK);
    ck_assert_uint_eq(e.count, 1);
    return e;
}

/* Bytes as they were; of a large one every second or third pixel. */
START_TEST(images) {
    static const int sides[][3] = {{2, 2, 1}, {64, 64, 1}, {65, 33, 2}, {130, 44, 3}};
    const int side = sides[_i][0], kept = sides[_i][1], step = sides[_i][2];
    const bnn_field fields[] = {{"image", BNN_F32, {1, side, side, 3}},
                                {"class", BNN_I32, {1, 1, 1, 1}}};
    bnn_spec spec = {.classes = 2, .mean = {125, 122, 113}, .std = {51.5f, 50, 51}};
    float *input = malloc((size_t)(3 * side * side) * sizeof *input);
    ck_assert_int_eq(bnn_spec_find(&spec, "resnet20", "fp32", &err), BNN_OK);
    for (int i = 0; i < 3 * side * side; i++) {
        input[i] = ((float)(i / 3 % 256) - spec.mean[i % 3]) / spec.std[i % 3];
    }
    bnn_examples e = offer_one(&spec, fields, input, (int32_t[]){1}, (float[]){0, 1});
    const bnn_example *x = &e.example[0];
    ck_assert(x->height == kept && x->width == kept && x->channels == 3);
    for (int y = 0; y < kept; y++) {
        for (int w = 0; w < kept * 3; w++) {
            ck_assert_int_eq(x->value[y * kept * 3 + w], (step * y * side + step * (w / 3)) % 256);
        }
    }
    ck_assert_str_eq(x->name[x->truth[0]], "class 1");
    free(input);
}
END_TEST

/* Parts: of the category that a shape is of, whatever the network says of others. */
START_TEST(parts) {
    enum { POINTS = 2000, PARTS = 5 };
    static const bnn_field fields[] = {{"points", BNN_F32, {1, 1, POINTS, 6}},
                                       {"part", BNN_I32, {1, 1, POINTS, 1}}};
    static float input[6 * POINTS], output[PARTS * POINTS];
    static int32_t label[POINTS];
    bnn_spec spec = {.classes = PARTS, .class_names = "Bag:1\nBag:2\nCap:1\nCap:2\nCap:3"};
    ck_assert_int_eq(bnn_spec_find(&spec, "pointnet_partseg", "fp32", &err), BNN_OK);
    for (int i = 0; i < POINTS; i++) {
        for (int c = 0; c < 6; c++) {
            input[6 * i + c] = c < 3 ? (float)(i - 1000) / 1000.0f + 0.0001f * (float)c : 9;
        }
        label[i] = 2 + i % 3;
        output[PARTS * i] = 7; /* Bag:1 is the largest, but this is a cap */
        output[PARTS * i + 2 + i % 2] = 1;
    }
    bnn_examples e = offer_one(&spec, fields, input, label, output);
    const bnn_example *x = &e.example[0];
    ck_assert(x->width == BNN_EXAMPLE_POINTS && x->labels == x->width && x->channels == 3);
    ck_assert_int_eq(x->classes, 3);
    ck_assert_str_eq(x->name[2], "Cap:3");
    for (int i = 0; i < x->width; i++) {
        ck_assert_int_eq(x->value[3 * i + i % 3], i - 1000);
        ck_assert_int_eq(x->truth[i], i % 3);
        ck_assert_int_eq(x->predicted[i], i % 2);
    }
    ck_assert(e.wrong && e.kinds == 1);
}
END_TEST

/* ---- the file ----------------------------------------------------------------------------- */
#define EXAMPLE(FIELD, SHAPE, VALUES, CLASSES, TRUTH, PREDICTED)                                   \
    "{\"field\":\"" FIELD "\",\"shape\":[" SHAPE "],\"values\":\"" VALUES                          \
    "\",\"classes\":[" CLASSES "],\"truth\":\"" TRUTH "\",\"predicted\":\"" PREDICTED "\"}"
#define PARTS_1 EXAMPLE("points", "1,2,3", "-1000 0 1 1000 -5 7", "\"a\",\"b\"", "0 1", "1 1")
#define IMAGE_1 EXAMPLE("image", "1,2,3", "0 255 1 2 3 4", "\"a <b>\"", "0", "0")
#define MEL_1 EXAMPLE("mel", "2,1,1", "0 255", "\"a\",\"b\"", "0", "1")
#define CLOUD_1 EXAMPLE("points", "1,2,3", "-1 0 1 1 -5 7", "\"a\",\"b\"", "0", "1")

static bnn_code read_text(const char *text, bnn_examples *out) {
    json_t *list = json_loads(text, 0, NULL);
    ck_assert_msg(list != NULL, "%s", text);
    bnn_code code = bnn_examples_read(list, arena, out);
    json_decref(list);
    return code;
}

START_TEST(round_trip) {
    static const char text[] = "[" PARTS_1 "," IMAGE_1 "," MEL_1 "," CLOUD_1 "]";
    bnn_examples e;
    ck_assert_int_eq(read_text(text, &e), BNN_OK);
    ck_assert_uint_eq(e.count, 4);
    ck_assert(e.example[0].labels == 2 && e.example[0].value[0] == -1000);
    ck_assert_str_eq(e.example[1].name[0], "a <b>");
    ck_assert_int_eq(e.example[3].labels, 1);
    json_t *again = bnn_examples_json(&e);
    char *written = json_dumps(again, JSON_COMPACT);
    ck_assert_str_eq(written, text);
    free(written);
    json_decref(again);
}
END_TEST

#define NUMBERS                                                                                    \
    "[{\"field\":\"mel\",\"shape\":[1,1,1],\"values\":[0],\"classes\":[\"a\"],\"truth\":0,"        \
    "\"predicted\":0}]"

static const char *const damaged[] = {
    "[]",
    "{}",
    "[3]",
    "[" MEL_1 "," MEL_1 "," MEL_1 "," MEL_1 "," MEL_1 "]",
    "[" EXAMPLE("smell", "2,1,1", "0 255", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1", "0 255", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1,1", "0 255", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "-2,-1,1", "0 255", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,2", "0 255 1 1", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "65,1,1", "0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "4294967298,1,1", "0 255", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "1,1025,3", "0 0 0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "2,1,3", "0 0 0 0 0 0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "1,2,1", "0 0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "1,1,3", "0 0 1001", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "1,1,3", "0 0 -1001", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("points", "1,2,3", "0 0 0 0 0 0", "\"a\"", "0 0", "0") "]",
    "[" EXAMPLE("points", "1,2,3", "0 0 0 0 0 0", "\"a\"", "0", "0 0") "]",
    "[" EXAMPLE("points", "1,2,3", "0 0 0 0 0 0", "\"a\"", "0 1", "0 0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 256", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 -1", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 1 2", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 ", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0  1", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 00001", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 1", "", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 1", "1", "0", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 1", "\"a\"", "1", "0") "]",
    "[" EXAMPLE("mel", "2,1,1", "0 1", "\"a\"", "0", "-1") "]",
    NUMBERS,
};

START_TEST(refused) {
    bnn_examples e;
    ck_assert_msg(read_text(damaged[_i], &e) == BNN_ERR_FORMAT, "%s", damaged[_i]);
}
END_TEST

int main(void) {
    const int count = sizeof damaged / sizeof damaged[0];
    Suite *suite = suite_create("examples");
    TCase *cases = tcase_create("examples");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, first_ones);
    tcase_add_loop_test(cases, images, 0, 4);
    tcase_add_test(cases, parts);
    tcase_add_test(cases, round_trip);
    tcase_add_loop_test(cases, refused, 0, count);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Examples of a results file: which samples become some, what is kept of them, and that a file of
 * them is read as it was written, or refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/attention.h"
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

/* ---- texts -------------------------------------------------------------------------------- */
enum { LENGTH = 30 };

static const bnn_field of_text[] = {{"ids", BNN_I32, {1, 1, LENGTH, 1}},
                                    {"segment", BNN_I32, {1, 1, LENGTH, 1}},
                                    {"mask", BNN_I32, {1, 1, LENGTH, 1}},
                                    {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_field of_scores[] = {{"ids", BNN_I32, {1, 1, LENGTH, 1}},
                                      {"segment", BNN_I32, {1, 1, LENGTH, 1}},
                                      {"mask", BNN_I32, {1, 1, LENGTH, 1}},
                                      {"score", BNN_F32, {1, 1, 1, 1}}};

static bnn_spec texts(const char *algorithm, int classes) {
    bnn_spec spec = {.height = 1,
                     .width = LENGTH,
                     .channels = 1,
                     .classes = classes,
                     .class_names = "no\nyes",
                     .vocab = "[PAD]\r\nthe\ncat\n\xff\n\n##s"};
    ck_assert_int_eq(bnn_spec_find(&spec, "bert_tiny4", algorithm, &err), BNN_OK);
    return spec;
}

/* Two samples, of 7 tokens and of all. */
static int32_t id[2][LENGTH], segment[2][LENGTH], mask[2][LENGTH];

static bnn_batch two_texts(const bnn_field *fields, const void *target) {
    static const int32_t first[] = {1, 2, 5, 3, 4, 6, 1};
    memcpy(id[0], first, sizeof first);
    for (int t = 0; t < LENGTH; t++) {
        mask[0][t] = t < 7;
        mask[1][t] = 1;
        id[1][t] = 1 + t % 2;
    }
    return (bnn_batch){
        .n = 2, .field_count = 4, .field = fields, .data = {id, segment, mask, target}};
}

/* The tokens as the vocabulary has them, a number where it has no text; no padding, and no more
 * than are kept. Without parameters nothing of attention. */
START_TEST(tokens) {
    static const char *const expected[] = {"the", "cat", "##s", "#3", "#4", "#6", "the"};
    const bnn_spec spec = texts("fp32", 2);
    const int32_t label[] = {0, 1};
    const float output[][2] = {{1, 0}, {1, 0}};
    const bnn_batch batch = two_texts(of_text, label);
    bnn_examples e = {.arena = arena};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(bnn_examples_offer(&e, &spec, &batch, i, output[i], &err), BNN_OK);
    }
    ck_assert_uint_eq(e.count, 2);
    const bnn_example *x = e.example;
    ck_assert(x[0].width == 7 && x[0].height == 0 && x[0].classes == 1);
    for (int t = 0; t < 7; t++) {
        ck_assert_str_eq(x[0].token[t], expected[t]);
    }
    ck_assert(x[1].width == BNN_EXAMPLE_TOKENS && x[1].classes == 2 && e.wrong);
    ck_assert_str_eq(x[1].name[x[1].truth[0]], "yes");
    ck_assert_str_eq(x[1].name[x[1].predicted[0]], "no");
}
END_TEST

/* Of scores the first of three whole numbers; none is wrong. */
START_TEST(scores) {
    bnn_spec spec = texts("fp32", 1);
    const float score[] = {2.25f, 1.75f}, output[] = {-0.5f, 3};
    spec.task = bnn_task_find("similarity");
    const bnn_batch batch = two_texts(of_scores, score);
    bnn_examples e = {.arena = arena};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(bnn_examples_offer(&e, &spec, &batch, i, &output[i], &err), BNN_OK);
    }
    const bnn_example *x = e.example;
    ck_assert(e.count == 1 && !e.wrong && x->classes == 2);
    ck_assert_str_eq(x->name[x->truth[0]], "2.25");
    ck_assert_str_eq(x->name[x->predicted[0]], "-0.50");
}
END_TEST

START_TEST(attention) {
    const bnn_spec spec = texts("bnn", 2);
    const int32_t label[] = {0, 1};
    const bnn_batch batch = two_texts(of_text, label);
    bnn_params *params = bnn_params_create();
    bnn_device device;
    bnn_net net;
    const char *why;
    float share[7 * 7];
    ck_assert(bnn_cpu_device(NULL, 1, &device, &why));
    ck_assert_int_eq(bnn_net_build(&spec, &device, params, 1, 0, &net, &err), BNN_OK);
    bnn_graph_free(net.graph);
    ck_assert_int_eq(bnn_params_allocate(params, &err), BNN_OK);
    bnn_params_initialize(params, 1);
    bnn_examples e = {.arena = arena, .params = params, .device = &device};
    ck_assert_int_eq(bnn_examples_offer(&e, &spec, &batch, 0, (float[]){0, 1}, &err), BNN_OK);
    ck_assert_int_eq(bnn_attention_shares(&spec, &device, params, &batch, 0, 7, share, &err),
                     BNN_OK);
    ck_assert(e.example[0].height == 7 && e.example[0].width == 7);
    for (int i = 0; i < 7 * 7; i++) {
        ck_assert_int_eq(e.example[0].value[i], lrintf(share[i] * BNN_EXAMPLE_LARGEST));
    }
    bnn_params_free(params);
}
END_TEST

/* ---- boxes -------------------------------------------------------------------------------- */
enum { SIDE = 300, FOUND = 200 };

static float picture[SIDE * SIDE * 3], there[BNN_MAX_BOXES * 4], detections[FOUND * BNN_DETECTION];
static int32_t there_class[BNN_MAX_BOXES];

/* One box of this class, another of class 2; found: `found` boxes of falling score. */
static bnn_code offer_boxes(bnn_examples *e, int32_t class, int found, const float frame[4]) {
    static const bnn_field fields[] = {{"image", BNN_F32, {1, SIDE, SIDE, 3}},
                                       {"boxes", BNN_F32, {1, 1, BNN_MAX_BOXES, 4}},
                                       {"box_class", BNN_I32, {1, 1, BNN_MAX_BOXES, 1}},
                                       {"frame", BNN_F32, {1, 1, 1, 4}}};
    bnn_spec spec = {
        .classes = 3, .std = {1, 1, 1}, .class_names = "a\nb\nc", .height = SIDE, .width = SIDE};
    ck_assert_int_eq(bnn_spec_find(&spec, "ssd300_vgg16", "fp32", &err), BNN_OK);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        picture[i] = (float)(i / 3 % SIDE % 256);
    }
    memcpy(there, (const float[8]){0, 20, 50, 100, 50, 20, 100, 100}, 8 * sizeof *there);
    for (int i = 0; i < BNN_MAX_BOXES; i++) {
        there_class[i] = i == 0 ? class : i == 1 && class >= 0 ? 2 : -1;
    }
    for (int i = 0; i < FOUND; i++) {
        const float one[] = {10, 0, 30, 120, 1.0f - 0.06f * (float)i, (float)(i % 2)};
        memcpy(detections + i * BNN_DETECTION, one, sizeof one);
        detections[i * BNN_DETECTION + 5] = i < found ? one[5] : -1;
    }
    const bnn_batch batch = {
        .n = 1, .field_count = 4, .field = fields, .data = {picture, there, there_class, frame}};
    return bnn_examples_offer(e, &spec, &batch, 0, detections, &err);
}

/* What the picture takes of the input is kept, of it every second pixel, and of what is found the
 * surest. */
START_TEST(scenes) {
    static const float frame[] = {100, 200, 500, 1000};
    bnn_examples e = {.arena = arena};
    ck_assert_int_eq(offer_boxes(&e, -1, 3, frame), BNN_OK); /* there is nothing */
    ck_assert_uint_eq(e.count, 0);
    ck_assert_int_eq(offer_boxes(&e, 1, 3, frame), BNN_OK);
    ck_assert_int_eq(offer_boxes(&e, 1, 3, frame), BNN_OK); /* the same kind */
    ck_assert_int_eq(offer_boxes(&e, 0, 40, frame), BNN_OK);
    ck_assert_int_eq(offer_boxes(&e, 2, 0, frame), BNN_OK);
    ck_assert_uint_eq(e.count, 3);
    const bnn_example *x = e.example;
    ck_assert(x->height == 50 && x->width == 100 && x->channels == 3 && x->labels == 0);
    ck_assert(x->value[3] == 2 && x->value[3 * 100 + 3 * 7] == 14);
    ck_assert(x->boxes == 5 && x->classes == 3 && x[1].boxes == BNN_EXAMPLE_FOUND + 2);
    ck_assert(x[2].boxes == 2 && x[2].classes == 1);
    const bnn_example_box *b = x->box;
    ck_assert(b[0].score == 1000 && b[1].score == 940 && b[2].score == 880 && b[3].score == -1);
    ck_assert(b[0].at[0] == 50 && b[0].at[1] == 0 && b[0].at[2] == 150 && b[0].at[3] == 1000);
    ck_assert(b[3].at[0] == 0 && b[3].at[1] == 200 && b[3].at[2] == 250 && b[3].at[3] == 1000);
    ck_assert_str_eq(x->name[b[3].class], "b");
    ck_assert_str_eq(x->name[b[4].class], "c");
    ck_assert_str_eq(x->name[b[0].class], "a");
    /* Never those that are unlikely. */
    ck_assert_int_ge(x[1].box[BNN_EXAMPLE_FOUND - 1].score, 100);
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

#define TEXT(SHAPE, TOKENS, VALUES)                                                                \
    "{\"field\":\"ids\",\"shape\":[" SHAPE "],\"tokens\":[" TOKENS "],\"values\":\"" VALUES        \
    "\",\"classes\":[\"a\",\"b\"],\"truth\":\"0\",\"predicted\":\"1\"}"
#define TEXT_1 TEXT("2,2,1", "\"[CLS]\",\"<\"", "0 1000 250 7")
#define TEXT_2 TEXT("0,2,1", "\"[CLS]\",\"<\"", "")

static bnn_code read_text(const char *text, bnn_examples *out) {
    json_t *list = json_loads(text, 0, NULL);
    ck_assert_msg(list != NULL, "%s", text);
    bnn_code code = bnn_examples_read(list, arena, out);
    json_decref(list);
    return code;
}

static void expect_again(const bnn_examples *e, const char *text) {
    json_t *again = bnn_examples_json(e);
    char *written = json_dumps(again, JSON_COMPACT);
    ck_assert_str_eq(written, text);
    free(written);
    json_decref(again);
}

START_TEST(round_trip) {
    static const char text[] = "[" PARTS_1 "," IMAGE_1 "," MEL_1 "," CLOUD_1 "]";
    bnn_examples e;
    ck_assert_int_eq(read_text(text, &e), BNN_OK);
    ck_assert_uint_eq(e.count, 4);
    ck_assert(e.example[0].labels == 2 && e.example[0].value[0] == -1000);
    ck_assert_str_eq(e.example[1].name[0], "a <b>");
    ck_assert_int_eq(e.example[3].labels, 1);
    expect_again(&e, text);
}
END_TEST

START_TEST(round_trip_of_texts) {
    static const char text[] = "[" TEXT_1 "," TEXT_2 "]";
    bnn_examples e;
    ck_assert_int_eq(read_text(text, &e), BNN_OK);
    ck_assert(e.example[0].height == 2 && e.example[0].value[1] == 1000);
    ck_assert(e.example[1].height == 0 && e.example[1].width == 2);
    ck_assert_str_eq(e.example[1].token[0], "[CLS]");
    expect_again(&e, text);
}
END_TEST

#define SCENE(SHAPE, BOXES, TRUTH)                                                                 \
    "{\"field\":\"image\",\"shape\":[" SHAPE "],\"boxes\":" BOXES                                  \
    ",\"values\":\"0 255 1\",\"classes\":[\"a\",\"b\"],\"truth\":\"" TRUTH                         \
    "\",\"predicted\":\"\"}"

START_TEST(round_trip_of_scenes) {
    static const char text[] =
        "[" SCENE("1,1,3", "\"1 500 0 0 10 1000 0 -1 1 2 3 4\"", "") "," IMAGE_1 "]";
    bnn_examples e;
    ck_assert_int_eq(read_text(text, &e), BNN_OK);
    ck_assert(e.example[0].boxes == 2 && e.example[0].labels == 0 && !e.example[1].box);
    ck_assert(e.example[0].box[1].score == -1 && e.example[0].box[1].at[3] == 4);
    expect_again(&e, text);
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
    "[" EXAMPLE("ids", "1,1,1", "0", "\"a\"", "0", "0") "]",
    "[" EXAMPLE("mel", "0,1,1", "", "\"a\"", "0", "0") "]",
    "[" TEXT("1,2,1", "\"a\",\"b\"", "0 0") "]",
    "[" TEXT("2,2,3", "\"a\",\"b\"", "0 0 0 0 0 0 0 0 0 0 0 0") "]",
    "[" TEXT("0,25,1", "\"a\"", "") "]",
    "[" TEXT("0,0,1", "", "") "]",
    "[" TEXT("\"0\",2,1", "\"a\",\"b\"", "") "]",
    "[" TEXT("0,2,1", "\"a\",\"b\"", "0") "]",
    "[" TEXT("0,2,1", "\"a\"", "") "]",
    "[" TEXT("0,2,1", "\"a\",\"b\",\"c\"", "") "]",
    "[" TEXT("0,2,1", "\"a\",2", "") "]",
    "[" TEXT("2,2,1", "\"a\",\"b\"", "0 0 0 1001") "]",
    "[" TEXT("2,2,1", "\"a\",\"b\"", "0 0 0 -1") "]",
    "[" SCENE("1,1,3", "3", "") "]",
    "[" SCENE("1,1,3", "\"\"", "") "]",
    "[" SCENE("1,1,3", "\"1 500 0 0 10\"", "") "]",
    "[" SCENE("1,1,3", "\"2 500 0 0 10 10\"", "") "]",
    "[" SCENE("1,1,3", "\"-1 500 0 0 10 10\"", "") "]",
    "[" SCENE("1,1,3", "\"0 1001 0 0 10 10\"", "") "]",
    "[" SCENE("1,1,3", "\"0 0 20 0 10 10\"", "") "]",
    "[" SCENE("1,1,3", "\"0 0 0 0 10 -1\"", "") "]",
    "[" SCENE("1,1,3", "\"0 0 0 0 10 10\"", "0") "]",
    "[" SCENE("129,1,3", "\"0 0 0 0 10 10\"", "") "]",
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
    tcase_add_test(cases, tokens);
    tcase_add_test(cases, scores);
    tcase_add_test(cases, scenes);
    tcase_add_test(cases, round_trip_of_scenes);
    tcase_add_test(cases, attention);
    tcase_add_test(cases, round_trip);
    tcase_add_test(cases, round_trip_of_texts);
    tcase_add_loop_test(cases, refused, 0, count);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

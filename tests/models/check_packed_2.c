/* Packed files of version 2, which are no longer written: they say what they said, and whatever
 * stands in one, entry by entry, is refused in one line or computed with. */
#include "tests/fixtures/packed_fixture.h"

#define TINY BNN_FIXTURES "/packed_2_tiny.bnn"

/* What the program that wrote the file computed of tiny_images(). */
static const float logits_2[TINY_CLASSES] = {0x1.bda3c2p+5f, 0x1.d08aecp+6f, 0x1.431836p+8f};

START_TEST(version_2) {
    char error[BNN_ERROR_BYTES];
    float x[TINY_PIXELS], logits[TINY_CLASSES];
    bnn_model_info info;
    tiny_images(x, 1);
    bnn_model *model = bnn_model_load(TINY, error);
    ck_assert_msg(model != NULL, "%s", error);
    ck_assert_int_eq(bnn_model_run(model, 1, x, logits, error), 0);
    ck_assert(memcmp(logits, logits_2, sizeof logits) == 0);
    bnn_model_describe(model, &info);
    ck_assert(info.packed && info.binary_weights == 1280);
    bnn_model_free(model);
}
END_TEST

static tally tried;

/* Other values in the place of one. */
static json_t *instead(int i) {
    static const char *const texts[] = {"null",
                                        "true",
                                        "-1",
                                        "0",
                                        "1",
                                        "2",
                                        "7",
                                        "1.5",
                                        "100000",
                                        "536870912",
                                        "-536870912",
                                        "2147483648",
                                        "9223372036854775807",
                                        "\"\"",
                                        "\"input\"",
                                        "\"0\"",
                                        "\"stem.weight\"",
                                        "\"one.threshold\"",
                                        "\"B1\"",
                                        "\"I32\"",
                                        "\"F32\"",
                                        "\"nan\"",
                                        "\"-inf\"",
                                        "\"1e300\"",
                                        "\"conv\"",
                                        "\"sign\"",
                                        "\"reshape\"",
                                        "\"cross_entropy\"",
                                        "[]",
                                        "{}",
                                        "[1,1,1,1]",
                                        "[\"x\",\"F32\",1,4,4,8]"};
    return i < (int)(sizeof texts / sizeof texts[0]) ? json_loads(texts[i], JSON_DECODE_ANY, NULL)
                                                     : NULL;
}

/* Each entry of `value`: every other value in its place, none, and twice. */
static void mutate(const parts *p, json_t *value) {
    size_t index;
    const char *key;
    json_t *item, *new;
    json_array_foreach(value, index, item) {
        json_incref(item);
        for (int i = 0; (new = instead(i)); i++) {
            json_array_set_new(value, index, new);
            note(&tried, p);
        }
        json_array_remove(value, index);
        note(&tried, p);
        json_array_insert(value, index, item);
        json_array_insert(value, index, item);
        note(&tried, p);
        json_array_remove(value, index);
        json_decref(item);
        mutate(p, json_array_get(value, index));
    }
    char keys[16][64];
    int count = 0;
    json_object_foreach(value, key, item) { /* the order changes below */
        ck_assert_int_lt(count, 16);
        snprintf(keys[count++], sizeof keys[0], "%s", key);
    }
    for (int k = 0; k < count; k++) {
        item = json_incref(json_object_get(value, keys[k]));
        for (int i = 0; (new = instead(i)); i++) {
            json_object_set_new(value, keys[k], new);
            note(&tried, p);
        }
        json_object_del(value, keys[k]);
        note(&tried, p);
        json_object_set_new(value, keys[k], item);
        mutate(p, item);
    }
}

START_TEST(every_entry) {
    parts p = take_apart(TINY);
    ck_assert_ptr_null(outcome_of(&p));
    mutate(&p, p.network);
    ck_assert_ptr_null(outcome_of(&p));
    ck_assert_int_gt(tried.refusals, 3000);
    ck_assert_int_gt(tried.runs, 100); /* of other clamps, other names of equals... */
    throw_away(&p);
}
END_TEST

/* An entry by its place, a value for it, and what is said. */
static const struct {
    const char *place, *value, *error;
} lies[] = {
    {"inputs", "[]", "it has no inputs, or no outputs; the file is damaged"},
    {"outputs", "7", "it has no inputs, or no outputs; the file is damaged"},
    {"inputs.0.2", "2", "node 0 ('conv'): its result is another than it says"},
    {"inputs.0.3", "5", "node 0 ('conv'): its result is another than it says"},
    {"inputs.0.1", "\"F64\"", "input 0 is no list of a name, a type and four sizes"},
    {"inputs.0.5", "0", "input 0 is no list of a name, a type and four sizes"},
    {"inputs.0.0", "\"stem.weight\"", "two tensors are called 'stem.weight'"},
    {"bits.one.weight", "[8,3,3,9]", "tensor 'one.weight' does not fit the network"},
    {"bits.one.weight", "[8,3,3]", "tensor 'one.weight' does not fit the network"},
    {"bits.one.weight", "[-8,-3,3,8]", "tensor 'one.weight' does not fit the network"},
    {"bits.one.weight", "[536870912,536870912,64,0]", "tensor 'one.weight' does not fit"},
    {"bits.one.weight", "[8,3,8,3]", "node 3: conv: 8 input channels, 8 filters of 3 channels"},
    {"nodes.0.op", "\"convolution\"", "node 0: no op of inference is called 'convolution'"},
    {"nodes.0.op", "\"cross_entropy\"", "node 0: no op of inference is called 'cross_entropy'"},
    {"nodes.0.in.0", "\"5\"", "node 0: its input 0, '5', is missing"},
    {"nodes.0.in.0", "\"0\"", "node 0: its input 0, '0', is missing"},
    {"nodes.0.in.1", "null", "node 0: its input 1, 'null', is missing"},
    {"nodes.0.in.1", "\"one.weight\"", "node 0: conv: one operand is bits, the other float"},
    {"nodes.0.in.4", "\"one.threshold\"", "node 0: its input 4 is of a type it does not take"},
    {"nodes.0.in", "[1,2,3,4,5,6,7,8,9,10]", "node 0 has 10 inputs"},
    {"nodes.0.attr.pad_h", "-1", "node 0: conv: stride 1x1, dilation 1x1, padding -1x1"},
    {"nodes.0.attr.pad_h", "300000000", "does not fit an image of 4x4"},
    {"nodes.0.attr.pad_h", "1000000000", "node 0: its 'pad_h' is no number for that"},
    {"nodes.0.attr.pad_h", "\"1\"", "node 0: its 'pad_h' is no number for that"},
    {"nodes.0.attr.lo", "\"nan\"", "node 0: its 'lo' is no number for that"},
    {"nodes.0.attr.lo", "\"1e99\"", "node 0: its 'lo' is no number for that"},
    {"nodes.0.attr.lo", "1", "node 0: its 'lo' is no number for that"},
    {"nodes.0.attr.prepared", "1", "node 0 has attributes that its op does not know"},
    {"nodes.0.out.0.1", "\"B1\"", "node 0 ('conv'): its result is another than it says"},
    {"nodes.0.out", "[]", "node 0 ('conv') has 1 results, not 0"},
    {"nodes.0.out.0.0", "\"input\"", "two tensors are called 'input'"},
    {"nodes.1.attr", "{\"rows\":3}", "node 1: abs_mean: 3 rows of a [1,4,4,8]"},
    {"nodes.1.attr", "{\"rows\":0}", "node 1: abs_mean: 0 rows of a [1,4,4,8]"},
    {"nodes.1.attr", "{\"rows\":2}", "node 1 ('abs_mean'): its result is another than it says"},
    {"outputs.0", "\"none\"", "output 0 is missing"},
    {"outputs.0", "\"0\"", "is not one of 3x4x4 values and 3 classes"},
    {"outputs.0", "\"2\"", "is not one of 3x4x4 values and 3 classes"},
};

static void set_at(json_t *value, const char *place, json_t *new) {
    const char *dot = strchr(place, '.');
    char key[64];
    if (strncmp(place, "bits.", 5) == 0) {
        value = json_object_get(value, "bits");
        place += 5;
        dot = NULL;
    }
    snprintf(key, sizeof key, "%.*s", dot ? (int)(dot - place) : 63, place);
    if (dot) {
        set_at(json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                    : json_object_get(value, key),
               dot + 1, new);
    } else if (json_is_array(value)) {
        ck_assert_int_eq(json_array_set_new(value, strtoul(key, NULL, 10), new), 0);
    } else {
        ck_assert_int_eq(json_object_set_new(value, key, new), 0);
    }
}

START_TEST(lie) {
    parts p = take_apart(TINY);
    set_at(p.network, lies[_i].place, json_loads(lies[_i].value, JSON_DECODE_ANY, NULL));
    const char *text = outcome_of(&p);
    ck_assert_msg(text && strstr(text, lies[_i].error), "%s", text ? text : "it runs");
    throw_away(&p);
}
END_TEST

/* A value that is none, a network that is no JSON. */
START_TEST(damage) {
    parts p = take_apart(TINY);
    for (size_t i = 0; i < p.bytes; i++) {
        p.data[i] = 0xff;
    }
    const char *text = outcome_of(&p);
    ck_assert_msg(text && strstr(text, "holds a value that is not a number; the file is damaged"),
                  "%s", text ? text : "it runs");
    json_decref(p.network);
    p.network = json_integer(3);
    text = outcome_of(&p);
    ck_assert_msg(text && strstr(text, "no usable JSON"), "%s", text ? text : "it runs");
    throw_away(&p);
}
END_TEST

/* Without its format, as other tools copy a file, it is known by what it holds. */
START_TEST(no_format) {
    parts p = take_apart(TINY);
    json_object_del(json_object_get(p.header, "__metadata__"), "format");
    ck_assert_ptr_null(outcome_of(&p));
    throw_away(&p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed_2");
    TCase *tcase = tcase_create("packed_2");
    tcase_add_test(tcase, version_2);
    tcase_add_test(tcase, every_entry);
    tcase_add_loop_test(tcase, lie, 0, sizeof lies / sizeof lies[0]);
    tcase_add_test(tcase, damage);
    tcase_add_test(tcase, no_format);
    tcase_set_timeout(tcase, 300);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

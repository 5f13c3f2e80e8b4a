/* Model files that claim what no machine can hold, and images smaller than a network's windows: a
 * refusal is one clear line that costs no memory, and whatever is built can be run. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/bnn.h"
#include "models/files/checkpoint.h"
#include "models/files/loaded.h"

static const bnn_device *device(void) {
    const char *why;
    static bnn_device cpu;
    ck_assert_msg(bnn_cpu_device(NULL, 0, &cpu, &why), "%s", why);
    return &cpu;
}

/* Opens and plans a file that is nothing but metadata; the error it ends with. */
static bnn_error error_of(const char *format, const char *arch, const char *input,
                          const char *classes, const char *phase) {
    char bytes[1024];
    bnn_error err = {0};
    bnn_st_file *file;
    bnn_loaded model;
    bnn_predictor *predictor = NULL;
    const bnn_inference *network;
    int length = snprintf(bytes + 8, sizeof bytes - 8,
                          "{\"__metadata__\":{\"format\":\"%s\",\"arch\":\"%s\",\"algo\":\"bnn\","
                          "\"input\":\"%s\",\"classes\":\"%s\",\"phase\":\"%s\",\"mean\":\"0 0 0\","
                          "\"std\":\"1 1 1\",\"data\":\"\"}}",
                          format, arch, input, classes, phase);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)((uint64_t)length >> (8 * i));
    }
    size_t size = 8 + (size_t)length;
    ck_assert_int_eq(bnn_st_parse("model.bnn", bytes, size, &file, &err), BNN_OK);
    bnn_code code = bnn_loaded_from_file("model.bnn", file, size, NULL, device(), &model, &err);
    if (code == BNN_OK && (code = bnn_loaded_predictor(&model, &predictor, &err)) == BNN_OK) {
        code = bnn_predictor_network(predictor, 1, &network, &err);
    }
    bnn_predictor_free(predictor);
    bnn_loaded_close(&model);
    ck_assert_int_ne(code, BNN_OK);
    ck_assert_int_eq(code, err.code);
    ck_assert_msg(!strpbrk(err.text, "\n\r\033"), "%s", err.text);
    ck_assert_msg(strncmp(err.text, "model.bnn: ", 11) == 0, "%s", err.text);
    return err;
}

static const struct {
    const char *arch, *input, *classes, *phase, *error;
} claims[] = {
    {"resnet20", "3x65536x65536", "10", "0", "'input' is '3x65536x65536', but may hold whole"},
    {"resnet20", "3x4097x32", "10", "0", "from 1 to 4096"},
    {"resnet20", "3x0x32", "10", "0", "'input'"},
    {"resnet20", "3x-32x32", "10", "0", "'input'"},
    {"resnet20", "3x31.5x32", "10", "0", "'input'"},
    {"resnet20", "3x32", "10", "0", "'input'"},
    {"resnet20", "3x32x32x32", "10", "0", "'input'"},
    {"resnet20", "nanx32x32", "10", "0", "'input'"},
    {"resnet20", "\\n\\u001b[2Jx32x32", "10", "0", "'??[2Jx32x32'"},
    {"resnet20", "3x32x32", "1000001", "0", "'classes' is '1000001'"},
    {"resnet20", "3x32x32", "1e300", "0", "'classes'"},
    {"resnet20", "3x32x32", "", "0", "'classes'"},
    {"resnet20", "3x32x32", "10", "1", "'phase' is 1"},
    {"resnet99", "3x32x32", "10", "0", "no architecture is called 'resnet99'"},
    /* Allowed, but not what the file holds. */
    {"resnet20", "3x4096x4096", "1000000", "0", "is missing"},
    {"resnet34", "4096x4096x4096", "1000000", "0", "is missing"},
    {"vgg_small", "3x1024x1024", "1000", "0", "is missing"},
    {"vgg_small", "3x4096x4096", "1000000", "0", "fc.weight of shape"},
    {"vgg_small", "3x7x7", "10", "0", "window does not fit an image of 1x1"},
};

START_TEST(claim) {
    const char *const formats[] = {BNN_CHECKPOINT_FORMAT, BNN_PACKED_1_FORMAT};
    for (int f = 0; f < 2; f++) {
        bnn_error err = error_of(formats[f], claims[_i].arch, claims[_i].input, claims[_i].classes,
                                 claims[_i].phase);
        ck_assert_msg(strstr(err.text, claims[_i].error) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(other_format) {
    bnn_error err = error_of("bnn-packed-9", "resnet20", "3x32x32", "10", "0");
    ck_assert_msg(strstr(err.text, "neither a checkpoint nor a packed model") != NULL, "%s",
                  err.text);
}
END_TEST

/* The spec of a file of these metadata, and of what is given. */
static bnn_code read_spec(const char *picture, const bnn_spec_given *given, bnn_spec *spec,
                          bnn_error *err) {
    char bytes[1024];
    bnn_st_file *file;
    int length = snprintf(
        bytes + 8, sizeof bytes - 8,
        "{\"__metadata__\":{\"arch\":\"resnet20\",\"algo\":\"bnn\",\"input\":\"3x32x30\","
        "\"classes\":\"10\",\"mean\":\"0 0 0\",\"std\":\"1 1 1\",\"data\":\"mnist\"%s%s%s}}",
        picture ? ",\"picture\":\"" : "", picture ? picture : "", picture ? "\"" : "");
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)((uint64_t)length >> (8 * i));
    }
    ck_assert_int_eq(bnn_st_parse("m", bytes, 8 + (size_t)length, &file, err), BNN_OK);
    bnn_code code = bnn_spec_read("m", file, given, spec, err);
    bnn_st_close(file);
    return code;
}

/* How images are brought to the input's size is as the file says, as what is given for it says, or
 * all of the input; and what is written is read. */
START_TEST(picture) {
    static const char *const wrong[] = {"1x33x28", "1x28x31", "2x28x28", "0x28x28",
                                        "1x28",    "1x28x0",  "grey",    ""};
    bnn_spec spec, samples = {.dataset = "mnist", .picture = {1, 28, 26, 1}};
    bnn_spec_given given = {.samples = &samples};
    bnn_meta meta[BNN_SPEC_META];
    bnn_arena *arena = bnn_arena_create();
    bnn_error err = {0};
    ck_assert_int_eq(read_spec(NULL, NULL, &spec, &err), BNN_OK);
    ck_assert(bnn_shape_equal(spec.picture, (bnn_shape){1, 32, 30, 3}));
    ck_assert_int_eq(read_spec(NULL, &given, &spec, &err), BNN_OK);
    ck_assert(bnn_shape_equal(spec.picture, samples.picture));
    ck_assert_int_eq(read_spec("3x7x30", &given, &spec, &err), BNN_OK);
    ck_assert(bnn_shape_equal(spec.picture, (bnn_shape){1, 7, 30, 3}));
    samples.picture.h = 33;
    ck_assert_int_eq(read_spec(NULL, &given, &spec, &err), BNN_OK);
    ck_assert(bnn_shape_equal(spec.picture, (bnn_shape){1, 32, 30, 3}));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(read_spec(wrong[i], NULL, &spec, &err), BNN_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, "m: metadata 'picture' is ") == err.text, "%s", err.text);
    }
    ck_assert_int_eq(read_spec("1x28x26", NULL, &spec, &err), BNN_OK);
    size_t count = bnn_spec_meta(&spec, arena, meta), at = 0;
    while (at < count && strcmp(meta[at].key, "picture") != 0) {
        at++;
    }
    ck_assert_uint_lt(at, count);
    ck_assert_str_eq(meta[at].value, "1x28x26");
    spec.height = spec.width = 8; /* nothing is written that could not be read */
    ck_assert_uint_eq(bnn_spec_meta(&spec, arena, meta), count);
    ck_assert_str_eq(meta[at].value, "3x8x8");
    bnn_arena_free(arena);
}
END_TEST

static void run_once(const bnn_spec *spec, bnn_params *params) {
    bnn_error err = {0};
    bnn_predictor *predictor;
    float x[64] = {0}, logits[2] = {-1.0f, -1.0f};
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch batch = {.n = 1, .field = field, .data = {x}};
    bnn_spec_fields(spec, field, &batch.field_count);
    ck_assert_int_eq(bnn_params_allocate(params, &err), BNN_OK);
    ck_assert_int_eq(bnn_predictor_create(spec, device(), params, NULL, "", &predictor, &err), 0);
    ck_assert_msg(bnn_predictor_run(predictor, &batch, logits, &err) == BNN_OK, "%s", err.text);
    ck_assert(logits[0] == 0.0f && logits[1] == 0.0f); /* all parameters are zero */
    bnn_predictor_free(predictor);
}

/* The library has no options to supply what a file of another tool does not say. */
START_TEST(foreign) {
    char path[] = "/tmp/bnn-check-loaded-XXXXXX", error[BNN_ERROR_BYTES];
    bnn_error err = {0};
    bnn_st_writer *writer = bnn_st_writer_create();
    static const float one = 1.0f;
    close(mkstemp(path));
    ck_assert(bnn_st_add_tensor(writer, "fc.bias", BNN_ST_F32, 0, NULL, &one, &err) == BNN_OK);
    ck_assert(bnn_st_write(writer, path, &err) == BNN_OK);
    bnn_st_writer_free(writer);
    ck_assert_ptr_null(bnn_model_load(path, error));
    ck_assert_msg(
        strstr(error, "lacks arch, algo and data; bnn-export with --arch, --algo, --data"), "%s",
        error);
    unlink(path);
}
END_TEST

START_TEST(small_image) {
    static const int sizes[][2] = {{1, 1}, {1, 40}, {40, 1}, {2, 3}, {8, 8}};
    const char *arch = bnn_archs[_i]->name;
    for (int a = -1; a < 0 || bnn_binarizers[a]; a++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            bnn_error err = {0};
            bnn_net net;
            const char *algorithm = a < 0 ? BNN_FLOAT_ALGORITHM : bnn_binarizers[a]->name;
            bnn_spec spec = {
                .height = sizes[s][0], .width = sizes[s][1], .channels = 1, .classes = 2};
            bnn_params *params = bnn_params_create();
            ck_assert(params && bnn_spec_find(&spec, arch, algorithm, &err) == BNN_OK);
            bnn_code code = bnn_net_build(&spec, device(), params, 1, 0, &net, &err);
            bnn_graph_free(net.graph);
            if (code != BNN_OK) {
                int of_images = strcmp(bnn_archs[_i]->inputs[0], "image") == 0;
                ck_assert_msg(strstr(err.text, of_images ? "does not fit an image of" : ": "), "%s",
                              err.text);
            } else if (bnn_params_total(params) < 1000000) {
                run_once(&spec, params);
            }
            bnn_params_free(params);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loaded");
    TCase *files = tcase_create("files"), *networks = tcase_create("networks");
    int archs = 0;
    while (bnn_archs[archs]) {
        archs++;
    }
    tcase_add_loop_test(files, claim, 0, sizeof claims / sizeof claims[0]);
    tcase_add_test(files, other_format);
    tcase_add_test(files, foreign);
    tcase_add_test(files, picture);
    tcase_add_loop_test(networks, small_image, 0, archs);
    tcase_set_timeout(networks, 300);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, networks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* models/files/weights.h and models/files/init_from.h: every number a file can hold comes out as it
 * should, names are found behind any prefix, what is not finite is neither read nor written, and a
 * float twin's weights start every algorithm in every network. */
#include "tests/fixtures/archs.h"
#include "tests/fixtures/graph_fixture.h"

#include <float.h>
#include <math.h>
#include <unistd.h>

#include "models/files/checkpoint.h"
#include "models/files/init_from.h"

static char path[64];

static void set_up(void) {
    strcpy(path, "/tmp/bnn-check-weights-XXXXXX");
    close(mkstemp(path));
}

static void tear_down(void) {
    unlink(path);
}

/* ---- numbers ---- */

static void convert(bnn_st_dtype dtype, const void *data, size_t count, float *out) {
    bnn_st_tensor t = {.dtype = dtype, .ndim = 1, .shape = {(int64_t)count}, .count = count};
    t.data = data;
    t.bytes = count * bnn_st_dtype_bytes(dtype);
    bnn_weights_convert(&t, out);
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* By moving bits, where the conversion computes. */
static uint32_t half_as_float_bits(uint32_t half) {
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0 && fraction == 0) {
        return sign;
    }
    if (exponent == 0) { /* made normal: the leading one becomes the hidden one */
        uint32_t shift = 0;
        for (; !(fraction & 1024); shift++) {
            fraction <<= 1;
        }
        return sign | (113 - shift) << 23 | (fraction & 1023) << 13;
    }
    return sign | (exponent + 112) << 23 | fraction << 13;
}

START_TEST(every_half) {
    static uint16_t all[65536];
    static float got[65536];
    for (size_t i = 0; i < 65536; i++) {
        all[i] = (uint16_t)i;
    }
    convert(BNN_ST_F16, all, 65536, got);
    for (uint32_t i = 0; i < 65536; i++) {
        if ((i & 0x7c00) == 0x7c00) {
            ck_assert(i & 1023 ? isnan(got[i]) : isinf(got[i]));
            ck_assert_int_eq(signbit(got[i]) != 0 && !isnan(got[i]), i == 0xfc00);
        } else {
            ck_assert_msg(bits_of(got[i]) == half_as_float_bits(i), "0x%04x: %g", i,
                          (double)got[i]);
        }
    }
    ck_assert(got[0x3c00] == 1.0f && got[0xc000] == -2.0f && got[0x7bff] == 65504.0f);
    ck_assert(got[1] == 0x1p-24f && got[0x400] == 0x1p-14f && signbit(got[0x8000]));
}
END_TEST

START_TEST(every_bfloat) {
    static uint16_t all[65536];
    static float got[65536];
    for (size_t i = 0; i < 65536; i++) {
        all[i] = (uint16_t)i;
    }
    convert(BNN_ST_BF16, all, 65536, got);
    for (uint32_t i = 0; i < 65536; i++) {
        ck_assert_uint_eq(bits_of(got[i]), i << 16);
    }
    ck_assert(got[0x3f80] == 1.0f && got[0xc0a0] == -5.0f && isinf(got[0x7f80]));
}
END_TEST

START_TEST(doubles_are_rounded) {
    const double from[] = {1.5,
                           -0.0,
                           1.0 + 0x1p-24,           /* half way: to even */
                           1.0 + 0x3p-24,           /* half way: to even, upwards */
                           1.0 + 0x1p-24 + 0x1p-52, /* a little more than half way */
                           0x1p-149,
                           0x1p-151,
                           (double)FLT_MAX,
                           0x1.fffffefffffffp127, /* rounds down to the greatest */
                           0x1.ffffffp127,        /* half way to what is none */
                           -1e39};
    const float want[] = {1.5f, -0.0f,   1.0f,    1.0f + 0x1p-22f, 1.0f + 0x1p-23f, 0x1p-149f,
                          0.0f, FLT_MAX, FLT_MAX, INFINITY,        -INFINITY};
    enum { N = sizeof from / sizeof from[0] };
    char shifted[sizeof from + 1]; /* data in a file are not aligned */
    float got[N];
    memcpy(shifted + 1, from, sizeof from);
    convert(BNN_ST_F64, shifted + 1, N, got);
    for (int i = 0; i < N; i++) {
        ck_assert_msg(bits_of(got[i]) == bits_of(want[i]), "%a: %a", from[i], (double)got[i]);
    }
}
END_TEST

START_TEST(flaws) {
    static const struct {
        const char *name;
        float value;
        const char *flaw;
    } cases[] = {
        {"conv1.weight", NAN, "not a number"},
        {"conv1.weight", INFINITY, "infinite"},
        {"conv1.weight", -INFINITY, "infinite"},
        {"conv1.weight", -FLT_MAX, NULL},
        {"conv1.weight", FLT_MAX, NULL},
        {"bn1.running_mean", -1.0f, NULL},
        {"bn1.running_var", -FLT_TRUE_MIN, "negative variance"},
        {"bn1.running_var", NAN, "not a number"},
        {"bn1.running_var", INFINITY, "infinite"},
        {"bn1.running_var", -0.0f, NULL},
        {"optimizer.bn1.weight.exp_avg", -1.0f, NULL},
        {"optimizer.bn1.weight.exp_avg_sq", -1.0f, "negative variance"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t at = 0; at < 67; at++) {
            float values[67] = {0};
            values[at] = cases[i].value;
            const char *flaw = bnn_weights_flaw(cases[i].name, values, 67);
            ck_assert_msg(!flaw == !cases[i].flaw, "%s: %s", cases[i].name, flaw ? flaw : "none");
            ck_assert(!flaw || strstr(flaw, cases[i].flaw));
        }
    }
}
END_TEST

/* ---- networks ---- */

static bnn_spec spec_of(const char *arch, const char *algorithm) {
    bnn_error err = {0};
    bnn_spec spec = {.height = 32, .width = 32, .channels = 3, .classes = 10, .dataset = ""};
    ck_ok(bnn_spec_find(&spec, arch, algorithm, &err), err);
    if (strcmp(spec.arch->inputs[0], "points") == 0) {
        spec.height = 1;
        spec.channels = 6;
    } else if (strcmp(spec.arch->inputs[0], "mel") == 0) {
        spec.channels = 1;
    } else if (strcmp(spec.arch->inputs[0], "ids") == 0) {
        spec.height = spec.channels = 1;
    } else if (spec.arch->side) {
        spec.height = spec.width = spec.arch->side;
    }
    return spec;
}

static bnn_params *params_of(const bnn_spec *spec) {
    bnn_error err = {0};
    bnn_net net;
    bnn_params *params = bnn_params_create();
    ck_assert(params != NULL);
    ck_ok(bnn_net_build(spec, test_device(), params, 1, 0, &net, &err), err);
    bnn_graph_free(net.graph);
    ck_ok(bnn_params_allocate(params, &err), err);
    return params;
}

static float *values_of(const bnn_params *params, const char *name) {
    const bnn_param *param = bnn_params_find(params, name);
    ck_assert_msg(param != NULL, "%s", name);
    return bnn_param_data(params, param);
}

static bnn_code init(const bnn_spec *spec, int partial, bnn_params *params, bnn_init_result *result,
                     bnn_error *err) {
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = bnn_init_from(path, spec, test_device(), partial, params, arena, result, err);
    bnn_arena_free(arena);
    return code;
}

static size_t shared(const bnn_params *a, const bnn_params *b) {
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        count += bnn_params_find(b, a->list[i]->name) != NULL;
    }
    return count;
}

/* What scales filters is their mean |w| now; the number of such parameters. */
static size_t expect_scaled_filters(const bnn_params *params) {
    size_t count = 0;
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *scale = params->list[i];
        char name[256];
        if (!scale->filter_scale) {
            continue;
        }
        count++;
        snprintf(name, sizeof name, "%.*s.weight", (int)(strrchr(scale->name, '.') - scale->name),
                 scale->name);
        const bnn_param *weight = bnn_params_find(params, name);
        const float *w = bnn_param_data(params, weight);
        const size_t terms = weight->count / scale->count;
        for (size_t f = 0; f < scale->count; f++) {
            double sum = 0.0;
            for (size_t k = f * terms; k < (f + 1) * terms; k++) {
                sum += fabs(w[k]);
            }
            const double mean = sum / (double)terms;
            ck_assert_double_eq_tol(bnn_param_data(params, scale)[f], mean, 1e-6 * mean);
        }
    }
    return count;
}

/* Everything of the twin is taken that there is a place for (some algorithms' convolutions have no
 * bias), and nothing is refused, whatever an algorithm adds; learned factors begin as they suit. */
START_TEST(every_pair_starts_from_its_twin) {
    const char *arch = bnn_archs[_i]->name;
    bnn_error err = {0};
    if (has_nothing_new(bnn_archs[_i])) {
        return;
    }
    bnn_spec twin = spec_of(arch, BNN_FLOAT_ALGORITHM);
    bnn_params *floats = params_of(&twin);
    for (size_t i = 0; i < floats->value_count; i++) {
        floats->values[i] = (float)(i % 61) - 7.0f;
    }
    ck_ok(bnn_checkpoint_save(path, &twin, floats, NULL, NULL, NULL, 0, &err), err);
    for (int a = 0; bnn_binarizers[a]; a++) {
        bnn_spec spec = spec_of(arch, bnn_binarizers[a]->name);
        bnn_params *params = params_of(&spec);
        bnn_init_result result;
        ck_ok(init(&spec, 0, params, &result, &err), err);
        const size_t same = shared(floats, params);
        ck_assert_uint_gt(same, floats->count * 3 / 4);
        ck_assert_uint_eq(result.taken, same);
        ck_assert_uint_eq(result.note_count, params->count - same);
        ck_assert_uint_eq(result.unused, floats->count - same);
        for (size_t p = 0; p < floats->count; p++) {
            const bnn_param *param = floats->list[p];
            if (!bnn_params_find(params, param->name)) {
                continue;
            }
            ck_assert_mem_eq(values_of(params, param->name), bnn_param_data(floats, param),
                             param->count * sizeof(float));
        }
        const int learned = strcmp(bnn_binarizers[a]->name, "recu") == 0 ||
                            strcmp(bnn_binarizers[a]->name, "xnorpp") == 0;
        ck_assert_int_eq(expect_scaled_filters(params) > 0, learned);
        bnn_params_free(params);
    }
    bnn_params_free(floats);
}
END_TEST

/* Writes the parameters of `params` under prefixes[0], [1], ... (NULL ends), all at once; those of
 * the second and later ones are 0. */
static void write_copies(const bnn_params *params, const char *const *prefixes) {
    bnn_error err = {0};
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *writer = bnn_st_writer_create();
    for (int k = 0; prefixes[k]; k++) {
        for (size_t i = 0; i < params->count; i++) {
            const bnn_param *p = params->list[i];
            const char *name = bnn_arena_format(arena, "%s%s", prefixes[k], p->name);
            float *values = bnn_arena_alloc(arena, p->count * sizeof *values);
            if (k == 0) {
                bnn_param_to_file(p, bnn_param_data(params, p), values);
            }
            ck_ok(bnn_st_add_tensor(writer, name, BNN_ST_F32, p->ndim, p->shape, values, &err),
                  err);
        }
    }
    ck_ok(bnn_st_write(writer, path, &err), err);
    bnn_st_writer_free(writer);
    bnn_arena_free(arena);
}

/* The first is the one to be found. */
static const char *const prefixes[][3] = {
    {"", "module.", NULL},
    {"module.", NULL},
    {"model.", "model.module.", NULL},
    {"student.", "ema_student.", NULL},
    {"a.b.c.d.", NULL},
    {"layer1.0.", NULL},
    {"a.", "b.", NULL}, /* as good as the other, and first in the file */
};

START_TEST(a_prefix_is_found) {
    bnn_error err = {0};
    bnn_spec spec = spec_of("resnet20", "recu");
    bnn_params *wanted = params_of(&spec), *params = params_of(&spec);
    bnn_init_result result;
    bnn_params_initialize(wanted, 3);
    write_copies(wanted, prefixes[_i]);
    ck_ok(init(&spec, 0, params, &result, &err), err);
    ck_assert_uint_eq(result.taken, params->count);
    ck_assert_uint_eq(result.unused, prefixes[_i][1] ? params->count : 0);
    ck_assert_mem_eq(params->values, wanted->values, params->value_count * sizeof(float));
    ck_assert_mem_eq(params->buffers, wanted->buffers, params->buffer_count * sizeof(float));
    bnn_params_free(wanted);
    bnn_params_free(params);
}
END_TEST

static void expect_same(const bnn_params *a, const char *name, const bnn_params *b,
                        const char *other) {
    ck_assert_mem_eq(values_of(a, name), values_of(b, other),
                     bnn_params_find(a, name)->count * sizeof(float));
}

/* A ResNet's stages by their names there, the fourth as what looks at each region. */
START_TEST(a_detector_starts_from_a_resnet) {
    static const char *const behind[][2] = {{"", NULL}, {"module.", NULL}};
    bnn_error err = {0};
    bnn_init_result result;
    bnn_spec classifier = spec_of("resnet18", BNN_FLOAT_ALGORITHM);
    classifier.height = classifier.width = 224;
    bnn_params *floats = params_of(&classifier);
    bnn_params_initialize(floats, 3);
    for (int i = 0; i < 2; i++) {
        bnn_spec spec = spec_of("faster_rcnn_resnet18", i ? "reactnet" : BNN_FLOAT_ALGORITHM);
        bnn_params *params = params_of(&spec);
        write_copies(floats, behind[i]);
        ck_ok(init(&spec, 0, params, &result, &err), err);
        ck_assert_uint_eq(result.taken, floats->count - 2);
        ck_assert_uint_eq(result.unused, 2); /* fc.weight, fc.bias */
        ck_assert_uint_eq(result.fresh, 10);
        ck_assert_uint_eq(result.note_count, params->count - result.taken - result.fresh);
        ck_assert(i || result.note_count == 0);
        expect_same(params, "backbone.conv1.weight", floats, "conv1.weight");
        expect_same(params, "backbone.layer3.1.bn2.running_var", floats,
                    "layer3.1.bn2.running_var");
        expect_same(params, "roi_head.shared_head.layer4.0.downsample.0.weight", floats,
                    "layer4.0.downsample.0.weight");
        bnn_params_free(params);
    }
    bnn_params_free(floats);
}
END_TEST

/* The convolutions of a VGG, as torchvision calls them; its dense layers have another form. */
START_TEST(a_detector_starts_from_a_vgg) {
    bnn_error err = {0};
    bnn_init_result result;
    bnn_spec spec = spec_of(_i ? "ssd300_vgg16" : "ssd300_vgg16_plain", BNN_FLOAT_ALGORITHM);
    bnn_params *params = params_of(&spec), *first = params_of(&spec);
    bnn_st_writer *writer = bnn_st_writer_create();
    const int64_t dense[] = {2, 3};
    float *values = calloc(params->value_count, sizeof *values);
    const int full = _i ? 44 : 31; /* from there on SSD's own */
    size_t written = 0;
    bnn_params_initialize(params, 3);
    memcpy(first->values, params->values, params->value_count * sizeof *params->values);
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *p = params->list[i];
        int number;
        if (sscanf(p->name, "backbone.features.%d", &number) == 1 && number < full) {
            ck_ok(bnn_st_add_tensor(writer, p->name + strlen("backbone."), BNN_ST_F32, p->ndim,
                                    p->shape, values, &err),
                  err);
            written++;
        }
    }
    ck_ok(bnn_st_add_tensor(writer, "classifier.0.weight", BNN_ST_F32, 2, dense, values, &err),
          err);
    ck_ok(bnn_st_write(writer, path, &err), err);
    ck_ok(init(&spec, 0, params, &result, &err), err);
    ck_assert_uint_eq(result.taken, written);
    ck_assert_uint_eq(result.note_count, 4); /* the two dense layers */
    ck_assert_uint_eq(result.unused, 1);
    ck_assert_uint_eq(result.taken + result.note_count + result.fresh, params->count);
    ck_assert(values_of(params, "backbone.features.0.weight")[0] == 0.0f);
    expect_same(params, "neck.l2_norm.weight", first, "neck.l2_norm.weight");
    bnn_st_writer_free(writer);
    free(values);
    bnn_params_free(params);
    bnn_params_free(first);
}
END_TEST

/* What cannot be read is not written either. */
START_TEST(no_file_of_what_diverged) {
    static const struct {
        const char *name;
        float value;
    } cases[] = {{"conv1.weight", NAN},
                 {"fc.bias", INFINITY},
                 {"bn1.running_mean", -INFINITY},
                 {"bn1.running_var", -1.0f}};
    bnn_spec spec = spec_of("resnet20", "bnn");
    bnn_params *params = params_of(&spec);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bnn_error err = {0};
        *values_of(params, cases[i].name) = cases[i].value;
        ck_assert_int_eq(bnn_checkpoint_save(path, &spec, params, NULL, NULL, NULL, 0, &err),
                         BNN_ERR_NUMERIC);
        ck_assert_msg(strstr(err.text, cases[i].name) && strstr(err.text, "has diverged"), "%s",
                      err.text);
        *values_of(params, cases[i].name) = 0.0f;
    }
    ck_assert_int_eq(access(path, F_OK), 0);
    bnn_params_free(params);
}
END_TEST

/* Prefixes about as long as there is room for, and longer ones. */
START_TEST(long_prefixes) {
    char name[1200];
    bnn_init_result result;
    bnn_spec spec = spec_of("resnet20", "bnn");
    bnn_params *params = params_of(&spec);
    const bnn_param *p = bnn_params_find(params, "conv1.weight");
    float *values = calloc(p->count, sizeof *values);
    for (size_t length = 240; length < 1180; length += length < 270 ? 1 : 70) {
        bnn_error err = {0};
        memset(name, 'x', sizeof name);
        strcpy(name + length, ".conv1.weight");
        bnn_st_writer *writer = bnn_st_writer_create();
        ck_ok(bnn_st_add_tensor(writer, name, BNN_ST_F32, p->ndim, p->shape, values, &err), err);
        ck_ok(bnn_st_write(writer, path, &err), err);
        bnn_st_writer_free(writer);
        bnn_code code = init(&spec, 1, params, &result, &err);
        ck_assert_int_eq(code, length < 255 ? BNN_OK : BNN_ERR_FORMAT);
        ck_assert(code == BNN_OK || strstr(err.text, "conv1.weight is missing"));
    }
    free(values);
    bnn_params_free(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("weights");
    TCase *numbers = tcase_create("numbers"), *networks = tcase_create("networks");
    int archs = 0;
    while (bnn_archs[archs]) {
        archs++;
    }
    tcase_add_test(numbers, every_half);
    tcase_add_test(numbers, every_bfloat);
    tcase_add_test(numbers, doubles_are_rounded);
    tcase_add_test(numbers, flaws);
    tcase_add_checked_fixture(networks, set_up, tear_down);
    tcase_set_timeout(networks, 300);
    tcase_add_loop_test(networks, every_pair_starts_from_its_twin, 0, archs);
    tcase_add_loop_test(networks, a_prefix_is_found, 0, sizeof prefixes / sizeof prefixes[0]);
    tcase_add_test(networks, a_detector_starts_from_a_resnet);
    tcase_add_loop_test(networks, a_detector_starts_from_a_vgg, 0, 2);
    tcase_add_test(networks, no_file_of_what_diverged);
    tcase_add_test(networks, long_prefixes);
    suite_add_tcase(suite, numbers);
    suite_add_tcase(suite, networks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

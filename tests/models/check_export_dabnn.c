/* The format dabnn: what is written, computed as daBNN does (fixtures/dab_model.h), gives the same
 * logits; filters are packed as its kernels read them; what it costs is told; and whatever daBNN
 * cannot do is refused, in a layer's name, with nothing written. */
#include <float.h>
#include <sys/stat.h>

#include "models/export/export.h"
#include "tests/fixtures/dab_model.h"
#include "tests/fixtures/dyadic.h"
#include "tests/fixtures/packed_fixture.h"

static char path[64];
static bnn_error err;
static bnn_export_report report;

static void set_up(void) {
    snprintf(path, sizeof path, "/tmp/bnn-check-dabnn-%d.dab", (int)getpid());
}

static void tear_down(void) {
    unlink(path);
}

static bnn_code write_model(const bnn_spec *spec, const bnn_inference *network, int emulate) {
    const bnn_export_request request = {.spec = spec, .network = network, .emulate = emulate};
    err = (bnn_error){0};
    return bnn_export_dabnn.write(&request, path, &report, &err);
}

static void open_written(dab_model *m) {
    dab_open(m, path);
    unlink(path);
}

static void refused(bnn_code code, const char *layer, const char *why) {
    ck_assert_msg(code == BNN_ERR_UNSUPPORTED, "not refused: %s", why);
    ck_assert_msg(strncmp(err.text, layer, strlen(layer)) == 0 && strstr(err.text, why),
                  "'%s' instead of '%s: ... %s'", err.text, layer, why);
    ck_assert_msg(strstr(err.text, "; ") && !strchr(err.text, '\n'), "no cure: %s", err.text);
    ck_assert_int_ne(access(path, F_OK), 0);
}

static void same(const dab_blob *got, const float *expected, int count) {
    ck_assert_int_eq(got->h * got->w * got->c, count);
    for (int i = 0; i < count; i++) {
        ck_assert_msg(got->data[i] == expected[i], "value %d: %.9g instead of %.9g", i,
                      (double)got->data[i], (double)expected[i]);
    }
}

/* ---- whole networks of dyadic numbers ---- */

static const struct {
    const char *arch, *algo;
    bnn_shape input;
    int emulate;
} networks[] = {
    {"resnet20", "bnn", {1, 16, 16, 3}, 0},
    {"resnet20", "recu", {1, 8, 8, 1}, 0},
    {"resnet20", "reactnet", {1, 16, 16, 3}, 1},
    {"resnet18", "bireal", {1, 8, 8, 3}, 0},
    {"vgg_small", "dorefa", {1, 8, 8, 3}, 0},
    {"vgg_small", "fda", {1, 12, 12, 1}, 0}, /* pools of 3x3 leave a row out */
    {"vgg_small", "reactnet", {1, 8, 8, 3}, 1},
    {"pointnet_vanilla", "bnn", {1, 1, 64, 6}, 0},
    {"pointnet_vanilla", "reactnet", {1, 1, 16, 3}, 1},
};

START_TEST(exact) {
    const bnn_device device = one_thread();
    dyadic d;
    dab_model m;
    float x[16 * 16 * 3];
    ck_assert_msg(dyadic_start(&d, &device, networks[_i].arch, networks[_i].algo,
                               networks[_i].input, 10, &err) == BNN_OK,
                  "%s", err.text);
    ck_assert_msg(write_model(&d.spec, d.network, networks[_i].emulate) == BNN_OK, "%s", err.text);
    open_written(&m);
    for (uint64_t i = 0; i < 2; i++) {
        dyadic_sample(&d, i, x);
        same(dab_run(&m, x), dyadic_run(&d, x), 10);
    }
    dab_close(&m);
    dyadic_stop(&d);
}
END_TEST

/* A float twin differs by the order of its sums alone. */
START_TEST(float_twins) {
    static const char *const archs[] = {"resnet20", "pointnet_vanilla"};
    static const bnn_shape inputs[] = {{1, 8, 8, 3}, {1, 1, 16, 3}};
    const bnn_device device = one_thread();
    dyadic d;
    dab_model m;
    float x[8 * 8 * 3], most = 0.0f;
    ck_assert(dyadic_start(&d, &device, archs[_i], "fp32", inputs[_i], 10, &err) == BNN_OK);
    ck_assert_msg(write_model(&d.spec, d.network, 0) == BNN_OK, "%s", err.text);
    open_written(&m);
    dyadic_sample(&d, 0, x);
    const float *got = dab_run(&m, x)->data, *expected = dyadic_run(&d, x);
    for (int i = 0; i < 10; i++) {
        most = fmaxf(most, fabsf(expected[i]));
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_float_le(fabsf(got[i] - expected[i]), 1e-5f * most);
    }
    dab_close(&m);
    dyadic_stop(&d);
}
END_TEST

static const struct {
    const char *arch, *algo;
    bnn_shape input;
    int emulate;
    const char *layer, *why;
} impossible[] = {
    {"resnet20", "reactnet", {1, 16, 16, 3}, 0, "layer1.0.conv1: ", "--emulate"},
    {"resnet20", "xnor", {1, 16, 16, 3}, 1, "layer1.0.conv1: ", "mean of each image's input"},
    {"resnet20", "xnorpp", {1, 16, 16, 3}, 1, "layer1.0.conv1: ", "scales each pixel"},
    {"pointnet", "bnn", {1, 1, 64, 6}, 0, "feat.stn.fc3: ", "export pointnet_vanilla"},
    {"fsmn", "bnn", {1, 32, 32, 1}, 0, "enc_layers.0.conv1d: ", "moves values"},
    {"deep_fsmn", "bnn", {1, 32, 32, 1}, 0, "front_end.5: ", "moves values"},
    {"pointnet_vanilla", "bnn", {1, 1, 60, 6}, 0, "feat.conv1: ", "49 or 64 points"},
    {"resnet20", "bnn", {1, 16, 32, 3}, 0, "conv1: ", "images of 16x32 are not square"},
    {"resnet18", "bnn", {1, 12, 12, 3}, 0, NULL, NULL}, /* 6x6 results of 12x12: even */
    {"resnet18", "bnn", {1, 10, 10, 3}, 0, "layer2.0.conv1: ", "10x10 pixels and 128 filters"},
    {"resnet20", "bnn", {1, 12, 12, 3}, 0, "layer3.0.conv2: ", "3x3 pixels and 64 filters"},
};

START_TEST(impossible_networks) {
    const bnn_device device = one_thread();
    dyadic d;
    ck_assert_msg(dyadic_start(&d, &device, impossible[_i].arch, impossible[_i].algo,
                               impossible[_i].input, 10, &err) == BNN_OK,
                  "%s", err.text);
    bnn_code code = write_model(&d.spec, d.network, impossible[_i].emulate);
    if (impossible[_i].why) {
        refused(code, impossible[_i].layer, impossible[_i].why);
    } else {
        ck_assert_msg(code == BNN_OK, "%s", err.text);
    }
    dyadic_stop(&d);
}
END_TEST

/* ---- networks made for it ---- */

/* An input [1,H,W,C]; what is built from it ends in `finish`. */
static bnn_t start(bnn_inference *r, bnn_shape input, int outputs) {
    const bnn_device device = one_thread();
    CK_CODE(bnn_inference_start(r, &device, 1, outputs, &err));
    r->input_count = 1;
    r->output_count = outputs;
    return r->inputs[0] = bnn_graph_input(r->graph, "input", BNN_F32, input);
}

static bnn_t constant(bnn_inference *r, bnn_dtype dtype, bnn_shape shape, const char *name) {
    return bnn_inference_constant(r, dtype, shape, name);
}

static bnn_t vector(bnn_inference *r, int c, const char *name) {
    return constant(r, BNN_F32, bnn_vector(c), name);
}

static bnn_t signs(bnn_inference *r, bnn_t x) {
    return bnn_op_sign(r->graph, x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

/* Of bits or floats, as x is. */
static bnn_t conv(bnn_inference *r, const char *name, bnn_t x, bnn_shape w,
                  const bnn_conv_config *config) {
    static const bnn_conv_config plain = {1, 1, 0, 0, 1, 1, 1, 0};
    return bnn_op_folded_conv(r->graph, bnn_plain(x),
                              bnn_plain(constant(r, bnn_dtype_of(r->graph, x), w, name)),
                              config ? config : &plain, &bnn_conv_plain);
}

/* Filled with small dyadic numbers, among them -0.0. */
static void finish(bnn_inference *r, bnn_t y) {
    bnn_graph *g = r->graph;
    r->outputs[0] = y;
    for (int i = 0; i < r->output_count; i++) {
        r->outputs[i] = r->outputs[i] > 0 ? r->outputs[i] : y;
        bnn_graph_keep(g, r->outputs[i]);
    }
    CK_CODE(bnn_graph_compile(g, BNN_NONE, &err));
    CK_CODE(bnn_graph_bind(g, NULL, &err));
    for (size_t i = 0; i < r->constant_count; i++) {
        dyadic_fill(g, &r->constants[i]);
        if (bnn_dtype_of(g, r->constants[i].t) == BNN_F32) {
            bnn_f32(g, r->constants[i].t)[0] *= -0.0f;
        }
    }
    bnn_conv_prepare_filters(g);
}

static const bnn_spec *any_spec(void) {
    static bnn_spec spec;
    spec = tiny_spec();
    return &spec;
}

/* Every trick at once: what is read again, signs of 0 with and without a clamp before them, clamps
 * at whole numbers, thresholds behind pools, a sum with itself, slopes, and a flattened image that
 * a binary layer and a float one read. */
static bnn_t build_all(bnn_inference *r) {
    const bnn_conv_config padded = {1, 1, 1, 1, 1, 1, 1, 0}, halved = {2, 2, 2, 2, 1, 1, 1, 0};
    bnn_t input = start(r, (bnn_shape){1, 8, 8, 4}, 1);
    bnn_graph *g = r->graph;
    bnn_t x = conv(r, "one.weight", signs(r, input), (bnn_shape){64, 3, 3, 4}, &padded);
    x = bnn_op_clamp(g, bnn_op_affine(g, x, vector(r, 64, "one.factor"), BNN_NONE), -1.0f, 1.0f);
    bnn_t y = conv(r, "two.weight", signs(r, x), (bnn_shape){64, 3, 3, 64}, &padded);
    y = bnn_op_max_pool(g, y, 2, 2, 0, 0);
    bnn_t bits = bnn_op_threshold(g, y, constant(r, BNN_I32, bnn_vector(64), "two.threshold"));
    bits = conv(r, "seven.weight", bits, (bnn_shape){64, 3, 3, 64}, &padded);
    bits = bnn_op_threshold(g, bits, constant(r, BNN_I32, bnn_vector(64), "seven.threshold"));
    y = bnn_op_affine(g, y, vector(r, 64, "two.factor"), vector(r, 64, "two.shift"));
    y = bnn_op_add(g, y, bnn_op_max_pool(g, x, 3, 2, 1, 0));
    y = bnn_op_add(g, bnn_op_add(g, y, y), bnn_op_clamp(g, y, 0.0f, 6.0f));
    y = bnn_op_prelu(g, bnn_op_clamp(g, y, -INFINITY, 3.0f), vector(r, 1, "two.slope"));
    bnn_t z = conv(r, "three.weight", bits, (bnn_shape){12, 5, 5, 64}, &halved);
    z = bnn_op_affine(g, z, vector(r, 12, "three.factor"), BNN_NONE);
    z = bnn_op_clamp(g, z, -INFINITY, INFINITY);
    bnn_t flat = bnn_op_flatten(g, bnn_op_clamp(g, z, -2.0f, INFINITY));
    bnn_t a = conv(r, "four.weight", signs(r, flat), (bnn_shape){8, 1, 1, 48}, NULL);
    a = bnn_op_affine(g, a, vector(r, 8, "four.factor"), vector(r, 8, "four.shift"));
    bnn_t b = conv(r, "five.weight", flat, (bnn_shape){8, 1, 1, 48}, NULL);
    b = bnn_op_affine(g, b, BNN_NONE, vector(r, 8, "five.shift"));
    bnn_t c = bnn_op_global_max_pool(g, y, -0.25f);
    c = conv(r, "six.weight", c, (bnn_shape){8, 1, 1, 64}, NULL);
    bnn_op_clamp(g, c, -1.0f, 0.125f); /* that nobody reads */
    return bnn_op_add(g, bnn_op_add(g, a, b), c);
}

START_TEST(all_at_once) {
    bnn_inference r;
    dab_model m;
    float x[8 * 8 * 4];
    finish(&r, build_all(&r));
    ck_assert_msg(write_model(any_spec(), &r, 0) == BNN_OK, "%s", err.text);
    open_written(&m);
    for (uint64_t sample = 0; sample < 8; sample++) {
        bnn_rng rng = bnn_rng_start(3, sample);
        for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
            x[i] = (float)((int)bnn_rng_below(&rng, 5) - 2) / 2.0f;
        }
        bnn_graph_set(r.graph, r.inputs[0], x);
        bnn_graph_forward(r.graph);
        same(dab_run(&m, x), bnn_f32(r.graph, r.outputs[0]), 8);
    }
    dab_close(&m);
    bnn_inference_free(&r);
}
END_TEST

/* Next to 0 and next to a bound a clamp and the sign behind it round nothing. */
START_TEST(tiny_values) {
    static const float values[] = {-1e-30f, 1e-30f,  -3e-9f, 0x1.fffffep-1f, -0x1.000002p0f,
                                   0.0f,    -1e-12f, 1e7f,   -16777215.0f,   0x1.000002p0f};
    bnn_inference r;
    dab_model m;
    float x[2 * 2 * 4];
    bnn_t in = start(&r, (bnn_shape){1, 2, 2, 4}, 1);
    bnn_t a = bnn_op_clamp(r.graph, in, -1.0f, 1.0f);
    bnn_t bits = conv(&r, "one.weight", signs(&r, a), (bnn_shape){4, 1, 1, 4}, NULL);
    finish(&r, bnn_op_add(r.graph, bits, a));
    ck_assert_msg(write_model(any_spec(), &r, 0) == BNN_OK, "%s", err.text);
    open_written(&m);
    for (size_t shift = 0; shift < 10; shift++) {
        for (size_t i = 0; i < 16; i++) {
            x[i] = values[(i + shift) % 10];
        }
        bnn_graph_set(r.graph, r.inputs[0], x);
        bnn_graph_forward(r.graph);
        same(dab_run(&m, x), bnn_f32(r.graph, r.outputs[0]), 16);
    }
    dab_close(&m);
    bnn_inference_free(&r);
}
END_TEST

/* ---- what is in the file ---- */

/* Filters: 64 values a word, the first the lowest bit, 1 for +1; a multiple of 128 bits each, but
 * for 3x3 on 64 channels. */
START_TEST(packing) {
    static const struct {
        bnn_shape filters;
        size_t words;
        int aligned;
    } cases[] = {{{2, 3, 3, 64}, 9, 0},
                 {{3, 3, 3, 4}, 2, 1},
                 {{128, 3, 3, 128}, 18, 1},
                 {{5, 1, 1, 130}, 4, 1}};
    const bnn_shape w = cases[_i].filters;
    const size_t k = (size_t)w.h * (size_t)w.w * (size_t)w.c;
    bnn_inference r;
    dab_model m;
    bnn_t x = start(&r, (bnn_shape){1, 4, 4, w.c}, 1);
    finish(&r, conv(&r, "one.weight", signs(&r, x), w, NULL));
    ck_assert_msg(write_model(any_spec(), &r, 0) == BNN_OK, "%s", err.text);
    open_written(&m);
    const dab_blob *filters = NULL;
    for (int i = 0; i < m.count; i++) {
        filters = m.blobs[i].bits ? &m.blobs[i] : filters;
    }
    ck_assert(filters && filters->words == cases[_i].words);
    ck_assert_int_eq(filters->aligned, cases[_i].aligned);
    const uint64_t *bits = bnn_bits(r.graph, r.constants[0].t);
    for (size_t i = 0; i < (size_t)w.n * filters->words * 64; i++) {
        const size_t o = i / 64 / filters->words, at = i % (filters->words * 64);
        const size_t row = o * (size_t)(w.h * w.w) + at / (size_t)w.c, c = at % (size_t)w.c;
        const uint64_t bit =
            at < k ? bits[row * bnn_words((size_t)w.c) + c / 64] >> (c % 64) & 1 : 0;
        ck_assert_uint_eq(filters->bits[i / 64] >> (i % 64) & 1, bit);
    }
    dab_close(&m);
    bnn_inference_free(&r);
}
END_TEST

/* Zeros are +0.0, equal vectors are there once, and nothing is moved up behind a threshold. */
START_TEST(contents) {
    bnn_inference r;
    dab_model m;
    int up = 0;
    finish(&r, build_all(&r));
    ck_assert(write_model(any_spec(), &r, 0) == BNN_OK);
    open_written(&m);
    ck_assert_str_eq(m.input, "input");
    for (int i = 1; i < m.count; i++) {
        const dab_blob *b = &m.blobs[i];
        const int count = b->n * b->h * b->w * b->c;
        for (int k = 0; b->data && k < count; k++) {
            ck_assert(b->data[k] != 0.0f || !signbit(b->data[k]));
        }
        for (int other = 1; b->data && other < i; other++) {
            const dab_blob *o = &m.blobs[other];
            ck_assert_str_ne(o->name, b->name);
            ck_assert(!o->data || o->n != b->n || o->h != b->h || o->w != b->w || o->c != b->c ||
                      memcmp(o->data, b->data, (size_t)count * sizeof(float)) != 0);
        }
    }
    for (size_t i = 0; i < dab_layers(&m); i++) {
        if (dab_type(&m, i) == DAB_AFFINE) {
            up += dab_find(&m, dab_text(&m, dab_parameters(&m, i), 2))->data[0] == FLT_MIN;
        }
    }
    ck_assert_int_eq(up, 3); /* of the input, of `x` and of `flat` */
    dab_close(&m);
    bnn_inference_free(&r);
}
END_TEST

/* ---- no layer more than is needed ---- */

static bnn_t clamps_and_signs(bnn_inference *r) {
    bnn_t x = start(r, (bnn_shape){1, 4, 4, 4}, 1);
    x = conv(r, "one.weight", x, (bnn_shape){8, 1, 1, 4}, NULL);
    x = signs(r, bnn_op_clamp(r->graph, x, -1.0f, 1.0f));
    x = conv(r, "two.weight", x, (bnn_shape){8, 1, 1, 8}, NULL);
    x = bnn_op_clamp(r->graph, x, 0.0f, INFINITY);
    return conv(r, "three.weight", x, (bnn_shape){8, 1, 1, 8}, NULL);
}

static bnn_t sums(bnn_inference *r) { /* into what is not read again */
    bnn_t x =
        conv(r, "one.weight", start(r, (bnn_shape){1, 4, 4, 4}, 1), (bnn_shape){4, 1, 1, 4}, NULL);
    bnn_t y = conv(r, "two.weight", x, (bnn_shape){4, 1, 1, 4}, NULL);
    return bnn_op_add(r->graph, bnn_op_add(r->graph, x, y), x);
}

static const struct {
    bnn_t (*build)(bnn_inference *r);
    size_t count;
    int types[6];
} sequences[] = {
    {clamps_and_signs,
     6,
     {DAB_FP_CONV, DAB_AFFINE, DAB_BIN_CONV, DAB_AFFINE, DAB_RELU, DAB_FP_CONV}},
    {sums, 4, {DAB_FP_CONV, DAB_FP_CONV, DAB_ADD, DAB_ADD}},
};

START_TEST(layers) {
    bnn_inference r;
    dab_model m;
    finish(&r, sequences[_i].build(&r));
    ck_assert_msg(write_model(any_spec(), &r, 0) == BNN_OK, "%s", err.text);
    open_written(&m);
    ck_assert_uint_eq(dab_layers(&m), sequences[_i].count);
    for (size_t i = 0; i < dab_layers(&m); i++) {
        ck_assert_int_eq(dab_type(&m, i), sequences[_i].types[i]);
    }
    dab_close(&m);
    bnn_inference_free(&r);
}
END_TEST

static size_t told(const char *before) {
    const char *at = strstr(report.notes, before);
    ck_assert_msg(at, "nothing of '%s' in:\n%s", before, report.notes);
    return (size_t)strtoull(at + strlen(before), NULL, 10);
}

START_TEST(notes) {
    const bnn_device device = one_thread();
    struct stat file;
    dyadic d;
    ck_assert(dyadic_start(&d, &device, "resnet20", "reactnet", (bnn_shape){1, 16, 16, 3}, 10,
                           &err) == BNN_OK);
    ck_assert(write_model(&d.spec, d.network, 1) == BNN_OK);
    /* Maps of 16x16x16, 8x8x32 and 4x4x64, six convolutions each. */
    ck_assert_uint_eq(told("zero padding takes "), 6 * 4 * (4096 + 2048 + 1024));
    /* Two a clamp, of which each block has one and the stem, and one a shift. */
    ck_assert_ptr_nonnull(strstr(report.notes, "\n29 maps are copied: "));
    told("the shifts in front of the signs are float layers\n");
    told("input: float32 [1,16,16,3], of bytes less their mean 64 64 64, divided by 32 32 32\n");
    ck_assert(stat(path, &file) == 0 && (size_t)file.st_size == report.bytes);
    dyadic_stop(&d);
    ck_assert(dyadic_start(&d, &device, "pointnet_vanilla", "bnn", (bnn_shape){1, 1, 16, 3}, 10,
                           &err) == BNN_OK);
    ck_assert(write_model(&d.spec, d.network, 0) == BNN_OK);
    ck_assert_ptr_null(strstr(report.notes, "zero padding"));
    told("input: float32 [1,4,4,3]\n");
    dyadic_stop(&d);
}
END_TEST

/* ---- what cannot be ---- */

static const bnn_shape side4 = {1, 4, 4, 64}, points = {1, 1, 16, 64};

static bnn_t one(bnn_inference *r, bnn_t x, bnn_shape w, bnn_conv_config config) {
    return conv(r, "one.weight", x, w, &config);
}

static bnn_t grouped(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 1, 1, 1, 1, 64, 0};
    return one(r, signs(r, start(r, side4, 1)), (bnn_shape){64, 3, 3, 1}, config);
}

static bnn_t dilated(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 2, 2, 2, 2, 1, 0};
    return one(r, start(r, side4, 1), (bnn_shape){2, 3, 3, 64}, config);
}

static bnn_t unsymmetric(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 1, 1, 1, 1, 1, 1};
    return one(r, start(r, side4, 1), (bnn_shape){2, 3, 4, 64}, config);
}

static bnn_t oblong_result(bnn_inference *r) {
    const bnn_conv_config config = {1, 2, 0, 0, 1, 1, 1, 0};
    return one(r, start(r, side4, 1), (bnn_shape){2, 2, 2, 64}, config);
}

static bnn_t conv_of_points(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 0, 1, 1, 1, 1, 0};
    return one(r, start(r, points, 1), (bnn_shape){2, 1, 3, 64}, config);
}

static bnn_t fewer_points(bnn_inference *r) {
    const bnn_conv_config config = {1, 2, 0, 0, 1, 1, 1, 0};
    return one(r, start(r, points, 1), (bnn_shape){2, 1, 1, 64}, config);
}

static bnn_t pool_of_points(bnn_inference *r) { /* whose numbers alone would do */
    bnn_t x = start(r, (bnn_shape){1, 1, 4, 4}, 1);
    x = bnn_op_max_pool(r->graph, x, 3, 4, 1, 0);
    return conv(r, "one.weight", x, (bnn_shape){2, 1, 1, 4}, NULL);
}

static bnn_t pad_of_flattened(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 1, 1, 1, 1, 1, 0};
    bnn_t x = conv(r, "stem.weight", start(r, side4, 1), (bnn_shape){2, 1, 1, 64}, NULL);
    return one(r, bnn_op_flatten(r->graph, x), (bnn_shape){2, 3, 3, 32}, config);
}

static bnn_t scaled(bnn_inference *r) {
    static const bnn_conv_config config = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_t seen = start(r, side4, 1);
    bnn_t scale = conv(r, "two.weight", bnn_op_global_avg_pool(r->graph, seen),
                       (bnn_shape){1, 1, 1, 64}, NULL);
    bnn_value x = {signs(r, seen), scale};
    bnn_t w = constant(r, BNN_B1, (bnn_shape){2, 1, 1, 64}, "one.weight");
    return bnn_op_folded_conv(r->graph, x, bnn_plain(w), &config, &bnn_conv_plain);
}

static bnn_t many_terms(bnn_inference *r) {
    return conv(r, "one.weight", signs(r, start(r, (bnn_shape){1, 1, 1, 60000}, 1)),
                (bnn_shape){2, 1, 1, 60000}, NULL);
}

static bnn_t odd_filters(bnn_inference *r) {
    return conv(r, "one.weight", signs(r, start(r, side4, 1)), (bnn_shape){3, 3, 3, 64}, NULL);
}

static bnn_t odd_side(bnn_inference *r) {
    const bnn_conv_config config = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_t x = signs(r, start(r, (bnn_shape){1, 5, 5, 64}, 1));
    return one(r, x, (bnn_shape){4, 3, 3, 64}, config);
}

static bnn_t odd_result(bnn_inference *r) {
    const bnn_conv_config config = {2, 2, 1, 1, 1, 1, 1, 0};
    bnn_t x = signs(r, start(r, (bnn_shape){1, 6, 6, 64}, 1));
    return one(r, x, (bnn_shape){4, 3, 3, 64}, config);
}

static bnn_t filters_of_256(bnn_inference *r) {
    bnn_t x = signs(r, start(r, (bnn_shape){1, 4, 4, 256}, 1));
    return conv(r, "one.weight", x, (bnn_shape){192, 3, 3, 256}, NULL);
}

static bnn_t odd_copy(bnn_inference *r) {
    bnn_t x = signs(r, start(r, (bnn_shape){1, 5, 5, 3}, 1));
    return conv(r, "one.weight", x, (bnn_shape){4, 1, 1, 3}, NULL);
}

static bnn_t odd_mean(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){3, 1, 1, 64}, NULL);
    return bnn_op_global_avg_pool(r->graph, x);
}

static bnn_t odd_relu(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){3, 2, 2, 64}, NULL);
    return bnn_op_clamp(r->graph, x, 0.0f, INFINITY);
}

static bnn_t half_clamp(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_clamp(r->graph, x, -1.0f, 0.5f);
}

static bnn_t hanging_pool(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_max_pool(r->graph, x, 3, 2, 0, 1);
}

static bnn_t side_by_side(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_concat(r->graph, 2, (bnn_t[]){x, x});
}

static bnn_t transposed(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_transpose(r->graph, x);
}

static bnn_t matrices(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_reshape(r->graph, x, (bnn_shape){1, 1, 8, 8});
}

static bnn_t with_identity(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, (bnn_shape){1, 1, 16, 64}, 1),
                   (bnn_shape){16, 1, 1, 64}, NULL);
    return bnn_op_diagonal(r->graph, x, 1.0f);
}

static bnn_t of_activations(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, (bnn_shape){1, 1, 16, 64}, 1),
                   (bnn_shape){16, 1, 1, 64}, NULL);
    return bnn_op_batch_product(r->graph, x, x);
}

static bnn_t affine_of_flattened(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_affine(r->graph, bnn_op_flatten(r->graph, x), vector(r, 64, "two.factor"),
                         BNN_NONE);
}

static bnn_t sum_with_flattened(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    bnn_t y =
        conv(r, "two.weight", bnn_op_global_avg_pool(r->graph, x), (bnn_shape){64, 1, 1, 4}, NULL);
    return bnn_op_add(r->graph, bnn_op_flatten(r->graph, x), y);
}

static bnn_t sum_with_constant(bnn_inference *r) {
    bnn_t x =
        conv(r, "one.weight", start(r, (bnn_shape){1, 1, 1, 4}, 1), (bnn_shape){4, 1, 1, 4}, NULL);
    return bnn_op_add(r->graph, x, vector(r, 4, "one.shift"));
}

static bnn_t computed_factors(bnn_inference *r) {
    bnn_t x = conv(r, "one.weight", start(r, side4, 1), (bnn_shape){4, 1, 1, 64}, NULL);
    return bnn_op_affine(r->graph, x, bnn_op_global_avg_pool(r->graph, x), BNN_NONE);
}

static bnn_t two_outputs(bnn_inference *r) {
    bnn_t x = start(r, side4, 2);
    return r->outputs[1] = conv(r, "one.weight", x, (bnn_shape){4, 1, 1, 64}, NULL);
}

static bnn_t no_layer(bnn_inference *r) {
    bnn_t x = start(r, side4, 1);
    conv(r, "one.weight", x, (bnn_shape){4, 1, 1, 64}, NULL);
    return x;
}

static const struct {
    bnn_t (*build)(bnn_inference *r);
    const char *layer, *why;
} cases[] = {
    {grouped, "one: ", "without groups"},
    {dilated, "one: ", "dilation"},
    {unsymmetric, "one: ", "as much on the right as on the left"},
    {oblong_result, "one: ", "its result is not square"},
    {conv_of_points, "one: ", "along one dimension"},
    {fewer_points, "one: ", "along one dimension"},
    {pool_of_points, "one: ", "pools along one dimension"},
    {pad_of_flattened, "one: ", "along one dimension"},
    {scaled, "one: ", "its input has a scale"},
    {many_terms, "one: ", "1x1x60000 values"},
    {odd_filters, "one: ", "3 filters"},
    {odd_side, "one: ", "5x5 pixels"},
    {odd_result, "one: ", "3x3 results"},
    {filters_of_256, "one: ", "multiple of 128 filters, and here are 192"},
    {odd_copy, "one: ", "5 pixels of 3 channels"},
    {odd_mean, "one: ", "1 pixels of 3 channels"},
    {odd_relu, "one: ", "3 pixels of 3 channels"},
    {half_clamp, "one: ", "clamps to -1 and 0.5"},
    {hanging_pool, "one: ", "hang over the image's end"},
    {side_by_side, "one: ", "puts channels beside"},
    {transposed, "one: ", "moves values"},
    {matrices, "one: ", "T-net"},
    {with_identity, "one: ", "T-net"},
    {of_activations, "one: ", "T-net"},
    {affine_of_flattened, "two: ", "flattened image"},
    {sum_with_flattened, "one: ", "different shapes"},
    {sum_with_constant, "one: ", "operand 2 of add is a constant"},
    {computed_factors, "one: ", "operand 2 of affine is no constant"},
    {two_outputs, "one: ", "one output"},
    {no_layer, "the network's beginning: ", "nothing becomes"},
};

START_TEST(impossible_layers) {
    bnn_inference r;
    finish(&r, cases[_i].build(&r));
    refused(write_model(any_spec(), &r, 0), cases[_i].layer, cases[_i].why);
    bnn_inference_free(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export_dabnn");
    TCase *tests = tcase_create("dabnn");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, exact, 0, sizeof networks / sizeof *networks);
    tcase_add_loop_test(tests, float_twins, 0, 2);
    tcase_add_loop_test(tests, impossible_networks, 0, sizeof impossible / sizeof *impossible);
    tcase_add_test(tests, all_at_once);
    tcase_add_test(tests, tiny_values);
    tcase_add_loop_test(tests, packing, 0, 4);
    tcase_add_test(tests, contents);
    tcase_add_loop_test(tests, layers, 0, 2);
    tcase_add_test(tests, notes);
    tcase_add_loop_test(tests, impossible_layers, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

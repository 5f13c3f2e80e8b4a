/* Packed files: what is written is read back, bit for bit, for any number of images and every
 * network, and files of the older version say what they said. */
#include "layers/fold/fold.h"
#include "tests/fixtures/archs.h"
#include "tests/fixtures/packed_fixture.h"
#include "tests/fixtures/text_network.h"

static char folder[] = "/tmp/bnn-check-packed-XXXXXX", path[64], other[64];
static bnn_device device;

static void set_up(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.bnn", folder);
    snprintf(other, sizeof other, "%s/other.bnn", folder);
    device = one_thread();
    bnn_model_set_threads(1);
}

static void tear_down(void) {
    unlink(path);
    unlink(other);
    rmdir(folder);
    memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
}

/* ---- older versions ---- */

#define VERSION_1 BNN_FIXTURES "/packed_1.bnn"

/* What the program that wrote the file computed of the two images of model_fixture.h. */
static const float logits_1[2 * FIXTURE_CLASSES] = {
    0x1.882b08p-7f, 0x1.8dc238p-10f, 0x1.cf881cp-7f,  0x1.5e5966p-6f,  -0x1.cd5c9cp-8f,
    0x1.0d589ap-5f, 0x1.4eae3cp-7f,  0x1.0d42d6p-10f, 0x1.7e91cap-6f,  -0x1.1b2fcap-7f,
    -0x1.4f0aap-7f, 0x1.7869b2p-7f,  -0x1.207d42p-6f, 0x1.09a08p-5f,   0x1.a8c80cp-11f,
    0x1.4f018cp-7f, 0x1.07adacp-7f,  0x1.0bdcd4p-9f,  -0x1.53b9a2p-7f, -0x1.7ef0d8p-7f,
};

/* Floats may be summed up in another order by now. */
static void check_logits_1(const float *logits) {
    for (size_t i = 0; i < 2 * FIXTURE_CLASSES; i++) {
        ck_assert(fabsf(logits[i] - logits_1[i]) < 1e-8f);
    }
}

START_TEST(version) {
    char error[BNN_ERROR_BYTES];
    float logits[2 * FIXTURE_CLASSES];
    bnn_model_info info;
    uint8_t *pixels = fixture_images(2);
    bnn_model *model = bnn_model_load(VERSION_1, error);
    ck_assert_msg(model != NULL, "%s", error);
    ck_assert_int_eq(bnn_model_run_pixels(model, 2, pixels, logits, error), 0);
    check_logits_1(logits);
    bnn_model_describe(model, &info);
    ck_assert(info.packed && info.binary_weights == 267264);
    bnn_model_free(model);
    free(pixels);
}
END_TEST

/* The same network in both versions. */
START_TEST(versions_agree) {
    bnn_error err = {0};
    bnn_loaded model;
    bnn_predictor *predictor;
    const bnn_inference *network;
    char error[BNN_ERROR_BYTES];
    float logits[2 * FIXTURE_CLASSES];
    size_t bytes;
    bnn_model_info info;
    uint8_t *pixels = fixture_images(2);
    CK_CODE(bnn_loaded_open(VERSION_1, &device, &model, &err));
    CK_CODE(bnn_loaded_predictor(&model, &predictor, &err));
    CK_CODE(bnn_predictor_network(predictor, 1, &network, &err));
    CK_CODE(bnn_packed_save(path, &model.spec, network, &bytes, &err));
    bnn_predictor_free(predictor);
    bnn_loaded_close(&model);
    ck_assert_uint_lt(bytes, 55800); /* 1.01 times its constants */
    bnn_model *again = bnn_model_load(path, error);
    ck_assert_msg(again != NULL, "%s", error);
    ck_assert_int_eq(bnn_model_run_pixels(again, 2, pixels, logits, error), 0);
    check_logits_1(logits);
    bnn_model_describe(again, &info);
    ck_assert(info.packed && info.binary_weights == 267264 && info.file_bytes == bytes);
    bnn_model_free(again);
    free(pixels);
}
END_TEST

/* The order of folding is what a file of version 1 means: constants and a sum of their types and
 * shapes, as they were when such files were written. */
static const struct {
    const char *arch, *algo;
    size_t constants;
    uint32_t sum;
} layouts[] = {
    {"resnet18", "fp32", 63, 0x9827ca94},     {"resnet18", "bnn", 55, 0x2b80a17c},
    {"resnet18", "xnor", 63, 0x87a77670},     {"resnet18", "dorefa", 55, 0x2b80a17c},
    {"resnet18", "bireal", 55, 0x2b80a17c},   {"resnet18", "xnorpp", 111, 0xca5f8fe4},
    {"resnet18", "reactnet", 71, 0x1879ecc8}, {"resnet18", "recu", 55, 0x2b80a17c},
    {"resnet18", "fda", 56, 0xacb09414},      {"resnet34", "fp32", 111, 0xbaa3f054},
    {"resnet34", "bnn", 95, 0xc8572534},      {"resnet34", "xnor", 111, 0x1f2709ec},
    {"resnet34", "dorefa", 95, 0xc8572534},   {"resnet34", "bireal", 95, 0xc8572534},
    {"resnet34", "xnorpp", 207, 0xfcdd9514},  {"resnet34", "reactnet", 127, 0x36414eac},
    {"resnet34", "recu", 95, 0xc8572534},     {"resnet34", "fda", 96, 0x5a6c19ac},
    {"resnet20", "fp32", 66, 0xca206eb0},     {"resnet20", "bnn", 57, 0x286e9918},
    {"resnet20", "xnor", 66, 0x8d84b946},     {"resnet20", "dorefa", 57, 0x286e9918},
    {"resnet20", "bireal", 57, 0x286e9918},   {"resnet20", "xnorpp", 120, 0xec6db8b0},
    {"resnet20", "reactnet", 75, 0xfc0a1c02}, {"resnet20", "recu", 57, 0x286e9918},
    {"resnet20", "fda", 58, 0xcc4434b0},      {"vgg_small", "fp32", 21, 0x75a1b31c},
    {"vgg_small", "bnn", 17, 0xd0d493e1},     {"vgg_small", "xnor", 21, 0x7337e40d},
    {"vgg_small", "dorefa", 17, 0xd0d493e1},  {"vgg_small", "bireal", 17, 0xd0d493e1},
    {"vgg_small", "xnorpp", 36, 0xa1de9020},  {"vgg_small", "reactnet", 19, 0x89e06403},
    {"vgg_small", "recu", 22, 0xad1ea0d6},    {"vgg_small", "fda", 18, 0x3e03bcd9},
};

START_TEST(layout_1) {
    bnn_error err = {0};
    bnn_net net;
    bnn_fold *fold;
    bnn_spec spec = {.height = 32, .width = 32, .channels = 3, .classes = 10};
    bnn_params *params = bnn_params_create();
    CK_CODE(bnn_spec_find(&spec, layouts[_i].arch, layouts[_i].algo, &err));
    spec.phase = spec.binarizer ? spec.binarizer->phases - 1 : 0;
    CK_CODE(bnn_net_build(&spec, &device, params, 1, 0, &net, &err));
    CK_CODE(bnn_fold_create(net.graph, net.fields, net.input, 1, &net.output, 1, &fold, &err));
    const bnn_inference *r = bnn_fold_result(fold);
    uint32_t sum = 2166136261u;
    ck_assert_uint_eq(r->constant_count, layouts[_i].constants);
    for (size_t i = 0; i < r->constant_count; i++) {
        bnn_shape s = bnn_shape_of(r->graph, r->constants[i].t);
        int words[] = {(int)bnn_dtype_of(r->graph, r->constants[i].t), s.n, s.h, s.w, s.c};
        for (int k = 0; k < 5; k++) {
            sum = (sum ^ (uint32_t)words[k]) * 16777619u;
        }
    }
    ck_assert_uint_eq(sum, layouts[_i].sum);
    bnn_fold_free(fold);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

/* ---- there and back ---- */

static void run_network(const bnn_inference *r, const void *x, float *y) {
    bnn_graph_set(r->graph, r->inputs[0], x);
    bnn_graph_forward(r->graph);
    memcpy(y, bnn_f32(r->graph, r->outputs[0]),
           bnn_shape_count(bnn_shape_of(r->graph, r->outputs[0])) * sizeof(float));
}

static void run_inputs(const bnn_inference *r, const void *const *x, float *y) {
    for (int i = 1; i < r->input_count; i++) {
        bnn_graph_set(r->graph, r->inputs[i], x[i]);
    }
    run_network(r, x[0], y);
}

static void read_network(const char *from, int batch, bnn_inference *r) {
    bnn_error err = {0};
    bnn_st_file *file;
    CK_CODE(bnn_st_open(from, &file, &err));
    CK_CODE(bnn_packed_build(from, file, &device, batch, r, &err));
    CK_CODE(bnn_graph_bind(r->graph, NULL, &err));
    CK_CODE(bnn_packed_fill(from, file, r, &err));
    bnn_st_close(file);
}

static void same_files(const char *a, const char *b) {
    static char bytes[2][1 << 23];
    size_t size[2];
    const char *names[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(names[i], "rb");
        size[i] = fread(bytes[i], 1, sizeof bytes[i], file);
        fclose(file);
    }
    ck_assert(size[0] > 0 && size[0] < sizeof bytes[0] && size[0] == size[1]);
    ck_assert(memcmp(bytes[0], bytes[1], size[0]) == 0);
}

/* Two stages of a detector, whose boxes are what is in between and what comes out. */
enum { FOUND = 6, SEEN = 5, CELLS = 6 };

static void detector_network(bnn_inference *r, int batch) {
    static const float std[4] = {0.5f, 0.5f, 0.3f, 0.3f};
    const bnn_anchors anchors = {
        .count = 2, .stride = 4.0f, .offset = 0.5f, .width = {6.0f, 9.0f}, .height = {8.0f, 5.0f}};
    const bnn_nms_attr first = {
        .nms = {.most = 20, .keep = SEEN, .score = -9.0f, .overlap = 0.6f, .sized = 1, .rois = 1}};
    const bnn_nms_attr last = {.nms = {.level = {2, SEEN - 2}, .most = 4, .keep = FOUND},
                               .background = 1};
    bnn_error err = {0};
    CK_CODE(bnn_inference_start(r, &device, 1, 1, &err));
    bnn_graph *g = r->graph;
    r->input_count = r->output_count = 1;
    r->inputs[0] = bnn_graph_input(g, "image", BNN_F32, (bnn_shape){batch, CELLS, CELLS, WORD});
    bnn_t weight = bnn_inference_constant(r, BNN_F32, bnn_vector(WORD), "norm.weight");
    bnn_t x = bnn_op_l2_norm(g, r->inputs[0], weight, 1e-3f);
    bnn_t frame = bnn_op_frame(g, r->inputs[0]);
    bnn_t boxes = bnn_op_anchors(g, x, frame, &anchors);
    bnn_t score = tiny_product(r, "rpn.cls", bnn_plain(x), 0, 2, 1, &bnn_conv_plain);
    bnn_t delta = tiny_product(r, "rpn.reg", bnn_plain(x), 0, 8, 1, &bnn_conv_plain);
    score = bnn_op_reshape(g, score, (bnn_shape){batch, 1, CELLS * CELLS * 2, 1});
    delta = bnn_op_reshape(g, delta, (bnn_shape){batch, 1, CELLS * CELLS * 2, 4});
    boxes = bnn_op_decode_boxes(g, delta, boxes, std, 22, 23, BNN_NONE);
    bnn_t rois = bnn_op_nms(g, score, boxes, &first);
    x = bnn_op_global_avg_pool(g, bnn_op_roi_align(g, x, rois, 2, 0.25f));
    score = tiny_product(r, "cls", bnn_plain(x), 0, 4, 1, &bnn_conv_plain);
    delta = tiny_product(r, "reg", bnn_plain(x), 0, 12, 1, &bnn_conv_plain);
    score = bnn_op_reshape(g, score, (bnn_shape){batch, 1, SEEN, 4});
    delta = bnn_op_reshape(g, delta, (bnn_shape){batch, 1, SEEN, 12});
    boxes = bnn_op_decode_boxes(g, delta, rois, std, 0, 0, frame);
    r->outputs[0] = bnn_op_nms(g, bnn_op_softmax(g, score, BNN_NONE), boxes, &last);
    bnn_graph_keep(g, r->outputs[0]);
    CK_CODE(bnn_graph_compile(g, BNN_NONE, &err));
    CK_CODE(bnn_graph_bind(g, NULL, &err));
    tiny_fill(r);
}

START_TEST(detector) {
    bnn_error err = {0};
    bnn_inference made, read;
    bnn_spec spec = tiny_spec();
    enum { N = 3, PIXELS = N * CELLS * CELLS * WORD, VALUES = N * FOUND * 6 };
    float x[PIXELS], y[VALUES], z[VALUES];
    size_t bytes;
    for (int i = 0; i < PIXELS; i++) {
        x[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
    }
    detector_network(&made, 1);
    CK_CODE(bnn_packed_save(path, &spec, &made, &bytes, &err));
    bnn_inference_free(&made);
    detector_network(&made, N);
    read_network(path, N, &read);
    run_network(&made, x, y);
    run_network(&read, x, z);
    ck_assert(memcmp(y, z, sizeof y) == 0);
    ck_assert(y[5] >= 0.0f && y[4] > y[10] && y[VALUES - 6 * FOUND + 5] >= 0.0f);
    bnn_inference_free(&made);
    bnn_inference_free(&read);
}
END_TEST

/* Each op that has a form is in one of them. */
static void check_ops_met(const bnn_graph *a, const bnn_graph *b, const bnn_graph *c) {
#define MET(name) {&bnn_##name##_op, 0},
    const bnn_graph *all[] = {a, b, c};
    struct {
        const bnn_op *op;
        int met;
    } ops[] = {BNN_OPS(MET)};
    for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) {
        for (int n = 0; n < 3; n++) {
            for (size_t i = 0; i < bnn_graph_node_count(all[n]); i++) {
                ops[k].met |= bnn_graph_node(all[n], i)->op == ops[k].op;
            }
        }
        ck_assert_msg(!ops[k].op->form || ops[k].met, "%s", ops[k].op->name);
    }
}

/* Every op, for one image and for several; what was read is written as it was. */
START_TEST(every_op) {
    bnn_error err = {0};
    size_t bytes;
    bnn_spec spec = tiny_spec();
    float x[5 * TINY_PIXELS], y[5 * TINY_CLASSES], z[5 * TINY_CLASSES];
    tiny_images(x, 5);
    for (int batch = 1; batch < 6; batch += 2) {
        bnn_inference made, read, one;
        tiny_network(&made, &device, batch);
        tiny_network(&one, &device, 1);
        CK_CODE(bnn_packed_save(path, &spec, &one, &bytes, &err));
        read_network(path, batch, &read);
        run_network(&made, x, y);
        run_network(&read, x, z);
        ck_assert(memcmp(y, z, (size_t)batch * TINY_CLASSES * sizeof *y) == 0);
        ck_assert(y[0] != y[1] && isfinite(y[0]));
        if (batch == 1) {
            CK_CODE(bnn_packed_save(other, &spec, &read, &bytes, &err));
            same_files(path, other);
        }
        bnn_inference_free(&made);
        bnn_inference_free(&read);
        bnn_inference_free(&one);
    }
}
END_TEST

START_TEST(text) {
    bnn_error err = {0};
    bnn_inference made, read, images, boxes;
    bnn_spec spec = tiny_spec();
    float y[2][SPOKEN * WORD];
    int32_t ids[SPOKEN], mask[SPOKEN];
    size_t bytes;
    for (int i = 0; i < SPOKEN; i++) {
        ids[i] = i * 7 % WORDS;
        mask[i] = i % 5 != 2;
    }
    text_network(&made, &device, 1);
    tiny_network(&images, &device, 1);
    detector_network(&boxes, 1);
    check_ops_met(made.graph, images.graph, boxes.graph);
    bnn_inference_free(&images);
    bnn_inference_free(&boxes);
    CK_CODE(bnn_packed_save(path, &spec, &made, &bytes, &err));
    bnn_inference_free(&made);
    text_network(&made, &device, 3);
    read_network(path, 3, &read);
    const bnn_inference *both[] = {&made, &read};
    for (int i = 0; i < 2; i++) {
        bnn_graph_set(both[i]->graph, both[i]->inputs[1], mask);
        run_network(both[i], ids, y[i]);
    }
    ck_assert(memcmp(y[0], y[1], sizeof y[0]) == 0);
    ck_assert(y[0][0] != y[0][1] || y[0][1] != y[0][2]);
    bnn_inference_free(&made);
    bnn_inference_free(&read);
}
END_TEST

/* A predictor whose threads have caches for one sample each, or for all. */
static void check_parts(const bnn_spec *spec, size_t n, const void *const *x, const float *y) {
    size_t outputs = n * bnn_spec_outputs(spec);
    float *z = malloc(outputs * sizeof *z);
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch batch = {.n = n, .field = field};
    bnn_kernels kernels = *device.kernels;
    bnn_device cached = device;
    bnn_error err = {0};
    ck_assert_ptr_nonnull(z);
    bnn_spec_fields(spec, field, &batch.field_count);
    memcpy(batch.data, x, BNN_MAX_INPUTS * sizeof *x);
    cached.kernels = &kernels;
    cached.threads = 1;
    for (int all = 0; all < 2; all++) {
        bnn_loaded model;
        bnn_predictor *predictor;
        kernels.cache_bytes = all ? (size_t)1 << 30 : 0;
        CK_CODE(bnn_loaded_open(path, &cached, &model, &err));
        CK_CODE(bnn_loaded_predictor(&model, &predictor, &err));
        CK_CODE(bnn_predictor_run(predictor, &batch, z, &err));
        ck_assert_msg(memcmp(y, z, outputs * sizeof *z) == 0, "%s: other outputs in parts",
                      spec->arch->name);
        bnn_predictor_free(predictor);
        bnn_loaded_close(&model);
    }
    free(z);
}

/* Every network of every algorithm: the file's graph is the folded one, and runs to the same bits
 * for more images than it was written for. */
static void check_model(const char *arch, const char *algo) {
    enum { BATCH = 3 };
    bnn_error err = {0};
    bnn_net net;
    bnn_fold *fold, *one;
    bnn_inference read;
    size_t bytes;
    static float values[BATCH * 32 * 32], y[BATCH * 64 * 10], z[BATCH * 64 * 10];
    static int32_t integers[BNN_MAX_INPUTS][BATCH * 16];
    const void *x[BNN_MAX_INPUTS] = {values};
    bnn_spec spec = {.height = 16, .width = 16, .channels = 3, .classes = 10, .std = {1, 1, 1}};
    if (strstr(arch, "pointnet")) {
        spec.height = 1, spec.width = 64, spec.channels = 6;
    } else if (strstr(arch, "fsmn")) {
        spec.height = spec.width = 32, spec.channels = 1;
    } else if (strstr(arch, "bert")) {
        spec.height = spec.channels = 1;
        for (int i = 0; i < BNN_MAX_INPUTS; i++) { /* ids, segments, masks */
            x[i] = integers[i];
            for (int k = 0; k < BATCH * 16; k++) {
                integers[i][k] = i == 0 ? 977 * k % 30522 : i == 1 ? k % 16 > 9 : k % 16 < 13;
            }
        }
    }
    bnn_params *params = bnn_params_create();
    CK_CODE(bnn_spec_find(&spec, arch, algo, &err));
    spec.phase = spec.binarizer ? spec.binarizer->phases - 1 : 0;
    CK_CODE(bnn_net_build(&spec, &device, params, BATCH, 0, &net, &err));
    CK_CODE(bnn_params_allocate(params, &err));
    bnn_params_initialize(params, 1);
    bnn_apply_schedule(spec.binarizer, params, 9, 10);
    CK_CODE(bnn_fold_create(net.graph, net.fields, net.input, 1, &net.output, 1, &fold, &err));
    CK_CODE(bnn_graph_bind(bnn_fold_graph(fold), NULL, &err));
    CK_CODE(bnn_fold_evaluate(fold, &err));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        values[i] = (float)((i * 7919) % 61) / 30.0f - 1.0f;
    }
    run_inputs(bnn_fold_result(fold), x, y);
    bnn_graph_free(net.graph);
    CK_CODE(bnn_net_build(&spec, &device, params, 1, 0, &net, &err));
    CK_CODE(bnn_fold_create(net.graph, net.fields, net.input, 1, &net.output, 1, &one, &err));
    CK_CODE(bnn_graph_bind(bnn_fold_graph(one), NULL, &err));
    CK_CODE(bnn_fold_evaluate(one, &err));
    CK_CODE(bnn_packed_save(path, &spec, bnn_fold_result(one), &bytes, &err));
    read_network(path, BATCH, &read);
    /* Initial values are often the same. */
    ck_assert_uint_le(read.constant_count, bnn_fold_result(one)->constant_count);
    ck_assert_uint_eq(bnn_graph_node_count(read.graph), bnn_graph_node_count(bnn_fold_graph(one)));
    run_inputs(&read, x, z);
    size_t outputs = BATCH * bnn_spec_outputs(&spec);
    ck_assert_uint_le(outputs, sizeof y / sizeof y[0]);
    ck_assert_msg(memcmp(y, z, outputs * sizeof *y) == 0, "%s %s: other outputs", arch, algo);
    check_parts(&spec, BATCH, x, y);
    bnn_inference_free(&read);
    bnn_fold_free(fold);
    bnn_fold_free(one);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}

START_TEST(every_algorithm) {
    const char *algo = bnn_algorithm_name((size_t)_i);
    for (size_t i = 0; bnn_archs[i]; i++) {
        /* detectors: check_detect.c */
        if (!has_nothing_new(bnn_archs[i]) && !bnn_archs[i]->detections) {
            check_model(bnn_archs[i]->name, algo);
        }
    }
}
END_TEST

/* ---- what else a file says ---- */

/* Names of constants are told, in the order of their making or another. */
START_TEST(names) {
    bnn_error err = {0};
    bnn_loaded model;
    bnn_predictor *predictor;
    const bnn_inference *read;
    bnn_inference made;
    parts p = tiny_parts(path);
    tiny_network(&made, &device, 1);
    CK_CODE(bnn_loaded_open(path, &device, &model, &err));
    CK_CODE(bnn_loaded_predictor(&model, &predictor, &err));
    CK_CODE(bnn_predictor_network(predictor, 1, &read, &err));
    ck_assert_uint_eq(read->constant_count, made.constant_count);
    for (size_t i = 0; i < made.constant_count; i++) {
        const bnn_constant *c = &made.constants[i];
        int found = 0;
        for (size_t k = 0; k < read->constant_count; k++) {
            found += strcmp(read->constants[k].name, c->name) == 0 &&
                     bnn_shape_equal(bnn_shape_of(read->graph, read->constants[k].t),
                                     bnn_shape_of(made.graph, c->t));
        }
        ck_assert_msg(found == 1, "'%s' is there %d times", c->name, found);
    }
    bnn_predictor_free(predictor);
    bnn_loaded_close(&model);
    bnn_inference_free(&made);
    throw_away(&p);
}
END_TEST

static bnn_t constant_called(const bnn_inference *r, const char *name) {
    for (size_t i = 0; i < r->constant_count; i++) {
        if (strcmp(r->constants[i].name, name) == 0) {
            return r->constants[i].t;
        }
    }
    ck_abort_msg("no constant is called %s", name);
}

/* Factors of 1 are not written, and vectors of the same values once; what is computed stays. */
START_TEST(same_vectors) {
    bnn_error err = {0};
    bnn_inference made, read;
    bnn_spec spec = tiny_spec();
    float x[TINY_PIXELS], y[TINY_CLASSES], z[TINY_CLASSES];
    size_t bytes;
    tiny_images(x, 1);
    tiny_network(&made, &device, 1);
    for (int i = 0; i < TINY_WIDE; i++) {
        bnn_f32(made.graph, constant_called(&made, "stem.factor"))[i] = 1.0f; /* two read it */
        bnn_i32(made.graph, constant_called(&made, "one.threshold"))[i] = 70000 + i;
        bnn_i32(made.graph, constant_called(&made, "three.threshold"))[i] = 70000 + i;
    }
    CK_CODE(bnn_packed_save(path, &spec, &made, &bytes, &err));
    read_network(path, 1, &read);
    ck_assert_uint_eq(read.constant_count, made.constant_count - 2);
    run_network(&made, x, y);
    run_network(&read, x, z);
    ck_assert(memcmp(y, z, sizeof y) == 0);
    ck_assert_int_eq(bnn_i32(read.graph, constant_called(&read, "one.threshold"))[3], 70003);
    bnn_inference_free(&made);
    bnn_inference_free(&read);
}
END_TEST

/* The architecture's name is a name: what is computed is what the file holds. */
START_TEST(other_name) {
    char error[BNN_ERROR_BYTES];
    float x[TINY_SIDE * TINY_SIDE * 3] = {1.0f, -0.5f}, logits[2][TINY_CLASSES];
    parts p = tiny_parts(path);
    for (int i = 0; i < 2; i++) {
        size_t size;
        unsigned char *bytes = put_together(&p, &size);
        FILE *file = fopen(path, "wb");
        ck_assert(fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
        free(bytes);
        bnn_model *model = bnn_model_load(path, error);
        ck_assert_msg(model != NULL, "%s", error);
        ck_assert_int_eq(bnn_model_run(model, 1, x, logits[i], error), 0);
        bnn_model_free(model);
        json_object_set_new(json_object_get(p.header, "__metadata__"), "arch",
                            json_string("vgg_small"));
    }
    ck_assert(memcmp(logits[0], logits[1], sizeof logits[0]) == 0);
    throw_away(&p);
}
END_TEST

/* What has no form is not written. */
START_TEST(unstorable) {
    bnn_error err = {0};
    bnn_inference r;
    size_t bytes = 0;
    bnn_spec spec = tiny_spec();
    ck_assert(bnn_inference_start(&r, &device, 1, 1, &err) == BNN_OK);
    r.input_count = r.output_count = 1;
    r.inputs[0] = bnn_graph_input(r.graph, "input", BNN_F32, (bnn_shape){1, 2, 2, 3});
    r.outputs[0] = bnn_op_normalize(r.graph, r.inputs[0], 1, 1, 0, 1.0f, 0.0f);
    CK_CODE(bnn_graph_compile(r.graph, BNN_NONE, &err));
    ck_assert_int_eq(bnn_packed_save(path, &spec, &r, &bytes, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, ": 'normalize' cannot be stored in a packed file") != NULL, "%s",
                  err.text);
    ck_assert_int_ne(access(path, F_OK), 0);
    bnn_inference_free(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed");
    TCase *tcase = tcase_create("packed");
    int algorithms = 0;
    while (bnn_algorithm_name((size_t)algorithms)) {
        algorithms++;
    }
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, version);
    tcase_add_test(tcase, versions_agree);
    tcase_add_loop_test(tcase, layout_1, 0, sizeof layouts / sizeof layouts[0]);
    tcase_add_test(tcase, every_op);
    tcase_add_test(tcase, text);
    tcase_add_test(tcase, detector);
    tcase_add_loop_test(tcase, every_algorithm, 0, algorithms);
    tcase_add_test(tcase, names);
    tcase_add_test(tcase, same_vectors);
    tcase_add_test(tcase, other_name);
    tcase_add_test(tcase, unstorable);
    tcase_set_timeout(tcase, 300);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* Networks for Larq Compute Engine: every architecture and algorithm holds together as TensorFlow
 * Lite has it, says what it is, and is as small as it should be; what the engine cannot do is
 * refused. What the engine computes of them is asked where it is installed
 * (tests/programs/test_export_lce.sh). */
#include "tests/fixtures/text_network.h"

#include "models/export/described.h"
#include "models/export/lce/tflite.h"
#include "models/export/translate.h"
#include "models/files/packed.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/lce_fixture.h"

static const struct {
    const char *arch;
    bnn_shape input;
    int rank, twin; /* the float twin too: the others' are large */
} nets[] = {{"resnet20", {1, 28, 28, 1}, 2, 1},        {"resnet18", {1, 40, 40, 3}, 2, 0},
            {"resnet34", {1, 8, 8, 3}, 2, 0},          {"vgg_small", {1, 8, 8, 3}, 2, 0},
            {"pointnet", {1, 1, 16, 6}, 2, 0},         {"pointnet_vanilla", {1, 1, 16, 3}, 2, 1},
            {"pointnet_partseg", {1, 1, 16, 6}, 3, 0}, {"fsmn", {1, 32, 32, 1}, 2, 1},
            {"deep_fsmn", {1, 32, 32, 1}, 2, 1}};
enum { NETS = sizeof nets / sizeof *nets, CLASSES = 10 };

static void check_network(size_t net, const char *algo) {
    const bnn_device device = one_thread();
    const bnn_shape input = nets[net].input;
    bnn_error err = {0};
    bnn_export_report report;
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, nets[net].arch, algo, input, CLASSES, &err));
    for (int fuse = 0; fuse < 2; fuse++) {
        CK_CODE(export_network(&d.spec, d.network, 1, fuse, &report, &err));
        read_model m = read_tflite(path);
        check_model(&m);
        ck_assert_uint_eq(report.bytes, m.size);
        const read_tensor *x = &m.tensors[m.inputs[0]], *y = &m.tensors[m.outputs[0]];
        ck_assert(x->rank == 4 && memcmp(x->shape, &input, sizeof input) == 0);
        ck_assert_int_eq(y->rank, nets[net].rank);
        ck_assert_uint_eq(y->count, bnn_spec_outputs(&d.spec));
        ck_assert_int_eq(strstr(report.notes, "runs as floats") != NULL,
                         strstr(nets[net].arch, "fsmn") && strcmp(algo, "fp32") != 0);
        free_tflite(&m);
    }
    dyadic_stop(&d);
}

START_TEST(networks) {
    check_network((size_t)_i, "reactnet");
    if (nets[_i].twin) {
        check_network((size_t)_i, "fp32");
    }
}
END_TEST

/* What a detector's first stage says of 2 x 3 cells of 15 anchors. */
START_TEST(heads) {
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    char model[80], beside[80];
    dyadic d;
    snprintf(model, sizeof model, "%s.tflite", path);
    CK_CODE(dyadic_start(&d, &device, "faster_rcnn_resnet18", "bireal", (bnn_shape){1, 32, 48, 3},
                         CLASSES, &err));
    const bnn_export_request request = {.spec = &d.spec, .network = d.network, .first_stage = 1};
    CK_CODE(bnn_export_lce.write(&request, model, &report, &err));
    read_model m = read_tflite(model);
    check_ports(&m, 1, 2);
    const read_tensor *logits = &m.tensors[m.outputs[0]], *deltas = &m.tensors[m.outputs[1]];
    ck_assert(logits->rank == 3 && logits->shape[1] == 90 && logits->shape[2] == 1);
    ck_assert_str_eq(m.tensors[m.inputs[0]].name, "input");
    ck_assert_str_eq(deltas->name, "deltas");
    ck_assert(deltas->rank == 3 && deltas->shape[1] == 90 && deltas->shape[2] == 4);
    CK_CODE(bnn_export_beside(&bnn_export_lce, &d.spec, model, beside, sizeof beside, &err));
    ck_assert(remove(model) == 0 && remove(beside) == 0);
    free_tflite(&m);
    dyadic_stop(&d);
}
END_TEST

/* Every op of text, of tokens and their mask; floats of scores and shares, bools between them. */
START_TEST(text) {
    static const int codes[] = {36, 53, 41, 42, 75, 28, 25, 61, 72, 126, 150};
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    bnn_spec spec = tiny_spec();
    bnn_inference network;
    text_network(&network, &device, 1);
    CK_CODE(export_network(&spec, &network, 0, 0, &report, &err));
    read_model m = read_tflite(path);
    check_ports(&m, 2, 1);
    for (int i = 0; i < 2; i++) {
        const read_tensor *in = &m.tensors[m.inputs[i]];
        ck_assert_str_eq(in->name, i ? "mask" : "ids");
        ck_assert(in->type == READ_INT && in->rank == 2 && in->shape[1] == TOKENS);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int found = 0;
        for (size_t k = 0; k < m.op_count; k++) {
            found += m.ops[k].code == codes[i];
        }
        ck_assert_msg(found > 0, "no op %d", codes[i]);
    }
    free_tflite(&m);
    bnn_inference_free(&network);
}
END_TEST

START_TEST(algorithms) {
    for (size_t i = 0; bnn_binarizers[i]; i++) {
        check_network(0, bnn_binarizers[i]->name);
        check_network(7, bnn_binarizers[i]->name);
    }
}
END_TEST

/* Scales of the input or of pixels are refused, unless floats may do it. */
START_TEST(refusals) {
    static const struct {
        const char *algo, *text;
    } cases[] = {{"xnor", "layer1.0.conv1: xnor scales by the mean of each image's input, which "
                          "Larq Compute Engine cannot fold; export bnn, dorefa, bireal, reactnet, "
                          "recu or fda, or use --emulate (slow, float)"},
                 {"xnorpp", "layer1.0.conv1: xnorpp scales every pixel of the result"}};
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    dyadic d;
    unlink(path);
    CK_CODE(dyadic_start(&d, &device, "resnet20", cases[_i].algo, nets[0].input, CLASSES, &err));
    bnn_code code = export_network(&d.spec, d.network, 0, 1, &report, &err);
    expect_error(code, BNN_ERR_UNSUPPORTED, &err, cases[_i].text, "--emulate", NULL);
    ck_assert_int_ne(access(path, F_OK), 0); /* nothing is written */
    CK_CODE(export_network(&d.spec, d.network, 1, 0, &report, &err));
    dyadic_stop(&d);
}
END_TEST

/* The description is what a reader of metadata takes. */
START_TEST(description) {
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    bnn_st_file *file;
    bnn_spec spec;
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, "resnet20", "recu", nets[0].input, CLASSES, &err));
    CK_CODE(export_network(&d.spec, d.network, 0, 0, &report, &err));
    read_model m = read_tflite(path);
    ck_assert_ptr_nonnull(strstr(m.description, "\"algo\":\"recu\""));
    CK_CODE(bnn_described_parse("model", m.data, m.size, &file, &err));
    CK_CODE(bnn_spec_read("model", file, NULL, &spec, &err));
    ck_assert_str_eq(spec.arch->name, "resnet20");
    ck_assert(spec.height == 28 && spec.classes == CLASSES && spec.mean[0] == 64.0f);
    bnn_st_close(file);
    free_tflite(&m);
    dyadic_stop(&d);
}
END_TEST

/* ---- floats as halves ---- */

static const read_op *next_op(const read_model *m, size_t *at) {
    while (*at < m->op_count && m->ops[*at].code == READ_DEQUANTIZE) {
        ++*at;
    }
    return *at < m->op_count ? &m->ops[(*at)++] : NULL;
}

/* Ops and what constants they read, but for how the file holds these. */
static void expect_same_values(const read_model *a, const read_model *b) {
    size_t at_a = 0, at_b = 0;
    for (const read_op *x; (x = next_op(a, &at_a)) != NULL;) {
        const read_op *y = next_op(b, &at_b);
        ck_assert(y && x->code == y->code && x->in_count == y->in_count);
        for (int k = 0; k < x->in_count; k++) {
            const read_tensor *of_x = x->in[k] < 0 ? NULL : &a->tensors[x->in[k]];
            const read_tensor *of_y = y->in[k] < 0 ? NULL : &b->tensors[y->in[k]];
            ck_assert(!of_x == !of_y && (!of_x || !of_x->data == !of_y->data));
            if (of_x && of_x->data) {
                ck_assert(of_x->type == of_y->type && of_x->rank == of_y->rank);
                ck_assert_mem_eq(of_x->shape, of_y->shape, sizeof of_x->shape);
                ck_assert_mem_eq(of_x->data, of_y->data, 4 * of_x->count);
            }
        }
    }
    ck_assert_ptr_null(next_op(b, &at_b));
}

/* What is halves in the file, and that nothing else could be. */
static size_t count_halves(const read_model *m) {
    size_t halves = 0, ops = 0;
    for (size_t i = 0; i < m->tensor_count; i++) {
        const read_tensor *t = &m->tensors[i];
        halves += t->type == READ_HALF;
        ops += t->maker >= 0 && m->ops[t->maker].code == READ_DEQUANTIZE;
        ck_assert(t->type != READ_HALF || t->count >= BNN_TRANSLATION_FEWEST_HALVES);
        if (t->type == READ_FLOAT && t->data && t->maker < 0 &&
            t->count >= BNN_TRANSLATION_FEWEST_HALVES) {
            ck_assert(!bnn_half_are(t->count, (const float *)(const void *)t->data));
        }
    }
    ck_assert_uint_eq(ops, halves); /* made floats of once, whoever reads them */
    return halves;
}

static void expect_halves(const char *arch, const char *algo, int fuse) {
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    bnn_st_file *file;
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, arch, algo, (bnn_shape){1, 32, 32, 1}, CLASSES, &err));
    CK_CODE(export_network(&d.spec, d.network, 1, fuse, &report, &err));
    read_model whole = read_tflite(path);
    dyadic_blur(&d);
    CK_CODE(bnn_export_round(d.network, &err));
    const bnn_export_request request = {
        .spec = &d.spec, .network = d.network, .emulate = 1, .fuse = fuse, .float16 = 1};
    CK_CODE(bnn_export_lce.write(&request, path, &report, &err));
    read_model half = read_tflite(path);
    check_model(&half);
    ck_assert_uint_gt(count_halves(&half), 0);
    ck_assert_uint_lt(half.size, whole.size);
    expect_same_values(&whole, &half);
    CK_CODE(bnn_described_parse("model", half.data, half.size, &file, &err));
    bnn_st_close(file);
    free_tflite(&whole);
    free_tflite(&half);
    dyadic_stop(&d);
}

START_TEST(halves) {
    static const struct {
        const char *arch, *algo;
    } cases[] = {{"resnet20", "reactnet"}, {"resnet20", "bnn"},  {"resnet20", "xnorpp"},
                 {"resnet20", "fp32"},     {"deep_fsmn", "fda"}, {"fsmn", "xnor"}};
    for (int fuse = 0; fuse < 2; fuse++) {
        expect_halves(cases[_i].arch, cases[_i].algo, fuse);
    }
}
END_TEST

/* What is the same twice is one constant and one op. */
START_TEST(shared_halves) {
    static const uint16_t ones[] = {0x3c00, 0x3c00}, same[] = {0x3c00, 0x3c00}, other[] = {0, 0};
    static const bnn_tfl_shape shape = {1, {2}};
    bnn_arena *arena = bnn_arena_create();
    bnn_tfl m;
    bnn_tfl_start(&m, arena);
    const int a = bnn_tfl_halves(&m, "a", shape, ones), b = bnn_tfl_halves(&m, "b", shape, same);
    const int c = bnn_tfl_halves(&m, "c", shape, other);
    ck_assert_int_eq(bnn_tfl_halves(&m, "a", shape, ones), a);
    ck_assert(!m.failed && a == b && a != c && m.op_count == 2 && m.tensor_count == 4);
    ck_assert(m.tensors[a].type == BNN_TFL_FLOAT && m.ops[m.tensors[a].op].in[0] != a);
    bnn_tfl_halves(&m, "d", shape, NULL);
    ck_assert(m.failed);
    bnn_arena_free(arena);
}
END_TEST

/* A map of corrections is told in bytes of the file. */
START_TEST(halved_borders) {
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    dyadic d;
    CK_CODE(
        dyadic_start(&d, &device, "deep_fsmn", "fda", (bnn_shape){1, 32, 32, 1}, CLASSES, &err));
    const bnn_export_request request = {.spec = &d.spec, .network = d.network, .float16 = _i};
    CK_CODE(bnn_export_lce.write(&request, path, &report, &err));
    ck_assert_msg(strstr(report.notes, _i ? "(4096 bytes)" : "(8192 bytes)"), "%s", report.notes);
    dyadic_stop(&d);
}
END_TEST

/* Beside a packed file of the same network. */
START_TEST(sizes) {
    static const struct {
        const char *arch;
        double most;
    } cases[] = {{"resnet18", 1.03}, {"resnet20", 1.4}};
    const bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report, fused;
    size_t packed;
    dyadic d;
    CK_CODE(
        dyadic_start(&d, &device, cases[_i].arch, "bnn", (bnn_shape){1, 32, 32, 3}, CLASSES, &err));
    for (size_t i = 0; i < d.network->constant_count; i++) { /* what half a float does not hold */
        if (bnn_dtype_of(d.network->graph, d.network->constants[i].t) == BNN_F32) {
            bnn_f32(d.network->graph, d.network->constants[i].t)[0] = 0.1f;
        }
    }
    CK_CODE(bnn_packed_save(path, &d.spec, d.network, &packed, &err));
    CK_CODE(export_network(&d.spec, d.network, 0, 1, &fused, &err));
    CK_CODE(export_network(&d.spec, d.network, 0, 0, &report, &err));
    ck_assert_msg((double)report.bytes <= cases[_i].most * (double)packed, "%zu bytes, packed %zu",
                  report.bytes, packed);
    ck_assert_uint_lt(fused.bytes, report.bytes);
    dyadic_stop(&d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export lce");
    TCase *tcase = tcase_create("networks");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, networks, 0, NETS);
    tcase_add_test(tcase, algorithms);
    tcase_add_test(tcase, heads);
    tcase_add_test(tcase, text);
    tcase_add_loop_test(tcase, refusals, 0, 2);
    tcase_add_test(tcase, description);
    tcase_add_loop_test(tcase, halves, 0, 6);
    tcase_add_test(tcase, shared_halves);
    tcase_add_loop_test(tcase, halved_borders, 0, 2);
    tcase_add_loop_test(tcase, sizes, 0, 2);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

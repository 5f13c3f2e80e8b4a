/* Networks for Larq Compute Engine: every architecture and algorithm holds together as TensorFlow
 * Lite has it, says what it is, and is as small as it should be; what the engine cannot do is
 * refused. What the engine computes of them is asked where it is installed
 * (tests/programs/test_export_lce.sh). */
#include "models/export/described.h"
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
        const read_tensor *x = &m.tensors[m.input], *y = &m.tensors[m.output];
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

/* Beside a packed file of the same network. */
START_TEST(sizes) {
    static const struct {
        const char *arch;
        double most;
    } cases[] = {{"resnet18", 1.03}, {"resnet20", 1.3}};
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
    tcase_add_loop_test(tcase, refusals, 0, 2);
    tcase_add_test(tcase, description);
    tcase_add_loop_test(tcase, sizes, 0, 2);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

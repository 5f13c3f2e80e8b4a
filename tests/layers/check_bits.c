/* Training runs on real bits: in every algorithm's network each product of a binary weight has bits
 * on both sides, forward and backward, and the kernels see float products exactly as often as there
 * are full-precision layers. */
#include "tests/fixtures/graph_fixture.h"

#include "models/model.h"

static bnn_kernels counting;
static const bnn_kernels *real;
static struct { int forward_float, forward_bits, x_float, x_bits, w_float, w_bits; } calls;

static void count_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                          const bnn_operand *w, const bnn_result *y, void *ws) {
    ck_assert((x->b1 != NULL) == (w->b1 != NULL));
    *(x->b1 ? &calls.forward_bits : &calls.forward_float) += 1;
    real->conv_forward(stream, s, x, w, y, ws);
}

static void count_backward_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                             const bnn_operand *w, float *gx, int acc, void *ws) {
    *(w->b1 ? &calls.x_bits : &calls.x_float) += 1;
    real->conv_backward_x(stream, s, gy, w, gx, acc, ws);
}

static void count_backward_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                             const bnn_operand *x, float *gw, int acc, void *ws) {
    *(x->b1 ? &calls.w_bits : &calls.w_float) += 1;
    real->conv_backward_w(stream, s, gy, x, gw, acc, ws);
}

static const bnn_param *source(const bnn_graph *g, bnn_t t) {
    const bnn_node *node;
    while ((node = bnn_graph_producer(g, t)) != NULL) {
        t = node->in[0];
    }
    return bnn_graph_param_of(g, t);
}

/* Returns how many products are binary. */
static int check_operands(const bnn_graph *g, const char *algorithm, int *products) {
    int binary = 0;
    *products = 0;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        if (node->op != &bnn_conv_op) {
            continue;
        }
        const bnn_param *weight = source(g, node->in[1]);
        bnn_dtype want = weight->binary ? BNN_B1 : BNN_F32;
        ck_assert_msg(bnn_dtype_of(g, node->in[0]) == want && bnn_dtype_of(g, node->in[1]) == want,
                      "%s: the product of %s", algorithm, weight->name);
        binary += weight->binary;
        *products += 1;
    }
    return binary;
}

static void run_step(bnn_net *net, bnn_params *params, const bnn_binarizer *algo) {
    bnn_error err = {0};
    bnn_rng rng = bnn_rng_start(1, 1);
    float *x = random_floats(&rng, SHIFTED, 8 * 8 * 3);
    int32_t label = 3;
    ck_ok(bnn_params_allocate(params, &err), err);
    bnn_params_initialize(params, 1);
    bnn_apply_schedule(algo, params, 9, 10);
    ck_ok(bnn_graph_bind(net->graph, NULL, &err), err);
    bnn_graph_set(net->graph, net->input[0], x);
    bnn_graph_set(net->graph, net->input[1], &label);
    bnn_graph_forward(net->graph);
    ck_assert_int_eq(calls.forward_float, 4);
    bnn_graph_backward(net->graph); /* may run small float products again */
    free(x);
}

START_TEST(test_resnet20) {
    const bnn_binarizer *algo = bnn_binarizers[_i];
    bnn_error err = {0};
    bnn_spec spec = {
        .height = 8, .width = 8, .channels = 3, .classes = 10, .phase = algo->phases - 1};
    ck_ok(bnn_spec_find(&spec, "resnet20", algo->name, &err), err);
    real = test_kernels();
    counting = *real;
    counting.conv_forward = count_forward;
    counting.conv_backward_x = count_backward_x;
    counting.conv_backward_w = count_backward_w;
    bnn_params *params = bnn_params_create();
    bnn_device device = *test_device();
    device.kernels = &counting;
    bnn_net net;
    ck_ok(bnn_net_build(&spec, &device, params, 1, 1, &net, &err), err);
    int products, binary = check_operands(net.graph, algo->name, &products);
    ck_assert_int_eq(binary, 18);
    ck_assert_int_eq(products, 18 + 4); /* stem, two shortcuts, classifier */
    run_step(&net, params, algo);
    ck_assert_int_eq(calls.forward_bits, 18);
    ck_assert_int_eq(calls.x_bits, 18);
    ck_assert_int_eq(calls.x_float, 3); /* nobody wants the image's gradient */
    ck_assert_int_eq(calls.w_bits, 18);
    ck_assert_int_eq(calls.w_float, 4);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

int main(void) {
    int algorithms = 0;
    while (bnn_binarizers[algorithms]) {
        algorithms++;
    }
    Suite *suite = suite_create("bits");
    TCase *tcase = tcase_create("bits");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_resnet20, 0, algorithms);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

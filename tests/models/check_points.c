/* Networks on point clouds and sound, with every algorithm: what inference runs is what evaluation
 * computes, thresholds or not; a few steps of training lower the loss; and pools are chosen. */
#include "tests/fixtures/graph_fixture.h"

#include "layers/fold/fold.h"
#include "models/model.h"
#include "optim/optimizer.h"

enum { BATCH = 2, CLASSES = 3, STEPS = 8 };

static const struct {
    const char *name;
    int h, w, c;
} nets[] = {{"pointnet_vanilla", 1, 24, 6}, {"fsmn", 8, 12, 1}, {"deep_fsmn", 16, 16, 1}};
enum { NETS = sizeof nets / sizeof *nets };

typedef struct bed {
    bnn_spec spec;
    bnn_params *params;
    bnn_net train;
    bnn_optimizer adam;
    float *input;
    int32_t label[BATCH];
} bed;

static void create(bed *b, const char *arch, const char *algorithm, int h, int w, int c) {
    bnn_error err = {0};
    *b = (bed){.spec = {.height = h, .width = w, .channels = c, .classes = CLASSES}};
    ck_ok(bnn_spec_find(&b->spec, arch, algorithm, &err), err);
    b->params = bnn_params_create();
    ck_ok(bnn_net_build(&b->spec, test_device(), b->params, BATCH, 1, &b->train, &err), err);
    ck_ok(bnn_params_allocate(b->params, &err), err);
    ck_ok(bnn_graph_bind(b->train.graph, NULL, &err), err);
    ck_ok(bnn_optimizer_init(&b->adam, bnn_optimizer_find("adam"), test_device(),
                             b->params->value_count, &err),
          err);
    b->adam.lr = 1e-3;
    bnn_params_initialize(b->params, 5);
    bnn_apply_schedule(b->spec.binarizer, b->params, 0, 10);
    bnn_rng rng = bnn_rng_start(4, 4);
    b->input = random_floats(&rng, SHIFTED, (size_t)(BATCH * h * w * c));
    for (int i = 0; i < BATCH; i++) {
        b->label[i] = i % CLASSES;
    }
    bnn_graph_set(b->train.graph, b->train.input[0], b->input);
    bnn_graph_set(b->train.graph, b->train.input[1], b->label);
}

static void destroy(bed *b) {
    bnn_optimizer_free(&b->adam);
    bnn_graph_free(b->train.graph);
    bnn_params_free(b->params);
    free(b->input);
}

static float step(bed *b) {
    bnn_graph_forward(b->train.graph);
    float loss = *bnn_f32(b->train.graph, b->train.loss);
    bnn_graph_backward(b->train.graph);
    bnn_optimizer_step(&b->adam, b->params->values, b->params->grads);
    return loss;
}

/* The logits as evaluation computes them, or folded without (0) or with (1) thresholds. */
static void evaluate(bed *b, int folded, int thresholds, float *logits) {
    bnn_error err = {0};
    bnn_net net;
    bnn_fold *fold = NULL;
    ck_ok(bnn_net_build(&b->spec, test_device(), b->params, BATCH, 0, &net, &err), err);
    bnn_graph *g = net.graph;
    bnn_t input = net.input[0], output = net.output;
    if (folded) {
        ck_ok(bnn_fold_create(net.graph, 1, net.input, 1, &net.output, thresholds, &fold, &err),
              err);
        g = bnn_fold_graph(fold);
        input = bnn_fold_result(fold)->inputs[0];
        output = bnn_fold_result(fold)->outputs[0];
    } else {
        ck_ok(bnn_graph_compile(g, BNN_NONE, &err), err);
    }
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    if (folded) {
        ck_ok(bnn_fold_evaluate(fold, &err), err);
    }
    bnn_graph_set(g, input, b->input);
    bnn_graph_forward(g);
    memcpy(logits, bnn_f32(g, output), BATCH * CLASSES * sizeof *logits);
    bnn_fold_free(fold);
    bnn_graph_free(net.graph);
}

static void check_net(int index, const char *algorithm) {
    bed b;
    create(&b, nets[index].name, algorithm, nets[index].h, nets[index].w, nets[index].c);
    float first = step(&b), least = first;
    for (int i = 1; i < STEPS; i++) {
        least = fminf(least, step(&b));
    }
    ck_assert_msg(least < 0.9f * first, "%s %s: loss from %g to %g", nets[index].name, algorithm,
                  (double)first, (double)least);
    float plain[BATCH * CLASSES], folded[BATCH * CLASSES], packed[BATCH * CLASSES], most = 0.0f;
    evaluate(&b, 0, 0, plain);
    evaluate(&b, 1, 0, folded);
    evaluate(&b, 1, 1, packed);
    ck_assert_int_eq(memcmp(folded, packed, sizeof folded), 0);
    for (int i = 0; i < BATCH * CLASSES; i++) {
        most = fmaxf(most, fabsf(plain[i]));
    }
    for (int i = 0; i < BATCH * CLASSES; i++) {
        ck_assert_msg(fabsf(folded[i] - plain[i]) <= 1e-5f * most, "%s %s: logit %d is %g, not %g",
                      nets[index].name, algorithm, i, (double)folded[i], (double)plain[i]);
    }
    destroy(&b);
}

START_TEST(test_networks) {
    check_net(_i, BNN_FLOAT_ALGORITHM);
    for (int i = 0; bnn_binarizers[i]; i++) {
        check_net(_i, bnn_binarizers[i]->name);
    }
}
END_TEST

/* The first node of an op, or NULL. */
static const bnn_node *find(const bnn_graph *g, const bnn_op *op) {
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        if (bnn_graph_node(g, i)->op == op) {
            return bnn_graph_node(g, i);
        }
    }
    return NULL;
}

/* `shift` of the maximum that the network pools with; NAN: it pools with the mean. */
static void check_pool(const char *algorithm, bnn_pool pool, double shift) {
    bnn_error err = {0};
    bnn_params *params = bnn_params_create();
    bnn_net net;
    bnn_spec spec = {.height = 1, .width = 24, .channels = 6, .classes = CLASSES, .pool = pool};
    ck_ok(bnn_spec_find(&spec, "pointnet_vanilla", algorithm, &err), err);
    ck_ok(bnn_net_build(&spec, test_device(), params, BATCH, 0, &net, &err), err);
    const bnn_node *max = find(net.graph, &bnn_global_max_pool_op);
    ck_assert_int_eq(max == NULL, isnan(shift));
    ck_assert_int_eq(find(net.graph, &bnn_global_avg_pool_op) != NULL, isnan(shift));
    if (max) {
        ck_assert((double)*(const float *)max->attr == shift);
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}

START_TEST(test_pools) {
    double ema = (double)bnn_ema_max_shift(24);
    ck_assert(ema < -1.5);
    check_pool("fp32", BNN_POOL_USUAL, 0.0);
    check_pool("fp32", BNN_POOL_EMA_MAX, ema);
    check_pool("fp32", BNN_POOL_MEAN, (double)NAN);
    check_pool("bnn", BNN_POOL_USUAL, ema);
    check_pool("bnn", BNN_POOL_MAX, 0.0);
}
END_TEST

/* A segmentation's loss is that of all points and a thousandth of the transform's distance from
 * orthogonal. */
START_TEST(test_partseg_loss) {
    bed b = {.spec = {.height = 1, .width = 24, .channels = 6, .classes = CLASSES}};
    bnn_error err = {0};
    ck_ok(bnn_spec_find(&b.spec, "pointnet_partseg", "reactnet", &err), err);
    b.params = bnn_params_create();
    ck_ok(bnn_net_build(&b.spec, test_device(), b.params, BATCH, 1, &b.train, &err), err);
    ck_ok(bnn_params_allocate(b.params, &err), err);
    ck_ok(bnn_graph_bind(b.train.graph, NULL, &err), err);
    bnn_params_initialize(b.params, 5);
    bnn_rng rng = bnn_rng_start(4, 4);
    b.input = random_floats(&rng, SHIFTED, BATCH * 24 * 6);
    int32_t label[BATCH * 24];
    for (int i = 0; i < BATCH * 24; i++) {
        label[i] = 7 * i % CLASSES;
    }
    bnn_graph_set(b.train.graph, b.train.input[0], b.input);
    bnn_graph_set(b.train.graph, b.train.input[1], label);
    bnn_graph_forward(b.train.graph);
    double loss = (double)*bnn_f32(b.train.graph, b.train.loss);
    double points = (double)*bnn_f32(b.train.graph, b.train.task_loss);
    double penalty = (double)*bnn_f32(b.train.graph, b.train.penalty);
    ck_assert(points > 0.0 && penalty > 0.0);
    ck_assert(fabs(loss - points - 0.001 * penalty) <= 1e-6 * loss);
    destroy(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("points");
    TCase *tcase = tcase_create("points");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_networks, 0, NETS);
    tcase_add_test(tcase, test_pools);
    tcase_add_test(tcase, test_partseg_loss);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

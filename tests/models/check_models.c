/* Architectures: parameters, binary weights and multiply-accumulates counted from the graph against
 * the tables of the specification, names as PyTorch's, and every algorithm in every architecture.
 * Nothing is run. */
#include "tests/fixtures/graph_fixture.h"

#include "models/model.h"
#include "models/summary.h"
#include "tools/tracks/tracks.h"

typedef struct counts {
    size_t total, binary;
    uint64_t macs, binary_macs;
} counts;

/* What a network sees of one sample. */
typedef struct seen {
    int h, w, c;
} seen;

static void build(const char *arch, const char *algorithm, seen x, int classes, int phase,
                  int training, bnn_params *params, bnn_net *net) {
    bnn_error err = {0};
    bnn_spec spec = {
        .height = x.h, .width = x.w, .channels = x.c, .classes = classes, .phase = phase};
    ck_ok(bnn_spec_find(&spec, arch, algorithm, &err), err);
    ck_ok(bnn_net_build(&spec, test_device(), params, 1, training, net, &err), err);
}

/* The parameter at the end of a chain of first inputs. */
static const bnn_param *source(const bnn_graph *g, bnn_t t) {
    const bnn_node *node;
    while ((node = bnn_graph_producer(g, t)) != NULL) {
        t = node->in[0];
    }
    return bnn_graph_param_of(g, t);
}

/* What --dry-run adds up. */
static uint64_t macs_of_rows(const bnn_net *net) {
    uint64_t macs = 0;
    for (size_t i = 0; i < bnn_graph_node_count(net->graph); i++) {
        bnn_layer_row row;
        macs += bnn_layer_row_at(net->graph, i, 1, &row) ? row.macs : 0;
    }
    return macs;
}

static counts count(const bnn_net *net, const bnn_params *params) {
    counts c = {bnn_params_total(params), bnn_params_binary(params), 0, 0};
    for (size_t i = 0; i < bnn_graph_node_count(net->graph); i++) {
        const bnn_node *node = bnn_graph_node(net->graph, i);
        if (node->op == &bnn_attention_op || node->op == &bnn_bi_attention_op) {
            bnn_shape q = bnn_shape_of(net->graph, node->in[0]); /* q k', and times v */
            uint64_t macs = 2 * (uint64_t)q.w * bnn_shape_count(q);
            c.macs += macs;
            c.binary_macs += node->op == &bnn_bi_attention_op ? macs : 0;
        }
        if (node->op != &bnn_conv_op) {
            continue;
        }
        bnn_conv s = bnn_conv_of(net->graph, node);
        uint64_t macs = (uint64_t)s.n * (uint64_t)s.oh * (uint64_t)s.ow * (uint64_t)s.o *
                        (uint64_t)s.kh * (uint64_t)s.kw * (uint64_t)(s.c / s.groups);
        const bnn_param *weight = source(net->graph, node->in[1]);
        ck_assert_ptr_nonnull(weight);
        c.macs += macs;
        c.binary_macs += weight->binary ? macs : 0;
        ck_assert_int_eq(weight->binary,
                         bnn_dtype_of(net->graph, node->in[1]) == BNN_B1); /* bnn and fp32 */
    }
    return c;
}

/* What BiBench's networks have: parameters, layers, products. */
static const struct {
    const char *arch, *algorithm;
    seen x;
    int classes;
    counts want;
} tables[] = {
    {"resnet18", "bnn", {32, 32, 3}, 10, {11173962, 10985472, 555422720, 547356672}},
    {"resnet34", "bnn", {32, 32, 3}, 10, {21282122, 21086208, 1159402496, 1151336448}},
    {"resnet20", "bnn", {32, 32, 3}, 10, {272474, 267264, 40813184, 40108032}},
    {"vgg_small", "bnn", {32, 32, 3}, 10, {4660106, 4571136, 607600640, 603979776}},
    {"resnet18", "bnn", {224, 224, 3}, 1000, {11689512, 10985472, 1814073344, 1676279808}},
    {"resnet34", "bnn", {224, 224, 3}, 1000, {21797672, 21086208, 3663761408, 3525967872}},
    {"pointnet", "bnn", {1, 1024, 6}, 40, {3468337, 3438848, 435826944, 435030272}},
    {"pointnet", "fp32", {1, 1024, 6}, 40, {3471857, 0, 435826944, 0}},
    {"pointnet_vanilla", "bnn", {1, 1024, 6}, 40, {810088, 794624, 143665152, 143261696}},
    {"pointnet_vanilla", "fp32", {1, 1024, 6}, 40, {811240, 0, 143665152, 0}},
    {"pointnet_partseg", "bnn", {1, 4096, 6}, 4, {8326925, 8292608, 11419257088, 11414014208}},
    {"pointnet_partseg", "fp32", {1, 4096, 6}, 4, {8332749, 0, 11419257088, 0}},
    {"fsmn", "bnn", {32, 32, 1}, 12, {445460, 391168, 12697600, 12517376}},
    {"fsmn", "fp32", {32, 32, 1}, 12, {445460, 0, 12697600, 0}},
    {"deep_fsmn", "bnn", {32, 32, 1}, 12, {596135, 542208, 5431296, 5054464}},
    {"deep_fsmn", "fp32", {32, 32, 1}, 12, {600236, 0, 5431296, 0}},
    {"deep_fsmn", "recu", {32, 32, 1}, 12, {604391, 542208, 5431296, 5054464}},
    {"ssd300_vgg16_plain",
     "bnn",
     {300, 300, 3},
     20,
     {26281326, 14708736, 31373537792, 27660976128}},
    {"bert_base", "bnn", {1, 128, 1}, 2, {109483778, 108965376, 11174217216, 11174215680}},
    {"bert_base", "fp32", {1, 64, 1}, 2, {109483778, 0, 5511906816, 0}},
    {"bert_tiny6", "bnn", {1, 128, 1}, 2, {66956546, 66498048, 5587404288, 5587402752}},
    {"bert_tiny4", "bnn", {1, 128, 1}, 2, {14350874, 14172912, 623738544, 623737920}},
};

START_TEST(test_tables) {
    for (int training = 0; training < 2; training++) {
        bnn_params *params = bnn_params_create();
        bnn_net net;
        build(tables[_i].arch, tables[_i].algorithm, tables[_i].x, tables[_i].classes, 0, training,
              params, &net);
        counts got = count(&net, params), want = tables[_i].want;
        ck_assert_uint_eq(got.total, want.total);
        ck_assert_uint_eq(got.binary, want.binary);
        ck_assert_uint_eq(got.macs, want.macs);
        ck_assert_uint_eq(macs_of_rows(&net), want.macs);
        ck_assert_uint_eq(got.binary_macs, want.binary_macs);
        bnn_graph_free(net.graph);
        bnn_params_free(params);
    }
}
END_TEST

/* A detector of 80 classes; what it multiplies follows from how many regions it
 * looks at. */
START_TEST(test_two_stages) {
    bnn_params *params = bnn_params_create();
    bnn_net net;
    build("faster_rcnn_resnet18", "bnn", (seen){64, 96, 3}, 80, 0, 0, params, &net);
    ck_assert_uint_eq(bnn_params_total(params), 11991580);
    ck_assert_uint_eq(bnn_params_binary(params), 2727936);
    /* Of 4 x 6 cells all 360 anchors: the second stage's 411 million are more than all else. */
    const uint64_t regions = 360, of_each = 411041792 + 512 * (81 + 320);
    const bnn_spec spec = {.arch = bnn_arch_find("faster_rcnn_resnet18"),
                           .binarizer = bnn_binarizer_find("bnn")};
    const bnn_complexity c = bnn_complexity_of(&spec, net.graph);
    ck_assert_uint_eq(macs_of_rows(&net), c.macs);
    ck_assert_uint_gt(c.macs, regions * of_each);
    ck_assert_uint_lt(c.macs - regions * of_each, 300000000);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

/* BiBench's complexity: ResNet-18 on CIFAR-10 and on ImageNet. */
static const struct {
    const char *algorithm;
    double compression[2], speedup[2];
} complexities[] = {
    {"bnn", {21.012, 11.161}, {33.422, 11.062}},
    {"dorefa", {20.862, 11.120}, {33.422, 11.062}},
    {"bireal", {20.862, 11.120}, {33.422, 11.062}},
    {"reactnet", {20.730, 11.085}, {32.353, 10.950}},
    {"xnor", {20.862, 11.120}, {32.353, 10.950}},
    {"xnorpp", {20.843, 11.112}, {32.462, 10.962}},
};

START_TEST(test_complexity) {
    static const seen input[] = {{32, 32, 3}, {224, 224, 3}};
    static const int classes[] = {10, 1000};
    for (int size = 0; size < 2; size++) {
        bnn_complexity c[2];
        for (int binary = 0; binary < 2; binary++) {
            const char *algorithm = binary ? complexities[_i].algorithm : BNN_FLOAT_ALGORITHM;
            bnn_spec spec = {.arch = bnn_arch_find("resnet18")};
            bnn_params *params = bnn_params_create();
            bnn_net net;
            spec.binarizer = binary ? bnn_binarizer_find(algorithm) : NULL;
            build("resnet18", algorithm, input[size], classes[size], 0, 1, params, &net);
            c[binary] = bnn_complexity_of(&spec, net.graph);
            bnn_graph_free(net.graph);
            bnn_params_free(params);
        }
        ck_assert_uint_eq(c[0].float_parameters, c[0].parameters);
        ck_assert_uint_eq(c[0].kept + c[0].scalings + c[0].float_work + c[0].binary_macs, 0);
        const double all = (double)c[0].parameters, macs = (double)c[0].macs;
        ck_assert_double_eq_tol(
            bnn_compression(all, (double)c[1].float_parameters, (double)c[1].kept),
            complexities[_i].compression[size], 5e-4);
        ck_assert_double_eq_tol(
            bnn_speedup(macs, macs - (double)c[1].binary_macs, (double)c[1].float_work),
            complexities[_i].speedup[size], 5e-4);
    }
}
END_TEST

/* Something that a network can take. */
static seen usual_input(const char *arch) {
    const int side = bnn_arch_find(arch)->side;
    return side                       ? (seen){side, side, 3}
           : strstr(arch, "pointnet") ? (seen){1, 64, 6}
           : strstr(arch, "fsmn")     ? (seen){32, 32, 1}
           : strstr(arch, "bert")     ? (seen){1, 16, 1}
                                      : (seen){32, 32, 3};
}

/* ---- names ---- */

typedef struct name_list {
    char text[240][192];
    int count;
} name_list;

static void expect(name_list *l, const char *prefix, const char *const *suffixes) {
    for (; *suffixes; suffixes++) {
        snprintf(l->text[l->count++], sizeof l->text[0], "%s%s", prefix, *suffixes);
    }
}

static const char *const conv_names[] = {"weight", NULL};
static const char *const norm_names[] = {"weight", "bias", "running_mean", "running_var", NULL};
static const char *const fc_names[] = {"fc.weight", "fc.bias", NULL};

static void expect_block(name_list *l, int stage, int block) {
    char prefix[64];
    for (int k = 1; k <= 2; k++) {
        snprintf(prefix, sizeof prefix, "layer%d.%d.conv%d.", stage, block, k);
        expect(l, prefix, conv_names);
        snprintf(prefix, sizeof prefix, "layer%d.%d.bn%d.", stage, block, k);
        expect(l, prefix, norm_names);
    }
    if (stage > 1 && block == 0) {
        snprintf(prefix, sizeof prefix, "layer%d.0.downsample.0.", stage);
        expect(l, prefix, conv_names);
        snprintf(prefix, sizeof prefix, "layer%d.0.downsample.1.", stage);
        expect(l, prefix, norm_names);
    }
}

static void expect_resnet(name_list *l, const int *blocks, int stages) {
    expect(l, "conv1.", conv_names);
    expect(l, "bn1.", norm_names);
    for (int s = 0; s < stages; s++) {
        for (int b = 0; b < blocks[s]; b++) {
            expect_block(l, s + 1, b);
        }
    }
    expect(l, "", fc_names);
}

static void expect_vgg(name_list *l) {
    for (int i = 0; i < 6; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "conv%d.", i);
        expect(l, prefix, conv_names);
        snprintf(prefix, sizeof prefix, "bn%d.", i);
        expect(l, prefix, norm_names);
    }
    expect(l, "", fc_names);
}

static const char *const biased_names[] = {"weight", "bias", NULL};

static void expect_transform(name_list *l, const char *stn, int raw) {
    static const char *const layers[] = {
        "conv2.weight", "conv3.weight", "fc1.weight", "fc1.bias",     "fc2.weight",
        "fc2.bias",     "fc3.weight",   "fc3.bias",   "conv1.weight", NULL};
    static const char *const raw_bias[] = {"conv1.bias", NULL};
    char prefix[64];
    expect(l, stn, layers);
    if (raw) {
        expect(l, stn, raw_bias);
    }
    for (int i = 1; i <= 5; i++) {
        snprintf(prefix, sizeof prefix, "%sbn%d.", stn, i);
        expect(l, prefix, norm_names);
    }
}

static void expect_pointnet(name_list *l, int transforms) {
    static const char *const layers[] = {"feat.conv1.bias", "feat.conv1.weight",
                                         "feat.conv2.weight", "feat.conv3.weight", NULL};
    expect(l, "", layers);
    if (transforms) {
        expect_transform(l, "feat.stn.", 1);
        expect_transform(l, "feat.fstn.", 0);
    }
    expect(l, "feat.bn1.", norm_names);
    expect(l, "feat.bn2.", norm_names);
    expect(l, "feat.bn3.", norm_names);
    expect(l, "bn1.", norm_names);
    expect(l, "bn2.", norm_names);
    expect(l, "fc1.", biased_names);
    expect(l, "fc2.", biased_names);
    expect(l, "fc.", biased_names);
}

static void expect_partseg(name_list *l) {
    char prefix[64];
    expect_transform(l, "stn.", 1);
    expect_transform(l, "fstn.", 0);
    for (int i = 1; i <= 5; i++) {
        snprintf(prefix, sizeof prefix, "conv%d.", i);
        expect(l, prefix, i == 1 ? biased_names : conv_names);
        snprintf(prefix, sizeof prefix, "bn%d.", i);
        expect(l, prefix, norm_names);
    }
    for (int i = 1; i <= 4; i++) {
        snprintf(prefix, sizeof prefix, "convs%d.", i);
        expect(l, prefix, i == 4 ? biased_names : conv_names);
        snprintf(prefix, sizeof prefix, "bns%d.", i);
        if (i < 4) {
            expect(l, prefix, norm_names);
        }
    }
}

static void expect_fsmn(name_list *l) {
    static const char *const layers[] = {"fc1.weight",    "fc1.bias",        "fc2.weight",
                                         "conv1d.weight", "act_func.weight", NULL};
    char prefix[64];
    for (int i = 0; i < 8; i++) {
        snprintf(prefix, sizeof prefix, "enc_layers.%d.", i);
        expect(l, prefix, layers);
    }
    expect(l, "", fc_names);
}

static void expect_deep_fsmn(name_list *l) {
    static const char *const front[] = {"0.weight", "0.bias",   "2.weight",
                                        "3.weight", "5.weight", NULL};
    static const char *const layers[] = {"memory.0.weight",
                                         "memory.2.weight",
                                         "fc_trans.0.weight",
                                         "fc_trans.2.weight",
                                         "fc_trans.4.weight",
                                         "fc_trans.6.weight",
                                         NULL};
    static const char *const fc1[] = {"0.weight", "0.bias", "1.weight", NULL};
    static const char *const norms[] = {"memory.1.", "fc_trans.1.", "fc_trans.5."};
    char prefix[64];
    expect(l, "front_end.", front);
    expect(l, "front_end.1.", norm_names);
    expect(l, "front_end.4.", norm_names);
    expect(l, "fc1.", fc1);
    for (int i = 0; i < 8; i++) {
        snprintf(prefix, sizeof prefix, "backbone.%d.", i);
        expect(l, prefix, layers);
        for (int k = 0; k < 3; k++) {
            snprintf(prefix, sizeof prefix, "backbone.%d.%s", i, norms[k]);
            expect(l, prefix, norm_names);
        }
    }
    expect(l, "", fc_names);
}

static void expect_bert(name_list *l, int layers) {
    static const char *const embeddings[] = {"word_embeddings.weight",
                                             "position_embeddings.weight",
                                             "token_type_embeddings.weight",
                                             "LayerNorm.weight",
                                             "LayerNorm.bias",
                                             NULL};
    static const char *const modules[] = {"attention.self.query",
                                          "attention.self.key",
                                          "attention.self.value",
                                          "attention.output.dense",
                                          "attention.output.LayerNorm",
                                          "intermediate.dense",
                                          "output.dense",
                                          "output.LayerNorm"};
    char prefix[96];
    expect(l, "bert.embeddings.", embeddings);
    for (int i = 0; i < layers; i++) {
        for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
            snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.%s.", i, modules[k]);
            expect(l, prefix, biased_names);
        }
    }
    expect(l, "bert.pooler.dense.", biased_names);
    expect(l, "classifier.", biased_names);
}

static void compare_names(const char *arch, const name_list *l) {
    bnn_params *params = bnn_params_create();
    bnn_net net;
    build(arch, "bnn", usual_input(arch), 10, 0, 0, params, &net);
    ck_assert_uint_eq(params->count, (size_t)l->count);
    for (int i = 0; i < l->count; i++) {
        ck_assert_msg(bnn_params_find(params, l->text[i]) != NULL, "%s has no %s", arch,
                      l->text[i]);
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}

START_TEST(test_names) {
    static name_list l;
    expect_resnet(&l, (int[]){3, 3, 3}, 3);
    compare_names("resnet20", &l);
    l.count = 0;
    expect_resnet(&l, (int[]){2, 2, 2, 2}, 4);
    compare_names("resnet18", &l);
    l.count = 0;
    expect_resnet(&l, (int[]){3, 4, 6, 3}, 4);
    compare_names("resnet34", &l);
    l.count = 0;
    expect_vgg(&l);
    compare_names("vgg_small", &l);
    l.count = 0;
    expect_pointnet(&l, 1);
    compare_names("pointnet", &l);
    l.count = 0;
    expect_pointnet(&l, 0);
    compare_names("pointnet_vanilla", &l);
    l.count = 0;
    expect_partseg(&l);
    compare_names("pointnet_partseg", &l);
    l.count = 0;
    expect_fsmn(&l);
    compare_names("fsmn", &l);
    l.count = 0;
    expect_deep_fsmn(&l);
    compare_names("deep_fsmn", &l);
    l.count = 0;
    expect_bert(&l, 4);
    compare_names("bert_tiny4", &l);
}
END_TEST

/* Shapes in files are PyTorch's, in memory channels-last; both hold as many values. */
START_TEST(test_shapes) {
    bnn_params *params = bnn_params_create();
    bnn_net net;
    build("resnet18", "bnn", (seen){32, 32, 3}, 10, 0, 0, params, &net);
    const bnn_param *p = bnn_params_find(params, "layer2.0.downsample.0.weight");
    ck_assert_int_eq(p->ndim, 4);
    ck_assert_int_eq(p->shape[0], 128);
    ck_assert_int_eq(p->shape[1], 64);
    ck_assert_int_eq(p->shape[2], 1);
    ck_assert_int_eq(p->binary, 0);
    p = bnn_params_find(params, "layer2.0.conv1.weight");
    ck_assert_int_eq(p->shape[1], 64);
    ck_assert_int_eq(p->shape[3], 3);
    ck_assert(bnn_shape_equal(p->memory, (bnn_shape){128, 3, 3, 64}));
    ck_assert_int_eq(p->binary, 1);
    ck_assert(bnn_params_find(params, "layer2.0.bn2.weight")->init.a == 0.0f);
    for (size_t i = 0; i < params->count; i++) {
        size_t n = 1;
        for (int d = 0; d < params->list[i]->ndim; d++) {
            n *= (size_t)params->list[i]->shape[d];
        }
        p = params->list[i];
        ck_assert_uint_eq(n, p->count);
        ck_assert_uint_eq(n, p->outer * p->channels * p->space * p->inner);
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

/* ---- every pair ---- */

static void build_pair(const char *arch, const bnn_binarizer *algo) {
    const char *algorithm = algo ? algo->name : BNN_FLOAT_ALGORITHM;
    size_t parameters = 0;
    for (int phase = 0; phase < (algo ? algo->phases : 1); phase++) {
        for (int training = 0; training < 2; training++) {
            bnn_params *params = bnn_params_create();
            bnn_net net;
            build(arch, algorithm, usual_input(arch), 10, phase, training, params, &net);
            bnn_shape logits = bnn_shape_of(net.graph, net.output);
            int rows = strcmp(arch, "pointnet_partseg") == 0 ? 64 : 1; /* each point's */
            const int found = bnn_arch_find(arch)->detections;
            ck_assert(found ? training || bnn_shape_equal(logits, (bnn_shape){1, 1, found, 6})
                            : bnn_shape_equal(logits, (bnn_shape){1, 1, rows, 10}));
            ck_assert_int_eq(training, net.loss != BNN_NONE);
            ck_assert(parameters == 0 || parameters == params->count); /* the same in all phases */
            ck_assert_int_eq(bnn_params_binary(params) > 0, algo != NULL);
            parameters = params->count;
            bnn_graph_free(net.graph);
            bnn_params_free(params);
        }
    }
}

START_TEST(test_all_pairs) {
    for (int a = 0; bnn_archs[a]; a++) {
        ck_assert_ptr_eq(bnn_arch_find(bnn_archs[a]->name), bnn_archs[a]);
        build_pair(bnn_archs[a]->name, NULL);
        for (int i = 0; bnn_binarizers[i]; i++) {
            build_pair(bnn_archs[a]->name, bnn_binarizers[i]);
        }
    }
}
END_TEST

START_TEST(test_unknown_names) {
    bnn_error err = {0};
    bnn_spec spec = {0};
    ck_assert_int_eq(bnn_spec_find(&spec, "resnet19", "bnn", &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "resnet19"));
    ck_assert_int_eq(bnn_spec_find(&spec, "resnet18", "bnnn", &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "bnnn"));
    ck_assert_int_eq(bnn_spec_find(&spec, "resnet18", "fp32", &err), BNN_OK);
    ck_assert_str_eq(bnn_spec_algorithm(&spec), "fp32");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("models");
    TCase *tcase = tcase_create("models");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_tables, 0, sizeof tables / sizeof *tables);
    tcase_add_loop_test(tcase, test_complexity, 0, sizeof complexities / sizeof *complexities);
    tcase_add_test(tcase, test_two_stages);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_shapes);
    tcase_add_test(tcase, test_all_pairs);
    tcase_add_test(tcase, test_unknown_names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

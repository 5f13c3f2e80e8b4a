/* Reference cases of whole networks. Weights are not stored: both sides fill every tensor from its
 * name. Evaluation runs folded, with and without thresholds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "layers/fold/fold.h"
#include "models/model.h"
#include "models/teacher.h"
#include "optim/optimizer.h"
#include "tests/golden/golden.h"
#include "tests/golden/seeded.h"

typedef struct net_case {
    const char *path;
    const bnn_st_file *file;
    const bnn_device *device;
    bnn_spec spec;
    int batch;
    int images; /* the input is [N,C,H,W], else rows of channels as they are in memory */
    bnn_params *params;
    bnn_net train;
    void *input[BNN_MAX_INPUTS]; /* channels-last */
    bnn_arch sized;              /* of sizes that the file says */
    bnn_arch sized_teacher;
    bnn_params *taught_by; /* the teacher's */
    bnn_teacher *teacher;  /* or NULL */
    int32_t *label;
    int failed;
} net_case;

static void fail(net_case *c, const char *tensor, const char *what, double value) {
    printf("FAIL %s: %s: %s %.3g\n", c->path, tensor, what, value);
    c->failed = 1;
}

static void make_input(net_case *c) {
    size_t space = (size_t)(c->spec.height * c->spec.width), channels = (size_t)c->spec.channels;
    bnn_param order = {.outer = (size_t)c->batch,
                       .channels = c->images ? channels : 1,
                       .space = space,
                       .inner = c->images ? 1 : channels};
    size_t count = (size_t)c->batch * channels * space;
    const char *name = golden_text(c->file, "input_name", "input");
    float *file = malloc(count * sizeof(float));
    float *input = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        file[i] = (float)(2.0 * golden_unit(name, i));
    }
    bnn_param_to_memory(&order, file, input);
    c->input[0] = input;
    free(file);
}

/* Those of text are in the file. */
static int read_integers(net_case *c) {
    static const char *const names[] = {"ids", "segments", "mask"};
    for (int i = 0; i < 3; i++) {
        const bnn_st_tensor *t = bnn_st_find(c->file, names[i]);
        if (!t || t->dtype != BNN_ST_I32 || t->count != (size_t)(c->batch * c->spec.width)) {
            fail(c, names[i], "missing", 0.0);
            return 0;
        }
        c->input[i] = malloc(t->bytes);
        memcpy(c->input[i], t->data, t->bytes);
    }
    return 1;
}

static void free_inputs(net_case *c) {
    for (int i = 0; i < BNN_MAX_INPUTS; i++) {
        free(c->input[i]);
    }
}

static void set_inputs(const net_case *c, bnn_graph *g, const bnn_t *in) {
    for (int i = 0; c->spec.arch->inputs[i]; i++) {
        bnn_graph_set(g, in[i], c->input[i]);
    }
}

static void make_labels(net_case *c) {
    size_t count = bnn_shape_rows(bnn_shape_of(c->train.graph, c->train.output));
    c->label = malloc(count * sizeof(int32_t));
    for (size_t i = 0; i < count; i++) {
        c->label[i] = (int32_t)(7 * i % (size_t)c->spec.classes);
    }
}

static void compare(net_case *c, const char *name, const float *got, double tolerance) {
    const bnn_st_tensor *want = bnn_st_find(c->file, name);
    if (!want || want->dtype != BNN_ST_F32) {
        fail(c, name, "missing", 0.0);
        return;
    }
    double error = golden_relative_max(want, got);
    if (!(error <= tolerance)) {
        fail(c, name, "relative error", error);
    }
}

static void evaluate(net_case *c, const char *name, double tolerance) {
    for (int thresholds = 0; thresholds < 2; thresholds++) {
        bnn_net net;
        bnn_error err = {0};
        bnn_fold *fold = NULL;
        if (bnn_net_build(&c->spec, c->device, c->params, c->batch, 0, &net, &err) != BNN_OK ||
            bnn_fold_create(net.graph, net.fields, net.input, 1, &net.output, thresholds, &fold,
                            &err) != BNN_OK ||
            bnn_graph_bind(bnn_fold_graph(fold), NULL, &err) != BNN_OK ||
            bnn_fold_evaluate(fold, &err) != BNN_OK) {
            fail(c, name, err.text, 0.0);
        } else {
            set_inputs(c, bnn_fold_graph(fold), bnn_fold_result(fold)->inputs);
            bnn_graph_forward(bnn_fold_graph(fold));
            compare(c, name, bnn_f32(bnn_fold_graph(fold), bnn_fold_result(fold)->outputs[0]),
                    tolerance);
        }
        bnn_fold_free(fold);
        bnn_graph_free(net.graph);
    }
}

static double largest_gradient(const net_case *c) {
    double largest = 0.0;
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        if (p->trainable) {
            largest = fmax(largest, golden_norm(bnn_param_grad(c->params, p), p->count));
        }
    }
    return largest;
}

static int is_algorithm(const net_case *c, const char *name) {
    return strcmp(bnn_spec_algorithm(&c->spec), name) == 0;
}

static int is_pointnet(const net_case *c) {
    return strncmp(c->spec.arch->name, "pointnet", 8) == 0;
}

static double file_norm(const net_case *c, const char *name) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    float norm = 0.0f;
    if (t && t->dtype == BNN_ST_F32 && t->count) {
        memcpy(&norm, t->data, sizeof norm);
    }
    return (double)norm;
}

/* PointNet's batch norms over 4 samples, of features that hardly differ, make rounding noise large.
 * The gradient of a bias in front of one is 0, so what a file has there is that noise; the
 * weight's gradient has it times its inputs. */
static double pointnet_tolerance(const net_case *c, const bnn_param *p, const char *name) {
    char bias[280];
    if (strcmp(p->name, "fc.weight") == 0) {
        return 1e-3;
    }
    if (strcmp(p->name, "fc1.weight") != 0 && strcmp(p->name, "fc2.weight") != 0) {
        return (double)INFINITY;
    }
    snprintf(bias, sizeof bias, "gradnorm.%.3s.bias", p->name);
    double noise = file_norm(c, bias) * sqrt((double)p->shape[1]);
    double tolerance = fmax(1e-3, 10.0 * noise / fmax(file_norm(c, name), 1e-30));
    return tolerance > 0.1 ? (double)INFINITY : tolerance;
}

/* The tolerance of a parameter's gradient; the oldest files say nothing of noise. */
static double gradient_tolerance(const net_case *c, const bnn_param *p, const char *name) {
    if (golden_tells_noise(c->file)) {
        return golden_tolerance(c->file, name, 1e-3);
    }
    if (is_pointnet(c)) {
        return pointnet_tolerance(c, p, name);
    }
    return is_algorithm(c, "recu") || is_algorithm(c, "xnorpp") ? 2e-2
           : is_algorithm(c, "fda")                             ? 2e-3
                                                                : 1e-3;
}

static int has_batch_norm(const net_case *c) {
    for (size_t i = 0; i < c->params->count; i++) {
        if (golden_ends(c->params->list[i]->name, "running_mean")) {
            return 1;
        }
    }
    return 0;
}

/* Each parameter's gradient. In front of batch norms what is far below the network's largest is
 * rounding noise. */
static void compare_gradients(net_case *c) {
    double largest = has_batch_norm(c) ? largest_gradient(c) : 0.0;
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        if (!p->trainable) {
            continue;
        }
        char name[280];
        snprintf(name, sizeof name, "gradnorm.%s", p->name);
        double tolerance = gradient_tolerance(c, p, name);
        const bnn_st_tensor *want = bnn_st_find(c->file, name);
        if (!want || want->count != 2) {
            fail(c, name, "missing", 0.0);
            continue;
        }
        double error =
            golden_norm_error(want, bnn_param_grad(c->params, p), p->count, 1e-4 * largest);
        if (!(error <= tolerance)) {
            fail(c, name, "relative error", error);
        }
    }
}

/* A true gradient of exactly 0 (batch norm's gradients sum to 0, and over few pixels a sign may be
 * the same everywhere) is rounding noise in float, and Adam divides noise by itself: a step of up
 * to the learning rate where the reference, of float64, has none. So what is below the last bit of
 * a tensor's largest gradient counts as 0 here. */
static void drop_noise(const bnn_params *params) {
    for (size_t i = 0; i < params->count; i++) {
        float *g = bnn_param_grad(params, params->list[i]), largest = 0.0f;
        for (size_t k = 0; g && k < params->list[i]->count; k++) {
            largest = fmaxf(largest, fabsf(g[k]));
        }
        for (size_t k = 0; g && k < params->list[i]->count; k++) {
            g[k] = fabsf(g[k]) < 0x1p-24f * largest ? 0.0f : g[k];
        }
    }
}

/* Later losses, and logits after them: where the oldest files' part after a flipped sign, they are
 * not compared. Nor are PointNet's: its batch norms over 4 samples make of the last bit of a weight
 * 15 % of the third loss, so that instruction sets differ as much. */
static double later_tolerance(const net_case *c, const char *name, double base) {
    int chaotic = is_algorithm(c, "fda") || is_algorithm(c, "recu") || is_algorithm(c, "xnorpp") ||
                  is_algorithm(c, "dorefa") || is_pointnet(c);
    if (golden_tells_noise(c->file)) {
        return golden_tolerance(c->file, name, base);
    }
    return chaotic ? (double)INFINITY : 0.1;
}

/* A bias in front of a batch norm has no gradient but rounding noise, on which Adam walks it at
 * full rate; the running mean follows only in part, so evaluation is noise after the first step. */
static int walks(const net_case *c) {
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        char mean[256];
        snprintf(mean, sizeof mean, "%.*srunning_mean", (int)(strrchr(p->name, '.') + 1 - p->name),
                 p->name);
        if (golden_ends(p->name, ".bias") && strcmp(p->name, "fc.bias") != 0 &&
            !bnn_params_find(c->params, mean)) {
            return 1;
        }
    }
    return 0;
}

enum { MOST_TERMS = 8, TAUGHT_TERMS = 8 };

/* The loss of a step, and behind it its terms if it has several. Under a teacher the second one of
 * a file is the task's own; of the others, only their sum is known here. */
static void read_losses(const net_case *c, float *loss) {
    const bnn_net *net = &c->train;
    for (int i = 0; i < MOST_TERMS; i++) {
        loss[i] = NAN;
    }
    loss[0] = *bnn_f32(net->graph, net->loss);
    if (c->teacher) {
        loss[2] = *bnn_f32(net->graph, net->task_loss);
    } else if (net->penalty != BNN_NONE) {
        loss[1] = *bnn_f32(net->graph, net->task_loss);
        loss[2] = *bnn_f32(net->graph, net->penalty);
    }
}

static void compare_losses(net_case *c, float losses[][MOST_TERMS]) {
    const bnn_st_tensor *want = bnn_st_find(c->file, "losses");
    size_t terms = c->teacher ? TAUGHT_TERMS : c->train.penalty != BNN_NONE ? 3 : 1;
    if (!want || want->dtype != BNN_ST_F32 || want->count != 3 * terms) {
        fail(c, "losses", "missing", 0.0);
        return;
    }
    for (size_t i = 0; i < 3 * terms; i++) {
        float w, got = losses[i / terms][i % terms];
        if (c->teacher && i % terms != 0 && i % terms != 2) {
            continue;
        }
        char name[16];
        memcpy(&w, (const char *)want->data + 4 * i, 4);
        snprintf(name, sizeof name, "losses%zu", i / terms);
        double base = golden_tells_noise(c->file) ? 1e-5 : 1e-3;
        double tolerance =
            i < terms ? golden_tolerance(c->file, name, base) : later_tolerance(c, name, base);
        double error = fabs((double)got - (double)w) / fabs((double)w);
        if (!(error <= tolerance)) {
            fail(c, name, "relative error", error);
        }
    }
}

/* What the teacher makes of the batch, for the steps to come; its logits are in the file. */
static void show(net_case *c) {
    bnn_batch batch = {.n = (size_t)c->batch, .field = c->train.field};
    bnn_error err = {0};
    for (; c->spec.arch->inputs[batch.field_count]; batch.field_count++) {
        batch.data[batch.field_count] = c->input[batch.field_count];
    }
    if (c->teacher && bnn_teacher_show(c->teacher, &batch, &c->train, &err) != BNN_OK) {
        fail(c, "the teacher", err.text, 0.0);
    } else if (c->teacher) {
        compare(c, "teacher.logits", bnn_f32(c->train.graph, c->train.teacher_input[0]), 1e-5);
    }
}

static void train(net_case *c) {
    bnn_optimizer adam;
    bnn_error err = {0};
    if (bnn_optimizer_init(&adam, bnn_optimizer_find("adam"), c->device, c->params->value_count,
                           &err) != BNN_OK) {
        fail(c, "adam", err.text, 0.0);
        return;
    }
    adam.lr = 1e-3;
    bnn_graph *g = c->train.graph;
    set_inputs(c, g, c->train.input);
    bnn_graph_set(g, c->train.input[c->train.fields - 1], c->label);
    float losses[3][MOST_TERMS];
    show(c);
    for (int step = 0; step < 3; step++) {
        bnn_graph_forward(g);
        read_losses(c, losses[step]);
        bnn_graph_backward(g);
        if (step == 0) {
            double base = golden_tells_noise(c->file) ? 1e-5 : is_pointnet(c) ? 1e-2 : 1e-3;
            compare(c, "train.logits", bnn_f32(g, c->train.output),
                    golden_tolerance(c->file, "train.logits", base));
            compare_gradients(c);
        }
        if (has_batch_norm(c)) {
            drop_noise(c->params);
        }
        bnn_optimizer_step(&adam, c->params->values, c->params->grads);
    }
    bnn_optimizer_free(&adam);
    compare_losses(c, losses);
    double tolerance = later_tolerance(c, "after.eval.logits", 1e-5);
    if (tolerance < (double)INFINITY && (golden_tells_noise(c->file) || !walks(c))) {
        evaluate(c, "after.eval.logits", tolerance);
    }
}

/* What is called otherwise there, or means one of several networks here. */
static const struct {
    const char *name, *arch;
    bnn_pool pool;
} aliases[] = {
    {"dfsmn", "deep_fsmn", BNN_POOL_USUAL},
    {"pointnet", "pointnet", BNN_POOL_MAX},
    {"pointnet_vanilla", "pointnet_vanilla", BNN_POOL_MAX},
    {"pointnet_ema", "pointnet", BNN_POOL_EMA_MAX},
};

static bnn_pool pool_of(const char *text, bnn_pool missing) {
    return strcmp(text, "max") == 0       ? BNN_POOL_MAX
           : strcmp(text, "mean") == 0    ? BNN_POOL_MEAN
           : strcmp(text, "ema-max") == 0 ? BNN_POOL_EMA_MAX
                                          : missing;
}

/* BERT of any size; 0 if that is not what the file is of. */
static int find_bert(net_case *c) {
    const char *kind = golden_text(c->file, "kind", "");
    const int taught = strcmp(kind, "distill") == 0;
    c->spec.dataset = "";
    if (strcmp(golden_text(c->file, "arch", ""), "bert") != 0 ||
        (!taught && strcmp(kind, "classify") != 0)) {
        return 0;
    }
    c->spec.distill = taught ? BNN_DISTILL_DMD : BNN_DISTILL_NONE;
    const bnn_arch *usual = bnn_arch_find("bert_base");
    c->sized = *usual;
    c->sized.blocks[0] = golden_integer(c->file, "layers", 0);
    c->sized.width = golden_integer(c->file, "hidden", 0);
    c->sized.heads = golden_integer(c->file, "heads", 0);
    c->sized.feed_forward = golden_integer(c->file, "intermediate", 0);
    c->sized.vocabulary = golden_integer(c->file, "vocab", 0);
    c->sized.positions = golden_integer(c->file, "positions", 0);
    c->sized_teacher = c->sized;
    c->sized_teacher.blocks[0] = golden_integer(c->file, "teacher_layers", 0);
    return 1;
}

/* Images are N x C x H x W, point clouds N x points x C, texts N x tokens. */
static int read_input(net_case *c, const char *input) {
    bnn_spec *s = &c->spec;
    if (s->arch == &c->sized) {
        s->height = s->channels = 1;
        return sscanf(input, "%dx%d", &c->batch, &s->width) == 2 && read_integers(c);
    }
    c->images = sscanf(input, "%dx%dx%dx%d", &c->batch, &s->channels, &s->height, &s->width) == 4;
    if (c->images) {
        return 1;
    }
    s->height = 1;
    return sscanf(input, "%dx%dx%d", &c->batch, &s->width, &s->channels) == 3;
}

/* "resnet20_reactnet" -> architecture and algorithm; 0 if this build does not have the former. */
static int find_spec(net_case *c) {
    const char *name = bnn_st_metadata(c->file, "name"), *input = bnn_st_metadata(c->file, "input");
    const char *algorithm = name ? strrchr(name, '_') : NULL;
    char arch[64];
    bnn_error err;
    if (!algorithm || !input || algorithm - name >= (int)sizeof arch) {
        fail(c, "metadata", "incomplete", 0.0);
        return 0;
    }
    snprintf(arch, sizeof arch, "%.*s", (int)(algorithm - name), name);
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(arch, aliases[i].name) == 0) {
            snprintf(arch, sizeof arch, "%s", aliases[i].arch);
            c->spec.pool = aliases[i].pool;
            break;
        }
    }
    c->spec.pool = pool_of(golden_text(c->file, "pool", ""), c->spec.pool);
    c->spec.classes = golden_integer(c->file, "classes", 0);
    int sized = find_bert(c);
    if (bnn_spec_find(&c->spec, sized ? "bert_base" : arch, algorithm + 1, &err) != BNN_OK) {
        return 0;
    }
    c->spec.arch = sized ? &c->sized : c->spec.arch;
    return read_input(c, input);
}

static void make_teacher(net_case *c) {
    bnn_spec spec = c->spec;
    bnn_net net = {0};
    bnn_error err = {0};
    spec.arch = &c->sized_teacher;
    spec.binarizer = NULL;
    c->taught_by = bnn_params_create();
    if (bnn_net_build(&spec, c->device, c->taught_by, 1, 0, &net, &err) != BNN_OK ||
        bnn_params_allocate(c->taught_by, &err) != BNN_OK) {
        fail(c, "the teacher", err.text, 0.0);
        return;
    }
    bnn_graph_free(net.graph);
    golden_fill(c->taught_by, "teacher.");
    if (bnn_teacher_create(&spec, c->taught_by, &c->spec, c->device, &c->teacher, &err) != BNN_OK) {
        fail(c, "the teacher", err.text, 0.0);
    }
}

golden_result golden_network(const char *path, const bnn_st_file *file, const bnn_device *device) {
    net_case c = {.path = path, .file = file, .device = device};
    bnn_error err = {0};
    if (!find_spec(&c)) {
        free_inputs(&c);
        return c.failed ? GOLDEN_FAILED : GOLDEN_SKIPPED;
    }
    int e = golden_integer(file, "epoch", 0), n = golden_integer(file, "max_epochs", 0);
    n = n ? n : 1; /* "None" */
    if (c.spec.binarizer && c.spec.binarizer->schedule) {
        bnn_scheduled values[BNN_MAX_SCHEDULED];
        c.spec.phase = c.spec.binarizer->schedule(e, n, values);
    }
    c.params = bnn_params_create();
    if (!c.input[0]) {
        make_input(&c);
    }
    if (bnn_net_build(&c.spec, device, c.params, c.batch, 1, &c.train, &err) != BNN_OK ||
        bnn_params_allocate(c.params, &err) != BNN_OK ||
        bnn_graph_bind(c.train.graph, NULL, &err) != BNN_OK) {
        fail(&c, "building", err.text, 0.0);
    } else {
        bnn_params_initialize(c.params, 0);
        golden_fill(c.params, "");
        bnn_apply_schedule(c.spec.binarizer, c.params, e, n);
        make_labels(&c);
        if (c.spec.distill != BNN_DISTILL_NONE) {
            make_teacher(&c);
        }
        evaluate(&c, "eval.logits", golden_tolerance(file, "eval.logits", 1e-5));
        train(&c);
    }
    bnn_graph_free(c.train.graph);
    bnn_params_free(c.params);
    bnn_teacher_free(c.teacher);
    bnn_params_free(c.taught_by);
    free_inputs(&c);
    free(c.label);
    return c.failed ? GOLDEN_FAILED : GOLDEN_PASSED;
}

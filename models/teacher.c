#include "models/teacher.h"

#include <stdlib.h>
#include <string.h>

#include "layers/fold/fold.h"

/* The teacher for one number of samples of one size. */
typedef struct plan {
    bnn_shape input; /* no samples: there is no plan */
    bnn_net net;
    bnn_fold *fold;
    float *shown[BNN_MAX_SHOWN]; /* of the last batch */
} plan;

struct bnn_teacher {
    bnn_loaded model; /* what was opened, if anything was */
    const char *name; /* for messages */
    bnn_spec spec;
    bnn_params *params;
    bnn_device device;
    bnn_distill kind;
    int layers; /* of the student */
    plan plans[BNN_MAX_SIZES];
    size_t built; /* of them the last so many are there */
};

static void free_plan(plan *p) {
    for (int i = 0; i < BNN_MAX_SHOWN; i++) {
        free(p->shown[i]);
    }
    bnn_fold_free(p->fold);
    bnn_graph_free(p->net.graph);
    *p = (plan){0};
}

void bnn_teacher_free(bnn_teacher *t) {
    if (t) {
        for (size_t i = 0; i < BNN_MAX_SIZES; i++) {
            free_plan(&t->plans[i]);
        }
        bnn_loaded_close(&t->model);
        free(t);
    }
}

static bnn_code refuse(const char *path, const char *what, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_ARGUMENT, "--teacher %s: %s", path, what);
}

/* Whether the two see the same samples and answer the same question. */
static bnn_code check_task(const bnn_spec *t, const bnn_spec *s, const char *path, bnn_error *err) {
    if (t->task != s->task || strcmp(t->dataset, s->dataset) != 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--teacher %s: it was trained on %s, not on %s; train a teacher with "
                        "--algo fp32 --data %s",
                        path, *t->dataset ? t->dataset : "unknown data", s->dataset, s->dataset);
    }
    if (t->classes != s->classes || t->height != s->height || t->width != s->width ||
        t->channels != s->channels) {
        return bnn_fail(err, BNN_ERR_SHAPE,
                        "--teacher %s: it takes %dx%dx%d values and tells %d classes apart, the "
                        "student %dx%dx%d and %d; train both on the same samples",
                        path, t->channels, t->height, t->width, t->classes, s->channels, s->height,
                        s->width, s->classes);
    }
    if (t->vocab && s->vocab && strcmp(t->vocab, s->vocab) != 0) {
        return refuse(path, "it was trained with another vocabulary than the student's --vocab",
                      err);
    }
    return s->task->distill ? BNN_OK
                            : refuse(path, "what this task looks for, no teacher can show", err);
}

/* Compares what the two show, tensor by tensor. */
static bnn_code check_shown(bnn_teacher *t, const bnn_spec *student, bnn_error *err) {
    bnn_params *params = bnn_params_create();
    bnn_net own = {0}, net = {0};
    bnn_t mine[BNN_MAX_SHOWN], theirs[BNN_MAX_SHOWN];
    const char *path = t->name;
    if (!params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    bnn_code code = bnn_net_build(student, &t->device, params, 1, 0, &own, err);
    if (code == BNN_OK &&
        !(code = bnn_net_build(&t->spec, &t->device, t->params, 1, 0, &net, err))) {
        t->layers = own.shown.insides.layers;
        const int count = bnn_distill_list(t->kind, &own.shown, t->layers, mine);
        const int shown = bnn_distill_list(t->kind, &net.shown, t->layers, theirs);
        if (!count) {
            code = refuse(path, "--distill dmd is for networks with attention", err);
        } else if (!shown) {
            code = refuse(path, "its layers are no multiple of the student's", err);
        } else if (own.shown.insides.heads != net.shown.insides.heads) {
            code = refuse(path, "it has another number of heads than the student", err);
        }
        for (int i = 0; code == BNN_OK && i < count; i++) {
            if (!bnn_shape_equal(bnn_shape_of(own.graph, mine[i]),
                                 bnn_shape_of(net.graph, theirs[i]))) {
                code = refuse(path, "its layers are of another width than the student's", err);
            }
        }
    }
    bnn_graph_free(own.graph);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return code;
}

static bnn_code start(bnn_teacher *t, const bnn_spec *spec, bnn_params *params,
                      const bnn_spec *student, const bnn_device *device, bnn_error *err) {
    t->spec = *spec;
    t->params = params;
    t->device = *device;
    t->kind = student->distill;
    bnn_code code = check_task(spec, student, t->name, err);
    return code == BNN_OK ? check_shown(t, student, err) : code;
}

static bnn_teacher *create(const char *name, bnn_error *err) {
    bnn_teacher *t = calloc(1, sizeof *t);
    if (t) {
        t->name = name;
    } else {
        bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the teacher");
    }
    return t;
}

bnn_code bnn_teacher_create(const bnn_spec *spec, bnn_params *params, const bnn_spec *student,
                            const bnn_device *device, bnn_teacher **out, bnn_error *err) {
    *out = create(spec->arch->name, err);
    return *out ? start(*out, spec, params, student, device, err) : BNN_ERR_MEMORY;
}

bnn_code bnn_teacher_open(const char *path, const bnn_spec *student, const bnn_device *device,
                          bnn_teacher **out, bnn_error *err) {
    bnn_teacher *t = *out = create(path, err);
    if (!t) {
        return BNN_ERR_MEMORY;
    }
    bnn_code code = bnn_loaded_open(path, device, &t->model, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "--teacher");
    }
    t->name = t->model.path;
    if (!t->model.params) {
        return refuse(path, "a packed file shows only what it decides; give the checkpoint", err);
    }
    return start(t, &t->model.spec, t->model.params, student, device, err);
}

uint32_t bnn_teacher_checksum(const bnn_teacher *t) {
    return (uint32_t)bnn_st_checksum(t->model.file);
}

/* In place of the oldest. */
static bnn_code build(bnn_teacher *t, bnn_shape input, plan **out, bnn_error *err) {
    bnn_t shown[BNN_MAX_SHOWN];
    bnn_spec spec = t->spec;
    plan *p = *out = &t->plans[t->built++ % BNN_MAX_SIZES];
    spec.height = input.h;
    spec.width = input.w;
    free_plan(p);
    bnn_code code = bnn_net_build(&spec, &t->device, t->params, input.n, 0, &p->net, err);
    if (code != BNN_OK) {
        return code;
    }
    const int count = bnn_distill_list(t->kind, &p->net.shown, t->layers, shown);
    if ((code = bnn_fold_create(p->net.graph, p->net.fields, p->net.input, count, shown, 0,
                                &p->fold, err)) ||
        (code = bnn_graph_bind(bnn_fold_graph(p->fold), NULL, err)) ||
        (code = bnn_fold_evaluate(p->fold, err))) {
        return code;
    }
    for (int i = 0; i < count; i++) {
        p->shown[i] =
            calloc(bnn_shape_count(bnn_shape_of(p->net.graph, shown[i])), sizeof *p->shown[i]);
        if (!p->shown[i]) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for what the teacher shows");
        }
    }
    p->input = input;
    return BNN_OK;
}

/* The one for such batches, if it is there. */
static plan *plan_for(bnn_teacher *t, bnn_shape input) {
    for (size_t i = 0; i < BNN_MAX_SIZES; i++) {
        if (bnn_shape_equal(t->plans[i].input, input)) {
            return &t->plans[i];
        }
    }
    return NULL;
}

bnn_code bnn_teacher_show(bnn_teacher *t, const bnn_batch *batch, const bnn_net *student,
                          bnn_error *err) {
    const bnn_shape input = bnn_batch_shape(batch);
    plan *p = plan_for(t, input);
    bnn_code code = p ? BNN_OK : build(t, input, &p, err);
    const bnn_inference *network = code == BNN_OK ? bnn_fold_result(p->fold) : NULL;
    for (int i = 0; code == BNN_OK && i < network->input_count; i++) {
        const void *data = NULL;
        code = bnn_batch_data(batch, &p->net.field[i], &data, err);
        if (code == BNN_OK) {
            bnn_graph_set(network->graph, network->inputs[i], data);
        }
    }
    if (code == BNN_OK) {
        bnn_graph_forward(network->graph);
    }
    for (int i = 0; code == BNN_OK && i < student->teacher_inputs; i++) {
        code = bnn_graph_get(network->graph, network->outputs[i], p->shown[i], err);
        bnn_graph_set(student->graph, student->teacher_input[i], p->shown[i]);
    }
    return code;
}

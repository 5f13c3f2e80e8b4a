#include "models/model.h"

#include <string.h>

const char *bnn_spec_algorithm(const bnn_spec *spec) {
    return spec->binarizer ? spec->binarizer->name : BNN_FLOAT_ALGORITHM;
}

bnn_code bnn_spec_find(bnn_spec *spec, const char *arch, const char *algorithm, bnn_error *err) {
    spec->arch = bnn_arch_find(arch);
    if (!spec->arch) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "no architecture is called '%.64s'", arch);
    }
    spec->binarizer = bnn_binarizer_find(algorithm);
    if (!spec->binarizer && strcmp(algorithm, BNN_FLOAT_ALGORITHM) != 0) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "no algorithm is called '%.64s'", algorithm);
    }
    spec->task = bnn_arch_serves(spec->arch, spec->task) ? spec->task : spec->arch->task;
    return BNN_OK;
}

int bnn_spec_fields(const bnn_spec *spec, bnn_field field[BNN_MAX_FIELDS], int *inputs) {
    const bnn_task *task = spec->task;
    const bnn_shape sample = {1, spec->height, spec->width, spec->channels};
    int n = 0;
    for (; spec->arch->inputs[n]; n++) {
        field[n] = (bnn_field){spec->arch->inputs[n], spec->arch->input_dtype, sample};
    }
    *inputs = n;
    for (const bnn_field *target = task->target; target->name; target++, n++) {
        field[n] = *target;
        if (task->by_point) {
            field[n].shape = (bnn_shape){1, spec->height, spec->width, 1};
        }
    }
    return n;
}

static const char *line_of(const char *lines, int number) {
    const char *line = lines ? lines : "";
    for (; number > 0 && *line; number--) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return line;
}

const char *bnn_class_name(const bnn_spec *spec, int class) {
    return line_of(spec->class_names, class);
}

int64_t bnn_class_id(const bnn_spec *spec, int class) {
    const char *line = line_of(spec->class_ids, class);
    int64_t id = 0;
    int digits = 0;
    for (; *line >= '0' && *line <= '9' && digits < 18; digits++) {
        id = 10 * id + (*line++ - '0');
    }
    return digits && (!*line || *line == '\n') ? id : (int64_t) class + 1;
}

size_t bnn_spec_outputs(const bnn_spec *spec) {
    bnn_field field[BNN_MAX_FIELDS];
    int inputs;
    bnn_spec_fields(spec, field, &inputs);
    return spec->arch->detections ? (size_t)spec->arch->detections * BNN_DETECTION
                                  : bnn_shape_count(field[inputs].shape) * (size_t)spec->classes;
}

static bnn_t batch_input(bnn_graph *g, const bnn_field *field, int batch) {
    bnn_shape shape = field->shape;
    shape.n = batch;
    return bnn_graph_input(g, field->name, field->dtype, shape);
}

/* What is minimized under a teacher, who shows what the network itself has. */
static bnn_t taught_loss(const bnn_build *b, const bnn_spec *spec, bnn_net *net, bnn_t target) {
    bnn_graph *g = b->graph;
    bnn_t own[BNN_MAX_SHOWN];
    net->teacher_inputs =
        bnn_distill_list(spec->distill, &net->shown, net->shown.insides.layers, own);
    for (int i = 0; i < net->teacher_inputs; i++) {
        net->teacher_input[i] = bnn_graph_input(g, "teacher", BNN_F32, bnn_shape_of(g, own[i]));
    }
    return bnn_distill_loss(b, spec->distill, spec->task, &net->shown, net->teacher_inputs, own,
                            net->teacher_input, target);
}

bnn_code bnn_net_build(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                       int batch, int training, bnn_net *net, bnn_error *err) {
    bnn_graph *g = bnn_graph_create(device, params, training);
    int inputs;
    *net = (bnn_net){.graph = g,
                     .loss = BNN_NONE,
                     .task_loss = BNN_NONE,
                     .penalty = BNN_NONE,
                     .terms = BNN_NONE};
    if (!g) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the graph");
    }
    if (training) {
        bnn_graph_share_statistics(g, spec->statistics);
    }
    bnn_build build = {.graph = g,
                       .binarizer = spec->binarizer,
                       .phase = spec->phase,
                       .pool = spec->pool,
                       .ties = spec->ties,
                       .small_boxes = spec->small_boxes,
                       .dropout = spec->dropout};
    net->fields = bnn_spec_fields(spec, net->field, &inputs);
    for (int i = 0; i < inputs; i++) {
        net->input[i] = batch_input(g, &net->field[i], batch);
    }
    bnn_output output = spec->arch->build(&build, spec->arch, net->input, spec->classes);
    output.main = bnn_graph_value(g, output.main);
    net->fields = training ? net->fields : inputs;
    bnn_code code;
    for (int i = inputs; i < net->fields; i++) {
        net->input[i] = batch_input(g, &net->field[i], batch);
    }
    if (training) {
        net->loss = net->task_loss = spec->task->loss(&build, &output, net->input + inputs);
    }
    if (output.terms > 0) {
        net->terms = bnn_op_concat(g, output.terms, output.term);
        bnn_graph_keep(g, net->terms);
    }
    net->output = output.main >= 0 ? output.main : net->terms;
    net->shown = output;
    bnn_graph_keep(g, net->output);
    if (training) {
        if (spec->distill != BNN_DISTILL_NONE) {
            bnn_graph_keep(g, net->task_loss);
            net->loss = taught_loss(&build, spec, net, net->input[inputs]);
        }
        if (output.penalty_weight > 0.0f) {
            net->penalty = output.penalty;
            bnn_graph_keep(g, net->task_loss);
            bnn_graph_keep(g, net->penalty);
            net->loss = bnn_op_weighted_sum(g, 2, (bnn_t[]){net->loss, net->penalty},
                                            (float[]){1.0f, output.penalty_weight});
        }
        bnn_graph_keep(g, net->loss);
        code = bnn_graph_compile(g, net->loss, err);
    } else {
        code = bnn_graph_status(g, err);
    }
    if (code != BNN_OK) {
        bnn_graph_free(g);
        net->graph = NULL;
    }
    return code;
}

bnn_code bnn_batch_data(const bnn_batch *batch, const bnn_field *field, const void **data,
                        bnn_error *err) {
    int f = bnn_field_find(batch->field, batch->field_count, field->name);
    if (f < 0 || !bnn_shape_equal(batch->field[f].shape, field->shape) ||
        batch->field[f].dtype != field->dtype) {
        return bnn_fail(err, BNN_ERR_SHAPE,
                        "the network reads '%s' of %dx%dx%d values, which the data do not have",
                        field->name, field->shape.c, field->shape.h, field->shape.w);
    }
    *data = batch->data[f];
    return BNN_OK;
}

bnn_code bnn_net_feed(const bnn_net *net, const bnn_batch *batch, bnn_error *err) {
    for (int i = 0; i < net->fields; i++) {
        const void *data = NULL;
        bnn_code code = bnn_batch_data(batch, &net->field[i], &data, err);
        if (code != BNN_OK) {
            return code;
        }
        bnn_graph_set(net->graph, net->input[i], data);
    }
    return BNN_OK;
}

/* The scheduled value that is the buffer's, or NULL. */
static const bnn_scheduled *value_of(const bnn_scheduled values[BNN_MAX_SCHEDULED],
                                     const bnn_param *param) {
    const char *last = strrchr(param->name, '.');
    for (int v = 0; v < BNN_MAX_SCHEDULED && last && !param->trainable; v++) {
        if (values[v].name && strcmp(last + 1, values[v].name) == 0) {
            return &values[v];
        }
    }
    return NULL;
}

int bnn_apply_schedule(const bnn_binarizer *binarizer, bnn_params *params, int epoch, int epochs) {
    if (!binarizer || !binarizer->schedule) {
        return 0;
    }
    bnn_scheduled values[BNN_MAX_SCHEDULED] = {{NULL, 0.0f}};
    int phase = binarizer->schedule(epoch, epochs, values);
    for (size_t i = 0; i < params->count && params->buffers; i++) {
        const bnn_scheduled *value = value_of(values, params->list[i]);
        if (value) {
            *bnn_param_data(params, params->list[i]) = value->value;
        }
    }
    return phase;
}

int bnn_is_scheduled(const bnn_binarizer *binarizer, const bnn_param *param) {
    bnn_scheduled values[BNN_MAX_SCHEDULED] = {{NULL, 0.0f}};
    if (!binarizer || !binarizer->schedule) {
        return 0;
    }
    binarizer->schedule(0, 1, values);
    return value_of(values, param) != NULL;
}

bnn_code bnn_twin_parameters(const bnn_spec *spec, const bnn_device *device, size_t *count,
                             bnn_error *err) {
    bnn_net net = {0};
    bnn_spec twin = *spec;
    twin.binarizer = NULL;
    twin.phase = 0;
    bnn_params *params = bnn_params_create();
    bnn_code code = params ? bnn_net_build(&twin, device, params, 1, 0, &net, err)
                           : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    *count = code == BNN_OK ? bnn_params_total(params) : 0;
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return code;
}

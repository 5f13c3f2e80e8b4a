#include "models/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "layers/fold/fold.h"
#include "models/files/packed.h"

/* One batch size's network. */
typedef struct batch_plan {
    int batch;                    /* 0: empty */
    int fresh;                    /* the constants are those of the parameters */
    const bnn_inference *network; /* one of these two */
    bnn_fold *fold;               /* of `net` */
    bnn_inference read;           /* from a packed file */
    bnn_net net;
} batch_plan;

struct bnn_predictor {
    bnn_spec spec;
    bnn_device device;
    bnn_params *params;
    bnn_params *own_params; /* names only, where there is nothing but constants */
    const bnn_st_file *packed;
    int described; /* by the packed file itself */
    int sound;     /* the packed file, by its checksum */
    const char *path;
    size_t at_once;      /* samples; 0: not known yet */
    batch_plan plans[2]; /* so many, and what is left of a batch */
};

static void free_plan(batch_plan *p) {
    bnn_fold_free(p->fold);
    bnn_inference_free(&p->read);
    bnn_graph_free(p->net.graph);
    *p = (batch_plan){0};
}

bnn_code bnn_predictor_create(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                              const bnn_st_file *packed, const char *path, bnn_predictor **out,
                              bnn_error *err) {
    bnn_predictor *p = calloc(1, sizeof *p);
    if (p && !params) {
        p->own_params = params = bnn_params_create();
    }
    if (!p || !params) {
        free(p);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the network");
    }
    p->spec = *spec;
    p->device = *device;
    p->params = params;
    p->packed = packed;
    p->described = packed && bnn_model_kind_of(packed) != BNN_MODEL_PACKED_1;
    p->path = path;
    *out = p;
    return BNN_OK;
}

void bnn_predictor_free(bnn_predictor *p) {
    if (!p) {
        return;
    }
    free_plan(&p->plans[0]);
    free_plan(&p->plans[1]);
    bnn_params_free(p->own_params);
    free(p);
}

void bnn_predictor_refresh(bnn_predictor *p, int phase) {
    for (int i = 0; i < 2; i++) {
        p->plans[i].fresh = 0;
        if (phase != p->spec.phase) {
            free_plan(&p->plans[i]);
        }
    }
    p->spec.phase = phase;
}

/* Folds the network that the spec names. */
static bnn_code build_named(bnn_predictor *p, batch_plan *plan, int n, bnn_error *err) {
    bnn_code code = bnn_net_build(&p->spec, &p->device, p->params, n, 0, &plan->net, err);
    if (code == BNN_OK) {
        code = bnn_fold_create(plan->net.graph, plan->net.fields, plan->net.input, 1,
                               &plan->net.output, p->packed != NULL, &plan->fold, err);
    }
    if (code == BNN_OK) {
        plan->network = bnn_fold_result(plan->fold);
    }
    if (code == BNN_OK && p->packed) { /* before memory is taken on its metadata's word */
        code = bnn_packed_check_slices(p->path, p->packed, plan->network, err);
    }
    return code;
}

/* Whether a network reads such fields of n samples. */
static int reads(const bnn_inference *r, const bnn_field *field, int inputs, int n) {
    int fits = r->input_count == inputs;
    for (int i = 0; fits && i < inputs; i++) {
        bnn_shape samples = field[i].shape;
        samples.n = n;
        fits = bnn_shape_equal(bnn_shape_of(r->graph, r->inputs[i]), samples) &&
               bnn_dtype_of(r->graph, r->inputs[i]) == field[i].dtype;
    }
    return fits;
}

/* Builds the network that the file describes, which must be one for the samples it names. */
static bnn_code build_read(bnn_predictor *p, batch_plan *plan, int n, bnn_error *err) {
    const bnn_inference *r = plan->network = &plan->read;
    const bnn_spec *s = &p->spec;
    bnn_code code = bnn_packed_build(p->path, p->packed, &p->device, n, &plan->read, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_field field[BNN_MAX_FIELDS];
    int inputs;
    bnn_spec_fields(s, field, &inputs);
    int fits =
        reads(r, field, inputs, n) && r->output_count == 1 && r->outputs &&
        bnn_shape_count(bnn_shape_of(r->graph, r->outputs[0])) == (size_t)n * bnn_spec_outputs(s) &&
        bnn_dtype_of(r->graph, r->outputs[0]) == BNN_F32;
    return fits ? BNN_OK
                : bnn_fail(err, BNN_ERR_FORMAT,
                           "%s: its network is not one of %dx%dx%d values and %d classes; the file "
                           "is damaged",
                           p->path, s->channels, s->height, s->width, s->classes);
}

/* As many samples as keep what a layer reads and writes in the threads' caches. A larger batch goes
 * through the network in parts: a map that must come back from memory takes longer than the bits of
 * its filters. */
static size_t samples_at_once(const bnn_predictor *p, const batch_plan *plan) {
    const bnn_graph *graph = plan->network->graph;
    size_t map = 1;
    for (size_t i = 0; i < bnn_graph_tensor_count(graph); i++) {
        bnn_t t = (bnn_t)i;
        if (bnn_role_of(graph, t) == BNN_ROLE_ACTIVATION) {
            size_t bytes = bnn_tensor_bytes(bnn_dtype_of(graph, t), bnn_shape_of(graph, t));
            map = bytes > map ? bytes : map;
        }
    }
    uint64_t cache = p->device.kernels->cache_bytes / 2;
    size_t fit = (size_t)(cache * (uint64_t)plan->batch / map);
    return (fit < 1 ? 1 : fit) * (size_t)p->device.threads;
}

static bnn_code build(bnn_predictor *p, batch_plan *plan, int n, bnn_error *err) {
    bnn_code code = (p->described ? build_read : build_named)(p, plan, n, err);
    if (code == BNN_OK) {
        code = bnn_graph_bind(plan->network->graph, NULL, err);
    }
    if (code != BNN_OK) {
        free_plan(plan);
        return code;
    }
    plan->batch = n;
    p->at_once = p->at_once ? p->at_once : samples_at_once(p, plan);
    return BNN_OK;
}

static bnn_code fill(bnn_predictor *p, batch_plan *plan, bnn_error *err) {
    if (!p->packed) {
        return bnn_fold_evaluate(plan->fold, err);
    }
    bnn_code code = p->sound ? BNN_OK : bnn_packed_check_sum(p->path, p->packed, err);
    p->sound = code == BNN_OK;
    return p->sound ? bnn_packed_fill(p->path, p->packed, plan->network, err) : code;
}

static bnn_code plan_for(bnn_predictor *p, int n, batch_plan **out, bnn_error *err) {
    batch_plan *plan = p->plans[1].batch == n ? &p->plans[1] : &p->plans[0];
    if (plan->batch != n) {
        /* The larger of the two stays. */
        if (plan->batch > n) {
            plan = &p->plans[1];
        }
        free_plan(plan);
        bnn_code code = build(p, plan, n, err);
        if (code != BNN_OK) {
            return code;
        }
    }
    if (!plan->fresh) {
        bnn_code code = fill(p, plan, err);
        if (code != BNN_OK) {
            return code;
        }
        plan->fresh = 1;
    }
    *out = plan;
    return BNN_OK;
}

/* The plan of as many of n samples as go through the network at a time. */
static bnn_code plan_part(bnn_predictor *p, size_t n, batch_plan **out, bnn_error *err) {
    bnn_code code = p->at_once ? BNN_OK : plan_for(p, 1, out, err);
    return code == BNN_OK ? plan_for(p, (int)(n < p->at_once ? n : p->at_once), out, err) : code;
}

bnn_code bnn_predictor_run(bnn_predictor *p, const bnn_batch *batch, float *output,
                           bnn_error *err) {
    bnn_field field[BNN_MAX_FIELDS];
    int inputs;
    const void *data[BNN_MAX_FIELDS];
    batch_plan *plan = NULL;
    bnn_spec_fields(&p->spec, field, &inputs);
    bnn_code code = BNN_OK;
    for (int f = 0; code == BNN_OK && f < inputs; f++) {
        code = bnn_batch_data(batch, &field[f], &data[f], err);
    }
    const size_t outputs = bnn_spec_outputs(&p->spec);
    for (size_t i = 0; code == BNN_OK && i < batch->n; i += (size_t)plan->batch) {
        if ((code = plan_part(p, batch->n - i, &plan, err)) != BNN_OK) {
            break;
        }
        const bnn_inference *network = plan->network;
        for (int f = 0; f < inputs; f++) {
            bnn_graph_set(network->graph, network->inputs[f],
                          (const char *)data[f] + i * bnn_field_bytes(&field[f]));
        }
        bnn_graph_forward(network->graph);
        code = bnn_graph_get(network->graph, network->outputs[0], output + i * outputs, err);
    }
    return code;
}

bnn_code bnn_predictor_network(bnn_predictor *p, int n, const bnn_inference **network,
                               bnn_error *err) {
    batch_plan *plan;
    bnn_code code = plan_part(p, (size_t)n, &plan, err);
    if (code == BNN_OK) {
        *network = plan->network;
    }
    return code;
}

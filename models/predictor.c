#include "models/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "models/files/packed.h"

/* One batch size's network. */
typedef struct batch_plan {
    int batch; /* 0: empty */
    int fresh; /* the constants are those of the parameters */
    bnn_net net;
    bnn_fold *fold;
} batch_plan;

struct bnn_predictor {
    bnn_spec spec;
    bnn_device device;
    bnn_params *params;
    bnn_params *own_params; /* names only, where there is nothing but constants */
    const bnn_st_file *packed;
    const char *path;
    batch_plan plans[2]; /* full batches, and the last of an epoch */
};

static void free_plan(batch_plan *p) {
    bnn_fold_free(p->fold);
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

static bnn_code build(bnn_predictor *p, batch_plan *plan, int n, bnn_error *err) {
    bnn_code code = bnn_net_build(&p->spec, &p->device, p->params, n, 0, &plan->net, err);
    if (code == BNN_OK) {
        code = bnn_fold_create(plan->net.graph, plan->net.input[0], plan->net.output,
                               p->packed != NULL, &plan->fold, err);
    }
    if (code == BNN_OK && p->packed) { /* before memory is taken on its metadata's word */
        code = bnn_packed_check(p->path, p->packed, plan->fold, err);
    }
    if (code == BNN_OK) {
        code = bnn_graph_bind(bnn_fold_graph(plan->fold), NULL, err);
    }
    if (code != BNN_OK) {
        free_plan(plan);
        return code;
    }
    plan->batch = n;
    return BNN_OK;
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
        bnn_code code = p->packed ? bnn_packed_read(p->path, p->packed, plan->fold, err)
                                  : bnn_fold_evaluate(plan->fold, err);
        if (code != BNN_OK) {
            return code;
        }
        plan->fresh = 1;
    }
    *out = plan;
    return BNN_OK;
}

bnn_code bnn_predictor_run(bnn_predictor *p, const bnn_batch *batch, float *output,
                           bnn_error *err) {
    batch_plan *plan;
    const void *data = NULL;
    bnn_code code = plan_for(p, (int)batch->n, &plan, err);
    if (code == BNN_OK) {
        code = bnn_batch_data(batch, &plan->net.field[0], &data, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    bnn_graph *g = bnn_fold_graph(plan->fold);
    bnn_graph_set(g, bnn_fold_input(plan->fold), data);
    bnn_graph_forward(g);
    memcpy(output, bnn_f32(g, bnn_fold_output(plan->fold)),
           batch->n * bnn_spec_outputs(&p->spec) * sizeof(float));
    return BNN_OK;
}

bnn_code bnn_predictor_fold(bnn_predictor *p, int n, const bnn_fold **fold, bnn_error *err) {
    batch_plan *plan;
    bnn_code code = plan_for(p, n, &plan, err);
    if (code == BNN_OK) {
        *fold = plan->fold;
    }
    return code;
}

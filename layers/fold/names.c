/* What the constants of a folded graph are called: a copied parameter has its own name, what is
 * computed from a layer's parameters that layer's, with what it is behind it. */
#include <stdio.h>
#include <string.h>

#include "layers/fold/fold_private.h"

/* The parameter that a constant of the source graph comes from: the first that goes into it. */
static const bnn_param *origin(const bnn_fold *f, bnn_t t) {
    const bnn_node *node;
    while (t >= 0 && !bnn_graph_param_of(f->source, t) &&
           (node = bnn_graph_producer(f->source, t))) {
        t = node->in[0];
    }
    return bnn_graph_param_of(f->source, t);
}

bnn_t bnn_fold_run_origin(const bnn_fold *f, int run, int length) {
    for (int i = run; i < run + length; i++) {
        const bnn_node *node = node_at(f, f->run[i]);
        for (int k = 1; k < node->in_count; k++) {
            if (node->in[k] >= 0) {
                return node->in[k];
            }
        }
    }
    return BNN_NONE;
}

void bnn_fold_name(const bnn_fold *f, bnn_t from, const char *what, char name[BNN_FOLD_NAME]) {
    const bnn_param *param = origin(f, from);
    const char *base = param ? param->name : "constant", *dot = strrchr(base, '.');
    const bnn_node *node = from >= 0 && !what ? bnn_graph_producer(f->source, from) : NULL;
    if (node && bnn_dtype_of(f->source, from) != BNN_B1) {
        what = node->op->name; /* not the parameter itself, nor its signs */
    }
    int length = what && dot ? (int)(dot - base) : (int)strlen(base);
    int used = snprintf(name, BNN_FOLD_NAME - 16, "%.*s%s%s", length, base, what ? "." : "",
                        what ? what : "");
    used = used < BNN_FOLD_NAME - 16 ? used : BNN_FOLD_NAME - 17;
    for (int n = 2; bnn_inference_find(&f->result, name) < f->result.constant_count; n++) {
        snprintf(name + used, 16, ".%d", n);
    }
}

/* The inside of a fold, for its files: fold.c decides on the structure, names.c names the
 * constants, evaluate.c computes them. */
#ifndef BNN_LAYERS_FOLD_FOLD_PRIVATE_H
#define BNN_LAYERS_FOLD_FOLD_PRIVATE_H

#include "layers/fold/fold.h"
#include "layers/ops.h"

/* How a constant of the folded graph comes from the source graph: a copy of a constant tensor, or
 * the coefficients of a run of per-channel nodes, or the threshold such a run leads to. */
typedef enum formula_kind { COPY, COEFFICIENT_A, COEFFICIENT_B, THRESHOLD } formula_kind;

typedef struct formula {
    formula_kind kind;
    bnn_t source; /* COPY: the tensor */
    int run;      /* first node of the run in fold->run */
    int length;
    int bound; /* THRESHOLD: the integers lie in [-bound, bound] */
} formula;

/* A product whose node is not there yet: the sum whose term it is may become its own. */
typedef struct product {
    const bnn_node *node; /* in the source graph; NULL: none is deferred */
    bnn_value x;
    bnn_t w;
    bnn_conv_end end;
} product;

struct bnn_fold {
    bnn_graph *source, *graph; /* the latter is the result's */
    bnn_inference result;
    int thresholds;
    unsigned char *constant, *needed; /* a source tensor's */
    int *uses;
    bnn_t *map;   /* source tensor -> folded tensor */
    int *integer; /* folded value of this source tensor is an integer of at most this magnitude */
    product *deferred;   /* for the sum that reads this source tensor first */
    unsigned char *done; /* a source node's: absorbed by a run */
    int *run;            /* source nodes of all runs, one after the other */
    int run_count;
    formula *formulas; /* of the result's constants */
    size_t formula_capacity;
};

static inline const bnn_node *node_at(const bnn_fold *f, int index) {
    return bnn_graph_node(f->source, (size_t)index);
}

static inline bnn_fold_kind kind_of(const bnn_node *node) {
    return node->op->fold ? node->op->fold->kind : BNN_FOLD_NOT;
}

/* names.c: a name that no constant has, for what is computed from source tensor `from`; `what` it
 * is, or NULL for that tensor itself. */
#define BNN_FOLD_NAME 320
void bnn_fold_name(const bnn_fold *f, bnn_t from, const char *what, char name[BNN_FOLD_NAME]);
/* A constant that goes into a run of nodes, or BNN_NONE. */
bnn_t bnn_fold_run_origin(const bnn_fold *f, int run, int length);

/* evaluate.c: the source graph's parameters are the host's mirror, for who looks at them, or else
 * the device's memory. */
void bnn_fold_place_params(const bnn_fold *f, int mirror);
/* Whether all functions of a run are monotone, so that a threshold can stand for them. */
int bnn_fold_monotone(const bnn_fold *f, int run, int length);

#endif

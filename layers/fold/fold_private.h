/* The inside of a fold, for its two files: fold.c decides on the structure, evaluate.c
 * computes the constants. */
#ifndef BNN_LAYERS_FOLD_FOLD_PRIVATE_H
#define BNN_LAYERS_FOLD_FOLD_PRIVATE_H

#include "layers/fold/fold.h"
#include "layers/ops.h"

/* How a constant of the folded graph comes from the source graph: a copy of a constant tensor, or
 * the coefficients of a run of per-channel nodes, or the threshold such a run leads to. */
typedef enum formula_kind { COPY, COEFFICIENT_A, COEFFICIENT_B, THRESHOLD } formula_kind;

typedef struct formula {
    formula_kind kind;
    bnn_t target; /* in the folded graph */
    bnn_t source; /* COPY: the tensor */
    int run;      /* first node of the run in fold->run */
    int length;
    int bound; /* THRESHOLD: the integers lie in [-bound, bound] */
} formula;

/* A product whose node is not there yet: the sum whose term it is may become its own. */
typedef struct product {
    const bnn_node *node; /* in the source graph; NULL: none is deferred */
    bnn_value x, w;
    bnn_conv_end end;
} product;

struct bnn_fold {
    bnn_graph *source, *graph;
    bnn_t input, output;
    unsigned char *constant, *needed; /* a source tensor's */
    int *uses;
    bnn_t *map;   /* source tensor -> folded tensor */
    int *integer; /* folded value of this source tensor is an integer of at most this magnitude */
    product *deferred;   /* for the sum that reads this source tensor first */
    unsigned char *done; /* a source node's: absorbed by a run */
    int *run;            /* source nodes of all runs, one after the other */
    int run_count;
    formula *formulas;
    size_t formula_count, formula_capacity;
};

static inline const bnn_node *node_at(const bnn_fold *f, int index) {
    return bnn_graph_node(f->source, (size_t)index);
}

static inline int is_clamp(const bnn_node *node) {
    return node->op == &bnn_clamp_op;
}

#endif

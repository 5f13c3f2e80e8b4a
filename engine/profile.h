/* Where the time of a graph's runs goes: seconds and bytes of memory traffic, node by node. A pass
 * of several row-wise nodes is shared out by the time its threads spent on each. */
#ifndef BNN_ENGINE_PROFILE_H
#define BNN_ENGINE_PROFILE_H

#include "engine/graph.h"

typedef enum bnn_cost_kind {
    BNN_COST_FORWARD,
    BNN_COST_RECOMPUTE, /* a forward value computed again for the backward */
    BNN_COST_BACKWARD,
    BNN_COST_KINDS
} bnn_cost_kind;

typedef struct bnn_cost {
    double seconds;
    double
        bytes; /* of tensors in memory read and written; a block's own values are not in memory */
} bnn_cost;

/* Measures every run of the bound graph from now on; freed with the graph. */
bnn_code bnn_profile_start(bnn_graph *graph, bnn_error *err);
/* The sum over all runs; zeros where nothing is measured. */
bnn_cost bnn_profile_cost(const bnn_graph *graph, size_t node, bnn_cost_kind kind);

#endif

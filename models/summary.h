/* What a network consists of, layer by layer: --dry-run's table, and counts for tests. */
#ifndef BNN_MODELS_SUMMARY_H
#define BNN_MODELS_SUMMARY_H

#include "models/model.h"

/* One product: a convolution or linear layer; a table; or an attention. */
typedef struct bnn_layer_row {
    const bnn_param *weight; /* NULL: an attention, which has none */
    bnn_shape input, output; /* of one image */
    size_t parameters;       /* everything called LAYER.* */
    size_t bits;             /* of the weight where it is deployed: 1 or 32 each */
    size_t macs;             /* for one image, of a detector for all regions that it looks at */
    int binary;
} bnn_layer_row;

/* The row of node `index` of a graph for so many images, or 0 if the node is no such thing with
 * weights of its own (FDA's noise maps are parts of their layer). */
int bnn_layer_row_at(const bnn_graph *graph, size_t index, int images, bnn_layer_row *row);

/* What BiBench's theoretical complexity is made of, for one image, of an evaluation graph for one;
 * multiply-accumulates are those
 * of convolutions, linear layers and attention. */
typedef struct bnn_complexity {
    size_t parameters, binary_weights;
    size_t float_parameters; /* that are left when weights are bits and before the scales below */
    size_t macs, binary_macs;
    /* Of the algorithm (bnn_float_cost), over its binary layers: numbers it keeps; multiplications
     * by scales of channels, unless they are folded; other work in float. Sides of length 1 have no
     * scale of their own. */
    size_t kept, scalings, float_work;
} bnn_complexity;

bnn_complexity bnn_complexity_of(const bnn_spec *spec, const bnn_graph *graph);

#endif

/* The inside of a graph, for the files that make one up: graph.c (building), autograd.c, plan.c,
 * exec.c. */
#ifndef BNN_ENGINE_GRAPH_PRIVATE_H
#define BNN_ENGINE_GRAPH_PRIVATE_H

#include "engine/graph.h"

typedef struct bnn_tensor {
    bnn_dtype dtype;
    bnn_shape shape;
    bnn_role role;
    const char *name;       /* inputs */
    const bnn_param *param; /* parameters and buffers */
    int producer;           /* node, or -1 */
    bnn_t scale; /* the value is data times this, channel by channel (op.h), or BNN_NONE */
    int requires_grad, keep, has_grad;
    void *data;
    float *grad;
    int buffer, grad_buffer; /* of the plan, or -1 */
} bnn_tensor;

/* A piece of planned memory, alive from step `first` to step `last` of the schedule: forward nodes
 * 0..n-1, then backward nodes n-1..0 as steps n..2n-1. */
typedef struct bnn_buffer {
    size_t bytes, offset;
    int first, last;
} bnn_buffer;

struct bnn_graph {
    const bnn_kernels *kernels;
    bnn_params *params;
    int training, gradients;
    bnn_error error;
    bnn_arena *arena;
    bnn_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    bnn_node *nodes;
    size_t node_count, node_capacity;
    bnn_t root;
    bnn_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    size_t bytes;
    void *own_memory;
};

/* autograd.c: which nodes run backward, which gradients they want and which add up. */
void bnn_autograd_plan(bnn_graph *graph);
/* plan.c: lifetimes and offsets. */
bnn_code bnn_memory_plan(bnn_graph *graph, bnn_error *err);

#endif

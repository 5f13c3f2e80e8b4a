/* The inside of a graph, for the files that make one up: graph.c (building), autograd.c
 * (gradients), recompute.c and steps.c (what runs when), lifetimes.c and offsets.c (where it lies),
 * exec.c.
 */
#ifndef BNN_ENGINE_GRAPH_PRIVATE_H
#define BNN_ENGINE_GRAPH_PRIVATE_H

#include "engine/profile.h"

typedef struct bnn_tensor {
    bnn_dtype dtype;
    bnn_shape shape;
    bnn_role role;
    const char *name;       /* inputs */
    const bnn_param *param; /* parameters and buffers */
    int producer;           /* node, or -1 */
    bnn_t scale; /* the value is data times this, channel by channel (op.h), or BNN_NONE */
    int requires_grad, keep, has_grad;
    int saved;      /* recompute.c: stays for the backward */
    int recomputed; /* recompute.c: is computed again where it is read row by row once more */
    int restored; /* recompute.c: is computed again, into its memory, before a backward reads all of
                    it */
    int is_restored; /* steps.c: and has been, on the way through the backward */
    int last_read;   /* lifetimes.c, of parameters: the action that reads the value last */
    void *data;
    float *grad;
    int buffer, grad_buffer; /* of the plan, or -1 */
} bnn_tensor;

/* One node's part in one step. */
typedef enum bnn_part { BNN_WHOLE, BNN_REDUCE, BNN_MAP } bnn_part;
typedef struct bnn_action {
    int node, step;
    bnn_part part;
    unsigned char backward;
    unsigned char recomputed; /* a forward whose value comes back for the backward */
    unsigned char restored;   /* and comes to its memory, not to a block's own */
    unsigned char finish;     /* the node's finish runs when the step is done */
} bnn_action;

/* A value or gradient that lives in one step only: in its threads' scratch, a block at a time. */
typedef struct bnn_local {
    bnn_t t;
    int grad;
    size_t offset;
} bnn_local;

/* What runs without a pause: one node over whole tensors, or a pass of row-wise actions. */
typedef struct bnn_step {
    int first, count; /* actions */
    int row_wise;
    size_t rows, c, sample; /* row-wise: of its tensors; rows that must not be parted, or 0 */
    size_t unit, pieces, block_rows;
    const bnn_local *locals;
    int local_count;
} bnn_step;

/* From one action to another; `first` is -1 where there is none. */
typedef struct bnn_life {
    int first, last;
} bnn_life;

/* A buffer of planned memory. What is restored for the backward has a second life, at the same
 * place; `step` is where a local buffer lives, -1 for the others. */
typedef struct bnn_buffer {
    size_t bytes, offset;
    double weight; /* the heaviest are placed first */
    bnn_life life[2];
    int whole; /* touched other than block by block */
    int step;
} bnn_buffer;

/* A value that is computed again in step `step` of the backward. */
typedef struct bnn_recomputation {
    int step, buffer;
    bnn_t t;
} bnn_recomputation;

/* What ends the life of a parameter's gradient: it is handed over (params.h) when step `step` of
 * the backward is done. */
typedef struct bnn_handover {
    const bnn_param *param;
    int step;
    bnn_t t;    /* of the graph, or BNN_NONE: it has no gradient of it, */
    int buffer; /* and zeros are written here */
    float *grad;
} bnn_handover;

struct bnn_graph {
    bnn_stream stream;
    bnn_params *params;
    int training, gradients;
    bnn_error error;
    bnn_arena *arena;
    bnn_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    bnn_node *nodes;
    size_t node_count, node_capacity;
    bnn_t root;
    uint64_t seed, batch, sample; /* bnn_graph_set_random */
    const bnn_comm *statistics;   /* bnn_graph_share_statistics, or NULL */
    bnn_action *actions;
    size_t action_count, action_capacity;
    bnn_step *steps;
    size_t step_count, step_capacity, forward_steps;
    int forward_actions;
    bnn_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    bnn_recomputation *recomputations;
    size_t recomputation_count, recomputation_capacity;
    bnn_local *locals;
    bnn_handover *handovers; /* in the order of steps */
    size_t handover_count, handover_capacity;
    size_t value_count; /* with a root: the parameters' floats when it was compiled */
    size_t scratch_offset, scratch_bytes; /* a thread's blocks of local values */
    size_t bytes;
    void *own_memory;
    unsigned char *scratch;
    bnn_cost *profile;      /* [nodes][BNN_COST_KINDS], or NULL */
    double *action_seconds; /* [threads][actions], of the step that runs */
};

/* Makes room for one more item; 0 where memory is out. */
int bnn_reserve(void **array, size_t *capacity, size_t count, size_t item);

/* A row-wise op has a map or, for a sum alone, a reduce; a view at least in the backward. */
static inline int bnn_row_wise(const bnn_op *op) {
    return op->forward_rows.map != NULL || op->forward_rows.reduce != NULL ||
           op->backward_rows.map != NULL;
}

/* Is in[k], or out[k], read or written row by row? */
static inline int bnn_row_in(const bnn_node *node, int k) {
    return (int)(node->op->row_in >> k & 1);
}
static inline int bnn_row_out(const bnn_node *node, int k) {
    return (int)(node->op->row_out >> k & 1);
}

/* profile.c: seconds since some moment; adds what a step took to its nodes. */
double bnn_profile_clock(void);
void bnn_profile_step(const bnn_graph *graph, const bnn_step *step, double seconds);
/* steps.c: actions and steps of a forward and, where there is a root, a backward. */
int bnn_plan_steps(bnn_graph *graph);
/* recompute.c: sets `saved`, `recomputed` and `restored`. */
int bnn_decide_saved(bnn_graph *graph);
/* Is `t` computed again where a backward reads it row by row? */
int bnn_is_recomputed(const bnn_graph *graph, bnn_t t);

/* autograd.c: which nodes run backward, which gradients they want and which add up. */
void bnn_autograd_plan(bnn_graph *graph);
/* lifetimes.c: lifetimes. */
bnn_code bnn_memory_plan(bnn_graph *graph, bnn_error *err);
/* offsets.c: offsets; 0 where memory is out. */
int bnn_place(bnn_graph *graph);

static inline size_t bnn_aligned(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* The input whose memory `t` is, where a view made it. */
static inline const bnn_tensor *bnn_viewed(const bnn_graph *graph, const bnn_tensor *tensor) {
    const bnn_node *node = tensor->producer < 0 ? NULL : &graph->nodes[tensor->producer];
    return node && node->op->view ? &graph->tensors[node->in[0]] : NULL;
}

/* The buffer of `t` where it is recomputed in `step`, or NULL. */
static inline bnn_recomputation *bnn_recomputation_of(bnn_graph *graph, bnn_t t, int step) {
    for (size_t i = 0; i < graph->recomputation_count; i++) {
        if (graph->recomputations[i].t == t && graph->recomputations[i].step == step) {
            return &graph->recomputations[i];
        }
    }
    return NULL;
}

#endif

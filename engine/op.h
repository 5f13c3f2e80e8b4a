/* An op is one const struct in one file: what it makes, how it computes, how its gradient runs
 * backward. Ops are written once against the kernel table. */
#ifndef BNN_ENGINE_OP_H
#define BNN_ENGINE_OP_H

#include "engine/base/status.h"
#include "engine/tensor.h"

#define BNN_MAX_IN 9
#define BNN_MAX_OUT 4

typedef struct bnn_graph bnn_graph;
typedef struct bnn_op bnn_op;

typedef struct bnn_node {
    const bnn_op *op;
    const void *attr; /* the op's own struct, in the graph's arena */
    size_t attr_bytes;
    int in_count, out_count;
    bnn_t in[BNN_MAX_IN];   /* BNN_NONE for an optional one that is missing */
    bnn_t out[BNN_MAX_OUT]; /* out[0] is the result; others are kept for the backward */
    /* Set by infer: which inputs and outputs the backward reads (bit i), and scratch bytes. */
    uint32_t saved_in, saved_out;
    size_t workspace;
    /* Set by autograd: which inputs want a gradient, and whether it adds to one already there. */
    unsigned char want_grad[BNN_MAX_IN], acc[BNN_MAX_IN];
    int backward; /* out[0]'s gradient exists: backward runs */
    /* Set by the plan: scratch of the forward and of the backward; nothing is kept in it. */
    int ws_buffer, ws_backward_buffer;
    void *ws, *ws_backward;
} bnn_node;

struct bnn_op {
    const char *name;
    /* Checks the inputs, declares outputs (bnn_node_output), what is saved, and workspace. */
    bnn_code (*infer)(bnn_graph *graph, bnn_node *node);
    void (*forward)(const bnn_graph *graph, const bnn_node *node);
    /* NULL only where `detached`: no gradient passes, on purpose (a stop-gradient). */
    void (*backward)(const bnn_graph *graph, const bnn_node *node);
    int detached;
    int in_place; /* out[0] may take in[0]'s memory where nobody reads in[0] afterwards */
    int view;     /* out[0] is in[0]'s memory; in[0] is not an input of the graph */
    /* The result of a binary product is an exact integer times a scale a channel. The scale waits
     * on the tensor (bnn_set_scale) until an op wants it: to an op with `takes_scale` such an input
     * comes as it is; one with `passes_scale` hands it on (a maximum: scales are not negative); for
     * all others the product is made (bnn_unscale_op). A gradient is always that of the value. */
    int takes_scale, passes_scale;
    int grad_in_place; /* in[0]'s gradient may take out[0]'s gradient's memory */
    /* Inference: if with its parameters fixed the node is y = a[c] x + b[c] on in[0], composes that
     * onto a[] and b[] (a' = f a, b' = f b + h) and returns 1; else 0. With a = NULL only answers
     * whether it is. NULL: never. */
    int (*fold)(const bnn_graph *graph, const bnn_node *node, double *a, double *b);
};

/* ---- for infer ---- */
/* Declares the next output. */
void bnn_node_output(bnn_graph *graph, bnn_node *node, bnn_dtype dtype, bnn_shape shape);
bnn_shape bnn_shape_of(const bnn_graph *graph, bnn_t t);
bnn_dtype bnn_dtype_of(const bnn_graph *graph, bnn_t t);
bnn_role bnn_role_of(const bnn_graph *graph, bnn_t t);
/* Will anything ask this graph for a gradient of `t`? */
int bnn_wants_grad(const bnn_graph *graph, bnn_t t);
int bnn_graph_training(const bnn_graph *graph);
/* The scale that waits on `t`, or BNN_NONE. */
bnn_t bnn_scale_of(const bnn_graph *graph, bnn_t t);
/* `t`, or the product with the scale that waits on it: for results that are read from outside. */
bnn_t bnn_graph_value(bnn_graph *graph, bnn_t t);
/* Lets `scale` [1,1,1,C] wait on `t`. */
void bnn_set_scale(bnn_graph *graph, bnn_t t, bnn_t scale);
/* Fails with "OP: text" as the graph's error. */
bnn_code bnn_node_fail(bnn_graph *graph, const bnn_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BNN_SAVED(i) (1u << (i))

/* ---- for forward and backward; NULL for BNN_NONE ---- */
const bnn_kernels *bnn_graph_kernels(const bnn_graph *graph);
float *bnn_f32(const bnn_graph *graph, bnn_t t);
int32_t *bnn_i32(const bnn_graph *graph, bnn_t t);
uint8_t *bnn_u8(const bnn_graph *graph, bnn_t t);
uint64_t *bnn_bits(const bnn_graph *graph, bnn_t t);
float *bnn_grad(const bnn_graph *graph, bnn_t t);

/* ---- for builders ---- */
/* Appends a node; its attr (attr_bytes, may be 0) is copied. Returns out[0], or BNN_NONE and leaves
 * the graph's error. An input that is BNN_NONE after an earlier error is passed through silently.
 */
bnn_t bnn_graph_add(bnn_graph *graph, const bnn_op *op, const void *attr, size_t attr_bytes,
                    int in_count, const bnn_t *in);

/* value = data * scale[c]: what graph_add puts between a scaled tensor and an op that wants the
 * value. */
extern const bnn_op bnn_unscale_op;

#endif

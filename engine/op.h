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
struct bnn_conv_end; /* layers/ops.h */

/* Rows [first, first + rows) of every tensor a row-wise op reads and writes row by row. */
typedef struct bnn_block {
    const bnn_graph *graph;
    size_t first, rows, c;
    size_t piece;   /* sums are kept by piece, so that their order does not depend on threads */
    int reset;      /* the first block of its piece */
    int recomputed; /* a forward value comes back for the backward: only out[0] is written */
    /* Where values live that nobody needs outside this pass; see bnn_block_f32. */
    const struct bnn_step *step;
    unsigned char *scratch;
} bnn_block;

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
    /* Set by the plan: scratch of the forward and of the backward; nothing is kept in it but from
     * a row-wise op's `reduce` to its `map`. */
    int ws_buffer, ws_backward_buffer;
    void *ws, *ws_backward;
} bnn_node;

/* One direction of a row-wise op. `map` computes rows from rows. What it needs to know of all rows
 * beforehand, `reduce` adds up by piece and `finish` puts together. Without `reduce`, a `finish`
 * follows the map, which then has added up sums by piece on its way (gradients of channels). A sum
 * without a map is a result of its own. Each may be NULL. Consecutive row-wise ops run as one pass
 * over their tensors, block by block; what only such neighbours need is never written to memory. */
typedef struct bnn_rows {
    void (*reduce)(const bnn_block *block, const bnn_node *node);
    void (*finish)(const bnn_graph *graph, const bnn_node *node, size_t pieces);
    void (*map)(const bnn_block *block, const bnn_node *node);
} bnn_rows;

/* Most pieces that rows are cut into. */
#define BNN_PIECES 32

/* What a node is to inference, which knows its parameters (layers/fold). */
typedef enum bnn_fold_kind {
    BNN_FOLD_NOT,     /* nothing else: it stays as it is */
    BNN_FOLD_AFFINE,  /* y = a[c] x + b[c] of in[0]: `compose` */
    BNN_FOLD_CHANNEL, /* y = f(c, x) of in[0], any other function of a channel's value: `value` */
    BNN_FOLD_SIGN,    /* bits of in[0] >= 0 */
    BNN_FOLD_SUM,     /* in[0] + in[1] */
    BNN_FOLD_PRODUCT, /* in[0], of scale in[2] or none, with filters in[1] [O,KH,KW,C]: `product` */
} bnn_fold_kind;

typedef struct bnn_fold_rule {
    bnn_fold_kind kind;
    /* Composes itself onto a[] and b[] (a' = f a, b' = f b + h). With a = NULL only answers: 0 if
     * with these inputs it is no affine, 1 if it has factors alone, 2 if it adds something. */
    int (*compose)(const bnn_graph *graph, const bnn_node *node, double *a, double *b);
    /* The float that the kernel makes of x. */
    float (*value)(const bnn_graph *graph, const bnn_node *node, int channel, float x);
    /* Whether that only rises or only falls with x, in every channel: what a threshold may stand
     * for. NULL: whatever its parameters. Else it reads them; 0 where they are not there yet. */
    int (*monotone)(const bnn_graph *graph, const bnn_node *node);
    /* Becomes a product's end; 0 if it cannot. NULL: never. */
    int (*end)(const bnn_node *node, struct bnn_conv_end *end);
    /* Appends this product of other operands, with an end. */
    bnn_t (*product)(bnn_graph *graph, const bnn_node *node, const bnn_t in[3],
                     const struct bnn_conv_end *end);
    /* Of any kind: each value is one of an input's, or 0, so that integers stay integers. */
    int selects;
    /* Of a channel's function: the sign of its value is that of x. In front of a sign it is
     * nothing. */
    int keeps_sign;
    /* Of any kind: the result is integers of at most this magnitude. NULL: it need not be. */
    int (*integers)(const bnn_graph *graph, const bnn_node *node);
    /* Of any kind: how many of the first values of input k it reads. NULL: all. */
    int (*used)(const bnn_graph *graph, const bnn_node *node, int k);
} bnn_fold_rule;

/* How a node of this op is told in a file (models/files/packed.h). */
typedef enum bnn_op_field_type { BNN_FIELD_INT, BNN_FIELD_SIZE, BNN_FIELD_FLOAT } bnn_op_field_type;

typedef struct bnn_op_field {
    const char *name; /* NULL ends a list */
    bnn_op_field_type type;
    size_t offset;   /* in the op's attr: an int, size_t or float */
    float otherwise; /* its value where the file leaves it out */
    int by_batch;    /* so many times the batch's size; a file tells it for one sample */
} bnn_op_field;

/* What is not told is 0 in the attr, and missing among the inputs. */
typedef struct bnn_form {
    const bnn_op_field *fields; /* or NULL */
    size_t attr_bytes;
    int in_count; /* with `any_count` the most there may be */
    int any_count;
    uint32_t optional;             /* inputs (bit i) that may be missing */
    uint32_t left_out_ones;        /* of these, those that a file leaves out if all values are 1 */
    uint32_t in_types[BNN_MAX_IN]; /* bits of bnn_dtype; 0: the node makes this input itself */
} bnn_form;

struct bnn_op {
    const char *name;
    /* Checks the inputs, declares outputs (bnn_node_output), what is saved, and workspace. */
    bnn_code (*infer)(bnn_graph *graph, bnn_node *node);
    /* Over whole tensors... */
    void (*forward)(const bnn_graph *graph, const bnn_node *node);
    void (*backward)(const bnn_graph *graph, const bnn_node *node);
    /* ...or row-wise: in[0], and the inputs and outputs of these masks (bit i), have as many values
     * in the same order, and a row of in[0]'s needs no other row. */
    bnn_rows forward_rows, backward_rows;
    uint32_t row_in, row_out;
    int by_sample; /* its sums are of samples: a sample is in one piece */
    /* Over whole tensors: how many multiplications of floats a value of its result takes, beside
     * which other ops are cheap (compile/recompute.c); one with few may run again for a backward.
     * 0, or NULL: others' time does not count beside its own. */
    double (*multiplications)(const bnn_graph *graph, const bnn_node *node);
    /* A backward, of either kind, is missing only where no gradient passes, on purpose. */
    int detached;
    int in_place; /* out[0] may take in[0]'s memory where nobody reads in[0] afterwards */
    int view;     /* out[0] is in[0]'s memory; in[0] is not an input of the graph */
    /* The result of a binary product is an exact integer times a scale a channel. The scale is
     * deferred (bnn_defer_scale) until an op wants it: to an op with `takes_scale` such an
     * input comes as it is, I16 or F32; one with `passes_scale` hands it on (a maximum: scales are
     * not negative, unless they are learned, which it does not hand on); for all others the product
     * is made (bnn_unscale_op). A gradient is always that of the value. */
    int takes_scale, passes_scale;
    uint32_t detached_in;      /* inputs (bit i) that get no gradient from here: deferred scales */
    int takes_integers;        /* in[0] may be I16, without a deferred scale */
    int grad_in_place;         /* in[0]'s gradient may take out[0]'s gradient's memory */
    const bnn_fold_rule *fold; /* NULL: BNN_FOLD_NOT */
    const bnn_form *form;      /* NULL: never in a folded graph, and in no file */
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
/* The ranks that batch norms have statistics of (graph.h), or NULL: of this graph's batch alone. */
const struct bnn_comm *bnn_graph_statistics(const bnn_graph *graph);
/* The deferred scale of `t`, or BNN_NONE. */
bnn_t bnn_deferred_scale(const bnn_graph *graph, bnn_t t);
/* `t`, or times its deferred scale: for results that are read from outside. */
bnn_t bnn_graph_value(bnn_graph *graph, bnn_t t);
/* From now on the value of `t` is its data times `scale` [1,1,1,C]. */
void bnn_defer_scale(bnn_graph *graph, bnn_t t, bnn_t scale);
/* Fails with "OP: text" as the graph's error. */
bnn_code bnn_node_fail(bnn_graph *graph, const bnn_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BNN_BIT(i) (1u << (i))
#define BNN_SAVED(i) BNN_BIT(i)
/* Can the samples' rows be cut into so many equal groups of consecutive rows? (by_sample) */
static inline int bnn_groups_fit(bnn_shape s, int groups) {
    size_t rows = bnn_shape_rows(s), sample = (size_t)s.h * (size_t)s.w;
    return groups > 0 && rows % (size_t)groups == 0 && sample % (rows / (size_t)groups) == 0;
}

/* ---- for forward and backward; NULL for BNN_NONE ---- */
const bnn_kernels *bnn_graph_kernels(const bnn_graph *graph);
const bnn_device *bnn_graph_device(const bnn_graph *graph);
/* Every kernel's first argument. */
const bnn_stream *bnn_graph_stream(const bnn_graph *graph);
/* Of random numbers that are this site's alone, in this run of the graph (graph.h). */
bnn_random bnn_graph_random(const bnn_graph *graph, uint64_t site);
float *bnn_f32(const bnn_graph *graph, bnn_t t);
int16_t *bnn_i16(const bnn_graph *graph, bnn_t t);
int32_t *bnn_i32(const bnn_graph *graph, bnn_t t);
uint8_t *bnn_u8(const bnn_graph *graph, bnn_t t);
uint64_t *bnn_bits(const bnn_graph *graph, bnn_t t);
double *bnn_f64(const bnn_graph *graph, bnn_t t);
/* A parameter's only until it is handed over (params.h). */
float *bnn_grad(const bnn_graph *graph, bnn_t t);

/* ---- for row-wise ops: a block's first row, wherever it lives; NULL for BNN_NONE ---- */
float *bnn_block_f32(const bnn_block *block, bnn_t t);
bnn_numbers bnn_block_numbers(const bnn_block *block, bnn_t t); /* F32 or I16 */
uint64_t *bnn_block_bits(const bnn_block *block, bnn_t t);      /* B1 or PLANE */
float *bnn_block_grad(const bnn_block *block, bnn_t t);

/* ---- for builders ---- */
/* Appends a node; its attr (attr_bytes, may be 0) is copied. Returns out[0], or BNN_NONE and leaves
 * the graph's error. An input that is BNN_NONE after an earlier error is passed through silently.
 */
bnn_t bnn_graph_add(bnn_graph *graph, const bnn_op *op, const void *attr, size_t attr_bytes,
                    int in_count, const bnn_t *in);

/* value = data * scale[c] in float: what graph_add puts between the result of a binary product and
 * an op that wants the value. */
extern const bnn_op bnn_unscale_op;
/* x times channels[c] and the factor of its row, one for every rows(x) / count(rows) of them;
 * either may be BNN_NONE. A factor of rows is for integers only. */
bnn_t bnn_op_unscale(bnn_graph *graph, bnn_t x, bnn_t channels, bnn_t rows);

#endif

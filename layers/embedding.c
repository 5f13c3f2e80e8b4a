/* Rows of a table: a token's by its id, or a position's. The table is floats, or bits with a factor
 * a row. */
#include "layers/ops.h"

enum { TABLE, IDS, SCALE };

typedef struct embedding_attr {
    int positions; /* the row is the token's number in its sample, whatever its id */
    int padding;   /* this row gets no gradient; -1: each does */
} embedding_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const embedding_attr *a = node->attr;
    bnn_shape table = bnn_shape_of(g, node->in[TABLE]), s = bnn_shape_of(g, node->in[IDS]);
    size_t rows = bnn_shape_rows(table),
           factors = bnn_shape_count(bnn_shape_of(g, node->in[SCALE]));
    if (s.c != 1 || s.h != 1) {
        return bnn_node_fail(g, node, "of ids [%d,%d,%d,%d]", s.n, s.h, s.w, s.c);
    }
    if (a->positions && (size_t)s.w > rows) {
        return bnn_node_fail(g, node, "%d tokens, but only %zu positions", s.w, rows);
    }
    if (node->in[SCALE] >= 0 && factors != rows) {
        return bnn_node_fail(g, node, "%zu scales for %zu rows", factors, rows);
    }
    s.c = table.c;
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = a->positions ? 0 : BNN_SAVED(IDS);
    return BNN_OK;
}

static const int32_t *ids(const bnn_graph *g, const bnn_node *node) {
    return ((const embedding_attr *)node->attr)->positions ? NULL : bnn_i32(g, node->in[IDS]);
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape table = bnn_shape_of(g, node->in[TABLE]), y = bnn_shape_of(g, node->out[0]);
    int bits = bnn_dtype_of(g, node->in[TABLE]) == BNN_B1;
    bnn_operand rows = {.f32 = bits ? NULL : bnn_f32(g, node->in[TABLE]),
                        .b1 = bits ? bnn_bits(g, node->in[TABLE]) : NULL,
                        .scale = bnn_f32(g, node->in[SCALE]),
                        .rows_per_scale = 1};
    bnn_graph_kernels(g)->table_rows(bnn_graph_stream(g), bnn_shape_rows(y), (size_t)y.c, &rows,
                                     bnn_shape_rows(table), ids(g, node), (size_t)y.w,
                                     bnn_f32(g, node->out[0]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const embedding_attr *a = node->attr;
    bnn_shape table = bnn_shape_of(g, node->in[TABLE]), y = bnn_shape_of(g, node->out[0]);
    bnn_graph_kernels(g)->table_rows_backward(bnn_graph_stream(g), bnn_shape_rows(y), (size_t)y.c,
                                              bnn_grad(g, node->out[0]), bnn_shape_rows(table),
                                              ids(g, node), (size_t)y.w,
                                              a->padding < 0 ? SIZE_MAX : (size_t)a->padding,
                                              bnn_grad(g, node->in[TABLE]), node->acc[TABLE]);
}

static const bnn_op_field fields[] = {
    {"positions", BNN_FIELD_INT, offsetof(embedding_attr, positions), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields,
    .attr_bytes = sizeof(embedding_attr),
    .in_count = 3,
    .optional = BNN_BIT(SCALE),
    .in_types = {BNN_BIT(BNN_F32) | BNN_BIT(BNN_B1), BNN_BIT(BNN_I32), BNN_BIT(BNN_F32)},
};

const bnn_op bnn_embedding_op = {.name = "embedding",
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .detached_in = BNN_BIT(SCALE),
                                 .form = &form};

bnn_t bnn_op_embedding(bnn_graph *g, bnn_value table, bnn_t ids, int positions, int padding) {
    embedding_attr attr = {positions, padding};
    return bnn_graph_add(g, &bnn_embedding_op, &attr, sizeof attr, 3,
                         (bnn_t[]){table.t, ids, table.scale});
}

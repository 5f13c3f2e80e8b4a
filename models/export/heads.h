/* A detector for another engine: what it says of its anchors is the network's work, and exported.
 * What becomes of that (boxes of anchors and deltas, the best of them, none of which lie upon each
 * other) is the work of whoever runs it (heads_json.h). */
#ifndef BNN_MODELS_EXPORT_HEADS_H
#define BNN_MODELS_EXPORT_HEADS_H

#include "engine/op.h"
#include "models/export/export.h"

enum { BNN_HEADS = 2 };
/* "logits" [N,P,C] and "deltas" [N,P,4], of P anchors. */
extern const char *const bnn_head_names[BNN_HEADS];

/* How an exported stage ends in the network that it is taken from. */
typedef struct bnn_heads {
    const bnn_node *nms, *decode;
    int softmax; /* scores are made of all logits; else of each one alone, by a sigmoid */
    bnn_t output[BNN_HEADS];
} bnn_heads;

/* Of the request's only stage, or if that is asked for of the first of two. An error says what
 * cannot be exported. */
bnn_code bnn_heads_find(const bnn_export_request *request, bnn_heads *heads, bnn_error *err);
/* The node that makes the tensor, if it is of this op; else NULL. */
const bnn_node *bnn_heads_maker(const bnn_graph *g, bnn_t t, const bnn_op *op);
/* Refuses a network that no builder makes. */
bnn_code bnn_heads_strange(const bnn_export_request *request, bnn_error *err);

#endif

/* A detector for another engine: what it says of its anchors is the network's work, and exported.
 * What becomes of that (boxes of anchors and deltas, the best of them, none of which lie upon each
 * other) is the work of whoever runs it, for whom a JSON file beside the model says how; the
 * fields of that are in docs/guide.md, and tools/export/heads.py computes with them. */
#ifndef BNN_MODELS_EXPORT_HEADS_H
#define BNN_MODELS_EXPORT_HEADS_H

#include "models/export/translate.h"

enum { BNN_HEADS = 2 };
/* "logits" [N,P,C] and "deltas" [N,P,4], of P anchors. */
extern const char *const bnn_head_names[BNN_HEADS];

/* The tensors of the request's network that they are: of its only stage, or if that is asked for of
 * the first of two. An error says what cannot be exported. */
bnn_code bnn_heads_find(const bnn_export_request *request, bnn_t heads[BNN_HEADS], bnn_error *err);

/* Writes what whoever runs the model needs to know beside `path` (bnn_export_beside), which is
 * written afterwards. */
bnn_code bnn_heads_write(const bnn_translation *t, const bnn_export_format *format,
                         const char *path);

#endif

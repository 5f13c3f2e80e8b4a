/* From an evaluation graph to the graph that inference runs: what depends on parameters alone is
 * computed once (signs of weights are bits, scales and batch norms an affine a channel), and behind
 * a binary product whatever leads to the next sign becomes an integer threshold.
 *
 * Evaluation of a checkpoint and of a packed file both run a folded graph, with the same floating
 * point operations in the same order; thresholds are found by asking those operations, integer by
 * integer, so the two agree bit for bit. What an op is to folding it says itself (op.h,
 * bnn_fold_rule). Folding looks at structure only, and at values only where an op asks whether it
 * is monotone. */
#ifndef BNN_LAYERS_FOLD_FOLD_H
#define BNN_LAYERS_FOLD_FOLD_H

#include "layers/fold/inference.h"

typedef struct bnn_fold bnn_fold;

/* Folds `source` (not training) between its inputs and `outputs`. `source` must outlive the fold if
 * it is ever evaluated; with `thresholds` its parameters have their values, where there are any.
 * The folded graph is compiled, not bound. */
bnn_code bnn_fold_create(bnn_graph *source, int input_count, const bnn_t *inputs, int output_count,
                         const bnn_t *outputs, int thresholds, bnn_fold **out, bnn_error *err);
void bnn_fold_free(bnn_fold *fold); /* NULL is fine; frees the folded graph */

/* The folded network, whose constants have no values yet. */
const bnn_inference *bnn_fold_result(const bnn_fold *fold);
bnn_graph *bnn_fold_graph(const bnn_fold *fold);

/* Computes all constants from the parameters behind `source`, whose mirror is as they are; the
 * folded graph is bound. */
bnn_code bnn_fold_evaluate(bnn_fold *fold, bnn_error *err);

#endif

/* From an evaluation graph to the graph that inference runs: what depends on parameters alone is
 * computed once (signs of weights are bits, scales and batch norms an affine a channel), and behind
 * a binary product whatever leads to the next sign becomes an integer threshold.
 *
 * Evaluation of a checkpoint and of a packed file both run a folded graph, with the same floating
 * point operations in the same order; thresholds are found by asking those operations, integer by
 * integer, so the two agree bit for bit. Folding looks at structure only, never at values: a packed
 * file's loader folds the same (empty) network and fills in the constants. */
#ifndef BNN_LAYERS_FOLD_FOLD_H
#define BNN_LAYERS_FOLD_FOLD_H

#include "engine/graph.h"

typedef struct bnn_fold bnn_fold;

/* Folds `source` (not training) between its input and `output`. `source` must outlive the fold if
 * it is ever evaluated. The folded graph is compiled, not bound. */
bnn_code bnn_fold_create(bnn_graph *source, bnn_t input, bnn_t output, int thresholds,
                         bnn_fold **out, bnn_error *err);
void bnn_fold_free(bnn_fold *fold); /* NULL is fine; frees the folded graph */

bnn_graph *bnn_fold_graph(const bnn_fold *fold);
bnn_t bnn_fold_input(const bnn_fold *fold);
bnn_t bnn_fold_output(const bnn_fold *fold);

/* The constants of the folded graph, in a fixed order: F32, I32 (thresholds) or B1 (filters). */
size_t bnn_fold_constant_count(const bnn_fold *fold);
bnn_t bnn_fold_constant(const bnn_fold *fold, size_t index);

/* Computes all constants from the parameters behind `source`; the folded graph is bound. */
bnn_code bnn_fold_evaluate(bnn_fold *fold, bnn_error *err);

#endif

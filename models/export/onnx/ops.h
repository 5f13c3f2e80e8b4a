/* The translators of single nodes, for the table in onnx.c. Each appends what the node is in ONNX
 * and puts its result where the next ones find it. */
#ifndef BNN_MODELS_EXPORT_ONNX_OPS_H
#define BNN_MODELS_EXPORT_ONNX_OPS_H

#include "models/export/onnx/graph.h"

typedef bnn_code bnn_onnx_translate(bnn_onnx *o, const bnn_node *node);

/* product.c: products, and what an XNOR network knows of their inputs */
bnn_onnx_translate bnn_onnx_conv, bnn_onnx_batch_product, bnn_onnx_abs_mean;
/* channel.c: value by value, channel by channel */
bnn_onnx_translate bnn_onnx_affine, bnn_onnx_add, bnn_onnx_clamp, bnn_onnx_sign, bnn_onnx_threshold,
    bnn_onnx_prelu, bnn_onnx_outer_scale, bnn_onnx_l2_norm;
/* place.c: pools, and values that only change their place */
bnn_onnx_translate bnn_onnx_max_pool, bnn_onnx_global_avg_pool, bnn_onnx_global_max_pool,
    bnn_onnx_reshape_node, bnn_onnx_move, bnn_onnx_concat, bnn_onnx_diagonal;

/* text.c: tokens, [N,C,1,T] */
bnn_onnx_translate bnn_onnx_embedding, bnn_onnx_layer_norm, bnn_onnx_gelu, bnn_onnx_tanh,
    bnn_onnx_attention, bnn_onnx_bi_attention;

/* What a constant is called in the file the network comes from. */
const char *bnn_onnx_name(const bnn_onnx *o, bnn_t constant);

#endif

/* The kernel table of this folder: each file fills in its entries, by the function that is named
 * here. */
#ifndef BNN_CUDA_TABLE_H
#define BNN_CUDA_TABLE_H

#include "engine/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif
void bnn_cuda_rows(bnn_kernels *table);
void bnn_cuda_norm(bnn_kernels *table);
void bnn_cuda_groups(bnn_kernels *table);
void bnn_cuda_outer(bnn_kernels *table);
void bnn_cuda_text(bnn_kernels *table);
void bnn_cuda_attention(bnn_kernels *table);
void bnn_cuda_bi_attention(bnn_kernels *table);
void bnn_cuda_pool(bnn_kernels *table);
void bnn_cuda_losses(bnn_kernels *table);
void bnn_cuda_detect(bnn_kernels *table);
void bnn_cuda_boxes(bnn_kernels *table);
void bnn_cuda_match(bnn_kernels *table);
void bnn_cuda_optimizers(bnn_kernels *table);
void bnn_cuda_conv(bnn_kernels *table);

/* How exact products of floats are to be on a stream. */
bnn_precision bnn_cuda_precision(const bnn_stream *stream);

/* All of them. `name` is the table's. */
void bnn_cuda_table(bnn_kernels *table, const char *name);
#ifdef __cplusplus
}
#endif

#endif

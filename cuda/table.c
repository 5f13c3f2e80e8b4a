#include "cuda/table.h"

#include <string.h>

#include "engine/device.h"

/* The caller's thread gives the device its work, piece after piece. */
static void for_each(const bnn_stream *stream, size_t count,
                     void (*body)(void *context, size_t i, int worker), void *context) {
    (void)stream;
    for (size_t i = 0; i < count; i++) {
        body(context, i, 0);
    }
}

bnn_precision bnn_cuda_precision(const bnn_stream *stream) {
    return stream->device.precision;
}

void bnn_cuda_table(bnn_kernels *table, const char *name) {
    memset(table, 0, sizeof *table);
    table->name = name;
    table->block_values = (size_t)1 << 40; /* all rows are one block: one launch a kernel */
    table->cache_bytes = (size_t)1 << 30;
    table->for_each = for_each;
    bnn_cuda_rows(table);
    bnn_cuda_norm(table);
    bnn_cuda_groups(table);
    bnn_cuda_outer(table);
    bnn_cuda_text(table);
    bnn_cuda_attention(table);
    bnn_cuda_bi_attention(table);
    bnn_cuda_pool(table);
    bnn_cuda_losses(table);
    bnn_cuda_detect(table);
    bnn_cuda_boxes(table);
    bnn_cuda_match(table);
    bnn_cuda_optimizers(table);
    bnn_cuda_conv(table);
}

/* The products to measure: the binary convolutions of a network, each shape once; small products of
 * all networks. */
#ifndef BNN_TOOLS_BENCH_SHAPES_H
#define BNN_TOOLS_BENCH_SHAPES_H

#include "tools/bench/bench.h"

#define BNN_BENCH_SHAPES 64

/* One image size (0: what the network sees has no other than its own) and batch size. */
typedef struct bnn_bench_setting {
    int image_size, batch_size;
} bnn_bench_setting;

/* What was chosen; if nothing was, what the products are judged by: CIFAR's images by the batch,
 * one large image. Returns how many. */
size_t bnn_bench_settings(const bnn_bench *bench, bnn_bench_setting out[2]);

/* In the network's order; at most BNN_BENCH_SHAPES. */
bnn_code bnn_bench_shapes(const bnn_bench *bench, bnn_bench_setting setting,
                          bnn_conv out[BNN_BENCH_SHAPES], size_t *count, bnn_error *err);

/* If no size was chosen: where a fixed cost of a product counts. The same limit. Returns how many.
 */
size_t bnn_bench_small_shapes(const bnn_bench *bench, bnn_conv out[BNN_BENCH_SHAPES]);

/* If no size was chosen: large square products, for GPUs. The same limit. Returns how many. */
size_t bnn_bench_square_shapes(const bnn_bench *bench, bnn_conv out[BNN_BENCH_SHAPES]);

/* "3x3 64->128 /2 at 32x32 batch 64": kernel, channels, stride, input; "linear 512->10 batch 64".
 */
void bnn_bench_shape_text(const bnn_conv *s, char *text, size_t size);

#endif

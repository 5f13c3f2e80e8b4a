#include "tools/bench/shapes.h"

#include <stdio.h>
#include <string.h>

#include "models/summary.h"

size_t bnn_bench_settings(const bnn_bench *bench, bnn_bench_setting out[2]) {
    int images = strcmp(bench->arch->inputs[0], "image") == 0;
    if (bench->image_size || bench->batch_size || !images) {
        out[0].image_size = bench->image_size || !images ? bench->image_size : 32;
        out[0].batch_size = bench->batch_size ? bench->batch_size : 64;
        return 1;
    }
    out[0] = (bnn_bench_setting){.image_size = 32, .batch_size = 64};
    out[1] = (bnn_bench_setting){.image_size = 224, .batch_size = 1};
    return 2;
}

static void add_once(const bnn_conv *shape, bnn_conv *list, size_t *count) {
    for (size_t i = 0; i < *count; i++) {
        if (memcmp(shape, &list[i], sizeof *shape) == 0) {
            return;
        }
    }
    if (*count < BNN_BENCH_SHAPES) {
        list[(*count)++] = *shape;
    }
}

bnn_code bnn_bench_shapes(const bnn_bench *bench, bnn_bench_setting setting,
                          bnn_conv out[BNN_BENCH_SHAPES], size_t *count, bnn_error *err) {
    bnn_bench sized = *bench;
    bnn_spec spec;
    bnn_net net = {0};
    sized.image_size = setting.image_size;
    *count = 0;
    bnn_params *params = bnn_params_create();
    bnn_code code = params ? bnn_bench_spec(&sized, bnn_binarizers[0]->name, &spec, err)
                           : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the network");
    if (code == BNN_OK) {
        code = bnn_net_build(&spec, &bench->device, params, setting.batch_size, 0, &net, err);
    }
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(net.graph); i++) {
        bnn_layer_row row;
        const bnn_node *node = bnn_graph_node(net.graph, i);
        if (node->op == &bnn_conv_op && bnn_layer_row_at(net.graph, i, setting.batch_size, &row) &&
            row.binary) {
            bnn_conv shape = bnn_conv_of(net.graph, node);
            add_once(&shape, out, count);
        }
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return code;
}

/* Input, filters and the rest of a product that pads to as many pixels as there are, by stride. */
static bnn_conv same_size(int n, int h, int w, int c, int o, int kh, int kw, int stride,
                          int groups) {
    int stride_h = h > 1 ? stride : 1;
    return (bnn_conv){.n = n,
                      .h = h,
                      .w = w,
                      .c = c,
                      .o = o,
                      .kh = kh,
                      .kw = kw,
                      .oh = (h - 1) / stride_h + 1,
                      .ow = (w - 1) / stride + 1,
                      .stride_h = stride_h,
                      .stride_w = stride,
                      .pad_h = kh / 2,
                      .pad_w = kw / 2,
                      .dil_h = 1,
                      .dil_w = 1,
                      .groups = groups};
}

/* Nobody chose a size. */
static int unsized(const bnn_bench *bench) {
    return !bench->image_size && !bench->batch_size && !bench->points && !bench->length;
}

size_t bnn_bench_square_shapes(const bnn_bench *bench, bnn_conv out[BNN_BENCH_SHAPES]) {
    size_t count = 0;
    for (int side = 1024; side <= 8192 && unsized(bench); side *= 2) {
        out[count++] = same_size(side, 1, 1, side, side, 1, 1, 1, 1);
    }
    return count;
}

size_t bnn_bench_small_shapes(const bnn_bench *bench, bnn_conv out[BNN_BENCH_SHAPES]) {
    const bnn_conv shapes[] = {
        /* Linear layers: of one sample, of few, and with few outputs. */
        same_size(1, 1, 1, 512, 1000, 1, 1, 1, 1),
        same_size(1, 1, 1, 1024, 512, 1, 1, 1, 1),
        same_size(1, 1, 1, 128, 10, 1, 1, 1, 1),
        same_size(1, 1, 1, 256, 40, 1, 1, 1, 1),
        same_size(8, 1, 1, 512, 512, 1, 1, 1, 1),
        same_size(32, 1, 1, 512, 256, 1, 1, 1, 1),
        same_size(64, 1, 1, 512, 10, 1, 1, 1, 1),
        same_size(64, 1, 1, 1024, 3, 1, 1, 1, 1),
        /* One image in ResNet-18, and its shortcuts. */
        same_size(1, 32, 32, 64, 64, 3, 3, 1, 1),
        same_size(1, 8, 8, 256, 256, 3, 3, 1, 1),
        same_size(1, 4, 4, 512, 512, 3, 3, 1, 1),
        same_size(1, 32, 32, 64, 128, 1, 1, 2, 1),
        same_size(1, 8, 8, 256, 512, 1, 1, 2, 1),
        /* One cloud in PointNet. */
        same_size(1, 1, 1024, 64, 128, 1, 1, 1, 1),
        /* One word: the memories and the dense layers of FSMN and Deep-FSMN. */
        same_size(1, 1, 32, 128, 256, 1, 7, 1, 128),
        same_size(1, 1, 8, 128, 128, 1, 5, 1, 128),
        same_size(1, 1, 32, 256, 128, 1, 1, 1, 1),
        same_size(1, 1, 8, 128, 256, 1, 1, 1, 1),
    };
    if (!unsized(bench)) {
        return 0;
    }
    memcpy(out, shapes, sizeof shapes);
    return sizeof shapes / sizeof *shapes;
}

void bnn_bench_shape_text(const bnn_conv *s, char *text, size_t size) {
    char stride[16] = "", groups[24] = "";
    if (s->h * s->w * s->kh * s->kw == 1) {
        snprintf(text, size, "linear %d->%d batch %d", s->c, s->o, s->n);
        return;
    }
    if (s->stride_h > 1) {
        snprintf(stride, sizeof stride, "/%d ", s->stride_h);
    }
    if (s->groups > 1) {
        snprintf(groups, sizeof groups, "groups %d ", s->groups);
    }
    snprintf(text, size, "%dx%d %d->%d %s%sat %dx%d batch %d", s->kh, s->kw, s->c, s->o, groups,
             stride, s->h, s->w, s->n);
}

#include "tools/bench/shapes.h"

#include <stdio.h>
#include <string.h>

#include "models/summary.h"

size_t bnn_bench_settings(const bnn_bench *bench, bnn_bench_setting out[2]) {
    int images = strcmp(bench->arch->input, "image") == 0;
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
        if (bnn_layer_row_at(net.graph, i, &row) && row.binary) {
            bnn_conv shape = bnn_conv_of(net.graph, bnn_graph_node(net.graph, i));
            add_once(&shape, out, count);
        }
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return code;
}

void bnn_bench_shape_text(const bnn_conv *s, char *text, size_t size) {
    char stride[16] = "";
    if (s->stride_h > 1) {
        snprintf(stride, sizeof stride, "/%d ", s->stride_h);
    }
    snprintf(text, size, "%dx%d %d->%d %sat %dx%d batch %d", s->kh, s->kw, s->c, s->o, stride, s->h,
             s->w, s->n);
}

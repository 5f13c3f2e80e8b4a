/* Floats as halves: rounded here, once, so that all formats hold the same network. */
#include <math.h>
#include <stdlib.h>

#include "engine/base/half.h"
#include "layers/ops.h"
#include "models/export/export.h"

static bnn_code round_constant(const bnn_graph *g, const bnn_constant *c, bnn_error *err) {
    const size_t count = bnn_shape_count(bnn_shape_of(g, c->t));
    float *values = bnn_alloc_aligned(count * sizeof *values);
    bnn_code code = values ? bnn_graph_get(g, c->t, values, err)
                           : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the constants");
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        const float half = bnn_half_value(bnn_half_of(values[i]));
        if (!isfinite(half)) {
            code = bnn_fail(err, BNN_ERR_UNSUPPORTED,
                            "%s: %g is beyond the range of half precision (65504); export without "
                            "--float16",
                            c->name, (double)values[i]);
        }
        values[i] = half;
    }
    code = code == BNN_OK ? bnn_graph_put(g, c->t, values, err) : code;
    free(values);
    return code;
}

bnn_code bnn_export_round(const bnn_inference *network, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        if (bnn_dtype_of(network->graph, network->constants[i].t) == BNN_F32) {
            code = round_constant(network->graph, &network->constants[i], err);
        }
    }
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(network->graph);
    }
    return code;
}

/* Packed files of version 1: what the slices are, only the order of folding says. */
#include <string.h>

#include "layers/ops.h"
#include "models/files/packed_private.h"

enum { BITS, FLOATS, THRESHOLDS, KINDS };

static const char *const names[KINDS] = {"bits", "floats", "thresholds"};
static const bnn_dtype kinds[KINDS] = {BNN_B1, BNN_F32, BNN_I32};

static int kind_of(const bnn_inference *network, size_t index) {
    int kind = 0;
    while (kinds[kind] != bnn_dtype_of(network->graph, network->constants[index].t)) {
        kind++;
    }
    return kind;
}

static size_t items_of(const bnn_inference *network, size_t index) {
    bnn_t t = network->constants[index].t;
    return bnn_packed_items(bnn_dtype_of(network->graph, t),
                            bnn_shape_count(bnn_shape_of(network->graph, t)));
}

static bnn_code find_data(const char *path, const bnn_st_file *file, const bnn_inference *network,
                          const unsigned char *data[KINDS], bnn_error *err) {
    size_t total[KINDS] = {0};
    for (size_t i = 0; i < network->constant_count; i++) {
        total[kind_of(network, i)] += items_of(network, i);
    }
    for (int k = 0; k < KINDS; k++) {
        const bnn_st_tensor *t = bnn_st_find(file, names[k]);
        if (!t || t->dtype != bnn_packed_type_of(kinds[k])->stored || t->count != total[k]) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: tensor '%s' %s; the file is damaged, or of another version", path,
                            names[k], t ? "does not fit the network it names" : "is missing");
        }
        data[k] = t->data;
    }
    return BNN_OK;
}

bnn_code bnn_packed_1_check(const char *path, const bnn_st_file *file, const bnn_inference *network,
                            bnn_error *err) {
    const unsigned char *data[KINDS];
    return find_data(path, file, network, data, err);
}

bnn_code bnn_packed_1_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                           bnn_error *err) {
    const unsigned char *data[KINDS];
    bnn_code code = find_data(path, file, network, data, err);
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        int kind = kind_of(network, i);
        code = bnn_packed_set(path, names[kind], data[kind], network->graph,
                              network->constants[i].t, err);
        data[kind] +=
            items_of(network, i) * bnn_st_dtype_bytes(bnn_packed_type_of(kinds[kind])->stored);
    }
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(network->graph);
    }
    return code;
}

/* The constants of packed files of versions 1 and 3: one tensor a type, of slices one behind the
 * other, in the order of the network's constants. */
#include <string.h>

#include "layers/ops.h"
#include "models/files/packed_private.h"

static const bnn_packed_type *type_at(const bnn_inference *network, size_t index) {
    return bnn_packed_type_of(bnn_dtype_of(network->graph, network->constants[index].t));
}

static size_t items_of(const bnn_inference *network, size_t index) {
    bnn_t t = network->constants[index].t;
    return bnn_packed_items(bnn_dtype_of(network->graph, t),
                            bnn_shape_count(bnn_shape_of(network->graph, t)));
}

bnn_code bnn_packed_check_slices(const char *path, const bnn_st_file *file,
                                 const bnn_inference *network, bnn_error *err) {
    size_t total[BNN_PACKED_TYPES] = {0};
    for (size_t i = 0; i < network->constant_count; i++) {
        total[type_at(network, i) - bnn_packed_types] += items_of(network, i);
    }
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        const bnn_packed_type *type = &bnn_packed_types[k];
        const bnn_st_tensor *t = bnn_st_find(file, type->slices[1]);
        if (t ? t->dtype != type->stored || t->count != total[k] : total[k] > 0) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: tensor '%s' %s; the file is damaged, or of another version", path,
                            type->slices[1],
                            t ? "does not fit the network it names" : "is missing");
        }
    }
    return BNN_OK;
}

bnn_code bnn_packed_fill_slices(const char *path, const bnn_st_file *file, int version,
                                const bnn_inference *network, bnn_error *err) {
    const bnn_st_tensor *tensor[BNN_PACKED_TYPES];
    const unsigned char *data[BNN_PACKED_TYPES];
    bnn_code code = BNN_OK;
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        tensor[k] = bnn_st_find(file, bnn_packed_types[k].slices[version]);
        data[k] = tensor[k] ? tensor[k]->data : NULL;
    }
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        const ptrdiff_t k = type_at(network, i) - bnn_packed_types;
        code =
            bnn_packed_set(path, tensor[k], data[k], network->graph, network->constants[i].t, err);
        data[k] += items_of(network, i) * bnn_st_dtype_bytes(tensor[k]->dtype);
    }
    return code;
}

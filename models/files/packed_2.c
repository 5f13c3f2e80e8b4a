/* Packed files of version 2: the network is JSON, and each constant a tensor of the file, by its
 * name. Names must be there before they are read, results be what they are said to be, and
 * constants as long as the file's tensors. */
#include <jansson.h>
#include <string.h>

#include "layers/ops.h"
#include "models/files/packed_private.h"

typedef struct reader {
    bnn_packed_reader base;
    json_t *tensors; /* name -> bnn_t */
} reader;

/* ---- tensors ---- */

typedef struct tensor {
    const char *name;
    bnn_dtype dtype;
    bnn_shape shape; /* for one sample */
} tensor;

static const bnn_packed_type *type_named(const char *name) {
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        if (strcmp(bnn_packed_types[k].name, name) == 0) {
            return &bnn_packed_types[k];
        }
    }
    return NULL;
}

static const bnn_packed_type *type_stored(bnn_st_dtype stored) {
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        if (bnn_packed_types[k].stored == stored) {
            return &bnn_packed_types[k];
        }
    }
    return NULL;
}

static bnn_code read_tensor(const reader *r, const json_t *entry, const char *what, size_t index,
                            tensor *t) {
    const char *type = json_string_value(json_array_get(entry, 1));
    const bnn_packed_type *known = type ? type_named(type) : NULL;
    int *const dims[4] = {&t->shape.n, &t->shape.h, &t->shape.w, &t->shape.c};
    t->name = json_string_value(json_array_get(entry, 0));
    int ok = t->name && known && json_array_size(entry) == 6;
    for (size_t i = 0; ok && i < 4; i++) {
        const json_t *dim = json_array_get(entry, i + 2);
        json_int_t value = json_integer_value(dim);
        ok = json_is_integer(dim) && value >= 1 && value <= BNN_MAX_DIM;
        *dims[i] = ok ? (int)value : 0;
    }
    t->dtype = ok ? known->dtype : BNN_F32;
    return ok ? BNN_OK
              : bnn_packed_damaged(&r->base, "%s %zu is no list of a name, a type and four sizes",
                                   what, index);
}

static bnn_code add_name(const reader *r, const char *name, bnn_t t) {
    if (json_object_get(r->tensors, name)) {
        return bnn_packed_damaged(&r->base, "two tensors are called '%.64s'", name);
    }
    return json_object_set_new(r->tensors, name, json_integer(t)) == 0
               ? BNN_OK
               : bnn_packed_no_memory(&r->base);
}

/* The tensor of this name, or BNN_NONE. */
static bnn_t find(const reader *r, const json_t *name) {
    const json_t *t =
        json_is_string(name) ? json_object_get(r->tensors, json_string_value(name)) : NULL;
    return t ? (bnn_t)json_integer_value(t) : BNN_NONE;
}

static bnn_code read_inputs(const reader *r, const json_t *list) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < r->base.network->input_count; i++) {
        tensor t = {0};
        code = read_tensor(r, json_array_get(list, (size_t)i), "input", (size_t)i, &t);
        if (code == BNN_OK) {
            code = bnn_packed_add_input(&r->base, i, t.name, t.dtype, t.shape);
        }
        if (code == BNN_OK) {
            code = add_name(r, t.name, r->base.network->inputs[i]);
        }
    }
    return code;
}

/* The type and shape of a tensor of the file; for bits the network says it. */
static bnn_code read_constant(const reader *r, const bnn_st_tensor *stored, const json_t *bits,
                              bnn_dtype *dtype, bnn_shape *shape) {
    int64_t dims[4] = {1, 1, 1, 1};
    const json_t *listed = json_object_get(bits, stored->name);
    int ok = json_array_size(listed) == 4;
    for (size_t i = 0; ok && i < 4; i++) {
        dims[i] = json_integer_value(json_array_get(listed, i));
    }
    const bnn_packed_type *type = type_stored(stored->dtype);
    *dtype = type ? type->dtype : BNN_F32;
    if (*dtype != BNN_B1) {
        ok = type && (stored->ndim == 1 || stored->ndim == 4);
        for (int i = 0; ok && i < stored->ndim; i++) {
            dims[4 - stored->ndim + i] = stored->shape[i];
        }
    }
    size_t values = 1;
    for (int i = 0; i < 4; i++) {
        ok = ok && dims[i] >= 1 && dims[i] <= BNN_MAX_DIM &&
             !__builtin_mul_overflow(values, (size_t)dims[i], &values);
    }
    if (!ok || stored->count != bnn_packed_items(*dtype, values)) {
        return bnn_fail(r->base.err, BNN_ERR_FORMAT,
                        "%s: tensor '%.64s' does not fit the network; the file is damaged",
                        r->base.path, stored->name);
    }
    *shape = (bnn_shape){(int)dims[0], (int)dims[1], (int)dims[2], (int)dims[3]};
    return BNN_OK;
}

static bnn_code read_constants(const reader *r, const json_t *bits) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < bnn_st_count(r->base.file); i++) {
        const bnn_st_tensor *stored = bnn_st_at(r->base.file, i);
        bnn_dtype dtype;
        bnn_shape shape;
        if ((code = read_constant(r, stored, bits, &dtype, &shape))) {
            break;
        }
        bnn_t made = bnn_inference_constant(r->base.network, dtype, shape, stored->name);
        code = bnn_packed_refused(&r->base, "constant", i);
        code = code == BNN_OK ? add_name(r, stored->name, made) : code;
    }
    return code;
}

/* ---- nodes ---- */

/* 0 where the value is none for this field; a value that is not there is another. */
static int read_field(const reader *r, const bnn_op_field *field, const json_t *value, char *attr) {
    if (!value) {
        bnn_packed_set_default(&r->base, field, attr);
        return 1;
    }
    return field->type == BNN_FIELD_FLOAT
               ? json_is_string(value) &&
                     bnn_packed_set_float(field, json_string_value(value), attr)
               : json_is_integer(value) &&
                     bnn_packed_set_whole(&r->base, field, json_integer_value(value), attr);
}

static bnn_code read_fields(const reader *r, size_t index, const bnn_form *form,
                            const json_t *values, char *attr) {
    size_t found = 0;
    for (const bnn_op_field *f = form->fields; f && f->name; f++) {
        const json_t *value = json_object_get(values, f->name);
        found += value != NULL;
        if (!read_field(r, f, value, attr)) {
            return bnn_packed_damaged(&r->base, "node %zu: its '%s' is no number for that", index,
                                      f->name);
        }
    }
    return found == json_object_size(values)
               ? BNN_OK
               : bnn_packed_damaged(&r->base, "node %zu has attributes that its op does not know",
                                    index);
}

static bnn_code read_operands(const reader *r, size_t index, const bnn_form *form,
                              const json_t *names, int *count, bnn_t in[BNN_MAX_IN]) {
    if (json_array_size(names) > (size_t)form->in_count) {
        return bnn_packed_damaged(&r->base, "node %zu has %zu inputs", index,
                                  json_array_size(names));
    }
    *count = form->any_count ? (int)json_array_size(names) : form->in_count;
    if (*count < 1) {
        return bnn_packed_damaged(&r->base, "node %zu has no inputs", index);
    }
    bnn_code code = BNN_OK;
    for (int k = 0; code == BNN_OK && k < *count; k++) {
        const json_t *name = json_array_get(names, (size_t)k);
        int missing = !name || json_is_null(name);
        in[k] = missing ? BNN_NONE : find(r, name);
        code = bnn_packed_check_operand(&r->base, index, form, k, in[k], missing,
                                        json_is_string(name) ? json_string_value(name) : "null");
    }
    return code;
}

/* What the node makes is what the file says, and gets its names. */
static bnn_code read_results(const reader *r, size_t index, const json_t *list) {
    const bnn_graph *g = r->base.network->graph;
    const bnn_node *node = bnn_graph_node(g, bnn_graph_node_count(g) - 1);
    if (json_array_size(list) != (size_t)node->out_count) {
        return bnn_packed_damaged(&r->base, "node %zu ('%s') has %d results, not %zu", index,
                                  node->op->name, node->out_count, json_array_size(list));
    }
    bnn_code code = BNN_OK;
    for (int k = 0; code == BNN_OK && k < node->out_count; k++) {
        tensor t = {0};
        bnn_t made = node->out[k];
        code = read_tensor(r, json_array_get(list, (size_t)k), "a result of node", index, &t);
        if (code == BNN_OK &&
            (t.dtype != bnn_dtype_of(g, made) ||
             (r->base.batch == 1 && !bnn_shape_equal(t.shape, bnn_shape_of(g, made))))) {
            code =
                bnn_packed_damaged(&r->base, "node %zu ('%s'): its result is another than it says",
                                   index, node->op->name);
        }
        code = code == BNN_OK ? add_name(r, t.name, made) : code;
    }
    return code;
}

static bnn_code read_node(const reader *r, const json_t *node, size_t index) {
    const char *name = json_string_value(json_object_get(node, "op"));
    const bnn_op *op;
    char *attr;
    bnn_t in[BNN_MAX_IN];
    int count = 0;
    bnn_code code;
    if ((code = bnn_packed_find_op(&r->base, index, name ? name : "", &op, &attr)) != BNN_OK) {
        return code;
    }
    if ((code = read_operands(r, index, op->form, json_object_get(node, "in"), &count, in)) ||
        (code = read_fields(r, index, op->form, json_object_get(node, "attr"), attr))) {
        return code;
    }
    code = bnn_packed_add_node(&r->base, index, op, attr, count, in);
    return code == BNN_OK ? read_results(r, index, json_object_get(node, "out")) : code;
}

static bnn_code read_outputs(const reader *r, const json_t *list) {
    for (int i = 0; i < r->base.network->output_count; i++) {
        r->base.network->outputs[i] = find(r, json_array_get(list, (size_t)i));
        if (r->base.network->outputs[i] < 0) {
            return bnn_packed_damaged(&r->base, "output %d is missing", i);
        }
        bnn_graph_keep(r->base.network->graph, r->base.network->outputs[i]);
    }
    return BNN_OK;
}

/* ---- the whole ---- */

static bnn_code read_network(reader *r, const json_t *root, const bnn_device *device) {
    const json_t *inputs = json_object_get(root, "inputs");
    const json_t *outputs = json_object_get(root, "outputs");
    const json_t *nodes = json_object_get(root, "nodes");
    size_t input_count = json_array_size(inputs), output_count = json_array_size(outputs);
    bnn_code code;
    if ((code = bnn_packed_start(&r->base, device, input_count, output_count))) {
        return code;
    }
    if ((code = read_inputs(r, inputs)) ||
        (code = read_constants(r, json_object_get(root, "bits")))) {
        return code;
    }
    for (size_t i = 0; code == BNN_OK && i < json_array_size(nodes); i++) {
        code = read_node(r, json_array_get(nodes, i), i);
    }
    return code == BNN_OK ? read_outputs(r, outputs) : code;
}

static bnn_code parse(const reader *r, json_t **root) {
    json_error_t problem;
    *root = json_loads(bnn_st_metadata(r->base.file, BNN_PACKED_NETWORK), JSON_REJECT_DUPLICATES,
                       &problem);
    /* Where memory ends early, jansson says nothing at all. */
    if (!*root && (!problem.text[0] || json_error_code(&problem) == json_error_out_of_memory)) {
        return bnn_packed_no_memory(&r->base);
    }
    return *root ? BNN_OK
                 : bnn_packed_damaged(&r->base, "no usable JSON at byte %d", problem.position);
}

bnn_code bnn_packed_2_read(const bnn_packed_reader *base, const bnn_device *device) {
    reader r = {.base = *base, .tensors = json_object()};
    json_t *root;
    bnn_code code = parse(&r, &root);
    if (code == BNN_OK) {
        code = r.tensors ? read_network(&r, root, device) : bnn_packed_no_memory(base);
    }
    json_decref(r.tensors);
    json_decref(root);
    return code;
}

bnn_code bnn_packed_2_count(const bnn_packed_reader *base, size_t *binary, size_t *all) {
    reader r = {.base = *base};
    json_t *root;
    bnn_code code = parse(&r, &root);
    for (size_t i = 0; code == BNN_OK && i < bnn_st_count(base->file); i++) {
        bnn_dtype dtype;
        bnn_shape shape;
        code = read_constant(&r, bnn_st_at(base->file, i), json_object_get(root, "bits"), &dtype,
                             &shape);
        size_t count = code == BNN_OK ? bnn_shape_count(shape) : 0;
        *binary += code == BNN_OK && dtype == BNN_B1 ? count : 0;
        *all += count;
    }
    json_decref(root);
    return code;
}

bnn_code bnn_packed_2_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                           bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        const bnn_constant *c = &network->constants[i];
        code = bnn_packed_set(path, c->name, bnn_st_find(file, c->name)->data, network->graph, c->t,
                              err);
    }
    return code;
}

/* The network of a packed file, built from what the file says of it. Nothing in it is believed:
 * names must be there before they are read, an input has one of the types that its op knows, an
 * op's infer refuses what it cannot compute, and constants are as long as the file's tensors. */
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "engine/base/text.h"
#include "layers/ops.h"
#include "models/files/packed_private.h"

typedef struct reader {
    const char *path;
    const bnn_st_file *file;
    int batch;
    bnn_inference *network;
    json_t *tensors; /* name -> bnn_t */
    bnn_error *err;
} reader;

__attribute__((format(printf, 2, 3))) static bnn_code damaged(const reader *r, const char *format,
                                                              ...) {
    char what[300];
    va_list args;
    va_start(args, format);
    bnn_text_print(what, sizeof what, format, args);
    va_end(args);
    return bnn_fail(r->err, BNN_ERR_FORMAT, "%s: metadata '%s': %s; the file is damaged", r->path,
                    BNN_PACKED_NETWORK, what);
}

/* The error that a builder has left. */
static bnn_code refused(const reader *r, const char *what, size_t index) {
    bnn_code code = bnn_graph_status(r->network->graph, r->err);
    return code == BNN_OK ? code
                          : bnn_fail_in(r->err, code, "%s: metadata '%s': %s %zu", r->path,
                                        BNN_PACKED_NETWORK, what, index);
}

/* ---- tensors ---- */

typedef struct tensor {
    const char *name;
    bnn_dtype dtype;
    bnn_shape shape; /* for one sample */
} tensor;

static bnn_code read_tensor(const reader *r, const json_t *entry, const char *what, size_t index,
                            tensor *t) {
    const char *type = json_string_value(json_array_get(entry, 1));
    const bnn_packed_type *known = type ? bnn_packed_type_named(type) : NULL;
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
              : damaged(r, "%s %zu is no list of a name, a type and four sizes", what, index);
}

static bnn_code add_name(const reader *r, const char *name, bnn_t t) {
    if (json_object_get(r->tensors, name)) {
        return damaged(r, "two tensors are called '%.64s'", name);
    }
    return json_object_set_new(r->tensors, name, json_integer(t)) == 0
               ? BNN_OK
               : bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory for the network", r->path);
}

/* The tensor of this name, or BNN_NONE. */
static bnn_t find(const reader *r, const json_t *name) {
    const json_t *t =
        json_is_string(name) ? json_object_get(r->tensors, json_string_value(name)) : NULL;
    return t ? (bnn_t)json_integer_value(t) : BNN_NONE;
}

static bnn_code read_inputs(const reader *r, const json_t *list) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < r->network->input_count; i++) {
        tensor t;
        code = read_tensor(r, json_array_get(list, (size_t)i), "input", (size_t)i, &t);
        if (code == BNN_OK && (int64_t)t.shape.n * r->batch > BNN_MAX_DIM) {
            code = damaged(r, "input %d is too large for %d images", i, r->batch);
        }
        if (code == BNN_OK) {
            t.shape.n *= r->batch;
            r->network->inputs[i] = bnn_graph_input(r->network->graph, t.name, t.dtype, t.shape);
            code = refused(r, "input", (size_t)i);
        }
        if (code == BNN_OK) {
            code = add_name(r, t.name, r->network->inputs[i]);
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
    const bnn_packed_type *type = bnn_packed_type_stored(stored->dtype);
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
        return bnn_fail(r->err, BNN_ERR_FORMAT,
                        "%s: tensor '%.64s' does not fit the network; the file is damaged", r->path,
                        stored->name);
    }
    *shape = (bnn_shape){(int)dims[0], (int)dims[1], (int)dims[2], (int)dims[3]};
    return BNN_OK;
}

static bnn_code read_constants(const reader *r, const json_t *bits) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < bnn_st_count(r->file); i++) {
        const bnn_st_tensor *stored = bnn_st_at(r->file, i);
        bnn_dtype dtype;
        bnn_shape shape;
        if ((code = read_constant(r, stored, bits, &dtype, &shape))) {
            break;
        }
        bnn_t made = bnn_inference_constant(r->network, dtype, shape, stored->name);
        code = refused(r, "constant", i);
        code = code == BNN_OK ? add_name(r, stored->name, made) : code;
    }
    return code;
}

/* ---- nodes ---- */

static void set_whole(const bnn_op_field *field, int64_t number, char *attr) {
    int narrow = (int)number;
    size_t size = (size_t)number;
    if (field->type == BNN_FIELD_SIZE) {
        memcpy(attr + field->offset, &size, sizeof size);
    } else {
        memcpy(attr + field->offset, &narrow, sizeof narrow);
    }
}

/* 0 where the value is none for this field; a value that is not there is another. */
static int read_field(const reader *r, const bnn_op_field *field, const json_t *value, char *attr) {
    if (field->type == BNN_FIELD_FLOAT) {
        const char *text = json_string_value(value);
        char *end = NULL;
        double number = text ? bnn_text_to_double(text, &end) : (double)field->otherwise;
        int ok = !value || (text && end != text && !*end &&
                            (isinf(number) || fabs(number) <= (double)FLT_MAX));
        float narrow = ok ? (float)number : 0.0f;
        memcpy(attr + field->offset, &narrow, sizeof narrow);
        return ok;
    }
    int64_t number = value ? json_integer_value(value) : (int64_t)field->otherwise;
    int64_t least = field->type == BNN_FIELD_SIZE ? 0 : -BNN_MAX_DIM, most = BNN_MAX_DIM;
    int ok = (!value || json_is_integer(value)) && number >= least && number <= most;
    number *= ok && field->by_batch ? r->batch : 1;
    ok = ok && number >= least && number <= most;
    set_whole(field, ok ? number : 0, attr);
    return ok;
}

static bnn_code read_fields(const reader *r, size_t index, const bnn_form *form,
                            const json_t *values, char *attr) {
    size_t found = 0;
    for (const bnn_op_field *f = form->fields; f && f->name; f++) {
        const json_t *value = json_object_get(values, f->name);
        found += value != NULL;
        if (!read_field(r, f, value, attr)) {
            return damaged(r, "node %zu: its '%s' is no number for that", index, f->name);
        }
    }
    return found == json_object_size(values)
               ? BNN_OK
               : damaged(r, "node %zu has attributes that its op does not know", index);
}

static bnn_code read_operands(const reader *r, size_t index, const bnn_form *form,
                              const json_t *names, int *count, bnn_t in[BNN_MAX_IN]) {
    if (json_array_size(names) > (size_t)form->in_count) {
        return damaged(r, "node %zu has %zu inputs", index, json_array_size(names));
    }
    *count = form->any_count ? (int)json_array_size(names) : form->in_count;
    if (*count < 1) {
        return damaged(r, "node %zu has no inputs", index);
    }
    for (int k = 0; k < *count; k++) {
        const json_t *name = json_array_get(names, (size_t)k);
        int missing = !name || json_is_null(name);
        in[k] = missing ? BNN_NONE : find(r, name);
        if (missing ? !(form->optional >> k & 1) : in[k] < 0) {
            const char *given = json_is_string(name) ? json_string_value(name) : "null";
            return damaged(r, "node %zu: its input %d, '%.64s', is missing", index, k, given);
        }
        if (!missing && !(form->in_types[k] >> bnn_dtype_of(r->network->graph, in[k]) & 1)) {
            return damaged(r, "node %zu: its input %d is of a type it does not take", index, k);
        }
    }
    return BNN_OK;
}

/* What the node makes is what the file says, and gets its names. */
static bnn_code read_results(const reader *r, size_t index, const json_t *list) {
    const bnn_graph *g = r->network->graph;
    const bnn_node *node = bnn_graph_node(g, bnn_graph_node_count(g) - 1);
    if (json_array_size(list) != (size_t)node->out_count) {
        return damaged(r, "node %zu ('%s') has %d results, not %zu", index, node->op->name,
                       node->out_count, json_array_size(list));
    }
    bnn_code code = BNN_OK;
    for (int k = 0; code == BNN_OK && k < node->out_count; k++) {
        tensor t;
        bnn_t made = node->out[k];
        code = read_tensor(r, json_array_get(list, (size_t)k), "a result of node", index, &t);
        if (code == BNN_OK &&
            (t.dtype != bnn_dtype_of(g, made) ||
             (r->batch == 1 && !bnn_shape_equal(t.shape, bnn_shape_of(g, made))))) {
            code = damaged(r, "node %zu ('%s'): its result is another than it says", index,
                           node->op->name);
        }
        code = code == BNN_OK ? add_name(r, t.name, made) : code;
    }
    return code;
}

static bnn_code read_node(const reader *r, const json_t *node, size_t index) {
    const char *name = json_string_value(json_object_get(node, "op"));
    const bnn_op *op = name ? bnn_op_find(name) : NULL;
    bnn_t in[BNN_MAX_IN];
    int count = 0;
    bnn_code code;
    if (!op || !op->form) {
        return damaged(r, "node %zu: no op of inference is called '%.64s'", index,
                       name ? name : "");
    }
    char *attr = bnn_arena_alloc(r->network->arena, op->form->attr_bytes);
    if (!attr) {
        return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory for the network", r->path);
    }
    if ((code = read_operands(r, index, op->form, json_object_get(node, "in"), &count, in)) ||
        (code = read_fields(r, index, op->form, json_object_get(node, "attr"), attr))) {
        return code;
    }
    bnn_graph_add(r->network->graph, op, attr, op->form->attr_bytes, count, in);
    code = refused(r, "node", index);
    return code == BNN_OK ? read_results(r, index, json_object_get(node, "out")) : code;
}

static bnn_code read_outputs(const reader *r, const json_t *list) {
    for (int i = 0; i < r->network->output_count; i++) {
        r->network->outputs[i] = find(r, json_array_get(list, (size_t)i));
        if (r->network->outputs[i] < 0) {
            return damaged(r, "output %d is missing", i);
        }
        bnn_graph_keep(r->network->graph, r->network->outputs[i]);
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
    if (!input_count || !output_count || input_count > BNN_MAX_DIM || output_count > BNN_MAX_DIM) {
        return damaged(r, "it has no inputs, or no outputs");
    }
    if ((code = bnn_inference_start(r->network, device, (int)input_count, (int)output_count,
                                    r->err))) {
        return bnn_fail_in(r->err, code, "%s", r->path);
    }
    r->network->input_count = (int)input_count;
    r->network->output_count = (int)output_count;
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
    const char *text = bnn_st_metadata(r->file, BNN_PACKED_NETWORK);
    json_error_t problem;
    *root = text ? json_loads(text, JSON_REJECT_DUPLICATES, &problem) : NULL;
    if (!text) {
        return bnn_fail(r->err, BNN_ERR_FORMAT,
                        "%s: its metadata lacks the network; the file is damaged", r->path);
    }
    /* Where memory ends early, jansson says nothing at all. */
    if (!*root && (!problem.text[0] || json_error_code(&problem) == json_error_out_of_memory)) {
        return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory for the network", r->path);
    }
    return *root ? BNN_OK : damaged(r, "no usable JSON at byte %d", problem.position);
}

bnn_code bnn_packed_build(const char *path, const bnn_st_file *file, const bnn_device *device,
                          int batch, bnn_inference *network, bnn_error *err) {
    reader r = {.path = path, .file = file, .batch = batch, .network = network, .err = err};
    json_t *root;
    *network = (bnn_inference){0};
    bnn_code code = parse(&r, &root);
    r.tensors = json_object();
    if (code == BNN_OK && !r.tensors) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the network", path);
    }
    if (code == BNN_OK) {
        code = read_network(&r, root, device);
    }
    if (code == BNN_OK && (code = bnn_graph_compile(network->graph, BNN_NONE, err)) != BNN_OK) {
        bnn_fail_in(err, code, "%s", path);
    }
    json_decref(r.tensors);
    json_decref(root);
    return code;
}

bnn_code bnn_packed_count(const char *path, const bnn_st_file *file, size_t *binary, size_t *all,
                          bnn_error *err) {
    reader r = {.path = path, .file = file, .err = err};
    json_t *root;
    bnn_code code = parse(&r, &root);
    *binary = *all = 0;
    for (size_t i = 0; code == BNN_OK && i < bnn_st_count(file); i++) {
        bnn_dtype dtype;
        bnn_shape shape;
        code = read_constant(&r, bnn_st_at(file, i), json_object_get(root, "bits"), &dtype, &shape);
        size_t count = code == BNN_OK ? bnn_shape_count(shape) : 0;
        *binary += code == BNN_OK && dtype == BNN_B1 ? count : 0;
        *all += count;
    }
    json_decref(root);
    return code;
}

bnn_code bnn_packed_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                         bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        const bnn_constant *c = &network->constants[i];
        code = bnn_packed_set(path, c->name, bnn_st_find(file, c->name)->data, network->graph, c->t,
                              err);
    }
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(network->graph);
    }
    return code;
}

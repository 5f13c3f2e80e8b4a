#include "models/export/onnx/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "models/files/checkpoint.h"

enum { MAX_ATTRIBUTES = 6, MAX_RANK = 4 };

struct bnn_onnx_node {
    Onnx__NodeProto proto;
    bnn_onnx_node *next;
};

struct bnn_onnx_constant {
    Onnx__TensorProto proto;
    const char *floats; /* what it is cast to, if it is not of floats */
    bnn_onnx_constant *next;
};

/* From the arena, zeroed; at least a byte. */
static void *room(bnn_onnx *o, size_t count, size_t bytes) {
    size_t all;
    void *p =
        __builtin_mul_overflow(count, bytes, &all) ? NULL : bnn_arena_alloc(o->t->arena, all + 1);
    o->failed |= p == NULL;
    return p;
}

static void *copied(bnn_onnx *o, size_t count, size_t bytes, const void *from) {
    void *p = from ? room(o, count, bytes) : NULL;
    o->failed |= p == NULL;
    return p ? memcpy(p, from, count * bytes) : NULL;
}

/* What was formatted into the arena, as protobuf-c wants it: it changes nothing of it. */
static char *text(bnn_onnx *o, char *formatted) {
    o->failed |= formatted == NULL;
    return formatted;
}

void bnn_onnx_start(bnn_onnx *o, const bnn_translation *t) {
    *o = (bnn_onnx){.t = t};
    o->values = room(o, bnn_graph_tensor_count(t->graph), sizeof *o->values);
}

/* ---- nodes ---- */

const char *bnn_onnx_op(bnn_onnx *o, const char *type, size_t count, const char *const *in) {
    bnn_onnx_node *node = room(o, 1, sizeof *node);
    char **inputs = room(o, count, sizeof *inputs), **outputs = room(o, 1, sizeof *outputs);
    for (size_t i = 0; i < count; i++) {
        o->failed |= in[i] == NULL;
    }
    if (o->failed) {
        return NULL;
    }
    onnx__node_proto__init(&node->proto);
    memcpy(inputs, in, count * sizeof *inputs);
    node->proto.name = outputs[0] =
        text(o, bnn_arena_format(o->t->arena, "%s_%zu", type, o->nodes));
    node->proto.op_type = text(o, bnn_arena_format(o->t->arena, "%s", type));
    node->proto.input = inputs;
    node->proto.n_input = count;
    node->proto.output = outputs;
    node->proto.n_output = 1;
    *(o->last_node ? &o->last_node->next : &o->first_node) = node;
    o->last_node = node;
    o->nodes++;
    return outputs[0];
}

static Onnx__AttributeProto *attribute(bnn_onnx *o, const char *name,
                                       Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = room(o, 1, sizeof *a);
    if (o->failed) {
        return NULL;
    }
    Onnx__NodeProto *node = &o->last_node->proto;
    onnx__attribute_proto__init(a);
    a->name = text(o, bnn_arena_format(o->t->arena, "%s", name));
    a->type = type;
    a->has_type = 1;
    if (!node->attribute) {
        node->attribute = room(o, MAX_ATTRIBUTES, sizeof(Onnx__AttributeProto *));
    }
    if (node->attribute) {
        node->attribute[node->n_attribute++] = a;
    }
    return a;
}

void bnn_onnx_int(bnn_onnx *o, const char *name, int64_t value) {
    Onnx__AttributeProto *a = attribute(o, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a) {
        a->i = value;
        a->has_i = 1;
    }
}

void bnn_onnx_ints(bnn_onnx *o, const char *name, size_t count, const int64_t *values) {
    Onnx__AttributeProto *a = attribute(o, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (a) {
        a->ints = copied(o, count, sizeof *values, values);
        a->n_ints = count;
    }
}

/* ---- constants ---- */

static int is_same(const Onnx__TensorProto *a, const Onnx__TensorProto *b) {
    return a->n_dims == b->n_dims && a->data_type == b->data_type &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof *a->dims) == 0 &&
           a->raw_data.len == b->raw_data.len &&
           memcmp(a->raw_data.data, b->raw_data.data, a->raw_data.len) == 0;
}

static size_t count_of(size_t rank, const int64_t *dims) {
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        count *= (size_t)dims[i];
    }
    return count;
}

/* `values` are in the arena already, or live as long. */
static bnn_onnx_constant *constant(bnn_onnx *o, const char *name, int32_t type, size_t bytes,
                                   size_t rank, const int64_t *dims, const void *values) {
    bnn_onnx_constant *c = room(o, 1, sizeof *c);
    int64_t *own_dims = copied(o, rank, sizeof *dims, dims);
    o->failed |= values == NULL;
    if (o->failed) {
        return NULL;
    }
    onnx__tensor_proto__init(&c->proto);
    c->proto.dims = own_dims;
    c->proto.n_dims = rank;
    c->proto.data_type = type;
    c->proto.has_data_type = c->proto.has_raw_data = 1;
    c->proto.raw_data =
        (ProtobufCBinaryData){bytes * count_of(rank, dims), (uint8_t *)(uintptr_t)values};
    int taken = 0;
    for (bnn_onnx_constant *other = o->first_constant; other; other = other->next) {
        if (strcmp(other->proto.name, name) == 0) {
            if (is_same(&other->proto, &c->proto)) {
                return other;
            }
            taken = 1;
        }
    }
    c->proto.name = text(o, taken ? bnn_arena_format(o->t->arena, "%s_%zu", name, o->constants)
                                  : bnn_arena_format(o->t->arena, "%s", name));
    *(o->last_constant ? &o->last_constant->next : &o->first_constant) = c;
    o->last_constant = c;
    o->constants++;
    return c;
}

static const char *name_of(const bnn_onnx_constant *c) {
    return c ? c->proto.name : NULL;
}

/* Cast once, in front of the first who reads it. */
static const char *as_floats(bnn_onnx *o, bnn_onnx_constant *c) {
    if (c && !c->floats) {
        c->floats = BNN_ONNX_OP(o, "Cast", c->proto.name);
        bnn_onnx_int(o, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    }
    return c ? c->floats : NULL;
}

const char *bnn_onnx_floats(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                            const float *values) {
    const size_t count = count_of(rank, dims);
    if (bnn_translation_halves(o->t, count, values)) {
        return as_floats(o,
                         constant(o, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, sizeof(uint16_t),
                                  rank, dims, bnn_translation_as_halves(o->t, count, values)));
    }
    return name_of(constant(o, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof *values, rank,
                            dims, values));
}

const char *bnn_onnx_int8s(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                           const int8_t *values) {
    return as_floats(o, constant(o, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, sizeof *values, rank,
                                 dims, values));
}

const char *bnn_onnx_bytes(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                           const int8_t *values) {
    return name_of(
        constant(o, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, sizeof *values, rank, dims, values));
}

const char *bnn_onnx_number(bnn_onnx *o, float value) {
    static const int64_t none[1];
    const char *name = text(o, bnn_arena_format(o->t->arena, "number_%.9g", (double)value));
    return name ? bnn_onnx_floats(o, name, 0, none, copied(o, 1, sizeof value, &value)) : NULL;
}

const char *bnn_onnx_list(bnn_onnx *o, size_t count, const int64_t *values) {
    const char *name = "list";
    for (size_t i = 0; i < count && name; i++) {
        name = text(o, bnn_arena_format(o->t->arena, "%s_%" PRId64, name, values[i]));
    }
    const int64_t dims[] = {(int64_t)count};
    return name ? name_of(constant(o, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, sizeof *values, 1,
                                   dims, copied(o, count, sizeof *values, values)))
                : NULL;
}

void *bnn_onnx_channels_first(bnn_onnx *o, size_t rows, size_t pixels, size_t channels,
                              size_t bytes, const void *items) {
    char *to = items ? room(o, rows * pixels * channels, bytes) : NULL;
    const char *from = items;
    for (size_t r = 0; to && r < rows; r++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t p = 0; p < pixels; p++) {
                memcpy(to + ((r * channels + c) * pixels + p) * bytes,
                       from + ((r * pixels + p) * channels + c) * bytes, bytes);
            }
        }
    }
    return to;
}

const char *bnn_onnx_channels(bnn_onnx *o, const char *name, bnn_onnx_form form, size_t channels,
                              const float *values) {
    const int64_t dims[MAX_RANK] = {1, (int64_t)channels, 1, 1};
    const size_t pixels = (size_t)form.pixels;
    return bnn_onnx_floats(
        o, name, form.flat ? 2 : 4, dims,
        bnn_onnx_channels_first(o, 1, pixels, channels / pixels, sizeof *values, values));
}

/* ---- where the network's tensors are ---- */

bnn_onnx_form bnn_onnx_form_of(const bnn_onnx *o, bnn_t tensor) {
    const bnn_shape s = bnn_shape_of(o->t->graph, tensor);
    return (bnn_onnx_form){s.h == 1 && s.w == 1, 1};
}

void bnn_onnx_put(bnn_onnx *o, bnn_t tensor, const char *name, bnn_onnx_form form) {
    if (o->values) {
        o->values[tensor] = (bnn_onnx_value){name, form};
    }
}

bnn_onnx_value bnn_onnx_any(const bnn_onnx *o, bnn_t tensor) {
    return o->values ? o->values[tensor] : (bnn_onnx_value){NULL, {1, 1}};
}

const char *bnn_onnx_reshape(bnn_onnx *o, const char *x, size_t rank, const int64_t *dims) {
    return BNN_ONNX_OP(o, "Reshape", x, bnn_onnx_list(o, rank, dims));
}

const char *bnn_onnx_transpose(bnn_onnx *o, const char *x, size_t rank, const int64_t *order) {
    const char *y = BNN_ONNX_OP(o, "Transpose", x);
    bnn_onnx_ints(o, "perm", rank, order);
    return y;
}

/* [N,rows*columns] with rows and columns exchanged. */
static const char *exchange(bnn_onnx *o, const char *x, int rows, int columns) {
    x = bnn_onnx_reshape(o, x, 3, (const int64_t[]){0, rows, columns});
    x = bnn_onnx_transpose(o, x, 3, (const int64_t[]){0, 2, 1});
    return BNN_ONNX_OP(o, "Flatten", x);
}

const char *bnn_onnx_get_as(bnn_onnx *o, bnn_t tensor, bnn_onnx_form form) {
    const bnn_onnx_value v = bnn_onnx_any(o, tensor);
    const char *x = v.name;
    const int c = bnn_shape_of(o->t->graph, tensor).c;
    if (v.form.pixels != form.pixels && v.form.pixels > 1) {
        x = exchange(o, x, c / v.form.pixels, v.form.pixels);
    }
    if (v.form.flat && !form.flat) {
        x = bnn_onnx_reshape(o, x, 4, (const int64_t[]){0, -1, 1, 1});
    } else if (!v.form.flat && form.flat) {
        x = BNN_ONNX_OP(o, "Flatten", x);
    }
    if (v.form.pixels != form.pixels && form.pixels > 1) {
        x = exchange(o, x, form.pixels, c / form.pixels);
    }
    return x;
}

const char *bnn_onnx_get(bnn_onnx *o, bnn_t tensor) {
    return bnn_onnx_get_as(o, tensor, bnn_onnx_form_of(o, tensor));
}

/* ---- the file ---- */

/* The messages that describe an input or the output. */
typedef struct shaped {
    Onnx__ValueInfoProto info;
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dim[1 + BNN_ONNX_RANK], *dims[1 + BNN_ONNX_RANK];
} shaped;

/* Of any batch. */
static void shape(bnn_onnx *o, shaped *s, const bnn_onnx_port *port) {
    onnx__value_info_proto__init(&s->info);
    onnx__type_proto__init(&s->type);
    onnx__type_proto__tensor__init(&s->tensor);
    onnx__tensor_shape_proto__init(&s->shape);
    for (size_t i = 0; i <= port->rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&s->dim[i]);
        s->dim[i].dim_value = i ? port->dims[i - 1] : 0;
        s->dim[i].has_dim_value = i > 0;
        s->dim[i].dim_param = i ? NULL : "N";
        s->dims[i] = &s->dim[i];
    }
    s->shape.n_dim = port->rank + 1;
    s->shape.dim = s->dims;
    s->tensor.elem_type = port->integers ? ONNX__TENSOR_PROTO__DATA_TYPE__INT32
                                         : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    s->tensor.has_elem_type = 1;
    s->tensor.shape = &s->shape;
    s->type.tensor_type = &s->tensor;
    s->info.name = text(o, bnn_arena_format(o->t->arena, "%s", port->name));
    s->info.type = &s->type;
}

/* They live while the file is packed. */
static Onnx__ValueInfoProto **shapes(bnn_onnx *o, size_t count, const bnn_onnx_port *ports) {
    shaped *s = room(o, count, sizeof *s);
    Onnx__ValueInfoProto **list = room(o, count, sizeof *list);
    for (size_t i = 0; i < count && !o->failed; i++) {
        shape(o, &s[i], &ports[i]);
        list[i] = &s[i].info;
    }
    return list;
}

/* The lists as arrays. */
static void gather(bnn_onnx *o, Onnx__GraphProto *graph) {
    size_t i = 0;
    graph->node = room(o, o->nodes, sizeof *graph->node);
    graph->initializer = room(o, o->constants, sizeof *graph->initializer);
    for (bnn_onnx_node *n = o->first_node; n && !o->failed; n = n->next) {
        graph->node[i++] = &n->proto;
    }
    graph->n_node = i;
    i = 0;
    for (bnn_onnx_constant *c = o->first_constant; c && !o->failed; c = c->next) {
        graph->initializer[i++] = &c->proto;
    }
    graph->n_initializer = i;
}

/* What the model is, as a packed file says it. */
static void describe(bnn_onnx *o, Onnx__ModelProto *model) {
    bnn_meta meta[BNN_SPEC_META];
    const size_t count = bnn_spec_meta(o->t->request->spec, o->t->arena, meta);
    Onnx__StringStringEntryProto *entry = room(o, count, sizeof *entry);
    model->metadata_props = room(o, count, sizeof *model->metadata_props);
    for (size_t i = 0; i < count && !o->failed; i++) {
        onnx__string_string_entry_proto__init(&entry[i]);
        entry[i].key = text(o, bnn_arena_format(o->t->arena, "%s", meta[i].key));
        entry[i].value = meta[i].value ? text(o, bnn_arena_format(o->t->arena, "%s", meta[i].value))
                                       : text(o, NULL);
        model->metadata_props[i] = &entry[i];
    }
    model->n_metadata_props = count;
}

/* Protocol buffers end at 2 GB: no reader would take more. */
static bnn_code pack(bnn_onnx *o, const Onnx__ModelProto *model, const char *path) {
    const size_t bytes = o->failed ? 0 : onnx__model_proto__get_packed_size(model);
    if (bytes > INT32_MAX) {
        return bnn_fail(o->t->err, BNN_ERR_UNSUPPORTED,
                        "%s: an ONNX file of %zu bytes would be too large for its readers, which "
                        "end at 2 GB; export a smaller network",
                        path, bytes);
    }
    uint8_t *data = o->failed ? NULL : malloc(bytes);
    if (!data) {
        return bnn_translation_no_memory(o->t);
    }
    onnx__model_proto__pack(model, data);
    bnn_code code = bnn_translation_write(o->t, path, data, bytes);
    free(data);
    return code;
}

void bnn_onnx_name_result(bnn_onnx *o, const char *name) {
    char *own = text(o, bnn_arena_format(o->t->arena, "%s", name));
    if (!o->failed) {
        o->last_node->proto.output[0] = own;
    }
}

bnn_code bnn_onnx_write(bnn_onnx *o, const char *path, size_t ins, const bnn_onnx_port *in,
                        size_t outs, const bnn_onnx_port *out) {
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__OperatorSetIdProto ops = ONNX__OPERATOR_SET_ID_PROTO__INIT, *all_ops[] = {&ops};
    gather(o, &graph);
    describe(o, &model);
    graph.input = shapes(o, ins, in);
    graph.output = shapes(o, outs, out);
    ops.domain = "";
    ops.version = 13;
    ops.has_version = 1;
    graph.name = "bnn";
    graph.n_input = ins;
    graph.n_output = outs;
    model.ir_version = 7;
    model.has_ir_version = 1;
    model.producer_name = "bnn";
    model.producer_version = BNN_VERSION;
    model.n_opset_import = 1;
    model.opset_import = all_ops;
    model.graph = &graph;
    return pack(o, &model, path);
}

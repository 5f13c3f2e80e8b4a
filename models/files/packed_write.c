/* A packed model into its file. Numbers in the text must not depend on the locale. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/half.h"
#include "engine/base/text.h"
#include "layers/ops.h"
#include "models/files/checkpoint.h"
#include "models/files/packed_private.h"

/* The text so far; `failed` once memory was out. */
typedef struct text {
    char *data;
    size_t used, room;
    int failed;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...) {
    va_list args;
    for (int again = 2; again > 0 && !t->failed; again--) {
        va_start(args, format);
        int length = bnn_text_print(t->data + t->used, t->room - t->used, format, args);
        va_end(args);
        if (length >= 0 && (size_t)length < t->room - t->used) {
            t->used += (size_t)length;
            return;
        }
        size_t room = 2 * t->room + (size_t)length + 1;
        char *data = length >= 0 ? realloc(t->data, room) : NULL;
        t->failed = !data;
        t->data = data ? data : t->data;
        t->room = data ? room : t->room;
    }
}

/* What writes a network. */
typedef struct writer {
    const bnn_inference *network;
    int *number; /* of each tensor of the graph, by its appearance in the text; 0: not yet, else +1
                  */
    const bnn_constant **order; /* the constants, by their appearance */
    void **vector;              /* values of those that are vectors, or NULL */
    size_t order_count;
    bnn_arena *arena;
    int numbers;
    text text;
} writer;

static bnn_code no_memory(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
}

static bnn_code unstorable(const char *what, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED, "'%.64s' cannot be stored in a packed file", what);
}

/* A name is a word. */
static int is_word(const char *name) {
    return *name && !strpbrk(name, " ;=");
}

/* A tensor that appears: "f16", "b16,3,3,16". */
static bnn_code put_tensor(writer *w, bnn_t t, const char *name, bnn_error *err) {
    const bnn_packed_type *type = bnn_packed_type_of(bnn_dtype_of(w->network->graph, t));
    bnn_shape s = bnn_shape_of(w->network->graph, t);
    if (!type) {
        return unstorable(name, err);
    }
    w->number[t] = ++w->numbers;
    if (s.n == 1 && s.h == 1 && s.w == 1) {
        put(&w->text, " %c%d", type->letter, s.c);
    } else {
        put(&w->text, " %c%d,%d,%d,%d", type->letter, s.n, s.h, s.w, s.c);
    }
    return BNN_OK;
}

/* A constant's values, if it is a vector of numbers. */
static bnn_code read_vector(const writer *w, bnn_t t, void **values, bnn_error *err) {
    const bnn_graph *g = w->network->graph;
    const bnn_shape s = bnn_shape_of(g, t);
    *values = NULL;
    if (bnn_dtype_of(g, t) == BNN_B1 || bnn_shape_rows(s) != 1) {
        return BNN_OK;
    }
    *values = bnn_arena_alloc(w->arena, bnn_tensor_bytes(bnn_dtype_of(g, t), s));
    return *values ? bnn_graph_get(g, t, *values, err) : no_memory(err);
}

/* A vector that was written already, with the same values; BNN_NONE where there is none. */
static bnn_t find_same(const writer *w, bnn_t t, const void *values) {
    const bnn_graph *g = w->network->graph;
    const bnn_shape s = bnn_shape_of(g, t);
    const size_t bytes = bnn_tensor_bytes(bnn_dtype_of(g, t), s);
    for (size_t i = 0; values && i < w->order_count; i++) {
        const bnn_t other = w->order[i]->t;
        if (w->vector[i] && bnn_dtype_of(g, other) == bnn_dtype_of(g, t) &&
            bnn_shape_equal(bnn_shape_of(g, other), s) &&
            memcmp(w->vector[i], values, bytes) == 0) {
            return other;
        }
    }
    return BNN_NONE;
}

static int are_ones(const float *values, size_t count) {
    size_t i = 0;
    while (i < count && values[i] == 1.0f) {
        i++;
    }
    return i == count;
}

/* What is met for the first time: a constant, unless it changes nothing, or was met as another. */
static bnn_code put_constant(writer *w, bnn_t t, const char *op, int but_ones, bnn_error *err) {
    const bnn_constant *constant = bnn_inference_constant_of(w->network, t);
    void *values = NULL;
    bnn_code code = constant ? read_vector(w, t, &values, err) : unstorable(op, err);
    if (code != BNN_OK) {
        return code;
    }
    if (but_ones && values &&
        are_ones(values, bnn_shape_count(bnn_shape_of(w->network->graph, t)))) {
        put(&w->text, " -");
        return BNN_OK;
    }
    const bnn_t same = find_same(w, t, values);
    if (same >= 0) {
        w->number[t] = w->number[same];
        put(&w->text, " ^%d", w->numbers - w->number[t] + 1);
        return BNN_OK;
    }
    w->vector[w->order_count] = values;
    w->order[w->order_count++] = constant;
    code = is_word(constant->name) ? put_tensor(w, t, constant->name, err)
                                   : unstorable(constant->name, err);
    put(&w->text, ":%s", constant->name);
    return code;
}

static bnn_code put_operand(writer *w, const bnn_node *node, int k, bnn_error *err) {
    const bnn_t t = node->in[k];
    if (t < 0) {
        put(&w->text, " -");
        return BNN_OK;
    }
    if (w->number[t] > 0) {
        put(&w->text, " ^%d", w->numbers - w->number[t] + 1);
        return BNN_OK;
    }
    return put_constant(w, t, node->op->name, (int)(node->op->form->left_out_ones >> k & 1), err);
}

static void put_fields(text *t, const bnn_node *node) {
    for (const bnn_op_field *f = node->op->form->fields; f && f->name; f++) {
        const void *at = (const char *)node->attr + f->offset;
        size_t whole = f->type == BNN_FIELD_SIZE ? *(const size_t *)at : 0;
        float number = f->type == BNN_FIELD_FLOAT  ? *(const float *)at
                       : f->type == BNN_FIELD_SIZE ? (float)whole
                                                   : (float)*(const int *)at;
        if (number == f->otherwise) {
            continue;
        }
        put(t, " %s=", f->name);
        if (f->type == BNN_FIELD_FLOAT) {
            put(t, "%.9g", (double)number);
        } else if (f->type == BNN_FIELD_SIZE) {
            put(t, "%zu", whole);
        } else {
            put(t, "%d", *(const int *)at);
        }
    }
}

static bnn_code put_node(writer *w, const bnn_node *node, bnn_error *err) {
    const bnn_form *form = node->op->form;
    bnn_code code = BNN_OK;
    int given = form ? form->in_count : 0;
    if (!form || (form->any_count ? node->in_count > given : node->in_count != given)) {
        return unstorable(node->op->name, err);
    }
    given = form->any_count ? node->in_count : given;
    while (given > 0 && (node->in[given - 1] < 0 || !form->in_types[given - 1])) {
        given--;
    }
    put(&w->text, ";%s", node->op->name);
    for (int k = 0; code == BNN_OK && k < given; k++) {
        code = put_operand(w, node, k, err);
    }
    put_fields(&w->text, node);
    for (int k = 0; k < node->out_count; k++) {
        w->number[node->out[k]] = ++w->numbers;
    }
    return code;
}

static bnn_code put_network(writer *w, bnn_error *err) {
    const bnn_inference *n = w->network;
    bnn_code code = BNN_OK;
    put(&w->text, "in");
    for (int i = 0; code == BNN_OK && i < n->input_count; i++) {
        const char *name = bnn_graph_name_of(n->graph, n->inputs[i]);
        put(&w->text, " %s", name);
        code = is_word(name) ? put_tensor(w, n->inputs[i], name, err) : unstorable(name, err);
    }
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(n->graph); i++) {
        code = put_node(w, bnn_graph_node(n->graph, i), err);
    }
    put(&w->text, ";out");
    for (int i = 0; code == BNN_OK && i < n->output_count; i++) {
        put(&w->text, " %d", w->number[n->outputs[i]] - 1);
    }
    return code != BNN_OK || !w->text.failed ? code : no_memory(err);
}

/* ---- constants ---- */

/* A constant as the file has it, into `to`. */
static bnn_code copy_constant(const bnn_graph *g, bnn_arena *arena, const bnn_constant *c,
                              unsigned char *to, bnn_error *err) {
    bnn_dtype dtype = bnn_dtype_of(g, c->t);
    bnn_shape s = bnn_shape_of(g, c->t);
    void *data = dtype == BNN_B1 ? bnn_arena_alloc(arena, bnn_tensor_bytes(dtype, s)) : to;
    bnn_code code = data ? bnn_graph_get(g, c->t, data, err) : no_memory(err);
    if (code != BNN_OK) {
        return code;
    }
    const char *flaw =
        dtype == BNN_F32 ? bnn_weights_flaw(c->name, data, bnn_shape_count(s)) : NULL;
    if (flaw) {
        return bnn_fail(err, BNN_ERR_NUMERIC, "'%.64s' holds %s; the network has diverged", c->name,
                        flaw);
    }
    if (dtype == BNN_B1) {
        bnn_packed_bits_to_bytes(s, data, to);
    }
    return BNN_OK;
}

static int shorts_are(size_t count, const int32_t *values) {
    size_t i = 0;
    while (i < count && values[i] == (int16_t)values[i]) {
        i++;
    }
    return i == count;
}

/* Whether the type's narrow form says all values exactly; then they are there, too. */
static int narrow_down(const bnn_packed_type *type, size_t count, const void *values,
                       uint16_t *narrow) {
    if (type->dtype == BNN_F32 && bnn_half_are(count, values)) {
        bnn_half_list(count, values, narrow);
        return 1;
    }
    if (type->dtype != BNN_I32 || !shorts_are(count, values)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        narrow[i] = (uint16_t)((const int32_t *)values)[i];
    }
    return 1;
}

/* The constants of one type, in `arena`; none are no tensor. */
static bnn_code add_slices(bnn_st_writer *file, bnn_arena *arena, writer *w,
                           const bnn_packed_type *type, bnn_error *err) {
    const bnn_graph *g = w->network->graph;
    const size_t item = bnn_st_dtype_bytes(type->stored);
    size_t items = 0, at = 0;
    for (size_t i = 0; i < w->order_count; i++) {
        bnn_t t = w->order[i]->t;
        items += bnn_dtype_of(g, t) == type->dtype
                     ? bnn_packed_items(type->dtype, bnn_shape_count(bnn_shape_of(g, t)))
                     : 0;
    }
    unsigned char *data = bnn_arena_alloc(arena, items * item);
    const int64_t shape[1] = {(int64_t)items};
    bnn_code code = data ? BNN_OK : no_memory(err);
    for (size_t i = 0; code == BNN_OK && i < w->order_count; i++) {
        bnn_t t = w->order[i]->t;
        if (bnn_dtype_of(g, t) == type->dtype) {
            code = copy_constant(g, arena, w->order[i], data + at * item, err);
            at += bnn_packed_items(type->dtype, bnn_shape_count(bnn_shape_of(g, t)));
        }
    }
    if (code != BNN_OK || items == 0) {
        return code;
    }
    uint16_t *narrow = bnn_arena_alloc(arena, items * sizeof *narrow);
    if (!narrow) {
        return no_memory(err);
    }
    return narrow_down(type, items, data, narrow)
               ? bnn_st_add_tensor(file, type->slices[3], type->narrow, 1, shape, narrow, err)
               : bnn_st_add_tensor(file, type->slices[3], type->stored, 1, shape, data, err);
}

static bnn_code add_all(bnn_st_writer *file, bnn_arena *arena, const bnn_spec *spec,
                        const bnn_inference *network, bnn_error *err) {
    bnn_meta meta[BNN_SPEC_META];
    writer w = {
        .network = network, .arena = arena, .text = {.data = calloc(1, 4096), .room = 4096}};
    w.number = bnn_arena_alloc(arena, bnn_graph_tensor_count(network->graph) * sizeof *w.number);
    w.order = bnn_arena_alloc(arena, network->constant_count * sizeof *w.order);
    w.vector = bnn_arena_alloc(arena, network->constant_count * sizeof *w.vector);
    bnn_code code = w.text.data && w.number && w.order && w.vector ? BNN_OK : no_memory(err);
    if (code == BNN_OK &&
        !(code = bnn_meta_add(file, meta, bnn_spec_meta(spec, arena, meta), err)) &&
        !(code = put_network(&w, err))) {
        code = bnn_st_add_metadata(file, BNN_PACKED_NETWORK, w.text.data, err);
    }
    for (int k = 0; code == BNN_OK && k < BNN_PACKED_TYPES; k++) {
        code = add_slices(file, arena, &w, &bnn_packed_types[k], err);
    }
    if (code == BNN_OK && !(code = bnn_st_compress_metadata(file, err)) &&
        !(code = bnn_st_add_metadata(file, "format", BNN_PACKED_FORMAT, err))) {
        char sum[9];
        snprintf(sum, sizeof sum, "%08x", bnn_st_writer_contents(file, BNN_PACKED_CHECKSUM));
        code = bnn_st_add_metadata(file, BNN_PACKED_CHECKSUM, sum, err);
    }
    free(w.text.data);
    return code;
}

bnn_code bnn_packed_save(const char *path, const bnn_spec *spec, const bnn_inference *network,
                         size_t *bytes, bnn_error *err) {
    struct stat info;
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *file = bnn_st_writer_create();
    bnn_code code = arena && file ? add_all(file, arena, spec, network, err) : no_memory(err);
    if (code != BNN_OK) {
        bnn_fail_in(err, code, "%s", path);
    } else if ((code = bnn_st_write(file, path, err)) == BNN_OK && stat(path, &info) == 0) {
        *bytes = (size_t)info.st_size;
    }
    bnn_st_writer_free(file);
    bnn_arena_free(arena);
    return code;
}

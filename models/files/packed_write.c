/* A packed model into its file. The network is written as text by hand: no name in it needs an
 * escape, and numbers must not depend on the locale. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "layers/ops.h"
#include "engine/base/text.h"
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

/* What writes a network: what each tensor of the graph is called. */
typedef struct writer {
    const bnn_inference *network;
    const char **names; /* NULL: a node's own, or none that a node reads */
    text text;
} writer;

static bnn_code unstorable(const char *what, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED, "'%.64s' cannot be stored in a packed file", what);
}

static bnn_code put_tensor(writer *w, bnn_t t, const char *separator, bnn_error *err) {
    const bnn_graph *g = w->network->graph;
    const bnn_packed_type *type = bnn_packed_type_of(bnn_dtype_of(g, t));
    bnn_shape s = bnn_shape_of(g, t);
    if (!type) {
        return unstorable(w->names[t], err);
    }
    put(&w->text, "%s[\"%s\",\"%s\",%d,%d,%d,%d]", separator, w->names[t], type->name, s.n, s.h,
        s.w, s.c);
    return BNN_OK;
}

static void put_fields(text *t, const bnn_node *node) {
    const char *separator = ",\"attr\":{", *end = "";
    for (const bnn_op_field *f = node->op->form->fields; f && f->name; f++) {
        const void *at = (const char *)node->attr + f->offset;
        size_t whole = f->type == BNN_FIELD_SIZE ? *(const size_t *)at : 0;
        float number = f->type == BNN_FIELD_FLOAT  ? *(const float *)at
                       : f->type == BNN_FIELD_SIZE ? (float)whole
                                                   : (float)*(const int *)at;
        if (number == f->otherwise) {
            continue;
        }
        put(t, "%s\"%s\":", separator, f->name);
        if (f->type == BNN_FIELD_FLOAT) {
            put(t, "\"%.9g\"", (double)number);
        } else if (f->type == BNN_FIELD_SIZE) {
            put(t, "%zu", whole);
        } else {
            put(t, "%d", *(const int *)at);
        }
        separator = ",";
        end = "}";
    }
    put(t, "%s", end);
}

static bnn_code put_node(writer *w, const bnn_node *node, const char *separator, bnn_error *err) {
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
    put(&w->text, "%s{\"op\":\"%s\",\"in\":[", separator, node->op->name);
    for (int k = 0; k < given; k++) {
        const char *name = node->in[k] < 0 ? NULL : w->names[node->in[k]];
        put(&w->text, name ? "%s\"%s\"" : "%snull", k ? "," : "", name);
    }
    put(&w->text, "],\"out\":[");
    for (int k = 0; code == BNN_OK && k < node->out_count; k++) {
        code = put_tensor(w, node->out[k], k ? "," : "", err);
    }
    put(&w->text, "]");
    put_fields(&w->text, node);
    put(&w->text, "}");
    return code;
}

static bnn_code put_network(writer *w, bnn_error *err) {
    const bnn_inference *n = w->network;
    bnn_code code = BNN_OK;
    put(&w->text, "{\"inputs\":[");
    for (int i = 0; code == BNN_OK && i < n->input_count; i++) {
        code = put_tensor(w, n->inputs[i], i ? "," : "", err);
    }
    put(&w->text, "],\"bits\":{");
    const char *separator = "";
    for (size_t i = 0; i < n->constant_count; i++) {
        const bnn_constant *c = &n->constants[i];
        bnn_shape s = bnn_shape_of(n->graph, c->t);
        if (bnn_dtype_of(n->graph, c->t) == BNN_B1) {
            put(&w->text, "%s\"%s\":[%d,%d,%d,%d]", separator, c->name, s.n, s.h, s.w, s.c);
            separator = ",";
        }
    }
    put(&w->text, "},\"nodes\":[");
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(n->graph); i++) {
        code = put_node(w, bnn_graph_node(n->graph, i), i ? "," : "", err);
    }
    put(&w->text, "],\"outputs\":[");
    for (int i = 0; code == BNN_OK && i < n->output_count; i++) {
        put(&w->text, "%s\"%s\"", i ? "," : "", w->names[n->outputs[i]]);
    }
    put(&w->text, "]}");
    return code != BNN_OK || !w->text.failed
               ? code
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
}

/* Inputs and constants have names; what nodes make has numbers. */
static bnn_code name_tensors(writer *w, bnn_arena *arena, bnn_error *err) {
    const bnn_inference *n = w->network;
    size_t made = 0;
    int named = 1;
    w->names = bnn_arena_alloc(arena, (bnn_graph_tensor_count(n->graph) + 1) * sizeof *w->names);
    for (int i = 0; w->names && i < n->input_count; i++) {
        w->names[n->inputs[i]] = bnn_graph_name_of(n->graph, n->inputs[i]);
    }
    for (size_t i = 0; w->names && i < n->constant_count; i++) {
        w->names[n->constants[i].t] = n->constants[i].name;
    }
    for (size_t i = 0; w->names && i < bnn_graph_node_count(n->graph); i++) {
        const bnn_node *node = bnn_graph_node(n->graph, i);
        for (int k = 0; k < node->out_count; k++) {
            w->names[node->out[k]] = bnn_arena_format(arena, "%zu", made++);
            named &= w->names[node->out[k]] != NULL;
        }
    }
    return w->names && named ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
}

/* A constant as the file has it, in `arena`. */
static bnn_code add_constant(bnn_st_writer *file, bnn_arena *arena, const bnn_graph *g,
                             const bnn_constant *c, bnn_error *err) {
    bnn_dtype dtype = bnn_dtype_of(g, c->t);
    bnn_shape s = bnn_shape_of(g, c->t);
    size_t items = bnn_packed_items(dtype, bnn_shape_count(s));
    int64_t shape[4] = {s.n, s.h, s.w, s.c}, count = (int64_t)items;
    void *data = bnn_arena_alloc(arena, bnn_tensor_bytes(dtype, s));
    if (!data) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
    }
    bnn_code code = bnn_graph_get(g, c->t, data, err);
    if (code != BNN_OK) {
        return code;
    }
    const char *flaw = dtype == BNN_F32 ? bnn_weights_flaw(c->name, data, items) : NULL;
    if (flaw) {
        return bnn_fail(err, BNN_ERR_NUMERIC, "'%.64s' holds %s; the network has diverged", c->name,
                        flaw);
    }
    int vector = (size_t)s.c == items;
    if (dtype == BNN_B1) {
        unsigned char *bytes = bnn_arena_alloc(arena, items);
        if (!bytes) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
        }
        bnn_packed_bits_to_bytes(s, data, bytes);
        data = bytes;
        vector = 1;
    }
    return bnn_st_add_tensor(file, c->name, bnn_packed_type_of(dtype)->stored, vector ? 1 : 4,
                             vector ? &count : shape, data, err);
}

static bnn_code add_all(bnn_st_writer *file, bnn_arena *arena, const bnn_spec *spec,
                        const bnn_inference *network, bnn_error *err) {
    bnn_meta meta[BNN_SPEC_META];
    writer w = {.network = network, .text = {.data = calloc(1, 4096), .room = 4096}};
    bnn_code code = w.text.data ? name_tensors(&w, arena, err)
                                : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
    if (code == BNN_OK && !(code = bnn_st_add_metadata(file, "format", BNN_PACKED_FORMAT, err)) &&
        !(code = bnn_meta_add(file, meta, bnn_spec_meta(spec, arena, meta), err)) &&
        !(code = put_network(&w, err))) {
        code = bnn_st_add_metadata(file, BNN_PACKED_NETWORK, w.text.data, err);
    }
    for (size_t i = 0; code == BNN_OK && i < network->constant_count; i++) {
        code = add_constant(file, arena, network->graph, &network->constants[i], err);
    }
    free(w.text.data);
    return code;
}

bnn_code bnn_packed_save(const char *path, const bnn_spec *spec, const bnn_inference *network,
                         size_t *bytes, bnn_error *err) {
    struct stat info;
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *file = bnn_st_writer_create();
    bnn_code code = arena && file ? add_all(file, arena, spec, network, err)
                                  : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
    if (code != BNN_OK) {
        bnn_fail_in(err, code, "%s", path);
    } else if ((code = bnn_st_write(file, path, err)) == BNN_OK && stat(path, &info) == 0) {
        *bytes = (size_t)info.st_size;
    }
    bnn_st_writer_free(file);
    bnn_arena_free(arena);
    return code;
}

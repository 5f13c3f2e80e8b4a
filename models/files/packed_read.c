/* The network of a packed file, built from what the file says of it (packed.h). */
#include <stdio.h>
#include <string.h>

#include "layers/ops.h"
#include "models/files/packed_private.h"

typedef struct reader {
    bnn_packed_reader base;
    char *text;  /* a copy, which is cut into words */
    bnn_t *made; /* the tensor of each number */
    size_t made_count, made_room;
    size_t constants, left[BNN_PACKED_TYPES]; /* items that no constant has taken yet */
    size_t binary, all;                       /* values of the constants */
} reader;

/* ---- words ---- */

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Takes a number of at most nine digits. */
static int take_whole(const char **at, int64_t *number) {
    const char *start = *at;
    for (*number = 0; is_digit(**at) && *at - start < 9; ++*at) {
        *number = 10 * *number + (**at - '0');
    }
    return *at > start;
}

/* "f16", or "b16,3,3,16". */
static int read_shape(const char *word, const bnn_packed_type **type, bnn_shape *shape) {
    int64_t dims[4] = {0};
    int count = 0, ok = 0;
    *shape = (bnn_shape){0};
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        if (word[0] == bnn_packed_types[k].letter) {
            *type = &bnn_packed_types[k];
            ok = 1;
        }
    }
    const char *at = word + 1;
    while (ok && count < 4 && (count == 0 || *at++ == ',')) {
        ok = take_whole(&at, &dims[count++]) && dims[count - 1] >= 1 &&
             dims[count - 1] <= BNN_MAX_DIM;
        if (ok && !*at) {
            break;
        }
    }
    if (!ok || *at || (count != 1 && count != 4)) {
        return 0;
    }
    *shape = count == 1 ? bnn_vector((int)dims[0])
                        : (bnn_shape){(int)dims[0], (int)dims[1], (int)dims[2], (int)dims[3]};
    return 1;
}

/* A constant, "f16:conv1.shift", is seen to be in the file. Its name is cut off from `word`. */
static bnn_code take_constant(reader *r, char *word, const bnn_packed_type **type, bnn_shape *shape,
                              const char **name) {
    size_t values = 1;
    char *behind = word;
    strsep(&behind, ":");
    *name = behind;
    int ok = read_shape(word, type, shape);
    const int dims[4] = {shape->n, shape->h, shape->w, shape->c};
    for (int i = 0; ok && i < 4; i++) {
        ok = !__builtin_mul_overflow(values, (size_t)dims[i], &values);
    }
    size_t *left = ok ? &r->left[*type - bnn_packed_types] : NULL;
    size_t items = ok ? bnn_packed_items((*type)->dtype, values) : 0;
    if (!ok) {
        return bnn_packed_damaged(&r->base, "constant %zu, '%.64s', has no type and shape",
                                  r->constants, word);
    }
    if (items > *left) {
        int there = bnn_st_find(r->base.file, (*type)->slices[3]) != NULL;
        return bnn_packed_damaged(&r->base, "constant %zu, '%.64s', %s '%s'", r->constants, word,
                                  there ? "is longer than what is left of tensor"
                                        : "is missing: there is no tensor",
                                  (*type)->slices[3]);
    }
    *left -= items;
    r->constants++;
    r->all += values;
    r->binary += (*type)->dtype == BNN_B1 ? values : 0;
    return BNN_OK;
}

/* "7", from the beginning, or "^1", the last one. */
static bnn_t find(const reader *r, const char *word) {
    const int back = word[0] == '^';
    int64_t number;
    word += back;
    if (!take_whole(&word, &number) || *word || (back && number == 0)) {
        return BNN_NONE;
    }
    number = back ? (int64_t)r->made_count - number : number;
    return number >= 0 && (size_t)number < r->made_count ? r->made[number] : BNN_NONE;
}

static bnn_code add(reader *r, bnn_t t) {
    if (r->made_count == r->made_room) {
        return bnn_packed_damaged(&r->base, "it has more tensors than words");
    }
    r->made[r->made_count++] = t;
    return BNN_OK;
}

/* ---- statements ---- */

static size_t count_words(const char *statement) {
    size_t words = 1;
    for (; *statement; statement++) {
        words += *statement == ' ';
    }
    return words;
}

static bnn_code read_inputs(reader *r, char *rest) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < r->base.network->input_count; i++) {
        const char *name = strsep(&rest, " "), *word = strsep(&rest, " ");
        const bnn_packed_type *type;
        bnn_shape shape;
        if (!name || !word || !read_shape(word, &type, &shape)) {
            return bnn_packed_damaged(&r->base, "input %d is no name, type and shape", i);
        }
        code = bnn_packed_add_input(&r->base, i, name, type->dtype, shape);
        if (code == BNN_OK) {
            code = add(r, r->base.network->inputs[i]);
        }
    }
    return code == BNN_OK && rest
               ? bnn_packed_damaged(&r->base, "its inputs are not names, types and shapes")
               : code;
}

static bnn_code read_operand(reader *r, char *word, bnn_t *t) {
    const bnn_packed_type *type;
    const char *name;
    bnn_shape shape;
    char number[32];
    *t = strcmp(word, "-") == 0 ? BNN_NONE : find(r, word);
    if (*t >= 0 || is_digit(word[0]) || word[0] == '-' || word[0] == '^') {
        return BNN_OK;
    }
    snprintf(number, sizeof number, "constant %zu", r->constants);
    bnn_code code = take_constant(r, word, &type, &shape, &name);
    if (code != BNN_OK) {
        return code;
    }
    *t = bnn_inference_constant(r->base.network, type->dtype, shape, name ? name : number);
    code = bnn_packed_refused(&r->base, "constant", r->constants - 1);
    return code == BNN_OK ? add(r, *t) : code;
}

/* `*rest` gets the first word that is none. */
static bnn_code read_operands(reader *r, size_t index, const bnn_form *form, char **rest,
                              int *count, bnn_t in[BNN_MAX_IN]) {
    bnn_code code = BNN_OK;
    int k = 0;
    while (code == BNN_OK && *rest && !memchr(*rest, '=', strcspn(*rest, " "))) {
        char *word = strsep(rest, " ");
        if (k == form->in_count) {
            return bnn_packed_damaged(&r->base, "node %zu has more than %d inputs", index, k);
        }
        if ((code = read_operand(r, word, &in[k])) == BNN_OK) {
            code = bnn_packed_check_operand(&r->base, index, form, k, in[k], strcmp(word, "-") == 0,
                                            word);
        }
        k++;
    }
    *count = form->any_count ? k : form->in_count;
    if (code == BNN_OK && *count < 1) {
        return bnn_packed_damaged(&r->base, "node %zu has no inputs", index);
    }
    for (; code == BNN_OK && k < *count; k++) {
        in[k] = BNN_NONE;
        code = bnn_packed_check_operand(&r->base, index, form, k, in[k], 1, "-");
    }
    return code;
}

static int set_field(const reader *r, const bnn_op_field *field, const char *value, char *attr) {
    int64_t number;
    if (field->type == BNN_FIELD_FLOAT) {
        return bnn_packed_set_float(field, value, attr);
    }
    const int negative = value[0] == '-';
    value += negative;
    return take_whole(&value, &number) && !*value &&
           bnn_packed_set_whole(&r->base, field, negative ? -number : number, attr);
}

static bnn_code read_fields(const reader *r, size_t index, const bnn_form *form, char *rest,
                            char *attr) {
    uint64_t given = 0;
    for (const bnn_op_field *f = form->fields; f && f->name; f++) {
        bnn_packed_set_default(&r->base, f, attr);
    }
    while (rest) {
        char *value = strsep(&rest, " ");
        const char *name = strsep(&value, "=");
        const bnn_op_field *f = form->fields;
        while (f && f->name && strcmp(f->name, name) != 0) {
            f++;
        }
        if (!f || !f->name || !value || given >> (f - form->fields) & 1) {
            return bnn_packed_damaged(&r->base, "node %zu: '%.64s' is no field of its op, or twice",
                                      index, name);
        }
        given |= (uint64_t)1 << (f - form->fields);
        if (!set_field(r, f, value, attr)) {
            return bnn_packed_damaged(&r->base, "node %zu: its '%s' is no number for that", index,
                                      f->name);
        }
    }
    return BNN_OK;
}

static bnn_code read_node(reader *r, char *rest, size_t index) {
    const char *name = strsep(&rest, " ");
    const bnn_op *op;
    char *attr;
    bnn_t in[BNN_MAX_IN];
    int count = 0;
    bnn_code code;
    if ((code = bnn_packed_find_op(&r->base, index, name, &op, &attr)) ||
        (code = read_operands(r, index, op->form, &rest, &count, in)) ||
        (code = read_fields(r, index, op->form, rest, attr)) ||
        (code = bnn_packed_add_node(&r->base, index, op, attr, count, in))) {
        return code;
    }
    const bnn_graph *g = r->base.network->graph;
    const bnn_node *node = bnn_graph_node(g, bnn_graph_node_count(g) - 1);
    for (int k = 0; code == BNN_OK && k < node->out_count; k++) {
        code = add(r, node->out[k]);
    }
    return code;
}

static bnn_code read_outputs(const reader *r, char *rest) {
    for (int i = 0; i < r->base.network->output_count; i++) {
        const char *word = strsep(&rest, " ");
        r->base.network->outputs[i] = word ? find(r, word) : BNN_NONE;
        if (r->base.network->outputs[i] < 0) {
            return bnn_packed_damaged(&r->base, "output %d is missing", i);
        }
        bnn_graph_keep(r->base.network->graph, r->base.network->outputs[i]);
    }
    return BNN_OK;
}

/* ---- the whole ---- */

/* What stands between "WORD " and the statement's end, or NULL, as where there is no statement. */
static char *behind(char *statement, const char *word) {
    size_t length = strlen(word);
    return statement && strncmp(statement, word, length) == 0 ? statement + length : NULL;
}

static bnn_code read_statements(reader *r, const bnn_device *device) {
    char *rest = r->text, *inputs = behind(strsep(&rest, ";"), "in "), *last;
    last = rest ? strrchr(rest, ';') : NULL;
    if (last) {
        *last++ = '\0';
    } else {
        last = rest;
        rest = NULL;
    }
    char *outputs = behind(last, "out ");
    bnn_code code = bnn_packed_start(&r->base, device, inputs ? count_words(inputs) / 2 : 0,
                                     outputs ? count_words(outputs) : 0);
    if (code == BNN_OK) {
        code = read_inputs(r, inputs);
    }
    for (size_t i = 0; code == BNN_OK && rest; i++) {
        code = read_node(r, strsep(&rest, ";"), i);
    }
    return code == BNN_OK ? read_outputs(r, outputs) : code;
}

static bnn_code start(reader *r, bnn_arena *arena) {
    const char *text = bnn_st_metadata(r->base.file, BNN_PACKED_NETWORK);
    r->text = bnn_arena_format(arena, "%s", text);
    r->made_room = strlen(text);
    r->made = bnn_arena_alloc(arena, (r->made_room + 1) * sizeof *r->made);
    if (!r->text || !r->made) {
        return bnn_packed_no_memory(&r->base);
    }
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        const bnn_packed_type *type = &bnn_packed_types[k];
        const bnn_st_tensor *t = bnn_st_find(r->base.file, type->slices[3]);
        if (t && !bnn_packed_stored(type, t->dtype)) {
            return bnn_packed_damaged(&r->base, "tensor '%s' is of another type", type->slices[3]);
        }
        r->left[k] = t ? t->count : 0;
    }
    return BNN_OK;
}

/* All that the file holds is some constant's. */
static bnn_code finish(const reader *r) {
    int fits = 1;
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        fits = fits && r->left[k] == 0;
    }
    return fits ? BNN_OK : bnn_packed_damaged(&r->base, "the file holds more than its constants");
}

bnn_code bnn_packed_read(const bnn_packed_reader *base, const bnn_device *device) {
    reader r = {.base = *base};
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? start(&r, arena) : bnn_packed_no_memory(base);
    if (code == BNN_OK && (code = read_statements(&r, device)) == BNN_OK) {
        code = finish(&r);
    }
    bnn_arena_free(arena);
    return code;
}

/* Constants are known by their looks. */
bnn_code bnn_packed_read_count(const bnn_packed_reader *base, size_t *binary, size_t *all) {
    reader r = {.base = *base};
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? start(&r, arena) : bnn_packed_no_memory(base);
    char *rest = r.text;
    if (code == BNN_OK) {
        strsep(&rest, ";"); /* the inputs */
    }
    while (code == BNN_OK && rest) {
        char *words = strsep(&rest, ";");
        for (strsep(&words, " "); code == BNN_OK && words;) { /* behind the op */
            char *word = strsep(&words, " ");
            const bnn_packed_type *type;
            const char *name;
            bnn_shape shape;
            if (word[0] >= 'a' && word[0] <= 'z' && is_digit(word[1]) && !strchr(word, '=')) {
                code = take_constant(&r, word, &type, &shape, &name);
            }
        }
    }
    code = code == BNN_OK ? finish(&r) : code;
    *binary = r.binary;
    *all = r.all;
    bnn_arena_free(arena);
    return code;
}

/* Why: PyTorch's files are pickles, programs for a small stack machine that in Python may call
 * anything. The decision: this machine calls nothing. It has one function an opcode, which moves
 * values that describe; what it allocates is bounded by one count of everything that is pushed. */
#include "engine/io/pickle.h"

#include <string.h>

enum { MOST_VALUES = 1 << 22, MOST_NAME = 1024 };

typedef struct reader {
    const char *name;
    const unsigned char *bytes;
    size_t size, at;
    bnn_arena *arena;
    bnn_py **stack, **memo;
    size_t *marks; /* how deep the stack was */
    size_t depth, stack_capacity, memo_capacity, mark_count, mark_capacity;
    size_t pushed, memorized;
    bnn_py_result *out;
    size_t persistent_capacity;
    bnn_error *err;
} reader;

/* ---- what goes wrong ---- */

static bnn_code damaged(const reader *r, const char *why) {
    return bnn_fail(r->err, BNN_ERR_FORMAT, "%s: the pickle %s at byte %zu; the file is damaged",
                    r->name, why, r->at);
}

static bnn_code no_memory(const reader *r) {
    return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory for its pickle", r->name);
}

static bnn_code too_many(const reader *r) {
    return bnn_fail(r->err, BNN_ERR_UNSUPPORTED,
                    "%s: its pickle holds more than %d values; save the weights alone: "
                    "torch.save(model.state_dict(), ...)",
                    r->name, MOST_VALUES);
}

/* ---- memory ---- */

/* Room for `need` pointers; what was there stays. 0: out of memory. */
static int reserve(bnn_arena *arena, void *list, size_t *capacity, size_t need) {
    void *old, *grown;
    memcpy(&old, list, sizeof old);
    if (!(grown = bnn_arena_grow(arena, old, capacity, need, sizeof(void *)))) {
        return 0;
    }
    memcpy(list, &grown, sizeof grown);
    return 1;
}

static bnn_code push(reader *r, bnn_py *value) {
    if (++r->pushed > MOST_VALUES) {
        return too_many(r);
    }
    if (!value || !reserve(r->arena, &r->stack, &r->stack_capacity, r->depth + 1)) {
        return no_memory(r);
    }
    r->stack[r->depth++] = value;
    return BNN_OK;
}

static bnn_code push_new(reader *r, bnn_py value) {
    bnn_py *copy = bnn_arena_alloc(r->arena, sizeof *copy);
    if (copy) {
        *copy = value;
    }
    return push(r, copy);
}

/* The values above the last mark, or all. */
static size_t above_mark(const reader *r) {
    return r->depth - (r->mark_count ? r->marks[r->mark_count - 1] : 0);
}

/* `count` of them must be there. */
static bnn_code need(const reader *r, size_t count) {
    return above_mark(r) >= count ? BNN_OK : damaged(r, "takes values that are not there");
}

/* Takes them off; they stay at *values until something is pushed. */
static bnn_code pop(reader *r, size_t count, bnn_py *const **values) {
    bnn_code code = need(r, count);
    r->depth -= code == BNN_OK ? count : 0;
    *values = r->stack + r->depth;
    return code;
}

/* Puts values into another's items, in order. */
static bnn_code put_in(reader *r, bnn_py *into, bnn_py *const *values, size_t count) {
    if (count && !reserve(r->arena, &into->item, &into->capacity, into->count + count)) {
        return no_memory(r);
    }
    for (size_t i = 0; i < count; i++) {
        into->item[into->count++] = values[i];
    }
    return BNN_OK;
}

/* ---- bytes ---- */

static bnn_code take(reader *r, size_t count, const unsigned char **out) {
    *out = r->bytes + r->at;
    if (count > r->size - r->at) {
        return damaged(r, "is cut short");
    }
    r->at += count;
    return BNN_OK;
}

/* Little-endian, `width` bytes. */
static bnn_code take_number(reader *r, size_t width, uint64_t *out) {
    const unsigned char *bytes;
    bnn_code code = take(r, width, &bytes);
    *out = 0;
    for (size_t i = width; code == BNN_OK && i-- > 0;) {
        *out = *out << 8 | bytes[i];
    }
    return code;
}

/* As many bytes as a length of `width` bytes says. */
static bnn_code take_counted(reader *r, size_t width, const char **text, size_t *length) {
    uint64_t count;
    const unsigned char *bytes = NULL;
    bnn_code code = take_number(r, width, &count);
    if (code == BNN_OK) {
        code = take(r, count > SIZE_MAX ? SIZE_MAX : (size_t)count, &bytes);
    }
    *text = (const char *)bytes;
    *length = (size_t)count;
    return code;
}

static bnn_code take_line(reader *r, const char **text, size_t *length) {
    const unsigned char *start = r->bytes + r->at;
    const unsigned char *end = memchr(start, '\n', r->size - r->at);
    *text = (const char *)start;
    *length = end ? (size_t)(end - start) : 0;
    if (!end) {
        return damaged(r, "is cut short");
    }
    r->at += *length + 1;
    return BNN_OK;
}

/* ---- the opcodes; each is told its own ---- */

static bnn_code do_nothing(reader *r, int op) {
    (void)r;
    (void)op;
    return BNN_OK;
}

static bnn_code do_protocol(reader *r, int op) {
    uint64_t version;
    (void)op;
    bnn_code code = take_number(r, 1, &version);
    return code == BNN_OK && version > 5
               ? bnn_fail(r->err, BNN_ERR_UNSUPPORTED,
                          "%s: pickle protocol %d is not supported; save it with torch.save's own",
                          r->name, (int)version)
               : code;
}

static bnn_code do_frame(reader *r, int op) {
    uint64_t length;
    (void)op;
    return take_number(r, 8, &length); /* for readers of streams */
}

static bnn_code do_constant(reader *r, int op) {
    bnn_py value = {.kind = op == 'N' ? BNN_PY_NONE : BNN_PY_BOOL};
    value.number = op == 0x88;
    return push_new(r, value);
}

static bnn_code do_int(reader *r, int op) {
    uint64_t bits;
    bnn_code code = take_number(r, op == 'K' ? 1 : op == 'M' ? 2 : 4, &bits);
    bnn_py value = {.kind = BNN_PY_INT};
    value.number = op == 'J' ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
    return code == BNN_OK ? push_new(r, value) : code;
}

static bnn_code do_long(reader *r, int op) {
    const char *text;
    size_t length;
    bnn_code code = take_counted(r, op == 0x8a ? 1 : 4, &text, &length);
    if (code != BNN_OK) {
        return code;
    }
    bnn_py value = {.kind = length > 8 ? BNN_PY_LONG : BNN_PY_INT};
    if (length > 8) {
        value.text = text;
        value.length = length;
    } else {
        uint64_t bits = length && ((unsigned char)text[length - 1] & 0x80) ? UINT64_MAX : 0;
        for (size_t i = length; i-- > 0;) {
            bits = bits << 8 | (unsigned char)text[i];
        }
        value.number = (int64_t)bits;
    }
    return push_new(r, value);
}

static bnn_code do_float(reader *r, int op) {
    const unsigned char *bytes;
    (void)op;
    bnn_code code = take(r, 8, &bytes);
    return code == BNN_OK ? push_new(r, (bnn_py){.kind = BNN_PY_FLOAT}) : code;
}

/* The width of its length, by opcode. */
static bnn_code do_string(reader *r, int op) {
    const int bytes = op == 'B' || op == 'C' || op == 0x8e || op == 0x96;
    const size_t width = op == 'C' || op == 'U' || op == 0x8c     ? 1
                         : op == 0x8d || op == 0x8e || op == 0x96 ? 8
                                                                  : 4;
    bnn_py value = {.kind = bytes ? BNN_PY_BYTES : BNN_PY_TEXT};
    bnn_code code = take_counted(r, width, &value.text, &value.length);
    return code == BNN_OK ? push_new(r, value) : code;
}

static bnn_code do_mark(reader *r, int op) {
    (void)op;
    if (++r->pushed > MOST_VALUES) {
        return too_many(r);
    }
    _Static_assert(sizeof *r->marks == sizeof(void *), "marks grow like lists of pointers");
    if (!reserve(r->arena, &r->marks, &r->mark_capacity, r->mark_count + 1)) {
        return no_memory(r);
    }
    r->marks[r->mark_count++] = r->depth;
    return BNN_OK;
}

/* Takes the mark off; the values that stood above it are *count at *values, off the stack. */
static bnn_code pop_mark(reader *r, bnn_py *const **values, size_t *count) {
    *count = above_mark(r);
    *values = r->stack + r->depth - *count;
    if (!r->mark_count) {
        return damaged(r, "takes values that are not there");
    }
    r->depth -= *count;
    r->mark_count--;
    return BNN_OK;
}

static bnn_code do_pop(reader *r, int op) {
    bnn_py *const *values;
    size_t count;
    if (op == '1' || (above_mark(r) == 0 && r->mark_count)) {
        return pop_mark(r, &values, &count);
    }
    return pop(r, 1, &values);
}

static bnn_code do_duplicate(reader *r, int op) {
    (void)op;
    bnn_code code = need(r, 1);
    return code == BNN_OK ? push(r, r->stack[r->depth - 1]) : code;
}

/* Of what an opcode makes, empty or full. */
static bnn_py_kind kind_of(int op) {
    return op == '}' || op == 'd'   ? BNN_PY_DICT
           : op == ']' || op == 'l' ? BNN_PY_LIST
           : op == ')' || op == 't' ? BNN_PY_TUPLE
                                    : BNN_PY_SET;
}

static bnn_code do_empty(reader *r, int op) {
    return push_new(r, (bnn_py){.kind = kind_of(op)});
}

/* A container of what stands above the mark. */
static bnn_code do_container(reader *r, int op) {
    bnn_py *const *values;
    size_t count;
    bnn_py made = {.kind = kind_of(op)};
    bnn_code code = pop_mark(r, &values, &count);
    if (code == BNN_OK && op == 'd' && count % 2) {
        return damaged(r, "has a key without a value");
    }
    if (code == BNN_OK && !(code = put_in(r, &made, values, count))) {
        code = push_new(r, made);
    }
    return code;
}

static bnn_code do_short_tuple(reader *r, int op) {
    const size_t count = (size_t)(op - 0x84);
    bnn_py *const *values;
    bnn_py made = {.kind = BNN_PY_TUPLE};
    bnn_code code = pop(r, count, &values);
    if (code == BNN_OK && !(code = put_in(r, &made, values, count))) {
        code = push_new(r, made);
    }
    return code;
}

/* Puts values into what is below them: into a container of their kind, or the result of a call. */
static bnn_code add_to_top(reader *r, int op, bnn_py *const *values, size_t count) {
    const int pairs = op == 's' || op == 'u';
    bnn_code code = need(r, 1);
    if (code != BNN_OK) {
        return code;
    }
    bnn_py *into = r->stack[r->depth - 1];
    if (into->kind != BNN_PY_CALL && into->kind != (pairs        ? BNN_PY_DICT
                                                    : op == 0x90 ? BNN_PY_SET
                                                                 : BNN_PY_LIST)) {
        return damaged(r, "puts values into what holds none");
    }
    if (pairs && count % 2) {
        return damaged(r, "has a key without a value");
    }
    return put_in(r, into, values, count);
}

static bnn_code do_add(reader *r, int op) {
    const size_t count = op == 's' ? 2 : 1;
    bnn_py *const *values;
    bnn_code code = pop(r, count, &values);
    return code == BNN_OK ? add_to_top(r, op, values, count) : code;
}

static bnn_code do_add_many(reader *r, int op) {
    bnn_py *const *values;
    size_t count;
    bnn_code code = pop_mark(r, &values, &count);
    return code == BNN_OK ? add_to_top(r, op, values, count) : code;
}

static bnn_code do_put(reader *r, int op) {
    uint64_t index = r->memorized;
    bnn_code code = op == 0x94 ? BNN_OK : take_number(r, op == 'q' ? 1 : 4, &index);
    if (code != BNN_OK || (code = need(r, 1)) != BNN_OK) {
        return code;
    }
    if (index >= MOST_VALUES) {
        return too_many(r);
    }
    if (!reserve(r->arena, &r->memo, &r->memo_capacity, (size_t)index + 1)) {
        return no_memory(r);
    }
    r->memo[index] = r->stack[r->depth - 1];
    r->memorized++;
    return BNN_OK;
}

static bnn_code do_get(reader *r, int op) {
    uint64_t index;
    bnn_code code = take_number(r, op == 'h' ? 1 : 4, &index);
    if (code == BNN_OK && (index >= r->memo_capacity || !r->memo[index])) {
        return damaged(r, "recalls what it did not put by");
    }
    return code == BNN_OK ? push(r, r->memo[index]) : code;
}

static bnn_code push_global(reader *r, const char *module, size_t module_length, const char *name,
                            size_t length) {
    if (module_length > MOST_NAME || length > MOST_NAME) {
        return damaged(r, "has a name too long for a function");
    }
    char *text = bnn_arena_alloc(r->arena, module_length + 1 + length + 1);
    if (!text) {
        return no_memory(r);
    }
    memcpy(text, module, module_length);
    text[module_length] = '.';
    memcpy(text + module_length + 1, name, length);
    bnn_py value = {.kind = BNN_PY_GLOBAL};
    value.text = text;
    value.length = module_length + 1 + length;
    return push_new(r, value);
}

static bnn_code do_global(reader *r, int op) {
    const char *module, *name;
    size_t module_length, length;
    (void)op;
    bnn_code code = take_line(r, &module, &module_length);
    if (code == BNN_OK && !(code = take_line(r, &name, &length))) {
        code = push_global(r, module, module_length, name, length);
    }
    return code;
}

static bnn_code do_stack_global(reader *r, int op) {
    (void)op;
    bnn_py *const *values;
    bnn_code code = pop(r, 2, &values);
    if (code != BNN_OK) {
        return code;
    }
    const bnn_py *module = values[0], *name = values[1];
    return module->kind == BNN_PY_TEXT && name->kind == BNN_PY_TEXT
               ? push_global(r, module->text, module->length, name->text, name->length)
               : damaged(r, "has a name that is no text");
}

/* REDUCE, NEWOBJ and NEWOBJ_EX, whose arguments by name are not kept. */
static bnn_code do_call(reader *r, int op) {
    bnn_py *const *values;
    bnn_code code = pop(r, op == 0x92 ? 3 : 2, &values);
    if (code != BNN_OK) {
        return code;
    }
    return push_new(r, (bnn_py){.kind = BNN_PY_CALL, .function = values[0], .argument = values[1]});
}

/* An object's state: of attributes, none of which we need. */
static bnn_code do_build(reader *r, int op) {
    (void)op;
    bnn_code code = need(r, 2);
    r->depth -= code == BNN_OK;
    return code;
}

static bnn_code do_extension(reader *r, int op) {
    uint64_t number;
    bnn_code code = take_number(r, (size_t)1 << (op - 0x82), &number);
    return code == BNN_OK ? push_new(r, (bnn_py){.kind = BNN_PY_CALL}) : code;
}

static bnn_code do_persistent(reader *r, int op) {
    (void)op;
    bnn_py *const *values;
    bnn_code code = pop(r, 1, &values);
    if (code != BNN_OK ||
        (code = push_new(r, (bnn_py){.kind = BNN_PY_PERSISTENT, .argument = values[0]}))) {
        return code;
    }
    if (!reserve(r->arena, &r->out->persistent, &r->persistent_capacity,
                 r->out->persistent_count + 1)) {
        return no_memory(r);
    }
    r->out->persistent[r->out->persistent_count++] = r->stack[r->depth - 1];
    return BNN_OK;
}

/* Numbers and strings as text belong to protocol 0, which nobody saves weights in. */
static bnn_code (*const operations[256])(reader *, int) = {
    [0x80] = do_protocol,    [0x95] = do_frame,        ['N'] = do_constant,
    [0x88] = do_constant,    [0x89] = do_constant,     ['J'] = do_int,
    ['K'] = do_int,          ['M'] = do_int,           [0x8a] = do_long,
    [0x8b] = do_long,        ['G'] = do_float,         ['T'] = do_string,
    ['U'] = do_string,       ['X'] = do_string,        ['B'] = do_string,
    ['C'] = do_string,       [0x8c] = do_string,       [0x8d] = do_string,
    [0x8e] = do_string,      [0x96] = do_string,       ['('] = do_mark,
    ['0'] = do_pop,          ['1'] = do_pop,           ['2'] = do_duplicate,
    ['}'] = do_empty,        [']'] = do_empty,         [')'] = do_empty,
    [0x8f] = do_empty,       ['d'] = do_container,     ['l'] = do_container,
    ['t'] = do_container,    [0x91] = do_container,    [0x85] = do_short_tuple,
    [0x86] = do_short_tuple, [0x87] = do_short_tuple,  ['a'] = do_add,
    ['s'] = do_add,          ['e'] = do_add_many,      ['u'] = do_add_many,
    [0x90] = do_add_many,    ['q'] = do_put,           ['r'] = do_put,
    [0x94] = do_put,         ['h'] = do_get,           ['j'] = do_get,
    ['c'] = do_global,       [0x93] = do_stack_global, ['R'] = do_call,
    [0x81] = do_call,        [0x92] = do_call,         ['b'] = do_build,
    [0x82] = do_extension,   [0x83] = do_extension,    [0x84] = do_extension,
    ['Q'] = do_persistent,   ['.'] = do_nothing,
};

bnn_code bnn_py_read(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                     bnn_py_result *out, bnn_error *err) {
    reader r = {.name = name, .bytes = bytes, .size = size, .arena = arena, .out = out, .err = err};
    bnn_code code = BNN_OK;
    int op = 0;
    *out = (bnn_py_result){0};
    if (!reserve(arena, &r.stack, &r.stack_capacity, 1)) {
        return no_memory(&r);
    }
    while (code == BNN_OK && op != '.') {
        if (r.at == r.size) {
            return damaged(&r, "is cut short");
        }
        op = r.bytes[r.at++];
        code = operations[op] ? operations[op](&r, op)
                              : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                                         "%s: the pickle has opcode 0x%02x at byte %zu, which "
                                         "torch.save does not write; the file is damaged, or of "
                                         "another tool",
                                         name, (unsigned)op, r.at - 1);
    }
    if (code == BNN_OK && (code = need(&r, 1)) == BNN_OK) {
        out->value = r.stack[r.depth - 1];
        out->bytes = r.at;
    }
    return code;
}

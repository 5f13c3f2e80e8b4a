/* Python pickles, read without Python: what a pickle says is described, and nothing of it is run.
 * Where it would have a function called, or an object made, there is a value of kind CALL that
 * names the function and holds its argument; whoever reads the values decides what that means.
 * Protocols 1 to 5, as torch.save writes them. */
#ifndef BNN_ENGINE_IO_PICKLE_H
#define BNN_ENGINE_IO_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

typedef enum bnn_py_kind {
    BNN_PY_NONE,
    BNN_PY_BOOL,
    BNN_PY_INT,
    BNN_PY_LONG,  /* of more than 64 bits: little-endian in two's complement, as bytes */
    BNN_PY_FLOAT, /* its value is not kept */
    BNN_PY_TEXT,  /* bytes of Python 2, too */
    BNN_PY_BYTES,
    BNN_PY_TUPLE,
    BNN_PY_LIST,
    BNN_PY_SET,
    BNN_PY_DICT,
    BNN_PY_GLOBAL,     /* a name: "torch.FloatStorage" */
    BNN_PY_CALL,       /* and what was put into its result afterwards */
    BNN_PY_PERSISTENT, /* something outside the pickle, by its id */
} bnn_py_kind;

typedef struct bnn_py {
    bnn_py_kind kind;
    const struct bnn_py *function; /* of a call; NULL: it has no name */
    const struct bnn_py
        *argument; /* of a call, a tuple as a rule; of something persistent, its id */
    union {
        int64_t number; /* BOOL, INT */
        struct {
            const char *text; /* GLOBAL: ends with a NUL; others are as long as they are */
            size_t length;
        };
        struct {
            const struct bnn_py *
                *item; /* DICT, and a call's result like one: key, value, key ... */
            size_t count, capacity;
        };
    };
} bnn_py;

typedef struct bnn_py_result {
    const bnn_py *value;
    size_t bytes; /* of the pickle; others may follow */
    const bnn_py **persistent;
    size_t persistent_count;
} bnn_py_result;

/* The first pickle of `bytes`, which the values point into; they live in the arena. `name` is for
 * messages. */
bnn_code bnn_py_read(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                     bnn_py_result *out, bnn_error *err);

/* Whether it is a text or a name, and this one. */
int bnn_py_is(const bnn_py *value, const char *text);
/* The item of a tuple or list; NULL if it is neither, or has no such item. */
const bnn_py *bnn_py_item(const bnn_py *value, size_t index);
/* The name of the function that makes the value, "" if there is none. */
const char *bnn_py_function(const bnn_py *value);

/* Dictionaries, collections' OrderedDict and defaultdict among them: whether it is one, the number
 * of its pairs, one of them. */
int bnn_py_is_dict(const bnn_py *value);
size_t bnn_py_pairs(const bnn_py *dict);
void bnn_py_pair(const bnn_py *dict, size_t index, const bnn_py **key, const bnn_py **value);
/* The value of a text as key: the last of that name, as in Python; NULL without one. */
const bnn_py *bnn_py_get(const bnn_py *dict, const char *key);

#endif

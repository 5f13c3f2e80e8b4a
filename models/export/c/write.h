/* Exported C source as text: the loops of a plan, and the constants that they name. */
#ifndef BNN_MODELS_EXPORT_C_WRITE_H
#define BNN_MODELS_EXPORT_C_WRITE_H

#include <stdio.h>

#include "models/export/c/plan.h"

/* How a constant's values lie. */
typedef enum bnn_c_layout {
    BNN_C_PLAIN,      /* floats as they are */
    BNN_C_THRESHOLDS, /* little further out than any product */
    BNN_C_BY_TAP,     /* bits [taps][out][words] */
    BNN_C_BY_FILTER   /* bits [out][words] */
} bnn_c_layout;

typedef struct bnn_c_constant {
    const char *name, *from; /* here, and in the network */
    bnn_t t;
    bnn_c_layout layout;
} bnn_c_constant;

/* Integers: a window (loops.inc), or the twelve of a move. */
typedef struct bnn_c_table {
    const char *name;
    int is_move;
    int32_t value[14];
} bnn_c_table;

typedef struct bnn_c_writer {
    const bnn_translation *t;
    const bnn_c_plan *plan;
    FILE *out;
    int indent;
    size_t node;       /* that is written */
    int failed;        /* memory is out */
    uint32_t checksum; /* CRC-32 of the constants so far */
    bnn_c_constant *constant;
    size_t constants;
    bnn_c_table *table;
    size_t tables;
} bnn_c_writer;

/* Room in the translation's arena for what any network of so many nodes names. */
bnn_code bnn_c_writer_start(const bnn_translation *t, const bnn_c_plan *plan, FILE *out,
                            bnn_c_writer *w);
/* A line, broken at spaces behind commas where it is too long. */
void bnn_c_put(bnn_c_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* printf into the arena; "" when memory is out, which `failed` remembers. */
#define bnn_c_text(w, ...) bnn_c_kept(w, bnn_arena_format((w)->t->arena, __VA_ARGS__))
const char *bnn_c_kept(bnn_c_writer *w, const char *text);
/* A float exactly, in hexadecimal, in any locale. Returns `text`. */
#define BNN_C_FLOAT_ROOM 32
const char *bnn_c_float(float value, char text[BNN_C_FLOAT_ROOM]);
/* Letters, digits, dots: what a comment or, with '_' for dots, a name may hold. */
const char *bnn_c_clean(bnn_c_writer *w, const char *name, int identifier);

/* constants.c: the name under which a constant's values will be there. */
const char *bnn_c_constant_name(bnn_c_writer *w, bnn_t t, bnn_c_layout layout);
const char *bnn_c_table_name(bnn_c_writer *w, int is_move, const int32_t *value);
/* All that were named; an error if a value is not finite. */
bnn_code bnn_c_put_constants(bnn_c_writer *w);
size_t bnn_c_constant_bytes(const bnn_c_writer *w);

/* loops.c: of loops.inc the functions that a text calls, and what they call themselves; or all
 * types. */
void bnn_c_put_loops(FILE *out, const char *text, int types);
/* The lines of loops.inc, NULL-terminated; made when the library is built. */
extern const char *const bnn_c_loops[];

/* body.c: the loops of all stages. */
bnn_code bnn_c_put_body(bnn_c_writer *w);

#endif

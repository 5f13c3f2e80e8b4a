/* How exported C source runs a network, and in how little memory. Its loops go over the pixels of a
 * result, and as many nodes as can work on one pixel after another do so in one loop, a stage: what
 * leads from one to the next is a row of channels. A whole map exists only where a window looks at
 * several pixels of it or a later stage reads it; maps that are never needed at once share memory.
 */
#ifndef BNN_MODELS_EXPORT_C_PLAN_H
#define BNN_MODELS_EXPORT_C_PLAN_H

#include "models/export/translate.h"

/* The work area is a struct of arrays, so that no value is ever read as what it is not. */
typedef enum bnn_c_member {
    BNN_C_FLOATS,
    BNN_C_BITS,     /* 32 a word, each pixel's from a new word on */
    BNN_C_INTEGERS, /* products of bits on their way to a threshold */
    BNN_C_MEMBERS
} bnn_c_member;

/* A tensor. */
typedef struct bnn_c_value {
    bnn_t root; /* whose values it is another shape of; itself if it is none */
    int stage;  /* that makes it; -1: it is given */
    int pooled; /* it is made behind that stage's pool */
    int last;   /* stage that reads it, or what it is the root of, last */
    int stored; /* as a whole, not a row at a time */
    bnn_c_member member;
    int buffer; /* of a root, or -1: an input, an output or a constant */
    int taken;  /* another value has that memory now */
} bnn_c_value;

/* Nodes from first on, up to end; views among them are no work. Those in front of the pool run for
 * each of its input's pixels, it and those behind it for each of its result's. */
typedef struct bnn_c_stage {
    size_t first, end;
    const bnn_node *pool; /* or NULL */
} bnn_c_stage;

/* Words of 4 bytes in a member, in use from one stage to another. */
typedef struct bnn_c_buffer {
    bnn_c_member member;
    size_t words, offset;
    int first, last;
} bnn_c_buffer;

typedef struct bnn_c_plan {
    const bnn_translation *t;
    bnn_c_value *value; /* of each tensor */
    bnn_c_stage *stage;
    int *stage_of; /* of each node; -1: a view */
    int stages;
    bnn_c_buffer *buffer;
    int buffers;
    int *
        temporary; /* of each node: the buffer of a product of bits that goes on as floats, or -1 */
    int pixels;    /* the buffer of the input's floats where it is made of bytes, or -1 */
    size_t words[BNN_C_MEMBERS];
} bnn_c_plan;

/* How a node reads its input k. */
typedef enum bnn_c_read {
    BNN_C_UNREAD,
    BNN_C_ROW, /* the pixel that it makes of it; of a pool, each once */
    BNN_C_ANY
} bnn_c_read;
bnn_c_read bnn_c_reads(const bnn_translation *t, const bnn_node *node, int k);
/* Each pixel of a product is one of its input's. */
int bnn_c_pixel_wise(const bnn_translation *t, const bnn_node *node);

/* In the translation's arena. With `pixels`, room for a normalized input is planned, too. */
bnn_code bnn_c_plan_make(const bnn_translation *t, int pixels, bnn_c_plan *plan);
size_t bnn_c_work_bytes(const bnn_c_plan *plan);
/* The stage in which most of that is in use. */
int bnn_c_largest_stage(const bnn_c_plan *plan);

#endif

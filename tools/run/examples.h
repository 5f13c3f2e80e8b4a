/* A few test samples with what a network made of them, for people to look at: small enough to stand
 * in a results file, so that a report needs no data. Whatever a sample is, it is kept as whole
 * numbers: bytes of an image or of a spectrogram, thousandths of a cloud's coordinates. A text is
 * kept as its tokens, with thousandths of what each takes from each (models/attention.h); boxes in
 * thousandths of their picture's sides. */
#ifndef BNN_TOOLS_RUN_EXAMPLES_H
#define BNN_TOOLS_RUN_EXAMPLES_H

#include <jansson.h>

#include "engine/base/arena.h"
#include "models/model.h"

#define BNN_EXAMPLES 4
#define BNN_EXAMPLE_POINTS 1024 /* that are kept of a cloud */
#define BNN_EXAMPLE_SIDE 64     /* pixels: a larger picture loses rows and columns */
#define BNN_EXAMPLE_SCENE 128   /* the same, where boxes are found in it */
#define BNN_EXAMPLE_FOUND 10    /* boxes, the surest ones, of at least a tenth */
#define BNN_EXAMPLE_BOXES 64    /* and those that are there, all together */
#define BNN_EXAMPLE_TOKENS 24   /* of a text, the first ones */
#define BNN_EXAMPLE_CLASSES 256
#define BNN_EXAMPLE_LARGEST 1000 /* of a value, to either side */

typedef struct bnn_example_box {
    int16_t class, score; /* of `name`; score: of 1000, or -1 of a box that is there */
    int16_t at[4];        /* x1 y1 x2 y2 */
} bnn_example_box;

typedef struct bnn_example {
    const char *field;           /* what a network sees: "image", "points", "mel", "ids" */
    int height, width, channels; /* of what is kept; no height: a text without its attention */
    int16_t *value;              /* [height,width,channels] */
    int labels;                  /* one, or one for each point; none of boxes */
    int32_t *truth, *predicted;  /* [labels], numbers of: */
    int classes;
    const char **name;  /* [classes]; where targets are real, the two as numbers */
    const char **token; /* [width] of a text, else NULL */
    /* Of a picture in which boxes are found: those found, the surest first, and those there. */
    int boxes;
    bnn_example_box *box; /* [boxes], or NULL: it is no such picture */
} bnn_example;

typedef struct bnn_examples {
    bnn_arena *arena;
    /* Of a network whose attention is to be kept; NULL: none is, as of a packed file, which has
     * nothing inside any more. */
    bnn_params *params;
    const bnn_device *device;
    size_t count;
    bnn_example example[BNN_EXAMPLES];
    int32_t kind[BNN_EXAMPLES]; /* of those that are the first of their class, category or grade */
    int kinds, wrong;           /* wrong: one of them is */
} bnn_examples;

/* Sample `i` of a batch with the network's output for it: becomes an example if it is the first of
 * the classes (of parts: categories; of real targets: whole numbers; of boxes: of the first one
 * there) that come first, or the first that is wrong. In order, whatever the batches are, so that
 * every evaluation has the same ones. */
bnn_code bnn_examples_offer(bnn_examples *e, const bnn_spec *spec, const bnn_batch *batch, size_t i,
                            const float *output, bnn_error *err);

/* NULL when memory is out. */
json_t *bnn_examples_json(const bnn_examples *e);
/* BNN_ERR_FORMAT: they are damaged, or of no known form; BNN_ERR_MEMORY. */
bnn_code bnn_examples_read(const json_t *list, bnn_arena *arena, bnn_examples *out);

#endif

/* What the translators into other formats share: the network in single steps (layers/fold/plain.h),
 * the values of its constants, layers' names for messages, and how a translator says no.
 *
 * A translator walks the nodes in order and has a function for each op it can say. Everything
 * binary is to be exact: thresholds are integers, an affine is two roundings, sign(0) is +1, and
 * zero padding adds nothing to a product. */
#ifndef BNN_MODELS_EXPORT_TRANSLATE_H
#define BNN_MODELS_EXPORT_TRANSLATE_H

#include "layers/ops.h"
#include "models/export/export.h"

typedef struct bnn_translation {
    const bnn_export_request *request;
    bnn_export_report *report;
    bnn_inference plain;
    const bnn_graph *graph; /* plain's */
    bnn_arena *arena;       /* for as long as the translation */
    bnn_error *err;
} bnn_translation;

enum { BNN_TRANSLATION_MOST_INPUTS = 3 }; /* numbers, segments and a mask of tokens */
/* Free it in any case. Of a detector the plain network ends in its heads (heads.h). Refuses a
 * network that sees others than one input of floats [1,h,w,C] or, if the format says `integers`,
 * several of numbers of tokens [1,1,T,1]; and nodes that read constants where values belong, or the
 * other way round: files may hold networks that no builder makes. */
bnn_code bnn_translation_start(const bnn_export_request *request, int integers,
                               bnn_export_report *report, bnn_translation *t, bnn_error *err);
void bnn_translation_free(bnn_translation *t);

/* ---- constants; whether a tensor is one, and its values in the arena, NULL when memory is out.
 * Zeros are +0.0: an engine may take the sign of -0.0 for negative. ---- */
int bnn_translation_is_constant(const bnn_translation *t, bnn_t tensor);
float *bnn_translation_floats(const bnn_translation *t, bnn_t constant);
/* Whether a file holds these floats as halves, and makes floats of them where it runs: if that was
 * asked for, if all of them are halves, and of no shorter list than this, as the op that makes
 * floats of it takes about as many bytes as it saves. No values: no. */
enum { BNN_TRANSLATION_FEWEST_HALVES = 64 };
int bnn_translation_halves(const bnn_translation *t, size_t count, const float *values);
/* The same numbers as halves, in the arena; NULL when memory is out. */
uint16_t *bnn_translation_as_halves(const bnn_translation *t, size_t count, const float *values);
/* Filters [O,KH,KW,C/groups] as +1 and -1. */
int8_t *bnn_translation_signs(const bnn_translation *t, bnn_t constant);
/* [count] times the same. */
float *bnn_translation_filled(const bnn_translation *t, size_t count, float value);
/* Thresholds are 2t + flip: bit = (d >= t) != flip. A t beyond all sums
 * (BNN_TRANSLATION_MOST_TERMS) is moved next to them. */
int32_t *bnn_translation_thresholds(const bnn_translation *t, bnn_t constant);
/* The same as affines of the integers, of which none is 0: factors f = +-1 and shifts
 * -f (t - 0.5); without thresholds (BNN_NONE) the integers themselves, 1 and 0. [count]; both NULL
 * when memory is out. */
typedef struct bnn_steps {
    float *factor, *shift;
} bnn_steps;
bnn_steps bnn_translation_steps(const bnn_translation *t, bnn_t thresholds, size_t count);
/* What a convolution with -1 or +1 outside the image has too much, of each filter at each pixel:
 * [OH,OW,O] sums of the filter's taps outside, times `outside`. */
float *bnn_translation_border(const bnn_translation *t, const bnn_node *conv, float outside);

/* Sums of this many +-1 are exact in floats, and so are their halves. */
#define BNN_TRANSLATION_MOST_TERMS (1 << 22)
/* Refuses a binary product of more. */
bnn_code bnn_translation_check_terms(const bnn_translation *t, const bnn_node *conv);

/* Refuses numbers of tokens, or masks, that are none of the network's inputs. */
bnn_code bnn_translation_check_integers(const bnn_translation *t, const bnn_node *node,
                                        bnn_t integers);

/* The same of an embedding, and positions that are bits. */
bnn_code bnn_translation_check_embedding(const bnn_translation *t, const bnn_node *node);

/* An op's field by its name in a packed file ("stride_h"). */
int bnn_translation_int(const bnn_node *node, const char *field);
float bnn_translation_float(const bnn_node *node, const char *field);

/* The nearest layer's name: of a constant that only the node, or one in front of it, reads. */
const char *bnn_translation_layer(const bnn_translation *t, const bnn_node *node);
/* "LAYER: why; cure", BNN_ERR_UNSUPPORTED. */
bnn_code bnn_translation_refuse(const bnn_translation *t, const bnn_node *node, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));
/* A line of the report. */
void bnn_translation_note(const bnn_translation *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bnn_code bnn_translation_no_memory(const bnn_translation *t);

/* What the model is, for whoever opens the file: JSON with architecture, algorithm, input, mean,
 * std, classes and the version; in the arena, NULL when memory is out. */
char *bnn_translation_description(const bnn_translation *t);

/* Writes the bytes to `path` (atomic) and counts them. */
bnn_code bnn_translation_write(const bnn_translation *t, const char *path, const void *data,
                               size_t bytes);

#endif

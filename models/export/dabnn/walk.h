/* On the way through a network to daBNN's layers: which map holds what, who still reads it, and the
 * layers that several ops come to. */
#ifndef BNN_MODELS_EXPORT_DABNN_WALK_H
#define BNN_MODELS_EXPORT_DABNN_WALK_H

#include "models/export/dabnn/file.h"
#include "models/export/translate.h"

/* What can be done instead. */
#define BNN_DAB_OTHER_ALGO "export bnn, dorefa, bireal, recu or fda, or --format onnx"
#define BNN_DAB_OTHER_ARCH                                                                         \
    "export resnet18, resnet34, resnet20, vgg_small or pointnet_vanilla, or --format onnx"

#define BNN_DAB_MOST_TERMS 60000 /* of a binary product, exclusive */

/* A tensor in daBNN, where maps are square: points lie in one line by line, and what was flattened
 * stays an image. Of bits, those above 0 are +1. */
typedef struct bnn_dab_map {
    const char *blob; /* NULL: not there yet */
    int side, c;
    int reads; /* still to come */
} bnn_dab_map;

typedef struct bnn_dab_walk {
    bnn_translation t;
    bnn_dab dab;
    bnn_dab_map *maps; /* by tensor... */
    bnn_t *home;       /* ...of which a view has its input's */
    size_t border_bytes;
    int copies;
} bnn_dab_walk;

bnn_dab_map *bnn_dab_map_of(const bnn_dab_walk *w, bnn_t tensor);
/* The tensor is there. */
void bnn_dab_give(const bnn_dab_walk *w, bnn_t tensor, const char *blob, int side, int c);
/* The tensor's map, read for one of its readers. */
const bnn_dab_map *bnn_dab_look(const bnn_dab_walk *w, bnn_t tensor);
/* The same for a reader who overwrites it: a copy, if others are still to come. */
bnn_code bnn_dab_take(bnn_dab_walk *w, const bnn_node *node, bnn_t tensor, bnn_dab_map *taken);

/* ---- layers for a node; names of what they give. A NULL for values is memory that was out. ----
 */
bnn_dab_layer *bnn_dab_add(bnn_dab_walk *w, const bnn_node *node, bnn_dab_kind kind, const char *x);
const char *bnn_dab_vector(bnn_dab_walk *w, const bnn_node *node, int count, float *values);
const char *bnn_dab_affine(bnn_dab_walk *w, const bnn_node *node, const char *x, int c, float *a,
                           float *b);
/* a x + b with one a and b for all channels. */
const char *bnn_dab_scalars(bnn_dab_walk *w, const bnn_node *node, const char *x, int c, float a,
                            float b);
/* Into x. */
const char *bnn_dab_sum(bnn_dab_walk *w, const bnn_node *node, const char *x, const char *y);
/* Refuses a map that daBNN's vectors do not fit. */
bnn_code bnn_dab_check_rows(const bnn_dab_walk *w, const bnn_node *node, int side, int c);
bnn_code bnn_dab_pool(bnn_dab_walk *w, const bnn_node *node, bnn_dab_kind kind,
                      const bnn_dab_map *x, int kernel, int stride, int pad, bnn_dab_map *y);
bnn_code bnn_dab_copy(bnn_dab_walk *w, const bnn_node *node, const bnn_dab_map *x,
                      const char **blob);

/* A conv node, with what follows it as far as it is part of it. */
bnn_code bnn_dab_product(bnn_dab_walk *w, const bnn_node *node);

#endif

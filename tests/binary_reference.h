/* One binary layer in double, written from the equations (spec of BiBench's layers, with its
 * corrections) and from nothing of the engine. A sign has slope 0 almost everywhere, so what can be
 * differentiated is its stand-in: in a first run, on real signs, `base = value - k F(u)` is recorded
 * for every sign, F the antiderivative of the surrogate's slope and k what multiplies the gradient;
 * later runs compute base + k F(u), with everything that is a stop-gradient held where it was. */
#ifndef BNN_TESTS_BINARY_REFERENCE_H
#define BNN_TESTS_BINARY_REFERENCE_H

#include <stddef.h>

#include "layers/binarizers/binarizer.h"

enum ref_leaf {
    REF_X,
    REF_W,
    REF_BIAS,
    REF_SCALE, /* ReCU's alpha, XNOR-Net++'s o */
    REF_H,
    REF_V,
    REF_T, /* ReActNet's threshold */
    REF_ACT_FC1,
    REF_ACT_FC2,
    REF_WEIGHT_FC1,
    REF_WEIGHT_FC2,
    REF_LEAVES
};

/* One side's signs. */
typedef struct ref_signs {
    size_t count, rows; /* rows: how many scales */
    double *u, *sign, *value, *base, *scale;
    double bound;
} ref_signs;

typedef struct ref_layer {
    const char *algorithm;
    bnn_layer_kind kind;
    bnn_conv conv;
    int training, noisy;
    double tau, n, alpha;
    double *leaf[REF_LEAVES]; /* memory order; NULL where the layer has none */
    size_t count[REF_LEAVES];
    ref_signs act, weight;
    double *product, *y; /* [n,oh,ow,o]; product: of the values */
} ref_layer;

/* Allocates what depends on the geometry. */
void ref_create(ref_layer *r);
void ref_free(ref_layer *r);
/* y from the leaves; `record` computes real signs and keeps what later runs hold fixed. */
void ref_run(ref_layer *r, int record);
/* The product of the signs alone: exact integers. */
void ref_integers(const ref_layer *r, double *out);

#endif

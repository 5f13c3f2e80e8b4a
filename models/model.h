/* A network by name: which architecture, binarized how, for which images. */
#ifndef BNN_MODELS_MODEL_H
#define BNN_MODELS_MODEL_H

#include "layers/binarizers/binarizer.h"
#include "models/nets/arch.h"

/* The name of the float twin beside the algorithms. */
#define BNN_FLOAT_ALGORITHM "fp32"

/* What a file may claim, far beyond any network here; one that claims more is damaged. */
#define BNN_MAX_SIDE 4096 /* rows, columns or channels of an image */
#define BNN_MAX_CLASSES 1000000

typedef struct bnn_spec {
    const bnn_arch *arch;
    const bnn_binarizer *binarizer; /* NULL: float */
    int height, width, channels, classes;
    int phase; /* of the binarizer's schedule */
    bnn_pool pool;
    /* What the images were normalized with, on the 0..255 scale; travels with the model. */
    float mean[3], std[3];
    const char *dataset; /* its name, or "" */
} bnn_spec;

const char *bnn_spec_algorithm(const bnn_spec *spec);
/* Finds names; an error names the unknown one. */
bnn_code bnn_spec_find(bnn_spec *spec, const char *arch, const char *algorithm, bnn_error *err);

/* One graph of a network. */
typedef struct bnn_net {
    bnn_graph *graph;
    bnn_t input, logits;
    bnn_t label, loss;      /* BNN_NONE in evaluation */
    bnn_t nll, regulariser; /* terms of the loss where it has two, or BNN_NONE */
} bnn_net;

/* Builds (and in training compiles) the graph for `batch` images. The caller frees net->graph. */
bnn_code bnn_net_build(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                       int batch, int training, bnn_net *net, bnn_error *err);

/* Writes the binarizer's state for an epoch into the buffers; returns the phase. */
int bnn_apply_schedule(const bnn_binarizer *binarizer, bnn_params *params, int epoch, int epochs);
/* Whether that sets this buffer. */
int bnn_is_scheduled(const bnn_binarizer *binarizer, const bnn_param *param);

#endif

/* Weights in files of this program and of others: which tensor is a parameter's, whatever its tool
 * put in front of the names, and as which numbers. What comes in is finite, or is refused by
 * name. */
#ifndef BNN_MODELS_FILES_WEIGHTS_H
#define BNN_MODELS_FILES_WEIGHTS_H

#include "engine/io/safetensors.h"
#include "engine/params.h"
#include "models/model.h"

typedef struct bnn_weights {
    const char *path; /* for messages */
    const bnn_st_file *file;
    char prefix[256]; /* in front of every parameter's name: "", "module.", ... */
    char lacks[64]; /* what the file leaves out in front of those that have it: "", "bert.", ... */
    /* F32 and nothing else, as a run needs that goes on exactly as it stopped. */
    int exact;
    /* Whose scheduled buffers the file may lack, or NULL: every parameter must be there. */
    const bnn_binarizer *scheduled;
} bnn_weights;

/* Finds the prefix under which most parameters are named, in a tie fit; the shortest of several, so
 * that none at all comes first. A network whose parameters have the first part of their names in
 * common, most of them ("bert."), may have been saved without it. */
bnn_code bnn_weights_open(const char *path, const bnn_st_file *file, const bnn_params *params,
                          bnn_weights *out, bnn_error *err);

/* A tensor's name without the prefix, if it has it; the parameter that it is of, or NULL. */
const char *bnn_weights_bare(const bnn_weights *weights, const char *tensor);
const bnn_param *bnn_weights_param(const bnn_weights *weights, const bnn_params *params,
                                   const char *tensor);

#define BNN_WHY_BYTES 448
/* The tensor called `name` (behind the prefix) for `param`, in its shape and of a float type; or
 * NULL and why not: "has shape [64,3,7,7] in the file, [64,3,3,3] needed". */
const bnn_st_tensor *bnn_weights_find(const bnn_weights *weights, const char *name,
                                      const bnn_param *param, char why[BNN_WHY_BYTES]);
/* Reads it into memory order. */
bnn_code bnn_weights_read(const bnn_weights *weights, const char *name, const bnn_param *param,
                          float *memory, bnn_error *err);

/* Whether all parameters and buffers are there, each in its shape; they need no memory for that. */
bnn_code bnn_weights_check_params(const bnn_weights *weights, const bnn_params *params,
                                  bnn_error *err);
/* Reads them all (allocated before). */
bnn_code bnn_weights_read_params(const bnn_weights *weights, bnn_params *params, bnn_error *err);

/* The values of an F32, F16, BF16 or F64 tensor, in file order. F64 is rounded; beyond the range of
 * float it becomes infinite. */
void bnn_weights_convert(const bnn_st_tensor *tensor, float *out);
/* What no program computes with and no file may hold: "an infinite value", "a negative variance";
 * NULL if `name` holds no such thing. */
const char *bnn_weights_flaw(const char *name, const float *values, size_t count);

#endif

/* Runs a network in evaluation: the folded graph, for any number of samples, from the live
 * parameters of a training or from a packed file. */
#ifndef BNN_MODELS_PREDICTOR_H
#define BNN_MODELS_PREDICTOR_H

#include "engine/io/safetensors.h"
#include "layers/fold/inference.h"
#include "models/model.h"

typedef struct bnn_predictor bnn_predictor;

/* Exactly one of `params` (allocated) and `packed` is given; it must outlive the predictor.
 * Networks with parameters run without thresholds, packed ones with. */
bnn_code bnn_predictor_create(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                              const bnn_st_file *packed, const char *path, bnn_predictor **out,
                              bnn_error *err);
void bnn_predictor_free(bnn_predictor *p); /* NULL is fine */

/* output[n][bnn_spec_outputs] of a batch that has the fields the network sees. As many samples as
 * the threads' caches hold go through the network at a time; memory is planned for so many and for
 * one other number. */
bnn_code bnn_predictor_run(bnn_predictor *p, const bnn_batch *batch, float *output, bnn_error *err);

/* The parameters, or the spec's phase, have changed since the last run. */
void bnn_predictor_refresh(bnn_predictor *p, int phase);

/* The folded, evaluated network for batches of n, or of as many as go through it at a time. Valid
 * until n changes. */
bnn_code bnn_predictor_network(bnn_predictor *p, int n, const bnn_inference **network,
                               bnn_error *err);

#endif

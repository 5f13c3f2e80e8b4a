/* A network as single steps. Where inference lets a product do on its way out what follows it,
 * whoever translates a network for another engine wants one node for one thing: product, affine,
 * sum, clamp, sign or threshold. */
#ifndef BNN_LAYERS_FOLD_PLAIN_H
#define BNN_LAYERS_FOLD_PLAIN_H

#include "layers/fold/inference.h"

/* Builds into *plain the same network up to these of its tensors, or with `outputs` NULL up to its
 * own outputs. Its products take nothing but their input's scale; it is compiled and bound, its
 * constants have the values of `network`'s, and it computes the same bits. What nobody reads (what
 * a sign has for its backward, what comes behind the outputs) is left out. Free it in any case. */
bnn_code bnn_inference_plain(const bnn_inference *network, const bnn_device *device, int count,
                             const bnn_t *outputs, bnn_inference *plain, bnn_error *err);

#endif

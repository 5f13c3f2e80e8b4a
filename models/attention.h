/* Where the attention of a network goes, for people to look at. */
#ifndef BNN_MODELS_ATTENTION_H
#define BNN_MODELS_ATTENTION_H

#include "models/model.h"

/* What each of the first `tokens` tokens of sample i takes from each of them in the last layer,
 * share[tokens][tokens], a row one that looks, as a mean over the heads: of a float network
 * softmax(q k' / sqrt(d)) over all tokens that are no padding, of a binary one the bit
 * 1[sign(q) sign(k)' > 0] (BiBERT: Qin et al. 2022), so that its values are shares of heads. The
 * network is folded anew for this one sample. BNN_ERR_UNSUPPORTED: it has no attention. */
bnn_code bnn_attention_shares(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                              const bnn_batch *batch, size_t i, int tokens, float *share,
                              bnn_error *err);

#endif

/* What a Hugging Face folder says of its network, in config.json: the numbers of a BERT. */
#ifndef BNN_MODELS_FILES_HF_CONFIG_H
#define BNN_MODELS_FILES_HF_CONFIG_H

#include <stddef.h>

#include "engine/base/status.h"

typedef struct bnn_hf_config {
    int hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int vocab_size, max_position_embeddings, type_vocab_size;
    double layer_norm_eps;
    char hidden_act[32];
    char vocab[4096]; /* the path of its vocab.txt; "" without one */
} bnn_hf_config;

/* Reads FOLDER/config.json: each number is there and in its range, or what Hugging Face takes
 * instead (512 positions, 2 types, an epsilon of 1e-12, gelu); heads divide the hidden size. A
 * network of another kind, or with other than absolute positions, is refused. Whether a network of
 * these numbers can be built is the caller's business. */
bnn_code bnn_hf_config_read(const char *folder, bnn_hf_config *out, bnn_error *err);
/* The same from memory; `name` is for messages. `vocab` stays empty. */
bnn_code bnn_hf_config_parse(const char *name, const void *bytes, size_t size, bnn_hf_config *out,
                             bnn_error *err);

#endif

/* Fuzz target: a config.json. What is accepted is in its range. */
#include "models/files/hf_config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_hf_config c;
    if (bnn_accepted(bnn_hf_config_parse("input", data, size, &c, &err), &err)) {
        bnn_insist(c.hidden_size > 0 && c.num_hidden_layers > 0 && c.num_attention_heads > 0);
        bnn_insist(c.intermediate_size > 0 && c.vocab_size > 0 && c.max_position_embeddings > 0);
        bnn_insist(c.type_vocab_size > 0 && c.hidden_size % c.num_attention_heads == 0);
        bnn_insist(c.layer_norm_eps > 0.0 && c.layer_norm_eps <= 1.0 && !c.vocab[0]);
    }
    return 0;
}

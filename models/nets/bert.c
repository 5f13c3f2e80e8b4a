/* BERT (Devlin et al., NAACL 2019) as Hugging Face's BertForSequenceClassification names it, and
 * its binary twin (BiBERT: Qin et al. 2022; BiBench): dense layers of the encoder and the pooler
 * are binary by the algorithm, the token table and the attention by rules of their own; positions,
 * segments, layer norms and the classifier stay float. */
#include <stdio.h>

#include "models/nets/arch.h"

enum { IDS, SEGMENT, MASK };
enum { SEGMENTS = 2 };

#define INIT_STD 0.02f

static bnn_t dense(const bnn_build *b, const char *prefix, const char *layer, bnn_t x, int out) {
    char name[192];
    bnn_linear_layer l = {.out = out, .init_std = INIT_STD};
    snprintf(name, sizeof name, "%s%s", prefix, layer);
    return bnn_linear(b, name, x, &l);
}

/* Dense layer `module`.dense, dropout, and the norm of that and the residual. */
static bnn_t output(const bnn_build *b, const char *prefix, const char *module, bnn_t x,
                    bnn_t residual) {
    char name[96];
    snprintf(name, sizeof name, "%s%s.", prefix, module);
    x = dense(b, name, "dense", x, bnn_shape_of(b->graph, residual).c);
    snprintf(name, sizeof name, "%s%s.dropout", prefix, module);
    x = bnn_op_add(b->graph, bnn_dropout(b, name, x), residual);
    snprintf(name, sizeof name, "%s%s.LayerNorm", prefix, module);
    return bnn_layer_norm(b, name, x);
}

static bnn_t encoder_layer(const bnn_build *b, const bnn_arch *arch, int index, bnn_t x, bnn_t mask,
                           bnn_insides *insides) {
    char prefix[48], name[96];
    snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.", index);
    bnn_t q = dense(b, prefix, "attention.self.query", x, arch->width);
    bnn_t k = dense(b, prefix, "attention.self.key", x, arch->width);
    bnn_t v = dense(b, prefix, "attention.self.value", x, arch->width);
    insides->query[index] = q;
    insides->key[index] = k;
    insides->value[index] = v;
    snprintf(name, sizeof name, "%sattention.self.dropout", prefix);
    bnn_t context = bnn_self_attention(b, name, q, k, v, mask, arch->heads);
    x = output(b, prefix, "attention.output", context, x);
    bnn_t inner =
        bnn_op_gelu(b->graph, dense(b, prefix, "intermediate.dense", x, arch->feed_forward));
    return output(b, prefix, "output", inner, x);
}

bnn_t bnn_bert_embeddings(const bnn_build *b, const bnn_arch *arch, const char *prefix, bnn_t ids,
                          bnn_t segment) {
    char name[96];
    bnn_embedding_layer token = {
        .rows = arch->vocabulary, .width = arch->width, .padding = 1, .binary = 1};
    bnn_embedding_layer position = {.rows = arch->positions, .width = arch->width, .positions = 1};
    bnn_embedding_layer type = {.rows = SEGMENTS, .width = arch->width};
    snprintf(name, sizeof name, "%sword_embeddings", prefix);
    bnn_t x = bnn_embedding(b, name, ids, &token);
    snprintf(name, sizeof name, "%sposition_embeddings", prefix);
    x = bnn_op_add(b->graph, x, bnn_embedding(b, name, ids, &position));
    snprintf(name, sizeof name, "%stoken_type_embeddings", prefix);
    x = bnn_op_add(b->graph, x, bnn_embedding(b, name, segment, &type));
    snprintf(name, sizeof name, "%sLayerNorm", prefix);
    x = bnn_layer_norm(b, name, x);
    snprintf(name, sizeof name, "%sdropout", prefix);
    return bnn_dropout(b, name, x);
}

bnn_output bnn_build_bert(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int labels) {
    bnn_t x = bnn_bert_embeddings(b, arch, "bert.embeddings.", in[IDS], in[SEGMENT]);
    if (x == BNN_NONE) {
        return (bnn_output){.main = BNN_NONE, .penalty = BNN_NONE};
    }
    bnn_output out = {.insides = {.layers = arch->blocks[0], .heads = arch->heads}};
    for (int i = 0; i < out.insides.layers; i++) {
        out.insides.hidden[i] = x;
        x = encoder_layer(b, arch, i, x, in[MASK], &out.insides);
    }
    out.insides.hidden[out.insides.layers] = x;
    bnn_t first = bnn_op_crop(b->graph, x, 0, bnn_shape_of(b->graph, x).w - 1);
    bnn_t pooled = bnn_op_tanh(b->graph, dense(b, "bert.pooler.", "dense", first, arch->width));
    bnn_linear_layer classifier = {.out = labels, .full_precision = 1, .init_std = INIT_STD};
    pooled = bnn_dropout(b, "dropout", pooled);
    out.main = bnn_linear(b, "classifier", pooled, &classifier);
    return out;
}

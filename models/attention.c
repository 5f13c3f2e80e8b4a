#include "models/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/fold/fold.h"

enum { QUERY, KEY, BOTH };

/* A sample's queries and keys, [length][width]; which tokens are no padding. */
typedef struct layer {
    float *value[BOTH];
    const int32_t *mask; /* [length]; NULL: all are */
    int length, width, heads, binary;
} layer;

static double score(const layer *l, int head, int query, int key) {
    const int channels = l->width / l->heads;
    const float *q = l->value[QUERY] + (size_t)query * (size_t)l->width + head * channels;
    const float *k = l->value[KEY] + (size_t)key * (size_t)l->width + head * channels;
    double sum = 0.0;
    for (int c = 0; c < channels; c++) {
        sum += l->binary ? ((q[c] >= 0.0f) == (k[c] >= 0.0f) ? 1.0 : -1.0)
                         : (double)q[c] * (double)k[c];
    }
    return l->binary ? sum : sum / sqrt(channels);
}

/* Adds what a token takes from each of the first ones in one head. */
static void add_row(const layer *l, int head, int query, int tokens, double *row, float *share) {
    double most = -INFINITY, sum = 0.0;
    for (int k = 0; k < l->length; k++) {
        row[k] = !l->mask || l->mask[k] ? score(l, head, query, k) : -INFINITY;
        most = fmax(most, row[k]);
    }
    for (int k = 0; k < l->length; k++) {
        row[k] = l->binary ? (row[k] > 0.0 ? 1.0 : 0.0) : exp(row[k] - most);
        sum += row[k];
    }
    for (int k = 0; k < tokens; k++) {
        share[k] += (float)(row[k] / (l->binary ? 1.0 : sum) / l->heads);
    }
}

static bnn_code add_up(const layer *l, int tokens, float *share, bnn_error *err) {
    double *row = calloc((size_t)l->length, sizeof *row);
    memset(share, 0, (size_t)tokens * (size_t)tokens * sizeof *share);
    for (int head = 0; row && head < l->heads; head++) {
        for (int query = 0; query < tokens; query++) {
            add_row(l, head, query, tokens, row, share + (size_t)query * (size_t)tokens);
        }
    }
    free(row);
    return row ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the attention");
}

/* Runs the folded network on the sample as far as queries and keys. */
static bnn_code run(bnn_fold *fold, const bnn_net *net, const bnn_batch *batch, size_t i, layer *l,
                    bnn_error *err) {
    const bnn_inference *network = bnn_fold_result(fold);
    bnn_code code = bnn_graph_bind(network->graph, NULL, err);
    code = code == BNN_OK ? bnn_fold_evaluate(fold, err) : code;
    for (int f = 0; code == BNN_OK && f < net->fields; f++) {
        const void *data = NULL;
        if ((code = bnn_batch_data(batch, &net->field[f], &data, err)) == BNN_OK) {
            data = (const char *)data + i * bnn_field_bytes(&net->field[f]);
            bnn_graph_set(network->graph, network->inputs[f], data);
            l->mask = strcmp(net->field[f].name, "mask") == 0 ? data : l->mask;
        }
    }
    if (code == BNN_OK) {
        bnn_graph_forward(network->graph);
    }
    for (int of = 0; code == BNN_OK && of < BOTH; of++) {
        const size_t values = (size_t)l->length * (size_t)l->width;
        l->value[of] = calloc(values, sizeof *l->value[of]);
        code = l->value[of] ? bnn_graph_get(network->graph, network->outputs[of], l->value[of], err)
                            : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the attention");
    }
    return code;
}

bnn_code bnn_attention_shares(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                              const bnn_batch *batch, size_t i, int tokens, float *share,
                              bnn_error *err) {
    bnn_net net = {0};
    bnn_fold *fold = NULL;
    layer l = {.binary = spec->binarizer != NULL};
    bnn_code code = bnn_net_build(spec, device, params, 1, 0, &net, err);
    const bnn_insides *inside = &net.shown.insides;
    if (code == BNN_OK && !inside->layers) {
        code = bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s has no attention", spec->arch->name);
    }
    if (code == BNN_OK) {
        const bnn_t seen[BOTH] = {inside->query[inside->layers - 1],
                                  inside->key[inside->layers - 1]};
        const bnn_shape shape = bnn_shape_of(net.graph, seen[QUERY]);
        l.length = shape.w;
        l.width = shape.c;
        l.heads = inside->heads;
        code = bnn_fold_create(net.graph, net.fields, net.input, BOTH, seen, 0, &fold, err);
    }
    code = code == BNN_OK ? run(fold, &net, batch, i, &l, err) : code;
    code = code == BNN_OK ? add_up(&l, tokens, share, err) : code;
    free(l.value[QUERY]);
    free(l.value[KEY]);
    bnn_fold_free(fold);
    bnn_graph_free(net.graph);
    return code;
}

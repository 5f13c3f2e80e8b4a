#include "models/export/heads.h"

#include "layers/ops.h"

const char *const bnn_head_names[BNN_HEADS] = {"logits", "deltas"};

const bnn_node *bnn_heads_maker(const bnn_graph *g, bnn_t t, const bnn_op *op) {
    const bnn_node *node = bnn_graph_producer(g, t);
    return node && node->op == op ? node : NULL;
}

bnn_code bnn_heads_strange(const bnn_export_request *request, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: its boxes do not come from anchors and deltas, so it is no network that "
                    "was trained here; use the format packed",
                    request->spec->arch->name);
}

bnn_code bnn_heads_find(const bnn_export_request *request, bnn_heads *heads, bnn_error *err) {
    const bnn_graph *g = request->network->graph;
    int stages = 0;
    *heads = (bnn_heads){0};
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        if (node->op == &bnn_nms_op && stages++ == 0) {
            heads->nms = node;
        }
    }
    if (stages > 1 && !request->first_stage) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: its second stage looks at regions of a map, for which only the format "
                        "packed has a place; --part rpn exports the first stage",
                        request->spec->arch->name);
    }
    if (stages < 2 && request->first_stage) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--part rpn: %s has no first stage of two",
                        request->spec->arch->name);
    }
    heads->decode = heads->nms ? bnn_heads_maker(g, heads->nms->in[1], &bnn_decode_boxes_op) : NULL;
    if (!heads->decode) {
        return bnn_heads_strange(request, err);
    }
    const bnn_node *softmax = bnn_heads_maker(g, heads->nms->in[0], &bnn_softmax_op);
    heads->softmax = softmax != NULL;
    heads->output[0] = softmax ? softmax->in[0] : heads->nms->in[0];
    heads->output[1] = heads->decode->in[0];
    for (int i = 0; i < BNN_HEADS; i++) {
        if (!bnn_graph_producer(g, heads->output[i])) { /* an input, or a constant */
            return bnn_heads_strange(request, err);
        }
    }
    return BNN_OK;
}

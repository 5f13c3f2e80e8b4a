/* Reverse mode over the static graph. A tensor's gradient is complete when the node that made it
 * is reached, because nodes are kept in the order of building; so one walk backward tells which
 * nodes run, which of their inputs want a gradient, and which contributions come second and add. */
#include "engine/graph_private.h"

void bnn_autograd_plan(bnn_graph *graph) {
    for (size_t t = 0; t < graph->tensor_count; t++) {
        graph->tensors[t].has_grad = 0;
    }
    if (graph->root < 0) {
        return;
    }
    graph->tensors[graph->root].has_grad = 1;
    for (size_t i = graph->node_count; i-- > 0;) {
        bnn_node *node = &graph->nodes[i];
        node->backward = !node->op->detached && graph->tensors[node->out[0]].has_grad &&
                         graph->tensors[node->out[0]].requires_grad;
        if (!node->backward) {
            continue;
        }
        for (int k = 0; k < node->in_count; k++) {
            bnn_tensor *in = node->in[k] < 0 ? NULL : &graph->tensors[node->in[k]];
            node->want_grad[k] = in && in->requires_grad && !(node->op->detached_in >> k & 1);
            if (node->want_grad[k]) {
                node->acc[k] = (unsigned char)in->has_grad;
                in->has_grad = 1;
            }
        }
    }
}

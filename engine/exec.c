/* Running a bound graph: node after node, no decisions left. */
#include "engine/graph_private.h"

void bnn_graph_set(bnn_graph *graph, bnn_t input, const void *data) {
    /* The graph never writes to an input; the cast keeps one pointer for all roles. */
    graph->tensors[input].data = (void *)(uintptr_t)data;
}

void bnn_graph_forward(bnn_graph *graph) {
    for (size_t i = 0; i < graph->node_count; i++) {
        const bnn_node *node = &graph->nodes[i];
        node->op->forward(graph, node);
    }
}

void bnn_graph_backward(bnn_graph *graph) {
    const bnn_tensor *root = &graph->tensors[graph->root];
    if (bnn_shape_count(root->shape) == 1) {
        graph->kernels->fill(1, 1.0f, root->grad);
    }
    /* Parameters that this graph declares and does not use: what another graph of the model left
     * there (FDA's noisy phases) must not move them. */
    for (size_t t = 0; t < graph->tensor_count; t++) {
        const bnn_tensor *tensor = &graph->tensors[t];
        if (tensor->param && tensor->requires_grad && !tensor->has_grad && tensor->grad) {
            graph->kernels->fill(tensor->param->count, 0.0f, tensor->grad);
        }
    }
    for (size_t i = graph->node_count; i-- > 0;) {
        const bnn_node *node = &graph->nodes[i];
        if (node->backward) {
            node->op->backward(graph, node);
        }
    }
}

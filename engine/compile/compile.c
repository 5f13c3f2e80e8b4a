/* From a built graph to one that can run: which gradients there are, what runs when, where it lies.
 */
#include "engine/graph_private.h"

bnn_code bnn_graph_compile(bnn_graph *graph, bnn_t root, bnn_error *err) {
    if (graph->error.code != BNN_OK) {
        return bnn_graph_status(graph, err);
    }
    graph->root = root;
    bnn_autograd_plan(graph);
    if (!bnn_plan_steps(graph)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the schedule");
    }
    return bnn_memory_plan(graph, err);
}

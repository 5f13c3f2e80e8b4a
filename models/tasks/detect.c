/* Boxes of several classes in a picture. The network itself knows how what it says becomes a loss:
 * what of it belongs to what is to be found is a matter of its anchors. */
#include "models/model.h"
#include "models/tasks/tables.h"

bnn_t bnn_detect_loss(const bnn_build *b, bnn_output *output, const bnn_t *target) {
    float ones[BNN_MAX_TERMS];
    if (!output->losses) {
        return bnn_graph_fail(b->graph, BNN_ERR_ARGUMENT, "this network finds no boxes");
    }
    output->losses(b, output, target);
    for (int i = 0; i < BNN_MAX_TERMS; i++) {
        ones[i] = 1.0f;
    }
    return bnn_op_weighted_sum(b->graph, output->terms, output->term, ones);
}

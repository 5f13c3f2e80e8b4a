#include "engine/profile.h"

#include <stdlib.h>
#include <time.h>

#include "engine/graph_private.h"

double bnn_profile_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bnn_cost_kind kind_of(const bnn_action *a) {
    return a->recomputed ? BNN_COST_RECOMPUTE : a->backward ? BNN_COST_BACKWARD : BNN_COST_FORWARD;
}

/* Bytes of `t` where it is in memory during `step`: not as a block's own, nor come again there. */
static double bytes_in(const bnn_graph *graph, const bnn_step *step, bnn_t t, int grad) {
    const bnn_tensor *tensor = &graph->tensors[t];
    for (int i = 0; i < step->local_count; i++) {
        if (step->locals[i].t == t && step->locals[i].grad == grad) {
            return 0.0;
        }
    }
    return grad ? 4.0 * (double)bnn_shape_count(tensor->shape)
                : (double)bnn_tensor_bytes(tensor->dtype, tensor->shape);
}

static double action_bytes(const bnn_graph *graph, const bnn_action *a) {
    const bnn_step *step = &graph->steps[a->step];
    const bnn_node *node = &graph->nodes[a->node];
    int sums = a->part == BNN_REDUCE;
    double bytes = 0.0;
    for (int k = 0; k < node->in_count; k++) {
        if (node->in[k] < 0) {
            continue;
        }
        if (!a->backward || (node->saved_in >> k & 1)) {
            bytes += bytes_in(graph, step, node->in[k], 0);
        }
        if (a->backward && node->want_grad[k] && !sums) {
            bytes += bytes_in(graph, step, node->in[k], 1) * (node->acc[k] ? 2.0 : 1.0);
        }
    }
    for (int k = 0; k < node->out_count; k++) {
        if (a->backward ? (int)(node->saved_out >> k & 1) : !sums && !(a->recomputed && k > 0)) {
            bytes += bytes_in(graph, step, node->out[k], 0);
        }
    }
    return a->backward ? bytes + bytes_in(graph, step, node->out[0], 1) : bytes;
}

bnn_code bnn_profile_start(bnn_graph *graph, bnn_error *err) {
    size_t costs = graph->node_count * BNN_COST_KINDS;
    graph->profile = calloc(costs + 1, sizeof *graph->profile);
    graph->action_seconds = calloc((size_t)graph->stream.device.threads * graph->action_count + 1,
                                   sizeof *graph->action_seconds);
    return graph->profile && graph->action_seconds
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the profile");
}

void bnn_profile_step(const bnn_graph *graph, const bnn_step *step, double seconds) {
    double all = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = step->first; i < step->first + step->count; i++) {
            const bnn_action *a = &graph->actions[i];
            double own = 0.0;
            for (size_t w = 0; w < (size_t)graph->stream.device.threads; w++) {
                double *spent = &graph->action_seconds[w * graph->action_count + (size_t)i];
                own += *spent;
                *spent = pass ? 0.0 : *spent;
            }
            if (pass == 0) {
                all += own;
                continue;
            }
            bnn_cost *cost = &graph->profile[(size_t)a->node * BNN_COST_KINDS + (size_t)kind_of(a)];
            cost->seconds += all > 0.0 ? seconds * own / all : seconds / step->count;
            cost->bytes += action_bytes(graph, a);
        }
    }
}

bnn_cost bnn_profile_cost(const bnn_graph *graph, size_t node, bnn_cost_kind kind) {
    return graph->profile ? graph->profile[node * BNN_COST_KINDS + (size_t)kind]
                          : (bnn_cost){0.0, 0.0};
}

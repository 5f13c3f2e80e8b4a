/* What is saved for the backward. A row-wise value that some backward reads is computed again there
 * if that is cheap: a few ops from values that stay anyway. Read row by row, it comes again inside
 * the pass that reads it; read by an op over whole tensors, floats are restored in their memory
 * shortly before (bits are cheaper to save). So of a block of a residual network there remain the
 * products' results and, unless products take most of the time, every second sum. What is read more
 * than once in the forward is written to memory there and is the better one to save. */
#include <stdlib.h>

#include "engine/graph_private.h"

/* So many ops at most bring a value back: where products of floats take the time, more of them. */
#define FEW_OPS 5
#define MANY_OPS 20
/* So many multiplications of floats for each value that is made row by row are much. */
#define MUCH 20.0
/* So many take a processor no longer than a float to memory and back. */
#define LITTLE 100.0

static const bnn_node *row_wise_producer(const bnn_graph *graph, bnn_t t) {
    const bnn_node *node = bnn_graph_producer(graph, t);
    return node && node->op->forward_rows.map && node->out[0] == t ? node : NULL;
}

static int same_rows(const bnn_graph *graph, bnn_t a, bnn_t b) {
    bnn_shape s = bnn_shape_of(graph, a), t = bnn_shape_of(graph, b);
    return bnn_shape_rows(s) == bnn_shape_rows(t) && s.c == t.c;
}

static int in_memory(const bnn_graph *graph, bnn_t t) {
    const bnn_tensor *tensor = &graph->tensors[t];
    return tensor->saved || tensor->keep || tensor->role != BNN_ROLE_ACTIVATION;
}

static size_t bytes_of(const bnn_graph *graph, bnn_t t) {
    return bnn_tensor_bytes(graph->tensors[t].dtype, graph->tensors[t].shape);
}

/* Per value of its result. */
static double multiplications(const bnn_graph *graph, const bnn_node *node) {
    return node->op->multiplications ? node->op->multiplications(graph, node) : 0.0;
}

/* The product that makes `t`, if it may run again (op.h), or NULL. */
static const bnn_node *cheap_producer(const bnn_graph *graph, bnn_t t) {
    const bnn_node *node = bnn_graph_producer(graph, t);
    double work = node ? multiplications(graph, node) : 0.0;
    return work > 0.0 && work <= LITTLE ? node : NULL;
}

static int most_ops(const bnn_graph *graph) {
    double work = 0.0, values = 0.0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const bnn_node *node = &graph->nodes[i];
        double count = (double)bnn_shape_count(bnn_shape_of(graph, node->out[0]));
        work += multiplications(graph, node) * count;
        values += node->op->forward_rows.map ? count : 0.0;
    }
    return work > MUCH * values ? MANY_OPS : FEW_OPS;
}

/* Ops that bring `t` back, or anything above `most`; *extra counts the bytes of values that would
 * have to stay for it. */
static int ops_for(const bnn_graph *graph, bnn_t t, bnn_t like, int most, size_t *extra) {
    const bnn_node *node = row_wise_producer(graph, t), *cheap = cheap_producer(graph, t);
    if (in_memory(graph, t)) {
        return 0;
    }
    if (cheap) {
        for (int k = 0; k < cheap->in_count; k++) {
            bnn_t in = cheap->in[k];
            *extra += in < 0 || in_memory(graph, in) ? 0 : bytes_of(graph, in);
        }
        return 1;
    }
    if (!node || !same_rows(graph, t, like)) {
        *extra += bytes_of(graph, t);
        return 0;
    }
    int ops = 1;
    for (int k = 0; k < node->in_count && ops <= most; k++) {
        ops += node->in[k] >= 0 && bnn_row_in(node, k)
                   ? ops_for(graph, node->in[k], like, most - ops, extra)
                   : 0;
    }
    return ops;
}

/* Saves what `t` is recomputed from. */
static void save_leaves(bnn_graph *graph, bnn_t t, bnn_t like) {
    const bnn_node *node = row_wise_producer(graph, t), *cheap = cheap_producer(graph, t);
    if (in_memory(graph, t)) {
        return;
    }
    if (cheap) {
        graph->tensors[t].restored = 1;
        for (int k = 0; k < cheap->in_count; k++) {
            if (cheap->in[k] >= 0) {
                graph->tensors[cheap->in[k]].saved = 1;
            }
        }
        return;
    }
    if (!node || !same_rows(graph, t, like)) {
        graph->tensors[t].saved = 1;
        return;
    }
    for (int k = 0; k < node->in_count; k++) {
        if (node->in[k] >= 0 && bnn_row_in(node, k)) {
            save_leaves(graph, node->in[k], like);
        }
    }
}

/* The first value above or at `t` that has several readers, or BNN_NONE. */
static bnn_t nearest_shared(const bnn_graph *graph, const int *readers, bnn_t t) {
    const bnn_node *node = row_wise_producer(graph, t);
    if (in_memory(graph, t) || !node) {
        return BNN_NONE;
    }
    if (readers[t] > 1) {
        return t;
    }
    for (int k = 0; k < node->in_count; k++) {
        bnn_t found = node->in[k] >= 0 && bnn_row_in(node, k)
                          ? nearest_shared(graph, readers, node->in[k])
                          : BNN_NONE;
        if (found != BNN_NONE) {
            return found;
        }
    }
    return BNN_NONE;
}

/* Saves `t`, or what it is recomputed from by `most` ops and no more than `most_extra` bytes. */
static void decide(bnn_graph *graph, const int *readers, bnn_t t, int most, size_t most_extra) {
    while (!in_memory(graph, t)) {
        size_t extra = 0;
        int ops = ops_for(graph, t, t, most, &extra);
        if (ops <= most && extra <= most_extra) {
            save_leaves(graph, t, t);
            return;
        }
        bnn_t shared = nearest_shared(graph, readers, t);
        graph->tensors[shared == BNN_NONE ? t : shared].saved = 1;
    }
}

int bnn_is_recomputed(const bnn_graph *graph, bnn_t t) {
    return !in_memory(graph, t) && row_wise_producer(graph, t) != NULL;
}

int bnn_decide_saved(bnn_graph *graph) {
    size_t count = graph->tensor_count;
    int *readers = calloc(count + 1, 3 * sizeof *readers);
    int *by_rows = readers ? readers + count : NULL, *whole = readers ? by_rows + count : NULL;
    int most = most_ops(graph);
    if (!readers) {
        return 0;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const bnn_node *node = &graph->nodes[i];
        for (int k = 0; k < node->in_count; k++) {
            bnn_t t = node->in[k];
            if (t < 0) {
                continue;
            }
            readers[t]++;
            if (!node->backward || !(node->saved_in >> k & 1)) {
                continue;
            }
            int may = row_wise_producer(graph, t) != NULL || cheap_producer(graph, t) != NULL;
            if (may && bnn_row_wise(node->op) && bnn_row_in(node, k) &&
                same_rows(graph, t, node->in[0])) {
                by_rows[t] = 1;
            } else if (may && !bnn_row_wise(node->op) && graph->tensors[t].dtype == BNN_F32) {
                whole[t] = 1;
            } else {
                graph->tensors[t].saved = 1;
            }
        }
        for (int k = 0; k < node->out_count; k++) {
            if (node->backward && (node->saved_out >> k & 1)) {
                graph->tensors[node->out[k]].saved = 1;
            }
        }
    }
    for (size_t t = 0; t < count; t++) {
        if (by_rows[t] || whole[t]) {
            /* What is restored takes memory once more, so it has to leave less behind. */
            size_t less = whole[t] || !row_wise_producer(graph, (bnn_t)t);
            decide(graph, readers, (bnn_t)t, most, bytes_of(graph, (bnn_t)t) - less);
        }
    }
    for (size_t t = 0; t < count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        int away = bnn_is_recomputed(graph, (bnn_t)t);
        tensor->recomputed = by_rows[t] && readers[t] == 1 && away;
        tensor->restored = (whole[t] && away) || (tensor->restored && !in_memory(graph, (bnn_t)t));
    }
    free(readers);
    return 1;
}

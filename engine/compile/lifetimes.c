/* Memory by lifetime: what buffers there are and when. Every activation, gradient and workspace is
 * a buffer that lives from one action of the schedule to another; offsets.c finds their places. */
#include <stdlib.h>

#include "engine/graph_private.h"

/* A buffer that nothing has touched yet, or -1. */
static int add_buffer(bnn_graph *graph, size_t bytes) {
    if (!bnn_reserve((void **)&graph->buffers, &graph->buffer_capacity, graph->buffer_count,
                     sizeof *graph->buffers)) {
        return -1;
    }
    graph->buffers[graph->buffer_count] =
        (bnn_buffer){.bytes = bnn_aligned(bytes), .life = {{-1, 0}, {-1, 0}}, .step = -1};
    return (int)graph->buffer_count++;
}

static void touch_in(bnn_graph *graph, int buffer, int life, int action, int whole) {
    if (buffer >= 0) {
        bnn_buffer *b = &graph->buffers[buffer];
        bnn_life *l = &b->life[life];
        l->first = l->first < 0 || action < l->first ? action : l->first;
        l->last = action > l->last ? action : l->last;
        b->whole |= whole;
    }
}

static void touch(bnn_graph *graph, int buffer, int action, int whole) {
    touch_in(graph, buffer, 0, action, whole);
}

/* Where `t` is in step `step`: what was recomputed, or its memory. */
static int place_in(const bnn_graph *graph, bnn_t t, int step) {
    for (size_t i = graph->recomputation_count; i-- > 0 && graph->recomputations[i].step == step;) {
        if (graph->recomputations[i].t == t) {
            return graph->recomputations[i].buffer;
        }
    }
    return graph->tensors[t].buffer;
}

/* Of the value that `t` is, or a view of. */
static int *last_read(bnn_graph *graph, bnn_t t) {
    const bnn_tensor *viewed = bnn_viewed(graph, &graph->tensors[t]);
    return viewed ? last_read(graph, (bnn_t)(viewed - graph->tensors))
                  : &graph->tensors[t].last_read;
}

static void touch_value(bnn_graph *graph, bnn_t t, int action, int by_rows) {
    if (t >= 0) {
        *last_read(graph, t) = action;
        int buffer = place_in(graph, t, graph->actions[action].step);
        int second = graph->tensors[t].restored && action >= graph->forward_actions &&
                     buffer == graph->tensors[t].buffer;
        touch_in(graph, buffer, second, action, !by_rows);
    }
}

/* A forward action reads inputs and writes outputs; one that recomputes writes out[0] anew. */
static int touch_forward(bnn_graph *graph, int index) {
    const bnn_action *a = &graph->actions[index];
    const bnn_node *node = &graph->nodes[a->node];
    int by_rows = a->part != BNN_WHOLE;
    for (int k = 0; k < node->in_count; k++) {
        touch_value(graph, node->in[k], index, by_rows && bnn_row_in(node, k));
    }
    int first = a->recomputed && !a->restored, end = a->recomputed ? 1 : node->out_count;
    for (int k = first; k < end; k++) {
        if (a->part != BNN_REDUCE || !bnn_row_out(node, k)) {
            touch_value(graph, node->out[k], index, by_rows && bnn_row_out(node, k));
        }
    }
    if (!a->recomputed || a->restored) {
        return 1;
    }
    const bnn_tensor *value = &graph->tensors[node->out[0]];
    int buffer = add_buffer(graph, bnn_tensor_bytes(value->dtype, value->shape));
    if (buffer < 0 || !bnn_reserve((void **)&graph->recomputations, &graph->recomputation_capacity,
                                   graph->recomputation_count, sizeof *graph->recomputations)) {
        return 0;
    }
    graph->recomputations[graph->recomputation_count++] =
        (bnn_recomputation){a->step, buffer, node->out[0]};
    touch(graph, buffer, index, 0);
    return 1;
}

/* The memory of a gradient, made at its first contribution. */
static int touch_grad(bnn_graph *graph, bnn_t t, int action, int by_rows) {
    bnn_tensor *tensor = &graph->tensors[t];
    if (tensor->grad_buffer < 0) {
        tensor->grad_buffer = add_buffer(graph, 4 * bnn_shape_count(tensor->shape));
    }
    touch(graph, tensor->grad_buffer, action, !by_rows);
    return tensor->grad_buffer >= 0;
}

static int touch_backward(bnn_graph *graph, int index) {
    const bnn_action *a = &graph->actions[index];
    const bnn_node *node = &graph->nodes[a->node];
    int by_rows = a->part != BNN_WHOLE;
    for (int k = 0; k < node->in_count; k++) {
        if (node->saved_in >> k & 1) {
            touch_value(graph, node->in[k], index, by_rows && bnn_row_in(node, k));
        }
    }
    for (int k = 0; k < node->out_count; k++) {
        if (node->saved_out >> k & 1) {
            touch_value(graph, node->out[k], index, by_rows && bnn_row_out(node, k));
        }
    }
    int ok = touch_grad(graph, node->out[0], index, by_rows);
    for (int k = 0; k < node->in_count; k++) {
        int row = by_rows && bnn_row_in(node, k);
        if (node->want_grad[k] && !(a->part == BNN_REDUCE && row)) {
            ok = ok && touch_grad(graph, node->in[k], index, row);
        }
    }
    return ok;
}

/* Scratch of whole ops lives for one action; that of row-wise ones from the first to the last. */
static int touch_workspace(bnn_graph *graph, int index) {
    const bnn_action *a = &graph->actions[index];
    bnn_node *node = &graph->nodes[a->node];
    int *buffer = a->backward ? &node->ws_backward_buffer : &node->ws_buffer;
    if (!node->workspace || (a->recomputed && a->part != BNN_WHOLE)) {
        return 1;
    }
    if (*buffer < 0) {
        *buffer = add_buffer(graph, node->workspace);
    }
    touch_in(graph, *buffer, a->recomputed, index, 1);
    return *buffer >= 0;
}

static int add_values(bnn_graph *graph) {
    int end = (int)graph->action_count;
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        tensor->buffer = tensor->grad_buffer = tensor->last_read = -1;
        int given = tensor->role == BNN_ROLE_CONSTANT ||
                    (tensor->role == BNN_ROLE_INPUT && !graph->stream.device.ops->host);
        if (tensor->role != BNN_ROLE_ACTIVATION && !given) {
            continue;
        }
        const bnn_tensor *origin = bnn_viewed(graph, tensor);
        if (!origin) {
            tensor->buffer = add_buffer(graph, bnn_tensor_bytes(tensor->dtype, tensor->shape));
        } else {
            tensor->buffer = origin->buffer; /* none, if that is a parameter */
        }
        if (given) {
            touch(graph, tensor->buffer, 0, 1);
        }
        if (tensor->keep || (bnn_t)t == graph->root) {
            touch(graph, tensor->buffer, end, 1);
        }
        if (tensor->buffer < 0 && !origin) {
            return 0;
        }
    }
    return 1;
}

/* The tensor that has this parameter's gradient, or BNN_NONE. */
static bnn_t tensor_of(const bnn_graph *graph, const bnn_param *param) {
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].param == param && graph->tensors[t].grad_buffer >= 0) {
            return (bnn_t)t;
        }
    }
    return BNN_NONE;
}

/* The gradient of a parameter lives until it is handed over: as soon as it is complete, and the
 * parameter's value has been read for the last time. */
static int add_handover(bnn_graph *graph, const bnn_param *param) {
    bnn_t t = tensor_of(graph, param);
    int end = (int)graph->action_count - 1, last = end, buffer = -1;
    if (t >= 0) {
        buffer = graph->tensors[t].grad_buffer;
        int read = graph->tensors[t].last_read, written = graph->buffers[buffer].life[0].last;
        last = read > written ? read : written;
        last = last < end ? last : end;
    } else {
        buffer = add_buffer(graph, 4 * param->count);
    }
    if (buffer < 0 || !bnn_reserve((void **)&graph->handovers, &graph->handover_capacity,
                                   graph->handover_count, sizeof *graph->handovers)) {
        return 0;
    }
    touch(graph, buffer, last, 1);
    graph->handovers[graph->handover_count++] =
        (bnn_handover){.param = param, .step = graph->actions[last].step, .t = t, .buffer = buffer};
    return 1;
}

static int earlier_step(const void *a, const void *b) {
    const bnn_handover *x = a, *y = b;
    if (x->step != y->step) {
        return x->step < y->step ? -1 : 1;
    }
    return x->param->offset < y->param->offset ? -1 : 1;
}

static int add_handovers(bnn_graph *graph) {
    int ok = 1, backward = graph->params && graph->step_count > graph->forward_steps;
    graph->handover_count = 0;
    graph->value_count = backward ? graph->params->value_count : 0;
    for (size_t i = 0; ok && backward && i < graph->params->count; i++) {
        const bnn_param *param = graph->params->list[i];
        ok = !param->trainable || param->frozen || add_handover(graph, param);
    }
    if (graph->handover_count) {
        qsort(graph->handovers, graph->handover_count, sizeof *graph->handovers, earlier_step);
    }
    return ok;
}

/* Gradients of inputs and of the root stay. */
static int keep_grads(bnn_graph *graph) {
    int end = (int)graph->action_count, ok = 1;
    if (graph->root >= 0) {
        ok = touch_grad(graph, graph->root, 0, 0) && touch_grad(graph, graph->root, end, 0);
    }
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].role == BNN_ROLE_INPUT && graph->tensors[t].grad_buffer >= 0) {
            touch(graph, graph->tensors[t].grad_buffer, end, 1);
        }
    }
    return ok;
}

static int add_buffers(bnn_graph *graph) {
    int ok = add_values(graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->nodes[i].ws_buffer = graph->nodes[i].ws_backward_buffer = -1;
    }
    for (int i = 0; ok && i < (int)graph->action_count; i++) {
        ok = touch_workspace(graph, i) &&
             (graph->actions[i].backward ? touch_backward(graph, i) : touch_forward(graph, i));
    }
    return ok && keep_grads(graph) && add_handovers(graph);
}

/* What needs *to begins where `from` is needed last: one buffer serves both. */
static int merge(bnn_graph *graph, int from, int *to) {
    /* NOLINTNEXTLINE(clang-analyzer-core.*): a place in a tensor */
    if (from < 0 || *to < 0 || from == *to) {
        return 0;
    }
    bnn_buffer *a = &graph->buffers[from], *b = &graph->buffers[*to];
    if (a->life[0].last != b->life[0].first || a->life[1].first >= 0 || a->bytes != b->bytes) {
        return 0;
    }
    a->life[0].last = b->life[0].last;
    a->life[1] = b->life[1];
    a->whole |= b->whole;
    b->bytes = 0;
    *to = from;
    return 1;
}

/* Views of a tensor whose buffer moved move with it. */
static void follow_views(bnn_graph *graph, int from, int to) {
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].buffer == from) {
            graph->tensors[t].buffer = to;
        }
    }
}

static void share_in_place(bnn_graph *graph) {
    for (size_t i = 0; i < graph->action_count; i++) {
        const bnn_action *a = &graph->actions[i];
        const bnn_node *node = &graph->nodes[a->node];
        bnn_tensor *in = node->in[0] < 0 ? NULL : &graph->tensors[node->in[0]];
        bnn_tensor *out = &graph->tensors[node->out[0]];
        if (a->part == BNN_REDUCE) {
            continue;
        }
        if (a->recomputed && node->op->in_place) {
            bnn_recomputation *x = bnn_recomputation_of(graph, node->in[0], a->step);
            bnn_recomputation *y = bnn_recomputation_of(graph, node->out[0], a->step);
            if (x && y) {
                merge(graph, x->buffer, &y->buffer);
            }
        } else if (!a->recomputed && !a->backward && node->op->in_place && in &&
                   in->role == BNN_ROLE_ACTIVATION) {
            int before = out->buffer;
            if (merge(graph, in->buffer, &out->buffer)) {
                follow_views(graph, before, out->buffer);
            }
        } else if (a->backward && node->op->grad_in_place && node->want_grad[0] && !node->acc[0]) {
            merge(graph, out->grad_buffer, &in->grad_buffer);
        }
    }
}

bnn_code bnn_memory_plan(bnn_graph *graph, bnn_error *err) {
    graph->buffer_count = graph->recomputation_count = 0;
    int ok = add_buffers(graph);
    if (ok) {
        share_in_place(graph);
        ok = bnn_place(graph);
    }
    return ok ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the memory plan");
}

/* Memory by lifetime: what buffers there are and when. Every activation, gradient and workspace is
 * a buffer that lives from one action of the schedule to another; offsets.c finds their places. */
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

static void touch_value(bnn_graph *graph, bnn_t t, int action, int by_rows) {
    if (t >= 0) {
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

/* The memory of a gradient, made at its first contribution; parameters have theirs already. */
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
        tensor->buffer = tensor->grad_buffer = -1;
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

/* Lists that nothing writes `count` gradients from `first` on. */
static int add_span(bnn_graph *graph, size_t first, size_t count) {
    bnn_span *last = graph->span_count ? &graph->spans[graph->span_count - 1] : NULL;
    if (last && last->first + last->count == first) {
        last->count += count;
        return 1;
    }
    if (count == 0) {
        return 1;
    }
    if (!bnn_reserve((void **)&graph->spans, &graph->span_capacity, graph->span_count,
                     sizeof *graph->spans)) {
        return 0;
    }
    graph->spans[graph->span_count++] = (bnn_span){first, count};
    return 1;
}

static bnn_tensor *tensor_of(const bnn_graph *graph, const bnn_param *param) {
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].param == param) {
            return &graph->tensors[t];
        }
    }
    return NULL;
}

static int add_param_grad(bnn_graph *graph, const bnn_param *param) {
    bnn_tensor *tensor = tensor_of(graph, param);
    int end = (int)graph->action_count, used = tensor && tensor->has_grad;
    int buffer = add_buffer(graph, 4 * param->count);
    if (buffer < 0) {
        return 0;
    }
    bnn_buffer *b = &graph->buffers[buffer];
    b->offset = 4 * param->offset;
    b->fixed = 1;
    touch(graph, buffer, end, 1);
    if (used) {
        tensor->grad_buffer = buffer;
    } else {
        touch(graph, buffer, end - 1, 1);
    }
    size_t written = used ? param->count : 0;
    return add_span(graph, param->offset + written, b->bytes / 4 - written);
}

/* The parameters' gradients have one flat buffer, for the optimizer; until the backward makes
 * them, one after the other, their places are free. They stay to the end. */
static int add_param_grads(bnn_graph *graph) {
    int ok = 1;
    graph->span_count = 0;
    graph->grads_bytes = graph->root < 0 || !graph->params ? 0 : 4 * graph->params->value_count;
    for (size_t i = 0; ok && graph->grads_bytes && i < graph->params->count; i++) {
        const bnn_param *param = graph->params->list[i];
        ok = !param->trainable || add_param_grad(graph, param);
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
        if (graph->tensors[t].producer < 0 && graph->tensors[t].grad_buffer >= 0) {
            touch(graph, graph->tensors[t].grad_buffer, end, 1);
        }
    }
    return ok;
}

static int add_buffers(bnn_graph *graph) {
    int ok = add_values(graph) && add_param_grads(graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->nodes[i].ws_buffer = graph->nodes[i].ws_backward_buffer = -1;
    }
    for (int i = 0; ok && i < (int)graph->action_count; i++) {
        ok = touch_workspace(graph, i) &&
             (graph->actions[i].backward ? touch_backward(graph, i) : touch_forward(graph, i));
    }
    return ok && keep_grads(graph);
}

/* What needs *to begins where `from` is needed last: one buffer serves both. */
static int merge(bnn_graph *graph, int from, int *to) {
    /* NOLINTNEXTLINE(clang-analyzer-core.*): a place in a tensor */
    if (from < 0 || *to < 0 || from == *to) {
        return 0;
    }
    bnn_buffer *a = &graph->buffers[from], *b = &graph->buffers[*to];
    if (a->life[0].last != b->life[0].first || a->life[1].first >= 0 || a->bytes != b->bytes ||
        a->fixed) {
        return 0;
    }
    if (b->fixed) { /* keeps its place and is taken over by all of the other's */
        for (size_t t = 0; t < graph->tensor_count; t++) {
            int *buffer = &graph->tensors[t].grad_buffer;
            *buffer = *buffer == from ? *to : *buffer;
        }
        b->life[0].first = a->life[0].first;
        b->whole |= a->whole;
        a->bytes = 0;
        return 1;
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

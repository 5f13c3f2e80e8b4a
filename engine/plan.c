/* Memory by lifetime. Every activation, gradient and workspace is a piece that lives from one
 * action of the schedule to another; pieces that never live at once share bytes. Largest first,
 * each at the lowest offset where it fits: within a few percent of the optimum on networks, and
 * deterministic. What lives in one row-wise step only is a thread's, and a block long. */
#include <limits.h>
#include <stdlib.h>

#include "engine/graph_private.h"

#define ALIGN_BYTES 64

static size_t aligned(size_t bytes) {
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

/* A piece that nothing has touched yet, or -1. */
static int add_buffer(bnn_graph *graph, size_t bytes) {
    if (!bnn_reserve((void **)&graph->buffers, &graph->buffer_capacity, graph->buffer_count,
                     sizeof *graph->buffers)) {
        return -1;
    }
    graph->buffers[graph->buffer_count] =
        (bnn_buffer){.bytes = aligned(bytes), .life = {{-1, 0}, {-1, 0}}, .step = -1};
    return (int)graph->buffer_count++;
}

/* The input whose memory `t` is, where a view made it. */
static const bnn_tensor *viewed(const bnn_graph *graph, const bnn_tensor *tensor) {
    const bnn_node *node = tensor->producer < 0 ? NULL : &graph->nodes[tensor->producer];
    return node && node->op->view ? &graph->tensors[node->in[0]] : NULL;
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

/* Where `t` is in step `step`: what came again, or its memory. */
static int place_in(const bnn_graph *graph, bnn_t t, int step) {
    for (size_t i = graph->again_count; i-- > 0 && graph->agains[i].step == step;) {
        if (graph->agains[i].t == t) {
            return graph->agains[i].buffer;
        }
    }
    return graph->tensors[t].buffer;
}

static void touch_value(bnn_graph *graph, bnn_t t, int action, int by_rows) {
    if (t >= 0) {
        int buffer = place_in(graph, t, graph->actions[action].step);
        int second = graph->tensors[t].returns && action >= graph->forward_actions &&
                     buffer == graph->tensors[t].buffer;
        touch_in(graph, buffer, second, action, !by_rows);
    }
}

/* A forward action reads inputs and writes outputs; one that comes again writes out[0] anew. */
static int touch_forward(bnn_graph *graph, int index) {
    const bnn_action *a = &graph->actions[index];
    const bnn_node *node = &graph->nodes[a->node];
    int by_rows = a->phase != BNN_WHOLE;
    for (int k = 0; k < node->in_count; k++) {
        touch_value(graph, node->in[k], index, by_rows && bnn_row_in(node, k));
    }
    int first = a->again && !a->returns, end = a->again ? 1 : node->out_count;
    for (int k = first; k < end; k++) {
        if (a->phase != BNN_REDUCE || !bnn_row_out(node, k)) {
            touch_value(graph, node->out[k], index, by_rows && bnn_row_out(node, k));
        }
    }
    if (!a->again || a->returns) {
        return 1;
    }
    const bnn_tensor *value = &graph->tensors[node->out[0]];
    int buffer = add_buffer(graph, bnn_tensor_bytes(value->dtype, value->shape));
    if (buffer < 0 || !bnn_reserve((void **)&graph->agains, &graph->again_capacity,
                                   graph->again_count, sizeof *graph->agains)) {
        return 0;
    }
    graph->agains[graph->again_count++] = (bnn_again){a->step, buffer, node->out[0]};
    touch(graph, buffer, index, 0);
    return 1;
}

/* The memory of a gradient, made at its first contribution; parameters have theirs. */
static int touch_grad(bnn_graph *graph, bnn_t t, int action, int by_rows) {
    bnn_tensor *tensor = &graph->tensors[t];
    if (tensor->role == BNN_ROLE_PARAM) {
        return 1;
    }
    if (tensor->grad_buffer < 0) {
        tensor->grad_buffer = add_buffer(graph, 4 * bnn_shape_count(tensor->shape));
    }
    touch(graph, tensor->grad_buffer, action, !by_rows);
    return tensor->grad_buffer >= 0;
}

static int touch_backward(bnn_graph *graph, int index) {
    const bnn_action *a = &graph->actions[index];
    const bnn_node *node = &graph->nodes[a->node];
    int by_rows = a->phase != BNN_WHOLE;
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
        if (node->want_grad[k] && !(a->phase == BNN_REDUCE && row)) {
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
    if (!node->workspace || (a->again && a->phase != BNN_WHOLE)) {
        return 1;
    }
    if (*buffer < 0) {
        *buffer = add_buffer(graph, node->workspace);
    }
    touch_in(graph, *buffer, a->again, index, 1);
    return *buffer >= 0;
}

static int add_values(bnn_graph *graph) {
    int end = (int)graph->action_count;
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        tensor->buffer = tensor->grad_buffer = -1;
        if (tensor->role != BNN_ROLE_ACTIVATION && tensor->role != BNN_ROLE_CONSTANT) {
            continue;
        }
        const bnn_tensor *origin = viewed(graph, tensor);
        if (!origin) {
            tensor->buffer = add_buffer(graph, bnn_tensor_bytes(tensor->dtype, tensor->shape));
        } else {
            tensor->buffer = origin->buffer; /* none, if that is a parameter */
        }
        if (tensor->role == BNN_ROLE_CONSTANT) {
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

static int add_pieces(bnn_graph *graph) {
    int ok = add_values(graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->nodes[i].ws_buffer = graph->nodes[i].ws_backward_buffer = -1;
    }
    for (int i = 0; ok && i < (int)graph->action_count; i++) {
        ok = touch_workspace(graph, i) &&
             (graph->actions[i].backward ? touch_backward(graph, i) : touch_forward(graph, i));
    }
    return ok && keep_grads(graph);
}

/* What needs *to begins where `from` is needed last: one piece serves both. */
static int merge(bnn_graph *graph, int from, int *to) {
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

/* Views of a tensor whose piece moved move with it. */
static void follow_views(bnn_graph *graph, int from, int to) {
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].buffer == from) {
            graph->tensors[t].buffer = to;
        }
    }
}

static bnn_again *again_of(bnn_graph *graph, bnn_t t, int step) {
    for (size_t i = 0; i < graph->again_count; i++) {
        if (graph->agains[i].t == t && graph->agains[i].step == step) {
            return &graph->agains[i];
        }
    }
    return NULL;
}

static void share_in_place(bnn_graph *graph) {
    for (size_t i = 0; i < graph->action_count; i++) {
        const bnn_action *a = &graph->actions[i];
        const bnn_node *node = &graph->nodes[a->node];
        bnn_tensor *in = node->in[0] < 0 ? NULL : &graph->tensors[node->in[0]];
        bnn_tensor *out = &graph->tensors[node->out[0]];
        if (a->phase == BNN_REDUCE) {
            continue;
        }
        if (a->again && node->op->in_place) {
            bnn_again *x = again_of(graph, node->in[0], a->step);
            bnn_again *y = again_of(graph, node->out[0], a->step);
            if (x && y) {
                merge(graph, x->buffer, &y->buffer);
            }
        } else if (!a->again && !a->backward && node->op->in_place && in &&
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

static int larger_first(const void *a, const void *b) {
    const bnn_buffer *x = *(bnn_buffer *const *)a, *y = *(bnn_buffer *const *)b;
    if (x->bytes != y->bytes) {
        return x->bytes < y->bytes ? 1 : -1;
    }
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b) {
    const bnn_buffer *x = *(bnn_buffer *const *)a, *y = *(bnn_buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int meet(const bnn_graph *graph, const bnn_life *a, const bnn_life *b) {
    int end = (int)graph->action_count;
    const bnn_action *action = graph->actions;
    return a->first >= 0 && b->first >= 0 &&
           action[a->first].step <= (b->last == end ? INT_MAX : action[b->last].step) &&
           action[b->first].step <= (a->last == end ? INT_MAX : action[a->last].step);
}

/* When a piece is in use: in steps, since blocks of one step run in any order; within a thread's
 * block, in actions. */
static int overlap(const bnn_graph *graph, const bnn_buffer *a, const bnn_buffer *b) {
    if (a->step >= 0) {
        return a->life[0].first <= b->life[0].last && b->life[0].first <= a->life[0].last;
    }
    for (int i = 0; i < 4; i++) {
        if (meet(graph, &a->life[i / 2], &b->life[i % 2])) {
            return 1;
        }
    }
    return 0;
}

static size_t lowest_offset(const bnn_graph *graph, const bnn_buffer *piece, bnn_buffer **placed,
                            size_t count, bnn_buffer **live) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (overlap(graph, placed[i], piece)) {
            live[n++] = placed[i];
        }
    }
    qsort(live, n, sizeof *live, by_offset);
    size_t offset = 0;
    for (size_t i = 0; i < n && live[i]->offset < offset + piece->bytes; i++) {
        size_t end = live[i]->offset + live[i]->bytes;
        offset = end > offset ? end : offset;
    }
    return offset;
}

/* Places order[0..count), and returns the bytes they take. */
static size_t place(const bnn_graph *graph, bnn_buffer **order, size_t count, bnn_buffer **room) {
    size_t bytes = 0;
    qsort(order, count, sizeof *order, larger_first);
    for (size_t i = 0; i < count; i++) {
        order[i]->offset = lowest_offset(graph, order[i], order, i, room);
        size_t end = order[i]->offset + order[i]->bytes;
        bytes = end > bytes ? end : bytes;
    }
    return bytes;
}

/* The step of a piece that lives in one row-wise step and is touched block by block, or -1. */
static int local_step(const bnn_graph *graph, const bnn_buffer *b) {
    const bnn_life *l = &b->life[0];
    if (b->whole || l->first < 0 || b->life[1].first >= 0 || l->last >= (int)graph->action_count) {
        return -1;
    }
    int step = graph->actions[l->first].step;
    return graph->steps[step].row_wise && graph->actions[l->last].step == step ? step : -1;
}

static size_t block_bytes(const bnn_step *step, bnn_dtype dtype) {
    bnn_shape block = {1, 1, (int)step->block_rows, (int)step->c};
    return aligned(bnn_tensor_bytes(dtype, block));
}

/* Turns what lives in one step into locals: `graph->locals`, in the order of steps. */
static int list_locals(bnn_graph *graph) {
    size_t most = 2 * graph->tensor_count + graph->again_count, count = 0;
    free(graph->locals);
    graph->locals = calloc(most + 1, sizeof *graph->locals);
    if (!graph->locals) {
        return 0;
    }
    for (size_t i = 0; i < graph->buffer_count; i++) {
        graph->buffers[i].step = local_step(graph, &graph->buffers[i]);
    }
    for (int i = 0; i < (int)graph->step_count; i++) {
        bnn_step *step = &graph->steps[i];
        step->locals = graph->locals + count;
        size_t before = count;
        for (size_t t = 0; t < graph->tensor_count && step->row_wise; t++) {
            const bnn_tensor *tensor = &graph->tensors[t];
            bnn_again *again = again_of(graph, (bnn_t)t, i);
            int places[3] = {tensor->buffer, tensor->grad_buffer, again ? again->buffer : -1};
            for (int k = 0; k < 3; k++) {
                bnn_buffer *b = places[k] < 0 ? NULL : &graph->buffers[places[k]];
                if (b && b->step == i) {
                    b->bytes = block_bytes(step, k == 1 ? BNN_F32 : tensor->dtype);
                    graph->locals[count++] = (bnn_local){(bnn_t)t, k == 1, (size_t)places[k]};
                }
            }
        }
        step->local_count = (int)(count - before);
    }
    return 1;
}

static int place_all(bnn_graph *graph) {
    size_t count = graph->buffer_count, global = 0;
    bnn_buffer **order = malloc((2 * count + 1) * sizeof *order);
    if (!order || !list_locals(graph)) {
        free(order);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        const bnn_buffer *b = &graph->buffers[i];
        if (b->bytes && b->life[0].first >= 0 && b->step < 0) {
            order[global++] = &graph->buffers[i];
        }
    }
    graph->bytes = place(graph, order, global, order + count);
    graph->scratch_bytes = 0;
    for (size_t i = 0; i < graph->step_count; i++) {
        size_t n = 0;
        for (size_t b = 0; b < count; b++) {
            if (graph->buffers[b].step == (int)i && graph->buffers[b].bytes) {
                order[n++] = &graph->buffers[b];
            }
        }
        size_t bytes = place(graph, order, n, order + count);
        graph->scratch_bytes = bytes > graph->scratch_bytes ? bytes : graph->scratch_bytes;
    }
    for (size_t i = 0; i < graph->step_count; i++) {
        for (int k = 0; k < graph->steps[i].local_count; k++) {
            bnn_local *local = (bnn_local *)&graph->steps[i].locals[k];
            local->offset = graph->buffers[local->offset].offset;
        }
    }
    graph->scratch_offset = aligned(graph->bytes);
    graph->bytes = graph->scratch_offset + (size_t)bnn_threads() * graph->scratch_bytes;
    free(order);
    return 1;
}

bnn_code bnn_memory_plan(bnn_graph *graph, bnn_error *err) {
    graph->buffer_count = graph->again_count = 0;
    int ok = add_pieces(graph);
    if (ok) {
        share_in_place(graph);
        ok = place_all(graph);
    }
    return ok ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the memory plan");
}

size_t bnn_graph_bytes(const bnn_graph *graph) {
    return graph->bytes;
}

static void *piece(const bnn_graph *graph, unsigned char *base, int buffer) {
    const bnn_buffer *b = buffer < 0 ? NULL : &graph->buffers[buffer];
    return b && b->life[0].first >= 0 && b->step < 0 ? base + b->offset : NULL;
}

bnn_code bnn_graph_bind(bnn_graph *graph, void *memory, bnn_error *err) {
    if (!memory && !(memory = graph->own_memory = bnn_alloc_aligned(graph->bytes))) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory: the network needs %zu MiB; use a smaller --batch-size",
                        graph->bytes >> 20);
    }
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        if (tensor->param) {
            tensor->data = bnn_param_data(graph->params, tensor->param);
            tensor->grad = bnn_param_grad(graph->params, tensor->param);
        } else if (tensor->role != BNN_ROLE_INPUT) {
            const bnn_tensor *origin = viewed(graph, tensor);
            tensor->data = origin ? origin->data : piece(graph, memory, tensor->buffer);
        }
        if (tensor->grad_buffer >= 0) {
            tensor->grad = piece(graph, memory, tensor->grad_buffer);
        }
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        bnn_node *node = &graph->nodes[i];
        node->ws = piece(graph, memory, node->ws_buffer);
        node->ws_backward = piece(graph, memory, node->ws_backward_buffer);
    }
    graph->scratch = (unsigned char *)memory + graph->scratch_offset;
    return BNN_OK;
}

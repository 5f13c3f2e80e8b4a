/* Where the buffers of a plan lie. Those that never live at once share bytes: largest first, each
 * at the lowest offset where it fits. What lives long may count for more than it has bytes, and the
 * best of a few such orders is within a few percent of the optimum on networks, and deterministic.
 * What lives in one row-wise step only is a thread's, and a block long. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/graph_private.h"

/* Orders that are tried: of bytes times actions to the power of 0, 1/2, 1. */
#define ORDERS 3

static double weight(const bnn_buffer *b, int order) {
    double life = 0.0;
    for (int i = 0; i < 2; i++) {
        life += b->life[i].first < 0 ? 0.0 : b->life[i].last - b->life[i].first + 1;
    }
    return (double)b->bytes * (order == 0 ? 1.0 : order == 1 ? sqrt(life) : life);
}

static int heavier_first(const void *a, const void *b) {
    const bnn_buffer *x = *(bnn_buffer *const *)a, *y = *(bnn_buffer *const *)b;
    if (x->weight < y->weight || x->weight > y->weight) {
        return x->weight < y->weight ? 1 : -1;
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

/* When a buffer is in use: in steps, since blocks of one step run in any order; within a thread's
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

static size_t lowest_offset(const bnn_graph *graph, const bnn_buffer *buffer, bnn_buffer **placed,
                            size_t count, bnn_buffer **live) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (overlap(graph, placed[i], buffer)) {
            live[n++] = placed[i];
        }
    }
    qsort(live, n, sizeof *live, by_offset);
    size_t offset = 0;
    for (size_t i = 0; i < n && live[i]->offset < offset + buffer->bytes; i++) {
        size_t end = live[i]->offset + live[i]->bytes;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static size_t place_in_order(const bnn_graph *graph, int by, bnn_buffer **order, size_t count,
                             bnn_buffer **room) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        order[i]->weight = weight(order[i], by);
    }
    qsort(order, count, sizeof *order, heavier_first);
    for (size_t i = 0; i < count; i++) {
        order[i]->offset = lowest_offset(graph, order[i], order, i, room);
        size_t end = order[i]->offset + order[i]->bytes;
        if (end > PTRDIFF_MAX) {
            return SIZE_MAX;
        }
        bytes = end > bytes ? end : bytes;
    }
    return bytes;
}

/* Places order[0..count), and returns the bytes they take, SIZE_MAX if no memory is so large. */
static size_t place(const bnn_graph *graph, bnn_buffer **order, size_t count, bnn_buffer **room) {
    size_t least = SIZE_MAX;
    int best = 0;
    for (int by = 0; by < ORDERS; by++) {
        size_t bytes = place_in_order(graph, by, order, count, room);
        best = bytes < least ? by : best;
        least = bytes < least ? bytes : least;
    }
    return best == ORDERS - 1 ? least : place_in_order(graph, best, order, count, room);
}

/* The step of a buffer that lives in one row-wise step and is touched block by block, or -1. */
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
    return bnn_aligned(bnn_tensor_bytes(dtype, block));
}

/* Turns what lives in one step into locals: `graph->locals`, in the order of steps. */
static int list_locals(bnn_graph *graph) {
    size_t most = 2 * graph->tensor_count + graph->recomputation_count, count = 0;
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
            bnn_recomputation *again = bnn_recomputation_of(graph, (bnn_t)t, i);
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

int bnn_place(bnn_graph *graph) {
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
    if (graph->bytes == SIZE_MAX) {
        free(order);
        return 0;
    }
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
    graph->scratch_offset = bnn_aligned(graph->bytes);
    graph->bytes =
        graph->scratch_offset + (size_t)graph->stream.device.threads * graph->scratch_bytes;
    free(order);
    return 1;
}

size_t bnn_graph_bytes(const bnn_graph *graph) {
    return graph->bytes;
}

static void *memory_of(const bnn_graph *graph, unsigned char *base, int buffer) {
    const bnn_buffer *b = buffer < 0 ? NULL : &graph->buffers[buffer];
    return b && b->life[0].first >= 0 && b->step < 0 ? base + b->offset : NULL;
}

static void *take_memory(const bnn_graph *graph) {
    const bnn_device *device = &graph->stream.device;
    return device->ops->alloc(device, BNN_MEMORY_DEVICE, graph->bytes);
}

static bnn_code no_memory(const bnn_graph *graph, bnn_error *err) {
    const bnn_device *device = &graph->stream.device;
    size_t left, all;
    if (!device->ops->room) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory: the network needs %zu MiB; use a smaller --batch-size",
                        graph->bytes >> 20);
    }
    device->ops->room(device, &left, &all);
    return bnn_fail(err, BNN_ERR_MEMORY,
                    "out of memory: the network needs %zu MiB, and %zu of %zu are left; use a "
                    "smaller --batch-size",
                    graph->bytes >> 20, left >> 20, all >> 20);
}

/* Memory for the parameters' gradients, where nobody else takes them. */
static int take_grads(const bnn_graph *graph) {
    const bnn_device *device = &graph->stream.device;
    bnn_params *params = graph->params;
    if (!graph->handover_count || params->update || params->grads) {
        return 1;
    }
    params->grads = device->ops->alloc(device, BNN_MEMORY_DEVICE, 4 * params->value_count);
    return params->grads != NULL;
}

bnn_code bnn_graph_bind(bnn_graph *graph, void *memory, bnn_error *err) {
    if (graph->value_count && graph->value_count != graph->params->value_count) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "parameters were added after the graph was compiled");
    }
    if (!take_grads(graph)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters' gradients");
    }
    if (!memory && !(memory = graph->own_memory = take_memory(graph))) {
        return no_memory(graph, err);
    }
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        if (tensor->param) {
            tensor->data = bnn_param_memory(graph->params, tensor->param);
        } else if (tensor->role != BNN_ROLE_INPUT || tensor->buffer >= 0) {
            const bnn_tensor *origin = bnn_viewed(graph, tensor);
            tensor->data = origin ? origin->data : memory_of(graph, memory, tensor->buffer);
        }
        if (tensor->grad_buffer >= 0) {
            tensor->grad = memory_of(graph, memory, tensor->grad_buffer);
        }
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        bnn_node *node = &graph->nodes[i];
        node->ws = memory_of(graph, memory, node->ws_buffer);
        node->ws_backward = memory_of(graph, memory, node->ws_backward_buffer);
    }
    for (size_t i = 0; i < graph->handover_count; i++) {
        bnn_handover *h = &graph->handovers[i];
        h->grad = h->t < 0 ? memory_of(graph, memory, h->buffer) : graph->tensors[h->t].grad;
    }
    graph->scratch = (unsigned char *)memory + graph->scratch_offset;
    return BNN_OK;
}

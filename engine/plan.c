/* Memory by lifetime. Every activation, gradient and workspace is a piece that lives from one step
 * of the schedule to another; pieces that never live at once share bytes. Largest first, each at
 * the lowest offset where it fits: within a few percent of the optimum on networks, and
 * deterministic. */
#include <stdlib.h>

#include "engine/graph_private.h"

#define ALIGN_BYTES 64

static int add_buffer(bnn_graph *graph, size_t bytes, int first, int last) {
    if (graph->buffer_count == graph->buffer_capacity) {
        size_t larger = graph->buffer_capacity ? 2 * graph->buffer_capacity : 256;
        bnn_buffer *p = realloc(graph->buffers, larger * sizeof *p);
        if (!p) {
            return -1;
        }
        graph->buffers = p;
        graph->buffer_capacity = larger;
    }
    bytes = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    graph->buffers[graph->buffer_count] = (bnn_buffer){bytes, 0, first, last};
    return (int)graph->buffer_count++;
}

/* The input whose memory `t` is, where a view made it. */
static const bnn_tensor *viewed(const bnn_graph *graph, const bnn_tensor *tensor) {
    const bnn_node *node = tensor->producer < 0 ? NULL : &graph->nodes[tensor->producer];
    return node && node->op->view ? &graph->tensors[node->in[0]] : NULL;
}

static void read_at(bnn_graph *graph, bnn_t t, int step) {
    if (t >= 0 && graph->tensors[t].buffer >= 0) {
        bnn_buffer *b = &graph->buffers[graph->tensors[t].buffer];
        b->last = b->last < step ? step : b->last;
    }
}

static int backward_step(const bnn_graph *graph, size_t node) {
    return (int)(2 * graph->node_count - 1 - node);
}

/* Activations and constants, from the node that makes them to the last that reads them. */
static int plan_values(bnn_graph *graph) {
    int end = (int)(2 * graph->node_count);
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bnn_tensor *tensor = &graph->tensors[t];
        if (tensor->role != BNN_ROLE_ACTIVATION && tensor->role != BNN_ROLE_CONSTANT) {
            continue;
        }
        const bnn_tensor *origin = viewed(graph, tensor);
        if (origin) {
            tensor->buffer = origin->buffer;
            if (tensor->keep) {
                read_at(graph, (bnn_t)t, end);
            }
            continue;
        }
        int first = tensor->producer < 0 ? 0 : tensor->producer;
        tensor->buffer = add_buffer(graph, bnn_tensor_bytes(tensor->dtype, tensor->shape), first,
                                    tensor->keep ? end : first);
        if (tensor->buffer < 0) {
            return 0;
        }
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const bnn_node *node = &graph->nodes[i];
        for (int k = 0; k < node->in_count; k++) {
            read_at(graph, node->in[k], (int)i);
            if (node->backward && (node->saved_in >> k & 1)) {
                read_at(graph, node->in[k], backward_step(graph, i));
            }
        }
        for (int k = 0; k < node->out_count; k++) {
            if (node->backward && (node->saved_out >> k & 1)) {
                read_at(graph, node->out[k], backward_step(graph, i));
            }
        }
    }
    return 1;
}

/* Gradients, from their first contribution to the backward of the node that made their tensor;
 * those of inputs and of the root stay. Parameters have theirs in bnn_params. */
static int plan_gradients(bnn_graph *graph) {
    int end = (int)(2 * graph->node_count);
    for (size_t i = graph->node_count; i-- > 0;) {
        const bnn_node *node = &graph->nodes[i];
        for (int k = 0; k < node->in_count; k++) {
            bnn_tensor *in = node->want_grad[k] ? &graph->tensors[node->in[k]] : NULL;
            if (!in || in->role == BNN_ROLE_PARAM || in->grad_buffer >= 0) {
                continue;
            }
            int last = in->producer < 0 ? end : backward_step(graph, (size_t)in->producer);
            in->grad_buffer =
                add_buffer(graph, 4 * bnn_shape_count(in->shape), backward_step(graph, i), last);
            if (in->grad_buffer < 0) {
                return 0;
            }
        }
    }
    if (graph->root >= 0) {
        bnn_tensor *root = &graph->tensors[graph->root];
        root->grad_buffer = add_buffer(graph, 4 * bnn_shape_count(root->shape), 0, end);
    }
    return graph->root < 0 || graph->tensors[graph->root].grad_buffer >= 0;
}

/* `from` is not needed after the step in which `to` begins: one piece serves both. */
static int merge(bnn_graph *graph, int from, int *to) {
    if (from < 0 || *to < 0 || from == *to) {
        return 0;
    }
    bnn_buffer *a = &graph->buffers[from], *b = &graph->buffers[*to];
    if (a->last != b->first || a->bytes != b->bytes) {
        return 0;
    }
    a->last = b->last;
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

static void share_in_place(bnn_graph *graph) {
    for (size_t i = 0; i < graph->node_count; i++) {
        const bnn_node *node = &graph->nodes[i];
        bnn_tensor *in = node->in[0] < 0 ? NULL : &graph->tensors[node->in[0]];
        bnn_tensor *out = &graph->tensors[node->out[0]];
        if (node->op->in_place && in && in->role == BNN_ROLE_ACTIVATION) {
            int before = out->buffer;
            if (merge(graph, in->buffer, &out->buffer)) {
                follow_views(graph, before, out->buffer);
            }
        }
    }
    for (size_t i = graph->node_count; i-- > 0;) {
        const bnn_node *node = &graph->nodes[i];
        if (node->op->grad_in_place && node->backward && node->want_grad[0] && !node->acc[0]) {
            merge(graph, graph->tensors[node->out[0]].grad_buffer,
                  &graph->tensors[node->in[0]].grad_buffer);
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

static size_t lowest_offset(const bnn_buffer *piece, bnn_buffer **placed, size_t count,
                            bnn_buffer **live) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (placed[i]->first <= piece->last && piece->first <= placed[i]->last) {
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

static int place_all(bnn_graph *graph) {
    size_t count = graph->buffer_count;
    bnn_buffer **order = malloc((2 * count + 1) * sizeof *order);
    if (!order) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = &graph->buffers[i];
    }
    qsort(order, count, sizeof *order, larger_first);
    graph->bytes = 0;
    for (size_t i = 0; i < count && order[i]->bytes; i++) {
        order[i]->offset = lowest_offset(order[i], order, i, order + count);
        size_t end = order[i]->offset + order[i]->bytes;
        graph->bytes = end > graph->bytes ? end : graph->bytes;
    }
    free(order);
    return 1;
}

static int plan_workspaces(bnn_graph *graph) {
    for (size_t i = 0; i < graph->node_count; i++) {
        bnn_node *node = &graph->nodes[i];
        node->ws_buffer = node->ws_backward_buffer = -1;
        if (!node->workspace) {
            continue;
        }
        node->ws_buffer = add_buffer(graph, node->workspace, (int)i, (int)i);
        if (node->backward) {
            int step = backward_step(graph, i);
            node->ws_backward_buffer = add_buffer(graph, node->workspace, step, step);
        }
        if (node->ws_buffer < 0 || (node->backward && node->ws_backward_buffer < 0)) {
            return 0;
        }
    }
    return 1;
}

bnn_code bnn_memory_plan(bnn_graph *graph, bnn_error *err) {
    graph->buffer_count = 0;
    int ok = plan_values(graph) && plan_gradients(graph) && plan_workspaces(graph);
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
    return buffer < 0 ? NULL : base + graph->buffers[buffer].offset;
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
    return BNN_OK;
}

/* Running a bound graph: step after step, no decisions left. A row-wise step runs all its actions
 * on a block of rows, then on the next; pieces of rows go to threads. */
#include <string.h>

#include "engine/graph_private.h"

static size_t bytes_of(const bnn_tensor *tensor) {
    return bnn_tensor_bytes(tensor->dtype, tensor->shape);
}

void bnn_graph_set(bnn_graph *graph, bnn_t input, const void *data) {
    bnn_tensor *tensor = &graph->tensors[input];
    const bnn_stream *stream = &graph->stream;
    if (tensor->buffer >= 0) {
        stream->device.ops->put(stream, tensor->data, data, bytes_of(tensor));
    } else { /* The graph never writes to an input; the cast keeps one pointer for all roles. */
        tensor->data = (void *)(uintptr_t)data;
    }
}

bnn_code bnn_graph_put(const bnn_graph *graph, bnn_t t, const void *host, bnn_error *err) {
    const bnn_tensor *tensor = &graph->tensors[t];
    const bnn_stream *stream = &graph->stream;
    stream->device.ops->put(stream, tensor->data, host, bytes_of(tensor));
    return stream->device.ops->finish(stream, err);
}

bnn_code bnn_graph_get(const bnn_graph *graph, bnn_t t, void *host, bnn_error *err) {
    const bnn_tensor *tensor = &graph->tensors[t];
    const bnn_stream *stream = &graph->stream;
    stream->device.ops->get(stream, host, tensor->data, bytes_of(tensor));
    return stream->device.ops->finish(stream, err);
}

void bnn_graph_set_random(bnn_graph *graph, uint64_t seed, uint64_t batch, uint64_t sample) {
    graph->seed = seed;
    graph->batch = batch;
    graph->sample = sample;
}

/* Site, batch and sample are mixed to one stream (splitmix64's finalizer; Steele et al. 2014). */
bnn_random bnn_graph_random(const bnn_graph *graph, uint64_t site) {
    uint64_t z = site + graph->batch * 0x9E3779B97F4A7C15u + graph->sample * 0xD1B54A32D192ED03u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (bnn_random){graph->seed, z ^ z >> 31};
}

/* ---- a block's memory ---- */

static void *locate(const bnn_block *block, bnn_t t, int grad, size_t first_byte) {
    const bnn_step *step = block->step;
    for (int i = 0; step && i < step->local_count; i++) {
        if (step->locals[i].t == t && step->locals[i].grad == grad) {
            return block->scratch + step->locals[i].offset;
        }
    }
    const bnn_tensor *tensor = &block->graph->tensors[t];
    return (unsigned char *)(grad ? tensor->grad : tensor->data) + first_byte;
}

float *bnn_block_f32(const bnn_block *block, bnn_t t) {
    return t < 0 ? NULL : locate(block, t, 0, block->first * block->c * sizeof(float));
}

float *bnn_block_grad(const bnn_block *block, bnn_t t) {
    return t < 0 ? NULL : locate(block, t, 1, block->first * block->c * sizeof(float));
}

bnn_numbers bnn_block_numbers(const bnn_block *block, bnn_t t) {
    if (block->graph->tensors[t].dtype == BNN_I16) {
        return (bnn_numbers){.i16 = locate(block, t, 0, block->first * block->c * 2)};
    }
    return (bnn_numbers){.f32 = bnn_block_f32(block, t)};
}

uint64_t *bnn_block_bits(const bnn_block *block, bnn_t t) {
    int rows = block->graph->tensors[t].dtype == BNN_B1;
    size_t words = rows ? block->first * bnn_words(block->c) : block->first * block->c / 64;
    return locate(block, t, 0, words * sizeof(uint64_t));
}

/* ---- steps ---- */

typedef struct pass {
    const bnn_graph *graph;
    const bnn_step *step;
} pass;

static void run_action(const bnn_action *a, const bnn_node *node, bnn_block *block) {
    const bnn_rows *rows = a->backward ? &node->op->backward_rows : &node->op->forward_rows;
    block->recomputed = a->recomputed;
    (a->part == BNN_REDUCE ? rows->reduce : rows->map)(block, node);
}

static size_t piece_first(const bnn_step *step, size_t piece) {
    size_t units = (step->rows + step->unit - 1) / step->unit;
    size_t row = units * piece / step->pieces * step->unit;
    return row < step->rows ? row : step->rows;
}

static void run_piece(void *context, size_t piece, int worker) {
    const pass *p = context;
    const bnn_graph *graph = p->graph;
    const bnn_step *step = p->step;
    size_t begin = piece_first(step, piece), end = piece_first(step, piece + 1);
    bnn_block block = {.graph = graph,
                       .c = step->c,
                       .piece = piece,
                       .step = step,
                       .scratch = graph->scratch + (size_t)worker * graph->scratch_bytes};
    for (block.first = begin; block.first < end; block.first += block.rows) {
        size_t left = end - block.first;
        block.rows = left < step->block_rows ? left : step->block_rows;
        block.reset = block.first == begin;
        for (int i = step->first; i < step->first + step->count; i++) {
            const bnn_action *a = &graph->actions[i];
            double start = graph->profile ? bnn_profile_clock() : 0.0;
            run_action(a, &graph->nodes[a->node], &block);
            if (graph->profile) {
                graph->action_seconds[(size_t)worker * graph->action_count + (size_t)i] +=
                    bnn_profile_clock() - start;
            }
        }
    }
}

static void run_step(const bnn_graph *graph, const bnn_step *step) {
    if (!step->row_wise) {
        const bnn_action *a = &graph->actions[step->first];
        const bnn_node *node = &graph->nodes[a->node];
        (a->backward ? node->op->backward : node->op->forward)(graph, node);
        return;
    }
    pass p = {graph, step};
    graph->stream.device.kernels->for_each(&graph->stream, step->pieces, run_piece, &p);
    for (int i = step->first; i < step->first + step->count; i++) {
        const bnn_action *a = &graph->actions[i];
        const bnn_node *node = &graph->nodes[a->node];
        if (a->finish) {
            (a->backward ? node->op->backward_rows : node->op->forward_rows)
                .finish(graph, node, step->pieces);
        }
    }
}

static void hand_over(const bnn_graph *graph, const bnn_handover *h) {
    const bnn_params *params = graph->params;
    const bnn_stream *stream = &graph->stream;
    const bnn_kernels *k = stream->device.kernels;
    size_t count = h->param->count;
    if (h->t < 0) {
        k->fill(stream, count, 0.0f, h->grad);
    }
    if (params->update) {
        params->update(params->updater, stream, h->param, h->grad);
    } else {
        k->copy(stream, count, h->grad, params->grads + h->param->offset, 0);
    }
}

static void run_steps(const bnn_graph *graph, size_t first, size_t end) {
    size_t next = 0; /* of the handovers */
    for (size_t i = first; i < end; i++) {
        double start = graph->profile ? bnn_profile_clock() : 0.0;
        run_step(graph, &graph->steps[i]);
        if (graph->profile) {
            bnn_profile_step(graph, &graph->steps[i], bnn_profile_clock() - start);
        }
        for (; next < graph->handover_count && graph->handovers[next].step == (int)i; next++) {
            hand_over(graph, &graph->handovers[next]);
        }
    }
}

void bnn_graph_forward(bnn_graph *graph) {
    run_steps(graph, 0, graph->forward_steps);
}

void bnn_graph_backward(bnn_graph *graph) {
    bnn_graph_backward_weighted(graph, 1.0f);
}

void bnn_graph_backward_weighted(bnn_graph *graph, float weight) {
    const bnn_tensor *root = &graph->tensors[graph->root];
    if (bnn_shape_count(root->shape) == 1) {
        graph->stream.device.kernels->fill(&graph->stream, 1, weight, root->grad);
    }
    run_steps(graph, graph->forward_steps, graph->step_count);
}

void bnn_node_forward(const bnn_graph *graph, const bnn_node *node) {
    const bnn_rows *rows = &node->op->forward_rows;
    if (!bnn_row_wise(node->op)) {
        node->op->forward(graph, node);
        return;
    }
    bnn_shape s = bnn_shape_of(graph, node->in[0]);
    bnn_block all = {.graph = graph, .rows = bnn_shape_rows(s), .c = (size_t)s.c, .reset = 1};
    if (rows->reduce) {
        rows->reduce(&all, node);
    }
    if (rows->finish && rows->reduce) {
        rows->finish(graph, node, 1);
    }
    if (rows->map) {
        rows->map(&all, node);
    }
}

/* What runs when. The forward is the nodes in the order of building, the backward the same back to
 * front; neighbouring row-wise nodes over the same rows become one step, which runs all of them
 * block by block. A step ends where something needs all rows of what it computes. */
#include "engine/graph_private.h"

typedef struct shape_of_rows {
    size_t rows, c, sample;
} shape_of_rows;

static shape_of_rows rows_of(const bnn_graph *graph, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(graph, node->in[0]);
    return (shape_of_rows){bnn_shape_rows(s), (size_t)s.c,
                           node->op->by_sample ? (size_t)s.h * (size_t)s.w : 0};
}

static const bnn_rows *direction(const bnn_node *node, int backward) {
    return backward ? &node->op->backward_rows : &node->op->forward_rows;
}

/* Does `node` read what another node of the open step has complete only at its end? */
static int needs_end_of(const bnn_graph *graph, const bnn_step *step, const bnn_node *node,
                        int backward) {
    for (int i = step->first; i < step->first + step->count; i++) {
        const bnn_node *other = &graph->nodes[graph->actions[i].node];
        for (int k = 0; other != node && k < node->in_count && !backward; k++) {
            for (int j = 0; j < other->out_count; j++) {
                int by_rows = bnn_row_in(node, k) && bnn_row_out(other, j);
                if (node->in[k] >= 0 && node->in[k] == other->out[j] && !by_rows) {
                    return 1;
                }
            }
        }
        for (int k = 0; other != node && k < other->in_count && backward; k++) {
            if (other->in[k] == node->out[0] && !bnn_row_in(other, k)) {
                return 1;
            }
        }
    }
    return 0;
}

static bnn_step *new_step(bnn_graph *graph) {
    if (!bnn_reserve((void **)&graph->steps, &graph->step_capacity, graph->step_count,
                     sizeof *graph->steps)) {
        return NULL;
    }
    bnn_step *step = &graph->steps[graph->step_count++];
    *step = (bnn_step){.first = (int)graph->action_count};
    return step;
}

static int append(bnn_graph *graph, bnn_action action) {
    if (!bnn_reserve((void **)&graph->actions, &graph->action_capacity, graph->action_count,
                     sizeof action)) {
        return 0;
    }
    action.step = (int)graph->step_count - 1;
    graph->actions[graph->action_count++] = action;
    graph->steps[action.step].count++;
    return 1;
}

/* The last step, if `node` can join it, or a new one. `open` tells whether it may be joined. */
static bnn_step *step_for(bnn_graph *graph, const bnn_node *node, int backward, int open) {
    shape_of_rows r = rows_of(graph, node);
    bnn_step *last = graph->step_count ? &graph->steps[graph->step_count - 1] : NULL;
    int joins = open && last && last->row_wise && last->rows == r.rows && last->c == r.c &&
                (!last->sample || !r.sample || last->sample == r.sample) &&
                !needs_end_of(graph, last, node, backward);
    bnn_step *step = joins ? last : new_step(graph);
    if (step) {
        step->row_wise = 1;
        step->rows = r.rows;
        step->c = r.c;
        step->sample = r.sample ? r.sample : step->sample;
    }
    return step;
}

/* Is `t` to be computed once more for whoever reads it row by row now? */
static int is_away(const bnn_graph *graph, bnn_t t) {
    return bnn_is_recomputed(graph, t) && !graph->tensors[t].is_restored;
}

/* Recomputes forward value `t` in the last step, from what is in memory or is recomputed too; if
 * `restored`, to its memory, otherwise for this step only. */
static int recompute(bnn_graph *graph, bnn_t t, int restored) {
    int producer = graph->tensors[t].producer;
    const bnn_step *step = &graph->steps[graph->step_count - 1];
    for (int i = step->first; i < step->first + step->count; i++) {
        if (graph->actions[i].node == producer && graph->actions[i].recomputed) {
            graph->actions[i].restored |= (unsigned char)restored;
            return 1;
        }
    }
    const bnn_node *node = &graph->nodes[producer];
    for (int k = 0; k < node->in_count; k++) {
        if (node->in[k] >= 0 && bnn_row_in(node, k) && is_away(graph, node->in[k]) &&
            !recompute(graph, node->in[k], 0)) {
            return 0;
        }
    }
    return append(graph, (bnn_action){.node = producer,
                                      .part = BNN_MAP,
                                      .recomputed = 1,
                                      .restored = (unsigned char)restored});
}

/* Runs the products again that `t` is recomputed from, in steps of their own. */
static int rerun_products(bnn_graph *graph, bnn_t t, int *open) {
    bnn_tensor *tensor = &graph->tensors[t];
    if (is_away(graph, t)) {
        const bnn_node *node = &graph->nodes[tensor->producer];
        for (int k = 0; k < node->in_count; k++) {
            if (node->in[k] >= 0 && bnn_row_in(node, k) &&
                !rerun_products(graph, node->in[k], open)) {
                return 0;
            }
        }
        return 1;
    }
    if (!tensor->restored || tensor->is_restored) {
        return 1;
    }
    tensor->is_restored = 1;
    *open = 0;
    return new_step(graph) &&
           append(graph,
                  (bnn_action){
                      .node = tensor->producer, .part = BNN_WHOLE, .recomputed = 1, .restored = 1});
}

/* Restores `t` in its memory, for a backward that reads all of it. */
static int restore(bnn_graph *graph, bnn_t t, int *open) {
    bnn_tensor *tensor = &graph->tensors[t];
    if (!tensor->restored || tensor->is_restored) {
        return 1;
    }
    if (!rerun_products(graph, t, open)) {
        return 0;
    }
    if (!tensor->is_restored) {
        *open =
            step_for(graph, &graph->nodes[tensor->producer], 0, *open) && recompute(graph, t, 1);
        tensor->is_restored = *open;
    }
    return tensor->is_restored;
}

/* Does this action read in[k], a row-wise value, where it has to be recomputed? In the backward,
 * where the op saves it but the graph does not; in the forward, behind the sums of it, where nobody
 * else reads it. */
static int reads_recomputed(const bnn_graph *graph, const bnn_node *node, int k, bnn_part part,
                            int backward) {
    return backward ? (node->saved_in >> k & 1) && is_away(graph, node->in[k])
                    : part == BNN_MAP && node->op->forward_rows.reduce &&
                          graph->tensors[node->in[k]].recomputed;
}

static int row_action(bnn_graph *graph, int index, bnn_part part, int backward, int *open) {
    const bnn_node *node = &graph->nodes[index];
    const bnn_rows *rows = direction(node, backward);
    for (int k = 0; k < node->in_count; k++) {
        if (backward && node->in[k] >= 0 && bnn_row_in(node, k) && (node->saved_in >> k & 1) &&
            !rerun_products(graph, node->in[k], open)) {
            return 0;
        }
    }
    if (!step_for(graph, node, backward, *open)) {
        return 0;
    }
    for (int k = 0; k < node->in_count; k++) {
        bnn_t t = bnn_row_in(node, k) ? node->in[k] : BNN_NONE;
        if (t >= 0 && reads_recomputed(graph, node, k, part, backward) && !recompute(graph, t, 0)) {
            return 0;
        }
    }
    int last = part == BNN_REDUCE || !rows->reduce;
    /* Its own map has to wait for what reduce adds up. */
    *open = !(part == BNN_REDUCE && rows->map);
    return append(graph, (bnn_action){.node = index,
                                      .part = part,
                                      .backward = (unsigned char)backward,
                                      .finish = last && rows->finish});
}

static int add_node(bnn_graph *graph, int index, int backward, int *open) {
    const bnn_node *node = &graph->nodes[index];
    const bnn_rows *rows = direction(node, backward);
    if (!bnn_row_wise(node->op)) {
        for (int k = 0; k < node->in_count && backward; k++) {
            if (node->in[k] >= 0 && (node->saved_in >> k & 1) &&
                !restore(graph, node->in[k], open)) {
                return 0;
            }
        }
        *open = 0;
        return new_step(graph) && append(graph, (bnn_action){.node = index,
                                                             .part = BNN_WHOLE,
                                                             .backward = (unsigned char)backward});
    }
    return (!rows->reduce || row_action(graph, index, BNN_REDUCE, backward, open)) &&
           (!rows->map || row_action(graph, index, BNN_MAP, backward, open));
}

static size_t common_divisor(size_t a, size_t b) {
    return b ? common_divisor(b, a % b) : a;
}

/* Rows fall into pieces at multiples of a unit: whole words of planes, and whole samples where
 * their sums are kept. */
static void cut(const bnn_graph *graph, bnn_step *step) {
    size_t word = 64 / common_divisor(64, step->c), values = step->rows * step->c;
    size_t sample = step->sample ? step->sample : 1,
           least = graph->stream.device.kernels->block_values / 2;
    step->unit = word / common_divisor(word, sample) * sample;
    /* NOLINTNEXTLINE(clang-analyzer-core.*): word is not 0 */
    size_t units = (step->rows + step->unit - 1) / step->unit, pieces = values / (least + 1) + 1;
    pieces = pieces < BNN_PIECES ? pieces : BNN_PIECES;
    step->pieces = pieces < units ? pieces : units;
    size_t block = graph->stream.device.kernels->block_values / step->c / word * word;
    step->block_rows = block < word ? word : block;
    /* No larger than there is anything: small tensors take small scratch. */
    size_t all = (step->rows + word - 1) / word * word;
    step->block_rows = step->block_rows < all ? step->block_rows : all;
}

int bnn_plan_steps(bnn_graph *graph) {
    int ok = bnn_decide_saved(graph), open = 0;
    graph->action_count = graph->step_count = 0;
    for (size_t t = 0; t < graph->tensor_count; t++) {
        graph->tensors[t].is_restored = 0;
    }
    for (size_t i = 0; ok && i < graph->node_count; i++) {
        ok = graph->nodes[i].op->view || add_node(graph, (int)i, 0, &open);
    }
    graph->forward_steps = graph->step_count;
    graph->forward_actions = (int)graph->action_count;
    open = 0;
    for (size_t i = graph->node_count; ok && i-- > 0;) {
        ok = !graph->nodes[i].backward || add_node(graph, (int)i, 1, &open);
    }
    for (size_t i = 0; i < graph->step_count; i++) {
        if (graph->steps[i].row_wise) {
            cut(graph, &graph->steps[i]);
        }
    }
    return ok;
}

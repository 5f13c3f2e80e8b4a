/* A static graph: built once per (model, batch, mode), compiled once, then run without allocating.
 *
 *   graph = bnn_graph_create(device, params, training);
 *   x = bnn_graph_input(...); ... builders (layers/ops.h) ...; bnn_graph_keep(graph, logits);
 *   bnn_graph_compile(graph, loss, &err);      // gradients and memory are laid out
 *   bnn_params_allocate(params, &err);         // once, after the first graph is built
 *   bnn_graph_bind(graph, NULL, &err);         // memory
 *   bnn_params_to_device(params, &err);        // when the host has given them their values
 *   bnn_graph_set(graph, x, batch); bnn_graph_forward(graph); bnn_graph_backward(graph);
 *   bnn_graph_get(graph, loss, &value, &err);
 *
 * Builders carry a sticky error: after the first failure all return BNN_NONE, and compile reports.
 */
#ifndef BNN_ENGINE_GRAPH_H
#define BNN_ENGINE_GRAPH_H

#include "engine/comm.h"
#include "engine/op.h"
#include "engine/params.h"

bnn_graph *bnn_graph_create(const bnn_device *device, bnn_params *params, int training);
void bnn_graph_free(bnn_graph *graph); /* NULL is fine */
/* Whether parameters added from now on want gradients; at first they do if `training`. (A layer's
 * gradient in evaluation mode is a thing of tests.) */
void bnn_graph_set_gradients(bnn_graph *graph, int on);

/* Batch norms added from now on have statistics of all ranks' batches, which run at the same time;
 * `comm` outlives the graph. Of a device whose memory is the host's. */
void bnn_graph_share_statistics(bnn_graph *graph, const bnn_comm *comm);

/* An input; the caller gives its values with bnn_graph_set before each run. `name` is copied. */
bnn_t bnn_graph_input(bnn_graph *graph, const char *name, bnn_dtype dtype, bnn_shape shape);
/* A parameter or buffer of the model, registered if it is new. */
bnn_t bnn_graph_param(bnn_graph *graph, const bnn_param *desc);
/* Memory of the graph itself, for values fixed before it runs. */
bnn_t bnn_graph_constant(bnn_graph *graph, bnn_dtype dtype, bnn_shape shape);

/* Keeps `t` readable after a run. */
void bnn_graph_keep(bnn_graph *graph, bnn_t t);
/* Asks for the gradient of an input, readable after backward. */
void bnn_graph_want_grad(bnn_graph *graph, bnn_t t);

/* The first error of building, BNN_OK if none. */
bnn_code bnn_graph_status(const bnn_graph *graph, bnn_error *err);
/* Leaves an error for builders above the graph (unless there is one). Returns BNN_NONE. */
bnn_t bnn_graph_fail(bnn_graph *graph, bnn_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lays out gradients of `root` (BNN_NONE: forward only) and memory. */
bnn_code bnn_graph_compile(bnn_graph *graph, bnn_t root, bnn_error *err);
/* Bytes of planned memory (activations, gradients, workspace, constants); after compile. */
size_t bnn_graph_bytes(const bnn_graph *graph);
/* Sets every pointer. `memory`: at least bnn_graph_bytes, 64-byte aligned, shared by graphs that
 * never run at once (but then constants are not kept: for graphs without any); NULL: own memory.
 * The parameters' gradients lie in it too, each until it is handed over (params.h). */
bnn_code bnn_graph_bind(bnn_graph *graph, void *memory, bnn_error *err);

/* Between a tensor of a bound graph and the host: copied when they return. */
bnn_code bnn_graph_put(const bnn_graph *graph, bnn_t t, const void *host, bnn_error *err);
bnn_code bnn_graph_get(const bnn_graph *graph, bnn_t t, void *host, bnn_error *err);

/* Gives an input the host's `data`, which must stay as it is until the run is over: it is read
 * where it lies, or from the graph's own copy on the device. */
void bnn_graph_set(bnn_graph *graph, bnn_t input, const void *data);
void bnn_graph_forward(bnn_graph *graph);
/* What random numbers of the following runs (dropout) are a function of, beside the place they are
 * drawn for: a seed, which batch of the whole training it is, and which of that batch's samples is
 * the graph's first, where others see the rest. At first all are 0. */
void bnn_graph_set_random(bnn_graph *graph, uint64_t seed, uint64_t batch, uint64_t sample);
/* Runs backward from the root, whose gradient is 1 (a loss of one value), or else whatever the
 * caller wrote to bnn_grad(graph, root). Parameters' gradients are handed over on the way. */
void bnn_graph_backward(bnn_graph *graph);
/* The same of a loss of one value, times `weight`: the part of a larger batch that this one is. */
void bnn_graph_backward_weighted(bnn_graph *graph, float weight);

/* ---- reading a graph ---- */
size_t bnn_graph_node_count(const bnn_graph *graph);
const bnn_node *bnn_graph_node(const bnn_graph *graph, size_t index);
size_t bnn_graph_tensor_count(const bnn_graph *graph);
/* An input's name. */
const char *bnn_graph_name_of(const bnn_graph *graph, bnn_t input);
/* The parameter behind a tensor, or NULL. */
const bnn_param *bnn_graph_param_of(const bnn_graph *graph, bnn_t t);
/* The node that makes a tensor, or NULL. */
const bnn_node *bnn_graph_producer(const bnn_graph *graph, bnn_t t);
const bnn_params *bnn_graph_params(const bnn_graph *graph);
/* Runs one node's forward outside a bound plan, its tensors' memory given by bnn_graph_place and
 * its workspace set by the caller (folding). */
void bnn_node_forward(const bnn_graph *graph, const bnn_node *node);
void bnn_graph_place(bnn_graph *graph, bnn_t t, void *data);
void *bnn_graph_data(const bnn_graph *graph, bnn_t t);

#endif

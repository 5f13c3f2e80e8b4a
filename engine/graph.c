/* Building a graph. Everything it holds lives in its arena or in two growing arrays; nodes are
 * appended in the order of computing, so the order of building is the order of running. */
#include "engine/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "engine/graph_private.h"

/* Parameters live where the first graph of theirs runs. */
static void place_params(bnn_graph *graph) {
    const bnn_device *device = &graph->stream.device;
    bnn_params *params = graph->params;
    if (!params) {
        return;
    }
    if (!params->device.ops && !params->values) {
        params->device = *device;
    }
    const bnn_device_ops *home = params->device.ops;
    if (home != device->ops && (home || !device->ops->host)) {
        bnn_graph_fail(graph, BNN_ERR_ARGUMENT, "the parameters are on another device");
    }
}

bnn_graph *bnn_graph_create(const bnn_device *device, bnn_params *params, int training) {
    bnn_graph *graph = calloc(1, sizeof *graph);
    if (graph && !(graph->arena = bnn_arena_create())) {
        free(graph);
        return NULL;
    }
    if (graph) {
        if (!bnn_stream_start(&graph->stream, device)) {
            bnn_graph_fail(graph, BNN_ERR_MEMORY, "no room for another stream on the device");
        }
        graph->params = params;
        place_params(graph);
        graph->training = graph->gradients = training;
        graph->root = BNN_NONE;
    }
    return graph;
}

void bnn_graph_set_gradients(bnn_graph *graph, int on) {
    graph->gradients = on;
}

void bnn_graph_free(bnn_graph *graph) {
    if (!graph) {
        return;
    }
    free(graph->tensors);
    free(graph->nodes);
    free(graph->actions);
    free(graph->steps);
    free(graph->buffers);
    free(graph->recomputations);
    free(graph->locals);
    free(graph->handovers);
    free(graph->profile);
    free(graph->action_seconds);
    if (graph->own_memory) {
        graph->stream.device.ops->release(&graph->stream.device, BNN_MEMORY_DEVICE,
                                          graph->own_memory);
    }
    bnn_stream_end(&graph->stream);
    bnn_arena_free(graph->arena);
    free(graph);
}

void bnn_graph_share_statistics(bnn_graph *graph, const bnn_comm *comm) {
    graph->statistics = comm;
}

const bnn_comm *bnn_graph_statistics(const bnn_graph *graph) {
    return graph->statistics && graph->statistics->size > 1 ? graph->statistics : NULL;
}

bnn_t bnn_graph_fail(bnn_graph *graph, bnn_code code, const char *format, ...) {
    if (graph->error.code == BNN_OK) {
        va_list args;
        va_start(args, format);
        bnn_text_print(graph->error.text, sizeof graph->error.text, format, args);
        va_end(args);
        graph->error.code = code;
    }
    return BNN_NONE;
}

bnn_code bnn_node_fail(bnn_graph *graph, const bnn_node *node, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    bnn_text_print(text, sizeof text, format, args);
    va_end(args);
    bnn_graph_fail(graph, BNN_ERR_SHAPE, "%s: %s", node->op->name, text);
    return BNN_ERR_SHAPE;
}

bnn_code bnn_graph_status(const bnn_graph *graph, bnn_error *err) {
    if (graph->error.code != BNN_OK && err) {
        *err = graph->error;
    }
    return graph->error.code;
}

int bnn_reserve(void **array, size_t *capacity, size_t count, size_t item) {
    if (count < *capacity) {
        return 1;
    }
    size_t larger = *capacity ? 2 * *capacity : 128;
    void *p = realloc(*array, larger * item);
    if (p) {
        *array = p;
        *capacity = larger;
    }
    return p != NULL;
}

/* So large a tensor is a mistake, and below this no count of bytes overflows: a value takes 8 of
 * them, and up to 16 in the tables of a product. */
static int check_shape(bnn_graph *graph, bnn_shape s, const char *name) {
    const double room = (double)(SIZE_MAX / 64), values = room < 1e12 ? room : 1e12;
    int least = 1, most = BNN_MAX_DIM;
    if (s.n < least || s.h < least || s.w < least || s.c < least || s.n > most || s.h > most ||
        s.w > most || s.c > most || (double)s.n * s.h * s.w * s.c > values) {
        bnn_graph_fail(graph, BNN_ERR_SHAPE, "%s of shape [%d,%d,%d,%d] cannot be computed with",
                       name ? name : "a tensor", s.n, s.h, s.w, s.c);
    }
    return graph->error.code == BNN_OK;
}

static bnn_t add_tensor(bnn_graph *graph, bnn_tensor tensor) {
    if (graph->error.code != BNN_OK || !check_shape(graph, tensor.shape, tensor.name)) {
        return BNN_NONE;
    }
    if (!bnn_reserve((void **)&graph->tensors, &graph->tensor_capacity, graph->tensor_count,
                     sizeof tensor)) {
        return bnn_graph_fail(graph, BNN_ERR_MEMORY, "out of memory for the graph");
    }
    tensor.buffer = tensor.grad_buffer = -1;
    tensor.scale = BNN_NONE;
    graph->tensors[graph->tensor_count] = tensor;
    return (bnn_t)graph->tensor_count++;
}

bnn_t bnn_graph_input(bnn_graph *graph, const char *name, bnn_dtype dtype, bnn_shape shape) {
    const char *copy = bnn_arena_format(graph->arena, "%s", name);
    if (!copy) {
        return bnn_graph_fail(graph, BNN_ERR_MEMORY, "out of memory for the graph");
    }
    return add_tensor(graph, (bnn_tensor){.dtype = dtype,
                                          .shape = shape,
                                          .role = BNN_ROLE_INPUT,
                                          .name = copy,
                                          .producer = -1,
                                          .keep = 1});
}

bnn_t bnn_graph_param(bnn_graph *graph, const bnn_param *desc) {
    if (graph->error.code != BNN_OK || !check_shape(graph, desc->memory, desc->name)) {
        return BNN_NONE;
    }
    bnn_error err;
    const bnn_param *param = bnn_params_register(graph->params, desc, &err);
    if (!param) {
        return bnn_graph_fail(graph, err.code, "%s", err.text);
    }
    /* One tensor, so that the gradients of all its uses add up. */
    for (size_t t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].param == param) {
            return (bnn_t)t;
        }
    }
    return add_tensor(
        graph,
        (bnn_tensor){.dtype = BNN_F32,
                     .shape = param->memory,
                     .role = param->trainable ? BNN_ROLE_PARAM : BNN_ROLE_BUFFER,
                     .param = param,
                     .producer = -1,
                     .requires_grad = param->trainable && !param->frozen && graph->gradients});
}

bnn_t bnn_graph_constant(bnn_graph *graph, bnn_dtype dtype, bnn_shape shape) {
    return add_tensor(
        graph,
        (bnn_tensor){
            .dtype = dtype, .shape = shape, .role = BNN_ROLE_CONSTANT, .producer = -1, .keep = 1});
}

void bnn_graph_keep(bnn_graph *graph, bnn_t t) {
    if (t >= 0) {
        graph->tensors[t].keep = 1;
    }
}

void bnn_graph_want_grad(bnn_graph *graph, bnn_t t) {
    if (t >= 0) {
        graph->tensors[t].requires_grad = 1;
    }
}

void bnn_node_output(bnn_graph *graph, bnn_node *node, bnn_dtype dtype, bnn_shape shape) {
    bnn_t t = add_tensor(graph, (bnn_tensor){.dtype = dtype,
                                             .shape = shape,
                                             .role = BNN_ROLE_ACTIVATION,
                                             .producer = (int)graph->node_count});
    node->out[node->out_count++] = t;
}

bnn_t bnn_deferred_scale(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? BNN_NONE : graph->tensors[t].scale;
}

void bnn_defer_scale(bnn_graph *graph, bnn_t t, bnn_t scale) {
    if (t >= 0) {
        graph->tensors[t].scale = scale;
    }
}

bnn_t bnn_graph_value(bnn_graph *graph, bnn_t t) {
    bnn_t scale = bnn_deferred_scale(graph, t);
    if (t < 0 || (scale == BNN_NONE && graph->tensors[t].dtype != BNN_I16)) {
        return t;
    }
    return bnn_op_unscale(graph, t, scale, BNN_NONE);
}

/* Whether an op hands the scale of `t` on: one that is learned may be negative. */
static int passes_scale(const bnn_graph *graph, const bnn_op *op, bnn_t t) {
    bnn_t scale = bnn_deferred_scale(graph, t);
    return op->passes_scale && !(scale >= 0 && graph->tensors[scale].role == BNN_ROLE_PARAM);
}

/* Input k of a new node, made float with its scale or without as the op asks. */
static bnn_t presented(bnn_graph *graph, const bnn_op *op, bnn_t t) {
    if (op->takes_scale || t < 0 ||
        (op->takes_integers && bnn_deferred_scale(graph, t) == BNN_NONE)) {
        return t;
    }
    if (passes_scale(graph, op, t)) {
        return graph->tensors[t].dtype == BNN_I16 ? bnn_op_unscale(graph, t, BNN_NONE, BNN_NONE)
                                                  : t;
    }
    return bnn_graph_value(graph, t);
}

bnn_t bnn_graph_add(bnn_graph *graph, const bnn_op *op, const void *attr, size_t attr_bytes,
                    int in_count, const bnn_t *in) {
    if (graph->error.code != BNN_OK) {
        return BNN_NONE;
    }
    bnn_node node = {.op = op, .attr_bytes = attr_bytes, .in_count = in_count};
    int requires_grad = 0;
    for (int k = 0; k < in_count; k++) {
        node.in[k] = presented(graph, op, in[k]);
        requires_grad |= bnn_wants_grad(graph, node.in[k]);
    }
    void *copy = NULL;
    if (attr_bytes) {
        copy = bnn_arena_alloc(graph->arena, attr_bytes);
        if (!copy) {
            return bnn_graph_fail(graph, BNN_ERR_MEMORY, "out of memory for the graph");
        }
        memcpy(copy, attr, attr_bytes);
    }
    node.attr = copy;
    if (op->infer(graph, &node) != BNN_OK || graph->error.code != BNN_OK) {
        return bnn_graph_fail(graph, BNN_ERR_SHAPE, "%s: invalid inputs", op->name);
    }
    if (!bnn_reserve((void **)&graph->nodes, &graph->node_capacity, graph->node_count,
                     sizeof node)) {
        return bnn_graph_fail(graph, BNN_ERR_MEMORY, "out of memory for the graph");
    }
    graph->tensors[node.out[0]].requires_grad = requires_grad && !op->detached;
    if (passes_scale(graph, op, in[0])) {
        bnn_defer_scale(graph, node.out[0], bnn_deferred_scale(graph, in[0]));
    }
    graph->nodes[graph->node_count++] = node;
    return node.out[0];
}

bnn_shape bnn_shape_of(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? (bnn_shape){0, 0, 0, 0} : graph->tensors[t].shape;
}

bnn_dtype bnn_dtype_of(const bnn_graph *graph, bnn_t t) {
    return graph->tensors[t].dtype;
}

bnn_role bnn_role_of(const bnn_graph *graph, bnn_t t) {
    return graph->tensors[t].role;
}

int bnn_wants_grad(const bnn_graph *graph, bnn_t t) {
    return t >= 0 && graph->tensors[t].requires_grad;
}

int bnn_graph_training(const bnn_graph *graph) {
    return graph->training;
}

const bnn_kernels *bnn_graph_kernels(const bnn_graph *graph) {
    return graph->stream.device.kernels;
}

const bnn_device *bnn_graph_device(const bnn_graph *graph) {
    return &graph->stream.device;
}

const bnn_stream *bnn_graph_stream(const bnn_graph *graph) {
    return &graph->stream;
}

float *bnn_f32(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

int16_t *bnn_i16(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

int32_t *bnn_i32(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

double *bnn_f64(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

uint8_t *bnn_u8(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

uint64_t *bnn_bits(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

float *bnn_grad(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].grad;
}

size_t bnn_graph_node_count(const bnn_graph *graph) {
    return graph->node_count;
}

const bnn_node *bnn_graph_node(const bnn_graph *graph, size_t index) {
    return &graph->nodes[index];
}

size_t bnn_graph_tensor_count(const bnn_graph *graph) {
    return graph->tensor_count;
}

const char *bnn_graph_name_of(const bnn_graph *graph, bnn_t input) {
    return graph->tensors[input].name;
}

const bnn_param *bnn_graph_param_of(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].param;
}

const bnn_node *bnn_graph_producer(const bnn_graph *graph, bnn_t t) {
    int producer = t < 0 ? -1 : graph->tensors[t].producer;
    return producer < 0 ? NULL : &graph->nodes[producer];
}

const bnn_params *bnn_graph_params(const bnn_graph *graph) {
    return graph->params;
}

void bnn_graph_place(bnn_graph *graph, bnn_t t, void *data) {
    graph->tensors[t].data = data;
}

void *bnn_graph_data(const bnn_graph *graph, bnn_t t) {
    return t < 0 ? NULL : graph->tensors[t].data;
}

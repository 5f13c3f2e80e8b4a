/* An ONNX graph as it grows, in the messages of onnx.proto, and where in it the network's tensors
 * are. Images are NCHW; what is one pixel a sample, [N,1,1,C], is a matrix [N,C] (flat).
 *
 * Everything lies in the translation's arena. What runs out of memory shows in bnn_onnx_write;
 * until then names are NULL, which all functions take. */
#ifndef BNN_MODELS_EXPORT_ONNX_GRAPH_H
#define BNN_MODELS_EXPORT_ONNX_GRAPH_H

#include <onnx.pb-c.h>

#include "models/export/translate.h"

/* How the values of a sample lie: [N,C,H,W]; or flat, in the network's order, or where `pixels` of
 * an image were flattened, channel by channel instead of pixel by pixel. */
typedef struct bnn_onnx_form {
    int flat, pixels;
} bnn_onnx_form;

typedef struct bnn_onnx_value {
    const char *name;
    bnn_onnx_form form;
} bnn_onnx_value;

typedef struct bnn_onnx_node bnn_onnx_node;
typedef struct bnn_onnx_constant bnn_onnx_constant;

typedef struct bnn_onnx {
    const bnn_translation *t;
    bnn_onnx_value *values;
    bnn_onnx_node *first_node, *last_node;
    bnn_onnx_constant *first_constant, *last_constant;
    size_t nodes, constants;
    int failed;
} bnn_onnx;

void bnn_onnx_start(bnn_onnx *o, const bnn_translation *t);

/* Appends a node; the name of its result. */
const char *bnn_onnx_op(bnn_onnx *o, const char *type, size_t count, const char *const *in);
#define BNN_ONNX_OP(o, type, ...)                                                                  \
    bnn_onnx_op(o, type, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),        \
                (const char *const[]){__VA_ARGS__})
/* Attributes of the node that was appended last. */
void bnn_onnx_int(bnn_onnx *o, const char *name, int64_t value);
void bnn_onnx_ints(bnn_onnx *o, const char *name, size_t count, const int64_t *values);

/* Constants; equal ones of one name are one. Bytes, and floats that the file holds as halves, are
 * floats to who reads them. */
const char *bnn_onnx_floats(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                            const float *values);
const char *bnn_onnx_int8s(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                           const int8_t *values);
/* Bytes that stay bytes: who reads them makes floats of what it takes. */
const char *bnn_onnx_bytes(bnn_onnx *o, const char *name, size_t rank, const int64_t *dims,
                           const int8_t *values);
const char *bnn_onnx_number(bnn_onnx *o, float value);
const char *bnn_onnx_list(bnn_onnx *o, size_t count, const int64_t *values); /* a shape, axes */
/* A value a channel, of a tensor of that form. */
const char *bnn_onnx_channels(bnn_onnx *o, const char *name, bnn_onnx_form form, size_t channels,
                              const float *values);
/* [rows,pixels,channels] as [rows,channels,pixels], of items of so many bytes. */
void *bnn_onnx_channels_first(bnn_onnx *o, size_t rows, size_t pixels, size_t channels,
                              size_t bytes, const void *items);

/* ---- where the network's tensors are ---- */
/* A tensor's own: flat where there is one pixel. */
bnn_onnx_form bnn_onnx_form_of(const bnn_onnx *o, bnn_t tensor);
void bnn_onnx_put(bnn_onnx *o, bnn_t tensor, const char *name, bnn_onnx_form form);
/* Its name in its own form, whatever it was put as... */
const char *bnn_onnx_get(bnn_onnx *o, bnn_t tensor);
/* ...or in another. */
const char *bnn_onnx_get_as(bnn_onnx *o, bnn_t tensor, bnn_onnx_form form);
/* For ops that work value by value or channel by channel: as it is. */
bnn_onnx_value bnn_onnx_any(const bnn_onnx *o, bnn_t tensor);

const char *bnn_onnx_reshape(bnn_onnx *o, const char *x, size_t rank, const int64_t *dims);
const char *bnn_onnx_transpose(bnn_onnx *o, const char *x, size_t rank, const int64_t *order);

/* An input or the output; its `dims` follow the batch. */
enum { BNN_ONNX_RANK = 3 };
typedef struct bnn_onnx_port {
    const char *name;
    int integers; /* of 32 bits, not floats */
    size_t rank;
    int64_t dims[BNN_ONNX_RANK];
} bnn_onnx_port;

/* What the last node makes is an output of this name. */
void bnn_onnx_name_result(bnn_onnx *o, const char *name);
/* The whole model. */
bnn_code bnn_onnx_write(bnn_onnx *o, const char *path, size_t ins, const bnn_onnx_port *in,
                        size_t outs, const bnn_onnx_port *out);

#endif

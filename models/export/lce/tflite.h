/* A TensorFlow Lite model in the making: tensors, and ops in running order, by the numbers of the
 * schema (tensorflow/lite/schema/schema.fbs). Constants of equal bytes become one.
 *
 * Errors stick: what runs out of memory shows in bnn_tfl_write. */
#ifndef BNN_MODELS_EXPORT_LCE_TFLITE_H
#define BNN_MODELS_EXPORT_LCE_TFLITE_H

#include "engine/base/arena.h"
#include "models/export/flatbuffer.h"

typedef enum bnn_tfl_type {
    BNN_TFL_FLOAT = 0,
    BNN_TFL_HALF = 1,
    BNN_TFL_INT = 2,
    BNN_TFL_BOOL = 6,
} bnn_tfl_type;

typedef enum bnn_tfl_code {
    BNN_TFL_ADD = 0,
    BNN_TFL_CONCATENATION = 2,
    BNN_TFL_CONV_2D = 3,
    BNN_TFL_DEPTHWISE_CONV_2D = 4,
    BNN_TFL_DEQUANTIZE = 6,
    BNN_TFL_FULLY_CONNECTED = 9,
    BNN_TFL_L2_NORMALIZATION = 11,
    BNN_TFL_MAX_POOL_2D = 17,
    BNN_TFL_MUL = 18,
    BNN_TFL_RELU = 19,
    BNN_TFL_RELU_N1_TO_1 = 20,
    BNN_TFL_RELU6 = 21,
    BNN_TFL_RESHAPE = 22,
    BNN_TFL_SOFTMAX = 25,
    BNN_TFL_TANH = 28,
    BNN_TFL_CUSTOM = 32,
    BNN_TFL_PAD = 34,
    BNN_TFL_GATHER = 36,
    BNN_TFL_TRANSPOSE = 39,
    BNN_TFL_MEAN = 40,
    BNN_TFL_SUB = 41,
    BNN_TFL_DIV = 42,
    BNN_TFL_CAST = 53,
    BNN_TFL_PRELU = 54,
    BNN_TFL_MAXIMUM = 55,
    BNN_TFL_MINIMUM = 57,
    BNN_TFL_PADV2 = 60,
    BNN_TFL_GREATER = 61,
    BNN_TFL_SLICE = 65,
    BNN_TFL_TILE = 69,
    BNN_TFL_NOT_EQUAL = 72,
    BNN_TFL_SQRT = 75,
    BNN_TFL_REDUCE_MAX = 82,
    BNN_TFL_ABS = 101,
    BNN_TFL_BATCH_MATMUL = 126,
    BNN_TFL_GELU = 150,
} bnn_tfl_code;

/* Values of options. */
enum { BNN_TFL_SAME = 0, BNN_TFL_VALID = 1 };
enum { BNN_TFL_NO_ACTIVATION, BNN_TFL_ACT_RELU, BNN_TFL_ACT_RELU_N1_TO_1, BNN_TFL_ACT_RELU6 };

#define BNN_TFL_NONE (-1) /* an operand that is left out */
enum { BNN_TFL_RANK = 4, BNN_TFL_OPERANDS = 9, BNN_TFL_OPTIONS = 8, BNN_TFL_PORTS = 3 };

typedef struct bnn_tfl_shape {
    int rank, size[BNN_TFL_RANK];
} bnn_tfl_shape;

typedef struct bnn_tfl_tensor {
    const char *name;
    bnn_tfl_type type;
    bnn_tfl_shape shape;
    const void *data; /* a constant's, not copied; NULL: computed */
    int op;           /* that computes it, or -1 */
} bnn_tfl_tensor;

typedef struct bnn_tfl_op {
    bnn_tfl_code code;
    int in[BNN_TFL_OPERANDS], in_count;
    bnn_flat_field options[BNN_TFL_OPTIONS]; /* those that are not 0 */
    int option_count;
    const char *custom; /* of code CUSTOM: its name, and its options */
    const unsigned char *custom_options;
    size_t custom_bytes;
    int out;
} bnn_tfl_op;

typedef struct bnn_tfl {
    bnn_arena *arena;
    bnn_tfl_tensor *tensors;
    bnn_tfl_op *ops;
    size_t tensor_capacity, op_capacity;
    int *merged; /* constants by a hash of what they hold */
    int tensor_count, op_count, failed;
    int inputs[BNN_TFL_PORTS], input_count, outputs[BNN_TFL_PORTS], output_count;
} bnn_tfl;

/* Everything lives in the arena. */
void bnn_tfl_start(bnn_tfl *model, bnn_arena *arena);
/* Names are not copied, and need not differ. Tensors are numbers. */
int bnn_tfl_input(bnn_tfl *model, const char *name, bnn_tfl_type type, bnn_tfl_shape shape);
/* NULL: the caller's memory is out. */
int bnn_tfl_constant(bnn_tfl *model, const char *name, bnn_tfl_type type, bnn_tfl_shape shape,
                     const void *data);
/* A constant of halves, as the floats that an op in front of all readers makes of it. */
int bnn_tfl_halves(bnn_tfl *model, const char *name, bnn_tfl_shape shape, const uint16_t *data);
/* Appends an op; returns its result, of this name, type and shape. */
int bnn_tfl_add(bnn_tfl *model, const bnn_tfl_op *op, const char *name, bnn_tfl_type type,
                bnn_tfl_shape shape);
size_t bnn_tfl_count(bnn_tfl_shape shape);
size_t bnn_tfl_bytes(bnn_tfl_type type, bnn_tfl_shape shape); /* of a constant in the file */

/* The file's bytes. Start and free `f` around it. */
bnn_code bnn_tfl_write(const bnn_tfl *model, const char *description, bnn_flat *f, bnn_error *err);

#endif

/* What a tensor is: a dtype, a channels-last shape, and a role. B1 is a dtype like the others; the
 * gradient of any tensor is F32. */
#ifndef BNN_ENGINE_TENSOR_H
#define BNN_ENGINE_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/shape.h"
#include "engine/device.h"

/* A tensor of a graph, by number. -1 is "none" where an argument is optional, and what builders
 * return after an error. */
typedef int bnn_t;
#define BNN_NONE (-1)

/* What a dimension may be: twice as much is still an int. */
#define BNN_MAX_DIM (1 << 29)

typedef enum bnn_role {
    BNN_ROLE_INPUT,     /* memory is the caller's */
    BNN_ROLE_PARAM,     /* trainable, memory in bnn_params */
    BNN_ROLE_BUFFER,    /* state that is not trained, memory in bnn_params */
    BNN_ROLE_CONSTANT,  /* fixed while the graph lives, memory in the graph */
    BNN_ROLE_ACTIVATION /* made by a node, memory planned */
} bnn_role;

static inline size_t bnn_tensor_bytes(bnn_dtype dtype, bnn_shape s) {
    switch (dtype) {
    case BNN_F32:
    case BNN_I32:
        return 4 * bnn_shape_count(s);
    case BNN_F64:
        return 8 * bnn_shape_count(s);
    case BNN_I16:
        return 2 * bnn_shape_count(s);
    case BNN_U8:
        return bnn_shape_count(s);
    case BNN_B1:
        return 8 * bnn_shape_rows(s) * bnn_words((size_t)s.c);
    case BNN_PLANE:
        return 8 * bnn_words(bnn_shape_count(s));
    }
    return 0;
}

#endif

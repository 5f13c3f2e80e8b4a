/* A map of integers as a FlexBuffer (the schema-less sibling of FlatBuffers): what options of a
 * custom op of TensorFlow Lite are. Every value is an int32, and so is every width: one layout for
 * all values. */
#ifndef BNN_MODELS_EXPORT_LCE_FLEXBUFFER_H
#define BNN_MODELS_EXPORT_LCE_FLEXBUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"

/* `key` in the order of strcmp. */
typedef struct bnn_flex_entry {
    const char *key;
    int32_t value;
} bnn_flex_entry;

/* The bytes, in the arena; NULL when memory is out, or if the keys are too long: their distances
 * are bytes. */
unsigned char *bnn_flex_map(bnn_arena *arena, int count, const bnn_flex_entry *entries,
                            size_t *bytes);

#endif

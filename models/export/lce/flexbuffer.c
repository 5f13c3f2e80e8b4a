#include "models/export/lce/flexbuffer.h"

#include <string.h>

/* A type's byte: what it is, and the logarithm of its width. */
enum { INT_32 = 1 << 2 | 2, MAP_32 = 9 << 2 | 2 };

static unsigned char *put_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        *to++ = (unsigned char)(value >> (8 * i));
    }
    return to;
}

unsigned char *bnn_flex_map(bnn_arena *arena, int count, const bnn_flex_entry *entries,
                            size_t *bytes) {
    const size_t n = (size_t)count;
    size_t text = 0;
    for (size_t i = 0; i < n; i++) {
        text += strlen(entries[i].key) + 1;
    }
    /* Keys, their vector (a count, distances back), padding; then the map: where that vector is,
     * its width, a count, values and types; and the root. */
    const size_t values = (text + 1 + n + 3) / 4 * 4 + 12;
    *bytes = values + 5 * n + 3;
    if (text + n > UINT8_MAX || 5 * n > UINT8_MAX) {
        return NULL;
    }
    unsigned char *map = bnn_arena_alloc(arena, *bytes), *to = map;
    if (!map) {
        return NULL;
    }
    unsigned char *key_at = map + text + 1;
    map[text] = (unsigned char)n;
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(entries[i].key) + 1;
        memcpy(to, entries[i].key, length);
        key_at[i] = (unsigned char)(key_at + i - to);
        to += length;
    }
    to = map + values - 12;
    to = put_u32(to, (uint32_t)(to - key_at));
    to = put_u32(put_u32(to, 1), (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        to = put_u32(to, (uint32_t)entries[i].value);
    }
    memset(to, INT_32, n);
    to += n;
    *to++ = (unsigned char)(5 * n);
    *to++ = MAP_32;
    *to = 1;
    return map;
}

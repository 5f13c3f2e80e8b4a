#include "engine/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/text.h"

#define BLOCK_BYTES 65536
#define HUGE_BYTES ((size_t)2 << 20)

typedef struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
} block;

struct bnn_arena {
    block *first;
};

bnn_arena *bnn_arena_create(void) {
    return calloc(1, sizeof(bnn_arena));
}

void bnn_arena_free(bnn_arena *arena) {
    if (!arena) {
        return;
    }
    for (block *b = arena->first; b;) {
        block *next = b->next;
        free(b);
        b = next;
    }
    free(arena);
}

void *bnn_arena_alloc(bnn_arena *arena, size_t bytes) {
    const size_t align = alignof(max_align_t);
    if (!arena || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = (bytes + align - 1) / align * align;
    block *b = arena->first;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        b = calloc(1, sizeof(block) + size);
        if (!b) {
            return NULL;
        }
        b->size = size;
        b->next = arena->first;
        arena->first = b;
    }
    void *p = b->bytes + b->used;
    b->used += bytes;
    return p;
}

void *bnn_arena_grow(bnn_arena *arena, void *list, size_t *capacity, size_t count, size_t item) {
    if (count <= *capacity) {
        return list;
    }
    size_t larger = *capacity ? *capacity : 4;
    while (larger < count && larger <= SIZE_MAX / 2) {
        larger *= 2;
    }
    void *copy =
        larger >= count && larger <= SIZE_MAX / item ? bnn_arena_alloc(arena, larger * item) : NULL;
    if (!copy) {
        return NULL;
    }
    if (*capacity) {
        memcpy(copy, list, *capacity * item);
    }
    *capacity = larger;
    return copy;
}

char *bnn_arena_format(bnn_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = bnn_text_print(NULL, 0, format, again);
    va_end(again);
    char *text = length >= 0 ? bnn_arena_alloc(arena, (size_t)length + 1) : NULL;
    if (text) {
        bnn_text_print(text, (size_t)length + 1, format, args);
    }
    va_end(args);
    return text;
}

void *bnn_alloc_aligned(size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t rounded = (bytes + 63) / 64 * 64;
    if (rounded == 0) {
        rounded = 64;
    }
    /* Linux promises memory that it does not have and kills whoever comes to use it. */
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0 && rounded / (size_t)page > (size_t)pages) {
        return NULL;
    }
    size_t align = rounded >= 2 * HUGE_BYTES ? HUGE_BYTES : 64;
    void *p = aligned_alloc(align, (rounded + align - 1) / align * align);
    if (p) {
#ifdef MADV_HUGEPAGE
        if (align == HUGE_BYTES) { /* only a wish: fewer pages, fewer walks through their tables */
            (void)madvise(p, rounded, MADV_HUGEPAGE);
        }
#endif
        memset(p, 0, rounded);
    }
    return p;
}

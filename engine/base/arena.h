/* A region of memory freed as a whole: what is built once and lives together (a graph's nodes,
 * a header's names) needs no ownership of its own. */
#ifndef BNN_ENGINE_BASE_ARENA_H
#define BNN_ENGINE_BASE_ARENA_H

#include <stddef.h>

typedef struct bnn_arena bnn_arena;

bnn_arena *bnn_arena_create(void);
void bnn_arena_free(bnn_arena *arena); /* NULL is fine */
/* Zeroed, aligned for any type; NULL when memory is out. */
void *bnn_arena_alloc(bnn_arena *arena, size_t bytes);
/* A list in the arena with room for `count` items: `list` while *capacity is enough, else a larger
 * copy, zeroed behind what was there. NULL when memory is out; the list is as it was. */
void *bnn_arena_grow(bnn_arena *arena, void *list, size_t *capacity, size_t count, size_t item);
/* printf into the arena; NULL when memory is out. */
char *bnn_arena_format(bnn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Zeroed memory aligned to a cache line (64 bytes), for tensors; released by free(). NULL when
 * memory is out, `bytes` overflows or is more than the machine has. bytes = 0 gives a valid
 * pointer. */
void *bnn_alloc_aligned(size_t bytes);

#endif

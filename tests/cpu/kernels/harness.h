/* What the tests of kernels share: buffers between guards, random values, the walk over the tables
 * of this machine and over blocks of rows. Each file tests a family of kernels against plain
 * reference code, written there in the most obvious way and in double. */
#ifndef BNN_TESTS_CPU_KERNELS_HARNESS_H
#define BNN_TESTS_CPU_KERNELS_HARNESS_H

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "tests/cpu/kernel_tables.h"

/* The tests of all families (all.c), whatever tables the walk finds. */
void add_kernel_tests(TCase *tcase);

/* Each adds its file's tests. */
void add_product_tests(TCase *tcase);
void add_attention_tests(TCase *tcase);
void add_bits_tests(TCase *tcase);
void add_elementwise_tests(TCase *tcase);
void add_norm_tests(TCase *tcase);
void add_group_tests(TCase *tcase);
void add_pool_tests(TCase *tcase);
void add_point_tests(TCase *tcase);
void add_distillation_tests(TCase *tcase);
void add_optimizer_tests(TCase *tcase);
void add_text_tests(TCase *tcase);
void add_detection_tests(TCase *tcase);
void add_box_tests(TCase *tcase);

/* ---- buffers, random values, tables ---- */

enum { GUARD = 64, MOST = 4096, THREADS = 3 };

/* As ck_assert, but where it holds nothing is called (fixtures/mark_point.c): there is one per
 * value, and they would take a fifth of the time. */
#define REQUIRE(ok) require((ok) ? 1 : 0, __LINE__, #ok)

static inline void require(int ok, int line, const char *what) {
    if (!ok) {
        ck_abort_msg("line %d: %s", line, what);
    }
}

static struct {
    unsigned char *base;
    size_t bytes;
} buffers[MOST];
static size_t buffer_count;

/* `bytes` between guards, 64-byte aligned, filled with 0xaa; lives until release(). */
static inline void *get(size_t bytes) {
    size_t room = (bytes + 63) / 64 * 64 + 2 * GUARD;
    unsigned char *base = table_memory(room);
    ck_assert_ptr_nonnull(base);
    ck_assert_uint_lt(buffer_count, MOST);
    memset(base, 0xaa, room);
    buffers[buffer_count].base = base;
    buffers[buffer_count++].bytes = bytes;
    return base + GUARD;
}

static inline float *get_floats(size_t n) {
    return get(n * sizeof(float));
}

/* Frees what was taken since `from` and checks that nobody wrote beside it. */
static inline void release(size_t from) {
    while (buffer_count > from) {
        unsigned char *base = buffers[--buffer_count].base;
        size_t bytes = buffers[buffer_count].bytes, room = (bytes + 63) / 64 * 64 + 2 * GUARD;
        for (size_t i = 0; i < room; i++) {
            int outside = i < GUARD || i >= GUARD + bytes;
            REQUIRE(!outside || base[i] == 0xaa);
        }
        release_table_memory(base);
    }
}

/* What a kernel reads as one value. */
static inline float *boxed(float value) {
    float *x = get_floats(1);
    *x = value;
    return x;
}

static uint64_t state = 88172645463325252u;

static inline uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static inline int below(int n) {
    return (int)(random64() >> 33) % n;
}

/* Roughly normal. */
static inline float random_float(void) {
    double sum = 0.0;
    for (int i = 0; i < 6; i++) {
        sum += (double)(random64() >> 40) / 16777216.0;
    }
    return (float)(sum * 1.4142 - 4.2426);
}

static inline float *random_floats(size_t n) {
    float *x = get_floats(n);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_float();
    }
    return x;
}

static inline uint64_t *pack(size_t rows, size_t c, const float *x) {
    uint64_t *bits = get(rows * bnn_words(c) * 8);
    memset(bits, 0, rows * bnn_words(c) * 8);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < c; i++) {
            bits[r * bnn_words(c) + i / 64] |= (uint64_t)(x[r * c + i] >= 0.0f) << i % 64;
        }
    }
    return bits;
}

static inline int bit(const uint64_t *bits, size_t i) {
    return (int)(bits[i / 64] >> i % 64 & 1);
}

/* A stream of the device of a table, with as many threads as are to be tested now. */
static int threads_now = 1;
extern bnn_precision precision_now; /* of products of floats (all.c) */

static inline const bnn_stream *on(const bnn_kernels *k) {
    static bnn_stream stream;
    if (stream.device.kernels != k || stream.device.threads != threads_now ||
        stream.device.precision != precision_now) {
        bnn_device device = table_device(k, threads_now);
        device.precision = precision_now;
        bnn_stream_end(&stream);
        ck_assert(bnn_stream_start(&stream, &device));
    }
    return &stream;
}

/* The first table after `k` that this machine has; the very first if k is NULL. */
static inline const bnn_kernels *next_table(const bnn_kernels *k) {
    int passed = k == NULL;
    for (size_t i = 0; i < KERNEL_TABLES; i++) {
        const bnn_kernels *found = kernel_table(i);
        if (found != NULL && passed) {
            return found;
        }
        passed |= found == k;
    }
    return NULL;
}

/* What a kernel reads, of bytes that lie where it may not. */
static inline void *copied(size_t bytes, const void *from) {
    return memcpy(get(bytes), from, bytes);
}

static inline float *duplicate(size_t n, const float *x) {
    return copied(n * sizeof(float), x);
}

static inline void assert_same(size_t bytes, const void *a, const void *b, const char *what) {
    ck_assert_msg(memcmp(a, b, bytes) == 0, "%s differs", what);
}

/* |got - want| <= tolerance * |want| in the 2-norm, with `floor` for results near nothing. */
static inline void assert_near(size_t n, const float *got, const double *want, double tolerance,
                               const char *what) {
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    ck_assert_msg(sqrt(error) <= tolerance * sqrt(size) + 1e-12, "%s: error %g of %g", what,
                  sqrt(error), sqrt(size));
}

/* As assert_near, value for value and relative to the largest; NaN where NaN is wanted. */
static inline void assert_close(size_t n, const float *got, const double *want, double tolerance,
                                const char *what) {
    double largest = 1e-30;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
    }
    for (size_t i = 0; i < n; i++) {
        double v = (double)got[i];
        if (!(isnan(want[i]) ? isnan(v) : fabs(v - want[i]) <= tolerance * largest)) {
            ck_abort_msg("%s[%zu]: %g, not %g", what, i, v, want[i]);
        }
    }
}

static inline float *unpacked(size_t rows, size_t c, const bnn_operand *v) {
    float *x = get_floats(rows * c);
    for (size_t i = 0; i < rows * c; i++) {
        size_t r = i / c;
        float scale = v->scale == NULL ? 1.0f : v->scale[r / v->rows_per_scale];
        x[i] = bit(v->b1 + r * bnn_words(c), i % c) ? scale : -scale;
    }
    return x;
}

/* ---- blocks of rows, as a graph runs row-wise kernels: pieces, and blocks of a piece ---- */

static inline size_t piece_first(size_t rows, size_t pieces, size_t piece) {
    return rows * piece / pieces;
}

/* Walks blocks of at most `most` rows: for (walk w = blocks(...); next(&w);). */
typedef struct walk {
    size_t rows, pieces, most;
    size_t piece, first, n;
    int reset;
} walk;

static inline walk blocks(size_t rows, size_t pieces, size_t most) {
    return (walk){.rows = rows, .pieces = pieces < rows ? pieces : rows, .most = most};
}

static inline int next(walk *w) {
    size_t at = w->first + w->n;
    w->reset = w->n == 0;
    while (w->piece < w->pieces && at >= piece_first(w->rows, w->pieces, w->piece + 1)) {
        w->piece++;
        w->reset = 1;
    }
    size_t left = w->piece < w->pieces ? piece_first(w->rows, w->pieces, w->piece + 1) - at : 0;
    w->first = at;
    w->n = left < w->most ? left : w->most;
    return w->n > 0;
}

/* How rows are cut in these tests. */
static const size_t cuts[][2] = {{1, 100000}, {1, 64}, {5, 200}, {32, 17}};
#define CUTS 4

#endif

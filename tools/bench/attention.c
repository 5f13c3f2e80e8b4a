/* Attention on bits against OpenBLAS: as many products of a head's size as it stands for, two
 * forward and four backward, of matrices that are ready. Ours begins with the bits that linear
 * layers leave, of all heads side by side. */
#include <stdio.h>
#include <string.h>

#include "engine/base/arena.h"
#include "tools/bench/bench.h"
#include "tools/bench/blas.h"
#include "tools/cli/interrupt.h"

/* BERT-base on short sentences: a head is as wide as they are long, so all products are of one
 * size. */
enum { SAMPLES = 16, TOKENS = 64, HEADS = 12, DEPTH = 64, CHANNELS = HEADS * DEPTH };
static const bnn_attention shape = {.n = SAMPLES,
                                    .t = TOKENS,
                                    .c = CHANNELS,
                                    .heads = HEADS,
                                    .reach = 7, /* of an integer, below the root of DEPTH */
                                    .factor = 0.125f};

typedef struct own_attention {
    const bnn_device *device;
    bnn_stream stream;
    int backward;
    float *floats[3], *grads[3], *context, *gcontext;
    uint64_t *bits[3], *a, *window;
    int32_t *mask;
    void *ws;
} own_attention;

static void forward(own_attention *p) {
    p->stream.device.kernels->bi_attention(&p->stream, &shape, p->bits[0], p->bits[1], p->bits[2],
                                           p->mask, NULL, p->context, p->a, p->window, p->ws);
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    own_attention *p = self;
    size_t rows = shape.n * shape.t, values = rows * shape.c;
    size_t scores = shape.n * shape.heads * shape.t * bnn_words(shape.t) * sizeof(uint64_t);
    int complete = 1;
    (void)version;
    if (!bnn_stream_start(&p->stream, p->device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    const bnn_kernels *k = p->stream.device.kernels;
    for (int i = 0; i < 3; i++) {
        p->floats[i] = bnn_bench_floats(values, (uint64_t)i + 1);
        p->grads[i] = bnn_bench_floats(values, (uint64_t)i + 4);
        p->bits[i] = bnn_alloc_aligned(rows * bnn_words(shape.c) * sizeof(uint64_t));
        complete &= p->floats[i] && p->grads[i] && p->bits[i];
    }
    p->context = bnn_bench_floats(values, 7);
    p->gcontext = bnn_bench_floats(values, 8);
    p->a = bnn_alloc_aligned(scores);
    p->window = bnn_alloc_aligned(scores);
    p->mask = bnn_alloc_aligned(rows * sizeof(int32_t));
    p->ws = bnn_alloc_aligned(k->bi_attention_workspace(&p->stream, &shape, 1));
    if (!complete || !p->context || !p->gcontext || !p->a || !p->window || !p->mask || !p->ws) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for an attention");
    }
    for (int i = 0; i < 3; i++) {
        k->sign_pack(&p->stream, rows, shape.c, p->floats[i], p->bits[i]);
    }
    for (size_t i = 0; i < rows; i++) {
        p->mask[i] = 1;
    }
    forward(p);
    return BNN_OK;
}

static bnn_code run(void *self, bnn_error *err) {
    own_attention *p = self;
    (void)err;
    if (p->backward) {
        p->stream.device.kernels->bi_attention_backward(
            &p->stream, &shape, p->gcontext, p->bits[0], p->bits[1], p->bits[2], p->a, p->window,
            p->grads[0], 0, p->grads[1], 0, p->grads[2], 0, p->ws);
    } else {
        forward(p);
    }
    return BNN_OK;
}

static bnn_code measure(const bnn_bench *bench, int backward, bnn_error *err) {
    bnn_bench_row row = {.group = "gemm attention", .threads = bench->device.threads};
    snprintf(row.name, sizeof row.name, "gemm attention %s %d tokens, %d heads of %d batch %d",
             backward ? "backward" : "forward", TOKENS, HEADS, DEPTH, SAMPLES);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    own_attention own = {.device = &bench->device, .backward = backward};
    bnn_sgemm sgemm = {.m = TOKENS,
                       .n = TOKENS,
                       .k = DEPTH,
                       .transpose_b = 1,
                       .groups = (backward ? 4 : 2) * SAMPLES * HEADS,
                       .threads = bench->device.threads};
    bnn_work work = {.set_up = set_up, .run = run, .self = &own}, other = bnn_sgemm_work(&sgemm);
    return bnn_bench_pair(bench, &row, &work, "OpenBLAS sgemm", &other, 1, err);
}

bnn_code bnn_bench_attention(const bnn_bench *bench, bnn_error *err) {
    bnn_code code = measure(bench, 0, err);
    return code == BNN_OK ? measure(bench, 1, err) : code;
}

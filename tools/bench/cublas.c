#include "tools/bench/cublas.h"

#include <stdlib.h>

#include "engine/base/rng.h"

const char *const bnn_cublas_names[BNN_CUBLAS_KINDS] = {
    [BNN_CUBLAS_INT8] = "cuBLAS int8",
    [BNN_CUBLAS_FP16] = "cuBLAS fp16",
    [BNN_CUBLAS_TF32] = "cuBLAS tf32",
};

/* Of the worker; one process measures one product. */
static bnn_device device;
static bnn_stream stream;
static void *a, *b, *c;

/* Values of no particular pattern, as a GPU takes more power, and with it time, to multiply them:
 * bytes, or floats of either size between a half and one, of either sign. */
static void *operand(const bnn_cublas_product *p, size_t values, uint64_t seed, bnn_error *err) {
    static const size_t sizes[] = {1, 2, 4};
    const size_t bytes = values * sizes[p->kind];
    void *there = device.ops->alloc(&device, BNN_MEMORY_DEVICE, bytes);
    uint8_t *here = malloc(bytes);
    bnn_rng rng = bnn_rng_start(seed, bnn_hash_name("cublas"));
    for (size_t i = 0; here && i < values; i++) {
        uint32_t random = bnn_rng_u32(&rng);
        if (p->kind == BNN_CUBLAS_INT8) {
            here[i] = (uint8_t)random;
        } else if (p->kind == BNN_CUBLAS_FP16) {
            ((uint16_t *)(void *)here)[i] = (uint16_t)((random & 0x83ffu) | 0x3800u);
        } else {
            ((uint32_t *)(void *)here)[i] = (random & 0x807fffffu) | 0x3f000000u;
        }
    }
    if (here && there) {
        device.ops->put(&stream, there, here, bytes);
    }
    bnn_code code = device.ops->finish(&stream, err);
    free(here);
    return here && code == BNN_OK ? there : NULL;
}

static bnn_code run(void *self, bnn_error *err) {
    const bnn_cublas *p = self;
    return bnn_cublas_multiply(&stream, &p->product, a, b, c, err);
}

static bnn_code wait(void *self, bnn_error *err) {
    (void)self;
    return device.ops->finish(&stream, err);
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    const bnn_cublas *own = self;
    const bnn_cublas_product *p = &own->product;
    (void)version;
    bnn_code code = bnn_device_chosen(own->where, 1, &device, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!bnn_stream_start(&stream, &device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    a = operand(p, p->m * p->k, 1, err);
    b = operand(p, p->n * p->k, 2, err);
    c = device.ops->alloc(&device, BNN_MEMORY_DEVICE, p->m * p->n * sizeof(float));
    if (!a || !b || !c) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory for the matrices of a product of %zu x %zu x %zu", p->m,
                        p->n, p->k);
    }
    code = run(self, err); /* or cuBLAS has none of that kind */
    return code == BNN_OK ? wait(self, err) : code;
}

bnn_work bnn_cublas_work(bnn_cublas *product) {
    return (bnn_work){.set_up = set_up, .run = run, .wait = wait, .self = product};
}

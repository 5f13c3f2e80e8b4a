/* In place of open.c where programs have no shared libraries. */
#include "cuda/cuda.h"

static bnn_code absent(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "no GPU can be used: this build, a static one, was made without them");
}

bnn_code bnn_cuda_device(int index, bnn_device *device, bnn_error *err) {
    (void)index;
    (void)device;
    return absent(err);
}

bnn_code bnn_cuda_count(int *count, bnn_error *err) {
    (void)count;
    return absent(err);
}

bnn_code bnn_cublas_multiply(const bnn_stream *stream, const bnn_cublas_product *product,
                             const void *a, const void *b, void *c, bnn_error *err) {
    (void)stream;
    (void)product;
    (void)a;
    (void)b;
    (void)c;
    return absent(err);
}

/* In place of open.c where programs have no shared libraries. */
#include "cuda/cuda.h"

bnn_code bnn_cuda_device(int index, bnn_device *device, bnn_error *err) {
    (void)index;
    (void)device;
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "no GPU can be used: this build, a static one, was made without them");
}

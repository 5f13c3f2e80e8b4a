/* NVIDIA GPUs as devices: the kernels of this folder are a library of their own, libbnn-cuda.so,
 * which is opened when a GPU is first asked for. */
#ifndef BNN_CUDA_CUDA_H
#define BNN_CUDA_CUDA_H

#include "engine/base/status.h"
#include "engine/device.h"

/* GPU `index` as CUDA counts them. Fails with one line that says what is missing: the library, the
 * driver, the GPU. Streams of it may be used by one thread at a time. */
bnn_code bnn_cuda_device(int index, bnn_device *device, bnn_error *err);

#endif

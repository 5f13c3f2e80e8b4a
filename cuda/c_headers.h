/* The headers of C that this folder shares with the CPU, for C and for CUDA: functions that run on
 * either side, and a name that C++ keeps for itself. */
#ifndef BNN_CUDA_C_HEADERS_H
#define BNN_CUDA_C_HEADERS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define inline __host__ __device__ inline
#endif
#ifdef __cplusplus
#define class class_
extern "C" {
#endif

#include "engine/exp.h"
#include "engine/kernels.h"
#include "engine/sincos.h"

#ifdef __CUDACC__
#undef inline
#endif
#ifdef __cplusplus
}
#undef class
#endif

#endif

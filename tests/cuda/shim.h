/* cuda/ compiled for the host (cuda/launch.cuh): what it needs beside its files. */
#ifndef BNN_TESTS_SHIM_H
#define BNN_TESTS_SHIM_H

#include "engine/device.h"

/* 0: items, and threads of a phase, from the first to the last; 1: from the last to the first. */
extern int bnn_cuda_backwards;

#endif

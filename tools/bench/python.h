/* A float network in another framework as a baseline: a script of this folder in a Python that has
 * the framework. */
#ifndef BNN_TOOLS_BENCH_PYTHON_H
#define BNN_TOOLS_BENCH_PYTHON_H

#include "models/model.h"
#include "tools/bench/worker.h"

#define BNN_TORCH_STEP "torch_step.py" /* a training step of PyTorch */
#define BNN_ONNX_INFER "onnx_infer.py" /* inference of ONNX Runtime */

/* The float twin of `spec`, in `precision`: "fp32", of training also "bf16". BNN_ERR_UNSUPPORTED:
 * no Python here can import what the script needs, or it has no such network. Interpreters tried:
 * $BNN_PYTHON, python3 of PATH, /usr/bin/python3. */
bnn_code bnn_python_start(const char *script, const bnn_spec *spec, const bnn_device *device,
                          size_t batch_size, const char *precision, bnn_worker **out,
                          bnn_error *err);

#endif

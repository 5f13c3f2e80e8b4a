/* A training step of PyTorch as a baseline: torch_step.py in a Python that has torch. */
#ifndef BNN_TOOLS_BENCH_TORCH_H
#define BNN_TOOLS_BENCH_TORCH_H

#include "tools/bench/step.h"

/* `precision`: "fp32" or "bf16". BNN_ERR_UNSUPPORTED: no Python here can import torch, or the
 * script has no such network. Interpreters tried: $BNN_PYTHON, python3 of PATH, /usr/bin/python3.
 */
bnn_code bnn_torch_start(const bnn_step_config *config, const char *precision, bnn_worker **out,
                         bnn_error *err);

#endif

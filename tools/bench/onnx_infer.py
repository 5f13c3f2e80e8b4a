#!/usr/bin/env python3
"""Inference of a float network in ONNX Runtime, as a worker of bnn-bench, which starts this for
infer --compare-onnx and says when to run. The networks are the float twins of models/nets/
(twins.py) as one deploys them: batch norms folded, all graph optimizations on.

    onnx_infer.py ARCH BATCH CHANNELS HEIGHT WIDTH CLASSES PARAMETERS THREADS fp32
"""
import os
import warnings

import worker


def absent(error):
    worker.end("absent", "no Python here has all of PyTorch, onnx and onnxruntime (%s), so nothing "
               "to compare with; pip installs them, and BNN_PYTHON names another interpreter" %
               error)


def export(s, path):
    """Writes the network as an ONNX file."""
    try:
        import onnx  # noqa: F401 (PyTorch needs it to export)
        import torch
    except ImportError as error:
        absent(error)
    import twins
    if s.arch not in twins.NETWORKS:
        worker.end("absent", "twins.py knows no network called " + s.arch)
    torch.manual_seed(1)
    net = twins.fold(twins.build(s.arch, s.shape, s.classes, s.parameters))
    # The exporter that traces needs no other package; PyTorch before 2.5 has no other.
    old = {} if "dynamo" not in torch.onnx.export.__code__.co_varnames else {"dynamo": False}
    warnings.simplefilter("ignore")
    torch.onnx.export(net, (torch.randn(s.batch, *s.shape),), path, input_names=["x"], **old)


def export_apart(s, path):
    """In a process of its own, whose memory does not count as inference's; it says itself what is
    wrong, and ends without what a whole interpreter does at its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            export(s, path)
            status = 0
        except (RuntimeError, ValueError, MemoryError, OSError) as error:
            worker.end("error", error)
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def session(s):
    path = os.path.join(worker.scratch.name, "twin.onnx")
    if not export_apart(s, path):
        raise SystemExit(1)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # what is measured here is nobody else's business
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        absent(error)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = s.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    x = numpy.random.default_rng(1).standard_normal((s.batch, *s.shape), dtype="float32")
    return "ONNX Runtime " + onnxruntime.__version__, lambda: run(None, {"x": x})


if __name__ == "__main__":
    try:
        worker.serve(*session(worker.subject()))
    except (RuntimeError, ValueError, MemoryError, OSError) as error:
        worker.end("error", error)

#!/usr/bin/env python3
"""Inference of an exported model in the engine that it is for, as a worker of bnn-bench, which
starts this for infer MODEL.tflite or MODEL.onnx and for --compare lce, and says when to run. Larq
Compute Engine's interpreter is loaded without the package around it, which would want TensorFlow;
XNNPACK runs its floats. Arguments: MODEL THREADS.
"""
import glob
import importlib.util
import os
import sys

# What is measured here is nobody else's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import worker


def sample(numpy, shape, whole):
    """Floats; or of text whole numbers: tokens that all vocabularies have, of segment 1, of which
    none is masked."""
    return (numpy.ones(shape, "int32") if whole else
            numpy.random.default_rng(1).standard_normal(shape, dtype="float32"))


def larq(model, threads):
    package = importlib.util.find_spec("larq_compute_engine")
    if package is not None and importlib.util.find_spec("numpy"):
        import numpy
    else:
        numpy = None
    if numpy is None or int(numpy.__version__.split(".")[0]) > 1:
        worker.end("absent", "%s has no larq-compute-engine with NumPy before 2, so nothing runs "
                   "a .tflite of binary ops; 'pip install --no-deps larq-compute-engine' and 'pip "
                   "install \"numpy<2\"' add them, or BNN_LCE_PYTHON names another Python" %
                   sys.executable)
    folder, = package.submodule_search_locations
    files = glob.glob(os.path.join(folder, "tflite", "python", "interpreter_wrapper_lite*.so"))
    if not files:
        worker.end("absent", folder + " has no interpreter for this machine")
    spec = importlib.util.spec_from_file_location("interpreter_wrapper_lite", files[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with open(model, "rb") as file:
        interpreter = module.LiteInterpreter(file.read(), threads, False, False, True)
    x = [sample(numpy, shape, numpy.dtype(kind).kind == "i") for shape, kind in
         zip(interpreter.input_shapes, interpreter.input_types)]
    return "Larq Compute Engine " + version("larq-compute-engine"), lambda: interpreter.predict(x)


def onnxruntime(model, threads):
    numpy, runtime = worker.load("numpy", "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = {}
    for i in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in i.shape]
        x[i.name] = sample(numpy, shape, i.type == "tensor(int32)")
    return "ONNX Runtime " + runtime.__version__, lambda: session.run(None, x)


def version(package):
    import importlib.metadata
    return importlib.metadata.version(package)


def main():
    model, threads = sys.argv[1], int(sys.argv[2])
    with open(model, "rb") as file:
        engine = larq if file.read(8)[4:] == b"TFL3" else onnxruntime
    version_and_run = engine(model, threads)
    version_and_run[1]()  # what cannot be run is known before anything is measured
    worker.serve(*version_and_run)


worker.say_what_is_wrong(main)

#!/usr/bin/env python3
"""Inference of an exported model in the engine that it is for, as a worker of bnn-bench, which
starts this for infer MODEL.tflite or MODEL.onnx and says when to run. Larq Compute Engine's
interpreter is loaded without the package around it, which would want TensorFlow; XNNPACK runs its
floats. Arguments: MODEL THREADS.
"""
import glob
import importlib.util
import os
import sys

# What is measured here is nobody else's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import worker


def sample(numpy, shape):
    return numpy.random.default_rng(1).standard_normal(shape, dtype="float32")


def larq(model, threads):
    numpy, = worker.load("numpy")
    package = importlib.util.find_spec("larq_compute_engine")
    if package is None or int(numpy.__version__.split(".")[0]) > 1:
        worker.end("absent", "%s has no larq-compute-engine with NumPy before 2, so nothing runs "
                   "a .tflite of binary ops; 'pip install --no-deps larq-compute-engine' and 'pip "
                   "install \"numpy<2\"' add them, or BNN_PYTHON names another Python" %
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
    x = sample(numpy, interpreter.input_shapes[0])
    return "Larq Compute Engine " + version("larq-compute-engine"), lambda: interpreter.predict([x])


def onnxruntime(model, threads):
    numpy, runtime = worker.load("numpy", "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = {}
    for i in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in i.shape]
        # Of text, tokens that all vocabularies have, of segment 1, of which none is masked.
        x[i.name] = (numpy.ones(shape, "int32") if i.type == "tensor(int32)" else
                     sample(numpy, shape))
    return "ONNX Runtime " + runtime.__version__, lambda: session.run(None, x)


def version(package):
    import importlib.metadata
    return importlib.metadata.version(package)


def main():
    model, threads = sys.argv[1], int(sys.argv[2])
    with open(model, "rb") as file:
        engine = larq if file.read(8)[4:] == b"TFL3" else onnxruntime
    try:
        version_and_run = engine(model, threads)
    except RuntimeError as error:
        worker.end("error", error)
    worker.serve(*version_and_run)


main()

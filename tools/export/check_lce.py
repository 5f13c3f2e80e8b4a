#!/usr/bin/env python3
"""Runs an exported .tflite model (bnn-export --format lce) in Larq Compute Engine's own interpreter,
one sample after the other, and compares what it computes with what is expected:

    bnn-eval MODEL --save-inputs inputs.npy --save-outputs outputs.npy --limit-test 100
    bnn-export MODEL --format lce --output model.tflite
    check_lce.py model.tflite inputs.npy --outputs outputs.npy

Of a detector the model's outputs are its heads; heads.py beside this makes detections of them, by
the JSON that was exported with it, and almost all are to be the same.

The interpreter comes with the package larq-compute-engine, for CPython 3.10 to 3.12 on x86-64
Linux. It wants NumPy before version 2, and nothing else: TensorFlow, which the package asks for, is
for converting models.

    python3.11 -m venv lce
    lce/bin/pip install --no-deps larq-compute-engine==0.16.0
    lce/bin/pip install "numpy<2"
    lce/bin/python check_lce.py --help

Exit status: 0 if all is as expected, 1 if something differs, 2 if the model or a file cannot be
read, or the package is not there.
"""
import argparse
import importlib.util
import pathlib
import sys

# What LCE calls its binary convolutions: (reference, indirect).
KERNELS = {"bgemm": (False, False), "indirect": (False, True), "reference": (True, False)}


def give_up(message):
    print(f"check_lce.py: {message}", file=sys.stderr)
    sys.exit(2)


def load_package():
    """NumPy, and the interpreter, which is loaded without the package around it."""
    try:
        import numpy
    except ImportError:
        give_up("NumPy is not installed; see --help")
    if int(numpy.__version__.split(".")[0]) > 1:
        give_up(f"NumPy {numpy.__version__} is too new for the interpreter; install 'numpy<2'")
    package = importlib.util.find_spec("larq_compute_engine")
    if package is None:
        give_up("the package larq-compute-engine is not installed; see --help")
    folder = pathlib.Path(next(iter(package.submodule_search_locations)), "tflite", "python")
    files = sorted(folder.glob("interpreter_wrapper_lite*.so"))
    if not files:
        give_up(f"{folder}: has no interpreter for this machine")
    spec = importlib.util.spec_from_file_location("interpreter_wrapper_lite", files[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return numpy, module.LiteInterpreter


def read_array(numpy, path):
    try:
        return numpy.load(path)
    except (OSError, ValueError) as error:
        give_up(f"{path}: {error}")


def run(numpy, interpreter, inputs):
    """Of each output of the model an array, of all samples."""
    shape = tuple(interpreter.input_shapes[0])
    if inputs.ndim == 5:  # of text [N,inputs,1,T,1]
        samples = inputs.reshape(len(inputs), inputs.shape[1], 1, -1)
    else:
        samples = inputs.astype(numpy.float32)[:, None, None]
    if samples.shape[3:] != shape[1:]:
        give_up(f"the inputs are of shape {inputs.shape[1:]} a sample, the model takes {shape[1:]}")
    results = []
    for sample in samples:
        results.append([output[0].copy() for output in interpreter.predict(list(sample))])
    return [numpy.stack(output) for output in zip(*results)]


def compare_outputs(numpy, name, got, want, tolerance):
    if got.size != want.size:
        give_up(f"{got.shape} outputs, but {want.shape} are expected")
    want = want.reshape(got.shape)
    difference = numpy.abs(got.astype(numpy.float64) - want).reshape(len(got), -1).max(axis=1)
    tolerance *= max(1.0, float(numpy.abs(want).max()))
    far = int((~(difference <= tolerance)).sum())  # NaN is far, too
    print(f"{name}: {len(got)} samples, largest difference {difference.max():g}, "
          f"{far} beyond {tolerance:g}")
    return far == 0


def compare_classes(name, got, want):
    classes = got.argmax(axis=-1).ravel().tolist()
    if len(classes) != len(want):
        give_up(f"{len(classes)} predictions, but {len(want)} are expected")
    same = sum(a == b for a, b in zip(classes, want))
    print(f"{name}: {same} of {len(want)} predictions are the same")
    return same == len(want)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL.tflite")
    parser.add_argument("inputs", metavar="INPUTS.npy",
                        help="normalized samples, float32 [samples,H,W,C], or of text int32 "
                        "[samples,inputs,1,T,1]")
    parser.add_argument("--outputs", metavar="FILE.npy",
                        help="expected outputs, a row for each sample")
    parser.add_argument("--tolerance", type=float, default=1e-4, metavar="T",
                        help="outputs may differ so much, times the largest one if that is above 1 "
                        "(default: 1e-4; 0 asks for equality)")
    parser.add_argument("--predictions", metavar="FILE",
                        help="expected classes, one a line (bnn-eval --predictions)")
    parser.add_argument("--save", metavar="FILE.npy", help="write what the interpreter computes")
    parser.add_argument("--kernel", choices=[*KERNELS, "all"], default="bgemm",
                        help="LCE's binary convolution (default: bgemm, which is LCE's own "
                        "default; reference knows zero padding only with an even number of "
                        "channels)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--xnnpack", action="store_true", help="XNNPACK runs the float ops")
    return parser.parse_args()


def main():
    options = read_options()
    numpy, interpreter_of = load_package()
    inputs = read_array(numpy, options.inputs)
    outputs = read_array(numpy, options.outputs) if options.outputs else None
    try:
        model = pathlib.Path(options.model).read_bytes()
        classes = (None if options.predictions is None else
                   [int(line) for line in pathlib.Path(options.predictions).read_text().split()])
    except (OSError, ValueError) as error:
        give_up(str(error))
    good = True
    for kernel in KERNELS if options.kernel == "all" else [options.kernel]:
        try:
            interpreter = interpreter_of(model, options.threads, *KERNELS[kernel], options.xnnpack)
            got, *more = run(numpy, interpreter, inputs)
        except RuntimeError as error:
            give_up(f"{options.model}: does not run ({kernel}): {str(error).strip()}")
        if options.save:
            numpy.save(options.save, got)
        if outputs is not None and more:
            import heads
            good &= heads.compare(kernel, heads.beside(options.model), got, *more, outputs)
        elif outputs is not None:
            good &= compare_outputs(numpy, kernel, got, outputs, options.tolerance)
        if classes is not None:
            good &= compare_classes(kernel, got, classes)
        if outputs is None and classes is None:
            print(f"{kernel}: {len(got)} samples, outputs of shape {got.shape[1:]}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs an exported ONNX model (bnn-export --format onnx) in ONNX Runtime, at each of its levels of
optimization, and compares what it computes with what is expected:

    bnn-eval MODEL --save-inputs inputs.npy --save-outputs outputs.npy --limit-test 1000
    bnn-export MODEL --format onnx --output model.onnx
    check_onnx.py model.onnx inputs.npy outputs.npy

Needs the packages numpy and onnxruntime; --openvino also openvino, in which the model then runs,
too.

Of a detector the model's outputs are its heads; heads.py beside this makes detections of them, by
the JSON that was exported with it, and almost all are to be the same.

Binary layers are exact in any engine. Float layers are added up in another order, so that outputs
differ in their last digits, and in a few of a thousand samples by more: a value next to 0 has got
the other sign. Exit status: 0 if all is as expected, 1 if something differs, 2 if the model or a
file cannot be read, or a package is not there.
"""
import argparse
import sys


def give_up(message):
    print("check_onnx.py: %s" % message, file=sys.stderr)
    sys.exit(2)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("inputs", metavar="INPUTS.npy",
                        help="normalized samples, float32 [samples,H,W,C], or of text int32 "
                        "[samples,inputs,1,T,1]")
    parser.add_argument("outputs", metavar="OUTPUTS.npy", help="what is expected of each")
    parser.add_argument("--tolerance", type=float, metavar="T",
                        help="all outputs may differ so much, times the largest one if that is "
                        "above 1 (0 asks for equality); else only predictions are to be the same")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N",
                        help="samples at a time (default: 64)")
    parser.add_argument("--threads", type=int, default=0, help="of an engine (default: all)")
    parser.add_argument("--openvino", action="store_true", help="run it in OpenVINO, too")
    return parser.parse_args()


def onnxruntime_engines(a):
    """Of each level a name, the rank of the inputs and a function of a list of them."""
    import onnxruntime
    onnxruntime.set_default_logger_severity(3)
    level = onnxruntime.GraphOptimizationLevel
    for name, value in (("none", level.ORT_DISABLE_ALL), ("basic", level.ORT_ENABLE_BASIC),
                        ("extended", level.ORT_ENABLE_EXTENDED), ("all", level.ORT_ENABLE_ALL)):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = value
        options.intra_op_num_threads = a.threads
        session = onnxruntime.InferenceSession(a.model, options, ["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        yield ("ONNX Runtime %s, optimization %s" % (onnxruntime.__version__, name),
               len(session.get_inputs()[0].shape),
               lambda x, run=session.run, names=names: run(None, dict(zip(names, x))))


def openvino_engines(a):
    import openvino
    # Where the processor is faster so, it would compute in bf16.
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": a.threads}
    model = openvino.Core().compile_model(a.model, "CPU", options)
    yield ("OpenVINO " + openvino.__version__.split("-")[0], len(model.input(0).partial_shape),
           lambda x: list(model(dict(enumerate(x))).values()))


def as_model_has_it(numpy, inputs, rank):
    """A list of inputs: [N,H,W,C] as [N,C,H,W], or as [N,C,points] where the model has points; of
    text [N,inputs,1,T,1] as several of [N,T]."""
    if inputs.ndim == 5:
        return [numpy.ascontiguousarray(x) for x in
                numpy.moveaxis(inputs.reshape(len(inputs), inputs.shape[1], -1), 1, 0)]
    x = numpy.moveaxis(inputs, -1, 1)
    return [numpy.ascontiguousarray(x if x.ndim == rank else x.reshape(len(x), x.shape[1], -1))]


def compare(numpy, name, got, want, tolerance):
    got, want = got.reshape(-1, want.shape[-1]), want.reshape(-1, want.shape[-1])
    same = int((got.argmax(1) == want.argmax(1)).sum())
    away = float(numpy.abs(got.astype("float64") - want).max())
    allowed = None if tolerance is None else tolerance * max(1.0, float(numpy.abs(want).max()))
    good = same == len(want) if allowed is None else away <= allowed
    print("%s: %s: %d of %d predictions are the same, outputs differ by at most %.3g" %
          (name, "ok" if good else "DIFFERS", same, len(want), away))
    return good


def run(a):
    import numpy
    import heads
    described = heads.beside(a.model)
    inputs, want = numpy.load(a.inputs), numpy.load(a.outputs)
    if inputs.ndim not in (4, 5) or len(inputs) != len(want) or not len(want):
        give_up("%s: %s samples, but %s has %s outputs; both are of one bnn-eval" %
                (a.inputs, list(inputs.shape), a.outputs, list(want.shape)))
    good = True
    for engines in [onnxruntime_engines] + ([openvino_engines] if a.openvino else []):
        for name, rank, compute in engines(a):
            x = as_model_has_it(numpy, inputs, rank)
            got = [compute([of[i:i + a.batch_size] for of in x])
                   for i in range(0, len(inputs), a.batch_size)]
            got = [numpy.concatenate(output) for output in zip(*got)]
            good &= (heads.compare(name, described, *got, want) if described else
                     compare(numpy, name, got[0], want, a.tolerance))
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except ImportError as error:
        give_up("%s has no %s; 'pip install %s' adds it" % (sys.executable, error.name, error.name))
    except Exception as error:  # engines raise of all kinds
        give_up(next(line for line in str(error).splitlines() + ["?"] if line.strip()))

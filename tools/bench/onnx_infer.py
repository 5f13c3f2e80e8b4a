#!/usr/bin/env python3
"""Inference of a float network in ONNX Runtime and in OpenVINO, as a worker of bnn-bench, which
starts this for infer --compare and says when to run. The network is the float twin as bnn-export
writes it, an ONNX file in the folder of the run; both multiply its affines into its filters. Of
detectors it ends where suppression begins, so that nobody's way to suppress boxes is measured.
Precisions: fp32, and int8 as each engine's own tools quantize after training. Arguments: see
worker.py.
"""
import os

import worker

# What is measured here is nobody else's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["NNCF_CI"] = "1"  # NNCF knows no other way to say so

CALIBRATION_BATCHES = 4


def scratch(name):
    return os.path.join(worker.scratch.name, name)


def samples(s, count):
    """As many random batches, by the names of inputs; points are of no height."""
    numpy, = worker.load("numpy")
    random = numpy.random.default_rng(1)
    if is_text(s):
        shape = (s.batch, s.shape[2])
        return [{"ids": random.integers(1, 30522, shape), "segment": numpy.zeros(shape, "int64"),
                 "mask": numpy.ones(shape, "int64")} for _ in range(count)]
    shape = [side for at, side in enumerate(s.shape) if at != 1 or "pointnet" not in s.arch]
    return [{"input": random.standard_normal((s.batch, *shape), dtype="float32")}
            for _ in range(count)]


def is_text(s):
    return s.arch.startswith("bert")


def is_detector(s):
    return s.arch.startswith(("ssd", "faster_rcnn"))


def export_by_torch(s, path):
    """Networks of text and detectors bnn-export does not write as ONNX; PyTorch does."""
    torch, _, _ = worker.load("torch", "onnx", "onnxscript")
    import twins
    net = twins.build(s.arch, s.shape, s.classes, s.parameters).eval()
    names = ["ids", "segment", "mask"] if is_text(s) else ["input"]
    torch.onnx.export(net, twins.sample(net, s.batch, s.shape), path, input_names=names,
                      dynamo=True, external_data=False, verbose=False)


# ---- ONNX Runtime ----

def quantize_for_onnxruntime(s, twin, path):
    """As its documentation advises: pre-processed, then statically to pairs of QuantizeLinear and
    DequantizeLinear, weights by channel. Unsigned activations are what x86 multiplies with signed
    weights; signed ones, its first choice for all processors, take up to thrice as long there."""
    worker.load("onnx", "onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(samples(s, CALIBRATION_BATCHES))

        def get_next(self):
            return next(self.batches, None)

    # Of detectors PyTorch has said all shapes; what infers them symbolically fails at some.
    quant_pre_process(twin, path + ".pre", skip_symbolic_shape=is_detector(s))
    quantization.quantize_static(
        path + ".pre", path, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)


def onnxruntime_session(s, path):
    onnxruntime, = worker.load("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = s.threads
    options.inter_op_num_threads = 1
    options.add_free_dimension_override_by_name("N", s.batch)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    x, = samples(s, 1)
    return "ONNX Runtime " + onnxruntime.__version__, lambda: run(None, x)


# ---- OpenVINO ----

def read_for_openvino(s, core, path):
    """The network for batches of that size alone."""
    model = core.read_model(path)
    if not is_text(s):
        shape = model.input(0).partial_shape
        shape[0] = s.batch
        model.reshape(shape)
    return model


def quantize_for_openvino(s, twin, path):
    """Post-training quantization of NNCF, by its own choices."""
    openvino, nncf = worker.load("openvino", "nncf")
    data = nncf.Dataset(samples(s, CALIBRATION_BATCHES))
    model = read_for_openvino(s, openvino.Core(), twin)
    model = nncf.quantize(model, data, subset_size=CALIBRATION_BATCHES)
    openvino.save_model(model, path, compress_to_fp16=False)


def openvino_session(s, path):
    openvino, = worker.load("openvino")
    core = openvino.Core()
    options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": s.threads}
    if s.precision == "fp32":
        # Otherwise it computes in bf16 where the processor can. What int8 leaves in float is its
        # own choice, as one deploys it.
        options["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(read_for_openvino(s, core, path), "CPU", options)
    request = compiled.create_infer_request()
    x, = samples(s, 1)
    version = "OpenVINO " + openvino.get_version()
    return version, lambda: request.infer(x, share_inputs=True, share_outputs=True)


# ---- both ----

ENGINES = {"onnxruntime": (quantize_for_onnxruntime, "int8.onnx", onnxruntime_session),
           "openvino": (quantize_for_openvino, "int8.xml", openvino_session)}


def main():
    s = worker.subject()
    quantize, int8, session = ENGINES[s.engine]
    path = os.path.join(s.folder, "twin.onnx")
    if is_text(s) or is_detector(s):
        path = scratch("twin.onnx")
        worker.apart(export_by_torch, s, path)
    if not os.path.exists(path):
        worker.end("absent", "this bnn-bench was built without ONNX, so it has no network for other "
                   "engines; install protobuf-c-compiler and libprotobuf-c-dev, and build it again")
    if s.precision == "int8":
        worker.apart(quantize, s, path, scratch(int8))
        path = scratch(int8)
    worker.serve(*session(s, path))


if __name__ == "__main__":
    worker.say_what_is_wrong(main)

#!/bin/sh
# bnn-export --format lce, and check_lce.py: models of dyadic numbers must give equal logits in Larq
# Compute Engine's own interpreter. That is asked where BNN_LCE_PYTHON (or BNN_PYTHON, or python3)
# has the package; else the test ends as skipped.
script=$(cd "$(dirname "$0")/../.." && pwd)/tools/export/check_lce.py
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
make_model=$2/make_model

# ---- the program ----
check 'a model' "$make_model" resnet20 reactnet 3x28x28 10 2 model.bnn in.npy out.npy
check 'export' "$pack" model.bnn --format lce
equal 'export: a file beside the model' "$(dd if=model.tflite bs=1 skip=4 count=4 2>.err)" TFL3
check 'export: to standard output' "$pack" model.bnn --format lce --output - >/dev/null
"$pack" model.bnn --format lce --output - >streamed.tflite 2>.err
same 'export: the same bytes' model.tflite streamed.tflite
check 'fused' "$pack" model.bnn --format lce --fuse --output fused.tflite
equal 'fused: smaller' "$(($(wc -c <fused.tflite) < $(wc -c <model.tflite)))" 1
check 'halves' "$pack" model.bnn --format lce --float16 --output half.tflite
equal 'halves: smaller' "$(($(wc -c <half.tflite) < $(wc -c <model.tflite)))" 1
for algo in xnor xnorpp; do
    check "$algo" "$make_model" resnet20 $algo 3x32x32 10 1 "$algo.bnn" x.npy y.npy
    expect_fail "$algo: refused" \
        "layer1.0.conv1: $algo scales .* which Larq Compute Engine cannot fold; .*--emulate" \
        "$pack" "$algo.bnn" --format lce
    equal "$algo: nothing written" "$(find . -name "$algo.tflite")" ''
    check "$algo: emulated" "$pack" "$algo.bnn" --format lce --emulate
done
check 'depthwise' "$make_model" deep_fsmn fda 1x32x32 12 1 fsmn.bnn x.npy y.npy
"$pack" fsmn.bnn --format lce >out 2>.err
matches 'depthwise: a note' '^note: backbone.0.memory.0 and 7 more: .*floats' out
matches 'padding: a note' '^note: front_end.3: zero padding .*8192 bytes' out

# ---- what computes ----
python=${BNN_LCE_PYTHON:-${BNN_PYTHON:-python3}}
if ! "$python" -c 'import sys, importlib.util as u, numpy
sys.exit(not u.find_spec("larq_compute_engine") or numpy.__version__ >= "2")' 2>/dev/null; then
    echo "SKIPPED: models in the engine ($python lacks larq-compute-engine, or numpy<2)"
    [ "$failures" -eq 0 ] && exit 77
    done_testing
fi
runs() { # NAME FILE TOLERANCE
    check "$1" "$python" "$script" "$2" in.npy --outputs out.npy --tolerance "$3" --kernel all
}
model() { # ARCH ALGO INPUT TOLERANCE OPTIONS...: exported in every way
    test_model="$1 $2 $3"
    tolerance=$4
    check "$test_model" "$make_model" "$1" "$2" "$3" 10 2 m.bnn in.npy out.npy
    shift 4
    check "$test_model: export" "$pack" m.bnn --format lce "$@" --output m.tflite
    runs "$test_model: outputs" m.tflite "$tolerance"
    check "$test_model: export fused" "$pack" m.bnn --format lce --fuse "$@" --output f.tflite
    runs "$test_model: fused outputs" f.tflite "$tolerance"
    check "$test_model: export halves" "$pack" m.bnn --format lce --float16 "$@" --output h.tflite
    runs "$test_model: outputs of halves" h.tflite "$tolerance"
}
# Every way of padding: even and odd sizes, maps smaller than filters, one row, five columns.
for algo in bnn dorefa bireal recu fda reactnet; do
    for input in 3x32x32 1x8x8 3x7x7; do
        model resnet20 "$algo" $input 0
    done
    model pointnet "$algo" 6x1x32 0
    model pointnet_vanilla "$algo" 3x1x20 0
    model fsmn "$algo" 1x32x32 0
    model deep_fsmn "$algo" 1x32x40 0
done
model resnet18 bnn 3x64x64 0
model resnet34 recu 3x32x32 0
model vgg_small reactnet 3x32x32 0
model pointnet_partseg bireal 3x1x16 0
# Of detectors, what is made of their heads.
model ssd300_vgg16 reactnet 3x300x300 0
matches 'detections' '^reference: ok: 400 of 400 detections are the same$' .out

# Rounded: means of pixels that are no power of two, of inputs; products of scales; float twins.
model resnet20 reactnet 1x28x28 1e-5
model resnet20 xnor 3x32x32 1e-3 --emulate
model fsmn xnor 1x32x32 1e-3 --emulate
model resnet20 xnorpp 3x32x32 1e-4 --emulate
model deep_fsmn xnorpp 1x32x32 1e-3 --emulate
model resnet20 fp32 3x32x32 1e-4

# A trained one of halves computes what it does here, of the same halves.
run 'train' trained --algo reactnet
check 'halves here' "$pack" trained/last.safetensors --float16 --output m.bnn
# shellcheck disable=SC2086 # words
check 'evaluate' "$evaluate" m.bnn --data cifar10 --data-dir cifar --quiet --limit-test 40 \
    --save-inputs in.npy --save-outputs out.npy
check 'halves there' "$pack" trained/last.safetensors --format lce --float16 --output m.tflite
runs 'trained: outputs of halves' m.tflite 1e-5
check 'halves there, of the file' "$pack" m.bnn --format lce --float16 --output again.tflite
same 'halves of halves' m.tflite again.tflite

# ---- measured ----
check 'a model again' "$make_model" resnet20 bnn 3x32x32 10 3 m.bnn in.npy out.npy
check 'export again' "$pack" m.bnn --format lce --output m.tflite
check 'measured' "$bench" infer m.tflite --repeat 1
matches 'measured: beside its float twin' '^infer m.tflite .* lce fp32 +[0-9]' .out
check 'measured: beside our own' "$bench" infer m.bnn --batch-size 1 --compare lce --repeat 1
matches 'measured: beside our own' '^infer m.bnn batch 1 .* lce +[0-9]' .out
matches 'measured: by which version' '^lce: Larq Compute Engine [0-9]' .out
head -c 20000 m.tflite >cut.tflite
expect_fail 'measured: a file cut off' 'cut.tflite: Larq Compute Engine died of it, .*damaged' \
    "$bench" infer cut.tflite

# ---- check_lce.py ----
"$python" -c 'import numpy
y = numpy.load("out.npy")
print(*y.argmax(-1), sep="\n", file=open("classes", "w"))
print(*((y.argmax(-1) + 1) % 10), sep="\n", file=open("others", "w"))
y[1, 2] += 1
numpy.save("other.npy", y)'
check 'predictions' "$python" "$script" m.tflite in.npy --predictions classes --save saved.npy
matches 'predictions: what is printed' '^bgemm: 3 of 3 predictions are the same$' .out
check 'saved' "$python" "$script" m.tflite in.npy --outputs saved.npy --tolerance 0 --xnnpack
status() { # NAME EXPECTED REGEX ARGUMENTS...: exit status, and what it says
    test_name=$1 test_expected=$2 test_regex=$3
    shift 3
    "$python" "$script" "$@" >.out 2>&1
    equal "$test_name: status" $? "$test_expected"
    matches "$test_name" "$test_regex" .out
}
status 'other outputs' 1 ' 3 samples, largest difference 1, 1 beyond 0[.]000[0-9]*$' m.tflite in.npy \
    --outputs other.npy
status 'other predictions' 1 '0 of 3 predictions' m.tflite in.npy --predictions others
status 'no model' 2 '^check_lce.py: .*none.tflite' none.tflite in.npy
status 'no inputs' 2 '^check_lce.py: none.npy' m.tflite none.npy
status 'a damaged model' 2 '^check_lce.py: in.npy: does not run' in.npy in.npy
status 'other inputs' 2 'the inputs are of shape \(10,\) a sample, the model takes \(32, 32, 3\)' \
    m.tflite out.npy
head -n 2 classes >few
status 'too few predictions' 2 '3 predictions, but 2 are expected' m.tflite in.npy \
    --predictions few
status 'help' 0 'pip install --no-deps larq-compute-engine' --help
done_testing

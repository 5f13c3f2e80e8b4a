#!/bin/sh
# bnn-export --format onnx, and check_onnx.py: models of dyadic numbers must give equal outputs in
# ONNX Runtime at all its levels, and in OpenVINO. That is asked where BNN_PYTHON (or python3) has
# them; else the test ends as skipped.
script=$(cd "$(dirname "$0")/../.." && pwd)/tools/export/check_onnx.py
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
make_model=$2/make_model

# ---- the program ----
check 'a model' "$make_model" resnet20 reactnet 3x16x16 10 4 model.bnn in.npy out.npy
if "$pack" --help | tr -s ' \n' ' ' | grep -q 'ONNX, which this program was built without'; then
    expect_fail 'built without' 'built without ONNX; install protobuf-c-compiler and libprotobuf-c' \
        "$pack" model.bnn --format onnx
    equal 'built without: nothing written' "$(find . -name '*.onnx')" ''
    echo "SKIPPED: exported models (built without ONNX)"
    [ "$failures" -eq 0 ] && exit 77
    done_testing
fi
check 'export' "$pack" model.bnn --format onnx
matches 'export: its size' "^model.onnx: $(wc -c <model.onnx) bytes, .* binary weights" .out
"$pack" model.bnn --format onnx --output - >streamed.onnx 2>.err
same 'export: to standard output, the same bytes' model.onnx streamed.onnx
for option in emulate fuse; do
    expect_fail "--$option" "--$option: the format onnx has no use for that" \
        "$pack" model.bnn --format onnx --$option --output no.onnx
done
check 'halves' "$pack" model.bnn --format onnx --float16 --output half.onnx
equal 'halves: smaller' "$(($(wc -c <half.onnx) < $(wc -c <model.onnx)))" 1
check 'ResNet-18' "$make_model" resnet18 bnn 3x32x32 10 1 18.bnn x.npy y.npy
check 'ResNet-18: export' "$pack" 18.bnn --format onnx
equal 'ResNet-18: a byte a binary weight' "$(($(wc -c <18.onnx) / 100000))" 117

# ---- what computes ----
python=${BNN_PYTHON:-python3}
has() { # MODULE...
    "$python" -c "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))" \
        "$@" 2>/dev/null
}
if has onnx; then
    check 'ONNX: its checker' "$python" -c 'import onnx
for name in ("model.onnx", "half.onnx"):
    onnx.checker.check_model(onnx.load(name), full_check=True)'
else
    echo "SKIPPED: ONNX's checker ($python has no onnx)"
fi
if ! has onnxruntime numpy; then
    echo "SKIPPED: exported models in an engine ($python lacks onnxruntime or numpy)"
    [ "$failures" -eq 0 ] && exit 77
    done_testing
fi
openvino=
if has openvino; then
    openvino=--openvino
else
    echo "SKIPPED: exported models in OpenVINO ($python has no openvino)"
fi
runs() { # NAME FILE OPTIONS...
    test_name=$1
    shift
    # shellcheck disable=SC2086 # an option or none
    check "$test_name" "$python" "$script" "$@" --batch-size 3 --threads 1 $openvino
}
runs 'equal' model.onnx in.npy out.npy --tolerance 0
matches 'four levels' '^ONNX Runtime .*, optimization all: ok: 4 of 4 .* at most 0$' .out
equal 'an engine a line' "$(grep -c ': ok: ' .out)" $((4 + $(echo $openvino | wc -w)))
check 'other outputs' "$make_model" resnet20 reactnet 3x16x16 10 3 other.bnn x.npy y.npy
refuse 'other samples' "$python" "$script" model.onnx x.npy out.npy
matches 'other samples: says so' '^check_onnx.py: x.npy: \[3, 16, 16, 3\] samples, but out' .out
check 'another model' "$make_model" resnet20 bnn 3x16x16 10 4 other.bnn x.npy y.npy
refuse 'another model' "$python" "$script" model.onnx in.npy y.npy --tolerance 1e-4
matches 'another model: says so' ': DIFFERS: ' .out

# Means and products of floats are rounded, and sums of them differ.
for arch in resnet18 resnet34 resnet20 vgg_small pointnet pointnet_vanilla pointnet_partseg fsmn \
    deep_fsmn; do
    case $arch in
    pointnet*) size=6x1x30 ;;
    *fsmn) size=1x16x20 ;;
    resnet18) size=3x64x64 ;;
    *) size=3x16x16 ;;
    esac
    for algo in bnn dorefa bireal reactnet recu fda xnor xnorpp fp32; do
        case $algo in
        xnor* | fp32) tolerance=1e-3 ;;
        *) tolerance=0 ;;
        esac
        check "$arch $algo" "$make_model" $arch $algo $size 10 4 m.bnn x.npy y.npy
        check "$arch $algo: export" "$pack" m.bnn --format onnx
        runs "$arch $algo: outputs" m.onnx x.npy y.npy --tolerance $tolerance
        case $algo in reactnet | xnor) ;; *) continue ;; esac
        check "$arch $algo: export halves" "$pack" m.bnn --format onnx --float16 --output h.onnx
        runs "$arch $algo: outputs of halves" h.onnx x.npy y.npy --tolerance $tolerance
    done
done

# Of detectors, what is made of their heads.
for algo in bnn xnor fp32; do
    check "SSD $algo" "$make_model" ssd300_vgg16 $algo 3x300x300 20 2 m.bnn x.npy y.npy
    check "SSD $algo: export" "$pack" m.bnn --format onnx
    runs "SSD $algo: detections" m.onnx x.npy y.npy
    matches "SSD $algo: four levels" ' all: ok: [0-9]* of 400 detections are the same$' .out
done

# A trained one says the same of every picture.
run 'train' trained --algo reactnet
# shellcheck disable=SC2086 # words
check 'evaluate' "$evaluate" trained/last.safetensors --data-dir cifar --quiet --limit-test 40 \
    --save-inputs in.npy --save-outputs out.npy
check 'export a checkpoint' "$pack" trained/last.safetensors --format onnx --output trained.onnx
runs 'the same predictions' trained.onnx in.npy out.npy
# Of halves it computes what it does here, of the same halves.
check 'halves here' "$pack" trained/last.safetensors --float16 --output half.bnn
check 'evaluate halves' "$evaluate" half.bnn --data cifar10 --data-dir cifar --quiet \
    --limit-test 40 --save-inputs in.npy --save-outputs out.npy
check 'halves there' "$pack" trained/last.safetensors --format onnx --float16 --output half.onnx
runs 'outputs of halves' half.onnx in.npy out.npy --tolerance 1e-5
done_testing

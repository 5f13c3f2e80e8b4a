#!/bin/sh
# bnn-bench --compare: other frameworks, real ones where they are and one that is played. How long
# anything takes is not looked at.
# shellcheck source=tests/programs/lib_bench.sh
. "$(dirname "$0")/lib_bench.sh"

# ---- other frameworks, in this Python; skipped where it has not got them ----
real=${BNN_PYTHON:-python3}
has() { # MODULE...: does the Python have them? They are not run for that.
    "$real" -c "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))" \
        "$@" 2>/dev/null
}
no_onnx=$("$pack" --help | tr -s ' \n' ' ' | grep -o 'ONNX, which this program was built without')
for module in torch onnxruntime openvino nncf; do
    mkdir "no-$module" # a Python that has all but it
    echo 'raise ImportError("not in the test")' >"no-$module/$module.py"
done
if has torch; then
    # A worker counts the parameters of its network, so that it is what ours is.
    for arch in resnet20 resnet18 vgg_small pointnet pointnet_vanilla pointnet_partseg fsmn \
        deep_fsmn; do
        size=''
        case $arch in pointnet*) size='--points 16' ;; resnet*) size='--image-size 8' ;; esac
        # shellcheck disable=SC2086
        measure "PyTorch $arch" 3 train --arch $arch $size --batch-size 2 --algo bnn --compare torch
        check "PyTorch has $arch" json out.json 1.ratio
        check "PyTorch has $arch in bf16" json out.json 2.ratio
    done
    matches 'PyTorch: its version' '^torch fp32: PyTorch [0-9]' table
    measure 'torch.compile' 3 train --arch fsmn --batch-size 2 --algo bnn --compare torch-compile
    equal 'torch.compile: its name' "$(json out.json 1.baseline)" 'torch-compile fp32'
    check 'torch.compile: in fp32' json out.json 1.ratio
    check 'torch.compile: in bf16' json out.json 2.ratio
    CXX=$work/none check 'no compiler' "$bench" train --arch fsmn --batch-size 2 --algo bnn \
        --compare torch-compile --repeat 1
    matches 'no compiler: a note' '^bnn-bench: note: .*[cC]ompiler' .err
    equal 'no compiler: one' "$(grep -c . .err)" 1
    matches 'no compiler: a row without' '^train bnn .* torch-compile fp32 +- +-' .out
    equal 'PyTorch: nothing left behind' "$(find temporary -mindepth 1)" ''
else
    echo "SKIPPED: PyTorch's steps of our networks ($real has no torch)"
fi
infer_in() { # ENGINE MODULE...: the float networks in it, in fp32 and int8
    engine=$1
    shift
    if [ -n "$no_onnx" ]; then
        echo "SKIPPED: inference of our networks in $engine (built without ONNX)"
        return
    fi
    if ! has "$@"; then
        echo "SKIPPED: inference of our networks in $engine ($real lacks one of $*)"
        return
    fi
    for arch in resnet20 resnet18 vgg_small pointnet pointnet_vanilla pointnet_partseg fsmn \
        deep_fsmn; do
        size=''
        case $arch in pointnet*) size='--points 16' ;; resnet18) size='--image-size 64' ;; esac
        # shellcheck disable=SC2086
        measure "$engine $arch" 3 infer --arch $arch $size --batch-size 1 --compare "$engine"
        check "$engine has $arch" json out.json 1.ratio
        check "$engine has $arch in int8" json out.json 2.ratio
    done
    check "$engine: a batch" "$bench" infer --arch resnet20 --batch-size 3 --case 'batch 3' \
        --compare "$engine" --repeat 1 --json out.json
    check "$engine: a batch in int8" json out.json 2.ratio
    for module in "$@"; do
        if [ -d "no-$module" ]; then
            PYTHONPATH=no-$module check "$engine without $module" "$bench" infer --arch resnet20 \
                --batch-size 1 --compare "$engine" --repeat 1 --json out.json
            matches "$engine without $module: a note" "has no $module .*pip install $module'" .err
            equal "$engine without $module: one" \
                "$(grep -vc "energy is not measured\$" .err)" 1
            refuse "$engine without $module: no int8" json out.json 2.ratio
        fi
    done
    equal "$engine: nothing left behind" "$(find temporary -mindepth 1)" ''
}
if [ -n "$no_onnx" ]; then
    check 'no ONNX' "$bench" infer --arch resnet20 --batch-size 1 --compare onnxruntime --repeat 1
    matches 'no ONNX: a note' '^bnn-bench: note: .*built without ONNX' .err
    equal 'no ONNX: one' "$(grep -vc "energy is not measured\$" .err)" 1
fi
infer_in onnxruntime onnx onnxruntime
infer_in openvino openvino nncf

# ---- a framework that is played, none at all, one that fails ----
cat >python <<'EOF'
#!/bin/sh
[ -z "${12}" ] || echo "$2 $3" >>"${12}/workers" # in the folder that they share
[ ! -f "${12}/twin.onnx" ] || cp "${12}/twin.onnx" seen.onnx
echo "ready $2 $3: $4 $5 $6 $7 $8 $9 ${10} ${11}, $([ -z "${12}" ] || grep -c . "${12}/workers")"
turn=0
while read -r runs seconds; do
    turn=$((turn + 1))
    echo "done $runs.$turn 1048576 $runs"
done
EOF
printf '#!/bin/sh\necho error the framework is tired\n' >tired
chmod +x python tired
# shellcheck disable=SC2086
BNN_PYTHON=$work/python measure 'played' 5 train $tiny --algo bnn --threads 1 \
    --compare torch-compile,torch
equal 'own baseline first' "$(json out.json 0.baseline)" fp32
equal 'its precision' "$(json out.json 1.baseline)" 'torch fp32'
equal 'the other' "$(json out.json 2.baseline)" 'torch bf16'
equal 'the other way' "$(json out.json 3.baseline)" 'torch-compile fp32'
equal 'and its other precision' "$(json out.json 4.baseline)" 'torch-compile bf16'
equal 'its seconds, not of the first turn' "$(json out.json 2.baseline_seconds 3)" 1.200
equal 'its memory' "$(json out.json 1.baseline_peak_bytes 0)" 1048576
equal 'what it was asked for' "$(json out.json 2.baseline_version)" \
    'torch bf16: resnet20 2 3 8 8 10 272474 1, '
# shellcheck disable=SC2086
BNN_PYTHON=$work/python check 'four turns' "$bench" train $tiny --algo bnn --threads 1 \
    --compare torch --repeat 4 --json out.json
equal 'four turns: the median' "$(json out.json 1.baseline_seconds 3)" 1.350
equal 'four turns: the fastest' "$(json out.json 1.baseline_fastest_seconds 3)" 1.200
# shellcheck disable=SC2086
BNN_PYTHON=$work/python measure 'played for two networks' 35 infer $tiny --algo bnn,fda \
    --compare onnxruntime,openvino
[ -n "$no_onnx" ] || matches 'infer: the float twin for them' fp32 seen.onnx
equal 'infer: own baseline first' "$(json out.json 0.baseline)" fp32
equal 'infer: fp32' "$(json out.json 1.baseline_version)" \
    'onnxruntime fp32: resnet20 1 3 8 8 10 272474 1, 1'
equal 'infer: int8' "$(json out.json 2.baseline_version)" \
    'onnxruntime int8: resnet20 1 3 8 8 10 272474 1, 2'
equal 'infer: another framework, in the same folder' "$(json out.json 4.baseline_version)" \
    'openvino int8: resnet20 1 3 8 8 10 272474 1, 4'
equal 'infer: another network' "$(json out.json 9.case)" 'infer resnet20 fda 8x8 batch 1'
equal 'infer: the same twin' "$(json out.json 9.baseline_version)" \
    'openvino int8: resnet20 1 3 8 8 10 272474 1, 4'
equal 'infer: two images' "$(json out.json 11.baseline_version)" \
    'onnxruntime fp32: resnet20 2 3 8 8 10 272474 1, 5'
BNN_PYTHON=$work/python measure 'played for a cloud' 3 infer --arch pointnet --points 16 \
    --batch-size 1 --compare openvino
equal 'infer: a cloud' "$(json out.json 1.baseline_version)" \
    'openvino fp32: pointnet 1 6 1 16 40 3471857 1, 1'
equal 'infer: sizes once a case' "$(grep -c 'size ratio' table)" 1
equal 'played: nothing left behind' "$(find temporary -mindepth 1)" ''
# shellcheck disable=SC2086
PYTHONPATH=no-torch check 'no PyTorch' "$bench" train $tiny --algo bnn --repeat 1 --json out.json \
    --compare torch,torch-compile
matches 'no PyTorch: a note' "^bnn-bench: note: .* has no torch .*pip install torch'" .err
equal 'no PyTorch: one' "$(grep -c . .err)" 1
matches 'no PyTorch: a row without' '^train bnn .* torch bf16 +- +- +- +- +- +-$' .out
refuse 'no PyTorch: no seconds' json out.json 1.baseline_seconds
refuse 'no PyTorch: no ratio' json out.json 1.ratio
refuse 'no PyTorch: no fastest ratio' json out.json 1.fastest_ratio
for python in tired none; do
    # shellcheck disable=SC2086
    BNN_PYTHON=$work/$python check "$python" "$bench" infer $tiny --compare onnxruntime,openvino \
        --repeat 1 --json out.json
    matches "$python: a note" '^bnn-bench: note: (the framework is tired|.*could not be run)$' .err
    equal "$python: one" "$(grep -vc "energy is not measured\$" .err)" 1
    check "$python: own baseline" json out.json 0.ratio
    refuse "$python: no other" json out.json 4.ratio
done

# ---- an exported file, in an engine that is played and dies of it, or says why not ----
printf '#!/bin/sh\nkill -SEGV $$\n' >dying
chmod +x dying
check 'a model' "$2/make_model" resnet20 bnn 3x8x8 10 1 model.bnn x.npy y.npy
check 'exported' "$pack" model.bnn --format lce --output model.tflite
BNN_LCE_PYTHON=$work/dying bad 'an engine dies' \
    'model.tflite: Larq Compute Engine died of it, so .* damaged: .*/dying died .Segmentation' \
    infer model.tflite
BNN_LCE_PYTHON=$work/tired bad 'an engine refuses' \
    'model.tflite: does not run in Larq Compute Engine: the framework is tired' infer model.tflite
BNN_LCE_PYTHON=$work/none bad 'no engine' 'none could not be run' infer model.tflite
# shellcheck disable=SC2086
BNN_LCE_PYTHON=$work/python measure 'the network itself' 9 infer $tiny --algo bnn,xnor --compare lce
equal 'the network itself: beside the twin' "$(json out.json 1.baseline)" lce
matches 'the network itself: what ran' '^lce: .*/lce.tflite 1: ' table
equal 'emulated' "$(json out.json 3.baseline)" 'lce emulated'
matches 'emulated: a note' '^bnn-bench: note: .* no binary way for all of xnor, .* --emulate' notes
equal 'one sample only' "$(json out.json 5.case) $(json out.json 5.baseline)" \
    'infer resnet20 xnor 8x8 batch 2 fp32'
matches 'one sample only: a note' '^bnn-bench: note: .* is for one sample, so batches are not' notes
for python in tired none dying; do
    BNN_LCE_PYTHON=$work/$python measure "lce: $python" 2 infer model.bnn --batch-size 1 --compare lce
    matches "lce: $python: a note" \
        '^bnn-bench: note: .*(framework is tired|none could not be run|dying died .*)$' notes
    matches "lce: $python: a row without" '^infer model.bnn batch 1 .* lce +- +- +- +- +- +-$' table
done
bad 'exported already' '--compare lce is of packed files .* model.tflite is exported already' \
    infer model.tflite --compare lce
cp model.tflite renamed.bin
BNN_LCE_PYTHON=$work/tired bad 'an exported file by another name' \
    'renamed.bin: does not run in Larq Compute Engine: the framework is tired' infer renamed.bin
if [ -z "$no_onnx" ]; then
    check 'exported as ONNX' "$pack" model.bnn --format onnx --output renamed.bin
    BNN_PYTHON=$work/tired bad 'ONNX by another name' 'renamed.bin: does not run in ONNX Runtime: ' \
        infer renamed.bin
fi
for format in dabnn:dab c:c; do
    check "exported for $format" "$pack" model.bnn --format ${format%:*} --output "model.${format#*:}"
done
bad 'for daBNN' 'model.dab: is for daBNN.s runtime .*; bnn-bench infer runs packed files' \
    infer model.dab
bad 'source' 'model.c: is for a program that it is compiled into; .* .tflite and .onnx' infer model.c

# ---- what is wrong ----
bad 'frameworks for gemm' '--compare has no effect on gemm' gemm --compare torch
bad 'PyTorch for infer' '--compare torch: infer can be compared with onnxruntime, openvino, lce$' \
    infer --compare torch
bad 'OpenVINO for train' '--compare openvino: train can be compared with torch, torch-compile$' \
    train --compare torch,openvino
bad 'an unknown framework' '--compare tf: infer can be compared with onnxruntime, openvino, lce$' \
    infer --compare openvino,tf
bad 'no framework' '--compare : infer can be' infer --compare=
bad 'two comparisons' '--compare does not go with --scaling' train --compare torch --scaling
check 'help' "$bench" --help
matches 'help' '--compare' .out
equal 'nothing left behind at last' "$(find temporary -mindepth 1)" ''

done_testing

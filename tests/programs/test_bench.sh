#!/bin/sh
# bnn-bench: its rows, tables and refusals. How long anything takes is not looked at.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir temporary
export TMPDIR="$work/temporary"

# Each row of FILE: all keys, ratios that are what they say. Prints the number of rows.
# shellcheck disable=SC2317 # check calls it
rows_are_sound() { # FILE
    rows=$(json "$1" '#')
    [ "$rows" -gt 0 ] || return 1
    i=0
    while [ "$i" -lt "$rows" ]; do
        for key in case seconds fastest_seconds baseline peak_bytes cpu isa threads repeat; do
            json "$1" "$i.$key" >/dev/null || return 1
        done
        if json "$1" "$i.baseline_seconds" 12 >number; then
            awk -v a="$(json "$1" "$i.seconds" 12)" -v b="$(cat number)" \
                -v r="$(json "$1" "$i.ratio" 12)" -v p="$(json "$1" "$i.peak_bytes" 0)" \
                -v q="$(json "$1" "$i.baseline_peak_bytes" 0)" \
                -v m="$(json "$1" "$i.memory_ratio" 12)" \
                -v c="$(json "$1" "$i.fastest_seconds" 12)" \
                -v d="$(json "$1" "$i.baseline_fastest_seconds" 12)" \
                -v s="$(json "$1" "$i.fastest_ratio" 12)" 'BEGIN {
                    exit !(a > 0 && b > 0 && (r * a / b - 1)^2 < 1e-8 && p > 0 && q > 0 &&
                        (m * p / q - 1)^2 < 1e-8 && c > 0 && c <= a && d > 0 && d <= b &&
                        (s * c / d - 1)^2 < 1e-8)
                }' || return 1
        else
            json "$1" "$i.baseline" | grep -q OpenBLAS || return 1
        fi
        i=$((i + 1))
    done
}

measure() { # NAME ROWS COMMAND OPTIONS...
    test_label=$1
    test_rows=$2
    shift 2
    check "$test_label" "$bench" "$@" --repeat 1 --json out.json
    cp .out table
    cp .err notes
    check "$test_label: rows" rows_are_sound out.json
    equal "$test_label: how many rows" "$(json out.json '#')" "$test_rows"
}

cases() { # the names, a line each, of out.json
    i=0
    while [ "$i" -lt "$(json out.json '#')" ]; do
        json out.json "$i.case"
        i=$((i + 1))
    done
}

# ---- gemm: five shapes of ResNet-20 in six products; three groups, two rows each where there is a
# baseline ----
tiny='--arch resnet20 --image-size 8 --batch-size 2'
if "$bench" gemm --arch resnet20 --image-size 8 --batch-size 1 --repeat 1 --case '16->16' 2>&1 |
    grep -q 'libopenblas0'; then
    summaries=0
else
    summaries=9
fi
# shellcheck disable=SC2086 # words
measure 'gemm' $((30 + summaries)) gemm $tiny
equal 'gemm: one note at most' "$(grep -c . notes)" "$((summaries ? 0 : 1))"
cases >names
for group in 'gemm binary 3x3' 'gemm mixed dX 3x3' 'gemm mixed dW 3x3' 'gemm float forward 3x3' \
    'gemm float dX 3x3' 'gemm float dW 3x3'; do
    equal "$group: shapes" "$(grep -c "^$group" names)" 5
done
matches 'a shape with a stride' '^gemm binary 3x3 16->32 /2 at 8x8 batch 2$' names
matches 'the table has it too' '^gemm binary 3x3 16->32 /2 at 8x8 batch 2 +1 ' table
equal 'one thread' "$(json out.json 0.threads)" 1
if [ "$summaries" -gt 0 ]; then
    matches 'the group is summed up' '^gemm mixed against OpenBLAS sgemm, medians: geometric mean .* worst' \
        table
    matches 'the fastest too' '^gemm mixed against OpenBLAS sgemm, fastest: geometric mean .* worst' \
        table
    matches 'in the file too' '^gemm mixed: geometric mean of 10$' names
    equal 'and marked' "$(json out.json 30.summary)" 'geometric mean'
    equal 'the worst' "$(json out.json 31.summary)" worst
    equal 'of the fastest' "$(json out.json 32.summary)" 'worst of the fastest'
    matches 'what OpenBLAS is' '^OpenBLAS sgemm: OpenBLAS ' table
fi
# shellcheck disable=SC2086
measure 'two threads' 1 gemm $tiny --case 'gemm float dW 3x3 64->64' --threads 2
equal 'two threads' "$(json out.json 0.threads)" 2
# shellcheck disable=SC2086
BNN_ISA=generic measure 'generic' 1 gemm $tiny --case 'gemm binary 3x3 64->64'
equal 'the instruction set' "$(json out.json 0.isa)" 'cpu generic'

check 'products of a cloud' "$bench" gemm --arch pointnet --points 16 --batch-size 2 --repeat 1 \
    --case 'gemm binary'
matches 'a cloud has one row' '^gemm binary 1x1 128->1024 at 1x16 batch 2 ' .out
check 'products of sound' "$bench" gemm --arch deep_fsmn --batch-size 2 --repeat 1 \
    --case 'gemm binary'
matches 'mels and frames have their own size' '^gemm binary 5x5 16->32 /2 at 16x16 batch 2 ' .out

# ---- conv ----
# shellcheck disable=SC2086
measure 'conv' 13 conv $tiny --algo bnn,xnor
equal 'conv: case' "$(json out.json 0.case)" 'conv binary bnn 3x3 16->16 at 8x8 batch 2'
equal 'conv: baseline' "$(json out.json 0.baseline)" fp32

# ---- train ----
# shellcheck disable=SC2086
measure 'train' 12 train $tiny --threads 1
equal 'train: all algorithms, both phases of fda' "$(cases | head -n 9 | tr '\n' ',')" \
    'train bnn,train xnor,train dorefa,train bireal,train xnorpp,train reactnet,train recu,'\
'train fda,train fda silent,'
for arch in pointnet pointnet_vanilla pointnet_partseg fsmn deep_fsmn; do
    size='--points 16'
    case $arch in *fsmn) size='' ;; esac
    # shellcheck disable=SC2086
    measure "train $arch" 12 train --arch $arch $size --batch-size 2 --threads 1
done
# shellcheck disable=SC2086
measure 'scaling, with data' 2 train --arch resnet20 --batch-size 8 --algo bnn --threads 2 \
    --scaling --with-data --data-dir cifar
equal 'scaling: case' "$(json out.json 0.case)" 'train bnn scaling'
equal 'scaling: baseline' "$(json out.json 0.baseline)" '1 thread'
equal 'with data: case' "$(json out.json 1.case)" 'train bnn with data'
equal 'with data: baseline' "$(json out.json 1.baseline)" 'no loader'

# ---- PyTorch and ONNX Runtime in this Python; skipped where they are not ----
real=${BNN_PYTHON:-python3}
has() { # MODULE...: does the Python have them? They are not run for that.
    "$real" -c 'import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' \
        "$@" 2>/dev/null
}
if has torch; then
    # shellcheck disable=SC2086
    measure 'PyTorch' 3 train $tiny --algo bnn --compare-torch
    matches 'PyTorch: its version' '^torch fp32: PyTorch [0-9]' table
    # A worker counts the parameters of its network, so that it is what ours is.
    for arch in resnet18 vgg_small pointnet pointnet_vanilla pointnet_partseg fsmn deep_fsmn; do
        size=''
        case $arch in pointnet*) size='--points 16' ;; resnet*) size='--image-size 8' ;; esac
        # shellcheck disable=SC2086
        measure "PyTorch $arch" 3 train --arch $arch $size --batch-size 2 --algo bnn --compare-torch
        check "PyTorch has $arch" json out.json 1.ratio
        check "PyTorch has $arch in bf16" json out.json 2.ratio
    done
else
    echo "SKIPPED: PyTorch's steps of our networks ($real has no torch)"
fi
if has torch onnx onnxruntime; then
    for arch in resnet20 resnet18 vgg_small pointnet pointnet_vanilla pointnet_partseg fsmn \
        deep_fsmn; do
        size=''
        case $arch in pointnet*) size='--points 16' ;; resnet18) size='--image-size 64' ;; esac
        # shellcheck disable=SC2086
        measure "ONNX Runtime $arch" 2 infer --arch $arch $size --batch-size 1 --compare-onnx
        check "ONNX Runtime has $arch" json out.json 1.ratio
    done
    matches 'ONNX Runtime: its version' '^onnx fp32: ONNX Runtime [0-9]' table
    equal 'ONNX Runtime: nothing left behind' "$(find temporary -mindepth 1)" ''
else
    echo "SKIPPED: ONNX Runtime's inference of our networks ($real lacks torch, onnx or onnxruntime)"
fi

# ---- PyTorch: one that is played, none at all, one that fails ----
cat >python <<'EOF'
#!/bin/sh
echo "ready PyTorch $3 $4 $5 $6 $7 $8 $9"
turn=0
while read -r runs seconds; do
    turn=$((turn + 1))
    echo "done $runs.$turn 1048576"
done
EOF
printf '#!/bin/sh\necho error torch is tired\n' >tired
chmod +x python tired
mkdir without
for module in torch onnxruntime; do
    echo 'raise ImportError("not in the test")' >without/$module.py
done
export PYTHONPATH="$work/without"
# shellcheck disable=SC2086
BNN_PYTHON=$work/python measure 'PyTorch played' 3 train $tiny --algo bnn --threads 1 --compare-torch
equal 'own baseline first' "$(json out.json 0.baseline)" fp32
equal 'its precision' "$(json out.json 1.baseline)" 'torch fp32'
equal 'the other' "$(json out.json 2.baseline)" 'torch bf16'
equal 'its seconds, not of the first turn' "$(json out.json 2.baseline_seconds 3)" 1.200
equal 'its memory' "$(json out.json 1.baseline_peak_bytes 0)" 1048576
equal 'what it was asked for' "$(json out.json 2.baseline_version)" 'PyTorch 2 3 8 8 10 272474 1'
# shellcheck disable=SC2086
BNN_PYTHON=$work/python check 'four turns' "$bench" train $tiny --algo bnn --threads 1 \
    --compare-torch --repeat 4 --json out.json
equal 'four turns: the median' "$(json out.json 1.baseline_seconds 3)" 1.350
equal 'four turns: the fastest' "$(json out.json 1.baseline_fastest_seconds 3)" 1.200
# shellcheck disable=SC2086
check 'no PyTorch' "$bench" train $tiny --algo bnn --compare-torch --repeat 1 --json out.json
equal 'no PyTorch: one note' "$(grep -c '^bnn-bench: note: .*python3' .err)" 1
matches 'no PyTorch: a row without' '^train bnn .* torch bf16 +- +- +- +- +- +-$' .out
refuse 'no PyTorch: no seconds' json out.json 1.baseline_seconds
refuse 'no PyTorch: no ratio' json out.json 1.ratio
# shellcheck disable=SC2086
BNN_PYTHON=$work/tired expect_fail 'PyTorch fails' 'torch is tired' \
    "$bench" train $tiny --algo bnn --compare-torch

# ---- ONNX Runtime likewise ----
# shellcheck disable=SC2086
BNN_PYTHON=$work/python measure 'ONNX Runtime played' 10 infer $tiny --algo bnn --compare-onnx
equal 'ONNX Runtime: own baseline first' "$(json out.json 0.baseline)" fp32
equal 'ONNX Runtime: baseline' "$(json out.json 1.baseline)" 'onnx fp32'
equal 'ONNX Runtime: one image' "$(json out.json 1.baseline_version)" 'PyTorch 1 3 8 8 10 272474 1'
equal 'ONNX Runtime: two' "$(json out.json 3.baseline_version)" 'PyTorch 2 3 8 8 10 272474 1'
BNN_PYTHON=$work/python measure 'ONNX Runtime: a cloud' 2 infer --arch pointnet --points 16 \
    --batch-size 1 --compare-onnx
equal 'ONNX Runtime: a cloud' "$(json out.json 1.baseline_version)" 'PyTorch 1 6 1 16 40 3471857 1'
# shellcheck disable=SC2086
check 'no ONNX Runtime' "$bench" infer $tiny --batch-size 1 --compare-onnx --repeat 1 --json out.json
equal 'no ONNX Runtime: one note' "$(grep -c '^bnn-bench: note: .*onnxruntime' .err)" 1
matches 'no ONNX Runtime: a row without' '^infer resnet20 .* onnx fp32 +- +- +- +- +- +-$' .out
# shellcheck disable=SC2086
BNN_PYTHON=$work/tired expect_fail 'ONNX Runtime fails' 'torch is tired' \
    "$bench" infer $tiny --compare-onnx

# ---- infer ----
# shellcheck disable=SC2086
measure 'infer' 9 infer $tiny --algo bnn,fda,fp32
equal 'infer: case' "$(json out.json 0.case)" 'infer resnet20 bnn 8x8 batch 1'
equal 'infer: the batch' "$(json out.json 1.case)" 'infer resnet20 bnn 8x8 batch 2'
equal 'infer: float weights of ResNet-20' "$(json out.json 0.float_bytes 0)" $((4 * 272474))
matches 'infer: sizes' 'file [0-9]+ bytes, float weights 1089896 bytes: size ratio [0-9.]+$' table
run 'a model' model --algo reactnet --epochs 1
check 'its packed file' "$pack" model/last.safetensors --output model.bnn
for file in model.bnn model/last.safetensors; do
    measure "infer $file" 5 infer $file --batch-size 2
    equal "infer $file: case" "$(json out.json 0.case)" "infer ${file##*/} batch 1"
    equal "infer $file: packed" "$(json out.json 0.file_bytes 0)" "$(wc -c <model.bnn | tr -d ' ')"
done
equal 'nothing left behind' "$(find temporary -mindepth 1)" ''

# ---- stopped ----
timeout --preserve-status --foreground -s INT 1 "$bench" infer --repeat 1000 --json stopped.json \
    >.out 2>.err
equal 'interrupted' $? 130
equal 'interrupted: nothing left behind' "$(find temporary -mindepth 1)$(find . -name 'stopped*')" ''

# ---- what is wrong ----
bad() { # NAME REGEX OPTIONS...
    test_name=$1
    test_regex=$2
    shift 2
    expect_fail "$test_name" "$test_regex" "$bench" "$@"
}
bad 'no command' 'COMMAND is missing'
bad 'unknown command' 'unknown command gemn \(did you mean gemm\?\)' gemn
bad 'a command like none' 'unknown command qqqqqqqq .choices: gemm' qqqqqqqq
bad 'unknown algorithm' '--algo reacnet: .*did you mean reactnet\?' conv --algo bnn,reacnet
bad 'no algorithm' '--algo : there is none' conv --algo=
bad 'no such case' '--case xyz: no case' gemm --case xyz
bad 'repeat 0' '--repeat 0: must be' gemm --repeat 0
bad 'an option of another command' '--algo says nothing to gemm' gemm --algo bnn
bad 'PyTorch for infer' '--compare-torch says nothing to infer' infer --compare-torch
bad 'ONNX Runtime for train' '--compare-onnx says nothing to train' train --compare-onnx
bad 'points of images' '--points says nothing to --arch resnet18, which sees .image' \
    infer --points 16
bad 'pixels of points' '--image-size says nothing to --arch pointnet, which sees .points' \
    infer --arch pointnet --image-size 16
bad 'a file for conv' 'conv takes no file, but got x' conv x
bad 'two networks' '--arch is of a new network, but x is one' infer x --arch resnet20
bad 'no such model' 'nowhere.bnn' infer nowhere.bnn
bad 'data without a loader' '--data-dir says nothing without' train --data-dir cifar
bad 'an image size for data' '--image-size is the data set.s' train --with-data --image-size 8
bad 'no data' 'nowhere: no such folder' train --with-data --data-dir nowhere --algo bnn
bad 'two comparisons' '--compare-torch does not go with --scaling' train --compare-torch --scaling
bad 'no threads to scale to' '--scaling needs two threads' train --scaling --threads 1
bad 'a JSON file nowhere' 'nowhere' gemm --json nowhere/out.json
printf 'no model' >text
bad 'no model' 'text: ' infer text
BNN_ISA=sse9 expect_fail 'unknown instruction set' 'BNN_ISA names an unknown' "$bench" gemm
check 'help' "$bench" --help
matches 'help' '--compare-torch' .out
equal 'nothing left behind at last' "$(find temporary -mindepth 1)" ''

done_testing

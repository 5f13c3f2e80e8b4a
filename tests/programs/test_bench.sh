#!/bin/sh
# bnn-bench: its rows, tables and refusals. How long anything takes is not looked at.
# shellcheck source=tests/programs/lib_bench.sh
. "$(dirname "$0")/lib_bench.sh"

# ---- gemm: five shapes of ResNet-20 in six products; those of bits in three rows, against OpenBLAS,
# floats and the better; as many groups, three rows each where there is a baseline ----
if "$bench" gemm --arch resnet20 --image-size 8 --batch-size 1 --repeat 1 --case '16->16' 2>&1 |
    grep -q 'libopenblas0'; then
    summaries=12
else
    summaries=21
fi
# shellcheck disable=SC2086 # words
measure 'gemm' $((60 + summaries)) gemm $tiny
equal 'gemm: one note at most' "$(grep -c . notes)" "$((summaries == 12))"
cases >names
equal 'gemm: our own floats' "$(json out.json 1.baseline)" fp32
equal 'gemm: the best' "$(json out.json 2.baseline)" 'best float'
for group in 'gemm binary 3x3' 'gemm mixed dX 3x3' 'gemm mixed dW 3x3' 'gemm float forward 3x3' \
    'gemm float dX 3x3' 'gemm float dW 3x3'; do
    equal "$group: shapes" "$(grep "^$group" names | sort -u | wc -l | tr -d ' ')" 5
done
matches 'a shape with a stride' '^gemm binary 3x3 16->32 /2 at 8x8 batch 2$' names
matches 'the table has it too' '^gemm binary 3x3 16->32 /2 at 8x8 batch 2 +1 ' table
equal 'one thread' "$(json out.json 0.threads)" 1
# Of three rows of a case the third has the lesser times of the first two.
# shellcheck disable=SC2317 # check calls it
rows_have_the_best() {
    i=0
    while [ "$(json out.json $((i + 2)).baseline)" = 'best float' ]; do
        for key in baseline_seconds baseline_fastest_seconds; do
            # A missing OpenBLAS has no number.
            blas=$(json out.json "$i.$key" 12 2>/dev/null) || blas=
            awk -v a="$blas" -v b="$(json out.json "$((i + 1)).$key" 12)" \
                -v best="$(json out.json "$((i + 2)).$key" 12)" 'BEGIN {
                    exit !(best == (a != "" && a + 0 < b + 0 ? a : b))
                }' || return 1
        done
        i=$((i + 3))
    done
    [ "$i" -eq 45 ]
}
check 'the best is the best' rows_have_the_best
matches 'against the best' '^gemm mixed against best float, fastest: geometric mean .* worst' table
if [ "$summaries" -eq 21 ]; then
    matches 'the group is summed up' '^gemm mixed against OpenBLAS sgemm, medians: geometric mean .* worst' \
        table
    matches 'the fastest too' '^gemm mixed against OpenBLAS sgemm, fastest: geometric mean .* worst' \
        table
    matches 'in the file too' '^gemm mixed: geometric mean of 10$' names
    equal 'and marked' "$(json out.json 60.summary)" 'geometric mean'
    equal 'the worst' "$(json out.json 61.summary)" worst
    equal 'of the fastest' "$(json out.json 62.summary)" 'worst of the fastest'
    matches 'what OpenBLAS is' '^OpenBLAS sgemm: OpenBLAS ' table
fi
# shellcheck disable=SC2086
measure 'two threads' 1 gemm $tiny --case 'gemm float dW 3x3 64->64' --threads 2
equal 'two threads' "$(json out.json 0.threads)" 2
# shellcheck disable=SC2086
BNN_ISA=generic measure 'generic' 3 gemm $tiny --case 'gemm binary 3x3 64->64'
equal 'the instruction set' "$(json out.json 0.isa)" 'cpu generic'

check 'products of a cloud' "$bench" gemm --arch pointnet --points 16 --batch-size 2 --repeat 1 \
    --case 'gemm binary'
matches 'a cloud has one row' '^gemm binary 1x1 128->1024 at 1x16 batch 2 ' .out
check 'products of sound' "$bench" gemm --arch deep_fsmn --batch-size 2 --repeat 1 \
    --case 'gemm binary'
matches 'mels and frames have their own size' '^gemm binary 5x5 16->32 /2 at 16x16 batch 2 ' .out

# ---- small products, where no size is chosen ----
measure 'small products' $((summaries == 21 ? 24 : 18)) gemm --case 'linear 128->10'
cases >names
for product in binary 'mixed dX' 'mixed dW' 'float forward' 'float dX' 'float dW'; do
    matches "small: $product" "^gemm small $product linear 128->10 batch 1\$" names
done
check 'small: groups' "$bench" gemm --case 'gemm small binary 1x' --repeat 1
matches 'small: a memory' '^gemm small binary 1x7 128->256 groups 128 at 1x32 batch 1 ' .out
matches 'small: a shortcut' '^gemm small binary 1x1 64->128 /2 at 32x32 batch 1 ' .out
matches 'small: a group of its own' '^gemm small binary against best float, medians: ' .out
check 'attention' "$bench" gemm --case 'gemm attention' --repeat 1
for pass in forward backward; do
    matches "attention: $pass" "^gemm attention $pass 64 tokens, 12 heads of 64 batch 16 " .out
done

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
equal 'train: none of what a mean moves' "$(json out.json 9.summary)" 'geometric mean'
refuse 'train: none of what a mean moves' json out.json 9.moved_bytes
# What a step moves is what training says of itself.
run 'a profile' profiled --algo bnn --optimizer adam --epochs 1 --limit-train 16 --profile
cp .out profile
measure 'what is moved' 1 train --arch resnet20 --batch-size 16 --algo bnn
moved=$(json out.json 0.moved_bytes 0)
equal 'what is moved' "$(awk -v b="$moved" 'BEGIN { printf "%.1f", b / 1e6 }')" \
    "$(awk '/^total / { print $NF }' profile)"
matches 'what is moved: of what memory can' \
    '^  [0-9.]+ MB of tensors read and written: [0-9.]+ GB/s of the [0-9.]+ GB/s of memory$' table
check 'what is moved: in the file' awk -v speed="$(json out.json 0.memory_bytes_per_second 0)" \
    'BEGIN { exit !(speed > 1e8) }'
# Less than three arrays of the smallest size.
# shellcheck disable=SC2016 # sh -c expands it
little='ulimit -v 200000 && exec "$@"'
if sh -c "$little" sh "$bench" --version >.out 2>&1; then
    # shellcheck disable=SC2086
    check 'no room for what memory can' sh -c "$little" sh "$bench" train $tiny --algo bnn \
        --repeat 1 --threads 1 --json out.json
    matches 'no room: a note' '^bnn-bench: note: no room for three arrays of [0-9]+ MiB' .err
    matches 'no room: what is moved' '^  [0-9.]+ MB of tensors read and written: [0-9.]+ GB/s$' .out
    refuse 'no room: no speed' json out.json 0.memory_bytes_per_second
else
    echo 'SKIPPED: no room to measure memory (with sanitizers a limit stops the program itself)'
fi
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

# ---- infer ----
# shellcheck disable=SC2086
measure 'infer' 9 infer $tiny --algo bnn,fda,fp32
equal 'infer: case' "$(json out.json 0.case)" 'infer resnet20 bnn 8x8 batch 1'
equal 'infer: the batch' "$(json out.json 3.case)" 'infer resnet20 bnn 8x8 batch 2'
equal 'infer: float weights of ResNet-20' "$(json out.json 0.float_bytes 0)" $((4 * 272474))
matches 'infer: sizes' 'file [0-9]+ bytes, float weights 1089896 bytes: size ratio [0-9.]+$' table
run 'a model' model --algo reactnet --epochs 1
check 'its packed file' "$pack" model/last.safetensors --output model.bnn
smaller=$(sed -n 's/^model.bnn: .* bytes, \([0-9.]*\) times smaller .*/\1/p' .out)
for file in model.bnn model/last.safetensors; do
    measure "infer $file" 5 infer $file --batch-size 2
    equal "infer $file: case" "$(json out.json 0.case)" "infer ${file##*/} batch 1"
    equal "infer $file: packed" "$(json out.json 0.file_bytes 0)" "$(wc -c <model.bnn | tr -d ' ')"
    equal "infer $file: as much smaller as bnn-export says" "$(json out.json 0.size_ratio)" "$smaller"
    equal "infer $file: which network" "$(for key in model arch algo format input batch; do
        json out.json 0.$key
    done | tr '\n' ' ')" "${file##*/} resnet20 reactnet packed 3x32x32 1 "
    refuse "infer $file: a mean is of no network" json out.json 2.arch
done
equal 'nothing left behind' "$(find temporary -mindepth 1)" ''

# ---- energy: where there are no counters; where there are, of packages of 1 W and 2 W or so ----
# shellcheck disable=SC2086
BNN_POWERCAP=$work/nowhere measure 'no energy' 6 infer $tiny --batch-size 1 --algo bnn,recu,fp32
equal 'no energy: told once' "$(grep -c 'nowhere has no counters .*energy is not measured$' notes)" 1
for key in joules baseline_joules energy_ratio; do
    refuse "no energy: no $key" json out.json 0.$key
done
refuse 'no energy: not in the table' grep -q mJ table
refuse 'no energy: a new network has no file' json out.json 0.model
# shellcheck disable=SC2317 # called below
count_energy() { # each time by a step
    for zone in 0 1; do
        # Renamed, so that no reader sees half of it.
        echo $((now * (zone + 1))) >powercap/next
        mv powercap/next powercap/intel-rapl:$zone/energy_uj
    done
    now=$((now + 10000))
}
mkdir -p powercap/intel-rapl:0 powercap/intel-rapl:1
for zone in 0 1; do
    echo package-$zone >powercap/intel-rapl:$zone/name
    echo 262143328850 >powercap/intel-rapl:$zone/max_energy_range_uj
done
now=1000
count_energy
(while [ ! -e counted ]; do sleep 0.01 && count_energy; done) & # killed, it might leave a mv behind
counting=$!
# shellcheck disable=SC2086
BNN_POWERCAP=$work/powercap measure 'energy' 1 infer $tiny --batch-size 1 --algo bnn
equal 'energy: no note' "$(cat notes)" ''
check 'energy: a ratio' awk -v a="$(json out.json 0.joules 12)" \
    -v b="$(json out.json 0.baseline_joules 12)" -v r="$(json out.json 0.energy_ratio 12)" \
    'BEGIN { exit !(a > 0 && b > 0 && (r * a / b - 1)^2 < 1e-8) }'
matches 'energy: in the table' \
    '^  [0-9.e+-]+ mJ a run \(fp32 [0-9.e+-]+: energy ratio [0-9.]+\)$' table
touch counted
wait $counting
echo 'not a number' >powercap/intel-rapl:1/energy_uj
# shellcheck disable=SC2086
BNN_POWERCAP=$work/powercap measure 'a counter that is none' 1 infer $tiny --batch-size 1 --algo bnn
matches 'a counter that is none: a note' \
    '^bnn-bench: note: .*powercap/intel-rapl:1/energy_uj: is no number of microjoules, so energy' notes

# ---- samples of a data set ----
measure 'data' 2 data --data cifar10 --data-dir cifar --batch-size 8
cases >names
equal 'data: both splits' "$(tr '\n' ' ' <names)" 'data cifar10 train data cifar10 test '
matches 'data: so many' '^  [0-9.]+ images/s$' table
"$helper" photos . || exit 1
BNN_PYTHON=no-such-python measure 'data: nothing to compare with' 1 data --data imagenet \
    --data-dir . --batch-size 4 --case train --compare torchvision
matches 'data: nothing to compare with' '^bnn-bench: note: .*no-such-python' notes
mkdir -p texts/SST-2
printf 'sentence\tlabel\na good one\t1\na bad one\t0\n' | tee texts/SST-2/dev.tsv >texts/SST-2/train.tsv
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\ngood\nbad\none\n' >words.txt
measure 'data: a vocabulary elsewhere' 2 data --data glue_sst2 --data-dir texts --vocab words.txt
measure 'texts with a loader' 1 train --with-data --arch bert_tiny4 --data glue_sst2 \
    --data-dir texts --vocab words.txt --batch-size 2 --algo bnn
bad 'data: years of no photographs' '--years has no effect on --data cifar10' data \
    --data-dir cifar --years 2007
bad 'data: no photographs' '--compare goes with photographs, not with --data cifar10' data \
    --data-dir cifar --compare torchvision
bad 'data: a network' '--arch has no effect on data' data --arch resnet20
bad 'data: another engine' '--compare torch: data can be compared with torchvision' data \
    --compare torch

# ---- stopped ----
timeout --preserve-status --foreground -s INT 1 "$bench" infer --repeat 1000 --json stopped.json \
    >.out 2>.err
equal 'interrupted' $? 130
equal 'interrupted: nothing left behind' "$(find temporary -mindepth 1)$(find . -name 'stopped*')" ''

# ---- what is wrong ----
bad 'no command' 'COMMAND is missing'
bad 'unknown command' 'gemn: must be .*did you mean gemm\?' gemn
bad 'a command like none' 'qqqqqqqq: must be gemm, conv, train, data or infer' qqqqqqqq
bad 'unknown algorithm' '--algo reacnet: .*did you mean reactnet\?' conv --algo bnn,reacnet
bad 'no algorithm' '--algo : there is none' conv --algo=
bad 'no such case' '--case xyz: no case' gemm --case xyz
bad 'repeat 0' '--repeat 0: must be' gemm --repeat 0
bad 'an option of another command' '--algo has no effect on gemm' gemm --algo bnn
bad 'points of images' '--points has no effect on --arch resnet18, which sees .image' \
    infer --points 16
bad 'pixels of points' '--image-size has no effect on --arch pointnet, which sees .points' \
    infer --arch pointnet --image-size 16
bad 'a file for conv' 'conv takes no file, but got x' conv x
bad 'two networks' '--arch is of a new network, but x is one' infer x --arch resnet20
bad 'no such model' 'nowhere.bnn' infer nowhere.bnn
bad 'data without a loader' '--data-dir has no effect without' train --data-dir cifar
bad 'an image size for data' '--image-size is the data set.s' train --with-data --image-size 8
bad 'no data' 'nowhere: no such folder' train --with-data --data-dir nowhere --algo bnn
bad 'no threads to scale to' '--scaling needs two threads' train --scaling --threads 1
bad 'a JSON file nowhere' 'nowhere' gemm --json nowhere/out.json
printf 'no model' >text
bad 'no model' 'text: ' infer text
BNN_ISA=sse9 expect_fail 'unknown instruction set' 'BNN_ISA names an unknown' "$bench" gemm
equal 'nothing left behind at last' "$(find temporary -mindepth 1)" ''

done_testing

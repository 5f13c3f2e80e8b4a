#!/bin/sh
# bnn-report inference: files of bnn-bench infer --json, as they are, from two boards that are
# folders here; the table's numbers are the files', and the metric is computed once more by awk.
# shellcheck source=tests/programs/lib_bench.sh
. "$(dirname "$0")/lib_bench.sh"

mkdir -p board/pi4 board/phone empty
measure_to() { # FILE OPTIONS...
    file=$1
    shift
    BNN_POWERCAP=$work/nowhere check "$file" "$bench" infer --repeat 1 --batch-size 1 --json "$file" "$@"
}
measure_to board/pi4/bnn.json --arch resnet20 --image-size 8 --algo bnn,fp32
measure_to board/pi4/cloud.json --arch pointnet_vanilla --points 16 --algo bnn
run 'a run' trained --algo xnor --epochs 1
check 'its packed file' "$pack" trained/last.safetensors --output 'a model.bnn'
measure_to board/phone/m.json 'a model.bnn'
BNN_ISA=generic measure_to laptop.json --arch resnet20 --image-size 8 --algo bnn

wrong() { # NAME REGEX ARGUMENTS...
    test_label=$1
    test_expected=$2
    shift 2
    expect_fail "$test_label" "$test_expected" "$report" inference "$@"
}

# ---- the table ----
check 'a table' "$report" inference board laptop.json --json table.json
cp .out table
equal 'the rows, by model and device' "$(i=0
    while [ $i -lt "$(json table.json 'rows.#')" ]; do
        for key in arch algo format input batch host isa file; do
            json table.json rows.$i.$key
        done | tr '\n' ' ' | sed 's/cpu [^g][^ ]*/cpu/'
        echo
        i=$((i + 1))
    done)" \
    "pointnet_vanilla bnn packed 6x1x16 1 pi4 cpu board/pi4/cloud.json 
resnet20 bnn packed 3x8x8 1  cpu generic laptop.json 
resnet20 bnn packed 3x8x8 1 pi4 cpu board/pi4/bnn.json 
resnet20 fp32 packed 3x8x8 1 pi4 cpu board/pi4/bnn.json 
resnet20 xnor packed 3x32x32 1 phone cpu board/phone/m.json "
for key in seconds baseline_seconds file_bytes float_bytes size_ratio peak_bytes \
    baseline_peak_bytes memory_ratio threads cpu; do
    equal "as measured: $key" "$(json table.json rows.1.$key 9)" "$(json laptop.json 0.$key 9)"
done
refuse 'no energy in it' json table.json rows.1.joules
refuse 'none in the table' grep -q mJ table
equal 'a file of its own' "$(json table.json rows.4.model)" 'a model.bnn'
refuse 'a new network has none' json table.json rows.1.model
matches 'the table: the head' '^model +network +algo +format +input +batch thr +ms a run' table
matches 'the table: a model' '^a model.bnn resnet20 +xnor +packed +3x32x32 +1 +1 .* phone: .*, cpu' table
matches 'the table: a new network' '^- +resnet20 +bnn +packed +3x8x8 .* pi4: .*, cpu' table
equal 'the table: rows' "$(grep -c ' packed ' table)" 5

close() { # NAME KEY EXPECTED
    check "$1" awk -v a="$(json table.json "$2" 12)" -v b="$3" \
        'BEGIN { exit !(b > 0 && (a / b - 1)^2 < 1e-12) }'
}
close 'as measured: ratio' rows.1.ratio "$(json laptop.json 0.ratio 12)"

# ---- the metric: of bnn, two cells, one of two networks ----
metric() { # KEY: the mean of a ratio over both
    awk -v a="$(json board/pi4/bnn.json 0."$1" 12)" -v b="$(json board/pi4/cloud.json 0."$1" 12)" \
        -v c="$(json laptop.json 0."$1" 12)" 'BEGIN { printf "%.9f", ((a + b) / 2 + c) / 2 }'
}
equal 'algorithms' "$(json table.json 'algorithms.#') $(json table.json algorithms.0.algo) $(json \
    table.json algorithms.1.algo)" '2 bnn xnor'
equal 'rows and cells' "$(json table.json algorithms.0.rows) $(json table.json algorithms.0.cells)" '3 2'
time=$(metric ratio) size=$(metric size_ratio)
close 'time' algorithms.0.time_ratio "$time"
close 'storage' algorithms.0.size_ratio "$size"
overall=$(awk -v t="$time" -v s="$size" 'BEGIN { printf "%.9f", sqrt((t * t + s * s) / 2) }')
close 'the metric' algorithms.0.metric "$overall"
matches 'the metric, printed' \
    "^bnn +3 rows on +2 devices x engines +time +[0-9.]+ +storage +[0-9.]+ +overall metric +$(printf \
        %.2f "$overall")\$" table

# ---- energy, and engines that are not to be had here: the same rows, altered ----
sed 's/^    "repeat": 1,/&\n    "joules": 0.5,\n    "baseline_joules": 2.0,/' laptop.json >energy.json
check 'energy' "$report" inference energy.json board/pi4/bnn.json --json e.json
equal 'energy: kept' "$(json e.json rows.0.joules) $(json e.json rows.0.baseline_joules) $(json \
    e.json rows.0.energy_ratio)" '0.50 2.00 4.00'
matches 'energy: a column' 'mJ a run   ratio  device$' .out
matches 'energy: in it' ' 500    4.00  .*, cpu generic$' .out
matches 'energy: or none' ' -       -  pi4: ' .out
sed 's/"packed"/"lce"/; s/"baseline": "fp32"/"baseline": "lce fp32"/' board/phone/m.json >xnor.json
check 'emulated' "$report" inference xnor.json board/phone --count-emulated --json x.json
equal 'emulated: counts' "$(json x.json algorithms.0.cells) $(json x.json \
    algorithms.0.undeployable)" '2 0'
check 'not deployed' "$report" inference xnor.json board/phone --json y.json
matches 'not deployed: told' '^xnor .*\(0 in 1 where it cannot be deployed\)$' .out
equal 'not deployed: is 0' "$(json y.json algorithms.0.cells) $(json y.json \
    algorithms.0.undeployable)" '2 1'
check 'not deployed: is 0' awk -v a="$(json y.json algorithms.0.time_ratio 12)" \
    -v b="$(json board/phone/m.json 0.ratio 12)" 'BEGIN { exit !((2 * a / b - 1)^2 < 1e-12) }'

# ---- what is wrong ----
wrong 'the same twice' 'board/pi4/bnn.json and board/pi4/bnn.json both have resnet20 bnn' \
    board board/pi4/bnn.json
wrong 'no such file' 'nowhere.json: ' nowhere.json
wrong 'an empty folder' 'empty: no \*.json in the folder and in its folders' empty
printf '[{"case": "infer"' >cut.json
wrong 'a file that is cut off' 'cut.json: not JSON: line 1' board cut.json
sed 's/"arch": .*/"arch": 7,/' laptop.json >damaged.json
wrong 'a damaged row' "damaged.json: row 1: 'arch' is missing or damaged" damaged.json
check 'other rows' "$bench" conv --arch resnet20 --image-size 8 --batch-size 1 --repeat 1 --algo bnn \
    --json conv.json
wrong 'other rows' "conv.json: row 1: 'format' is missing .*bnn-bench infer" conv.json
wrong 'a result over a file' 'json' board laptop.json --json board/pi4/bnn.json
wrong 'an option of another command' '--output goes with run, compare and bibench, not with inference' board \
    --output x.html
wrong 'corruptions' '--corruption goes with run, compare, robustness and bibench' board --corruption fog
expect_fail 'an option of inference' '--count-emulated goes with inference and bibench, not with robustness' \
    "$report" robustness trained --count-emulated
expect_fail 'a command like none' 'did you mean inference' "$report" inferense board
expect_late_fail 'no JSON can be written' 'nowhere/x.json' "$report" inference laptop.json \
    --json nowhere/x.json

done_testing

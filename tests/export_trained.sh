#!/bin/sh
# export_trained.sh BUILD WORK DATA [--samples N] [--only PATTERN]... [--print]: each network in each
# algorithm, trained for a few steps, through every format, and how many of the first N test samples
# (1000 without) are of the same class in the format's own engine, or in who stands in for it, as in
# the packed model. A cell is NETWORK/ALGORITHM/FORMAT; --only takes those that the pattern names
# ('resnet*/bnn/*'). What was trained, and what came of a cell, stays in the folder WORK, so that an
# interrupted run goes on, and one with other samples adds what is missing; --print makes nothing new.
# DATA has a folder of each data set's name (or a link), with what --data-dir takes; in glue_cola's is
# a vocab.txt, too.
#
# The table, in Markdown, counts the algorithms whose predictions are all the same; "with --emulate"
# where that is asked for, "refused" with the reasons below; what is not equal is listed, too.
# Engines are those of export_matrix.sh, and the C compiler.
set -eu
[ $# -ge 3 ] || {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
}
build=$(cd "$1" && pwd)
mkdir -p "$2"
work=$(cd "$2" && pwd)
data=$(cd "$3" && pwd)
shift 3
samples=1000 only="" print=""
while [ $# -gt 0 ]; do
    case $1 in
    --samples) samples=$2 && shift ;;
    --only) only="$only $2" && shift ;;
    --print) print=yes ;;
    *) echo "export_trained.sh: $1 is no option" >&2 && exit 2 ;;
    esac
    shift
done
root=$(cd "$(dirname "$0")/.." && pwd)
python=${BNN_PYTHON:-python3}
lce_python=${BNN_LCE_PYTHON:-$python}
algos='bnn dorefa bireal reactnet recu fda xnor xnorpp fp32'
formats='lce lce-fuse dabnn onnx c'
# Network, data set, how it is trained for a few steps, in three epochs because of fda's phases.
networks='resnet18 cifar10 --batch-size 16 --limit-train 160
resnet34 cifar10 --batch-size 16 --limit-train 128
resnet20 cifar10 --batch-size 64 --limit-train 3200
vgg_small cifar10 --batch-size 16 --limit-train 240
pointnet modelnet40 --batch-size 8 --limit-train 96
pointnet_vanilla modelnet40 --batch-size 8 --limit-train 96
pointnet_partseg shapenet_part --batch-size 4 --limit-train 16 --points 1024
fsmn speech_commands --batch-size 16 --limit-train 240
deep_fsmn speech_commands --batch-size 16 --limit-train 240
bert_tiny4 glue_cola --batch-size 8 --limit-train 64 --length 32 --lr 1e-3'

# ---- engines: in the cell's folder, FILE; print how many are of the same class, and the difference

run_lce() {
    "$lce_python" "$root/tools/export/check_lce.py" "$1" ../input.npy --tolerance 0 \
        --outputs ../logits.npy --predictions ../classes >log 2>&1 || [ $? = 1 ] || return
    sed -n 's/^bgemm: \([0-9]*\) of .*/\1/p; s/.*largest difference \([^,]*\),.*/\1/p' log | sort -g -r
}
run_dabnn() {
    "$python" "$root/tools/export/check_dab.py" "$1" ../input.npy ../logits.npy \
        >log 2>&1 || [ $? = 1 ] || return
    sed -n 's/.*at most \([^,]*\), \([0-9]*\) .*/\2 \1/p' log
}
run_onnx() { # the worst of the levels of optimization
    "$python" "$root/tools/export/check_onnx.py" "$1" ../input.npy ../logits.npy --threads 1 \
        --tolerance 0 >log 2>&1 || [ $? = 1 ] || return
    sed -n 's/.*: \([0-9]*\) of .* by at most \(.*\)/\1 \2/p' log | sort -n | head -n 1
}
run_c() {
    ln -sf ../input.npy ../logits.npy . &&
        ${CC:-cc} -std=c99 -O2 -include net.h "$1" "$root/tests/exported/run.c" -o run >log 2>&1 &&
        ./run >log 2>&1 || return
    tail -n 1 log | cut -d ' ' -f 6,8
}

# ---- a cell: its file says WITH, samples (clouds of points count each), equal, difference ----

exported() { # FORMAT FILE OPTIONS...
    exported_format=$1 exported_file=$2
    shift 2
    "$build/bnn-export" ../model.bnn --format "$exported_format" "$@" --output "$exported_file" \
        >export.log 2>&1
}

run_cell() { # FORMAT
    with=exact file=net.c option=
    format=${1%-*}
    [ "$format" = c ] || file=model
    [ "$1" = "$format" ] || option=--${1#*-}
    if ! exported "$format" "$file" ${option:+"$option"}; then
        cp export.log refused.log
        with=emulated
        if ! exported "$format" "$file" ${option:+"$option"} --emulate; then
            echo "refused $(sed -n '1s/^bnn-export: //p' refused.log)"
            return
        fi
    fi
    if said=$("run_$format" "$file") && [ -n "$said" ]; then
        echo "$with $(cat ../predictions) $(echo "$said" | tr '\n' ' ')"
    elif grep -q 'is not installed\|has no onnx\|needs NumPy\|too new' log; then
        echo absent
    else
        echo "broken $(tail -n 1 log)"
    fi
}

prepare() { # FOLDER NETWORK ALGORITHM DATA OPTIONS...: a packed model, samples, what it says of them
    folder=$1 net=$2 algo=$3 set=$4
    shift 4
    rm -f "$folder/log"
    [ -f "$folder/run/last.safetensors" ] ||
        "$build/bnn-train" --algo "$algo" --arch "$net" --data "$set" --data-dir "$data/$set" \
            --output "$folder/run" --epochs 3 --limit-test 64 --overwrite --threads 1 "$@" \
            >"$folder/train.log" 2>&1 || return
    "$build/bnn-export" "$folder/run" --output "$folder/model.bnn" >"$folder/log" 2>&1 &&
        "$build/bnn-eval" "$folder/model.bnn" --data-dir "$data/$set" --quiet --threads 1 \
            --limit-test "$samples" --save-inputs "$folder/input.npy" \
            --save-outputs "$folder/logits.npy" >"$folder/log" 2>&1 &&
        "$lce_python" -c 'import numpy, sys
classes = numpy.load(sys.argv[1]).argmax(-1).ravel()
print(len(classes), file=open(sys.argv[2] + "/predictions", "w"))
numpy.savetxt(sys.argv[2] + "/classes", classes, "%d")' "$folder/logits.npy" "$folder"
}

wanted() { # CELL
    [ -n "$only" ] || return 0
    for pattern in $only; do
        # shellcheck disable=SC2254 # a pattern
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

cells_of() { # NETWORK ALGORITHM DATA OPTIONS...
    folder=$work/$1-$2 ready=
    for cell in $formats; do
        ! wanted "$1/$2/$cell" || [ -f "$folder/$cell/said" ] && continue
        mkdir -p "$folder/$cell"
        if [ -z "$ready" ] && ! (prepare "$folder" "$@"); then
            echo "export_trained.sh: $folder: $(cat "$folder/train.log" "$folder/log" 2>&1 | tail -n 1)" >&2
            return
        fi
        ready=yes
        (cd "$folder/$cell" && run_cell "$cell" >now && mv now said)
        (cd "$folder/$cell" && rm -f model run net.c net.h input.npy logits.npy)
        echo "$1/$2/$cell: $(cat "$folder/$cell/said")" >&2
    done
    [ -z "$ready" ] || rm -f "$folder/input.npy" "$folder/logits.npy" "$folder/classes"
}

if [ -z "$print" ]; then
    for algo in $algos; do
        echo "$networks" | while read -r net set options; do
            # shellcheck disable=SC2086 # words
            cells_of "$net" "$algo" "$set" $options </dev/null
        done
    done
fi

# ---- the table ----

for net in $(echo "$networks" | cut -d ' ' -f 1); do
    for algo in $algos; do
        for cell in $formats; do
            [ ! -f "$work/$net-$algo/$cell/said" ] ||
                echo "$net $algo $cell $(head -n 1 "$work/$net-$algo/$cell/said")"
        done
    done
done | awk -v formats="$formats" '
function add(list, word) { return list == "" ? word : list ", " word }
{
    key = $1 SUBSEP $3
    if (!seen[$1]++) nets[++n] = $1
    if ($4 == "refused") {
        refused[key]++
        reason = $0
        sub(/^[^ ]* [^ ]* [^ ]* refused ([^ :]*: )?/, "", reason)
        if (!told[$3 reason]++) reasons[++r] = "- `" $3 "`, " $1 " `" $2 "`: " reason
    } else if ($4 == "exact" || $4 == "emulated") {
        if ($5 == $6) {
            equal[key, $4]++
            if (!(key in least) || $5 < least[key]) least[key] = $5
            if ($7 > worst[key]) worst[key] = $7
        } else
            odd[++o] = "- " $1 " `" $2 "` `" $3 "`: " $6 " of " $5 ", logits differ by at most " $7
    } else
        odd[++o] = "- " $1 " `" $2 "` `" $3 "`: " $4
}
END {
    count = split(formats, format, " ")
    head = "| |"
    line = "|---|"
    for (f = 1; f <= count; f++) {
        title = format[f]
        sub(/-/, " --", title)
        head = head " `" title "` |"
        line = line "---|"
    }
    print head "\n" line
    for (i = 1; i <= n; i++) {
        row = "| `" nets[i] "` |"
        for (f = 1; f <= count; f++) {
            key = nets[i] SUBSEP format[f]
            emulated = equal[key, "emulated"]
            text = equal[key, "exact"] + emulated ? (equal[key, "exact"] + emulated) " × " least[key] : ""
            if (emulated) text = text " (" emulated " with `--emulate`)"
            if (refused[key]) text = add(text, refused[key] " refused")
            row = row " " text " |"
        }
        print row
    }
    if (o) print "\nNot equal:"
    for (i = 1; i <= o; i++) print odd[i]
    if (r) print "\nRefused:"
    for (i = 1; i <= r; i++) print reasons[i]
}'

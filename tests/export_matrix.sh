#!/bin/sh
# export_matrix.sh BUILD [SAMPLES [OPTION]]: every network in every algorithm through every format
# (bnn-export with the option, --float16 or --fuse, where a format has a use for that), and what
# the format's own engine, or who stands in for it, computes against the packed model: a table in
# Markdown. "=" the same logits, bit for bit; "~" within 1e-4 of the largest (floats are summed up in
# another order); "flip" within a fifth: so near to 0 was a value that its sign is the other one; "no"
# refused; "emu" refused but with --emulate, and then one of these; "?" the engine is not there;
# "WRONG". Engines: check_lce.py (BNN_LCE_PYTHON), check_dab.py and
# check_onnx.py (BNN_PYTHON). C source has tests of its own (programs/test_export_c.sh).
set -eu
build=$(cd "$1" && pwd) samples=${2:-4} option=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) && cd "$work"
trap 'rm -rf "$work"' EXIT
python=${BNN_PYTHON:-python3}
lce_python=${BNN_LCE_PYTHON:-$python}
archs='resnet18:3x32x32 resnet34:3x32x32 resnet20:3x32x32 vgg_small:3x32x32 pointnet:6x1x64
    pointnet_vanilla:6x1x64 pointnet_partseg:3x1x64 fsmn:1x32x32 deep_fsmn:1x32x32'
algos='bnn dorefa bireal reactnet recu fda xnor xnorpp fp32'

# ---- engines: FILE TOLERANCE; 0 right, 1 wrong, 2 cannot ----

run_lce() {
    "$lce_python" "$root/tools/export/check_lce.py" "$1" in.npy --outputs out.npy --tolerance "$2"
}
run_dabnn() {
    "$python" "$root/tools/export/check_dab.py" "$1" in.npy out.npy --tolerance "$2"
}
run_onnx() {
    "$python" "$root/tools/export/check_onnx.py" "$1" in.npy out.npy --tolerance "$2"
}

verdict() { # FORMAT FILE
    for tolerance in 0 1e-4 0.2; do
        status=0
        "run_$1" "$2" "$tolerance" >log 2>&1 || status=$?
        case $status in
        0)
            case $tolerance in 0) echo '=' ;; 1e-4) echo '~' ;; *) echo flip ;; esac
            return
            ;;
        1) ;;
        *) echo '?'; return ;;
        esac
    done
    echo WRONG
}

cell() { # FORMAT
    set -- "$1" ${option:+"$option"}
    if "$build/bnn-export" model.bnn --output model.out --format "$@" >log 2>&1; then
        verdict "$1" model.out
    elif "$build/bnn-export" model.bnn --output model.out --emulate --format "$@" >log 2>&1; then
        echo "emu $(verdict "$1" model.out)"
    else
        echo no
    fi
}

for format in lce dabnn onnx; do
    echo
    echo "| \`$format\` | $(echo "$algos" | sed 's/ / | /g') |"
    echo "|---|$(echo "$algos" | sed 's/[a-z0-9]* */---|/g')"
    for arch in $archs; do
        printf '| %s |' "${arch%:*}"
        for algo in $algos; do
            "$build/tests/make_model" "${arch%:*}" "$algo" "${arch#*:}" 10 "$samples" model.bnn in.npy out.npy
            printf ' %s |' "$(cell "$format")"
        done
        echo
    done
done

#!/bin/sh
# export_trained.sh BUILD SAMPLES MODEL... [-- OPTIONS of bnn-eval]: trained networks (runs,
# checkpoints) through every format, and how many of the first test samples are of the same class in
# the format's own engine, or in who stands in for it, as in the packed model: a table in Markdown.
# "=" all logits are the same bits, or else by how much the farthest differ; "no" refused, "emu"
# refused but with --emulate, "?" the engine is not there, "broken" it does not run what was
# exported. Engines are those of export_matrix.sh, and the C compiler.
set -eu
build=$(cd "$1" && pwd) samples=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
python=${BNN_PYTHON:-python3}
lce_python=${BNN_LCE_PYTHON:-$python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- engines: FILE; print "SAME DIFFERENCE" ----

run_lce() {
    "$lce_python" "$root/tools/export/check_lce.py" "$1" "$work/input.npy" --tolerance 0 \
        --outputs "$work/logits.npy" --predictions "$work/classes" >"$work/log" 2>&1 || [ $? = 1 ] || return
    sed -n 's/^bgemm: \([0-9]*\) of .*/\1/p' "$work/log"
    sed -n 's/.*largest difference \([^,]*\),.*/\1/p' "$work/log"
}
run_dabnn() {
    "$python" "$root/tools/export/check_dab.py" "$1" "$work/input.npy" "$work/logits.npy" \
        >"$work/log" 2>&1 || [ $? = 1 ] || return
    sed -n 's/.*at most \([^,]*\), \([0-9]*\) .*/\2 \1/p' "$work/log"
}
run_onnx() { # the worst of the levels of optimization
    "$python" "$root/tools/export/check_onnx.py" "$1" "$work/input.npy" "$work/logits.npy" \
        --tolerance 0 >"$work/log" 2>&1 || [ $? = 1 ] || return
    sed -n 's/.*: \([0-9]*\) of .* by at most \(.*\)/\1 \2/p' "$work/log" | sort -n | head -n 1
}
run_c() {
    (cd "$work" && ${CC:-cc} -std=c99 -O2 -include net.h net.c "$root/tests/exported/run.c" -o run \
        >log 2>&1 && ./run >log 2>&1) || return 1
    tail -n 1 "$work/log" | cut -d ' ' -f 6,8
}

exported() { # OPTIONS...
    "$build/bnn-export" "$model" --format "$format" "$@" --output "$file" >"$work/log" 2>&1
}

cell() { # FORMAT OPTIONS...
    format=$1 file=$work/model.out with=
    shift
    [ "$format" != c ] || file=$work/net.c
    if ! exported "$@" && ! { exported --emulate "$@" && with='emu '; }; then
        echo no
    elif ! "$python" -c 'import numpy' 2>/dev/null && [ "$format" != c ]; then
        echo '?'
    elif said=$("run_$format" "$file") && [ -n "$said" ]; then
        echo "$said" | tr '\n' ' ' | awk -v with="$with" '{ print with $1, ($2 == 0 ? "=" : "±" $2) }'
    elif grep -q 'is not installed\|has no onnx\|needs NumPy\|too new' "$work/log"; then
        echo '?'
    else
        echo broken
    fi
}

options=
behind=
for word in "$@"; do
    [ -z "$behind" ] || options="$options $word"
    [ "$word" != -- ] || behind=yes
done
echo "| | samples | \`lce\` | \`lce --fuse\` | \`dabnn\` | \`onnx\` | \`c\` |"
echo '|---|---|---|---|---|---|---|'
for model in "$@"; do
    [ "$model" != -- ] || break
    "$build/bnn-export" "$model" --output "$work/model.bnn" >/dev/null
    # shellcheck disable=SC2086 # words
    "$build/bnn-eval" "$work/model.bnn" --limit-test "$samples" --save-inputs "$work/input.npy" --quiet \
        --save-outputs "$work/logits.npy" --predictions "$work/classes" $options >"$work/log" 2>&1 || {
        tail -n 1 "$work/log" >&2
        exit 1
    }
    printf '| %s | %s |' "$(basename "$model")" "$(wc -l <"$work/classes")"
    printf ' %s |' "$(cell lce)" "$(cell lce --fuse)" "$(cell dabnn)" "$(cell onnx)" "$(cell c)"
    echo
done

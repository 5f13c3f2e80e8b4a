#!/bin/sh
# Exported C source of all networks and algorithms, compiled by the compilers there are and run: the
# logits of the packed file. And what bnn-export refuses.
exported=$(cd "$(dirname "$0")/../exported" && pwd)
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/exported/lib_exported.sh
. "$exported/lib_exported.sh"

compilers=
for compiler in gcc clang; do
    if command -v $compiler >/dev/null; then
        compilers="$compilers $compiler"
    else
        echo "SKIPPED: no $compiler"
    fi
done

compile_and_run() { # NAME SAMPLES ROUNDS OPTIONS...
    compile_name=$1 compile_samples=$2 compile_rounds=$3
    shift 3
    for compiler in $compilers; do
        # shellcheck disable=SC2086 # words
        check "$compile_name: $compiler" $compiler $strict -O2 -Icase -include case/net.h "$@" case/net.c \
            "$exported/run.c" -o case/run
        judge_run "$compile_name: $compiler" "$compile_samples" "$compile_rounds" \
            sh -c 'cd case && ./run'
    done
}

try() { # ARCH SIZE ALGO...
    try_arch=$1 try_size=$2
    shift 2
    for algo in "$@"; do
        make_case "$try_arch" "$algo" "$try_size" 5 2
        # shellcheck disable=SC2046 # a word or none
        compile_and_run "$try_arch $algo" 2 $rounded $(pixels_of "$try_arch")
    done
}

try resnet20 1x32x32 bnn xnor dorefa bireal xnorpp reactnet recu fda fp32
try resnet18 3x40x40 reactnet # with the stem of large images
try vgg_small 3x16x16 bnn xnor xnorpp recu
try pointnet 3x1x16 bireal xnor xnorpp
try pointnet_vanilla 6x1x33 reactnet xnor xnorpp fp32
try pointnet_partseg 3x1x16 dorefa
try fsmn 1x32x20 bnn xnor fda
try deep_fsmn 1x32x32 bnn xnor xnorpp reactnet

# A source and the header of another network do not compile together.
for compiler in $compilers; do
    check 'a pair' $compiler -c case/net.c -o case/net.o
    sed 's/_CHECKSUM 0x......../_CHECKSUM 0x00000000/' case/net.h >other.h
    cp case/net.h own.h
    mv other.h case/net.h
    refuse 'a source with another header' $compiler -c case/net.c -o case/net.o
    mv own.h case/net.h
done

# A trained network says of each picture what its packed file says.
run reactnet r --algo reactnet
rm -rf case && mkdir case
check 'trained: export' "$pack" r --format c --output case/net.c
matches 'trained: memory' '^note: [0-9]+ bytes of constants .* work area of [0-9]+ bytes' .out
check 'trained: samples' "$evaluate" r --data-dir cifar --quiet --limit-test 40 \
    --save-inputs case/input.npy --save-outputs case/logits.npy
compile_and_run trained 40 yes

# ---- the command line ----

words=$(sed -n 's/.*_WORK_BYTES \([0-9]*\) .*/\1/p' case/net.h)
check 'as much memory as it takes' "$pack" r --format c --output fits.c --max-bytes "$words"
expect_fail 'less memory' "work area takes $words bytes.*--max-bytes" "$pack" r --format c \
    --output small.c --max-bytes $((words - 1))
expect_fail 'packed files and memory' '--max-bytes: the format packed has no use' "$pack" r \
    --output small.bnn --max-bytes 100
expect_fail 'no floats beside bits' '--emulate: the format c has no use' "$pack" r --format c \
    --output small.c --emulate
expect_fail 'no halves' '--float16: the format c has no use for that' "$pack" r --format c \
    --output small.c --float16
expect_fail 'not to standard output' 'two files' "$pack" r --format c --output -
expect_fail 'not under any name' 'two files' "$pack" r --format c --output small.h
expect_fail 'not under a name that is none' 'named after the file' "$pack" r --format c \
    --output a-b.c
for file in small.c small.h small.bnn a-b.c a-b.h; do
    check "$file is not there" test ! -e $file
done
check 'a model by the name of a header' cp r/best.safetensors net.h
expect_fail 'the header is not written over the model' 'net.h' "$pack" net.h --format c \
    --output net.c
same 'the model is as it was' r/best.safetensors net.h
check 'a name of its own' "$pack" r --format c
check 'a name of its own: source' grep -q best_run r/best.c
check 'a name of its own: header' grep -q best_run r/best.h

[ -n "$compilers" ] || exit 77
done_testing

#!/bin/sh
# neon.sh BUILD: the NEON kernels on a machine that has none: cross-builds what exercises kernels and
# runs it under qemu-user, on NEON and on generic C, which the tests compare where they can; then
# asks a model packed here, with the programs in BUILD, for its predictions on both machines.
# Skipped (77) where the cross compiler, the emulator or the libraries cannot be had.
set -eu
cd "$(dirname "$0")/.."
root=$PWD build=$PWD/build-neon sysroot=$PWD/build-neon/sysroot
jobs=$(nproc)

skip() {
    echo "SKIPPED: no NEON: $1"
    exit 77
}

if [ "$(uname -m)" = aarch64 ]; then
    echo "NEON needs no emulator on this machine: all tests have used it"
    exit 0
fi
tools/packages.sh gcc-aarch64-linux-gnu qemu-user-static make cmake pkg-config ||
    skip "the cross compiler or the emulator cannot be installed"
tools/sysroot.sh "$sysroot" arm64 zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev check \
    libgomp1 || skip "the libraries for arm64 cannot be downloaded"

cmake -S . -B "$build" --toolchain cmake/aarch64-linux-gnu.cmake -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_SYSROOT="$sysroot" "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64-static;-L;$sysroot" \
    >/dev/null
cmake --build "$build" -j"$jobs" --target check_kernels check_mixed check_bits check_binarizers \
    golden_runner bnn-eval

# The first two walk all instruction sets there are.
tests='check_kernels|check_mixed|check_bits|check_binarizers'
for isa in neon generic; do
    echo "== BNN_ISA=$isa, emulated"
    BNN_ISA=$isa ctest --test-dir "$build" --output-on-failure -j"$jobs" -R "^($tests)\$"
    tests='check_bits|check_binarizers'
done

# shellcheck disable=SC2317 # check calls it
emulate() { # ISA PROGRAM ARGUMENTS...
    emulate_isa=$1
    shift
    BNN_ISA=$emulate_isa qemu-aarch64-static -L "$sysroot" "$@"
}

set -- "$(cd "$1" && pwd)" "$(cd "$1/tests" && pwd)"
# shellcheck source=tests/programs/lib.sh
. tests/programs/lib.sh

golden=${BNN_GOLDEN:-$root/../shared/golden}
if [ -d "$golden" ]; then
    for isa in generic neon; do
        check "golden, $isa" emulate $isa "$build/tests/golden_runner" "$golden/layers"
    done
else
    echo "SKIPPED: no reference numbers in $golden (set BNN_GOLDEN)"
fi

# What is packed here says the same there, of every picture.
for algo in bnn reactnet; do
    run "$algo" $algo --algo $algo
    check "$algo: export" "$pack" $algo/last.safetensors --output $algo.bnn
    ask="$algo.bnn --data-dir cifar --quiet --limit-test 80"
    # shellcheck disable=SC2086 # words
    check "$algo: here" "$evaluate" $ask --predictions here --json here.json
    for isa in generic neon; do
        # shellcheck disable=SC2086 # words
        check "$algo: $isa" emulate $isa "$build/bnn-eval" $ask --predictions there \
            --json there.json
        equal "$algo: instruction set" "$(json there.json isa)" "cpu $isa"
        same "$algo: predictions here and with $isa" here there
        equal "$algo: loss here and with $isa" "$(json there.json loss 6)" "$(json here.json loss 6)"
    done
    [ "$(sort -u here | wc -l)" -gt 1 ] || fail "$algo: predicts one class only" here
    checks=$((checks + 1))
done
done_testing

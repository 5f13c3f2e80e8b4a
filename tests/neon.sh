#!/bin/sh
# neon.sh BUILD: the NEON kernels on machines that are not here, 64-bit and 32-bit ARM: cross-builds
# what exercises kernels and runs it under qemu-user, on NEON and on generic C, which the tests
# compare where they can; then asks a model packed here, with the programs in BUILD, for its
# predictions on both. A machine is skipped where its cross compiler, emulator or libraries cannot be
# had; all of it was (77) if both are. cycles.sh then reckons what the binary tile would do on some
# processors.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
jobs=$(nproc)

if [ "$(uname -m)" = aarch64 ]; then
    echo "NEON needs no emulator on this machine: all tests have used it"
    exit 0
fi

# What the rest asks for.
choose() { # MACHINE
    machine=$1
    case $machine in
    arm64) triple=aarch64-linux-gnu emulator=qemu-aarch64-static build=$root/build-neon ;;
    armhf) triple=arm-linux-gnueabihf emulator=qemu-arm-static build=$root/build-neon-armhf ;;
    esac
    sysroot=$build/sysroot
}

available() {
    if ! tools/packages.sh "gcc-$triple" qemu-user-static make cmake pkg-config; then
        echo "SKIPPED: no NEON of $machine: the cross compiler or the emulator cannot be installed"
    elif ! tools/sysroot.sh "$sysroot" "$machine" zlib1g-dev libjpeg62-turbo-dev libpng-dev \
        libjansson-dev check libgomp1; then
        echo "SKIPPED: no NEON of $machine: its libraries cannot be downloaded"
    else
        return 0
    fi
    return 1
}

# shellcheck disable=SC2317 # check calls it
emulate() { # ISA PROGRAM ARGUMENTS...
    emulate_isa=$1
    shift
    BNN_ISA=$emulate_isa "$emulator" -L "$sysroot" "$@"
}

# The first two walk all instruction sets there are.
run_kernels() {
    tests='check_kernels|check_mixed|check_bits|check_binarizers|check_graph|check_file'
    cmake -S . -B "$build" --toolchain "cmake/$triple.cmake" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_SYSROOT="$sysroot" "-DCMAKE_CROSSCOMPILING_EMULATOR=$emulator;-L;$sysroot" >/dev/null
    # All of it where a size has 32 bits, as warnings are others; gcc 12 for 64 bits crashes on some
    # tests' loops (fmax), and builds what is asked.
    if [ "$machine" = armhf ]; then
        cmake --build "$build" -j"$jobs"
    else
        tests='check_kernels|check_mixed|check_bits|check_binarizers|check_file'
        # shellcheck disable=SC2046 # words
        cmake --build "$build" -j"$jobs" --target $(echo "$tests" | tr '|' ' ') golden_runner \
            bnn-eval
    fi
    for isa in neon generic; do
        echo "== $triple, BNN_ISA=$isa, emulated"
        BNN_ISA=$isa ctest --test-dir "$build" --output-on-failure -j"$jobs" -R "^($tests)\$"
        tests='check_bits|check_binarizers'
    done
    tests/cycles.sh "$build/CMakeFiles/bnn.dir/cpu/tiles/b1_neon.c.o" "$triple" 80
}

# What is packed here says the same there, of every picture.
run_models() {
    for algo in bnn reactnet; do
        ask="$algo.bnn --data-dir cifar --quiet --limit-test 80"
        for isa in generic neon; do
            # shellcheck disable=SC2086 # words
            check "$algo: $triple, $isa" emulate $isa "$build/bnn-eval" $ask --predictions there \
                --json there.json
            equal "$algo: instruction set" "$(json there.json isa)" "cpu $isa"
            same "$algo: predictions here and with $isa of $triple" here.$algo there
            equal "$algo: loss here and with $isa of $triple" "$(json there.json loss 6)" \
                "$(json here.$algo.json loss 6)"
        done
    done
}

machines=
for each in arm64 armhf; do
    choose $each
    if available; then
        run_kernels
        machines="$machines $each"
    fi
done
[ -n "$machines" ] || exit 77

set -- "$(cd "$1" && pwd)" "$(cd "$1/tests" && pwd)"
# shellcheck source=tests/programs/lib.sh
. tests/programs/lib.sh

for algo in bnn reactnet; do
    run "$algo" $algo --algo $algo
    check "$algo: export" "$pack" $algo/last.safetensors --output $algo.bnn
    check "$algo: here" "$evaluate" $algo.bnn --data-dir cifar --quiet --limit-test 80 \
        --predictions here.$algo --json here.$algo.json
    [ "$(sort -u here.$algo | wc -l)" -gt 1 ] || fail "$algo: predicts one class only" here.$algo
    checks=$((checks + 1))
done
golden=${BNN_GOLDEN:-$root/../shared/golden}
[ -d "$golden" ] || echo "SKIPPED: no reference numbers in $golden (set BNN_GOLDEN)"
for each in $machines; do
    choose "$each"
    run_models
    for isa in generic neon; do
        [ ! -d "$golden" ] || check "golden, $triple, $isa" emulate $isa \
            "$build/tests/golden_runner" "$golden/layers"
    done
done
done_testing

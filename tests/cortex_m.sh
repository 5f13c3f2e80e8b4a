#!/bin/sh
# cortex_m.sh BUILD: exported C source on other machines, under emulators: Cortex-M3 and, with
# floats in hardware, M4, and 64-bit ARM. Small networks of the programs in BUILD, whose logits must
# be those of the packed file. A machine whose compiler or emulator cannot be installed is skipped,
# and counted; skipped as a whole (77) if all are.
set -eu
cd "$(dirname "$0")/.."
root=$PWD exported=$PWD/tests/exported
machines='' skipped=0

add() { # MACHINE PACKAGE...: if these can be installed
    machine=$1
    shift
    if tools/packages.sh "$@"; then
        machines="$machines $machine"
    else
        echo "SKIPPED: $machine: its compiler or emulator cannot be installed"
        skipped=$((skipped + 1))
    fi
}

for machine in cortex-m3 cortex-m4; do
    add $machine gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
done
if [ "$(uname -m)" != aarch64 ]; then
    add aarch64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
fi
[ -n "$machines" ] || exit 77

set -- "$(cd "$1" && pwd)" "$(cd "$1/tests" && pwd)"
# shellcheck source=tests/programs/lib.sh
. "$root/tests/programs/lib.sh"
# shellcheck source=tests/exported/lib_exported.sh
. "$exported/lib_exported.sh"

# shellcheck disable=SC2317 # check calls it
compile() { # MACHINE OPTIONS...
    machine=$1
    shift
    case $machine in
    cortex-m3) set -- -mcpu=cortex-m3 -mthumb "$@" ;;
    cortex-m4) set -- -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 "$@" ;;
    esac
    case $machine in
    cortex-*)
        # shellcheck disable=SC2086 # words
        arm-none-eabi-gcc $strict -O2 "$@" -c case/net.c -o case/net.o &&
            arm-none-eabi-gcc -O2 "$@" -Icase -include case/net.h --specs=rdimon.specs -nostartfiles \
                -T "$exported/cortex_m.ld" "$exported/cortex_m.c" "$exported/run.c" case/net.o \
                -o case/run
        ;;
    *)
        # shellcheck disable=SC2086 # words
        aarch64-linux-gnu-gcc $strict -O2 "$@" -static -Icase -include case/net.h case/net.c "$exported/run.c" \
            -o case/run
        ;;
    esac
}

# shellcheck disable=SC2317 # check calls it
emulate() ( # MACHINE
    cd case
    case $1 in
    cortex-m3) board=mps2-an385 ;;
    cortex-m4) board=mps2-an386 ;;
    *) exec timeout 60 qemu-aarch64-static ./run ;;
    esac
    exec timeout 60 qemu-system-arm -M "$board" -cpu "$1" -semihosting -nographic -kernel run
)

try() { # ARCH SIZE ALGO...
    arch=$1 size=$2
    shift 2
    for algo in "$@"; do
        make_case "$arch" "$algo" "$size" 5 2
        for machine in $machines; do
            # shellcheck disable=SC2046 # a word or none
            check "$arch $algo: compiler of $machine" compile "$machine" $(pixels_of "$arch")
            judge_run "$arch $algo: $machine" 2 $rounded emulate "$machine"
        done
    done
}

try resnet20 1x32x32 bnn xnor dorefa bireal xnorpp reactnet recu fda
try resnet20 1x12x12 fp32
try vgg_small 3x8x8 bnn xnorpp
try pointnet 3x1x8 reactnet xnor
try pointnet_vanilla 3x1x9 recu
try pointnet_partseg 3x1x8 bnn
try fsmn 1x32x8 bnn xnor
try deep_fsmn 1x32x16 bireal xnorpp
echo "$skipped machines skipped"
done_testing

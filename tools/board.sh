#!/bin/sh
# board.sh USER@HOST MODEL... [-- OPTIONS of bnn-bench infer]: how fast packed models, checkpoints or
# runs (their folders stand for their best) are on an ARM board or phone that ssh reaches (a Raspberry
# Pi, Termux). Cross-compiles bnn-bench without shared libraries for what the board is, copies it and
# the models to a folder of their own there, measures each beside its float twin, fetches what is
# measured to board/HOST/NAME.json, prints a row a model, and removes what it copied. NAME is the
# file's; of a checkpoint in a run's folder that folder's; if it is taken already, with a number. On
# Debian; installs the cross compiler if it is missing. bnn-report inference board makes one table of
# all that was fetched.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    echo "board.sh: $1" >&2
    exit 1
}

[ $# -ge 2 ] || fail "usage: tools/board.sh USER@HOST MODEL... [-- OPTIONS of bnn-bench infer]"
host=$1
shift

file_of() { # MODEL
    if [ -d "$1" ]; then
        echo "${1%/}/best.safetensors"
    else
        echo "$1"
    fi
}

# All runs call their checkpoints the same.
name_of() { # FILE
    case ${1##*/} in
    best.safetensors | last.safetensors)
        folder=$(basename -- "$(cd "$(dirname -- "$1")" && pwd)")
        case ${1##*/} in
        best.*) echo "$folder.safetensors" ;;
        last.*) echo "$folder-last.safetensors" ;;
        esac
        ;;
    *) basename -- "$1" ;;
    esac
}

named=
for word in "$@"; do
    [ "$word" != -- ] || break
    file=$(file_of "$word")
    [ -e "$word" ] || fail "$word: there is no such file"
    [ -f "$file" ] || fail "$word: has no best.safetensors, so it is no run that got so far"
    case $file in
    *.tflite | *.onnx | *.dab | *.c)
        fail "$word: the board runs packed files and checkpoints only; name what it was exported from"
        ;;
    esac
    case $(name_of "$file") in
    -* | *[!A-Za-z0-9._-]*) fail "$word: rename it; a name of letters, digits, '.', '_' and '-' is safe" ;;
    esac
    named=yes
done
[ -n "$named" ] || fail "no model is named"

work=$(mktemp -d)
there=
# One connection, so that a password is asked for once.
shared="-o ControlMaster=auto -o ControlPersist=60 -o ControlPath=$work/%C"
on_board() {
    # shellcheck disable=SC2086,SC2029 # words; expanded here
    ssh $shared "$host" "$1" </dev/null
}
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    [ -z "$there" ] || on_board "rm -rf '$there'" || echo "board.sh: $host: $there is left" >&2
    # shellcheck disable=SC2086 # words
    ssh $shared -O exit "$host" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

kind=$(on_board 'uname -m') || fail "$host: ssh does not get there"
case $kind in
aarch64 | arm64) machine=arm64 triple=aarch64-linux-gnu ;;
armv7* | armv8*) machine=armhf triple=arm-linux-gnueabihf ;;
*) fail "$host: is $kind; programs are built for aarch64 and armv7l" ;;
esac

build=$root/build-board-$machine
(
    cd "$root"
    tools/packages.sh "gcc-$triple" make cmake pkg-config
    tools/sysroot.sh "$build/sysroot" "$machine" zlib1g-dev libjpeg62-turbo-dev libpng-dev \
        libjansson-dev libgomp1
    cmake -S . -B "$build" --toolchain "cmake/$triple.cmake" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_SYSROOT="$build/sysroot" -DBNN_STATIC=ON -DBNN_TESTS=OFF
    cmake --build "$build" -j"$(nproc)" --target bnn-bench
) >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "bnn-bench cannot be built for $kind"
}

# Not /tmp, which Termux lacks and others mount so that nothing in it runs.
# shellcheck disable=SC2016 # expanded there
there=$(on_board 'mktemp -d "$HOME/bnn-board.XXXXXX"') || fail "$host: no folder can be made there"
results=board/${host##*@}
mkdir -p "$results"
copy() {
    # shellcheck disable=SC2086 # words
    scp -q $shared "$@" || fail "$host: scp fails"
}
copy "$build/bnn-bench" "$host:$there/"

# The values of one row: they stand a line each.
row() { # FILE
    awk -v model="$(basename "$1" .json)" '
        /^  \{/ { rows++ }
        rows == 1 && /^    "/ {
            key = $1; gsub(/[":]/, "", key)
            value = $0; sub(/^[^:]*: /, "", value); sub(/,$/, "", value); gsub(/"/, "", value)
            of[key] = value
        }
        END {
            printf "%-28s %9.3f ms %9.3f ms %6.2f %10d bytes %6.2f %8.1f MiB  %s, %s, threads: %s\n", model,
                1e3 * of["seconds"], 1e3 * of["baseline_seconds"], of["ratio"], of["file_bytes"],
                of["size_ratio"], of["peak_bytes"] / 1048576, of["cpu"], of["isa"], of["threads"]
        }' "$1"
}

options=
behind=
for word in "$@"; do
    [ -z "$behind" ] || options="$options '$word'"
    [ "$word" != -- ] || behind=yes
done
printf '%-28s %12s %12s %6s %16s %6s %12s\n' model median float ratio file ratio memory
# NAME, or with a number, so that no earlier result is lost.
free_name() { # NAME
    free=$1 number=1
    while [ -e "$results/$free.json" ]; do
        number=$((number + 1))
        free=${1%.*}-$number.${1##*.}
    done
    echo "$free"
}

failed=0
for model in "$@"; do
    [ "$model" != -- ] || break
    file=$(file_of "$model")
    named=$(name_of "$file")
    name=$(free_name "$named")
    [ "$name" = "$named" ] ||
        echo "board.sh: $results/$named.json is there already; $model becomes $name" >&2
    copy "$file" "$host:$there/$name"
    if on_board "cd '$there' && ./bnn-bench infer '$name' --batch-size 1 --json '$name.json'$options" \
        >"$work/log" 2>&1; then
        copy "$host:$there/$name.json" "$results/"
        row "$results/$name.json"
    else
        echo "board.sh: $name: $(tail -n 1 "$work/log")" >&2
        failed=1
    fi
done
exit $failed

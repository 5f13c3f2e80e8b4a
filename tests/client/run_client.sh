#!/bin/sh
# run_client BUILD CMAKE CC FLAGS: installs BUILD into a temporary prefix, moves it, and there lets a
# client be built both ways, by pkg-config and by CMake, with the shared library and the archive, and
# run on a checkpoint and a packed file.
set -eu
build=$1 cmake=$2 cc=$3 flags=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work"

fail() {
    echo "run_client: $1" >&2
    exit 1
}

quiet() {
    "$@" >log 2>&1 || { cat log; fail "failed: $*"; }
}

quiet "$cmake" --install "$build" --prefix "$work/first"
mv first moved
prefix=$work/moved
for file in bin/bnn-train bin/bnn-eval bin/bnn-export bin/bnn-corrupt bin/bnn-bench include/bnn.h \
    share/bnn/torch_step.py share/bnn/data_torch.py share/bnn/onnx_infer.py share/bnn/twins.py share/bnn/detectors.py share/bnn/worker.py \
    share/bnn/check_lce.py share/bnn/check_dab.py share/bnn/check_onnx.py; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
for program in "$prefix"/bin/*; do
    page=$prefix/share/man/man1/${program##*/}.1
    grep -q '^\.TH' "$page" || fail "no manual page ${page##*/}"
done
lib=$(dirname "$(find "$prefix" -name libbnn.a)")
for file in libbnn.so pkgconfig/bnn.pc cmake/bnn/bnnConfig.cmake cmake/bnn/bnnConfigVersion.cmake \
    cmake/bnn/bnnTargets.cmake cmake/bnn/bnnStatic.cmake; do
    [ -s "$lib/$file" ] || fail "$file is not installed"
done
# The shared library's name is the interface's version, and it shows what bnn.h declares, no more.
api=$(sed -n 's/^#define BNN_API_VERSION //p' "$prefix/include/bnn.h")
[ "$(readlink "$lib/libbnn.so")" = "libbnn.so.$api" ] || fail "libbnn.so is not libbnn.so.$api"
sed -n '/^static/d;s/^[a-z].*[ *]\(bnn_[a-z_]*\)(.*/\1/p' "$prefix/include/bnn.h" | sort >declared
nm -D --defined-only "$lib/libbnn.so" | sed 's/.* //' | sort >shown
diff declared shown || fail "libbnn.so shows (>) other names than bnn.h declares (<)"
# Nothing may point to where it was built or first put.
if grep -rlF -e "$work/first" -e "$build/" "$lib/pkgconfig" "$lib/cmake"; then
    fail "the files above name a folder that a user does not have"
fi

# shellcheck source=tests/fixtures/grey_pictures.sh
. "$here/../fixtures/grey_pictures.sh"
mkdir data
make_data train 64
make_data t10k 16
quiet "$prefix/bin/bnn-train" --algo reactnet --arch resnet20 --data mnist --data-dir data \
    --epochs 1 --batch-size 32 --output run
quiet "$prefix/bin/bnn-export" run/last.safetensors --output model.bnn

PKG_CONFIG_PATH=$lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
# A linker given both takes the shared one; what is linked for good needs the archive's own name. (A
# sanitizer is never linked for good.)
static=-static
[ -z "$flags" ] || static=
# shellcheck disable=SC2046,SC2086 # lists of flags
quiet "$cc" $flags $(pkg-config --cflags bnn) -Wall -Werror "$here/main.c" -o client-shared \
    $(pkg-config --libs bnn)
# shellcheck disable=SC2046,SC2086
quiet "$cc" $flags $static $(pkg-config --cflags bnn) "$here/main.c" -o client-static \
    $(pkg-config --static --libs bnn | sed 's/-lbnn/-l:libbnn.a/')
# shellcheck disable=SC2046,SC2086
quiet "$cc" $flags $(pkg-config --cflags bnn) -Wall -DBNN_SONAME="\"$api\"" "$here/plugin.c" \
    -o plugin -pthread -ldl
quiet "$cmake" -S "$here" -B by-cmake -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix"
quiet "$cmake" --build by-cmake

LC_ALL=C
export LC_ALL
LD_LIBRARY_PATH=$lib
export LD_LIBRARY_PATH
./client-shared run/last.safetensors >expected
grep -q '^resnet20 reactnet 32x32x3: class [0-9] of 10, ' expected || fail "output: $(cat expected)"
for client in ./client-shared ./client-static by-cmake/client-bnn by-cmake/client-static; do
    for model in run/last.safetensors model.bnn; do
        $client $model >got
        cmp expected got || fail "$client $model: $(cat got), not $(cat expected)"
    done
done
for client in client-shared by-cmake/client-bnn; do
    readelf -d $client | grep -q "NEEDED.*libbnn.so.$api]" || fail "$client is not linked shared"
done
for client in client-static by-cmake/client-static; do
    ! readelf -d $client | grep -q 'NEEDED.*libbnn' || fail "$client needs the shared library"
done
for model in run/last.safetensors model.bnn; do
    # LeakSanitizer cannot look at the memory of threads of a library that was closed.
    ASAN_OPTIONS=detect_leaks=0 ./plugin $model || fail "plugin $model"
done
if ./client-static data/train-labels-idx1-ubyte 2>refusal; then
    fail "a file that is no model was taken for one"
fi
[ "$(wc -l <refusal)" = 1 ] || fail "not one line: $(cat refusal)"

# Where a comma is the decimal point, and where I is not the capital of i. %a writes a point there,
# too, but as the locale has it.
for locale in de_DE tr_TR; do
    if ! localedef -i $locale -f UTF-8 "$work/$locale.UTF-8" 2>/dev/null; then
        echo "SKIPPED: no locale $locale (package locales)"
        continue
    fi
    for model in run/last.safetensors model.bnn; do
        LOCPATH=$work LC_ALL=$locale.UTF-8 ./client-shared $model | tr , . >got
        tr , . <expected | cmp - got || fail "$model in $locale: $(cat got)"
    done
    if LOCPATH=$work LC_ALL=$locale.UTF-8 ./client-shared nowhere 2>got; then
        fail "a file that is not there was loaded"
    fi
    grep -q 'nowhere: cannot open for reading: No such file or directory' got ||
        fail "the message in $locale: $(cat got)"
done
cat expected

#!/bin/sh
# run_package BUILD CPACK: makes the packages of a build, unpacks each into an empty folder, and works
# from there: every program answers, plans are found, a network is trained, packed and evaluated. The
# Debian package does it once more, in a root with nothing but the libraries of the packages that it
# asks for.
set -eu
build=$1 cpack=$2
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v dpkg-deb >/dev/null || ! command -v dpkg-shlibdeps >/dev/null; then
    echo "SKIPPED: no dpkg-deb or dpkg-shlibdeps (package dpkg-dev)"
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/bnn-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work"

fail() {
    echo "run_package: $1" >&2
    exit 1
}

quiet() {
    "$@" >log 2>&1 || {
        cat log
        fail "failed: $*"
    }
}

quiet "$cpack" --config "$build/CPackConfig.cmake" -B "$work/made"
deb=$(find made -maxdepth 1 -name '*.deb') tgz=$(find made -maxdepth 1 -name '*.tar.gz')
for file in "$deb" "$tgz"; do
    [ -s "$file" ] || fail "not both packages were made: $(ls made)"
done

# ---- what the package says ----
dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/^ *//; s/[ |(:].*//' | sort -u >depends
for package in libc6 libjansson4 zlib1g; do
    grep -qx "$package" depends || fail "the package does not ask for $package: $(cat depends)"
done
[ "$(dpkg-deb -f "$deb" Package)" = bnn ] || fail "the package has another name"

# ---- unpacked ----
mkdir root
dpkg-deb -x "$deb" root
tar -xzf "$tgz"
unpacked=$(find . -maxdepth 1 -type d -name 'bnn-*')
for file in bin/bnn-train include/bnn.h share/bnn/plans/quick.json share/doc/bnn/README.md \
    share/doc/bnn/copyright share/bash-completion/completions/bnn-train; do
    [ -s "root/usr/$file" ] || fail "the Debian package has no $file"
    [ -s "$unpacked/$file" ] || fail "the archive has no $file"
done
[ -s root/usr/share/zsh/vendor-completions/_bnn-train ] || fail "Debian's zsh finds no completion"
(cd root/usr && find . -type f | sed 's,vendor-completions,site-functions,' | sort) >of_deb
(cd "$unpacked" && find . -type f | sort) >of_tgz
diff of_deb of_tgz || fail "one package has (<) and the other (>)"

# shellcheck source=tests/fixtures/grey_pictures.sh
. "$here/../fixtures/grey_pictures.sh"
mkdir data
make_data train 64
make_data t10k 16

try() { # BIN OUT WRAP...: works with the programs there, through WRAP, which sees the data as DATA
    bin=$1 out=$2
    shift 2
    for program in $programs; do
        quiet "$@" "$bin/$program" --help
        quiet "$@" "$bin/$program" --version
    done
    quiet "$@" "$bin/bnn-train" --algo reactnet --arch resnet20 --data mnist --data-dir "$DATA" \
        --epochs 1 --batch-size 32 --output "$out/run"
    quiet "$@" "$bin/bnn-export" "$out/run/last.safetensors" --output "$out/model.bnn"
    quiet "$@" "$bin/bnn-eval" "$out/model.bnn" --data-dir "$DATA"
    grep -q 'resnet20, reactnet, packed' log || fail "bnn-eval said: $(cat log)"
    quiet "$@" "$bin/bnn-data" list
}

programs=$(ls root/usr/bin)
[ "$(echo "$programs" | wc -l)" -ge 9 ] || fail "programs are missing: $programs"
DATA=$work/data
for place in "$work/root/usr" "$work/${unpacked#./}"; do
    try "$place/bin" "$work/out" env -i PATH=/nowhere
    rm -rf out
    mkdir empty
    (cd empty && quiet env -i "$place/bin/bnn-sweep" plan quick --no-measure &&
        grep -q '^images  *fp32' log) || fail "$place: the plan is not found"
    rm -rf empty
done

# ---- in a root of its own ----
# The libraries of a package, and of what it asks for.
closure() {
    : >seen
    cp depends todo
    while [ -s todo ]; do
        sort -u todo >now
        comm -23 now seen >new
        sort -u seen now >all
        mv all seen
        # shellcheck disable=SC2046 # a list
        [ ! -s new ] || dpkg-query -W -f='${Depends}, ${Pre-Depends}\n' $(cat new) 2>/dev/null |
            tr ',' '\n' | sed 's/^ *//; s/[ |(:].*//' | grep -E '^(lib|zlib)' | sort -u >todo
        [ -s new ] || : >todo
    done
}
if [ "$(id -u)" -ne 0 ]; then
    echo "SKIPPED: only root can try the package in a root of its own"
    exit 0
fi
closure
for link in lib lib64; do # as the system has them
    [ ! -L "/$link" ] || ln -s "$(readlink "/$link")" "root/$link"
done
# shellcheck disable=SC2046 # a list
dpkg-query -L $(cat seen) 2>/dev/null | grep -E '\.so(\.|$)' | while read -r file; do
    [ ! -e "$file" ] || echo "$(readlink -f "${file%/*}")/${file##*/}"
done | sort -u | tar -C / -chf libraries.tar -T - 2>/dev/null || true
tar -C root -xf libraries.tar
if ! chroot root /usr/bin/bnn-train --version >log 2>&1; then
    cat log
    # A sanitizer's library, as of the tests' build, is no part of a release.
    readelf -d root/usr/bin/bnn-train | grep -q 'lib[at]san' || fail "does not start in a root of its own"
    echo "SKIPPED: built with sanitizers, which a root of its own lacks"
    exit 0
fi
mkdir root/data root/work
cp data/* root/data
DATA=/data
try /usr/bin /work chroot root
echo "$(wc -l <seen) packages are enough for: $(echo "$programs" | tr '\n' ' ')"

#!/bin/sh
# check_layering [ROOT [BUILD]]: who may include whom (and what a library may not do), held by a
# script since no compiler does. An include of ours is written from the root, so the path is the
# dependency. With the folder of a build also who calls whom, as a declaration of one's own, or a
# header of a lower room, would hide it. Prints each violation as file:line: text.
set -eu
build=${2:+$(cd "$2" && pwd)}
cd "${1:-$(dirname "$0")/../..}"
found=$(mktemp) symbols=$(mktemp)
trap 'rm -f "$found" "$symbols"' EXIT

rooms="engine cpu layers optim data_loaders models tools tests"
[ ! -d cuda ] || rooms="$rooms cuda" # empty so far, and git keeps no empty folder
# shellcheck disable=SC2086 # a list
sources() {
    find $rooms -type f \( -name '*.[ch]' -o -name '*.inc' -o -name '*.cu' -o -name '*.cuh' \) |
        LC_ALL=C sort
}

# What a file may include: paths, a folder's with a slash at the end. The first fitting line holds.
may_include() {
    case $1 in
    engine/base/*) echo "engine/base/" ;;
    engine/io/*) echo "engine/base/ engine/io/" ;;
    engine/*) echo "engine/" ;;
    cpu/tiles/*) echo "engine/device.h engine/kernels.h engine/ste.h cpu/tiles/" ;;
    cpu/conv/*) echo "engine/device.h engine/kernels.h engine/ste.h cpu/tiles/ cpu/conv/" ;;
    cpu/*) echo "engine/base/ engine/device.h engine/kernels.h engine/ste.h engine/boxes.h engine/exp.h engine/sincos.h cpu/" ;;
    cuda/*) echo "engine/base/ engine/comm.h engine/device.h engine/kernels.h engine/ste.h engine/boxes.h engine/exp.h engine/sincos.h cuda/" ;;
    layers/*) echo "engine/ layers/" ;;
    optim/*) echo "engine/base/ engine/device.h engine/kernels.h optim/" ;;
    data_loaders/*) echo "engine/base/ engine/comm.h engine/io/ data_loaders/" ;;
    models/*) echo "engine/ layers/ optim/ models/" ;;
    tools/ranks/*) echo "engine/base/ engine/comm.h tools/ranks/" ;;
    tools/*)
        echo "engine/ cpu/ cuda/ layers/ optim/ data_loaders/ models/ tools/cli/"
        case $1 in
        tools/cli/*) ;;
        tools/run/*) echo "tools/run/" ;;
        tools/train/*) echo "tools/run/ tools/train/" ;;
        tools/corrupt/*) echo "tools/run/ tools/train/ tools/corrupt/" ;;
        tools/fetch/*) echo "tools/fetch/" ;;
        tools/tracks/*) echo "tools/tracks/" ;;
        tools/sweep/*) echo "tools/run/ tools/train/ tools/corrupt/ tools/tracks/ tools/sweep/" ;;
        tools/report/*) echo "tools/run/ tools/corrupt/ tools/tracks/ tools/sweep/ tools/report/" ;;
        tools/export/*) echo "tools/run/ tools/export/" ;;
        *) echo "tools/" ;;
        esac
        ;;
    tests/*) echo "engine/ cpu/ cuda/ layers/ optim/ data_loaders/ models/ tools/ tests/" ;;
    esac
}

# Both forms of include: <engine/...> would be ours too.
check_includes() {
    grep -nE '^[[:space:]]*#[[:space:]]*include' "$1" |
        sed -nE 's/^([0-9]+):[^"<]*(["<])([^">]*)[">].*/\1 \2 \3/p' |
        while read -r line quote path; do
            case "$quote ${path%%/*}" in
            "< engine" | "< cpu" | "< cuda" | "< layers" | "< optim" | "< data_loaders" | \
                "< models" | "< tools" | "< tests" | '"'*) ;;
            *) continue ;;
            esac
            allowed=no
            for start in $(may_include "$1"); do
                case $path in
                "$start" | "${start%/}"/*) allowed=yes ;;
                esac
            done
            if [ ! -f "$path" ]; then
                echo "$1:$line: no file of the repository is called $path (from its root)"
            elif [ $allowed = no ]; then
                echo "$1:$line: may not include $path"
            fi
        done
}

# What a room's objects may take from others: rooms, and what lies in them.
may_call() {
    case $1 in
    engine/base) echo "engine/base" ;;
    engine/io) echo "engine/base engine/io" ;;
    engine*) echo "engine" ;;
    cpu*) echo "engine/base cpu" ;;
    cuda*) echo "engine/base cpu cuda" ;;
    layers*) echo "engine layers" ;;
    optim) echo "engine/base optim" ;;
    data_loaders*) echo "engine/base engine/io data_loaders" ;;
    models*) echo "engine cpu layers optim models" ;;
    esac
}

# Undefined symbols of each object against the room that defines them.
check_calls() {
    find "$build"/CMakeFiles/*.dir -name '*.c.o' | while read -r object; do
        path=${object#"$build"/CMakeFiles/*.dir/}
        nm "$object" | awk -v file="${path%.o}" 'NF >= 2 { print file, $(NF - 1), $NF }'
    done >"$symbols"
    awk 'function room(f) { sub(/\/[^\/]*$/, "", f); return f }
        NR == FNR { if ($2 ~ /[TDRBC]/ && !($3 in home)) home[$3] = room($1); next }
        $2 == "U" && ($3 in home) && home[$3] != room($1) { print room($1), home[$3], $1, $3 }
        ' "$symbols" "$symbols" | while read -r from to file symbol; do
        case $from in
        tools*) continue ;;
        esac
        allowed=no
        for room in $(may_call "$from"); do
            case $to/ in
            "$room"/*) allowed=yes ;;
            esac
        done
        [ $allowed = yes ] || echo "$file: may not use $symbol of $to"
    done
}

# Lines without comments and strings, so that only code is searched.
code_of() {
    awk -v name="$1" '{
        text = $0; code = ""
        while (text != "") {
            if (inside) {
                end = index(text, "*/")
                if (!end) { text = ""; break }
                text = substr(text, end + 2); inside = 0
            } else if (match(text, /\/\*|\/\/|"([^"\\]|\\.)*"|'\''([^'\''\\]|\\.)+'\''/)) {
                mark = substr(text, RSTART, 2)
                code = code substr(text, 1, RSTART - 1) " "
                text = mark == "//" ? "" : substr(text, RSTART + RLENGTH)
                inside = mark == "/*"
            } else {
                code = code text; text = ""
            }
        }
        print name ":" NR ": " code
    }' "$1"
}

sources | while read -r file; do
    check_includes "$file"
    case $file in
    cuda/*) ;;
    *)
        code_of "$file" | grep -E '^[^:]*:[0-9]+: *# *(if|ifdef|ifndef|elif|elifdef)\b.*CUDA' |
            sed 's/$/   <- device code belongs into cuda\//' || true
        ;;
    esac
    case $file in
    tools/* | tests/*) ;;
    *)
        code_of "$file" |
            grep -E '(^|[^A-Za-z0-9_])(abort|_?exit|_Exit|quick_exit|assert|v?printf|puts|putchar|perror) *\(|(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)' |
            sed 's/$/   <- the library returns statuses; it never exits, aborts or prints/' || true
        ;;
    esac
    case $file in
    models/* | tools/*)
        code_of "$file" |
            grep -E '(^|[^A-Za-z0-9_])bnn_(f32|i16|i32|u8|bits|f64|grad|graph_data|block_[a-z0-9]+) *\(' |
            sed 's/$/   <- memory of tensors is the device\x27s; see bnn_graph_get and bnn_graph_put/' || true
        ;;
    esac
    case $file in
    tools/* | tests/* | engine/base/text.c) ;;
    *)
        code_of "$file" |
            grep -E '(^|[^A-Za-z0-9_])(strto(d|f|ld)|ato[fi]|s?scanf|strerror(_r)?|perror|setlocale|uselocale|localeconv|is(alpha|alnum|digit|space|upper|lower|print|punct)|to(lower|upper)|strn?casecmp|strcoll|strtok|vsn?printf) *\(' |
            sed 's/$/   <- depends on the locale, or on other threads; see engine\/base\/text.h/' || true
        ;;
    esac
done >"$found"
find . -path './build*' -prune -o -path ./.git -prune -o -type f \
    \( -name CMakeLists.txt -o -name '*.cmake' -o -name '*.cmake.in' \) \
    -exec grep -nHE 'm(arch|cpu|tune)=native' {} + |
    sed 's/$/   <- one instruction set, one file; never native/' >>"$found" || true

[ -z "$build" ] || check_calls >>"$found"

if [ -s "$found" ]; then
    cat "$found"
    echo "$(wc -l <"$found") violations of the layering"
    exit 1
fi
echo "$(sources | wc -l) files, no violation"

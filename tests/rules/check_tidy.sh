#!/bin/sh
# check_tidy BUILD [COMMITS]: clang-tidy 14 finds nothing (.clang-tidy) in the files that BUILD
# compiles; each once, though some are compiled for several programs. Its analyzer takes nearly all of
# the time: with COMMITS, and where the history is there, it looks only at what so many last commits
# changed. Other versions have other checks, so without this one the test is skipped (77).
set -eu
build=$(cd "$1" && pwd)
commits=${2:-}
cd "$(dirname "$0")/../.."
# shellcheck source=tests/rules/clang_14.sh
. tests/rules/clang_14.sh
clang_14 tidy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
# CMake writes an entry as five lines, the third of them the file.
awk -v list="$work/files" '
    /^{/ { entry = "" }
    { entry = entry $0 "\n" }
    /^  "file": / { file = $0; sub(/^  "file": "/, "", file); sub(/",?$/, "", file) }
    # clang does not know the options of nvcc, and what a test is going to write is not there.
    /^}/ && file !~ /\.cu$/ && !(file in seen) && (getline line <file) >= 0 {
        close(file)
        seen[file] = 1
        sub(/},?\n$/, "}", entry)
        printf "%s%s", (count++ ? ",\n" : "[\n"), entry
        print file >list
    }
    END { print "\n]" }' "$build/compile_commands.json" >"$work/compile_commands.json"
[ -s "$work/files" ] || { echo "check_tidy: $build compiles nothing" >&2; exit 1; }
# What clang-tidy counts and leaves out it says on stderr, and so what it cannot do.
look() { # FILES OPTIONS...
    files=$1
    shift
    if ! xargs -r -P "$(nproc)" -n 1 "$tool" --quiet -p "$work" "$@" <"$files" 2>"$work/log"; then
        grep -v ' warnings\{0,1\} generated\|^Suppressed \|^Use -' "$work/log" >&2 || :
        exit 1
    fi
}
cp "$work/files" "$work/analyzed"
if [ -n "$commits" ] && changed=$(git log "-$commits" --format= --name-only 2>"$work/log"); then
    look "$work/files" '--checks=-clang-analyzer-*'
    echo "$changed" | sort -u | sed "s|^|$PWD/|" >"$work/changed"
    sort "$work/files" | comm -12 - "$work/changed" >"$work/analyzed"
fi
look "$work/analyzed"
echo "clang-tidy: $(wc -l <"$work/files") files, $(wc -l <"$work/analyzed") analyzed, no findings"

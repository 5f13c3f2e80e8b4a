#!/bin/sh
# run_document DOCUMENT PROGRAMS HELPERS CMAKE: does what a document of docs/ tells its reader to do, in
# a folder of its own, and compares what is printed with what the document shows.
#
# A block "```c PATH" (or json) is the file PATH. In a block "```console" a line "$ COMMAND" is a command,
# "> " goes on with it; the other lines are what it prints: each must be printed, but for numbers (and
# dashes in their place), unless it has "...". A comment "<!-- short: SED -->" changes commands and JSON so that they take seconds.
document=$1 programs=$2 helpers=$3 cmake=$4
shift
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
# shellcheck source=tests/programs/lib.sh
. "$here/../programs/lib.sh"
mkdir "$work/doc" "$work/blocks" "$work/bin"
cd "$work/doc" || exit 1

# ---- what the document has ----
sed -n 's/^<!-- short: \(.*\) -->$/\1/p' "$document" >"$work/short"
sed -n 's/^```[a-z]* \([^ ]*\)$/\1/p' "$document" | while read -r file; do
    case $file in
    */*) mkdir -p "${file%/*}" ;;
    esac
done
awk -v blocks="$work/blocks" '
    /^```/ && !inside {
        inside = 1
        file = NF > 1 ? $2 : ""
        console = $1 == "```console"
        next
    }
    /^```$/ { inside = 0; file = ""; console = 0; next }
    file != "" { print > file }
    console && /^[$] / {
        name = sprintf("%s/%03d", blocks, ++count)
        print substr($0, 3) > (name ".command")
        printf "" > (name ".shown")
        next
    }
    console && /^> / { print substr($0, 3) > (name ".command"); next }
    console { print > (name ".shown") }' "$document"
for file in *.json; do
    [ ! -e "$file" ] || sed -i -f "$work/short" "$file"
done

# ---- what the reader has ----
mkdir data
cp -r "$work/cifar" data/cifar-10-batches-bin
if [ -d layers/binarizers ]; then
    cp -n "$tree"/layers/binarizers/* layers/binarizers/
fi
# Of the tree only what the document adds is compiled, and linked in front of the rest.
cat >"$work/bin/cmake" <<END_OF_CMAKE
#!/bin/sh
set -e
mkdir -p "$helpers/docs"
for file in layers/binarizers/*.c; do
    [ -e "$tree/\$file" ] || cp "\$file" "$helpers/docs/added.c"
done
cp layers/binarizers/binarizer.c "$helpers/docs/binarizer.c"
for name in train eval export; do
    "$cmake" --build "$programs" --target document_\$name >"$work/build.log" 2>&1 || {
        cat "$work/build.log"
        exit 1
    }
done
cp "$helpers"/docs/bnn-* "$work/bin"
END_OF_CMAKE
cp "$here/../fixtures/sbatch" "$work/bin"
chmod +x "$work/bin/cmake"
PATH=$work/bin:$programs:$PATH
export PATH

# ---- its commands ----
alike() { # FILE: lines without what changes from run to run
    sed -E 's/\(cpu [a-z0-9_]+\)/(cpu N)/; s/[0-9]+([.,:][0-9]+)*/N/g; s/ +/ /g; s/^ //; s/ *[*]?$//
        :dash; s/ -( |$)/ N\1/; tdash' "$1"
}
for command in "$work"/blocks/*.command; do
    name=${command%.command}
    sed -f "$work/short" "$command" >"$name.short"
    check "$(head -n 1 "$command")" sh -e "$name.short"
    cat "$work/.out" "$work/.err" >"$name.printed"
    [ "$test_status" -eq 0 ] || done_testing
    alike "$name.printed" >"$name.alike"
    grep -v -F ... "$name.shown" >"$name.exact"
    alike "$name.exact" >"$name.expected"
    while read -r line; do
        checks=$((checks + 1))
        grep -q -x -F -e "$line" "$name.alike" ||
            fail "$(head -n 1 "$command"): does not print '$line', but" "$name.printed"
    done <"$name.expected"
done
done_testing

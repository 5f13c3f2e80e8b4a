# What the tests of bnn-bench share; sourced, with the folders of the programs and of make_data.
# shellcheck shell=sh
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir temporary
export TMPDIR="$work/temporary"

# A network, and so few pixels and images that measuring takes no time.
# shellcheck disable=SC2034 # used by those who source this
tiny='--arch resnet20 --image-size 8 --batch-size 2'

# Each row of FILE: all keys, ratios that are what they say. Prints the number of rows.
# shellcheck disable=SC2317 # check calls it
rows_are_sound() { # FILE
    rows=$(json "$1" '#')
    [ "$rows" -gt 0 ] || return 1
    i=0
    while [ "$i" -lt "$rows" ]; do
        for key in case seconds fastest_seconds baseline peak_bytes cpu isa threads repeat; do
            json "$1" "$i.$key" >/dev/null || return 1
        done
        if json "$1" "$i.baseline_seconds" 12 >number; then
            awk -v a="$(json "$1" "$i.seconds" 12)" -v b="$(cat number)" \
                -v r="$(json "$1" "$i.ratio" 12)" -v p="$(json "$1" "$i.peak_bytes" 0)" \
                -v q="$(json "$1" "$i.baseline_peak_bytes" 0)" \
                -v m="$(json "$1" "$i.memory_ratio" 12)" \
                -v c="$(json "$1" "$i.fastest_seconds" 12)" \
                -v d="$(json "$1" "$i.baseline_fastest_seconds" 12)" \
                -v s="$(json "$1" "$i.fastest_ratio" 12)" 'BEGIN {
                    exit !(a > 0 && b > 0 && (r * a / b - 1)^2 < 1e-8 && p > 0 && q > 0 &&
                        (m * p / q - 1)^2 < 1e-8 && c > 0 && c <= a && d > 0 && d <= b &&
                        (s * c / d - 1)^2 < 1e-8)
                }' || return 1
        else
            json "$1" "$i.baseline" | grep -Eq 'OpenBLAS|none|torchvision|^lce$' || return 1
        fi
        i=$((i + 1))
    done
}

measure() { # NAME ROWS COMMAND OPTIONS...
    test_label=$1
    test_rows=$2
    shift 2
    check "$test_label" "$bench" "$@" --repeat 1 --json out.json
    cp .out table
    cp .err notes
    check "$test_label: rows" rows_are_sound out.json
    equal "$test_label: how many rows" "$(json out.json '#')" "$test_rows"
}

cases() { # the names, a line each, of out.json
    i=0
    while [ "$i" -lt "$(json out.json '#')" ]; do
        json out.json "$i.case"
        i=$((i + 1))
    done
}

bad() { # NAME REGEX OPTIONS...: refused
    test_name=$1
    test_regex=$2
    shift 2
    expect_fail "$test_name" "$test_regex" "$bench" "$@"
}

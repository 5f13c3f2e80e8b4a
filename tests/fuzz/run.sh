#!/bin/sh
# run.sh [SECONDS|--runs N] [TARGET...]: fuzzes each target (idx, model, ...; all without) for so
# long (60 without), from its corpus, steered by coverage. What it finds it goes on from next time
# (build-fuzz/found/TARGET; -merge=1 brings the best of it to corpus/TARGET). An input that crashes,
# or takes 10 s, ends its target, stays in build-fuzz/crashes, and is a failure.
set -eu
cd "$(dirname "$0")/../.."
limit=-max_total_time=60
case ${1:-} in
--runs) limit=-runs=$2 && shift 2 ;;
[0-9]*) limit=-max_total_time=$1 && shift ;;
esac
tests/fuzz/build.sh
mkdir -p build-fuzz/crashes
[ $# -gt 0 ] || for target in build-fuzz/tests/fuzz_*; do set -- "$@" "${target##*/fuzz_}"; done
status=0
printf '%-12s %10s %8s %7s %9s %s\n' target runs exec/s edges features found
for name; do
    mkdir -p "build-fuzz/found/$name"
    dictionary=
    [ ! -f "tests/fuzz/fuzz_$name.dict" ] || dictionary=-dict=tests/fuzz/fuzz_$name.dict
    log=build-fuzz/crashes/$name.log
    result=
    # shellcheck disable=SC2086 # an option, or nothing
    LLVM_PROFILE_FILE=/dev/null "build-fuzz/tests/fuzz_$name" "$limit" -max_len=65536 -timeout=10 \
        -report_slow_units=2 -rss_limit_mb=4096 -artifact_prefix="build-fuzz/crashes/$name-" \
        $dictionary "build-fuzz/found/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || result=FAILED
    awk -v name="$name" -v result="$result" '
        $1 ~ /^#[0-9]/ {
            runs = substr($1, 2)
            for (i = 2; i < NF; i++) value[$i] = $(i + 1)
        }
        END {
            printf "%-12s %10d %8s %7s %9s %s %s\n", name, runs, value["exec/s:"], value["cov:"],
                value["ft:"], value["corp:"], result
        }' "$log"
    if [ -n "$result" ]; then
        tail -n 40 "$log"
        status=1
    fi
done
exit $status

#!/bin/sh
# kills.sh BUILD [TIMES [SEED]]: trains a small run and kills it (-9) at a random instant, resumes it,
# kills that as well, resumes again; TIMES times (100), in turns with four algorithms. Each must end
# byte for byte like a run that nobody killed. Takes minutes, so ctest does not run it.
set -- "$(cd "$1" && pwd)" "$(cd "$1/tests" && pwd)" "${2:-100}" "${3:-1}"
times=$3 seed=$4
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/programs/lib.sh"
small="$small --epochs 3 --limit-train 56 --limit-test 20"

kill_at() { # SECONDS COMMAND...
    timeout --foreground -s KILL "$@" >.out 2>.err
    ended=$?
    [ $ended -eq 0 ] || [ $ended -eq 137 ] || fail "$tag: exit status $ended" .err
}

for algo in bnn reactnet recu fda; do
    start=$(date +%s.%N)
    run "$algo" whole-$algo --algo $algo
    echo "$algo $(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')" >>seconds
done
# Two instants a round, as parts of the time that a whole run takes.
awk -v n="$times" -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < n; i++) print rand(), rand() }' \
    >instants
round=0 early=0 late=0
while read -r first second; do
    round=$((round + 1))
    algo=$(sed -n "$((round % 4 + 1))p" seconds | cut -d' ' -f1)
    whole=$(sed -n "$((round % 4 + 1))p" seconds | cut -d' ' -f2)
    tag="round $round, $algo, killed after $first and $second of $whole s"
    rm -rf part
    # shellcheck disable=SC2086 # words
    kill_at "$(awk -v a="$first" -v b="$whole" 'BEGIN { print a * b }')" \
        "$train" $small --output part --algo "$algo"
    if [ -e part/last.safetensors ]; then
        kill_at "$(awk -v a="$second" -v b="$whole" 'BEGIN { print a * b }')" \
            "$train" --resume part
        [ $ended -ne 0 ] || late=$((late + 1))
        check "$tag: resumed" "$train" --resume part
    else
        early=$((early + 1)) # there was nothing to lose yet
        # shellcheck disable=SC2086 # words
        check "$tag: begun again" "$train" $small --output part --algo "$algo"
    fi
    for name in last.safetensors best.safetensors metrics.csv config.json; do
        same "$tag: $name" part/$name "whole-$algo/$name"
    done
    equal "$tag: temporary files" "$(find part -name '*.tmp*')" ''
done <instants
echo "$round rounds: $early killed before the run began, $late resumed to the end before the second kill"
done_testing

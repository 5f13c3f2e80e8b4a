#!/bin/sh
# bnn-eval on corruptions, stopped at any moment and started again, ends with the file of one that
# never stopped; and never mixes in what another evaluation left.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

command -v timeout >/dev/null || exit 77
run 'a run' run --algo bnn --limit-train 32 --limit-test 8 --epochs 1
run 'another run' other --algo bnn --limit-train 32 --limit-test 8 --epochs 1 --seed 2

list=gaussian_noise,glass_blur,frost,fog,saturate
cells() { # OPTIONS...: evaluates the run on corruptions into its results file
    "$evaluate" run --limit-test 60 --corruptions make --corruption "$list" --quiet \
        --threads 1 "$@" >.out 2>.err
}
done_cells() { # FILE: severities that are done
    awk '/"top1": \[/ { inside = 1; next } /\]/ { inside = 0 } inside && /[0-9]/ { n++ }
        END { print n + 0 }' "$1"
}

# ---- a whole one, in the run's folder, with the data the run was trained on ----
start=$(date +%s.%N)
cells
equal 'whole: exit status' $? 0
whole=$(awk -v start="$start" -v end="$(date +%s.%N)" 'BEGIN { print end - start }')
equal 'whole: progress' "$(grep -c '^corruptions 100% 1500/1500 images ' .err)" 1
equal 'whole: cells' "$(done_cells run/results.json)" 25
equal 'whole: clean accuracy per class' "$(json run/results.json 'classes.#')" 10
mv run/results.json whole.json
cp .out whole.out

# ---- stopped, then again until nothing is left ----
rm -f run/results.json
stopped=0
for part in 0.3 0.45 0.6 0.5 0.4; do
    before=$(test -e run/results.json && done_cells run/results.json || echo 0)
    signal=$([ "$part" = 0.45 ] && echo TERM || echo INT)
    timeout --preserve-status --foreground -s "$signal" \
        "$(awk -v whole="$whole" -v part="$part" 'BEGIN { print part * whole }')" \
        "$evaluate" run --limit-test 60 --corruptions make --corruption "$list" --quiet \
        --threads 1 >.out 2>.err
    ended=$?
    if [ $ended -eq 130 ]; then
        stopped=$((stopped + 1))
        matches 'stopped: advice' '^interrupted; the same command goes on$' .out
        if [ -e run/results.json ]; then
            check 'stopped: JSON' "$helper" json run/results.json format 0
            after=$(done_cells run/results.json)
            [ "$after" -ge "$before" ] || fail "cells were lost: $after after $before"
        fi
    else
        equal 'not stopped' $ended 0
    fi
done
[ $stopped -gt 0 ] || fail 'no signal came in time'
cells
equal 'resumed: exit status' $? 0
cp .out resumed.out
same 'resumed' run/results.json whole.json
same 'resumed: the printed table' resumed.out whole.out
equal 'resumed: temporary files' "$(find run -name '*.tmp*')" ''

# Killed, too: any prefix of the cells is a state to go on from.
rm run/results.json
timeout --foreground -s KILL "$(awk -v whole="$whole" 'BEGIN { print 0.5 * whole }')" \
    "$evaluate" run --limit-test 60 --corruptions make --corruption "$list" --quiet \
    --threads 1 >.out 2>.err
cells --threads 3 --batch-size 7
same 'after a kill, with other threads' run/results.json whole.json

# ---- a table that grows is gone on with, cell by cell ----
grow() { # NAME OPTIONS...
    test_name=$1
    shift
    check "$test_name" "$evaluate" run --limit-test 60 --quiet --json grown.json \
        --corruptions make "$@"
}
grow 'one cell' --corruption fog --severity 3
grow 'its severities' --corruption fog
matches 'the cell is not evaluated again' 'note: 1 of 5 cells .* in grown.json already' .err
grow 'all' --corruption "$list"
same 'grown' grown.json whole.json
check 'clean images alone' "$evaluate" run --limit-test 60 --quiet --json grown.json
same 'clean images alone: the cells are kept' grown.json whole.json

# ---- another evaluation's cells ----
cp grown.json kept.json
other() { # NAME REGEX COMMAND...: refused, and the file is as it was
    expect_fail "$@" --quiet --json kept.json
    same "$1: the old file" kept.json grown.json
}
wanted="--corruptions make --corruption $list"
# shellcheck disable=SC2086 # words
{
    other 'another seed' 'gaussian_noise was seed 0, now seed 1.*--overwrite' \
        "$evaluate" run --limit-test 60 $wanted --seed 1
    other 'other images' 'number of samples was 60, now 10' "$evaluate" run --limit-test 10 $wanted
    other 'another checkpoint' 'checksum was [0-9a-f]{8}, now [0-9a-f]{8}' \
        "$evaluate" other --limit-test 60 $wanted
    other 'fewer corruptions' 'saturate at severity 1 was evaluated, now not wanted' \
        "$evaluate" run --limit-test 60 --corruptions make
    other 'fewer severities' 'severity 1 was evaluated, now not wanted' \
        "$evaluate" run --limit-test 60 $wanted --severity 2
    other 'files' 'was seed 0, now file [0-9a-f]{8}' \
        "$evaluate" run --limit-test 5 --corruptions cifar-c --limit-test 60
    other 'clean images of another checkpoint' 'checksum was' "$evaluate" other --limit-test 60
    BNN_ISA=generic "$evaluate" run --limit-test 60 --quiet --json kept.json $wanted >.out 2>.err
    judge 'another instruction set' 'instruction set was' '^$' $? bnn-eval
}
mkdir photographs
check 'pictures' "$corrupt" --data-dir cifar --output pictures --limit-test 4
for file in frost1.png frost2.png frost3.png frost4.jpg frost5.jpg; do
    cp pictures/sheet.png photographs/$file
done
# shellcheck disable=SC2086
other 'photographs' 'frost was seed 0, textures [0-9a-f]{8}, now seed 0, textures' \
    "$evaluate" run --limit-test 60 $wanted --frost-dir photographs
cp -r cifar moved
# One pixel of the first test image.
printf '\377' | dd of=moved/test_batch.bin bs=1 seek=1500 conv=notrunc 2>.err
"$evaluate" run --data-dir moved --limit-test 60 --quiet --json kept.json --corruptions make \
    --corruption "$list" >.out 2>.err
equal 'other test data: exit status' $? 1
matches 'other test data' '^bnn-eval: kept.json .*score of the clean samples was .*--overwrite' .err
same 'other test data: the old file' kept.json grown.json
check 'files: first' "$evaluate" run --limit-test 5 --quiet --json files.json --corruptions cifar-c
cp -r cifar-c moved-c
check 'files: moved' "$evaluate" run --limit-test 5 --quiet --json files.json --corruptions moved-c
matches 'files: moved' 'cells .* in files.json already' .err
printf '\377\000' | dd of=moved-c/fog.npy bs=1 seek=5000 conv=notrunc 2>.err
expect_fail 'files: changed' 'fog was file [0-9a-f]{8}, now file' \
    "$evaluate" run --limit-test 5 --quiet --json files.json --corruptions moved-c
# shellcheck disable=SC2086
check '--overwrite' "$evaluate" run --limit-test 10 --quiet --json kept.json $wanted --overwrite
equal '--overwrite: images' "$(json kept.json samples)" 10

# ---- files that are no results ----
for text in '' '{' '[]' '{}' 'x'; do
    printf '%s' "$text" >strange.json
    cp strange.json strange.copy
    expect_fail "results: '$text'" 'strange.json: not .*--overwrite' \
        "$evaluate" run --quiet --limit-test 2 --json strange.json
    same "results: '$text': kept" strange.json strange.copy
done
sed 's/"samples": 60/"samples": 61/' whole.json >strange.json
expect_fail 'results: counts' 'strange.json holds.* number of samples was 61, now 60; .*--overwrite' \
    "$evaluate" run --quiet --limit-test 60 --json strange.json
mkdir nothing
expect_fail 'a folder without a run' 'nothing: not the folder of a run' "$evaluate" nothing

done_testing

#!/bin/sh
# A run that is extended equals one that was started with as many epochs, byte for byte; where it
# could not, it is refused.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

constant='--scheduler constant --warmup-epochs 1'
alike() { # NAME FOLDER FOLDER
    for name in last.safetensors best.safetensors metrics.csv config.json; do
        same "$1: $name" "$2/$name" "$3/$name"
    done
    equal "$1: steps" "$(count_lines "$2/steps.jsonl")" "$(count_lines "$3/steps.jsonl")"
}
for how in '--algo bnn --seed 3' '--algo fp32 --optimizer sgd --nesterov' '--algo reactnet'; do
    # shellcheck disable=SC2086 # words
    {
        run "$how, 3 epochs" whole --overwrite $constant --epochs 3 $how
        run "$how, 1 epoch" grown --overwrite $constant --epochs 1 $how
    }
    check "$how: extended" "$train" --resume grown --epochs 2
    check "$how: extended again" "$train" --resume grown/last.safetensors --epochs 3
    alike "$how" grown whole
done
expect_fail 'fewer epochs' '--epochs differs' "$train" --resume grown --epochs 2
check 'as many epochs' "$train" --resume grown --epochs 3
matches 'finished' \
    '^grown is finished: 3 epochs, .*; to train on: bnn-train --resume grown --epochs N$' .out

# A schedule of fixed steps does not follow the number of epochs, either.
steps='--scheduler step --milestones 1,2 --optimizer sgd --algo bnn'
# shellcheck disable=SC2086
{
    run 'steps, 3 epochs' three $steps --epochs 3
    run 'steps, 1 epoch' one $steps --epochs 1
}
check 'steps, extended' "$train" --resume one --epochs 3
alike 'steps' one three

# ---- where the number of epochs decides what was done ----
cp -R grown before
fixed() { # NAME REGEX OPTIONS...
    test_name=$1
    test_regex=$2
    shift 2
    run "$test_name" fixed --overwrite "$@"
    cp fixed/last.safetensors kept
    cp fixed/config.json kept.json
    expect_fail "$test_name" "--epochs differs from the run's own 2, which $test_regex follows .*; \
start a new run from its weights: --init-from fixed/last.safetensors\$" \
        "$train" --resume fixed --epochs 3
    same "$test_name: as it was" fixed/last.safetensors kept
    same "$test_name: as it was" fixed/config.json kept.json
    check "$test_name: finished" "$train" --resume fixed
    matches "$test_name: finished" \
        '^fixed is finished: .*, start a new run: bnn-train --init-from fixed/last.safetensors$' .out
}
fixed 'cosine' '--scheduler cosine' --algo bnn
fixed 'recu' '--algo recu' --algo recu --scheduler constant
fixed 'fda' '--algo fda' --algo fda --scheduler constant
for option in '--seed 9' '--lr 0.5' '--batch-size 8'; do
    # shellcheck disable=SC2086
    expect_fail "more epochs and $option" "${option% *} differs" \
        "$train" --resume grown --epochs 9 $option
done
same 'refused: as it was' grown/last.safetensors before/last.safetensors

# ---- data that were moved ----
cp -R cifar moved
# shellcheck disable=SC2086
run 'to be moved' travel $constant --epochs 1 --algo bnn
check 'extended with data elsewhere' "$train" --resume travel --epochs 2 --data-dir moved
matches 'extended with data elsewhere: recorded' '"data-dir": *"/.*/moved"' travel/config.json

done_testing

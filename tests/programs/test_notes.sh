#!/bin/sh
# An option that has no effect was meant otherwise: it gets a note, one line, and no more than it.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

note() { # NAME REGEX COMMAND...: works, with this one note
    test_regex=$2
    test_note=$1
    shift 2
    check "$test_note" "$@"
    equal "$test_note: notes" "$(grep -c ': note: ' .err)" 1
    matches "$test_note" "^bnn-[a-z]*: note: $test_regex" .err
}
none() { # NAME COMMAND...: works, without one
    check "$@"
    equal "$1: notes" "$(grep -c ': note: ' .err)" 0
}

# ---- bnn-train ----
plan="$train --dry-run --arch resnet20 --data cifar10"
# shellcheck disable=SC2086 # words
{
    none 'a plan' $plan
    note '--milestones' '--milestones has no effect without --scheduler step' $plan --milestones 5
    none '--milestones of step' $plan --scheduler step --milestones 5 --epochs 6
    note 'milestones that are not reached' \
        '--scheduler step reaches none of its milestones, 5,9, in 5 epochs' \
        $plan --scheduler step --milestones 5,9 --epochs 5
    none 'one milestone that is reached' $plan --scheduler step --milestones 5,9 --epochs 6
    note '--momentum' '--momentum has no effect without --optimizer sgd' $plan --momentum 0.5
    note '--nesterov' '--nesterov has no effect without --optimizer sgd' $plan --nesterov
    note '--nesterov without momentum' '--nesterov has no effect without momentum' \
        $plan --optimizer sgd --momentum 0 --nesterov
    none 'sgd' $plan --optimizer sgd --momentum 0.5 --nesterov
    note '--warmup-epochs' '--warmup-epochs 5: the run ends before --lr is reached' \
        $plan --warmup-epochs 5 --epochs 5
    none '--warmup-epochs' $plan --warmup-epochs 4 --epochs 5
    none '--image-size' $plan --image-size 64
    note '--dry-run with others' 'these have no effect with --dry-run: --output, --profile$' \
        $plan --output x --profile
    note '--list with others' 'these have no effect with --list: --algo, --lr$' \
        "$train" --list --algo bnn --lr 1
}
tiny="--arch resnet20 --data cifar10 --data-dir cifar --batch-size 16 --limit-train 16 --epochs 1"
# shellcheck disable=SC2086
{
    note '--image-size without --dry-run' '--image-size has no effect without --dry-run' \
        "$train" $tiny --limit-test 2 --algo bnn --image-size 64 --output run
    none 'without it' "$train" $tiny --limit-test 2 --algo bnn --output same
    same '--image-size without --dry-run changes nothing' run/last.safetensors same/last.safetensors
    note '--accept-changed-data without --resume' \
        '--accept-changed-data has no effect without --resume' \
        "$train" $tiny --limit-test 2 --algo bnn --accept-changed-data --output fresh
    note 'more images than there are' '--limit-test has no effect: there are no more samples' \
        "$train" $tiny --limit-test 100000 --algo bnn --output more
    none '--config' "$train" --config run/config.json --output again
    none '--resume' "$train" --resume run
    expect_fail '--overwrite and --resume' '--resume .*--overwrite.* leave one out' \
        "$train" --resume run --overwrite
    same 'and nothing happened' run/last.safetensors same/last.safetensors
}

# ---- the others ----
few="--limit-test 4 --quiet"
fog='--corruption fog --severity 1'
mkdir photographs
"$corrupt" --data-dir cifar --output c --limit-test 4 >.out 2>.err
for file in frost1.png frost2.png frost3.png frost4.jpg frost5.jpg; do
    cp c/sheet.png photographs/$file
done
# shellcheck disable=SC2086
{
    note '--seed of nothing' '--seed has no effect without --corruptions make' \
        "$evaluate" run $few --seed 1
    note '--seed of files' '--seed has no effect without --corruptions make' \
        "$evaluate" run $few --json x --corruptions c $fog --seed 1
    none '--seed' "$evaluate" run $few --json y --corruptions make $fog --seed 1
    note '--overwrite of nothing' '--overwrite has no effect without a file of results' \
        "$evaluate" run/last.safetensors --data-dir cifar $few --overwrite
    none '--overwrite' "$evaluate" run $few --overwrite
    note '--frost-dir of bnn-eval' '--frost-dir has no effect, as frost is not among them' \
        "$evaluate" run $few --json z --corruptions make $fog --frost-dir photographs
    note '--frost-dir of bnn-corrupt' '--frost-dir has no effect, as frost is not among them' \
        "$corrupt" --data-dir cifar --output d --limit-test 2 --corruption fog \
        --frost-dir photographs
    note '--limit-test of bnn-eval' '--limit-test has no effect: there are no more samples' \
        "$evaluate" run --quiet --json n --limit-test 100000
    note '--limit-test of bnn-corrupt' '--limit-test has no effect: there are no more samples' \
        "$corrupt" --data-dir cifar --output d --limit-test 100000 --corruption brightness
    note '--corruption of bnn-report run' '--corruption has no effect on run without --twin' \
        "$report" run run --corruption all
}

done_testing

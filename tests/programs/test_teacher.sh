#!/bin/sh
# A student under a teacher: what it is taught shows, at any number of threads, and resumed as if it
# had never stopped; a teacher that cannot teach it is refused.
# shellcheck disable=SC2086 # words
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

run 'teacher' teacher --algo fp32 --epochs 2
teach="--teacher teacher/last.safetensors"
for algo in fp32 recu; do
    run "$algo: taught" taught-$algo --algo $algo $teach
    run "$algo: taught, two threads" two-$algo --algo $algo $teach --threads 2
    run "$algo: alone" alone-$algo --algo $algo
    same "$algo: threads" taught-$algo/last.safetensors two-$algo/last.safetensors
    refuse "$algo: it matters" cmp taught-$algo/metrics.csv alone-$algo/metrics.csv
    # Its weights would double the file; the recorded options take some bytes.
    grown=$(($(wc -c <taught-$algo/last.safetensors) - $(wc -c <alone-$algo/last.safetensors)))
    [ "$grown" -lt 1000 ] || fail "$algo: the teacher is kept: $grown bytes"
    checks=$((checks + 1))
done

# ---- stopped between two steps ----
# shellcheck disable=SC2086 # words
freeze 'grep -qs step.:2 part/steps.jsonl' "$train" $small --algo bnn --output part $teach
thaw INT
equal 'stopped' $ended 130
check 'resumed' "$train" --resume part
run 'whole' whole --algo bnn $teach
same 'resumed: weights' part/last.safetensors whole/last.safetensors

cp -r part elsewhere
run 'another teacher' other --algo fp32 --epochs 2 --seed 7
cp other/last.safetensors teacher/last.safetensors
expect_fail 'another teacher' 'began with another teacher' "$train" --resume elsewhere
run 'the folder of a run' folder --algo bnn --teacher teacher

# ---- who cannot ----
check 'packed' "$pack" taught-recu/last.safetensors --output packed.bnn
# shellcheck disable=SC2086 # words
{
    expect_fail 'packed' 'give the checkpoint' "$train" $small --output none --teacher packed.bnn
    expect_fail 'no file' '--teacher: no/such' "$train" $small --output none --teacher no/such
    expect_fail 'no attention' 'for networks with attention' "$train" $small --output none $teach \
        --distill dmd
    expect_fail 'no kind' '--distill all' "$train" $small --output none $teach --distill all
    expect_fail 'over it' 'teacher' "$train" $small --output teacher --overwrite $teach
}
expect_fail 'of other data' 'it was trained on cifar10, not on fashion_mnist' "$train" \
    --arch resnet20 --data fashion_mnist --data-dir "$work/idx" --output none $teach
"$train" --dry-run --distill logits >out 2>notes
matches 'nobody teaches' '^bnn-train: note: these have no effect with --dry-run: --distill$' notes

done_testing

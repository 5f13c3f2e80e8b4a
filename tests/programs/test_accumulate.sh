#!/bin/sh
# Gradients of several batches make one step: as many steps as batches that large, the same at any
# number of threads, and resumed as if it had never stopped.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

# 40 images: with batches of 8 and 3 of them a step, an epoch is a step of 24 and one of 16; with
# batches of 12, one of 36 and one of 4.
for algo in fp32 reactnet; do
    small="$small --algo $algo --epochs 2"
    run "$algo" one-$algo --batch-size 8 --accumulate 3 --threads 1
    run "$algo, two threads" two-$algo --batch-size 8 --accumulate 3 --threads 2
    run "$algo, a last batch that is smaller" tail-$algo --batch-size 12 --accumulate 3
    run "$algo, one" plain-$algo --batch-size 8
    run "$algo, one, said" said-$algo --batch-size 8 --accumulate 1
    same "$algo: threads: metrics" one-$algo/metrics.csv two-$algo/metrics.csv
    same "$algo: threads: weights" one-$algo/last.safetensors two-$algo/last.safetensors
    same "$algo: --accumulate 1 is none: metrics" plain-$algo/metrics.csv said-$algo/metrics.csv
    same "$algo: --accumulate 1 is none" plain-$algo/last.safetensors said-$algo/last.safetensors
    equal "$algo: steps" "$(count_lines one-$algo/steps.jsonl)" 4
    equal "$algo: steps with a smaller last batch" "$(count_lines tail-$algo/steps.jsonl)" 4
    equal "$algo: steps without" "$(count_lines plain-$algo/steps.jsonl)" 10
    refuse "$algo: it matters" cmp one-$algo/metrics.csv plain-$algo/metrics.csv
done

# ---- stopped between two steps ----
# shellcheck disable=SC2086 # words
freeze 'grep -qs step.:2 part/steps.jsonl' "$train" $small --epochs 30 --output part --batch-size 8 \
    --accumulate 3
thaw INT
equal 'stopped' $ended 130
check 'resumed' "$train" --resume part
run 'whole' whole --epochs 30 --batch-size 8 --accumulate 3
same 'resumed: metrics' part/metrics.csv whole/metrics.csv
same 'resumed: weights' part/last.safetensors whole/last.safetensors
expect_fail 'another number' '--accumulate differs' "$train" --resume part --accumulate 2
expect_fail 'none' '--accumulate 0: must be' "$train" --dry-run --accumulate 0

# ---- gradients that are clipped together wait for each other, too ----
run 'together, not clipped' wide --batch-size 8 --clip-grad-norm 1e9
same 'together, not clipped: metrics' wide/metrics.csv plain-reactnet/metrics.csv
for threads in 1 2; do
    run "together, $threads threads" clipped$threads --batch-size 8 --accumulate 2 \
        --clip-grad-norm 0.1 --optimizer sgd --epochs 30 --threads $threads
done
same 'together: threads' clipped1/last.safetensors clipped2/last.safetensors
# shellcheck disable=SC2086 # words
freeze 'grep -qs step.:2 clipped/steps.jsonl' "$train" $small --epochs 30 --output clipped \
    --batch-size 8 --accumulate 2 --clip-grad-norm 0.1 --optimizer sgd
thaw INT
check 'together: resumed' "$train" --resume clipped
same 'together: resumed' clipped/last.safetensors clipped1/last.safetensors

# ---- what a step moves ----
# shellcheck disable=SC2086 # words
{
    run 'frozen' frozen --epochs 2 --batch-size 8 --freeze conv1,layer1 --clip-norm 0.5
    matches 'frozen: told' 'frozen parameters .[0-9]*, from conv1.weight on. stay' .err
    run 'not' moving --epochs 2 --batch-size 8 --clip-norm 0.5
    freeze 'grep -qs step.:2 half/steps.jsonl' "$train" $small --epochs 2 --output half \
        --batch-size 8 --freeze conv1,layer1 --clip-norm 0.5
}
thaw INT
check 'frozen: resumed' "$train" --resume half
same 'frozen: as it was told at first' half/last.safetensors frozen/last.safetensors
refuse 'frozen: it matters' cmp frozen/metrics.csv moving/metrics.csv
expect_fail 'frozen: another' '--freeze differs' "$train" --resume half --freeze conv1
expect_fail 'frozen: no module' "no parameters lie in a module 'layer9'" "$train" $small \
    --output none --freeze layer9
expect_fail 'frozen: planned' "no parameters lie in a module 'layer9'" "$train" --dry-run \
    --freeze layer9

# ---- the memory of one batch ----
planned() { # OPTIONS...
    "$train" --dry-run --arch resnet20 --algo fp32 "$@" | awk '/^peak memory/ { print $3 }'
}
four=$(planned --batch-size 32 --accumulate 4) one=$(planned --batch-size 32)
large=$(planned --batch-size 128)
if [ "$four" -le "$one" ] || [ "$four" -ge $((large / 2)) ]; then
    fail "planned: $one, with 4 batches a step $four, with one as large $large"
fi

done_testing

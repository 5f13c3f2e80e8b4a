#!/bin/sh
# --ema: the network that is evaluated and saved is the average over the steps. It changes nothing of
# the training, is the same at any number of threads, and goes on as if it had never stopped.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

small="$small --batch-size 8 --ema 0.8"
column() { # FILE NAME: of all epochs
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
        NR > 1 { print $at }' "$1"
}
tested() { # FILE
    check "$1 is evaluated" "$evaluate" "$1" --data-dir cifar --quiet --limit-test 40 --json out.json
    json out.json top1
}

# fda: its last epoch is another phase, which has an average of its own.
for algo in fp32 reactnet recu fda; do
    run "$algo" one-$algo --algo $algo --epochs 3 --threads 1
    run "$algo, two threads" two-$algo --algo $algo --epochs 3 --threads 2
    run "$algo, without" plain-$algo --algo $algo --epochs 3 --ema 0
    for name in last.safetensors best.safetensors metrics.csv; do
        same "$algo: threads: $name" one-$algo/$name two-$algo/$name
    done
    for name in epoch lr train_loss; do
        equal "$algo: the training: $name" "$(column one-$algo/metrics.csv $name)" \
            "$(column plain-$algo/metrics.csv $name)"
    done
    refuse "$algo: it matters" cmp one-$algo/metrics.csv plain-$algo/metrics.csv
    equal "$algo: what is saved is what was evaluated" "$(tested one-$algo/last.safetensors)" \
        "$(column one-$algo/metrics.csv test_top1 | tail -n 1 | awk '{ printf "%.2f", $1 }')"
    check "$algo: it is exported" "$pack" one-$algo/last.safetensors --output $algo.bnn
    equal "$algo: what is exported is what was evaluated" "$(tested $algo.bnn)" \
        "$(tested one-$algo/last.safetensors)"
done

# ---- stopped after any step, also in front of another phase ----
for step in 2 9 10 14; do
    rm -rf part
    # shellcheck disable=SC2086 # words
    freeze "grep -qs step.:$step, part/steps.jsonl" "$train" $small --algo fda --epochs 3 \
        --output part --checkpoint-every 1
    thaw KILL
    for epochs in 1 2; do # to be killed in the next phase, too
        timeout --foreground -s KILL 0.$epochs "$train" --resume part >.out 2>.err
    done
    check "killed after step $step: resumed" "$train" --resume part
    for name in last.safetensors best.safetensors metrics.csv; do
        same "killed after step $step: $name" part/$name one-fda/$name
    done
done
# shellcheck disable=SC2086 # words
freeze 'grep -qs step.:3, gathered/steps.jsonl' "$train" $small --algo bnn --epochs 30 \
    --output gathered --accumulate 2 --clip-grad-norm 0.5
thaw INT
check 'several batches a step: resumed' "$train" --resume gathered
run 'several batches a step' whole --algo bnn --epochs 30 --accumulate 2 --clip-grad-norm 0.5
same 'several batches a step' gathered/last.safetensors whole/last.safetensors

expect_fail 'another decay' '--ema differs' "$train" --resume part --ema 0.9
expect_fail 'all of it' '--ema 1: must be' "$train" --dry-run --ema 1
planned() { # OPTIONS...
    "$train" --dry-run --arch resnet20 --algo fp32 "$@" | awk '/^peak memory/ { print $3 }'
}
[ "$(planned --ema 0.9)" -gt "$(planned)" ] || fail 'planned: an average takes memory, too'

done_testing

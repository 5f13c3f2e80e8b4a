#!/bin/sh
# A run that was killed or interrupted, at any moment, and resumed ends as one that never stopped.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

command -v timeout >/dev/null || exit 77
small="$small --epochs 3 --limit-train 56 --limit-test 20" # 4 steps an epoch, the last smaller

reference() { # OPTIONS...: trains without a stop into whole, and takes the time: $whole seconds
    start=$(date +%s.%N)
    run "$*" whole --overwrite "$@"
    whole=$(awk -v start="$start" -v end="$(date +%s.%N)" 'BEGIN { print end - start }')
}

state() { # KEY, of the run in part
    "$helper" metadata part/last.safetensors "$1"
}

# Whether the signal came while there was something to lose: for a kill, after the run began; for
# the others, within an epoch.
came_early() { # SIGNAL
    [ ! -e part/last.safetensors ] || { [ "$1" != KILL ] && [ "$(state steps)" -eq 0 ]; }
}
came_between() { # SIGNAL
    [ "$1" != KILL ] && [ "$(state step)" -eq 0 ]
}

# Begins the run in part and ends it by the signal after this part of the time the whole took; where
# that misses, tries other times.
interrupt() { # SIGNAL PART OPTIONS...
    signal=$1
    low=0
    high=$(awk -v whole="$whole" 'BEGIN { print 2 * whole }')
    pause=$(awk -v whole="$whole" -v part="$2" 'BEGIN { print part * whole }')
    shift 2
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        rm -rf part
        # shellcheck disable=SC2086 # words
        timeout --preserve-status --foreground -s "$signal" "$pause" \
            "$train" $small --output part "$@" >.out 2>.err
        ended=$?
        if [ $ended -eq 0 ]; then
            high=$pause
        elif came_early "$signal"; then
            low=$pause
        elif came_between "$signal"; then
            high=$(awk -v high="$pause" 'BEGIN { print high * 0.97 }')
        else
            return
        fi
        pause=$(awk -v low="$low" -v high="$high" 'BEGIN { print (low + high) / 2 }')
    done
    fail "$signal never came in the middle of: $*"
}

ends_alike() { # NAME
    check "$1: resumed" "$train" --resume part
    for name in last.safetensors best.safetensors metrics.csv config.json; do
        same "$1: $name" part/$name whole/$name
    done
    equal "$1: steps.jsonl" "$(count_lines part/steps.jsonl)" 12
    check "$1: steps.jsonl" "$helper" json-lines part/steps.jsonl
    equal "$1: temporary files" "$(find part -name '*.tmp*')" ''
}

stopped() { # NAME: with the exit status and the advice of a run that was interrupted
    equal "$1: exit status" "$ended" 130
    matches "$1: advice" '^interrupted; go on with: bnn-train --resume part$' .out
}

# ---- signals, within an epoch ----
reference --algo reactnet
interrupt INT 0.4 --algo reactnet
stopped 'reactnet, SIGINT'
check 'reactnet, SIGINT: it loads' "$evaluate" part/last.safetensors --data-dir cifar --limit-test 2
ends_alike 'reactnet, SIGINT'

reference --algo recu
interrupt TERM 0.6 --algo recu
stopped 'recu, SIGTERM'
ends_alike 'recu, SIGTERM'

reference --algo fda
interrupt INT 0.4 --algo fda
stopped 'fda, SIGINT'
ends_alike 'fda, SIGINT'

# An epoch of noise, interrupted, holds no bits yet.
interrupt TERM 0.2 --algo fda
stopped 'fda, SIGTERM'
expect_fail 'a noisy fda is not exported' 'fda was stopped before its last epoch.*--resume' \
    "$pack" part/last.safetensors --output noisy.bnn
refuse 'a noisy fda is not exported' test -e noisy.bnn
check 'a noisy fda is evaluated' "$evaluate" part/last.safetensors --data-dir cifar --limit-test 2

# ---- kill -9, and again while it is resumed ----
sgd="--algo xnor --optimizer sgd --nesterov --lr 0.05 --scheduler step --milestones 1,2"
# shellcheck disable=SC2086 # words
reference $sgd
for part in 0.4 0.8; do
    # shellcheck disable=SC2086
    interrupt KILL $part $sgd
    equal "kill -9 after $part" "$ended" 137
    pause=$(awk -v whole="$whole" 'BEGIN { print 0.4 * whole }')
    timeout --foreground -s KILL "$pause" "$train" --resume part >.out 2>.err
    ended=$?
    [ $ended -eq 124 ] && ended=0 # it ended by itself as the time was up
    [ $ended -eq 0 ] || equal "kill -9 after $part, and again" $ended 137
    ends_alike "kill -9 after $part"
done

# ---- interrupted in the last step: the evaluation is all that is left ----
for _ in 1 2 3 4 5 6; do
    rm -rf late
    freeze 'test -s late/sessions.jsonl' "$train" --arch resnet18 --algo fp32 --data cifar10 \
        --data-dir cifar --batch-size 40 --limit-train 40 --limit-test 4 --epochs 1 --output late
    thaw INT
    [ "$("$helper" metadata late/last.safetensors step)" = 0 ] || break
done
equal 'the last step: exit status' "$ended" 130
equal 'the last step: was done' "$("$helper" metadata late/last.safetensors step)" 1
check 'the last step: resumed' "$train" --resume late
matches 'the last step: no time is told' \
    '^best test accuracy [0-9.]*%; the run is complete; late/best.safetensors$' .out

# ---- saved between the epochs, a kill costs a few steps only ----
reference --algo bnn --batch-size 4
# shellcheck disable=SC2086 # words
freeze 'grep -qs step..5 often/steps.jsonl' "$train" $small --algo bnn --batch-size 4 \
    --output often --checkpoint-every 3
kill -KILL "$frozen"
wait "$frozen"
steps=$("$helper" metadata often/last.safetensors steps)
[ "$steps" -ge 3 ] || fail "saved every three steps: only $steps of 6 are kept"
check 'saved every three steps: resumed' "$train" --resume often
for name in last.safetensors best.safetensors metrics.csv; do
    same "saved every three steps: $name" often/$name whole/$name
done

# ---- patience: ends when nothing gets better, whether it was stopped or not ----
# Learns nothing at this rate, so that a better epoch is soon none.
reference --algo bnn --batch-size 4 --epochs 50 --lr 1e-12 --patience 3
equal 'patience: epochs behind the best' "$(awk -F, 'NR > 1 { if ($NF != best) last = NR; best = $NF }
    END { print NR - last }' whole/metrics.csv)" 3
matches 'patience: told' '^no better epoch in 3; best test accuracy' .out
# shellcheck disable=SC2086
freeze 'grep -qs ^1, patient/metrics.csv' "$train" $small --algo bnn --batch-size 4 --epochs 50 \
    --lr 1e-12 --patience 3 --output patient
thaw TERM
check 'patience: resumed' "$train" --resume patient
for name in last.safetensors best.safetensors metrics.csv config.json; do
    same "patience: $name" patient/$name whole/$name
done
check 'patience: finished' "$train" --resume patient
equal 'patience: finished' "$(cat .out)" \
    "patient is finished: no better epoch in 3, best test accuracy $(tail -n 1 patient/metrics.csv |
        awk -F, '{ printf "%.2f%%", $NF }')"
# What comes before the last phase of an algorithm does not count.
run 'patience: phases' phases --algo fda --batch-size 4 --epochs 8 --lr 1e-12 --patience 1
[ "$(count_lines phases/metrics.csv)" -ge 8 ] || fail 'patience: ended before the last phase' \
    phases/metrics.csv

# ---- events for TensorBoard: each step and epoch once, wherever the run was stopped ----
events() { # TAG, of the run in told
    grep -ao "$1" told/events.out.tfevents.0.bnn | wc -l | tr -d ' '
}
# shellcheck disable=SC2086
freeze 'grep -qs ^0, told/metrics.csv' "$train" $small --algo bnn --batch-size 4 --output told \
    --tensorboard --checkpoint-every 5
kill -KILL "$frozen"
wait "$frozen"
check 'events: resumed' "$train" --resume told
equal 'events: steps' "$(events train/loss)" "$(count_lines told/steps.jsonl)"
equal 'events: epochs' "$(events test/best)" 3
equal 'events: the rate' "$(events 'lr.....')" "$(count_lines told/steps.jsonl)"
run 'events: a new run' told --overwrite --algo bnn --epochs 1
refuse 'events: a new run has none' test -e told/events.out.tfevents.0.bnn

# ---- a log that was lost ----
# shellcheck disable=SC2086 # words
check 'a lost log' "$train" $small --algo bnn --epochs 2 --scheduler constant --output lost
check 'a lost log: all is there' "$train" --resume lost --epochs 3
equal 'a lost log: nothing to note' "$(grep -c 'metrics.csv' .err)" 0
echo garbage >lost/metrics.csv
check 'a lost log: goes on' "$train" --resume lost --epochs 4
matches 'a lost log: told' '^bnn-train: note: lost/metrics.csv tells nothing of 3 of 3 epochs' .err

# ---- the best alone is a run, too ----
mkdir bests
cp "$(find . -name best.safetensors | head -n 1)" bests
cp bests/best.safetensors kept-best
# shellcheck disable=SC2086 # words
expect_fail 'the best alone' 'already holds a run .best.safetensors.: choose another --output' "$train" \
    $small --algo bnn --epochs 1 --output bests
same 'the best alone: it is there' bests/best.safetensors kept-best

done_testing

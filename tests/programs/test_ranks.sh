#!/bin/sh
# Several processes train together under mpirun: the same bits for the same number of them; as one
# process with batches of the same size; and whatever ends one of them ends all, with nothing lost.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$train" --list >.out 2>.err
if grep -q 'built without MPI' .err; then
    expect_fail 'built without MPI' 'started as one of 2 ranks, but built without MPI' \
        env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$train" --list
    equal 'built without MPI: one says so' \
        "$(OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=1 "$train" --list 2>&1)" ''
    echo 'SKIPPED: built without MPI'
    [ $failures -eq 0 ] && exit 77
    exit 1
fi
if ! command -v mpirun >/dev/null; then
    echo 'SKIPPED: there is no mpirun (openmpi-bin)'
    exit 77
fi
# What MPI itself never frees is no leak of ours.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" OMPI_MCA_rmaps_base_oversubscribe=1

# -q: what mpirun has to say beside.
ranks() { # N COMMAND...
    test_ranks=$1
    shift
    mpirun -q --oversubscribe --allow-run-as-root --bind-to none -np "$test_ranks" "$@"
}
together() { # NAME N FOLDER OPTIONS...: trains the small run into the folder
    test_name=$1
    test_number=$2
    test_folder=$3
    shift 3
    # shellcheck disable=SC2086 # words
    check "$test_name" ranks "$test_number" "$train" $small "$@" --output "$test_folder"
}
alike() { # NAME FOLDER FOLDER
    for name in last.safetensors best.safetensors metrics.csv; do
        same "$1: $name" "$2/$name" "$3/$name"
    done
}
# Losses of all epochs, up to rounding.
close() { # NAME FOLDER FOLDER
    checks=$((checks + 1))
    paste -d, "$2/metrics.csv" "$3/metrics.csv" | awk -F, 'NR > 1 {
        n = NF / 2
        for (i = 3; i <= 5; i += 2) {
            apart = $i - $(i + n)
            if (apart * apart > 1e-10 * $i * $i) { print; bad = 1 }
        }
    } END { exit bad || NR < 2 }' >.apart || fail "$1: the losses are" .apart
}

one_line() { # NAME REGEX N OPTIONS...: all end, and one says why
    test_name=$1
    test_regex=$2
    test_number=$3
    shift 3
    ranks "$test_number" "$train" "$@" >.out 2>.err
    test_status=$?
    grep -v -e '%' -e 'note:' -e 'warning:' .err >said
    checks=$((checks + 1))
    if [ $test_status -eq 0 ] || [ "$(count_lines said)" -ne 1 ] || ! grep -Eq "$test_regex" said; then
        fail "$test_name: status $test_status, expected one line with '$test_regex'" said
    fi
}
# ---- the same bits again, at any number of threads; each epoch ends with a smaller batch ----
small="$small --optimizer sgd --lr 0.01"
for algo in fp32 reactnet; do
    together "$algo" 2 one-$algo --algo $algo --threads 1
    matches "$algo: told" 'note: 2 ranks of 1 thread; of each batch of 16 images a rank has 8' .err
    together "$algo again" 2 two-$algo --algo $algo --threads 1
    together "$algo, two threads" 2 threads-$algo --algo $algo --threads 2
    alike "$algo: again" one-$algo two-$algo
    alike "$algo: threads" one-$algo threads-$algo
    equal "$algo: steps" "$(count_lines one-$algo/steps.jsonl)" 6
    equal "$algo: samples" "$("$helper" metadata one-$algo/last.safetensors score | cut -d' ' -f1)" 0
done
matches 'recorded' '"ranks":2' one-fp32/sessions.jsonl
equal 'recorded once' "$(count_lines one-fp32/sessions.jsonl)" 1
# Of 40 images the last batch is one: two ranks of three have no part in it.
together 'a rank without samples' 3 few --algo reactnet --batch-size 13
together 'a rank without samples, again' 3 again --algo reactnet --batch-size 13
alike 'a rank without samples' few again

# ---- as one process, up to rounding ----
run 'one process' alone --algo fp32
together 'common statistics' 2 common --algo fp32 --sync-bn
together 'common statistics of three' 3 three --algo fp32 --sync-bn --batch-size 17
run 'one process, uneven' uneven --algo fp32 --batch-size 17
close 'common statistics' alone common
close 'common statistics of three' uneven three
refuse 'own statistics are others' cmp one-fp32/metrics.csv common/metrics.csv
together 'several batches a step' 2 gathered --algo fp32 --sync-bn --batch-size 8 --accumulate 2 \
    --clip-grad-norm 0.5
run 'several batches a step, one process' single --algo fp32 --batch-size 8 --accumulate 2 \
    --clip-grad-norm 0.5
close 'several batches a step' single gathered
make_words
words="--arch fsmn --data speech_commands --data-dir words --words low,high --batch-size 6 --epochs 3
    --warmup-epochs 0"
for algo in fp32 dorefa; do # which has no batch norm, so there is nothing in common but gradients
    # shellcheck disable=SC2086 # words
    {
        check "fsmn, $algo" "$train" $words --algo $algo --output sound
        check "fsmn, $algo, two ranks" ranks 2 "$train" $words --algo $algo --output sound2
    }
    [ $algo != fp32 ] || close 'fsmn' sound sound2
    rm -rf sound sound2
done
# What one rank alone meets within a step.
: >words/low/speaker3_nohash_0.wav
# shellcheck disable=SC2086 # words
one_line 'a damaged sample' 'speaker3_nohash_0.wav: the file is empty' 2 $words --algo fp32 --output sound

# ---- a signal to any rank stops all at the same step; a rank that dies ends all ----
rank_of() { # FOLDER NUMBER: its process
    for test_process in $(pgrep -f "^$train .*--output $1\$"); do
        tr '\0' '\n' <"/proc/$test_process/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$2" &&
            echo "$test_process"
    done
}
begin() { # FOLDER OPTIONS...: in the background, until behind the first epoch
    test_folder=$1
    shift
    # shellcheck disable=SC2086 # words
    ranks 2 "$train" $small "$@" --output "$test_folder" >begun.out 2>begun.err &
    begun=$!
    for _ in $(seq 600); do
        ! grep -qs ^0, "$test_folder/metrics.csv" || break
        sleep 0.05
    done
}
long='--algo bnn --epochs 12 --ema 0.9'
# shellcheck disable=SC2086 # words
together 'whole' 2 whole $long
for case in TERM:0 INT:1 KILL:0 KILL:1; do
    signal=${case%:*} rank=${case#*:} tag="SIG${case%:*} to rank ${case#*:}"
    rm -rf part
    # shellcheck disable=SC2086 # words
    begin part $long
    kill -"$signal" "$(rank_of part "$rank")"
    wait $begun
    ended=$?
    if [ "$signal" != KILL ]; then
        equal "$tag" $ended 130
        equal "$tag: advice" "$(tail -n 1 begun.out)" \
            'interrupted; go on with: bnn-train --resume part'
    fi
    [ $ended -ne 0 ] || fail "$tag: succeeded"
    grep -v -e '%' -e 'note:' begun.err >said
    [ "$(count_lines said)" -le 1 ] || fail "$tag: says more than a line" said
    check "$tag: resumed" ranks 2 "$train" --resume part
    alike "$tag: resumed" part whole
    equal "$tag: temporary files" "$(find part -name '*.tmp*')" ''
done

# ---- with another number of ranks a run goes on, and says what that means ----
wide="$small --algo fp32 --epochs 6 --sync-bn"
# shellcheck disable=SC2086 # words
{
    check 'six epochs' "$train" $wide --output six
    check 'from two to one' ranks 2 "$train" $wide --epochs 3 --scheduler constant --output from-two
    check 'from one to two' "$train" $wide --epochs 3 --scheduler constant --output from-one
    check 'six epochs' "$train" $wide --scheduler constant --output six --overwrite
}
check 'from two to one' "$train" --resume from-two --epochs 6
matches 'from two to one: told' 'was trained by 2 ranks, and goes on with 1: sums are' .err
check 'from one to two' ranks 2 "$train" --resume from-one --epochs 6
matches 'from one to two: told' 'was trained by 1 rank, and goes on with 2: sums are' .err
for folder in from-one from-two; do
    equal "$folder: epochs" "$(count_lines $folder/metrics.csv)" 7
    close "$folder" six $folder
done

# ---- what cannot be: one line, whatever the number of ranks ----
if [ "$(nproc)" -gt 1 ] && mpirun -q --allow-run-as-root --bind-to core -np 2 true; then
    # shellcheck disable=SC2086 # words
    check 'bound' mpirun -q --allow-run-as-root --bind-to core -np 2 "$train" $small --algo bnn \
        --epochs 1 --threads 2 --output bound
    matches 'bound' 'mpirun has bound the rank to 1 processor, which 2 threads share' .err
fi
cannot() { # NAME REGEX N OPTIONS...: of the small run
    test_cannot=$1
    test_why=$2
    test_of=$3
    shift 3
    # shellcheck disable=SC2086 # words
    one_line "$test_cannot" "$test_why" "$test_of" $small --algo fp32 "$@"
}
cannot 'a batch too small' 'batch-size 2 is what all ranks take together' 3 --batch-size 2 \
    --output no
cannot 'a last batch too small' 'last batch has 1 images for 2 ranks' 2 --batch-size 13 --sync-bn \
    --output no
cannot 'an option' 'epochs 0: must be' 2 --epochs 0 --output no
cannot 'no data' 'nowhere' 2 --data-dir nowhere --output no
cannot 'a run that is there' 'already holds a run' 2 --output alone
cannot 'a loss that is not finite' 'step [0-9]+ .epoch [0-9]+.*--lr' 2 --lr 1000 --weight-decay 10 \
    --batch-size 4 --epochs 9 --output no
[ ! -e no ] || rm -rf no
check 'planned' ranks 2 "$train" --dry-run --arch resnet20
equal 'planned: once' "$(grep -c '^peak memory' .out)" 1

done_testing

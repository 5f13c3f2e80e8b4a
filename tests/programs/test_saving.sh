#!/bin/sh
# What a run leaves behind when it cannot be written, must not be replaced, or diverges.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

touch file
tiny="--limit-train 16 --limit-test 2 --epochs 1"

# ---- where nothing can be written ----
# shellcheck disable=SC2086 # words
expect_fail 'output under a file' 'file' "$train" $small --output file/run
# shellcheck disable=SC2086
expect_fail 'output is a file' 'file' "$train" $small --output file
# shellcheck disable=SC2086
expect_fail 'output has no name' 'empty' "$train" $small --output ''
# shellcheck disable=SC2086
run 'a run' run $tiny --algo bnn
last=run/last.safetensors
expect_fail 'export under a file' 'file/x' "$pack" $last --output file/x.bnn
expect_fail 'export to a folder' 'cifar: is a folder' "$pack" $last --output cifar
for option in json predictions; do
    expect_late_fail "--$option under a file" 'file/x' \
        "$evaluate" $last --data-dir cifar --limit-test 2 "--$option" file/x
done

# ---- a run that is there ----
cp -R run before
untouched() { # NAME
    for name in last.safetensors best.safetensors config.json metrics.csv steps.jsonl; do
        same "$1: $name" run/$name before/$name
    done
}
# shellcheck disable=SC2086
expect_fail 'a run is there' '--resume.*--overwrite' "$train" $small --output run
untouched 'a run is there'
# shellcheck disable=SC2086
expect_fail 'overwrite with a bad batch' '600' \
    "$train" $small --output run --overwrite --limit-train 512 --batch-size 600
untouched 'overwrite with a bad batch'
# shellcheck disable=SC2086
run 'overwrite' run $tiny --algo bnn --overwrite
same 'the same run again' run/last.safetensors before/last.safetensors

# ---- --resume ----
expect_fail 'resume nothing' 'nowhere' "$train" --resume nowhere
expect_fail 'resume an empty folder' 'idx/last.safetensors' "$train" --resume idx
expect_fail 'resume what?' 'which run' "$train" --resume
expect_fail 'resume under a file' 'file/x' "$train" --resume file/x
expect_fail 'resume in --output' 'nowhere/last|nowhere: ' "$train" --resume --output nowhere
expect_fail 'resume elsewhere' 'own folder' "$train" --resume run --output other
for option in '--algo xnor' '--arch resnet18' '--epochs 5' '--batch-size 8' '--lr 0.5' '--seed 2' \
    '--data mnist' '--limit-train 32' '--optimizer sgd' '--scheduler step' '--nesterov' \
    '--init-from x'; do
    # shellcheck disable=SC2086
    expect_fail "resume with $option" "${option%% *} differs" "$train" --resume run $option
done
mkdir few
for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    head -c $((4 * 3073)) cifar/$name.bin >few/$name.bin
done
check 'a run of all images' "$train" --data cifar10 --data-dir few --algo bnn --arch resnet20 \
    --epochs 1 --batch-size 20 --output whole
for option in '--limit-train 9' '--limit-test 2' '--init-from x'; do
    # shellcheck disable=SC2086
    expect_fail "resume all images with $option" "${option%% *} differs" \
        "$train" --resume whole $option
done
expect_fail 'resume without its data' 'gone' "$train" --resume run --data-dir gone
untouched_steps() {
    same "$1" run/last.safetensors before/last.safetensors
}
untouched_steps 'refused resumes'
check 'resume what is finished' "$train" --resume run --algo bnn --threads 1
untouched_steps 'resume what is finished'
check 'resume --output' "$train" --resume --output run
cp -r run headless
rm headless/last.safetensors
expect_fail 'resume without the last' '--init-from headless/best.safetensors' "$train" --resume headless

# ---- results of a few samples do not replace those of more ----
check 'results' "$evaluate" run --limit-test 6
check 'results of fewer' "$evaluate" run --limit-test 2
matches 'results of fewer' 'run/results.json stays, as it is of 6 samples' .err
matches 'results of fewer: told' 'test: 2 images' .out
equal 'results of fewer' "$(json run/results.json samples 0)" 6
check 'results of more' "$evaluate" run --limit-test 7
equal 'results of more' "$(json run/results.json samples 0)" 7
check 'results, overwritten' "$evaluate" run --limit-test 2 --overwrite
equal 'results, overwritten' "$(json run/results.json samples 0)" 2

# ---- a full disk: a limit on file sizes, of less than a checkpoint ----
limited() { # BLOCKS COMMAND...
    (
        ulimit -f "$1" || exit 77
        shift
        exec "$@"
    )
}
checkpoint_is_kept() { # NAME FOLDER COPY
    same "$1: last.safetensors" "$2/last.safetensors" "$3"
    check "$1: it can be read" "$evaluate" "$2/last.safetensors" --data-dir cifar --limit-test 2
    equal "$1: temporary files" "$(find "$2" -name '*.tmp*')" ''
}
# shellcheck disable=SC2086
limited 200 "$train" $small $tiny --output full >.out 2>.err
judge 'no room for the first checkpoint' 'full/last.safetensors' "$progress" $? bnn-train
refuse 'no room for the first checkpoint: there is one' test -e full/last.safetensors
equal 'no room for the first checkpoint: files' "$(find full -name '*.tmp*')" ''

# shellcheck disable=SC2086
timeout --preserve-status --foreground -s INT 2 \
    "$train" $small --epochs 10000 --algo bnn --output long >.out 2>.err
equal 'interrupted' $? 130
cp long/last.safetensors kept
limited 2000 "$train" --resume long >.out 2>.err
judge 'no room while training' 'long/(last|best).safetensors: .*ulimit' "$progress" $? bnn-train
checkpoint_is_kept 'no room while training' long kept
limited 8 "$pack" kept --output small.bnn >.out 2>.err
judge 'no room for the packed file' 'small.bnn' '^$' $? bnn-export
refuse 'no room for the packed file: there is one' test -e small.bnn
check 'a packed file' "$pack" kept --output small.bnn
cp small.bnn small.copy
limited 8 "$pack" $last --output small.bnn >.out 2>.err
judge 'no room for another packed file' 'small.bnn' '^$' $? bnn-export
same 'no room for another packed file' small.bnn small.copy
echo old >out.json
cp out.json out.copy
limited 1 "$evaluate" kept --data-dir cifar --limit-test 2 --quiet --json out.json --overwrite \
    >.out 2>.err
judge 'no room for --json' 'out.json' "$progress" $? bnn-eval
same 'no room for --json' out.json out.copy

# ---- a loss that is not finite; that it explodes may have been told before ----
progress="$progress|^bnn-train: warning: the loss has exploded, "
for algo in fp32 bnn; do
    # shellcheck disable=SC2086
    expect_late_fail "$algo diverges" 'step [0-9]+ .epoch [0-9]+.*--lr' \
        "$train" $small --algo $algo --optimizer sgd --lr 1000 --weight-decay 10 --epochs 9 \
        --output diverged-$algo
    check "$algo diverged: last.safetensors loads" \
        "$evaluate" diverged-$algo/last.safetensors --data-dir cifar --limit-test 2
    matches "$algo diverged: steps.jsonl" '"step":0,' diverged-$algo/steps.jsonl
done

done_testing

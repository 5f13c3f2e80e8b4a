#!/bin/sh
# Names of files: any bytes, any length, and what editors put before the text of a configuration.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

tiny="--arch resnet20 --data cifar10 --batch-size 16 --limit-train 16 --limit-test 4 --epochs 1"

# ---- bytes that are no text, in the folder we are in, of data, models and outputs ----
byte=$(printf '\377')
home=$work/in-$byte-\\x41
mkdir "$home"
cd "$home" || exit 1
cp -R "$work/cifar" "data-$byte"
for name in out err; do # where check and json look
    ln -s "$work/.$name" .$name
done
train_here() { # NAME FOLDER OPTIONS...
    test_name=$1
    test_folder=$2
    shift 2
    # shellcheck disable=SC2086 # words
    check "$test_name" "$train" $tiny --data-dir "data-$byte" --output "$test_folder" "$@"
}
train_here 'a run' "run-$byte" --algo bnn
equal 'its data in config.json' "$(json "run-$byte/config.json" data-dir)" \
    "$work/in-\\xff-\\x5cx41/data-\\xff"
check '--config' "$train" --config "run-$byte/config.json" --output again
for name in config.json last.safetensors metrics.csv; do
    same "--config: $name" "run-$byte/$name" "again/$name"
done
check '--resume' "$train" --resume "run-$byte"
train_here '--init-from' from --algo bnn --init-from "run-$byte/best.safetensors"
equal '--init-from in config.json' "$(json from/config.json init-from)" \
    "$work/in-\\xff-\\x5cx41/run-\\xff/best.safetensors"
check '--init-from, resumed' "$train" --resume from
check 'bnn-eval RUN' "$evaluate" "run-$byte" --limit-test 4 --quiet --corruptions make --corruption main
equal 'bnn-eval RUN: the model' "$(json "run-$byte/results.json" model)" \
    'run-\xff/best.safetensors'
cp "run-$byte/results.json" results.copy
check 'bnn-eval goes on' "$evaluate" "run-$byte" --limit-test 4 --quiet
same 'bnn-eval goes on' "run-$byte/results.json" results.copy
check 'bnn-eval to such files' "$evaluate" "run-$byte" --limit-test 4 --quiet --json "j-$byte" \
    --predictions "p-$byte"
equal 'bnn-eval to such files' "$(count_lines "p-$byte")" 4
check 'bnn-export' "$pack" "run-$byte/best.safetensors" --output "m-$byte"
check 'bnn-eval MODEL' "$evaluate" "m-$byte" --data-dir "data-$byte" --limit-test 4 --json j
equal 'bnn-eval MODEL: the model' "$(json j model)" 'm-\xff'
check 'bnn-bench' "$bench" infer "m-$byte" --batch-size 1 --repeat 1 --json b
equal 'bnn-bench: the model' "$(json b 0.case)" 'infer m-\xff batch 1'
check 'bnn-corrupt' "$corrupt" --data-dir "data-$byte" --output "c-$byte" --limit-test 2 \
    --corruption fog
check 'bnn-eval on files' "$evaluate" "m-$byte" --data-dir "data-$byte" --limit-test 2 \
    --corruptions "c-$byte" --json k
check 'bnn-report run' "$report" run "run-$byte"
train_here 'its float twin' "twin-$byte" --algo fp32
check 'its float twin' "$evaluate" "twin-$byte" --limit-test 4 --quiet --corruptions make
check 'bnn-report robustness' "$report" robustness "run-$byte" "twin-$byte" --json r
equal 'bnn-report robustness: a run' "$(json r runs.0.run)" 'run-\xff'
equal 'bnn-report robustness: its twin' "$(json r runs.0.twin)" 'twin-\xff'
cd "$work" || exit 1
expect_fail 'a word that is no text' '--algo .*: unknown' "$train" --algo "$byte"

# ---- long names: what is wrong and the cure are told behind them ----
long=$work
part=$(printf '%0100d' 0)
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    long=$long/$part
done
mkdir -p "$long/empty"
ends() { # NAME REGEX COMMAND...: the message ends so, and has the end of the path before it
    test_name=$1
    shift
    expect_fail "$test_name" "$@"
    matches "$test_name: begins with the path" "^[a-z-]*: (--[a-z]* )?$work/0000" .err
}
ends 'a long model' '0/m\.bnn: .*No such file or directory \(is the path spelled.*\?\)$' \
    "$evaluate" "$long/m.bnn"
ends 'a long model to export' '0/m\.bnn: .*\?\)$' "$pack" "$long/m.bnn"
ends 'a long run to resume' '0/empty/last\.safetensors: .*\?\)$' "$train" --resume "$long/empty"
ends 'a long run to report on' '0/empty: not the folder of a run.* that can be read$' \
    "$report" run "$long/empty"
echo '{"epoch": 1}' >"$long/config"
ends 'a long configuration' '0/config: unknown option "epoch" .did you mean "epochs"\?\)$' \
    "$train" --config "$long/config"
# shellcheck disable=SC2086
check 'a long run' "$train" $tiny --data-dir cifar --algo bnn --output "$long/run"
# shellcheck disable=SC2086
ends 'a long run is there' '0/run already holds a run .*, or replace it with --overwrite$' \
    "$train" $tiny --data-dir cifar --output "$long/run"
ends 'a long run without results' '0/run --corruptions make first$' "$report" robustness "$long/run"
cell='--corruptions make --corruption fog --severity 1'
# shellcheck disable=SC2086
check 'a long run, evaluated' "$evaluate" "$long/run" --limit-test 4 --json "$long/j" $cell
# shellcheck disable=SC2086
ends 'long results of another' '0/j holds results.*, or replace them with --overwrite$' \
    "$evaluate" "$long/run" --limit-test 2 --json "$long/j" $cell
ends 'a long output' '0/none/x: .*No such file or directory \(is the path spelled.*\?\)$' \
    "$pack" "$long/run/best.safetensors" --output "$long/none/x"

# ---- what editors put before a configuration ----
printf '\357\273\277{"epochs": 3}' >marked
check 'a byte order mark' "$train" --dry-run --config marked
printf '\377\376{\000}\000' >wide
expect_fail 'UTF-16' 'wide: is text in UTF-16; save it as UTF-8$' "$train" --dry-run --config wide
printf '\376\377\000{\000}' >wide
expect_fail 'UTF-16, the other order' 'wide: is text in UTF-16; save it as UTF-8$' \
    "$train" --dry-run --config wide

done_testing

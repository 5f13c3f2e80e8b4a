#!/bin/sh
# bnn-sweep: plans and their cells, work that is killed at any moment and goes on, failures that are
# kept, and the schedulers that others bring.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/programs/lib.sh
. "$here/lib.sh"

sweep=$1/bnn-sweep
export BNN_ISA=generic # results are compared; what is measured does not matter

cat >small.json <<'EOF'
{"title": "small", "groups": [
  {"name": "a", "algos": ["bnn", "fp32"], "archs": ["resnet20"], "data": ["cifar10"],
   "seeds": [1, 2], "tracks": ["task", "robustness", "complexity"],
   "options": {"epochs": 2, "batch-size": 16, "limit-train": 24, "limit-test": 8},
   "binary": {"init-from": "{twin}/best.safetensors"},
   "eval": {"limit-test": 8, "corruptions": "make", "corruption": "fog", "severity": 2}},
  {"name": "b", "algos": ["xnor"], "archs": ["resnet20"], "data": ["cifar10"],
   "tracks": ["training", "inference"],
   "options": {"epochs": 1, "batch-size": 8, "limit-train": 16, "limit-test": 8},
   "variants": {"sgd": {"optimizer": "sgd", "lr": 0.01}, "adam": {"optimizer": "adam"}},
   "eval": {"limit-test": 8}}]}
EOF
cells='a/fp32-resnet20-cifar10-s1
a/bnn-resnet20-cifar10-s1
a/fp32-resnet20-cifar10-s2
a/bnn-resnet20-cifar10-s2
b/xnor-resnet20-cifar10-sgd-s1
b/xnor-resnet20-cifar10-adam-s1'
data="--data-dir cifar10=$work/cifar"

names() { # FOLDER [STATE]: of its cells
    "$sweep" status "$1" | awk -v state="${2:-}" '
        /^$/ { exit } NR > 1 && (state == "" || $2 == state) { print $1 }'
}

# ---- plans ----
check 'a plan' "$sweep" plan small.json --no-measure --json plan.json
equal 'a plan: kinds of cells' "$(awk '/^$/ { exit } NR > 1 { print $1, $2, $(NF - 8) }' .out)" \
    'a fp32 2
a bnn 2
b xnor 1
b xnor 1'
matches 'a plan: the sum' '^6 cells, 0:00 of work .*; of 6 the time is not known$' .out
equal 'a plan: JSON' "$(json plan.json cells) $(json plan.json kinds.2.variant)" '6 sgd'
# shellcheck disable=SC2086 # words
check 'a plan, measured' "$sweep" plan small.json $data --json plan.json
equal 'a plan, measured' "$(grep -c ' measured$' .out)" 4
matches 'a plan, measured: the sum' '^6 cells, [0-9:]+ of work on [0-9]+ threads?( each)?, [0-9.]+ MiB$' .out
equal 'a plan, measured: nothing is left' "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'bnn-sweep.*' -user "$(id -u)" -newer small.json)" ''
evaluated() { # NAME EVAL
    printf '{"name": "%s", "algos": ["bnn"], "archs": ["resnet20"], "data": ["cifar10"], "options":
        {"epochs": 1, "batch-size": 8, "limit-train": 16, "limit-test": 8}, "eval": {%s}}' "$1" "$2"
}
{
    echo '{"groups": ['
    evaluated clean '"limit-test": 8' && echo ,
    evaluated one '"limit-test": 8, "corruptions": "make", "corruption": "fog", "severity": 2' && echo ,
    evaluated larger '"limit-test": 16, "corruptions": "make", "corruption": "fog", "severity": 2' && echo ,
    evaluated main '"limit-test": 8, "corruptions": "make"' && echo ,
    evaluated all '"limit-test": 8, "corruptions": "make", "corruption": "all"'
    echo ']}'
} >evaluated.json
# shellcheck disable=SC2086 # words
check 'evaluations' "$sweep" plan evaluated.json $data --json plan.json
for i in 0 1 2 3 4; do
    json plan.json kinds.$i.seconds 12
done >seconds
equal 'evaluations: passes over eight samples, beside the clean one' "$(awk '
    { more[NR] = $1 - first; if (NR == 1) { first = $1; more[1] = 0 } }
    END { for (i = 3; i <= NR; i++) printf "%.3f ", more[i] / more[2] }' seconds)" \
    '3.000 75.000 95.000 '
mkdir textless
echo '{"groups": [{"name": "t", "algos": ["bnn"], "archs": ["bert_tiny4"], "data": ["glue_cola"]}]}' >texts.json
expect_late_fail 'a vocabulary that is missing' '1 of 1 lines cannot be trained; .*textless: no vocab.txt' \
    "$sweep" plan texts.json --data-dir glue_cola=textless
for dirs in 'glue_*=textless' 'glue_[c]ola=textless'; do
    expect_late_fail "a folder of several data sets: $dirs" 'textless: no vocab.txt' \
        "$sweep" plan texts.json --data-dir "$dirs"
done
expect_fail 'a folder of no data set' 'clue_\*: is no data set' "$sweep" plan texts.json --data-dir 'clue_*=.'
for plan in bibench quick cifar10 complexity training-cost; do
    check "the plan $plan" "$sweep" plan $plan --no-measure
done
equal 'training-cost: the 72 configurations' \
    "$(awk '/^$/ { exit } NR > 1' .out | wc -l | tr -d ' ')" 72

wrong() { # NAME REGEX PLAN
    printf '%s' "$3" >wrong.json
    expect_fail "plan: $1" "wrong.json: .*$2" "$sweep" plan wrong.json --no-measure
}
group() { # NAME REGEX KEYS
    wrong "$1" "$2" "{\"groups\": [{\"name\": \"g\", $3}]}"
}
wrong 'not JSON' 'not JSON: line 1' '{'
wrong 'a list' 'list of groups' '[]'
wrong 'no group' 'list of groups' '{"groups": []}'
wrong 'a key' "'group' is no key of a plan .did you mean groups" '{"group": [], "groups": [{}]}'
wrong 'no name' "'name' of a group" '{"groups": [{}]}'
wrong 'a name' "'name' of a group" '{"groups": [{"name": "../a"}]}'
wrong 'two names' "group 'g': there are two" '{"groups": [{"name": "g"}, {"name": "g"}]}'
wrong 'a limit' "'limit' must be" '{"groups": [{"name": "g"}], "limit": 0}'
wrong 'folders' "'data-dirs' must be" '{"groups": [{"name": "g"}], "data-dirs": 1}'
group 'a key of a group' "group 'g': 'algo' is no key .*algos" '"algo": ["bnn"]'
group 'an algorithm' "'algos': there is no bnnn .did you mean bnn" '"algos": ["bnnn"]'
group 'no algorithm' "'algos' must be a list" '"algos": "bnn"'
group 'a network for other data' 'arch resnet20 is for' '"archs": ["resnet20"], "data": ["glue_cola"]'
group 'nothing together' 'no network goes together' '"archs": ["resnet*"], "data": ["glue_cola"]'
group 'an option of the sweep' "'output' is no option" '"options": {"output": "x"}'
group 'an option that is a list' "'lr' must be a text" '"options": {"lr": [1, 2]}'
group 'a variant' "'a b' must be letters" '"variants": {"a b": {}}'
group 'no variant' "'variants' must be" '"variants": []'
group 'a track' "'tracks' must be some of" '"tracks": ["speed"]'
group 'a seed' "'seeds' must be" '"seeds": [-1]'
group 'a seed twice' 'stands twice' '"seeds": [1, 1]'
group 'corruptions of no images' "'corruptions' of 'eval' are of images .* modelnet40 has none" \
    '"data": ["modelnet40"], "eval": {"corruptions": "make"}'
wrong 'folders of no data' "'nope' is no data set" '{"groups": [{"name": "g"}], "data-dirs": {"nope": "x"}}'
group 'files of an evaluation' "'predictions' is no option" '"eval": {"predictions": "x"}'
group 'a corruption' "group 'g': --corruption fogg: .*did you mean fog" \
    '"data": ["cifar10"], "eval": {"corruptions": "make", "corruption": "fogg"}'
group 'an option that bnn-train has not' "group 'g': bnn-train: unknown option --epoch .did you mean --epochs" \
    '"options": {"epoch": 1}'
group 'a value that bnn-train refuses' "group 'g': bnn-train: --lr -1: must be" '"options": {"lr": -1}'
group 'a value that is missing' "group 'g': bnn-train: --lr: its value" '"options": {"lr": true}'
group 'an option of float networks' "group 'g': bnn-train: --batch-size 0: must be" '"float": {"batch-size": 0}'
group 'an option of the second variant' "group 'g': bnn-train: --epochs x: must be" \
    '"variants": {"a": {}, "b": {"epochs": "x"}}'
group 'an option that bnn-eval has not' "group 'g': bnn-eval: unknown option --limit-train" \
    '"eval": {"limit-train": 1}'
group 'an option that does nothing but check' "'check-options' is no option" '"options": {"check-options": true}'
echo '{"groups": [{"name": "g", "options": {"epoch": 1}}]}' >wrong.json
expect_fail 'nothing is submitted' "group 'g': bnn-train: unknown option" "$sweep" run wrong.json \
    --output nowhere --backend slurm
refuse 'nothing is submitted: no folder' test -e nowhere
group 'minutes' "'minutes' must be" '"minutes": 0'
group 'no twin' 'fp32 must be among' '"algos": ["bnn"], "binary": {"teacher": "{twin}"}'
expect_fail 'no plan' 'quik: there is no such file' "$sweep" plan quik
expect_fail 'no sweep' 'is of a sweep' "$sweep" status small.json
expect_fail 'no folder of a sweep' 'no folder of a sweep' "$sweep" status "$work/cifar"
expect_fail 'a command' 'did you mean status' "$sweep" statu small.json
expect_fail 'an option of another command' '--retry goes with run, not with plan' "$sweep" plan \
    small.json --retry
expect_fail 'a folder of data' 'must be DATA=DIR' "$sweep" plan small.json --data-dir cifar
expect_fail 'a folder of no data' '--data-dir nope: is no data set' "$sweep" plan small.json \
    --data-dir nope=cifar
expect_fail 'a cell' '--cell a/bnn: the plan has none' "$sweep" run small.json --cell a/bnn

# ---- a whole sweep ----
mkdir whole killed
cd whole || exit 1
# shellcheck disable=SC2086
check 'a sweep' "$sweep" run ../small.json $data --jobs 2
matches 'a sweep: the end' '^6 of 6 cells are done$' "$work/.out"
equal 'a sweep: cells' "$(names sweeps/small)" "$cells"
equal 'a sweep: done' "$(names sweeps/small 'done')" "$cells"
check 'a sweep: status' "$sweep" status sweeps/small --json status.json
equal 'a sweep: status' "$(json status.json cells.1.state) $(json status.json cells.1.epochs_done 0)" \
    'done 2'
equal 'a sweep: the score' "$(json status.json cells.1.value)" \
    "$(json sweeps/small/a/bnn-resnet20-cifar10-s1/run/results.json top1)"
equal 'a sweep: measured alone, and once' "$(find sweeps -name infer.json)" \
    sweeps/small/b/xnor-resnet20-cifar10-sgd-s1/infer.json
equal 'a sweep: measured when nothing else was to do' "$(find sweeps -name results.json -newer \
    sweeps/small/b/xnor-resnet20-cifar10-sgd-s1/infer.json)" ''
check 'nothing is done twice' "$sweep" run sweeps/small
equal 'nothing is done twice' "$(cat "$work/.out")" '6 of 6 cells are done'
check 'the plan knows' "$sweep" plan sweeps/small
equal 'the plan knows' "$(grep -c ' finished$' "$work/.out")" 4
cd .. || exit 1

# ---- killed, and killed again: the same, whenever that was ----
same_sweep() { # NAME FOLDER
    for cell in $cells; do
        same "$1: $cell" "$2/$cell/run/metrics.csv" "whole/sweeps/small/$cell/run/metrics.csv"
        same "$1: $cell" "$2/$cell/run/results.json.kept" \
            "whole/sweeps/small/$cell/run/results.json.kept"
    done
}
keep() { # FOLDER: its results without what tells one checkpoint from another
    for cell in $cells; do
        grep -v '"checksum"' "$1/$cell/run/results.json" >"$1/$cell/run/results.json.kept"
    done
}
keep whole/sweeps/small
cd killed || exit 1
awk -v seed="$$" 'BEGIN { srand(seed); for (i = 0; i < 8; i++) print 0.05 + 1.5 * rand() }' >moments
while read -r moment; do
    # shellcheck disable=SC2086
    timeout --foreground -s KILL "$moment" "$sweep" run ../small.json $data --jobs 2 >.out 2>.err
    [ $? -eq 137 ] || break
done <moments
# shellcheck disable=SC2086
check "killed after $(tr '\n' ' ' <moments)s" "$sweep" run ../small.json $data --jobs 2
keep sweeps/small
cd .. || exit 1
same_sweep killed killed/sweeps/small
for folder in whole killed; do
    check "$folder: tables" "$report" bibench $folder/sweeps/small --tables $folder/tables
done
for table in task architecture robustness complexity; do
    same "killed: the table $table" killed/tables/$table.csv whole/tables/$table.csv
done
equal 'killed: nothing unfinished' "$(find killed -name '*.tmp-*')" ''

# ---- interrupted: what runs is saved, and the processes are gone ----
running() {
    grep -qs '^[$] .*bnn-train .*--output' long/a/*/log.txt
}
sed 's/"epochs": 2/"epochs": 500/' small.json >long.json
# shellcheck disable=SC2086
"$sweep" run long.json --output long $data --jobs 2 >long.out 2>&1 &
pid=$!
for _ in $(seq 200); do
    test -s long/a/fp32-resnet20-cifar10-s1/run/last.safetensors && break
    sleep 0.05
done
equal 'running' "$(names long runs | head -n 1)" a/fp32-resnet20-cifar10-s1
check 'running' running
kill -INT $pid
wait $pid
equal 'interrupted: exit status' $? 130
equal 'interrupted: advice' "$(tail -n 1 long.out)" 'interrupted; go on with: bnn-sweep run long'
matches 'interrupted: its training, too' 'go on with: bnn-train --resume' \
    long/a/fp32-resnet20-cifar10-s1/log.txt
equal 'interrupted: nobody runs' "$(names long runs)" ''
expect_late_fail 'other options' 'begun with other options than the plan now has' "$sweep" run \
    small.json --output long
check 'other options: the sweep is what it was' "$sweep" status long

# ---- failures are kept, with their reason ----
cp -r cifar moved
failing='{"groups": [{"name": "f", "algos": ["bnn"], "archs": ["resnet20"], "data": ["cifar10"],
  "options": {"epochs": 1, "batch-size": 8, "limit-train": 8, "limit-test": 8},
  "eval": {"limit-test": 8}, "tracks": ["task"], "variants": {"good": {}, "bad": {"freeze": "none"}}}]}'
echo "$failing" >failing.json
expect_late_fail 'a plan that cannot be trained' \
    '1 of 2 lines cannot be trained; f, bnn resnet20 cifar10: bnn-train: .*none' "$sweep" plan \
    failing.json --data-dir cifar10=cifar
rm moved/test_batch.bin
"$sweep" run failing.json --output failing --data-dir cifar10=moved >.out 2>.err
judge 'failed cells' '2 cells failed.*--retry' '^$' $? bnn-sweep
equal 'failed cells' "$(names failing FAILED)" 'f/bnn-resnet20-cifar10-good-s1
f/bnn-resnet20-cifar10-bad-s1'
matches 'failed: why' 'FAILED in train: bnn-train: .*test_batch.bin' .out
matches 'failed: why, as soon as it can be known' 'FAILED in count: bnn-train: .*none' .out
cp cifar/test_batch.bin moved
"$sweep" run failing >.out 2>.err
judge 'failed cells stay' '2 cells failed' '^$' $? bnn-sweep
"$sweep" run failing --retry >.out 2>.err
judge 'retried' '1 cells failed' '^$' $? bnn-sweep
equal 'retried' "$(names failing 'done')" f/bnn-resnet20-cifar10-good-s1
echo "$failing" | sed 's/"bad": {"freeze": "none"}/"slow": {"epochs": 1000}/; s/"tracks"/"minutes": 0.02, &/' \
    >slow.json
"$sweep" run slow.json --output slow --data-dir cifar10=cifar >.out 2>.err
judge 'too slow' 'cells failed' '^$' $? bnn-sweep
matches 'too slow' 'slow-s1 .*FAILED in train: its 0.02 minutes are over' .out
check 'too slow: it can go on' test -s slow/f/bnn-resnet20-cifar10-slow-s1/run/last.safetensors

# ---- data that nobody has ----
check 'no data' "$sweep" run small.json --output none
matches 'no data' '^0 of 6 cells are done; 6 have no data' .out
expect_late_fail 'no data of a cell' 'give --data-dir cifar10=DIR' "$sweep" run none --cell \
    b/xnor-resnet20-cifar10-sgd-s1
expect_late_fail 'a twin that is not trained' 'needs a/fp32-resnet20-cifar10-s1' "$sweep" run none \
    --data-dir cifar10=cifar --cell a/bnn-resnet20-cifar10-s1

# ---- counts alone: nothing is trained, so nobody needs the data ----
echo '{"groups": [{"name": "c", "tracks": ["complexity"], "algos": ["fp32", "bnn"], "archs": ["fsmn"],
  "data": ["speech_commands"]}]}' >counts.json
check 'counts: a plan' "$sweep" plan counts.json
equal 'counts: a plan' "$(grep -c ' nothing is trained$' .out)" 2
check 'counts' "$sweep" run counts.json
matches 'counts' '^2 of 2 cells are done$' .out
equal 'counts: nothing was trained' "$(find sweeps/counts -name '*.safetensors')" ''
check 'counts: a report' "$report" bibench sweeps/counts --output counts.html --tables counts
matches 'counts: a table' '^speech_commands,fsmn,"operations, times fewer",1,33[.]78' counts/complexity.csv
matches 'counts: a link' 'href="sweeps/counts/c/bnn-fsmn-speech_commands-s1/complexity.json"' counts.html

# ---- a few samples of a plan ----
# shellcheck disable=SC2086
check 'limited' "$sweep" run small.json --output limited $data --limit 8 --cell \
    b/xnor-resnet20-cifar10-sgd-s1
equal 'limited' "$(json limited/b/xnor-resnet20-cifar10-sgd-s1/run/config.json limit-train 0)" 8
echo "$failing" | sed 's/"batch-size": 8, //; s/, "bad".*}}$/}}]}/; s/, "bad": {"freeze": "none"}//' >usual.json
# shellcheck disable=SC2086
check 'limited below a batch' "$sweep" run usual.json --output usual $data --limit 4
equal 'limited below a batch' "$(json usual/f/bnn-resnet20-cifar10-good-s1/run/config.json batch-size 0)" 4

# ---- the table as a page ----
check 'a page' "$sweep" status slow --html status.html
matches 'a page: a cell, and where it lies' '<a href="slow/f/bnn-resnet20-cifar10-slow-s1/">' status.html
matches 'a page: why it failed' 'its 0.02 minutes are over' status.html
checks=$((checks + 1))
! grep -q 'http-equiv="refresh"' status.html || fail 'a page of what is over looks again'
check 'a page in the folder of the sweep' "$sweep" status limited --html limited/status.html
matches 'a page: looks again' '<meta http-equiv="refresh" content="30"/>' limited/status.html
check 'again and again, until it is over' "$sweep" status slow --html status.html --every 1
if command -v xmllint >/dev/null; then
    check 'a page: XML' xmllint --noout --nonet status.html limited/status.html
fi
expect_fail 'a page of a plan' '--html goes with status, not with plan' "$sweep" plan small.json \
    --html plan.html

# ---- several at one sweep: each cell once ----
# shellcheck disable=SC2086
"$sweep" run small.json --output common $data --jobs 2 >one.out 2>&1 &
pid=$!
sleep 0.3
check 'two sweeps' "$sweep" run small.json --output common --jobs 2
wait $pid
equal 'two sweeps: exit status' $? 0
for cell in $cells; do
    equal "two sweeps: $cell" "$(grep -c '^[$] .*bnn-train .*--output' "common/$cell/log.txt")" 1
done

# ---- a run that was removed is trained again ----
first=$(echo "$cells" | head -n 1)
rm -r "common/$first/run"
equal 'a run that is gone' "$(names common 'done' | grep -c .)" 5
check 'a run that is gone: again' "$sweep" run common
equal 'a run that is gone: done' "$(names common 'done')" "$cells"

# ---- make ----
# shellcheck disable=SC2086
check 'a Makefile' "$sweep" run small.json --output made $data --backend make --threads 1
if command -v make >/dev/null; then
    check 'make' make -s -j 2 -C made
    equal 'make: done' "$(names made 'done')" "$cells"
    check 'make again' make -s -C made
    equal 'make again: nothing is done twice' \
        "$(cat made/a/*/log.txt | grep -c '^[$] .*bnn-train .*--output')" 4
fi

# ---- Slurm, as far as it can be had without it ----
mkdir bin
cp "$here/../fixtures/sbatch" bin
# shellcheck disable=SC2086
check 'Slurm: no sbatch' env PATH=/nowhere "$sweep" run small.json --output slurm $data \
    --backend slurm
equal 'Slurm: no sbatch' "$(cat .out)" "there is no sbatch here; where there is one, submit \
slurm/slurm/job-0.sh (4 cells), and, as --dependency=afterany:JOB of the number that gets, \
slurm/slurm/job-1.sh (2 cells that need one of those)"
check 'Slurm: no twins' env PATH=/nowhere "$sweep" run counts.json --output alone --backend slurm
equal 'Slurm: no twins' "$(cat .out)" \
    'there is no sbatch here; where there is one, submit alone/slurm/job-0.sh (2 cells)'
equal 'Slurm: no twins, no second script' "$(ls alone/slurm)" 'cells-0.txt
cells-1.txt
job-0.sh'
check 'Slurm: no data' "$sweep" run small.json --output empty --backend slurm
matches 'Slurm: no data' '^there is nothing to submit: no cell has data' .out
check 'Slurm' env PATH="$work/bin:$PATH" "$sweep" run slurm --backend slurm
equal 'Slurm: jobs' "$(cat sbatch.log)" '--parsable slurm/slurm/job-0.sh
--parsable --dependency=afterany:44 slurm/slurm/job-1.sh'
equal 'Slurm: done' "$(names slurm 'done')" "$cells"

# ---- help ----
check '--help' "$sweep" --help
matches '--help' 'plan\|run\|status' .out
check '--man' "$sweep" --man
matches '--man' '^\.TH' .out

done_testing

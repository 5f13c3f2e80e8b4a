#!/bin/sh
# bnn-report bibench: the tables of a sweep whose numbers are known, in all their forms, and the page.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

sweep=$1/bnn-sweep
cat >plan.json <<'EOF'
{"title": "A <title> & more", "groups": [
  {"name": "c", "algos": ["bnn", "fp32"], "archs": ["resnet20"], "data": ["cifar10"],
   "seeds": [1, 2], "options": {"epochs": 1, "batch-size": 8, "limit-train": 8, "limit-test": 8},
   "eval": {"limit-test": 8, "corruptions": "make", "corruption": "fog,snow", "severity": 2}},
  {"name": "m", "algos": ["bnn", "fp32"], "archs": ["resnet20"], "data": ["mnist"],
   "options": {"epochs": 1, "batch-size": 8, "limit-train": 8, "limit-test": 8},
   "eval": {"limit-test": 8}},
  {"name": "t", "algos": ["bnn", "fp32"], "archs": ["resnet20"], "data": ["cifar10"],
   "tracks": ["training"],
   "options": {"epochs": 1, "batch-size": 8, "limit-train": 8, "limit-test": 8},
   "variants": {"slow": {"lr": 0.0001}, "fast": {"lr": 0.001}},
   "eval": {"limit-test": 8}}]}
EOF
expect_fail 'no sweep' 'no folder of a sweep' "$report" bibench "$work/cifar"
mkdir begun
cp plan.json begun
expect_fail 'nothing done' 'no cell is done yet; bnn-sweep run begun' "$report" bibench begun
check 'the sweep' "$sweep" run plan.json --output s --data-dir "cifar10=$work/cifar,mnist=$work/idx"

# ---- numbers that can be computed by hand ----
make_known() { # CELL ACCURACY [CORRUPTED [SECONDS]]
    awk -v clean="$2" -v corrupted="${3:-0}" '
        /^  "top1":/ { sub(/[0-9.]+,/, clean ",") }
        values && /[0-9.]/ { sub(/[0-9.]+/, corrupted); values = 0 }
        /"top1": \[/ { values = 1 }
        { print }' "s/$1/run/results.json" >edited
    # The severity that was evaluated is the second of five, the others are null.
    mv edited "s/$1/run/results.json"
    printf '{"seconds":%s}\n{"seconds":%s}\n' "${4:-1}" "${4:-1}" >"s/$1/run/steps.jsonl"
}
make_known c/fp32-resnet20-cifar10-s1 87.5 75
make_known c/fp32-resnet20-cifar10-s2 100 87.5
make_known c/bnn-resnet20-cifar10-s1 75 50
make_known c/bnn-resnet20-cifar10-s2 75 50
make_known m/fp32-resnet20-mnist-s1 80
make_known m/bnn-resnet20-mnist-s1 40
make_known t/fp32-resnet20-cifar10-slow-s1 90 0 5
make_known t/fp32-resnet20-cifar10-fast-s1 94 0 5
make_known t/bnn-resnet20-cifar10-slow-s1 71 0 10
make_known t/bnn-resnet20-cifar10-fast-s1 73 0 10
for cell in c/bnn-resnet20-cifar10-s1 m/bnn-resnet20-mnist-s1; do
    sed 's/"seconds": [0-9.e-]*/"seconds": 0.001/; s/"baseline_seconds": [0-9.e-]*/"baseline_seconds": 0.005/
        s/"file_bytes": [0-9]*/"file_bytes": 1000/; s/"float_bytes": [0-9]*/"float_bytes": 10000/' \
        s/$cell/infer.json >edited && mv edited s/$cell/infer.json
done

# ---- nothing of a sweep is written over ----
cp -r s before
for file in plan.json c/bnn-resnet20-cifar10-s1/state.json c/bnn-resnet20-cifar10-s1/run/results.json \
    c/bnn-resnet20-cifar10-s1/run/best.safetensors m/bnn-resnet20-mnist-s1/infer.json; do
    expect_fail "over $file" 'would be written over' "$report" bibench s --output "s/$file"
    expect_fail "over $file: status" 'would be written over' "$sweep" status s --json "s/$file"
done
expect_fail 'over the run that is measured' 'would be written over' "$bench" infer \
    s/m/bnn-resnet20-mnist-s1/run --batch-size 1 --json s/m/bnn-resnet20-mnist-s1/run/last.safetensors
check 'nothing was' diff -r s before

check 'the report' "$report" bibench s --tables tables --json all.json
cp .out printed
value() { # TABLE FIRST SECOND THIRD COLUMN: of tables/TABLE.csv
    awk -F, -v a="$2" -v b="$3" -v c="$4" -v column="$5" '
        NR == 1 { for (i = 4; i <= NF; i++) at[$i] = i }
        { gsub(/"/, "") }
        $1 == a && $2 == b && $3 == c { printf "%.4f", $at[column] }' "tables/$1.csv"
}
# 75 by 93.75, and 40 by 80: E = 0.8 and 0.5.
equal 'accuracy' "$(value task cifar10 resnet20 c fp32) $(value task cifar10 resnet20 c bnn)" \
    '93.7500 75.0000'
equal 'E of a task' "$(value task cifar10 '' 'E of binary / float' bnn)" 0.8000
equal 'learning task' "$(value task 'overall metric' '' '' bnn)" 0.6671
equal 'learning task: the float twin' "$(value task 'overall metric' '' '' fp32)" 1.0000
equal 'architecture' "$(value architecture 'overall metric' '' '' bnn)" 0.6500
# Gaps of 12.5 and 25.
equal 'robustness' "$(value robustness fog '' 'float gap / binary gap' bnn)" 0.5000
equal 'robustness' "$(value robustness 'overall metric' '' '' bnn)" 0.5000
# 10 s and 20 s, spreads 2 and 1.
equal 'training: seconds' "$(value training cifar10 resnet20 'seconds of a training' bnn)" 20.0000
equal 'training: spread' "$(value training cifar10 resnet20 'spread of accuracy' fp32)" 2.0000
equal 'training' "$(value training 'overall metric' '' '' bnn)" 1.4577
equal 'complexity' "$(value complexity parameters '' 'E of float / binary' bnn) $(value complexity \
    operations '' 'E of float / binary' bnn)" '20.0910 30.6442'
equal 'complexity' "$(value complexity 'overall metric' '' '' bnn)" 25.9106
# 5 times faster, 10 times smaller.
equal 'inference' "$(value inference 'overall metric' '' '' bnn)" 7.9057

# ---- the same in the other forms ----
equal 'printed' "$(sed -n 's/^Corruption robustness *//p' printed | tr -s ' ')" '- 0.5000'
equal 'JSON' "$(json all.json tables.0.rows.0.values.bnn 4) $(json all.json 'done' 0)" '0.6671 10'
equal 'JSON of a table' "$(json tables/training.json rows.3.values.fp32 4) $(json \
    tables/training.json name)" '2.0000 training'
matches 'LaTeX' '^overall metric &  &  & -- & 7.9057 ' tables/inference.tex
equal 'LaTeX: columns' "$(grep -c '\\end{tabular}' tables/task.tex)" 1
equal 'tables' "$(find tables -type f | wc -l | tr -d ' ')" 21
matches 'the page: a number is a link' \
    '<a href="c/bnn-resnet20-cifar10-s1/run/report.html">75.00</a> <small>' s/report.html
for link in $(sed 's/href="/\n&/g' s/report.html | sed -n 's/^href="\([^"]*\)".*/\1/p' | sort -u); do
    test -s "s/$link" || fail "the page: $link is not there"
done
matches 'the page: escaped' '<h1>A &lt;title&gt; &amp; more</h1>' s/report.html
equal 'the page: numbers' "$(grep -aEc '[> "](nan|-?inf)[<" ]' s/report.html)" 0
equal 'the page: pictures' "$(grep -c '<figure>' s/report.html)" 11
if command -v xmllint >/dev/null; then
    check 'the page: XML' xmllint --noout --nonet s/report.html
fi
check 'elsewhere' "$report" bibench s --output page.html
matches 'elsewhere' 'href="s/c/bnn-resnet20' page.html

# ---- what is left open ----
option() { # NAME TABLE FIRST THIRD COLUMN EXPECTED OPTIONS...
    test_option=$1 test_table=$2 test_first=$3 test_third=$4 test_column=$5 test_expected=$6
    shift 6
    check "$test_option" "$report" bibench s --tables tables "$@"
    equal "$test_option" "$(value "$test_table" "$test_first" '' "$test_third" "$test_column")" \
        "$test_expected"
}
option 'ratio of means' architecture 'overall metric' '' bnn 0.6619 --ratio-of-means
option 'spread of a sample' training spread 'E of float / binary' bnn 2.0000 --sample-spread
equal 'spread of a sample' "$(value training cifar10 resnet20 'spread of accuracy' bnn)" 1.4142
option 'severities apart' robustness 'fog 2' 'float gap / binary gap' bnn 0.5000 --severities-apart
option 'a corruption' robustness 'overall metric' '' bnn 0.5000 --corruption snow
equal 'a corruption: the other' "$(value robustness fog '' 'float gap / binary gap' bnn)" ''
option 'seeds are averaged' training spread 'E of float / binary' bnn 2.0000 --mean-seeds
expect_fail 'an option of another command' '--mean-seeds goes with bibench' "$report" run s \
    --mean-seeds
expect_fail 'two sweeps' 'bibench takes one sweep' "$report" bibench s s

# ---- what is damaged ----
damaged() { # NAME REGEX FILE
    cp "s/$3" kept
    printf '{' >"s/$3"
    expect_fail "$1" "$3: $2" "$report" bibench s
    cp kept "s/$3"
}
damaged 'a plan' 'not JSON' plan.json
damaged 'a state' 'not JSON' m/bnn-resnet20-mnist-s1/state.json
damaged 'results' 'not JSON' m/bnn-resnet20-mnist-s1/run/results.json
damaged 'counts' 'not JSON' m/bnn-resnet20-mnist-s1/complexity.json
damaged 'times' 'not JSON' m/bnn-resnet20-mnist-s1/infer.json
rm s/m/bnn-resnet20-mnist-s1/run/results.json
expect_fail 'no results' 'the cell is done, but its results.json is gone' "$report" bibench s

done_testing

#!/bin/sh
# bnn-report: pages that any XML parser reads, whose numbers are those of the run's files, and the
# robustness metric of files with known numbers.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

if command -v xmllint >/dev/null; then
    parser='xmllint --noout --nonet'
elif command -v python3 >/dev/null; then
    printf 'import sys, xml.dom.minidom\nxml.dom.minidom.parse(sys.argv[1])\n' >parse.py
    parser='python3 parse.py'
else
    echo 'SKIPPED: neither xmllint nor python3 is there to read the pages'
    parser=true
fi

page() { # NAME FILE: well-formed, and complete by itself
    # shellcheck disable=SC2086 # words
    check "$1: XML" $parser "$2"
    matches "$1: a page" '<!DOCTYPE html>' "$2"
    refuse "$1: needs nothing else" grep -Eiq '<(script|link|img|iframe|object|embed)|url\(|@import|(src|href)=' "$2"
    equal "$1: addresses" "$(grep -ao 'https\?://[^"]*' "$2" | sort -u)" 'http://www.w3.org/1999/xhtml'
    matches "$1: dark, too" 'prefers-color-scheme:dark' "$2"
    equal "$1: numbers" "$(grep -aEc '[> "](nan|-?inf)[<" ]' "$2")" 0
}

numbers() { # FILE NAME WHICH: the row of that name, in the table of that number, without its tags
    grep -aF "<th scope=\"row\">$2</th>" "$1" | sed -n "${3}p" | sed 's/<[^>]*>/ /g' | tr -s ' ' |
        sed 's/^ //; s/ $//'
}

# ---- a run that was trained and evaluated ----
run 'a run' run --algo bnn
check 'a page without results' "$report" run run
equal 'the page is named' "$(cat .out)" run/report.html
page 'a page without results' run/report.html
matches 'a page without results' 'bnn-eval run --corruptions make' run/report.html
check 'results' "$evaluate" run --limit-test 30 --corruptions make --quiet
check 'a page' "$report" run run --output page.html
equal 'the page is named' "$(cat .out)" page.html
page 'a page' page.html
results=run/results.json
for row in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
    name=$(json $results corruptions.rows.$row.corruption)
    values=$name
    for at in top1.0 top1.1 top1.2 top1.3 top1.4 mean gap; do
        values="$values $(json $results corruptions.rows.$row.$at)"
    done
    equal "the page's $name" "$(numbers page.html "$name" 1)" "$values"
done
for class in 0 1 2 3 4 5 6 7 8 9; do
    name=$(json $results classes.$class.class)
    equal "the page's $name" "$(numbers page.html "$name" 1)" \
        "$name $(json $results classes.$class.samples) $(json $results classes.$class.top1)"
done
best=$(tail -n 1 run/metrics.csv | awk -F, '{ printf "%.2f", $8 }')
matches 'the best accuracy' "<b>$best%</b><span>best test accuracy" page.html
matches 'the instruction set' "<dd>$(json $results isa)</dd>" page.html
matches 'two charts' '<svg viewBox="0 0 480 290"' page.html
equal 'lines are told apart without colour' \
    "$(grep -o 'class="l c[01]" stroke-dasharray="[^"]*"' page.html | sort | uniq -c | tr -s ' ')" \
    "$(printf ' 2 class="l c0" stroke-dasharray="none"\n 2 class="l c1" stroke-dasharray="7 4"')"

# ---- examples: the first images of three classes, and one that is wrong ----
count=$(json $results 'examples.#')
equal 'examples on the page' "$(grep -c '<figure><svg viewBox="0 0 32 32"' page.html)" "$count"
equal 'examples: the first' "$(json $results examples.0.classes.0)" \
    "$(json $results classes.$(od -An -tu1 -N1 cifar/test_batch.bin | tr -d ' ').class)"
equal 'examples: the first pixel' "$(json $results examples.0.values | cut -d' ' -f1-3)" \
    "$(for plane in 1 1025 2049; do
        od -An -tu1 -j$plane -N1 cifar/test_batch.bin
    done | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')"
matches 'examples: one is wrong' '>taken for <b>[a-z]+</b>, is [a-z]+<' page.html
# Results of an older program have none; the same command goes on with them, to the same file.
cp -r run older
awk '/^  "examples": \[/ { skip = 1 } !skip { print } /^  \],?$/ { skip = 0 }' $results \
    >older/results.json
matches 'older results' '^  "corruptions"' older/results.json
refuse 'older results have no examples' grep -q examples older/results.json
check 'older results: a page' "$report" run older --output older.html
page 'older results: a page' older.html
refuse 'older results: no examples' grep -q '<h2>Examples' older.html
check 'older results: gone on with' "$evaluate" older --limit-test 30 --corruptions make --quiet
sed 's/"older\//"run\//' older/results.json >gone-on
same 'older results: gone on with' gone-on $results

# ---- runs with known numbers: accuracies of 1000 images, in tenths of a percent ----
make_run() { # FOLDER ALGO ARCH CLEAN LOSS [SEED]: corruption i loses LOSS * (i + 1), + severity
    mkdir -p "$1"
    sed "s/\"algo\": \"bnn\"/\"algo\": \"$2\"/; s/\"arch\": \"resnet20\"/\"arch\": \"$3\"/" \
        run/config.json >"$1/config.json"
    cp run/metrics.csv run/steps.jsonl "$1"
    awk -v algo="$2" -v arch="$3" -v clean="$4" -v loss="$5" -v seed="${6:-0}" '
        BEGIN { s = -1 }
        /"algo":/ { sub(/bnn/, algo) }
        /"arch":/ { sub(/resnet20/, arch) }
        /"source":/ { sub(/seed 0/, "seed " seed) }
        /"(images|samples)": 30/ { sub(/30/, 1000) }
        /^  "top[15]":/ { sub(/[0-9.]+,/, clean / 10 ",") }
        /"corruption":/ { i++; s = -1 }
        s >= 0 && s < 5 { sub(/[0-9.]+/, (clean - loss * i - (s - 2)) / 10) }
        s >= 0 { s++ }
        /"top1": \[/ { s = 0 }
        { print }' run/results.json >"$1/results.json"
}
make_run b20 bnn resnet20 800 20
make_run f20 fp32 resnet20 900 10
make_run b18 bnn resnet18 900 5
make_run f18 fp32 resnet18 900 10
make_run r20 reactnet resnet20 850 20

# Row i loses 2 (i + 1) and 1 (i + 1) percent: a ratio of 1/2, everywhere.
check 'one pair' "$report" robustness b20 f20 --json one.json
matches 'one pair: the metric' '^bnn +on cifar10 +1 network +overall metric +0.5000$' .out
equal 'one pair: JSON' "$(json one.json algorithms.0.metric 6)" 0.500000
equal 'one pair: a gap' "$(json one.json runs.0.rows.9.mean_gap) $(json one.json \
    runs.0.rows.9.gap.0) $(json one.json runs.0.rows.9.gap.4)" '20.00 19.80 20.20'
equal 'one pair: the twin' "$(json one.json runs.0.twin)" f20
# The mean of (20 + 2 i) / (10 + i) is 2.
equal 'one pair: the mean corruption error' "$(json one.json runs.0.mean_error 6)" 200.000000
line=$(grep '^fog ' .out | head -n 1 | tr -s ' ')
equal 'one pair: printed' "$line" \
    'fog 60.20 60.10 60.00 59.90 59.80 60.00 19.80 19.90 20.00 20.10 20.20 20.00 10.00 0.500 200.0'

# Two networks: gaps of (2 + 0.5) / 2 and 1, a ratio of 0.8.
check 'two networks' "$report" robustness b20 b18 r20 f20 f18 --json two.json
equal 'two networks: bnn' "$(json two.json algorithms.0.metric 6) $(json two.json \
    algorithms.0.architectures)" '0.800000 2'
equal 'two networks: reactnet' "$(json two.json algorithms.1.metric 6)" 0.500000

# Chosen corruptions: the metric is of them alone.
check 'one corruption' "$report" robustness b20 f20 --corruption fog --json fog.json
equal 'one corruption' "$(json fog.json 'runs.0.rows.#') $(json fog.json \
    algorithms.0.metric 3)" '1 0.500'

# A gap that is not positive is told.
make_run z20 xnor resnet20 800 20
sed 's/"top1": 80,/"top1": 70,/' z20/results.json >edited && mv edited z20/results.json
check 'gaps below 0' "$report" robustness z20 f20 --json zero.json
matches 'gaps below 0' 'overall metric +- +\(over 10 of 15 .*; a gap is not positive in gaussian' .out
refuse 'gaps below 0: no metric' json zero.json algorithms.0.metric
equal 'gaps below 0: undefined' "$(json zero.json 'algorithms.0.undefined.#') $(json zero.json \
    algorithms.0.undefined.4)" '5 glass_blur'
equal 'gaps below 0: the others' "$(json zero.json algorithms.0.metric_of_defined 6)" "$(awk '
    BEGIN { for (i = 6; i <= 15; i++) sum += (i / (2 * i - 10)) ^ 2; printf "%.6f", sqrt(sum / 10) }')"

# ---- pages of them ----
odd=$(printf 'b<i>&amp;\42\47 \303\251\1\377')
mkdir "$odd"
cp b20/* "$odd"
sed 's/"cat"/"<script>\&"/' b20/results.json >"$odd/results.json"
check 'a page with its twin' "$report" run "$odd" --twin f20 --output twin.html
page 'a page with its twin' twin.html
matches 'a page with its twin: the metric' '<td>0.5000</td>' twin.html
matches 'a page with its twin: escaped' 'b&lt;i&gt;&amp;amp;&#34;&#39; é' twin.html
check 'side by side' "$report" compare "$odd" f20 run --output compare.html
page 'side by side' compare.html
matches 'side by side: escaped' '&lt;script&gt;&amp;</th>' compare.html
matches 'side by side: why there is no metric' 'are both bnn resnet20 on cifar10' compare.html
check 'side by side' "$report" compare b20 b18 f20 f18 r20 --output compare.html
page 'side by side' compare.html
matches 'side by side: the metric' '<td>0.8000</td>' compare.html
equal 'side by side: fog' "$(numbers compare.html fog 3)" 'fog 60.00 85.00 80.00 80.00 65.00'
# ---- runs that differ by their seed: 80, 82 and 84, deviation 2, and 4.303 * 2 / sqrt(3) ----
refuse 'no seeds' grep -q 'Over seeds' compare.html
for seed in 1 2 3; do
    make_run seed$seed bnn resnet20 $((780 + 20 * seed)) 20
    sed "s/\"seed\": [0-9]*/\"seed\": $seed/" seed$seed/config.json >edited && mv edited seed$seed/config.json
done
check 'seeds' "$report" compare seed1 seed2 f20 seed3 --output seeds.html
page 'seeds' seeds.html
matches 'seeds' '<td>3</td><td>[0-9.]* ± 0.00</td><td>82.00 ± 4.97</td>' seeds.html
matches 'seeds: one alone' 'fp32</th>.*<td>1</td><td>[0-9.]*</td><td>90.00</td>' seeds.html
sed 's/"samples": [0-9]*/"samples": 7/' seed3/results.json >edited && mv edited seed3/results.json
check 'seeds: other samples' "$report" compare seed1 seed2 seed3 --output seeds.html
matches 'seeds: no mean of other samples' '<td>3</td><td>[0-9.]* ± 0.00</td><td>-</td>' seeds.html
# Runs that differ in anything else are none of the same.
cp -r seed2 decayed
sed 's/"weight-decay": [^,]*,/"weight-decay": 0.5,/' seed2/config.json >decayed/config.json
refuse 'seeds: another option: it is another' cmp -s seed2/config.json decayed/config.json
check 'seeds: another option' "$report" compare seed1 decayed --output seeds.html
refuse 'seeds: no mean over other options' grep -q 'Over seeds' seeds.html
check 'a seed twice' "$report" compare seed1 seed1 seed2 --output seeds.html
matches 'a seed twice counts once' '<td>2</td>' seeds.html

check 'one alone' "$report" compare run --output compare.html
page 'one alone' compare.html
mkdir bare
cp run/config.json bare
check 'a run that has just begun' "$report" run bare
page 'a run that has just begun' bare/report.html
matches 'a run that has just begun' 'No epoch has been finished' bare/report.html

# ---- what is wrong ----
wrong() { # NAME REGEX ARGUMENTS...
    test_name=$1
    test_regex=$2
    shift 2
    expect_fail "$test_name" "$test_regex" "$report" "$@"
}
wrong 'no command' 'missing'
wrong 'no run' 'missing' run
wrong 'unknown command' 'robustnes: must be run.*did you mean robustness\?' robustnes b20
wrong 'two runs of one' 'bnn-report compare RUN' run b20 f20
wrong 'nowhere to write' 'compare: --output FILE must be given' compare b20 f20
wrong 'an option of another command' '--json goes with robustness' run b20 --json x.json
wrong 'an option of another command' '--twin goes with run' compare b20 --twin f20 --output x.html
wrong 'an option of another command' '--output goes with run' robustness b20 f20 --output x.html
wrong 'no folder' 'nowhere: not the folder of a run' run nowhere
wrong 'a file' 'one.json: not the folder of a run' run one.json
wrong 'unknown corruption' 'did you mean fog\?' robustness b20 f20 --corruption fogg
wrong 'no twin' 'b20 has no float twin.*bnn-train --algo fp32 --arch resnet20 --data cifar10' \
    robustness b20 f18
wrong 'two twins' 'f20 and f20 are both fp32 resnet20' robustness b20 f20 f20
wrong 'no binary run' 'no binary network' robustness f20
wrong 'other images' 'the images of the one 1000, of the other 30' robustness f20 b20 run
make_run s20 bnn resnet20 800 20 3
wrong 'another seed' 'gaussian_noise of the one seed 3, of the other seed 0' robustness s20 f20
wrong 'no results' 'bare was not evaluated on corruptions; run bnn-eval bare --corruptions make first' \
    robustness bare f20
wrong 'fewer corruptions' \
    'b20: speckle_noise is not among its results; run bnn-eval b20 --corruptions make --corruption all' \
    robustness b20 f20 --corruption all
mkdir unfinished
cp b20/* unfinished
awk '/"corruption": "snow"/ { s = 1 } s && /^ +[0-9.]+,?$/ { sub(/[0-9.]+/, "null"); s = 0 }
    { print }' b20/results.json >unfinished/results.json
wrong 'an unfinished evaluation' 'unfinished: snow is not evaluated to its end; run bnn-eval unf' \
    robustness unfinished f20
check 'an unfinished evaluation: a page' "$report" run unfinished
page 'an unfinished evaluation' unfinished/report.html
matches 'an unfinished evaluation: a page' '<td>-</td>' unfinished/report.html

damaged() { # NAME REGEX FILE TEXT: the run with this file instead
    rm -rf damaged
    cp -r b20 damaged
    printf '%s' "$4" >"damaged/$3"
    wrong "$1" "damaged/$3: $2" run damaged
    wrong "$1" "damaged/$3: $2" compare damaged f20 --output compare.html
    wrong "$1" "damaged/$3: $2" robustness damaged f20
}
damaged 'results: not JSON' 'not JSON: line 1' results.json '{"format":'
damaged 'results: others' 'not results of bnn-eval' results.json '{}'
damaged 'results: of another network' 'results of reactnet resnet20 on cifar10, but the run is of bnn' \
    results.json "$(cat r20/results.json)"
damaged 'results: of other data' 'results of bnn resnet20 on fashion_mnist, but the run is' \
    results.json "$(sed 's/"data": "cifar10"/"data": "fashion_mnist"/' b20/results.json)"
damaged 'metrics: no header' 'its first line is not' metrics.csv 'epoch,lr
'
damaged 'metrics: a row' 'line 3 is damaged' metrics.csv "$(head -n 2 run/metrics.csv)
1,x,,,,,,
"
damaged 'steps' 'line 1 is damaged' steps.jsonl '{"seconds":"fast"}
'
damaged 'configuration: not JSON' 'not JSON' config.json '{'
damaged 'configuration: of another program' 'no algo, arch or data' config.json '{"epochs": 3}'
cp -r run stale
cp run/config.json stale/best.safetensors
wrong 'results of an older checkpoint' \
    'stale/results.json: .* of another checkpoint .*bnn-eval stale --overwrite' run stale
mkdir taken
wrong 'no page can be written' 'taken' run b20 --output taken
wrong 'no page can be written' 'nowhere/p.html' run b20 --output nowhere/p.html
refuse 'no page can be written' test -e nowhere
check 'numbers to a file' "$report" robustness b20 f20 --json numbers.json
cp .out numbers
"$report" robustness b20 f20 --json - >numbers.stream 2>numbers.words
equal 'numbers to standard output: exit status' $? 0
same 'numbers to standard output' numbers.stream numbers.json
same 'numbers to standard output: the table' numbers.words numbers
expect_late_fail 'no JSON can be written' 'nowhere/x.json' "$report" robustness b20 f20 \
    --json nowhere/x.json

# ---- help ----
check '--help' "$report" --help
matches '--help' 'robustness RUN\.\.\.' .out
check '--man' "$report" --man
matches '--man' '^\.TH' .out

done_testing

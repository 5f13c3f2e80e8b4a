#!/bin/sh
# Where outputs go: results to files and streams, words for people elsewhere, nothing over anything
# that is read, and nothing lost without a word.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

run 'a run' run --algo bnn --limit-train 32 --limit-test 8 --epochs 1
last=run/last.safetensors
few="--data-dir cifar --limit-test 4 --quiet"
eval_few() { # OPTIONS...
    # shellcheck disable=SC2086 # words
    "$evaluate" $last $few "$@"
}
check 'the files to compare with' eval_few --json j --predictions p
check 'the packed file to compare with' "$pack" $last --output m.bnn
check 'the page to compare with' "$report" run run --output page.html

# ---- standard output, by all its names: the result alone ----
for name in - /dev/stdout /dev/fd/1 /proc/self/fd/1; do
    eval_few --json $name >out 2>err
    equal "--json $name: exit status" $? 0
    same "--json $name" out j
    matches "--json $name: words for people" '^cifar10 test: 4 images' err
    eval_few --predictions $name >out 2>err
    same "--predictions $name" out p
    "$pack" $last --output $name >out 2>err
    same "bnn-export --output $name" out m.bnn
    matches "bnn-export --output $name: words for people" 'binary weights of' err
    "$report" run run --output $name >out 2>err
    same "bnn-report --output $name" out page.html
    "$bench" gemm --case 'gemm binary' --image-size 8 --batch-size 1 --arch resnet20 --repeat 1 \
        --json $name >out 2>err
    check "bnn-bench --json $name" "$helper" json out 0.seconds 2
    matches "bnn-bench --json $name: words for people" '^case ' err
done
refuse 'no file of that name' test -e -
eval_few --json - 2>err | cat >out
same '--json - into a pipe' out j
(
    echo before
    eval_few --predictions /dev/stdout 2>err
    echo behind
) >log
equal '--predictions /dev/stdout: the log around it' "$(sed -n '1p;$p' log | tr '\n' ' ')" \
    'before behind '
sed '1d;$d' log >out
same '--predictions /dev/stdout: in the log' out p
eval_few --json /dev/fd/3 3>three >out 2>err
same '--json /dev/fd/3' three j
matches '--json /dev/fd/3: words for people stay' '^cifar10 test' out
eval_few --json /dev/stderr >out 2>err
sed -n '/^{/,/^}/p' err >three
same '--json /dev/stderr' three j
echo before >log
eval_few --predictions /dev/stdout >>log 2>err
sed 1d log >out
same '--predictions behind what was there' out p
equal '--predictions behind what was there: it is' "$(head -n 1 log)" before

# ---- pipes and devices ----
mkfifo pipe
cat pipe >out &
eval_few --json pipe >said 2>err
equal '--json PIPE: exit status' $? 0
wait
same '--json PIPE' out j
check '--json PIPE: it is still one' test -p pipe
check 'nowhere' eval_few --json /dev/null --predictions /dev/null
check 'nowhere: it is still there' test -c /dev/null
ln -s /dev/stdout link
eval_few --json link >out 2>err
same 'a link to standard output' out j
for option in json predictions; do
    expect_fail "--$option of a folder" 'cifar: is a folder' \
        "$evaluate" $last --data-dir cifar "--$option" cifar
    expect_fail "--$option of a descriptor that is closed" '/dev/fd/77: .*no such open' \
        "$evaluate" $last --data-dir cifar "--$option" /dev/fd/77
done

# ---- what is lost is told ----
# shellcheck disable=SC2094 # it is one on purpose
exec 3<>pipe 4>pipe 3<&- # 4: a pipe that nobody reads
lost() { # NAME REGEX PROGRAM STATUS: of .err, beside words for people
    equal "$1: exit status" "$4" 1
    equal "$1: one line" "$(grep "^$3: " .err | grep -vc ': note: ')" 1
    matches "$1: its text" "^$3: $2" .err
}
eval_few --json - >/dev/full 2>.err
lost '--json on a full disk' '/dev/stdout: .*No space left' bnn-eval $?
eval_few >/dev/full 2>.err
lost 'scores on a full disk' 'standard output: .*No space left' bnn-eval $?
for words in 'bnn-train --list' 'bnn-train --help' 'bnn-train --version' 'bnn-train --man' \
    'bnn-train --dry-run --arch resnet20' 'bnn-eval --help' 'bnn-export --help' \
    'bnn-corrupt --help' 'bnn-bench --help' 'bnn-report --help' \
    'bnn-report run run --output x.html' "bnn-export $last --output x.bnn" \
    'bnn-corrupt --data-dir cifar --output c --limit-test 2 --corruption fog' \
    'bnn-bench gemm --case binary --image-size 8 --batch-size 1 --arch resnet20 --repeat 1'; do
    program=${words%% *}
    # shellcheck disable=SC2086 # words
    "$1/$program" ${words#* } >/dev/full 2>.err
    lost "$words on a full disk" 'standard output: .*No space left' "$program" $?
    # shellcheck disable=SC2086
    "$1/$program" ${words#* } >&4 2>.err
    lost "$words, and nobody reads it" 'standard output: .*Broken pipe' "$program" $?
done
# shellcheck disable=SC2086
"$train" $small --algo bnn --output piped >&4 2>.err
lost 'a run whose reader is gone' 'standard output: .*Broken pipe' bnn-train $?
equal 'a run whose reader is gone: it went on' "$(count_lines piped/metrics.csv)" 3
check 'a run whose reader is gone: it can be used' "$evaluate" piped --limit-test 2 --quiet
eval_few --json kept.json >&4 2>.err
lost 'scores whose reader is gone' 'standard output: .*Broken pipe' bnn-eval $?
same 'scores whose reader is gone: the results are there' kept.json j
for words in /dev/full '&4'; do
    eval "eval_few --json - >out 2>$words"
    equal "a result whose words go to $words: exit status" $? 0
    same "a result whose words go to $words" out j
done
exec 4>&-

# ---- standard descriptors that are closed ----
# shellcheck disable=SC2086
"$train" $small --algo bnn --limit-train 32 --limit-test 8 --epochs 1 --output closed <&- >&- 2>&-
equal 'all closed: exit status' $? 0
for name in metrics.csv config.json last.safetensors; do
    same "all closed: $name" closed/$name run/$name
done
eval_few --json closed.json --predictions closed.txt <&- >&- 2>&-
same 'all closed: --json' closed.json j
same 'all closed: --predictions' closed.txt p
"$pack" $last --output closed.bnn <&- >&- 2>&-
same 'all closed: bnn-export' closed.bnn m.bnn
"$report" run run --output closed.html <&- >&- 2>&-
same 'all closed: bnn-report' closed.html page.html

# What would go to one of them is lost, and that is told: at once, where it is a result.
refused_closed() { # NAME PROGRAM STATUS, with what was said in .err
    judge "$1" 'is closed' '^$' "$3" "$2"
}
for name in - /dev/stdout /dev/fd/1 /proc/self/fd/1 link; do
    "$evaluate" $last $few --json $name >&- 2>.err
    refused_closed "--json $name, closed" bnn-eval $?
    "$evaluate" $last $few --predictions $name >&- 2>.err
    refused_closed "--predictions $name, closed" bnn-eval $?
    "$pack" $last --output $name >&- 2>.err
    refused_closed "bnn-export --output $name, closed" bnn-export $?
    "$report" run run --output $name >&- 2>.err
    refused_closed "bnn-report --output $name, closed" bnn-report $?
    "$report" robustness run --json $name >&- 2>.err
    refused_closed "bnn-report --json $name, closed" bnn-report $?
    "$bench" gemm --json $name >&- 2>.err
    refused_closed "bnn-bench --json $name, closed" bnn-bench $?
done
for name in /dev/stderr /dev/fd/2; do
    eval_few --json $name >out 2>&-
    equal "--json $name, closed: exit status" $? 1
    equal "--json $name, closed: nothing was begun" "$(cat out)" ''
done
"$evaluate" $last $few --json /dev/stdin <&- >out 2>.err
refused_closed '--json /dev/stdin, closed' bnn-eval $?
for words in 'bnn-train --list' 'bnn-train --help' 'bnn-train --version' 'bnn-train --man' \
    'bnn-train --dry-run --arch resnet20' "bnn-eval $last $few" 'bnn-eval --help' \
    'bnn-report robustness run run' 'bnn-bench gemm'; do
    program=${words%% *}
    # shellcheck disable=SC2086 # words
    "$1/$program" ${words#* } >&- 2>.err
    lost "$words, closed" 'standard output: is closed' "$program" $?
done
eval_few --json beside.json >&- 2>.err
equal 'scores to a closed one beside a result: exit status' $? 0
equal 'scores to a closed one beside a result: no word of it' \
    "$(grep -c '^bnn-eval:' .err)" 0
same 'scores to a closed one beside a result: it is there' beside.json j

# ---- nothing over what is read ----
cp m.bnn q.bnn
ln q.bnn hard.bnn
ln -s q.bnn soft.bnn
mkdir folder
ln -s .. folder/up
cp -R run before
over='would be written over, but it is read'
for name in q.bnn ./q.bnn hard.bnn soft.bnn folder/up/q.bnn "$work/q.bnn"; do
    for option in json predictions; do
        expect_fail "--$option $name" "--$option $name: $over as MODEL q.bnn" \
            "$evaluate" q.bnn --data-dir cifar "--$option" "$name"
    done
    expect_fail "bnn-bench --json $name" "--json $name: $over" "$bench" infer q.bnn --json "$name"
    same "the model is as it was after $name" q.bnn m.bnn
done
expect_fail 'a model over itself' "--output $last: $over" "$pack" $last --output $last
ln -s $last to-last
expect_fail 'a model over itself, through a link' "--output to-last: $over" \
    "$pack" $last --output to-last
cp $last own.bnn
expect_fail 'a model over itself, by default' "--output own.bnn: $over" "$pack" own.bnn
for name in config.json metrics.csv steps.jsonl sessions.jsonl last.safetensors best.safetensors; do
    expect_fail "a page over $name" "--output run/$name: $over" \
        "$report" run run --output run/$name
    expect_fail "numbers over $name" "--json run/$name: $over" \
        "$report" robustness run --json run/$name
    expect_fail "predictions over $name" "--predictions run/$name: $over" \
        "$evaluate" run --predictions run/$name
    expect_fail "a comparison over $name" "--output run/$name: $over" \
        "$report" compare run before --output run/$name
    same "$name is as it was" run/$name before/$name
done
check 'results of the run' "$evaluate" run --limit-test 2 --quiet
expect_fail 'a page over results.json' "--output run/results.json: $over" \
    "$report" run run --output run/results.json
for name in last.safetensors best.safetensors; do
    # shellcheck disable=SC2086
    expect_fail "--init-from $name that is replaced" "run/$name: $over as --init-from" \
        "$train" $small --output run --overwrite --init-from before/../run/$name
    same "$name is as it was" run/$name before/$name
done
check '--config of the run itself' "$train" --config run/config.json --output run --overwrite
same '--config of the run itself' run/config.json before/config.json

# The data, too: by their own names or by others.
data_over='would be written over, but it is read as a file of'
ln cifar/test_batch.bin batch
ln -s ../cifar/test_batch.bin folder/fog.npy
ln -s ../cifar/data_batch_2.bin folder/metrics.csv
cp -R cifar cifar.copy
for name in cifar/test_batch.bin batch folder/fog.npy; do
    for option in json predictions; do
        expect_fail "--$option $name" "--$option $name: $data_over --data-dir" \
            "$evaluate" q.bnn --data-dir cifar "--$option" "$name"
    done
done
expect_fail '--json over a corruption' "--json cifar-c/fog.npy: $data_over --corruptions" \
    "$evaluate" q.bnn --data-dir cifar --limit-test 8 --corruptions cifar-c --json cifar-c/fog.npy
expect_fail '--json over the labels' "--json cifar-c/labels.npy: $data_over --corruptions" \
    "$evaluate" q.bnn --data-dir cifar --limit-test 8 --corruptions cifar-c --json cifar-c/labels.npy
expect_fail 'corrupted images over the clean ones' "--output folder/fog.npy: $data_over --data-dir" \
    "$corrupt" --data-dir cifar --output folder --corruption fog
# shellcheck disable=SC2086
expect_fail 'a run over its data' "the run's folder/metrics.csv: $data_over --data-dir" \
    "$train" $small --output folder
expect_fail 'a measurement over its data' "--json cifar/data_batch_1.bin: $data_over --data-dir" \
    "$bench" train --with-data --data-dir cifar --json cifar/data_batch_1.bin
check 'pictures' "$corrupt" --data-dir cifar --output photographs --limit-test 2
for file in frost1.png frost2.png frost3.png frost4.jpg frost5.jpg; do
    cp photographs/sheet.png photographs/$file
done
expect_fail '--json over a photograph' "--json photographs/frost4.jpg: $data_over --frost-dir" \
    "$evaluate" q.bnn --data-dir cifar --corruptions make --frost-dir photographs \
    --json photographs/frost4.jpg
ln -sf frost1.png photographs/frost.npy
expect_fail 'corrupted images over a photograph' \
    "--output photographs/frost.npy: $data_over --frost-dir" "$corrupt" --data-dir cifar \
    --corruption frost --frost-dir photographs --output photographs
check 'the data are as they were' diff -r cifar cifar.copy
check 'results beside the data' "$evaluate" q.bnn --data-dir cifar --limit-test 2 \
    --json cifar/results.json --predictions cifar/predictions
check 'and again' "$evaluate" q.bnn --data-dir cifar --limit-test 2 --json cifar/results.json \
    --predictions cifar/predictions
rm folder/fog.npy folder/metrics.csv

# ---- no two to one place ----
same_place='are the same; choose another place'
expect_fail 'two results, one file' "--json x and --predictions ./x $same_place" \
    "$evaluate" q.bnn --data-dir cifar --json x --predictions ./x
ln -s x to-x
expect_fail 'two results, one file, through a link' "--json to-x and --predictions x $same_place" \
    "$evaluate" q.bnn --data-dir cifar --json to-x --predictions x
expect_fail 'two results, one stream' "--json /dev/stdout and --predictions /dev/stdout $same_place" \
    "$evaluate" q.bnn --data-dir cifar --json - --predictions -
"$evaluate" q.bnn --data-dir cifar --json pipe --predictions pipe >.out 2>.err
judge 'two results, one pipe' "$same_place" '^$' $? bnn-eval
refuse 'nothing was begun' test -e x
echo before >log
# shellcheck disable=SC2094
"$evaluate" q.bnn --data-dir cifar --json log >>log 2>.err
judge 'a result where the words go' '--json log: this is also where .* standard output' '^$' $? \
    bnn-eval
equal 'a result where the words go: they are there' "$(cat log)" before
# shellcheck disable=SC2094
"$evaluate" q.bnn --data-dir cifar --json errors 2>errors >.out
status=$?
cp errors .err
judge 'a result where the errors go' '--json errors: .* standard error' '^$' $status bnn-eval
"$evaluate" q.bnn --data-dir cifar --limit-test 2 --json y >both 2>&1
equal 'words to one file' $? 0
ln -s fog.npy folder/snow.npy
expect_fail 'two corruptions, one file' "--output .*snow.npy.* $same_place" \
    "$corrupt" --data-dir cifar --output folder --corruption snow,fog

# ---- nothing to go on with ----
if command -v timeout >/dev/null; then
    for pause in 0.3 0.6 1.2 2.4 4.8; do # until it comes within the work
        timeout --preserve-status --foreground -s INT $pause "$evaluate" run --corruptions make \
            --corruption all --threads 1 --json - >out 2>err
        ended=$?
        if [ $ended -eq 0 ] || grep -q '^interrupted' err; then
            break
        fi
    done
    equal 'interrupted on a stream: exit status' "$ended" 130
    matches 'interrupted on a stream' '^interrupted; nothing to go on with, as --json is a stream' err
    equal 'interrupted on a stream: nothing on it' "$(cat out)" ''
fi

done_testing

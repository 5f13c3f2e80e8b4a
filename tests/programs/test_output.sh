#!/bin/sh
# What the programs print and write: its form, and that the numbers agree with each other.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

# ---- a run's folder ----
run 'a run' run --algo bnn
equal 'metrics.csv: header' "$(head -n 1 run/metrics.csv)" \
    'epoch,lr,train_loss,train_top1,test_loss,test_top1,test_top5,best_top1'
equal 'metrics.csv: lines' "$(count_lines run/metrics.csv)" 3
equal 'metrics.csv: epochs' "$(sed 1d run/metrics.csv | cut -d, -f1 | tr '\n' ' ')" '0 1 '
equal 'metrics.csv: columns' "$(awk -F, '{ print NF }' run/metrics.csv | sort -u)" 8
equal 'steps.jsonl: lines' "$(count_lines run/steps.jsonl)" 6
check 'steps.jsonl: JSON' "$helper" json-lines run/steps.jsonl
equal 'steps.jsonl: steps' "$(sed 's/^{"step":\([0-9]*\),.*/\1/' run/steps.jsonl | tr '\n' ' ')" \
    '0 1 2 3 4 5 '
check 'sessions.jsonl: JSON' "$helper" json-lines run/sessions.jsonl
equal 'sessions.jsonl: a start' "$(cut -d, -f1 run/sessions.jsonl)" '{"step":0'
matches 'sessions.jsonl: instruction set' '"isa":"cpu [a-z0-9_]*","threads":[1-9]' run/sessions.jsonl
matches 'sessions.jsonl: data' '"train_data":"[0-9a-f]{8}","test_data":"[0-9a-f]{8}"}$' \
    run/sessions.jsonl
equal 'config.json' "$(json run/config.json algo) $(json run/config.json epochs)" 'bnn 2'

# check leaves what was printed.
run 'a run' run --algo bnn --overwrite
equal 'progress: lines' "$(grep -Ec "$progress" .err)" "$(count_lines .err)"
equal 'progress: of epochs' "$(grep -c '^epoch [12]/2 100% 40/40 images ' .err)" 2
equal 'progress: of tests' "$(grep -c '^  test 100% 40/40 images ' .err)" 2
equal 'progress: control characters' "$(tr -d '\n' <.err | tr -dc '\000-\037' | wc -c)" 0
equal 'printed epochs' "$(grep -c '^epoch [12]/2  lr .* test loss .* acc .*%' .out)" 2
last_row=$(tail -n 1 run/metrics.csv)
best=$(printf '%.2f' "$(echo "$last_row" | cut -d, -f8)")
matches 'the best accuracy' "^best test accuracy $best%; .* run/best.safetensors\$" .out

# ---- where the time went ----
run 'a profile' profiled --algo reactnet --profile
matches 'profile: products' '^conv of bits  *[0-9.]* *[0-9.]* *[0-9.]* *[0-9.]* *[0-9.]*% *[0-9.]*$' .out
matches 'profile: the optimizer' '^optimizer ' .out
total=$(awk '/^ms a step/ { on = 1; next } /^total/ { print sum - $5 < 0.02 && $5 - sum < 0.02; exit }
    on { sum += $(NF - 2) }' .out)
equal 'profile: rows add up to the total' "$total" 1

# ---- a score ----
last=run/last.safetensors
check 'a score' "$evaluate" $last --data-dir cifar --limit-test 40 --json score.json \
    --predictions predictions
cp .out printed
line=$(printf 'cifar10 test: %s images  top-1 %s%%  top-5 %s%%  loss %s  (%s)' \
    "$(json score.json samples)" "$(json score.json top1)" "$(json score.json top5)" \
    "$(json score.json loss 4)" "$(json score.json isa)")
equal 'JSON and print: the score' "$(sed -n 2p printed)" "$line"
equal 'JSON and print: the model' "$(sed -n 1p printed)" "$(json score.json model): $(
    json score.json arch), $(json score.json algo), checkpoint"
equal 'JSON: packed' "$(json score.json packed)" false
equal 'JSON: data' "$(json score.json data)" cifar10
equal 'JSON: classes' "$(json score.json 'classes.#')" 10
equal 'print: classes' "$(grep -Ec '^  [a-z]+ +[0-9]+ images +[0-9.]+%$' printed)" 10
for class in 0 1 2 3 4 5 6 7 8 9; do
    line=$(printf '  %-14s %6d images  %6.2f%%' "$(json score.json classes.$class.class)" \
        "$(json score.json classes.$class.samples)" "$(json score.json classes.$class.top1)")
    equal "JSON and print: class $class" "$(sed -n "$((class + 3))p" printed)" "$line"
done
equal 'the score is that of metrics.csv' "$(json score.json top1) $(json score.json loss 6)" \
    "$(echo "$last_row" | awk -F, '{ printf "%.2f %.6f", $6, $5 }')"
# The helper's test image i is of class 7 i modulo 10.
equal 'predictions: lines' "$(count_lines predictions)" 40
equal 'predictions: foreign lines' "$(grep -vc '^[0-9]$' predictions)" 0
equal 'predictions: top-1' "$(json score.json top1)" \
    "$(awk '$1 == (NR - 1) * 7 % 10 { n++ } END { printf "%.2f", 100 * n / NR }' predictions)"
equal 'predictions: a class' "$(json score.json classes.3.top1)" "$(awk '
    (NR - 1) * 7 % 10 == 3 { all++; n += $1 == 3 }
    END { printf "%.2f", 100 * n / all }' predictions)"
check '--quiet' "$evaluate" $last --data-dir cifar --limit-test 10 --quiet --batch-size 3
equal '--quiet: lines' "$(count_lines .out)" 2
check 'another batch size' "$evaluate" $last --data-dir cifar --limit-test 40 --batch-size 7 \
    --predictions other
same 'another batch size' predictions other
check 'a packed model' "$pack" $last --output model.bnn
check 'a packed model' "$evaluate" model.bnn --data-dir cifar --limit-test 2 --json packed.json
equal 'a packed model: JSON' "$(json packed.json packed)" true
matches 'a packed model: print' '^model.bnn: resnet20, bnn, packed$' .out

# ---- corruptions ----
table() { # NAME FOLDER CORRUPTION...: the table has these rows, and its JSON the same numbers
    name=$1
    check "$name" "$evaluate" $last --data-dir cifar --limit-test 8 --quiet --corruptions "$2" \
        --corruption all --json table.json --overwrite
    cp .out table
    shift 2
    equal "$name: rows" "$(json table.json 'corruptions.rows.#')" $#
    equal "$name: lines" "$(count_lines table)" $((5 + $#))
    row=0
    for corruption in "$@"; do
        values=$(json table.json corruptions.rows.$row.corruption)
        for at in top1.0 top1.1 top1.2 top1.3 top1.4 mean gap; do
            values="$values $(json table.json corruptions.rows.$row.$at)"
        done
        equal "$name: $corruption" "$(grep "^$corruption " table | tr -s ' ')" "$values"
        equal "$name: mean of $corruption" "$(echo "$values" | awk '
            { printf "%.2f", ($2 + $3 + $4 + $5 + $6) / 5 }')" "$(echo "$values" | cut -d' ' -f7)"
        row=$((row + 1))
    done
    mean=$(json table.json corruptions.mean)
    clean=$(json table.json corruptions.clean)
    equal "$name: clean" "$clean" "$(json table.json top1)"
    equal "$name: mean" "$(grep '^mean ' table | tr -s ' ')" \
        "mean $mean $(json table.json corruptions.gap)"
    equal "$name: clean" "$(grep '^clean ' table | tr -s ' ')" "clean $clean"
}

table 'three corruptions' cifar-c gaussian_noise fog saturate
mkdir subset
cp cifar-c/fog.npy cifar-c/labels.npy subset
table 'one corruption' subset fog

# ---- the same run again, from its configuration ----
check '--config' "$train" --config run/config.json --output again
for name in last.safetensors best.safetensors metrics.csv config.json; do
    same "--config: $name" run/$name again/$name
done
check '--config and an option' "$train" --config run/config.json --epochs 1 --output shorter
equal '--config and an option' "$(count_lines shorter/metrics.csv)" 2
run 'another seed' seed --algo bnn --seed 2
refuse 'another seed' cmp run/last.safetensors seed/last.safetensors

# ---- IDX files, plain and compressed ----
for kind in idx idx-gz; do
    check "mnist from $kind" "$train" --algo bnn --arch resnet20 --data mnist --data-dir $kind \
        --batch-size 16 --limit-train 32 --limit-test 10 --epochs 1 --output mnist-$kind
done
same 'plain and compressed' mnist-idx/last.safetensors mnist-idx-gz/last.safetensors
check 'fashion_mnist' "$train" --algo bnn --arch resnet20 --data-dir idx --batch-size 16 \
    --limit-train 16 --limit-test 10 --epochs 1 --output fashion
matches 'fashion_mnist: recorded' '"data": "fashion_mnist"' fashion/config.json

# ---- from a float network to a binary one ----
run 'a float network' float --algo fp32
run '--init-from' from --algo bnn --init-from float/last.safetensors
matches '--init-from' '^took [0-9]+ of [0-9]+ tensors from float/last.safetensors$' .out
taken=$(awk '/^took/ { print $2 == $4 }' .out)
equal '--init-from: all tensors of a bnn are in its float twin' "$taken" 1
refuse '--init-from: as if from nothing' cmp from/last.safetensors run/last.safetensors
equal '--init-from is recorded' "$(json from/config.json init-from)" \
    "$(pwd -P)/float/last.safetensors"

# ---- plans, and names ----
plan() { # NAME PARAMETERS BINARY MACS BINARY-MACS OPTIONS...
    name=$1
    expected="$2 $3 $4 $5"
    shift 5
    check "$name: --dry-run" "$train" --dry-run --data cifar10 "$@"
    equal "$name: --dry-run" "$(awk '
        $1 == "parameters" && NF == 2 { a = $2 }
        $1 == "binary" && $2 == "weights" { b = $3 }
        $1 == "MACs" { c = $2 }
        $1 == "binary" && $2 == "MACs" { d = $3 }
        END { print a, b, c, d }' .out)" "$expected"
    matches "$name: memory" '^peak memory +[0-9]+ bytes planned' .out
}

plan resnet18 11173962 10985472 555422720 547356672 --algo bnn --arch resnet18
plan resnet20 272474 267264 40813184 40108032 --algo bnn --arch resnet20
plan resnet34 21282122 21086208 1159402496 1151336448 --algo bnn --arch resnet34
plan vgg_small 4660106 4571136 607600640 603979776 --algo bnn --arch vgg_small
plan 'float resnet18' 11173962 0 555422720 0 --algo fp32 --arch resnet18
# The spec's ImageNet network, with 10 classes in place of 1000.
plan 'large images' 11181642 10985472 1813566464 1676279808 --algo bnn --arch resnet18 \
    --image-size 224
matches 'large images' 'input 3x224x224, 10 classes' .out

check '--list' "$train" --list
for name in bnn xnor dorefa bireal xnorpp reactnet recu fda fp32 resnet18 resnet20 resnet34 \
    vgg_small fashion_mnist cifar10 mnist; do
    matches "--list: $name" "^  $name +[A-Za-z0-9]" .out
done

done_testing

#!/bin/sh
# Arguments that are wrong: each is refused at once, in one line that names it.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

# ---- unknown names, and the nearest known one ----
expect_fail 'unknown flag' 'unknown option --algoo.*--algo\?' "$train" --algoo bnn
expect_fail 'unknown short flag' 'unknown option -x' "$train" -x
expect_fail 'unknown flag of bnn-eval' '--preditcions.*--predictions\?' \
    "$evaluate" m --preditcions p
expect_fail 'unknown flag of bnn-export' '--outptu.*--output\?' "$pack" m --outptu p
expect_fail 'a word' 'unexpected word resnet20' "$train" resnet20
expect_fail 'two models' 'too many arguments, at b' "$evaluate" a b
expect_fail 'no model' 'MODEL is missing' "$evaluate"
expect_fail 'no model to export' 'MODEL is missing' "$pack"
expect_fail 'a missing value' '--algo.*missing' "$train" --algo
expect_fail 'a flag with a value' '--overwrite takes no value' "$train" --overwrite=yes
expect_fail 'unknown algorithm' '--algo reacnet.*did you mean reactnet\?' "$train" --algo reacnet
expect_fail 'an algorithm like none' '--algo qqqqqqqqqq.*choices: .*reactnet' \
    "$train" --algo qqqqqqqqqq
expect_fail 'unknown network' '--arch resnet19.*did you mean resnet1?[0-9]+\?' \
    "$train" --arch resnet19
expect_fail 'unknown data set' '--data cifar-10.*did you mean cifar10\?' "$train" --data cifar-10
expect_fail 'unknown data set of bnn-eval' '--data cifar.*did you mean cifar10\?' \
    "$evaluate" m --data cifar
expect_fail 'unknown optimizer' '--optimizer adma.*did you mean adam\?' "$train" --optimizer adma
expect_fail 'unknown schedule' '--scheduler cosin.*did you mean cosine\?' "$train" --scheduler cosin
expect_fail 'unknown format' '--format paked.*did you mean packed\?' "$pack" m --format paked
for program in "$train --dry-run" "$evaluate m" "$pack m"; do
    # shellcheck disable=SC2086 # words
    BNN_ISA=sse9 $program >.out 2>.err
    status=$?
    program=${program%% *}
    judge "unknown instruction set of ${program##*/}" 'BNN_ISA names an unknown' '^$' $status \
        "${program##*/}"
done

# ---- numbers ----
for option in epochs batch-size threads limit-train limit-test; do
    for value in 0 -1 99999999999999999999 1e3 ten '' 1x 0x10 ' 5' 3.5; do
        expect_fail "--$option '$value'" "--$option .*(must be|missing)" \
            "$train" --dry-run "--$option=$value"
    done
done
for option in batch-size threads limit-test; do
    expect_fail "bnn-eval --$option 0" "--$option 0: must be" "$evaluate" m "--$option" 0
done
for value in -1 inf nan 1e30 0x1p3 one '' 1e400; do
    for option in lr weight-decay momentum; do
        expect_fail "--$option '$value'" "--$option .*must be" "$train" --dry-run "--$option=$value"
    done
done
expect_fail 'less than fp32 on the CPU' '--precision bf16 is for GPUs' "$train" --dry-run \
    --precision bf16
expect_fail 'a negative seed' '--seed -1: must be' "$train" --dry-run --seed -1
expect_fail 'absurd warm-up' '--warmup-epochs 1001: must be' "$train" --dry-run --warmup-epochs 1001
for value in 5,4 0 -1 1,,2 a 1,2,x 1000000; do
    expect_fail "--milestones $value" "--milestones $value: must be" \
        "$train" --dry-run "--milestones=$value"
done
expect_fail 'tiny images' '--image-size 4: must be' "$train" --dry-run --image-size 4

# ---- configuration files ----
for text in '{' '[]' '{"epoch": 3}' '{"epochs": 0}' '{"epochs": "3"}' '{"algo": "bn"}' \
    '{"lr": 1e999}' '{"epochs": 1, "epochs": 2}' '{"resume": "x"}' ''; do
    printf '%s' "$text" >config
    expect_fail "configuration $text" 'config: ' "$train" --dry-run --config config
done
expect_fail 'no configuration' 'nowhere' "$train" --dry-run --config nowhere
expect_fail 'a folder as configuration' 'cifar' "$train" --dry-run --config cifar

# ---- what fits no data ----
few="--data cifar10 --data-dir cifar --arch resnet20 --output run"
# shellcheck disable=SC2086 # words
expect_fail 'a batch larger than the set' '513.*512' "$train" $few --batch-size 513 --epochs 1
# shellcheck disable=SC2086
expect_fail 'a batch larger than the limit' '17.*16' \
    "$train" $few --batch-size 17 --limit-train 16 --epochs 1
refuse 'the refused run left a folder' test -e run

# ---- messages stay one line, whatever they quote ----
newline=$(printf 'a\nb')
expect_fail 'a line break in an option' 'unknown option' "$train" "--$newline"
expect_fail 'a line break in a value' 'unknown' "$train" --algo "$newline"
expect_fail 'a line break in a model' 'a.b' "$evaluate" "$newline"
expect_fail 'a line break in a model to export' 'a.b' "$pack" "$newline"
expect_fail 'a line break in a folder' 'a.b' "$train" --data cifar10 --data-dir "$newline"
expect_fail 'a line break in a run' 'a.b' "$train" --resume "$newline"
long=$(printf '%05000d' 0)
expect_fail 'a long model' '000' "$evaluate" "$long"
expect_fail 'a long run' 'too long' "$train" --resume "$long"
expect_fail 'a long folder' '000' "$train" --data cifar10 --data-dir "$long"
expect_fail 'a long output' 'too long|unwritable' \
    "$train" --data cifar10 --data-dir cifar --arch resnet20 --batch-size 16 --output "$long"

# ---- help ----
for program in "$train" "$evaluate" "$pack"; do
    check "${program##*/} --help" "$program" --help
    matches "${program##*/} --help" 'Usage|usage' .out
    check "${program##*/} --version" "$program" --version
    check "${program##*/} --man" "$program" --man
    matches "${program##*/} --man" '^\.TH' .out
done

done_testing

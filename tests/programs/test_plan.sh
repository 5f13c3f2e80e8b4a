#!/bin/sh
# bnn-train --dry-run: the classes and shapes that the options of a data set make of it, of which no
# file is there.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

plan() { # NAME OPTIONS...
    name=$1
    shift
    check "$name" "$train" --dry-run "$@"
    equal "$name: no notes" "$(cat .err)" ''
}
line() { # NAME: what follows it in the plan
    sed -n "s/^$1 *//p" .out
}
input() {
    sed -n 's/.*, input \([0-9x]*\), \([0-9]* classes\)$/\1 \2/p' .out
}
last_layer() { # its output
    awk '/^$/ { exit } { last = $2 } END { print last }' .out
}

# Every data set, with the first network for it: the message for another network names that.
sets=$("$train" --list | sed -n '/^data sets/,$s/^  \([a-z0-9_]*\) .*/\1/p')
for data in $sets; do
    network=$("$train" --dry-run --arch fsmn --data "$data" 2>&1 >.out |
        sed -n 's/.* or --arch \([a-z0-9_]*\)$/\1/p')
    plan "$data" --arch "${network:-fsmn}" --data "$data"
    matches "$data: its input" '.*, input [0-9x]*, [0-9]* classes$' .out
    case $data in
    imagenet | coco) equal "$data: names, which its files have" "$(line classes)" '' ;;
    *) matches "$data: names" '^classes  *[A-Za-z0-9]' .out ;;
    esac
done
equal 'every data set' "$(echo "$sets" | grep -c -e imagenet -e coco -e voc -e cifar10 -e glue_sst2)" 5

plan 'images' --arch resnet20 --data cifar10
equal 'images' "$(input)" '3x32x32 10 classes'
matches 'images: classes' '^classes         airplane, automobile, .*, truck$' .out
refuse 'images: no pool' grep -q '^pool' .out
plan 'larger images' --arch resnet20 --data cifar10 --image-size 64
equal 'larger images' "$(input)" '3x64x64 10 classes'

echo '{"arch": "resnet20", "data": "cifar10"}' >chosen.json
cp chosen.json kept.json
expect_fail 'over its configuration' 'would be written over' "$train" --dry-run --config chosen.json \
    --json chosen.json
same 'over its configuration: it is there' chosen.json kept.json

plan 'words' --arch fsmn --data speech_commands
equal 'words' "$(input)" '1x32x32 12 classes'
plan 'chosen words' --arch fsmn --data speech_commands --words bed,cat,happy
equal 'chosen words' "$(input)" '1x32x32 3 classes'
equal 'chosen words: named' "$(line classes)" 'bed, cat, happy'
equal 'chosen words: the last layer' "$(last_layer)" 3x1x1
expect_fail 'one word' 'is one word only' "$train" --dry-run --arch fsmn --data speech_commands \
    --words bed
expect_fail 'words of shapes' '--words has no effect on --data modelnet40' "$train" --dry-run \
    --arch pointnet --data modelnet40 --words a,b

plan 'parts' --arch pointnet_partseg --data shapenet_part
equal 'parts' "$(input)" '6x1x4096 50 classes'
matches 'parts: more than fit' '^classes         Airplane:1, .*, \.\.\.$' .out
plan 'parts of a category' --arch pointnet_partseg --data shapenet_part --category Chair --points 256
equal 'parts of a category' "$(input)" '6x1x256 4 classes'
equal 'parts of a category: named' "$(line classes)" 'Chair:1, Chair:2, Chair:3, Chair:4'
equal 'parts of a category: the last layer' "$(last_layer)" 4x1x256
expect_fail 'no such category' "there is no category 'Cup'; it is one of Airplane, " "$train" \
    --dry-run --arch pointnet_partseg --data shapenet_part --category Cup

plan 'points' --arch pointnet_vanilla --data modelnet40 --points 300 --algo fp32
equal 'points' "$(input)" '6x1x300 40 classes'
equal 'points: the usual pool of a float network' "$(line 'pool of points')" max
plan 'a pool' --arch pointnet_vanilla --data modelnet40 --algo bnn
equal 'a pool: the usual one of a binary network' "$(line 'pool of points')" ema-max
plan 'a pool' --arch pointnet_vanilla --data modelnet40 --algo bnn --pool mean
equal 'a pool: mean' "$(line 'pool of points')" mean
expect_fail 'points of images' '--points has no effect on --data cifar10' "$train" --dry-run \
    --arch resnet20 --data cifar10 --points 5
expect_fail 'tokens of images' '--length has no effect on --data cifar10' "$train" --dry-run \
    --arch resnet20 --data cifar10 --length 5
expect_fail 'a vocabulary of images' '--vocab has no effect on --data cifar10' "$train" --dry-run \
    --arch resnet20 --data cifar10 --vocab vocab.txt
expect_fail 'genres of clouds' '--test-genres has no effect on --data modelnet40' "$train" \
    --dry-run --arch pointnet --data modelnet40 --test-genres matched
expect_fail 'pixels of clouds' '--image-size has no effect on --data modelnet40' "$train" --dry-run \
    --arch pointnet --data modelnet40 --image-size 64
expect_fail 'a pool of images' '--pool has no effect on --arch resnet20; it does on pointnet, ' \
    "$train" --dry-run --arch resnet20 --data cifar10 --pool max
expect_fail 'a pool of words' '--pool has no effect on --arch fsmn; it does on pointnet, ' \
    "$train" --dry-run --arch fsmn --data speech_commands --pool mean
expect_fail 'no data named' "data fashion_mnist for .*; take --data modelnet40, or --arch resnet18" \
    "$train" --dry-run --arch pointnet
expect_fail 'no network named' "--arch resnet18 is for .*; take --data fashion_mnist, or --arch fsmn" \
    "$train" --dry-run --data speech_commands
for modules in '' conv1, ,conv1; do
    expect_fail "modules '$modules'" "no parameters lie in a module ''" "$train" --dry-run \
        --arch resnet20 --data cifar10 --freeze "$modules"
done

# ---- the longest rows there are by default, with every algorithm ----
for algo in fp32 bnn xnor dorefa bireal xnorpp reactnet recu fda; do
    check "$algo: parts of 4096 points" "$train" --dry-run --algo $algo --arch pointnet_partseg \
        --data shapenet_part --batch-size 1
done


# ---- as JSON: what the theoretical complexity is computed from ----
counts() { # KEY...
    for key in "$@"; do
        json counts.json "$key" 0
    done | tr '\n' ' ' | sed 's/ $//'
}
for algo in fp32 xnorpp; do
    plan "$algo: JSON" --arch resnet18 --data cifar10 --algo $algo --json counts.json
done
equal 'JSON: what it is' "$(counts format arch algo data)" 'bnn-plan-1 resnet18 xnorpp cifar10'
equal 'JSON: weights' "$(counts binary_weights float_parameters kept_parameters)" \
    '10985472 188490 4320'
equal 'JSON: work' "$(counts macs binary_macs scalings float_work)" '555422720 547356672 0 491520'
equal 'JSON: layers' "$(counts layers.# layers.0.weight layers.0.input.0 layers.0.output.1)" \
    '21 conv1.weight 3 32'
"$train" --dry-run --arch resnet18 --data cifar10 --algo xnorpp --json - >stream.json 2>words
equal 'JSON: exit status' $? 0
same 'JSON: to standard output' stream.json counts.json
matches 'JSON: the table goes elsewhere' '^binary weights  ' words
# A linear layer has no pixels: its scales are channels'.
for algo in dorefa xnorpp; do
    plan "$algo: JSON of a text network" --arch bert_tiny4 --data glue_sst2 --algo $algo \
        --json counts.json
    equal "$algo: work on text" "$(counts kept_parameters scalings float_work)" '11352 706872 0'
done
expect_fail 'JSON: nowhere' 'nowhere/x.json' "$train" --dry-run --json nowhere/x.json

# ---- a teacher is no part of the plan ----
for arch in 'ssd300_vgg16 --data voc' 'pointnet_partseg --data shapenet_part' 'resnet18 --data cifar10'; do
    # shellcheck disable=SC2086 # words
    check "$arch: a teacher" "$train" --dry-run --arch $arch --teacher none --distill dmd
    matches "$arch: a teacher: a note" '^bnn-train: note: these have no effect with --dry-run: --teacher, --distill$' .err
done
done_testing

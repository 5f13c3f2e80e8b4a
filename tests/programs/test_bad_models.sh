#!/bin/sh
# Model files that are broken, of another kind or of somebody else, wherever a program takes one.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

run 'a model' run --limit-train 16 --limit-test 2 --epochs 1 --algo bnn
last=run/last.safetensors
check 'export' "$pack" $last --output packed.bnn
mkdir bad/checkpoint bad/packed
check 'broken checkpoints' "$helper" break-checkpoint $last bad/checkpoint
check 'broken packed files' "$helper" break-packed packed.bnn bad/packed
check 'a foreign file' "$helper" foreign foreign.safetensors
: >empty
echo 'This is a text, and no model at all; it is long enough to be one.' >text
mkdir folder
cp -R run copy

# ---- bnn-eval ----
eval_fails() { # NAME REGEX MODEL
    expect_fail "bnn-eval: $1" "$2" "$evaluate" "$3" --data-dir cifar --limit-test 2
}

eval_fails 'no file' 'nowhere: ' nowhere
eval_fails 'under a file' 'text/x: ' text/x
eval_fails 'a text' 'text: .*not a safetensors' text
eval_fails 'an empty file' 'empty: only 0 bytes' empty
eval_fails 'a folder' 'folder: not the folder of a run' folder
eval_fails 'a device' '/dev/null: not a regular file' /dev/null
eval_fails 'data' 'test_batch.bin: ' cifar/test_batch.bin
eval_fails 'a foreign file' 'foreign.safetensors: ' foreign.safetensors

broken() { # KIND NAME REGEX: the variant of this name
    eval_fails "$1: $2" "$2: .*($3)" "bad/$1/$2"
    expect_fail "bnn-export: $1: $2" "$2: .*($3)" "$pack" "bad/$1/$2" --output exported.bnn
    expect_fail "bnn-bench: $1: $2" "$2: .*($3)" "$bench" infer "bad/$1/$2"
}

for kind in checkpoint packed; do
    broken $kind cut-short 'cut short|damaged'
    broken $kind cut-in-header 'cut short'
    broken $kind seven-bytes 'only 7 bytes'
    broken $kind length-zero 'header'
    broken $kind length-negative 'header has'
    broken $kind length-past-end 'cut short'
    broken $kind length-short 'header'
    broken $kind other-format 'neither a checkpoint nor a packed'
    broken $kind no-arch 'its metadata lacks arch'
    broken $kind arch-unknown 'resnet21'
    broken $kind algo-unknown 'binarynet'
    broken $kind phase-unknown "'phase' is 7"
    broken $kind input-damaged "'input' is '3x32'"
    broken $kind input-huge '65536|memory|large'
    broken $kind classes-damaged "'classes'"
    broken $kind overlap 'inside the tensor before it'
    broken $kind overflow 'do not lie in'
    broken $kind negative-offset 'do not lie in'
    broken $kind reversed-offsets 'do not lie in|damaged'
    broken $kind shape-overflow 'larger than any memory'
    broken $kind shape-negative 'non-negative'
    broken $kind no-type 'F31'
    eval_fails "$kind: missing-tensor" 'missing-tensor: .*missing' bad/$kind/missing-tensor
    eval_fails "$kind: wrong-type" 'wrong-type: .*(type|fit)' bad/$kind/wrong-type
done
for name in missing-tensor misshapen wrong-type; do
    broken checkpoint $name 'layer1.0.conv2.weight'
done
broken checkpoint arch-other 'tensor'
broken checkpoint algo-other 'tensor'
broken checkpoint classes-other "'fc\..*shape"
broken checkpoint not-finite "'layer1.0.conv2.weight' holds a value that is not a number"
broken checkpoint not-finite-fc "'fc.weight' holds a value that is not a number"
broken checkpoint infinite-fc "'fc.weight' holds an infinite value"
eval_fails 'packed: bits-missing' "is missing: there is no tensor 'b'; the file is damaged" bad/packed/bits-missing
eval_fails 'packed: thresholds-missing' "is missing: there is no tensor 'i'" bad/packed/thresholds-missing
broken packed network-missing 'lacks the network'
broken packed network-damaged 'it has no inputs, or no outputs|more than its constants'
broken packed network-empty 'it has no inputs, or no outputs|more than its constants'
for name in not-finite arch-other no-format; do # structure is sound
    eval_fails "packed: $name" 'damaged: its contents have the checksum' bad/packed/$name
done
expect_fail 'packed twice' 'packed already' "$pack" packed.bnn --output exported.bnn
# What is there says enough.
check 'checkpoint: no-format' "$evaluate" bad/checkpoint/no-format --data-dir cifar --limit-test 2
matches 'checkpoint: no-format' 'no-format: resnet20, bnn, checkpoint$' .out
refuse 'a refused export left a file' test -e exported.bnn
eval_fails 'other data' 'takes 3x32x32 images of 11 classes|fc\.' bad/checkpoint/classes-other

# ---- bnn-train --resume ----
resume_fails() { # NAME REGEX FILE
    cp "$3" copy/last.safetensors
    expect_fail "--resume: $1" "$2" "$train" --resume copy
    same "--resume: $1: the file is untouched" "$3" copy/last.safetensors
}

resume_fails 'a packed file' 'packed model cannot be trained' packed.bnn
resume_fails 'a text' 'not a safetensors' text
resume_fails 'an empty file' 'only 0 bytes' empty
resume_fails 'a foreign file' 'not a checkpoint of bnn-train' foreign.safetensors
for name in length-past-end overlap overflow arch-unknown algo-unknown missing-tensor misshapen \
    arch-other algo-other; do
    resume_fails "$name" 'copy/last.safetensors: ' bad/checkpoint/$name
done
resume_fails 'state-damaged' 'training state is damaged' bad/checkpoint/state-damaged
resume_fails 'state-far' 'epoch 1000' bad/checkpoint/state-far
resume_fails 'args-missing' 'not a checkpoint of bnn-train' bad/checkpoint/args-missing
resume_fails 'args-damaged' 'JSON' bad/checkpoint/args-damaged
resume_fails 'args-unknown' 'unknown option.*epoch' bad/checkpoint/args-unknown
resume_fails 'args-range' 'must be between' bad/checkpoint/args-range
resume_fails 'optimizer-missing' 'optimizer.fc.weight.exp_avg' bad/checkpoint/optimizer-missing
expect_fail '--resume: a packed file by name' 'packed model cannot be trained' \
    "$train" --resume packed.bnn

# ---- bnn-train --init-from ----
init_fails() { # NAME REGEX FILE
    # shellcheck disable=SC2086 # words
    expect_fail "--init-from: $1" "$2" "$train" $small --init-from "$3" --output fresh
}

init_fails 'no file' 'nowhere: ' nowhere
init_fails 'a text' 'not a safetensors' text
init_fails 'a packed file' 'packed model has no weights' packed.bnn
init_fails 'a foreign file' 'no tensor has a name and shape' foreign.safetensors
init_fails 'overlap' 'damaged' bad/checkpoint/overlap
refuse 'a refused --init-from left a folder' test -e fresh

done_testing

#!/bin/sh
# Photographs in folders, of any size: from files to a packed network, by all programs.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

predict=$1/bnn-predict
mkdir photos
"$helper" photos photos || exit 1
options='--arch resnet18 --data imagenet --data-dir photos --batch-size 3 --epochs 1'

# shellcheck disable=SC2086 # words
check 'train' "$train" $options --algo bnn --output run
# shellcheck disable=SC2086 # words
check 'train, on one thread' "$train" $options --algo bnn --output single --threads 1
same 'any threads' run/last.safetensors single/last.safetensors
check 'evaluate' "$evaluate" run --predictions of-run
matches 'all test images' 'test: +9 images' .out
matches 'a class' '^  cow +3 images' .out
check 'pack' "$pack" run --output run.bnn
check 'evaluate what is packed' "$evaluate" run.bnn --data-dir photos --predictions of-packed
same 'packed' of-run of-packed

# Test images stand in turns; by their files they are seen as in the set.
check 'predict' "$predict" run.bnn photos/val/ant/1.JPEG photos/val/bee/3.JPEG \
    photos/val/cow/5.JPEG photos/val/ant/7.JPEG --top 1
equal 'predict' "$(sed 's/.* #\([0-9]*\) .*/\1/' .out | tr '\n' ' ')" \
    "$(head -n 4 of-run | tr '\n' ' ')"
check 'report' "$report" run run --output page.html

# ---- another tool's weights: as many classes as its classifier has, not as the data usually have ----
check 'another tool' "$helper" alter run/best.safetensors other drop=optimizer no-metadata prefix=module.
check 'another tool' "$evaluate" other --arch resnet18 --algo bnn --data imagenet --data-dir photos \
    --predictions of-other
equal 'another tool: classes' "$(count_lines of-other)" 9

# ---- val as ImageNet has it ----
cp -r photos listed
mv listed/val/*/*.JPEG listed/val
rmdir listed/val/*/
expect_fail 'no list' 'listed/meta/val.txt: no such file' "$evaluate" run.bnn --data-dir listed
mkdir listed/meta
printf '1.JPEG 0\n3.JPEG 1\n5.JPEG 2\n7.JPEG 0\nlost.JPEG 2\n' >listed/meta/val.txt
check 'a list' "$evaluate" run.bnn --data-dir listed --predictions of-list
equal 'a list' "$(cat of-list)" "$(head -n 4 of-run)"
matches 'a list: a file that is not there' '1 files that its lists or links name' .err

# ---- what goes wrong ----
head -c 3000 photos/val/bee/3.JPEG >cut.JPEG
"$predict" run.bnn cut.JPEG photos/val/bee/3.JPEG --top 1 >.out 2>.err
equal 'a damaged file: exit status' $? 1
matches 'a damaged file' '^bnn-predict: cut.JPEG: no JPEG image that can be read' .err
equal 'a damaged file: the other' "$(count_lines .out)" 1
cp cut.JPEG photos/train/bee/2.JPEG
# shellcheck disable=SC2086 # words
expect_late_fail 'a damaged file in training' 'photos/train/bee/2.JPEG: no JPEG image that can be read' \
    "$train" $options --algo bnn --output damaged
expect_fail 'no folder' 'nowhere: no such folder' "$evaluate" run.bnn --data-dir nowhere

# ---- corruptions, with ImageNet-C's parameters: made as they are read, and from files ----
check 'corruptions' "$evaluate" run --limit-test 3 --corruptions make --corruption fog,pixelate \
    --json made.json
check 'corrupt' "$corrupt" --data imagenet --data-dir photos --limit-test 3 \
    --corruption fog,pixelate --output photos-c
check 'corruptions of files' "$evaluate" run --limit-test 3 --corruptions photos-c --json read.json
for key in corruptions.0.mean_top1 corruptions.1.mean_top1; do
    json made.json $key >made
    json read.json $key >read
    same "corruptions: $key" made read
done

done_testing

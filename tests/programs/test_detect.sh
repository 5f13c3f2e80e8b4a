#!/bin/sh
# Photographs with boxes: from files to a packed network, by all programs.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

predict=$1/bnn-predict
"$helper" boxes . 3 || exit 1
data='--data voc --years 2012 --data-dir VOCdevkit'

detector() { # NAME OPTIONS...
    name=$1
    shift
    # shellcheck disable=SC2086 # words
    check "$name: train" "$train" "$@" $data --batch-size 2 --epochs 1 --limit-train 2 \
        --limit-test 2 --output run
    matches "$name: no loss of tests" '^0,[^,]*,[^,]*,,' run/metrics.csv
    check "$name: evaluate" "$evaluate" run --limit-test 2 --predictions of-run
    matches "$name: images and metrics" 'test: 2 images  mAP [0-9.]+%  mAP \(area\) [0-9.]+%' .out
    matches "$name: a class" '^  person +1 boxes' .out
    matches "$name: a class without boxes" '^  cow +0 boxes +-$' .out
    check "$name: pack" "$pack" run --output run.bnn
    check "$name: evaluate what is packed" "$evaluate" run.bnn --data-dir VOCdevkit \
        --limit-test 2 --predictions of-packed
    same "$name: the same boxes" of-run of-packed
    check "$name: predict" "$predict" run.bnn VOCdevkit/VOC2012/JPEGImages/2012_000001.jpg \
        --top 2 --json found.json
    matches "$name: boxes" '"box": \[[-0-9.]+, [-0-9.]+, [-0-9.]+, [-0-9.]+\]|"boxes": \[\]' \
        found.json
    check "$name: report" "$report" run run --output page.html
    matches "$name: report" 'mean average precision' page.html
    expect_fail "$name: another format" 'finds boxes, which the format onnx has no place for' \
        "$pack" run --format onnx --output run.onnx
    rm -rf run
}

detector 'SSD' --arch ssd300_vgg16 --algo reactnet # any threads: check_detect.c
detector 'Faster R-CNN' --arch faster_rcnn_resnet18 --algo bnn --image-size 32

# ---- what goes wrong ----
# shellcheck disable=SC2086 # words
expect_fail 'a classifier' '--arch resnet18 is for classify' "$train" --arch resnet18 $data \
    --output run
expect_fail 'years' '--years 1999: there are 07.12, 2007 and 2012' "$train" --arch ssd300_vgg16 \
    --data voc --years 1999 --data-dir VOCdevkit --output run
expect_fail 'no year' 'VOC2007/ImageSets/Main/trainval.txt: no such file' "$train" \
    --arch ssd300_vgg16 --data voc --data-dir VOCdevkit --output run

done_testing

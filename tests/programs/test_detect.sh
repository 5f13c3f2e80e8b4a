#!/bin/sh
# Photographs with boxes: from files to a packed network, by all programs.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

predict=$1/bnn-predict
"$helper" boxes . 3 || exit 1
data='--data voc --years 2012 --data-dir VOCdevkit'

photos=VOCdevkit/VOC2012/JPEGImages

detector() { # NAME LOSSES OPTIONS...
    name=$1
    losses=$2
    shift 2
    # shellcheck disable=SC2086 # words
    check "$name: train" "$train" "$@" $data --batch-size 2 --epochs 1 --limit-train 2 \
        --limit-test 2 --output run
    matches "$name: no loss of tests" '^0,([^,]+,)+,[^,]*,[^,]*,' run/metrics.csv
    terms=$(sed -n '1s/test_loss.*//;1s/.*train_loss,//;1s/train_loss_//g;1p' run/metrics.csv)
    equal "$name: terms of the loss" "$terms" "$losses"
    matches "$name: terms of the loss" "train loss [0-9.]+ \(${losses%%,*} [0-9.]+, " .out
    check "$name: evaluate" "$evaluate" run --limit-test 2 --predictions of-run
    matches "$name: images and metrics" 'test: 2 images  mAP [0-9.]+%  mAP \(area\) [0-9.]+%' .out
    matches "$name: a class" '^  person +1 boxes' .out
    matches "$name: a class without boxes" '^  cow +0 boxes +-$' .out
    check "$name: pack" "$pack" run --output run.bnn
    equal "$name: anchors" "$("$helper" metadata run.bnn anchors)" voc
    check "$name: evaluate what is packed" "$evaluate" run.bnn --data-dir VOCdevkit \
        --limit-test 2 --predictions of-packed --detections of-packed.json
    same "$name: the same boxes" of-run of-packed
    check "$name: predict" "$predict" run.bnn $photos/2012_000001.jpg --json found.json --output .
    check "$name: predict of a checkpoint" "$predict" run $photos/2012_000001.jpg \
        --json of-run.json --output of-run.png
    same "$name: the same boxes of a file" found.json of-run.json
    same "$name: the same picture" 2012_000001.png of-run.png
    equal "$name: as large as the photograph" "$(od -An -tu1 -j16 -N8 of-run.png | tr -s ' ')" \
        ' 0 0 0 230 0 0 0 200'
    grep '"2012_000001"' of-packed.json | tr -d ' ,]' >some
    tr -d ' ,]' <found.json | grep 2012 >others
    same "$name: the same boxes of a data set" some others
    matches "$name: a curve" '"precision_by_recall": "[0-9]+( [0-9]+){100}"' run/results.json
    matches "$name: an example" '"boxes": "[-0-9 ]*"' run/results.json
    check "$name: report" "$report" run run --output page.html
    matches "$name: report" 'mean average precision' page.html
    matches "$name: report: a curve" '>person, AP [0-9.]+ %<' page.html
    matches "$name: report: an example" '<figcaption>[0-9]+ found, 1 there</figcaption>' page.html
    expect_fail "$name: another format" 'finds boxes, which the format c has no place for' \
        "$pack" run --format c --output run.c
    expect_fail "$name: a part of what is packed" '--part: the format packed has no use for that' \
        "$pack" run --part rpn --output part.bnn
}

# What a model says of its anchors, where it was built with ONNX.
onnx=$("$pack" --help | tr -s ' \n' ' ' | grep -c 'ONNX, which this program was built without')
heads() { # NAME OPTIONS...: of the detector that was trained last
    name="$1: heads"
    shift
    rm -f run.json
    [ "$onnx" -eq 0 ] || return
    check "$name" "$pack" run.bnn --format onnx --output run.onnx "$@"
    equal "$name: as large as it says" "$(sed -n 's/^run.onnx: \([0-9]*\) bytes.*/\1/p' .out)" \
        "$(wc -c <run.onnx | tr -d ' ')"
    expect_fail "$name: to standard output" 'writes two files' "$pack" run.bnn --format onnx \
        --output - "$@"
}

detector 'SSD' 'confidence,localization,' --arch ssd300_vgg16 --algo reactnet # any threads: check_detect.c
heads 'SSD'
if [ "$onnx" -eq 0 ]; then
    equal 'SSD: anchors of an exported one' "$(json run.json heads.logits.0)" 8732
    equal 'SSD: classes of an exported one' "$(json run.json heads.background 0)" 20
    equal 'SSD: levels of an exported one' "$(json run.json heads.anchors.#)" 6
    equal 'SSD: best of a level' "$(json run.json heads.nms.most)" 1000
    expect_fail 'SSD: no first stage' '--part rpn: ssd300_vgg16 has no first stage of two' "$pack" \
        run --format onnx --part rpn --output part.onnx
fi
rm -rf run
detector 'Faster R-CNN' 'rpn_class,rpn_box,class,box,' --arch faster_rcnn_resnet18 --algo bnn --canvas 32
heads 'Faster R-CNN' --part rpn
if [ "$onnx" -eq 0 ]; then
    equal 'Faster R-CNN: anchors of an exported one' "$(json run.json heads.deltas.0)" 60
    expect_fail 'Faster R-CNN: both stages' '--part rpn exports the first stage$' "$pack" run.bnn \
        --format onnx --output whole.onnx
fi
check 'Faster R-CNN: first stage' "$pack" run.bnn --format lce --part rpn --output part.tflite
# shellcheck disable=SC2016 # the script expands it
printf '#!/bin/sh\necho ready played\nwhile read -r runs rest; do echo "done 1 1 $runs"; done\n' >played
chmod +x played
BNN_LCE_PYTHON=$work/played check 'Faster R-CNN: first stage measured' "$bench" infer part.tflite \
    --repeat 1 --json part.json
equal 'Faster R-CNN: beside it the same of its float twin' "$(json part.json 0.baseline)" 'lce fp32'
equal 'Faster R-CNN: and nothing that does more' "$(json part.json '#')" 1
matches 'Faster R-CNN: why' '^bnn-bench: note: part.tflite: is the first stage of' .err
rm -rf run

# ---- interrupted, and resumed: as if it had never stopped ----
of_steps="--arch faster_rcnn_resnet18 --algo reactnet --canvas 32 $data --batch-size 1 --epochs 1
    --limit-test 1 --checkpoint-every 1"
# shellcheck disable=SC2086 # words
check 'without a stop' "$train" $of_steps --output whole
# shellcheck disable=SC2086 # words
freeze 'grep -qs step.:0 part/steps.jsonl' "$train" $of_steps --output part
thaw INT
equal 'interrupted' "$ended" 130
[ "$(count_lines part/steps.jsonl)" -lt 3 ] || fail 'interrupted: behind an epoch' part/steps.jsonl
check 'resumed' "$train" --resume part
for file in last.safetensors best.safetensors metrics.csv; do
    same "resumed: $file" "part/$file" "whole/$file"
done

# ---- COCO: its own numbers of images and classes, in all forms of a network ----
mkdir -p coco/annotations coco/train2017 coco/val2017 pictures
box() { # IMAGE CATEGORY
    echo "{\"id\": $1$2, \"image_id\": $1, \"category_id\": $2, \"bbox\": [10, 20, 90, 100],
        \"area\": 9000, \"iscrowd\": 0}"
}
for split in train val; do
    cp $photos/2012_000001.jpg coco/${split}2017/000000000007.jpg
    cp $photos/2012_000003.jpg coco/${split}2017/other.jpg
    cat >coco/annotations/instances_${split}2017.json <<EOF
{"images": [{"id": 7, "file_name": "000000000007.jpg"}, {"id": 21, "file_name": "other.jpg"}],
 "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}],
 "annotations": [$(box 7 3), $(box 21 90)]}
EOF
done
check 'COCO: train' "$train" --arch faster_rcnn_resnet18 --algo bnn --canvas 64 --data coco \
    --data-dir coco --batch-size 2 --epochs 1 --output run
check 'COCO: pack' "$pack" run --output run.bnn
equal 'COCO: anchors' "$("$helper" metadata run/best.safetensors anchors)" coco
equal 'COCO: anchors of what is packed' "$("$helper" metadata run.bnn anchors)" coco
check 'COCO: evaluate' "$evaluate" run.bnn --data-dir coco --detections all.json --json twelve.json
equal 'COCO: its numbers' "$(grep -cE '^  "a[pr][^c]' twelve.json)" 12
matches 'COCO: those on a line' 'AR100 [0-9.]+%  \(' .out
for score in ar1 ar10 ar_small ar_medium ar_large; do
    matches "COCO: $score" ",test_$score," run/metrics.csv
done
matches 'COCO: no box is small' ' AP-S -  AP-M ' .out
matches 'COCO: no box is small' '"ap_small": null' twelve.json
check 'COCO: predict' "$predict" run coco/val2017/*.jpg --json found.json --least-score 0.1 \
    --output pictures
matches 'COCO: a found box' \
    '^\{"image_id":(7|21),"category_id":(3|90),"bbox":\[[^]]*\],"score":0\.[0-9]*\},?$' all.json
matches 'COCO: a found box of a file' \
    '^\{"image_id": (7|"other"), "category_id": (3|90), "bbox": ' found.json
equal 'COCO: pictures' "$(ls pictures)" "000000000007.png
other.png"
check 'COCO: one box' "$predict" run coco/val2017/other.jpg --top 1 --json one.json
equal 'COCO: one box' "$(grep -c image_id one.json)" 1
check 'COCO: all are drawn' "$predict" run coco/val2017/other.jpg --output all.png --json all.json
[ "$(grep -c image_id all.json)" -gt 5 ] || fail 'COCO: more than a line tells' all.json
check 'COCO: five are drawn' "$predict" run coco/val2017/other.jpg --output five.png --top 5
check 'COCO: as many as there are' "$predict" run coco/val2017/other.jpg --output most.png --top 100
if cmp -s all.png five.png; then fail 'COCO: all are drawn, not five' .out; fi
same 'COCO: all are drawn' all.png most.png
check 'COCO: none is sure' "$predict" run coco/val2017/other.jpg --least-score 100 --json none.json
matches 'COCO: none is sure' 'other.jpg: nothing$' .out
equal 'COCO: none is sure' "$(tr -d '\n' <none.json)" '[]'
expect_fail 'one picture of two files' 'are the same; choose another place' "$predict" run \
    coco/train2017/other.jpg coco/val2017/other.jpg --output pictures
expect_fail 'one picture of two files, in no folder yet' 'are the same; choose another place' \
    "$predict" run coco/train2017/other.jpg coco/val2017/other.jpg --output absent
expect_late_fail 'a picture that nobody keeps' 'cannot be written' "$predict" run coco/val2017/other.jpg \
    --output /dev/full
expect_fail 'corruptions of boxes' '--corruptions are of images of a class each' "$evaluate" run \
    --corruptions make
expect_fail 'over the photograph' 'would be written over, but it is read' "$predict" run \
    coco/val2017/other.jpg --output coco/val2017/other.jpg

# ---- one class ----
cp -r coco faces
for split in train val; do
    cat >faces/annotations/instances_${split}2017.json <<EOF
{"images": [{"id": 7, "file_name": "000000000007.jpg"}, {"id": 21, "file_name": "other.jpg"}],
 "categories": [{"id": 3, "name": "face"}], "annotations": [$(box 7 3), $(box 21 3)]}
EOF
done
for arch in ssd300_vgg16 'faster_rcnn_resnet18 --canvas 32'; do
    # shellcheck disable=SC2086 # words
    check "one class: $arch: train" "$train" --arch $arch --algo bnn --data coco --data-dir faces \
        --batch-size 2 --epochs 1 --output one --overwrite
    check "one class: $arch: pack" "$pack" one --output one.bnn
    check "one class: $arch: evaluate" "$evaluate" one --detections of-run.json
    matches "one class: $arch: evaluate" '^  face +2 boxes' .out
    check "one class: $arch: evaluate what is packed" "$evaluate" one.bnn --data-dir faces \
        --detections of-packed.json
    same "one class: $arch: the same boxes" of-run.json of-packed.json
    check "one class: $arch: predict" "$predict" one.bnn faces/val2017/other.jpg --json found.json
    equal "one class: $arch: predict" "$(grep -c '"category_id": [^3]' found.json)" 0
    check "one class: $arch: report" "$report" run one --output page.html
    if [ "$onnx" -eq 0 ] && [ "$arch" = ssd300_vgg16 ]; then
        check 'one class: heads' "$pack" one --format onnx --output one.onnx
        equal 'one class: heads' "$(json one.json heads.background 0)" 1
    fi
done

# ---- what goes wrong ----
run 'a classifier' images
expect_fail 'no boxes to export a part of' '--part rpn: .* finds no boxes' "$pack" images \
    --format lce --part rpn --output part.tflite
expect_fail 'no boxes to draw' '--output has no effect on .*finds no boxes' "$predict" images \
    $photos/2012_000001.jpg --output picture.png
expect_fail 'no boxes to be sure of' '--least-score has no effect on .*finds no boxes' "$predict" \
    images $photos/2012_000001.jpg --least-score 5
expect_fail 'no boxes to write' '--detections has no effect on .*finds no boxes' "$evaluate" images \
    --detections boxes.json
# shellcheck disable=SC2086 # words
expect_fail 'a classifier' '--arch resnet18 is for classify' "$train" --arch resnet18 $data \
    --output run
# shellcheck disable=SC2086 # words
expect_fail 'a canvas' '--canvas has no effect on --arch ssd300_vgg16' "$train" \
    --arch ssd300_vgg16 $data --canvas 64 --output run
expect_fail 'years' '--years 1999: there are 07.12, 2007 and 2012' "$train" --arch ssd300_vgg16 \
    --data voc --years 1999 --data-dir VOCdevkit --output run
expect_fail 'no year' 'VOC2007/ImageSets/Main/trainval.txt: no such file' "$train" \
    --arch ssd300_vgg16 --data voc --data-dir VOCdevkit --output run

done_testing

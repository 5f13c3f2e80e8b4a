#!/bin/sh
# Data that are another's, that moved, or that are no longer what they were.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

relative='--algo bnn --arch resnet20 --data cifar10 --batch-size 16 --limit-train 40
    --limit-test 40 --epochs 1'

# ---- another data set: a network sees it as it was trained, and as libbnn shows it ----
run 'a run' run --algo bnn --epochs 1 --limit-train 256
check 'export' "$pack" run/last.safetensors --output model.bnn
for model in run/last.safetensors model.bnn; do
    check "$model: other data" "$evaluate" $model --data fashion_mnist --data-dir idx --quiet \
        --predictions evaluated
    "$helper" predict $model 200 >by-library
    same "$model: bnn-eval and libbnn" evaluated by-library
done

check 'a run: other data' "$evaluate" run --data fashion_mnist --data-dir idx --quiet
matches 'a run: other data' "note: the run's results.json is of cifar10; results of fashion_mnist" .err
refuse 'a run: results of its own data only' test -e run/results.json

# ---- corruptions: files that are not wanted do not matter ----
cp -r cifar-c mixed
cp bad/c-counts/fog.npy mixed/fog.npy # of another size
printf rubbish >mixed/frost.npy
touch mixed/mine.npy
for list in gaussian_noise saturate,gaussian_noise; do
    check "only $list" "$evaluate" run/last.safetensors --data-dir cifar --quiet --limit-test 4 \
        --corruptions mixed --corruption $list --json mixed-$list.json
    check "only $list, of sound files" "$evaluate" run/last.safetensors --data-dir cifar --quiet \
        --limit-test 4 --corruptions cifar-c --corruption $list --json sound-$list.json
    same "only $list" mixed-$list.json sound-$list.json
done
expect_fail 'all of them' 'mixed/frost.npy: ' "$evaluate" run/last.safetensors --data-dir cifar \
    --quiet --limit-test 4 --corruptions mixed
rm mixed/frost.npy
expect_fail 'all but one' 'mixed/fog.npy: 1 images a severity, but gaussian_noise.npy has 40' \
    "$evaluate" run/last.safetensors --data-dir cifar --quiet --limit-test 4 --corruptions mixed

# ---- a class without images has no accuracy: that of three images are 0, 7 and 4 ----
partial() { # OPTIONS...
    check 'three images' "$evaluate" run --data-dir cifar --limit-test 3 "$@"
}
partial --corruptions make --corruption fog
matches 'a class with images' '^  airplane +1 images +[0-9.]+%$' .out
matches 'a class without' '^  automobile +0 images +-$' .out
equal 'classes without' "$(grep -c ' -$' .out)" 7
equal 'JSON: classes without' "$(grep -c '"top1": null' run/results.json)" 7
refuse 'JSON: a class without' json run/results.json classes.1.top1
check 'JSON: a class with images' json run/results.json classes.0.top1
cp run/results.json first.json
partial --corruptions make --corruption fog
same 'the same again' run/results.json first.json
sed 's/"top1": null/"top1": 0.0/' first.json >run/results.json # as older programs wrote
partial --corruptions make --corruption fog
same 'an older file' run/results.json first.json
run 'its float twin' twin --algo fp32 --epochs 1 --limit-train 256
check 'its float twin' "$evaluate" twin --limit-test 3 --corruptions make --corruption fog
check 'a page' "$report" run run --output page.html
matches 'a page: no accuracy' '>automobile</th><td>0</td><td>-</td>' page.html
check 'a page of two' "$report" compare run twin --output pair.html
matches 'a page of two: no accuracy' '>automobile</th><td>-</td><td>-</td>' pair.html
equal 'no page says nan' "$(grep -c nan page.html pair.html | tr '\n' ' ')" \
    'page.html:0 pair.html:0 '
check 'robustness' "$report" robustness run twin --corruption fog
equal 'robustness says no nan' "$(grep -c nan .out)" 0

# ---- a run told where its data are, from where it stood ----
here=$(pwd -P)
mkdir work elsewhere
for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    mkdir -p elsewhere/cifar
    cp cifar/data_batch_1.bin elsewhere/cifar/$name.bin # other data of the same name
done
ln -s cifar linked
cd work || exit 1
# shellcheck disable=SC2086 # words
check 'relative' "$train" $relative --data-dir ../linked --output run
cd ..
equal 'the folder is recorded' "$(json work/run/config.json data-dir)" "$here/cifar"
mv work/run elsewhere/run
cd elsewhere || exit 1
check 'evaluated elsewhere' "$evaluate" run --quiet --json score.json
check 'evaluated with its data' "$evaluate" run --quiet --json told.json --data-dir ../cifar
same 'evaluated elsewhere' score.json told.json
cp -r run before
check 'resumed elsewhere' "$train" --resume run
check 'repeated elsewhere' "$train" --config run/config.json --output again
for name in last.safetensors best.safetensors metrics.csv config.json; do
    same "resumed elsewhere: $name" run/$name before/$name
    same "repeated elsewhere: $name" again/$name run/$name
done
cd ..
# shellcheck disable=SC2086
check 'from a network' "$train" $relative --data-dir cifar --init-from run/last.safetensors \
    --output from
cd elsewhere || exit 1
check 'repeated from a network' "$train" --config ../from/config.json --output from
cd ..
same 'repeated from a network' from/last.safetensors elsewhere/from/last.safetensors
check 'resumed from a network' "$train" --resume from --init-from run/last.safetensors

# ---- data that are no longer what they were ----
mv elsewhere/run run2
cp -r run2 before
resume() { # NAME REGEX OPTIONS...: refused, and the run is as it was
    name=$1
    regex=$2
    shift 2
    expect_fail "$name" "last.safetensors: the $regex samples or labels .*--data-dir.*--accept-changed-data" \
        "$train" --resume run2 "$@"
    for file in last.safetensors metrics.csv steps.jsonl sessions.jsonl; do
        same "$name: $file" run2/$file before/$file
    done
}
change() { # FOLDER FILE: two bytes of an image, in a copy of the data
    [ -d "$1" ] || cp -r cifar "$1"
    printf '\377\000' | dd of="$1/$2" bs=1 seek=5000 conv=notrunc 2>.err
}
change train-changed data_batch_5.bin
change test-changed test_batch.bin
change both-changed test_batch.bin
change both-changed data_batch_1.bin
resume 'training images' training --data-dir train-changed
resume 'test images' test --data-dir test-changed
resume 'all images' 'training and test' --data-dir both-changed
check 'test images that were named' "$evaluate" run2 --data-dir test-changed --quiet
equal 'test images that were named: no note' "$(grep -c note .err)" 0
mv cifar moved
expect_fail 'moved' 'cifar: no such folder.*--data-dir' "$train" --resume run2
check 'moved' "$train" --resume run2 --data-dir moved
same 'moved' run2/last.safetensors before/last.safetensors
cp run2/sessions.jsonl before # a line more
cp -r test-changed cifar
resume 'others in their place' test
check 'others in their place: told' "$evaluate" run2 --quiet --limit-test 2
told='^bnn-eval: note: the test samples or labels in .*/cifar are not '
equal 'others in their place: told' "$(grep -c "$told" .err)" 1

# ---- and that is accepted ----
cp -r run2 accepted
"$helper" metadata accepted/last.safetensors test_data >.was
check 'accepted' "$train" --resume accepted --accept-changed-data
equal 'accepted: told' "$(grep -c '^bnn-train: note: accepted goes on with other data' .err)" 1
"$helper" metadata accepted/last.safetensors test_data >.now
refuse 'accepted: another checksum' cmp -s .was .now
"$helper" metadata accepted/best.safetensors test_data >.best
same 'accepted: of both checkpoints' .now .best
equal 'accepted: where they lie' "$(json accepted/config.json data-dir)" "$(pwd)/cifar"
check 'accepted: these are its data now' "$train" --resume accepted
check 'accepted: evaluated without a note' "$evaluate" accepted --quiet --limit-test 2
equal 'accepted: evaluated without a note' "$(grep -c note .err)" 0
check 'accepted once more' "$train" --resume accepted --accept-changed-data
equal 'accepted once more: nothing to tell' "$(grep -c note .err)" 0
rm -r cifar
mv moved cifar

# ---- checkpoints that do not say ----
mkdir variants older
check 'variants' "$helper" break-checkpoint run2/last.safetensors variants
cp run2/config.json older
cp variants/data-unknown older/last.safetensors
cp variants/data-unknown older/best.safetensors
check 'an older one is resumed' "$train" --resume older --data-dir both-changed
cp variants/data-unknown older/last.safetensors
mv cifar moved
cp -r test-changed cifar
check 'an older one is evaluated' "$evaluate" older --quiet --limit-test 2
equal 'an older one: no note' "$(grep -c note .err)" 0

done_testing

#!/bin/sh
# Data that are another's, that moved, or that are no longer what they were.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

# ---- another data set: a network sees it as it was trained, and as libbnn shows it ----
run 'a run' run --algo bnn --epochs 1 --limit-train 256
check 'export' "$pack" run/last.safetensors --output model.bnn
for model in run/last.safetensors model.bnn; do
    check "$model: other data" "$evaluate" $model --data fashion_mnist --data-dir idx --quiet \
        --predictions evaluated
    "$helper" predict $model 200 >by-library
    same "$model: bnn-eval and libbnn" evaluated by-library
done

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

done_testing

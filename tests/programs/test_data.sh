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

done_testing

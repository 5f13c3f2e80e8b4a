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

done_testing

#!/bin/sh
# bnn-export --format dabnn: what it writes computes what the packed file computes, bit for bit where
# every float sum is exact, and what daBNN cannot do is refused with nothing written.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/programs/lib.sh
. "$here/lib.sh"

make=$2/make_model
script=${here%/tests/programs}/tools/export/check_dab.py
python=${BNN_PYTHON:-python3}
has_numpy=yes
"$python" -c 'import numpy' 2>.err || has_numpy=no

agree() { # NAME OPTIONS...: NAME.dab, of NAME.in.npy, computes NAME.out.npy
    model=$1
    shift
    [ $has_numpy = no ] || check "$model in numpy" "$python" "$script" "$model.dab" \
        "$model.in.npy" "$model.out.npy" "$@"
}

export_made() { # ARCH ALGO CxHxW OPTIONS...: $model
    model=$1-$2-$3
    check "$model" "$make" "$1" "$2" "$3" 10 3 "$model.bnn" "$model.in.npy" "$model.out.npy"
    shift 3
    check "$model exported" "$pack" "$model.bnn" --format dabnn --output "$model.dab" "$@"
}

exact() { # ARCH ALGO CxHxW OPTIONS...
    export_made "$@"
    agree "$model"
}

near() { # ARCH ALGO CxHxW: float sums are rounded, each engine's in an order of its own
    export_made "$@"
    agree "$model" --tolerance 1e-5
}

cannot() { # REGEX ARCH ALGO CxHxW OPTIONS...
    regex=$1
    model=no-$2-$3-$4
    check "$model" "$make" "$2" "$3" "$4" 10 1 "$model.bnn" in.npy out.npy
    shift 4
    expect_fail "$model" "$regex" "$pack" "$model.bnn" --format dabnn "$@"
    refuse "$model: nothing is written" test -e "$model.dab"
}

# ---- exactly the same ----
for algo in bnn dorefa bireal recu fda; do
    exact resnet20 $algo 3x16x16
done
exact resnet20 reactnet 1x8x8 --emulate
exact vgg_small bnn 3x16x16
exact vgg_small bnn 3x20x20 # pools of odd maps leave a row out
exact vgg_small reactnet 3x8x8 --emulate
exact resnet18 bireal 3x16x16
exact pointnet_vanilla bnn 6x1x64
near pointnet_vanilla fp32 3x1x16
near resnet20 fp32 3x16x16

# ---- what is told ----
cp resnet20-bnn-3x16x16.bnn usual.bnn
check 'its notes' "$pack" usual.bnn --format dabnn
matches 'zero padding' '^note: zero padding takes [0-9]+ bytes' .out
matches 'the input' '^note: input: float32 \[1,16,16,3\], of bytes less their mean 64 64 64, divid' .out
same 'by the usual name' usual.dab resnet20-bnn-3x16x16.dab
check 'without zero padding' "$pack" pointnet_vanilla-bnn-6x1x64.bnn --format dabnn
matches 'points in a square' '^note: input: float32 \[1,8,8,6\]$' .out
check 'a shift' "$pack" resnet20-reactnet-1x8x8.bnn --format dabnn --emulate
matches 'floats' '^note: the shifts in front of the signs are float layers' .out

# ---- what daBNN cannot do ----
cannot 'layer1.0.conv1: reactnet shifts .* --emulate' resnet20 reactnet 3x16x16
cannot 'layer1.0.conv1: xnor scales by the mean' resnet20 xnor 3x16x16 --emulate
cannot 'layer1.0.conv1: xnorpp scales each pixel' resnet20 xnorpp 3x16x16 --emulate
cannot 'feat.stn.fc3: multiplies activations .* pointnet_vanilla' pointnet bnn 6x1x64
cannot 'enc_layers.0.conv1d: moves values' fsmn bnn 1x32x32
cannot 'front_end.3: moves values' deep_fsmn bnn 1x32x32
cannot '60 points do not fill a square.* 49 or 64 points' pointnet_vanilla bnn 6x1x60
cannot '60 points do not fill a square.*, and the network has ops .*; use --format onnx' pointnet bnn \
    6x1x60
cannot '60 points do not fill a square.*, and the network has ops .*; use --format onnx' \
    pointnet_vanilla xnor 6x1x60
cannot 'images of 16x32 are not square' resnet20 bnn 3x16x32
cannot '3x3 kernel for 64 channels wants even sizes, .* 30x30 .* 15x15' resnet18 bnn 3x30x30
expect_fail 'no use for --fuse' '--fuse: the format dabnn has no use' "$pack" \
    resnet20-bnn-3x16x16.bnn --format dabnn --fuse
expect_fail 'no halves' '--float16: the format dabnn has no use for that' "$pack" \
    resnet20-bnn-3x16x16.bnn --format dabnn --float16

# ---- a trained network ----
run 'a run' run --algo bnn
check 'a run exported' "$pack" run --format dabnn --output run.dab
check 'what it computes' "$evaluate" run --data-dir cifar --quiet --save-inputs run.in.npy \
    --save-outputs run.out.npy
agree run --tolerance 1e-4
if [ $has_numpy = yes ]; then
    refuse 'logits of another network' "$python" "$script" run.dab run.in.npy \
        resnet20-bnn-3x16x16.out.npy
    refuse 'no such model' "$python" "$script" run/last.safetensors run.in.npy run.out.npy
    head -c 9000 run.dab >cut.dab
    refuse 'a model cut off' "$python" "$script" cut.dab run.in.npy run.out.npy
    refuse 'other samples' "$python" "$script" resnet20-bnn-3x16x16.dab \
        resnet20-bnn-3x16x16.in.npy vgg_small-bnn-3x16x16.out.npy
elif [ "$failures" -eq 0 ]; then
    echo "SKIPPED: $python has no numpy: nothing was computed ($checks checks of files made)"
    exit 77
fi
done_testing

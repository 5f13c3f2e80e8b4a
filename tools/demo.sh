#!/bin/sh
# The main job on real data, in a few minutes: builds, trains a binary ResNet-20 on Fashion-MNIST,
# evaluates it, packs it to 1-bit weights and evaluates the packed file.
set -eu
cd "$(dirname "$0")/.."
tools/packages.sh gcc libc6-dev make cmake pkg-config zlib1g-dev libjpeg62-turbo-dev \
    libpng-dev libjansson-dev libstb-dev protobuf-c-compiler libprotobuf-c-dev \
    libcurl4-openssl-dev libarchive-dev libssl-dev dataset-fashion-mnist
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DBNN_TESTS=OFF >/dev/null
cmake --build build -j"$(nproc)" >/dev/null
run=runs/demo
build/bnn-train --algo reactnet --arch resnet20 --data fashion_mnist --epochs 2 \
    --limit-train 30000 --output $run --overwrite
build/bnn-eval $run
build/bnn-export $run/best.safetensors --output $run/model.bnn
build/bnn-eval $run/model.bnn --quiet
build/bnn-report run $run
echo "checkpoint: $run/best.safetensors   packed model: $run/model.bnn   report: $run/report.html"

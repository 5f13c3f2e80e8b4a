#!/bin/sh
# Builds the fuzz targets on libFuzzer, in build-fuzz; installs what is needed.
set -eu
cd "$(dirname "$0")/../.."
tools/packages.sh clang libclang-rt-14-dev llvm-14 libomp-dev libc6-dev make cmake pkg-config \
    zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev libstb-dev libsndfile1-dev \
    libkissfft-dev libutf8proc-dev libexpat1-dev libyajl-dev protobuf-c-compiler libprotobuf-c-dev \
    libcurl4-openssl-dev libarchive-dev libssl-dev check
CC=clang cmake -S . -B build-fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBNN_LIBFUZZER=ON >/dev/null
cmake --build build-fuzz -j"$(nproc)" --target fuzzers >build-fuzz/build.log || {
    cat build-fuzz/build.log
    exit 1
}

#!/bin/sh
# All tests, with sanitizers: installs what is needed, builds, runs ctest, and what is concurrent
# with ThreadSanitizer; lets clang-tidy look; fuzzes each parser for some seconds, and looks how much
# of it the corpora reach; then in a release build what takes long, and the kernels' and networks'
# tests for each instruction set, NEON under an emulator; and exported C source under others.
set -eu
cd "$(dirname "$0")/.."
tools/packages.sh gcc g++ clang clang-format clang-tidy libomp-dev libc6-dev make cmake pkg-config \
    zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev libstb-dev libsndfile1-dev \
    libkissfft-dev libutf8proc-dev libexpat1-dev libyajl-dev protobuf-c-compiler libprotobuf-c-dev \
    libcurl4-openssl-dev libarchive-dev libssl-dev check \
    dpkg-dev file python3 zsh dataset-fashion-mnist shellcheck libxml2-utils locales libclang-rt-14-dev llvm-14 \
    libopenmpi-dev openmpi-bin slurm-wlm munge
jobs=$(nproc)
export OMP_WAIT_POLICY=passive # as many tests as processors run: who spins takes another's
cmake -S . -B build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBNN_SANITIZE=ON -DBNN_CUDA=OFF \
    >/dev/null
cmake --build build-test -j"$jobs"
# clang sees other warnings; it only has to build. Where there is nvcc, also CUDA.
CC=clang cmake -S . -B build-clang -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build-clang -j"$jobs"
# ThreadSanitizer on what several threads do at once: the library's models, the loader, sound.
threaded='check_process check_loader check_speech'
CC=clang cmake -S . -B build-tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBNN_SANITIZE=thread \
    -DBNN_CUDA=OFF >/dev/null
# shellcheck disable=SC2086 # words
cmake --build build-tsan -j"$jobs" --target $threaded
# With sanitizers these take half of the time: they run in the release build, `golden` on each
# instruction set.
slow='^(golden_detectors|check_cuda_training|check_device|programs_(sweep|slurm|bench|ranks|accumulate|ema|detect|text))$'
ctest --test-dir build-test --output-on-failure -j"$jobs" -E "$slow|^golden$"
ctest --test-dir build-tsan --output-on-failure -R "^($(echo "$threaded" | tr ' ' '|'))\$"
status=0
tests/rules/check_tidy.sh build-clang 40 || status=$?
[ $status = 0 ] || [ $status = 77 ] || exit $status
tests/fuzz/run.sh 2
tests/fuzz/coverage.sh
ctest --test-dir build-clang --output-on-failure -j"$jobs" -R "$slow|^check_cuda_kernels\$"
ctest --test-dir build-clang --output-on-failure -j"$jobs" -C levels -L '^levels$'
status=0
tests/neon.sh build-clang || status=$?
[ $status = 0 ] || [ $status = 77 ] || exit $status
status=0
tests/board.sh build-clang || status=$?
[ $status = 0 ] || [ $status = 77 ] || exit $status
status=0
tests/cortex_m.sh build-clang || status=$?
[ $status = 0 ] || [ $status = 77 ] || exit $status

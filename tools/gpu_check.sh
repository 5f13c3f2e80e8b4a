#!/bin/sh
# gpu_check.sh [FOLDER [BUILD]]: all that takes a GPU, in one go of less than nine minutes, without a
# network: builds (or takes BUILD as it is, where there is no compiler), runs the tests on the first
# GPU, some of them under compute-sanitizer, compares short trainings with the CPU's, measures, and
# trains a little on Fashion-MNIST if its files are here (BNN_DATA_DIR). BUILD may come from another
# machine: the programs, libbnn-cuda.so, the shared libraries that they need, and tests/gpu_*. Leaves
# in FOLDER (gpu_report) a log of each step and summary.txt, a line each; fails if one of them failed.
set -u
cd "$(dirname "$0")/.." || exit 1
report=${1:-gpu_report}
build=${2:-build-gpu}
mkdir -p "$report" || exit 1
summary=$report/summary.txt
: >"$summary"
failed=0
begin=$(date +%s)

say() { # STATUS NAME SECONDS
    printf '%-8s %4ss  %s\n' "$1" "$3" "$2" | tee -a "$summary"
}

skip() { # NAME WHY
    say SKIPPED "$1: $2" 0
}

# step NAME LIMIT COMMAND...: within so many seconds, and what is left of all.
step() {
    name=$1 limit=$2
    shift 2
    now=$(date +%s)
    left=$((525 - now + begin))
    [ "$limit" -le "$left" ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        skip "$name" "no time is left"
        return 1
    fi
    timeout "$limit" "$@" >"$report/$name.log" 2>&1
    status=$?
    took=$(($(date +%s) - now))
    case $status in
    0) say passed "$name" $took ;;
    77) say SKIPPED "$name: $(tail -n 1 "$report/$name.log")" $took ;;
    124)
        say FAILED "$name: not finished in $limit s" $took
        failed=1
        ;;
    *)
        say FAILED "$name: $(tail -n 1 "$report/$name.log" | cut -c1-100)" $took
        failed=1
        ;;
    esac
    return $status
}

nvidia-smi >"$report/machine.txt" 2>&1 || {
    skip everything "nvidia-smi finds no GPU"
    exit 77
}
{ nvcc --version || /usr/local/cuda/bin/nvcc --version; lscpu; } >>"$report/machine.txt" 2>&1

# ---- build: for this GPU alone ----
if [ ! -x "$build/bnn-train" ]; then
    number=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    step configure 60 cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DBNN_CUDA=ON \
        "-DBNN_CUDA_ARCHITECTURES=$number-real" || exit 1
    step build 240 cmake --build "$build" -j"$(nproc)" --target bnn_cuda bnn-train bnn-bench \
        bnn-eval bnn-predict gpu_kernels gpu_training || exit 1
fi
export LD_LIBRARY_PATH="$PWD/$build:${LD_LIBRARY_PATH:-}"

# ---- tests ----
step kernels 120 "$build/tests/gpu_kernels"
step training 120 "$build/tests/gpu_training"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck; do
        step "$tool" 45 "$sanitizer" --tool "$tool" --error-exitcode 1 \
            --launch-count 2000 "$build/tests/gpu_kernels"
    done
else
    skip sanitizer "there is no compute-sanitizer"
fi

# ---- speed ----
step bench_gemm 90 "$build/bnn-bench" gemm --device cuda --case "gemm binary" --repeat 3 \
    --json "$report/bench_gemm.json"
step bench_square 60 "$build/bnn-bench" gemm --device cuda --case "gemm square" --repeat 3 \
    --json "$report/bench_square.json"
step bench_train 60 "$build/bnn-bench" train --device cuda --arch resnet18 --batch-size 128 \
    --algo bnn,reactnet --repeat 3 --json "$report/bench_train.json"
step bench_infer 30 "$build/bnn-bench" infer --device cuda --arch resnet18 --batch-size 64 \
    --algo bnn --repeat 3 --json "$report/bench_infer.json"

# ---- a short real training: the same twice, and near the CPU's ----
data=${BNN_DATA_DIR:-/usr/share/datasets/fashion-mnist}
train() { # NAME DEVICE MORE...
    name=$1 device=$2
    shift 2
    step "$name" 60 "$build/bnn-train" --algo reactnet --arch resnet20 --data fashion_mnist \
        --data-dir "$data" --device "$device" --seed 1 --output "$report/$name" --overwrite "$@"
}
if [ -d "$data" ]; then
    small='--limit-train 1280 --limit-test 500 --epochs 1'
    # shellcheck disable=SC2086 # words
    train once cuda $small && train again cuda $small &&
        step same 5 cmp "$report/once/last.safetensors" "$report/again/last.safetensors"
    # shellcheck disable=SC2086 # words
    train on_the_cpu cpu $small && tail -n 1 "$report"/once/metrics.csv \
        "$report"/on_the_cpu/metrics.csv >"$report/cpu_and_gpu.txt" 2>&1
    train longer cuda --epochs 2
else
    skip training_on_data "no Fashion-MNIST in $data (BNN_DATA_DIR)"
fi
say "" "all of it" $(($(date +%s) - begin))
exit $failed

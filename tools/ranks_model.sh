#!/bin/sh
# ranks_model.sh BUILD [ARCH:BATCH[:SECONDS]]... [--link NAME:GBYTES_PER_S:MICROSECONDS]...
# What training on many ranks would cost (docs/data-parallel.md has the formulas): of each network
# that a rank sees BATCH samples of in a step of SECONDS, measured now, with one thread, where they
# are not given. A table in Markdown, a row a number of ranks.
set -eu
usage() {
    sed -n '2,5s/^# //p' "$0" >&2
    exit 1
}
if [ $# -lt 1 ] || [ ! -x "$1/bnn-train" ]; then usage; fi
build=$1
shift
nets='' links=''
while [ $# -gt 0 ]; do
    case $1 in
    --link) links="$links ${2:?--link NAME:GBYTES_PER_S:MICROSECONDS}" && shift ;;
    -*) usage ;;
    *) nets="$nets $1" ;;
    esac
    shift
done
: "${nets:=resnet20:64 resnet18:64 bert_mini6:16 deep_fsmn:64}"
: "${links:=10GbE:1.25:20 100Gb-InfiniBand:12.5:2}"

parameters() { # ARCH
    case $1 in
    bert*) data=glue_sst2 ;;
    *fsmn) data=speech_commands ;;
    pointnet_partseg) data=shapenet_part ;;
    pointnet*) data=modelnet40 ;;
    ssd* | faster*) data=voc ;;
    *) data=cifar10 ;;
    esac
    "$build/bnn-train" --dry-run --arch "$1" --data $data --json - 2>/dev/null | awk -F'[:,]' '/^  "parameters"/ { print $2 + 0 }'
}
seconds() { # ARCH BATCH
    "$build/bnn-bench" train --arch "$1" --algo reactnet --batch-size "$2" --threads 1 --repeat 5 \
        --json - 2>/dev/null | awk -F'[:,]' '/"fastest_seconds"/ && !found++ { print $2 + 0 }'
}

echo '| network, samples a rank, step alone | link | ranks | MB sent a step | sums | step, nothing hidden | step, hidden | efficiency | what 1-bit gradients gain at most |'
echo '|---|---|---|---|---|---|---|---|---|'
for net in $nets; do
    arch=${net%%:*} rest=${net#*:}
    batch=${rest%%:*} step=${rest#"$batch"}
    step=${step#:}
    [ -n "$step" ] || step=$(seconds "$arch" "$batch")
    values=$(parameters "$arch")
    if [ -z "$values" ] || [ -z "$step" ]; then
        echo "ranks_model.sh: $net: is no network that $build/bnn-train and bnn-bench know" >&2
        exit 1
    fi
    for link in $links; do
        echo "$arch $batch $step $values $(echo "$link" | tr : ' ')"
    done
done | awk '
function most(a, b) { return a > b ? a : b }
# Of all sums: seconds of a step with gradients of `bytes`, hidden behind the backward or not.
function times(n, bytes, count, alpha, beta, step,    i, one, end, ready) {
    one = 2 * (n - 1) * alpha + 2 * (n - 1) / n * bytes / count / beta
    total = count * one
    for (i = 1; i <= count; i++) { # the backward takes two thirds of a step
        ready = step / 3 + 2 * step / 3 * i / count
        end = most(end, ready) + one
    }
    hidden = most(step, end) + added
    bare = step + total + added
}
{
    values = $4; beta = $6 * 1e9; alpha = $7 * 1e-6; step = $3
    for (n = 8; n <= 512; n *= 4) {
        least = most(2 ^ 18, 2 ^ 12 * n) # tools/train/buckets.c
        count = most(1, int(values / least))
        added = 4 * values / 5e9 # each value is read from memory once more to be added
        times(n, 4 * values / 32, count, alpha, beta, step)
        one_bit = hidden
        times(n, 4 * values, count, alpha, beta, step)
        printf "| `%s`, %d, %.3f s | %s | %d | %.1f | %.1f ms | %.3f s | %.3f s | %.2f | %.2f |\n",
            $1, $2, step, $5, n, 2 * (n - 1) / n * 4 * values / 1e6, 1e3 * total, bare, hidden,
            step / hidden, hidden / one_bit
    }
}'

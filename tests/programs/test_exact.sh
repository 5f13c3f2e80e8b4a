#!/bin/sh
# The same bits: of a checkpoint and its packed file, of any instruction set, of any number of
# threads; for every algorithm there is.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

"$train" --list >list
algorithms=$(sed -n '/^algorithms/,/^arch/s/^  \([^ ]*\) .*/\1/p' list)
equal 'algorithms' "$(echo "$algorithms" | wc -l | tr -d ' ')" 9

predict() { # NAME MODEL FILE IMAGES
    check "$1" "$evaluate" "$2" --data-dir cifar --quiet --limit-test "$4" --predictions "$3" \
        --json "$3.json" --save-outputs "$3.npy"
    equal "$1: predictions" "$(count_lines "$3")" "$4"
}

# No more than 1.05 times a bit for each binary weight and 4 bytes for each other parameter, without
# the header, which says what they are.
# shellcheck disable=SC2317 # check calls it
fits() { # FILE ALGORITHM
    "$train" --dry-run --arch resnet20 --data cifar10 --algo "$2" >plan
    header=$(od -An -tu4 -N4 "$1") # little-endian, as the machines are that this runs on
    awk -v bytes="$(($(wc -c <"$1") - header))" '
        $1 == "parameters" && NF == 2 { all = $2 }
        $1 == "binary" && $2 == "weights" { binary = $3 }
        END {
            most = 1.05 * (binary / 8 + 4 * (all - binary))
            printf "%d bytes, at most %d\n", bytes, most
            exit !(all > 0 && bytes <= most)
        }' plan
}

for algo in $algorithms; do
    run "$algo" "$algo" --algo "$algo" --limit-test 20
    check "$algo: export" "$pack" "$algo/last.safetensors" --output "$algo.bnn"
    check "$algo: size" fits "$algo.bnn" "$algo"
    predict "$algo: checkpoint" "$algo/last.safetensors" checkpoint 80
    predict "$algo: packed" "$algo.bnn" packed 80
    same "$algo: checkpoint and packed" checkpoint packed
    # A wrong bit may change no prediction, but it changes the outputs.
    same "$algo: checkpoint and packed: outputs" checkpoint.npy packed.npy
    equal "$algo: outputs" "$(wc -c <packed.npy | tr -d ' ')" $((128 + 80 * 10 * 4))
    export BNN_ISA=generic # the other end from what this machine has
    predict "$algo: generic" "$algo.bnn" generic 12
    unset BNN_ISA
    head -n 12 packed >few
    same "$algo: packed, without special instructions" generic few
    # A network that says the same of every picture would agree with anything.
    [ "$(sort -u packed | wc -l)" -gt 1 ] || fail "$algo: predicts one class only" packed
    checks=$((checks + 1))
done

# Nothing moves where nothing is learned and nothing augmented; the order within the batch does.
still='--algo fp32 --lr 0 --batch-size 40'
losses() { # RUN: of its epochs, as far as a sum's order leaves them
    awk -F, 'NR > 1 { printf "%.4f\n", $3 }' "$1/metrics.csv" | sort -u | wc -l | tr -d ' '
}
# shellcheck disable=SC2086 # words
run 'as tests see them' still $still --no-augment
equal 'as tests see them: losses' "$(losses still)" 1
# shellcheck disable=SC2086 # words
run 'augmented' moved $still
equal 'augmented: losses' "$(losses moved)" 2

# What the network sees: every pixel of every picture, normalized.
check 'inputs' "$evaluate" fda.bnn --data-dir cifar --quiet --limit-test 3 --save-inputs in.npy
equal 'inputs' "$(wc -c <in.npy | tr -d ' ')" $((128 + 3 * 32 * 32 * 3 * 4))
equal 'inputs: shape' "$(head -c 127 in.npy | grep -ao "'shape': ([0-9, ]*)")" \
    "'shape': (3, 32, 32, 3)"

export BNN_ISA=avx2 # generic, too, where there is none
predict 'avx2' fda.bnn avx2 80
predict 'avx2: checkpoint' fda/last.safetensors checkpoint 80
unset BNN_ISA
predict 'the best there is' fda.bnn packed 80
same 'packed, with avx2' avx2 packed
same 'a checkpoint and packed, with avx2' avx2 checkpoint

check 'export again' "$pack" bnn/last.safetensors --output again.bnn
same 'export again' bnn.bnn again.bnn
check 'export beside the model' "$pack" bnn/best.safetensors
matches 'export beside the model' "^bnn/best.bnn: $(wc -c <bnn/best.bnn | tr -d ' ') bytes" .out

for algo in reactnet fda fp32; do
    for threads in 1 2 3; do
        run "$algo: $threads threads" "threads$threads" --algo "$algo" --epochs 1 \
            --limit-train 24 --limit-test 10 --threads $threads --overwrite
    done
    for file in last.safetensors best.safetensors metrics.csv; do
        same "$algo: 1 and 2 threads: $file" "threads1/$file" "threads2/$file"
        same "$algo: 1 and 3 threads: $file" "threads1/$file" "threads3/$file"
    done
done

done_testing

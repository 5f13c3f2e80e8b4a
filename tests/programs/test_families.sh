#!/bin/sh
# What is no image: clouds of points and spoken words, from files to a packed network, by all
# programs. Their samples are small, and easy to tell apart.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

predict=$1/bnn-predict

# ---- clouds: balls, and rods along an axis ----
cloud() { # FILE LENGTH SEED
    awk -v length_of="$2" -v seed="$3" 'BEGIN {
        srand(seed)
        for (i = 0; i < 80; i++) {
            printf "%.6f,%.6f,%.6f,0,0,1\n", length_of * (rand() - 0.5), rand() - 0.5, rand() - 0.5
        }
    }' >"$1"
}
mkdir -p clouds/ball clouds/rod
printf 'ball\nrod\n' >clouds/modelnet40_shape_names.txt
for i in 01 02 03 04 05 06 07 08 09 10 11 12; do
    cloud clouds/ball/ball_00$i.txt 1 "1$i"
    cloud clouds/rod/rod_00$i.txt 8 "2$i"
    for shape in ball rod; do
        if [ "$i" -le 8 ]; then list="train"; else list="test"; fi
        echo ${shape}_00$i >>clouds/modelnet40_$list.txt
    done
done

# ---- words: low and high tones, as WAV files of 8 bits ----
make_words

family() { # NAME ARCH SAMPLES DATA_OPTIONS...
    name=$1 arch=$2 samples=$3
    shift 3
    for algo in fp32 reactnet; do
        run=$arch-$algo
        check "$name, $algo" "$train" --arch "$arch" --algo $algo "$@" --optimizer adam --lr 0.001 \
            --batch-size 4 --epochs 15 --warmup-epochs 0 --output "$run"
        check "$name, $algo: whole" "$train" --arch "$arch" --algo $algo "$@" --optimizer adam \
            --lr 0.001 --batch-size 4 --epochs 15 --warmup-epochs 0 --threads 1 --output whole
        same "$name, $algo: any threads" "$run/last.safetensors" whole/last.safetensors
        rm -rf whole
        check "$name, $algo: evaluated" "$evaluate" "$run" --predictions of-run
        matches "$name, $algo: samples" "test: [0-9]+ $samples  " .out
        check "$name, $algo: packed" "$pack" "$run" --output "$run.bnn"
        check "$name, $algo: packed, evaluated" "$evaluate" "$run.bnn" "$3" "$4" \
            --predictions of-packed --json packed.json
        same "$name, $algo: the same predictions" of-run of-packed
        equal "$name, $algo: the same loss" "$(json packed.json loss 6)" \
            "$(json "$run/results.json" loss 6)"
        check "$name, $algo: report" "$report" run "$run" --output page.html
        [ "$algo" != fp32 ] ||
            equal "$name: is learned" "$(json "$run/results.json" top1)" 100.00
    done
}

"$train" --list >list
family 'clouds' pointnet_vanilla clouds --data modelnet40 --data-dir clouds --points 64
matches 'clouds: report' 'mean-class accuracy' page.html
equal 'clouds: drawn' "$(grep -c '<figure><svg viewBox="0 0 240 240"' page.html)" \
    "$(json pointnet_vanilla-reactnet/results.json 'examples.#')"
equal 'clouds: all points' "$(sed -n '/<h2>Examples/,/<\/figure>/p' page.html | grep -o 'h0' |
    wc -l | tr -d ' ')" 64
matches 'clouds: named' '<figcaption>(<b>(ball|rod)</b>, right|taken for <b>)' page.html
cp pointnet_vanilla-reactnet/results.json first.json
check 'clouds: again, in other batches' "$evaluate" pointnet_vanilla-reactnet --overwrite \
    --batch-size 3 --threads 1
same 'clouds: the same results' first.json pointnet_vanilla-reactnet/results.json
echo rod_0099 >>clouds/modelnet40_test.txt
check 'clouds: a file that is not there' "$evaluate" pointnet_vanilla-fp32 --overwrite
matches 'clouds: a file that is not there' '^bnn-eval: note: modelnet40: 1 files ' .err
expect_fail 'clouds: another network' '--arch resnet20 is for .*--arch pointnet' "$train" \
    --arch resnet20 --data modelnet40 --data-dir clouds
expect_fail 'clouds: words' '--words has no effect on --data modelnet40' "$train" \
    --arch pointnet_vanilla --data modelnet40 --data-dir clouds --words a,b
sed -i '/rod_0099/d' clouds/modelnet40_test.txt
printf '0,0,0\n' >clouds/rod/rod_0001.txt
"$train" --arch pointnet_vanilla --algo fp32 --data modelnet40 --data-dir clouds --points 64 \
    --batch-size 4 --epochs 1 --output damaged >.out 2>.err
equal 'clouds: a damaged file: exit status' $? 1
matches 'clouds: a damaged file' '^bnn-train: .*rod_0001.txt' .err
cloud clouds/rod/rod_0001.txt 8 201
expect_fail 'clouds: a file repaired' 'training samples .*--accept-changed-data' "$train" \
    --resume damaged
check 'clouds: a file repaired, and accepted' "$train" --resume damaged --accept-changed-data
equal 'clouds: a file repaired: the run is whole' "$(count_lines damaged/metrics.csv)" 2

if grep -q speech_commands list && "$train" --arch fsmn --algo fp32 --data speech_commands \
    --data-dir words --words low,high --epochs 1 --batch-size 4 --output probe >.out 2>.err; then
    family 'words' fsmn clips --data speech_commands --data-dir words --words low,high
    # ---- a loss that explodes: one line, whatever comes of it ----
    for clip in 0 100; do
        if [ $clip = 0 ]; then
            epochs=1 cure='--clip-norm 5'
        else
            epochs=4 cure='a smaller --clip-norm'
        fi
        check "words: exploded, clipped to $clip" "$train" --arch fsmn --algo bireal --optimizer sgd \
            --data speech_commands --data-dir words --words low,high --lr 1 --epochs $epochs \
            --batch-size 4 --warmup-epochs 0 --clip-norm $clip --output exploded --overwrite
        equal "words: exploded, clipped to $clip: lines" "$(grep -c 'warning: ' .err)" 1
        matches "words: exploded, clipped to $clip" \
            "^bnn-train: warning: the loss has exploded, .*; try a lower --lr, or $cure$" .err
    done
    matches 'words: confusion' 'Confusion' page.html
    equal 'words: spectrograms' "$(grep -c '<title>mel spectrogram' page.html)" \
        "$(json fsmn-reactnet/results.json 'examples.#')"
    matches 'words: named' '<figcaption>(<b>(low|high)</b>, right|taken for <b>)' page.html
    check 'words: of a file' "$predict" fsmn-fp32 words/low/speaker8_nohash_0.wav \
        words/high/speaker9_nohash_0.wav --top 1
    equal 'words: of a file' "$(sed 's/^[^:]*: \([a-z]*\) .*/\1/' .out | tr '\n' ' ')" 'low high '
    cp words/low/speaker8_nohash_0.wav coded.wav # in ADPCM, it says
    printf '\002' | dd of=coded.wav bs=1 seek=20 conv=notrunc 2>.dd
    "$predict" fsmn-fp32 words/low/speaker8_nohash_0.wav coded.wav \
        words/high/speaker9_nohash_0.wav --json told.json >.out 2>.err
    equal 'words: a file that is not read' $? 1
    matches 'words: is told' 'coded.wav: .* which is not read here' .err
    equal 'words: the others' "$(json told.json '#')" 2
    expect_fail 'words: no such word' 'loud' "$train" --arch fsmn --data speech_commands \
        --data-dir words --words low,loud
else
    matches 'words: left out' 'left out' .err
fi

done_testing

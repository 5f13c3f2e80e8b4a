#!/bin/sh
# Networks of text as their users meet them: trained on GLUE's tables, taught, packed, evaluated, and
# asked about sentences; the vocabulary travels with the model.
# shellcheck disable=SC2086 # words
checker=$(cd "$(dirname "$0")/../../tools/export" && pwd)/check_onnx.py
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
predict=$1/bnn-predict

mkdir -p glue/RTE glue/STS-B glue/SST-2
for token in '[PAD]' '[UNK]' '[CLS]' '[SEP]' the a cat dog sat ran '##s' . good bad; do
    echo "$token"
done >glue/vocab.txt
table() { # HEADER, then FIRST SECOND LABEL by awk's number of the line: a table of 24 lines
    awk -v header="$1" -v kind="$2" 'BEGIN {
        print header
        for (i = 0; i < 24; i++) {
            who = i % 2 ? "cat" : "dog"; how = i % 3 ? "sat" : "ran"; as = i % 4 < 2 ? "good" : "bad"
            a = "the " as " " who " " how "."; b = "a " who " " how "s"
            if (kind == "rte") print i "\t" a "\t" b "\t" (as == "good" ? "" : "not_") "entailment"
            if (kind == "sst") print a "\t" (as == "good")
            if (kind == "sts") print i "\tg\tf\ty\tx\ts\ts\t" a "\t" b "\t" i % 6 - 0.5 * (i % 6 > 0)
        }
    }'
}
for split in train dev; do
    table 'index	sentence1	sentence2	label' rte >glue/RTE/$split.tsv
    table 'sentence	label' sst >glue/SST-2/$split.tsv
    table 'index	genre	filename	year	old_index	source1	source2	sentence1	sentence2	score' \
        sts >glue/STS-B/$split.tsv
done
small="--arch bert_tiny4 --data-dir glue --length 12 --batch-size 8 --epochs 1"

check 'fp32' "$train" $small --data glue_rte --algo fp32 --output fp32
check 'taught' "$train" $small --data glue_rte --algo bnn --output bnn --distill dmd \
    --teacher fp32/best.safetensors
check 'one thread' "$train" $small --data glue_rte --algo bnn --output one --distill dmd \
    --teacher fp32/best.safetensors --threads 1
same 'one thread' bnn/last.safetensors one/last.safetensors
rm -r one
check 'export' "$pack" bnn --output bnn.bnn
mv glue/vocab.txt other.txt # it is in the model now
check 'checkpoint' "$evaluate" bnn --quiet --predictions checkpoint --save-inputs ids.npy \
    --save-outputs checkpoint.npy
matches 'inputs: numbers' "'<i4', 'fortran_order': False, 'shape': \(24, 3, 1, 12, 1\)" ids.npy
equal 'inputs: the first tokens' "$(od -An -tu4 -j 128 -N 16 ids.npy | tr -s ' ')" ' 2 4 12 7'
equal 'inputs: the first mask' "$(od -An -tu4 -j $((128 + 2 * 48)) -N 8 ids.npy | tr -s ' ')" ' 1 1'
check 'packed' "$evaluate" bnn.bnn --data-dir glue --quiet --predictions packed \
    --save-outputs packed.npy
same 'packed: predictions' checkpoint packed
same 'packed: outputs' checkpoint.npy packed.npy
equal 'predictions' "$(count_lines packed)" 24

# ---- other engines ----
for format in dabnn c; do
    expect_fail "--format $format" 'sees more than floats, which only the formats packed, onnx and lce know' \
        "$pack" bnn.bnn --format $format --output no.c
done
check '--format lce' "$pack" bnn.bnn --format lce
lce=${BNN_LCE_PYTHON:-${BNN_PYTHON:-python3}}
if "$lce" -c 'import sys, importlib.util as u, numpy
sys.exit(not u.find_spec("larq_compute_engine") or numpy.__version__ >= "2")' 2>/dev/null; then
    check 'Larq Compute Engine: outputs' "$lce" "${checker%onnx.py}lce.py" bnn.tflite ids.npy \
        --outputs packed.npy
    check 'Larq Compute Engine: measured' "$bench" infer bnn.tflite --repeat 1
    matches 'Larq Compute Engine: beside its float twin' '^infer bnn.tflite .* lce fp32 +[0-9]' .out
else
    echo "SKIPPED: a text in Larq Compute Engine ($lce lacks larq-compute-engine, or numpy<2)"
fi
engine=${BNN_PYTHON:-python3}
if "$pack" --help | tr -s ' \n' ' ' | grep -q 'ONNX, which this program was built without'; then
    echo 'SKIPPED: ONNX (built without it)'
elif check 'ONNX' "$pack" bnn.bnn --format onnx --output bnn.onnx &&
    ! "$engine" -c 'import onnxruntime, numpy' 2>/dev/null; then
    echo "SKIPPED: exported texts in an engine ($engine lacks onnxruntime or numpy)"
else
    check 'ONNX: the same' "$engine" "$checker" bnn.onnx ids.npy packed.npy \
        --tolerance 1e-4
    equal 'ONNX: at each level' "$(grep -c ': ok: 24 of 24' .out)" 4
    check 'ONNX: measured' "$bench" infer bnn.onnx --repeat 1
    matches 'ONNX: beside its float twin' '^infer bnn.onnx .* onnx fp32 +[0-9]' .out
fi

# ---- the page ----
check 'a report' "$report" run bnn --output page.html
matches 'confusion' '<h2>Confusion</h2>' page.html
equal 'curves' "$(grep -c 'by epoch; after the last' page.html)" 2
equal 'attention' "$(grep -c 'attention of a test sample' page.html)" \
    "$(json bnn/results.json 'examples.#')"
equal 'tokens' "$(json bnn/results.json examples.0.tokens.3)" dog
matches 'tokens on the page' '<p>\[CLS\] the good dog ran \. \[SEP\] a dog ran ##s \[SEP\]</p>' \
    page.html
check 'packed results' "$evaluate" bnn.bnn --data-dir glue --quiet --json packed.json
equal 'packed: tokens' "$(json packed.json examples.0.tokens.3)" dog
equal 'packed: no attention' "$(json packed.json examples.0.shape.0 0)" 0

# ---- sentences ----
check 'a pair' "$predict" bnn.bnn --text 'The good dog ran.' --second 'a dog rans' --json pair.json
check 'half of a pair' "$predict" bnn.bnn --text 'The good dog ran.'
matches 'half of a pair' 'trained on pairs of sentences, but 1 of the texts had one' "$work/.err"
awk -F '\t' 'NR > 1 { print $2 "\t" $3 }' glue/RTE/dev.tsv >lines.txt
"$predict" bnn.bnn lines.txt --top 1 >told
sed 's/.*#\([01]\) .*/\1/' told >ours
same 'as the test set' ours packed
printf 'good\r\n\nbad\377\nthe cat\n' >broken.txt
"$predict" bnn.bnn broken.txt >told 2>why
equal 'a broken line' $? 1
matches 'the lines before it' '^broken.txt:1: ' told
matches 'those behind it' '^broken.txt:4: ' told
matches 'which line' 'broken.txt:3: .*UTF-8' why
matches 'how many' '^bnn-predict: lines that could not be read: 1$' why
printf '\n\r\n' >blank.txt
"$predict" bnn.bnn blank.txt >told 2>why
equal 'no line' $? 1
matches 'no line' '^bnn-predict: blank.txt: has no line of text$' why
expect_fail 'nothing to say' 'give a FILE of lines' "$predict" bnn.bnn
expect_fail 'one half' '--second goes with --text' "$predict" bnn.bnn --second x
expect_fail 'an empty text' '--text has no text' "$predict" bnn.bnn --text ''
expect_fail 'an empty half' '--second has no text' "$predict" bnn.bnn --text x --second ''

# ---- a regression ----
mv other.txt glue/vocab.txt
check 'similarity' "$train" $small --data glue_stsb --algo reactnet --output sts
check 'similarity: evaluated' "$evaluate" sts --quiet --predictions values
equal 'values' "$(count_lines values)" 24
"$predict" sts --text 'the cat' --second 'a cat' >told
check 'similarity: a report' "$report" run sts --output page.html
# One pair alone has no correlation.
check 'no score' "$train" $small --data glue_stsb --algo fp32 --epochs 1 --limit-test 1 --output alone
matches 'no score: told' '^best test .* undefined; .* a step .*; alone/last.safetensors$' .out
expect_fail 'no score: no best' 'alone: no epoch of the run is its best, as .* none could be scored' \
    "$evaluate" alone
matches 'both correlations' '<b>-?[0-9.]+</b><span>Spearman correlation' page.html
matches 'scores' '^<figcaption>taken for <b>-?[0-9.]+</b>, is 0.00<' page.html
equal 'no table of classes' "$(grep -c '<h2>Per class' page.html)" 0
matches 'a value' '^--text: -?[0-9.]+$' told

# ---- a metric that classes do not have ----
mkdir glue/CoLA
for split in train dev; do
    awk -F '\t' 'NR > 1 { print "x\t" $2 "\t\t" $1 }' glue/SST-2/$split.tsv >glue/CoLA/$split.tsv
done
check 'acceptability' "$train" $small --data glue_cola --algo bnn --output cola
check 'acceptability: evaluated' "$evaluate" cola --quiet
check 'acceptability: reported' "$report" run cola --output cola.html
matches 'acceptability: by class' 'Matthews' cola.html

expect_fail 'a schedule that follows the length' '--epochs differs from the run.s own 1, which --scheduler' \
    "$train" --resume cola --epochs 2

# ---- sentences of many lengths: a batch is as long as its longest ----
mkdir -p long/SST-2
cp glue/vocab.txt long
for split in train dev; do
    awk 'BEGIN {
        print "sentence\tlabel"
        for (i = 0; i < 28; i++) {
            s = "the " (i % 2 ? "cat" : "dog")
            for (k = 0; k < i * i % 41; k++) s = s (i % 3 ? " good" : " bad")
            print s "\t" i % 2
        }
    }' >long/SST-2/$split.tsv
done
long="--arch bert_tiny4 --data glue_sst2 --data-dir long --length 40 --batch-size 4 --epochs 2"
check 'lengths: fp32' "$train" $long --algo fp32 --output teach
student="$long --algo recu --teacher teach --distill dmd --group-by-length"
check 'lengths' "$train" $student --output lengths
check 'lengths: one thread' "$train" $student --output one --threads 1
same 'lengths: one thread' lengths/last.safetensors one/last.safetensors
freeze 'grep -qs step.:3 part/steps.jsonl' "$train" $student --output part
thaw INT
equal 'lengths: stopped' $ended 130
check 'lengths: resumed' "$train" --resume part
same 'lengths: resumed' lengths/last.safetensors part/last.safetensors
check 'not grouped' "$train" ${student% --group-by-length} --output mixed
refuse 'grouped: it matters' cmp lengths/metrics.csv mixed/metrics.csv
rm -r one part mixed

# ---- what does not fit ----
expect_fail 'another question' 'it was trained on glue_rte, not on glue_sst2' "$train" $small \
    --data glue_sst2 --algo bnn --output none --teacher fp32/best.safetensors
expect_fail 'too long' '--length 600: bert_tiny4 takes at most 512' "$train" $small \
    --data glue_rte --length 600 --output none
{ cat glue/vocab.txt && awk 'BEGIN { for (i = 0; i < 31000; i++) print "w" i }'; } >large.txt
expect_fail 'too many tokens' 'the vocabulary has 31014 tokens' "$train" $small --data glue_rte \
    --vocab large.txt --output none

done_testing

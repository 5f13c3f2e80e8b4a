#!/bin/sh
# bnn-corrupt and bnn-eval --corruptions make: files as CIFAR-10-C's, the same made and stored.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

# ---- the files ----
check 'all corruptions' "$corrupt" --data-dir cifar --output c --limit-test 12 --threads 1
matches 'frost without photographs is told' '^bnn-corrupt: note: frost .*--frost-dir' .err
equal 'one note' "$(grep -c note .err)" 1
equal 'a line a corruption' "$(grep -Ec '^[a-z_]+( +[0-9]+\.[0-9]{3}){5}$' .out)" 19
cut -d' ' -f1 .out | sed -n 2,20p >names
equal 'files' "$(find c -type f | wc -l | tr -d ' ')" 21
while read -r name; do
    equal "$name.npy: bytes" "$(wc -c <"c/$name.npy" | tr -d ' ')" $((128 + 5 * 12 * 3072))
done <names
equal 'header' "$(head -c 128 c/fog.npy | tail -c 118 | tr -s ' ')" \
    "{'descr': '|u1', 'fortran_order': False, 'shape': (60, 32, 32, 3), } "
equal 'labels.npy: bytes' "$(wc -c <c/labels.npy | tr -d ' ')" $((128 + 60))
equal 'sheet.png' "$(head -c 4 c/sheet.png | tail -c 3)" PNG

# ---- the same at any thread count, another with another seed ----
check 'four threads' "$corrupt" --data-dir cifar --output four --limit-test 12 --threads 4
while read -r name; do
    same "$name.npy: threads" "c/$name.npy" "four/$name.npy"
done <names
check 'one of them' "$corrupt" --data-dir cifar --output one --limit-test 12 --corruption fog
same 'alone or with others' c/fog.npy one/fog.npy
equal 'no other file' "$(find one -name '*.npy' | sort | tr '\n' ' ')" 'one/fog.npy one/labels.npy '
check 'another seed' "$corrupt" --data-dir cifar --output one --limit-test 12 --corruption fog \
    --seed 1
refuse 'another seed, other fog' cmp -s c/fog.npy one/fog.npy

# ---- other data, and photographs (any pictures large enough) ----
check 'MNIST' "$corrupt" --data mnist --data-dir idx --output m --limit-test 5 \
    --corruption brightness,snow
equal 'two of them' "$(find m -name '*.npy' | wc -l | tr -d ' ')" 3
mkdir photographs
for file in frost1.png frost2.png frost3.png frost4.jpg frost5.jpg; do
    cp c/sheet.png photographs/$file
done
check 'photographs' "$corrupt" --data-dir cifar --output p --limit-test 12 --corruption frost \
    --frost-dir photographs
equal 'no note then' "$(grep -c note .err)" 0
refuse 'photographs are used' cmp -s c/frost.npy p/frost.npy

# ---- evaluated: made or stored ----
run 'a model' model --limit-train 64 --limit-test 12 --epochs 1 --algo bnn
model=model/last.safetensors
score() { # NAME JSON OPTIONS...
    test_name=$1
    test_json=$2
    shift 2
    check "$test_name" "$evaluate" $model --data-dir cifar --limit-test 12 --quiet \
        --json "$test_json" "$@"
}
same_numbers() { # NAME FILE FILE: but for what the images came from
    grep -v '"source"' "$2" >first
    grep -v '"source"' "$3" >second
    same "$1" first second
}
score 'stored' stored.json --corruptions c --corruption all
score 'made' made.json --corruptions make --corruption all --threads 3
same_numbers 'made as stored' made.json stored.json
equal 'rows' "$(json made.json 'corruptions.rows.#')" 19
score 'the 15' main.json --corruptions make
equal 'rows of the 15' "$(json main.json 'corruptions.rows.#')" 15
equal 'the last of the 15' "$(json main.json corruptions.rows.14.corruption)" jpeg_compression
score 'the 15 of files' main-files.json --corruptions c
same_numbers 'the 15' main.json main-files.json
score 'one more' more.json --corruptions make --corruption spatter,main
equal 'rows of one more' "$(json more.json 'corruptions.rows.#')" 16
score 'one cell' cell.json --corruptions make --corruption snow,fog --severity 3
matches 'a table with gaps' '^fog +- +- +[0-9.]+ +- +- ' .out
equal 'rows of two' "$(json cell.json 'corruptions.rows.#')" 2
equal 'in the official order' "$(json cell.json corruptions.rows.1.corruption)" fog
equal 'fog at 3' "$(json cell.json corruptions.rows.1.top1.2)" \
    "$(json made.json corruptions.rows.9.top1.2)"
equal 'its mean' "$(json cell.json corruptions.rows.1.mean)" \
    "$(json made.json corruptions.rows.9.top1.2)"
refuse 'no other severity' json cell.json corruptions.rows.1.top1.0
score 'one cell of files' files.json --corruptions c --corruption fog,snow --severity 3
same_numbers 'the cells' cell.json files.json
score 'photographs' photographs.json --corruptions make --frost-dir photographs --corruption frost
score 'stored photographs' again.json --corruptions p
same_numbers 'photographs made as stored' photographs.json again.json

# ---- stopped in the middle: a full disk, Ctrl-C ----
cp one/fog.npy fog.copy
limited() { # BLOCKS COMMAND...: with a limit on file sizes
    (
        ulimit -f "$1" || exit 77
        shift
        exec "$@"
    )
}
limited 100 "$corrupt" --data-dir cifar --output one --corruption fog >.out 2>.err
judge 'no room' 'one/fog.npy: ' "$progress" $? bnn-corrupt
same 'no room: the old file' one/fog.npy fog.copy
same 'no room: the old labels' one/labels.npy c/labels.npy
timeout --preserve-status --foreground -s INT 0.5 "$corrupt" --data-dir idx --data mnist \
    --output stopped --threads 1 >.out 2>.err
equal 'interrupted' $? 130
equal 'interrupted: nothing unfinished' "$(find one stopped -name '*tmp*')" ''

# ---- what is wrong ----
touch file
bad() { # NAME REGEX OPTIONS...
    test_name=$1
    test_regex=$2
    shift 2
    expect_fail "$test_name" "$test_regex" "$corrupt" --data-dir cifar "$@"
}
bad 'no output' '--output DIR must be given'
bad 'unknown corruption' '--corruption fogg: .*did you mean fog\?' --output x --corruption snow,fogg
bad 'no corruption' '--corruption : there is none' --output x --corruption=
bad 'like none' '--corruption qqqqqqqqqq: there is none' --output x --corruption qqqqqqqqqq
bad 'no photographs' 'nowhere: no such folder.*--frost-dir' --output x --frost-dir nowhere
bad 'a photograph is missing' 'c/frost1.png: no such file.*--frost-dir' --output x --frost-dir c
cp file photographs/frost4.jpg
bad 'an empty photograph' 'frost4.jpg: no JPEG' --output x --frost-dir photographs
bad 'output under a file' 'file: is a file' --output file/x
bad 'output is a file' 'file: is a file' --output file
mkdir -p taken/labels.npy
bad 'a folder in the way' 'labels.npy: is a folder' --limit-test 2 --corruption fog --output taken
equal 'a folder in the way: nothing is begun' "$(find taken -type f)" ''
refuse 'a refused run left a folder' test -e x
expect_fail 'severity 6' '--severity 6: must be' "$evaluate" m --severity 6
expect_fail 'severity 0' '--severity 0: must be' "$evaluate" m --severity 0
expect_fail 'nothing to choose from' '--corruption has no effect' "$evaluate" m --corruption fog
expect_fail 'bnn-eval: unknown corruption' 'did you mean snow\?' \
    "$evaluate" $model --corruptions make --corruption snwo
expect_fail 'bnn-eval: no photographs' 'nowhere: no such folder.*--frost-dir' \
    "$evaluate" $model --data-dir cifar --corruptions make --frost-dir nowhere
expect_fail 'bnn-eval: photographs for files' '--frost-dir goes with' \
    "$evaluate" $model --data-dir cifar --corruptions c --frost-dir photographs
expect_fail 'bnn-eval: no such file' 'one/snow.npy: no such file' "$evaluate" $model \
    --data-dir cifar --limit-test 2 --quiet --corruptions one --corruption snow

done_testing

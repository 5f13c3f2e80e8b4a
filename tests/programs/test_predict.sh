#!/bin/sh
# bnn-predict says of image files what bnn-eval says of the same images, of a checkpoint and of its
# packed file; a file that cannot be read is told and costs nothing but the exit status.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

predict=$1/bnn-predict
run 'reactnet' run --algo reactnet
check 'export' "$pack" run --output model.bnn
check 'evaluation' "$evaluate" run --quiet --limit-test 6 --predictions expected

# The first images of the test set as PNM files: planes become pixels.
for i in 0 1 2 3 4 5; do
    octal=$(tail -c +$((3073 * i + 2)) cifar/test_batch.bin | head -c 3072 | od -An -v -tu1 |
        awk '{ for (k = 1; k <= NF; k++) v[n++] = $k }
             END { for (i = 0; i < 1024; i++) for (c = 0; c < 3; c++)
                 printf "\\%03o", v[c * 1024 + i] }')
    # shellcheck disable=SC2059 # octal numbers
    printf "P6\n32 32\n255\n$octal" >image$i.ppm
done
equal 'an image file' "$(wc -c <image0.ppm | tr -d ' ')" 3085

of_files() { # NAME MODEL
    check "$1" "$predict" "$2" image0.ppm image1.ppm image2.ppm image3.ppm image4.ppm image5.ppm \
        --top 3 --json out.json
    cp .out told
    sed 's/^[^#]*#\([0-9]*\) .*/\1/' told >got
    same "$1: as evaluated" got expected
    for i in 0 5; do
        equal "$1: JSON, file $i" "$(json out.json $i.file)" "image$i.ppm"
        equal "$1: JSON, class $i" "$(json out.json $i.top.0.index)" \
            "$(sed -n "$((i + 1))p" expected)"
    done
    equal "$1: classes" "$(tr -cd '#' <told | wc -c | tr -d ' ')" 18
}
of_files 'checkpoint' run
cp out.json first.json
of_files 'packed' model.bnn
same 'checkpoint and packed: JSON' out.json first.json

# ---- files that are none ----
printf 'P6\n32 32\n255\n' >cut.ppm
: >empty
expect_some() { # NAME REGEX FILE
    "$predict" run image0.ppm "$3" image1.ppm >.out 2>.err
    equal "$1: exit status" $? 1
    equal "$1: the others" "$(count_lines .out)" 2
    equal "$1: two lines" "$(count_lines .err)" 2
    matches "$1: told" "^bnn-predict: $3: .*$2" .err
    matches "$1: counted" '^bnn-predict: 1 of 3 files could not be read$' .err
}
expect_some 'no image' 'not an image that is known' run/metrics.csv
expect_some 'nothing' 'not an image that is known' empty
expect_some 'not there' 'No such file|no such file' none.png
expect_fail 'no file' 'FILE|operand|argument' "$predict" run
expect_fail 'no model' 'nothing.bnn' "$predict" nothing.bnn image0.ppm
expect_fail 'over a file' '--json' "$predict" run image0.ppm --json image0.ppm

done_testing

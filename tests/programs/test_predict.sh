#!/bin/sh
# bnn-predict says of files what bnn-eval says of the same samples, of a checkpoint and of its packed
# file; a file that cannot be read is told and costs nothing but the exit status.
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

# ---- interrupted: what was there stays ----
set -- image0.ppm image1.ppm image2.ppm image3.ppm
for _ in 1 2 3 4 5 6 7 8 9; do
    set -- "$@" "$@"
done
freeze 'grep -qs image frozen.out' "$predict" run "$@" --json out.json
thaw INT
equal 'interrupted' "$ended" 130
matches 'interrupted' 'interrupted; out.json was not written' frozen.err
same 'interrupted: JSON' out.json first.json

# ---- pictures of a set that shows them with a margin: of any size, as they lie in the set ----
check 'a margin' "$train" --arch resnet20 --algo bnn --data fashion_mnist --data-dir idx \
    --batch-size 32 --epochs 1 --optimizer adam --lr 0.003 --output margin
check 'a margin: export' "$pack" margin --output margin.bnn
check 'a margin: evaluated' "$evaluate" margin --quiet --limit-test 100 --predictions expected
mkdir grey
i=0
while [ $i -lt 100 ]; do
    name=$(printf 'grey/%02d' $i)
    tail -c +$((17 + 784 * i)) idx/t10k-images-idx3-ubyte | head -c 784 >bytes
    { printf 'P5\n28 28\n255\n' && cat bytes; } >"$name.pgm"
    i=$((i + 1))
done
# Each pixel of the last ones four times, and three times as red, green and blue.
larger() { # FACTOR CHANNELS: the bytes as octal numbers
    od -An -v -tu1 bytes | awk -v f="$1" -v c="$2" '
        { for (k = 1; k <= NF; k++) v[n++] = $k }
        END { for (y = 0; y < 28 * f; y++) for (x = 0; x < 28 * f; x++) for (k = 0; k < c; k++)
            printf "\\%03o", v[int(y / f) * 28 + int(x / f)] }'
}
# shellcheck disable=SC2059 # octal numbers
{ printf 'P5\n56 56\n255\n' && printf "$(larger 2 1)"; } >large.pgm
# shellcheck disable=SC2059 # octal numbers
{ printf 'P6\n28 28\n255\n' && printf "$(larger 1 3)"; } >colour.ppm
equal 'a margin: not one class' "$(($(sort -u expected | wc -l) > 1))" 1
for model in margin margin.bnn; do
    check "$model: pictures" "$predict" $model grey/*.pgm --json out.json
    cp .out told
    sed 's/^[^#]*#\([0-9]*\) .*/\1/' told >got
    same "$model: as evaluated" got expected
    last=$(sed -n 's/^grey.99.pgm: *//p' told)
    for file in large.pgm colour.ppm; do
        check "$model: $file" "$predict" $model $file
        equal "$model: $file" "$(sed 's/^[^ ]*: *//' .out)" "$last"
    done
done

# A file that says nothing of a margin, as older ones: the picture is all that the network sees.
check 'no margin' "$helper" alter margin/best.safetensors old.safetensors metadata=picture=3x32x32
check 'no margin: pictures' "$predict" old.safetensors grey/*.pgm
sed 's/^[^#]*#\([0-9]*\) .*/\1/' .out >got
refuse 'no margin: others are predicted' cmp got expected

# ---- files that are none ----
printf 'P6\n32 32\n255\n' >cut.ppm
: >empty
expect_some() { # NAME REGEX FILE
    "$predict" run image0.ppm "$3" image1.ppm >.out 2>.err
    equal "$1: exit status" $? 1
    equal "$1: the others" "$(count_lines .out)" 2
    equal "$1: two lines" "$(count_lines .err)" 2
    matches "$1: told" "^bnn-predict: $3: .*$2" .err
    equal "$1: the file is not one to download" "$(grep -c download .err)" 0
    matches "$1: counted" '^bnn-predict: 1 of 3 files could not be read$' .err
}
expect_some 'no image' 'not an image that is known' run/metrics.csv
expect_some 'nothing' 'not an image that is known' empty
printf 'P3\n1 1\n255\n1 2 3\n' >text.ppm
expect_some 'PNM as text' 'P3 \(written as text\), which is not read; convert it' text.ppm
expect_some 'not there' 'No such file|no such file' none.png
# Names are shown on one line, and tell a terminal nothing.
name=$(printf 'a\nb\033[2J\177.ppm')
cp image0.ppm "$name"
check 'a name of control characters' "$predict" run "$name" --top 1 --json out.json
equal 'a name of control characters: lines' "$(count_lines .out)" 1
matches 'a name of control characters: shown' '^a\?b\?\[2J\?\.ppm: [a-z]+ #[0-9] [0-9.]+%$' .out
equal 'a name of control characters: JSON' "$(json out.json 0.file)" "$name"
strange=$(printf '\033[2Ja\177\n\033c')
check 'classes of such names' "$helper" alter run/best.safetensors strange.safetensors \
    "metadata=class_names=$strange"
check 'classes of such names' "$predict" strange.safetensors image0.ppm --top 10
equal 'classes of such names: lines' "$(count_lines .out)" 1
equal 'classes of such names: none is raw' \
    "$(tr -d '\n' <.out | tr -cd '\001-\037\177' | wc -c | tr -d ' ')" 0
matches 'classes of such names: shown' ' \?\[2Ja\? #0 ' .out

expect_fail 'no file' 'FILE|operand|argument' "$predict" run
expect_fail 'no model' 'nothing.bnn' "$predict" nothing.bnn image0.ppm
expect_fail 'over a file' '--json' "$predict" run image0.ppm --json image0.ppm
expect_fail 'parts of images' '--category has no effect on' "$predict" run image0.ppm --category Bag

# ---- clouds: classes of meshes and of lists ----
box() { # FILE WIDTH: a box as a mesh of six sides
    awk -v w="$2" 'BEGIN {
        print "OFF\n8 6 0"
        for (i = 0; i < 8; i++) print w * (i % 2), int(i / 2) % 2, int(i / 4)
        print "4 0 1 3 2\n4 4 5 7 6\n4 0 1 5 4\n4 2 3 7 6\n4 0 2 6 4\n4 1 3 7 5"
    }' >"$1"
}
mkdir -p meshes
for class in bed sofa; do
    width=1
    [ $class = bed ] || width=6
    mkdir -p meshes/$class/train meshes/$class/test
    for i in 1 2 3 4; do
        box meshes/$class/train/$i.off $width.$i
    done
    for i in 5 6 7 8; do
        box meshes/$class/test/$i.off $width.$i
    done
done
printf 'bed\nsofa\n' >meshes/modelnet40_shape_names.txt
check 'clouds' "$train" --arch pointnet_vanilla --algo reactnet --data modelnet40 \
    --data-dir meshes --points 64 --optimizer adam --lr 0.001 --batch-size 4 --epochs 8 \
    --warmup-epochs 0 --output clouds
check 'clouds: export' "$pack" clouds --output clouds.bnn

# The same mesh as PLY: text, and binary with its numbers as 32-bit floats.
ply_of() { # OFF FORMAT
    printf 'ply\nformat %s 1.0\nelement vertex 8\nproperty float x\nproperty float y\n' "$2"
    printf 'property float z\nelement face 6\nproperty list uchar int vertex_index\nend_header\n'
    if [ "$2" = ascii ]; then
        tail -n +3 "$1"
    else
        "$helper" ply-records "$2" "$1"
    fi
}
as_eval() { # NAME MODEL FILE FOLDER: the first test sample of the folder is the file
    check "$1: evaluated" "$evaluate" "$2" --data-dir "$4" --predictions expected --quiet \
        --json scrap.json --overwrite
    check "$1" "$predict" "$2" "$3" --json out.json
    equal "$1: as evaluated" "$(json out.json 0.top.0.index)" "$(head -n 1 expected)"
    equal "$1: first" "$(sed 's/^[^#]*#\([0-9]*\) .*/\1/' .out)" "$(head -n 1 expected)"
}
# Each file is drawn as the test sample that it is, whichever one.
all_as_eval() { # NAME MODEL FOLDER FILE...: the test samples of the folder are the files
    test_name=$1
    test_model=$2
    test_data=$3
    shift 3
    check "$test_name: evaluated" "$evaluate" "$test_model" --data-dir "$test_data" \
        --predictions expected --quiet --json scrap.json --overwrite
    check "$test_name" "$predict" "$test_model" "$@"
    sed 's/^[^#]*#\([0-9]*\) .*/\1/' .out >got
    same "$test_name: as evaluated" got expected
}
for model in clouds clouds.bnn; do
    all_as_eval "meshes, $model" $model meshes meshes/*/test/*.off
done
mkdir -p lists/bed lists/sofa
for i in 1 2 3 4 5 6 7 8; do
    class=$(if [ $i -lt 5 ]; then echo bed; else echo sofa; fi)
    awk -v seed=$i 'BEGIN { srand(seed); for (i = 0; i < 150; i++)
        printf "%.6f,%.6f,%.6f,0,0,1\n", rand(), rand() * (1 + seed % 4), rand() }' \
        >lists/$class/${class}_000$i.txt
    echo ${class}_000$i
done >lists/modelnet40_test.txt
cp meshes/modelnet40_shape_names.txt lists
all_as_eval 'lists' clouds lists lists/*/*.txt
for class in bed sofa; do
    mkdir -p one-$class/$class/test
    cp meshes/$class/test/5.off one-$class/$class/test
    cp meshes/modelnet40_shape_names.txt one-$class
    for model in clouds clouds.bnn; do
        as_eval "$class, $model" $model meshes/$class/test/5.off one-$class
    done
    cp out.json of-off.json
    for format in ascii binary_little_endian binary_big_endian; do
        ply_of meshes/$class/test/5.off $format >box.ply
        check "$class as PLY, $format" "$predict" clouds box.ply --json out.json
        for key in 0.top.0.index 0.top.0.probability 0.top.1.probability; do
            equal "$class as PLY, $format: $key" "$(json out.json $key 9)" \
                "$(json of-off.json $key 9)"
        done
    done
done
matches 'clouds: printed' '^box.ply: [a-z]+ #[01] [0-9.]+%, [a-z]+ #[01] [0-9.]+%$' .out

# The corners alone, as a list and as PLY without faces.
sed -n '3,10p' meshes/bed/test/5.off >corners.xyz
mkdir -p one-list/bed
cp corners.xyz one-list/bed/bed_0001.txt
echo bed_0001 >one-list/modelnet40_test.txt
cp meshes/modelnet40_shape_names.txt one-list
as_eval 'a list' clouds corners.xyz one-list
cp out.json of-list.json
{
    printf 'ply\nformat ascii 1.0\nelement vertex 8\nproperty double x\nproperty double y\n'
    printf 'property double z\nproperty uchar red\nend_header\n'
    sed 's/$/ 255/' corners.xyz
} >corners.ply
check 'vertices' "$predict" clouds corners.ply --json out.json
equal 'vertices: like the list' "$(json out.json 0.top.0.probability 9)" \
    "$(json of-list.json 0.top.0.probability 9)"

expect_cloud() { # NAME REGEX FILE
    "$predict" clouds corners.xyz "$3" corners.ply >.out 2>.err
    equal "$1: exit status" $? 1
    equal "$1: the others" "$(count_lines .out)" 2
    equal "$1: two lines" "$(count_lines .err)" 2
    matches "$1: told" "^bnn-predict: $3: .*$2" .err
    equal "$1: the file is not one to download" "$(grep -c download .err)" 0
}
expect_cloud 'an empty cloud' 'holds no points' empty
printf '1 2 3\n' >one.xyz
expect_cloud 'one point' 'its 1 points all coincide' one.xyz
printf '1 2 3\n1 nan 3\n' >nan.xyz
expect_cloud 'no number' "line 2: 'nan'" nan.xyz
printf 'OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n' >flat.off
expect_cloud 'no area' 'none of its faces has an area' flat.off
head -c 300 box.ply >cut.ply
expect_cloud 'cut off' 'ends after [0-9]+ of the [68]|too few for the 8' cut.ply
printf 'OFF\n4000000000 4000000000 0\n0 0 0\n' >huge.off
expect_cloud 'counts of a mesh' 'too few for the 4000000000' huge.off
sed 's/vertex 8/vertex 4000000000/' corners.ply >huge.ply
expect_cloud 'counts of PLY' 'too few for the 4000000000' huge.ply
expect_cloud 'an image' 'line 1: 1 numbers, expected 3 to 7' image0.ppm
expect_fail 'parts of classes' '--category has no effect on' "$predict" clouds box.ply --category Bag

# ---- clouds: parts; a cap's points lie below 0 or above it, a bag's left or right ----
shapes='02954340 Cap
02773838 Bag'
parts() { # FOLDER SYNSET ID SEED
    mkdir -p "$1/$2/points" "$1/$2/points_label" "$1/train_test_split"
    awk -v seed="$4" -v base="$1/$2" -v id="$3" -v bag="$2" 'BEGIN {
        srand(seed)
        for (i = 0; i < 50; i++) {
            x = sprintf("%.3f", 2 * rand() - 1); y = sprintf("%.3f", 2 * rand() - 1)
            print x, y, (bag == "02773838" ? 3 : 0.1) * rand() >(base "/points/" id ".pts")
            side = bag == "02773838" ? x : y
            print (side + 0 < 0 ? 1 : 2) >(base "/points_label/" id ".seg")
        }
    }'
}
list=
for i in 1 2 3 4 5 6; do
    parts parts 02954340 c$i $i
    parts parts 02773838 b$i 1$i
    list="$list\"shape_data/02954340/c$i\", \"shape_data/02773838/b$i\", "
done
echo "[${list%, }]" >parts/train_test_split/shuffled_train_file_list.json
cp parts/train_test_split/shuffled_train_file_list.json \
    parts/train_test_split/shuffled_test_file_list.json
check 'parts' "$train" --arch pointnet_partseg --algo fp32 --data shapenet_part --data-dir parts \
    --points 64 --optimizer adam --lr 0.001 --batch-size 4 --epochs 1 --warmup-epochs 0 \
    --output parts-run
labels() { # JSON: those of the first file, in a line
    tr -d '\n ' <"$1" | sed 's/.*"labels":\[\([0-9,]*\)\].*/\1/' | tr ',' ' '
}
echo "$shapes" | while read -r synset name; do
    id=$(echo "$name" | sed 's/Cap/c5/; s/Bag/b5/')
    parts one-$name "$synset" "$id" "$(echo "$name" | sed 's/Cap/5/; s/Bag/15/')"
    echo "[\"shape_data/$synset/$id\"]" >one-$name/train_test_split/shuffled_test_file_list.json
    echo "$synset $name $id" >>ones
done
while read -r synset name id; do
    file=one-$name/$synset/points/$id.pts
    check "$name: trained" "$train" --arch pointnet_partseg --algo fp32 --data shapenet_part \
        --data-dir parts --category "$name" --points 64 --optimizer adam --lr 0.003 \
        --batch-size 2 --epochs 6 --warmup-epochs 0 --output "$name-run"
    check "$name: evaluated" "$evaluate" "$name-run" --data-dir one-$name --predictions expected \
        --json scrap.json --overwrite
    check "$name" "$predict" "$name-run" "$file" --json out.json
    equal "$name: as evaluated" "$(labels out.json)" "$(cat expected)"
    counts=$(tr ' ' '\n' <expected | sort -n | uniq -c | awk '{ printf "%s:%s ", $2, $1 }')
    equal "$name: counted" "$(sed 's/^[^ ]*: //' .out | tr ',' '\n' |
        sed 's/.*#\([0-9]*\) \([0-9]*\) points/\1:\2/' | tr '\n' ' ')" "$counts"
    # Each point is one of the file's.
    equal "$name: a point" "$(grep -c "^$(json out.json 0.points.0.0 3) \
$(json out.json 0.points.0.1 3) " "$file" | tr -d '\n')" 1
    check "$name: its own parts" "$predict" parts-run "$file" --category "$name" --json out.json
    equal "$name: no others" "$(tr ',' '\n' <.out | sed 's/^[^ ]*.pts://' |
        grep -vc "^ *$name:[12] #")" 0
    # Each file is drawn as the test sample that it is, point for point.
    check "$name: all evaluated" "$evaluate" "$name-run" --predictions expected
    matches "$name: tested on what was learnt" \
        '^bnn-eval: note: shapenet_part: 12 of the 12 names on its list for testing' .err
    equal "$name: both parts are told" "$(tr ' ' '\n' <expected | sort -u | tr '\n' ' ')" '0 1 '
    check "$name: all" "$predict" "$name-run" parts/$synset/points/*.pts --json out.json
    { tr -d '\n ' <out.json && echo; } | sed 's/"labels"/\n&/g' |
        sed -n 's/^"labels":\[\([0-9,]*\)\].*/\1/p' | tr ',' ' ' >got
    same "$name: all as evaluated" got expected
done <ones

# What the report draws: each part predicted and true, side by side.
check 'parts: evaluated' "$evaluate" parts-run
check 'parts: report' "$report" run parts-run --output page.html
equal 'parts: drawn' "$(grep -c '<svg viewBox="0 0 480 262"' page.html)" \
    "$(json parts-run/results.json 'examples.#')"
equal 'parts: all points, twice' "$(sed -n '/<h2>Examples/,/<\/svg>/p' page.html | grep -o 'h0' |
    wc -l | tr -d ' ')" 128
of_page=$(sed -n '/<h2>Examples/,/<\/figure>/p' page.html |
    sed -n 's/.*<td class="t">Cap:1<\/td><td>\([0-9]*\)<\/td><td>\([0-9]*\)<.*/\1 \2/p')
of_file=$(for key in predicted truth; do
    json parts-run/results.json examples.0.$key | tr ' ' '\n' | grep -c '^0$'
done | tr '\n' ' ' | sed 's/ $//')
equal 'parts: the legend' "$of_page" "$of_file"

expect_fail 'no such category' "no category 'Cup'; it knows Airplane, Bag, Cap, " "$predict" \
    parts-run corners.xyz --category Cup
check 'parts: --top' "$predict" parts-run corners.xyz --top 2
matches 'parts: --top' '^bnn-predict: note: --top has no effect' .err

done_testing

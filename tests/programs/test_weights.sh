#!/bin/sh
# Weights that travel: files whose names, types or metadata another tool has changed are read like
# our own, what does not fit is named, and no program computes with values that are not finite.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

alter() { # FILE FILE CHANGE...: see alter_weights.h
    check "alter: $*" "$helper" alter "$@"
}

short="--limit-train 16 --limit-test 2 --epochs 1"
# shellcheck disable=SC2086 # words
run 'a float network' float $short --algo fp32 --optimizer adam
twin=float/last.safetensors

# ---- bnn-train --init-from: names and types of other tools ----
# The file is always called start, so that the runs' arguments are the same.
start() { # NAME OPTIONS...: trains a bnn from it, into run
    start_name=$1
    shift
    # shellcheck disable=SC2086
    run "$start_name" run $short --algo bnn --init-from start --overwrite "$@"
}
no_notes() {
    equal "$1: notes" "$(grep -c note: .err)" 0
}

cp $twin start
start 'our own'
no_notes 'our own'
matches 'our own' '^took 107 of 107 tensors from start$' .out
cp run/last.safetensors wanted
run 'the best of a run' best $short --algo bnn --init-from float
matches 'the best of a run' 'from float/best.safetensors' .out
rm -r best
for prefix in module. model. _orig_mod. state_dict. module.model. net.backbone.0. layer1.0.; do
    alter $twin start prefix=$prefix
    start "$prefix"
    no_notes "$prefix"
    matches "$prefix" '^took 107 of 107 tensors from start$' .out
    same "$prefix" run/last.safetensors wanted
done
alter $twin start no-metadata type=F64
start 'F64'
same 'F64' run/last.safetensors wanted
for type in F16 BF16; do
    alter $twin start round=$type
    start "$type as F32"
    cp run/last.safetensors rounded
    alter $twin start no-metadata prefix=module. type=$type
    start "$type"
    no_notes "$type"
    same "$type" run/last.safetensors rounded
    refuse "$type: not rounded" cmp -s rounded wanted
done

# ---- what is not taken is named ----
note() { # NAME REGEX
    matches "$1: note" "^bnn-train: note: $2\$" .err
}
alter $twin start shape=conv1.weight=16,3,7,7 as=fc.weight=I64 drop=fc.bias
start 'three that do not fit'
note 'a shape' 'not taken: conv1.weight has shape \[16,3,7,7\] in the file, \[16,3,3,3\] needed'
note 'a type' 'not taken: fc.weight has type I64 in the file, F32, F16, BF16 or F64 needed'
note 'a missing one' 'not taken: fc.bias is missing in the file'
equal 'three: notes' "$(grep -c note: .err)" 3
matches 'three' '^took 104 of 107 tensors from start$' .out
alter $twin start drop=bn2
start 'many that are missing'
equal 'many: notes' "$(grep -c note: .err)" 11
note 'many' 'and 26 more'
alter $twin start drop=optimizer add=bn1.num_batches_tracked prefix=module. add=stranger \
    add=module.head.weight
start 'strangers'
equal 'strangers: notes' "$(grep -c note: .err)" 1
note 'strangers' '2 tensors of start have no place in this network'
same 'strangers' run/last.safetensors wanted
cp $twin start
# shellcheck disable=SC2086
run 'what an algorithm adds' added $short --algo reactnet --init-from start
note 'what an algorithm adds' 'not taken: .*channel_threshold is missing in the file; reactnet adds.*'

# ---- and refused where that is most ----
init_fails() { # NAME REGEX OPTIONS...
    init_name=$1
    init_regex=$2
    shift 2
    # shellcheck disable=SC2086
    expect_fail "--init-from: $init_name" "$init_regex" "$train" $small $short --algo bnn \
        --init-from start --output fresh "$@"
}
alter $twin start keep=conv1.weight
init_fails 'few tensors' 'start: only 10 of 107 tensors .*bn1.weight is missing.*--init-partial'
start 'few tensors, --init-partial' --init-partial
matches 'few tensors, --init-partial' '^took 10 of 107 tensors from start$' .out
equal '--init-partial is recorded' "$(json run/config.json init-partial)" true
cp -R run partial
alter $twin start drop=bn
init_fails 'most values, few tensors' 'only 31 of 107 tensors and 9[0-9.]*% of the values'
alter $twin start drop=conv
init_fails 'most tensors, few values' 'only 88 of 107 tensors and [0-9]\.[0-9]*% of the values'
start 'most tensors, --init-partial' --init-partial
check 'resume with --init-partial' "$train" --resume partial --init-partial
expect_fail 'resume another with --init-partial' '--init-partial differs' \
    "$train" --resume float --init-partial
alter $twin start keep=nothing add=stranger
init_fails 'nothing' 'no tensor has a name and shape' --init-partial
alter $twin start prefix=module drop=optimizer
init_fails 'no whole component' 'only [0-9] of 107 tensors'
cp $twin start
init_fails 'another network' 'start: only .* that resnet18 needs' --arch resnet18
refuse 'a refused --init-from left a folder' test -e fresh
# shellcheck disable=SC2086
expect_fail '--init-partial alone' '--init-from' "$train" $small --init-partial

# ---- values that are not finite ----
cp $twin own
everywhere() { # NAME REGEX FILE: refused by whatever reads it
    expect_fail "bnn-eval: $1" "$2" "$evaluate" "$3" --data-dir cifar --limit-test 2
    expect_fail "bnn-export: $1" "$2" "$pack" "$3" --output exported.bnn
    expect_fail "bnn-bench: $1" "$2" "$bench" infer "$3"
    cp "$3" start
    init_fails "$1" "$2"
}
resume_fails() { # NAME REGEX FILE
    cp -R float copy
    cp "$3" copy/last.safetensors
    expect_fail "--resume: $1" "$2" "$train" --resume copy
    rm -r copy
}
for value in nan:'not a number' inf:'an infinite value' -inf:'an infinite value'; do
    for name in conv1.weight layer3.0.downsample.0.weight bn1.running_mean fc.bias; do
        alter own bad/one value=$name="${value%%:*}"
        everywhere "$name ${value%%:*}" "tensor '$name' holds .*${value#*:}" bad/one
        resume_fails "$name ${value%%:*}" "last.safetensors: tensor '$name' .*${value#*:}" bad/one
    done
    alter own bad/one value=optimizer.fc.weight.exp_avg="${value%%:*}"
    resume_fails "exp_avg ${value%%:*}" "'optimizer.fc.weight.exp_avg' holds .*${value#*:}" bad/one
done
alter own bad/one value=layer1.0.bn2.running_var=-0.001
everywhere 'a variance' "tensor 'layer1.0.bn2.running_var' holds a negative variance" bad/one
resume_fails 'a variance' "'layer1.0.bn2.running_var' holds a negative variance" bad/one
alter own bad/one value=optimizer.fc.weight.exp_avg_sq=-1e-9
resume_fails 'a second moment' "'optimizer.fc.weight.exp_avg_sq' holds a negative" bad/one
for type in F16 BF16 F64; do
    alter own bad/one type=$type prefix=module. value=module.fc.weight=inf
    everywhere "inf as $type" "'module.fc.weight' holds an infinite" bad/one
done
alter own bad/one type=F64 value=fc.weight=1e39
everywhere 'beyond the range of F32' "'fc.weight' holds an infinite" bad/one
refuse 'a refused export left a file' test -e exported.bnn

# ---- a run goes on exactly, or not at all ----
alter own bad/one type=F64
resume_fails 'F64' "'conv1.weight' has type F64 in the file, F32 needed" bad/one
alter own bad/one prefix=module.
resume_fails 'a prefix' "'conv1.weight' is missing" bad/one
alter own bad/one no-metadata
resume_fails 'no metadata' 'not a checkpoint of bnn-train.*--init-from' bad/one

# ---- saved again without metadata: evaluated and packed all the same ----
predict() { # NAME MODEL FILE OPTIONS...
    predict_name=$1
    predict_model=$2
    predict_file=$3
    shift 3
    check "$predict_name" "$evaluate" "$predict_model" --data-dir cifar --quiet --limit-test 60 \
        --predictions "$predict_file" --json "$predict_file.json" "$@"
    json "$predict_file.json" loss 9 >>"$predict_file"
    rm "$predict_file.json"
}
algorithms=$("$train" --list | sed -n '/^algorithms/,/^arch/s/^  \([^ ]*\) .*/\1/p')
equal 'algorithms' "$(echo "$algorithms" | wc -l | tr -d ' ')" 9
for algo in $algorithms; do
    # shellcheck disable=SC2086
    run "$algo" "$algo" $short --algo "$algo"
    case $algo in # what a schedule sets, only our own files hold
    fda) lacking='drop=.n drop=.alpha' ;;
    recu) lacking=drop=.tau ;;
    *) lacking= ;;
    esac
    given="--arch resnet20 --algo $algo --data cifar10"
    # shellcheck disable=SC2086
    {
        alter "$algo/last.safetensors" other no-metadata drop=optimizer $lacking prefix=module.
        predict "$algo" "$algo/last.safetensors" ours
        predict "$algo: foreign" other theirs $given
        same "$algo: foreign" ours theirs
        check "$algo: export" "$pack" "$algo/last.safetensors" --output ours.bnn
        check "$algo: foreign: export" "$pack" other --output theirs.bnn $given
        predict "$algo: foreign: packed" theirs.bnn theirs
        same "$algo: foreign: packed" ours theirs
        for missing in bn1.running_var fc.bias; do
            alter other lacks drop=$missing
            expect_fail "$algo: without $missing" "'module.$missing' is missing" \
                "$evaluate" lacks --data-dir cifar $given
        done
    }
    if [ "$lacking" ]; then
        # shellcheck disable=SC2086
        alter "$algo/last.safetensors" lacks $lacking
        expect_fail "$algo: our own is read strictly" 'conv1\.(n|tau).* is missing' \
            "$evaluate" lacks --data-dir cifar
    fi
done
given='--arch resnet20 --algo fp32 --data cifar10'
alter own other no-metadata
alter own narrow type=BF16 no-metadata metadata=format=pt
alter own rounded round=BF16
predict 'rounded' rounded ours
# shellcheck disable=SC2086
predict 'BF16' narrow theirs $given
same 'BF16' ours theirs

# ---- what is missing is named, and what is said wins ----
lacks() { # NAME REGEX FILE OPTIONS...
    lacks_name=$1
    lacks_regex=$2
    lacks_file=$3
    shift 3
    expect_fail "bnn-eval: $lacks_name" "$lacks_file: $lacks_regex" \
        "$evaluate" "$lacks_file" --data-dir cifar "$@"
    expect_fail "bnn-export: $lacks_name" "$lacks_file: $lacks_regex" \
        "$pack" "$lacks_file" --output exported.bnn "$@"
}
lacks 'nothing given' \
    'its metadata lacks arch, algo and data; give --arch, --algo, --data$' other
lacks 'no algorithm' 'its metadata lacks algo; give --algo$' other --arch resnet20 --data cifar10
lacks 'only an algorithm' 'its metadata lacks arch and data; give --arch, --data$' other --algo bnn
expect_fail 'bnn-bench' 'metadata lacks .*bnn-export with --arch, --algo, --data' "$bench" infer other
lacks 'another network' "tensor 'conv1.weight' has shape \[16,3,3,3\] in the file, \[64,3,3,3\] needed" \
    other --arch resnet18 --algo bnn --data cifar10
alter other hundred shape=fc.weight=100,64 shape=fc.bias=100
# shellcheck disable=SC2086
lacks 'other classes' "tensor 'fc.weight' has shape \[100,64\] in the file, \[10,64\] needed" hundred $given
expect_fail 'an unknown network' '--arch resnet21: unknown; did you mean resnet20' \
    "$pack" other --arch resnet21
alter own part drop=optimizer no-metadata metadata=arch=resnet20 metadata=algo=fp32
predict 'the rest is given' part theirs --data cifar10
predict 'our own' own ours
same 'the rest is given' ours theirs
lacks 'the rest is not given' 'its metadata lacks data; give --data$' part
lacks 'another network than the file' "by its metadata its arch is 'resnet20', so leave --arch" \
    own --arch resnet18
lacks 'another algorithm than the file' "by its metadata its algo is 'fp32', so leave --algo" \
    own --algo bnn
expect_fail 'other data than the file' "its data is 'cifar10', so leave --data mnist out" \
    "$pack" own --data mnist --output exported.bnn
check 'bnn-eval: other data' "$evaluate" own --data mnist --data-dir idx
matches 'bnn-eval: other data' '^mnist test: 200 images' .out
# shellcheck disable=SC2086
predict 'what the file says, too' own theirs $given
same 'what the file says, too' ours theirs
# Names of classes are the data set's; how samples are normalized stays the model's.
alter own named drop=optimizer "metadata=mean=0.1 0.2 0.3"
alter named nameless metadata=class_names=
for model in named nameless; do
    check "bnn-eval: $model" "$evaluate" $model --data-dir cifar
    sed '/^[a-z]*: /d' .out >$model.told
done
same 'no names of classes' nameless.told named.told
refuse 'no names of classes: the mean matters' cmp named.told own.told
alter own lacks drop=layer2.0.bn1.bias
lacks 'our own lacks a tensor' "tensor 'layer2.0.bn1.bias' is missing" lacks
alter own misshapen shape=bn1.bias=17
lacks 'our own is misshapen' "tensor 'bn1.bias' has shape \[17\] in the file, \[16\] needed" misshapen
check 'a packed file' "$pack" bnn/last.safetensors --output packed.bnn
alter packed.bnn packed no-metadata
predict 'packed' packed.bnn ours
# What a packed file's tensors are stands in its metadata.
expect_fail 'packed, saved again without metadata' 'is missing in the file' "$evaluate" packed \
    --arch resnet20 --algo bnn --data cifar10 --data-dir cifar
refuse 'a refused export left a file' test -e exported.bnn

# ---- other formats, and a run's folder ----
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n' >bad/pointer
everywhere 'a pointer' 'is a Git LFS pointer.*git lfs pull' bad/pointer
resume_fails 'a pointer' 'is a Git LFS pointer.*git lfs pull' bad/pointer
printf 'PK\003\004\000\000\010\010\000\000\000\000 archive/data.pkl' >bad/model.pt
everywhere 'a damaged PyTorch file' 'model.pt|start: the zip archive has no list .*complete\?' bad/model.pt
resume_fails 'a PyTorch file' 'is a PyTorch file.*save_file\(model.state_dict\(\)' bad/model.pt
check 'export RUN' "$pack" bnn/
matches 'export RUN' '^bnn/best.bnn: ' .out
check 'export RUN/best.safetensors' "$pack" bnn/best.safetensors --output best.bnn
same 'export RUN' bnn/best.bnn best.bnn
# ---- a folder as Hugging Face lays it out ----
mkdir hub
cp other hub/model.safetensors
# shellcheck disable=SC2086
{
    predict 'other' other ours $given
    predict 'a folder' hub/ theirs $given
    same 'a folder' ours theirs
    check 'export a folder' "$pack" hub/ $given
    matches 'export a folder' '^hub.bnn: ' .out
    expect_fail 'over its own file' '--output hub/model.safetensors' "$pack" hub $given \
        --output hub/model.safetensors
}
rm -rf start
cp -R hub start
start 'a folder'
matches 'a folder' '^took 107 of 107 tensors from start$' .out
rm start/model.safetensors
init_fails 'an empty folder' 'start: a folder without model.safetensors, pytorch_model.bin'
expect_fail 'export a folder without a run' 'cifar: not the folder of a run' "$pack" cifar

done_testing

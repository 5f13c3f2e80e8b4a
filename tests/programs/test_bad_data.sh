#!/bin/sh
# Data that are missing or broken: the message names the file.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

options='--arch resnet20 --batch-size 16 --epochs 1 --output run'
touch file
mkdir empty

cifar() { # NAME REGEX FOLDER
    # shellcheck disable=SC2086 # words
    expect_fail "cifar10: $1" "$2" "$train" $options --data cifar10 --data-dir "$3"
}

cifar 'no folder' 'nowhere: no such folder.*--data-dir' nowhere
cifar 'a file' 'file: is a file' file
cifar 'under a file' 'file/x: .*[Nn]ot a directory' file/x
cifar 'an empty folder' 'data_batch_1.bin: no such file' empty
cifar 'the IDX folder' 'data_batch_1.bin: no such file' idx
cifar 'truncated' 'data_batch_3.bin: [0-9]+ bytes' bad/cifar-truncated
cifar 'oversized' 'data_batch_1.bin: [0-9]+ bytes' bad/cifar-oversized
cifar 'wrong size' 'test_batch.bin: [0-9]+ bytes' bad/cifar-wrong-size
cifar 'label' 'data_batch_2.bin: record 5 has label 10' bad/cifar-label
cifar 'empty file' 'data_batch_5.bin: 0 bytes' bad/cifar-empty-file
cifar 'missing file' 'data_batch_4.bin: no such file' bad/cifar-missing-file
# shellcheck disable=SC2086
expect_fail 'cifar10: no --data-dir' '--data-dir' "$train" $options --data cifar10
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod 0 locked
    cifar 'unreadable' 'locked: .*cannot be read' locked
    chmod 700 locked
fi

idx() { # NAME REGEX FOLDER
    # shellcheck disable=SC2086
    expect_fail "mnist: $1" "$2" "$train" $options --data mnist --data-dir "$3"
}

images="train-images-idx3-ubyte"
idx 'under a file' 'file/x: .*[Nn]ot a directory' file/x
idx 'an empty folder' "empty: neither train-labels-idx1-ubyte nor train-" empty
idx 'truncated' "$images: [0-9]+ bytes" bad/idx-truncated
idx 'oversized' "$images: goes on after" bad/idx-oversized
idx 'wrong magic' "$images: begins with 2049" bad/idx-magic
idx 'more images than bytes' "$images: .*too few" bad/idx-huge-count
idx 'images of another size' "$images: images of 27x28" bad/idx-side
idx 'label' 't10k-labels-idx1-ubyte: label 2 is 200' bad/idx-label
idx 'other count of labels' '200 t10k images but 199 labels' bad/idx-counts
idx 'missing file' 'neither t10k-labels-idx1-ubyte' bad/idx-missing-file
idx 'corrupt gzip' "$images.gz: .*(damaged|label|bytes)" bad/gzip-corrupt
idx 'truncated gzip' "$images.gz: .*damaged" bad/gzip-truncated
idx 'wrong checksum' "$images.gz: .*damaged" bad/gzip-checksum
idx 'damaged gzip header' 't10k-labels-idx1-ubyte.gz: ' bad/gzip-label
refuse 'a refused run left a folder' test -e run

# ---- CIFAR-10-C ----
run 'a model' model --limit-train 16 --limit-test 2 --epochs 1 --algo bnn
model=model/last.safetensors

corruptions() { # NAME REGEX FOLDER
    expect_fail "CIFAR-10-C: $1" "$2" "$evaluate" $model --data-dir cifar --limit-test 2 \
        --quiet --corruptions "$3"
}

corruptions 'no folder' 'nowhere: no such folder' nowhere
corruptions 'under a file' 'file/x: .*[Nn]ot a directory' file/x
corruptions 'nothing in it' 'c-nothing' bad/c-nothing
corruptions 'truncated' 'fog.npy: ' bad/c-truncated
corruptions 'oversized' 'fog.npy: ' bad/c-oversized
corruptions 'wrong magic' 'fog.npy: ' bad/c-magic
corruptions 'damaged header' 'fog.npy: ' bad/c-header
corruptions 'label' 'labels.npy: label 9 is 77' bad/c-label
corruptions 'type' 'fog.npy: elements of type i1' bad/c-type
corruptions 'shape' 'fog.npy: .*\[5,3,32,32\]' bad/c-shape
cp -r cifar-c c-labels && cp cifar-c/labels.npy c-labels/fog.npy
corruptions 'no images' 'fog.npy: .*expected \[5\*N,32,32,3\]' c-labels
cp -r cifar-c c-picture && printf '\211PNG\r\n\032\n' >c-picture/fog.npy
corruptions 'a picture' 'fog.npy: ' c-picture
corruptions 'other count of images' 'fog.npy: 1 images a severity' bad/c-counts
mkdir c-strange && cp bad/c-name/fogg.npy bad/c-name/labels.npy c-strange
corruptions 'unknown name' 'fogg.npy: none of the 19' c-strange
cp -r cifar-c c-order && head -c 129 cifar-c/labels.npy >c-order/labels.npy # its header and a label
tail -c +129 cifar-c/labels.npy | head -c 199 >>c-order/labels.npy
corruptions 'labels in another order' 'labels.npy: label 1 is 0, but .* image 1 is of class 7' \
    c-order
corruptions 'no labels' 'labels.npy: no such file' bad/c-no-labels

# ---- a model and data that do not fit ----
expect_fail 'no data folder' '--data-dir' "$evaluate" $model
expect_fail 'broken test set' 'test_batch.bin: [0-9]+ bytes' \
    "$evaluate" $model --data-dir bad/cifar-wrong-size
check 'data of the same size' "$evaluate" $model --data mnist --data-dir idx --limit-test 2
matches 'data of the same size: other classes' 'note: .* was trained for other classes: class 0 is ' .err

done_testing

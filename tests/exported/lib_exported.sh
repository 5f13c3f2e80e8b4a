# What the tests of exported C source share; sourced behind tests/programs/lib.sh, with $exported,
# the folder that this lies in.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by those who source this
# shellcheck disable=SC2154 # set there

strict='-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
make_model=${helper%make_data}make_model

# Sums of floats of these add up otherwise in another order.
rounds() { # ARCH ALGO
    case $1-$2 in
    *-fp32 | *-xnor | resnet20-xnorpp | vgg_small-xnorpp | deep_fsmn-xnorpp) true ;;
    *) false ;;
    esac
}

# The command prints what run.c does: of so many samples equal logits, or if they may be rounded,
# equal classes and a small difference.
judge_run() { # NAME SAMPLES ROUNDS COMMAND...
    judge_name=$1 judge_samples=$2 judge_rounds=$3
    shift 3
    check "$judge_name: runs" "$@"
    tail -n 1 "$work/.out" >said
    if [ "$judge_rounds" = yes ]; then
        checks=$((checks + 1))
        awk -v n="$judge_samples" '{ ok = $2 == n && $6 == n && $8 >= 0 && $8 < 1e-5 }
            END { exit !ok }' said || fail "$judge_name: differs" said
    else
        equal "$judge_name" "$(cat said)" \
            "samples $judge_samples equal $judge_samples classes $judge_samples worst 0"
    fi
}

# A folder with net.c, net.h, and samples of what they should compute; $rounded tells judge_run.
make_case() { # ARCH ALGO SIZE CLASSES SAMPLES
    rm -rf case && mkdir case
    rounded=no
    rounds "$1" "$2" && rounded=yes
    check "$1 $2" "$make_model" "$1" "$2" "$3" "$4" "$5" case/model.bnn case/input.npy \
        case/logits.npy
    check "$1 $2: export" "$pack" case/model.bnn --format c --output case/net.c
}

# PIXELS where the network sees images.
pixels_of() { # ARCH
    case $1 in
    resnet* | vgg*) echo -DPIXELS ;;
    esac
}

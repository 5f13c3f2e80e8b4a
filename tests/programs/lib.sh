# What the tests of the programs share; sourced, with the folders of the programs and of make_data.
# A failed expectation is told and counted, and the test goes on: one run shows all that is wrong.
# shellcheck shell=sh
set -u

train=$1/bnn-train
# shellcheck disable=SC2034 # used by those who source this
evaluate=$1/bnn-eval
# shellcheck disable=SC2034 # used by those who source this
pack=$1/bnn-export
# shellcheck disable=SC2034 # used by those who source this
corrupt=$1/bnn-corrupt
# shellcheck disable=SC2034 # used by those who source this
bench=$1/bnn-bench
# shellcheck disable=SC2034 # used by those who source this
report=$1/bnn-report
helper=$2/make_data
work=$(mktemp -d "${TMPDIR:-/tmp}/bnn-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
checks=0
failures=0
unset BNN_ISA OMP_NUM_THREADS
export OMP_WAIT_POLICY=passive # others may use the same processors
export TERM=dumb LC_ALL=C
cd "$work" || exit 1
"$helper" data "$work" || exit 1

# A small run on the small CIFAR-10: the common options of all that train.
small="--arch resnet20 --data cifar10 --data-dir $work/cifar --batch-size 16 --limit-train 40
    --limit-test 40 --epochs 2"

fail() { # MESSAGE [FILE]: tells, and shows the file
    failures=$((failures + 1))
    echo "FAILED: $1"
    if [ $# -gt 1 ]; then
        sed 's/^/    | /' "$2" | head -n 20
    fi
}

check() { # NAME COMMAND...: the command succeeds
    test_name=$1
    shift
    checks=$((checks + 1))
    "$@" >"$work/.out" 2>"$work/.err"
    test_status=$?
    if [ "$test_status" -ne 0 ]; then
        cat "$work/.out" "$work/.err" >"$work/.both"
        fail "$test_name: exit status $test_status of $*" "$work/.both"
    fi
}

refuse() { # NAME COMMAND...: the command fails
    test_name=$1
    shift
    checks=$((checks + 1))
    if "$@" >"$work/.out" 2>&1; then
        fail "$test_name: succeeded, but should not: $*" "$work/.out"
    fi
}

same() { # NAME FILE FILE: byte for byte
    check "$1" cmp "$2" "$3"
}

equal() { # NAME GOT EXPECTED
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1: '$2', expected '$3'"
}

matches() { # NAME REGEX FILE
    checks=$((checks + 1))
    grep -Eq -e "$2" "$3" || fail "$1: nothing matches '$2' in" "$3"
}

# The command has failed as a program should: status 1, and on stderr one line in the program's name
# that matches. Other lines: those that match $other ('^$': none). What it printed to stdout is in
# .out, what to stderr in .err.
judge() { # NAME REGEX OTHER STATUS PROGRAM
    checks=$((checks + 1))
    test_said=$(grep -Ev -e "$3" "$work/.err" | grep -c "^$5: ")
    test_lines=$(grep -Evc -e "$3" "$work/.err")
    if [ "$4" -ne 1 ]; then
        fail "$1: exit status $4, expected 1" "$work/.err"
    elif [ "$test_said" -ne 1 ] || [ "$test_lines" -ne 1 ]; then
        fail "$1: $test_lines lines on stderr, $test_said a message, expected one" "$work/.err"
    elif ! grep -Eq -e "^$5: .*($2)" "$work/.err"; then
        fail "$1: the message does not match '$2'" "$work/.err"
    fi
}

expect_fail() { # NAME REGEX COMMAND...: refused at once, with nothing printed on stdout
    test_name=$1
    test_regex=$2
    shift 2
    "$@" >"$work/.out" 2>"$work/.err"
    judge "$test_name" "$test_regex" '^$' $? "${1##*/}"
    if [ -s "$work/.out" ]; then
        fail "$test_name: printed something on stdout" "$work/.out"
    fi
}

progress='^ *[a-z].* +[0-9]+% [0-9]+/[0-9]+ [a-zA-Z]+ [0-9.]+/s '

expect_late_fail() { # NAME REGEX COMMAND...: the same, after some work, so with lines of progress
    test_name=$1
    test_regex=$2
    shift 2
    "$@" >"$work/.out" 2>"$work/.err"
    judge "$test_name" "$test_regex" "$progress" $? "${1##*/}"
}

run() { # NAME OUTPUT OPTIONS...: trains the small run into the folder
    test_name=$1
    test_folder=$2
    shift 2
    # shellcheck disable=SC2086 # words
    check "$test_name" "$train" $small "$@" --output "$test_folder"
}

# A tone of a quarter of a second, as a WAV file of 8 bits.
word() { # FILE HERTZ SEED
    {
        # 4000 samples at 16 kHz: what follows RIFF and its length is 4036 bytes.
        printf 'RIFF\304\017\0\0WAVEfmt \020\0\0\0\001\0\001\0\200\076\0\0\200\076\0\0\001\0\010\0'
        printf 'data\240\017\0\0'
        LC_ALL=C awk -v hertz="$2" -v seed="$3" 'BEGIN {
            srand(seed)
            for (i = 0; i < 4000; i++) {
                printf "%c", int(128 + 90 * sin(6.2831853 * hertz * i / 16000) + 9 * rand())
            }
        }'
    } >"$1"
}

make_words() { # low and high tones for speech_commands, in the folder words
    mkdir -p words/low words/high words/_background_noise_
    : >words/validation_list.txt
    for i in 1 2 3 4 5 6 7 8 9; do
        word words/low/speaker${i}_nohash_0.wav 300 "$i"
        word words/high/speaker${i}_nohash_0.wav 3000 "5$i"
    done
    printf 'low/speaker8_nohash_0.wav\nlow/speaker9_nohash_0.wav\n' >words/testing_list.txt
    printf 'high/speaker8_nohash_0.wav\nhigh/speaker9_nohash_0.wav\n' >>words/testing_list.txt
}

json() { # FILE PATH [DIGITS]
    "$helper" json "$1" "$2" "${3:-2}"
}

count_lines() {
    wc -l <"$1" | tr -d ' '
}

# Starts the command and, once the condition holds, stops it where it is: what follows does not
# depend on time. Its process is $frozen; what it prints, in frozen.out and frozen.err.
freeze() { # CONDITION COMMAND...
    test_condition=$1
    shift
    rm -f frozen.out frozen.err # what the last one printed fulfils no condition
    "$@" >frozen.out 2>frozen.err &
    frozen=$!
    test_waits=0
    until $test_condition || [ $test_waits -eq 600 ]; do
        test_waits=$((test_waits + 1))
        sleep 0.05
    done
    kill -STOP "$frozen"
}

# Sends it the signals and lets it go on; its exit status is then in $ended.
thaw() { # SIGNAL...
    for test_signal in "$@"; do
        kill -"$test_signal" "$frozen"
    done
    kill -CONT "$frozen"
    wait "$frozen"
    # shellcheck disable=SC2034 # used by those who source this
    ended=$?
}

done_testing() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}

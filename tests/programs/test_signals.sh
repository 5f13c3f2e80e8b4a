#!/bin/sh
# Signals that ask for an end: all that work long save what they have and say so.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

begin_run() { # FOLDER [COMMAND...]: a run without an end, stopped behind its first epoch
    folder=$1
    shift
    # shellcheck disable=SC2086 # words
    freeze "grep -qs ^0, $folder/metrics.csv" "$@" "$train" $small --algo bnn --epochs 10000 \
        --output "$folder"
}
saved() { # NAME FOLDER
    equal "$1: exit status" $ended 130
    equal "$1: advice" "$(tail -n 1 frozen.out)" \
        "interrupted; go on with: bnn-train --resume $2"
    equal "$1: temporary files" "$(find "$2" -name '*.tmp-*')" ''
    check "$1: it loads" "$evaluate" "$2/last.safetensors" --data-dir cifar --limit-test 2
}

for signal in INT TERM HUP USR1 USR2; do
    begin_run "on-$signal"
    before=$("$helper" metadata on-$signal/last.safetensors steps)
    thaw $signal
    saved "SIG$signal" "on-$signal"
    after=$("$helper" metadata on-$signal/last.safetensors steps)
    [ "$after" -ge "$before" ] || fail "SIG$signal: $after steps after $before"
done

# Shells and kernels send SIGHUP both, and a cluster more than one.
begin_run many
thaw HUP USR1 USR2
saved 'many signals' many

# ---- nohup ----
begin_run nohup sh -c 'trap "" HUP; exec "$@"' sh
before=$(count_lines nohup/metrics.csv)
kill -HUP $frozen
kill -CONT $frozen
for _ in $(seq 200); do
    [ "$(count_lines nohup/metrics.csv)" -le $((before + 1)) ] || break
    sleep 0.05
done
kill -STOP $frozen
[ "$(count_lines nohup/metrics.csv)" -gt $((before + 1)) ] || fail 'nohup: the run has stopped'
thaw TERM
saved 'nohup' nohup

# ---- the others ----
freeze 'test -s .out.json.lock' "$evaluate" nohup --corruptions make --corruption all \
    --threads 1 --json out.json
thaw HUP
equal 'bnn-eval: exit status' $ended 130
equal 'bnn-eval: advice' "$(tail -n 1 frozen.out)" 'interrupted; the same command goes on'
freeze 'test -s c/.lock' "$corrupt" --data-dir cifar --output c --threads 1
thaw USR1
equal 'bnn-corrupt: exit status' $ended 130
equal 'bnn-corrupt: nothing unfinished' "$(find c -name '*.tmp-*')" ''
freeze 'grep -qs median frozen.out' "$bench" gemm --repeat 3 --json bench.json
thaw USR2
equal 'bnn-bench: exit status' $ended 130
equal 'bnn-bench: nothing unfinished' "$(find . -name 'bench.json*')" ''

# ---- waiting for somebody to read ----
mkfifo pipe
waits() { # COMMAND...: frozen while nobody reads the pipe
    freeze 'grep -qs waits frozen.err' "$@"
}
gives_up() { # NAME PROGRAM
    equal "$1: exit status" $ended 130
    equal "$1: told once, then why it ends" "$(sed -n "s/^$2: //p" frozen.err)" \
        'note: pipe: waits for a reader
pipe: interrupted before anybody came to read it'
    equal "$1: nothing unfinished" "$(find . -name '*.tmp-*' -o -name 'pipe?*' -o -name '.pipe*')" ''
}
few="--data-dir cifar --limit-test 4 --quiet"
for signal in INT TERM HUP USR1; do
    # shellcheck disable=SC2086 # words
    waits "$evaluate" nohup $few --json pipe
    thaw $signal
    gives_up "bnn-eval --json PIPE, SIG$signal" bnn-eval
done
# shellcheck disable=SC2086
waits "$evaluate" nohup $few --predictions pipe
thaw TERM
gives_up 'bnn-eval --predictions PIPE' bnn-eval
waits "$pack" nohup --output pipe
thaw TERM
gives_up 'bnn-export --output PIPE' bnn-export
waits "$report" run nohup --output pipe
thaw HUP
gives_up 'bnn-report --output PIPE' bnn-report
waits "$bench" gemm --json pipe
thaw USR1
gives_up 'bnn-bench --json PIPE' bnn-bench
# shellcheck disable=SC2086
check 'predictions' "$evaluate" nohup $few --predictions p
# shellcheck disable=SC2086
waits "$evaluate" nohup $few --predictions pipe
kill -CONT $frozen
sleep 0.1
cat pipe >out
wait $frozen
equal 'a reader comes late: exit status' $? 0
same 'a reader comes late' out p

# ---- a file that is cut off while it is read ----
cut='a file that is being read has become shorter, or its disk fails'
cut_off() { # NAME PROGRAM
    thaw
    equal "$1: exit status" $ended 1
    equal "$1: one line" "$(grep -c "^$2: $cut" frozen.err)" 1
}
cp -R cifar cut
freeze 'grep -qs ^0, cut-run/metrics.csv' "$train" --arch resnet20 --algo bnn --data cifar10 \
    --data-dir cut --batch-size 16 --limit-test 40 --epochs 10000 --output cut-run
for file in cut/data_batch_*.bin; do
    : >"$file"
done
cut_off 'bnn-train' bnn-train
cp cifar/data_batch_*.bin cut
freeze 'grep -qs ^epoch frozen.out' "$train" --resume cut-run
thaw TERM
saved 'bnn-train goes on' cut-run
freeze 'test -s .cut.json.lock' "$evaluate" nohup --data-dir cut --corruptions make \
    --corruption all --threads 1 --json cut.json
: >cut/test_batch.bin
cut_off 'bnn-eval' bnn-eval
cp cifar/test_batch.bin cut
freeze 'test -s cut-c/.lock' "$corrupt" --data-dir cut --output cut-c --threads 1
: >cut/test_batch.bin
cut_off 'bnn-corrupt' bnn-corrupt
begin_run bus
thaw BUS
refuse 'another SIGBUS: not ended well' test "$ended" -eq 0
refuse 'another SIGBUS: not taken for a file' grep -q "$cut" frozen.err

# ---- what a process of the same number left when it was killed ----
# The shell's number is the program's; libomp would read the object that it finds.
if [ -d /dev/shm ]; then
    # shellcheck disable=SC2016 # the shell that is started expands it
    check 'an empty registration of libomp' sh -c 'object=/dev/shm/__KMP_REGISTERED_LIB_$$_$(id -u)
        : >"$object"
        echo "$object" >.object
        exec "$@"' sh "$train" --data-dir cifar --algo bnn --arch resnet20 --dry-run
    check 'it is gone' test ! -e "$(cat .object)"
fi

# ---- a process is called what it was started as ----
unset OMP_WAIT_POLICY # with it no program starts itself anew
called() { # NAME COMM
    equal "$1" "$(cat /proc/$frozen/comm)" "$2"
    thaw TERM
}
if [ -r /proc/self/comm ]; then
    begin_run named
    called 'its name' bnn-train
    ln -s "$train" another-name
    train_there=$train
    train=$work/another-name
    begin_run linked
    called 'its name through a link' another-name
    train=$train_there
    cp "$train" gone
    exec 5<gone
    rm gone
    check 'a program whose file is gone' /proc/self/fd/5 --version
    exec 5<&-
fi

done_testing

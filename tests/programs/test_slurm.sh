#!/bin/sh
# bnn-sweep and the real Slurm: of one machine, in a folder of its own, as whoever runs this, without
# systemd, cgroups or anything that a Slurm of the system has.
# shellcheck disable=SC2317 # what a trap and wait_until call
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for name in slurmctld slurmd munged sbatch timeout; do
    if ! command -v $name >/dev/null; then
        echo "SKIPPED: there is no $name (slurm-wlm, munge)"
        exit 77
    fi
done
if ! user=$(id -un 2>.err); then
    echo 'SKIPPED: Slurm needs a user who has a name'
    exit 77
fi
sweep=$1/bnn-sweep
host=$(uname -n | sed 's/[.].*//')
export BNN_ISA=generic # what is measured does not matter
# This may itself be a job of another Slurm.
for name in $(env | sed -n -E 's/^((SLURM|SBATCH|SCANCEL|SQUEUE|SINFO)_[A-Z0-9_]*)=.*/\1/p'); do
    unset "$name"
done
export SLURM_CONF="$work/slurm.conf"

# ---- a Slurm ----
daemons=''
start() { # COMMAND...: not for longer than this test may take, whatever becomes of it
    timeout -k 10 500 "$@" >"slurm/$1.out" 2>&1 &
    daemons="$daemons $!"
}
stop_slurm() {
    if [ -n "$up" ]; then
        timeout 20 scancel --full --user "$user" 2>.err
        wait_until 20 no_jobs
    fi
    for pid in $daemons; do
        kill "$pid" 2>.err
    done
    wait
    rm -rf "$work"
}
no_jobs() {
    timeout 10 squeue --noheader >.jobs 2>.err && [ ! -s .jobs ]
}
is_up() {
    test "$(timeout 10 sinfo --noheader --format %T 2>.err)" = idle && up=1
}
wait_until() { # SECONDS COMMAND...
    test_left=$(($1 * 5))
    shift
    until "$@"; do
        test_left=$((test_left - 1))
        [ $test_left -gt 0 ] || return 1
        sleep 0.2
    done
}
free_port() { # FROM: the first that nobody has
    port=$1
    while grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$port") " /proc/net/tcp; do
        port=$((port + 1))
    done
    echo "$port"
}

mkdir slurm slurm/state slurm/spool
dd if=/dev/urandom of=slurm/munge.key bs=64 count=1 2>.err
chmod 600 slurm/munge.key
control=$(free_port $((20000 + $$ % 5000 * 2))) # others that run now begin elsewhere
# A task put back into the queue waits as long as a credential is good.
cat >slurm.conf <<END_OF_CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$control
SlurmdPort=$(free_port $((control + 1)))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/slurm/munge.socket,cred_expire=5
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
KillWait=10
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END_OF_CONF
up=''
trap stop_slurm EXIT
start munged --foreground --force --key-file=slurm/munge.key \
    --socket="$work/slurm/munge.socket" --pid-file="$work/slurm/munged.pid" \
    --seed-file="$work/slurm/munged.seed"
wait_until 20 test -S slurm/munge.socket
start slurmctld -D
start slurmd -D
check 'Slurm: it is up' wait_until 60 is_up
if [ $failures -ne 0 ]; then
    tail -n 20 slurm/*.out
    done_testing
fi

# ---- sweeps ----
names() { # FOLDER STATE: of its cells
    "$sweep" status "$1" | awk -v state="$2" '/^$/ { exit } NR > 1 && $2 == state { print $1 }'
}
job_of() { # LEVEL: from what run has printed
    sed -n "s/^submitted .*job-$1.sh as job //p" .out
}
plan() { # EPOCHS ALGORITHMS OPTIONS
    cat <<END_OF_PLAN
{"groups": [{"name": "a", "algos": [$2], "archs": ["resnet20"], "data": ["cifar10"], "tracks": ["task"],
  "options": {"epochs": $1, "batch-size": 8, "limit-train": 24, "limit-test": 8}, $3
  "eval": {"limit-test": 8}}]}
END_OF_PLAN
}
plan 1 '"fp32", "bnn"' '"binary": {"init-from": "{twin}/best.safetensors"}, "seeds": [1, 2],' >small.json
plan 100000 '"bnn"' '' >long.json
run_slurm() { # NAME
    check "$1" "$sweep" run "$1.json" --output "$1" --threads 1 --backend slurm \
        --data-dir "cifar10=$work/cifar"
}
log=long/a/bnn-resnet20-cifar10-s1/log.txt

# A minute is less than the two before whose end the signal comes: it comes when Slurm next looks.
export SBATCH_TIMELIMIT=1
run_slurm long
long=$(job_of 0)
unset SBATCH_TIMELIMIT
behind=$(sbatch --parsable --dependency="afterany:$long" --output=behind.out --wrap=true)
run_slurm small
small=$(job_of 0)
after=$(job_of 1)
squeue --noheader --job "$after" --format %E >.jobs
matches 'twins first' "afterany:$small"'_[*].unfulfilled' .jobs
ended() { # JOB
    test -z "$(squeue --noheader --job "$1" 2>.err)"
}
check 'the cells end' wait_until 240 ended "$after"
cells='a/fp32-resnet20-cifar10-s1
a/bnn-resnet20-cifar10-s1
a/fp32-resnet20-cifar10-s2
a/bnn-resnet20-cifar10-s2'
equal 'all cells' "$(names small 'done')" "$cells"
[ "$(names small 'done')" = "$cells" ] || cat "slurm-${small}_"*.out "slurm-${after}_"*.out
check 'nothing is left' "$sweep" run small
equal 'nothing is left' "$(cat .out)" '4 of 4 cells are done'

# ---- a cell whose time is over ----
saved() { # how often
    grep -c '^interrupted; go on with: bnn-train --resume' "$log"
}
put_back() {
    scontrol show job "${long}_1" >.jobs 2>.err && grep -q ' Restarts=[1-9]' .jobs &&
        [ "$(saved)" -gt 0 ]
}
second_turn() {
    sed '1,/^[$] .*bnn-train --resume/d' "$log" | grep -q '^epoch'
}
check 'its time is over: the cell is saved, and put back' wait_until 120 put_back
equal 'its time is over: what is behind it waits' \
    "$(squeue --noheader --job "$behind" --format '%t %E')" "PD afterany:${long}_*(unfulfilled)"
check 'its time is over: more of it' scontrol update "JobId=${long}_1" TimeLimit=UNLIMITED
check 'its time is over: it goes on' wait_until 60 second_turn
equal 'its time is over: it has not failed' "$(names long runs)" a/bnn-resnet20-cifar10-s1

# ---- a job that somebody ends ----
before=$(saved)
check 'scancel' scancel "$long"
check 'scancel: it does not come back' wait_until 30 ended "$long"
equal 'scancel: the cell is saved' "$(saved)" $((before + 1))
equal 'scancel: it has not failed' "$(names long waits)" a/bnn-resnet20-cifar10-s1
done_testing

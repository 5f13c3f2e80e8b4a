#!/bin/sh
# A run's folder, a results file and a folder of corrupted images belong to one process.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

command -v timeout >/dev/null || exit 77
tiny="--limit-train 16 --limit-test 2 --epochs 1 --algo bnn"
host=$(uname -n)

hold() { # LOCK COMMAND...: as freeze does, once it holds the lock
    lock=$1
    shift
    freeze "test -s $lock" "$@"
    matches "$lock: its holder" "^pid $frozen on $host\$" "$lock"
}

# ---- a run ----
# shellcheck disable=SC2086 # words
freeze 'test -e run/last.safetensors' "$train" $small --algo bnn --epochs 10000 --output run
matches 'the holder of a run' "^pid $frozen on $host\$" run/.lock
cp -R run before
busy="run: another bnn-train .pid $frozen on $host. is training in it; .*--output"
refused() { # NAME COMMAND...
    test_refused=$1
    shift
    expect_fail "$test_refused" "$busy" "$@"
    for name in last.safetensors config.json metrics.csv; do
        same "$test_refused: $name" run/$name before/$name
    done
}
# shellcheck disable=SC2086
refused 'a second start' "$train" $small --output run
# shellcheck disable=SC2086
refused 'a second start, --overwrite' "$train" $small --output run --overwrite
refused 'a second start, --resume' "$train" --resume run
refused 'a second start, --resume by its file' "$train" --resume run/last.safetensors
ln -s run link
expect_fail 'a second start through a link' "link: another bnn-train .pid $frozen" \
    "$train" --resume link
check 'a run in another folder' "$train" --config run/config.json --epochs 1 --output other
check 'a plan needs no lock' "$train" --dry-run --resume run
thaw INT
equal 'the first goes on, until it is interrupted' $ended 130

# kill -9 leaves no lock; nor what was being written.
# shellcheck disable=SC2086
hold killed/.lock "$train" $small --algo bnn --epochs 10000 --output killed
thaw KILL 2>/dev/null
equal 'kill -9' $ended 137
: >killed/last.safetensors.tmp-12345
: >killed/metrics.csv.tmp-1
: >killed/other.tmp-1
: >killed/last.safetensors.tmp-1.bak
# shellcheck disable=SC2086
check 'after kill -9' "$train" $small $tiny --output killed --overwrite
equal 'after kill -9: temporary files' "$(find killed -name '*.tmp-*' | sort | tr '\n' ' ')" \
    'killed/last.safetensors.tmp-1.bak killed/other.tmp-1 '
: >killed/best.safetensors.tmp-77
check 'resumed' "$train" --resume killed --threads 1
refuse 'resumed: temporary files' test -e killed/best.safetensors.tmp-77

# ---- a lock that is none ----
mkdir strange
ln -s ../precious strange/.lock
echo precious >precious
cp precious precious.copy
# shellcheck disable=SC2086
expect_fail 'a link as lock' 'strange/.lock: cannot' "$train" $small $tiny --output strange
same 'a link as lock: where it leads' precious precious.copy

# Nor is a file of somebody's, or one with another name.
rm -rf strange
mkdir strange
cp precious strange/.lock
# shellcheck disable=SC2086
expect_fail 'a file as lock' 'strange/.lock: .* lock' "$train" $small $tiny --output strange
same 'a file as lock: as it was' strange/.lock precious
expect_fail 'a file as lock' 'strange/.lock: .* lock' "$corrupt" --data-dir cifar --output strange
rm strange/.lock
cp other/best.safetensors model
cp model model.copy
ln model strange/.lock
# shellcheck disable=SC2086
expect_fail 'a second name as lock' 'strange/.lock: .* lock' "$train" $small $tiny --output strange
same 'a second name as lock: as it was' model model.copy
cp model .y.json.lock
expect_fail 'a model as lock' '.y.json.lock: .* lock' \
    "$evaluate" .y.json.lock --data-dir cifar --limit-test 4 --quiet --json y.json
same 'a model as lock: as it was' .y.json.lock model
rm .y.json.lock
check 'a result as lock' "$evaluate" other --limit-test 4 --quiet --json y.json \
    --predictions .y.json.lock
check 'a result as lock: it is there' test -s .y.json.lock

# ---- other ways into a run ----
ln -s other/last.safetensors linked
check 'resumed through a link' "$train" --resume linked
refuse 'resumed through a link: nothing here' test -e metrics.csv
for to in last.safetensors config.json; do
    expect_fail "export over the run's $to" "other/$to: would be written over" \
        "$pack" other/best.safetensors --output "other/$to"
    expect_fail "predictions over the run's $to" "other/$to: would be written over" \
        "$evaluate" other/best.safetensors --data-dir cifar --limit-test 4 --quiet \
        --predictions "other/$to"
done
cp model w.json.tmp-12
expect_fail 'a model with the name of an unfinished file' 'tmp-12: .*unfinished' \
    "$evaluate" w.json.tmp-12 --data-dir cifar --limit-test 4 --quiet --json w.json
same 'a model with the name of an unfinished file: as it was' w.json.tmp-12 model

# Nor are pipes and links to descriptors files of a run.
for kind in 'mkfifo' 'ln -s /dev/stdout'; do
    rm -rf strange
    mkdir strange
    $kind strange/metrics.csv
    # shellcheck disable=SC2086
    expect_fail "$kind as metrics.csv" 'strange/metrics.csv: is no regular file' \
        "$train" $small $tiny --output strange
done

# ---- results ----
hold .out.json.lock "$evaluate" other --corruptions make --corruption all --limit-test 40 --quiet \
    --threads 1 --json out.json
expect_fail 'a second bnn-eval' \
    "out.json: another bnn-eval .pid $frozen on $host. is writing it; .*--json" \
    "$evaluate" other --quiet --json out.json
ln -s out.json link.json
expect_fail 'a second bnn-eval, --overwrite, through a link' 'link.json: another bnn-eval' \
    "$evaluate" other --quiet --json link.json --overwrite
check 'another results file' "$evaluate" other --quiet --limit-test 2 --json two.json
thaw CONT
equal 'the first ends well' $ended 0
equal 'the first has all cells' "$(json out.json 'corruptions.rows.#')" 19
refuse 'no lock is left' test -e .out.json.lock
check 'the results of a run' "$evaluate" other --quiet --limit-test 2
equal 'no lock is left in the run' "$(find other -name '.results*')" ''

# ---- corrupted images ----
hold c/.lock "$corrupt" --data-dir cifar --output c --threads 1
expect_fail 'a second bnn-corrupt' "c: another bnn-corrupt .pid $frozen on $host. is writing to it" \
    "$corrupt" --data-dir cifar --output c --seed 2
thaw INT
equal 'bnn-corrupt is interrupted' $ended 130
refuse 'no lock is left' test -e c/.lock

# ---- where nothing may be written ----
as=
if [ "$(id -u)" -eq 0 ]; then
    as='setpriv --reuid=65534 --regid=65534 --clear-groups --'
    chmod 755 .
fi
if $as "$train" --version >.out 2>&1; then
    chmod -R a+rX other cifar
    chmod a-w other
    if [ -n "$as" ]; then
        ro() { # NAME REGEX PROGRAM OPTIONS...
            test_name=$1
            test_regex=$2
            program=${3##*/}
            shift 2
            $as "$@" >.out 2>.err
            judge "$test_name" "$test_regex" '^$' $? "$program"
        }
    else
        ro() {
            expect_fail "$@"
        }
    fi
    ro 'read-only: --resume' 'other/.lock: cannot .*Permission denied' "$train" --resume other
    # shellcheck disable=SC2086
    ro 'read-only: --overwrite' 'other/[a-z.]*: cannot .*Permission denied' \
        "$train" $small --output other --overwrite
    ro 'read-only: bnn-eval' 'other/results.json: cannot .*Permission denied' "$evaluate" other
    ro 'read-only: bnn-export' 'other/best.bnn: cannot .*Permission denied' \
        "$pack" other/best.safetensors
    ro 'read-only: bnn-report' 'other/report.html: cannot .*Permission denied' "$report" run other
    ro 'read-only: bnn-bench' 'other/x: cannot .*Permission denied' "$bench" gemm --json other/x
    for option in json predictions; do
        ro "read-only: --$option" 'other/x: cannot .*Permission denied' \
            "$evaluate" other/best.safetensors --data-dir cifar "--$option" other/x
    done
    chmod u+w other
else
    echo 'SKIPPED: what a user without rights meets (no setpriv)'
fi

done_testing

#!/bin/sh
# What bash and zsh complete: all that --help shows, and the commands that a program knows.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/programs/lib.sh
. "$here/lib.sh"
bin=$1

for program in "$bin"/bnn-*; do
    name=${program##*/}
    case $name in
    *.*) continue ;;
    esac
    if [ ! -f "$program" ] || [ ! -x "$program" ]; then
        continue
    fi
    check "$name for bash" "$program" --completion bash
    cp .out "$name.bash"
    check "$name for zsh" "$program" --completion zsh
    cp .out "$name.zsh"
    "$program" --help | sed -n 's/^  \(-., \)\{0,1\}--\([a-z0-9-]*\).*/\2/p' >options
    [ -s options ] || fail "$name --help shows no options"
    while read -r option; do
        matches "$name --$option in bash" "(--| --)$option( |'|\\))" "$name.bash"
        matches "$name --$option in zsh" "--$option(\\[|=)" "$name.zsh"
    done <options
    expect_fail "$name for another shell" 'unknown option --completion' "$program" --completion tcsh
done
matches "the zsh script says whose it is" '^#compdef bnn-train$' bnn-train.zsh

if ! command -v bash >/dev/null; then
    echo "SKIPPED: no bash"
    done_testing
fi
# What bash makes of these words, the last being completed.
completed() { # WORD...
    # shellcheck disable=SC2016 # for bash
    bash -c '. ./$1.bash
        complete -p "$1" >/dev/null || echo "no completion"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _${1//-/_}
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" 2>&1 | LC_ALL=C sort | paste -s -d ' ' -
}
mkdir -p place/inner
: >place/model.bnn
equal "an option" "$(completed bnn-train --batch)" --batch-size
equal "a choice" "$(completed bnn-train --algo re)" "reactnet recu"
equal "behind =" "$(completed bnn-train --algo = rea)" reactnet
equal "all choices, behind =" "$(completed bnn-sweep run x --backend =)" "local make slurm"
equal "a number" "$(completed bnn-train --epochs '')" ""
equal "a flag, then an option" "$(completed bnn-train --overwrite --batch-s)" --batch-size
equal "a folder" "$(completed bnn-train --output place/)" place/inner
equal "a file" "$(completed bnn-eval place/)" "place/inner place/model.bnn"
equal "a command" "$(completed bnn-sweep st)" status
equal "a file behind a command" "$(completed bnn-report inference place/m)" place/model.bnn
equal "a data set" "$(completed bnn-data fetch cifar)" "cifar10 cifar10_c"
equal "a letter's number" "$(completed bnn-sweep run x -j '')" ""
# The commands are those that a program names when it is given another.
for name in bnn-sweep bnn-report bnn-bench bnn-data; do
    "$bin/$name" zzzzzz x 2>&1 |
        sed -n 's/.*choices: \([a-z, ]*\).*/\1/p; s/.*must be \([a-z, ]*\)$/\1/p' |
        sed 's/,/ /g; s/ or / /' | tr -s ' ' '\n' | LC_ALL=C sort | paste -s -d ' ' - >choices
    equal "commands of $name" "$(completed $name '')" "$(cat choices)"
done
if command -v zsh >/dev/null; then
    for script in *.zsh; do
        check "zsh reads $script" zsh -n "$script"
    done
else
    echo "SKIPPED: no zsh"
fi
done_testing

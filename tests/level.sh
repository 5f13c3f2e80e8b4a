#!/bin/sh
# level.sh LEVEL FLAG COMMAND...: the command with an instruction set (BNN_ISA), skipped where the
# processor does not have it. FLAG is what Linux calls the least of what it needs; - : all have it.
set -eu
level=$1 flag=$2
shift 2
if [ "$flag" != - ] && ! grep -qw "$flag" /proc/cpuinfo; then
    echo "SKIPPED: this processor has no $flag for $level"
    exit 77
fi
BNN_ISA=$level exec "$@"

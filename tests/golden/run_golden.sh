#!/bin/sh
# run_golden.sh RUNNER DIR --detectors|--others: skipped (77) where the reference numbers are not there.
if [ ! -d "$2" ]; then
    echo "SKIPPED: no reference numbers in $2 (set BNN_GOLDEN)"
    exit 77
fi
exec "$1" "$3" "$2"

#!/bin/sh
# check_format: every C file is as clang-format 14 writes it. Other versions write some lines in
# other ways, so without this one the test is skipped (77).
set -eu
cd "$(dirname "$0")/../.."
format=
for name in clang-format-14 clang-format; do
    if command -v $name >/dev/null && $name --version | grep -q 'version 14\.'; then
        format=$name
        break
    fi
done
if [ -z "$format" ]; then
    echo "SKIPPED: no clang-format 14"
    exit 77
fi
rooms="engine cpu layers optim data_loaders models tools tests"
[ ! -d cuda ] || rooms="$rooms cuda" # git keeps no empty folder
# shellcheck disable=SC2086 # a list
find $rooms -type f \
    \( -name '*.[ch]' -o -name '*.inc' \) -exec "$format" --dry-run -Werror {} +

#!/bin/sh
# check_format: every file of C and CUDA is as clang-format 14 writes it. Other versions write some lines in
# other ways, so without this one the test is skipped (77).
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/rules/clang_14.sh
. tests/rules/clang_14.sh
clang_14 format
rooms="engine cpu layers optim data_loaders models tools tests"
[ ! -d cuda ] || rooms="$rooms cuda" # git keeps no empty folder
# shellcheck disable=SC2086 # a list
find $rooms -type f \
    \( -name '*.[ch]' -o -name '*.inc' -o -name '*.cu' -o -name '*.cuh' \) -exec "$tool" --dry-run -Werror {} +

#!/bin/sh
# check_format: every C file is as clang-format 14 writes it. Other versions write some lines in
# other ways, so without this one the test is skipped (77).
set -eu
cd "$(dirname "$0")/.."
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
find engine cpu cuda layers optim data_loaders models tools tests -type f \
    \( -name '*.[ch]' -o -name '*.inc' \) -exec "$format" --dry-run -Werror {} +

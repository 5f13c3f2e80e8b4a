#!/bin/sh
# with_glue.sh ARCHIVE COMMAND...: runs the command with real text. BNN_GLUE names a folder in which
# glue_data and bert-base-uncased lie; where it is not set, the archive of that folder is unpacked,
# if it is there, for as long as the command runs. BNN_VOCAB is the vocabulary in it.
set -eu
archive=$1
shift
if [ -z "${BNN_GLUE:-}" ] && [ -f "$archive" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    tar -xJf "$archive" -C "$folder"
    export BNN_GLUE="$folder/glue"
fi
[ -z "${BNN_GLUE:-}" ] || export BNN_VOCAB="${BNN_VOCAB:-$BNN_GLUE/bert-base-uncased/vocab.txt}"
status=0
"$@" || status=$?
exit $status

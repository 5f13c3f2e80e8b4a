#!/bin/sh
# coverage.sh: which lines of the parsers the corpora reach, counted in the build of run.sh. Prints
# each parser's share and those of its functions that are not reached whole; fails below 90 %.
# In the browser: llvm-cov-14 show -format=html -instr-profile=build-fuzz/counts/all.profdata TARGET
set -eu
cd "$(dirname "$0")/../.."
tests/fuzz/build.sh
least=90
counts=build-fuzz/counts
rm -rf "$counts"
mkdir -p "$counts"

# A file, and which of its functions are the parser: a regular expression; with !, all but those.
# What writes, or only opens a file, is other tests' business.
cat >"$counts/parsers" <<'EOF'
engine/io/safetensors.c !bnn_st_dtype_name
engine/io/pickle.c !
engine/io/pickle_values.c !
engine/io/torch_file.c !
engine/io/torch_state.c !
engine/io/torch_tensors.c !
engine/io/zip.c !
engine/io/npy.c !bnn_npy_open
data_loaders/idx.c bnn_idx_.*|parse_reader|reader_.*|read_.*|inflate_some|chunk_of|fail_short|check_labels
data_loaders/cifar10.c bnn_cifar10_parse|bnn_cifar10_image
data_loaders/cifar10c.c check_array|copy_labels|read_integer|open_array|open_labels
data_loaders/audio/wav.c !bnn_sound_free
data_loaders/audio/decode.c !memory_seek|memory_tell
data_loaders/audio/resample.c !
data_loaders/image/decode.c !
data_loaders/image/jpeg.c !
data_loaders/boxes/voc_xml.c !
data_loaders/boxes/coco_json.c !
data_loaders/corruption/frost.c bnn_frost_load|load_photograph|decode_png|shrink
data_loaders/corruption/jpeg.c !bnn_jpeg_round_trip|encode
data_loaders/clouds/scan.c !
data_loaders/clouds/off.c !
data_loaders/clouds/points.c !
data_loaders/clouds/hdf5.c !
data_loaders/clouds/files.c bnn_names_parse|bnn_shape_list_parse|is_name|shape_of|take_shapes
data_loaders/text/vocab.c !
data_loaders/text/tsv.c !
data_loaders/text/wordpiece.c !bnn_wordpiece_usable
models/files/packed.c !bnn_packed_bits_to_bytes|bnn_packed_type_of
models/files/packed_node.c !
models/files/packed_slices.c !
models/files/packed_read.c !
models/files/checkpoint.c !bnn_checkpoint_save|bnn_spec_meta|bnn_meta_add|add_.*
models/files/weights.c !
models/export/described.c !
models/files/loaded.c !bnn_loaded_open|bnn_loaded_open_as
tools/cli/options.c !bnn_options_have_config|bnn_options_given|bnn_options_note.*|is_among
tools/cli/options_json.c !bnn_options_load
tools/cli/options_nearest.c !
tools/run/results.c bnn_results_parse|damaged|text|count|part|percent|samples|read_.*|bnn_results_row
tools/run/run_record.c !bnn_.*_read|map_file|bnn_metrics_column|no_memory
tools/run/run_folder.c copy_.*|parse_.*|read_line
tools/train/train_state.c !
tools/cli/utf8.c !
tools/fetch/table_file.c !bnn_sources_read
tools/fetch/sums.c !
tools/fetch/path.c bnn_safe_path|bnn_path_inside
EOF

binaries=
for target in build-fuzz/tests/fuzz_*; do
    name=${target##*/fuzz_}
    LLVM_PROFILE_FILE=$counts/$name.profraw "$target" -runs=0 "tests/fuzz/corpus/$name" \
        >"$counts/$name.log" 2>&1 || {
        cat "$counts/$name.log"
        exit 1
    }
    binaries="$binaries ${binaries:+-object }$target"
done
llvm-profdata-14 merge -o "$counts/all.profdata" "$counts"/*.profraw

status=0
while read -r file functions; do
    # shellcheck disable=SC2086 # a list
    llvm-cov-14 report -show-functions $binaries -instr-profile="$counts/all.profdata" \
        "$PWD/$file" >"$counts/report"
    awk -v file="$file" -v functions="$functions" -v least=$least '
        BEGIN { but = sub(/^!/, "", functions) }
        NF < 7 || /^-|^Name|^TOTAL|^File/ { next }
        {
            name = $1
            sub(/.*:/, "", name)
            if ((name ~ "^(" functions ")$") == but) next
            lines += $5
            missed += $6
            if ($6 > 0) parts = parts sprintf("    %-30s %3d of %3d\n", name, $5 - $6, $5)
        }
        END {
            share = lines ? 100 * (lines - missed) / lines : 0
            printf "%-34s %5.1f %% of %d lines%s\n%s", file, share, lines,
                share < least ? " TOO FEW" : "", parts
            exit share < least
        }' "$counts/report" || status=1
done <"$counts/parsers"
exit $status

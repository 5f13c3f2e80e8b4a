/* Fuzz target: an exported model of any format in memory, for what it says of itself. */
#include "models/export/described.h"
#include "models/files/checkpoint.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file;
    bnn_spec spec;
    if (bnn_accepted(bnn_described_parse("input", data, size, &file, &err), &err)) {
        bnn_insist(bnn_st_count(file) == 0 && bnn_st_metadata(file, "arch"));
        bnn_accepted(bnn_spec_read("input", file, NULL, &spec, &err), &err);
    } else {
        bnn_insist(!file);
    }
    bnn_st_close(file);
    return 0;
}

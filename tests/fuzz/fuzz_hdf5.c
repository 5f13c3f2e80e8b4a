/* Fuzz target: an HDF5 file in memory. What the parser accepts has finite points and known labels.
 */
#include <math.h>

#include "data_loaders/clouds/clouds.h"
#include "tests/fuzz/fuzz.h"

#define CLASSES 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_cloud_block block;
    bnn_code code = bnn_hdf5_parse("input", data, size, CLASSES, &block, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(!block.data && !block.label);
        return 0;
    }
    for (size_t i = 0; i < 3 * block.clouds * block.points; i++) {
        bnn_insist(isfinite(block.data[i]));
    }
    for (size_t i = 0; i < block.clouds; i++) {
        bnn_insist(block.label[i] < CLASSES);
    }
    bnn_cloud_block_free(&block);
    return 0;
}

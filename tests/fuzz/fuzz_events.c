/* Event files on arbitrary bytes: what is kept is within the file, and is kept again. The checksums
 * of the input's records are set right, or hardly one would be read. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/run/events.h"

static void put_checksum(uint8_t *at, const uint8_t *bytes, size_t size) {
    const uint32_t crc = bnn_masked_crc32c(bytes, size);
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(crc >> 8 * i);
    }
}

static void repair(uint8_t *bytes, size_t size) {
    for (size_t at = 0; size - at >= 16;) {
        const size_t length = bytes[at]; /* short records only */
        memset(bytes + at + 1, 0, 7);
        put_checksum(bytes + at + 8, bytes + at, 8);
        if (length > size - at - 16) {
            return;
        }
        put_checksum(bytes + at + 12 + length, bytes + at + 12, length);
        at += length + 16;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    uint8_t *bytes = malloc(size + 1);
    bnn_insist(bytes != NULL);
    if (size) { /* an empty input has no address */
        memcpy(bytes, input, size);
    }
    for (int repaired = 0; repaired < 2; repaired++) {
        const size_t kept = bnn_events_kept(bytes, size, 5, 2);
        bnn_insist(kept <= size);
        bnn_insist(bnn_events_kept(bytes, kept, 5, 2) == kept);
        bnn_insist(bnn_events_kept(bytes, size, 4, 1) <= kept);
        if (size) {
            repair(bytes, size);
        }
    }
    free(bytes);
    return 0;
}

#include "data_loaders/image/png.h"

#include <string.h>
#include <zlib.h>

#include "data_loaders/internal.h"

/* What fuzzers change would not get any further; so they see nothing of damage, which other tests
 * do.
 */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { FUZZED = 1 };
#else
enum { FUZZED = 0 };
#endif

enum { SIGNATURE = 8, AROUND = 12 }; /* bytes: length, type and checksum of a chunk */
enum { NEEDLESS = 0x20 };            /* of a type's first letter: no pixel depends on it */

bnn_png_state bnn_png_check(const unsigned char *bytes, size_t size) {
    bnn_png_state state = BNN_PNG_WHOLE;
    if (size < SIGNATURE || memcmp(bytes, "\x89PNG\r\n\x1a\n", SIGNATURE) != 0) {
        return BNN_PNG_NONE;
    }
    for (size_t at = SIGNATURE; size - at >= AROUND;) {
        const unsigned char *type = bytes + at + 4;
        const size_t length = bnn_big_endian(bytes + at);
        if (length > size - at - AROUND) {
            break;
        }
        if (!FUZZED && crc32_z(0, type, 4 + length) != bnn_big_endian(type + 4 + length)) {
            if (!(type[0] & NEEDLESS)) {
                return BNN_PNG_DAMAGED;
            }
            state = BNN_PNG_BESIDE;
        }
        if (memcmp(type, "IEND", 4) == 0) {
            return state;
        }
        at += length + AROUND;
    }
    return state == BNN_PNG_WHOLE ? BNN_PNG_CUT : state;
}

/* Fuzz target: the lists that say which shapes there are, lines of names and JSON. What they name
 * must not lead out of the data set's folder. */
#include <string.h>

#include "data_loaders/clouds/clouds.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const char *name, size_t length) {
    bnn_insist(length > 0 && name[0] != '.');
    for (size_t i = 0; i < length; i++) {
        bnn_insist(name[i] > ' ' && name[i] <= '~' && name[i] != '/');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int json = 0; json < 2; json++) {
        bnn_arena *arena = bnn_arena_create();
        bnn_error err = {0};
        const char *const *name = NULL;
        size_t count = 0;
        bnn_insist(arena != NULL);
        bnn_code code = json ? bnn_shape_list_parse("input", data, size, arena, &name, &count, &err)
                             : bnn_names_parse("input", data, size, arena, &name, &count, &err);
        if (bnn_accepted(code, &err)) {
            bnn_insist(count > 0);
            for (size_t i = 0; i < count; i++) {
                const char *slash = json ? strchr(name[i], '/') : name[i] - 1;
                bnn_insist(slash != NULL);
                check_name(slash + 1, strlen(slash + 1));
                if (json) {
                    check_name(name[i], (size_t)(slash - name[i]));
                }
            }
        }
        bnn_arena_free(arena);
    }
    return 0;
}

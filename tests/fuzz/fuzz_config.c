/* The configuration parser on arbitrary bytes. Whatever they are, a refusal is one line, and what
 * is accepted can be recorded and read back to the very same record. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/options_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bnn_error err = {.code = BNN_OK};
    set_defaults();
    if (bnn_accepted(bnn_options_from_json(&program, "fuzz.json", (const char *)bytes, size, &err),
                     &err)) {
        char *first = bnn_options_to_json(&program, 1);
        bnn_insist(first && !out);
        set_defaults();
        bnn_insist(!bnn_options_from_json(&program, "fuzz.json", first, strlen(first), &err));
        char *second = bnn_options_to_json(&program, 1);
        bnn_insist(second && !strcmp(first, second));
        free(first);
        free(second);
    }
    bnn_options_forget_strings();
    return 0;
}

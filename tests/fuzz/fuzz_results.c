/* Results files of bnn-eval on arbitrary bytes. A refusal is one line; what is accepted is written
 * and read again, to the very same file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tests/fuzz/fuzz.h"
#include "tools/run/results.h"

/* The file in memory; free it. */
static char *written(const bnn_results *results) {
    bnn_error err = {0};
    char path[96];
    snprintf(path, sizeof path, "%s/results.json", bnn_scratch_folder());
    bnn_insist(bnn_results_write(path, results, &err) == BNN_OK);
    json_t *root = json_load_file(path, 0, NULL);
    char *text = json_dumps(root, JSON_REAL_PRECISION(9));
    bnn_insist(text != NULL);
    json_decref(root);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bnn_error err = {0};
    bnn_results first, second;
    if (bnn_accepted(bnn_results_parse("fuzz.json", (const char *)bytes, size, &first, &err),
                     &err)) {
        char *text = written(&first);
        bnn_insist(bnn_results_parse("again.json", text, strlen(text), &second, &err) == BNN_OK);
        char *again = written(&second);
        bnn_insist(strcmp(text, again) == 0);
        bnn_insist(bnn_results_continue(&second, &first, "fuzz", &err) == BNN_OK);
        free(text);
        free(again);
        bnn_results_free(&second);
    }
    bnn_results_free(&first);
    return 0;
}

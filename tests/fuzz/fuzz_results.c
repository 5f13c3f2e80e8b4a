/* Results files of bnn-eval on arbitrary bytes. A refusal is one line; what is accepted is written
 * and read again, to the very same file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "tests/fuzz/fuzz.h"
#include "tools/results.h"

static const char *const seeds[] = {
    "{\"format\":\"bnn-results-1\",\"model\":\"m\",\"checksum\":\"01234567\",\"arch\":\"resnet20\","
    "\"algo\":\"bnn\",\"packed\":false,\"data\":\"cifar10\",\"isa\":\"cpu avx2\",\"images\":8,"
    "\"top1\":50.0,\"top5\":75.0,\"loss\":1.5,\"classes\":[{\"class\":\"cat\",\"images\":8,"
    "\"top1\":50.0}],\"corruptions\":{\"clean\":50.0,\"mean\":25.0,\"gap\":25.0,\"severities\":"
    "[1,5],\"rows\":[{\"corruption\":\"fog\",\"source\":\"seed 0\",\"images\":8,\"top1\":[25.0,"
    "null,null,null,null],\"mean\":null,\"gap\":null}]}}",
    "{\"format\":\"bnn-results-1\",\"model\":\"m\",\"checksum\":\"\",\"arch\":\"\",\"algo\":\"\","
    "\"packed\":true,\"data\":\"\",\"isa\":\"\",\"images\":3,\"top1\":33.3333333,\"top5\":100,"
    "\"loss\":0,\"classes\":[{\"class\":\"\\u00e9\",\"images\":0,\"top1\":0}]}",
    "{\"format\":\"bnn-results-2\"}",
};

static void insist(int condition) {
    if (!condition) {
        abort();
    }
}

/* The file in memory; free it. */
static char *written(const bnn_results *results) {
    char path[] = "/tmp/fuzz_results.XXXXXX";
    bnn_error err = {0};
    int fd = mkstemp(path);
    insist(fd >= 0);
    close(fd);
    insist(bnn_results_write(path, results, &err) == BNN_OK);
    json_t *root = json_load_file(path, 0, NULL);
    char *text = json_dumps(root, JSON_REAL_PRECISION(9));
    insist(text != NULL);
    json_decref(root);
    unlink(path);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bnn_error err = {0};
    bnn_results first, second;
    if (bnn_results_parse("fuzz.json", (const char *)bytes, size, &first, &err) != BNN_OK) {
        insist(err.code && err.text[0] && !strpbrk(err.text, "\n\r\033"));
    } else {
        char *text = written(&first);
        insist(bnn_results_parse("again.json", text, strlen(text), &second, &err) == BNN_OK);
        char *again = written(&second);
        insist(strcmp(text, again) == 0);
        insist(bnn_results_continue(&second, &first, "fuzz", &err) == BNN_OK);
        free(text);
        free(again);
        bnn_results_free(&second);
    }
    bnn_results_free(&first);
    return 0;
}

size_t bnn_fuzz_seed(int index, uint8_t *bytes, size_t max) {
    if (index < 0 || (size_t)index >= sizeof seeds / sizeof seeds[0] ||
        strlen(seeds[index]) > max) {
        return 0;
    }
    memcpy(bytes, seeds[index], strlen(seeds[index]));
    return strlen(seeds[index]);
}

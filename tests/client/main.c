/* A program of somebody else's: what the installed library needs to be of use. */
#include <bnn.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    char error[BNN_ERROR_BYTES] = "usage: client MODEL";
    setlocale(LC_ALL, ""); /* as desktop programs do; no concern of the library's */
    bnn_model *model = argc == 2 ? bnn_model_load(argv[1], error) : NULL;
    if (!model) {
        fprintf(stderr, "client: %s\n", error);
        return 1;
    }
    bnn_model_info info;
    bnn_model_describe(model, &info);
    size_t bytes = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    size_t classes = (size_t)info.classes, best = 0;
    uint8_t *pixels = malloc(bytes);
    float *logits = calloc(classes, sizeof *logits);
    int failed = !pixels || !logits;
    if (!failed) {
        memset(pixels, 200, bytes);
        failed = bnn_model_run_pixels(model, 1, pixels, logits, error);
        for (size_t i = 1; i < classes; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        printf("%s %s %dx%dx%d: class %zu of %zu, %a\n", info.architecture, info.algorithm,
               info.height, info.width, info.channels, best, classes, (double)logits[best]);
    }
    free(logits);
    free(pixels);
    bnn_model_free(model);
    return failed != 0;
}

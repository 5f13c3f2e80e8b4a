/* libbnn: run binary neural networks trained with bnn-train, from a checkpoint or a packed file.
 *
 *   char error[BNN_ERROR_BYTES];
 *   bnn_model *model = bnn_model_load("model.bnn", error);
 *   if (!model) { puts(error); return 1; }
 *   bnn_model_run_pixels(model, 1, pixels, logits, error);
 *   bnn_model_free(model);
 *
 * A model is used by one thread at a time; inside it works with as many as bnn_model_set_threads
 * says (all processors at first). Functions that can fail return 0 for success, or NULL or nonzero
 * and one line of text in error[BNN_ERROR_BYTES] (which may be NULL). The library never prints or
 * exits. */
#ifndef BNN_H
#define BNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNN_ERROR_BYTES 512

typedef struct bnn_model bnn_model;

/* What a model is. Texts live as long as the model. */
typedef struct bnn_model_info {
    const char *architecture, *algorithm, *dataset;
    int height, width, channels, classes;
    int packed;            /* 1-bit weights and thresholds; 0: a checkpoint, folded when loaded */
    size_t binary_weights; /* weights that are one bit */
    size_t file_bytes;
    const char *instruction_set; /* "cpu avx2" */
} bnn_model_info;

/* Names that bnn-train knows: index 0, 1, ... until NULL. */
const char *bnn_algorithm_name(size_t index);
const char *bnn_architecture_name(size_t index);

/* Reads and checks a checkpoint or a packed file. NULL on failure. */
bnn_model *bnn_model_load(const char *path, char *error);
void bnn_model_free(bnn_model *model); /* NULL is fine */
void bnn_model_describe(const bnn_model *model, bnn_model_info *info);

/* logits[n][classes] for n images of float [height][width][channels], normalized as in training. */
int bnn_model_run(bnn_model *model, size_t n, const float *images, float *logits, char *error);
/* The same for bytes 0..255, interleaved (RGBRGB...), which it normalizes itself. */
int bnn_model_run_pixels(bnn_model *model, size_t n, const uint8_t *pixels, float *logits,
                         char *error);

/* Threads of all models from now on; n < 1: all processors. Returns the number in force: a loaded
 * model has room for as many as there were when it was loaded, so while one is loaded the number
 * can only be lowered. */
int bnn_model_set_threads(int n);

#ifdef __cplusplus
}
#endif

#endif

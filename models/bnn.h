/* libbnn: run binary neural networks trained with bnn-train, from a checkpoint or a packed file.
 *
 *   char error[BNN_ERROR_BYTES];
 *   bnn_model *model = bnn_model_load("model.bnn", error);
 *   if (!model) { puts(error); return 1; }
 *   bnn_model_run_pixels(model, 1, pixels, logits, error);
 *   bnn_model_free(model);
 *
 * What is promised to the process it runs in:
 * - Any number of models may be loaded, run and freed in any number of threads at once. One model
 *   is used by one thread at a time, whichever; a second one that comes meanwhile gets an error.
 * - A model works with at most as many threads (of OpenMP) as bnn_model_set_threads said when it
 *   was loaded, whoever calls it; with fewer where the application has forbidden OpenMP more
 *   (omp_set_dynamic, nested regions), or the system did when it was loaded. Results are the same,
 *   bit for bit, for any number of threads, and in any floating-point environment.
 * - What becomes of a file once its model is loaded does not matter.
 * - In a child of fork() models work, those of the parent too, on one thread if the parent had
 *   several. A model that another thread was using at the moment of the fork gives an error.
 * - Neither results nor messages depend on the locale. Nothing is printed; the process is never
 *   ended; no signal, locale or environment variable is changed. Out of memory is an error. (But
 *   OpenMP itself ends the process if, after loading, it cannot start the threads it then could, or
 *   gets no memory for them; a model of one thread needs none.)
 *
 * Functions that can fail return 0 for success, or NULL or nonzero and one line of text in
 * error[BNN_ERROR_BYTES] (which may be NULL). */
#ifndef BNN_H
#define BNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default) /* the only names that a shared object shows */
#endif

#define BNN_ERROR_BYTES 512

/* Of this header. A program checks that the library it meets at run time is not older:
 * bnn_version() >= BNN_API_VERSION. */
#define BNN_API_VERSION 3

typedef struct bnn_model bnn_model;

/* What a model is. Texts live as long as the model. */
typedef struct bnn_model_info {
    const char *architecture, *algorithm, *dataset;
    int height, width, channels; /* of one input; a cloud is 1 high and has as many points as wide,
                                    a text tokens */
    int classes;
    int packed;            /* 1-bit weights and thresholds; 0: a checkpoint, folded when loaded */
    size_t binary_weights; /* weights that are one bit */
    size_t file_bytes;
    const char *instruction_set; /* "cpu avx2" */
    int threads;                 /* that it works with, at most */
    const char *task;            /* what it was trained for: "classify" */
    const char *input;           /* what it sees: "image", "points", "mel", "ids" */
    size_t outputs;              /* floats it gives for one sample: classes, or classes a point, or
                                    6 a box of a detector */
    const char *vocabulary; /* of a text's tokens, one a line, the first is number 0; else "" */
} bnn_model_info;

int bnn_version(void);

/* Names that bnn-train knows: index 0, 1, ... until NULL. */
const char *bnn_algorithm_name(size_t index);
const char *bnn_architecture_name(size_t index);

/* Reads and checks a checkpoint or a packed file. NULL on failure. A model that is NULL is an error
 * in what runs it, and is described by zeros. */
bnn_model *bnn_model_load(const char *path, char *error);
void bnn_model_free(bnn_model *model); /* NULL is fine */
void bnn_model_describe_sized(const bnn_model *model, bnn_model_info *info, size_t bytes);
/* A program that was built with an older bnn.h, whose struct ends earlier, gets what it knows; what
 * it knows and this library does not is 0. */
static inline void bnn_model_describe(const bnn_model *model, bnn_model_info *info) {
    bnn_model_describe_sized(model, info, sizeof *info);
}
/* A class's name ends at a newline or the text's end; "" where none is known. */
const char *bnn_model_class_name(const bnn_model *model, int class_index);

/* output[n][outputs], logits, for n samples of float [height][width][channels], prepared as in
 * training. A value that is not finite is an error, which names its sample (the first is 0), and
 * nothing is computed then: a bit made of it would look like any other. Where n is 0, the arrays
 * may be NULL. A detector's output are outputs / 6 boxes, the surest first: x1, y1, x2, y2 in
 * pixels of the input, the score 0..1, and the class, -1 of those that fill up the end. */
int bnn_model_run(bnn_model *model, size_t n, const float *input, float *output, char *error);
/* The same for images of bytes 0..255, interleaved (RGBRGB...), which it normalizes itself. */
int bnn_model_run_pixels(bnn_model *model, size_t n, const uint8_t *pixels, float *output,
                         char *error);

/* The same for texts of `width` tokens, what is shorter filled up: int32 [n][width] each of their
 * numbers in the vocabulary, of the sentence they belong to (0, of a pair's second 1), and of
 * whether they are a token (1) or fill up (0). A number that is none of these is an error, which
 * names its sample. WordPiece is not the library's: bnn-predict knows it. */
int bnn_model_run_tokens(bnn_model *model, size_t n, const int32_t *ids, const int32_t *segment,
                         const int32_t *mask, float *output, char *error);

/* Threads of the models that are loaded from now on, in any thread; those that are loaded keep
 * theirs. n < 1, as at first: all processors that this process may use (OMP_NUM_THREADS,
 * OMP_THREAD_LIMIT, a container's CPU quota and what the loading thread has set for OpenMP count).
 * Returns the number in force. */
int bnn_model_set_threads(int n);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif

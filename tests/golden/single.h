/* One layer or op between the tensors of a file: built by a callback, run forward and, for the
 * given upstream gradient, backward, and compared. */
#ifndef BNN_TESTS_GOLDEN_SINGLE_H
#define BNN_TESTS_GOLDEN_SINGLE_H

#include "layers/binarizers/binarizer.h"
#include "tests/golden/golden.h"

/* The layer whose parameters are the file's param.<name>. */
#define GOLDEN_LAYER "layer"

/* How a file's tensor lies: [N,C,...], or rows [N,...,C] as in memory. */
typedef enum golden_order { GOLDEN_CHANNELS_FIRST, GOLDEN_ROWS } golden_order;

enum { GOLDEN_MOST_INPUTS = 4 };

typedef struct golden_single {
    const char *path;
    const bnn_st_file *file;
    bnn_build build;
    bnn_params *params;
    golden_order y_order;
    struct {
        const char *name;
        bnn_t t;
        bnn_param order; /* only to permute */
        int fixed;       /* no gradient is wanted */
        void *memory;
    } in[GOLDEN_MOST_INPUTS];
    int in_count;
    int folding; /* for inference: no gradients */
    int failed;
} golden_single;

/* The result, from golden_single_input and parameters of GOLDEN_LAYER. */
typedef bnn_t golden_builder(golden_single *c);

bnn_t golden_single_input(golden_single *c, const char *name, golden_order order);
/* One without a gradient: floats in rows, or integers of one channel. */
bnn_t golden_single_fixed(golden_single *c, const char *name);
/* One that is the test's own: `values` integers or floats, which are copied. */
bnn_t golden_single_given(golden_single *c, const char *name, bnn_dtype dtype, size_t count,
                          const void *values);
golden_result golden_run_single(const char *path, const bnn_st_file *file, const bnn_device *device,
                                golden_builder *build, golden_order y_order);

#endif

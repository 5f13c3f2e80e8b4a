/* Prefetching loader: threads prepare the next batches while the current one is computed on. What
 * a batch holds depends on (seed, epoch, step) alone, never on the number of threads. */
#ifndef BNN_DATA_LOADERS_LOADER_H
#define BNN_DATA_LOADERS_LOADER_H

#include "data_loaders/dataset.h"
#include "engine/base/status.h"
#include "engine/comm.h"

typedef struct bnn_loader bnn_loader;

typedef struct bnn_loader_options {
    size_t batch_size;
    int shuffle; /* a new permutation each epoch */
    int augment;
    /* Where samples differ in length, or photographs in size: a batch is cut where its longest
     * sample, or its highest and its widest, end, to multiples of bnn_length_step or BNN_FRAME_STEP
     * (lengths.h). */
    int cut;
    int group_by_length; /* likewise, with `shuffle`: samples of a batch are of like length */
    uint64_t seed;
    int threads;  /* >= 1 */
    int prefetch; /* batches ahead, >= 1 */
    /* Of each batch this part of so many alone is loaded (engine/comm.h); where it is empty, one of
     * the batch's samples, which is not the loader's own. 0: all of it. */
    int part, parts;
} bnn_loader_options;

/* The dataset must outlive the loader. */
bnn_code bnn_loader_create(const bnn_dataset *dataset, const bnn_loader_options *options,
                           bnn_loader **out, bnn_error *err);
void bnn_loader_free(bnn_loader *loader);          /* NULL is fine; joins the threads */
size_t bnn_loader_steps(const bnn_loader *loader); /* batches an epoch */
/* How many samples of the batch `step` are the loader's own, from *first on; *whole: of all parts.
 */
size_t bnn_loader_share(const bnn_loader *loader, size_t step, size_t *first, size_t *whole);
/* Begins `epoch` at batch `first_step`; drops what was prefetched of another epoch. */
bnn_code bnn_loader_start(bnn_loader *loader, uint32_t epoch, size_t first_step, bnn_error *err);
/* The next batch, valid until the next call; batch->n is 0 at the epoch's end. A sample that failed
 * is an error, which names it; the epoch cannot go on. */
bnn_code bnn_loader_next(bnn_loader *loader, bnn_batch *batch, bnn_error *err);

#endif

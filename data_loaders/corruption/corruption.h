/* The common corruptions of Hendrycks and Dietterich ("Benchmarking Neural Network Robustness to
 * Common Corruptions and Perturbations", ICLR 2019), made here, so that robustness can be measured
 * without the 3 GB of CIFAR-10-C and on data sets it has no files for. A corrupted image is a
 * function of (seed, corruption, severity, index of the image) alone. */
#ifndef BNN_DATA_LOADERS_CORRUPTION_CORRUPTION_H
#define BNN_DATA_LOADERS_CORRUPTION_CORRUPTION_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"
#include "engine/base/status.h"

#define BNN_CORRUPTION_KINDS 19
/* How many of them, from the first, are the benchmark; the others are the extra four. */
#define BNN_CORRUPTION_MAIN 15

/* In the official order (gaussian_noise first), NULL-terminated; a kind is an index into them. */
extern const char *const bnn_corruption_names[BNN_CORRUPTION_KINDS + 1];
int bnn_corruption_find(const char *name); /* -1 if there is none of that name */

typedef struct bnn_corruptor bnn_corruptor;

/* For colour images of this size: 32x32, as CIFAR-10-C has them, or 224x224, as ImageNet-C.
 * frost_dir holds the frost photographs frost1.png, frost2.png, frost3.png, frost4.jpg and
 * frost5.jpg; NULL: textures are computed instead. */
bnn_code bnn_corruptor_create(int height, int width, uint64_t seed, const char *frost_dir,
                              bnn_corruptor **out, bnn_error *err);
void bnn_corruptor_free(bnn_corruptor *corruptor); /* NULL is fine */

/* Whether this is a photograph that was read. */
int bnn_corruptor_reads(const bnn_corruptor *corruptor, dev_t device, ino_t inode);

/* What identifies the textures of frost. */
uint32_t bnn_corruptor_checksum(const bnn_corruptor *corruptor);

/* in, out: [height,width,3] of red, green, blue; not the same memory. May be called from several
 * threads at once. */
bnn_code bnn_corrupt(const bnn_corruptor *corruptor, int kind, int severity, size_t index,
                     const uint8_t *in, uint8_t *out, bnn_error *err);

/* A view of `clean` through one corruption, which is computed as samples are asked for; both must
 * outlive it. The data set must give its pixels. */
bnn_code bnn_corrupted_open(const bnn_corruptor *corruptor, const bnn_dataset *clean, int kind,
                            int severity, bnn_dataset **out, bnn_error *err);

#endif

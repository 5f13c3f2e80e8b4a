#include "tools/train/recipes.h"

#include <stddef.h>
#include <string.h>

#include "models/model.h"

/* BiBench's and BiBERT's (Qin et al., ICLR 2022); of a float network, which begins with pretrained
 * weights, that of Devlin et al. (BERT, NAACL 2019), A.3. */
#define TEXT(name, times, batch, rate)                                                             \
    {                                                                                              \
        .data = name, .networks = BNN_RECIPE_BINARY, .epochs = times, .batch_size = batch,         \
        .optimizer = "bert_adam", .lr = rate, .momentum = 0.9, .weight_decay = 0.01,               \
        .scheduler = "warmup-linear", .dropout = 0.1                                               \
    }

/* Of CIFAR-10, BiBench's main recipe of binary networks; the other is asked for by --optimizer sgd.
 * Fashion-MNIST and MNIST BiBench does not train on: the same, shorter, since both are learned
 * sooner. */
static const bnn_recipe recipes[] = {
    {.data = "glue_*",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 3,
     .batch_size = 32,
     .optimizer = "bert_adam",
     .lr = 5e-5,
     .momentum = 0.9,
     .weight_decay = 0.01,
     .scheduler = "warmup-linear",
     .dropout = 0.1},
    {.data = "cifar10",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 200,
     .batch_size = 128,
     .optimizer = "sgd",
     .lr = 0.1,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .scheduler = "cosine"},
    {.data = "cifar10",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 400,
     .batch_size = 128,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine"},
    {.data = "imagenet",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 100,
     .batch_size = 256,
     .optimizer = "sgd",
     .lr = 0.1,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .scheduler = "cosine"},
    {.data = "imagenet",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 100,
     .batch_size = 256,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine"},
    /* BiBench's: 5 epochs, of a set that it repeats five times. */
    {.data = "voc",
     .arch = "faster_rcnn_resnet18",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 25,
     .batch_size = 2,
     .optimizer = "sgd",
     .lr = 0.01,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .scheduler = "step",
     .milestones = "20"},
    {.data = "voc",
     .arch = "faster_rcnn_resnet18",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 25,
     .batch_size = 2,
     .optimizer = "adam",
     .lr = 1e-4,
     .momentum = 0.9,
     .scheduler = "cosine"},
    /* Of SSD: 24, of a set that is repeated ten times. Its float one has neither momentum nor
     * weight decay. */
    {.data = "voc",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 240,
     .batch_size = 8,
     .optimizer = "sgd",
     .lr = 1e-3,
     .scheduler = "cosine"},
    {.data = "voc",
     .algo = "fda",
     .epochs = 240,
     .batch_size = 8,
     .optimizer = "adam",
     .lr = 1e-4,
     .momentum = 0.9,
     .scheduler = "cosine"},
    {.data = "voc",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 240,
     .batch_size = 32,
     .optimizer = "adam",
     .lr = 1e-4,
     .momentum = 0.9,
     .scheduler = "cosine"},
    /* Its warm-up of 500 steps is here one of an epoch. */
    {.data = "coco",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 24,
     .batch_size = 8,
     .optimizer = "sgd",
     .lr = 0.02,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .scheduler = "step",
     .milestones = "16,22",
     .warmup_epochs = 1},
    {.data = "coco",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 12,
     .batch_size = 8,
     .optimizer = "adam",
     .lr = 1e-4,
     .momentum = 0.9,
     .scheduler = "cosine"},
    {.data = "modelnet40",
     .epochs = 200,
     .batch_size = 256,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine"},
    /* BiPointNet's (Qin et al., ICLR 2021): BiBench has none that runs. */
    {.data = "shapenet_part",
     .epochs = 200,
     .batch_size = 96,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine"},
    /* No norm in this network bounds what a step of sgd, as below, does to the next: with some
     * algorithms its loss grows beyond all bounds, and with a gradient that is clipped it learns
     * little. Adam's steps have a length of their own. */
    {.data = "speech_commands",
     .arch = "fsmn",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 300,
     .batch_size = 96,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine",
     .warmup_epochs = 5},
    {.data = "speech_commands",
     .networks = BNN_RECIPE_FLOAT,
     .epochs = 300,
     .batch_size = 96,
     .optimizer = "sgd",
     .lr = 1e-3,
     .momentum = 0.9,
     .weight_decay = 1e-2,
     .nesterov = 1,
     .scheduler = "cosine",
     .warmup_epochs = 5},
    {.data = "speech_commands",
     .networks = BNN_RECIPE_BINARY,
     .epochs = 300,
     .batch_size = 96,
     .optimizer = "sgd",
     .lr = 5e-3,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .nesterov = 1,
     .scheduler = "cosine",
     .warmup_epochs = 5},
    TEXT("glue_cola", 50, 16, 1e-4),
    TEXT("glue_mnli", 5, 32, 5e-5),
    TEXT("glue_mrpc", 20, 32, 2e-4),
    TEXT("glue_sst2", 10, 16, 1e-4),
    TEXT("glue_stsb", 20, 16, 1e-4),
    TEXT("glue_qqp", 5, 16, 1e-4),
    TEXT("glue_qnli", 10, 16, 1e-4),
    TEXT("glue_rte", 20, 16, 1e-5),
    TEXT("glue_wnli", 20, 16, 1e-5),
    {.epochs = 60,
     .batch_size = 128,
     .optimizer = "adam",
     .lr = 1e-3,
     .momentum = 0.9,
     .scheduler = "cosine"},
};

static int names(const char *pattern, const char *name) {
    const size_t n = strcspn(pattern, "*");
    return pattern[n] ? strncmp(pattern, name, n) == 0 : strcmp(pattern, name) == 0;
}

static int fits(const bnn_recipe *r, const char *data, const char *arch, const char *algo) {
    const int binary = strcmp(algo, BNN_FLOAT_ALGORITHM) != 0;
    return (!r->data || names(r->data, data)) && (!r->arch || strcmp(r->arch, arch) == 0) &&
           (!r->algo || strcmp(r->algo, algo) == 0) &&
           (r->networks == BNN_RECIPE_ANY || (r->networks == BNN_RECIPE_BINARY) == binary);
}

const bnn_recipe *bnn_recipe_find(const char *data, const char *arch, const char *algo) {
    const bnn_recipe *r = recipes;
    while (!fits(r, data, arch, algo)) {
        r++; /* the last fits all */
    }
    return r;
}

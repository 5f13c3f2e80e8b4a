/* The architectures: a table with a row each, and one builder per family. */
#ifndef BNN_MODELS_NETS_ARCH_H
#define BNN_MODELS_NETS_ARCH_H

#include "models/tasks/task.h"

typedef struct bnn_arch {
    const char *name;  /* as --arch spells it */
    const char *title; /* for --list */
    const char *input; /* the field that it sees: "image", "points", "mel" */
    const bnn_task *task;
    /* From the input [N,H,W,C]. */
    bnn_output (*build)(const bnn_build *b, const struct bnn_arch *arch, bnn_t x, int classes);
    /* Family's own: blocks a stage (0 ends), and channels of the first. */
    int blocks[4];
    int width;
} bnn_arch;

extern const bnn_arch *const bnn_archs[]; /* NULL-terminated */
const bnn_arch *bnn_arch_find(const char *name);

/* Families. */
bnn_output bnn_build_resnet(const bnn_build *b, const bnn_arch *arch, bnn_t x, int classes);
bnn_output bnn_build_vgg_small(const bnn_build *b, const bnn_arch *arch, bnn_t x, int classes);
bnn_output bnn_build_pointnet(const bnn_build *b, const bnn_arch *arch, bnn_t x, int classes);
bnn_output bnn_build_pointnet_vanilla(const bnn_build *b, const bnn_arch *arch, bnn_t x,
                                      int classes);
/* Logits of each point, [N,1,points,parts]. */
bnn_output bnn_build_pointnet_partseg(const bnn_build *b, const bnn_arch *arch, bnn_t x, int parts);
bnn_output bnn_build_fsmn(const bnn_build *b, const bnn_arch *arch, bnn_t x, int classes);
bnn_output bnn_build_deep_fsmn(const bnn_build *b, const bnn_arch *arch, bnn_t x, int classes);

#endif

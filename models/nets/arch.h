/* The architectures: a table with a row each, and one builder per family. */
#ifndef BNN_MODELS_NETS_ARCH_H
#define BNN_MODELS_NETS_ARCH_H

#include "models/tasks/task.h"

/* A field of a batch is left for the target. */
#define BNN_MAX_INPUTS (BNN_MAX_FIELDS - 1)

typedef struct bnn_arch {
    const char *name;  /* as --arch spells it */
    const char *title; /* for --list */
    /* The fields that it sees, of one shape and type, NULL behind the last: "image", "points",
     * "mel". */
    const char *inputs[BNN_MAX_INPUTS + 1];
    bnn_dtype input_dtype;
    const bnn_task *task; /* unless its data are for another whose targets have the same form */
    /* From the inputs, each [N,H,W,C]. */
    bnn_output (*build)(const bnn_build *b, const struct bnn_arch *arch, const bnn_t *in,
                        int classes);
    /* Family's own: blocks a stage (0 ends), and channels of the first. */
    int blocks[4];
    int width;
    /* Of detectors: how many detections a sample has (0: it is none), and whether it is as it was
     * published, without batch norms. */
    int detections, without_batch_norm;
    /* Where a classifier, with whose weights it may start (init_from.h), has other names:
     * parameters that begin with [0] here begin with [1] there. The last is NULL. */
    const char *stem[3][2];
    int side; /* of the square that images are stretched to; 0: they keep their proportions */
    /* Of a loss of several terms what they are called, in the order of bnn_output.term; no name: it
     * has one. */
    const char *losses[BNN_MAX_TERMS + 1];
    /* Of two stages: how many anchors and how many regions of an image make the losses; of how many
     * of the best proposals ([0]) NMS keeps how many ([1]), in training and in evaluation. */
    int rpn_samples, roi_samples;
    size_t proposals[2][2];
    /* Of text: heads of the attention, channels between the two dense layers of a block, and rows
     * of the tables of tokens and positions. */
    int heads, feed_forward, vocabulary, positions;
} bnn_arch;

extern const bnn_arch *const bnn_archs[]; /* NULL-terminated */
const bnn_arch *bnn_arch_find(const char *name);
/* Whether the task's targets have the form of its outputs: a value a sample, one a point, boxes. */
int bnn_arch_serves(const bnn_arch *arch, const bnn_task *task); /* NULL: no */

/* Families. */
bnn_output bnn_build_resnet(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int classes);
bnn_output bnn_build_vgg_small(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                               int classes);
bnn_output bnn_build_pointnet(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                              int classes);
bnn_output bnn_build_pointnet_vanilla(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                      int classes);
/* Logits of each point, [N,1,points,parts]. */
bnn_output bnn_build_pointnet_partseg(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                      int parts);
bnn_output bnn_build_fsmn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int classes);
bnn_output bnn_build_deep_fsmn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                               int classes);

/* Detectors, whose detections are [N,1,D,6] (detector.h). */
bnn_output bnn_build_ssd(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int classes);
bnn_output bnn_build_faster_rcnn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                                 int classes);

/* Of text [N,1,T,1]: ids, segment, mask. */
bnn_output bnn_build_bert(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int labels);
/* Its first part: tokens, positions and segments added up and normalized, [N,1,T,width]. */
bnn_t bnn_bert_embeddings(const bnn_build *b, const bnn_arch *arch, const char *prefix, bnn_t ids,
                          bnn_t segment);

#endif

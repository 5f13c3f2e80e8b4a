/* The parts of a residual network, for networks that are built on it. */
#ifndef BNN_MODELS_NETS_RESNET_H
#define BNN_MODELS_NETS_RESNET_H

#include "layers/layer.h"

/* PREFIXconv1, PREFIXbn1; a `small` one keeps the size of the image, the other halves it twice. */
bnn_t bnn_resnet_stem(const bnn_build *b, const char *prefix, bnn_t x, int width, int small);
/* Stage 0 to 3, PREFIXlayer1 to PREFIXlayer4, of width << stage channels. */
bnn_t bnn_resnet_stage(const bnn_build *b, const char *prefix, bnn_t x, int stage, int blocks,
                       int width);

#endif

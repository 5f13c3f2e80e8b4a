/* Layers with parameters, as model builders use them: conv, linear, batch norm, activation. Whether
 * a product is binary, and by which algorithm, is decided here and nowhere in a model. */
#ifndef BNN_LAYERS_LAYER_H
#define BNN_LAYERS_LAYER_H

#include "layers/ops.h"

typedef struct bnn_binarizer bnn_binarizer;

/* What becomes of a cloud's points: EMA-max in a binary network, the maximum in its float twin,
 * unless it is said. */
typedef enum bnn_pool { BNN_POOL_USUAL, BNN_POOL_MAX, BNN_POOL_MEAN, BNN_POOL_EMA_MAX } bnn_pool;
extern const char *const bnn_pool_names[];       /* as --pool spells them, NULL-terminated */
bnn_pool bnn_pool_of(bnn_pool pool, int binary); /* which one the usual one is */

/* What decides about a token's context in attention on bits, where as many of the values it attends
 * to are +1 as are -1, or there are none: +1, which is the sign of 0, or its own value. */
typedef enum bnn_ties { BNN_TIES_PLUS, BNN_TIES_OWN } bnn_ties;
extern const char *const bnn_ties_names[]; /* as --ties spells them, NULL-terminated */

/* What a model is built with. */
typedef struct bnn_build {
    bnn_graph *graph;
    const bnn_binarizer *binarizer; /* NULL: the float twin */
    int phase;                      /* of the binarizer's schedule (binarizer.h) */
    bnn_pool pool;
    bnn_ties ties;
    float dropout; /* in training the probability to drop a value, where a network drops any */
    int frozen;    /* parameters that are added stay as they are */
    int fixed_batch_norm; /* batch norms run as in evaluation, their parameters stay as they are */
    int small_boxes;      /* anchors begin smaller than for VOC's boxes, where a network has such */
    int without_dice;     /* what is drawn is taken in even steps instead (tests) */
} bnn_build;

/* What a network of attention has inside, layer by layer. */
#define BNN_MAX_LAYERS 24
typedef struct bnn_insides {
    int layers, heads; /* layers 0: nothing of this kind */
    bnn_t query[BNN_MAX_LAYERS], key[BNN_MAX_LAYERS], value[BNN_MAX_LAYERS]; /* before any sign */
    bnn_t hidden[BNN_MAX_LAYERS + 1]; /* in front of the first, and behind each */
} bnn_insides;

/* What the builder of a network gives. */
#define BNN_MAX_TERMS 4
#define BNN_MAX_PARTS 8
typedef struct bnn_output bnn_output;
struct bnn_output {
    bnn_t main; /* [N,H,W,classes], or detections [N,1,D,6]: what is read of it */
    /* In training: one value that its architecture adds, times the weight, to the task's loss. */
    bnn_t penalty;
    float penalty_weight; /* 0: none */
    bnn_insides insides;
    /* In training of a detector, whose `main` is BNN_NONE: makes its losses, which are added up.
     * They need what is to be found: boxes, classes, which to ignore (ops.h). */
    void (*losses)(const bnn_build *b, bnn_output *output, const bnn_t target[3]);
    bnn_t term[BNN_MAX_TERMS];
    int terms;
    /* What they are made of. */
    const struct bnn_arch *arch;
    int classes;
    bnn_t part[BNN_MAX_PARTS];
};

typedef struct bnn_conv_layer {
    int out, kernel, stride, pad;
    int dilation, groups; /* 0 means 1 */
    int bias;             /* where it is binary, only if the algorithm's convolutions have one */
    /* conv1d: zeros put on in time before the binarization, whose statistics and thresholds see
     * them (the memory of FSMN). */
    int pad_left, pad_right;
    int full_precision; /* stays float in a binary network */
    float init_std;     /* 0: Kaiming-normal, fan_out */
    int xavier;         /* or instead uniform, of both fans (Glorot & Bengio 2010) */
} bnn_conv_layer;

/* Parameters NAME.weight, NAME.bias and whatever the binarizer adds. x [N,H,W,C]. */
bnn_t bnn_conv2d(const bnn_build *b, const char *name, bnn_t x, const bnn_conv_layer *layer);
/* x [N,1,L,C]; weight [O,C,K]. */
bnn_t bnn_conv1d(const bnn_build *b, const char *name, bnn_t x, const bnn_conv_layer *layer);

typedef struct bnn_linear_layer {
    int out;
    int no_bias;
    int full_precision;
    int as_it_lies; /* what was flattened has the file's order in memory too: rows of channels */
    float init_std; /* 0: PyTorch's U(-1/sqrt(in), 1/sqrt(in)) */
} bnn_linear_layer;

/* x [N,H,W,C]: each of the N*H*W rows. To feed an image, flatten it first. */
bnn_t bnn_linear(const bnn_build *b, const char *name, bnn_t x, const bnn_linear_layer *layer);
/* [N,H,W,C] -> [N,1,1,H*W*C]. The weights behind it are stored in PyTorch's order (C,H,W). */
bnn_t bnn_flatten(const bnn_build *b, bnn_t x);

/* NAME.weight = `weight` at first (0 for the last of a residual block), .bias, .running_mean,
 * .running_var. */
bnn_t bnn_batch_norm(const bnn_build *b, const char *name, bnn_t x, float weight);
/* Each pixel over its length, times NAME.weight = `weight` at first; eps 1e-10 (mmdetection's). */
bnn_t bnn_l2_norm(const bnn_build *b, const char *name, bnn_t x, float weight);
/* Hardtanh in a binary network, ReLU in its float twin. */
bnn_t bnn_activation(const bnn_build *b, bnn_t x);
/* PReLU of one slope, NAME.weight. */
bnn_t bnn_prelu(const bnn_build *b, const char *name, bnn_t x);
/* ---- text: tokens are [N,1,T,C], ids, segments and masks I32 [N,1,T,1] ---- */
typedef struct bnn_embedding_layer {
    int rows, width;
    int positions; /* a token's row is its place, not its id */
    int padding;   /* row 0 is that of padding, and is not trained */
    int binary; /* in a binary network: whatever the algorithm, each row is its mean |w| times the
                   signs of what is left without its mean (BiBERT: Qin et al. 2022) */
} bnn_embedding_layer;

/* Rows of NAME.weight [rows,width], N(0, 0.02^2) at first. */
bnn_t bnn_embedding(const bnn_build *b, const char *name, bnn_t ids,
                    const bnn_embedding_layer *layer);
/* NAME.weight, NAME.bias; eps 1e-12 (BERT's). */
bnn_t bnn_layer_norm(const bnn_build *b, const char *name, bnn_t x);
/* b->dropout of the values; `name` tells this place from others. */
bnn_t bnn_dropout(const bnn_build *b, const char *name, bnn_t x);
/* Softmax attention, or of a binary network that on bits; `name` is the place of its dropout. */
bnn_t bnn_self_attention(const bnn_build *b, const char *name, bnn_t q, bnn_t k, bnn_t v,
                         bnn_t mask, int heads);

/* All points of a sample to one, as b->pool says: [N,H,W,C] -> [N,1,1,C]. */
bnn_t bnn_pool_points(const bnn_build *b, bnn_t x);

#endif

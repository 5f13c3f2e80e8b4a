/* The builders of all ops: each appends one node to a graph and returns its result. Shapes are
 * channels-last; a builder that is handed BNN_NONE by an earlier failure passes it on. */
#ifndef BNN_LAYERS_OPS_H
#define BNN_LAYERS_OPS_H

#include "engine/graph.h"

/* An operand of a product: a float tensor, or bits with an optional scale tensor, one factor for
 * every rows(t) / count(scale) consecutive rows. */
typedef struct bnn_value {
    bnn_t t, scale;
} bnn_value;

static inline bnn_value bnn_plain(bnn_t t) {
    return (bnn_value){t, BNN_NONE};
}

typedef struct bnn_conv_config {
    int stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
    int more_right; /* columns of padding on the right beyond pad_w, or if negative fewer */
} bnn_conv_config;

/* y[N,OH,OW,O] = x[N,H,W,C] * w[O,KH,KW,C/groups], both float or both bits; a linear layer is the
 * 1x1 case. The filters' scale, one factor each, is deferred (op.h). Gradients are of the
 * operands' scaled values. */
bnn_t bnn_op_conv(bnn_graph *g, bnn_value x, bnn_value w, const bnn_conv_config *config);

/* What a clamp node clamps to. */
typedef struct bnn_clamp_bounds {
    float lo, hi;
} bnn_clamp_bounds;
bnn_clamp_bounds bnn_clamp_of(const bnn_node *node);

/* Inference: what becomes of a product before it is written (kernels.h, bnn_result). Tensors may be
 * BNN_NONE. With `threshold`, of bits, the result is bits; with `sign` it is floats and their signs
 * are the node's second result. The default is bnn_conv_plain. */
typedef struct bnn_conv_end {
    bnn_t a, b, add, threshold;
    bnn_clamp_bounds clamp;
    int sign;
} bnn_conv_end;
extern const bnn_conv_end bnn_conv_plain;
bnn_t bnn_op_folded_conv(bnn_graph *g, bnn_value x, bnn_value w, const bnn_conv_config *config,
                         const bnn_conv_end *end);

/* Bits of sign(x), sign(0) = +1. `scale` (or BNN_NONE) travels with the bits; it multiplies the
 * gradient of x too only if `scale_in_grad`, in which the algorithms differ. The surrogate's
 * parameter comes from `ste_p` [1] where that is given (a schedule, ReCU's bound). */
bnn_value bnn_op_sign(bnn_graph *g, bnn_t x, bnn_t scale, int scale_in_grad, bnn_ste ste,
                      bnn_t ste_p);

/* Bits as floats, +-1 times the factor of their row; the factors get no gradient. */
bnn_t bnn_op_unpack(bnn_graph *g, bnn_value bits);

/* [rows] means of |x| over x cut into `rows` equal runs; a stop-gradient. */
bnn_t bnn_op_abs_mean(bnn_graph *g, bnn_t x, int rows);

/* Each of `rows` equal runs, centred and/or divided by its standard deviation (kernels.h). */
bnn_t bnn_op_normalize(bnn_graph *g, bnn_t x, int rows, int center, int scale, float gain,
                       float eps);

/* min(max(x, lo), hi); slope 1 strictly inside. relu(x) = clamp(x, 0, inf). */
bnn_t bnn_op_clamp(bnn_graph *g, bnn_t x, float lo, float hi);

bnn_t bnn_op_add(bnn_graph *g, bnn_t a, bnn_t b);

/* a[C] x + b[C]; a or b may be BNN_NONE. In training, a alone is deferred where x is integers. */
bnn_t bnn_op_affine(bnn_graph *g, bnn_t x, bnn_t a, bnn_t b);

/* Batch statistics in training, running ones otherwise. */
bnn_t bnn_op_batch_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, bnn_t running_mean,
                        bnn_t running_var, float eps, float momentum);

/* By the running ones in training, too; its parameters get no gradient. */
bnn_t bnn_op_fixed_batch_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, bnn_t running_mean,
                              bnn_t running_var, float eps);

/* x[n,i,j,c] o[c] h[i] v[j]; h and v may be longer than the image; h may be BNN_NONE where it has
 * one row (XNOR-Net++). */
bnn_t bnn_op_outer_scale(bnn_graph *g, bnn_t x, bnn_t o, bnn_t h, bnn_t v);

/* FDA: s (sign(x) + alpha (lin + 0.1 sin x)); s [rows] and lin (as many values as x) may be
 * BNN_NONE; alpha and n are [1]. */
bnn_t bnn_op_noisy_sign(bnn_graph *g, bnn_t x, bnn_t lin, bnn_t s, bnn_t alpha, bnn_t n);

/* w2^T max(w1 x, 0) in each row; w1 and w2 [hidden, c], hidden at most BNN_BOTTLENECK_MOST. */
bnn_t bnn_op_bottleneck(bnn_graph *g, bnn_t x, bnn_t w1, bnn_t w2);

/* ReCU: Q[1] = -mean|w1| ln(2 - 2 tau); +inf at tau = 1; a stop-gradient. */
bnn_t bnn_op_recu_bound(bnn_graph *g, bnn_t w1, bnn_t tau);

/* ceil_mode as in PyTorch: the last window may hang over the end. */
bnn_t bnn_op_max_pool(bnn_graph *g, bnn_t x, int kernel, int stride, int pad, int ceil_mode);
bnn_t bnn_op_global_avg_pool(bnn_graph *g, bnn_t x);

/* The maximum over all rows of a sample, plus a constant: [N,1,1,C]. EMA-max (BiPointNet) is the
 * one with bnn_ema_max_shift of its number of rows. */
bnn_t bnn_op_global_max_pool(bnn_graph *g, bnn_t x, float shift);
float bnn_ema_max_shift(int rows);

/* x where it is positive, else slope x; slope [1] or [C]. */
bnn_t bnn_op_prelu(bnn_graph *g, bnn_t x, bnn_t slope);

/* Zeros to the left and right of each line, and off again. */
bnn_t bnn_op_pad(bnn_graph *g, bnn_t x, int left, int right);
bnn_t bnn_op_crop(bnn_graph *g, bnn_t x, int left, int right);
/* `count` channels from `first` on. */
bnn_t bnn_op_channels(bnn_graph *g, bnn_t x, int first, int count);
/* A row for each column of an image, [N,1,W,C*H], of which the values come as C, H: PyTorch's view
 * of [N,C,H,W] as [N,C*H,W]. */
bnn_t bnn_op_columns(bnn_graph *g, bnn_t x);
/* [N,H,W,C] -> [N,H,C,W] */
bnn_t bnn_op_transpose(bnn_graph *g, bnn_t x);
/* [N,1,T,C] -> [N*heads,1,T,C/heads], of neighbouring channels. */
bnn_t bnn_op_split_heads(bnn_graph *g, bnn_t x, int heads);
/* Channels side by side; what is [N,1,1,C] stands at every pixel. */
bnn_t bnn_op_concat(bnn_graph *g, int count, const bnn_t *in);

/* y[n,.,.,o] = sum over c of x[n,.,.,c] w[n,o,c], with w [N,H,W,C] of H * W = O filters. */
bnn_t bnn_op_batch_product(bnn_graph *g, bnn_t x, bnn_t w);
/* Bi-attention of q, k, v [N,1,T,C], of which the signs count, and of the tokens whose mask (I32
 * [N,1,T,1]) is not 0, in heads of C / heads neighbouring channels: sums of signs. Their surrogate
 * is the open window (-1, 1). Scores whose bit in `keep` (B1 [N,heads,T,T], or BNN_NONE) is clear
 * are dropped, the others grow by 1 / (1 - dropout). `own` (0 to less than 1) times the sign of its
 * own v is added to a token's sum. */
bnn_t bnn_op_bi_attention(bnn_graph *g, bnn_t q, bnn_t k, bnn_t v, bnn_t mask, int heads,
                          bnn_t keep, float dropout, float own);
/* Matrices [N,H,C,C] plus value times the identity. */
bnn_t bnn_op_diagonal(bnn_graph *g, bnn_t x, float value);

/* ---- text: tokens are [N,1,T,C] ---- */
/* x Phi(x), by the error function; negative of negative numbers (kernels.h). */
bnn_t bnn_op_gelu(bnn_graph *g, bnn_t x);
bnn_t bnn_op_tanh(bnn_graph *g, bnn_t x);
/* Each row by its own mean and biased variance, times weight[C], plus bias[C]. */
bnn_t bnn_op_layer_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, float eps);
/* In training x / (1 - p), or with probability p 0, else x; `site` tells apart what is drawn for.
 */
bnn_t bnn_op_dropout(bnn_graph *g, bnn_t x, float p, uint64_t site);
/* In training bits [N,heads,T,T] of which each is clear with probability `dropout`, for the tokens
 * of `like`; BNN_NONE where none would be. */
bnn_t bnn_op_keep(bnn_graph *g, bnn_t like, int heads, float dropout, uint64_t site);
/* Rows of a table [V,1,1,C] for ids I32 [N,1,T,1], zeros for what is no id; or, of `positions`, row
 * t for token t. The factors of a table of bits get no gradient, nor does row `padding` (-1: all
 * do). */
bnn_t bnn_op_embedding(bnn_graph *g, bnn_value table, bnn_t ids, int positions, int padding);
/* softmax(q k' / sqrt(C / heads) + mask) v, in each head; mask I32 [N,1,T,1], 0 where a token is
 * padding. In training probabilities are dropped with probability `dropout`. */
bnn_t bnn_op_attention(bnn_graph *g, bnn_t q, bnn_t k, bnn_t v, bnn_t mask, int heads,
                       float dropout, uint64_t site);

/* ---- detection (kernels.h tells what boxes, truths and settings are) ---- */
/* weight[C] x / (|x| + eps) in each pixel. */
bnn_t bnn_op_l2_norm(bnn_graph *g, bnn_t x, bnn_t weight, float eps);
/* Of each row of x [N,H,W,C], plus mask [N,1,1,C], which gets no gradient, or BNN_NONE. */
bnn_t bnn_op_softmax(bnn_graph *g, bnn_t x, bnn_t mask);
/* Frames [N,1,1,2] of images [N,H,W,C]: height and width up to where there is nothing but zeros. */
bnn_t bnn_op_frame(bnn_graph *g, bnn_t x);
/* Anchors of a map [N,H,W,C]: the same for all images, [1,1,1,H*W*count*4]; with the images' frames
 * (or BNN_NONE) rois [N,1,H*W*count,5], none where the middle is beyond. h and w of `anchors` are
 * not read. */
bnn_t bnn_op_anchors(bnn_graph *g, bnn_t map, bnn_t frame, const bnn_anchors *anchors);
/* Boxes are anchors, or rois [N,1,P,5]: image, or -1 for none, and box. Truths are what a data set
 * gives: boxes [N,1,M,4], I32 class [N,1,M,1] (-1: none), I32 ignore [N,1,M,1] or BNN_NONE. Of
 * which truth a box is, I32 [N,1,P,1]: 1 + its number, 0 for the background, -1 for neither. */
bnn_t bnn_op_assign(bnn_graph *g, bnn_t boxes, bnn_t truth, bnn_t class, bnn_t ignore,
                    const bnn_matching *matching);
/* The same of those that are learned from, -1 of others; `site` tells apart what is drawn for. */
bnn_t bnn_op_sample(bnn_graph *g, bnn_t assigned, const bnn_sampling *sampling, uint64_t site);
/* Rois [N,1,count,5] of the truths and of `rois`, and whose they are. */
bnn_t bnn_op_sample_rois(bnn_graph *g, bnn_t rois, bnn_t truth, bnn_t class, bnn_t ignore,
                         const bnn_matching *matching, const bnn_sampling *sampling, uint64_t site,
                         bnn_t *assigned);
/* [N,1,P,4] */
bnn_t bnn_op_box_targets(bnn_graph *g, bnn_t boxes, bnn_t assigned, bnn_t truth, bnn_t class,
                         const float std[4]);
/* I32 [N,1,P,1]: classes, or with truth = class = BNN_NONE 0 for any; `background`; or -1. */
bnn_t bnn_op_box_labels(bnn_graph *g, bnn_t assigned, bnn_t truth, bnn_t class, int background);
/* [1] */
bnn_t bnn_op_box_count(bnn_graph *g, bnn_t label, int background, bnn_box_count rule);
/* Labels of which the easy ones of the background, the last class, are -1. */
bnn_t bnn_op_hard_negatives(bnn_graph *g, bnn_t logits, bnn_t label, int ratio);
/* delta [N,1,P,4k] to boxes of the same shape, cut off at the image's frame, or where that is
 * BNN_NONE at height and width unless they are 0. */
bnn_t bnn_op_decode_boxes(bnn_graph *g, bnn_t delta, bnn_t boxes, const float std[4], int height,
                          int width, bnn_t frame);
/* Of scores [N,1,P,classes], with `background` of one class more, and boxes [N,1,P,4] or
 * [N,1,P,4 classes], those that stay: [N,1,keep,6], or rois [N,1,keep,5]. Of `nms` levels (none:
 * all is one), most, keep, score, overlap, sized and rois are read. */
typedef struct bnn_nms_attr {
    bnn_nms nms;
    int background;
} bnn_nms_attr;
bnn_t bnn_op_nms(bnn_graph *g, bnn_t score, bnn_t box, const bnn_nms_attr *attr);
/* [rois,size,size,C] of x [N,H,W,C]. */
bnn_t bnn_op_roi_align(bnn_graph *g, bnn_t x, bnn_t rois, int size, float scale);
/* Sums over divisor [1], scalars: of x, 4 values a label or 4 for each of `background` classes; of
 * x, one a label, which is 0 where there is something, 1 where not. */
bnn_t bnn_op_smooth_l1(bnn_graph *g, bnn_t x, bnn_t target, bnn_t label, bnn_t divisor,
                       int background, float beta);
bnn_t bnn_op_objectness(bnn_graph *g, bnn_t x, bnn_t label, bnn_t divisor);

/* The same values under another shape; no copy in the forward. */
bnn_t bnn_op_reshape(bnn_graph *g, bnn_t x, bnn_shape shape);
/* [N,H,W,C] -> [N,1,1,H*W*C], which the node remembers. */
bnn_t bnn_op_flatten(bnn_graph *g, bnn_t x);
/* Channels of the image whose pixels are the rows of x, through what works value by value; those of
 * x where none was flattened. */
int bnn_flattened_channels(const bnn_graph *g, bnn_t x);

/* Inference: bits of an integer-valued float map, a threshold a channel (kernels.h). */
bnn_t bnn_op_threshold(bnn_graph *g, bnn_t x, bnn_t threshold);

/* Mean over the rows of logits [N,H,W,classes] with label I32 [N,H,W,1]; a scalar. */
bnn_t bnn_op_cross_entropy(bnn_graph *g, bnn_t logits, bnn_t label);
/* The sum over divisor [1], of the rows whose label is not -1. */
bnn_t bnn_op_cross_entropy_over(bnn_graph *g, bnn_t logits, bnn_t label, bnn_t divisor);
/* Mean of (x - target)^2, where target F32 is data, as many values as x; a scalar. */
bnn_t bnn_op_squared_error(bnn_graph *g, bnn_t x, bnn_t target);
/* The mean over samples of the 2-norm of x[n]; a scalar. */
bnn_t bnn_op_norm_mean(bnn_graph *g, bnn_t x);
/* The mean norm of A (A' - I) over matrices a [N,1,C,C]; a scalar. */
bnn_t bnn_transform_regulariser(bnn_graph *g, bnn_t a);
/* Mean over all values of -softmax(teacher) log softmax(student); a scalar, without a gradient of
 * the teacher. And with half the cross-entropy of the label added (BiBench). */
bnn_t bnn_op_soft_cross_entropy(bnn_graph *g, bnn_t student, bnn_t teacher);
bnn_t bnn_distillation_loss(bnn_graph *g, bnn_t student, bnn_t teacher, bnn_t label);
/* | s / |s| - t / |t| | of whole tensors, of which values <= floor count as 0 (-INFINITY: none); a
 * scalar, without a gradient of the teacher. */
bnn_t bnn_op_direction_matching(bnn_graph *g, bnn_t student, bnn_t teacher, float floor);
/* The same of x x' / sqrt(d) within each head of d channels, values <= -100 as 0, x [N,1,T,C] being
 * queries, keys or values (BiBERT's direction-matching distillation). */
bnn_t bnn_score_matching(bnn_graph *g, bnn_t student, bnn_t teacher, int heads);
/* Scalars, each times its weight. */
bnn_t bnn_op_weighted_sum(bnn_graph *g, int count, const bnn_t *terms, const float *weights);

/* The convolution a conv node computes, and what becomes of its product: for folding, counting,
 * export and tests. */
bnn_conv bnn_conv_of(const bnn_graph *g, const bnn_node *node);
const bnn_conv_config *bnn_conv_config_of(const bnn_node *node);
bnn_conv_end bnn_conv_end_of(const bnn_node *node);

/* Filters that are constants of the graph are brought into the form that the product wants once,
 * not in every run: to be called when the constants of the bound graph are set. */
void bnn_conv_prepare_filters(const bnn_graph *g);

/* All ops, for tests that walk them: X(name) declares bnn_<name>_op. */
#define BNN_OPS(X)                                                                                 \
    X(conv)                                                                                        \
    X(sign)                                                                                        \
    X(unpack)                                                                                      \
    X(abs_mean)                                                                                    \
    X(normalize)                                                                                   \
    X(clamp)                                                                                       \
    X(add)                                                                                         \
    X(affine)                                                                                      \
    X(batch_norm)                                                                                  \
    X(outer_scale)                                                                                 \
    X(noisy_sign)                                                                                  \
    X(bottleneck)                                                                                  \
    X(recu_bound)                                                                                  \
    X(max_pool)                                                                                    \
    X(global_avg_pool)                                                                             \
    X(reshape)                                                                                     \
    X(threshold)                                                                                   \
    X(cross_entropy)                                                                               \
    X(squared_error)                                                                               \
    X(global_max_pool)                                                                             \
    X(prelu)                                                                                       \
    X(move)                                                                                        \
    X(concat)                                                                                      \
    X(batch_product)                                                                               \
    X(bi_attention)                                                                                \
    X(diagonal)                                                                                    \
    X(norm_mean)                                                                                   \
    X(soft_cross_entropy)                                                                          \
    X(direction_matching)                                                                          \
    X(weighted_sum)                                                                                \
    X(gelu)                                                                                        \
    X(tanh)                                                                                        \
    X(layer_norm)                                                                                  \
    X(keep)                                                                                        \
    X(dropout)                                                                                     \
    X(embedding)                                                                                   \
    X(attention)                                                                                   \
    X(l2_norm)                                                                                     \
    X(softmax)                                                                                     \
    X(frame)                                                                                       \
    X(anchors)                                                                                     \
    X(assign)                                                                                      \
    X(sample)                                                                                      \
    X(sample_rois)                                                                                 \
    X(box_targets)                                                                                 \
    X(box_labels)                                                                                  \
    X(box_count)                                                                                   \
    X(hard_negatives)                                                                              \
    X(decode_boxes)                                                                                \
    X(nms)                                                                                         \
    X(roi_align)                                                                                   \
    X(smooth_l1)                                                                                   \
    X(objectness)

#define BNN_DECLARE_OP(name) extern const bnn_op bnn_##name##_op;
BNN_OPS(BNN_DECLARE_OP)
#undef BNN_DECLARE_OP

/* The op of this name, or NULL. */
const bnn_op *bnn_op_find(const char *name);

#endif

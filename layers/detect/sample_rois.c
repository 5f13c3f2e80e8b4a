/* The regions that a second stage learns from: of the truths themselves and of what was proposed,
 * always as many, those that are missing marked as none. */
#include "layers/detect/private.h"

enum { ROIS, TRUTH, CLASS, IGNORE };
enum { SAMPLED, ASSIGNED };

typedef struct sample_rois_attr {
    bnn_matching matching;
    bnn_sampling sampling; /* `random` is the run's */
    uint64_t site;
} sample_rois_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bnn_sampling *s = &((const sample_rois_attr *)node->attr)->sampling;
    bnn_shape rois = bnn_shape_of(g, node->in[ROIS]), truth = bnn_shape_of(g, node->in[TRUTH]);
    if (!bnn_check_boxes(g, node, node->in[ROIS], truth.n) ||
        !bnn_check_ground_truth(g, node, node->in[TRUTH], node->in[CLASS], node->in[IGNORE])) {
        return BNN_ERR_SHAPE;
    }
    if (rois.c != 5 || s->positives < 0 || s->count < s->positives || s->count < 1) {
        return bnn_node_fail(g, node, "%d of %d", s->positives, s->count);
    }
    bnn_node_output(g, node, BNN_F32, (bnn_shape){truth.n, 1, s->count, 5});
    bnn_node_output(g, node, BNN_I32, (bnn_shape){truth.n, 1, s->count, 1});
    node->workspace = bnn_boxes_scratch(g, 3 * (size_t)(rois.w + truth.w), 0);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const sample_rois_attr *a = node->attr;
    bnn_boxes boxes = bnn_boxes_of(g, node->in[ROIS], bnn_shape_of(g, node->in[TRUTH]).n);
    bnn_ground_truth truth =
        bnn_ground_truth_tensors(g, node->in[TRUTH], node->in[CLASS], node->in[IGNORE]);
    bnn_sampling sampling = a->sampling;
    sampling.random = bnn_graph_random(g, a->site);
    bnn_graph_kernels(g)->sample_rois(bnn_graph_stream(g), &boxes, &truth, &a->matching, &sampling,
                                      bnn_f32(g, node->out[SAMPLED]),
                                      bnn_i32(g, node->out[ASSIGNED]), node->ws);
}

const bnn_op bnn_sample_rois_op = {
    .name = "sample_rois", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_sample_rois(bnn_graph *g, bnn_t rois, bnn_t truth, bnn_t class, bnn_t ignore,
                         const bnn_matching *matching, const bnn_sampling *sampling, uint64_t site,
                         bnn_t *assigned) {
    sample_rois_attr attr = {*matching, *sampling, site};
    bnn_t sampled = bnn_graph_add(g, &bnn_sample_rois_op, &attr, sizeof attr, 4,
                                  (bnn_t[]){rois, truth, class, ignore});
    *assigned = sampled < 0 ? BNN_NONE : bnn_graph_producer(g, sampled)->out[ASSIGNED];
    return sampled;
}

#include "models/export/dabnn/walk.h"

enum { ROW = 4 /* values of a vector */ };

bnn_dab_map *bnn_dab_map_of(const bnn_dab_walk *w, bnn_t tensor) {
    return &w->maps[w->home[tensor]];
}

void bnn_dab_give(const bnn_dab_walk *w, bnn_t tensor, const char *blob, int side, int c) {
    bnn_dab_map *m = bnn_dab_map_of(w, tensor);
    *m = (bnn_dab_map){blob, side, c, m->reads};
}

bnn_dab_layer *bnn_dab_add(bnn_dab_walk *w, const bnn_node *node, bnn_dab_kind kind,
                           const char *x) {
    bnn_dab_layer *layer = bnn_dab_layer_add(&w->dab, kind, bnn_translation_layer(&w->t, node));
    layer->in[0] = x;
    return layer;
}

const char *bnn_dab_vector(bnn_dab_walk *w, const bnn_node *node, int count, float *values) {
    return bnn_dab_floats(&w->dab, bnn_translation_layer(&w->t, node), 1, bnn_vector(count),
                          values);
}

const char *bnn_dab_affine(bnn_dab_walk *w, const bnn_node *node, const char *x, int c, float *a,
                           float *b) {
    bnn_dab_layer *layer = bnn_dab_add(w, node, BNN_DAB_AFFINE, x);
    layer->in[1] = bnn_dab_vector(w, node, c, a);
    layer->in[2] = bnn_dab_vector(w, node, c, b);
    return layer->output;
}

const char *bnn_dab_scalars(bnn_dab_walk *w, const bnn_node *node, const char *x, int c, float a,
                            float b) {
    const size_t count = (size_t)c;
    return bnn_dab_affine(w, node, x, c, bnn_translation_filled(&w->t, count, a),
                          bnn_translation_filled(&w->t, count, b));
}

const char *bnn_dab_sum(bnn_dab_walk *w, const bnn_node *node, const char *x, const char *y) {
    bnn_dab_layer *layer = bnn_dab_add(w, node, BNN_DAB_ADD, x);
    layer->in[1] = y;
    return layer->output;
}

bnn_code bnn_dab_check_rows(const bnn_dab_walk *w, const bnn_node *node, int side, int c) {
    return (size_t)side * (size_t)c % ROW == 0
               ? BNN_OK
               : bnn_translation_refuse(&w->t, node,
                                        "daBNN pools, copies and cuts off rows of a multiple of %d "
                                        "values, and here are %d pixels of %d channels; use an "
                                        "input size that leaves an even number of pixels, or "
                                        "--format onnx",
                                        ROW, side, c);
}

bnn_code bnn_dab_pool(bnn_dab_walk *w, const bnn_node *node, bnn_dab_kind kind,
                      const bnn_dab_map *x, int kernel, int stride, int pad, bnn_dab_map *y) {
    *y = (bnn_dab_map){NULL, bnn_pooled(x->side, kernel, stride, pad, 0), x->c, 0};
    bnn_code code = bnn_dab_check_rows(w, node, x->side, x->c);
    code = code == BNN_OK ? bnn_dab_check_rows(w, node, y->side, y->c) : code;
    if (code == BNN_OK) {
        bnn_dab_layer *layer = bnn_dab_add(w, node, kind, x->blob);
        layer->kernel = kernel;
        layer->stride_h = layer->stride_w = stride;
        layer->pad_h = layer->pad_w = pad;
        y->blob = layer->output;
    }
    return code;
}

bnn_code bnn_dab_copy(bnn_dab_walk *w, const bnn_node *node, const bnn_dab_map *x,
                      const char **blob) {
    bnn_dab_map y;
    bnn_code code = bnn_dab_pool(w, node, BNN_DAB_MAX_POOL, x, 1, 1, 0, &y);
    *blob = y.blob;
    w->copies++;
    return code;
}

const bnn_dab_map *bnn_dab_look(const bnn_dab_walk *w, bnn_t tensor) {
    bnn_dab_map *x = bnn_dab_map_of(w, tensor);
    x->reads--;
    return x;
}

bnn_code bnn_dab_take(bnn_dab_walk *w, const bnn_node *node, bnn_t tensor, bnn_dab_map *taken) {
    const bnn_dab_map *x = bnn_dab_look(w, tensor);
    *taken = *x;
    return x->reads > 0 ? bnn_dab_copy(w, node, x, &taken->blob) : BNN_OK;
}

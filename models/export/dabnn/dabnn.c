/* daBNN (Zhang et al., ACM MM 2019): binary networks on ARM processors. So that its networks
 * compute what ours do, though its binary layers pad with -1 and take the sign of 0 for -1,
 *
 *   - d = K - 2p is an affine of the differing bits p, exact in integers;
 *   - what -1 outside an image takes away comes back from a map of constants;
 *   - a threshold is the affine +-(d - t + 1/2), which is never 0;
 *   - any other sign's input is moved up by the smallest normal number;
 *   - a clamp takes off what is beyond its bound: x - relu(x - hi), where neither difference rounds
 *     for whole bounds and |x| < 2^24. (1 - relu(2 - relu(x + 1)) has fewer layers, but rounds x to
 *     2^-24, and with it the signs of what is next to 0.)
 *
 * Affine, Add, Relu and PRelu overwrite their input, whose memory goes on under another name: who
 * is not its last reader works on a copy, a max pool of one pixel. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "models/export/dabnn/walk.h"
#include "models/files/checkpoint.h"

#define INPUT "input"
#define OUTPUT "logits"

/* What a node reads. A clamp that keeps signs is nothing to a sign: left out, it rounds nothing. */
static bnn_t input_of(const bnn_dab_walk *w, const bnn_node *node, int k) {
    bnn_t x = node->in[k];
    const bnn_node *before = node->op == &bnn_sign_op ? bnn_graph_producer(w->t.graph, x) : NULL;
    while (before && before->op == &bnn_clamp_op && bnn_clamp_of(before).lo < 0.0f &&
           bnn_clamp_of(before).hi >= 0.0f) {
        x = before->in[0];
        before = bnn_graph_producer(w->t.graph, x);
    }
    return x;
}

static int square_root(int n) {
    int root = (int)lround(sqrt(n));
    return root * root == n ? root : 0;
}

/* The side of the square that such an input fills; 0: none. */
static int side_of(bnn_shape s) {
    return s.h == s.w ? s.h : s.h == 1 ? square_root(s.w) : 0;
}

/* ---- what works value by value ---- */

static bnn_code put_affine(bnn_dab_walk *w, const bnn_node *node) {
    bnn_dab_map x;
    bnn_code code = bnn_dab_take(w, node, node->in[0], &x);
    if (code == BNN_OK) {
        float *a = node->in[1] < 0 ? bnn_translation_filled(&w->t, (size_t)x.c, 1.0f)
                                   : bnn_translation_floats(&w->t, node->in[1]);
        float *b = node->in[2] < 0 ? bnn_translation_filled(&w->t, (size_t)x.c, 0.0f)
                                   : bnn_translation_floats(&w->t, node->in[2]);
        bnn_dab_give(w, node->out[0], bnn_dab_affine(w, node, x.blob, x.c, a, b), x.side, x.c);
    }
    return code;
}

static bnn_code put_sum(bnn_dab_walk *w, const bnn_node *node) {
    const int second =
        bnn_dab_map_of(w, node->in[0])->reads > 1; /* so that a copy is rarely needed */
    const bnn_t into = node->in[second], other = node->in[!second];
    bnn_dab_map x;
    if (bnn_dab_map_of(w, into)->side != bnn_dab_map_of(w, other)->side ||
        bnn_dab_map_of(w, into)->c != bnn_dab_map_of(w, other)->c) {
        return bnn_translation_refuse(&w->t, node,
                                      "adds maps of different shapes; use --format onnx");
    }
    bnn_code code = bnn_dab_take(w, node, into, &x);
    if (code == BNN_OK) {
        const char *y = bnn_dab_sum(w, node, x.blob, bnn_dab_look(w, other)->blob);
        bnn_dab_give(w, node->out[0], y, x.side, x.c);
    }
    return code;
}

/* From x take `sign` relu(sign (x - bound)): what lies beyond. */
static bnn_code cut_off(bnn_dab_walk *w, const bnn_node *node, bnn_dab_map *x, float sign,
                        float bound) {
    const char *y;
    bnn_code code = bnn_dab_check_rows(w, node, x->side, x->c);
    if (code == BNN_OK && !(code = bnn_dab_copy(w, node, x, &y))) {
        y = bnn_dab_scalars(w, node, y, x->c, sign, -sign * bound);
        y = bnn_dab_add(w, node, BNN_DAB_RELU, y)->output;
        y = sign < 0.0f ? y : bnn_dab_scalars(w, node, y, x->c, -1.0f, 0.0f);
        x->blob = bnn_dab_sum(w, node, x->blob, y);
    }
    return code;
}

/* Whether nothing is rounded in crossing it. */
static int is_whole(float bound) {
    return isinf(bound) || (fabsf(bound) < 65536.0f && bound == truncf(bound));
}

static bnn_code put_clamp(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_clamp_bounds to = bnn_clamp_of(node);
    bnn_dab_map x;
    if (!is_whole(to.lo) || !is_whole(to.hi)) {
        return bnn_translation_refuse(&w->t, node,
                                      "clamps to %g and %g, and daBNN can do so exactly at whole "
                                      "numbers alone; use --format onnx",
                                      (double)to.lo, (double)to.hi);
    }
    bnn_code code = bnn_dab_take(w, node, node->in[0], &x);
    code = code == BNN_OK ? bnn_dab_check_rows(w, node, x.side, x.c) : code;
    if (code == BNN_OK && to.lo == 0.0f) {
        x.blob = bnn_dab_add(w, node, BNN_DAB_RELU, x.blob)->output;
    } else if (code == BNN_OK && to.lo > -INFINITY) {
        code = cut_off(w, node, &x, -1.0f, to.lo);
    }
    if (code == BNN_OK && to.hi < INFINITY) {
        code = cut_off(w, node, &x, 1.0f, to.hi);
    }
    bnn_dab_give(w, node->out[0], x.blob, x.side, x.c);
    return code;
}

static bnn_code put_sign(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_export_request *request = w->t.request;
    bnn_dab_map x;
    if (!request->emulate && strcmp(bnn_spec_algorithm(request->spec), "reactnet") == 0) {
        return bnn_translation_refuse(&w->t, node,
                                      "reactnet shifts what it takes the sign of, which daBNN's "
                                      "binary layers do not; " BNN_DAB_OTHER_ALGO
                                      ", or use --emulate (slower, float)");
    }
    bnn_code code = bnn_dab_take(w, node, input_of(w, node, 0), &x);
    if (code == BNN_OK) {
        /* So that 0 is positive; 32-bit NEON takes what is smaller for 0, whatever its sign. */
        bnn_dab_give(w, node->out[0], bnn_dab_scalars(w, node, x.blob, x.c, 1.0f, FLT_MIN), x.side,
                     x.c);
    }
    return code;
}

/* Of integers that a product's own threshold is not behind. */
static bnn_code put_threshold(bnn_dab_walk *w, const bnn_node *node) {
    const size_t c = bnn_shape_count(bnn_shape_of(w->t.graph, node->in[1]));
    const bnn_steps steps = bnn_translation_steps(&w->t, node->in[1], c);
    bnn_dab_map x;
    bnn_code code = bnn_dab_take(w, node, node->in[0], &x);
    if (code == BNN_OK) {
        bnn_dab_give(w, node->out[0],
                     bnn_dab_affine(w, node, x.blob, x.c, steps.factor, steps.shift), x.side, x.c);
    }
    return code;
}

static bnn_code put_prelu(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_shape s = bnn_shape_of(w->t.graph, node->in[1]);
    bnn_dab_map x;
    bnn_code code = bnn_dab_take(w, node, node->in[0], &x);
    if (code == BNN_OK) {
        bnn_dab_layer *layer = bnn_dab_add(w, node, BNN_DAB_PRELU, x.blob);
        layer->in[1] = bnn_dab_vector(w, node, s.c, bnn_translation_floats(&w->t, node->in[1]));
        bnn_dab_give(w, node->out[0], layer->output, x.side, x.c);
    }
    return code;
}

/* ---- pools ---- */

static bnn_code put_max_pool(bnn_dab_walk *w, const bnn_node *node) {
    const int kernel = bnn_translation_int(node, "kernel");
    const int stride = bnn_translation_int(node, "stride"), pad = bnn_translation_int(node, "pad");
    const bnn_dab_map *x = bnn_dab_look(w, node->in[0]);
    bnn_dab_map y;
    const bnn_shape from = bnn_shape_of(w->t.graph, node->in[0]);
    const bnn_shape to = bnn_shape_of(w->t.graph, node->out[0]);
    if (from.h != from.w || bnn_pooled(x->side, kernel, stride, pad, 0) != to.h) {
        return bnn_translation_refuse(&w->t, node,
                                      "%s, which daBNN's do not; use another input size, or "
                                      "--format onnx",
                                      from.h != from.w
                                          ? "pools along one dimension"
                                          : "the last windows of its pool hang over the image's "
                                            "end");
    }
    bnn_code code = bnn_dab_pool(w, node, BNN_DAB_MAX_POOL, x, kernel, stride, pad, &y);
    bnn_dab_give(w, node->out[0], y.blob, y.side, y.c);
    return code;
}

static bnn_code put_global_avg_pool(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_dab_map *x = bnn_dab_look(w, node->in[0]);
    bnn_dab_map y;
    bnn_code code = bnn_dab_pool(w, node, BNN_DAB_AVE_POOL, x, x->side, 1, 0, &y);
    bnn_dab_give(w, node->out[0], y.blob, y.side, y.c);
    return code;
}

static bnn_code put_global_max_pool(bnn_dab_walk *w, const bnn_node *node) {
    const float shift = bnn_translation_float(node, "shift");
    const bnn_dab_map *x = bnn_dab_look(w, node->in[0]);
    bnn_dab_map y;
    bnn_code code = bnn_dab_pool(w, node, BNN_DAB_MAX_POOL, x, x->side, 1, 0, &y);
    if (code == BNN_OK && shift != 0.0f) {
        y.blob = bnn_dab_scalars(w, node, y.blob, y.c, 1.0f, shift);
    }
    bnn_dab_give(w, node->out[0], y.blob, y.side, y.c);
    return code;
}

/* ---- all ---- */

static const char t_net[] =
    "multiplies activations with each other (a T-net), which no layer of daBNN does; export "
    "pointnet_vanilla, or --format onnx";

/* A flattened image stays an image, for a product to read. */
static bnn_code put_reshape(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_shape y = bnn_shape_of(w->t.graph, node->out[0]);
    return y.h == 1 && y.w == 1 ? BNN_OK : bnn_translation_refuse(&w->t, node, "%s", t_net);
}

/* XNOR-Net's; the layer is the one that it scales. */
static bnn_code put_abs_mean(bnn_dab_walk *w, const bnn_node *node) {
    const bnn_node *reader = node;
    for (size_t i = 0; i < bnn_graph_node_count(w->t.graph); i++) {
        const bnn_node *other = bnn_graph_node(w->t.graph, i);
        reader = other->op == &bnn_conv_op && other->in[2] == node->out[0] ? other : reader;
    }
    return bnn_translation_refuse(&w->t, reader,
                                  "xnor scales by the mean of each image's input, and daBNN has no "
                                  "product of maps; " BNN_DAB_OTHER_ALGO);
}

/* What becomes of each op: a function, or why not. */
static const struct row {
    const bnn_op *op;
    bnn_code (*put)(bnn_dab_walk *w, const bnn_node *node);
    const char *why;
    int flattened; /* it may work on what was flattened */
} rows[] = {
    {&bnn_conv_op, bnn_dab_product, NULL, 1},
    {&bnn_affine_op, put_affine, NULL, 0},
    {&bnn_add_op, put_sum, NULL, 1},
    {&bnn_clamp_op, put_clamp, NULL, 1},
    {&bnn_sign_op, put_sign, NULL, 1},
    {&bnn_threshold_op, put_threshold, NULL, 0},
    {&bnn_prelu_op, put_prelu, NULL, 0},
    {&bnn_max_pool_op, put_max_pool, NULL, 0},
    {&bnn_global_avg_pool_op, put_global_avg_pool, NULL, 0},
    {&bnn_global_max_pool_op, put_global_max_pool, NULL, 0},
    {&bnn_reshape_op, put_reshape, NULL, 1},
    {&bnn_abs_mean_op, put_abs_mean, NULL, 1},
    {&bnn_outer_scale_op, NULL,
     "xnorpp scales each pixel by a factor of its own, which no layer of daBNN "
     "does; " BNN_DAB_OTHER_ALGO,
     0},
    {&bnn_diagonal_op, NULL, t_net, 0},
    {&bnn_batch_product_op, NULL, t_net, 0},
    {&bnn_move_op, NULL,
     "moves values between rows, columns and channels, which no layer of daBNN "
     "does; " BNN_DAB_OTHER_ARCH,
     0},
    {&bnn_concat_op, NULL,
     "puts channels beside those of every pixel, which no layer of daBNN does; " BNN_DAB_OTHER_ARCH,
     0},
};

static const struct row *row_of(const bnn_op *op) {
    static const struct row none = {.why =
                                        "has an op that is no layer of daBNN; " BNN_DAB_OTHER_ARCH};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].op == op) {
            return &rows[i];
        }
    }
    return &none;
}

static bnn_code put_node(bnn_dab_walk *w, const bnn_node *node) {
    const struct row *row = row_of(node->op);
    const bnn_dab_map *x = bnn_dab_map_of(w, node->in[0]);
    if (!row->put) {
        return bnn_translation_refuse(&w->t, node, "%s", row->why);
    }
    if (!row->flattened && bnn_shape_of(w->t.graph, node->in[0]).c != x->c) {
        return bnn_translation_refuse(&w->t, node,
                                      "%s: works on a flattened image, which in daBNN only a "
                                      "product reads; use --format onnx",
                                      node->op->name);
    }
    return row->put(w, node);
}

/* A view is the same map. Who reads what, from the end, so that what nobody needs is left out. */
static bnn_code prepare(bnn_dab_walk *w) {
    const bnn_graph *g = w->t.graph;
    const size_t tensors = bnn_graph_tensor_count(g), nodes = bnn_graph_node_count(g);
    w->maps = bnn_arena_alloc(w->t.arena, (tensors + 1) * sizeof *w->maps);
    w->home = bnn_arena_alloc(w->t.arena, (tensors + 1) * sizeof *w->home);
    if (!w->maps || !w->home) {
        return bnn_translation_no_memory(&w->t);
    }
    for (size_t t = 0; t < tensors; t++) {
        w->home[t] = (bnn_t)t;
    }
    for (size_t i = 0; i < nodes; i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        if (node->op->view) {
            w->home[node->out[0]] = w->home[node->in[0]];
        }
    }
    bnn_dab_map_of(w, w->t.plain.outputs[0])->reads = 1;
    bnn_dab_map_of(w, w->t.plain.inputs[0])->reads = 1; /* whose memory it is, the caller's */
    for (size_t i = nodes; i-- > 0;) {
        const bnn_node *node = bnn_graph_node(g, i);
        for (int k = 0;
             bnn_dab_map_of(w, node->out[0])->reads && !node->op->view && k < node->in_count; k++) {
            const bnn_t in = input_of(w, node, k);
            if (in >= 0) {
                bnn_dab_map_of(w, in)->reads++;
            }
        }
    }
    return BNN_OK;
}

static int knows_all_ops(const bnn_dab_walk *w) {
    int all = 1;
    for (size_t i = 0; i < bnn_graph_node_count(w->t.graph); i++) {
        const bnn_node *node = bnn_graph_node(w->t.graph, i);
        const struct row *row = row_of(node->op);
        const int needed = bnn_dab_map_of(w, node->out[0])->reads || node->op->view;
        all = all && (!needed || (row->put && row->put != put_abs_mean));
    }
    return all;
}

static bnn_code put_input(bnn_dab_walk *w) {
    const bnn_inference *plain = &w->t.plain;
    const bnn_shape s = bnn_shape_of(w->t.graph, plain->inputs[0]);
    const int side = side_of(s);
    if (plain->input_count != 1 || plain->output_count != 1) {
        return bnn_translation_refuse(
            &w->t, NULL, "daBNN's networks have one input and one output; " BNN_DAB_OTHER_ARCH);
    }
    if (!side && s.h == 1 && !knows_all_ops(w)) { /* no number of points would help */
        return bnn_translation_refuse(&w->t, NULL,
                                      "%d points do not fill a square, as daBNN's maps are, and "
                                      "the network has ops that no layer of daBNN does; use "
                                      "--format onnx",
                                      s.w);
    }
    if (!side && s.h == 1) {
        const int root = (int)sqrt(s.w);
        return bnn_translation_refuse(&w->t, NULL,
                                      "%d points do not fill a square, as daBNN's maps are; train "
                                      "with %d or %d points, or use --format onnx",
                                      s.w, root * root, (root + 1) * (root + 1));
    }
    if (!side) {
        return bnn_translation_refuse(&w->t, NULL,
                                      "images of %dx%d are not square, as daBNN's maps are; use "
                                      "--format onnx",
                                      s.h, s.w);
    }
    bnn_dab_give(w, plain->inputs[0], INPUT, side, s.c);
    return BNN_OK;
}

/* What comes to the network's result is the last layer: nothing behind it was needed. */
static bnn_code put_output(bnn_dab_walk *w) {
    if (!w->dab.last_layer) {
        return bnn_translation_refuse(&w->t, NULL, "nothing becomes of the input; train a network");
    }
    w->dab.last_layer->output = OUTPUT;
    return BNN_OK;
}

static bnn_code put_all(bnn_dab_walk *w) {
    const bnn_graph *g = w->t.graph;
    bnn_code code = put_input(w);
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        const bnn_dab_map *y = bnn_dab_map_of(w, node->out[0]);
        if (y->reads && (!y->blob || node->op->view)) { /* not part of the product before it */
            code = put_node(w, node);
        }
    }
    return code == BNN_OK ? put_output(w) : code;
}

static void note_costs(const bnn_dab_walk *w) {
    if (w->border_bytes) {
        bnn_translation_note(&w->t,
                             "zero padding takes %zu bytes of constant maps: daBNN pads with -1",
                             w->border_bytes);
    }
    if (w->copies) {
        bnn_translation_note(&w->t,
                             "%d maps are copied: daBNN overwrites what it shifts, and its "
                             "sign(0) is -1",
                             w->copies);
    }
    if (w->t.request->emulate && strcmp(bnn_spec_algorithm(w->t.request->spec), "reactnet") == 0) {
        bnn_translation_note(&w->t, "the shifts in front of the signs are float layers");
    }
}

/* What the file has no place for. */
static void note_input(const bnn_dab_walk *w, bnn_shape square) {
    bnn_meta meta[BNN_SPEC_META];
    const size_t count = bnn_spec_meta(w->t.request->spec, w->t.arena, meta);
    const char *mean = NULL, *std = NULL;
    for (size_t i = 0; i < count; i++) {
        mean = strcmp(meta[i].key, "mean") == 0 ? meta[i].value : mean;
        std = strcmp(meta[i].key, "std") == 0 ? meta[i].value : std;
    }
    bnn_translation_note(&w->t, "input: float32 [1,%d,%d,%d]%s%s%s%s", square.h, square.w, square.c,
                         mean && std ? ", of bytes less their mean " : "", mean && std ? mean : "",
                         mean && std ? ", divided by " : "", mean && std ? std : "");
}

static bnn_code write(const bnn_export_request *request, const char *path,
                      bnn_export_report *report, bnn_error *err) {
    bnn_dab_walk w = {0};
    bnn_flat file;
    bnn_code code = bnn_translation_start(request, 0, report, &w.t, err);
    bnn_flat_start(&file, NULL);
    if (code == BNN_OK) {
        w.dab = bnn_dab_start(w.t.arena);
        code = prepare(&w);
    }
    if (code == BNN_OK && !(code = put_all(&w))) {
        const bnn_shape s = bnn_shape_of(w.t.graph, w.t.plain.inputs[0]);
        const bnn_shape square = {1, side_of(s), side_of(s), s.c};
        if (!(code = bnn_dab_finish(&w.dab, INPUT, square, &file, err)) &&
            !(code = bnn_translation_write(&w.t, path, file.data, file.size))) {
            note_costs(&w);
            note_input(&w, square);
        }
    }
    bnn_flat_free(&file);
    bnn_translation_free(&w.t);
    return code;
}

const bnn_export_format bnn_export_dabnn = {
    .name = "dabnn",
    .suffix = ".dab",
    .title = "daBNN's model file, for its runtime on ARM processors: exact, at the price of maps "
             "of constants for zero padding",
    .emulates = 1,
    .runs_in = "daBNN's runtime on ARM processors",
    .write = write};

/* Larq Compute Engine (Bannink et al., MLSys 2021): a TensorFlow Lite model whose binary
 * convolutions are custom ops. It has bits as int32 words, 1 for negative, and runs everything else
 * as floats.
 *
 * Everything binary is exact: what follows a product is a multiplication and an addition of their
 * own, or a threshold as a half-integer that is never 0 (translate.h). */
#include "models/export/heads_json.h"
#include "models/export/lce/private.h"

#include <stdio.h>

static bnn_code put_node(bnn_lce *l, const bnn_node *node) {
    static const struct {
        const bnn_op *op;
        bnn_lce_put *put;
    } table[] = {{&bnn_conv_op, bnn_lce_conv},
                 {&bnn_affine_op, bnn_lce_affine},
                 {&bnn_threshold_op, bnn_lce_threshold},
                 {&bnn_sign_op, bnn_lce_sign},
                 {&bnn_add_op, bnn_lce_add},
                 {&bnn_clamp_op, bnn_lce_clamp},
                 {&bnn_prelu_op, bnn_lce_prelu},
                 {&bnn_l2_norm_op, bnn_lce_l2_norm},
                 {&bnn_max_pool_op, bnn_lce_max_pool},
                 {&bnn_global_avg_pool_op, bnn_lce_avg_pool},
                 {&bnn_global_max_pool_op, bnn_lce_global_max},
                 {&bnn_reshape_op, bnn_lce_same_values},
                 {&bnn_move_op, bnn_lce_move},
                 {&bnn_concat_op, bnn_lce_concat},
                 {&bnn_batch_product_op, bnn_lce_batch_product},
                 {&bnn_diagonal_op, bnn_lce_diagonal},
                 {&bnn_abs_mean_op, bnn_lce_abs_mean},
                 {&bnn_outer_scale_op, bnn_lce_outer_scale},
                 {&bnn_embedding_op, bnn_lce_embedding},
                 {&bnn_layer_norm_op, bnn_lce_layer_norm},
                 {&bnn_gelu_op, bnn_lce_gelu},
                 {&bnn_tanh_op, bnn_lce_tanh},
                 {&bnn_attention_op, bnn_lce_attention},
                 {&bnn_bi_attention_op, bnn_lce_bi_attention}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].op == node->op) {
            return table[i].put(l, node);
        }
    }
    return bnn_translation_refuse(&l->t, node,
                                  "%s is nothing that Larq Compute Engine's format can say; use "
                                  "the format packed",
                                  node->op->name);
}

static bnn_code find_readers(bnn_lce *l) {
    const bnn_graph *g = l->t.graph;
    const size_t tensors = bnn_graph_tensor_count(g);
    l->readers = bnn_arena_alloc(l->t.arena, tensors * sizeof *l->readers);
    l->values = bnn_arena_alloc(l->t.arena, tensors * sizeof *l->values);
    if (!l->readers || !l->values) {
        return bnn_translation_no_memory(&l->t);
    }
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        for (int k = 0; k < node->in_count; k++) {
            if (node->in[k] >= 0) {
                l->readers[node->in[k]].count++;
                l->readers[node->in[k]].last = node;
            }
        }
    }
    for (int i = 0; i < l->t.plain.output_count; i++) {
        l->readers[l->t.plain.outputs[i]] = (bnn_lce_reader){2, NULL}; /* whoever asks for it */
    }
    return BNN_OK;
}

/* [1,...], without dimensions of 1. */
static bnn_code put_output(bnn_lce *l, bnn_t out, const char *name) {
    const bnn_shape s = bnn_shape_of(l->t.graph, out);
    const int size[3] = {s.h, s.w, s.c};
    bnn_tfl_shape shape = {1, {1}};
    for (int i = 0; i < 3; i++) {
        if (size[i] > 1 || i == 2) {
            shape.size[shape.rank++] = size[i];
        }
    }
    if (bnn_dtype_of(l->t.graph, out) != BNN_F32) {
        return bnn_fail(l->t.err, BNN_ERR_UNSUPPORTED, "the network's output are bits, not logits");
    }
    const bnn_tfl_op op = {
        .code = BNN_TFL_RESHAPE,
        .in = {bnn_lce_tensor(l, out), bnn_lce_ints(l, "shape", shape.rank, shape.size)},
        .in_count = 2};
    l->model.outputs[l->model.output_count++] =
        bnn_tfl_add(&l->model, &op, name, BNN_TFL_FLOAT, shape);
    return BNN_OK;
}

/* "logits", and of detectors "deltas". */
static bnn_code put_outputs(bnn_lce *l, int count) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < count; i++) {
        code = put_output(l, l->t.plain.outputs[i], bnn_head_names[i]);
    }
    return code;
}

_Static_assert((int)BNN_TRANSLATION_MOST_INPUTS <= (int)BNN_TFL_PORTS,
               "a model has room for all inputs");

/* Floats as they are; numbers of tokens [1,T]. */
static void put_input(bnn_lce *l, bnn_t in) {
    const bnn_shape s = bnn_shape_of(l->t.graph, in);
    const int integers = bnn_dtype_of(l->t.graph, in) == BNN_I32;
    const int t = integers ? bnn_tfl_input(&l->model, bnn_graph_name_of(l->t.graph, in),
                                           BNN_TFL_INT, (bnn_tfl_shape){2, {1, s.w}})
                           : bnn_tfl_input(&l->model, "input", BNN_TFL_FLOAT, bnn_lce_shape(s));
    bnn_lce_set(l, in, t, 0);
}

static bnn_code put_network(bnn_lce *l) {
    const bnn_inference *plain = &l->t.plain;
    const int outputs = l->t.request->spec->task->boxes ? BNN_HEADS : 1;
    bnn_code code = find_readers(l);
    if (code == BNN_OK && (plain->output_count != outputs)) {
        code = bnn_fail(l->t.err, BNN_ERR_UNSUPPORTED, "a network of several outputs");
    }
    if (code != BNN_OK) {
        return code;
    }
    bnn_tfl_start(&l->model, l->t.arena);
    for (int i = 0; i < plain->input_count; i++) {
        put_input(l, plain->inputs[i]);
    }
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(l->t.graph); i++) {
        code = put_node(l, bnn_graph_node(l->t.graph, i));
    }
    return code == BNN_OK ? put_outputs(l, outputs) : code;
}

static void tell(const bnn_lce *l, const bnn_lce_tally *tally, const char *what) {
    char bytes[64] = "";
    if (tally->bytes) {
        snprintf(bytes, sizeof bytes, " (%zu bytes)", tally->bytes);
    }
    if (tally->count > 1) {
        bnn_translation_note(&l->t, "%s and %d more: %s%s", tally->first, tally->count - 1, what,
                             bytes);
    } else if (tally->count) {
        bnn_translation_note(&l->t, "%s: %s%s", tally->first, what, bytes);
    }
}

static bnn_code write_lce(const bnn_export_request *request, const char *path,
                          bnn_export_report *report, bnn_error *err) {
    bnn_lce l = {0};
    bnn_flat f;
    bnn_code code;
    bnn_flat_start(&f, "TFL3");
    if (!(code = bnn_translation_start(request, 1, report, &l.t, err)) &&
        !(code = put_network(&l)) &&
        !(code =
              request->spec->task->boxes ? bnn_heads_write(&l.t, &bnn_export_lce, path) : BNN_OK) &&
        !(code = bnn_tfl_write(&l.model, bnn_translation_description(&l.t), &f, err)) &&
        !(code = bnn_translation_write(&l.t, path, f.data, f.size))) {
        tell(&l, &l.as_floats,
             "Larq Compute Engine has no binary op for groups of channels; runs as floats (exact, "
             "not faster)");
        tell(&l, &l.borders,
             "zero padding that Larq Compute Engine computes only with a map of corrections");
    }
    bnn_flat_free(&f);
    bnn_translation_free(&l.t);
    return code;
}

const bnn_export_format bnn_export_lce = {
    .name = "lce",
    .suffix = ".tflite",
    .title = "a TensorFlow Lite model with the binary ops of Larq Compute Engine, for phones and "
             "boards with an ARM processor; NHWC, one image, normalized floats",
    .emulates = 1,
    .fuses = 1,
    .halves = 1,
    .heads = 1,
    .describes = 1,
    .write = write_lce};

/* Networks as ONNX, opset 13, for whatever reads that: images come as NCHW, of any batch. ONNX has
 * no bits. Filters are bytes of +-1 and products are computed in floats, so this format exchanges
 * networks and does not speed them up; all that is binary is exact, as sums of +-1 are integers. */
#include <string.h>

#include "models/export/heads_json.h"
#include "models/export/onnx/ops.h"

static const struct {
    const bnn_op *op;
    bnn_onnx_translate *translate;
} table[] = {{&bnn_conv_op, bnn_onnx_conv},
             {&bnn_affine_op, bnn_onnx_affine},
             {&bnn_add_op, bnn_onnx_add},
             {&bnn_clamp_op, bnn_onnx_clamp},
             {&bnn_sign_op, bnn_onnx_sign},
             {&bnn_threshold_op, bnn_onnx_threshold},
             {&bnn_prelu_op, bnn_onnx_prelu},
             {&bnn_abs_mean_op, bnn_onnx_abs_mean},
             {&bnn_outer_scale_op, bnn_onnx_outer_scale},
             {&bnn_max_pool_op, bnn_onnx_max_pool},
             {&bnn_global_avg_pool_op, bnn_onnx_global_avg_pool},
             {&bnn_global_max_pool_op, bnn_onnx_global_max_pool},
             {&bnn_reshape_op, bnn_onnx_reshape_node},
             {&bnn_move_op, bnn_onnx_move},
             {&bnn_concat_op, bnn_onnx_concat},
             {&bnn_diagonal_op, bnn_onnx_diagonal},
             {&bnn_batch_product_op, bnn_onnx_batch_product},
             {&bnn_embedding_op, bnn_onnx_embedding},
             {&bnn_layer_norm_op, bnn_onnx_layer_norm},
             {&bnn_l2_norm_op, bnn_onnx_l2_norm},
             {&bnn_gelu_op, bnn_onnx_gelu},
             {&bnn_tanh_op, bnn_onnx_tanh},
             {&bnn_attention_op, bnn_onnx_attention},
             {&bnn_bi_attention_op, bnn_onnx_bi_attention}};

const char *bnn_onnx_name(const bnn_onnx *o, bnn_t constant) {
    const bnn_constant *c = bnn_inference_constant_of(&o->t->plain, constant);
    return c ? c->name : "constant";
}

/* Points and frames of one row come as PyTorch has them, [N,C,points]. */
static bnn_onnx_port put_floats(bnn_onnx *o, bnn_t input) {
    static const int64_t row[] = {2};
    const bnn_shape s = bnn_shape_of(o->t->graph, input);
    const char *x = "input";
    const int points = strcmp(o->t->request->spec->arch->inputs[0], "points") == 0;
    if (points) {
        x = BNN_ONNX_OP(o, "Unsqueeze", x, bnn_onnx_list(o, 1, row));
    }
    bnn_onnx_put(o, input, x, (bnn_onnx_form){0, 1});
    return (bnn_onnx_port){"input", 0, points ? 2 : 3, {s.c, points ? s.w : s.h, s.w}};
}

/* One of the inputs of a network of text: a number a token, [N,T]. */
static bnn_onnx_port put_integers(bnn_onnx *o, bnn_t input) {
    const char *name = bnn_graph_name_of(o->t->graph, input);
    bnn_onnx_put(o, input, name, (bnn_onnx_form){0, 1});
    return (bnn_onnx_port){name, 1, 1, {bnn_shape_of(o->t->graph, input).w}};
}

static void put_inputs(bnn_onnx *o, bnn_onnx_port in[BNN_TRANSLATION_MOST_INPUTS]) {
    const bnn_inference *plain = &o->t->plain;
    for (int i = 0; i < plain->input_count; i++) {
        const int integers = bnn_dtype_of(plain->graph, plain->inputs[i]) == BNN_I32;
        in[i] = (integers ? put_integers : put_floats)(o, plain->inputs[i]);
    }
}

/* A row a sample, or one of each of its points, [N,points,classes]. */
static bnn_onnx_port put_output(bnn_onnx *o, bnn_t output, const char *name) {
    const bnn_shape s = bnn_shape_of(o->t->graph, output);
    const char *y = bnn_onnx_get(o, output);
    const int points = !bnn_onnx_form_of(o, output).flat, pixels = s.h * s.w;
    if (points) {
        y = bnn_onnx_transpose(o, y, 4, (const int64_t[]){0, 2, 3, 1});
        bnn_onnx_reshape(o, y, 3, (const int64_t[]){0, pixels, s.c});
    } else {
        BNN_ONNX_OP(o, "Identity", y);
    }
    bnn_onnx_name_result(o, name);
    return (bnn_onnx_port){name, 0, points ? 2 : 1, {points ? pixels : s.c, s.c}};
}

static bnn_code translate(bnn_onnx *o, const bnn_node *node) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].op == node->op) {
            return table[i].translate(o, node);
        }
    }
    return bnn_translation_refuse(o->t, node, "%s is no work of ONNX's; export as packed",
                                  node->op->name);
}

/* "logits", and of detectors "deltas". */
static bnn_code finish(bnn_onnx *o, const char *path,
                       const bnn_onnx_port in[BNN_TRANSLATION_MOST_INPUTS]) {
    const bnn_inference *plain = &o->t->plain;
    const int heads = o->t->request->spec->task->boxes;
    const size_t outs = heads ? BNN_HEADS : 1;
    bnn_onnx_port out[BNN_HEADS];
    for (size_t i = 0; i < outs; i++) {
        out[i] = put_output(o, plain->outputs[i], bnn_head_names[i]);
    }
    bnn_code code = heads ? bnn_heads_write(o->t, &bnn_export_onnx, path) : BNN_OK;
    return code == BNN_OK ? bnn_onnx_write(o, path, (size_t)plain->input_count, in, outs, out)
                          : code;
}

static bnn_code write(const bnn_export_request *request, const char *path,
                      bnn_export_report *report, bnn_error *err) {
    bnn_translation t;
    bnn_onnx o;
    bnn_onnx_port in[BNN_TRANSLATION_MOST_INPUTS];
    bnn_code code = bnn_translation_start(request, 1, report, &t, err);
    if (code == BNN_OK) {
        bnn_onnx_start(&o, &t);
        put_inputs(&o, in);
        for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(t.graph); i++) {
            code = translate(&o, bnn_graph_node(t.graph, i));
        }
        if (code == BNN_OK) {
            code = finish(&o, path, in);
        }
    }
    bnn_translation_free(&t);
    return code;
}

const bnn_export_format bnn_export_onnx = {
    .name = "onnx",
    .suffix = ".onnx",
    .title = "ONNX, for other frameworks and runtimes: exact, but its binary layers are computed "
             "in floats",
    .halves = 1,
    .heads = 1,
    .describes = 1,
    .write = write};

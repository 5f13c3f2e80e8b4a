#include "models/export/heads.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/ops.h"

const char *const bnn_head_names[BNN_HEADS] = {"logits", "deltas"};

/* How an exported stage ends in the network that it was taken from. */
typedef struct stage {
    const bnn_node *nms, *decode;
    int softmax; /* scores are made of logits; else of each one alone, by a sigmoid */
    bnn_t logits;
} stage;

static const bnn_node *maker(const bnn_graph *g, bnn_t t, const bnn_op *op) {
    const bnn_node *node = bnn_graph_producer(g, t);
    return node && node->op == op ? node : NULL;
}

static bnn_code strange(const bnn_export_request *request, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: its boxes do not come from anchors and deltas, so it is no network that "
                    "was trained here; use the format packed",
                    request->spec->arch->name);
}

static bnn_code find_stage(const bnn_export_request *request, stage *s, bnn_error *err) {
    const bnn_graph *g = request->network->graph;
    int stages = 0;
    *s = (stage){0};
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        if (node->op == &bnn_nms_op && stages++ == 0) {
            s->nms = node;
        }
    }
    if (stages > 1 && !request->first_stage) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: its second stage looks at regions of a map, for which only the format "
                        "packed has a place; --part rpn exports the first stage",
                        request->spec->arch->name);
    }
    if (stages < 2 && request->first_stage) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--part rpn: %s has no first stage of two",
                        request->spec->arch->name);
    }
    s->decode = s->nms ? maker(g, s->nms->in[1], &bnn_decode_boxes_op) : NULL;
    if (!s->decode) {
        return strange(request, err);
    }
    const bnn_node *softmax = maker(g, s->nms->in[0], &bnn_softmax_op);
    s->softmax = softmax != NULL;
    s->logits = softmax ? softmax->in[0] : s->nms->in[0];
    return BNN_OK;
}

bnn_code bnn_heads_find(const bnn_export_request *request, bnn_t heads[BNN_HEADS], bnn_error *err) {
    stage s;
    bnn_code code = find_stage(request, &s, err);
    if (code == BNN_OK) {
        heads[0] = s.logits;
        heads[1] = s.decode->in[0];
    }
    return code;
}

/* ---- what is beside the model ---- */

/* The cells of a map, and the anchors of each. */
static json_t *cells(const bnn_graph *g, const bnn_node *node) {
    const bnn_anchors *a = node->attr;
    const bnn_shape map = bnn_shape_of(g, node->in[0]);
    json_t *sizes = json_array();
    for (int i = 0; i < a->count; i++) {
        json_array_append_new(sizes,
                              json_pack("[f, f]", (double)a->width[i], (double)a->height[i]));
    }
    return json_pack("{s:i, s:i, s:f, s:f, s:o}", "rows", map.h, "columns", map.w, "stride",
                     (double)a->stride, "offset", (double)a->offset, "sizes", sizes);
}

/* NULL: they are computed otherwise. */
static json_t *all_anchors(const bnn_graph *g, bnn_t anchors) {
    const bnn_node *all = maker(g, anchors, &bnn_concat_op);
    json_t *list = json_array();
    for (int k = 0; list && k < (all ? all->in_count : 1); k++) {
        const bnn_node *level = maker(g, all ? all->in[k] : anchors, &bnn_anchors_op);
        if (!level || json_array_append_new(list, cells(g, level)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *suppression(const bnn_nms *nms) {
    json_t *object =
        json_pack("{s:I, s:f, s:I, s:b}", "most", (json_int_t)nms->most, "overlap",
                  (double)nms->overlap, "keep", (json_int_t)nms->keep, "sized", nms->sized);
    if (isfinite(nms->score)) {
        json_object_set_new(object, "score", json_real((double)nms->score));
    }
    return object;
}

static json_t *describe(const bnn_graph *g, const stage *s, json_t *anchors) {
    const bnn_nms_attr *nms = s->nms->attr;
    const bnn_shape logits = bnn_shape_of(g, s->logits);
    const bnn_shape deltas = bnn_shape_of(g, s->decode->in[0]);
    json_t *std = json_array();
    for (int i = 0; i < 4; i++) {
        const char field[] = {'s', 't', 'd', (char)('0' + i), '\0'};
        json_array_append_new(std, json_real((double)bnn_translation_float(s->decode, field)));
    }
    json_t *object = json_pack(
        "{s:[i, i], s:[i, i], s:s, s:o, s:o, s:[i, i], s:o}", bnn_head_names[0], logits.w, logits.c,
        bnn_head_names[1], deltas.w, deltas.c, "score", s->softmax ? "softmax" : "sigmoid",
        "anchors", anchors, "std", std, "image", bnn_translation_int(s->decode, "height"),
        bnn_translation_int(s->decode, "width"), "nms", suppression(&nms->nms));
    if (nms->background) {
        json_object_set_new(object, "background", json_integer(logits.c - 1));
    }
    return object;
}

bnn_code bnn_heads_write(const bnn_translation *t, const bnn_export_format *format,
                         const char *path) {
    char beside[4352];
    stage s;
    const bnn_graph *g = t->request->network->graph;
    bnn_code code =
        bnn_export_beside(format, t->request->spec, path, beside, sizeof beside, t->err);
    if (code != BNN_OK || (code = find_stage(t->request, &s, t->err)) != BNN_OK) {
        return code;
    }
    json_t *anchors = all_anchors(g, s.decode->in[1]);
    if (!anchors) {
        return strange(t->request, t->err);
    }
    const char *text = bnn_translation_description(t);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *heads = describe(g, &s, anchors);
    const int failed = !root || !heads || json_object_set_new(root, "heads", heads) != 0;
    char *json = failed ? NULL : json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    code =
        json ? bnn_translation_write(t, beside, json, strlen(json)) : bnn_translation_no_memory(t);
    free(json);
    json_decref(root);
    return code;
}

#include "models/export/heads_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/ops.h"

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
    const bnn_node *all = bnn_heads_maker(g, anchors, &bnn_concat_op);
    json_t *list = json_array();
    for (int k = 0; list && k < (all ? all->in_count : 1); k++) {
        const bnn_node *level = bnn_heads_maker(g, all ? all->in[k] : anchors, &bnn_anchors_op);
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

static json_t *describe(const bnn_export_request *request, const bnn_heads *s, json_t *anchors) {
    const bnn_graph *g = request->network->graph;
    const bnn_nms_attr *nms = s->nms->attr;
    const bnn_shape logits = bnn_shape_of(g, s->output[0]);
    const bnn_shape deltas = bnn_shape_of(g, s->output[1]);
    json_t *std = json_array();
    for (int i = 0; i < 4; i++) {
        const char field[] = {'s', 't', 'd', (char)('0' + i), '\0'};
        json_array_append_new(std, json_real((double)bnn_translation_float(s->decode, field)));
    }
    json_t *object =
        json_pack("{s:[i, i], s:[i, i], s:s, s:o, s:o, s:[i, i], s:o}", bnn_head_names[0], logits.w,
                  logits.c, bnn_head_names[1], deltas.w, deltas.c, "score",
                  s->softmax ? "softmax" : "sigmoid", "anchors", anchors, "std", std, "image",
                  request->spec->height, request->spec->width, "nms", suppression(&nms->nms));
    if (nms->background) {
        json_object_set_new(object, "background", json_integer(logits.c - 1));
    }
    return object;
}

bnn_code bnn_heads_write(const bnn_translation *t, const bnn_export_format *format,
                         const char *path) {
    char beside[4352];
    bnn_heads s;
    const bnn_graph *g = t->request->network->graph;
    bnn_code code =
        bnn_export_beside(format, t->request->spec, path, beside, sizeof beside, t->err);
    if (code != BNN_OK || (code = bnn_heads_find(t->request, &s, t->err)) != BNN_OK) {
        return code;
    }
    json_t *anchors = all_anchors(g, s.decode->in[1]);
    if (!anchors) {
        return bnn_heads_strange(t->request, t->err);
    }
    const char *text = bnn_translation_description(t);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *heads = describe(t->request, &s, anchors);
    const int failed = !root || !heads || json_object_set_new(root, "heads", heads) != 0;
    char *json = failed ? NULL : json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    code =
        json ? bnn_translation_write(t, beside, json, strlen(json)) : bnn_translation_no_memory(t);
    free(json);
    json_decref(root);
    return code;
}

#include "models/export/translate.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/half.h"
#include "engine/base/text.h"
#include "layers/fold/plain.h"
#include "models/export/heads.h"
#include "models/files/checkpoint.h"

/* ---- the network ---- */

/* Which of a node's inputs are values, a bit each; the others are constants. */
static unsigned values_of(const bnn_op *op) {
    static const struct {
        const bnn_op *op;
        unsigned values;
    } of_several[] = {{&bnn_conv_op, 1u | 1u << 2},
                      {&bnn_add_op, 1u | 1u << 1},
                      {&bnn_batch_product_op, 1u | 1u << 1},
                      {&bnn_embedding_op, 1u << 1},
                      {&bnn_attention_op, 1u | 1u << 1 | 1u << 2 | 1u << 3},
                      {&bnn_bi_attention_op, 1u | 1u << 1 | 1u << 2 | 1u << 3},
                      {&bnn_concat_op, ~0u}};
    for (size_t i = 0; i < sizeof of_several / sizeof *of_several; i++) {
        if (of_several[i].op == op) {
            return of_several[i].values;
        }
    }
    return 1u;
}

static bnn_code check_operands(const bnn_translation *t, const bnn_node *node) {
    for (int k = 0; k < node->in_count; k++) {
        const bnn_t in = node->in[k];
        const int is_value = (values_of(node->op) >> k & 1) != 0;
        if (in >= 0 && bnn_dtype_of(t->graph, in) != BNN_U8 && /* a product's own */
            is_value == bnn_translation_is_constant(t, in)) {
            return bnn_translation_refuse(t, node,
                                          "operand %d of %s is %s, so it is no network that was "
                                          "trained here; use the format packed",
                                          k + 1, node->op->name,
                                          is_value ? "a constant" : "no constant");
        }
    }
    return BNN_OK;
}

/* One input of floats, or where the format says `integers` numbers of tokens. A file's network may
 * be one that no builder makes. */
static bnn_code check_inputs(const bnn_translation *t, int integers) {
    const bnn_inference *plain = &t->plain;
    int floats = plain->input_count == 1 && bnn_dtype_of(t->graph, plain->inputs[0]) == BNN_F32;
    int tokens = plain->input_count <= BNN_TRANSLATION_MOST_INPUTS;
    for (int i = 0; i < plain->input_count; i++) {
        const bnn_shape s = bnn_shape_of(t->graph, plain->inputs[i]);
        tokens &= bnn_dtype_of(t->graph, plain->inputs[i]) == BNN_I32 && s.h == 1 && s.c == 1;
    }
    if (!floats && !integers) {
        return bnn_fail(t->err, BNN_ERR_UNSUPPORTED,
                        "a %s sees more than floats, which only the formats packed, onnx and lce "
                        "know",
                        t->request->spec->arch->name);
    }
    return floats || tokens
               ? BNN_OK
               : bnn_fail(t->err, BNN_ERR_UNSUPPORTED,
                          "the network's inputs are neither one of floats nor numbers of tokens, "
                          "so it is none that was trained here; use the format packed");
}

bnn_code bnn_translation_start(const bnn_export_request *request, int integers,
                               bnn_export_report *report, bnn_translation *t, bnn_error *err) {
    *report = (bnn_export_report){0};
    *t = (bnn_translation){
        .request = request, .report = report, .arena = bnn_arena_create(), .err = err};
    const int boxes = request->spec->task->boxes;
    bnn_heads heads;
    bnn_code code = t->arena ? BNN_OK : bnn_translation_no_memory(t);
    if (code == BNN_OK && boxes) {
        code = bnn_heads_find(request, &heads, err);
    }
    if (code == BNN_OK) {
        code = bnn_inference_plain(request->network, bnn_graph_device(request->network->graph),
                                   BNN_HEADS, boxes ? heads.output : NULL, &t->plain, err);
    }
    t->graph = t->plain.graph;
    code = code == BNN_OK ? check_inputs(t, integers) : code;
    for (size_t i = 0; code == BNN_OK && i < bnn_graph_node_count(t->graph); i++) {
        code = check_operands(t, bnn_graph_node(t->graph, i));
    }
    return code;
}

void bnn_translation_free(bnn_translation *t) {
    bnn_inference_free(&t->plain);
    bnn_arena_free(t->arena);
}

/* ---- constants ---- */

int bnn_translation_is_constant(const bnn_translation *t, bnn_t tensor) {
    return bnn_inference_constant_of(&t->plain, tensor) != NULL;
}

/* A constant's memory, copied. */
static void *copy(const bnn_translation *t, bnn_t constant) {
    const bnn_graph *g = t->graph;
    void *data = bnn_arena_alloc(
        t->arena, bnn_tensor_bytes(bnn_dtype_of(g, constant), bnn_shape_of(g, constant)));
    return data && bnn_graph_get(g, constant, data, t->err) == BNN_OK ? data : NULL;
}

float *bnn_translation_floats(const bnn_translation *t, bnn_t constant) {
    float *values = copy(t, constant);
    for (size_t i = 0; values && i < bnn_shape_count(bnn_shape_of(t->graph, constant)); i++) {
        values[i] += 0.0f; /* -0.0 + 0.0 is +0.0 */
    }
    return values;
}

float *bnn_translation_filled(const bnn_translation *t, size_t count, float value) {
    float *values = bnn_arena_alloc(t->arena, count * sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        values[i] = value;
    }
    return values;
}

int bnn_translation_halves(const bnn_translation *t, size_t count, const float *values) {
    return t->request->float16 && count >= BNN_TRANSLATION_FEWEST_HALVES && values &&
           bnn_half_are(count, values);
}

uint16_t *bnn_translation_as_halves(const bnn_translation *t, size_t count, const float *values) {
    uint16_t *halves = bnn_arena_alloc(t->arena, count * sizeof *halves);
    if (halves) {
        bnn_half_list(count, values, halves);
    }
    return halves;
}

int32_t *bnn_translation_thresholds(const bnn_translation *t, bnn_t constant) {
    const int32_t most = BNN_TRANSLATION_MOST_TERMS;
    int32_t *values = copy(t, constant);
    for (size_t i = 0; values && i < bnn_shape_count(bnn_shape_of(t->graph, constant)); i++) {
        const int32_t flip = values[i] & 1;
        const int32_t at = (int32_t)(((int64_t)values[i] - flip) / 2);
        values[i] = 2 * (at < -most ? -most : at > most ? most + 1 : at) + flip;
    }
    return values;
}

bnn_steps bnn_translation_steps(const bnn_translation *t, bnn_t thresholds, size_t count) {
    const int32_t *threshold = thresholds < 0 ? NULL : bnn_translation_thresholds(t, thresholds);
    const bnn_steps steps = {bnn_translation_filled(t, count, 1.0f),
                             bnn_translation_filled(t, count, 0.0f)};
    if ((thresholds >= 0 && !threshold) || !steps.factor || !steps.shift) {
        return (bnn_steps){NULL, NULL};
    }
    for (size_t i = 0; threshold && i < count; i++) {
        const int32_t flip = threshold[i] & 1, at = (threshold[i] - flip) / 2;
        steps.factor[i] = flip ? -1.0f : 1.0f;
        steps.shift[i] = -steps.factor[i] * ((float)at - 0.5f);
    }
    return steps;
}

int8_t *bnn_translation_signs(const bnn_translation *t, bnn_t constant) {
    bnn_shape s = bnn_shape_of(t->graph, constant);
    const size_t c = (size_t)s.c, words = bnn_words(c);
    const uint64_t *bits = copy(t, constant);
    int8_t *signs = bnn_arena_alloc(t->arena, bnn_shape_count(s));
    for (size_t r = 0; bits && signs && r < bnn_shape_rows(s); r++) {
        for (size_t i = 0; i < c; i++) {
            signs[r * c + i] = bits[r * words + i / 64] >> (i % 64) & 1 ? 1 : -1;
        }
    }
    return bits ? signs : NULL;
}

/* Whether tap k of a window that begins at `first` lies outside an image of this size. */
static int is_outside(int first, int k, int dilation, int size) {
    int at = first + k * dilation;
    return at < 0 || at >= size;
}

float *bnn_translation_border(const bnn_translation *t, const bnn_node *node, float outside) {
    const bnn_conv s = bnn_conv_of(t->graph, node);
    const int8_t *w = bnn_translation_signs(t, node->in[1]);
    const size_t cg = (size_t)(s.c / s.groups);
    const size_t taps = (size_t)s.kh * (size_t)s.kw, o = (size_t)s.o;
    int *sums = bnn_arena_alloc(t->arena, o * taps * sizeof *sums);
    float *border = bnn_arena_alloc(t->arena, (size_t)s.oh * (size_t)s.ow * o * sizeof *border);
    if (!w || !sums || !border) {
        return NULL;
    }
    for (size_t i = 0; i < o * taps * cg; i++) {
        sums[i / cg] += w[i];
    }
    for (int y = 0; y < s.oh; y++) {
        for (int x = 0; x < s.ow; x++) {
            float *to = border + ((size_t)y * (size_t)s.ow + (size_t)x) * o;
            for (size_t tap = 0; tap < taps; tap++) {
                const int ky = (int)tap / s.kw, kx = (int)tap % s.kw;
                for (size_t i = 0;
                     i < o && (is_outside(y * s.stride_h - s.pad_h, ky, s.dil_h, s.h) ||
                               is_outside(x * s.stride_w - s.pad_w, kx, s.dil_w, s.w));
                     i++) {
                    to[i] += outside * (float)sums[i * taps + tap];
                }
            }
        }
    }
    return border;
}

bnn_code bnn_translation_check_terms(const bnn_translation *t, const bnn_node *node) {
    const bnn_conv s = bnn_conv_of(t->graph, node);
    const double terms = (double)s.kh * s.kw * s.c / s.groups;
    return terms <= BNN_TRANSLATION_MOST_TERMS
               ? BNN_OK
               : bnn_translation_refuse(t, node,
                                        "sums of %.0f products are not exact in floats, at most %d "
                                        "are; use the format packed",
                                        terms, BNN_TRANSLATION_MOST_TERMS);
}

bnn_code bnn_translation_check_integers(const bnn_translation *t, const bnn_node *node,
                                        bnn_t integers) {
    for (int i = 0; i < t->plain.input_count; i++) {
        if (t->plain.inputs[i] == integers) {
            return BNN_OK;
        }
    }
    return bnn_translation_refuse(t, node,
                                  "%s reads numbers that are none of the network's inputs, so it "
                                  "is no network that was trained here; use the format packed",
                                  node->op->name);
}

bnn_code bnn_translation_check_embedding(const bnn_translation *t, const bnn_node *node) {
    const int bits = bnn_dtype_of(t->graph, node->in[0]) != BNN_F32;
    if (bnn_translation_int(node, "positions") && (node->in[2] >= 0 || bits)) {
        return bnn_translation_refuse(t, node,
                                      "positions are bits, so it is no network that was trained "
                                      "here; use the format packed");
    }
    return bnn_translation_check_integers(t, node, node->in[1]);
}

/* ---- fields ---- */

static const void *field(const bnn_node *node, const char *name, bnn_op_field_type *type) {
    for (const bnn_op_field *f = node->op->form->fields; f && f->name; f++) {
        if (strcmp(f->name, name) == 0) {
            *type = f->type;
            return (const char *)node->attr + f->offset;
        }
    }
    return NULL;
}

int bnn_translation_int(const bnn_node *node, const char *name) {
    bnn_op_field_type type;
    const void *at = field(node, name, &type);
    return !at ? 0 : type == BNN_FIELD_SIZE ? (int)*(const size_t *)at : *(const int *)at;
}

float bnn_translation_float(const bnn_node *node, const char *name) {
    bnn_op_field_type type;
    const void *at = field(node, name, &type);
    return at ? *(const float *)at : 0.0f;
}

/* ---- messages ---- */

/* "layer1.0.conv1" of "layer1.0.conv1.weight". */
static const char *layer_of(const bnn_translation *t, const char *constant) {
    const char *dot = strrchr(constant, '.');
    const char *name =
        dot ? bnn_arena_format(t->arena, "%.*s", (int)(dot - constant), constant) : constant;
    return name ? name : constant;
}

/* Packed files hold vectors of the same values once: such a one has the name of its first layer. */
static int is_shared(const bnn_translation *t, bnn_t constant) {
    int readers = 0;
    for (size_t i = 0; i < bnn_graph_node_count(t->graph) && readers < 2; i++) {
        const bnn_node *node = bnn_graph_node(t->graph, i);
        for (int k = 0; k < node->in_count; k++) {
            readers += node->in[k] == constant;
        }
    }
    return readers > 1;
}

const char *bnn_translation_layer(const bnn_translation *t, const bnn_node *node) {
    while (node) {
        for (int k = 1; k <= node->in_count; k++) { /* the first is what the layer is applied to */
            const bnn_t operand = node->in[k % node->in_count];
            const bnn_constant *c = bnn_inference_constant_of(&t->plain, operand);
            if (c && !is_shared(t, operand)) {
                return layer_of(t, c->name);
            }
        }
        node = bnn_graph_producer(t->graph, node->in[0]);
    }
    return t->plain.constant_count ? layer_of(t, t->plain.constants[0].name)
                                   : "the network's beginning";
}

bnn_code bnn_translation_refuse(const bnn_translation *t, const bnn_node *node, const char *format,
                                ...) {
    char why[400];
    va_list args;
    va_start(args, format);
    bnn_text_print(why, sizeof why, format, args);
    va_end(args);
    return bnn_fail(t->err, BNN_ERR_UNSUPPORTED, "%s: %s", bnn_translation_layer(t, node), why);
}

void bnn_translation_note(const bnn_translation *t, const char *format, ...) {
    char *notes = t->report->notes;
    size_t used = strlen(notes);
    va_list args;
    va_start(args, format);
    bnn_text_print(notes + used, sizeof t->report->notes - used, format, args);
    va_end(args);
    used = strlen(notes);
    if (used + 1 < sizeof t->report->notes) {
        memcpy(notes + used, "\n", 2);
    }
}

bnn_code bnn_translation_no_memory(const bnn_translation *t) {
    return bnn_fail(t->err, BNN_ERR_MEMORY, "out of memory for the exported model");
}

/* ---- the whole ---- */

char *bnn_translation_description(const bnn_translation *t) {
    bnn_meta meta[BNN_SPEC_META];
    const size_t count = bnn_spec_meta(t->request->spec, t->arena, meta);
    json_t *object = json_object();
    int ok =
        object && json_object_set_new(object, "producer", json_string("bnn " BNN_VERSION)) == 0;
    for (size_t i = 0; ok && i < count; i++) {
        ok = meta[i].value &&
             json_object_set_new(object, meta[i].key, json_string(meta[i].value)) == 0;
    }
    /* Into room that is there: where its own buffer cannot grow, jansson drops a text's rest. */
    size_t bytes = ok ? json_dumpb(object, NULL, 0, JSON_COMPACT) : 0;
    char *text = bytes ? bnn_arena_alloc(t->arena, bytes + 1) : NULL;
    int whole = text && json_dumpb(object, text, bytes, JSON_COMPACT) == bytes;
    json_decref(object);
    return whole ? text : NULL;
}

bnn_code bnn_translation_write(const bnn_translation *t, const char *path, const void *data,
                               size_t bytes) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(path, &file, t->err);
    if (code == BNN_OK) {
        fwrite(data, 1, bytes, bnn_atomic_stream(file)); /* commit looks for errors */
        code = bnn_atomic_commit(file, t->err);
    }
    t->report->bytes = code == BNN_OK ? bytes : 0;
    return code;
}

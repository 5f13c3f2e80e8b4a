/* The constants of exported C source. Names are collected while the loops are written, values are
 * turned into text when they go to the file: those of a float network are many. */
#include <math.h>
#include <string.h>
#include <zlib.h>

#include "models/export/c/write.h"

const char *bnn_c_constant_name(bnn_c_writer *w, bnn_t t, bnn_c_layout layout) {
    for (size_t i = 0; i < w->constants; i++) {
        const bnn_c_constant *c = &w->constant[i];
        if (c->t == t && c->layout == layout) {
            return c->name;
        }
    }
    const bnn_constant *constant = bnn_inference_constant_of(&w->t->plain, t);
    const char *from = constant ? constant->name : "";
    const char *name = bnn_c_text(w, "k%zu_%s", w->constants, bnn_c_clean(w, from, 1));
    w->constant[w->constants++] = (bnn_c_constant){name, from, t, layout};
    return name;
}

static int values_of(const bnn_c_table *table) {
    return table->is_move ? 12 : 14;
}

const char *bnn_c_table_name(bnn_c_writer *w, int is_move, const int32_t *value) {
    bnn_c_table new = {.is_move = is_move};
    memcpy(new.value, value, (size_t)values_of(&new) * sizeof *value);
    for (size_t i = 0; i < w->tables; i++) {
        const bnn_c_table *old = &w->table[i];
        if (old->is_move == is_move && !memcmp(old->value, new.value, sizeof new.value)) {
            return old->name;
        }
    }
    new.name = bnn_c_text(w, "%s%zu", is_move ? "move" : "window", w->tables);
    w->table[w->tables++] = new;
    return new.name;
}

/* Value i of a list, so many a line. */
static void put_item(bnn_c_writer *w, size_t i, size_t a_line, const char *text) {
    w->checksum = (uint32_t)crc32_z(w->checksum, (const unsigned char *)text, strlen(text) + 1);
    fprintf(w->out, "%s%s,", i % a_line ? " " : i ? "\n    " : "    ", text);
}

static size_t count_of(const bnn_c_writer *w, const bnn_c_constant *c) {
    const bnn_shape s = bnn_shape_of(w->t->graph, c->t);
    const size_t filters = (size_t)s.n, taps = (size_t)s.h * (size_t)s.w, depth = (size_t)s.c;
    return c->layout == BNN_C_BY_TAP      ? taps * filters * ((depth + 31) / 32)
           : c->layout == BNN_C_BY_FILTER ? filters * ((taps * depth + 31) / 32)
                                          : bnn_shape_count(s);
}

static bnn_code put_floats(bnn_c_writer *w, const bnn_c_constant *c) {
    const float *values = bnn_translation_floats(w->t, c->t);
    char text[BNN_C_FLOAT_ROOM];
    if (!values) {
        return bnn_translation_no_memory(w->t);
    }
    for (size_t i = 0; i < count_of(w, c); i++) {
        if (!isfinite(values[i])) {
            return bnn_fail(w->t->err, BNN_ERR_NUMERIC,
                            "%s: has a value that is not finite; train the network again", c->from);
        }
        put_item(w, i, 5, bnn_c_float(values[i], text));
    }
    return BNN_OK;
}

static bnn_code put_thresholds(bnn_c_writer *w, const bnn_c_constant *c) {
    const int32_t *values = bnn_translation_thresholds(w->t, c->t);
    char text[16];
    for (size_t i = 0; values && i < count_of(w, c); i++) {
        snprintf(text, sizeof text, "%d", values[i]);
        put_item(w, i, 12, text);
    }
    return values ? BNN_OK : bnn_translation_no_memory(w->t);
}

/* A word of up to 32 signs. */
static uint32_t word_of(const int8_t *signs, size_t count) {
    uint32_t word = 0;
    for (size_t i = 0; i < count && i < 32; i++) {
        word |= (uint32_t)(signs[i] > 0) << i;
    }
    return word;
}

static bnn_code put_bits(bnn_c_writer *w, const bnn_c_constant *c) {
    const bnn_shape s = bnn_shape_of(w->t->graph, c->t);
    const int8_t *signs = bnn_translation_signs(w->t, c->t);
    const size_t filters = (size_t)s.n, taps = (size_t)s.h * (size_t)s.w, depth = (size_t)s.c;
    const int by_tap = c->layout == BNN_C_BY_TAP;
    const size_t outer = by_tap ? taps : 1, run = by_tap ? depth : taps * depth;
    const size_t words = (run + 31) / 32;
    char text[16];
    size_t item = 0;
    for (size_t tap = 0; signs && tap < outer; tap++) {
        for (size_t o = 0; o < filters; o++) {
            for (size_t k = 0; k < words; k++) {
                const int8_t *from = signs + (o * taps + tap) * depth + 32 * k;
                snprintf(text, sizeof text, "0x%08x", (unsigned)word_of(from, run - 32 * k));
                put_item(w, item++, 8, text);
            }
        }
    }
    return signs ? BNN_OK : bnn_translation_no_memory(w->t);
}

static bnn_code put_constant(bnn_c_writer *w, const bnn_c_constant *c) {
    static const char *const types[] = {[BNN_C_PLAIN] = "float",
                                        [BNN_C_THRESHOLDS] = "int32_t",
                                        [BNN_C_BY_TAP] = "uint32_t",
                                        [BNN_C_BY_FILTER] = "uint32_t"};
    fprintf(w->out, "static const %s %s[%zu] = {\n", types[c->layout], c->name, count_of(w, c));
    bnn_code code = c->layout == BNN_C_PLAIN        ? put_floats(w, c)
                    : c->layout == BNN_C_THRESHOLDS ? put_thresholds(w, c)
                                                    : put_bits(w, c);
    fprintf(w->out, "\n};\n");
    return code;
}

bnn_code bnn_c_put_constants(bnn_c_writer *w) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < w->tables; i++) {
        const bnn_c_table *table = &w->table[i];
        char text[16];
        fprintf(w->out, "static const %s %s%s = {\n", table->is_move ? "int32_t" : "window",
                table->name, table->is_move ? "[12]" : "");
        for (int k = 0; k < values_of(table); k++) {
            snprintf(text, sizeof text, "%d", (int)table->value[k]);
            put_item(w, (size_t)k, 14, text);
        }
        fprintf(w->out, "\n};\n");
    }
    for (size_t i = 0; code == BNN_OK && i < w->constants; i++) {
        code = put_constant(w, &w->constant[i]);
    }
    return code;
}

size_t bnn_c_constant_bytes(const bnn_c_writer *w) {
    size_t words = 0;
    for (size_t i = 0; i < w->tables; i++) {
        words += (size_t)values_of(&w->table[i]);
    }
    for (size_t i = 0; i < w->constants; i++) {
        words += count_of(w, &w->constant[i]);
    }
    return words * sizeof(float);
}

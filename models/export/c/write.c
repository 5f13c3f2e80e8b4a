#include "models/export/c/write.h"

#include <stdarg.h>
#include <string.h>

#include "engine/base/text.h"

#define COLUMNS 98

bnn_code bnn_c_writer_start(const bnn_translation *t, const bnn_c_plan *plan, FILE *out,
                            bnn_c_writer *w) {
    const size_t nodes = bnn_graph_node_count(t->graph);
    *w = (bnn_c_writer){.t = t, .plan = plan, .out = out};
    w->constant = bnn_arena_alloc(t->arena, (BNN_MAX_IN * nodes + 1) * sizeof *w->constant);
    w->table = bnn_arena_alloc(t->arena, (nodes + 1) * sizeof *w->table);
    return w->constant && w->table ? BNN_OK : bnn_translation_no_memory(t);
}

/* Characters of `text` that go into `room` columns: all, or up to a space behind a comma. */
static size_t fitting(const char *text, size_t room) {
    const size_t length = strlen(text);
    size_t end = length;
    if (length > room) {
        for (size_t i = 1; i < room; i++) {
            end = text[i] == ' ' && text[i - 1] == ',' ? i : end;
        }
    }
    return end;
}

void bnn_c_put(bnn_c_writer *w, const char *format, ...) {
    char line[1024];
    int indent = 4 * w->indent;
    va_list args;
    va_start(args, format);
    bnn_text_print(line, sizeof line, format, args);
    va_end(args);
    const char *text = line;
    do {
        const size_t length = fitting(text, (size_t)(COLUMNS - indent));
        fprintf(w->out, "%*s%.*s\n", *line ? indent : 0, "", (int)length, text);
        text += length + (text[length] == ' ');
        indent = 4 * w->indent + 4;
    } while (*text);
}

const char *bnn_c_kept(bnn_c_writer *w, const char *text) {
    w->failed |= !text;
    return text ? text : "";
}

const char *bnn_c_float(float value, char text[BNN_C_FLOAT_ROOM]) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 0xff);
    uint32_t mantissa = (bits & 0x7fffff) | (exponent ? 0x800000 : 0);
    if (!mantissa) {
        return strcpy(text, "0.0f");
    }
    exponent = (exponent ? exponent : 1) - 150;
    for (; mantissa % 2 == 0; mantissa /= 2) {
        exponent++;
    }
    snprintf(text, BNN_C_FLOAT_ROOM, "%s0x%xp%df", bits >> 31 ? "-" : "", (unsigned)mantissa,
             exponent);
    return text;
}

const char *bnn_c_clean(bnn_c_writer *w, const char *name, int identifier) {
    char *clean = bnn_arena_format(w->t->arena, "%.40s", name);
    for (char *c = clean; c && *c; c++) {
        const int kept = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                         (*c >= '0' && *c <= '9') || (*c == '.' && !identifier);
        *c = kept ? *c : '_';
    }
    return bnn_c_kept(w, clean);
}

/* Reading GLUE's tables: every byte is looked at once, at opening, so that no sample has anything
 * to say of its text later. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/text/glue.h"
#include "engine/base/text.h"

#define COLUMNS_MOST 64
#define CURE "take the file of the GLUE archive"

typedef struct table {
    const char *name;
    const char *text;
    size_t size;
    const bnn_glue_layout *layout;
    size_t line; /* from 1 */
    bnn_error *err;
} table;

/* A part of the file. */
typedef struct span {
    size_t at, size;
} span;

void bnn_glue_rows_free(bnn_glue_rows *rows) {
    free(rows->row);
    *rows = (bnn_glue_rows){0};
}

/* A line's columns; returns how many there are, of which the first COLUMNS_MOST stand in column[],
 * and the last of all in *last. */
static int split(const table *t, span line, span column[COLUMNS_MOST], span *last) {
    const size_t end = line.at + line.size;
    int count = 0;
    for (size_t at = line.at;; count++) {
        const char *tab = memchr(t->text + at, '\t', end - at);
        *last = (span){at, (tab ? (size_t)(tab - t->text) : end) - at};
        if (count < COLUMNS_MOST) {
            column[count] = *last;
        }
        if (!tab) {
            return count + 1;
        }
        at += last->size + 1;
    }
}

/* Length and characters. */
static bnn_code check_line(const table *t, span line) {
    if (line.size > BNN_GLUE_LINE_MOST) {
        return bnn_fail(t->err, BNN_ERR_FORMAT,
                        "%s: line %zu has %zu bytes, no sample is so long; " CURE, t->name, t->line,
                        line.size);
    }
    for (size_t i = 0, n; i < line.size; i += n) {
        const char *at = t->text + line.at + i;
        n = bnn_utf8_length(at, line.size - i);
        if (n == 0 || *at == '\0') {
            return bnn_fail(t->err, BNN_ERR_FORMAT,
                            "%s: line %zu: byte %zu is %s; " CURE ", which is UTF-8", t->name,
                            t->line, i + 1, n ? "NUL" : "no UTF-8");
        }
    }
    return BNN_OK;
}

/* Which of the labels this is, or -1. */
static int find_label(const table *t, span s) {
    for (int i = 0; i < BNN_GLUE_LABELS && t->layout->labels[i]; i++) {
        if (strlen(t->layout->labels[i]) == s.size &&
            memcmp(t->layout->labels[i], t->text + s.at, s.size) == 0) {
            return i;
        }
    }
    return -1;
}

static int read_score(const table *t, span s, float *out) {
    char text[32], *end;
    if (s.size == 0 || s.size >= sizeof text) {
        return 0;
    }
    memcpy(text, t->text + s.at, s.size);
    text[s.size] = '\0';
    double value = bnn_text_to_double(text, &end);
    *out = (float)value;
    return *end == '\0' && value >= 0.0 && value <= BNN_GLUE_SCORE_MOST;
}

static int take_target(const table *t, span s, bnn_glue_row *row) {
    if (!t->layout->labels[0]) {
        return read_score(t, s, &row->score);
    }
    row->label = find_label(t, s);
    return row->label >= 0;
}

static bnn_code no_target(const table *t, span s) {
    char known[128] = "";
    for (int i = 0; i < BNN_GLUE_LABELS && t->layout->labels[i]; i++) {
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 t->layout->labels[i]);
    }
    return bnn_fail(t->err, BNN_ERR_FORMAT, "%s: line %zu: '%.*s' is no %s; it is %s%s", t->name,
                    t->line, (int)(s.size < 40 ? s.size : 40), t->text + s.at,
                    *known ? "label" : "score", *known ? "one of " : "a number from 0 to 5", known);
}

/* How many columns a sample needs. */
static int needed(const bnn_glue_layout *layout) {
    int most = layout->first > layout->second ? layout->first : layout->second;
    return 1 + (layout->label < 0 ? most + 1 : layout->label > most ? layout->label : most);
}

/* One line; *kept: it is a sample. */
static bnn_code take_line(const table *t, span line, bnn_glue_row *row, int *kept) {
    span column[COLUMNS_MOST], last;
    const bnn_glue_layout *layout = t->layout;
    const int columns = split(t, line, column, &last), least = needed(layout);
    const int header = layout->header && t->line == 1;
    *kept = 0;
    if (columns < least) {
        return layout->lossy && !header
                   ? BNN_OK
                   : bnn_fail(
                         t->err, BNN_ERR_FORMAT,
                         "%s: line %zu has %d columns, expected at least %d between tabs; " CURE,
                         t->name, t->line, columns, least);
    }
    const span target = layout->label < 0 ? last : column[layout->label];
    const int found = take_target(t, target, row);
    if (header) {
        return !found ? BNN_OK
                      : bnn_fail(t->err, BNN_ERR_FORMAT,
                                 "%s: line 1 is a sample, expected the names of the columns; " CURE,
                                 t->name);
    }
    if (!found) {
        return no_target(t, target);
    }
    row->first = column[layout->first].at;
    row->first_size = (uint32_t)column[layout->first].size;
    if (layout->second >= 0) {
        row->second = column[layout->second].at;
        row->second_size = (uint32_t)column[layout->second].size;
    }
    *kept = 1;
    return BNN_OK;
}

static bnn_code take_lines(table *t, bnn_glue_rows *out) {
    static const char bom[] = "\xef\xbb\xbf";
    size_t at = t->size >= 3 && memcmp(t->text, bom, 3) == 0 ? 3 : 0;
    bnn_code code = BNN_OK;
    for (t->line = 1; at < t->size && code == BNN_OK; t->line++) {
        const char *newline = memchr(t->text + at, '\n', t->size - at);
        span line = {at, (newline ? (size_t)(newline - t->text) : t->size) - at};
        at += line.size + 1;
        line.size -= line.size > 0 && t->text[line.at + line.size - 1] == '\r';
        if (line.size == 0) {
            continue;
        }
        int kept;
        if ((code = check_line(t, line)) == BNN_OK &&
            (code = take_line(t, line, &out->row[out->count], &kept)) == BNN_OK) {
            out->count += (size_t)kept;
            out->cut += !kept && !(t->layout->header && t->line == 1);
        }
    }
    return code;
}

bnn_code bnn_glue_parse(const char *name, const unsigned char *bytes, size_t size,
                        const bnn_glue_layout *layout, bnn_glue_rows *out, bnn_error *err) {
    table t = {name, (const char *)bytes, size, layout, 0, err};
    size_t lines = 1, most = size / (size_t)needed(layout) + 1; /* a byte for each column's end */
    *out = (bnn_glue_rows){0};
    for (size_t i = 0; i < size; i++) {
        lines += bytes[i] == '\n';
    }
    lines = lines < most ? lines : most;
    out->row = calloc(lines, sizeof *out->row);
    if (!out->row) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu lines", name, lines);
    }
    bnn_code code = take_lines(&t, out);
    if (code == BNN_OK && out->count == 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: holds no samples; " CURE, name);
    }
    if (code != BNN_OK) {
        bnn_glue_rows_free(out);
    }
    return code;
}

#include "tools/report/track_table.h"

#include <math.h>
#include <string.h>

#include "tools/cli/json_file.h"
#include "tools/report/html.h"

enum { TEXT_WIDTH = 18 };

bnn_track_row *bnn_track_table_add(bnn_track_table *t, const char *first, const char *second,
                                   const char *third, int digits, int sum) {
    bnn_track_row *rows =
        bnn_arena_grow(t->arena, t->rows, &t->capacity, t->row_count + 1, sizeof *rows);
    bnn_track_value *value = bnn_arena_alloc(t->arena, (t->columns + 1) * sizeof *value);
    if (!rows || !value) {
        return NULL;
    }
    for (size_t i = 0; i < t->columns; i++) {
        value[i].value = NAN;
    }
    t->rows = rows;
    t->rows[t->row_count] = (bnn_track_row){{first, second, third}, digits, sum, value};
    return &t->rows[t->row_count++];
}

/* ---- HTML ---------------------------------------------------------------------------------- */
/* The number leads to its run; of several, each has its own link, too. */
static void put_value(FILE *out, const bnn_track_value *v, int digits) {
    char text[48];
    if (isnan(v->value)) {
        fputs("<td>-</td>", out);
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits, v->value);
    fputs("<td>", out);
    if (v->links) {
        bnn_html_link(out, v->link[0], text);
    } else {
        fputs(text, out);
    }
    for (size_t i = 0; i < v->links && v->links > 1; i++) {
        snprintf(text, sizeof text, "%zu", i + 1);
        fputs(i ? " " : " <small>", out);
        bnn_html_link(out, v->link[i], text);
    }
    fputs(v->links > 1 ? "</small></td>" : "</td>", out);
}

void bnn_track_table_html(const bnn_track_table *t, FILE *out) {
    fputs("<div class=\"wide\"><table><thead><tr>", out);
    for (int i = 0; i < BNN_TRACK_LABELS; i++) {
        fputs("<th class=\"t\">", out);
        bnn_html_text(out, t->heading[i]);
        fputs("</th>", out);
    }
    for (size_t k = 0; k < t->columns; k++) {
        fputs("<th scope=\"col\">", out);
        bnn_html_text(out, t->column[k]);
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t r = 0; r < t->row_count; r++) {
        const bnn_track_row *row = &t->rows[r];
        fputs(row->sum ? "<tr class=\"sum\">" : "<tr>", out);
        for (int i = 0; i < BNN_TRACK_LABELS; i++) {
            fputs(i ? "<td class=\"t\">" : "<th scope=\"row\">", out);
            bnn_html_text(out, row->label[i]);
            fputs(i ? "</td>" : "</th>", out);
        }
        for (size_t k = 0; k < t->columns; k++) {
            put_value(out, &row->value[k], row->digits);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- CSV (RFC 4180) ------------------------------------------------------------------------ */
static void put_field(FILE *out, const char *text) {
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        fputs(*text == '"' ? "\"" : "", out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void bnn_track_table_csv(const bnn_track_table *t, FILE *out) {
    for (int i = 0; i < BNN_TRACK_LABELS; i++) {
        fputs(i ? "," : "", out);
        put_field(out, t->heading[i]);
    }
    for (size_t k = 0; k < t->columns; k++) {
        fputc(',', out);
        put_field(out, t->column[k]);
    }
    fputc('\n', out);
    for (size_t r = 0; r < t->row_count; r++) {
        for (int i = 0; i < BNN_TRACK_LABELS; i++) {
            fputs(i ? "," : "", out);
            put_field(out, t->rows[r].label[i]);
        }
        for (size_t k = 0; k < t->columns; k++) {
            const double value = t->rows[r].value[k].value;
            fputc(',', out);
            if (!isnan(value)) {
                fprintf(out, "%.9g", value);
            }
        }
        fputc('\n', out);
    }
}

/* ---- LaTeX --------------------------------------------------------------------------------- */
static void put_tex(FILE *out, const char *text) {
    for (; *text; text++) {
        if (strchr("&%$#_{}", *text)) {
            fprintf(out, "\\%c", *text);
        } else if (*text == '~' || *text == '^') {
            fprintf(out, "\\%c{}", *text);
        } else if (*text == '\\') {
            fputs("\\textbackslash{}", out);
        } else {
            fputc(*text, out);
        }
    }
}

/* Without packages: \hline, not booktabs. */
void bnn_track_table_latex(const bnn_track_table *t, FILE *out) {
    fputs("% ", out);
    put_tex(out, t->title);
    fputs("\n\\begin{tabular}{lll", out);
    for (size_t k = 0; k < t->columns; k++) {
        fputc('r', out);
    }
    fputs("}\n\\hline\n", out);
    for (int i = 0; i < BNN_TRACK_LABELS; i++) {
        fputs(i ? " & " : "", out);
        put_tex(out, t->heading[i]);
    }
    for (size_t k = 0; k < t->columns; k++) {
        fputs(" & ", out);
        put_tex(out, t->column[k]);
    }
    fputs(" \\\\\n\\hline\n", out);
    for (size_t r = 0; r < t->row_count; r++) {
        const bnn_track_row *row = &t->rows[r];
        fputs(row->sum && (!r || !row[-1].sum) ? "\\hline\n" : "", out);
        for (int i = 0; i < BNN_TRACK_LABELS; i++) {
            fputs(i ? " & " : "", out);
            put_tex(out, row->label[i]);
        }
        for (size_t k = 0; k < t->columns; k++) {
            if (isnan(row->value[k].value)) {
                fputs(" & --", out);
            } else {
                fprintf(out, " & %.*f", row->digits, row->value[k].value);
            }
        }
        fputs(" \\\\\n", out);
    }
    fputs("\\hline\n\\end{tabular}\n", out);
}

/* ---- for a terminal ------------------------------------------------------------------------ */
void bnn_track_table_text(const bnn_track_table *t, FILE *out) {
    fprintf(out, "%-*s", TEXT_WIDTH + 10, t->title);
    for (size_t k = 0; k < t->columns; k++) {
        fprintf(out, " %9s", t->column[k]);
    }
    fputc('\n', out);
    for (size_t r = 0; r < t->row_count; r++) {
        const bnn_track_row *row = &t->rows[r];
        fprintf(out, "%-*s", TEXT_WIDTH + 10, row->label[0]);
        for (size_t k = 0; k < t->columns; k++) {
            if (isnan(row->value[k].value)) {
                fprintf(out, " %9s", "-");
            } else {
                fprintf(out, " %9.*f", row->digits, row->value[k].value);
            }
        }
        fputc('\n', out);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------- */
json_t *bnn_track_table_json(const bnn_track_table *t) {
    json_t *rows = json_array(), *columns = json_array();
    int failed = !rows || !columns;
    for (size_t k = 0; k < t->columns; k++) {
        failed |= json_array_append_new(columns, json_string(t->column[k]));
    }
    for (size_t r = 0; r < t->row_count; r++) {
        const bnn_track_row *row = &t->rows[r];
        json_t *values = json_object();
        for (size_t k = 0; k < t->columns; k++) {
            failed |=
                json_object_set_new(values, t->column[k], bnn_json_number(row->value[k].value));
        }
        failed |= json_array_append_new(rows, json_pack("{s:[s, s, s], s:b, s:o}", "labels",
                                                        row->label[0], row->label[1], row->label[2],
                                                        "sum", row->sum, "values", values));
    }
    json_t *root = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", t->name, "title", t->title,
                             "note", t->note, "columns", columns, "rows", rows);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

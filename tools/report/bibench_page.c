/* The page of a sweep: the overall metrics and their picture, then a section a track. */
#include <math.h>
#include <string.h>

#include "engine/base/file.h"
#include "models/model.h"
#include "tools/report/bibench_private.h"
#include "tools/report/chart.h"
#include "tools/report/html.h"

enum { MOST_NAMES = 64 };

typedef struct page {
    const bnn_bibench *b;
    FILE *out;
    bnn_arena *arena; /* of what is drawn */
    int failed;
} page;

/* `count` numbers, or at least room for one. */
static double *numbers(page *p, size_t count) {
    double *list = bnn_arena_alloc(p->arena, (count + 1) * sizeof *list);
    p->failed |= !list;
    return list;
}

static int is_float_algorithm(const bnn_bibench *b, size_t a) {
    return strcmp(b->algorithm[a], BNN_FLOAT_ALGORITHM) == 0;
}

static void legend(const page *p) {
    fputs("<p class=\"note\">", p->out);
    for (size_t a = 0; a < p->b->algorithms; a++) {
        fputs("<span style=\"white-space:nowrap\"><svg viewBox=\"0 0 12 12\" style=\"display:"
              "inline-block;width:12px\" aria-hidden=\"true\">",
              p->out);
        fprintf(p->out, "<rect class=\"f%zu\" width=\"12\" height=\"12\"/></svg> ",
                a % BNN_CHART_STYLES);
        bnn_html_text(p->out, p->b->algorithm[a]);
        fputs("</span> ", p->out);
    }
    fputs("</p>\n", p->out);
}

/* ---- the overall picture ------------------------------------------------------------------- */
/* Each axis ends at the best algorithm. */
static void radar(page *p) {
    const bnn_bibench *b = p->b;
    bnn_radar_line lines[MOST_NAMES];
    const char *axis[BNN_TRACKS];
    double best[BNN_TRACKS] = {0};
    size_t count = 0;
    for (int t = 0; t < BNN_TRACKS; t++) {
        axis[t] = b->table[t].name;
        for (size_t a = 0; a < b->algorithms; a++) {
            if (!is_float_algorithm(b, a)) {
                best[t] = fmax(best[t], b->overall[t][a].metric_of_defined);
            }
        }
    }
    for (size_t a = 0; a < b->algorithms; a++) {
        double *value = numbers(p, BNN_TRACKS);
        for (int t = 0; value && t < BNN_TRACKS; t++) {
            value[t] = best[t] > 0.0 ? b->overall[t][a].metric_of_defined / best[t] : NAN;
        }
        if (value && !is_float_algorithm(b, a)) {
            lines[count++] = (bnn_radar_line){b->algorithm[a], value, a};
        }
    }
    if (count) {
        bnn_chart_radar(p->out, "Six tracks, by the best algorithm of each",
                        "a radar chart of the overall metrics above", axis, BNN_TRACKS, lines,
                        count);
    }
}

/* ---- bars ---------------------------------------------------------------------------------- */
/* The rows of a table that E is told in: one for each group. */
static void bars(page *p, bnn_track track, const char *title) {
    const bnn_bibench *b = p->b;
    const bnn_track_table *t = &b->table[track];
    const char *group[MOST_NAMES];
    double *value = numbers(p, MOST_NAMES * b->algorithms);
    size_t groups = 0;
    for (size_t r = 0; value && r < t->row_count && groups < MOST_NAMES; r++) {
        const bnn_track_row *row = &t->rows[r];
        if (!row->sum || strcmp(row->label[0], "overall metric") == 0) {
            continue;
        }
        group[groups] = row->label[0];
        for (size_t a = 0; a < b->algorithms; a++) {
            value[groups * b->algorithms + a] = row->value[a].value;
        }
        groups++;
    }
    if (groups) {
        bnn_chart_bars(p->out, title, title, group, groups, b->algorithm, b->algorithms, value);
    }
}

/* ---- boxes --------------------------------------------------------------------------------- */
static int is_of_grid(const bnn_bibench_run *r, const bnn_bibench_entry *first) {
    return r->cell->group == first->cell->group && r->cell->arch == first->cell->arch &&
           r->cell->data == first->cell->data;
}

static void boxes_of(page *p, const bnn_bibench_entry *first) {
    const bnn_bibench *b = p->b;
    bnn_box boxes[MOST_NAMES];
    char title[240];
    for (size_t a = 0; a < b->algorithms; a++) {
        double *value = numbers(p, b->run_count);
        boxes[a] = (bnn_box){b->algorithm[a], value, 0, a};
        for (size_t i = 0; value && i < b->run_count; i++) {
            if (is_of_grid(&b->runs[i], first) &&
                strcmp(b->runs[i].cell->algo, b->algorithm[a]) == 0) {
                value[boxes[a].count++] = b->runs[i].run.results.metric[0];
            }
        }
    }
    snprintf(title, sizeof title, "Accuracy over configurations, %.80s on %.80s", first->cell->arch,
             first->cell->data);
    if (!p->failed) {
        bnn_chart_boxes(p->out, title, title, boxes, b->algorithms);
    }
}

static void boxes(page *p) {
    const bnn_bibench *b = p->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        int begins = bnn_in_track(&b->entries[i], BNN_TRACK_TRAINING);
        for (size_t k = 0; k < i && begins; k++) {
            begins = b->entries[k].cell->group != b->entries[i].cell->group ||
                     b->entries[k].cell->arch != b->entries[i].cell->arch ||
                     b->entries[k].cell->data != b->entries[i].cell->data;
        }
        if (begins) {
            boxes_of(p, &b->entries[i]);
        }
    }
}

/* ---- accuracy against what it costs -------------------------------------------------------- */
static double size_of(const bnn_bibench_entry *e) {
    const bnn_plan_counts *c = e->run[0]->counts;
    return c ? c->binary_weights / 8.0 + 4.0 * (c->float_parameters + c->kept_parameters) : NAN;
}

/* One chart a data set: each network of each algorithm is a point. */
static void points_of(page *p, const char *data, int by_time) {
    const bnn_bibench *b = p->b;
    bnn_chart_point *points = bnn_arena_alloc(p->arena, (b->entry_count + 1) * sizeof *points);
    char title[200];
    size_t count = 0;
    p->failed |= !points;
    for (size_t i = 0; points && i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (bnn_in_track(e, BNN_TRACK_TASK) && strcmp(e->cell->data, data) == 0) {
            points[count++] = (bnn_chart_point){
                bnn_arena_format(p->arena, "%s %s", e->cell->algo, e->cell->arch),
                by_time ? e->seconds : size_of(e) / 1024.0, e->score, e->algorithm};
        }
    }
    for (size_t i = 0; i < count; i++) {
        p->failed |= !points[i].name;
    }
    snprintf(title, sizeof title,
             by_time ? "%.80s: accuracy and time of training" : "%.80s: accuracy and size", data);
    if (!p->failed) {
        bnn_chart_points(p->out, title,
                         by_time ? "seconds in steps" : "KiB, weights of one bit packed", title,
                         points, count);
    }
}

static void points(page *p) {
    const bnn_bibench *b = p->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        int begins = bnn_in_track(&b->entries[i], BNN_TRACK_TASK);
        for (size_t k = 0; k < i && begins; k++) {
            begins = b->entries[k].cell->data != b->entries[i].cell->data ||
                     !bnn_in_track(&b->entries[k], BNN_TRACK_TASK);
        }
        if (begins) {
            points_of(p, b->entries[i].cell->data, 0);
            points_of(p, b->entries[i].cell->data, 1);
        }
    }
}

/* ---- the page ------------------------------------------------------------------------------ */
static void pictures(page *p, bnn_track track) {
    fputs("<div class=\"charts\">", p->out);
    if (track == BNN_TRACK_TASK) {
        bars(p, track, "Accuracy, binary by float");
        points(p);
    } else if (track == BNN_TRACK_ARCHITECTURE) {
        bars(p, track, "Accuracy, binary by float");
    } else if (track == BNN_TRACK_ROBUSTNESS) {
        bars(p, track, "Gaps, float by binary");
    } else if (track == BNN_TRACK_TRAINING) {
        boxes(p);
    } else {
        bars(p, track, "Float by binary");
    }
    fputs("</div>\n", p->out);
}

static void chosen(const page *p) {
    const bnn_bibench_options *o = &p->b->options;
    fprintf(p->out,
            "<p class=\"note\">E is the %s. A spread is of %s; seeds %s. Of %zu corruptions, those "
            "that were evaluated, %s. Scales "
            "of channels are %s. Engines without a way to deploy an algorithm %s.</p>\n",
            o->mean == BNN_MEAN_OF_RATIOS ? "mean of ratios" : "ratio of means",
            o->sample_spread ? "a sample" : "a population",
            o->mean_seeds ? "are averaged first" : "count as configurations do",
            o->corruptions.count,
            o->severities_apart ? "each severity a task" : "severities averaged",
            o->scalings ? "multiplied" : "folded away",
            o->count_emulated ? "count as emulated" : "count 0");
}

bnn_code bnn_bibench_page(const bnn_bibench *b, FILE *out, bnn_error *err) {
    page p = {.b = b, .out = out, .arena = bnn_arena_create()};
    char subtitle[300];
    if (!p.arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", b->folder);
    }
    snprintf(subtitle, sizeof subtitle, "%.200s: %zu of %zu cells", b->folder, b->run_count,
             b->cells);
    bnn_html_begin(out, *b->plan.title ? b->plan.title : "BiBench", subtitle);
    bnn_html_section(out, "Overall metrics",
                     "BiBench's, of what has been done of the plan; more is better. A dash: not "
                     "measured, or not defined.");
    bnn_track_table_html(&b->summary, out);
    legend(&p);
    fputs("<div class=\"charts\">", out);
    radar(&p);
    fputs("</div>\n", out);
    chosen(&p);
    bnn_html_section_end(out);
    for (int t = 0; t < BNN_TRACKS; t++) {
        bnn_html_section(out, b->table[t].title, b->table[t].note);
        pictures(&p, (bnn_track)t);
        bnn_track_table_html(&b->table[t], out);
        bnn_html_section_end(out);
    }
    bnn_html_end(out);
    bnn_arena_free(p.arena);
    return p.failed ? bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", b->folder) : BNN_OK;
}

static void put_json(const bnn_track_table *t, FILE *out) {
    json_t *root = bnn_track_table_json(t);
    (void)json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(root);
}

static bnn_code write_table(const bnn_track_table *t, const char *dir, bnn_error *err) {
    static const struct {
        const char *suffix;
        void (*put)(const bnn_track_table *, FILE *);
    } forms[] = {{"csv", bnn_track_table_csv}, {"tex", bnn_track_table_latex}, {"json", put_json}};
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < sizeof forms / sizeof *forms && code == BNN_OK; i++) {
        char path[4300];
        bnn_atomic_file *file;
        snprintf(path, sizeof path, "%.4200s/%s.%s", dir, t->name, forms[i].suffix);
        if ((code = bnn_atomic_open(path, &file, err)) == BNN_OK) {
            forms[i].put(t, bnn_atomic_stream(file));
            code = bnn_atomic_commit(file, err);
        }
    }
    return code;
}

bnn_code bnn_bibench_write_tables(const bnn_bibench *b, const char *dir, bnn_error *err) {
    bnn_code code = bnn_make_folder(dir, err);
    code = code == BNN_OK ? write_table(&b->summary, dir, err) : code;
    for (int t = 0; t < BNN_TRACKS && code == BNN_OK; t++) {
        code = write_table(&b->table[t], dir, err);
    }
    return code;
}

json_t *bnn_bibench_json(const bnn_bibench *b) {
    json_t *list = json_array();
    int failed = json_array_append_new(list, bnn_track_table_json(&b->summary));
    for (int t = 0; t < BNN_TRACKS; t++) {
        failed |= json_array_append_new(list, bnn_track_table_json(&b->table[t]));
    }
    json_t *root =
        json_pack("{s:s, s:I, s:I, s:o}", "title", b->plan.title, "cells", (json_int_t)b->cells,
                  "done", (json_int_t)b->run_count, "tables", list);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

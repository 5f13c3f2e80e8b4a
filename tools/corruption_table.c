#include "tools/corruption_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/interrupt.h"
#include "tools/progress.h"

typedef struct row {
    const char *name;
    double top1[BNN_SEVERITIES]; /* percent; NAN: not wanted */
} row;

struct bnn_corruption_table {
    double clean;
    size_t count; /* complete rows */
    row rows[BNN_CORRUPTION_KINDS];
};

static double mean_of(const row *r) {
    double sum = 0.0;
    int count = 0;
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        if (!isnan(r->top1[s])) {
            sum += r->top1[s];
            count++;
        }
    }
    return count ? sum / count : 0.0;
}

static double mean_of_all(const bnn_corruption_table *table) {
    double sum = 0.0;
    for (size_t i = 0; i < table->count; i++) {
        sum += mean_of(&table->rows[i]);
    }
    return table->count ? sum / (double)table->count : 0.0;
}

/* ---- where the images come from ----------------------------------------------------------- */
/* The rows to come, and what opens them: the folder's files, or the corruptor. */
typedef struct plan {
    const bnn_corruption_source *source;
    bnn_corruptions *files; /* NULL: made */
    size_t count;
    size_t index[BNN_CORRUPTION_KINDS]; /* among the files, or the kind */
    const char *name[BNN_CORRUPTION_KINDS];
} plan;

static int find_file(const bnn_corruptions *files, const char *name, size_t *index) {
    for (size_t i = 0; i < bnn_corruptions_count(files); i++) {
        if (strcmp(bnn_corruptions_name(files, i), name) == 0) {
            *index = i;
            return 1;
        }
    }
    return 0;
}

static bnn_code make_plan(const bnn_corruption_source *source, plan *p, bnn_error *err) {
    *p = (plan){.source = source};
    bnn_code code = source->folder
                        ? bnn_corruptions_open(source->info, source->folder, &p->files, err)
                        : BNN_OK;
    for (size_t i = 0; i < source->list.count && code == BNN_OK; i++) {
        size_t index = (size_t)source->list.kind[i];
        const char *name = bnn_corruption_names[index];
        if (p->files && !find_file(p->files, name, &index)) {
            if (!source->all) {
                code = bnn_fail(err, BNN_ERR_IO,
                                "%s/%s.npy: no such file; --corruptions make needs none",
                                source->folder, name);
            }
            continue;
        }
        p->index[p->count] = index;
        p->name[p->count++] = name;
    }
    if (code != BNN_OK) {
        bnn_corruptions_close(p->files);
    }
    return code;
}

static bnn_code open_cell(const plan *p, size_t i, int severity, bnn_dataset **out,
                          bnn_error *err) {
    const bnn_corruption_source *source = p->source;
    return p->files
               ? bnn_corruptions_dataset(p->files, p->index[i], severity, source->limit, out, err)
               : bnn_corrupted_open(source->corruptor, source->clean, (int)p->index[i], severity,
                                    out, err);
}

/* ---- running ------------------------------------------------------------------------------ */
static bnn_code run_cell(bnn_predictor *predictor, const plan *p, size_t i, int severity,
                         const bnn_evaluation *how, bnn_score *score, bnn_error *err) {
    bnn_dataset *dataset;
    bnn_code code = open_cell(p, i, severity, &dataset, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_evaluate(predictor, dataset, how, score, err);
    if (code == BNN_OK && !p->files) {
        code = bnn_corrupted_status(dataset, err);
    }
    bnn_dataset_close(dataset);
    return code;
}

static bnn_code run_row(bnn_predictor *predictor, const plan *p, size_t i,
                        const bnn_evaluation *how, row *r, bnn_error *err) {
    r->name = p->name[i];
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        r->top1[s] = NAN;
        if (p->source->severity != 0 && p->source->severity != s + 1) {
            continue;
        }
        bnn_score score;
        bnn_code code = run_cell(predictor, p, i, s + 1, how, &score, err);
        if (code != BNN_OK || score.stopped) {
            return code;
        }
        r->top1[s] = 100.0 * (double)score.top1 / (double)score.images;
    }
    return BNN_OK;
}

bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_corruption_source *source,
                                  const bnn_evaluation *how, double clean,
                                  bnn_corruption_table **out, bnn_error *err) {
    plan p;
    bnn_progress progress;
    bnn_code code = make_plan(source, &p, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_corruption_table *table = calloc(1, sizeof *table);
    if (!table) {
        bnn_corruptions_close(p.files);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the corruption table");
    }
    table->clean = clean;
    bnn_progress_start(&progress, "corruptions", p.count, "corruptions", 0);
    for (size_t i = 0; code == BNN_OK && i < p.count; i++) {
        code = run_row(predictor, &p, i, how, &table->rows[i], err);
        if (bnn_interrupted()) {
            break;
        }
        table->count += code == BNN_OK;
        bnn_progress_update(&progress, i + 1, table->rows[i].name);
    }
    bnn_progress_end(&progress, NULL);
    bnn_corruptions_close(p.files);
    if (code != BNN_OK) {
        free(table);
        return code;
    }
    *out = table;
    return BNN_OK;
}

void bnn_corruption_table_free(bnn_corruption_table *table) {
    free(table);
}

void bnn_corruption_table_print(const bnn_corruption_table *table, FILE *out) {
    fprintf(out, "%-20s %7s %7s %7s %7s %7s %8s %8s\n", "corruption (top-1 %)", "1", "2", "3", "4",
            "5", "mean", "gap");
    for (size_t i = 0; i < table->count; i++) {
        const row *r = &table->rows[i];
        fprintf(out, "%-20s", r->name);
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            if (isnan(r->top1[s])) {
                fprintf(out, " %7s", "-");
            } else {
                fprintf(out, " %7.2f", r->top1[s]);
            }
        }
        fprintf(out, " %8.2f %8.2f\n", mean_of(r), table->clean - mean_of(r));
    }
    double mean = mean_of_all(table);
    fprintf(out, "%-20s %47.2f %9.2f\n", "mean", mean, table->clean - mean);
    fprintf(out, "%-20s %47.2f\n", "clean", table->clean);
}

json_t *bnn_corruption_table_json(const bnn_corruption_table *table) {
    json_t *rows = json_array();
    for (size_t i = 0; i < table->count; i++) {
        const row *r = &table->rows[i];
        json_t *top1 = json_array();
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            json_array_append_new(top1, isnan(r->top1[s]) ? json_null() : json_real(r->top1[s]));
        }
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:f, s:f}", "corruption", r->name, "top1", top1,
                                        "mean", mean_of(r), "gap", table->clean - mean_of(r)));
    }
    double mean = mean_of_all(table);
    return json_pack("{s:f, s:f, s:f, s:o}", "clean", table->clean, "mean", mean, "gap",
                     table->clean - mean, "rows", rows);
}

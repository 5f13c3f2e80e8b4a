#include "tools/corruption_table.h"

#include <stdlib.h>
#include <string.h>

#include "tools/interrupt.h"
#include "tools/progress.h"

typedef struct row {
    char name[40];
    double top1[BNN_SEVERITIES]; /* percent */
} row;

struct bnn_corruption_table {
    double clean;
    size_t count; /* complete rows */
    row rows[];
};

static double mean_of(const row *r) {
    double sum = 0.0;
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        sum += r->top1[s];
    }
    return sum / BNN_SEVERITIES;
}

static double mean_of_all(const bnn_corruption_table *table) {
    double sum = 0.0;
    for (size_t i = 0; i < table->count; i++) {
        sum += mean_of(&table->rows[i]);
    }
    return table->count ? sum / (double)table->count : 0.0;
}

static bnn_code run_row(bnn_predictor *predictor, const bnn_corruptions *c, size_t index,
                        size_t limit, const bnn_evaluation *how, row *r, bnn_error *err) {
    snprintf(r->name, sizeof r->name, "%s", bnn_corruptions_name(c, index));
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        bnn_dataset *dataset;
        bnn_score score;
        bnn_code code = bnn_corruptions_dataset(c, index, s + 1, limit, &dataset, err);
        if (code == BNN_OK) {
            code = bnn_evaluate(predictor, dataset, how, &score, err);
            bnn_dataset_close(dataset);
        }
        if (code != BNN_OK || score.stopped) {
            return code;
        }
        r->top1[s] = 100.0 * (double)score.top1 / (double)score.images;
    }
    return BNN_OK;
}

bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_dataset_info *info,
                                  const char *folder, size_t limit, const bnn_evaluation *how,
                                  double clean, bnn_corruption_table **out, bnn_error *err) {
    bnn_corruptions *c;
    bnn_progress progress;
    bnn_code code = bnn_corruptions_open(info, folder, &c, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t count = bnn_corruptions_count(c);
    bnn_corruption_table *table = calloc(1, sizeof *table + count * sizeof(row));
    if (!table) {
        bnn_corruptions_close(c);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the corruption table");
    }
    table->clean = clean;
    bnn_progress_start(&progress, "corruptions", count, "corruptions", 0);
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        code = run_row(predictor, c, i, limit, how, &table->rows[i], err);
        if (bnn_interrupted()) {
            break;
        }
        table->count += code == BNN_OK;
        bnn_progress_update(&progress, i + 1, table->rows[i].name);
    }
    bnn_progress_end(&progress, NULL);
    bnn_corruptions_close(c);
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
            fprintf(out, " %7.2f", r->top1[s]);
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
        json_array_append_new(rows, json_pack("{s:s, s:[f,f,f,f,f], s:f, s:f}", "corruption",
                                              r->name, "top1", r->top1[0], r->top1[1], r->top1[2],
                                              r->top1[3], r->top1[4], "mean", mean_of(r), "gap",
                                              table->clean - mean_of(r)));
    }
    double mean = mean_of_all(table);
    return json_pack("{s:f, s:f, s:f, s:o}", "clean", table->clean, "mean", mean, "gap",
                     table->clean - mean, "rows", rows);
}

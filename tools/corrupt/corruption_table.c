#include "tools/corrupt/corruption_table.h"

#include <math.h>
#include <string.h>

#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"

/* ---- where the images come from ----------------------------------------------------------- */
static bnn_code open_cell(const bnn_corruption_source *source, const bnn_corruption_files *f,
                          size_t row, int kind, int severity, bnn_dataset **out, bnn_error *err) {
    return f->files
               ? bnn_corruptions_dataset(f->files, row, severity, source->limit, out, err)
               : bnn_corrupted_open(source->corruptor, source->clean, kind, severity, out, err);
}

static const char *source_text(const bnn_corruption_source *source, const bnn_corruption_files *f,
                               size_t row, int kind, bnn_arena *arena) {
    if (f->files) {
        return bnn_arena_format(arena, "file %08x",
                                (unsigned)bnn_corruptions_checksum(f->files, row));
    }
    const unsigned long long seed = source->seed;
    return strcmp(bnn_corruption_names[kind], "frost") == 0
               ? bnn_arena_format(arena, "seed %llu, textures %08x", seed,
                                  (unsigned)bnn_corruptor_checksum(source->corruptor))
               : bnn_arena_format(arena, "seed %llu", seed);
}

static bnn_code begin_row(const bnn_corruption_source *source, const bnn_corruption_files *f,
                          int kind, bnn_results *results, bnn_error *err) {
    bnn_dataset *dataset;
    size_t at = results->row_count;
    bnn_code code = open_cell(source, f, at, kind, 1, &dataset, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_corruption_result *row = &results->rows[results->row_count++];
    *row = (bnn_corruption_result){.kind = kind, .images = (int64_t)dataset->count};
    row->source = source_text(source, f, at, kind, results->arena);
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        row->correct[s] = BNN_NOT_DONE;
    }
    bnn_dataset_close(dataset);
    return row->source ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
}

bnn_code bnn_corruption_table_begin(const bnn_corruption_source *source,
                                    bnn_corruption_files *files, bnn_results *results,
                                    bnn_error *err) {
    const bnn_corruption_list *list = &source->list;
    *files = (bnn_corruption_files){0};
    bnn_code code = source->folder
                        ? bnn_corruptions_open(source->clean, source->folder, list->kind,
                                               list->named, list->count, &files->files, err)
                        : BNN_OK;
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        results->wanted[s] = source->severity == 0 || source->severity == s + 1;
    }
    const size_t rows = files->files ? bnn_corruptions_count(files->files) : list->count;
    for (size_t i = 0; i < rows && code == BNN_OK; i++) {
        int kind = files->files ? bnn_corruptions_kind(files->files, i) : list->kind[i];
        code = begin_row(source, files, kind, results, err);
    }
    return code;
}

/* ---- running ------------------------------------------------------------------------------ */
static bnn_code run_cell(bnn_predictor *predictor, const bnn_spec *spec,
                         const bnn_corruption_source *source, const bnn_corruption_files *f,
                         const bnn_evaluation *how, size_t i, int severity, bnn_results *results,
                         bnn_error *err) {
    bnn_dataset *dataset;
    bnn_score score;
    int stopped = 0;
    bnn_corruption_result *row = &results->rows[i];
    bnn_code code = open_cell(source, f, i, row->kind, severity, &dataset, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_score_create(spec->task, spec, 1, &score, err);
    if (code == BNN_OK) {
        code = bnn_evaluate(predictor, spec, dataset, how, &score, &stopped, err);
    }
    bnn_dataset_close(dataset);
    if (code == BNN_OK && !stopped) {
        row->correct[severity - 1] =
            llround(spec->task->value(spec, &score, 0) * (double)score.samples / 100.0);
    }
    bnn_score_free(&score);
    return code;
}

/* Images in all, and of the cells that are done. */
static size_t count_images(const bnn_results *results, size_t *done) {
    size_t all = 0;
    *done = 0;
    for (size_t i = 0; i < results->row_count; i++) {
        const bnn_corruption_result *row = &results->rows[i];
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            size_t images = results->wanted[s] ? (size_t)row->images : 0;
            all += images;
            *done += row->correct[s] == BNN_NOT_DONE ? 0 : images;
        }
    }
    return all;
}

bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_spec *spec,
                                  const bnn_corruption_source *source,
                                  const bnn_corruption_files *files, const bnn_evaluation *how,
                                  const char *path, bnn_results *results, bnn_error *err) {
    bnn_progress progress;
    bnn_evaluation cell = *how;
    char note[80];
    size_t done, all = count_images(results, &done);
    bnn_code code = BNN_OK;
    bnn_progress_start(&progress, "corruptions", all, "images", done);
    cell.whole = &progress;
    cell.note = note;
    for (size_t k = 0;
         code == BNN_OK && k < results->row_count * BNN_SEVERITIES && !bnn_interrupted(); k++) {
        size_t i = k / BNN_SEVERITIES;
        int severity = (int)(k % BNN_SEVERITIES) + 1;
        const bnn_corruption_result *row = &results->rows[i];
        if (!results->wanted[severity - 1] || row->correct[severity - 1] != BNN_NOT_DONE) {
            continue;
        }
        snprintf(note, sizeof note, "%s (%zu of %zu) severity %d", bnn_corruption_names[row->kind],
                 i + 1, results->row_count, severity);
        code = run_cell(predictor, spec, source, files, &cell, i, severity, results, err);
        if (code == BNN_OK && path && row->correct[severity - 1] != BNN_NOT_DONE) {
            code = bnn_results_write(path, results, err);
        }
    }
    bnn_progress_end(&progress, NULL);
    return code;
}

void bnn_corruption_table_print(const bnn_results *results, FILE *out) {
    const double clean = results->metric[0];
    fprintf(out, "%-20s %7s %7s %7s %7s %7s %8s %8s\n", "corruption (top-1 %)", "1", "2", "3", "4",
            "5", "mean", "gap");
    for (size_t i = 0; i < results->row_count; i++) {
        const bnn_corruption_result *row = &results->rows[i];
        fprintf(out, "%-20s", bnn_corruption_names[row->kind]);
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            if (row->correct[s - 1] == BNN_NOT_DONE) {
                fprintf(out, " %7s", "-");
            } else {
                fprintf(out, " %7.2f", bnn_results_cell(row, s));
            }
        }
        double mean = bnn_results_row_mean(results, row);
        fprintf(out, " %8.2f %8.2f\n", mean, clean - mean);
    }
    double mean = bnn_results_mean(results);
    fprintf(out, "%-20s %47.2f %9.2f\n", "mean", mean, clean - mean);
    fprintf(out, "%-20s %47.2f\n", "clean", clean);
}

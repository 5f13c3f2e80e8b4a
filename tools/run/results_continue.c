/* Going on with the results that a file holds: only with those of the same evaluation. */
#include <stdio.h>
#include <string.h>

#include "tools/run/results.h"

static bnn_code refuse(const char *path, bnn_error *err, const char *what, const char *was,
                       const char *is) {
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "%s holds results of another evaluation: %s was %.80s, now %.80s; choose "
                    "another --json FILE, or replace them with --overwrite",
                    path, what, was, is);
}

static bnn_code take_row(bnn_results *now, const bnn_corruption_result *old, const char *path,
                         bnn_error *err) {
    const char *name = bnn_corruption_names[old->kind];
    const bnn_corruption_result *found = bnn_results_row(now, old->kind);
    bnn_corruption_result *row = found ? &now->rows[found - now->rows] : NULL;
    if (row && (strcmp(row->source, old->source) != 0 || row->images != old->images)) {
        return refuse(path, err, name, old->source, row->source);
    }
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        if (old->correct[s] == BNN_NOT_DONE) {
            continue;
        }
        if (!row || !now->wanted[s]) {
            char cell[64];
            snprintf(cell, sizeof cell, "%s at severity %d", name, s + 1);
            return refuse(path, err, cell, "evaluated", "not wanted");
        }
        row->correct[s] = old->correct[s];
    }
    return BNN_OK;
}

bnn_code bnn_results_continue(bnn_results *now, const bnn_results *old, const char *path,
                              bnn_error *err) {
    const struct {
        const char *what, *was, *is;
    } texts[] = {{"the network's checksum", old->checksum, now->checksum},
                 {"the data set", old->data, now->data},
                 {"the instruction set", old->isa, now->isa}};
    if (!old->row_count) {
        return BNN_OK;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].was, texts[i].is) != 0) {
            return refuse(path, err, texts[i].what, texts[i].was, texts[i].is);
        }
    }
    if (old->samples != now->samples) {
        char was[24], is[24];
        snprintf(was, sizeof was, "%lld", (long long)old->samples);
        snprintf(is, sizeof is, "%lld", (long long)now->samples);
        return refuse(path, err, "the number of samples", was, is);
    }
    if (!now->row_count) {
        memcpy(now->rows, old->rows, sizeof now->rows);
        memcpy(now->wanted, old->wanted, sizeof now->wanted);
        now->row_count = old->row_count;
        return BNN_OK;
    }
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < old->row_count && code == BNN_OK; i++) {
        code = take_row(now, &old->rows[i], path, err);
    }
    return code;
}

bnn_code bnn_results_same_score(const bnn_results *now, const bnn_results *old, const char *path,
                                bnn_error *err) {
    char was[32], is[32];
    for (int i = -1; old->row_count && (i < 0 || now->task->metrics[i].key); i++) {
        /* As they are written. */
        snprintf(was, sizeof was, "%.9g", i < 0 ? old->loss : old->metric[i]);
        snprintf(is, sizeof is, "%.9g", i < 0 ? now->loss : now->metric[i]);
        if (strcmp(was, is) != 0) {
            return refuse(path, err, "the score of the clean samples", was, is);
        }
    }
    return BNN_OK;
}

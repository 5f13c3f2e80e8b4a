/* The files of a run's folder that a report reads, on arbitrary bytes: metrics.csv, steps.jsonl and
 * config.json, each by its own parser. A refusal is one line; curves that are accepted are drawn.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/report/chart.h"
#include "tools/run/run_record.h"

static void draw(const bnn_metrics *m, bnn_arena *arena) {
    double *x = bnn_arena_alloc(arena, (m->count + 1) * sizeof *x);
    double *y = bnn_arena_alloc(arena, (m->count + 1) * sizeof *y);
    char *text = NULL;
    size_t bytes;
    bnn_insist(x && y);
    for (size_t i = 0; i < m->count; i++) {
        const double *row = m->value + i * m->columns;
        bnn_insist(i == 0 || row[0] > row[-(ptrdiff_t)m->columns]);
        x[i] = row[0];
        y[i] = row[m->columns - 1];
    }
    FILE *out = open_memstream(&text, &bytes);
    bnn_insist(out != NULL);
    const bnn_chart_line line = {"train", x, y, m->count, 0};
    bnn_chart_lines(out, "loss", "epoch", "loss", NULL, &line, 1);
    fclose(out);
    bnn_insist(!strstr(text, "nan") && !strstr(text, "inf"));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    bnn_error err = {0};
    bnn_metrics metrics;
    bnn_run_config config;
    bnn_step_seconds seconds;
    bnn_arena *arena = bnn_arena_create();
    bnn_insist(arena != NULL);
    if (bnn_accepted(
            bnn_metrics_parse("m.csv", text, size, bnn_tasks[0], NULL, arena, &metrics, &err),
            &err)) {
        draw(&metrics, arena);
    }
    if (bnn_accepted(bnn_step_seconds_parse("s.jsonl", text, size, &seconds, &err), &err)) {
        bnn_insist(isnan(seconds.median) || seconds.median <= seconds.total);
    }
    if (bnn_accepted(bnn_run_config_parse("c.json", text, size, arena, &config, &err), &err)) {
        bnn_insist(config.algo && config.arch && config.data);
    }
    bnn_arena_free(arena);
    return 0;
}

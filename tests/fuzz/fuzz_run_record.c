/* The files of a run's folder that a report reads, on arbitrary bytes: metrics.csv, steps.jsonl and
 * config.json, each by its own parser. A refusal is one line; curves that are accepted are drawn.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/chart.h"
#include "tools/run_folder.h"
#include "tools/run_record.h"

static const char *const seeds[] = {
    (BNN_METRICS_HEADER "\n0,0.1,2.3,10.5,2.2,11,50,11\n1,0.05,2.1,,,,,\n7,1e-05,1,90,,80,9,8\n"),
    (BNN_METRICS_HEADER "\n"),
    "{\"step\":0,\"epoch\":0,\"loss\":2.5,\"seconds\":0.25}\n{\"seconds\":1}\n",
    ("{\"algo\":\"bnn\",\"arch\":\"resnet20\",\"data\":\"cifar10\",\"epochs\":5,\"lr\":1e-3,"
     "\"seed\":1,\"data-dir\":\"/\\u0000\"}"),
};

static void insist(int condition) {
    if (!condition) {
        abort();
    }
}

static int judge(bnn_code code, const bnn_error *err) {
    insist(code == BNN_OK || (err->text[0] && !strpbrk(err->text, "\n\r\033")));
    return code == BNN_OK;
}

static void draw(const bnn_metrics *m, bnn_arena *arena) {
    double *x = bnn_arena_alloc(arena, (m->count + 1) * sizeof *x);
    double *y = bnn_arena_alloc(arena, (m->count + 1) * sizeof *y);
    char *text = NULL;
    size_t bytes;
    insist(x && y);
    for (size_t i = 0; i < m->count; i++) {
        insist(i == 0 || m->epoch[i].epoch > m->epoch[i - 1].epoch);
        x[i] = (double)m->epoch[i].epoch;
        y[i] = m->epoch[i].train_loss;
    }
    FILE *out = open_memstream(&text, &bytes);
    insist(out != NULL);
    const bnn_chart_line line = {"train", x, y, m->count, 0};
    bnn_chart_lines(out, "loss", "epoch", "loss", &line, 1);
    fclose(out);
    insist(!strstr(text, "nan") && !strstr(text, "inf"));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    bnn_error err = {0};
    bnn_metrics metrics;
    bnn_run_config config;
    double seconds;
    bnn_arena *arena = bnn_arena_create();
    insist(arena != NULL);
    if (judge(bnn_metrics_parse("m.csv", text, size, arena, &metrics, &err), &err)) {
        draw(&metrics, arena);
    }
    if (judge(bnn_step_seconds_parse("s.jsonl", text, size, &seconds, &err), &err)) {
        insist(isnan(seconds) || seconds >= 0.0);
    }
    if (judge(bnn_run_config_parse("c.json", text, size, arena, &config, &err), &err)) {
        insist(config.algo && config.arch && config.data);
    }
    bnn_arena_free(arena);
    return 0;
}

size_t bnn_fuzz_seed(int index, uint8_t *bytes, size_t max) {
    if (index < 0 || (size_t)index >= sizeof seeds / sizeof seeds[0] ||
        strlen(seeds[index]) > max) {
        return 0;
    }
    memcpy(bytes, seeds[index], strlen(seeds[index]));
    return strlen(seeds[index]);
}

/* How one thing is compared with others. Every side sleeps in its own process; they take turns, A B
 * C A B C ..., so that whatever else the machine does meets all of them alike. The first turn warms
 * caches and page tables and is not counted. */
#include "tools/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "tools/bench/stats.h"
#include "tools/cli/interrupt.h"
#include "tools/run/data_spec.h"
#include "tools/run/device.h"
#include "tools/train/recipes.h"

/* Long enough that waking up does not count, short enough that a table of small products is made
 * in seconds. Where the other sides' threads have been busy, the system may wake several threads on
 * one processor, and takes some ten ms to part them. */
#define LEAST_SECONDS(threads) ((threads) > 1 ? 0.2 : 0.02)

#define MAX_SIDES (1 + sizeof((bnn_baselines *)NULL)->list / sizeof(bnn_baseline))
#define MAX_TOLD 16

bnn_code bnn_bench_device(const bnn_device_choice *where, bnn_device *device, bnn_error *err) {
    return where ? bnn_device_chosen(where, 1, device, err) : BNN_OK;
}

int bnn_bench_wants(const bnn_bench *bench, const char *name) {
    return !bench->filter || strstr(name, bench->filter) != NULL;
}

void bnn_bench_note(const bnn_error *why) {
    static char told[MAX_TOLD][sizeof why->text];
    static size_t count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(told[i], why->text) == 0) {
            return;
        }
    }
    if (count < MAX_TOLD) {
        memcpy(told[count++], why->text, sizeof why->text);
    }
    fprintf(stderr, "bnn-bench: note: %s\n", why->text);
}

bnn_code bnn_baseline_start(bnn_baselines *baselines, const char *name, const bnn_work *work,
                            bnn_error *err) {
    bnn_baseline *baseline = &baselines->list[baselines->count++];
    snprintf(baseline->name, sizeof baseline->name, "%s", name);
    bnn_code code = bnn_worker_start(work, &baseline->worker, err);
    if (code == BNN_ERR_UNSUPPORTED) {
        bnn_bench_note(err);
        return BNN_OK;
    }
    return code;
}

void bnn_baselines_stop(bnn_baselines *baselines) {
    for (size_t b = 0; b < baselines->count; b++) {
        bnn_worker_stop(baselines->list[b].worker);
    }
    baselines->count = 0;
}

/* The case itself, or a baseline. */
typedef struct side {
    bnn_worker *worker;       /* NULL: not there */
    double *seconds, *joules; /* [turn], a run */
    size_t peak_bytes;
} side;

static bnn_code take_turn(const bnn_bench *bench, const side *s, int least_runs,
                          bnn_repetition *out, double *joules, bnn_error *err) {
    double least = LEAST_SECONDS(bench->device.threads);
    *joules = 0.0;
    if (!bench->energy) {
        return bnn_worker_repeat(s->worker, least_runs, least, out, err);
    }
    least = least > 2.0 * BNN_ENERGY_LEAST_SECONDS ? least : 2.0 * BNN_ENERGY_LEAST_SECONDS;
    bnn_energy_start(bench->energy);
    bnn_code code = bnn_worker_repeat(s->worker, least_runs, least, out, err);
    if (code == BNN_OK) {
        *joules = bnn_energy_joules(bench->energy, out->seconds * out->runs) / out->runs;
    }
    return code;
}

static bnn_code take_turns(const bnn_bench *bench, side *sides, size_t count, int least_runs,
                           bnn_error *err) {
    for (int turn = 0; turn <= bench->repeat; turn++) {
        for (side *s = sides; s < sides + count && !bnn_interrupted(); s++) {
            bnn_repetition done = {0};
            double joules = 0.0;
            bnn_code code =
                s->worker ? take_turn(bench, s, least_runs, &done, &joules, err) : BNN_OK;
            if (code != BNN_OK) {
                return code;
            }
            s->peak_bytes = done.peak_bytes;
            if (turn) {
                s->seconds[turn - 1] = done.seconds;
                s->joules[turn - 1] = joules;
            }
        }
    }
    return BNN_OK;
}

/* Energy is known if it is of every turn. */
static bnn_bench_figures figures(const bnn_bench *bench, const side *s) {
    size_t turns = (size_t)bench->repeat;
    if (!s->worker) {
        return (bnn_bench_figures){0};
    }
    return (bnn_bench_figures){
        bnn_median(s->seconds, turns), bnn_least(s->seconds, turns), s->peak_bytes,
        bnn_least(s->joules, turns) > 0.0 ? bnn_median(s->joules, turns) : 0.0};
}

/* The lesser of either time; memory and energy are those of the lesser median. */
static bnn_bench_figures better(bnn_bench_figures a, bnn_bench_figures b) {
    if (a.seconds == 0.0 || b.seconds == 0.0) {
        return a.seconds == 0.0 ? b : a;
    }
    bnn_bench_figures best = a.seconds <= b.seconds ? a : b;
    best.fastest = a.fastest <= b.fastest ? a.fastest : b.fastest;
    return best;
}

static bnn_code add_rows(const bnn_bench *bench, bnn_bench_row row, const side *sides,
                         const bnn_baselines *baselines, bnn_error *err) {
    bnn_code code = BNN_OK;
    bnn_bench_figures best = {0};
    row.own = figures(bench, &sides[0]);
    for (size_t b = 0; b < baselines->count && code == BNN_OK; b++) {
        const bnn_baseline *baseline = &baselines->list[b];
        row.other = figures(bench, &sides[b + 1]);
        snprintf(row.baseline, sizeof row.baseline, "%s", baseline->name);
        snprintf(row.version, sizeof row.version, "%s",
                 baseline->worker ? bnn_worker_version(baseline->worker) : "");
        best = better(best, row.other);
        code = bnn_bench_report_add(bench->report, &row, err);
    }
    if (baselines->best && code == BNN_OK) {
        row.other = best;
        snprintf(row.baseline, sizeof row.baseline, "%s", baselines->best);
        row.version[0] = '\0';
        code = bnn_bench_report_add(bench->report, &row, err);
    }
    return code;
}

bnn_code bnn_bench_case(const bnn_bench *bench, const bnn_bench_row *row, const bnn_work *work,
                        const bnn_baselines *baselines, int least_runs, bnn_error *err) {
    const size_t count = baselines->count + 1, turns = (size_t)bench->repeat;
    side sides[MAX_SIDES] = {{0}};
    double *figure = calloc(2 * count * turns, sizeof *figure);
    bnn_code code = figure ? bnn_worker_start(work, &sides[0].worker, err)
                           : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the measurements");
    for (size_t s = 0; s < count && code == BNN_OK; s++) {
        sides[s].worker = s ? baselines->list[s - 1].worker : sides[0].worker;
        sides[s].seconds = figure + 2 * s * turns;
        sides[s].joules = sides[s].seconds + turns;
    }
    if (code == BNN_OK) {
        code = take_turns(bench, sides, count, least_runs, err);
    }
    if (code == BNN_OK && !bnn_interrupted()) {
        code = add_rows(bench, *row, sides, baselines, err);
    }
    bnn_worker_stop(sides[0].worker);
    free(figure);
    return bnn_interrupted() ? BNN_OK : code;
}

bnn_code bnn_bench_pair(const bnn_bench *bench, const bnn_bench_row *row, const bnn_work *work,
                        const char *baseline, const bnn_work *other, int least_runs,
                        bnn_error *err) {
    bnn_baselines against = {0};
    bnn_code code = bnn_baseline_start(&against, baseline, other, err);
    if (code == BNN_OK) {
        code = bnn_bench_case(bench, row, work, &against, least_runs, err);
    }
    bnn_baselines_stop(&against);
    return code;
}

/* The chosen size; an error for one that says nothing to what the network sees. */
static bnn_code resize(const bnn_bench *bench, bnn_spec *spec, bnn_error *err) {
    const char *input = bench->arch->inputs[0];
    const struct {
        const char *option, *of;
        int value;
    } sizes[] = {{"image-size", "image", bench->image_size},
                 {"points", "points", bench->points},
                 {"length", "ids", bench->length}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].value && strcmp(input, sizes[i].of) != 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--%s has no effect on --arch %s, which sees '%s'", sizes[i].option,
                            bench->arch->name, input);
        }
    }
    if (bench->length > bench->arch->positions) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--length %d: %s has places for %d tokens",
                        bench->length, bench->arch->name, bench->arch->positions);
    }
    if (bench->image_size) {
        spec->height = spec->width = bench->image_size;
        spec->classes = spec->height < 224 || spec->task->boxes ? spec->classes : 1000;
    }
    spec->width = bench->points ? bench->points : bench->length ? bench->length : spec->width;
    spec->classes = bench->classes ? bench->classes : spec->classes;
    return BNN_OK;
}

#define USUAL_SIDE 512

/* Samples as those of the first data set that the network can learn, of another size and number of
 * classes where those are asked for. */
bnn_code bnn_bench_spec(const bnn_bench *bench, const char *algorithm, bnn_spec *spec,
                        bnn_error *err) {
    *spec = (bnn_spec){0};
    size_t d = 0;
    while (bnn_datasets[d] && bnn_arch_fits(bench->arch, bnn_datasets[d], NULL) != BNN_OK) {
        d++;
    }
    if (!bnn_datasets[d]) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "no data set shows what %s sees",
                        bench->arch->name);
    }
    bnn_spec_of_info(spec, bnn_datasets[d]);
    if (!spec->height) { /* photographs of any size */
        spec->height = spec->width = bench->arch->side ? bench->arch->side : USUAL_SIDE;
    }
    spec->dropout = (float)bnn_recipe_find(spec->dataset, bench->arch->name, algorithm)->dropout;
    spec->ties = BNN_TIES_OWN;
    spec->dataset = "";
    bnn_code code = resize(bench, spec, err);
    code = code == BNN_OK ? bnn_spec_find(spec, bench->arch->name, algorithm, err) : code;
    spec->phase = code == BNN_OK && spec->binarizer ? spec->binarizer->phases - 1 : 0;
    return code;
}

void bnn_bench_fill(float *x, size_t count, uint64_t seed) {
    enum { PERIOD = 65521 }; /* a prime: no row of a power of two repeats the last */
    bnn_rng rng = bnn_rng_start(seed, bnn_hash_name("bench"));
    for (size_t i = 0; i < count; i++) {
        x[i] = i < PERIOD ? 2.0f * bnn_rng_uniform(&rng) - 1.0f : x[i - PERIOD];
    }
}

float *bnn_bench_floats(size_t count, uint64_t seed) {
    float *x = bnn_alloc_aligned(count * sizeof *x);
    if (x) {
        bnn_bench_fill(x, count, seed);
    }
    return x;
}

/* The tables of what training, storage and operations cost. */
#include <math.h>
#include <string.h>

#include "models/model.h"
#include "tools/report/bibench_private.h"

/* ---- training consumption ------------------------------------------------------------------ */
/* Of all variants and seeds of one algorithm, network and data set in a group. */
typedef struct grid {
    double *score;
    int *variant;
    double seconds;
    size_t count, entries;
} grid;

static grid grid_of(bnn_tables *x, const bnn_bibench_entry *like, const char *algo) {
    const bnn_bibench *b = x->b;
    grid g = {bnn_arena_alloc(b->arena, b->run_count * sizeof *g.score),
              bnn_arena_alloc(b->arena, b->run_count * sizeof *g.variant), 0.0, 0, 0};
    x->failed |= !g.score || !g.variant;
    for (size_t i = 0; !x->failed && i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (strcmp(e->cell->algo, algo) != 0 || e->cell->group != like->cell->group ||
            e->cell->arch != like->cell->arch || e->cell->data != like->cell->data) {
            continue;
        }
        for (size_t k = 0; k < e->runs; k++) {
            g.score[g.count] = e->run[k]->run.results.metric[0];
            g.variant[g.count++] = e->cell->variant_number;
        }
        g.seconds += e->seconds;
        g.entries++;
    }
    g.seconds /= (double)g.entries;
    return g;
}

static double spread(const bnn_bibench_options *o, const grid *g) {
    return o->mean_seeds ? bnn_deviation_of_means(g->score, g->variant, g->count, o->sample_spread)
                         : bnn_deviation(g->score, g->count, o->sample_spread);
}

/* One network on one data set: what its grid came to, by algorithm. */
static void grid_rows(bnn_tables *x, const bnn_bibench_entry *e) {
    const bnn_bibench *b = x->b;
    const grid twin = grid_of(x, e, BNN_FLOAT_ALGORITHM);
    bnn_track_row *seconds =
        bnn_tables_row(x, e->cell->data, e->cell->arch, "seconds of a training", 1, 0);
    const size_t at = x->t->row_count;
    bnn_track_row *spreads =
        bnn_tables_row(x, e->cell->data, e->cell->arch, "spread of accuracy", 4, 0);
    for (size_t a = 0; spreads && seconds && a < b->algorithms; a++) {
        const grid g = grid_of(x, e, b->algorithm[a]);
        if (g.count) {
            x->t->rows[at - 1].value[a].value = g.seconds;
            x->t->rows[at].value[a].value = spread(&b->options, &g);
        }
        if (g.count && twin.count && strcmp(b->algorithm[a], BNN_FLOAT_ALGORITHM) != 0) {
            bnn_tables_compare(x, a, "time", twin.seconds, g.seconds);
            bnn_tables_compare(x, a, "spread", spread(&b->options, &twin), spread(&b->options, &g));
        }
    }
}

static int begins_grid(const bnn_bibench *b, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (b->entries[k].cell->group == b->entries[i].cell->group &&
            b->entries[k].cell->arch == b->entries[i].cell->arch &&
            b->entries[k].cell->data == b->entries[i].cell->data) {
            return 0;
        }
    }
    return 1;
}

void bnn_table_of_training(bnn_tables *x) {
    const bnn_bibench *b = x->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (bnn_in_track(e, x->track) && bnn_begins_row(b, i)) {
            bnn_track_row *r =
                bnn_tables_row(x, e->cell->data, e->cell->arch, bnn_variant_text(x, e), 2, 0);
            for (size_t k = i; k < b->entry_count; k++) {
                if (bnn_shares_row(&b->entries[k], e)) {
                    bnn_tables_set(x, r, &b->entries[k], b->entries[k].score);
                }
            }
        }
    }
    for (size_t i = 0; i < b->entry_count; i++) {
        if (bnn_in_track(&b->entries[i], x->track) && begins_grid(b, i)) {
            grid_rows(x, &b->entries[i]);
        }
    }
    bnn_tables_sum_up(x, b->options.mean, "E of float / binary");
}

/* ---- complexity ---------------------------------------------------------------------------- */
static double compression(const bnn_plan_counts *own, const bnn_plan_counts *twin) {
    return bnn_compression(twin->parameters, own->float_parameters, own->kept_parameters);
}

static double speedup(const bnn_bibench_options *o, const bnn_plan_counts *own,
                      const bnn_plan_counts *twin) {
    return bnn_speedup(twin->macs, own->macs - own->binary_macs,
                       own->float_work + (o->scalings ? own->scalings : 0.0));
}

/* A network and a data set are counted once, whatever else a cell varies. */
static int begins_pair(const bnn_bibench *b, size_t i, int same_algo) {
    for (size_t k = 0; k < i; k++) {
        if (b->entries[k].cell->arch == b->entries[i].cell->arch &&
            b->entries[k].cell->data == b->entries[i].cell->data &&
            bnn_in_track(&b->entries[k], BNN_TRACK_COMPLEXITY) &&
            (!same_algo || b->entries[k].cell->algo == b->entries[i].cell->algo)) {
            return 0;
        }
    }
    return 1;
}

void bnn_table_of_complexity(bnn_tables *x) {
    const bnn_bibench *b = x->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (!bnn_in_track(e, x->track) || !begins_pair(b, i, 0)) {
            continue;
        }
        const size_t at = x->t->row_count;
        if (!bnn_tables_row(x, e->cell->data, e->cell->arch, "parameters, times smaller", 3, 0) ||
            !bnn_tables_row(x, e->cell->data, e->cell->arch, "operations, times fewer", 3, 0)) {
            return;
        }
        for (size_t k = i; k < b->entry_count; k++) {
            const bnn_bibench_entry *o = &b->entries[k];
            if (o->cell->arch != e->cell->arch || o->cell->data != e->cell->data ||
                !bnn_in_track(o, x->track) || !begins_pair(b, k, 1) || !o->twin ||
                !o->run[0]->counts || !o->twin->run[0]->counts) {
                continue;
            }
            const bnn_plan_counts *own = o->run[0]->counts, *twin = o->twin->run[0]->counts;
            const double r_c = compression(own, twin), r_s = speedup(&b->options, own, twin);
            bnn_tables_set(x, &x->t->rows[at], o, r_c);
            bnn_tables_set(x, &x->t->rows[at + 1], o, r_s);
            if (!bnn_entry_is_float(o)) {
                bnn_tables_compare(x, o->algorithm, "parameters", r_c, 1.0);
                bnn_tables_compare(x, o->algorithm, "operations", r_s, 1.0);
            }
        }
    }
    bnn_tables_sum_up(x, BNN_MEAN_OF_RATIOS, "E of float / binary");
}

/* ---- inference ----------------------------------------------------------------------------- */
static const bnn_bibench_entry *entry_of(const bnn_bibench *b, const char *cell) {
    for (size_t i = 0; i < b->entry_count; i++) {
        for (size_t k = 0; k < b->entries[i].runs; k++) {
            if (b->entries[i].run[k]->cell->name == cell) {
                return &b->entries[i];
            }
        }
    }
    return NULL;
}

/* The first row with these labels, or a new one. */
static bnn_track_row *row_named(bnn_tables *x, const char *first, const char *second,
                                const char *third, int digits) {
    for (size_t i = 0; i < x->t->row_count; i++) {
        const char *const *label = x->t->rows[i].label;
        if (strcmp(label[0], first) == 0 && strcmp(label[1], second) == 0 &&
            strcmp(label[2], third) == 0) {
            return &x->t->rows[i];
        }
    }
    return bnn_tables_row(x, first, second, third, digits, 0);
}

void bnn_table_of_inference(bnn_tables *x) {
    bnn_bibench *b = x->b;
    bnn_device_table *d = b->devices;
    d->count_emulated = b->options.count_emulated;
    if (bnn_device_table_compute(d, x->err) != BNN_OK) {
        x->failed = 1;
        return;
    }
    for (size_t i = 0; i < d->row_count; i++) {
        const bnn_device_row *r = &d->rows[i];
        const bnn_bibench_entry *e = entry_of(b, r->model);
        if (!e) {
            continue;
        }
        const char *data = e->cell->data, *arch = e->cell->arch;
        bnn_tables_set(x, row_named(x, data, arch, "milliseconds", 4), e, 1e3 * r->binary.seconds);
        bnn_tables_set(x, row_named(x, data, arch, "times faster", 3), e,
                       r->twin.seconds / r->binary.seconds);
        bnn_tables_set(x, row_named(x, data, arch, "bytes", 0), e, (double)r->binary.bytes);
        bnn_tables_set(x, row_named(x, data, arch, "times smaller", 3), e,
                       (double)r->twin.bytes / (double)r->binary.bytes);
    }
    for (size_t i = 0; i < d->algorithm_count; i++) {
        for (size_t a = 0; a < b->algorithms; a++) {
            if (strcmp(b->algorithm[a], d->algorithms[i].algo) == 0) {
                bnn_tables_compare(x, a, "time", d->algorithms[i].time_ratio, 1.0);
                bnn_tables_compare(x, a, "storage", d->algorithms[i].size_ratio, 1.0);
            }
        }
    }
    bnn_tables_sum_up(x, BNN_MEAN_OF_RATIOS, "E of float / binary");
}

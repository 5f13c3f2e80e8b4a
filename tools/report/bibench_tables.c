/* The six tables: what was measured, E of each group, and the overall metric. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tools/report/bibench_private.h"

int bnn_in_track(const bnn_bibench_entry *e, bnn_track track) {
    return (e->cell->group->tracks & 1u << track) != 0;
}

int bnn_entry_is_float(const bnn_bibench_entry *e) {
    return strcmp(e->cell->algo, BNN_FLOAT_ALGORITHM) == 0;
}

/* ---- rows ---------------------------------------------------------------------------------- */
bnn_track_row *bnn_tables_row(bnn_tables *x, const char *first, const char *second,
                              const char *third, int digits, int sum) {
    bnn_track_row *added = bnn_track_table_add(x->t, first, second, third, digits, sum);
    x->failed |= !added;
    return added;
}

static const char *text(bnn_tables *x, const char *format, const char *a, const char *b) {
    const char *made = bnn_arena_format(x->b->arena, format, a, b);
    x->failed |= !made;
    return made ? made : "";
}

/* The entry's value, with the runs it is of. */
void bnn_tables_set(bnn_tables *x, bnn_track_row *r, const bnn_bibench_entry *e, double value) {
    if (!r || isnan(value)) {
        return;
    }
    bnn_track_value *v = &r->value[e->algorithm];
    v->link = bnn_arena_alloc(x->b->arena, e->runs * sizeof(*v->link));
    x->failed |= !v->link;
    v->value = value;
    v->links = v->link ? e->runs : 0;
    for (size_t i = 0; i < v->links; i++) {
        v->link[i] = e->run[i]->link;
    }
}

void bnn_tables_compare(bnn_tables *x, size_t algorithm, const char *group, double over,
                        double under) {
    bnn_ratios *r = &x->of[algorithm];
    bnn_ratio *list =
        bnn_arena_grow(x->b->arena, r->list, &r->capacity, r->count + 1, sizeof *list);
    x->failed |= !list;
    if (list) {
        r->list = list;
        r->list[r->count++] = (bnn_ratio){group, over, under};
    }
}

static int knows_group(const bnn_tables *x, size_t algorithms, size_t count, const char *group) {
    for (size_t a = 0; a <= algorithms; a++) {
        const size_t n = a == algorithms ? count : x->of[a].count;
        for (size_t i = 0; i < n; i++) {
            if (strcmp(x->of[a].list[i].group, group) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* E of each group, then the overall metric. */
void bnn_tables_sum_up(bnn_tables *x, bnn_mean_kind kind, const char *of) {
    bnn_bibench *b = x->b;
    int some_undefined = 0;
    for (size_t a = 0; a < b->algorithms; a++) {
        for (size_t i = 0; i < x->of[a].count; i++) {
            const char *group = x->of[a].list[i].group;
            if (knows_group(x, a, i, group)) {
                continue;
            }
            bnn_track_row *r = bnn_tables_row(x, group, "", of, 4, 1);
            for (size_t k = 0; r && k < b->algorithms; k++) {
                r->value[k].value = bnn_mean_ratio(x->of[k].list, x->of[k].count, group, kind);
            }
        }
    }
    bnn_track_row *overall = bnn_tables_row(x, "overall metric", "", "", 4, 1);
    for (size_t a = 0; overall && a < b->algorithms; a++) {
        b->overall[x->track][a] = bnn_overall_of(x->of[a].list, x->of[a].count, kind);
        overall->value[a].value = b->overall[x->track][a].metric;
        some_undefined |= b->overall[x->track][a].defined != b->overall[x->track][a].groups;
    }
    bnn_track_row *defined =
        some_undefined ? bnn_tables_row(x, "overall metric", "", "where defined", 4, 1) : NULL;
    for (size_t a = 0; defined && a < b->algorithms; a++) {
        defined->value[a].value = b->overall[x->track][a].metric_of_defined;
    }
}

const char *bnn_variant_text(bnn_tables *x, const bnn_bibench_entry *e) {
    return *e->cell->variant ? text(x, "%s, %s", e->cell->group->name, e->cell->variant)
                             : e->cell->group->name;
}

/* The first entry of those that share a row, whatever their algorithm. */
int bnn_begins_row(const bnn_bibench *b, size_t i) {
    for (size_t k = 0; k < i; k++) {
        const bnn_cell *one = b->entries[k].cell, *other = b->entries[i].cell;
        if (one->group == other->group && one->arch == other->arch && one->data == other->data &&
            one->variant_number == other->variant_number) {
            return 0;
        }
    }
    return 1;
}

int bnn_shares_row(const bnn_bibench_entry *e, const bnn_bibench_entry *first) {
    return e->cell->group == first->cell->group && e->cell->arch == first->cell->arch &&
           e->cell->data == first->cell->data &&
           e->cell->variant_number == first->cell->variant_number;
}

/* ---- learning task, architecture ----------------------------------------------------------- */
/* Accuracies that are one for the formula: the sets of GLUE are, for each network. */
static void relate(bnn_tables *x, const bnn_bibench_entry *e) {
    const bnn_bibench *b = x->b;
    const char *task = bnn_bibench_task(e->cell->data);
    double over = 0.0, under = 0.0;
    size_t sets = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const bnn_bibench_entry *o = &b->entries[i];
        if (o->cell->algo == e->cell->algo && o->cell->group == e->cell->group &&
            o->cell->arch == e->cell->arch && o->cell->variant_number == e->cell->variant_number &&
            o->twin && strcmp(bnn_bibench_task(o->cell->data), task) == 0) {
            if (sets == 0 && o != e) {
                return; /* the first of them has told it */
            }
            over += o->score;
            under += o->twin->score;
            sets++;
        }
    }
    if (sets) {
        bnn_tables_compare(x, e->algorithm,
                           x->track == BNN_TRACK_TASK ? task : bnn_bibench_kind(e->cell->arch),
                           over / (double)sets, under / (double)sets);
    }
}

static void accuracies(bnn_tables *x, int relative) {
    const bnn_bibench *b = x->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (!bnn_in_track(e, x->track)) {
            continue;
        }
        relate(x, e);
        if (!bnn_begins_row(b, i)) {
            continue;
        }
        bnn_track_row *r = bnn_tables_row(x, e->cell->data, e->cell->arch, bnn_variant_text(x, e),
                                          relative ? 4 : 2, 0);
        for (size_t k = i; k < b->entry_count; k++) {
            const bnn_bibench_entry *o = &b->entries[k];
            if (bnn_shares_row(o, e)) {
                bnn_tables_set(x, r, o,
                               !relative ? o->score
                               : o->twin ? o->score / o->twin->score
                                         : NAN);
            }
        }
    }
    bnn_tables_sum_up(x, b->options.mean, "E of binary / float");
}

static void learning_task(bnn_tables *x) {
    accuracies(x, 0);
}

static void architecture(bnn_tables *x) {
    accuracies(x, 1);
}

/* ---- robustness ---------------------------------------------------------------------------- */
/* Means over the seeds; NAN where one has not been evaluated so. severity 0: all that were wanted.
 */
static double corrupted(const bnn_bibench_entry *e, int kind, int severity) {
    double sum = 0.0;
    for (size_t i = 0; i < e->runs; i++) {
        const bnn_results *r = &e->run[i]->run.results;
        const bnn_corruption_result *c = bnn_results_row(r, kind);
        sum += !c ? NAN : severity ? bnn_results_cell(c, severity) : bnn_results_row_mean(r, c);
    }
    return sum / (double)e->runs;
}

static double mean_corrupted(const bnn_bibench *b, const bnn_bibench_entry *e) {
    const bnn_corruption_list *list = &b->options.corruptions;
    double sum = 0.0;
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const double value = corrupted(e, list->kind[i], 0);
        sum += isnan(value) ? 0.0 : value;
        count += !isnan(value);
    }
    return count ? sum / (double)count : NAN;
}

static void gaps(bnn_tables *x, const bnn_bibench_entry *e) {
    const bnn_corruption_list *list = &x->b->options.corruptions;
    static const char *const severities[] = {"", "1", "2", "3", "4", "5"};
    const int apart = x->b->options.severities_apart;
    for (size_t i = 0; i < list->count; i++) {
        for (int s = apart ? 1 : 0; s <= (apart ? BNN_SEVERITIES : 0); s++) {
            const char *name = bnn_corruption_names[list->kind[i]];
            const double own = corrupted(e, list->kind[i], s);
            const double twin = corrupted(e->twin, list->kind[i], s);
            if (!isnan(own) && !isnan(twin)) {
                bnn_tables_compare(x, e->algorithm,
                                   apart ? text(x, "%s %s", name, severities[s]) : name,
                                   e->twin->score - twin, e->score - own);
            }
        }
    }
}

static void robustness(bnn_tables *x) {
    const bnn_bibench *b = x->b;
    for (size_t i = 0; i < b->entry_count; i++) {
        const bnn_bibench_entry *e = &b->entries[i];
        if (!bnn_in_track(e, x->track) || isnan(mean_corrupted(b, e))) {
            continue;
        }
        if (e->twin && !bnn_entry_is_float(e)) {
            gaps(x, e);
        }
        if (!bnn_begins_row(b, i)) {
            continue;
        }
        bnn_track_row *row_of[2] = {NULL, NULL};
        for (int corrupt = 0; corrupt < 2; corrupt++) {
            row_of[corrupt] = bnn_tables_row(x, e->cell->data, e->cell->arch,
                                             corrupt ? "corrupted, mean" : "clean", 2, 0);
            for (size_t k = i; k < b->entry_count; k++) {
                const bnn_bibench_entry *o = &b->entries[k];
                if (bnn_shares_row(o, e)) {
                    bnn_tables_set(x, row_of[corrupt], o,
                                   corrupt ? mean_corrupted(b, o) : o->score);
                }
            }
        }
    }
    bnn_tables_sum_up(x, BNN_RATIO_OF_MEANS, "float gap / binary gap");
}

/* ---- all ----------------------------------------------------------------------------------- */
static const struct {
    const char *title, *note, *heading[BNN_TRACK_LABELS];
    void (*make)(bnn_tables *);
} tracks[BNN_TRACKS] = {
    [BNN_TRACK_TASK] = {"Learning task",
                        "Each data set's own metric, in percent, mean over the seeds. The overall "
                        "metric is the root of the mean square, over data sets, of the mean ratio "
                        "of binary to float; the sets of GLUE are one.",
                        {"data", "network", "group"},
                        learning_task},
    [BNN_TRACK_ARCHITECTURE] = {"Neural architecture",
                                "Accuracy by that of the float twin. The overall metric is the "
                                "root of the mean square over kinds of networks.",
                                {"data", "network", "group"},
                                architecture},
    [BNN_TRACK_ROBUSTNESS] = {"Corruption robustness",
                              "Accuracy in percent. A gap is clean accuracy minus that on a "
                              "corruption, averaged over networks; above 1 the binary network "
                              "loses less than its float twin.",
                              {"data", "network", ""},
                              robustness},
    [BNN_TRACK_TRAINING] = {"Training consumption",
                            "Best accuracy of each configuration, the time that steps of a "
                            "training took, and the spread of accuracy over configurations.",
                            {"data", "network", "configuration"},
                            bnn_table_of_training},
    [BNN_TRACK_COMPLEXITY] = {"Theoretical complexity",
                              "Weights of one bit count 1/32, operations on bits 1/64; what an "
                              "algorithm keeps and computes in float beside them counts whole.",
                              {"data", "network", ""},
                              bnn_table_of_complexity},
    [BNN_TRACK_INFERENCE] = {"Hardware inference",
                             "The packed network beside its float twin on the machine of the "
                             "sweep, one sample, one thread: medians of turns. Files of other "
                             "engines and devices: bnn-report inference.",
                             {"data", "network", ""},
                             bnn_table_of_inference},
};

static bnn_code make_table(bnn_bibench *b, bnn_track track, bnn_error *err) {
    bnn_track_table *t = &b->table[track];
    bnn_error why = {0};
    bnn_tables x = {.b = b, .t = t, .track = track, .err = &why};
    *t = (bnn_track_table){.name = bnn_track_names[track],
                           .title = tracks[track].title,
                           .note = tracks[track].note,
                           .column = b->algorithm,
                           .columns = b->algorithms,
                           .arena = b->arena};
    memcpy(t->heading, tracks[track].heading, sizeof t->heading);
    x.of = bnn_arena_alloc(b->arena, b->algorithms * sizeof *x.of);
    b->overall[track] = bnn_arena_alloc(b->arena, b->algorithms * sizeof *b->overall[track]);
    if (x.of && b->overall[track]) {
        tracks[track].make(&x);
    }
    if (why.code != BNN_OK) {
        return bnn_fail(err, why.code, "%s", why.text);
    }
    return x.failed || !x.of || !b->overall[track]
               ? bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", b->folder)
               : BNN_OK;
}

/* What is not defined everywhere stands in its table, with what it is over. */
static bnn_code make_summary(bnn_bibench *b, bnn_error *err) {
    b->summary = (bnn_track_table){.name = "overall",
                                   .title = "Overall metrics",
                                   .note = "",
                                   .heading = {"track", "", ""},
                                   .column = b->algorithm,
                                   .columns = b->algorithms,
                                   .arena = b->arena};
    for (int track = 0; track < BNN_TRACKS; track++) {
        bnn_track_row *r = bnn_track_table_add(&b->summary, tracks[track].title, "", "", 4, 0);
        if (!r) {
            return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", b->folder);
        }
        for (size_t a = 0; a < b->algorithms; a++) {
            const bnn_overall *o = &b->overall[track][a];
            const int own = strcmp(b->algorithm[a], BNN_FLOAT_ALGORITHM) == 0;
            r->value[a].value = own || !o->groups ? NAN : o->metric;
        }
    }
    return BNN_OK;
}

bnn_code bnn_bibench_compute(bnn_bibench *b, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int track = 0; track < BNN_TRACKS && code == BNN_OK; track++) {
        code = make_table(b, (bnn_track)track, err);
    }
    return code == BNN_OK ? make_summary(b, err) : code;
}

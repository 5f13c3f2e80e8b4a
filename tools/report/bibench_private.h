/* What the files that fill BiBench's tables share. */
#ifndef BNN_TOOLS_REPORT_BIBENCH_PRIVATE_H
#define BNN_TOOLS_REPORT_BIBENCH_PRIVATE_H

#include "tools/report/bibench.h"

/* Everything that is compared of one algorithm in one track. */
typedef struct bnn_ratios {
    bnn_ratio *list;
    size_t count, capacity;
} bnn_ratios;

/* One table while it is filled. */
typedef struct bnn_tables {
    bnn_bibench *b;
    bnn_track_table *t;
    bnn_track track;
    bnn_ratios *of; /* [algorithms] */
    bnn_error *err;
    int failed;
} bnn_tables;

int bnn_in_track(const bnn_bibench_entry *e, bnn_track track);
int bnn_entry_is_float(const bnn_bibench_entry *e);
/* The first entry of those that share a row, whatever their algorithm. */
int bnn_begins_row(const bnn_bibench *b, size_t i);
int bnn_shares_row(const bnn_bibench_entry *e, const bnn_bibench_entry *first);
const char *bnn_variant_text(bnn_tables *x, const bnn_bibench_entry *e);

/* A new row; NULL when memory is out. Valid until the next one. */
bnn_track_row *bnn_tables_row(bnn_tables *x, const char *first, const char *second,
                              const char *third, int digits, int sum);
/* The entry's value, with the runs it is of. */
void bnn_tables_set(bnn_tables *x, bnn_track_row *r, const bnn_bibench_entry *e, double value);
void bnn_tables_compare(bnn_tables *x, size_t algorithm, const char *group, double over,
                        double under);
/* E of each group, then the overall metric. */
void bnn_tables_sum_up(bnn_tables *x, bnn_mean_kind kind, const char *of);

/* bibench_costs.c */
void bnn_table_of_training(bnn_tables *x);
void bnn_table_of_complexity(bnn_tables *x);
void bnn_table_of_inference(bnn_tables *x);

#endif

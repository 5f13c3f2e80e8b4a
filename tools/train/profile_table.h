/* `--profile`: where the time and the memory traffic of training steps go, by kind of op. */
#ifndef BNN_TOOLS_TRAIN_PROFILE_TABLE_H
#define BNN_TOOLS_TRAIN_PROFILE_TABLE_H

#include <stdio.h>

#include "engine/profile.h"

#define BNN_PROFILE_ROWS 32

typedef struct bnn_profile_row {
    char name[32];
    bnn_cost cost[BNN_COST_KINDS];
} bnn_profile_row;

typedef struct bnn_profile_table {
    bnn_profile_row row[BNN_PROFILE_ROWS];
    int count;
} bnn_profile_table;

/* Adds what a profiled graph has measured. */
void bnn_profile_table_add(bnn_profile_table *table, const bnn_graph *graph);
/* Adds what no graph knows of (the optimizer), as a row of its own. */
void bnn_profile_table_extra(bnn_profile_table *table, const char *name, double seconds,
                             double bytes);
/* Milliseconds and MB a step, the largest row first. */
void bnn_profile_table_print(const bnn_profile_table *table, uint64_t steps, FILE *to);

#endif

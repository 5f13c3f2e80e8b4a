/* A table of one track: rows of numbers, a column an algorithm; and its forms. */
#ifndef BNN_TOOLS_REPORT_TRACK_TABLE_H
#define BNN_TOOLS_REPORT_TRACK_TABLE_H

#include <stdio.h>

#include <jansson.h>

#include "engine/base/arena.h"

#define BNN_TRACK_LABELS 3

typedef struct bnn_track_value {
    double value;      /* NAN: there is none */
    const char **link; /* the runs that it is of */
    size_t links;
} bnn_track_value;

typedef struct bnn_track_row {
    const char *label[BNN_TRACK_LABELS]; /* "" where there is none */
    int digits, sum;                     /* sum: of rows above */
    bnn_track_value *value;              /* [columns] */
} bnn_track_row;

typedef struct bnn_track_table {
    const char *name, *title, *note;
    const char *heading[BNN_TRACK_LABELS];
    const char *const *column;
    size_t columns;
    bnn_track_row *rows;
    size_t row_count, capacity;
    bnn_arena *arena;
} bnn_track_table;

/* A row without values yet (NAN); NULL when memory is out. Texts are kept. */
bnn_track_row *bnn_track_table_add(bnn_track_table *t, const char *first, const char *second,
                                   const char *third, int digits, int sum);

void bnn_track_table_html(const bnn_track_table *t, FILE *out);
void bnn_track_table_csv(const bnn_track_table *t, FILE *out);
void bnn_track_table_latex(const bnn_track_table *t, FILE *out);
void bnn_track_table_text(const bnn_track_table *t, FILE *out);
json_t *bnn_track_table_json(const bnn_track_table *t); /* NULL when memory is out */

#endif

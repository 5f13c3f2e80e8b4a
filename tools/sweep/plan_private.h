/* What plan.c, which reads a plan, and cells.c, which makes its cells, share. */
#ifndef BNN_TOOLS_SWEEP_PLAN_PRIVATE_H
#define BNN_TOOLS_SWEEP_PLAN_PRIVATE_H

#include "tools/sweep/plan.h"

typedef struct bnn_reader {
    const char *name, *group; /* for messages */
    bnn_error *err;
} bnn_reader;

/* Whether a pattern, or what follows its !, is of any of the names. */
int bnn_plan_names_any(const char *pattern, const char *const *names);
bnn_code bnn_plan_fail(const bnn_reader *r, const char *what);
/* The cells of a group, whose keys have been checked but for the names. */
bnn_code bnn_plan_add_cells(const bnn_reader *r, bnn_plan *plan, bnn_sweep_group *group);

#endif

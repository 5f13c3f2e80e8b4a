/* Weights of reference networks are not stored: both sides fill every tensor from its name. */
#ifndef BNN_TESTS_GOLDEN_SEEDED_H
#define BNN_TESTS_GOLDEN_SEEDED_H

#include "engine/params.h"

/* Value i of a tensor of this name, in [-1, 1). */
double golden_unit(const char *name, size_t i);
int golden_ends(const char *name, const char *suffix);
/* Parameters and statistics; `prefix` stands in front of the name where it seeds the values. What a
 * schedule sets stays as it is. */
void golden_fill(bnn_params *params, const char *prefix);

#endif

/* The tables' names as lists, for options' choices and --list. */
#ifndef BNN_TOOLS_CLI_NAMES_H
#define BNN_TOOLS_CLI_NAMES_H

#include <stdio.h>

/* NULL-terminated, filled by bnn_names_fill. */
extern const char *bnn_algorithm_names[32];
extern const char *bnn_arch_names[32];
extern const char *bnn_dataset_names[32];
extern const char *bnn_optimizer_names[32];
extern const char *bnn_format_names[32]; /* of export */

void bnn_names_fill(void);
/* Algorithms, architectures and data sets with a line each. */
void bnn_names_print(FILE *out);

#endif

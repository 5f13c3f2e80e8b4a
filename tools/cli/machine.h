/* What a figure was measured on. */
#ifndef BNN_TOOLS_CLI_MACHINE_H
#define BNN_TOOLS_CLI_MACHINE_H

#include <stddef.h>

/* The processor's name where the system tells it, else what kind of machine it is; one line without
 * quotes or backslashes. */
void bnn_machine_cpu(char *name, size_t size);

#endif

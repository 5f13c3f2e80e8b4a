/* How every program begins and ends. */
#ifndef BNN_TOOLS_CLI_START_H
#define BNN_TOOLS_CLI_START_H

#include "tools/cli/options.h"

/* The whole of main: parses the options, does the work and returns the exit status. An error of the
 * work is told in one line; so is what was printed and has not arrived (a full disk, a reader that
 * is gone), since it may have been the result. Standard descriptors that are closed stay
 * useless: no file opened later takes their place and gets what is printed. */
int bnn_start(bnn_program *program, int argc, char **argv, bnn_code (*work)(bnn_error *err));

#endif

/* A network of any size started from another tool's weights, as no data set here would have it:
 * make_data's part for tests of what is read. */
#ifndef BNN_TESTS_PROGRAMS_INIT_NETWORK_H
#define BNN_TESTS_PROGRAMS_INIT_NETWORK_H

/* Prints what bnn-train --init-from would, and writes the network's checkpoint. Returns an exit
 * status. */
int init_network(const char *arch, const char *algo, const char *input, const char *classes,
                 const char *weights, const char *out);

#endif

/* A file of weights as another tool would have written it, or as nothing should: make_data's part
 * for tests of what programs read. */
#ifndef BNN_TESTS_PROGRAMS_ALTER_WEIGHTS_H
#define BNN_TESTS_PROGRAMS_ALTER_WEIGHTS_H

/* Reads the file `in`, whose metadata may be compressed, makes the changes one after the other,
 * writes `out`, where they are not: prefix=P          P in front of every name type=T all floats as
 * F16, BF16 or F64 round=T           all floats as they are in F16 or BF16, but stored as F32
 *   no-metadata       none at all
 *   metadata=K=V      one entry
 *   value=NAME=X      a tensor's first number
 *   shape=NAME=1,2,3  a tensor of zeros of another shape
 *   as=NAME=T         a tensor of another type, all zeros
 *   drop=TEXT         without all tensors whose names contain it
 *   keep=TEXT         without all the others
 *   add=NAME          one tensor more, an integer as PyTorch's counters are
 *   sum               a checksum, which fits
 * Returns an exit status. */
int alter_weights(const char *in, const char *out, char **changes, int count);

#endif

/* Ops by name, for files that name them. */
#include <string.h>

#include "layers/ops.h"

const bnn_op *bnn_op_find(const char *name) {
#define ADDRESS(op) &bnn_##op##_op,
    static const bnn_op *const ops[] = {BNN_OPS(ADDRESS)};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i]->name, name) == 0) {
            return ops[i];
        }
    }
    return NULL;
}

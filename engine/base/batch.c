#include "engine/base/batch.h"

#include <string.h>

int bnn_field_find(const bnn_field *field, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(field[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

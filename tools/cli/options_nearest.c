/* "Did you mean": the name with the smallest Damerau-Levenshtein distance (optimal string
 * alignment: insert, delete, replace, swap neighbours). Case does not count, and '_' equals '-'.
 * About one mistake in three letters is forgiven; behind that, an abbreviation ("batch" for
 * "batch-size") is still near. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"
#include "tools/cli/options_internal.h"

enum { LONGEST = 63, ABBREVIATION = 3, FAR = 1000 };

static int fold(char c) {
    return c == '_' ? '-' : tolower((unsigned char)c);
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Both at most LONGEST. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][LONGEST + 1]; /* row i is rows[i % 3]; a swap looks back two */
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            int differ = fold(a[i - 1]) != fold(b[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (size_t)differ);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = smaller(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

static int abbreviates(const char *name, size_t length, const char *candidate) {
    for (size_t i = 0; i < length; i++)
        if (!candidate[i] || fold(name[i]) != fold(candidate[i]))
            return 0;
    return length >= ABBREVIATION;
}

void bnn_nearest_offer(bnn_nearest *nearest, const char *candidate) {
    size_t length = strlen(nearest->name), other = strlen(candidate);
    if (!length || length > LONGEST || other > LONGEST)
        return;
    size_t longer = length > other ? length : other;
    size_t cost = distance(nearest->name, length, candidate, other);
    if (cost > (longer + 1) / 3) {
        if (!abbreviates(nearest->name, length, candidate))
            return;
        cost = FAR + other;
    } else if (cost == longer) {
        return; /* "x" is not near "y" */
    }
    if (!nearest->best || cost < nearest->cost) {
        nearest->best = candidate;
        nearest->cost = cost;
    }
}

const char *bnn_nearest_name(const char *name, const char *const *names) {
    bnn_nearest nearest = {.name = name};
    for (; *names; names++)
        bnn_nearest_offer(&nearest, *names);
    return nearest.best;
}

/* Appends to list[bytes]. */
static void append(char *list, size_t bytes, const char *separator, const char *name) {
    const size_t used = strlen(list);
    snprintf(list + used, bytes - used, "%s%s", separator, name);
}

const void *bnn_command_find(const char *name, const void *table, size_t size, size_t count,
                             bnn_error *err) {
    enum { MOST = 16 };
    const char *names[MOST + 1] = {NULL};
    char list[256] = "";
    for (size_t i = 0; i < count && i < MOST; i++) {
        memcpy(&names[i], (const char *)table + i * size, sizeof names[i]);
        append(list, sizeof list, i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
    }
    const int found = bnn_name_find(names, name);
    if (found < 0) {
        const char *near = bnn_nearest_name(name, names);
        bnn_fail(err, BNN_ERR_ARGUMENT, "%.80s: must be %s%s%s%s", name, list,
                 near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    }
    return found < 0 ? NULL : (const char *)table + (size_t)found * size;
}

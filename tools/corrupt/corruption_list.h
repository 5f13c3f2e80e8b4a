/* The corruptions a user names: --corruption fog,snow. */
#ifndef BNN_TOOLS_CORRUPT_CORRUPTION_LIST_H
#define BNN_TOOLS_CORRUPT_CORRUPTION_LIST_H

#include <stddef.h>

#include "data_loaders/corruption/corruption.h"

typedef struct bnn_corruption_list {
    int kind[BNN_CORRUPTION_KINDS];  /* in the official order, each once */
    int named[BNN_CORRUPTION_KINDS]; /* by its own name, not by main or all */
    size_t count;
} bnn_corruption_list;

/* Names, and the words main (the benchmark's 15) and all (19). An unknown one is answered with the
 * nearest. */
bnn_code bnn_corruption_list_parse(const char *text, bnn_corruption_list *out, bnn_error *err);
int bnn_corruption_list_has(const bnn_corruption_list *list, const char *name);
/* If the list has frost and there are no photographs for it, says on stderr in one line, in the
 * name of `program`, what it is made of. */
void bnn_corruption_list_note(const bnn_corruption_list *list, const char *frost_dir,
                              const char *program);

#endif

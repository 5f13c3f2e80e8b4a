/* What lies in a folder, in the same order everywhere: alphasort's depends on the locale. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/internal.h"

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int bnn_folder_list(const char *folder, int (*filter)(const struct dirent *),
                    struct dirent ***entry, bnn_error *err) {
    const int count = scandir(folder, entry, filter, by_name);
    if (count < 0) {
        bnn_fail_errno(err, folder, "list the folder", errno);
    }
    return count;
}

void bnn_folder_free(struct dirent **entry, int count) {
    for (int i = 0; i < count; i++) {
        free(entry[i]);
    }
    if (count >= 0) {
        free(entry);
    }
}

/* golden_runner DIR...: runs every reference case below the given folders (or single files) and
 * closes with "N passed, M failed, K skipped". */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/golden/golden.h"

typedef struct totals {
    int count[3];
} totals;

static void run_file(const char *path, const bnn_device *device, totals *t) {
    bnn_st_file *file;
    bnn_error err;
    if (bnn_st_open(path, &file, &err) != BNN_OK) {
        printf("FAIL %s\n", err.text);
        t->count[GOLDEN_FAILED]++;
        return;
    }
    const char *metric = bnn_st_metadata(file, "metric");
    golden_result r = metric && strcmp(metric, "log_mel") == 0 ? golden_log_mel(path, file, device)
                      : bnn_st_metadata(file, "layer")         ? golden_layer(path, file, device)
                                                               : golden_network(path, file, device);
    if (r == GOLDEN_SKIPPED) {
        printf("skipped %s: this build has no such architecture\n", path);
    }
    t->count[r]++;
    bnn_st_close(file);
}

static int is_case(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void run_path(const char *path, const bnn_device *device, totals *t) {
    struct stat info;
    if (stat(path, &info) != 0) {
        printf("FAIL %s: %s\n", path, strerror(errno));
        t->count[GOLDEN_FAILED]++;
        return;
    }
    if (!S_ISDIR(info.st_mode)) {
        run_file(path, device, t);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, is_case, alphasort);
    for (int i = 0; i < n; i++) {
        char child[4096];
        const char *name = entries[i]->d_name;
        size_t length = strlen(name);
        snprintf(child, sizeof child, "%s/%s", path, name);
        int folder = stat(child, &info) == 0 && S_ISDIR(info.st_mode);
        if (folder || (length > 12 && strcmp(name + length - 12, ".safetensors") == 0)) {
            run_path(child, device, t);
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
}

int main(int argc, char **argv) {
    const char *why;
    bnn_device device;
    int usable = bnn_cpu_device(NULL, 0, &device, &why);
    totals t = {{0}};
    if (argc < 2 || !usable) {
        fprintf(stderr, "usage: golden_runner DIR...%s%s\n", usable ? "" : ": ", usable ? "" : why);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        run_path(argv[i], &device, &t);
    }
    printf("%d passed, %d failed", t.count[GOLDEN_PASSED], t.count[GOLDEN_FAILED]);
    if (t.count[GOLDEN_SKIPPED]) {
        printf(", %d skipped", t.count[GOLDEN_SKIPPED]);
    }
    printf("\n");
    return t.count[GOLDEN_FAILED] || !t.count[GOLDEN_PASSED];
}

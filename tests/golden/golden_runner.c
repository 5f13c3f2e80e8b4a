/* golden_runner DIR...: runs every reference case below the given folders (or single files) and
 * closes with "N passed, M failed, K skipped". */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/golden/golden.h"

/* What a file's metadata say it is, and who runs it; a file is a case of the first kind that fits.
 */
static const struct {
    const char *key, *value; /* NULL: anything */
    golden_result (*run)(const char *path, const bnn_st_file *file, const bnn_device *device);
} kinds[] = {
    {"layer", NULL, golden_layer},
    {"op", "bert_adam", golden_bert_adam},
    {"op", NULL, golden_op},
    {"metric", "log_mel", golden_log_mel},
    {"metric", "part_iou", golden_part_iou},
    {"metric", "glue", golden_glue},
    {"metric", "wordpiece", golden_wordpiece},
    {"metric", "bert_features", golden_bert_features},
    {"metric", "voc_map", golden_average_precision},
    {"metric", "coco_map", golden_average_precision},
    {"metric", NULL, NULL}, /* of another kind than these */
    {"arch", "ssd300", golden_ssd},
    {"arch", "faster_rcnn", golden_faster_rcnn},
    {"name", NULL, golden_network},
};

static golden_result run_case(const char *path, const bnn_st_file *file, const bnn_device *device) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *value = bnn_st_metadata(file, kinds[i].key);
        if (value && (!kinds[i].value || strcmp(kinds[i].value, value) == 0)) {
            return kinds[i].run ? kinds[i].run(path, file, device) : GOLDEN_SKIPPED;
        }
    }
    printf("FAIL %s: not a reference case\n", path);
    return GOLDEN_FAILED;
}

typedef struct totals {
    enum { ALL, DETECTORS, OTHERS } which;
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
    golden_result r = run_case(path, file, device);
    if (r == GOLDEN_SKIPPED) {
        printf("skipped %s: this build has nothing of the kind\n", path);
    }
    t->count[r]++;
    bnn_st_close(file);
}

static int is_case(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* The detectors, whose images are large, are a test of their own. */
static int is_detector(const char *path) {
    return strstr(path, "/ssd300_") || strstr(path, "/faster_rcnn_");
}

static void run_path(const char *path, const bnn_device *device, totals *t) {
    struct stat info;
    if (stat(path, &info) != 0) {
        printf("FAIL %s: %s\n", path, strerror(errno));
        t->count[GOLDEN_FAILED]++;
        return;
    }
    if (!S_ISDIR(info.st_mode)) {
        if (t->which == ALL || (t->which == DETECTORS) == !!is_detector(path)) {
            run_file(path, device, t);
        }
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
    totals t = {.which = ALL};
    if (argc < 2 || !usable) {
        fprintf(stderr, "usage: golden_runner [--detectors|--others] DIR...%s%s\n",
                usable ? "" : ": ", usable ? "" : why);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--detectors") == 0) {
            t.which = DETECTORS;
        } else if (strcmp(argv[i], "--others") == 0) {
            t.which = OTHERS;
        } else {
            run_path(argv[i], &device, &t);
        }
    }
    printf("%d passed, %d failed, %d skipped\n", t.count[GOLDEN_PASSED], t.count[GOLDEN_FAILED],
           t.count[GOLDEN_SKIPPED]);
    return t.count[GOLDEN_FAILED] || !t.count[GOLDEN_PASSED];
}

/* What bnn-data reads beside archives, on arbitrary bytes: a table of sets, a list of checksums,
 * and the names that an archive gives its files. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/fetch/path.h"
#include "tools/fetch/sources.h"
#include "tools/fetch/sums.h"

/* No path leads out of the folder it is put behind. */
static void insist_below(const char *path) {
    char again[BNN_FETCH_PATH];
    bnn_insist(path[0] != '/' && strlen(path) < BNN_FETCH_PATH);
    bnn_insist(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
    bnn_insist(bnn_safe_path(path, again) && strcmp(path, again) == 0);
}

static void read_table(const char *text, size_t size) {
    bnn_error err = {0};
    bnn_source_list list;
    if (!bnn_accepted(bnn_sources_parse("table.json", text, size, &list, &err), &err)) {
        bnn_insist(list.count == 0);
        return;
    }
    bnn_insist(list.count > 0);
    for (size_t i = 0; i < list.count; i++) {
        const bnn_source *s = &list.source[i];
        bnn_insist(*s->name && !strchr(s->name, '/') && *s->folder && s->files > 0);
        insist_below(s->folder);
        for (size_t f = 0; f < s->files; f++) {
            size_t length = 0;
            const char *name = bnn_source_file_name(s->file[f].url, &length);
            bnn_insist(name && length > 0 && *name != '.' && !memchr(name, '/', length));
            if (s->file[f].inside) {
                insist_below(s->file[f].inside);
            }
        }
        for (size_t p = 0; p < s->parts; p++) {
            insist_below(s->part[p].path);
        }
    }
    bnn_sources_free(&list);
}

static void read_sums(const char *text, size_t size) {
    bnn_error err = {0};
    bnn_sums sums;
    if (bnn_accepted(bnn_sums_parse("SHA256SUMS", text, size, &sums, &err), &err)) {
        for (size_t i = 0; i < sums.count; i++) {
            bnn_insist(strlen(sums.sum[i].sha256) == 64);
            insist_below(sums.sum[i].path);
        }
        bnn_sums_free(&sums);
    }
}

/* A line of two names: a path, and the folder that is wanted. */
static void read_names(const char *text, size_t size) {
    char path[BNN_FETCH_PATH], inside[BNN_FETCH_PATH];
    char *copy = malloc(size + 1);
    bnn_insist(copy != NULL);
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *second = strchr(copy, '\n');
    if (second) {
        *second++ = '\0';
    }
    if (bnn_safe_path(copy, path)) {
        insist_below(path);
        if (second && bnn_safe_path(second, inside)) {
            const char *inner = bnn_path_inside(path, inside);
            bnn_insist(!inner || (*inner && *inner != '/'));
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = size ? (const char *)bytes : "";
    read_table(text, size);
    read_sums(text, size);
    read_names(text, size);
    return 0;
}

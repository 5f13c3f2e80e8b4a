/* Lists that come with data sets: a file's name a line, read whole, sorted, to be asked often. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/internal.h"
#include "engine/base/file.h"

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int bnn_lines_have(const bnn_lines *l, const char *text) {
    return bsearch(&text, l->line, l->count, sizeof *l->line, compare) != NULL;
}

void bnn_lines_free(bnn_lines *l) {
    free(l->text);
    free(l->line);
    *l = (bnn_lines){0};
}

static void drop_repeated(bnn_lines *l) {
    size_t distinct = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (i == 0 || strcmp(l->line[i], l->line[i - 1]) != 0) {
            l->line[distinct++] = l->line[i];
        }
    }
    l->count = distinct;
}

/* Puts an end to each line of l->text. */
static bnn_code split(const char *path, bnn_lines *l, bnn_error *err) {
    size_t most = 1;
    for (const char *p = l->text; *p; p++) {
        most += *p == '\n' || *p == '\r';
    }
    l->line = malloc(most * sizeof *l->line);
    if (!l->line) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu lines", path, most);
    }
    for (char *p = l->text; *p;) {
        size_t length = strcspn(p, "\r\n");
        if (length > strspn(p, " \t")) { /* a line of blanks is none, too */
            l->line[l->count++] = p;
        }
        p += length;
        if (*p) {
            *p++ = '\0';
        }
    }
    qsort(l->line, l->count, sizeof *l->line, compare);
    drop_repeated(l);
    return BNN_OK;
}

bnn_code bnn_lines_read(bnn_dataset *dataset, const char *path, const char *cure, bnn_lines *out,
                        bnn_error *err) {
    bnn_map map;
    *out = (bnn_lines){0};
    bnn_code code = bnn_data_check_file(path, cure, err);
    if (code == BNN_OK) {
        code = bnn_map_read(path, &map, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_data_note_file(dataset, map.device, map.inode, err);
    out->text = calloc(map.size + 1, 1);
    if (code == BNN_OK && !out->text) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory (%zu bytes)", path, map.size);
    }
    if (code == BNN_OK && map.size > 0) {
        memcpy(out->text, map.data, map.size);
    }
    bnn_map_close(&map);
    if (code == BNN_OK) {
        code = split(path, out, err);
    }
    if (code != BNN_OK) {
        bnn_lines_free(out);
    }
    return code;
}

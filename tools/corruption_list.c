#include "tools/corruption_list.h"

#include <stdio.h>
#include <string.h>

#include "tools/options.h"

static bnn_code mark(const char *name, int length, int chosen[BNN_CORRUPTION_KINDS],
                     bnn_error *err) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", length, name);
    int kind = length < (int)sizeof text ? bnn_corruption_find(text) : -1;
    if (kind < 0) {
        const char *near = bnn_nearest_name(text, bnn_corruption_names);
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        near ? "--corruption %s: there is none of that name (did you mean %s?)"
                             : "--corruption %s: there is none of that name; --help lists them",
                        text, near);
    }
    chosen[kind] = 1;
    return BNN_OK;
}

bnn_code bnn_corruption_list_parse(const char *text, bnn_corruption_list *out, bnn_error *err) {
    int chosen[BNN_CORRUPTION_KINDS] = {0};
    *out = (bnn_corruption_list){.count = 0};
    for (const char *name = text; name;) {
        const char *comma = strchr(name, ',');
        int length = comma ? (int)(comma - name) : (int)strlen(name);
        bnn_code code = mark(name, length, chosen, err);
        if (code != BNN_OK) {
            return code;
        }
        name = comma ? comma + 1 : NULL;
    }
    for (int kind = 0; kind < BNN_CORRUPTION_KINDS; kind++) {
        if (!text || chosen[kind]) {
            out->kind[out->count++] = kind;
        }
    }
    return BNN_OK;
}

int bnn_corruption_list_has(const bnn_corruption_list *list, const char *name) {
    int kind = bnn_corruption_find(name);
    for (size_t i = 0; i < list->count; i++) {
        if (list->kind[i] == kind) {
            return 1;
        }
    }
    return 0;
}

void bnn_corruption_list_note(const bnn_corruption_list *list, const char *frost_dir,
                              const char *program) {
    if (!frost_dir && bnn_corruption_list_has(list, "frost")) {
        fprintf(stderr,
                "%s: note: frost is made of computed textures; --frost-dir takes photographs\n",
                program);
    }
}

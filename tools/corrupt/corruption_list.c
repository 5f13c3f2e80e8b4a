#include "tools/corrupt/corruption_list.h"

#include <stdio.h>
#include <string.h>

#include "tools/cli/options.h"

/* How a corruption was chosen. */
enum { NOT_CHOSEN, BY_WORD, BY_NAME };

static bnn_code unknown(const char *text, bnn_error *err) {
    const char *near = bnn_nearest_name(text, bnn_corruption_names);
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    near ? "--corruption %s: there is none of that name (did you mean %s?)"
                         : "--corruption %s: there is none of that name; bnn-corrupt --help lists "
                           "them",
                    text, near);
}

static bnn_code mark(const char *name, int length, int chosen[BNN_CORRUPTION_KINDS],
                     bnn_error *err) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", length, name);
    int words = strcmp(text, "all") == 0    ? BNN_CORRUPTION_KINDS
                : strcmp(text, "main") == 0 ? BNN_CORRUPTION_MAIN
                                            : 0;
    int kind = length < (int)sizeof text ? bnn_corruption_find(text) : -1;
    if (!words && kind < 0) {
        return unknown(text, err);
    }
    for (int i = 0; i < words; i++) {
        chosen[i] = chosen[i] == BY_NAME ? BY_NAME : BY_WORD;
    }
    if (kind >= 0) {
        chosen[kind] = BY_NAME;
    }
    return BNN_OK;
}

bnn_code bnn_corruption_list_parse(const char *text, bnn_corruption_list *out, bnn_error *err) {
    int chosen[BNN_CORRUPTION_KINDS] = {NOT_CHOSEN};
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
        if (chosen[kind] != NOT_CHOSEN) {
            out->named[out->count] = chosen[kind] == BY_NAME;
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

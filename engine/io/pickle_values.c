/* Why: one and the same dictionary comes in several spellings, by the version of Python and of its
 * module. The decision: who reads values asks here, and need not know them. */
#include <string.h>

#include "engine/io/pickle.h"

int bnn_py_is(const bnn_py *value, const char *text) {
    return value && (value->kind == BNN_PY_TEXT || value->kind == BNN_PY_GLOBAL) &&
           value->length == strlen(text) && memcmp(value->text, text, value->length) == 0;
}

const bnn_py *bnn_py_item(const bnn_py *value, size_t index) {
    return value && (value->kind == BNN_PY_TUPLE || value->kind == BNN_PY_LIST) &&
                   index < value->count
               ? value->item[index]
               : NULL;
}

const char *bnn_py_function(const bnn_py *value) {
    const bnn_py *function = value && value->kind == BNN_PY_CALL ? value->function : NULL;
    return function && function->kind == BNN_PY_GLOBAL ? function->text : "";
}

int bnn_py_is_dict(const bnn_py *value) {
    const char *function = bnn_py_function(value);
    return value &&
           (value->kind == BNN_PY_DICT || ((strcmp(function, "collections.OrderedDict") == 0 ||
                                            strcmp(function, "collections.defaultdict") == 0) &&
                                           value->count % 2 == 0));
}

/* Python 2 gives an OrderedDict its pairs as a list of lists: the call's one argument. */
static const bnn_py *listed(const bnn_py *dict) {
    const bnn_py *list = dict->kind == BNN_PY_CALL ? bnn_py_item(dict->argument, 0) : NULL;
    return list && list->kind == BNN_PY_LIST ? list : NULL;
}

size_t bnn_py_pairs(const bnn_py *dict) {
    const bnn_py *list = listed(dict);
    return dict->count / 2 + (list ? list->count : 0);
}

void bnn_py_pair(const bnn_py *dict, size_t index, const bnn_py **key, const bnn_py **value) {
    static const bnn_py none = {.kind = BNN_PY_NONE};
    const bnn_py *list = listed(dict);
    size_t first = list ? list->count : 0;
    *key = index < first ? bnn_py_item(list->item[index], 0) : dict->item[2 * (index - first)];
    *value =
        index < first ? bnn_py_item(list->item[index], 1) : dict->item[2 * (index - first) + 1];
    *key = *key ? *key : &none;
    *value = *value ? *value : &none;
}

const bnn_py *bnn_py_get(const bnn_py *dict, const char *key) {
    const bnn_py *name, *value;
    for (size_t i = bnn_py_pairs(dict); i-- > 0;) {
        bnn_py_pair(dict, i, &name, &value);
        if (bnn_py_is(name, key)) {
            return value;
        }
    }
    return NULL;
}

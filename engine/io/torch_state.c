/* Why: a checkpoint is a dictionary of everything its author wanted to keep, and the weights are
 * somewhere in it. The decision: they are under one of the names that everybody uses, or they are
 * the only dictionary of tensors there is; between several nobody but the author can choose. A
 * tensor without dimensions is a count or a score, and no sign of weights. */
#include <stdio.h>
#include <string.h>

#include "engine/io/torch_private.h"

/* How deep weights are looked for, and among how many pairs of a dictionary: one and the same may
 * stand in a file a million times. */
enum { MOST_WRAPPERS = 4, MOST_PAIRS = 64 };

bnn_torch_label bnn_torch_label_of(const bnn_py *value) {
    bnn_torch_label label = {"(no text)"};
    if (value && value->kind == BNN_PY_INT) {
        snprintf(label.s, sizeof label.s, "%lld", (long long)value->number);
    } else if (value && (value->kind == BNN_PY_TEXT || value->kind == BNN_PY_GLOBAL)) {
        int length = value->length < sizeof label.s ? (int)value->length : (int)sizeof label.s - 1;
        snprintf(label.s, sizeof label.s, "%.*s", length, value->text);
    }
    return label;
}

int bnn_torch_tensor_of(const bnn_py *value, bnn_torch_call *out) {
    const bnn_py *function = value && value->kind == BNN_PY_CALL ? value->function : NULL;
    const bnn_py *arguments = function ? value->argument : NULL;
    for (int wrapped = 0; function && wrapped < MOST_WRAPPERS; wrapped++) {
        const int version = bnn_py_is(function, "torch._utils._rebuild_tensor_v3")   ? 3
                            : bnn_py_is(function, "torch._utils._rebuild_tensor_v2") ? 2
                            : bnn_py_is(function, "torch._utils._rebuild_tensor")    ? 1
                                                                                     : 0;
        *out = (bnn_torch_call){version, arguments};
        if (version) {
            return 1;
        }
        if (bnn_py_is(function, "torch._tensor._rebuild_from_type_v2")) {
            function =
                bnn_py_item(arguments, 0); /* and then a type, and the function's arguments */
            arguments = bnn_py_item(arguments, 2);
        } else if (bnn_py_is(function, "torch._utils._rebuild_parameter") ||
                   bnn_py_is(function, "torch._utils._rebuild_parameter_with_state")) {
            value = bnn_py_item(arguments, 0);
            function = value && value->kind == BNN_PY_CALL ? value->function : NULL;
            arguments = function ? value->argument : NULL;
        } else {
            return 0;
        }
    }
    return 0;
}

/* A dictionary with a tensor of at least one dimension. */
static int holds_weights(const bnn_py *value) {
    const bnn_py *key, *item;
    size_t pairs = bnn_py_is_dict(value) ? bnn_py_pairs(value) : 0;
    for (size_t i = 0; i < pairs && i < MOST_PAIRS; i++) {
        bnn_py_pair(value, i, &key, &item);
        bnn_torch_call tensor;
        if (key->kind == BNN_PY_TEXT && bnn_torch_tensor_of(item, &tensor) &&
            bnn_py_item(bnn_py_item(tensor.arguments, 2), 0)) {
            return 1;
        }
    }
    return 0;
}

static const char *const usual[] = {"state_dict", "model_state_dict", "model", "net", "module"};
enum { USUAL = sizeof usual / sizeof usual[0] };

static bnn_code refuse_several(const char *name, const bnn_py *a, const bnn_py *b, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: holds several state dicts ('%s', '%s'); save the one that is wanted alone",
                    name, bnn_torch_label_of(a).s, bnn_torch_label_of(b).s);
}

/* In a dictionary: under a usual name, itself, or the only one in it; *out stays NULL without. */
static bnn_code find_here(const char *name, const bnn_py *dict, const bnn_py **out,
                          bnn_error *err) {
    const bnn_py *key, *value, *first = NULL;
    for (int i = 0; i < USUAL && !*out; i++) {
        value = bnn_py_get(dict, usual[i]);
        *out = value && holds_weights(value) ? value : NULL;
    }
    if (*out || holds_weights(dict)) {
        *out = *out ? *out : dict;
        return BNN_OK;
    }
    for (size_t i = 0; i < bnn_py_pairs(dict); i++) {
        bnn_py_pair(dict, i, &key, &value);
        if (!holds_weights(value)) {
            continue;
        }
        if (first) {
            return refuse_several(name, first, key, err);
        }
        first = key;
        *out = value;
    }
    return BNN_OK;
}

/* Where there is none: the next dictionary to look into, under a usual name. */
static const bnn_py *wrapped(const bnn_py *dict, const bnn_py **object) {
    for (int i = 0; i < USUAL; i++) {
        const bnn_py *value = bnn_py_get(dict, usual[i]);
        if (value && bnn_py_is_dict(value)) {
            return value;
        }
        if (value && value->kind == BNN_PY_CALL && !*object) {
            *object = value;
        }
    }
    return NULL;
}

/* The name of what an object is made by: its class in the place of a function; in Python's older
 * way the first argument of one; with its source beside it, ("module", class, file, source). */
static bnn_torch_label maker_of(const bnn_py *object) {
    const char *function = bnn_py_function(object);
    const bnn_py *maker = object->function;
    if (strcmp(function, "copyreg._reconstructor") == 0 ||
        strcmp(function, "copy_reg._reconstructor") == 0) {
        maker = bnn_py_item(object->argument, 0);
    }
    if (maker && maker->kind == BNN_PY_PERSISTENT) {
        maker = bnn_py_item(maker->argument, 1);
    }
    return maker && maker->kind == BNN_PY_GLOBAL ? bnn_torch_label_of(maker)
                                                 : (bnn_torch_label){"of a class without a name"};
}

static bnn_code refuse(const char *name, const bnn_py *object, bnn_error *err) {
    if (object && object->kind == BNN_PY_CALL) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: holds no state dict but an object (%s), which only Python can make, "
                        "and which is not run here; save its weights: " BNN_TORCH_SAVE,
                        name, maker_of(object).s);
    }
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: holds no state dict, that is no dictionary of tensors by name; save "
                    "one: " BNN_TORCH_SAVE,
                    name);
}

bnn_code bnn_torch_state_dict(const char *name, const bnn_py *top, const bnn_py **out,
                              bnn_error *err) {
    const bnn_py *object = bnn_py_is_dict(top) ? NULL : top;
    const bnn_py *dict = object ? NULL : top;
    *out = NULL;
    for (int i = 0; i < MOST_WRAPPERS && dict; i++) {
        bnn_code code = find_here(name, dict, out, err);
        if (code != BNN_OK || *out) {
            return code;
        }
        dict = wrapped(dict, &object);
    }
    return refuse(name, object, err);
}

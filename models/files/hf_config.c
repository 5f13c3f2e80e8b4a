/* Why: a network is only rebuilt from its weights if its numbers are known, and a typed one would
 * be wrong in silence. The decision: a table of keys with their ranges; what stands there beside
 * (dropout, labels, a tokenizer's class) is not the network's shape and is left alone. */
#include "models/files/hf_config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"

static const struct {
    const char *key;
    size_t at;   /* in the struct */
    int missing; /* what it is without the key; 0: it must be there */
    int most;
} numbers[] = {
    {"hidden_size", offsetof(bnn_hf_config, hidden_size), 0, 1 << 16},
    {"num_hidden_layers", offsetof(bnn_hf_config, num_hidden_layers), 0, 1000},
    {"num_attention_heads", offsetof(bnn_hf_config, num_attention_heads), 0, 1000},
    {"intermediate_size", offsetof(bnn_hf_config, intermediate_size), 0, 1 << 18},
    {"vocab_size", offsetof(bnn_hf_config, vocab_size), 0, 10000000},
    {"max_position_embeddings", offsetof(bnn_hf_config, max_position_embeddings), 512, 1 << 20},
    {"type_vocab_size", offsetof(bnn_hf_config, type_vocab_size), 2, 1000},
};

static bnn_code read_numbers(const char *name, const json_t *root, bnn_hf_config *out,
                             bnn_error *err) {
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const json_t *value = json_object_get(root, numbers[i].key);
        json_int_t number = value ? json_integer_value(value) : numbers[i].missing;
        if (number < 1 || number > numbers[i].most) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            value
                                ? "%s: \"%s\" is no whole number from 1 to %d"
                                : "%s: lacks \"%s\", a whole number from 1 to %d; is it a BERT's?",
                            name, numbers[i].key, numbers[i].most);
        }
        int fits = (int)number;
        memcpy((char *)out + numbers[i].at, &fits, sizeof fits);
    }
    return out->hidden_size % out->num_attention_heads == 0
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT,
                          "%s: \"hidden_size\" %d is no multiple of \"num_attention_heads\" %d",
                          name, out->hidden_size, out->num_attention_heads);
}

/* `missing` without the key. */
static bnn_code read_text(const char *name, const json_t *root, const char *key,
                          const char *missing, const char **out, bnn_error *err) {
    const json_t *value = json_object_get(root, key);
    *out = value && !json_is_null(value) ? json_string_value(value) : missing;
    return *out ? BNN_OK : bnn_fail(err, BNN_ERR_FORMAT, "%s: \"%s\" is no text", name, key);
}

/* What would be another network though all of its numbers agree. */
static bnn_code check_kind(const char *name, const json_t *root, bnn_error *err) {
    static const char *const kinds[][2] = {{"model_type", "bert"},
                                           {"position_embedding_type", "absolute"}};
    for (int i = 0; i < 2; i++) {
        const char *text;
        bnn_code code = read_text(name, root, kinds[i][0], kinds[i][1], &text, err);
        if (code != BNN_OK) {
            return code;
        }
        if (strcmp(text, kinds[i][1]) != 0) {
            return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                            "%s: its %s is \"%.64s\"; only \"%s\" is "
                            "supported",
                            name, kinds[i][0], text, kinds[i][1]);
        }
    }
    return BNN_OK;
}

static bnn_code read_rest(const char *name, const json_t *root, bnn_hf_config *out,
                          bnn_error *err) {
    const json_t *epsilon = json_object_get(root, "layer_norm_eps");
    const char *act;
    out->layer_norm_eps = epsilon ? json_number_value(epsilon) : 1e-12;
    if (!(out->layer_norm_eps > 0.0 && out->layer_norm_eps <= 1.0)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: \"layer_norm_eps\" is no number above 0 and up to 1", name);
    }
    bnn_code code = read_text(name, root, "hidden_act", "gelu", &act, err);
    if (code == BNN_OK && strlen(act) >= sizeof out->hidden_act) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: \"hidden_act\" is no activation: \"%.64s...\"",
                        name, act);
    }
    if (code == BNN_OK) {
        strcpy(out->hidden_act, act);
    }
    return code;
}

bnn_code bnn_hf_config_parse(const char *name, const void *bytes, size_t size, bnn_hf_config *out,
                             bnn_error *err) {
    json_error_t problem = {0};
    *out = (bnn_hf_config){0};
    json_t *root = json_loadb(size ? bytes : "", size, 0, &problem);
    if (!root && json_error_code(&problem) == json_error_out_of_memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    if (!root) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: is not usable JSON in line %d: %.200s", name,
                        problem.line, problem.text);
    }
    bnn_code code = check_kind(name, root, err);
    if (code == BNN_OK && !(code = read_numbers(name, root, out, err))) {
        code = read_rest(name, root, out, err);
    }
    json_decref(root);
    return code;
}

bnn_code bnn_hf_config_read(const char *folder, bnn_hf_config *out, bnn_error *err) {
    char path[sizeof out->vocab];
    bnn_map map;
    *out = (bnn_hf_config){0};
    if ((size_t)snprintf(path, sizeof path, "%s/config.json", folder) >= sizeof path) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%.64s...: the path is too long", folder);
    }
    bnn_code code = bnn_map_read(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_hf_config_parse(path, map.data, map.size, out, err);
    bnn_map_close(&map);
    snprintf(path, sizeof path, "%s/vocab.txt", folder); /* shorter than config.json's */
    if (code == BNN_OK && access(path, F_OK) == 0) {
        strcpy(out->vocab, path);
    }
    return code;
}

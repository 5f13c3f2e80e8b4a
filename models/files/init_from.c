/* Why: a file whose names or shapes differ a little would leave a network at its random weights,
 * and its training would look like one that started from the file. The decision: how much was taken
 * is counted against what the network has in common with its float twin, since what an algorithm
 * adds to it is in no float file. */
#include "models/files/init_from.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/files/packed.h"
#include "models/files/weights.h"
#include "models/files/weights_file.h"

/* Tensors, and the values in them. */
typedef struct amount {
    size_t tensors, values;
} amount;

typedef struct taking {
    const bnn_spec *spec;
    bnn_weights weights;
    bnn_params *twin, *params;
    bnn_arena *arena;
    bnn_init_result *result;
    int classifier;       /* the file is one's, the network begins as a part of one */
    amount wanted, taken; /* of what the twin has, too */
} taking;

typedef struct other_name {
    char s[512];
} other_name;

/* What a classifier calls it, or "". */
static other_name name_in_classifier(const bnn_spec *spec, const char *name) {
    other_name other = {""};
    for (int i = 0; spec->arch->stem[i][0]; i++) {
        const char *own = spec->arch->stem[i][0];
        const size_t length = strlen(own);
        if (strncmp(name, own, length) == 0) {
            snprintf(other.s, sizeof other.s, "%s%.*s", spec->arch->stem[i][1],
                     (int)sizeof other.s / 2, name + length);
        }
    }
    return other;
}

/* What it is called in the file, if it is there. */
static other_name name_of(const taking *t, const bnn_param *p) {
    other_name name;
    snprintf(name.s, sizeof name.s, "%.*s", (int)sizeof name.s - 1, p->name);
    return t->classifier ? name_in_classifier(t->spec, p->name) : name;
}

/* Nothing that a classifier does not have is in the file, but something by its name for it. */
static int is_classifier(const taking *t) {
    size_t named = 0;
    for (size_t i = 0; i < t->params->count && t->spec->arch->stem[0][0]; i++) {
        const bnn_param *p = t->params->list[i];
        const other_name other = name_in_classifier(t->spec, p->name);
        char why[BNN_WHY_BYTES];
        if (!*other.s && bnn_weights_find(&t->weights, p->name, p, why)) {
            return 0;
        }
        named += *other.s && bnn_weights_find(&t->weights, other.s, p, why);
    }
    return named > 0;
}

static void count(amount *a, const bnn_param *param) {
    a->tensors++;
    a->values += param->count;
}

/* The parameters of the network's float twin. */
static bnn_code twin_of(const bnn_spec *spec, const bnn_device *device, bnn_params **out,
                        bnn_error *err) {
    bnn_net net = {0};
    bnn_spec twin = *spec;
    twin.binarizer = NULL;
    twin.phase = 0;
    *out = bnn_params_create();
    if (!*out) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    }
    bnn_code code = bnn_net_build(&twin, device, *out, 1, 0, &net, err);
    bnn_graph_free(net.graph);
    return code;
}

/* Neither a weight of any network nor of use to one that starts: counters, an optimizer's state. */
static int is_state(const char *name) {
    static const char counter[] = "num_batches_tracked";
    size_t length = strlen(name), tail = sizeof counter - 1;
    return strncmp(name, "optimizer.", 10) == 0 ||
           (length >= tail && strcmp(name + length - tail, counter) == 0);
}

/* Whether a parameter is called so by a classifier. */
static int is_of_classifier(const taking *t, const char *bare) {
    for (size_t i = 0; t->classifier && i < t->params->count; i++) {
        if (strcmp(name_in_classifier(t->spec, t->params->list[i]->name).s, bare) == 0) {
            return 1;
        }
    }
    return 0;
}

static size_t count_unused(const taking *t) {
    size_t unused = 0;
    for (size_t i = 0; i < bnn_st_count(t->weights.file); i++) {
        const char *name = bnn_st_at(t->weights.file, i)->name;
        const char *bare = bnn_weights_bare(&t->weights, name);
        unused += !(t->classifier ? is_of_classifier(t, bare)
                                  : bnn_weights_param(&t->weights, t->params, name) != NULL) &&
                  !is_state(bare);
    }
    return unused;
}

static bnn_code note(taking *t, const bnn_param *p, const char *why, int of_twin, bnn_error *err) {
    const char *text = of_twin ? bnn_arena_format(t->arena, "%s %s", p->name, why)
                               : bnn_arena_format(t->arena, "%s %s; %s adds it to its float twin",
                                                  p->name, why, bnn_spec_algorithm(t->spec));
    t->result->notes[t->result->note_count++] = text;
    return text ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", t->weights.path);
}

/* Gives factors of filters, which the file has not, their first values if it has the filters. */
static void scale_filters(const taking *t, const bnn_param *scale) {
    const char *dot = strrchr(scale->name, '.');
    char name[512], why[BNN_WHY_BYTES];
    snprintf(name, sizeof name, "%.*s.weight", (int)(dot - scale->name), scale->name);
    const bnn_param *weight = bnn_params_find(t->params, name);
    if (!weight || !bnn_weights_find(&t->weights, name_of(t, weight).s, weight, why)) {
        return;
    }
    const float *w = bnn_param_data(t->params, weight);
    const size_t terms = weight->count / scale->count;
    for (size_t f = 0; f < scale->count; f++) {
        double sum = 0.0;
        for (size_t k = 0; k < terms; k++) {
            sum += fabs((double)w[f * terms + k]);
        }
        bnn_param_data(t->params, scale)[f] = (float)(sum / (double)terms);
    }
}

/* The parameters that the twin has, or those that it has not. */
static bnn_code take(taking *t, int of_twin, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < t->params->count; i++) {
        const bnn_param *p = t->params->list[i];
        char why[BNN_WHY_BYTES];
        if ((bnn_params_find(t->twin, p->name) != NULL) != of_twin) {
            continue;
        }
        const other_name name = name_of(t, p);
        if (!*name.s) { /* a classifier has none */
            t->result->fresh++;
            continue;
        }
        int found = bnn_weights_find(&t->weights, name.s, p, why) != NULL;
        code = found ? bnn_weights_read(&t->weights, name.s, p, bnn_param_data(t->params, p), err)
                     : note(t, p, why, of_twin, err);
        if (!found && p->filter_scale) { /* of the twin's weights, which come first */
            scale_filters(t, p);
        }
        t->result->taken += found != 0;
        if (of_twin) {
            count(&t->wanted, p);
        }
        if (of_twin && found) {
            count(&t->taken, p);
        }
    }
    return code;
}

static bnn_code judge(const taking *t, int partial, bnn_error *err) {
    const amount *taken = &t->taken, *wanted = &t->wanted;
    const char *path = t->weights.path;
    if (t->result->taken == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: no tensor has a name and shape of this network (%s); is it of another "
                        "one?",
                        path, t->result->notes[0]);
    }
    if (!partial && (2 * taken->tensors < wanted->tensors || 2 * taken->values < wanted->values)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: only %zu of %zu tensors and %.3g%% of the values that %s needs are in "
                        "it (%s); is it of another network? --init-partial takes what fits",
                        path, taken->tensors, wanted->tensors,
                        100.0 * (double)taken->values / (double)wanted->values, t->spec->arch->name,
                        t->result->notes[0]);
    }
    return BNN_OK;
}

/* What matters first, so that it is named first. */
static bnn_code take_all(taking *t, int partial, bnn_error *err) {
    bnn_code code;
    t->result->notes = bnn_arena_alloc(t->arena, (t->params->count + 1) * sizeof *t->result->notes);
    if (!t->result->notes) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", t->weights.path);
    }
    t->classifier = is_classifier(t);
    if (!(code = take(t, 1, err)) && !(code = take(t, 0, err))) {
        t->result->unused = count_unused(t);
        code = judge(t, partial, err);
    }
    return code;
}

/* Refuses what holds no weights to train from. */
static bnn_code check_kind(const char *path, const bnn_st_file *file, bnn_error *err) {
    return bnn_model_kind_of(file) != BNN_MODEL_PACKED
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT,
                          "%s: a packed model has no weights to train from; give its checkpoint",
                          path);
}

bnn_code bnn_init_from(const char *path, const bnn_spec *spec, const bnn_device *device,
                       int partial, bnn_params *params, bnn_arena *arena, bnn_init_result *result,
                       bnn_error *err) {
    bnn_st_file *file;
    taking t = {.spec = spec, .params = params, .arena = arena, .result = result};
    *result = (bnn_init_result){0};
    bnn_code code = bnn_weights_file_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!(code = check_kind(path, file, err)) && !(code = twin_of(spec, device, &t.twin, err)) &&
        !(code = bnn_weights_open(path, file, params, &t.weights, err))) {
        code = take_all(&t, partial, err);
    }
    bnn_params_free(t.twin);
    bnn_st_close(file);
    return code;
}

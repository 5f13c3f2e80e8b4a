/* Why: the same weights come under other names ("module.conv1.weight"), as other numbers, and some
 * have diverged. The decision: whatever reads weights reads them here, so that training, evaluation
 * and packing take the same files and refuse the same ones. */
#include "models/files/weights.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/half.h"
#include "engine/base/text.h"

/* ---- values ---- */

static float of_bfloat(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

void bnn_weights_convert(const bnn_st_tensor *tensor, float *out) {
    const char *from = tensor->data;
    for (size_t i = 0; i < tensor->count; i++) { /* the data are not aligned */
        uint16_t half;
        double wide;
        switch (tensor->dtype) {
        case BNN_ST_F16:
            memcpy(&half, from + i * sizeof half, sizeof half);
            out[i] = bnn_half_value(half);
            break;
        case BNN_ST_BF16:
            memcpy(&half, from + i * sizeof half, sizeof half);
            out[i] = of_bfloat(half);
            break;
        case BNN_ST_F64:
            memcpy(&wide, from + i * sizeof wide, sizeof wide);
            out[i] = (float)wide;
            break;
        default:
            memcpy(&out[i], from + i * sizeof out[i], sizeof out[i]);
            break;
        }
    }
}

const char *bnn_weights_flaw(const char *name, const float *values, size_t count) {
    int squares = bnn_ends_with(name, ".running_var") || bnn_ends_with(name, ".exp_avg_sq");
    float least = squares ? 0.0f : -FLT_MAX;
    int bad = 0, nan = 0, infinite = 0;
    for (size_t i = 0; i < count; i++) {
        bad |= !(values[i] >= least && values[i] <= FLT_MAX);
    }
    for (size_t i = 0; bad && i < count; i++) {
        nan |= isnan(values[i]) != 0;
        infinite |= isinf(values[i]) != 0;
    }
    return !bad       ? NULL
           : nan      ? "a value that is not a number"
           : infinite ? "an infinite value"
                      : "a negative variance";
}

/* ---- one tensor ---- */

static int is_float(const bnn_st_tensor *t, int exact) {
    return t->dtype == BNN_ST_F32 ||
           (!exact &&
            (t->dtype == BNN_ST_F16 || t->dtype == BNN_ST_BF16 || t->dtype == BNN_ST_F64));
}

static int same_shape(const bnn_st_tensor *t, const bnn_param *param) {
    int same = t->ndim == param->ndim;
    for (int i = 0; same && i < t->ndim; i++) {
        same = t->shape[i] == param->shape[i];
    }
    return same;
}

typedef struct shape_text {
    char s[8 * BNN_ST_MAX_DIMS * 3];
} shape_text;

static shape_text shape_of(int ndim, const int64_t *shape) {
    shape_text text = {"["};
    size_t used = 1;
    for (int i = 0; i < ndim; i++) {
        used += (size_t)snprintf(text.s + used, sizeof text.s - used, "%s%lld", i ? "," : "",
                                 (long long)shape[i]);
    }
    snprintf(text.s + used, sizeof text.s - used, "]");
    return text;
}

/* The name as it stands in the file. */
typedef struct full_name {
    char s[640];
} full_name;

static int starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static full_name name_in_file(const bnn_weights *w, const char *name) {
    full_name full;
    name += starts_with(name, w->lacks) ? strlen(w->lacks) : 0;
    snprintf(full.s, sizeof full.s, "%s%s", w->prefix, name);
    return full;
}

const char *bnn_weights_bare(const bnn_weights *w, const char *tensor) {
    return tensor + (starts_with(tensor, w->prefix) ? strlen(w->prefix) : 0);
}

const bnn_param *bnn_weights_param(const bnn_weights *w, const bnn_params *params,
                                   const char *tensor) {
    full_name whole;
    if (!starts_with(tensor, w->prefix)) {
        return NULL;
    }
    tensor += strlen(w->prefix);
    snprintf(whole.s, sizeof whole.s, "%s%s", w->lacks, tensor);
    const bnn_param *param = bnn_params_find(params, whole.s);
    return param || starts_with(tensor, w->lacks) ? param : bnn_params_find(params, tensor);
}

const bnn_st_tensor *bnn_weights_find(const bnn_weights *w, const char *name,
                                      const bnn_param *param, char why[BNN_WHY_BYTES]) {
    const bnn_st_tensor *t = bnn_st_find(w->file, name_in_file(w, name).s);
    if (!t) {
        snprintf(why, BNN_WHY_BYTES, "is missing in the file");
    } else if (!is_float(t, w->exact)) {
        snprintf(why, BNN_WHY_BYTES, "has type %s in the file, %s needed",
                 bnn_st_dtype_name(t->dtype), w->exact ? "F32" : "F32, F16, BF16 or F64");
    } else if (!same_shape(t, param)) {
        snprintf(why, BNN_WHY_BYTES, "has shape %s in the file, %s needed",
                 shape_of(t->ndim, t->shape).s, shape_of(param->ndim, param->shape).s);
    } else {
        return t;
    }
    return NULL;
}

static bnn_code refuse(const bnn_weights *w, const char *name, const char *why, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: tensor '%s' %s; the file is of another network, or damaged", w->path,
                    name_in_file(w, name).s, why);
}

bnn_code bnn_weights_read(const bnn_weights *w, const char *name, const bnn_param *param,
                          float *memory, bnn_error *err) {
    char why[BNN_WHY_BYTES];
    const bnn_st_tensor *t = bnn_weights_find(w, name, param, why);
    if (!t) {
        return refuse(w, name, why, err);
    }
    float *copy = malloc(t->count * sizeof *copy + 1);
    if (!copy) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for '%s'", w->path, name);
    }
    bnn_weights_convert(t, copy);
    const char *flaw = bnn_weights_flaw(name, copy, t->count);
    if (!flaw) {
        bnn_param_to_memory(param, copy, memory);
    }
    free(copy);
    return flaw ? bnn_fail(err, BNN_ERR_FORMAT,
                           "%s: tensor '%s' holds %s; its training has diverged, or the file is "
                           "damaged",
                           w->path, name_in_file(w, name).s, flaw)
                : BNN_OK;
}

/* ---- all of them ---- */

/* Whether the file need not hold it, and does not. */
static int may_lack(const bnn_weights *w, const bnn_param *param) {
    return w->scheduled && bnn_is_scheduled(w->scheduled, param) &&
           !bnn_st_find(w->file, name_in_file(w, param->name).s);
}

bnn_code bnn_weights_check_params(const bnn_weights *w, const bnn_params *params, bnn_error *err) {
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *p = params->list[i];
        char why[BNN_WHY_BYTES];
        if (!bnn_weights_find(w, p->name, p, why) && !may_lack(w, p)) {
            return refuse(w, p->name, why, err);
        }
    }
    return BNN_OK;
}

bnn_code bnn_weights_read_params(const bnn_weights *w, bnn_params *params, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
        const bnn_param *p = params->list[i];
        if (!may_lack(w, p)) {
            code = bnn_weights_read(w, p->name, p, bnn_param_data(params, p), err);
        }
    }
    return code;
}

/* ---- the prefix ---- */

/* A tensor that has a parameter's name behind a prefix of whole components. */
typedef struct candidate {
    const char *name;
    size_t length; /* of the prefix */
    int lacks;     /* its name is without the trunk */
    int fits;
} candidate;

typedef struct candidates {
    candidate *list;
    size_t count, capacity;
} candidates;

static int add(candidates *c, candidate one) {
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 256;
        candidate *list = realloc(c->list, capacity * sizeof *list);
        if (!list) {
            return 0;
        }
        c->list = list;
        c->capacity = capacity;
    }
    c->list[c->count++] = one;
    return 1;
}

typedef struct part {
    char s[sizeof((bnn_weights *)0)->lacks];
} part;

/* A name's first part, with its dot; "" if it has but one. */
static part first_part(const char *name) {
    part first = {""};
    const char *dot = strchr(name, '.');
    if (dot && (size_t)(dot - name) + 1 < sizeof first.s) {
        snprintf(first.s, sizeof first.s, "%.*s", (int)(dot - name + 1), name);
    }
    return first;
}

/* The first part of the names that most parameters have in common, or "". */
static part trunk_of(const bnn_params *params) {
    part trunk = {""};
    size_t votes = 0, with = 0;
    for (size_t i = 0; i < params->count; i++) { /* a majority outlives all others */
        const part first = first_part(params->list[i]->name);
        trunk = votes ? trunk : first;
        votes += !votes || strcmp(first.s, trunk.s) == 0 ? 1 : -1;
    }
    for (size_t i = 0; i < params->count; i++) {
        with += strcmp(first_part(params->list[i]->name).s, trunk.s) == 0;
    }
    return 2 * with > params->count ? trunk : (part){""};
}

/* The prefix of a tensor that is called like a parameter behind it: its length; -1: it is not. */
static long prefix_of(const bnn_weights *w, const char *tensor, const char *name) {
    size_t length = strlen(tensor), tail = strlen(name), prefix = length - tail;
    return tail <= length && prefix < sizeof w->prefix &&
                   (prefix == 0 || tensor[prefix - 1] == '.') &&
                   memcmp(tensor + prefix, name, tail) == 0
               ? (long)prefix
               : -1;
}

static int add_all(candidates *c, const bnn_weights *w, const bnn_params *params,
                   const char *trunk) {
    for (size_t i = 0; i < bnn_st_count(w->file); i++) {
        const bnn_st_tensor *t = bnn_st_at(w->file, i);
        for (size_t p = 0; p < params->count; p++) {
            const bnn_param *param = params->list[p];
            const int has_trunk = trunk[0] && starts_with(param->name, trunk);
            for (int lacks = 0; lacks <= has_trunk; lacks++) {
                long prefix = prefix_of(w, t->name, param->name + (lacks ? strlen(trunk) : 0));
                int fits = is_float(t, w->exact) && same_shape(t, param);
                if (prefix >= 0 && !add(c, (candidate){t->name, (size_t)prefix, lacks, fits})) {
                    return 0;
                }
            }
        }
    }
    return 1;
}

/* By prefix, the shorter first, and whole names before others. */
static int compare(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->length != y->length) {
        return x->length < y->length ? -1 : 1;
    }
    return x->lacks != y->lacks ? x->lacks - y->lacks : memcmp(x->name, y->name, x->length);
}

bnn_code bnn_weights_open(const char *path, const bnn_st_file *file, const bnn_params *params,
                          bnn_weights *out, bnn_error *err) {
    candidates c = {0};
    size_t most_named = 0, most_fit = 0;
    *out = (bnn_weights){.path = path, .file = file};
    const part trunk = trunk_of(params);
    if (!add_all(&c, out, params, trunk.s)) {
        free(c.list);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for its names", path);
    }
    if (c.count) {
        qsort(c.list, c.count, sizeof *c.list, compare);
    }
    for (size_t i = 0, end; i < c.count; i = end) {
        size_t fit = 0;
        for (end = i; end < c.count && compare(&c.list[i], &c.list[end]) == 0; end++) {
            fit += c.list[end].fits != 0;
        }
        if (end - i > most_named || (end - i == most_named && fit > most_fit)) {
            most_named = end - i;
            most_fit = fit;
            snprintf(out->prefix, sizeof out->prefix, "%.*s", (int)c.list[i].length,
                     c.list[i].name);
            snprintf(out->lacks, sizeof out->lacks, "%s", c.list[i].lacks ? trunk.s : "");
        }
    }
    free(c.list);
    return BNN_OK;
}

#include "tests/programs/alter_weights.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "models/files/checkpoint.h"

enum { MOST = 4096 };

/* Everything of the file, in memory of its own. */
typedef struct content {
    bnn_arena *arena;
    bnn_st_tensor tensor[MOST];
    size_t tensors;
    bnn_meta meta[64];
    int sum; /* whether a checksum is wanted */
    size_t metas;
} content;

static void die(const char *what) {
    fprintf(stderr, "make_data: alter: %s\n", what);
    exit(EXIT_FAILURE);
}

static void *allocate(content *c, size_t bytes) {
    void *p = bnn_arena_alloc(c->arena, bytes + 1);
    if (!p) {
        die("out of memory");
    }
    return p;
}

static const char *copy(content *c, const char *text) {
    return strcpy(allocate(c, strlen(text)), text);
}

/* Entries that may be there; a safetensors file does not list them. */
static const char *const keys[] = {"format",     "arch",      "algo",  "input",       "classes",
                                   "phase",      "mean",      "std",   "data",        "epoch",
                                   "step",       "steps",     "score", "best",        "variant",
                                   "best_phase", "optimizer", "args",  "class_names", "network",
                                   "picture",    "pool",      "ties",  "task",        NULL};

static void load(content *c, const char *path) {
    bnn_error err = {0};
    bnn_st_file *file;
    if (bnn_st_open(path, &file, &err) != BNN_OK) {
        die(err.text);
    }
    for (size_t i = 0; i < bnn_st_count(file) && i < MOST; i++) {
        if (strcmp(bnn_st_at(file, i)->name, BNN_ST_COMPRESSED) == 0) {
            continue;
        }
        bnn_st_tensor *t = &c->tensor[c->tensors++];
        *t = *bnn_st_at(file, i);
        t->name = copy(c, t->name);
        t->data = memcpy(allocate(c, t->bytes), t->data, t->bytes);
    }
    for (int i = 0; keys[i]; i++) {
        const char *value = bnn_st_metadata(file, keys[i]);
        if (value) {
            c->meta[c->metas++] = (bnn_meta){keys[i], copy(c, value)};
        }
    }
    bnn_st_close(file);
}

static int save(const content *c, const char *path) {
    bnn_error err = {0};
    bnn_st_writer *writer = bnn_st_writer_create();
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < c->metas; i++) {
        code = bnn_st_add_metadata(writer, c->meta[i].key, c->meta[i].value, &err);
    }
    for (size_t i = 0; code == BNN_OK && i < c->tensors; i++) {
        const bnn_st_tensor *t = &c->tensor[i];
        code = bnn_st_add_tensor(writer, t->name, t->dtype, t->ndim, t->shape, t->data, &err);
    }
    if (code == BNN_OK && c->sum) {
        char sum[9];
        snprintf(sum, sizeof sum, "%08x", bnn_st_writer_contents(writer, "checksum"));
        code = bnn_st_add_metadata(writer, "checksum", sum, &err);
    }
    if (code == BNN_OK) {
        code = bnn_st_write(writer, path, &err);
    }
    bnn_st_writer_free(writer);
    if (code != BNN_OK) {
        die(err.text);
    }
    return EXIT_SUCCESS;
}

/* ---- numbers, rounded to the nearest, half to even ---- */

static uint16_t half_of(float x) {
    float a = fabsf(x);
    unsigned sign = signbit(x) ? 0x8000 : 0, bits;
    if (isnan(x)) {
        bits = 0x7e00;
    } else if (a >= 65520.0f) {
        bits = 0x7c00;
    } else if (a < 0x1p-14f) {
        bits = (unsigned)rintf(a * 0x1p24f);
    } else { /* a fraction that rounds up to 2048 goes over into the exponent */
        int exponent = ilogbf(a);
        bits = ((unsigned)(exponent + 14) << 10) + (unsigned)rintf(ldexpf(a, 10 - exponent));
    }
    return (uint16_t)(sign | bits);
}

static uint16_t bfloat_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static bnn_st_dtype type_of(const char *name) {
    for (int d = BNN_ST_F32; d <= BNN_ST_BOOL; d++) {
        if (strcmp(bnn_st_dtype_name((bnn_st_dtype)d), name) == 0) {
            return (bnn_st_dtype)d;
        }
    }
    die("no such type");
    return BNN_ST_F32;
}

static void retype(content *c, bnn_st_tensor *t, bnn_st_dtype dtype) {
    const float *from = t->data;
    size_t bytes = t->count * bnn_st_dtype_bytes(dtype);
    unsigned char *to = allocate(c, bytes);
    for (size_t i = 0; i < t->count; i++) {
        uint16_t half = dtype == BNN_ST_F16 ? half_of(from[i]) : bfloat_of(from[i]);
        double wide = (double)from[i];
        if (dtype == BNN_ST_F64) {
            memcpy(to + 8 * i, &wide, 8);
        } else {
            memcpy(to + 2 * i, &half, 2);
        }
    }
    t->dtype = dtype;
    t->bytes = bytes;
    t->data = to;
}

static void retype_all(content *c, const char *type, int back) {
    for (size_t i = 0; i < c->tensors; i++) {
        bnn_st_tensor *t = &c->tensor[i];
        if (t->dtype == BNN_ST_F32) {
            retype(c, t, type_of(type));
            if (back) {
                float *values = allocate(c, t->count * sizeof *values);
                bnn_weights_convert(t, values);
                t->dtype = BNN_ST_F32;
                t->bytes = t->count * sizeof *values;
                t->data = values;
            }
        }
    }
}

/* ---- changes ---- */

static bnn_st_tensor *find(content *c, const char *name) {
    for (size_t i = 0; i < c->tensors; i++) {
        if (strcmp(c->tensor[i].name, name) == 0) {
            return &c->tensor[i];
        }
    }
    die(name);
    return NULL;
}

static void set_value(bnn_st_tensor *t, double x) {
    float narrow = (float)x;
    void *first = (void *)(uintptr_t)t->data;
    if (t->dtype == BNN_ST_F64) {
        memcpy(first, &x, sizeof x);
    } else if (t->dtype == BNN_ST_F32) {
        memcpy(first, &narrow, sizeof narrow);
    } else {
        uint16_t half = t->dtype == BNN_ST_F16 ? half_of(narrow) : bfloat_of(narrow);
        memcpy(first, &half, sizeof half);
    }
}

static void set_shape(content *c, bnn_st_tensor *t, const char *shape) {
    t->ndim = 0;
    t->count = 1;
    for (char *end; *shape; shape = *end ? end + 1 : end) {
        t->shape[t->ndim] = strtoll(shape, &end, 10);
        t->count *= (size_t)t->shape[t->ndim++];
    }
    t->bytes = t->count * bnn_st_dtype_bytes(t->dtype);
    t->data = allocate(c, t->bytes);
}

static void filter(content *c, const char *text, int keep) {
    size_t kept = 0;
    for (size_t i = 0; i < c->tensors; i++) {
        if ((strstr(c->tensor[i].name, text) != NULL) == keep) {
            c->tensor[kept++] = c->tensor[i];
        }
    }
    c->tensors = kept;
}

static void set_metadata(content *c, const char *key, const char *value) {
    size_t i = 0;
    while (i < c->metas && strcmp(c->meta[i].key, key) != 0) {
        i++;
    }
    c->metas += i == c->metas;
    c->meta[i] = (bnn_meta){key, value};
}

static void change(content *c, const char *what, const char *name, const char *value) {
    if (strcmp(what, "prefix") == 0) {
        for (size_t i = 0; i < c->tensors; i++) {
            c->tensor[i].name = bnn_arena_format(c->arena, "%s%s", name, c->tensor[i].name);
        }
    } else if (strcmp(what, "type") == 0 || strcmp(what, "round") == 0) {
        retype_all(c, name, strcmp(what, "round") == 0);
    } else if (strcmp(what, "no-metadata") == 0) {
        c->metas = 0;
    } else if (strcmp(what, "sum") == 0) {
        c->sum = 1;
    } else if (strcmp(what, "metadata") == 0) {
        set_metadata(c, name, value);
    } else if (strcmp(what, "value") == 0) {
        set_value(find(c, name), strtod(value, NULL));
    } else if (strcmp(what, "shape") == 0) {
        set_shape(c, find(c, name), value);
    } else if (strcmp(what, "as") == 0) {
        bnn_st_tensor *t = find(c, name);
        t->dtype = type_of(value);
        t->bytes = t->count * bnn_st_dtype_bytes(t->dtype);
        t->data = allocate(c, t->bytes);
    } else if (strcmp(what, "drop") == 0 || strcmp(what, "keep") == 0) {
        filter(c, name, strcmp(what, "keep") == 0);
    } else if (strcmp(what, "add") == 0) {
        c->tensor[c->tensors++] = (bnn_st_tensor){
            .name = name, .dtype = BNN_ST_I64, .count = 1, .bytes = 8, .data = allocate(c, 8)};
    } else {
        die(what);
    }
}

int alter_weights(const char *in, const char *out, char **changes, int count) {
    static content c;
    c.arena = bnn_arena_create();
    load(&c, in);
    for (int i = 0; i < count; i++) {
        char *name = strchr(changes[i], '='), *value = name ? strchr(name + 1, '=') : NULL;
        if (name) {
            *name++ = '\0';
        }
        if (value) {
            *value++ = '\0';
        }
        change(&c, changes[i], name ? name : "", value ? value : "");
    }
    int rc = save(&c, out);
    bnn_arena_free(c.arena);
    return rc;
}

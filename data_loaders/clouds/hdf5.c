/* Blocks of clouds as HDF5, the form in which PointNet's authors published ModelNet40 (2048 points
 * a shape). The decision: this reads, itself, the classic form of the format that those files have
 * (superblock 0 or 1, groups as symbol tables, arrays in one piece or in chunks packed by deflate;
 * "HDF5 File Format Specification", version 2). The format's library follows what a file says into
 * other files, plug-ins and endless loops; here every address is checked against the file's bytes,
 * and every walk has an end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/clouds/clouds.h"

#define DEFLATE_MAX_RATIO 1032
#define MAX_RANK 3
#define MAX_BLOCKS 16 /* of an object's header */
#define NODE_BYTES 24 /* of a tree, before its keys */
#define ENTRY_BYTES 40
#define STEP_BYTES 8  /* at least: of an entry, or of what precedes some */
#define LABEL_BYTES 8 /* at most */

typedef unsigned char byte;

/* A file, and which of its objects is being read, for messages. */
typedef struct file {
    const char *name, *object;
    const byte *bytes;
    size_t size;
    size_t steps; /* through trees and tables that are left: the file can hold no more */
    bnn_error *err;
} file;

static uint64_t integer(const byte *p, int bytes) {
    uint64_t value = 0;
    while (bytes-- > 0) {
        value = value << 8 | p[bytes];
    }
    return value;
}

/* NULL where the file has no such bytes. */
static const byte *at(const file *f, uint64_t address, uint64_t bytes) {
    return address <= f->size && bytes <= f->size - address ? f->bytes + address : NULL;
}

static bnn_code fail(const file *f, const char *what) {
    return bnn_fail(f->err, BNN_ERR_FORMAT,
                    "%s: %s %s; the file is damaged or of another data set, download it again",
                    f->name, f->object, what);
}

/* What this reader leaves to the format's own tools. */
static bnn_code fail_form(const file *f, const char *what) {
    return bnn_fail(
        f->err, BNN_ERR_UNSUPPORTED,
        "%s: %s %s, which is not read here; write it anew with h5py (libver='earliest', "
        "compression='gzip')",
        f->name, f->object, what);
}

/* ---- headers of objects ---- */
enum { SPACE, TYPE, LAYOUT, FILTERS, TABLE, MESSAGES };
static const unsigned kinds[MESSAGES] = {0x01, 0x03, 0x08, 0x0b, 0x11};
#define CONTINUATION 0x10

/* What a header says; bytes = 0: nothing of it. */
typedef struct header {
    struct {
        const byte *at;
        size_t bytes;
    } message[MESSAGES];
} header;

static void take_message(header *out, const byte *p, size_t bytes) {
    for (int m = 0; m < MESSAGES; m++) {
        if (integer(p, 2) == kinds[m] && !(p[4] & 2) && !out->message[m].bytes) {
            out->message[m].at = p + 8;
            out->message[m].bytes = bytes;
        }
    }
}

static bnn_code read_header(const file *f, uint64_t address, header *out) {
    struct {
        const byte *at;
        uint64_t bytes;
    } block[MAX_BLOCKS];
    const byte *p = at(f, address, 16);
    int blocks = 1;
    *out = (header){0};
    if (!p || p[0] != 1) {
        return p && memcmp(p, "OHDR", 4) == 0 ? fail_form(f, "has a newer form of HDF5")
                                              : fail(f, "has no header where it should be");
    }
    block[0].bytes = integer(p + 8, 4);
    block[0].at = at(f, address + 16, block[0].bytes);
    for (int i = 0; i < blocks; i++) {
        uint64_t left = block[i].bytes;
        p = block[i].at;
        while (p && left >= 8) {
            uint64_t bytes = integer(p + 2, 2);
            if (bytes > left - 8) {
                return fail(f, "has a header that is cut off");
            }
            take_message(out, p, (size_t)bytes);
            if (integer(p, 2) == CONTINUATION && bytes >= 16 && blocks < MAX_BLOCKS) {
                block[blocks].bytes = integer(p + 16, 8);
                block[blocks].at = at(f, integer(p + 8, 8), block[blocks].bytes);
                blocks++;
            }
            p += 8 + bytes;
            left -= 8 + bytes;
        }
        if (!p) {
            return fail(f, "has a header beyond the end of the file");
        }
    }
    return BNN_OK;
}

/* ---- trees ---- */
/* Whether there may be so many more. */
static int spend(file *f, size_t entries) {
    if (entries >= f->steps) {
        return 0;
    }
    f->steps -= entries + 1;
    return 1;
}

/* A node of kind 0 (groups) or 1 (chunks), with its entries: key, child, key, child .. key. */
static const byte *read_node(file *f, uint64_t address, int kind, size_t key, int level,
                             unsigned *entries) {
    const byte *p = at(f, address, NODE_BYTES);
    if (!p || memcmp(p, "TREE", 4) != 0 || p[4] != kind || (level >= 0 && p[5] != level)) {
        return NULL;
    }
    *entries = (unsigned)integer(p + 6, 2);
    return spend(f, *entries) && at(f, address, NODE_BYTES + (key + 8) * (uint64_t)*entries + key)
               ? p
               : NULL;
}

/* The object of a name in a symbol table's nodes; 0: there is none. The names are in `heap`. */
static uint64_t find_in_node(file *f, uint64_t address, const byte *heap, uint64_t heap_bytes,
                             const char *name, int level) {
    const size_t length = strlen(name) + 1;
    unsigned entries;
    uint64_t found = 0;
    const byte *p = read_node(f, address, 0, 8, level, &entries);
    for (unsigned i = 0; p && i < entries && !found; i++) {
        uint64_t child = integer(p + NODE_BYTES + 8 + 16 * (size_t)i, 8);
        if (p[5] > 0) {
            found = find_in_node(f, child, heap, heap_bytes, name, p[5] - 1);
            continue;
        }
        const byte *symbols = at(f, child, 8);
        size_t count =
            symbols && memcmp(symbols, "SNOD", 4) == 0 ? (size_t)integer(symbols + 6, 2) : 0;
        if (!at(f, child, 8 + ENTRY_BYTES * count) || !spend(f, count)) {
            return 0;
        }
        for (size_t k = 0; k < count && !found; k++) {
            const byte *entry = symbols + 8 + ENTRY_BYTES * k;
            uint64_t offset = integer(entry, 8);
            if (offset < heap_bytes && length <= heap_bytes - offset &&
                memcmp(heap + offset, name, length) == 0 && integer(entry + 16, 4) != 2) {
                found = integer(entry + 8, 8);
            }
        }
    }
    return found;
}

/* The header of an object of the file's top group. */
static bnn_code open_object(file *f, const char *name, header *out) {
    const byte *p = at(f, 0, 100);
    header group;
    f->object = "the file";
    if (!p || memcmp(p, "\x89HDF\r\n\x1a\n", 8) != 0) {
        return fail(f, "is no HDF5");
    }
    if (p[8] > 1) {
        return fail_form(f, "has a newer form of HDF5");
    }
    const size_t shift = p[8] == 1 ? 4 : 0;
    if (p[13] != 8 || p[14] != 8 || integer(p + 24 + shift, 8) != 0) {
        return fail_form(f, "has addresses of another size");
    }
    bnn_code code = read_header(f, integer(p + 64 + shift, 8), &group);
    if (code != BNN_OK) {
        return code;
    }
    const byte *table = group.message[TABLE].at;
    const byte *heap = group.message[TABLE].bytes >= 16 ? at(f, integer(table + 8, 8), 32) : NULL;
    uint64_t bytes = heap && memcmp(heap, "HEAP", 4) == 0 ? integer(heap + 8, 8) : 0;
    const byte *names = bytes ? at(f, integer(heap + 24, 8), bytes) : NULL;
    if (!names) {
        return fail(f, "has no table of what is in it");
    }
    uint64_t address = find_in_node(f, integer(table, 8), names, bytes, name, -1);
    f->object = name;
    return address ? read_header(f, address, out) : fail(f, "is not there");
}

/* ---- arrays ---- */
typedef struct array {
    int rank, item; /* bytes of a value */
    size_t extent[MAX_RANK], chunk[MAX_RANK], values;
    int deflated, shuffled;
    byte *data; /* [values] of item bytes, owned */
} array;

static bnn_code read_space(const file *f, const header *h, array *a) {
    const byte *p = h->message[SPACE].at;
    const size_t bytes = h->message[SPACE].bytes, first = bytes > 0 && p[0] == 1 ? 8 : 4;
    a->rank = bytes >= 4 && (p[0] == 1 || p[0] == 2) ? p[1] : 0;
    if (a->rank < 1 || a->rank > MAX_RANK || bytes < first + 8 * (size_t)a->rank) {
        return fail(f, "has another number of axes");
    }
    a->values = 1;
    for (int i = 0; i < MAX_RANK; i++) {
        uint64_t extent = i < a->rank ? integer(p + first + 8 * (size_t)i, 8) : 1;
        if (extent > SIZE_MAX || __builtin_mul_overflow(a->values, extent, &a->values)) {
            return fail(f, "is larger than the file could hold");
        }
        a->extent[i] = (size_t)extent;
    }
    return a->values > 0 ? BNN_OK : fail(f, "is empty");
}

/* Little-endian: floats of 32 bits, or whole numbers. */
static bnn_code read_type(const file *f, const header *h, int is_float, array *a) {
    static const byte ieee[12] = {0, 0, 32, 0, 23, 8, 0, 23, 127};
    const byte *p = h->message[TYPE].at;
    const size_t bytes = h->message[TYPE].bytes;
    uint64_t item = bytes >= 12 ? integer(p + 4, 4) : 0;
    int fits = item > 0 && item <= LABEL_BYTES && (p[0] & 15) == is_float && !(p[1] & 1);
    fits = fits && (is_float ? item == 4 && bytes >= 20 && memcmp(p + 8, ieee, sizeof ieee) == 0
                             : integer(p + 8, 2) == 0 && integer(p + 10, 2) == 8 * item);
    a->item = (int)item;
    return fits ? BNN_OK
                : fail(f, is_float ? "holds no floats of 32 bits" : "holds no whole numbers");
}

/* Shuffled, deflated, both in this order, or neither. */
static bnn_code read_filters(const file *f, const header *h, array *a) {
    const byte *p = h->message[FILTERS].at;
    const size_t bytes = h->message[FILTERS].bytes;
    size_t used = bytes > 0 && p[0] == 1 ? 8 : 2;
    int count = bytes >= 2 ? p[1] : 0;
    for (int i = 0; i < count; i++) {
        const int first = p[0] == 1;
        if (used + 8 > bytes) {
            return fail(f, "has a list of filters that is cut off");
        }
        uint64_t kind = integer(p + used, 2);
        if ((kind != 1 && kind != 2) || a->deflated || (kind == 2 && a->shuffled)) {
            return fail_form(f, "is packed otherwise than by gzip");
        }
        a->deflated |= kind == 1;
        a->shuffled |= kind == 2;
        size_t name = first ? (size_t)integer(p + used + 2, 2) : 0;
        size_t values = (size_t)integer(p + used + (first ? 6 : 4), 2);
        used += (first ? 8 : 6) + name + 4 * (values + (first && values % 2));
    }
    return BNN_OK;
}

/* Undoes the filters: `size` bytes to `whole`. */
static int unpack(const array *a, const byte *packed, size_t size, byte *out, byte *spare,
                  size_t whole) {
    byte *to = a->shuffled ? spare : out;
    uLongf got = whole;
    if (a->deflated) {
        if (uncompress(to, &got, packed, size) != Z_OK || got != whole) {
            return 0;
        }
    } else if (size == whole) {
        memcpy(to, packed, whole);
    } else {
        return 0;
    }
    const size_t item = (size_t)a->item, n = whole / item;
    for (size_t i = 0; a->shuffled && i < whole; i++) { /* first bytes first */
        out[i % n * item + i / n] = to[i];
    }
    return 1;
}

/* What a walk through the chunks needs, beside the array. */
typedef struct chunks {
    array *a;
    size_t count[MAX_RANK], bytes;
    byte *seen; /* [count..] */
    byte *whole, *spare;
} chunks;

/* To its place; what lies beyond the array's end is padding. */
static void place_chunk(const chunks *c, const size_t *first) {
    const array *a = c->a;
    const size_t item = (size_t)a->item;
    for (size_t x = 0; x < a->chunk[0] && first[0] + x < a->extent[0]; x++) {
        for (size_t y = 0; y < a->chunk[1] && first[1] + y < a->extent[1]; y++) {
            size_t n =
                a->extent[2] - first[2] < a->chunk[2] ? a->extent[2] - first[2] : a->chunk[2];
            size_t to = ((first[0] + x) * a->extent[1] + first[1] + y) * a->extent[2] + first[2];
            memcpy(a->data + to * item, c->whole + (x * a->chunk[1] + y) * a->chunk[2] * item,
                   n * item);
        }
    }
}

static bnn_code read_chunk(const file *f, const chunks *c, const byte *key, uint64_t address) {
    const array *a = c->a;
    size_t first[MAX_RANK] = {0}, number = 0;
    for (int i = 0; i < MAX_RANK; i++) {
        uint64_t begin = i < a->rank ? integer(key + 8 + 8 * (size_t)i, 8) : 0;
        if (begin >= a->extent[i] || begin % a->chunk[i] != 0) {
            return fail(f, "has a chunk outside of it");
        }
        first[i] = (size_t)begin;
        number = number * c->count[i] + first[i] / a->chunk[i];
    }
    const size_t size = (size_t)integer(key, 4);
    const byte *packed = at(f, address, size);
    if (c->seen[number] || integer(key + 4, 4) != 0 || !packed ||
        !unpack(a, packed, size, c->whole, c->spare, c->bytes)) {
        return fail(f, "has a chunk that cannot be unpacked");
    }
    c->seen[number] = 1;
    place_chunk(c, first);
    return BNN_OK;
}

static bnn_code walk_chunks(file *f, const chunks *c, uint64_t address, int level) {
    const size_t key = 8 + 8 * ((size_t)c->a->rank + 1);
    unsigned entries;
    const byte *p = read_node(f, address, 1, key, level, &entries);
    bnn_code code = p ? BNN_OK : fail(f, "has a damaged list of chunks");
    for (unsigned i = 0; code == BNN_OK && i < entries; i++) {
        const byte *entry = p + NODE_BYTES + (key + 8) * (size_t)i;
        uint64_t child = integer(entry + key, 8);
        code = p[5] > 0 ? walk_chunks(f, c, child, p[5] - 1) : read_chunk(f, c, entry, child);
    }
    return code;
}

/* `p`: number of axes + 1, address of the tree, extents of a chunk. */
static bnn_code read_chunked(file *f, array *a, const byte *p, size_t bytes) {
    chunks c = {.a = a, .bytes = (size_t)a->item};
    size_t count = 1;
    if (bytes < 9 + 4 * ((size_t)a->rank + 1) || p[0] != a->rank + 1) {
        return fail(f, "has chunks of another number of axes");
    }
    for (int i = 0; i < MAX_RANK; i++) {
        a->chunk[i] = i < a->rank ? (size_t)integer(p + 9 + 4 * (size_t)i, 4) : 1;
        if (a->chunk[i] == 0 || a->chunk[i] > a->extent[i]) {
            return fail(f, "has chunks larger than itself");
        }
        c.count[i] = (a->extent[i] - 1) / a->chunk[i] + 1;
        c.bytes *= a->chunk[i];
        count *= c.count[i];
    }
    c.seen = calloc(count, 1);
    c.whole = malloc(c.bytes);
    c.spare = malloc(c.bytes);
    bnn_code code = c.seen && c.whole && c.spare
                        ? walk_chunks(f, &c, integer(p + 1, 8), -1)
                        : bnn_fail(f->err, BNN_ERR_MEMORY, "%s: out of memory", f->name);
    if (code == BNN_OK && memchr(c.seen, 0, count)) {
        code = fail(f, "lacks some of its chunks");
    }
    free(c.seen);
    free(c.whole);
    free(c.spare);
    return code;
}

static bnn_code read_data(file *f, const header *h, array *a) {
    const byte *p = h->message[LAYOUT].at;
    const size_t bytes = h->message[LAYOUT].bytes;
    uint64_t limit = (uint64_t)f->size * (a->deflated ? DEFLATE_MAX_RATIO : 1);
    limit = limit < PTRDIFF_MAX ? limit : PTRDIFF_MAX;
    if (bytes < 2 || p[0] != 3) {
        return fail_form(f, "is laid out in a newer form, or in a very old one");
    }
    if (a->values > limit / (uint64_t)a->item) {
        return fail(f, "is larger than the file could hold");
    }
    const size_t whole = a->values * (size_t)a->item;
    a->data = malloc(whole);
    if (!a->data) {
        return bnn_fail(f->err, BNN_ERR_MEMORY, "%s: out of memory for %zu bytes", f->name, whole);
    }
    if (p[1] == 2) {
        return read_chunked(f, a, p + 2, bytes - 2);
    }
    const byte *from = p[1] == 1 && bytes >= 18 ? at(f, integer(p + 2, 8), whole) : NULL;
    if (p[1] == 0 && bytes >= 4 + whole) {
        from = p + 4;
    }
    if (!from) {
        return fail(f, "has no data within the file");
    }
    memcpy(a->data, from, whole);
    return BNN_OK;
}

static bnn_code read_array(file *f, const char *name, int is_float, array *out) {
    header h;
    f->steps = f->size / STEP_BYTES;
    bnn_code code = open_object(f, name, &h);
    if (code == BNN_OK) {
        code = read_space(f, &h, out);
    }
    if (code == BNN_OK) {
        code = read_type(f, &h, is_float, out);
    }
    if (code == BNN_OK) {
        code = read_filters(f, &h, out);
    }
    return code == BNN_OK ? read_data(f, &h, out) : code;
}

/* ---- clouds ---- */
static bnn_code take_points(const file *f, const array *data, bnn_cloud_block *out) {
    if (data->rank != 3 || data->extent[2] != 3) {
        return fail(f, "is not [shapes, points, 3]");
    }
    out->clouds = data->extent[0];
    out->points = data->extent[1];
    out->data = reallocarray(NULL, data->values, sizeof *out->data);
    out->label = malloc(out->clouds);
    if (!out->data || !out->label) {
        return bnn_fail(f->err, BNN_ERR_MEMORY, "%s: out of memory for %zu shapes of %zu points",
                        f->name, out->clouds, out->points);
    }
    for (size_t i = 0; i < data->values; i++) {
        uint32_t bits = (uint32_t)integer(data->data + 4 * i, 4);
        memcpy(&out->data[i], &bits, sizeof bits);
        if (!isfinite(out->data[i])) {
            return bnn_fail(f->err, BNN_ERR_FORMAT,
                            "%s: point %zu of shape %zu is not finite; download the file again",
                            f->name, i / 3 % out->points, i / 3 / out->points);
        }
    }
    return BNN_OK;
}

static bnn_code take_labels(const file *f, const array *label, int classes, bnn_cloud_block *out) {
    if (label->extent[0] != out->clouds || label->values != out->clouds) {
        return fail(f, "has not one label a shape");
    }
    for (size_t i = 0; i < out->clouds; i++) {
        uint64_t value = integer(label->data + (size_t)label->item * i, label->item);
        if (value >= (uint64_t)classes) { /* or negative */
            return bnn_fail(f->err, BNN_ERR_FORMAT,
                            "%s: shape %zu has label %lld, expected 0 to %d; the file is damaged "
                            "or of another data set",
                            f->name, i, (long long)value, classes - 1);
        }
        out->label[i] = (uint8_t)value;
    }
    return BNN_OK;
}

bnn_code bnn_hdf5_parse(const char *name, const unsigned char *bytes, size_t size, int classes,
                        bnn_cloud_block *out, bnn_error *err) {
    file f = {.name = name, .object = "", .bytes = bytes, .size = size, .err = err};
    array data = {0}, label = {0};
    *out = (bnn_cloud_block){0};
    bnn_code code = read_array(&f, "data", 1, &data);
    if (code == BNN_OK) {
        code = take_points(&f, &data, out);
    }
    if (code == BNN_OK) {
        code = read_array(&f, "label", 0, &label);
    }
    if (code == BNN_OK) {
        code = take_labels(&f, &label, classes, out);
    }
    free(data.data);
    free(label.data);
    if (code != BNN_OK) {
        bnn_cloud_block_free(out);
    }
    return code;
}

void bnn_cloud_block_free(bnn_cloud_block *block) {
    free(block->data);
    free(block->label);
    *block = (bnn_cloud_block){0};
}

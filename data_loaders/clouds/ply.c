/* The Polygon File Format (Turk, "The PLY Polygon File Format", 1994): a header of text that says
 * which elements follow and of what each record of theirs consists, then the records, as text or
 * binary. The decision: one walk over the records for all three forms, value by value; what is not
 * looked for is passed over, whatever it is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/clouds/clouds.h"

#define MOST_ELEMENTS 16
#define MOST_PROPERTIES 128 /* of all elements */
#define LONGEST_LINE 256    /* of the header, but for comments */
#define MOST_WORDS 6
#define COLUMNS 6 /* of a vertex: x, y, z, and its normal */
#define PASSED_OVER -1
#define CORNERS COLUMNS /* the list of a face */

typedef enum form { NO_FORM, TEXT, LITTLE_ENDIAN_BYTES, BIG_ENDIAN_BYTES } form;
typedef enum kind { SIGNED, UNSIGNED, REAL } kind;

static const struct {
    const char *name, *other;
    size_t bytes;
    kind kind;
} types[] = {{"char", "int8", 1, SIGNED},   {"uchar", "uint8", 1, UNSIGNED},
             {"short", "int16", 2, SIGNED}, {"ushort", "uint16", 2, UNSIGNED},
             {"int", "int32", 4, SIGNED},   {"uint", "uint32", 4, UNSIGNED},
             {"float", "float32", 4, REAL}, {"double", "float64", 8, REAL}};

typedef struct property {
    int type;
    int length; /* of a list, its length's type; else -1 */
    int column; /* of a vertex; CORNERS; PASSED_OVER */
} property;

typedef struct element {
    const char *what; /* "vertices", "faces"; NULL: passed over */
    size_t count;
    int first, properties;
} element;

typedef struct ply {
    bnn_scan scan; /* of the header, then of the records */
    form form;
    element element[MOST_ELEMENTS];
    property property[MOST_PROPERTIES];
    int elements, properties;
    const element *vertices, *faces; /* or NULL */
    int columns;                     /* of a vertex that are kept */
    float *vertex;
    bnn_mesh mesh;
    size_t capacity; /* of its triangles */
} ply;

/* ---- the header ---- */
static bnn_code fail_header(const ply *p, const char *what, const char *word, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: line %zu: %s '%.40s'; the file is damaged, copy it again", p->scan.name,
                    bnn_scan_line(&p->scan), what, word);
}

/* The next line's words, in `line`; how many, 0 of a comment or an empty line, -1 at the end. */
static int read_words(ply *p, char line[LONGEST_LINE], const char *word[MOST_WORDS]) {
    bnn_scan *s = &p->scan;
    const char *end = memchr(s->at, '\n', (size_t)(s->end - s->at));
    if (!end) {
        return -1;
    }
    const size_t length = (size_t)(end - s->at);
    snprintf(line, LONGEST_LINE, "%.*s", (int)(length < LONGEST_LINE ? length : LONGEST_LINE - 1),
             s->at);
    int words = 0;
    for (char *at = line; *(at += strspn(at, " \t\r")) && words < MOST_WORDS;) {
        word[words++] = at;
        at += strcspn(at, " \t\r");
        if (*at) {
            *at++ = '\0';
        }
    }
    return words && (strcmp(word[0], "comment") == 0 || strcmp(word[0], "obj_info") == 0) ? 0
                                                                                          : words;
}

static int find_type(const char *name) {
    const int count = sizeof types / sizeof types[0];
    int i = 0;
    while (i < count && strcmp(types[i].name, name) != 0 && strcmp(types[i].other, name) != 0) {
        i++;
    }
    return i < count ? i : -1;
}

static bnn_code read_form(ply *p, const char *name, bnn_error *err) {
    p->form = strcmp(name, "ascii") == 0                  ? TEXT
              : strcmp(name, "binary_little_endian") == 0 ? LITTLE_ENDIAN_BYTES
              : strcmp(name, "binary_big_endian") == 0    ? BIG_ENDIAN_BYTES
                                                          : NO_FORM;
    return p->form ? BNN_OK : fail_header(p, "there is no format", name, err);
}

static bnn_code add_element(ply *p, const char *name, const char *digits, bnn_error *err) {
    uint64_t count = 0;
    const char *d = digits;
    for (; *d >= '0' && *d <= '9' && count <= UINT32_MAX; d++) {
        count = 10 * count + (uint64_t)(*d - '0');
    }
    if (*d || d == digits || count > UINT32_MAX) {
        return fail_header(p, "no number of elements:", digits, err);
    }
    if (p->elements == MOST_ELEMENTS) {
        return fail_header(p, "more kinds of elements than are known:", name, err);
    }
    element *e = &p->element[p->elements++];
    *e = (element){.count = (size_t)count, .first = p->properties};
    if (strcmp(name, "vertex") == 0 && !p->vertices) {
        e->what = "vertices";
        p->vertices = e;
    } else if (strcmp(name, "face") == 0 && !p->faces) {
        e->what = "faces";
        p->faces = e;
    }
    return BNN_OK;
}

/* What a property is looked for as. */
static int column_of(const ply *p, const element *e, const char *name, int list) {
    static const char *const names[COLUMNS] = {"x", "y", "z", "nx", "ny", "nz"};
    if (e == p->faces) {
        return list && (strcmp(name, "vertex_indices") == 0 || strcmp(name, "vertex_index") == 0)
                   ? CORNERS
                   : PASSED_OVER;
    }
    for (int c = 0; e == p->vertices && !list && c < COLUMNS; c++) {
        if (strcmp(name, names[c]) == 0) {
            return c;
        }
    }
    return PASSED_OVER;
}

static bnn_code add_property(ply *p, int words, const char *const *word, bnn_error *err) {
    const int list = words == 5 && strcmp(word[1], "list") == 0;
    const char *name = word[words - 1], *type = word[words - 2];
    property new = {find_type(type), list ? find_type(word[2]) : -1, PASSED_OVER};
    if (!list && words != 3) {
        return fail_header(p, "no property:", name, err);
    }
    if (new.type < 0 || (list && (new.length < 0 || types[new.length].kind == REAL))) {
        return fail_header(p, "unusable type of property", name, err);
    }
    if (p->elements == 0 || p->properties == MOST_PROPERTIES) {
        return fail_header(
            p, p->elements ? "more properties than are known:" : "of no element:", name, err);
    }
    element *e = &p->element[p->elements - 1];
    new.column = column_of(p, e, name, list);
    for (int i = 0; i < e->properties; i++) {
        if (new.column != PASSED_OVER && p->property[e->first + i].column == new.column) {
            return fail_header(p, "a second property", name, err);
        }
    }
    p->property[p->properties++] = new;
    e->properties++;
    return BNN_OK;
}

static bnn_code read_line(ply *p, int words, const char *const *word, bnn_error *err) {
    if (words >= 2 && strcmp(word[0], "format") == 0) {
        return read_form(p, word[1], err);
    }
    if (words == 3 && strcmp(word[0], "element") == 0) {
        return add_element(p, word[1], word[2], err);
    }
    if (words >= 3 && strcmp(word[0], "property") == 0) {
        return add_property(p, words, word, err);
    }
    return fail_header(p, "not known in a header:", word[0], err);
}

static int has_column(const ply *p, const element *e, int column) {
    for (int i = 0; i < e->properties; i++) {
        if (p->property[e->first + i].column == column) {
            return 1;
        }
    }
    return 0;
}

/* Bytes of a record, at least: as text a digit and what ends it, but for the last. */
static size_t least_bytes(const ply *p, const element *e) {
    size_t bytes = 0;
    for (int i = 0; i < e->properties; i++) {
        const property *of = &p->property[e->first + i];
        bytes += p->form == TEXT ? 2 : types[of->length < 0 ? of->type : of->length].bytes;
    }
    return bytes;
}

static bnn_code check_header(ply *p, bnn_error *err) {
    const char *name = p->scan.name;
    const element *v = p->vertices;
    const size_t left = (size_t)(p->scan.end - p->scan.at);
    if (p->form == NO_FORM) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: its header has no format; the file is damaged, copy it again", name);
    }
    if (!v || v->count == 0 || !has_column(p, v, 0) || !has_column(p, v, 1) ||
        !has_column(p, v, 2)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: has no vertices of x, y and z; choose a file of a shape", name);
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.*): a vertex has three properties */
    if (v->count > (left + 1) / least_bytes(p, v)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu bytes, too few for the %zu vertices its header promises; copy "
                        "the file again",
                        name, left, v->count);
    }
    const int surface = p->faces && p->faces->count && has_column(p, p->faces, CORNERS);
    const int normals = has_column(p, v, 3) && has_column(p, v, 4) && has_column(p, v, 5);
    p->columns = normals && !surface ? COLUMNS : 3;
    return BNN_OK;
}

static bnn_code read_header(ply *p, bnn_error *err) {
    char line[LONGEST_LINE];
    const char *word[MOST_WORDS];
    for (int first = 1, words; (words = read_words(p, line, word)) >= 0; first = 0) {
        bnn_code code = BNN_OK;
        if (first && (words != 1 || strcmp(word[0], "ply") != 0)) {
            break;
        }
        const int last = words == 1 && strcmp(word[0], "end_header") == 0;
        if (words && !first && !last) {
            code = read_line(p, words, word, err);
        }
        bnn_scan_skip_line(&p->scan);
        if (code != BNN_OK || last) {
            return code == BNN_OK ? check_header(p, err) : code;
        }
    }
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: no header of a PLY file from ply to end_header; is it another file "
                    "renamed, or cut off?",
                    p->scan.name);
}

/* ---- the records ---- */
static bnn_code fail_short(const ply *p, const element *e, size_t record, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: ends after %zu of the %zu %s its header promises; copy the file again",
                    p->scan.name, record, e->count, e->what ? e->what : "records");
}

static double value_of(const unsigned char *at, int type, int big_endian) {
    const size_t n = types[type].bytes;
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | at[big_endian ? i : n - 1 - i];
    }
    if (types[type].kind == UNSIGNED) {
        return (double)bits;
    }
    if (types[type].kind == SIGNED) {
        /* NOLINTNEXTLINE(clang-analyzer-core.*): a type has a byte */
        const uint64_t sign = (uint64_t)1 << (8 * n - 1);
        return (double)bits - (bits & sign ? 2.0 * (double)sign : 0.0);
    }
    const uint32_t half = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &half, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return n == sizeof single ? (double)single : value;
}

/* 0: the file ends before it. */
static int enough(ply *p, size_t count, int type) {
    return p->form == TEXT ? bnn_scan_next(&p->scan)
                           : count <= (size_t)(p->scan.end - p->scan.at) / types[type].bytes;
}

/* A value that is there. */
static bnn_code read_value(ply *p, int type, double *value, bnn_error *err) {
    if (p->form == TEXT) {
        return bnn_scan_number(&p->scan, value, err);
    }
    *value = value_of((const unsigned char *)p->scan.at, type, p->form == BIG_ENDIAN_BYTES);
    p->scan.at += types[type].bytes;
    return BNN_OK;
}

/* 0: the file ends before they do. */
static int pass_over(ply *p, size_t count, int type) {
    if (p->form != TEXT) {
        int there = enough(p, count, type);
        p->scan.at += there ? count * types[type].bytes : 0;
        return there;
    }
    while (count && bnn_scan_next(&p->scan)) {
        bnn_scan_skip_word(&p->scan);
        count--;
    }
    return count == 0;
}

static bnn_code read_coordinate(ply *p, const property *of, size_t record, bnn_error *err) {
    double value;
    bnn_code code = read_value(p, of->type, &value, err);
    if (code == BNN_OK && !isfinite((float)value)) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: vertex %zu is not finite; the file is damaged, copy it again",
                        p->scan.name, record);
    }
    if (code == BNN_OK) {
        p->vertex[(size_t)p->columns * record + (size_t)of->column] = (float)value;
    }
    return code;
}

static bnn_code read_whole(ply *p, int type, size_t below, const char *what, uint32_t *whole,
                           bnn_error *err) {
    double value = 0.0;
    bnn_code code = read_value(p, type, &value, err);
    if (code == BNN_OK && !(value >= 0.0 && value < (double)below && floor(value) == value)) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %s %.9g, expected a whole number below %zu; the file is damaged, "
                        "copy it again",
                        p->scan.name, what, value, below);
    }
    *whole = code == BNN_OK ? (uint32_t)value : 0;
    return code;
}

static bnn_code read_list(ply *p, const element *e, const property *of, size_t record,
                          bnn_error *err) {
    uint32_t length = 0, corner[3];
    bnn_code code = enough(p, 1, of->length)
                        ? read_whole(p, of->length, UINT32_MAX, "a list's length", &length, err)
                        : fail_short(p, e, record, err);
    if (code == BNN_OK && of->column != CORNERS) {
        return pass_over(p, length, of->type) ? BNN_OK : fail_short(p, e, record, err);
    }
    for (uint32_t i = 0; code == BNN_OK && i < length; i++) {
        if (!enough(p, 1, of->type)) {
            return fail_short(p, e, record, err);
        }
        code = read_whole(p, of->type, p->vertices->count, "vertex of a face",
                          &corner[i < 2 ? i : 2], err);
        if (code == BNN_OK && i >= 2) {
            code = bnn_mesh_add(p->scan.name, &p->mesh, &p->capacity, corner, err);
            corner[1] = corner[2];
        }
    }
    return code;
}

static bnn_code read_record(ply *p, const element *e, size_t record, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < e->properties; i++) {
        const property *of = &p->property[e->first + i];
        if (of->length >= 0) {
            code = read_list(p, e, of, record, err);
        } else if (of->column != PASSED_OVER && of->column < p->columns) {
            code = enough(p, 1, of->type) ? read_coordinate(p, of, record, err)
                                          : fail_short(p, e, record, err);
        } else {
            code = pass_over(p, 1, of->type) ? BNN_OK : fail_short(p, e, record, err);
        }
    }
    return code;
}

/* A record without properties takes no bytes, however many there are said to be; what comes after
 * the vertices and the faces does not matter. */
static bnn_code read_records(ply *p, bnn_error *err) {
    const element *last = p->faces && p->faces > p->vertices ? p->faces : p->vertices;
    bnn_code code = BNN_OK;
    for (const element *e = p->element; code == BNN_OK && e <= last; e++) {
        for (size_t i = 0; code == BNN_OK && e->properties && i < e->count; i++) {
            code = read_record(p, e, i, err);
        }
    }
    return code;
}

bnn_code bnn_ply_parse(const char *name, const unsigned char *bytes, size_t size, bnn_cloud *out,
                       bnn_error *err) {
    ply *p = calloc(1, sizeof *p);
    *out = (bnn_cloud){0};
    if (!p) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    p->scan = bnn_scan_start(name, bytes, size);
    bnn_code code = read_header(p, err);
    const size_t vertices = code == BNN_OK ? p->vertices->count : 0;
    if (code == BNN_OK) {
        p->vertex = reallocarray(NULL, vertices, (size_t)p->columns * sizeof *p->vertex);
        code = p->vertex ? read_records(p, err)
                         : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu vertices", name,
                                    vertices);
    }
    if (code != BNN_OK) {
        free(p->vertex);
        bnn_mesh_free(&p->mesh);
    } else if (p->mesh.triangles) {
        out->mesh = (bnn_mesh){vertices, p->mesh.triangles, p->vertex, p->mesh.triangle};
    } else {
        out->points = (bnn_points){vertices, p->columns, p->vertex};
        bnn_mesh_free(&p->mesh);
    }
    free(p);
    return code;
}

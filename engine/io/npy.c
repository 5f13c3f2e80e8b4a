/* Why: datasets come as .npy files, and such a file's header is the text of a Python dictionary.
 * The decision: a small hand-written reader for exactly the dictionary NumPy writes (three keys in
 * any order, any white space) rather than a Python parser; whatever else is in there is refused by
 * name. The size of the file must match the header to the byte. */
#include "engine/io/npy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6
#define MAX_HEADER_BYTES (1u << 20) /* three keys take 128 bytes */

/* A cursor over the header's text that never passes `end`. */
typedef struct reader {
    const char *name;
    const char *at, *end;
    bnn_error *err;
} reader;

/* A piece of the header, quotes taken off. */
typedef struct word {
    const char *text;
    size_t length;
} word;

static bnn_code fail(const reader *r, bnn_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "NAME: ...". Text from the file may be part of the message: it stays one printable line. */
static bnn_code fail(const reader *r, bnn_code code, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    bnn_text_print(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++) {
        if (*p < 0x20 || *p > 0x7e) {
            *p = '?';
        }
    }
    return bnn_fail(r->err, code, "%s: %s", r->name, text);
}

static bnn_code fail_header(const reader *r, const char *what) {
    return fail(r, BNN_ERR_FORMAT, ".npy header: %s; save the array again with numpy.save", what);
}

/* ---- the dictionary ---- */

static void skip_space(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || (*r->at >= '\t' && *r->at <= '\r'))) {
        r->at++;
    }
}

/* Takes the character `c`, after white space, when it is next. */
static int take(reader *r, char c) {
    skip_space(r);
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return 1;
    }
    return 0;
}

static int is_word(word w, const char *text) {
    return w.length == strlen(text) && memcmp(w.text, text, w.length) == 0;
}

/* 'text' or "text"; escapes do not occur in what we accept, so a backslash ends it as an error. */
static int take_string(reader *r, word *out) {
    char quote = '\'';
    if (!take(r, quote)) {
        quote = '"';
        if (!take(r, quote)) {
            return 0;
        }
    }
    const char *start = r->at;
    while (r->at < r->end && *r->at != quote) {
        if (*r->at == '\\' || *r->at == '\n') {
            return 0;
        }
        r->at++;
    }
    if (r->at == r->end) {
        return 0;
    }
    *out = (word){start, (size_t)(r->at - start)};
    r->at++;
    return 1;
}

static int take_integer(reader *r, int64_t *out) {
    int64_t value = 0;
    skip_space(r);
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *r->at - '0', &value)) {
            return 0;
        }
        r->at++;
    }
    if (r->at == start) {
        return 0;
    }
    if (r->at < r->end && *r->at == 'L') { /* Python 2 wrote long integers so */
        r->at++;
    }
    *out = value;
    return 1;
}

/* '<f4' and its kin. */
static bnn_code read_descr(reader *r, bnn_npy *npy) {
    word w;
    skip_space(r);
    if (r->at < r->end && *r->at == '[') {
        return fail(r, BNN_ERR_UNSUPPORTED,
                    "structured arrays are not supported; save each field as an array of its own");
    }
    if (!take_string(r, &w)) {
        return fail_header(r, "'descr' is not a string");
    }
    int shown = w.length < 40 ? (int)w.length : 40;
    if (memchr(w.text, 'O', w.length)) {
        return fail(r, BNN_ERR_UNSUPPORTED,
                    "arrays of Python objects ('%.*s') are not supported; give the array a numeric "
                    "dtype before saving",
                    shown, w.text);
    }
    if (w.length > 0 && w.text[0] == '>') {
        return fail(r, BNN_ERR_UNSUPPORTED,
                    "big-endian arrays ('%.*s') are not supported; convert with "
                    "a.astype(a.dtype.newbyteorder('<'))",
                    shown, w.text);
    }
    static const char *const known[] = {"|b1", "|u1", "|i1", "<u2", "<i2", "<f2",
                                        "<u4", "<i4", "<f4", "<u8", "<i8", "<f8"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (is_word(w, known[i])) {
            npy->kind = known[i][1];
            npy->item_bytes = known[i][2] - '0';
            return BNN_OK;
        }
    }
    return fail(r, BNN_ERR_UNSUPPORTED,
                "dtype '%.*s' is not supported; convert to uint8, int64, float32 or the like",
                shown, w.text);
}

static bnn_code read_order(reader *r) {
    static const char yes[] = "True", no[] = "False";
    skip_space(r);
    size_t left = (size_t)(r->end - r->at);
    if (left >= sizeof no - 1 && memcmp(r->at, no, sizeof no - 1) == 0) {
        r->at += sizeof no - 1;
        return BNN_OK;
    }
    if (left >= sizeof yes - 1 && memcmp(r->at, yes, sizeof yes - 1) == 0) {
        return fail(r, BNN_ERR_UNSUPPORTED,
                    "Fortran order is not supported; save numpy.ascontiguousarray(a)");
    }
    return fail_header(r, "'fortran_order' is neither True nor False");
}

/* (), (3,), (3, 4), (3, 4,). "(3)" is no tuple in Python. */
static bnn_code read_shape(reader *r, bnn_npy *npy) {
    int comma = 1;
    npy->ndim = 0;
    if (!take(r, '(')) {
        return fail_header(r, "'shape' is not a tuple");
    }
    while (!take(r, ')')) {
        if (npy->ndim == BNN_NPY_MAX_DIMS) {
            return fail(r, BNN_ERR_UNSUPPORTED, "more than %d dimensions are not supported",
                        BNN_NPY_MAX_DIMS);
        }
        if (!comma || !take_integer(r, &npy->shape[npy->ndim])) {
            return fail_header(r, "'shape' is not a tuple of non-negative integers");
        }
        npy->ndim++;
        comma = take(r, ',');
    }
    return npy->ndim == 1 && !comma ? fail_header(r, "'shape' is not a tuple") : BNN_OK;
}

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

static bnn_code read_item(reader *r, bnn_npy *npy, unsigned *seen) {
    word key;
    if (!take_string(r, &key) || !take(r, ':')) {
        return fail_header(r, "not a Python dictionary of 'descr', 'fortran_order' and 'shape'");
    }
    unsigned now = is_word(key, "descr")           ? SEEN_DESCR
                   : is_word(key, "fortran_order") ? SEEN_ORDER
                   : is_word(key, "shape")         ? SEEN_SHAPE
                                                   : 0u;
    if (now == 0) {
        return fail(r, BNN_ERR_FORMAT,
                    ".npy header: unknown key '%.*s'; save the array again with numpy.save",
                    key.length < 40 ? (int)key.length : 40, key.text);
    }
    if (*seen & now) {
        return fail_header(r, "a key stands there twice");
    }
    *seen |= now;
    return now == SEEN_DESCR   ? read_descr(r, npy)
           : now == SEEN_ORDER ? read_order(r)
                               : read_shape(r, npy);
}

static bnn_code read_dictionary(reader *r, bnn_npy *npy) {
    unsigned seen = 0;
    int comma = 1;
    if (!take(r, '{')) {
        return fail_header(r, "not a Python dictionary");
    }
    while (!take(r, '}')) {
        if (!comma) {
            return fail_header(r, "a comma is missing");
        }
        bnn_code code = read_item(r, npy, &seen);
        if (code != BNN_OK) {
            return code;
        }
        comma = take(r, ',');
    }
    if (seen != SEEN_ALL) {
        return fail_header(r, "'descr', 'fortran_order' or 'shape' is missing");
    }
    skip_space(r);
    return r->at == r->end ? BNN_OK : fail_header(r, "text follows the dictionary");
}

/* ---- the file around it ---- */

/* Finds the header's text; leaves in `data_offset` where the data begins. */
static bnn_code find_header(reader *r, const unsigned char *bytes, size_t size,
                            size_t *data_offset) {
    if (size < MAGIC_BYTES + 2 || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0) {
        return fail(r, BNN_ERR_FORMAT,
                    "not a .npy file (it does not begin with \\x93NUMPY); is it a .npz or a text "
                    "file?");
    }
    unsigned major = bytes[MAGIC_BYTES], minor = bytes[MAGIC_BYTES + 1];
    if (major < 1 || major > 3 || minor != 0) {
        return fail(r, BNN_ERR_UNSUPPORTED,
                    ".npy version %u.%u is not supported, only 1.0, 2.0 and 3.0", major, minor);
    }
    size_t width = major == 1 ? 2 : 4, start = MAGIC_BYTES + 2 + width, length = 0;
    if (size < start) {
        return fail(r, BNN_ERR_FORMAT, "cut short in the .npy header; copy the file again");
    }
    for (size_t i = width; i-- > 0;) {
        length = length << 8 | bytes[MAGIC_BYTES + 2 + i];
    }
    if (length > MAX_HEADER_BYTES) {
        return fail(r, BNN_ERR_FORMAT,
                    ".npy header of %zu bytes, at most %u are accepted; the file is damaged",
                    length, MAX_HEADER_BYTES);
    }
    if (length > size - start) {
        return fail(r, BNN_ERR_FORMAT,
                    "cut short in the .npy header: %zu bytes are missing; copy the file again",
                    length - (size - start));
    }
    r->at = (const char *)bytes + start;
    r->end = r->at + length;
    *data_offset = start + length;
    return BNN_OK;
}

/* The product of the shape; dimensions of 0 do not excuse the others from fitting into memory,
 * since somebody may compute strides from them. */
static bnn_code count_items(const reader *r, bnn_npy *npy, size_t *bytes) {
    size_t product = 1;
    int empty = 0, fits = 1;
    for (int i = 0; i < npy->ndim && fits; i++) {
        if (npy->shape[i] == 0) {
            empty = 1;
        } else {
            fits = (uint64_t)npy->shape[i] <= SIZE_MAX &&
                   !__builtin_mul_overflow(product, (size_t)npy->shape[i], &product);
        }
    }
    size_t total = 0;
    if (!fits || __builtin_mul_overflow(product, (size_t)npy->item_bytes, &total) ||
        total > PTRDIFF_MAX) {
        return fail(r, BNN_ERR_FORMAT,
                    "the array's shape is larger than any memory; the file is damaged");
    }
    npy->count = empty ? 0 : product;
    *bytes = empty ? 0 : total;
    return BNN_OK;
}

static bnn_code parse(reader *r, const unsigned char *bytes, size_t size, bnn_npy *npy) {
    size_t offset = 0, wanted = 0;
    bnn_code code = find_header(r, bytes, size, &offset);
    if (code == BNN_OK) {
        code = read_dictionary(r, npy);
    }
    if (code == BNN_OK) {
        code = count_items(r, npy, &wanted);
    }
    if (code != BNN_OK) {
        return code;
    }
    size_t present = size - offset;
    if (present < wanted) {
        return fail(r, BNN_ERR_FORMAT,
                    "cut short: %zu of %zu bytes of data are missing; copy the file again",
                    wanted - present, wanted);
    }
    if (present > wanted) {
        return fail(r, BNN_ERR_FORMAT,
                    "%zu bytes longer than its header says; several arrays in one file are not "
                    "supported",
                    present - wanted);
    }
    npy->data = bytes + offset;
    return BNN_OK;
}

bnn_code bnn_npy_parse(const char *name, const void *bytes, size_t size, bnn_npy *out,
                       bnn_error *err) {
    reader r = {name, NULL, NULL, err};
    *out = (bnn_npy){0};
    bnn_code code = parse(&r, bytes, size, out);
    if (code != BNN_OK) {
        *out = (bnn_npy){0};
    }
    return code;
}

bnn_code bnn_npy_open(const char *path, bnn_npy *out, bnn_error *err) {
    bnn_map map;
    *out = (bnn_npy){0};
    bnn_code code = bnn_map_open(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_npy_parse(path, map.data, map.size, out, err);
    if (code != BNN_OK) {
        bnn_map_close(&map);
        return code;
    }
    out->map = map;
    return BNN_OK;
}

void bnn_npy_close(bnn_npy *npy) {
    if (npy) {
        bnn_map_close(&npy->map);
        *npy = (bnn_npy){0};
    }
}

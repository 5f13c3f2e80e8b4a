/* Why: a zip library copies what it reads, and a checkpoint is large. The decision: only the list
 * of entries at the archive's end is read, and an entry is a place in the file; what is compressed
 * or encrypted is listed, and cannot be used. */
#include "engine/io/zip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of records without their texts. */
enum { LOCAL = 30, CENTRAL = 46, END = 22, LOCATOR = 20, END_64 = 56, MOST_COMMENT = 65535 };

typedef struct archive {
    const char *name;
    const unsigned char *bytes;
    size_t size;
    bnn_error *err;
} archive;

static uint64_t number(const unsigned char *bytes, int width) {
    uint64_t n = 0;
    while (width-- > 0) {
        n = n << 8 | bytes[width];
    }
    return n;
}

static int is_record(const archive *a, uint64_t at, size_t bytes, const char *signature) {
    return at <= a->size && a->size - at >= bytes && memcmp(a->bytes + at, signature, 4) == 0;
}

static bnn_code damaged(const archive *a, const char *why) {
    return bnn_fail(a->err, BNN_ERR_FORMAT,
                    "%s: %s; the file is damaged, or cut short: is the download complete?", a->name,
                    why);
}

/* ---- the list of entries ---- */

typedef struct directory {
    uint64_t at, bytes, count;
} directory;

/* The record at the archive's end, behind which only a comment may stand. */
static bnn_code find_end(const archive *a, size_t *at) {
    for (size_t comment = 0; comment <= MOST_COMMENT && comment + END <= a->size; comment++) {
        *at = a->size - END - comment;
        if (is_record(a, *at, END, "PK\5\6") && number(a->bytes + *at + 20, 2) == comment) {
            return BNN_OK;
        }
    }
    return damaged(a, "the zip archive has no list of its entries at its end");
}

static bnn_code find_directory(const archive *a, directory *out) {
    size_t end = 0;
    bnn_code code = find_end(a, &end);
    if (code != BNN_OK) {
        return code;
    }
    const unsigned char *record = a->bytes + end;
    *out = (directory){number(record + 16, 4), number(record + 12, 4), number(record + 10, 2)};
    if (end >= LOCATOR && is_record(a, end - LOCATOR, LOCATOR, "PK\6\7")) {
        uint64_t at = number(record - LOCATOR + 8, 8);
        if (!is_record(a, at, END_64, "PK\6\6")) {
            return damaged(a,
                           "the zip archive's end says of another one (zip64) that is not there");
        }
        record = a->bytes + at;
        *out = (directory){number(record + 48, 8), number(record + 40, 8), number(record + 32, 8)};
    }
    return out->at <= a->size && out->bytes <= a->size - out->at &&
                   out->count <= out->bytes / CENTRAL
               ? BNN_OK
               : damaged(a, "the zip archive's list of entries does not lie in the file");
}

/* ---- one entry ---- */

/* What does not fit 32 bits stands in an extra field, in the order of these; each is there only if
 * its 32 bits are all ones. */
static void widen(const unsigned char *extra, size_t length, uint64_t *const values[3]) {
    size_t at = 0;
    while (length - at >= 4) {
        size_t field = (size_t)number(extra + at + 2, 2), used = 0;
        if (field > length - at - 4) {
            break;
        }
        if (number(extra + at, 2) == 1) {
            for (int i = 0; i < 3; i++) {
                if (*values[i] == UINT32_MAX && field - used >= 8) {
                    *values[i] = number(extra + at + 4 + used, 8);
                    used += 8;
                }
            }
            return;
        }
        at += 4 + field;
    }
}

/* From its record in the list, whose bytes are there. */
static bnn_code read_entry(const archive *a, const unsigned char *record, bnn_zip_entry *out) {
    uint64_t stored = number(record + 20, 4), bytes = number(record + 24, 4);
    uint64_t at = number(record + 42, 4);
    const size_t name = (size_t)number(record + 28, 2), extra = (size_t)number(record + 30, 2);
    widen(record + CENTRAL + name, extra, (uint64_t *const[3]){&bytes, &stored, &at});
    *out = (bnn_zip_entry){.name = (const char *)record + CENTRAL, .name_length = name};
    out->flaw = number(record + 8, 2) & 1     ? "is encrypted"
                : number(record + 10, 2) != 0 ? "is compressed"
                                              : NULL;
    if (out->flaw) {
        return BNN_OK;
    }
    if (!is_record(a, at, LOCAL, "PK\3\4")) {
        return damaged(a, "an entry of the zip archive is not where its list says");
    }
    at += LOCAL + number(a->bytes + at + 26, 2) + number(a->bytes + at + 28, 2);
    if (at > a->size || bytes > a->size - at || bytes != stored) {
        return damaged(a, "an entry of the zip archive is larger than what follows");
    }
    out->data = a->bytes + at;
    out->bytes = (size_t)bytes;
    return BNN_OK;
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length) {
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare(const void *a, const void *b) {
    const bnn_zip_entry *x = a, *y = b;
    return compare_text(x->name, x->name_length, y->name, y->name_length);
}

bnn_code bnn_zip_read(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                      bnn_zip *out, bnn_error *err) {
    const archive a = {name, bytes, size, err};
    directory list;
    *out = (bnn_zip){0};
    bnn_code code = find_directory(&a, &list);
    if (code != BNN_OK) {
        return code;
    }
    out->entry = bnn_arena_alloc(arena, ((size_t)list.count + 1) * sizeof *out->entry);
    if (!out->entry) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for its entries", name);
    }
    const unsigned char *record = a.bytes + list.at, *end = record + list.bytes;
    for (; out->count < list.count && code == BNN_OK; out->count++) {
        size_t left = (size_t)(end - record), whole = CENTRAL;
        if (left >= CENTRAL && memcmp(record, "PK\1\2", 4) == 0) {
            whole +=
                (size_t)(number(record + 28, 2) + number(record + 30, 2) + number(record + 32, 2));
        } else {
            left = 0;
        }
        code = left >= whole ? read_entry(&a, record, &out->entry[out->count])
                             : damaged(&a, "the zip archive's list of entries ends early");
        record += code == BNN_OK ? whole : 0;
    }
    if (code == BNN_OK) {
        qsort(out->entry, out->count, sizeof *out->entry, compare);
    }
    return code;
}

const bnn_zip_entry *bnn_zip_find(const bnn_zip *zip, const char *folder, size_t folder_length,
                                  const char *file, size_t file_length) {
    size_t low = 0, high = zip->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const bnn_zip_entry *e = &zip->entry[middle];
        size_t head = e->name_length < folder_length ? e->name_length : folder_length;
        int order = compare_text(e->name, head, folder, folder_length);
        if (order == 0) {
            order = compare_text(e->name + head, e->name_length - head, file, file_length);
        }
        if (order == 0) {
            return e;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

#include "models/export/described.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    const unsigned char *data;
    size_t size;
} bytes;

/* Of our writers: a few hundred class names. */
#define LONGEST ((size_t)1 << 20)

static json_t *text_of(bytes b) {
    return json_stringn((const char *)b.data, b.size); /* NULL where it is no UTF-8 */
}

/* ---- FlatBuffers: the description is field 3 of the root table ---- */

static int number(bytes b, size_t at, size_t width, size_t *value) {
    if (at > b.size || width > b.size - at) {
        return 0;
    }
    *value = 0;
    for (size_t i = width; i-- > 0;) {
        *value = *value << 8 | b.data[at + i];
    }
    return 1;
}

/* Where the offset at `at` leads. */
static int follow(bytes b, size_t at, size_t *to) {
    size_t offset;
    if (!number(b, at, 4, &offset) || offset == 0 || offset > b.size - at) {
        return 0;
    }
    *to = at + offset;
    return 1;
}

static json_t *describe_flatbuffer(bytes b) {
    enum { DESCRIPTION = 3 };
    size_t table, back, vtable, vtable_bytes, slot, string, length;
    if (!follow(b, 0, &table) || !number(b, table, 4, &back) || back > table) {
        return NULL;
    }
    vtable = table - back;
    if (!number(b, vtable, 2, &vtable_bytes) || vtable_bytes < 4 + 2 * (DESCRIPTION + 1) ||
        !number(b, vtable + 4 + 2 * DESCRIPTION, 2, &slot) || slot == 0 || slot > b.size - table ||
        !follow(b, table + slot, &string) || !number(b, string, 4, &length) ||
        length > b.size - string - 4 || length > LONGEST) {
        return NULL;
    }
    return json_loadb((const char *)b.data + string + 4, length, JSON_REJECT_DUPLICATES, NULL);
}

/* ---- ONNX: entries of field 14, each a key (1) and a value (2) ---- */

static int varint(bytes *b, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && b->size > 0; shift += 7) {
        const unsigned char byte = *b->data++;
        b->size--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return 1;
        }
    }
    return 0;
}

/* The next field of a message: its number, and its content where it is bytes. 0: no more, or no
 * message. */
static int next_field(bytes *b, uint64_t *field, bytes *content) {
    static const size_t fixed[8] = {[1] = 8, [5] = 4};
    uint64_t tag, length = 0;
    if (b->size == 0 || !varint(b, &tag)) {
        return 0;
    }
    const unsigned wire = tag & 7;
    *field = tag >> 3;
    if (wire == 0) {
        *content = (bytes){NULL, 0};
        return varint(b, &length);
    }
    if (wire == 2 ? !varint(b, &length) : !fixed[wire]) {
        return 0;
    }
    length = wire == 2 ? length : fixed[wire];
    if (length > b->size) {
        return 0;
    }
    *content = (bytes){wire == 2 ? b->data : NULL, (size_t)length};
    b->data += length;
    b->size -= (size_t)length;
    return 1;
}

static int add_entry(json_t *object, bytes entry) {
    bytes part[3] = {{0}}, content;
    uint64_t field;
    while (next_field(&entry, &field, &content)) {
        if (field == 1 || field == 2) {
            part[field] = content;
        }
    }
    json_t *key = part[1].data && part[1].size <= LONGEST ? text_of(part[1]) : NULL;
    json_t *value = part[2].data && part[2].size <= LONGEST ? text_of(part[2]) : NULL;
    int ok = key && value && json_object_set(object, json_string_value(key), value) == 0;
    json_decref(key);
    json_decref(value);
    return ok;
}

static json_t *describe_onnx(bytes b) {
    json_t *object = json_object();
    bytes content;
    uint64_t field;
    int ok = object != NULL;
    while (ok && next_field(&b, &field, &content)) {
        ok = field != 14 || (content.data && add_entry(object, content));
    }
    if (!ok || b.size > 0 || json_object_size(object) == 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- both ---- */

/* A file of ours that holds the metadata and nothing else. */
static bnn_code make_file(const char *name, json_t *metadata, bnn_st_file **out, bnn_error *err) {
    json_t *header = json_pack("{s:O}", "__metadata__", metadata);
    /* Measured first: where json_dumps runs out of memory, it may leave a key out and go on. */
    const size_t length = header ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    unsigned char *whole = length ? malloc(8 + length) : NULL;
    bnn_code code;
    if (!whole || json_dumpb(header, (char *)whole + 8, length, JSON_COMPACT) != length) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    } else {
        for (int i = 0; i < 8; i++) {
            whole[i] = (unsigned char)((uint64_t)length >> (8 * i));
        }
        code = bnn_st_parse(name, whole, 8 + length, out, err);
    }
    free(whole);
    json_decref(header);
    return code;
}

bnn_code bnn_described_parse(const char *name, const unsigned char *data, size_t size,
                             bnn_st_file **out, bnn_error *err) {
    const bytes b = {data, size};
    *out = NULL;
    json_t *metadata =
        size >= 8 && memcmp(data + 4, "TFL3", 4) == 0 ? describe_flatbuffer(b) : describe_onnx(b);
    bnn_code code =
        json_is_object(metadata) && json_object_get(metadata, "arch")
            ? make_file(name, metadata, out, err)
            : bnn_fail(err, BNN_ERR_FORMAT,
                       "%s: is no .tflite or .onnx file of bnn-export, or damaged", name);
    json_decref(metadata);
    return code;
}

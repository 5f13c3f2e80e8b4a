/* Everything the tests of the programs read that no program writes: small data sets that can be
 * learnt, broken variants of them and of model files; and a look into JSON and safetensors files,
 * which a shell cannot take. The same bytes on every machine. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "engine/io/safetensors.h"
#include "models/bnn.h"
#include "tests/fixtures/jpeg_fixture.h"
#include "tests/programs/alter_weights.h"
#include "tests/programs/init_network.h"

enum { CLASSES = 10, SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, GREY = 28 };
enum { TRAIN = 512, TEST = 200, CORRUPT = 40, SEVERITIES = 5 };

static void die(const char *what, const char *which) {
    fprintf(stderr, "make_data: %s %s: %s\n", what, which, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *allocate(size_t bytes) {
    void *p = calloc(bytes + 1, 1); /* + 1: read as text, it ends */
    if (!p) {
        die("out of memory for", "data");
    }
    return p;
}

/* ---- files ---- */

typedef struct text {
    char s[4096];
} text;

static text join(const char *folder, const char *name) {
    text path;
    if (snprintf(path.s, sizeof path.s, "%s/%s", folder, name) >= (int)sizeof path.s) {
        die("too long:", name);
    }
    return path;
}

static text folder_in(const char *folder, const char *name) {
    text path = join(folder, name);
    if (mkdir(path.s, 0777) && errno != EEXIST) {
        die("cannot make", path.s);
    }
    return path;
}

static void write_file(const char *folder, const char *name, const void *bytes, size_t size) {
    text path = join(folder, name);
    FILE *file = fopen(path.s, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
        die("cannot write", path.s);
    }
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info)) {
        die("cannot read", path);
    }
    *size = (size_t)info.st_size;
    unsigned char *bytes = allocate(*size);
    if (fread(bytes, 1, *size, file) != *size) {
        die("cannot read", path);
    }
    fclose(file);
    return bytes;
}

/* ---- pictures ---- */

static uint32_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A class is a colour and a direction of stripes; `noise` blurs it. */
static unsigned char pixel(int label, int c, int y, int x, int noise, uint64_t *state) {
    static const int step[CLASSES][2] = {{0, 1}, {1, 0}, {1, 1}, {1, 3}, {0, 2},
                                         {2, 0}, {2, 1}, {1, 2}, {3, 1}, {0, 3}};
    int stripe = ((step[label][0] * y + step[label][1] * x) / 4 % 2) * 70;
    int value = 40 + (label * (3 + 4 * c) % CLASSES) * 12 + stripe;
    value += (int)(random_bits(state) % (unsigned)(2 * noise + 1)) - noise;
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static int label_of(size_t index) {
    return (int)(index * 7 % CLASSES);
}

static unsigned char *cifar_records(size_t first, size_t count) {
    unsigned char *bytes = allocate(count * RECORD), *p = bytes;
    uint64_t state = first + 1;
    for (size_t i = 0; i < count; i++) {
        int label = label_of(first + i);
        *p++ = (unsigned char)label;
        for (int at = 0; at < 3 * PLANE; at++) {
            *p++ = pixel(label, at / PLANE, at % PLANE / SIDE, at % SIDE, 60, &state);
        }
    }
    return bytes;
}

static void write_cifar(const char *folder, const char *name, size_t first, size_t count) {
    unsigned char *bytes = cifar_records(first, count);
    write_file(folder, name, bytes, count * RECORD);
    free(bytes);
}

static text cifar_in(const char *root, const char *name) {
    text folder = folder_in(root, name);
    size_t first = 0;
    for (int i = 1; i <= 5; i++) {
        char file[32];
        size_t count = TRAIN / 5 + (i <= TRAIN % 5);
        snprintf(file, sizeof file, "data_batch_%d.bin", i);
        write_cifar(folder.s, file, first, count);
        first += count;
    }
    write_cifar(folder.s, "test_batch.bin", 100000, TEST);
    return folder;
}

/* ---- IDX ---- */

static void put_big_endian(unsigned char *p, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

static unsigned char *idx_images(size_t first, size_t count, size_t *size) {
    unsigned char *bytes = allocate(*size = 16 + count * GREY * GREY), *p = bytes + 16;
    uint64_t state = first + 1;
    put_big_endian(bytes, 0x803);
    put_big_endian(bytes + 4, (uint32_t)count);
    put_big_endian(bytes + 8, GREY);
    put_big_endian(bytes + 12, GREY);
    for (size_t i = 0; i < count; i++) {
        for (int at = 0; at < GREY * GREY; at++) {
            *p++ = pixel(label_of(first + i), 0, at / GREY, at % GREY, 60, &state);
        }
    }
    return bytes;
}

static unsigned char *idx_labels(size_t first, size_t count, size_t *size) {
    unsigned char *bytes = allocate(*size = 8 + count);
    put_big_endian(bytes, 0x801);
    put_big_endian(bytes + 4, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes[8 + i] = (unsigned char)label_of(first + i);
    }
    return bytes;
}

static unsigned char *gzip(const unsigned char *bytes, size_t size, size_t *packed) {
    z_stream z = {0};
    unsigned char *out = allocate(size + 1024);
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        die("cannot", "deflate");
    }
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)(size + 1024);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        die("cannot", "deflate");
    }
    *packed = z.total_out;
    deflateEnd(&z);
    return out;
}

/* Writes NAME, or NAME.gz; frees the bytes. */
static void write_idx(const char *folder, const char *name, unsigned char *bytes, size_t size,
                      int compressed) {
    char file[64];
    snprintf(file, sizeof file, "%s%s", name, compressed ? ".gz" : "");
    if (compressed) {
        unsigned char *packed = gzip(bytes, size, &size);
        free(bytes);
        bytes = packed;
    }
    write_file(folder, file, bytes, size);
    free(bytes);
}

static text idx_in(const char *root, const char *name, int compressed) {
    static const char *const parts[] = {"train", "t10k"};
    text folder = folder_in(root, name);
    for (int i = 0; i < 2; i++) {
        char file[64];
        size_t size, first = i ? 100000 : 0, count = i ? TEST : TRAIN;
        snprintf(file, sizeof file, "%s-images-idx3-ubyte", parts[i]);
        unsigned char *bytes = idx_images(first, count, &size);
        write_idx(folder.s, file, bytes, size, compressed);
        snprintf(file, sizeof file, "%s-labels-idx1-ubyte", parts[i]);
        bytes = idx_labels(first, count, &size);
        write_idx(folder.s, file, bytes, size, compressed);
    }
    return folder;
}

/* ---- CIFAR-10-C ---- */

static unsigned char *npy(const char *type, const char *shape, const unsigned char *data,
                          size_t data_size, size_t *size) {
    unsigned char *bytes = allocate(128 + data_size);
    char header[119];
    int n = snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    memset(header + n, ' ', sizeof header - (size_t)n);
    header[117] = '\n';
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(bytes + 10, header, 118);
    memcpy(bytes + 128, data, data_size);
    *size = 128 + data_size;
    return bytes;
}

static void write_npy(const char *folder, const char *name, const char *type, const char *shape,
                      const unsigned char *data, size_t data_size) {
    size_t size;
    unsigned char *bytes = npy(type, shape, data, data_size, &size);
    write_file(folder, name, bytes, size);
    free(bytes);
}

/* Severity 1 is a test image with a little more noise, severity 5 with much. */
static unsigned char *corrupted(uint64_t seed, int count, size_t *size) {
    unsigned char *bytes = allocate(*size = (size_t)(SEVERITIES * count * 3 * PLANE)), *p = bytes;
    uint64_t state = seed;
    for (int i = 0; i < SEVERITIES * count; i++) {
        for (int at = 0; at < 3 * PLANE; at++) {
            *p++ = pixel(label_of((size_t)(i % count)), at % 3, at / 3 / SIDE, at / 3 % SIDE,
                         60 + 20 * (i / count), &state);
        }
    }
    return bytes;
}

static text corruptions_in(const char *root, const char *name, int count, int files) {
    static const char *const names[] = {"gaussian_noise.npy", "fog.npy", "saturate.npy"};
    unsigned char labels[SEVERITIES * TEST];
    text folder = folder_in(root, name);
    char shape[64];
    for (int i = 0; i < files; i++) {
        size_t size;
        unsigned char *bytes = corrupted((uint64_t)i + 1, count, &size);
        snprintf(shape, sizeof shape, "%d, %d, %d, 3", SEVERITIES * count, SIDE, SIDE);
        write_npy(folder.s, names[i], "|u1", shape, bytes, size);
        free(bytes);
    }
    for (int i = 0; i < SEVERITIES * count; i++) {
        labels[i] = (unsigned char)label_of((size_t)(i % count));
    }
    snprintf(shape, sizeof shape, "%d,", SEVERITIES * count);
    write_npy(folder.s, "labels.npy", "|u1", shape, labels, (size_t)(SEVERITIES * count));
    return folder;
}

/* ---- broken data ---- */

/* Sets one byte, or (value < 0) flips its bits; at < 0 counts from the end. */
static void patch(text folder, const char *name, long at, int value) {
    text path = join(folder.s, name);
    size_t size;
    unsigned char *bytes = read_file(path.s, &size);
    unsigned char *p = bytes + (at < 0 ? (long)size + at : at);
    *p = (unsigned char)(value < 0 ? ~*p : value);
    write_file(folder.s, name, bytes, size);
    free(bytes);
}

/* Makes a file longer (with zeros) or shorter. */
static void resize(text folder, const char *name, long by) {
    text path = join(folder.s, name);
    struct stat info;
    if (stat(path.s, &info) || truncate(path.s, info.st_size + by)) {
        die("cannot resize", path.s);
    }
}

static void drop(text folder, const char *name) {
    text path = join(folder.s, name);
    if (unlink(path.s)) {
        die("cannot remove", path.s);
    }
}

static void break_cifar(const char *root) {
    resize(cifar_in(root, "cifar-truncated"), "data_batch_3.bin", -1000);
    resize(cifar_in(root, "cifar-oversized"), "data_batch_1.bin", 10000L * RECORD);
    resize(cifar_in(root, "cifar-wrong-size"), "test_batch.bin", 1);
    patch(cifar_in(root, "cifar-label"), "data_batch_2.bin", 5L * RECORD, CLASSES);
    resize(cifar_in(root, "cifar-empty-file"), "data_batch_5.bin", -(long)(TRAIN / 5) * RECORD);
    drop(cifar_in(root, "cifar-missing-file"), "data_batch_4.bin");
}

static void break_idx(const char *root) {
    static const char images[] = "train-images-idx3-ubyte", labels[] = "t10k-labels-idx1-ubyte";
    resize(idx_in(root, "idx-truncated", 0), images, -1);
    resize(idx_in(root, "idx-oversized", 0), images, 1);
    patch(idx_in(root, "idx-magic", 0), images, 3, 1);
    patch(idx_in(root, "idx-huge-count", 0), images, 4, 255);
    patch(idx_in(root, "idx-side", 0), images, 11, 27);
    patch(idx_in(root, "idx-label", 0), labels, 10, 200);
    text folder = idx_in(root, "idx-counts", 0);
    patch(folder, labels, 7, TEST - 1);
    resize(folder, labels, -1);
    drop(idx_in(root, "idx-missing-file", 0), labels);
    static const char packed[] = "train-images-idx3-ubyte.gz";
    patch(idx_in(root, "gzip-corrupt", 1), packed, 5000, -1);
    resize(idx_in(root, "gzip-truncated", 1), packed, -5000);
    patch(idx_in(root, "gzip-checksum", 1), packed, -6, -1);
    patch(idx_in(root, "gzip-label", 1), "t10k-labels-idx1-ubyte.gz", 1, 0);
}

static void break_corruptions(const char *root) {
    static const unsigned char zeros[SEVERITIES * PLANE * 3];
    resize(corruptions_in(root, "c-truncated", 2, 2), "fog.npy", -1);
    resize(corruptions_in(root, "c-oversized", 2, 2), "fog.npy", 1);
    patch(corruptions_in(root, "c-magic", 2, 2), "fog.npy", 1, 'X');
    patch(corruptions_in(root, "c-header", 2, 2), "fog.npy", 10, 'X');
    patch(corruptions_in(root, "c-label", 2, 1), "labels.npy", -1, 77);
    write_npy(corruptions_in(root, "c-type", 2, 1).s, "fog.npy", "|i1", "5, 32, 32, 3", zeros,
              sizeof zeros);
    write_npy(corruptions_in(root, "c-shape", 1, 1).s, "fog.npy", "|u1", "5, 3, 32, 32", zeros,
              sizeof zeros);
    write_npy(corruptions_in(root, "c-counts", 2, 1).s, "fog.npy", "|u1", "5, 32, 32, 3", zeros,
              sizeof zeros);
    write_npy(corruptions_in(root, "c-name", 1, 1).s, "fogg.npy", "|u1", "5, 32, 32, 3", zeros,
              sizeof zeros);
    drop(corruptions_in(root, "c-no-labels", 2, 1), "labels.npy");
    folder_in(root, "c-nothing");
}

static int make_data(const char *root) {
    text bad = folder_in(root, "bad");
    cifar_in(root, "cifar");
    idx_in(root, "idx", 0);
    idx_in(root, "idx-gz", 1);
    corruptions_in(root, "cifar-c", CORRUPT, 3);
    break_cifar(bad.s);
    break_idx(bad.s);
    break_corruptions(bad.s);
    return EXIT_SUCCESS;
}

/* ---- photographs ---- */

/* DIR/{train,val}/{ant,bee,cow}/N.JPEG, of many sizes. */
static int photos(const char *root) {
    static const char *const splits[] = {"train", "val"}, *const classes[] = {"ant", "bee", "cow"};
    for (int i = 0; i < 2 * 3 * 3; i++) {
        text split = folder_in(root, splits[i % 2]), class = folder_in(split.s, classes[i / 2 % 3]);
        const jpeg_kind kind = {.channels = i % 5 ? 3 : 1, .halved = i % 3 == 0};
        char name[32];
        size_t size;
        unsigned char *bytes = make_jpeg(150 + 60 * i, 900 - 40 * i, i, kind, &size);
        snprintf(name, sizeof name, "%d.JPEG", i);
        write_file(class.s, name, bytes, size);
        free(bytes);
    }
    return EXIT_SUCCESS;
}

/* PASCAL VOC of 2012, of so many photographs a split: each with a box of one of two kinds. */
static int boxes(const char *root, int count) {
    text kit = folder_in(root, "VOCdevkit"), year = folder_in(kit.s, "VOC2012");
    text images = folder_in(year.s, "JPEGImages"), notes = folder_in(year.s, "Annotations");
    text sets = folder_in(year.s, "ImageSets"), lists = folder_in(sets.s, "Main");
    for (int split = 0; split < 2; split++) {
        char list[4096] = "", name[64], note[1024];
        for (int i = 0; i < count; i++) {
            const int w = 200 + 20 * i, h = 260 - 30 * split, number = 2 * i + split;
            size_t size;
            unsigned char *bytes = make_jpeg(w, h, number, (jpeg_kind){.channels = 3}, &size);
            snprintf(name, sizeof name, "2012_%06d.jpg", number);
            write_file(images.s, name, bytes, size);
            free(bytes);
            const int used = snprintf(
                note, sizeof note,
                "<annotation><size><width>%d</width><height>%d</height><depth>3</depth></size>"
                "<object><name>%s</name><difficult>0</difficult><bndbox><xmin>%d</xmin>"
                "<ymin>20</ymin><xmax>%d</xmax><ymax>150</ymax></bndbox></object></annotation>\n",
                w, h, i % 2 ? "cat" : "person", 10 + 10 * i, 160 + 10 * i);
            snprintf(name, sizeof name, "2012_%06d.xml", number);
            write_file(notes.s, name, note, (size_t)used);
            snprintf(list + strlen(list), sizeof list - strlen(list), "2012_%06d\n", number);
        }
        write_file(lists.s, split ? "val.txt" : "train.txt", list, strlen(list));
    }
    return EXIT_SUCCESS;
}

/* ---- broken models ---- */

typedef struct model {
    const char *out; /* folder of the variants */
    unsigned char *bytes;
    size_t size, header; /* bytes of the header */
} model;

static json_t *header_of(const model *m) {
    json_t *root = json_loadb((const char *)m->bytes + 8, m->header, 0, NULL);
    if (!root) {
        die("no header in", "the model");
    }
    return root;
}

static void write_length(unsigned char *bytes, uint64_t length) {
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(length >> (8 * i));
    }
}

/* The model's data behind another header; frees it. */
static void write_header(const model *m, const char *name, json_t *root) {
    char *header = json_dumps(root, JSON_COMPACT);
    size_t length = header ? strlen(header) : 0, data = m->size - 8 - m->header;
    unsigned char *bytes = allocate(8 + length + data);
    write_length(bytes, length);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, m->bytes + 8 + m->header, data);
    write_file(m->out, name, bytes, 8 + length + data);
    free(bytes);
    free(header);
    json_decref(root);
}

/* The model with another length in front. */
static void write_with_length(const model *m, const char *name, uint64_t length) {
    unsigned char *bytes = allocate(m->size);
    memcpy(bytes, m->bytes, m->size);
    write_length(bytes, length);
    write_file(m->out, name, bytes, m->size);
    free(bytes);
}

/* Metadata key = value, or without the key. */
static void write_metadata(const model *m, const char *name, const char *key, const char *value) {
    json_t *root = header_of(m), *meta = json_object_get(root, "__metadata__");
    if (value) {
        json_object_set_new(meta, key, json_string(value));
    } else {
        json_object_del(meta, key);
    }
    write_header(m, name, root);
}

/* As before checkpoints said which data they were trained on. */
static void write_without_data(const model *m, const char *name) {
    json_t *root = header_of(m), *meta = json_object_get(root, "__metadata__");
    if (json_object_del(meta, "train_data") || json_object_del(meta, "test_data")) {
        die("no data in", "the model");
    }
    write_header(m, name, root);
}

/* A tensor's field replaced. */
static void write_field(const model *m, const char *name, const char *tensor, const char *field,
                        json_t *value) {
    json_t *root = header_of(m), *entry = json_object_get(root, tensor);
    if (!entry || !value) {
        die("no tensor", tensor);
    }
    json_object_set_new(entry, field, value);
    write_header(m, name, root);
}

/* A tensor under another name: the file is sound, but the tensor is missing. */
static void write_renamed(const model *m, const char *name, const char *tensor) {
    json_t *root = header_of(m), *entry = json_object_get(root, tensor);
    if (!entry || json_object_set(root, "a.stranger", entry) || json_object_del(root, tensor)) {
        die("no tensor", tensor);
    }
    write_header(m, name, root);
}

static json_int_t offset_of(const model *m, const char *tensor, size_t which) {
    json_t *root = header_of(m);
    json_t *offsets = json_object_get(json_object_get(root, tensor), "data_offsets");
    json_int_t value = json_integer_value(json_array_get(offsets, which));
    json_decref(root);
    return value;
}

/* A tensor's first number becomes another. */
static void write_value(const model *m, const char *name, const char *tensor, float value) {
    unsigned char *bytes = allocate(m->size);
    memcpy(bytes, m->bytes, m->size);
    memcpy(bytes + 8 + m->header + offset_of(m, tensor, 0), &value, sizeof value);
    write_file(m->out, name, bytes, m->size);
    free(bytes);
}

static void break_header(const model *m) {
    write_file(m->out, "cut-short", m->bytes, m->size - 100);
    write_file(m->out, "cut-in-header", m->bytes, 8 + m->header / 2);
    write_file(m->out, "seven-bytes", m->bytes, 7);
    write_with_length(m, "length-zero", 0);
    write_with_length(m, "length-negative", UINT64_MAX);
    write_with_length(m, "length-past-end", m->size - 7);
    write_with_length(m, "length-short", m->header - 10);
    write_metadata(m, "no-format", "format", NULL);
    write_metadata(m, "other-format", "format", "bnn-checkpoint-999");
    write_metadata(m, "no-arch", "arch", NULL);
    write_metadata(m, "arch-unknown", "arch", "resnet21");
    write_metadata(m, "algo-unknown", "algo", "binarynet");
    write_metadata(m, "phase-unknown", "phase", "7");
    write_metadata(m, "input-damaged", "input", "3x32");
    write_metadata(m, "input-huge", "input", "3x65536x65536");
    write_metadata(m, "classes-damaged", "classes", "10 or so");
}

static void break_tensors(const model *m, const char *tensor) {
    json_int_t begin = offset_of(m, tensor, 0), end = offset_of(m, tensor, 1);
    write_renamed(m, "missing-tensor", tensor);
    write_field(m, "overlap", tensor, "data_offsets", json_pack("[I,I]", begin - 4, end - 4));
    write_field(m, "overflow", tensor, "data_offsets",
                json_pack("[I,I]", INT64_MAX - (end - begin), (json_int_t)INT64_MAX));
    write_field(m, "negative-offset", tensor, "data_offsets",
                json_pack("[I,I]", begin - end, (json_int_t)0));
    write_field(m, "reversed-offsets", tensor, "data_offsets", json_pack("[I,I]", end, begin));
    write_field(m, "shape-overflow", tensor, "shape", json_pack("[I,I]", 1LL << 40, 1LL << 40));
    write_field(m, "shape-negative", tensor, "shape", json_pack("[i,I]", -1, (begin - end) / 4));
    write_field(m, "misshapen", tensor, "shape", json_pack("[I]", (end - begin) / 4));
    write_field(m, "wrong-type", tensor, "dtype", json_string("I32"));
    write_field(m, "no-type", tensor, "dtype", json_string("F31"));
    write_value(m, "not-finite", tensor, NAN);
}

static model open_model(const char *path, const char *out) {
    model m = {.out = out};
    m.bytes = read_file(path, &m.size);
    for (int i = 0; i < 8; i++) {
        m.header |= (size_t)m.bytes[i] << (8 * i);
    }
    return m;
}

static int break_checkpoint(const char *path, const char *out) {
    model m = open_model(path, out);
    break_header(&m);
    break_tensors(&m, "layer1.0.conv2.weight");
    write_metadata(&m, "arch-other", "arch", "resnet18");
    write_metadata(&m, "algo-other", "algo", "reactnet");
    write_metadata(&m, "classes-other", "classes", "11");
    write_metadata(&m, "state-damaged", "step", "-1");
    write_metadata(&m, "state-far", "epoch", "1000");
    write_without_data(&m, "data-unknown");
    write_metadata(&m, "args-missing", "args", NULL);
    write_metadata(&m, "args-damaged", "args", "{\"epochs\": ");
    write_metadata(&m, "args-unknown", "args", "{\"epoch\": 3}");
    write_metadata(&m, "args-range", "args", "{\"epochs\": -3}");
    write_renamed(&m, "optimizer-missing", "optimizer.fc.weight.exp_avg");
    write_value(&m, "not-finite-fc", "fc.weight", NAN);
    write_value(&m, "infinite-fc", "fc.weight", INFINITY);
    free(m.bytes);
    return EXIT_SUCCESS;
}

/* Metadata that are not compressed can be altered. */
static int break_packed(const char *path, const char *out) {
    char plain[512], sum[] = "sum", *changes[] = {sum};
    snprintf(plain, sizeof plain, "%s.plain", path);
    if (alter_weights(path, plain, changes, 1) != EXIT_SUCCESS) {
        return EXIT_FAILURE;
    }
    model m = open_model(plain, out);
    break_header(&m);
    break_tensors(&m, "f");
    write_renamed(&m, "bits-missing", "b");
    write_renamed(&m, "thresholds-missing", "i");
    write_metadata(&m, "arch-other", "arch", "vgg_small");
    write_metadata(&m, "network-missing", "network", NULL);
    write_metadata(&m, "network-damaged", "network", "in image f1,32,32,");
    write_metadata(&m, "network-empty", "network", "");
    free(m.bytes);
    return EXIT_SUCCESS;
}

/* A file of somebody else: sound, but without our metadata. */
static int foreign(const char *path) {
    static const float ones[4] = {1, 1, 1, 1};
    static const int64_t shape[2] = {2, 2};
    bnn_error err = {0};
    bnn_st_writer *writer = bnn_st_writer_create();
    bnn_code code = bnn_st_add_tensor(writer, "weight", BNN_ST_F32, 2, shape, ones, &err);
    if (code == BNN_OK) {
        code = bnn_st_write(writer, path, &err);
    }
    bnn_st_writer_free(writer);
    return code == BNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- a look into files ---- */

/* PATH is like classes.3.top1; # stands for a list's length. Prints nothing but the value, real
 * numbers with `digits` behind the point. */
static int print_json(json_t *value, char *path, int digits) {
    for (char *key = strtok(path, "."); key; key = strtok(NULL, ".")) {
        if (strcmp(key, "#") == 0) {
            printf("%zu\n", json_array_size(value));
            return EXIT_SUCCESS;
        }
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
    }
    if (json_is_string(value)) {
        printf("%s\n", json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    } else if (json_is_real(value)) {
        printf("%.*f\n", digits, json_real_value(value));
    } else if (json_is_boolean(value)) {
        printf("%s\n", json_is_true(value) ? "true" : "false");
    } else {
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int json_value(const char *file, char *path, int digits) {
    json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);
    int rc = root ? print_json(root, path, digits) : EXIT_FAILURE;
    json_decref(root);
    return rc;
}

/* Every line is a JSON object. */
static int check_lines(const char *path) {
    char line[4096];
    FILE *file = fopen(path, "r");
    int rc = file ? EXIT_SUCCESS : EXIT_FAILURE;
    while (file && fgets(line, sizeof line, file)) {
        json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        rc = json_is_object(root) ? rc : EXIT_FAILURE;
        json_decref(root);
    }
    if (file) {
        fclose(file);
    }
    return rc;
}

static int metadata(const char *path, const char *key) {
    bnn_st_file *file;
    bnn_error err = {0};
    if (bnn_st_open(path, &file, &err) != BNN_OK) {
        fprintf(stderr, "make_data: %s\n", err.text);
        return EXIT_FAILURE;
    }
    const char *value = bnn_st_metadata(file, key);
    printf("%s\n", value ? value : "");
    bnn_st_close(file);
    return EXIT_SUCCESS;
}

/* ---- the library ---- */

/* The class that libbnn gives each of the first IDX test images, one a line. */
static int predict(const char *path, size_t count) {
    char error[BNN_ERROR_BYTES];
    size_t size;
    bnn_model *network = bnn_model_load(path, error);
    unsigned char *grey = idx_images(100000, count, &size), *from = grey + 16;
    uint8_t *pixels = allocate(count * PLANE * 3);
    float *logits = allocate(count * CLASSES * sizeof *logits);
    const int margin = (SIDE - GREY) / 2;
    for (size_t i = 0; i < count; i++) {
        for (int at = 0; at < GREY * GREY; at++) {
            int place = (at / GREY + margin) * SIDE + at % GREY + margin;
            memset(pixels + 3 * (i * PLANE + (size_t)place), *from++, 3);
        }
    }
    int failed = !network || bnn_model_run_pixels(network, count, pixels, logits, error) != 0;
    if (failed) {
        fprintf(stderr, "make_data: %s\n", error);
    }
    for (size_t i = 0; !failed && i < count; i++) {
        int best = 0;
        for (int c = 1; c < CLASSES; c++) {
            best = logits[i * CLASSES + (size_t)c] > logits[i * CLASSES + (size_t)best] ? c : best;
        }
        printf("%d\n", best);
    }
    bnn_model_free(network);
    free(grey);
    free(pixels);
    free(logits);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- binary PLY ---- */

static void print_word(uint32_t word, int bytes, int big_endian) {
    for (int i = 0; i < bytes; i++) {
        putchar((int)(word >> 8 * (big_endian ? bytes - 1 - i : i) & 0xff));
    }
}

/* The records of an OFF file, a line each: three floats a vertex, a byte and whole numbers a face.
 */
static int print_records(const char *format, const char *off) {
    const int big_endian = strcmp(format, "binary_big_endian") == 0;
    size_t size;
    unsigned char *bytes = read_file(off, &size);
    unsigned long vertices, faces;
    char *at = strchr((char *)bytes, '\n');
    vertices = strtoul(at, &at, 10);
    faces = strtoul(at, &at, 10);
    strtoul(at, &at, 10);
    for (unsigned long i = 0; i < 3 * vertices; i++) {
        float value = strtof(at, &at);
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        print_word(word, 4, big_endian);
    }
    for (unsigned long i = 0; i < faces; i++) {
        unsigned long corners = strtoul(at, &at, 10);
        print_word((uint32_t)corners, 1, big_endian);
        while (corners--) {
            print_word((uint32_t)strtoul(at, &at, 10), 4, big_endian);
        }
    }
    free(bytes);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "data") == 0) {
        return make_data(argv[2]);
    }
    if (argc == 3 && strcmp(what, "photos") == 0) {
        return photos(argv[2]);
    }
    if (argc == 4 && strcmp(what, "boxes") == 0) {
        return boxes(argv[2], atoi(argv[3]));
    }
    if (argc == 4 && strcmp(what, "break-checkpoint") == 0) {
        return break_checkpoint(argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(what, "break-packed") == 0) {
        return break_packed(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(what, "foreign") == 0) {
        return foreign(argv[2]);
    }
    if (argc >= 4 && strcmp(what, "alter") == 0) {
        return alter_weights(argv[2], argv[3], argv + 4, argc - 4);
    }
    if (argc == 8 && strcmp(what, "init") == 0) {
        return init_network(argv[2], argv[3], argv[4], argv[5], argv[6], argv[7]);
    }
    if (argc == 5 && strcmp(what, "json") == 0) {
        return json_value(argv[2], argv[3], atoi(argv[4]));
    }
    if (argc == 4 && strcmp(what, "ply-records") == 0) {
        return print_records(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(what, "json-lines") == 0) {
        return check_lines(argv[2]);
    }
    if (argc == 4 && strcmp(what, "metadata") == 0) {
        return metadata(argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(what, "predict") == 0) {
        return predict(argv[2], strtoul(argv[3], NULL, 10));
    }
    fprintf(stderr,
            "make_data: data DIR | photos DIR | boxes DIR N | break-checkpoint FILE DIR | "
            "break-packed FILE DIR "
            "| foreign FILE"
            " | alter FILE FILE CHANGE... | init ARCH ALGO CxHxW CLASSES WEIGHTS FILE | json FILE "
            "PATH DIGITS"
            " | ply-records FORMAT FILE | json-lines FILE | metadata "
            "FILE KEY | predict MODEL COUNT\n");
    return EXIT_FAILURE;
}

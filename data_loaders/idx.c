/* MNIST and Fashion-MNIST, in the IDX format (http://yann.lecun.com/exdb/mnist), plain or
 * gzip-compressed. Both are read whole into memory (47 MB), since one of the two must be unpacked
 * anyway. The grey 28x28 pictures are shown as 32x32x3, so that every CIFAR-10 network fits. */
#define ZLIB_CONST /* zlib then reads through const pointers */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/dataset.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

#define SIDE 32
#define CLASSES 10
#define CROP_PADDING 4
#define PIXELS ((size_t)BNN_IDX_SIDE * BNN_IDX_SIDE)
#define MAGIC_LABELS 2049u
#define MAGIC_IMAGES 2051u
#define DEFLATE_MAX_RATIO 1032 /* no deflate stream grows more than this when it is unpacked */

/* ---- bytes, unpacked if need be ---- */
typedef struct reader {
    const unsigned char *bytes;
    size_t left;
    int compressed;
    int between; /* a gzip member has ended; another may follow */
    z_stream z;
    const char *fault; /* what is wrong with the compressed data */
} reader;

static bnn_code reader_open(reader *r, const char *name, const unsigned char *bytes, size_t size,
                            bnn_error *err) {
    *r = (reader){.bytes = bytes, .left = size};
    r->compressed = size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (r->compressed && inflateInit2(&r->z, 16 + MAX_WBITS) != Z_OK) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for unpacking", name);
    }
    return BNN_OK;
}

static void reader_close(reader *r) {
    if (r->compressed) {
        inflateEnd(&r->z);
    }
}

static unsigned chunk_of(size_t bytes) {
    const size_t most = (size_t)1 << 30; /* zlib counts in 32 bits */
    return (unsigned)(bytes < most ? bytes : most);
}

static int only_zeros(const unsigned char *bytes, size_t n) {
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Unpacks up to n bytes; fewer at the end of the data or at a fault. */
static size_t inflate_some(reader *r, unsigned char *out, size_t n) {
    size_t got = 0;
    while (got < n && !r->fault) {
        if (r->z.avail_in == 0) {
            unsigned chunk = chunk_of(r->left);
            if (chunk == 0) {
                r->fault = r->between ? NULL : "it is cut off";
                break;
            }
            r->z.next_in = r->bytes;
            r->z.avail_in = chunk;
            r->bytes += chunk;
            r->left -= chunk;
        }
        if (r->between) {
            if (only_zeros(r->z.next_in, r->z.avail_in) && only_zeros(r->bytes, r->left)) {
                break; /* padding, as of a tape's blocks */
            }
            inflateReset(&r->z);
            r->between = 0;
        }
        unsigned room = chunk_of(n - got);
        r->z.next_out = out + got;
        r->z.avail_out = room;
        int status = inflate(&r->z, Z_NO_FLUSH);
        got += room - r->z.avail_out;
        if (status == Z_STREAM_END) {
            r->between = 1;
        } else if (status != Z_OK && !(status == Z_BUF_ERROR && r->z.avail_in == 0)) {
            r->fault = r->z.msg ? r->z.msg : zError(status);
        }
    }
    return got;
}

static size_t reader_read(reader *r, unsigned char *out, size_t n) {
    if (r->compressed) {
        return inflate_some(r, out, n);
    }
    n = n < r->left ? n : r->left;
    if (n > 0) {
        memcpy(out, r->bytes, n);
        r->bytes += n;
        r->left -= n;
    }
    return n;
}

/* ---- the format ---- */
static bnn_code fail_short(const reader *r, const char *name, uint64_t got, uint64_t expected,
                           bnn_error *err) {
    if (r->fault) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the gzip data is damaged after %llu unpacked bytes (%s); download the "
                        "file again",
                        name, (unsigned long long)got, r->fault);
    }
    return bnn_fail(err, BNN_ERR_FORMAT, "%s: %llu bytes%s, expected %llu; download the file again",
                    name, (unsigned long long)got, r->compressed ? " when unpacked" : "",
                    (unsigned long long)expected);
}

static bnn_code read_header(reader *r, const char *name, bnn_idx_kind kind, uint32_t *count,
                            bnn_error *err) {
    unsigned char header[16];
    const int images = kind == BNN_IDX_IMAGES;
    const size_t bytes = images ? 16 : 8;
    const uint32_t magic = images ? MAGIC_IMAGES : MAGIC_LABELS;
    size_t got = reader_read(r, header, bytes);
    if (got < bytes) {
        return fail_short(r, name, got, bytes, err);
    }
    if (bnn_big_endian(header) != magic) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: begins with %u, an IDX file of %s begins with %u; is it another file "
                        "renamed?",
                        name, bnn_big_endian(header), images ? "images" : "labels", magic);
    }
    *count = bnn_big_endian(header + 4);
    if (*count == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: holds no %s; download the file again", name,
                        images ? "images" : "labels");
    }
    if (images && (bnn_big_endian(header + 8) != BNN_IDX_SIDE ||
                   bnn_big_endian(header + 12) != BNN_IDX_SIDE)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: images of %ux%u, expected %dx%d; only MNIST and its likes are read",
                        name, bnn_big_endian(header + 8), bnn_big_endian(header + 12), BNN_IDX_SIDE,
                        BNN_IDX_SIDE);
    }
    return BNN_OK;
}

/* Reads the `body` bytes the header promised and makes sure that nothing follows. */
static bnn_code read_body(reader *r, const char *name, size_t header, size_t body,
                          unsigned char *out, bnn_error *err) {
    size_t got = reader_read(r, out, body);
    if (got < body) {
        return fail_short(r, name, (uint64_t)header + got, (uint64_t)header + body, err);
    }
    unsigned char extra;
    got = reader_read(r, &extra, 1); /* also has zlib check the sum at the end */
    if (r->fault) {
        return fail_short(r, name, (uint64_t)header + body, 0, err);
    }
    if (got > 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: goes on after the %zu bytes its header promises; download the file "
                        "again",
                        name, header + body);
    }
    return BNN_OK;
}

static bnn_code check_labels(const char *name, const bnn_idx *idx, int classes, bnn_error *err) {
    for (size_t i = 0; i < idx->count; i++) {
        if (idx->data[i] >= classes) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: label %zu is %d, expected 0 to %d; the file is damaged or of "
                            "another data set",
                            name, i, idx->data[i], classes - 1);
        }
    }
    return BNN_OK;
}

static bnn_code parse_reader(reader *r, const char *name, size_t size, bnn_idx_kind kind,
                             bnn_idx *out, bnn_error *err) {
    uint32_t count;
    bnn_code code = read_header(r, name, kind, &count, err);
    if (code != BNN_OK) {
        return code;
    }
    const size_t header = kind == BNN_IDX_IMAGES ? 16 : 8;
    const uint64_t body = (uint64_t)count * (kind == BNN_IDX_IMAGES ? PIXELS : 1);
    /* The header may lie: nothing is allocated that these bytes could not fill. */
    const uint64_t ratio = r->compressed ? DEFLATE_MAX_RATIO : 1;
    if (header + body > ratio * size) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu %sbytes, too few for the %u %s its header promises (%llu bytes); "
                        "download the file again",
                        name, size, r->compressed ? "compressed " : "", count,
                        kind == BNN_IDX_IMAGES ? "images" : "labels",
                        (unsigned long long)(header + body));
    }
    out->count = count;
    out->data = malloc((size_t)body);
    if (!out->data) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory (%llu bytes)", name,
                        (unsigned long long)body);
    }
    return read_body(r, name, header, (size_t)body, out->data, err);
}

bnn_code bnn_idx_parse(const char *name, const unsigned char *bytes, size_t size, bnn_idx_kind kind,
                       int classes, bnn_idx *out, bnn_error *err) {
    *out = (bnn_idx){0};
    reader r;
    bnn_code code = reader_open(&r, name, bytes, size, err);
    if (code != BNN_OK) {
        return code;
    }
    code = parse_reader(&r, name, size, kind, out, err);
    reader_close(&r);
    if (code == BNN_OK && kind == BNN_IDX_LABELS) {
        code = check_labels(name, out, classes, err);
    }
    if (code != BNN_OK) {
        bnn_idx_free(out);
    }
    return code;
}

void bnn_idx_free(bnn_idx *idx) {
    free(idx->data);
    *idx = (bnn_idx){0};
}

bnn_image bnn_idx_image(const unsigned char *data, size_t index) {
    const int margin = (SIDE - BNN_IDX_SIDE) / 2;
    return (bnn_image){.data = data + index * PIXELS,
                       .height = BNN_IDX_SIDE,
                       .width = BNN_IDX_SIDE,
                       .top = margin,
                       .left = margin,
                       .row = BNN_IDX_SIDE,
                       .column = 1,
                       .channel = 0};
}

/* ---- the datasets ---- */
typedef struct idx_dataset {
    bnn_dataset base;
    int may_flip;
    bnn_idx images, labels;
} idx_dataset;

static bnn_code idx_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                           void *const *out, bnn_error *err) {
    const idx_dataset *d = (const idx_dataset *)dataset;
    bnn_augmentation augmentation = {0};
    (void)err;
    if (draw) {
        augmentation = bnn_augment_draw(draw, index, CROP_PADDING, d->may_flip);
    }
    bnn_image image = bnn_idx_image(d->images.data, index);
    bnn_image_write(&image, &dataset->normalizer, augmentation, SIDE, SIDE, out[0]);
    *(int32_t *)out[1] = d->labels.data[index];
    return BNN_OK;
}

static bnn_code idx_pixels(const bnn_dataset *dataset, size_t index, uint8_t *bytes, int32_t *label,
                           bnn_error *err) {
    const idx_dataset *d = (const idx_dataset *)dataset;
    bnn_image image = bnn_idx_image(d->images.data, index);
    (void)err;
    bnn_image_copy(&image, SIDE, SIDE, bytes);
    *label = d->labels.data[index];
    return BNN_OK;
}

static int32_t idx_label(const bnn_dataset *dataset, size_t index) {
    return ((const idx_dataset *)dataset)->labels.data[index];
}

static uint32_t idx_checksum(const bnn_dataset *dataset) {
    const idx_dataset *d = (const idx_dataset *)dataset;
    uLong sum = crc32_z(0, d->labels.data, d->labels.count);
    return (uint32_t)crc32_z(sum, d->images.data, d->images.count * PIXELS);
}

static void idx_close(bnn_dataset *dataset) {
    idx_dataset *d = (idx_dataset *)dataset;
    bnn_idx_free(&d->images);
    bnn_idx_free(&d->labels);
}

static const char *cure_for(const bnn_dataset_info *info, const char *dir) {
    if (info->default_dir && strcmp(dir, info->default_dir) == 0) {
        return "apt-get install dataset-fashion-mnist, or give --data-dir";
    }
    return "--data-dir must name the folder of train-images-idx3-ubyte[.gz] and its three "
           "companions";
}

/* DIR/NAME, or DIR/NAME/NAME, as some archives unpack it. 1: it is a file; 0: there is none. */
static int is_file(const char *dir, const char *name, int nested, char path[BNN_DATA_PATH_MAX],
                   bnn_code *code, bnn_error *err) {
    struct stat status;
    *code = bnn_data_join(path, dir, name, err);
    if (*code == BNN_OK && nested) {
        char outer[BNN_DATA_PATH_MAX];
        memcpy(outer, path, sizeof outer);
        *code = bnn_data_join(path, outer, name, err);
    }
    if (*code != BNN_OK) {
        return 0;
    }
    if (stat(path, &status) == 0) {
        return S_ISREG(status.st_mode);
    }
    if (errno != ENOENT && errno != ENOTDIR) {
        *code = bnn_fail(err, BNN_ERR_IO, "%s: %s", path, bnn_reason(errno));
    }
    return 0;
}

/* Finds DIR/{train,t10k}-{images-idx3,labels-idx1}-ubyte, the spelling with a dot, or either of
 * them with .gz; then the same in folders of their own names. */
static bnn_code find_file(const bnn_dataset_info *info, const char *dir, bnn_split split,
                          bnn_idx_kind kind, char path[BNN_DATA_PATH_MAX], bnn_error *err) {
    static const char *const endings[] = {"", ".gz"};
    const char *part = split == BNN_SPLIT_TRAIN ? "train" : "t10k";
    const char *what = kind == BNN_IDX_IMAGES ? "images" : "labels";
    const int rank = kind == BNN_IDX_IMAGES ? 3 : 1;
    for (int i = 0; i < 8; i++) {
        char name[64];
        bnn_code code;
        snprintf(name, sizeof name, "%s-%s%cidx%d-ubyte%s", part, what, i % 4 < 2 ? '-' : '.', rank,
                 endings[i % 2]);
        if (is_file(dir, name, i / 4, path, &code, err) || code != BNN_OK) {
            return code;
        }
    }
    return bnn_fail(err, BNN_ERR_IO, "%s: neither %s-%s-idx%d-ubyte nor %s-%s-idx%d-ubyte.gz; %s",
                    dir, part, what, rank, part, what, rank, cure_for(info, dir));
}

static bnn_code load_file(bnn_dataset *d, const char *dir, bnn_split split, bnn_idx_kind kind,
                          bnn_idx *out, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_code code = find_file(d->info, dir, split, kind, path, err);
    if (code == BNN_OK) {
        code = bnn_map_open(path, &map, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_data_note_file(d, map.device, map.inode, err);
    if (code == BNN_OK) {
        code = bnn_idx_parse(path, map.data, map.size, kind, d->info->classes, out, err);
    }
    bnn_map_close(&map);
    return code;
}

static bnn_code load_both(idx_dataset *d, const char *dir, bnn_split split, bnn_error *err) {
    bnn_code code = load_file(&d->base, dir, split, BNN_IDX_LABELS, &d->labels, err);
    if (code == BNN_OK) {
        code = load_file(&d->base, dir, split, BNN_IDX_IMAGES, &d->images, err);
    }
    if (code == BNN_OK && d->images.count != d->labels.count) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu %s images but %zu labels; the files are not of one data set, "
                        "download them again",
                        dir, d->images.count, split == BNN_SPLIT_TRAIN ? "train" : "t10k",
                        d->labels.count);
    }
    d->base.count = d->images.count;
    return code;
}

static bnn_code mnist_open(bnn_dataset *dataset, const char *dir, bnn_split split, bnn_error *err) {
    idx_dataset *d = (idx_dataset *)dataset;
    bnn_code code = bnn_data_check_folder(dir, cure_for(dataset->info, dir), err);
    d->base.sample = idx_sample;
    d->base.pixels = idx_pixels;
    d->base.label = idx_label;
    d->base.checksum = idx_checksum;
    return code == BNN_OK ? load_both(d, dir, split, err) : code;
}

/* A mirrored digit is another sign; clothes may be flipped. */
static bnn_code fashion_mnist_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                                   bnn_error *err) {
    ((idx_dataset *)dataset)->may_flip = 1;
    return mnist_open(dataset, dir, split, err);
}

static const char *const fashion_names[CLASSES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digit_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

const bnn_dataset_info bnn_dataset_fashion_mnist = {
    .name = "fashion_mnist",
    .description = "70000 grey pictures of 10 kinds of clothes, 28x28 shown as 32x32x3",
    .default_dir = "/usr/share/datasets/fashion-mnist",
    .task = "classify",
    .samples = "images",
    .field = bnn_fields_of_32x32,
    .fields = 2,
    .classes = CLASSES,
    .class_names = fashion_names,
    .picture = {1, BNN_IDX_SIDE, BNN_IDX_SIDE, 1},
    /* Over the 28x28 pixels of the training pictures; the margin is not counted. */
    .mean = {72.94f, 72.94f, 72.94f},
    .std = {90.02f, 90.02f, 90.02f},
    .bytes = sizeof(idx_dataset),
    .open = fashion_mnist_open,
    .close = idx_close,
};

const bnn_dataset_info bnn_dataset_mnist = {
    .name = "mnist",
    .description = "70000 grey handwritten digits, 28x28 shown as 32x32x3",
    .default_dir = NULL,
    .task = "classify",
    .samples = "images",
    .field = bnn_fields_of_32x32,
    .fields = 2,
    .classes = CLASSES,
    .class_names = digit_names,
    .picture = {1, BNN_IDX_SIDE, BNN_IDX_SIDE, 1},
    .mean = {0.1307f * 255, 0.1307f * 255, 0.1307f * 255},
    .std = {0.3081f * 255, 0.3081f * 255, 0.3081f * 255},
    .bytes = sizeof(idx_dataset),
    .open = mnist_open,
    .close = idx_close,
};

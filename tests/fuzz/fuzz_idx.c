/* Fuzz target: an IDX file in memory, plain or gzip-compressed, read as images and as labels. What
 * the parser accepts must be readable to its last byte. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/internal.h"
#include "tests/fuzz/fuzz.h"

static void require(int condition) {
    if (!condition) {
        abort();
    }
}

static void read_images(const bnn_idx *idx) {
    const bnn_dataset_info *info = &bnn_dataset_fashion_mnist;
    static float x[32 * 32 * 3];
    bnn_normalizer normalizer;
    bnn_normalizer_set(&normalizer, info->mean, info->std);
    for (size_t i = 0; i < idx->count; i++) {
        bnn_image image = bnn_idx_image(idx->data, i);
        bnn_augmentation augmentation = bnn_augment_draw(1, 0, i, 4, 1);
        bnn_image_write(&image, &normalizer, augmentation, info->height, info->width, x);
        for (size_t j = 0; j < sizeof x / sizeof *x; j++) {
            require(isfinite(x[j]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int kind = BNN_IDX_IMAGES; kind <= BNN_IDX_LABELS; kind++) {
        bnn_error err = {0};
        bnn_idx idx;
        if (bnn_idx_parse("input", data, size, (bnn_idx_kind)kind, 10, &idx, &err) != BNN_OK) {
            require(*err.text && !strchr(err.text, '\n') && !idx.data && idx.count == 0);
            continue;
        }
        require(idx.count > 0);
        if (kind == BNN_IDX_IMAGES) {
            read_images(&idx);
        } else {
            for (size_t i = 0; i < idx.count; i++) {
                require(idx.data[i] < 10);
            }
        }
        bnn_idx_free(&idx);
    }
    return 0;
}

static size_t make_plain(int labels, uint8_t *out) {
    static const uint8_t images_header[16] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28};
    static const uint8_t labels_header[8] = {0, 0, 8, 1, 0, 0, 0, 5};
    size_t header = labels ? sizeof labels_header : sizeof images_header;
    size_t body = labels ? 5 : 2 * 28 * 28;
    memcpy(out, labels ? labels_header : images_header, header);
    for (size_t i = 0; i < body; i++) {
        out[header + i] = (uint8_t)(labels ? 2 * i : i * 5 % 256);
    }
    return header + body;
}

/* 0: images, 1: labels, 2 and 3: the same as gzip. */
size_t bnn_fuzz_seed(int index, uint8_t *out, size_t max) {
    uint8_t plain[16 + 2 * 28 * 28];
    if (index < 0 || index > 3) {
        return 0;
    }
    size_t size = make_plain(index % 2, plain);
    if (index < 2) {
        if (size > max) {
            return 0;
        }
        memcpy(out, plain, size);
        return size;
    }
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    z.next_in = plain;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)(max < 65536 ? max : 65536);
    int status = deflate(&z, Z_FINISH);
    size = z.total_out;
    deflateEnd(&z);
    return status == Z_STREAM_END ? size : 0;
}

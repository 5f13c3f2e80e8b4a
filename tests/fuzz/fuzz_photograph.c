/* The first of the photographs of the frost corruption, PNG or JPEG, on arbitrary bytes. What is
 * accepted has pixels to crop from.
 *
 * A PNG's pieces carry checksums, which no mutation keeps: each input is also read with checksums
 * that fit. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/corruption/internal.h"
#include "tests/fuzz/fuzz.h"

#define SCALE 0.2 /* of the published images */
#define SIGNATURE "\x89PNG\r\n\x1a\n"
#define SIGNATURE_BYTES 8

/* 8x8 pixels: the other photographs. */
static const uint8_t plain[] = {137, 80,  78,  71,  13, 10,  26, 10, 0,  0,   0,   13,  73,  72,
                                68,  82,  0,   0,   0,  8,   0,  0,  0,  8,   1,   0,   0,   0,
                                0,   236, 116, 131, 38, 0,   0,  0,  12, 73,  68,  65,  84,  120,
                                218, 99,  8,   101, 64, 129, 0,  21, 80, 2,   169, 155, 169, 80,
                                89,  0,   0,   0,   0,  73,  69, 78, 68, 174, 66,  96,  130};

static volatile unsigned sink; /* keeps the reads from being optimised away */

static void run(const uint8_t *data, size_t size) {
    static const char *const names[BNN_FROST_TEXTURES] = {"frost1.png", "frost2.png", "frost3.png",
                                                          "frost4.jpg", "frost5.jpg"};
    bnn_texture texture[BNN_FROST_TEXTURES] = {{0}};
    bnn_error err = {0};
    for (int i = 0; i < BNN_FROST_TEXTURES; i++) {
        bnn_scratch_file(names[i], i ? plain : data, i ? sizeof plain : size);
    }
    int accepted =
        bnn_accepted(bnn_frost_load(bnn_scratch_folder(), SCALE, 1, 1, texture, &err), &err);
    for (int i = 0; i < BNN_FROST_TEXTURES; i++) {
        const bnn_texture *t = &texture[i];
        bnn_insist(!accepted || (t->data && t->height > 1 && t->width > 1));
        for (size_t j = 0; accepted && j < 3 * (size_t)t->height * (size_t)t->width; j++) {
            sink = t->data[j];
        }
        free(texture[i].data);
    }
}

static size_t big_endian(const uint8_t *p) {
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* A piece is its length, a name, bytes, and the checksum of name and bytes. */
static void mend_checksums(uint8_t *png, size_t size) {
    for (size_t at = SIGNATURE_BYTES; size - at >= 12;) {
        size_t length = big_endian(png + at);
        if (length > size - at - 12) {
            return;
        }
        unsigned long sum = crc32_z(0, png + at + 4, length + 4);
        for (int i = 0; i < 4; i++) {
            png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        }
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    int png = size > SIGNATURE_BYTES && memcmp(data, SIGNATURE, SIGNATURE_BYTES) == 0;
    uint8_t *copy = png ? malloc(size) : NULL;
    if (copy) {
        memcpy(copy, data, size);
        mend_checksums(copy, size);
        if (memcmp(copy, data, size) != 0) {
            run(copy, size);
        }
        free(copy);
    }
    return 0;
}

/* The arrays of CIFAR-10-C, of images of 2x2 pixels: arbitrary bytes as the labels of an image, and
 * as the images of a label. What is accepted can be read to its last image. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data_loaders/corruption/corruption.h"
#include "data_loaders/dataset.h"
#include "tests/fuzz/fuzz.h"

#define SIDE 2
#define SAMPLE (SIDE * SIDE * 3)
#define MOST_READ 64 /* images of each severity */

static const bnn_field fields[] = {{"image", BNN_F32, {1, SIDE, SIDE, 3}},
                                   {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_dataset_info tiny = {.name = "tiny",
                                      .field = fields,
                                      .fields = 2,
                                      .classes = 10,
                                      .mean = {120, 120, 120},
                                      .std = {60, 60, 60}};
static const bnn_dataset clean = {.info = &tiny,
                                  .field = fields,
                                  .fields = 2,
                                  .classes = 10,
                                  .std = {60, 60, 60}}; /* of which nobody knows the labels */

/* The other array: bytes of value 3. */
static void write_array(const char *name, const char *shape, size_t bytes) {
    static uint8_t array[256];
    memset(array, 3, sizeof array);
    int length = snprintf((char *)array + 10, 128,
                          "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }\n", shape);
    memcpy(array, "\x93NUMPY\1\0", 8);
    array[8] = (uint8_t)length;
    array[9] = 0;
    array[10 + length] = 3; /* in place of the text's NUL */
    bnn_scratch_file(name, array, 10 + (size_t)length + bytes);
}

static void read_all(const bnn_corruptions *c) {
    float x[SAMPLE];
    for (int severity = 1; severity <= BNN_SEVERITIES; severity++) {
        bnn_dataset *d;
        bnn_error err;
        bnn_insist(bnn_corruptions_dataset(c, 0, severity, 0, &d, &err) == BNN_OK);
        for (size_t i = 0; i < d->count; i++) {
            int32_t label;
            if (i == MOST_READ && d->count > 2 * MOST_READ) {
                i = d->count - MOST_READ;
            }
            void *const out[] = {x, &label};
            bnn_insist(d->sample(d, i, NULL, out, &err) == BNN_OK);
            bnn_insist(label >= 0 && label < tiny.classes);
            for (int j = 0; j < SAMPLE; j++) {
                bnn_insist(isfinite(x[j]));
            }
        }
        bnn_dataset_close(d);
    }
}

static void run(void) {
    bnn_corruptions *c;
    bnn_error err = {0};
    const int fog = bnn_corruption_find("fog"), must = 1;
    if (bnn_accepted(bnn_corruptions_open(&clean, bnn_scratch_folder(), &fog, &must, 1, &c, &err),
                     &err)) {
        bnn_insist(bnn_corruptions_count(c) == 1);
        read_all(c);
        bnn_corruptions_close(c);
    } else {
        bnn_insist(c == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_scratch_file("labels.npy", data, size);
    write_array("fog.npy", "5,2,2,3", BNN_SEVERITIES * SAMPLE);
    run();
    bnn_scratch_file("fog.npy", data, size);
    write_array("labels.npy", "1,", 1);
    run();
    return 0;
}

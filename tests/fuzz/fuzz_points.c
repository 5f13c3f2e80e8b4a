/* Fuzz target: a list of points in memory, in each of the forms that the data sets read: points,
 * points that may have normals, points with normals and labels, labels. Every number must be the
 * one that the C library reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/clouds/clouds.h"
#include "engine/base/text.h"
#include "tests/fuzz/fuzz.h"

#define POINTS 16

static const int forms[][2] = {{3, 3}, {3, 6}, {7, 7}, {1, 1}};

/* The same values in the same order, read in the plainest way. */
static void compare(const bnn_points *points, const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *at = text;
    size_t values = 0;
    bnn_insist(text != NULL);
    memcpy(text, data, size);
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] ? text[i] : '?'; /* in a comment: nowhere else is it accepted */
    }
    text[size] = '\0';
    while (*(at += strspn(at, " \t\r\n,"))) {
        if (*at == '#') {
            at += strcspn(at, "\n");
            continue;
        }
        char *end;
        float value = (float)bnn_text_to_double(at, &end);
        bnn_insist(end > at && values < points->count * (size_t)points->columns);
        bnn_insist(memcmp(&value, &points->value[values++], sizeof value) == 0);
        at = end;
    }
    bnn_insist(values == points->count * (size_t)points->columns);
    free(text);
}

static void sample(bnn_points *points) {
    uint32_t chosen[POINTS];
    float xyz[3 * POINTS], out[6 * POINTS];
    bnn_error err = {0};
    bnn_rng rng = bnn_rng_start(0, 1);
    const size_t columns = (size_t)points->columns;
    bnn_code code = bnn_points_normalize("input", points->value, points->count, columns, &err);
    if (!bnn_accepted(code, &err)) {
        return;
    }
    code = bnn_points_choose("input", &rng, points->count, POINTS, chosen, &err);
    bnn_insist(bnn_accepted(code, &err));
    for (size_t i = 0; i < POINTS; i++) {
        bnn_insist(chosen[i] < points->count);
        memcpy(xyz + 3 * i, points->value + columns * chosen[i], 3 * sizeof *xyz);
    }
    bnn_points_features(xyz, POINTS, out);
    for (int i = 0; i < 6 * POINTS; i++) {
        bnn_insist(fabsf(out[i]) <= 1.000001f); /* false of NaN, too */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        bnn_error err = {0};
        bnn_points points;
        bnn_code code =
            bnn_points_parse("input", data, size, forms[i][0], forms[i][1], &points, &err);
        if (!bnn_accepted(code, &err)) {
            bnn_insist(!points.value);
            continue;
        }
        bnn_insist(points.columns >= forms[i][0] && points.columns <= forms[i][1]);
        compare(&points, data, size);
        if (points.columns >= 3) {
            sample(&points);
        }
        bnn_points_free(&points);
    }
    return 0;
}

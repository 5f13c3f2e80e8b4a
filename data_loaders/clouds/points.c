/* Lists of points as text: of ModelNet40 resampled (x,y,z,nx,ny,nz), and of ShapeNet-Part, as
 * points (x y z) and their parts, or as both in one file. One reader for all of them: what a column
 * means is the data set's business. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/clouds/clouds.h"

/* Numbers of the line here. */
static int count_columns(bnn_scan scan, int most) {
    int columns = 0;
    for (; columns <= most && bnn_scan_more(&scan); columns++) {
        bnn_scan_skip_word(&scan);
    }
    return columns;
}

/* Do both commas and blanks part the numbers of the line here? Then commas are decimal ones. */
static int mixes_separators(bnn_scan scan) {
    int commas = 0, blanks = 0;
    for (bnn_scan_skip_word(&scan);; bnn_scan_skip_word(&scan)) {
        const char *gap = scan.at;
        if (!bnn_scan_more(&scan)) {
            return commas && blanks;
        }
        int comma = memchr(gap, ',', (size_t)(scan.at - gap)) != NULL;
        commas |= comma;
        blanks |= !comma;
    }
}

static size_t count_lines(const bnn_scan *scan) {
    size_t lines = 1;
    for (const char *p = scan->at; (p = memchr(p, '\n', (size_t)(scan->end - p))) != NULL; p++) {
        lines++;
    }
    return lines;
}

static bnn_code fail_columns(const bnn_scan *scan, int got, int least, int most, bnn_error *err) {
    char range[32];
    snprintf(range, sizeof range, least == most ? "%d" : "%d to %d", least, most);
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: line %zu: %s%d numbers, expected %s; the file is damaged or of another "
                    "kind, copy it again",
                    scan->name, bnn_scan_line(scan), got > most ? "more than " : "",
                    got > most ? most : got, range);
}

static bnn_code read_lines(bnn_scan *scan, bnn_points *out, bnn_error *err) {
    float *value = out->value;
    while (bnn_scan_next(scan)) {
        for (int i = 0; i < out->columns; i++) {
            if (!bnn_scan_more(scan)) {
                return fail_columns(scan, i, out->columns, out->columns, err);
            }
            bnn_code code = bnn_scan_float(scan, value++, err);
            if (code != BNN_OK) {
                return code;
            }
        }
        if (bnn_scan_more(scan)) {
            return fail_columns(scan, out->columns + 1, out->columns, out->columns, err);
        }
        out->count++;
    }
    return BNN_OK;
}

bnn_code bnn_points_parse(const char *name, const unsigned char *bytes, size_t size, int least,
                          int most, bnn_points *out, bnn_error *err) {
    *out = (bnn_points){0};
    bnn_scan scan = bnn_scan_start(name, bytes, size);
    if (!bnn_scan_next(&scan)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: holds no points; copy the file again", name);
    }
    if (mixes_separators(scan)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu: both commas and blanks between its numbers; write decimals "
                        "with a point",
                        name, bnn_scan_line(&scan));
    }
    out->columns = count_columns(scan, most);
    if (out->columns < least || out->columns > most) {
        return fail_columns(&scan, out->columns, least, most, err);
    }
    /* A number and what ends it are two bytes, but for the last. */
    const size_t columns = (size_t)out->columns, room = size / 2 + 1 + columns;
    size_t lines = count_lines(&scan);
    /* NOLINTNEXTLINE(clang-analyzer-core.*): at least one column was asked for */
    lines = lines < room / columns ? lines : room / columns;
    out->value = lines <= UINT32_MAX ? reallocarray(NULL, lines, columns * sizeof(float)) : NULL;
    bnn_code code =
        out->value ? read_lines(&scan, out, err)
                   : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu points", name, lines);
    if (code != BNN_OK) {
        bnn_points_free(out);
    }
    return code;
}

void bnn_points_free(bnn_points *points) {
    free(points->value);
    *points = (bnn_points){0};
}

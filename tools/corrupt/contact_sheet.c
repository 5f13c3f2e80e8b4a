#include "tools/corrupt/contact_sheet.h"

#include <stdlib.h>
#include <string.h>

#include "tools/cli/png_file.h"

enum { IMAGES = 4, ENLARGED = 2, GAP = 2, COLUMNS = 1 + BNN_SEVERITIES };

typedef struct sheet {
    int cell_height, cell_width; /* with the gap below and to the right */
    int height, width;
    uint8_t *data; /* [height,width,3] */
} sheet;

/* Puts an image at a row and a column of cells, each pixel enlarged. */
static void put(const sheet *s, bnn_shape size, int row, int column, const uint8_t *image) {
    for (int y = 0; y < size.h * ENLARGED; y++) {
        for (int x = 0; x < size.w * ENLARGED; x++) {
            const uint8_t *from =
                image + 3 * ((size_t)(y / ENLARGED) * (size_t)size.w + (size_t)(x / ENLARGED));
            size_t to_y = (size_t)(GAP + row * s->cell_height + y);
            size_t to_x = (size_t)(GAP + column * s->cell_width + x);
            memcpy(s->data + 3 * (to_y * (size_t)s->width + to_x), from, 3);
        }
    }
}

static bnn_code fill(const sheet *s, const bnn_corruptor *corruptor, const bnn_dataset *clean,
                     const bnn_corruption_list *list, uint8_t *image, bnn_error *err) {
    const bnn_shape size = clean->field[0].shape;
    uint8_t *corrupted = image + 3 * (size_t)size.h * (size_t)size.w;
    bnn_code code = BNN_OK;
    for (int i = 0; i < IMAGES && code == BNN_OK; i++) {
        size_t index = clean->count * (size_t)i / IMAGES;
        int32_t label;
        code = clean->pixels(clean, index, image, &label, err);
        for (size_t row = 0; row < list->count && code == BNN_OK; row++) {
            put(s, size, (int)row, i * COLUMNS, image);
            for (int severity = 1; severity <= BNN_SEVERITIES && code == BNN_OK; severity++) {
                code =
                    bnn_corrupt(corruptor, list->kind[row], severity, index, image, corrupted, err);
                put(s, size, (int)row, i * COLUMNS + severity, corrupted);
            }
        }
    }
    return code;
}

bnn_code bnn_contact_sheet(const char *path, const bnn_corruptor *corruptor,
                           const bnn_dataset *clean, const bnn_corruption_list *list,
                           bnn_error *err) {
    const bnn_shape size = clean->field[0].shape;
    sheet s = {.cell_height = size.h * ENLARGED + GAP, .cell_width = size.w * ENLARGED + GAP};
    s.height = GAP + s.cell_height * (int)list->count;
    s.width = GAP + s.cell_width * IMAGES * COLUMNS;
    const size_t bytes = 3 * (size_t)s.height * (size_t)s.width;
    s.data = malloc(bytes);
    uint8_t *image = malloc(6 * (size_t)size.h * (size_t)size.w);
    bnn_code code = BNN_OK;
    if (!s.data || !image) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    } else {
        memset(s.data, 255, bytes);
        code = fill(&s, corruptor, clean, list, image, err);
        if (code == BNN_OK) {
            code = bnn_png_write(path, s.height, s.width, s.data, err);
        }
    }
    free(s.data);
    free(image);
    return code;
}

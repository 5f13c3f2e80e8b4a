/* What a detector finds in a user's photographs: told, as COCO's results, and drawn. */
#ifndef BNN_TOOLS_PREDICT_BOXES_H
#define BNN_TOOLS_PREDICT_BOXES_H

#include <jansson.h>

#include "models/tasks/detect.h"
#include "tools/run/outputs.h"

/* The boxes of one file, the surest first. */
typedef struct bnn_file_boxes {
    bnn_found_box box[BNN_MAX_BOXES_FOUND];
    size_t count;
} bnn_file_boxes;

/* Those of an output (bnn_boxes_found) that are at least as sure. */
void bnn_boxes_take(bnn_file_boxes *boxes, const bnn_spec *spec, const float *output,
                    const float frame[4], double least_score);
/* The first `most` as COCO's results of the picture `path`; NULL when memory is out. */
json_t *bnn_boxes_json(const bnn_file_boxes *boxes, const bnn_spec *spec, const char *path,
                       size_t most);
/* The photograph of that file with the first `most` drawn in, the surest on top, as a PNG file. */
bnn_code bnn_boxes_draw(const bnn_file_boxes *boxes, const bnn_spec *spec, const char *path,
                        const bnn_map *file, size_t most, const char *picture, bnn_error *err);

/* Where the pictures of so many files are written: to `output`, or if that is a folder, or they are
 * several, into it, as FILE.png for FILE.jpg. What they are goes into `outputs`, to be checked. */
typedef struct bnn_pictures {
    const char *output;
    int folder; /* it is one, or will be */
} bnn_pictures;
void bnn_pictures_plan(bnn_pictures *pictures, const char *const *files, const char **output,
                       bnn_outputs *outputs);
/* The folder, if there is to be one. */
bnn_code bnn_pictures_make(const bnn_pictures *pictures, bnn_error *err);
void bnn_pictures_path(const bnn_pictures *pictures, const char *file, char path[4300]);

#endif

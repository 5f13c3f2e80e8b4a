/* What detectors find, in COCO's format of results (https://cocodataset.org/#format-results), as
 * pycocotools' loadRes reads it: an array of image_id, category_id, bbox (left, top, width, height
 * in pixels of the picture) and score. */
#ifndef BNN_TOOLS_RUN_COCO_RESULTS_H
#define BNN_TOOLS_RUN_COCO_RESULTS_H

#include <jansson.h>

#include "data_loaders/dataset.h"
#include "models/model.h"
#include "models/tasks/detect.h"

/* Of a picture that its data set gives no number: that which its file's name is, without folder and
 * ending (000000000139.jpg: 139), else that name. NULL when memory is out, here and below. */
json_t *bnn_coco_image(const char *path);
/* One box; takes `image` over. */
json_t *bnn_coco_result(const bnn_spec *spec, json_t *image, const bnn_found_box *found);
/* Of all that a score has listed of a data set's first images. Atomic, or to a stream. */
bnn_code bnn_coco_results_write(const char *path, const bnn_spec *spec, const bnn_dataset *dataset,
                                const bnn_score *score, bnn_error *err);

#endif

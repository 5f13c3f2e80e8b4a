/* What detectors say, and what scores of theirs list, as boxes in pixels of the picture. */
#ifndef BNN_MODELS_TASKS_DETECT_H
#define BNN_MODELS_TASKS_DETECT_H

#include "models/tasks/average_precision.h"
#include "models/tasks/task.h"

/* Of a sample, whatever the network. */
#define BNN_MAX_BOXES_FOUND 256

/* What an output finds in a sample, as image 0, the surest first, cut to the picture: so many of
 * out[BNN_MAX_BOXES_FOUND]. frame: height and width of what the picture takes of the input, and its
 * own. */
size_t bnn_boxes_found(const bnn_spec *spec, const float *output, const float frame[4],
                       bnn_found_box *out);

/* Both kinds, in one piece of memory; `truth` is to be freed, and NULL where memory is out. The
 * images are numbered as they were added; of one the found boxes stand by falling score. */
typedef struct bnn_listed_boxes {
    bnn_true_box *truth;
    bnn_found_box *found;
    size_t truths, founds;
} bnn_listed_boxes;
bnn_listed_boxes bnn_boxes_listed(const bnn_score *score);

#endif

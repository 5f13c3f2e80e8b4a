/* The part of an example that is boxes (examples.h). */
#ifndef BNN_TOOLS_RUN_EXAMPLE_BOXES_H
#define BNN_TOOLS_RUN_EXAMPLE_BOXES_H

#include "tools/run/examples.h"

/* What is found in sample `i` of a batch, and what is there. */
typedef struct bnn_scene {
    float frame[4]; /* height and width of the picture's part of the input, and its own */
    int boxes, classes;
    bnn_example_box box[BNN_EXAMPLE_BOXES];
    int32_t class[BNN_EXAMPLE_BOXES]; /* [classes], the network's number of each */
} bnn_scene;
/* 0: nothing is there. */
int bnn_scene_take(bnn_scene *scene, const bnn_spec *spec, const bnn_batch *batch, size_t i,
                   const float *output);

/* Of x->box; NULL when memory is out. */
json_t *bnn_example_boxes_json(const bnn_example *x);
/* Into x->box, of x->classes classes. BNN_ERR_FORMAT, BNN_ERR_MEMORY. */
bnn_code bnn_example_boxes_read(const json_t *json, bnn_arena *arena, bnn_example *x);

#endif

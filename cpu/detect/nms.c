/* Of many boxes those that stay: the best of each level in order, each unless it overlaps a better
 * one of its class too much. */
#include "cpu/detect/detect.h"

typedef struct nms_job {
    const bnn_nms *s;
    const float *score, *box;
    float *result;
    int32_t *index;
    void *ws;
} nms_job;

/* The best of each level, one behind the other in `item`; how many. */
static size_t best_of_levels(const bnn_nms *s, const float *score, const float *box,
                             bnn_item *item) {
    size_t count = 0, row = 0;
    for (int l = 0; l < BNN_LEVELS_MOST && s->level[l] > 0; l++) {
        bnn_item *level = item + count;
        size_t n = 0;
        for (size_t end = row + s->level[l]; row < end; row++) {
            for (size_t c = 0; c < s->classes; c++) {
                double v = (double)score[row * s->columns + c];
                int32_t number = (int32_t)(row * s->classes + c);
                if (v > (double)s->score && /* no NaN */
                    bnn_is_there(bnn_box_of_pair(s, box, number))) {
                    level[n++] = (bnn_item){v, number};
                }
            }
        }
        bnn_sort_items(level, n);
        count += n < s->most ? n : s->most;
    }
    bnn_sort_items(item, count);
    return count;
}

static int stays(const bnn_nms *s, const bnn_kept *kept, size_t count, const float *box,
                 int32_t class) {
    for (size_t i = 0; i < count; i++) {
        if (kept[i].class == class && bnn_overlap(kept[i].box, box) > (double)s->overlap) {
            return 0;
        }
    }
    return 1;
}

static void suppress_image(void *context, size_t image, int worker) {
    const nms_job *j = context;
    const bnn_nms *s = j->s;
    const bnn_scratch scratch = bnn_scratch_of(j->ws, s->rows * s->classes, s->keep, worker);
    const size_t boxes = s->rows * (s->by_class ? s->classes : 1), columns = s->rois ? 5 : 6;
    const float *box = j->box + 4 * image * boxes;
    float *result = j->result + image * s->keep * columns;
    int32_t *index = j->index + image * s->keep;
    const float *score = j->score + image * s->rows * s->columns;
    size_t n = best_of_levels(s, score, box, scratch.item), count = 0;
    for (size_t i = 0; i < n && count < s->keep; i++) {
        const int32_t number = scratch.item[i].index;
        const float *own = bnn_box_of_pair(s, box, number);
        const int32_t class = number % (int32_t)s->classes;
        if (bnn_is_box(s, own) && stays(s, scratch.kept, count, own, class)) {
            scratch.kept[count] = (bnn_kept){{own[0], own[1], own[2], own[3]}, class};
            bnn_tell_box(s, image, own, scratch.item[i].score, class, result + count * columns);
            index[count++] = number;
        }
    }
    for (; count < s->keep; count++) {
        bnn_tell_box(s, image, NULL, 0.0, -1, result + count * columns);
        index[count] = -1;
    }
}

void bnn_suppress(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                  float *result, int32_t *index, void *ws) {
    nms_job job = {s, score, box, result, index, ws};
    bnn_for_each(stream, s->n, suppress_image, &job);
}

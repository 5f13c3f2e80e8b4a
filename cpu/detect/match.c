/* What is to be found meets what might find it: whom a box belongs to, which boxes are learned
 * from. Without dice all of it is a function of the boxes alone; with them of the image's number,
 * too. */
#include <math.h>
#include <string.h>

#include "cpu/detect/detect.h"
#include "engine/base/rng.h"

/* ---- whom a box belongs to ---- */

typedef struct assign_job {
    const bnn_boxes *boxes;
    const bnn_ground_truth *truth;
    const bnn_matching *matching;
    int32_t *assigned;
    void *ws;
} assign_job;

/* By the box's own choice; each truth's best overlap and first such box are found on the way. */
static int32_t own_choice(const bnn_ground_truth *truth, const bnn_matching *m, const float *box,
                          int32_t number, bnn_item *best) {
    double most = 0.0;
    int32_t whose = -1;
    for (size_t k = 0; k < truth->count; k++) {
        double overlap = bnn_is_truth(truth, k) ? bnn_overlap(box, truth->box + 4 * k) : -1.0;
        if (overlap > most || (overlap == most && whose < 0)) {
            most = overlap;
            whose = (int32_t)k;
        }
        if (overlap > best[k].score) {
            best[k] = (bnn_item){overlap, number};
        }
    }
    return most >= (double)m->positive && whose >= 0 ? whose + 1
           : most < (double)m->negative              ? 0
                                                     : -1;
}

/* Every truth gets what it overlaps most; a later one takes it from an earlier one. */
static void give_best(const assign_job *j, size_t image, const bnn_ground_truth *truth,
                      const bnn_item *best, int32_t *assigned) {
    for (size_t k = 0; k < truth->count; k++) {
        if (best[k].index < 0 || best[k].score < (double)j->matching->least) {
            continue;
        }
        size_t first = (size_t)best[k].index, end = j->matching->ties ? j->boxes->count : first + 1;
        for (size_t i = first; i < end; i++) {
            const float *box = bnn_box_at(j->boxes, image, i);
            if (box != NULL && bnn_overlap(box, truth->box + 4 * k) == best[k].score) {
                assigned[i] = (int32_t)k + 1;
            }
        }
    }
}

/* `best` has room for all truths. */
static void assign_image(const assign_job *j, size_t image, bnn_item *best, int32_t *assigned) {
    const bnn_ground_truth truth = bnn_ground_truth_of(j->truth, image);
    for (size_t k = 0; k < truth.count; k++) {
        best[k] = (bnn_item){-1.0, -1};
    }
    for (size_t i = 0; i < j->boxes->count; i++) {
        const float *box = bnn_box_at(j->boxes, image, i);
        assigned[i] = box == NULL ? -1 : own_choice(&truth, j->matching, box, (int32_t)i, best);
    }
    if (j->matching->best) {
        give_best(j, image, &truth, best, assigned);
    }
}

static void assign_one(void *context, size_t image, int worker) {
    const assign_job *j = context;
    assign_image(j, image, bnn_scratch_of(j->ws, j->truth->count, 0, worker).item,
                 j->assigned + image * j->boxes->count);
}

void bnn_assign_boxes(const bnn_stream *stream, const bnn_boxes *boxes,
                      const bnn_ground_truth *truth, const bnn_matching *matching,
                      int32_t *assigned, void *ws) {
    assign_job job = {boxes, truth, matching, assigned, ws};
    bnn_for_each(stream, boxes->n, assign_one, &job);
}

/* ---- which are learned from ---- */

/* The numbers of those that are positive, or negative, in order; how many. */
static size_t candidates(size_t count, const int32_t *assigned, int positive, int32_t *list) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (positive ? assigned[i] > 0 : assigned[i] == 0) {
            list[n++] = (int32_t)i;
        }
    }
    return n;
}

/* Leaves k of n in front. */
static void choose(int32_t *list, size_t n, size_t k, bnn_rng *dice) {
    for (size_t j = 0; j < k && k < n; j++) {
        size_t from = dice != NULL ? j + bnn_rng_below(dice, (uint32_t)(n - j)) : j * n / k;
        int32_t chosen = list[from];
        if (dice != NULL) {
            list[from] = list[j];
        }
        list[j] = chosen;
    }
}

/* sampled = assigned, or -1; `list` has room for `count`. */
static void sample_image(const bnn_sampling *s, size_t image, size_t count, const int32_t *assigned,
                         int32_t *sampled, int32_t *list) {
    size_t taken = 0;
    bnn_rng dice = bnn_rng_start(s->random.seed, s->random.stream);
    dice.index = (uint64_t)image << 32;
    for (size_t i = 0; i < count; i++) {
        sampled[i] = -1;
    }
    for (int positive = 1; positive >= 0; positive--) {
        size_t room = (size_t)(positive ? s->positives : s->count) - taken;
        size_t n = candidates(count, assigned, positive, list), k = n < room ? n : room;
        choose(list, n, k, s->dice ? &dice : NULL);
        for (size_t j = 0; j < k; j++) {
            sampled[list[j]] = assigned[list[j]];
        }
        taken += k;
    }
}

typedef struct sample_job {
    const bnn_sampling *sampling;
    size_t count;
    const int32_t *assigned;
    int32_t *sampled;
    void *ws;
} sample_job;

static void sample_one(void *context, size_t image, int worker) {
    const sample_job *j = context;
    bnn_scratch scratch = bnn_scratch_of(j->ws, j->count, 0, worker);
    sample_image(j->sampling, image, j->count, j->assigned + image * j->count,
                 j->sampled + image * j->count, (int32_t *)(void *)scratch.item);
}

void bnn_sample_boxes(const bnn_stream *stream, size_t n, size_t count,
                      const bnn_sampling *sampling, const int32_t *assigned, int32_t *sampled,
                      void *ws) {
    sample_job job = {sampling, count, assigned, sampled, ws};
    bnn_for_each(stream, n, sample_one, &job);
}

/* ---- regions, and the truths themselves in front of them ---- */

typedef struct rois_job {
    assign_job assign; /* of the boxes behind the truths */
    const bnn_sampling *sampling;
    float *sampled;
    int32_t *assigned;
    void *ws;
} rois_job;

/* A thread's scratch, as that of three times truths and boxes. */
typedef struct rois_scratch {
    bnn_item *best;
    int32_t *assigned, *sampled, *list; /* [truths + boxes] */
} rois_scratch;

static rois_scratch rois_scratch_of(const rois_job *j, int worker) {
    size_t all = j->assign.truth->count + j->assign.boxes->count;
    bnn_item *item = bnn_scratch_of(j->ws, 3 * all, 0, worker).item;
    int32_t *list = (int32_t *)(void *)(item + all);
    return (rois_scratch){item, list, list + all, list + 2 * all};
}

static void take_roi(const rois_job *j, size_t image, const bnn_ground_truth *truth, size_t number,
                     float *roi) {
    const float *box = number < truth->count
                           ? truth->box + 4 * number
                           : bnn_box_at(j->assign.boxes, image, number - truth->count);
    roi[0] = (float)image;
    memcpy(roi + 1, box, 4 * sizeof(float));
}

static void rois_of_image(void *context, size_t image, int worker) {
    const rois_job *j = context;
    const bnn_ground_truth truth = bnn_ground_truth_of(j->assign.truth, image);
    const size_t boxes = j->assign.boxes->count, all = truth.count + boxes;
    const size_t room = (size_t)j->sampling->count;
    const rois_scratch s = rois_scratch_of(j, worker);
    assign_image(&j->assign, image, s.best, s.assigned + truth.count);
    for (size_t k = 0; k < truth.count; k++) {
        s.assigned[k] = bnn_is_truth(&truth, k) ? (int32_t)k + 1 : -1;
    }
    sample_image(j->sampling, image, all, s.assigned, s.sampled, s.list);
    float *roi = j->sampled + 5 * image * room;
    int32_t *whose = j->assigned + image * room;
    size_t taken = 0;
    for (int positive = 1; positive >= 0; positive--) {
        for (size_t i = 0; i < all; i++) {
            if (positive ? s.sampled[i] > 0 : s.sampled[i] == 0) {
                take_roi(j, image, &truth, i, roi + 5 * taken);
                whose[taken++] = s.sampled[i];
            }
        }
    }
    for (; taken < room; taken++) {
        memset(roi + 5 * taken, 0, 5 * sizeof(float));
        roi[5 * taken] = -1.0f;
        whose[taken] = -1;
    }
}

void bnn_sample_rois(const bnn_stream *stream, const bnn_boxes *boxes,
                     const bnn_ground_truth *truth, const bnn_matching *matching,
                     const bnn_sampling *sampling, float *sampled, int32_t *assigned, void *ws) {
    rois_job job = {{boxes, truth, matching, NULL, NULL}, sampling, sampled, assigned, ws};
    bnn_for_each(stream, boxes->n, rois_of_image, &job);
}

/* ---- the hardest of the background ---- */

typedef struct hard_job {
    size_t count;
    int background, ratio;
    const float *logits;
    const int32_t *label;
    int32_t *hard;
    void *ws;
} hard_job;

static void hard_of_image(void *context, size_t image, int worker) {
    const hard_job *j = context;
    bnn_item *item = bnn_scratch_of(j->ws, j->count, 0, worker).item;
    size_t others = 0, n = 0, first = image * j->count;
    for (size_t i = 0; i < j->count; i++) {
        int32_t label = j->label[first + i];
        j->hard[first + i] = label == j->background ? -1 : label;
        others += label >= 0 && label < j->background;
        if (label == j->background) {
            const float *row = j->logits + (first + i) * (size_t)(j->background + 1);
            item[n++] = (bnn_item){bnn_background_loss(j->background, row), (int32_t)i};
        }
    }
    bnn_sort_items(item, n);
    for (size_t k = 0; k < n && k < (size_t)j->ratio * others; k++) {
        j->hard[first + (size_t)item[k].index] = j->background;
    }
}

void bnn_hard_negatives(const bnn_stream *stream, size_t n, size_t count, int background, int ratio,
                        const float *logits, const int32_t *label, int32_t *hard, void *ws) {
    hard_job job = {count, background, ratio, logits, label, hard, ws};
    bnn_for_each(stream, n, hard_of_image, &job);
}

/* What is to be found meets what might find it (cpu/detect/match.c): whom a box belongs to, which
 * boxes are learned from. */
#include "cuda/images.cuh"
#include "cuda/philox.cuh"
#include "cuda/table.h"

/* ---- whom a box belongs to ---- */

struct assign_memory {
    bnn_item best[IMAGE_THREADS];
};

/* The first box that overlaps a truth most, and how much; number -1: there is none. */
BNN_GPU bnn_item best_box(image_team t, assign_memory &m, const bnn_boxes &boxes, size_t image,
                          const float *truth) {
    t.each([&](int thread) {
        bnn_item best = {-1.0, -1};
        for (size_t i = (size_t)thread; i < boxes.count; i += IMAGE_THREADS) {
            const float *box = bnn_box_at(&boxes, image, i);
            double overlap = box == NULL ? -1.0 : bnn_overlap(box, truth);
            if (overlap > best.score) {
                best.score = overlap;
                best.index = (int32_t)i;
            }
        }
        m.best[thread] = best;
    });
    for (int half = IMAGE_THREADS / 2; half > 0; half /= 2) {
        t.each([&](int thread) {
            if (thread < half && bnn_comes_first(m.best[thread + half], m.best[thread])) {
                m.best[thread] = m.best[thread + half];
            }
        });
    }
    return m.best[0];
}

/* By the box's own choice. */
BNN_GPU int32_t own_choice(const bnn_ground_truth &truth, const bnn_matching &rule,
                           const float *box) {
    double most = 0.0;
    int32_t whose = -1;
    for (size_t k = 0; k < truth.count; k++) {
        double overlap = bnn_is_truth(&truth, k) ? bnn_overlap(box, truth.box + 4 * k) : -1.0;
        if (overlap > most || (overlap == most && whose < 0)) {
            most = overlap;
            whose = (int32_t)k;
        }
    }
    return most >= (double)rule.positive && whose >= 0 ? whose + 1
           : most < (double)rule.negative              ? 0
                                                       : -1;
}

struct assign_boxes {
    struct shared {
        assign_memory best;
    };
    bnn_boxes boxes;
    bnn_ground_truth truth;
    bnn_matching rule;
    int32_t *assigned;

    /* Does box i go to truth k, whose best box this is? */
    BNN_INSIDE int is_given(bnn_item best, size_t i, const float *box, const float *to) const {
        return best.index >= 0 && best.score >= (double)rule.least &&
               (rule.ties ? bnn_overlap(box, to) == best.score : (int32_t)i == best.index);
    }

    /* Each box chooses; then a truth gets what it overlaps most, a later one what an earlier one
     * got. `best` has room for all truths. */
    BNN_INSIDE void assign(image_team t, assign_memory &m, size_t image, bnn_item *best,
                           int32_t *to) const {
        const bnn_ground_truth own = bnn_ground_truth_of(&truth, image);
        for (size_t k = 0; rule.best && k < own.count; k++) {
            bnn_item found = {-1.0, -1};
            if (bnn_is_truth(&own, k)) {
                found = best_box(t, m, boxes, image, own.box + 4 * k);
            }
            t.each([&](int thread) {
                if (thread == 0) {
                    best[k] = found;
                }
            });
        }
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < boxes.count; i += IMAGE_THREADS) {
                const float *box = bnn_box_at(&boxes, image, i);
                to[i] = box == NULL ? -1 : own_choice(own, rule, box);
                for (size_t k = 0; box != NULL && rule.best && k < own.count; k++) {
                    to[i] = is_given(best[k], i, box, own.box + 4 * k) ? (int32_t)k + 1 : to[i];
                }
            }
        });
    }

    BNN_INSIDE void operator()(image_team t, shared &m, size_t image, bnn_item *list) const {
        assign(t, m.best, image, list, assigned + image * boxes.count);
    }
};

static void assign(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_ground_truth *truth,
                   const bnn_matching *matching, int32_t *assigned, void *ws) {
    each_image(stream, boxes->n, truth->count, ws,
               assign_boxes{*boxes, *truth, *matching, assigned});
}

/* ---- which are learned from ---- */

struct sample_memory {
    gather_memory gather;
    philox_dice dice;
};

/* Leaves k of n in front; one thread's, as each choice is of what the others left. */
BNN_GPU void choose(int32_t *list, size_t n, size_t k, philox_dice *dice) {
    for (size_t j = 0; j < k && k < n; j++) {
        size_t from = dice != NULL ? j + dice->below((uint32_t)(n - j)) : j * n / k;
        int32_t chosen = list[from];
        if (dice != NULL) {
            list[from] = list[j];
        }
        list[j] = chosen;
    }
}

/* sampled = assigned, or -1; `list` has room for `count`. */
BNN_GPU void sample_image(image_team t, sample_memory &m, const bnn_sampling &s, size_t image,
                          size_t count, const int32_t *assigned, int32_t *sampled, int32_t *list) {
    t.each([&](int thread) {
        if (thread == 0) {
            m.dice.random = s.random;
            m.dice.index = (uint64_t)image << 32;
            m.dice.left = 0;
        }
        for (size_t i = (size_t)thread; i < count; i += IMAGE_THREADS) {
            sampled[i] = -1;
        }
    });
    size_t taken = 0;
    for (int positive = 1; positive >= 0; positive--) {
        size_t room = (size_t)(positive ? s.positives : s.count) - taken;
        size_t n = gather(
            t, m.gather, count,
            [&](size_t i) { return positive ? assigned[i] > 0 : assigned[i] == 0; },
            [&](size_t k, size_t i) { list[k] = (int32_t)i; });
        size_t k = n < room ? n : room;
        t.each([&](int thread) {
            if (thread == 0) {
                choose(list, n, k, s.dice ? &m.dice : NULL);
            }
        });
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < k; j += IMAGE_THREADS) {
                sampled[list[j]] = assigned[list[j]];
            }
        });
        taken += k;
    }
}

struct sample_boxes {
    typedef sample_memory shared;
    bnn_sampling sampling;
    size_t count;
    const int32_t *assigned;
    int32_t *sampled;

    BNN_INSIDE void operator()(image_team t, shared &m, size_t image, bnn_item *list) const {
        sample_image(t, m, sampling, image, count, assigned + image * count,
                     sampled + image * count, (int32_t *)(void *)list);
    }
};

static void sample(const bnn_stream *stream, size_t n, size_t count, const bnn_sampling *sampling,
                   const int32_t *assigned, int32_t *sampled, void *ws) {
    each_image(stream, n, count, ws, sample_boxes{*sampling, count, assigned, sampled});
}

/* ---- regions, and the truths themselves in front of them ---- */

struct sample_regions {
    struct shared {
        assign_memory best;
        sample_memory sample;
    };
    assign_boxes assign; /* of the boxes behind the truths */
    bnn_sampling sampling;
    float *sampled;
    int32_t *assigned;

    BNN_INSIDE void take(size_t image, const bnn_ground_truth &truth, size_t number,
                         float *roi) const {
        const float *box = number < truth.count
                               ? truth.box + 4 * number
                               : bnn_box_at(&assign.boxes, image, number - truth.count);
        roi[0] = (float)image;
        for (int k = 0; k < 4; k++) {
            roi[k + 1] = box[k];
        }
    }

    /* Those that were chosen, positives first, and none behind them. */
    BNN_INSIDE void tell(image_team t, gather_memory &m, size_t image,
                         const bnn_ground_truth &truth, const int32_t *chosen) const {
        const size_t all = truth.count + assign.boxes.count, room = (size_t)sampling.count;
        float *roi = sampled + 5 * image * room;
        int32_t *whose = assigned + image * room;
        size_t taken = 0;
        for (int positive = 1; positive >= 0; positive--) {
            taken += gather(
                t, m, all, [&](size_t i) { return positive ? chosen[i] > 0 : chosen[i] == 0; },
                [&](size_t k, size_t i) {
                    take(image, truth, i, roi + 5 * (taken + k));
                    whose[taken + k] = chosen[i];
                });
        }
        t.each([&](int thread) {
            for (size_t i = taken + (size_t)thread; i < room; i += IMAGE_THREADS) {
                roi[5 * i] = -1.0f;
                roi[5 * i + 1] = roi[5 * i + 2] = roi[5 * i + 3] = roi[5 * i + 4] = 0.0f;
                whose[i] = -1;
            }
        });
    }

    /* The list is one of three times truths and boxes. */
    BNN_INSIDE void operator()(image_team t, shared &m, size_t image, bnn_item *best) const {
        const bnn_ground_truth truth = bnn_ground_truth_of(&assign.truth, image);
        const size_t all = truth.count + assign.boxes.count;
        int32_t *own = (int32_t *)(void *)(best + all), *chosen = own + all, *list = chosen + all;
        assign.assign(t, m.best, image, best, own + truth.count);
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; k < truth.count; k += IMAGE_THREADS) {
                own[k] = bnn_is_truth(&truth, k) ? (int32_t)k + 1 : -1;
            }
        });
        sample_image(t, m.sample, sampling, image, all, own, chosen, list);
        tell(t, m.sample.gather, image, truth, chosen);
    }
};

static void sample_rois(const bnn_stream *stream, const bnn_boxes *boxes,
                        const bnn_ground_truth *truth, const bnn_matching *matching,
                        const bnn_sampling *sampling, float *sampled, int32_t *assigned, void *ws) {
    each_image(stream, boxes->n, 3 * (truth->count + boxes->count), ws,
               sample_regions{{*boxes, *truth, *matching, NULL}, *sampling, sampled, assigned});
}

/* ---- the hardest of the background ---- */

struct hardest {
    typedef gather_memory shared;
    size_t count;
    int background, ratio;
    const float *logits;
    const int32_t *label;
    int32_t *hard;

    BNN_INSIDE void operator()(image_team t, shared &m, size_t image, bnn_item *list) const {
        const size_t columns = (size_t)background + 1;
        const int32_t *own = label + image * count;
        const float *row = logits + image * count * columns;
        int32_t *to = hard + image * count;
        size_t others = gather(
            t, m, count, [&](size_t i) { return own[i] >= 0 && own[i] < background; },
            [](size_t, size_t) {});
        size_t n = gather(
            t, m, count, [&](size_t i) { return own[i] == background; },
            [&](size_t k, size_t i) {
                list[k].score = bnn_background_loss(background, row + i * columns);
                list[k].index = (int32_t)i;
            });
        sort_items(t, list, n);
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < count; i += IMAGE_THREADS) {
                to[i] = own[i] == background ? -1 : own[i];
            }
        });
        t.each([&](int thread) {
            size_t stay = (size_t)ratio * others;
            for (size_t k = (size_t)thread; k < n && k < stay; k += IMAGE_THREADS) {
                to[list[k].index] = background;
            }
        });
    }
};

static void hard_negatives(const bnn_stream *stream, size_t n, size_t count, int background,
                           int ratio, const float *logits, const int32_t *label, int32_t *hard,
                           void *ws) {
    each_image(stream, n, count, ws, hardest{count, background, ratio, logits, label, hard});
}

void bnn_cuda_match(bnn_kernels *k) {
    k->assign = assign;
    k->sample = sample;
    k->sample_rois = sample_rois;
    k->hard_negatives = hard_negatives;
}

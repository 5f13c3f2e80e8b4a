/* What is to be found meets what might find it (cpu/detect/match.c): whom a box belongs to, which
 * boxes are learned from. */
#include "cuda/boxes.cuh"
#include "cuda/philox.cuh"
#include "cuda/table.h"

static size_t boxes_workspace(const bnn_stream *, size_t items, size_t keep) {
    return BOX_TEAMS * box_scratch_bytes(items, keep);
}

static size_t teams_for(size_t images) {
    return images < BOX_TEAMS ? images : (size_t)BOX_TEAMS;
}

/* ---- whom a box belongs to ---- */

/* By the box's own choice. */
BNN_GPU int32_t own_choice(const bnn_sought &truth, const bnn_matching &m, const float *box) {
    double most = 0.0;
    int32_t whose = -1;
    for (size_t k = 0; k < truth.count; k++) {
        double overlap = is_truth(truth, k) ? overlap_of(box, truth.box + 4 * k) : -1.0;
        if (overlap > most || (overlap == most && whose < 0)) {
            most = overlap;
            whose = (int32_t)k;
        }
    }
    return most >= (double)m.positive && whose >= 0 ? whose + 1
           : most < (double)m.negative              ? 0
                                                    : -1;
}

struct assigner {
    bnn_boxes boxes;
    bnn_sought truth;
    bnn_matching matching;

    /* A truth's best overlap, and the first such box. */
    BNN_INSIDE box_item best_of(const bnn_sought &of, size_t image, size_t k) const {
        box_item best = {-1.0, -1};
        for (size_t i = 0; i < boxes.count && is_truth(of, k); i++) {
            const float *box = box_at(boxes, image, i);
            double overlap = box == NULL ? -1.0 : overlap_of(box, of.box + 4 * k);
            if (overlap > best.score) {
                best.score = overlap, best.index = (int32_t)i;
            }
        }
        return best;
    }

    /* Every truth gets what it overlaps most; a later one takes it from an earlier one. `best` has
     * room for all truths. */
    BNN_INSIDE void assign(team<BOX_THREADS> t, size_t image, box_item *best,
                           int32_t *assigned) const {
        const bnn_sought of = sought_of(truth, image);
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; matching.best && k < of.count; k += BOX_THREADS) {
                best[k] = best_of(of, image, k);
            }
            for (size_t i = (size_t)thread; i < boxes.count; i += BOX_THREADS) {
                const float *box = box_at(boxes, image, i);
                assigned[i] = box == NULL ? -1 : own_choice(of, matching, box);
            }
        });
        for (size_t k = 0; matching.best && k < of.count; k++) {
            if (best[k].index < 0 || best[k].score < (double)matching.least) {
                continue;
            }
            size_t first = (size_t)best[k].index, end = matching.ties ? boxes.count : first + 1;
            t.each([&](int thread) {
                for (size_t i = first + (size_t)thread; i < end; i += BOX_THREADS) {
                    const float *box = box_at(boxes, image, i);
                    if (box != NULL && overlap_of(box, of.box + 4 * k) == best[k].score) {
                        assigned[i] = (int32_t)k + 1;
                    }
                }
            });
        }
    }
};

struct assign_images {
    static constexpr int THREADS = BOX_THREADS;
    struct shared {};
    assigner a;
    int32_t *assigned;
    void *ws;

    BNN_INSIDE void operator()(team<THREADS> t, shared &, size_t team) const {
        for (size_t image = team; image < a.boxes.n; image += BOX_TEAMS) {
            a.assign(t, image, box_items(ws, a.truth.count, 0, team),
                     assigned + image * a.boxes.count);
        }
    }
};

static void assign(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                   const bnn_matching *matching, int32_t *assigned, void *ws) {
    teams(stream, teams_for(boxes->n), assign_images{{*boxes, *truth, *matching}, assigned, ws});
}

/* ---- which are learned from ---- */

struct sample_memory {
    list_memory list;
    philox_dice dice;
};

/* Leaves k of n in front. */
BNN_GPU void choose(int32_t *list, size_t n, size_t k, philox_dice *dice) {
    for (size_t j = 0; j < k && k < n; j++) {
        size_t from = dice != NULL ? j + roll(dice, (uint32_t)(n - j)) : j * n / k;
        int32_t chosen = list[from];
        if (dice != NULL) {
            list[from] = list[j];
        }
        list[j] = chosen;
    }
}

/* sampled = assigned, or -1; `list` has room for `count`. One thread rolls the dice. */
BNN_GPU void sample_image(team<BOX_THREADS> t, sample_memory &m, const bnn_sampling &s,
                          size_t image, size_t count, const int32_t *assigned, int32_t *sampled,
                          int32_t *list) {
    size_t taken = 0;
    t.each([&](int thread) {
        if (thread == 0) {
            m.dice.random = s.random;
            m.dice.index = (uint64_t)image << 32;
            m.dice.left = 0;
        }
        for (size_t i = (size_t)thread; i < count; i += BOX_THREADS) {
            sampled[i] = -1;
        }
    });
    for (int positive = 1; positive >= 0; positive--) {
        size_t room = (size_t)(positive ? s.positives : s.count) - taken;
        size_t n = list_of(
            t, m.list, count,
            [&](size_t i) { return positive ? assigned[i] > 0 : assigned[i] == 0; },
            [&](size_t place, size_t i) { list[place] = (int32_t)i; });
        size_t k = n < room ? n : room;
        t.each([&](int thread) {
            if (thread == 0) {
                choose(list, n, k, s.dice ? &m.dice : NULL);
            }
        });
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < k; j += BOX_THREADS) {
                sampled[list[j]] = assigned[list[j]];
            }
        });
        taken += k;
    }
}

struct sample_images {
    static constexpr int THREADS = BOX_THREADS;
    using shared = sample_memory;
    size_t n, count;
    bnn_sampling s;
    const int32_t *assigned;
    int32_t *sampled;
    void *ws;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t team) const {
        for (size_t image = team; image < n; image += BOX_TEAMS) {
            int32_t *list = (int32_t *)(void *)box_items(ws, count, 0, team);
            sample_image(t, m, s, image, count, assigned + image * count, sampled + image * count,
                         list);
        }
    }
};

static void sample(const bnn_stream *stream, size_t n, size_t count, const bnn_sampling *sampling,
                   const int32_t *assigned, int32_t *sampled, void *ws) {
    teams(stream, teams_for(n), sample_images{n, count, *sampling, assigned, sampled, ws});
}

/* ---- regions, and the truths themselves in front of them ---- */

struct sample_regions {
    static constexpr int THREADS = BOX_THREADS;
    using shared = sample_memory;
    assigner a;
    bnn_sampling s;
    float *sampled;
    int32_t *assigned;
    void *ws;

    BNN_INSIDE void take(size_t image, const bnn_sought &truth, size_t number, float *roi) const {
        const float *box = number < truth.count ? truth.box + 4 * number
                                                : box_at(a.boxes, image, number - truth.count);
        roi[0] = (float)image;
        for (int k = 0; k < 4; k++) {
            roi[1 + k] = box[k];
        }
    }

    BNN_INSIDE void image_of(team<THREADS> t, shared &m, size_t image, box_item *best) const {
        const bnn_sought truth = sought_of(a.truth, image);
        const size_t all = truth.count + a.boxes.count, room = (size_t)s.count;
        int32_t *whose = (int32_t *)(void *)(best + all), *some = whose + all, *list = some + all;
        a.assign(t, image, best, whose + truth.count);
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; k < truth.count; k += THREADS) {
                whose[k] = is_truth(truth, k) ? (int32_t)k + 1 : -1;
            }
        });
        sample_image(t, m, s, image, all, whose, some, list);
        float *roi = sampled + 5 * image * room;
        int32_t *to = assigned + image * room;
        size_t taken = 0;
        for (int positive = 1; positive >= 0; positive--) {
            taken += list_of(
                t, m.list, all, [&](size_t i) { return positive ? some[i] > 0 : some[i] == 0; },
                [&](size_t place, size_t i) {
                    take(image, truth, i, roi + 5 * (taken + place));
                    to[taken + place] = some[i];
                });
        }
        t.each([&](int thread) {
            for (size_t j = taken + (size_t)thread; j < room; j += THREADS) {
                for (int k = 0; k < 5; k++) {
                    roi[5 * j + (size_t)k] = k == 0 ? -1.0f : 0.0f;
                }
                to[j] = -1;
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t team) const {
        size_t items = 3 * (a.truth.count + a.boxes.count);
        for (size_t image = team; image < a.boxes.n; image += BOX_TEAMS) {
            image_of(t, m, image, box_items(ws, items, 0, team));
        }
    }
};

static void sample_rois(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                        const bnn_matching *matching, const bnn_sampling *sampling, float *sampled,
                        int32_t *assigned, void *ws) {
    teams(stream, teams_for(boxes->n),
          sample_regions{{*boxes, *truth, *matching}, *sampling, sampled, assigned, ws});
}

/* ---- the hardest of the background ---- */

BNN_GPU double background_loss(int background, const float *logits) {
    double most = (double)logits[0], sum = 0.0;
    for (int c = 1; c <= background; c++) {
        most = (double)logits[c] > most ? (double)logits[c] : most;
    }
    for (int c = 0; c <= background; c++) {
        sum += exp((double)logits[c] - most);
    }
    double loss = most + log(sum) - (double)logits[background];
    return isnan(loss) ? (double)INFINITY : loss; /* whoever reads it learns that it broke */
}

struct hard_images {
    static constexpr int THREADS = BOX_THREADS;
    struct shared {
        list_memory list;
    };
    size_t n, count;
    int background, ratio;
    const float *logits;
    const int32_t *label;
    int32_t *hard;
    void *ws;

    BNN_INSIDE void image_of(team<THREADS> t, shared &m, size_t first, box_item *item) const {
        size_t others = list_of(
            t, m.list, count,
            [&](size_t i) { return label[first + i] >= 0 && label[first + i] < background; },
            [&](size_t, size_t i) { hard[first + i] = label[first + i]; });
        size_t wanted = (size_t)ratio * others;
        size_t found = list_of(
            t, m.list, count, [&](size_t i) { return label[first + i] == background; },
            [&](size_t place, size_t i) {
                const float *row = logits + (first + i) * (size_t)(background + 1);
                item[place].score = background_loss(background, row);
                item[place].index = (int32_t)i;
                hard[first + i] = -1;
            });
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < count; i += THREADS) {
                if (label[first + i] < 0 || label[first + i] > background) {
                    hard[first + i] = label[first + i];
                }
            }
        });
        sort_items(t, item, found);
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; k < found && k < wanted; k += THREADS) {
                hard[first + (size_t)item[k].index] = background;
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t team) const {
        for (size_t image = team; image < n; image += BOX_TEAMS) {
            image_of(t, m, image * count, box_items(ws, count, 0, team));
        }
    }
};

static void hard_negatives(const bnn_stream *stream, size_t n, size_t count, int background,
                           int ratio, const float *logits, const int32_t *label, int32_t *hard,
                           void *ws) {
    teams(stream, teams_for(n), hard_images{n, count, background, ratio, logits, label, hard, ws});
}

void bnn_cuda_match(bnn_kernels *k) {
    k->boxes_workspace = boxes_workspace;
    k->assign = assign;
    k->sample = sample;
    k->sample_rois = sample_rois;
    k->hard_negatives = hard_negatives;
}

/* Boxes by themselves, and of many those that stay: as the CPU decides and counts (cpu/detect), in
 * double where thresholds decide. */
#include "cuda/boxes.cuh"
#include "cuda/table.h"

static void anchors(const bnn_stream *stream, const bnn_anchors *of, float *box) {
    const bnn_anchors a = *of;
    each_row(stream, (size_t)a.h * (size_t)a.w, (size_t)a.count, [=] BNN_EACH(size_t i, size_t k) {
        double y = ((double)(i / (size_t)a.w) + (double)a.offset) * (double)a.stride;
        double x = ((double)(i % (size_t)a.w) + (double)a.offset) * (double)a.stride;
        double half_w = 0.5 * (double)a.width[k], half_h = 0.5 * (double)a.height[k];
        float *to = box + 4 * (i * (size_t)a.count + k);
        to[0] = (float)(x - half_w);
        to[1] = (float)(y - half_h);
        to[2] = (float)(x + half_w);
        to[3] = (float)(y + half_h);
    });
}

/* ---- a box by another ---- */

struct placed {
    double x, y, w, h; /* of the middle, and sizes */
};

BNN_GPU placed place_of(const float *box) {
    double w = (double)box[2] - (double)box[0], h = (double)box[3] - (double)box[1];
    placed p = {(double)box[0] + 0.5 * w, (double)box[1] + 0.5 * h, w, h};
    return p;
}

struct four {
    double v[4];
};

static four four_of(const float *v) {
    four f = {{(double)v[0], (double)v[1], (double)v[2], (double)v[3]}};
    return f;
}

static void box_targets(const bnn_stream *stream, const bnn_boxes *of, const bnn_sought *sought,
                        const int32_t *assigned, const float *std, float *target) {
    const bnn_boxes boxes = *of;
    const bnn_sought truth = *sought;
    const four s = four_of(std);
    each(stream, boxes.n * boxes.count, [=] BNN_EACH(size_t i) {
        size_t image = i / boxes.count;
        const float *box = box_at(boxes, image, i % boxes.count);
        float *to = target + 4 * i;
        to[0] = to[1] = to[2] = to[3] = 0.0f;
        if (assigned[i] > 0 && box != NULL) {
            size_t number = image * truth.count + (size_t)assigned[i] - 1;
            placed p = place_of(box), t = place_of(truth.box + 4 * number);
            to[0] = (float)((t.x - p.x) / p.w / s.v[0]);
            to[1] = (float)((t.y - p.y) / p.h / s.v[1]);
            to[2] = (float)(log(t.w / p.w) / s.v[2]);
            to[3] = (float)(log(t.h / p.h) / s.v[3]);
        }
    });
}

BNN_GPU double within(double x, double least, double most) {
    return x < least ? least : x > most ? most : x;
}

static void decode_boxes(const bnn_stream *stream, const bnn_boxes *of, size_t per_box,
                         const float *delta, const float *std, float height, float width,
                         float *box) {
    const bnn_boxes boxes = *of;
    const four s = four_of(std);
    const double most = log(1000.0 / 16.0);
    size_t values = boxes.count * per_box;
    each(stream, boxes.n * values, [=] BNN_EACH(size_t i) {
        const float *from = box_at(boxes, i / values, i % values / per_box);
        const float *d = delta + 4 * i;
        float *to = box + 4 * i;
        to[0] = to[1] = to[2] = to[3] = NAN;
        if (from == NULL) {
            return;
        }
        placed p = place_of(from);
        double x = p.x + (double)d[0] * s.v[0] * p.w, y = p.y + (double)d[1] * s.v[1] * p.h;
        double w = 0.5 * p.w * exp(within((double)d[2] * s.v[2], -most, most));
        double h = 0.5 * p.h * exp(within((double)d[3] * s.v[3], -most, most));
        double side[4] = {x - w, y - h, x + w, y + h};
        for (int k = 0; k < 4; k++) {
            double limit = (double)(k % 2 ? height : width);
            to[k] = (float)(limit > 0.0 ? within(side[k], 0.0, limit) : side[k]);
        }
    });
}

/* ---- labels ---- */

static void box_labels(const bnn_stream *stream, size_t n, size_t count, const bnn_sought *truth,
                       const int32_t *assigned, int background, int32_t *label) {
    const int32_t *class_of = truth == NULL ? NULL : truth->class_;
    size_t truths = truth == NULL ? 0 : truth->count;
    each(stream, n * count, [=] BNN_EACH(size_t i) {
        label[i] = assigned[i] < 0    ? -1
                   : assigned[i] == 0 ? background
                   : class_of == NULL ? 0
                                      : class_of[i / count * truths + (size_t)assigned[i] - 1];
    });
}

/* An image is a thread's; the images come in order. */
struct box_counts {
    static constexpr int THREADS = BOX_THREADS;
    struct shared {
        size_t positive[BOX_THREADS], negative[BOX_THREADS];
        double sum;
    };
    size_t n, count;
    const int32_t *label;
    int background;
    bnn_box_count rule;
    float *result;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t) const {
        t.each([&](int thread) {
            if (thread == 0) {
                m.sum = 0.0;
            }
        });
        for (size_t image = 0; image < n; image++) {
            t.each([&](int thread) {
                size_t positive = 0, negative = 0;
                for (size_t i = (size_t)thread; i < count; i += THREADS) {
                    int32_t own = label[image * count + i];
                    positive += own >= 0 && own < background;
                    negative += own == background;
                }
                m.positive[thread] = positive, m.negative[thread] = negative;
            });
            t.each([&](int thread) {
                size_t positive = 0, negative = 0, least = rule != BNN_COUNT_ALL;
                for (int k = 0; thread == 0 && k < THREADS; k++) {
                    positive += m.positive[k], negative += m.negative[k];
                }
                if (thread == 0) {
                    m.sum += (double)(positive > least ? positive : least);
                    m.sum += rule == BNN_COUNT_POSITIVE
                                 ? 0.0
                                 : (double)(negative > least ? negative : least);
                }
            });
        }
        t.each([&](int thread) {
            if (thread == 0) {
                *result = (float)(m.sum < 1.0 ? 1.0 : m.sum);
            }
        });
    }
};

static void box_count(const bnn_stream *stream, size_t n, size_t count, const int32_t *label,
                      int background, bnn_box_count rule, float *result) {
    teams(stream, 1, box_counts{n, count, label, background, rule, result});
}

/* ---- what stays ---- */

struct suppress {
    static constexpr int THREADS = BOX_THREADS;
    struct shared {
        list_memory list;
        size_t clash, count; /* the number, from 1, of the last candidate that is too near; kept */
    };
    bnn_nms s;
    const float *score, *box;
    float *result;
    int32_t *index;
    void *ws;

    /* The best of each level, one behind the other in `item`; how many. */
    BNN_INSIDE size_t best_of_levels(team<THREADS> t, shared &m, const float *from,
                                     box_item *item) const {
        size_t count = 0, row = 0;
        for (int l = 0; l < BNN_LEVELS_MOST && s.level[l] > 0; row += s.level[l++]) {
            box_item *level = item + count;
            size_t first = row * s.classes;
            size_t n = list_of(
                t, m.list, s.level[l] * s.classes,
                [&](size_t i) { /* no NaN */
                                return (double)score_of(from, first + i) > (double)s.score;
                },
                [&](size_t place, size_t i) {
                    level[place].score = (double)score_of(from, first + i);
                    level[place].index = (int32_t)(first + i);
                });
            sort_items(t, level, n);
            count += n < s.most ? n : s.most;
        }
        sort_items(t, item, count);
        return count;
    }

    BNN_INSIDE float score_of(const float *from, size_t number) const {
        return from[number / s.classes * s.columns + number % s.classes];
    }

    BNN_INSIDE int is_box(const float *b) const {
        double w = (double)b[2] - (double)b[0], h = (double)b[3] - (double)b[1];
        return isfinite(w) && isfinite(h) && (!s.sized || (w > 0.0 && h > 0.0));
    }

    BNN_INSIDE void tell(size_t image, const box_kept *kept, double of, float *to) const {
        for (int k = 0; k < 4; k++) {
            to[k + (s.rois ? 1 : 0)] = kept != NULL ? kept->box[k] : 0.0f;
        }
        if (s.rois) {
            to[0] = kept != NULL ? (float)image : -1.0f;
        } else {
            to[4] = kept != NULL ? (float)of : 0.0f;
            to[5] = kept != NULL ? (float)kept->class_ : -1.0f;
        }
    }

    BNN_INSIDE void image_of(team<THREADS> t, shared &m, size_t image, box_item *item) const {
        size_t boxes = s.rows * (s.by_class ? s.classes : 1), columns = s.rois ? 5 : 6;
        const float *of_image = box + 4 * image * boxes;
        float *to = result + image * s.keep * columns;
        int32_t *numbers = index + image * s.keep;
        box_kept *kept = (box_kept *)(void *)(item + s.rows * s.classes);
        size_t n = best_of_levels(t, m, score + image * s.rows * s.columns, item), count = 0;
        t.each([&](int thread) {
            if (thread == 0) {
                m.clash = m.count = 0;
            }
        });
        for (size_t i = 0; i < n && count < s.keep; i++) {
            const int32_t number = item[i].index, class_ = number % (int32_t)s.classes;
            const float *own = of_image + 4 * ((size_t)number / (s.by_class ? 1 : s.classes));
            t.each([&](int thread) {
                for (size_t k = (size_t)thread; k < count; k += THREADS) {
                    if (kept[k].class_ == class_ &&
                        overlap_of(kept[k].box, own) > (double)s.overlap) {
                        m.clash = i + 1; /* whoever says so */
                    }
                }
            });
            t.each([&](int thread) {
                if (thread == 0 && m.clash != i + 1 && is_box(own)) {
                    box_kept last = {{own[0], own[1], own[2], own[3]}, class_};
                    kept[count] = last;
                    tell(image, &last, item[i].score, to + count * columns);
                    numbers[count] = number;
                    m.count = count + 1;
                }
            });
            count = m.count;
        }
        t.each([&](int thread) {
            for (size_t k = count + (size_t)thread; k < s.keep; k += THREADS) {
                tell(image, NULL, 0.0, to + k * columns);
                numbers[k] = -1;
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t team) const {
        for (size_t image = team; image < s.n; image += BOX_TEAMS) {
            image_of(t, m, image, box_items(ws, s.rows * s.classes, s.keep, team));
        }
    }
};

static void nms(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                float *result, int32_t *index, void *ws) {
    teams(stream, s->n < BOX_TEAMS ? s->n : (size_t)BOX_TEAMS,
          suppress{*s, score, box, result, index, ws});
}

void bnn_cuda_boxes(bnn_kernels *k) {
    k->anchors = anchors;
    k->box_targets = box_targets;
    k->decode_boxes = decode_boxes;
    k->box_labels = box_labels;
    k->box_count = box_count;
    k->nms = nms;
}

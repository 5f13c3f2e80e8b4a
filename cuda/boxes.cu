/* Kernels of boxes by themselves: where anchors stand, how a box tells another one by four numbers
 * and back, labels, and of many boxes those that stay. What they decide by is the CPU's
 * (engine/boxes.h). */
#include "cuda/images.cuh"
#include "cuda/table.h"

static size_t boxes_workspace(const bnn_stream *, size_t items, size_t) {
    return IMAGE_TEAMS * list_bytes(items);
}

/* ---- what is seen of an image ---- */

struct frames {
    static constexpr int THREADS = IMAGE_THREADS;
    struct shared {
        size_t height[THREADS], width[THREADS];
    };
    size_t h, w, c;
    const float *x;
    float *frame;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t image) const {
        const size_t row = w * c;
        const float *own = x + image * h * row;
        t.each([&](int thread) {
            size_t height = 0, width = 0;
            for (size_t i = (size_t)thread; i < h * row; i += THREADS) {
                if (own[i] != 0.0f) {
                    const size_t column = i % row / c + 1;
                    height = i / row + 1;
                    width = column > width ? column : width;
                }
            }
            m.height[thread] = height;
            m.width[thread] = width;
        });
        t.each([&](int thread) {
            size_t height = 0, width = 0;
            for (int i = 0; thread == 0 && i < THREADS; i++) {
                height = m.height[i] > height ? m.height[i] : height;
                width = m.width[i] > width ? m.width[i] : width;
            }
            if (thread == 0) {
                frame[2 * image] = (float)(height > 0 ? height : h);
                frame[2 * image + 1] = (float)(height > 0 ? width : w);
            }
        });
    }
};

static void find_frame(const bnn_stream *stream, size_t n, size_t h, size_t w, size_t c,
                       const float *x, float *frame) {
    teams(stream, n, frames{h, w, c, x, frame});
}

/* ---- where anchors stand ---- */

static void anchors(const bnn_stream *stream, const bnn_anchors *of, size_t n, const float *frame,
                    float *box) {
    const bnn_anchors a = *of;
    const size_t count = (size_t)a.h * (size_t)a.w * (size_t)a.count;
    if (frame == NULL) {
        each(stream, count, [=] BNN_EACH(size_t i) { bnn_anchor_box(&a, i, box + 4 * i); });
        return;
    }
    each(stream, n * count, [=] BNN_EACH(size_t i) {
        const size_t image = i / count;
        bnn_anchor_roi(&a, image, i % count, frame + 2 * image, box + 5 * i);
    });
}

/* ---- a box by another ---- */

struct deviations {
    float std[4];
};

static deviations deviations_of(const float *std) {
    deviations d = {{std[0], std[1], std[2], std[3]}};
    return d;
}

static void box_targets(const bnn_stream *stream, const bnn_boxes *of,
                        const bnn_ground_truth *sought, const int32_t *assigned, const float *std,
                        float *target) {
    const bnn_boxes boxes = *of;
    const bnn_ground_truth truth = *sought;
    const deviations d = deviations_of(std);
    each(stream, boxes.n * boxes.count, [=] BNN_EACH(size_t i) {
        size_t image = i / boxes.count;
        const float *box = bnn_box_at(&boxes, image, i % boxes.count);
        float *to = target + 4 * i;
        to[0] = to[1] = to[2] = to[3] = 0.0f;
        if (assigned[i] > 0 && box != NULL) {
            size_t number = image * truth.count + (size_t)assigned[i] - 1;
            bnn_encode_box(box, truth.box + 4 * number, d.std, to);
        }
    });
}

static void decode_boxes(const bnn_stream *stream, const bnn_boxes *of, size_t per_box,
                         const float *delta, const float *std, float height, float width,
                         const float *frame, float *box) {
    const bnn_boxes boxes = *of;
    const deviations d = deviations_of(std);
    each_row(stream, boxes.n * boxes.count, per_box, [=] BNN_EACH(size_t i, size_t j) {
        const size_t image = i / boxes.count;
        const float *from = bnn_box_at(&boxes, image, i % boxes.count);
        const double h = (double)(frame == NULL ? height : frame[2 * image]);
        const double w = (double)(frame == NULL ? width : frame[2 * image + 1]);
        size_t at = 4 * (i * per_box + j);
        for (size_t k = 0; from == NULL && k < 4; k++) {
            box[at + k] = NAN;
        }
        if (from != NULL) {
            bnn_decode_box(from, delta + at, d.std, h, w, box + at);
        }
    });
}

/* ---- labels ---- */

static void box_labels(const bnn_stream *stream, size_t n, size_t count,
                       const bnn_ground_truth *truth, const int32_t *assigned, int background,
                       int32_t *label) {
    const int32_t *of_truth = truth == NULL ? NULL : truth->label;
    const size_t truths = truth == NULL ? 0 : truth->count;
    each(stream, n * count, [=] BNN_EACH(size_t i) {
        int32_t own = assigned[i];
        label[i] = own < 0            ? -1
                   : own == 0         ? background
                   : of_truth == NULL ? 0
                                      : of_truth[i / count * truths + (size_t)own - 1];
    });
}

struct count_boxes {
    static constexpr int THREADS = IMAGE_THREADS;
    struct shared {
        size_t positive[THREADS], negative[THREADS];
        double sum;
    };
    size_t n, count;
    const int32_t *label;
    int background;
    bnn_box_count rule;
    float *result;

    BNN_INSIDE void add(shared &m) const {
        size_t positive = 0, negative = 0;
        int each = rule != BNN_COUNT_ALL;
        for (int i = 0; i < THREADS; i++) {
            positive += m.positive[i];
            negative += m.negative[i];
        }
        positive += each && positive == 0 ? 1 : 0;
        negative += each && negative == 0 ? 1 : 0;
        m.sum += (double)positive + (rule == BNN_COUNT_POSITIVE ? 0.0 : (double)negative);
    }

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
                    positive += own >= 0 && own < background ? 1 : 0;
                    negative += own == background ? 1 : 0;
                }
                m.positive[thread] = positive;
                m.negative[thread] = negative;
            });
            t.each([&](int thread) {
                if (thread == 0) {
                    add(m);
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
    teams(stream, 1, count_boxes{n, count, label, background, rule, result});
}

/* ---- suppression ---- */

struct suppress {
    struct shared {
        gather_memory gather;
        int alive[IMAGE_THREADS];
    };
    bnn_nms s;
    const float *score, *box;
    float *result;
    int32_t *index;

    /* The best of each level, one behind the other, and these in order; how many. */
    BNN_INSIDE size_t best_of_levels(image_team t, gather_memory &m, const float *of_image,
                                     const float *boxes, bnn_item *item) const {
        size_t count = 0, row = 0;
        for (int l = 0; l < BNN_LEVELS_MOST && s.level[l] > 0; l++) {
            bnn_item *level = item + count;
            const float *from = of_image + row * s.columns;
            size_t n = gather(
                t, m, s.level[l] * s.classes,
                [&](size_t i) {
                    const int32_t number = (int32_t)(row * s.classes + i);
                    return from[i / s.classes * s.columns + i % s.classes] > s.score && /* no NaN */
                           bnn_is_there(bnn_box_of_pair(&s, boxes, number));
                },
                [&](size_t k, size_t i) {
                    level[k].score = (double)from[i / s.classes * s.columns + i % s.classes];
                    level[k].index = (int32_t)(row * s.classes + i);
                });
            sort_items(t, level, n);
            count += n < s.most ? n : s.most;
            row += s.level[l];
        }
        sort_items(t, item, count);
        return count;
    }

    /* Does one of these pairs suppress the other? */
    BNN_INSIDE int collide(const float *boxes, int32_t kept, int32_t other) const {
        const int32_t classes = (int32_t)s.classes;
        return kept % classes == other % classes &&
               bnn_overlap(bnn_box_of_pair(&s, boxes, kept), bnn_box_of_pair(&s, boxes, other)) >
                   (double)s.overlap;
    }

    /* As many candidates as threads at a time: each is alive if nothing that was kept before
     * suppresses it; then those alive are kept, one after another, and suppress what follows. */
    BNN_INSIDE void operator()(image_team t, shared &m, size_t image, bnn_item *list) const {
        const size_t columns = s.rois ? 5 : 6;
        const float *boxes = box + 4 * image * s.rows * (s.by_class ? s.classes : 1);
        float *to = result + image * s.keep * columns;
        int32_t *kept = index + image * s.keep;
        const float *scores = score + image * s.rows * s.columns;
        size_t n = best_of_levels(t, m.gather, scores, boxes, list), count = 0;
        for (size_t first = 0; first < n && count < s.keep; first += IMAGE_THREADS) {
            const bnn_item *item = list + first;
            const int many = n - first < IMAGE_THREADS ? (int)(n - first) : (int)IMAGE_THREADS;
            t.each([&](int thread) {
                int alive =
                    thread < many && bnn_is_box(&s, bnn_box_of_pair(&s, boxes, item[thread].index));
                for (size_t i = 0; alive && i < count; i++) {
                    alive = !collide(boxes, kept[i], item[thread].index);
                }
                m.alive[thread] = alive;
            });
            for (int i = 0; i < many && count < s.keep; i++) {
                if (!m.alive[i]) {
                    continue;
                }
                t.each([&](int thread) {
                    const int32_t number = item[i].index;
                    if (thread == i) {
                        bnn_tell_box(&s, image, bnn_box_of_pair(&s, boxes, number), item[i].score,
                                     number % (int32_t)s.classes, to + count * columns);
                        kept[count] = number;
                    } else if (thread > i && m.alive[thread] &&
                               collide(boxes, number, item[thread].index)) {
                        m.alive[thread] = 0;
                    }
                });
                count++;
            }
            t.each([](int) {}); /* until here it is read who is alive */
        }
        t.each([&](int thread) {
            for (size_t i = count + (size_t)thread; i < s.keep; i += IMAGE_THREADS) {
                bnn_tell_box(&s, image, NULL, 0.0, -1, to + i * columns);
                kept[i] = -1;
            }
        });
    }
};

static void nms(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                float *result, int32_t *index, void *ws) {
    each_image(stream, s->n, s->rows * s->classes, ws, suppress{*s, score, box, result, index});
}

void bnn_cuda_boxes(bnn_kernels *k) {
    k->boxes_workspace = boxes_workspace;
    k->frame = find_frame;
    k->anchors = anchors;
    k->box_targets = box_targets;
    k->decode_boxes = decode_boxes;
    k->box_labels = box_labels;
    k->box_count = box_count;
    k->nms = nms;
}

/* The kernels of boxes against plain code; the same bytes with 1, 2 and 3 threads. */
#include "tests/cpu/kernels/harness.h"

enum { IMAGES = 3, BOXES = 60, TRUTHS = 5, CLASSES = 4 };

static double overlap_of(const float *a, const float *b) {
    double w = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double h = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    double both = fmax(w, 0.0) * fmax(h, 0.0);
    double of_a = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]);
    double of_b = ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]);
    return both > 0.0 ? both / (of_a + of_b - both) : 0.0;
}

/* Boxes on a grid of few places, so that many overlap, and some as much as others. */
static float *random_boxes(size_t n) {
    float *box = get_floats(4 * n);
    for (size_t i = 0; i < n; i++) {
        box[4 * i] = (float)(4 * below(8));
        box[4 * i + 1] = (float)(4 * below(8));
        box[4 * i + 2] = box[4 * i] + (float)(4 + 4 * below(6));
        box[4 * i + 3] = box[4 * i + 1] + (float)(4 + 4 * below(6));
    }
    return box;
}

typedef struct scene {
    bnn_boxes boxes;
    bnn_ground_truth truth;
} scene;

static scene random_scene(int rois) {
    float *box = random_boxes(IMAGES * BOXES), *at = box;
    int32_t *class = get(IMAGES * TRUTHS * 4), *ignore = get(IMAGES * TRUTHS * 4);
    for (int i = 0; i < IMAGES * TRUTHS; i++) {
        class[i] = i / TRUTHS == 2 || i % TRUTHS == 4 ? -1 : below(CLASSES); /* the last has none */
        ignore[i] = i == 1;
    }
    if (rois) {
        at = get_floats(5 * IMAGES * BOXES);
        for (size_t i = 0; i < IMAGES * BOXES; i++) {
            at[5 * i] = i % 7 == 3 ? -1.0f : (float)(i / BOXES);
            memcpy(at + 5 * i + 1, box + 4 * i, 16);
        }
    }
    return (scene){{at, IMAGES, BOXES, !rois, rois ? 5 : 4},
                   {random_boxes(IMAGES * TRUTHS), class, ignore, TRUTHS}};
}

static const float *box_at(const scene *s, size_t image, size_t i) {
    const float *row =
        s->boxes.at + (s->boxes.shared ? i : image * BOXES + i) * (size_t)s->boxes.columns;
    return s->boxes.columns == 4 ? row : row[0] < 0.0f ? NULL : row + 1;
}

static int counts(const scene *s, size_t truth) {
    return s->truth.label[truth] >= 0 && !s->truth.ignore[truth];
}

static void assign_plainly(const scene *s, const bnn_matching *m, int32_t *assigned) {
    for (size_t n = 0; n < IMAGES; n++) {
        int32_t *own = assigned + n * BOXES;
        for (size_t i = 0; i < BOXES; i++) {
            const float *box = box_at(s, n, i);
            double most = 0.0;
            int32_t whose = 0;
            for (size_t t = 0; box && t < TRUTHS; t++) {
                double o = overlap_of(box, s->truth.box + 4 * (n * TRUTHS + t));
                if (counts(s, n * TRUTHS + t) && o > most) {
                    most = o;
                    whose = (int32_t)t + 1;
                }
            }
            own[i] = !box                          ? -1
                     : most >= (double)m->positive ? whose
                     : most < (double)m->negative  ? 0
                                                   : -1;
        }
        for (size_t t = 0; m->best && t < TRUTHS; t++) {
            double most = -1.0;
            for (size_t i = 0; i < BOXES && counts(s, n * TRUTHS + t); i++) {
                const float *box = box_at(s, n, i);
                most =
                    box ? fmax(most, overlap_of(box, s->truth.box + 4 * (n * TRUTHS + t))) : most;
            }
            for (size_t i = 0, given = 0; most >= (double)m->least && i < BOXES; i++) {
                const float *box = box_at(s, n, i);
                if (box && overlap_of(box, s->truth.box + 4 * (n * TRUTHS + t)) == most &&
                    (m->ties || !given)) {
                    own[i] = (int32_t)t + 1;
                    given = 1;
                }
            }
        }
    }
}

START_TEST(test_assign) {
    static const bnn_matching rules[] = {
        {0.5f, 0.5f, 0.0f, 1, 0}, {0.7f, 0.3f, 0.3f, 1, 1}, {0.5f, 0.5f, 0.5f, 0, 0}};
    for (int i = 0; i < 6; i++) {
        size_t mark = buffer_count;
        scene s = random_scene(i % 2);
        int32_t want[IMAGES * BOXES];
        assign_plainly(&s, &rules[i / 2], want);
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (threads_now = 1; threads_now <= THREADS; threads_now++) {
                int32_t *got = get(sizeof want);
                k->assign(on(k), &s.boxes, &s.truth, &rules[i / 2], got,
                          get(k->boxes_workspace(on(k), TRUTHS, 0)));
                assert_same(sizeof want, got, want, "assign");
            }
        }
        release(mark);
    }
}
END_TEST

/* ---- samples ---- */

static void check_sample(const int32_t *assigned, const int32_t *sampled, const bnn_sampling *s) {
    int have[2] = {0}, took[2] = {0};
    for (int i = 0; i < BOXES; i++) {
        have[assigned[i] > 0] += assigned[i] >= 0;
        took[sampled[i] > 0] += sampled[i] >= 0;
        REQUIRE(sampled[i] == -1 || sampled[i] == assigned[i]);
    }
    REQUIRE(took[1] == (have[1] < s->positives ? have[1] : s->positives));
    int room = s->count - took[1];
    REQUIRE(took[0] == (have[0] < room ? have[0] : room));
}

START_TEST(test_sample) {
    size_t mark = buffer_count;
    const size_t bytes = IMAGES * BOXES * sizeof(int32_t);
    int32_t *assigned = get(bytes), *first = NULL;
    for (int i = 0; i < IMAGES * BOXES; i++) {
        assigned[i] = i % BOXES % 10 == 3 ? 2 : i % BOXES % 10 == 4 ? -1 : 0;
    }
    for (int dice = 0; dice < 2; dice++) {
        const bnn_sampling s = {20, 4, dice, {7, 9}};
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            for (threads_now = 1; threads_now <= THREADS; threads_now++) {
                int32_t *got = get(bytes);
                k->sample(on(k), IMAGES, BOXES, &s, assigned, got,
                          get(k->boxes_workspace(on(k), BOXES, 0)));
                for (int n = 0; n < IMAGES; n++) {
                    check_sample(assigned, got + n * BOXES, &s);
                }
                first = k == next_table(NULL) && threads_now == 1 ? got : first;
                assert_same(bytes, got, first, "sample");
            }
        }
        /* Dice fall for each image anew. */
        REQUIRE((memcmp(first, first + BOXES, BOXES * 4) != 0) == dice);
        /* Positives are 3, 13, 23, 33, 43, 53: of these numbers 0, 1, 3, 4. */
        REQUIRE(dice || (first[3] == 2 && first[13] == 2 && first[23] == -1 && first[33] == 2 &&
                         first[43] == 2 && first[53] == -1));
    }
    release(mark);
}
END_TEST

START_TEST(test_sample_rois) {
    size_t mark = buffer_count;
    scene s = random_scene(1);
    const bnn_matching m = {0.5f, 0.5f, 0.5f, 0, 0};
    enum { MANY = 40 };
    for (int count = 8; count <= MANY; count += MANY - 8) {
        for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
            float *first = NULL;
            for (threads_now = 1; threads_now <= THREADS; threads_now++) {
                const bnn_sampling sampling = {count, count / 4, 1, {3, 1}};
                float *roi = get_floats(5 * (size_t)(IMAGES * count));
                int32_t *whose = get(4 * (size_t)(IMAGES * count));
                k->sample_rois(on(k), &s.boxes, &s.truth, &m, &sampling, roi, whose,
                               get(k->boxes_workspace(on(k), 3 * (TRUTHS + BOXES), 0)));
                for (int i = 0; i < IMAGES * count; i++) {
                    const int n = i / count, before = i % count ? whose[i - 1] : 1;
                    REQUIRE(roi[5 * i] == (whose[i] < 0 ? -1.0f : (float)n));
                    REQUIRE(whose[i] > 0 ? before > 0 : whose[i] == 0 ? before >= 0 : 1);
                    if (whose[i] > 0) {
                        size_t truth = (size_t)(n * TRUTHS + whose[i] - 1);
                        REQUIRE(counts(&s, truth));
                        REQUIRE(overlap_of(roi + 5 * i + 1, s.truth.box + 4 * truth) >= 0.5);
                    }
                }
                REQUIRE(whose[2 * count] == 0); /* nothing is to be found in the last image */
                first = threads_now == 1 ? roi : first;
                assert_same(5 * 4 * (size_t)(IMAGES * count), roi, first, "sample_rois");
            }
        }
    }
    release(mark);
}
END_TEST

/* ---- targets, and back ---- */

START_TEST(test_box_coder) {
    static const float std[4] = {0.1f, 0.2f, 0.3f, 0.4f};
    size_t mark = buffer_count;
    scene s = random_scene(1);
    int32_t *whose = get(IMAGES * BOXES * sizeof *whose);
    for (int i = 0; i < IMAGES * BOXES; i++) {
        whose[i] = i % (TRUTHS + 2) - 1;
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *target = get_floats(4 * IMAGES * BOXES), *box = get_floats(4 * IMAGES * BOXES);
        float *cut = get_floats(4 * IMAGES * BOXES), *framed = get_floats(4 * IMAGES * BOXES);
        float *frame = get_floats(2 * IMAGES);
        for (size_t i = 0; i < IMAGES; i++) {
            frame[2 * i] = 20.0f - (float)i;
            frame[2 * i + 1] = 30.0f + (float)i;
        }
        k->box_targets(on(k), &s.boxes, &s.truth, whose, std, target);
        k->decode_boxes(on(k), &s.boxes, 1, target, std, 0.0f, 0.0f, NULL, box);
        k->decode_boxes(on(k), &s.boxes, 1, target, std, 20.0f, 30.0f, NULL, cut);
        k->decode_boxes(on(k), &s.boxes, 1, target, std, 0.0f, 0.0f, frame, framed);
        for (size_t i = 0; i < IMAGES * BOXES; i++) {
            const float *from = box_at(&s, i / BOXES, i % BOXES), *want = from;
            if (whose[i] > 0) {
                want = s.truth.box + 4 * (i / BOXES * TRUTHS + (size_t)whose[i] - 1);
            }
            for (size_t j = 0; j < 4; j++) {
                REQUIRE(from ? fabsf(box[4 * i + j] - want[j]) <= 1e-4f : isnan(box[4 * i + j]));
                REQUIRE(!from ||
                        cut[4 * i + j] == fminf(fmaxf(box[4 * i + j], 0.0f), j % 2 ? 20 : 30));
                const float limit = frame[2 * (i / BOXES) + (j % 2 ? 0 : 1)];
                REQUIRE(!from || framed[4 * i + j] == fminf(fmaxf(box[4 * i + j], 0.0f), limit));
            }
        }
    }
    release(mark);
}
END_TEST

START_TEST(test_anchors) {
    const bnn_anchors a = {2, 3, 2, 10.0f, 0.5f, {4.0f, 8.0f}, {2.0f, 6.0f}};
    size_t mark = buffer_count;
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *box = get_floats(2 * 3 * 2 * 4);
        static const float last[] = {21.0f, 12.0f, 29.0f, 18.0f};
        k->anchors(on(k), &a, 1, NULL, box);
        REQUIRE(box[0] == 3.0f && box[1] == 4.0f && box[2] == 7.0f && box[3] == 6.0f);
        assert_same(sizeof last, box + 44, last, "the last anchor");
        /* Middles at 5 and 15; 5, 15 and 25. */
        const float frames[] = {20.0f, 16.0f, 15.0f, 30.0f};
        float *roi = get_floats(2 * 60), *frame = copied(sizeof frames, frames);
        k->anchors(on(k), &a, 2, frame, roi);
        for (size_t i = 0; i < 24; i++) {
            const size_t image = i / 12, y = i % 12 / 6, x = i % 6 / 2;
            const int seen = image == 0 ? x < 2 : y < 1;
            REQUIRE(roi[5 * i] == (seen ? (float)image : -1.0f));
            assert_same(4 * sizeof *box, roi + 5 * i + 1, box + 4 * (i % 12), "an anchor's box");
        }
    }
    release(mark);
}
END_TEST

/* What is seen ends with the last row and column that are not all zeros; of nothing, all. */
START_TEST(test_frame) {
    enum { H = 5, W = 7, C = 3, N = 5 };
    static const struct {
        int y, x, c;
        float value;
    } set[] = {{1, 2, 0, 1.0f}, {3, 0, 2, -1e-30f}, {0, 4, 1, 2.0f}};
    size_t mark = buffer_count;
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        float *x = get_floats(N * H * W * C), *frame = get_floats(2 * N);
        static const float want[] = {2, 3, 4, 3, 4, 5, H, W, H, W};
        memset(x, 0, N * H * W * C * sizeof *x);
        for (size_t image = 0; image < 3; image++) {
            for (size_t i = 0; i <= image; i++) {
                x[((image * H + (size_t)set[i].y) * W + (size_t)set[i].x) * C + (size_t)set[i].c] =
                    set[i].value;
            }
        }
        x[4 * H * W * C - 1] = NAN; /* the fourth's last value; the fifth is nothing */
        k->frame(on(k), N, H, W, C, x, frame);
        assert_same(sizeof want, frame, want, "frames");
    }
    release(mark);
}
END_TEST

START_TEST(test_labels) {
    static const int32_t assigned[] = {-1, 0, 1, 2, 2, 0, 0, -1}, class[] = {5, 6, 7, 8};
    static const int32_t by_class[] = {-1, 9, 5, 6, 8, 9, 9, -1},
                         any[] = {-1, 1, 0, 0, 0, 1, 1, -1};
    static const int32_t none[] = {9, -1, -1, -1, 6, 6, 6, 6};
    size_t mark = buffer_count;
    const bnn_ground_truth truth = {.label = copied(sizeof class, class), .count = 2};
    const int32_t *whose = copied(sizeof assigned, assigned);
    const int32_t *nobodys = copied(sizeof none, none);
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        int32_t *got = get(sizeof by_class), *label = get(sizeof by_class);
        float *count = get_floats(4);
        k->box_labels(on(k), 2, 4, &truth, whose, 9, label);
        assert_same(sizeof by_class, label, by_class, "box_labels");
        k->box_labels(on(k), 2, 4, NULL, whose, 1, got);
        assert_same(sizeof any, got, any, "box_labels without classes");
        k->box_count(on(k), 2, 4, label, 9, BNN_COUNT_POSITIVE, &count[0]);
        k->box_count(on(k), 2, 4, label, 9, BNN_COUNT_BOTH, &count[1]);
        k->box_count(on(k), 2, 4, nobodys, 9, BNN_COUNT_BOTH, &count[2]); /* 1 + 1 and 4 + 1 */
        k->box_count(on(k), 1, 1, label, 9, BNN_COUNT_ALL, &count[3]);
        REQUIRE(count[0] == 3.0f && count[1] == 6.0f && count[2] == 7.0f && count[3] == 1.0f);
    }
    release(mark);
}
END_TEST

START_TEST(test_hard_negatives) {
    enum { BACKGROUND = 2, RATIO = 2, COLUMNS = BACKGROUND + 1 };
    size_t mark = buffer_count;
    float *x = random_floats(IMAGES * BOXES * COLUMNS), loss[IMAGES * BOXES];
    int32_t *label = get(IMAGES * BOXES * sizeof *label), want[IMAGES * BOXES];
    for (size_t i = 0; i < IMAGES * BOXES; i++) {
        label[i] = i % BOXES % 12 == 5 && i < (IMAGES - 1) * BOXES ? 1
                   : i % 9 == 1                                    ? -1
                                                                   : BACKGROUND;
        loss[i] = logf(expf(x[3 * i]) + expf(x[3 * i + 1]) + expf(x[3 * i + 2])) - x[3 * i + 2];
    }
    for (size_t i = 0; i < IMAGES * BOXES; i++) {
        size_t harder = 0, positive = 0, first = i / BOXES * BOXES;
        for (size_t j = first; j < first + BOXES; j++) {
            harder += label[j] == BACKGROUND && loss[j] > loss[i];
            positive += label[j] == 1;
        }
        want[i] = label[i] == BACKGROUND && harder >= RATIO * positive ? -1 : label[i];
    }
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (threads_now = 1; threads_now <= THREADS; threads_now++) {
            int32_t *got = get(sizeof want);
            k->hard_negatives(on(k), IMAGES, BOXES, BACKGROUND, RATIO, x, label, got,
                              get(k->boxes_workspace(on(k), BOXES, 0)));
            assert_same(sizeof want, got, want, "hard_negatives");
        }
    }
    release(mark);
}
END_TEST

/* ---- suppression ---- */

/* The number of the best one that is left, or -1. */
static int best_left(const bnn_nms *s, const float *score, const unsigned char *gone, size_t first,
                     size_t rows) {
    int best = -1;
    for (size_t i = first * s->classes; i < (first + rows) * s->classes; i++) {
        float v = score[i / s->classes * s->columns + i % s->classes];
        float most =
            best < 0 ? s->score
                     : score[(size_t)best / s->classes * s->columns + (size_t)best % s->classes];
        best = !gone[i] && v > most ? (int)i : best;
    }
    return best;
}

static size_t suppress_plainly(const bnn_nms *s, const float *score, const float *box,
                               int32_t *index) {
    unsigned char gone[BOXES * CLASSES], in[BOXES * CLASSES] = {0};
    memset(gone, 0, sizeof gone);
    for (size_t i = 0; i < BOXES * s->classes; i++) {
        if (isnan(box[4 * (i / (s->by_class ? 1 : s->classes))])) {
            gone[i] = 1; /* what is none takes no place */
        }
    }
    for (size_t l = 0, first = 0; s->level[l]; first += s->level[l++]) {
        for (size_t i = 0; i < s->most; i++) {
            int best = best_left(s, score, gone, first, s->level[l]);
            if (best >= 0) {
                gone[best] = in[best] = 1;
            }
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < BOXES * s->classes; i++) {
        gone[i] = !in[i];
    }
    for (int best; kept < s->keep && (best = best_left(s, score, gone, 0, BOXES)) >= 0;) {
        const float *own = box + 4 * ((size_t)best / (s->by_class ? 1 : s->classes));
        int stays = !s->sized || (own[2] > own[0] && own[3] > own[1]);
        for (size_t i = 0; i < kept; i++) {
            const float *other = box + 4 * ((size_t)index[i] / (s->by_class ? 1 : s->classes));
            stays &= (size_t)index[i] % s->classes != (size_t)best % s->classes ||
                     !(overlap_of(own, other) > (double)s->overlap);
        }
        gone[best] = 1;
        if (stays) {
            index[kept++] = best;
        }
    }
    return kept;
}

START_TEST(test_nms) {
    size_t mark = buffer_count;
    const bnn_nms s = {.n = IMAGES,
                       .rows = BOXES,
                       .classes = CLASSES - _i % 2,
                       .columns = CLASSES,
                       .by_class = _i / 2 % 2,
                       .sized = _i / 4 % 2,
                       .rois = _i / 8,
                       .level = {20, 25, 15},
                       .most = _i % 3 ? 30 : 1000,
                       .keep = _i % 3 == 1 ? 7 : 100,
                       .score = 0.1f,
                       .overlap = 0.4f};
    const size_t boxes = BOXES * (s.by_class ? s.classes : 1), columns = s.rois ? 5 : 6;
    float *score = random_floats(IMAGES * BOXES * CLASSES), *box = random_boxes(IMAGES * boxes);
    for (size_t i = 0; i < IMAGES * BOXES * CLASSES; i++) {
        score[i] = roundf(4.0f * score[i]) / 4.0f; /* many are equal */
    }
    score[5] = box[8] = NAN;
    box[14] = box[12];
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        for (threads_now = 1; threads_now <= THREADS; threads_now++) {
            float *got = get_floats(IMAGES * s.keep * columns);
            int32_t *index = get(IMAGES * s.keep * 4), want[100];
            k->nms(on(k), &s, score, box, got, index,
                   get(k->boxes_workspace(on(k), BOXES * s.classes, s.keep)));
            for (size_t n = 0; n < IMAGES; n++) {
                const float *own = score + n * BOXES * CLASSES, *at = box + 4 * n * boxes;
                size_t kept = suppress_plainly(&s, own, at, want);
                for (size_t i = 0; i < s.keep; i++) {
                    const float *row = got + (n * s.keep + i) * columns;
                    size_t number = i < kept ? (size_t)want[i] : 0;
                    const float *its = at + 4 * (number / (s.by_class ? 1 : s.classes));
                    REQUIRE(index[n * s.keep + i] == (i < kept ? want[i] : -1));
                    REQUIRE(i >= kept || memcmp(row + (s.rois ? 1 : 0), its, 16) == 0);
                    if (s.rois) {
                        REQUIRE(row[0] == (i < kept ? (float)n : -1.0f));
                    } else {
                        size_t c = number % s.classes;
                        REQUIRE(row[5] == (i < kept ? (float)c : -1.0f));
                        REQUIRE(row[4] ==
                                (i < kept ? own[number / s.classes * CLASSES + c] : 0.0f));
                    }
                }
            }
        }
    }
    release(mark);
}
END_TEST

void add_box_tests(TCase *tcase) {
    tcase_add_test(tcase, test_assign);
    tcase_add_test(tcase, test_sample);
    tcase_add_test(tcase, test_sample_rois);
    tcase_add_test(tcase, test_box_coder);
    tcase_add_test(tcase, test_anchors);
    tcase_add_test(tcase, test_frame);
    tcase_add_test(tcase, test_labels);
    tcase_add_test(tcase, test_hard_negatives);
    tcase_add_loop_test(tcase, test_nms, 0, 16);
}

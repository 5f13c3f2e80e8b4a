/* Both measures walk class by class, image by image through sorted lists, note for each box at
 * which thresholds it was right or does not count, and draw curves from these notes. */
#include "models/tasks/average_precision.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AREAS = 4, THRESHOLDS = 10, RECALLS = BNN_CURVE_POINTS, LIMITS = 3, MOST_FOUND = 100 };

/* Of a class and an image: boxes by falling score, ground truths as their measure takes them. */
typedef struct item {
    int32_t class, image;
    double key;
    size_t at; /* in the caller's array */
} item;

/* A found box as it was judged; bit t: at IoU threshold t. VOC has one area, one threshold. */
typedef struct verdict {
    double score;
    size_t order, rank; /* among all boxes of the class; among those of its image */
    uint16_t right[AREAS], ignored[AREAS];
} verdict;

/* What one class is judged with. */
typedef struct judge {
    const bnn_true_box *truth;
    const bnn_found_box *found;
    item *truths, *founds; /* sorted */
    size_t truth_count, found_count;
    size_t crowd;             /* the most ground truths of a class in an image */
    verdict *verdict;         /* of the class's boxes */
    size_t verdicts;          /* so many */
    double *hits, *precision; /* the curve: boxes right so far, and what part of all so far */
    size_t points;            /* of the curve */
    double *iou;              /* [MOST_FOUND][crowd] */
    size_t *order;            /* [crowd] */
    unsigned char *ignored, *matched; /* [crowd] each */
} judge;

static int compare_items(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->class != y->class) {
        return x->class < y->class ? -1 : 1;
    }
    if (x->image != y->image) {
        return x->image < y->image ? -1 : 1;
    }
    if (x->key != y->key) {
        return x->key > y->key ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

static int compare_verdicts(const void *a, const void *b) {
    const verdict *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

static int of_one_group(const item *a, const item *b) {
    return a->class == b->class && a->image == b->image;
}

/* The end of the run of items of one class and image that begins at `first`. */
static size_t run_end(const item *items, size_t count, size_t first) {
    size_t end = first;
    while (end < count && of_one_group(&items[end], &items[first])) {
        end++;
    }
    return end;
}

/* Sorted copies of what is of a class. `difficult_last`: among the ground truths of an image. */
static void sort_all(judge *j, size_t truths, size_t founds, int classes, int difficult_last) {
    for (size_t i = 0; i < truths; i++) {
        const bnn_true_box *t = &j->truth[i];
        if (t->class >= 0 && t->class < classes) {
            j->truths[j->truth_count++] =
                (item){t->class, t->image, difficult_last && t->ignore ? 0.0 : 1.0, i};
        }
    }
    for (size_t i = 0; i < founds; i++) {
        const bnn_found_box *f = &j->found[i];
        if (f->class >= 0 && f->class < classes) {
            double score = isnan(f->score) ? (double)-INFINITY : f->score;
            j->founds[j->found_count++] = (item){f->class, f->image, score, i};
        }
    }
    qsort(j->truths, j->truth_count, sizeof *j->truths, compare_items);
    qsort(j->founds, j->found_count, sizeof *j->founds, compare_items);
    for (size_t i = 0, end; i < j->truth_count; i = end) {
        end = run_end(j->truths, j->truth_count, i);
        j->crowd = end - i > j->crowd ? end - i : j->crowd;
    }
}

static void judge_free(judge *j) {
    free(j->truths);
    free(j->founds);
    free(j->verdict);
    free(j->hits);
    free(j->precision);
    free(j->iou);
    free(j->order);
    free(j->ignored);
    free(j->matched);
}

static bnn_code judge_create(judge *j, const bnn_true_box *truth, size_t truths,
                             const bnn_found_box *found, size_t founds, int classes,
                             int difficult_last, bnn_error *err) {
    *j = (judge){.truth = truth, .found = found};
    j->truths = reallocarray(NULL, truths + 1, sizeof *j->truths);
    j->founds = reallocarray(NULL, founds + 1, sizeof *j->founds);
    j->verdict = reallocarray(NULL, founds + 1, sizeof *j->verdict);
    j->hits = reallocarray(NULL, founds + 1, sizeof *j->hits);
    j->precision = reallocarray(NULL, founds + 1, sizeof *j->precision);
    if (j->truths && j->founds) {
        sort_all(j, truths, founds, classes, difficult_last);
    }
    j->iou = reallocarray(NULL, j->crowd + 1, MOST_FOUND * sizeof *j->iou);
    j->order = reallocarray(NULL, j->crowd + 1, sizeof *j->order);
    j->ignored = malloc(j->crowd + 1);
    j->matched = malloc(j->crowd + 1);
    if (!j->truths || !j->founds || !j->verdict || !j->hits || !j->precision || !j->iou ||
        !j->order || !j->ignored || !j->matched) {
        judge_free(j);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for scoring %zu boxes", founds);
    }
    return BNN_OK;
}

/* Intersection over union, or of a crowd over the found box alone. */
static double overlap(const double *found, const double *truth, double extra, int crowd) {
    const double w = fmin(found[2], truth[2]) - fmax(found[0], truth[0]) + extra;
    const double h = fmin(found[3], truth[3]) - fmax(found[1], truth[1]) + extra;
    if (!(w > 0.0 && h > 0.0)) {
        return 0.0;
    }
    const double of_found = (found[2] - found[0] + extra) * (found[3] - found[1] + extra);
    const double of_truth = (truth[2] - truth[0] + extra) * (truth[3] - truth[1] + extra);
    return w * h / (crowd ? of_found : of_found + of_truth - w * h);
}

/* Boxes [f,f_end) and ground truths [t,t_end) of one class and image. */
typedef struct group {
    size_t f, f_end, t, t_end;
} group;

typedef void judge_group(judge *j, const group *g, const void *rule);

/* Judges all boxes of a class, from founds[*f] and truths[*t] on, which it leaves behind them. */
static void judge_class(judge *j, int class, size_t *f, size_t *t, judge_group *judging,
                        const void *rule) {
    j->verdicts = 0;
    while (*f < j->found_count && j->founds[*f].class == class) {
        group g = {.f = *f, .f_end = run_end(j->founds, j->found_count, *f)};
        while (*t < j->truth_count && j->truths[*t].class == class &&
               j->truths[*t].image < j->founds[*f].image) {
            ++*t;
        }
        g.t = g.t_end = *t;
        if (*t < j->truth_count && of_one_group(&j->truths[*t], &j->founds[*f])) {
            g.t_end = run_end(j->truths, j->truth_count, *t);
        }
        judging(j, &g, rule);
        *f = g.f_end;
        *t = g.t_end;
    }
    while (*t < j->truth_count && j->truths[*t].class == class) {
        ++*t;
    }
    qsort(j->verdict, j->verdicts, sizeof *j->verdict, compare_verdicts);
}

static verdict *judged(judge *j, size_t found, size_t rank) {
    verdict *v = &j->verdict[j->verdicts];
    *v = (verdict){.score = j->founds[found].key, .order = j->verdicts, .rank = rank};
    j->verdicts++;
    return v;
}

/* The curve of the first `limit` boxes of each image: from each point on, the best precision that
 * is still to come. */
static void draw_curve(judge *j, int area, int threshold, size_t limit) {
    double hits = 0.0, misses = 0.0;
    j->points = 0;
    for (size_t i = 0; i < j->verdicts; i++) {
        const verdict *v = &j->verdict[i];
        if (v->rank < limit && !(v->ignored[area] >> threshold & 1)) {
            const int right = v->right[area] >> threshold & 1;
            hits += right;
            misses += !right;
            j->hits[j->points] = hits;
            j->precision[j->points++] = hits / (hits + misses);
        }
    }
    for (size_t i = j->points; i > 1; i--) {
        j->precision[i - 2] = fmax(j->precision[i - 2], j->precision[i - 1]);
    }
}

/* What is left of precision at recalls of 0, .01 ... 1; without any ground truth, NAN. */
static void sample_curve(const judge *j, size_t positives, double *out) {
    size_t p = 0;
    for (int r = 0; out && r < RECALLS; r++) {
        const double recall = r == RECALLS - 1 ? 1.0 : r * 0.01;
        while (p < j->points && j->hits[p] / (double)positives < recall) {
            p++;
        }
        out[r] = positives == 0 ? NAN : p < j->points ? j->precision[p] : 0.0;
    }
}

/* ---- VOC ---- */

static void voc_group(judge *j, const group *g, const void *given) {
    const bnn_voc_rule *rule = given;
    memset(j->matched, 0, g->t_end - g->t);
    for (size_t f = g->f; f < g->f_end; f++) {
        const bnn_found_box *found = &j->found[j->founds[f].at];
        verdict *v = judged(j, f, f - g->f);
        double most = -1.0;
        size_t best = 0;
        for (size_t t = g->t; t < g->t_end; t++) {
            double iou =
                overlap(found->box, j->truth[j->truths[t].at].box, rule->plus_one ? 1.0 : 0.0, 0);
            if (iou > most) {
                most = iou;
                best = t;
            }
        }
        if (most >= rule->iou) {
            const int difficult = j->truth[j->truths[best].at].ignore != 0;
            v->ignored[0] = (uint16_t)difficult;
            v->right[0] = !difficult && !j->matched[best - g->t];
            j->matched[best - g->t] = 1;
        }
    }
}

static double below_curve(const judge *j, size_t positives) {
    double area = 0.0, before = 0.0;
    for (size_t i = 0; i < j->points; i++) {
        area += (j->hits[i] - before) / (double)positives * j->precision[i];
        before = j->hits[i];
    }
    return area;
}

/* Whether recall has reached i/10 is decided in integers. */
static double eleven_points(const judge *j, size_t positives) {
    double sum = 0.0;
    size_t p = 0;
    for (int i = 0; i <= 10; i++) {
        while (p < j->points && 10.0 * j->hits[p] < (double)i * (double)positives) {
            p++;
        }
        sum += p < j->points ? j->precision[p] : 0.0;
    }
    return sum / 11.0;
}

bnn_code bnn_voc_ap(const bnn_true_box *truth, size_t truths, const bnn_found_box *found,
                    size_t founds, int classes, bnn_voc_rule rule, double *ap, double *mean,
                    double *curve, bnn_error *err) {
    judge j;
    bnn_code code = judge_create(&j, truth, truths, found, founds, classes, 1, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t f = 0, t = 0;
    int having = 0;
    double sum = 0.0;
    for (int class = 0; class < classes; class ++) {
        size_t positives = 0;
        for (size_t i = t; i < j.truth_count && j.truths[i].class == class; i++) {
            positives += !j.truth[j.truths[i].at].ignore;
        }
        judge_class(&j, class, &f, &t, voc_group, &rule);
        ap[class] = NAN;
        if (positives > 0) {
            draw_curve(&j, 0, 0, SIZE_MAX);
            ap[class] = rule.eleven ? eleven_points(&j, positives) : below_curve(&j, positives);
            sum += ap[class];
            having++;
        }
        sample_curve(&j, positives, curve ? curve + (size_t) class * RECALLS : NULL);
    }
    *mean = having ? sum / having : 0.0;
    judge_free(&j);
    return BNN_OK;
}

/* ---- COCO ---- */

static const double coco_area[AREAS][2] = {
    {0.0, 1e10}, {0.0, 32.0 * 32.0}, {32.0 * 32.0, 96.0 * 96.0}, {96.0 * 96.0, 1e10}};
static const size_t coco_limit[LIMITS] = {1, 10, MOST_FOUND};

/* As numpy.linspace makes them. */
static double coco_threshold(int t) {
    return t == THRESHOLDS - 1 ? 0.95 : 0.5 + t * ((0.95 - 0.5) / (THRESHOLDS - 1));
}

static int outside(double area, int range) {
    return area < coco_area[range][0] || area > coco_area[range][1];
}

static int is_ignored(const bnn_true_box *t, int range) {
    return t->ignore || outside(t->area, range);
}

/* Ground truths that count, then those that do not. */
static void order_truths(judge *j, const group *g, int range) {
    size_t n = 0;
    for (int ignored = 0; ignored < 2; ignored++) {
        for (size_t t = g->t; t < g->t_end; t++) {
            if (is_ignored(&j->truth[j->truths[t].at], range) == ignored) {
                j->ignored[n] = (unsigned char)ignored;
                j->order[n++] = t;
            }
        }
    }
}

/* Which of the ordered ground truths a box takes, by its overlaps with them; SIZE_MAX: none. One
 * that counts is kept against any that does not; a crowd may be taken many times. */
static size_t take(const judge *j, const group *g, const double *iou, double threshold) {
    double least = fmin(threshold, 1.0 - 1e-10);
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < g->t_end - g->t; k++) {
        const size_t t = j->order[k];
        if (j->matched[k] && !j->truth[j->truths[t].at].ignore) {
            continue;
        }
        if (best != SIZE_MAX && !j->ignored[best] && j->ignored[k]) {
            break;
        }
        if (iou[t - g->t] >= least) {
            least = iou[t - g->t];
            best = k;
        }
    }
    return best;
}

static void coco_match(judge *j, const group *g, verdict *v, int range) {
    const size_t truths = g->t_end - g->t;
    order_truths(j, g, range);
    for (int t = 0; t < THRESHOLDS; t++) {
        memset(j->matched, 0, truths);
        for (size_t i = 0; g->f + i < g->f_end; i++) {
            const double *box = j->found[j->founds[g->f + i].at].box;
            const size_t taken = take(j, g, j->iou + i * truths, coco_threshold(t));
            int ignored;
            if (taken == SIZE_MAX) {
                ignored = outside((box[2] - box[0]) * (box[3] - box[1]), range);
            } else {
                ignored = j->ignored[taken];
                j->matched[taken] = 1;
                v[i].right[range] |= (uint16_t)(!ignored << t);
            }
            v[i].ignored[range] |= (uint16_t)(ignored << t);
        }
    }
}

static void coco_group(judge *j, const group *whole, const void *rule) {
    group g = *whole;
    (void)rule;
    if (g.f_end - g.f > MOST_FOUND) {
        g.f_end = g.f + MOST_FOUND;
    }
    verdict *v = &j->verdict[j->verdicts];
    double *iou = j->iou;
    for (size_t f = g.f; f < g.f_end; f++) {
        judged(j, f, f - g.f);
        for (size_t t = g.t; t < g.t_end; t++) {
            const bnn_true_box *truth = &j->truth[j->truths[t].at];
            *iou++ = overlap(j->found[j->founds[f].at].box, truth->box, 0.0, truth->ignore);
        }
    }
    for (int range = 0; range < AREAS; range++) {
        coco_match(j, &g, v, range);
    }
}

/* Mean precision of a curve. */
static double coco_precision(const double *curve) {
    double sum = 0.0;
    for (int r = 0; r < RECALLS; r++) {
        sum += curve[r];
    }
    return sum / RECALLS;
}

/* Means over classes and thresholds, of classes that have such ground truth. */
typedef struct coco_sums {
    double precision[AREAS][THRESHOLDS], recall[AREAS][LIMITS];
    int classes[AREAS];
} coco_sums;

/* The AP of a class whose boxes have been judged, among all areas, and its curve. */
static double coco_class(judge *j, const size_t *positives, coco_sums *sums, double *curve) {
    double ap = NAN, sampled[RECALLS];
    for (int r = 0; curve && r < RECALLS; r++) {
        curve[r] = NAN;
    }
    for (int a = 0; a < AREAS; a++) {
        double sum = 0.0;
        if (positives[a] == 0) {
            continue;
        }
        sums->classes[a]++;
        for (int t = 0; t < THRESHOLDS; t++) {
            for (int m = a == 0 ? 0 : LIMITS - 1; m < LIMITS; m++) {
                draw_curve(j, a, t, coco_limit[m]);
                const double hits = j->points ? j->hits[j->points - 1] : 0.0;
                sums->recall[a][m] += hits / (double)positives[a];
            }
            sample_curve(j, positives[a], sampled); /* of the last, the most */
            const double precision = coco_precision(sampled);
            if (curve && a == 0 && t == 0) {
                memcpy(curve, sampled, sizeof sampled);
            }
            sums->precision[a][t] += precision;
            sum += precision;
        }
        ap = a == 0 ? sum / THRESHOLDS : ap;
    }
    return ap;
}

static void coco_means(const coco_sums *s, double *stats) {
    double ap[AREAS] = {0.0};
    for (int a = 0; a < AREAS; a++) {
        for (int t = 0; t < THRESHOLDS; t++) {
            ap[a] += s->precision[a][t] / THRESHOLDS;
        }
    }
    const double n = s->classes[0] ? s->classes[0] : (double)NAN;
    stats[BNN_COCO_AP50] = s->precision[0][0] / n;
    stats[BNN_COCO_AP75] = s->precision[0][5] / n;
    for (int a = 0; a < AREAS; a++) {
        const double of_area = s->classes[a] ? s->classes[a] : (double)NAN;
        stats[a ? BNN_COCO_AP_SMALL + a - 1 : BNN_COCO_AP] = ap[a] / of_area;
        stats[a ? BNN_COCO_AR_SMALL + a - 1 : BNN_COCO_AR100] =
            s->recall[a][LIMITS - 1] / THRESHOLDS / of_area;
    }
    stats[BNN_COCO_AR1] = s->recall[0][0] / THRESHOLDS / n;
    stats[BNN_COCO_AR10] = s->recall[0][1] / THRESHOLDS / n;
}

bnn_code bnn_coco_ap(const bnn_true_box *truth, size_t truths, const bnn_found_box *found,
                     size_t founds, int classes, double *stats, double *ap, double *curve,
                     bnn_error *err) {
    judge j;
    bnn_code code = judge_create(&j, truth, truths, found, founds, classes, 0, err);
    if (code != BNN_OK) {
        return code;
    }
    coco_sums sums = {.classes = {0}};
    size_t f = 0, t = 0;
    for (int class = 0; class < classes; class ++) {
        size_t positives[AREAS] = {0};
        for (size_t i = t; i < j.truth_count && j.truths[i].class == class; i++) {
            for (int a = 0; a < AREAS; a++) {
                positives[a] += !is_ignored(&j.truth[j.truths[i].at], a);
            }
        }
        judge_class(&j, class, &f, &t, coco_group, NULL);
        ap[class] =
            coco_class(&j, positives, &sums, curve ? curve + (size_t) class * RECALLS : NULL);
    }
    coco_means(&sums, stats);
    judge_free(&j);
    return BNN_OK;
}

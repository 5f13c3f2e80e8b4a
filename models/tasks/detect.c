/* Boxes of several classes in a picture. The network itself knows how what it says becomes a loss:
 * what of it belongs to what is to be found is a matter of its anchors. Both kinds of boxes are
 * listed, since an average precision is told by all of them in order only; and counted as they are
 * in the picture, whatever size the network sees it in. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "models/tasks/detect.h"
#include "models/tasks/tables.h"

bnn_t bnn_detect_loss(const bnn_build *b, bnn_output *output, const bnn_t *target) {
    float ones[BNN_MAX_TERMS];
    if (!output->losses) {
        return bnn_graph_fail(b->graph, BNN_ERR_ARGUMENT, "this network finds no boxes");
    }
    output->losses(b, output, target);
    for (int i = 0; i < BNN_MAX_TERMS; i++) {
        ones[i] = 1.0f;
    }
    return bnn_op_weighted_sum(b->graph, output->terms, output->term, ones);
}

/* ---- what is listed ---- */

/* A line of the list: a box that is there (area from 0 on), or was found (area -1). */
enum { IMAGE, CLASS, IGNORE_OR_SCORE, AREA, BOX, LINE = BOX + 4 };

/* Of pixels of the input to those of the picture. frame: height and width of what the picture takes
 * of the input, and its own. */
static void box_in_picture(const float frame[4], const float *box, double out[4]) {
    for (int k = 0; k < 4; k++) {
        const double part = (double)frame[k % 2 ? 0 : 1], own = (double)frame[k % 2 ? 2 : 3];
        out[k] = part > 0.0 ? (double)box[k] * own / part : (double)box[k];
    }
}

/* What is found beside the picture, where the input has nothing, is none of it. */
static void found_in_picture(const float frame[4], const float *box, double out[4]) {
    float cut[4];
    for (int k = 0; k < 4; k++) {
        const float part = frame[k % 2 ? 0 : 1];
        cut[k] = box[k] > part ? part : box[k];
    }
    box_in_picture(frame, cut, out);
}

static const void *field_of(const bnn_batch *batch, const char *name, size_t i) {
    const int f = bnn_field_find(batch->field, batch->field_count, name);
    return f < 0 ? NULL : (const char *)batch->data[f] + i * bnn_field_bytes(&batch->field[f]);
}

static bnn_code list_truths(const bnn_batch *batch, size_t i, const float frame[4],
                            bnn_score *score, bnn_error *err) {
    const float *box = field_of(batch, "boxes", i), *area = field_of(batch, "box_area", i);
    const int32_t *class = field_of(batch, "box_class", i);
    const int32_t *ignore = field_of(batch, "box_ignore", i);
    bnn_code code = BNN_OK;
    for (int k = 0; code == BNN_OK && box && class && k < BNN_MAX_BOXES; k++) {
        double line[LINE] = {[IMAGE] = (double)score->samples, [CLASS] = class[k]};
        if (class[k] < 0) {
            continue;
        }
        box_in_picture(frame, box + 4 * k, line + BOX); /* all of it: so COCO and VOC score */
        line[IGNORE_OR_SCORE] = ignore ? ignore[k] : 0;
        line[AREA] =
            area ? (double)area[k] : (line[BOX + 2] - line[BOX]) * (line[BOX + 3] - line[BOX + 1]);
        line[AREA] = line[AREA] > 0.0 ? line[AREA] : 0.0;
        code = bnn_score_append(score, line, LINE, err);
    }
    return code;
}

size_t bnn_boxes_found(const bnn_spec *spec, const float *output, const float frame[4],
                       bnn_found_box *out) {
    size_t count = 0;
    for (; count < (size_t)spec->arch->detections && output[5] >= 0.0f; output += BNN_DETECTION) {
        out[count] = (bnn_found_box){.score = (double)output[4], .class = (int32_t)output[5]};
        found_in_picture(frame, output, out[count++].box);
    }
    return count;
}

static bnn_code list_found(const bnn_spec *spec, const float *output, const float frame[4],
                           bnn_score *score, bnn_error *err) {
    bnn_found_box found[BNN_MAX_BOXES_FOUND];
    const size_t count = bnn_boxes_found(spec, output, frame, found);
    bnn_code code = BNN_OK;
    for (size_t k = 0; code == BNN_OK && k < count; k++) {
        double line[LINE] = {[IMAGE] = (double)score->samples,
                             [CLASS] = found[k].class,
                             [IGNORE_OR_SCORE] = found[k].score,
                             [AREA] = -1.0};
        memcpy(line + BOX, found[k].box, sizeof found[k].box);
        code = bnn_score_append(score, line, LINE, err);
    }
    return code;
}

static bnn_code add(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                    int with_loss, bnn_score *score, bnn_error *err) {
    const size_t values = (size_t)spec->arch->detections * BNN_DETECTION;
    bnn_code code = BNN_OK;
    (void)with_loss;
    for (size_t i = 0; code == BNN_OK && i < batch->n; i++) {
        const float whole[4] = {(float)spec->height, (float)spec->width, (float)spec->height,
                                (float)spec->width};
        const float *frame = field_of(batch, "frame", i);
        frame = frame ? frame : whole;
        if (!score->training && !(code = list_truths(batch, i, frame, score, err))) {
            code = list_found(spec, output + i * values, frame, score, err);
        }
        score->samples++;
    }
    score->loss = score->training ? score->loss : NAN; /* evaluation knows no loss */
    return code;
}

/* ---- what it comes to ---- */

bnn_listed_boxes bnn_boxes_listed(const bnn_score *score) {
    const size_t lines = score->listed / LINE;
    bnn_listed_boxes l = {.truth = malloc((lines + 1) * (sizeof *l.truth + sizeof *l.found))};
    l.found = l.truth ? (bnn_found_box *)(void *)(l.truth + lines + 1) : NULL;
    for (size_t i = 0; l.truth && i < lines; i++) {
        const double *line = score->list + i * LINE;
        const int32_t image = (int32_t)line[IMAGE], class = (int32_t)line[CLASS];
        if (line[AREA] < 0.0) {
            bnn_found_box *f = &l.found[l.founds++];
            *f = (bnn_found_box){.score = line[IGNORE_OR_SCORE], .image = image, .class = class};
            memcpy(f->box, line + BOX, sizeof f->box);
        } else {
            bnn_true_box *t = &l.truth[l.truths++];
            *t = (bnn_true_box){.area = line[AREA],
                                .image = image,
                                .class = class,
                                .ignore = (int32_t)line[IGNORE_OR_SCORE]};
            memcpy(t->box, line + BOX, sizeof t->box);
        }
    }
    return l;
}

/* Numbers of a score: its metrics, then the AP of each class, then its curve; NAN where memory is
 * out. */
typedef void summary(const bnn_listed_boxes *l, int classes, double *metric, double *ap,
                     double *curve);

/* Computed once for what is listed. */
static const double *summarized(const bnn_spec *spec, const bnn_score *score, summary *of) {
    const size_t curves = BNN_MAX_METRICS + (size_t)spec->classes;
    const size_t count = curves + (size_t)spec->classes * BNN_CURVE_POINTS;
    bnn_score_memo *memo = score->memo;
    if (memo->count && memo->listed == score->listed) {
        return memo->value;
    }
    double *value = malloc(count * sizeof *value);
    free(memo->value);
    *memo = (bnn_score_memo){.value = value};
    bnn_listed_boxes l = bnn_boxes_listed(score);
    for (size_t i = 0; value && i < count; i++) {
        value[i] = NAN;
    }
    if (value && l.truth) {
        of(&l, spec->classes, value, value + BNN_MAX_METRICS, value + curves);
        memo->count = count;
        memo->listed = score->listed;
    }
    free(l.truth);
    return value;
}

static double value_of(const bnn_spec *spec, const bnn_score *score, summary *of, int number) {
    const double *all = score->training ? NULL : summarized(spec, score, of);
    return all ? 100.0 * all[number] : NAN;
}

static const double *curve_of(const bnn_spec *spec, const bnn_score *score, summary *of,
                              int class) {
    const double *all = score->training ? NULL : summarized(spec, score, of);
    return all ? all + BNN_MAX_METRICS + spec->classes + class * BNN_CURVE_POINTS : NULL;
}

static size_t sums(const bnn_spec *spec) {
    (void)spec;
    return 0;
}

static int groups(const bnn_spec *spec) {
    return spec->classes;
}

/* Boxes of a class that are there, and count. */
static double boxes_of(const bnn_score *score, int class) {
    double count = 0.0;
    for (size_t at = 0; at < score->listed; at += LINE) {
        const double *line = score->list + at;
        count += line[AREA] >= 0.0 && line[CLASS] == class && line[IGNORE_OR_SCORE] == 0.0;
    }
    return count;
}

static double group_of(const bnn_spec *spec, const bnn_score *score, summary *of, int class,
                       const char **name, double *samples) {
    *name = bnn_class_name(spec, class);
    *samples = boxes_of(score, class);
    return value_of(spec, score, of, BNN_MAX_METRICS + class);
}

/* ---- as PASCAL VOC scores ---- */

/* The classic one: eleven points of recall, boxes of pixels; and the area of later years. */
static void summarize_voc(const bnn_listed_boxes *l, int classes, double *metric, double *ap,
                          double *curve) {
    bnn_voc_rule rule = {.iou = 0.5, .plus_one = 1};
    bnn_error err;
    bnn_voc_ap(l->truth, l->truths, l->found, l->founds, classes, rule, ap, &metric[1], NULL, &err);
    rule.eleven = 1;
    bnn_voc_ap(l->truth, l->truths, l->found, l->founds, classes, rule, ap, &metric[0], curve,
               &err);
}

static double voc_value(const bnn_spec *spec, const bnn_score *score, int metric) {
    return value_of(spec, score, summarize_voc, metric);
}

static double voc_group(const bnn_spec *spec, const bnn_score *score, int class, const char **name,
                        double *samples) {
    return group_of(spec, score, summarize_voc, class, name, samples);
}

static const double *voc_curve(const bnn_spec *spec, const bnn_score *score, int class) {
    return curve_of(spec, score, summarize_voc, class);
}

static const bnn_metric voc_metrics[] = {
    {.key = "map",
     .label = "mAP",
     .name = "mAP",
     .title = "mean average precision",
     .unit = "%",
     .digits = 2},
    {.key = "map_area",
     .label = "mAP-area",
     .name = "mAP (area)",
     .title = "mean area below precision by recall",
     .unit = "%",
     .digits = 2},
    {0},
};

#define BOXES                                                                                      \
    .target = {{"boxes", BNN_F32, {1, 1, BNN_MAX_BOXES, 4}},                                       \
               {"box_class", BNN_I32, {1, 1, BNN_MAX_BOXES, 1}},                                   \
               {"box_ignore", BNN_I32, {1, 1, BNN_MAX_BOXES, 1}}},                                 \
    .boxes = 1, .listed = 1, .loss = bnn_detect_loss, .sums = sums, .add = add, .groups = groups

const bnn_task bnn_task_detect = {BOXES,
                                  .name = "detect",
                                  .metrics = voc_metrics,
                                  .value = voc_value,
                                  .group = voc_group,
                                  .curve = voc_curve};

/* ---- as COCO scores ---- */

static const int coco_numbers[] = {BNN_COCO_AP,       BNN_COCO_AP50,      BNN_COCO_AP75,
                                   BNN_COCO_AP_SMALL, BNN_COCO_AP_MEDIUM, BNN_COCO_AP_LARGE,
                                   BNN_COCO_AR100,    BNN_COCO_AR1,       BNN_COCO_AR10,
                                   BNN_COCO_AR_SMALL, BNN_COCO_AR_MEDIUM, BNN_COCO_AR_LARGE};

static void summarize_coco(const bnn_listed_boxes *l, int classes, double *metric, double *ap,
                           double *curve) {
    double stats[BNN_COCO_STATS];
    bnn_error err;
    if (bnn_coco_ap(l->truth, l->truths, l->found, l->founds, classes, stats, ap, curve, &err) ==
        BNN_OK) {
        for (size_t i = 0; i < sizeof coco_numbers / sizeof *coco_numbers; i++) {
            metric[i] = stats[coco_numbers[i]];
        }
    }
}

static double coco_value(const bnn_spec *spec, const bnn_score *score, int metric) {
    return value_of(spec, score, summarize_coco, metric);
}

static double coco_group(const bnn_spec *spec, const bnn_score *score, int class, const char **name,
                         double *samples) {
    return group_of(spec, score, summarize_coco, class, name, samples);
}

static const double *coco_curve(const bnn_spec *spec, const bnn_score *score, int class) {
    return curve_of(spec, score, summarize_coco, class);
}

#define COCO(k, l, t, in_files)                                                                    \
    { .key = k, .label = l, .name = l, .title = t, .unit = "%", .digits = 2, .minor = in_files }
static const bnn_metric coco_metrics[] = {
    COCO("ap", "AP", "average precision", 0),
    COCO("ap50", "AP50", "average precision at an overlap of a half", 0),
    COCO("ap75", "AP75", "average precision at an overlap of three quarters", 0),
    COCO("ap_small", "AP-S", "average precision of small boxes", 0),
    COCO("ap_medium", "AP-M", "average precision of medium boxes", 0),
    COCO("ap_large", "AP-L", "average precision of large boxes", 0),
    COCO("ar100", "AR100", "average recall of a hundred boxes", 0),
    COCO("ar1", "AR1", "average recall of one box", 1),
    COCO("ar10", "AR10", "average recall of ten boxes", 1),
    COCO("ar_small", "AR-S", "average recall of small boxes", 1),
    COCO("ar_medium", "AR-M", "average recall of medium boxes", 1),
    COCO("ar_large", "AR-L", "average recall of large boxes", 1),
    {0},
};

const bnn_task bnn_task_detect_coco = {BOXES,
                                       .name = "detect_coco",
                                       .metrics = coco_metrics,
                                       .value = coco_value,
                                       .group = coco_group,
                                       .curve = coco_curve};

/* How well boxes were found: average precision as PASCAL VOC (Everingham et al., IJCV 2010) and
 * COCO (Lin et al., ECCV 2014) define it, number for number what their own programs give. Plain
 * arrays in, numbers out; no graph, no files. */
#ifndef BNN_MODELS_TASKS_AVERAGE_PRECISION_H
#define BNN_MODELS_TASKS_AVERAGE_PRECISION_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

/* A box that is there. */
typedef struct bnn_true_box {
    double box[4]; /* x1 y1 x2 y2 in pixels */
    double area;   /* in pixels; COCO: of what is in the box (VOC does not ask) */
    int32_t image, class;
    int32_t ignore; /* VOC: difficult; COCO: a crowd */
} bnn_true_box;

/* A box that was found. */
typedef struct bnn_found_box {
    double box[4], score;
    int32_t image, class;
} bnn_found_box;

/* In both: an entry whose class is not below `classes`, or negative, counts nowhere; a score that
 * is NaN is the lowest. Equal scores stand by image, then as they were given, so what is given in
 * another order of images is scored a little differently; a caller keeps one. NAN is the average
 * precision of a class, and COCO's statistic, without ground truth (pycocotools' -1). */

typedef struct bnn_voc_rule {
    double iou;   /* from which on a box is found: 0.5 */
    int eleven;   /* the mean of eleven precisions, as until 2009; else the area below the curve */
    int plus_one; /* pixel coordinates are of pixels, not of their borders: 10 to 10 is one wide */
} bnn_voc_rule;

/* Points of a curve: what precision is left at a recall of 0, .01, ... 1, of boxes that overlap by
 * at least a half (VOC: by rule.iou); NAN in all points of a class without ground truth. */
enum { BNN_CURVE_POINTS = 101 };

/* ap[classes], and the mean over those that have ground truth (0 if none has); the curves,
 * curve[classes][BNN_CURVE_POINTS] or NULL. Boxes are taken by falling score, each for the ground
 * truth of its class that it overlaps most, one that is not difficult before one that is: right if
 * that is not taken yet, wrong if it is, neither if it is difficult. */
bnn_code bnn_voc_ap(const bnn_true_box *truth, size_t truths, const bnn_found_box *found,
                    size_t founds, int classes, bnn_voc_rule rule, double *ap, double *mean,
                    double *curve, bnn_error *err);

/* In the order in which pycocotools prints them: precision over IoUs of .5 to .95, at .5, at .75;
 * of small, medium, large; recall of 1, 10 and 100 boxes an image; of small, medium, large. */
enum {
    BNN_COCO_AP,
    BNN_COCO_AP50,
    BNN_COCO_AP75,
    BNN_COCO_AP_SMALL,
    BNN_COCO_AP_MEDIUM,
    BNN_COCO_AP_LARGE,
    BNN_COCO_AR1,
    BNN_COCO_AR10,
    BNN_COCO_AR100,
    BNN_COCO_AR_SMALL,
    BNN_COCO_AR_MEDIUM,
    BNN_COCO_AR_LARGE,
    BNN_COCO_STATS
};

/* stats[BNN_COCO_STATS], the AP of each class, ap[classes], and the curves as above. Images are
 * taken by number, which must rise as COCO's ids do. */
bnn_code bnn_coco_ap(const bnn_true_box *truth, size_t truths, const bnn_found_box *found,
                     size_t founds, int classes, double *stats, double *ap, double *curve,
                     bnn_error *err);

#endif

/* Data sets of photographs with boxes: VOC's and COCO's files, how a network sees them, SSD's
 * augmentations. All files are made here. */
#include <math.h>

#include "data_loaders/boxes/boxes.h"
#include "data_loaders/loader.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"
#include "tests/fixtures/jpeg_fixture.h"

static bnn_error err;

typedef struct sample {
    float *image, box[BNN_MOST_BOXES][4], area[BNN_MOST_BOXES], frame[4];
    int32_t class[BNN_MOST_BOXES], ignore[BNN_MOST_BOXES];
    int boxes;
} sample;

static void take(const bnn_dataset *d, size_t index, const bnn_draw *draw, sample *s) {
    s->image = s->image ? s->image : malloc(bnn_field_bytes(&d->field[0]));
    void *const out[] = {s->image, s->box, s->class, s->ignore, s->area, s->frame};
    bnn_code code = d->sample(d, index, draw, out, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    s->boxes = 0;
    while (s->boxes < BNN_MOST_BOXES && s->class[s->boxes] >= 0) {
        s->boxes++;
    }
    for (int i = s->boxes; i < BNN_MOST_BOXES; i++) { /* none behind the last */
        ck_assert(s->class[i] == -1 && !s->ignore[i] && s->area[i] == 0.0f && s->box[i][2] == 0.0f);
    }
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

static void write_photo(const char *name, int height, int width, int seed) {
    size_t size;
    unsigned char *bytes = make_jpeg(height, width, seed, (jpeg_kind){.channels = 3}, &size);
    write_file(name, bytes, size);
    free(bytes);
}

static bnn_dataset *open_as(const bnn_dataset_info *info, bnn_split split,
                            bnn_dataset_options options) {
    bnn_dataset *d = NULL;
    bnn_code code = bnn_dataset_open(info, folder, split, &options, &d, &err);
    if (code == BNN_ERR_UNSUPPORTED) {
        exit(77); /* built without */
    }
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return d;
}

static void refuse_set(const bnn_dataset_info *info, bnn_split split, bnn_code expected,
                       const char *part, const char *other) {
    bnn_dataset *d;
    bnn_code code = bnn_dataset_open(info, folder, split, NULL, &d, &err);
    expect_error(code, expected, &err, part, other, NULL);
    ck_assert_ptr_null(d);
}

static void near(const float *got, double a, double b, double c, double d) {
    const double want[] = {a, b, c, d};
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(fabs((double)got[i] - want[i]) < 1e-3, "value %d is %g, expected %g", i,
                      (double)got[i], want[i]);
    }
}

/* ---- VOC ---- */

#define OBJECT(name, hard, x1, y1, x2, y2)                                                         \
    "<object><name>" name "</name><pose>Frontal</pose><difficult>" #hard "</difficult>"            \
    "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>"      \
    "</bndbox></part><bndbox><xmin>" #x1 "</xmin><ymin>" #y1 "</ymin>\n<xmax> " #x2                \
    "\n</xmax><ymax>" #y2 "</ymax></bndbox></object>"
#define ANNOTATION(objects) "<annotation><size><width>40</width></size>" objects "</annotation>"

static void write_voc(void) {
    static const char *const folders[] = {"VOCdevkit", "VOCdevkit/VOC2007", "VOCdevkit/VOC2012"};
    static const char *const inner[] = {"JPEGImages", "Annotations", "ImageSets", "ImageSets/Main"};
    char name[100];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mkdir(in_folder(folders[i]), 0777), 0);
        for (int k = 0; i && k < 4; k++) {
            snprintf(name, sizeof name, "%s/%s", folders[i], inner[k]);
            ck_assert_int_eq(mkdir(in_folder(name), 0777), 0);
        }
    }
    write_photo("VOCdevkit/VOC2007/JPEGImages/000001.jpg", 300, 400, 1);
    write_photo("VOCdevkit/VOC2007/JPEGImages/000002.jpg", 400, 200, 2);
    write_photo("VOCdevkit/VOC2012/JPEGImages/2012_1.jpg", 500, 500, 3);
    write_photo("VOCdevkit/VOC2012/JPEGImages/2012_2.jpg", 30, 30, 4);
    write_text("VOCdevkit/VOC2007/Annotations/000001.xml",
               ANNOTATION(OBJECT("dog", 0, 11, 21, 111, 221) OBJECT("person", 1, 1, 1, 400, 300)
                              OBJECT("unicorn", 0, 1, 1, 9, 9) OBJECT("cat", 0, 9, 9, 9, 30)
                                  OBJECT("cat", 0, 30, 9, 20, 30)));
    write_text("VOCdevkit/VOC2007/Annotations/000002.xml",
               ANNOTATION(OBJECT("tvmonitor", 0, 101, 301, 251, 351)));
    write_text("VOCdevkit/VOC2012/Annotations/2012_1.xml",
               ANNOTATION(OBJECT("aeroplane", 0, 1.5, 1.5, 11.5, 21.5)));
    write_text("VOCdevkit/VOC2012/Annotations/2012_2.xml", ANNOTATION(""));
    write_text("VOCdevkit/VOC2007/ImageSets/Main/trainval.txt", "000001\r\n000009\r\n");
    write_text("VOCdevkit/VOC2007/ImageSets/Main/test.txt", "000001\n000002\n000002\n");
    write_text("VOCdevkit/VOC2012/ImageSets/Main/trainval.txt", "2012_1\n2012_2\n");
    write_text("VOCdevkit/VOC2012/ImageSets/Main/train.txt", "2012_1\n");
    write_text("VOCdevkit/VOC2012/ImageSets/Main/val.txt", "2012_2\n");
}

START_TEST(voc_sets) {
    write_voc();
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, (bnn_dataset_options){0});
    ck_assert(d->count == 2 && d->skipped == 1 && d->classes == 20);
    ck_assert_str_eq(d->remark, "left out: 3 boxes that are empty, reversed, beside their image or "
                                "of another class, 1 images without objects");
    const uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert(d->count == 2 && d->skipped == 0 && bnn_dataset_checksum(d) != sum);
    int64_t number = 0;
    ck_assert_str_eq(d->identify(d, 1, &number), "VOC2007/JPEGImages/000002.jpg");
    ck_assert(number == -1 && !d->class_ids);
    bnn_dataset_close(d);
    d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){.variant = "2012"});
    ck_assert(d->count == 1); /* tested are those without objects, too */
    ck_assert_str_eq(d->remark, "no ground truth, as no image has a box that counts");
    bnn_dataset_close(d);
    d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, (bnn_dataset_options){.variant = "2007"});
    ck_assert(d->count == 1);
    bnn_dataset_close(d);
    const bnn_dataset_options wrong = {.variant = "2010"};
    expect_error(bnn_dataset_open(&bnn_dataset_voc, folder, BNN_SPLIT_TEST, &wrong, &d, &err),
                 BNN_ERR_ARGUMENT, &err, "2010", "07+12", NULL);
}
END_TEST

/* Into 1000x600, at the top left of the canvas; 0 beside it. */
START_TEST(voc_fitted) {
    sample s = {0};
    write_voc();
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert(d->field[0].shape.h == 1024 && d->field[0].shape.w == 1024 && d->fields == 6);
    take(d, 0, NULL, &s);
    near(s.frame, 600, 800, 300, 400);
    ck_assert_int_eq(s.boxes, 2);
    ck_assert(s.class[0] == 11 && s.class[1] == 14 && !s.ignore[0] && s.ignore[1]);
    near(s.box[0], 20, 40, 220, 440);
    near(s.box[1], 0, 0, 798, 598); /* 399 and 299, of pixels from 0 on */
    ck_assert(s.area[0] == 100.0f * 200.0f);
    for (int c = 0; c < 3; c++) {
        const float middle = s.image[(300 * 1024 + 400) * 3 + c];
        const float byte = middle * d->std[c] + d->mean[c];
        ck_assert(fabsf(byte - (float)jpeg_pixel(1, 150, 200, c)) < 4.0f);
        ck_assert(s.image[(599 * 1024 + 800) * 3 + c] == 0.0f);
        ck_assert(s.image[(600 * 1024) * 3 + c] == 0.0f);
    }
    take(d, 1, NULL, &s); /* upright; a box that reaches beyond is left so in tests */
    near(s.frame, 1000, 500, 400, 200);
    near(s.box[0], 250, 750, 625, 875);
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

/* A flip is the mirror image, of the boxes, too; in training boxes are cut to the photograph. */
START_TEST(voc_flipped) {
    sample plain = {0}, s = {0};
    int flipped = 0;
    write_voc();
    write_text("VOCdevkit/VOC2007/ImageSets/Main/trainval.txt", "000002\n");
    const bnn_dataset_options options = {.variant = "2007", .view = {64, 64, 60, 40}};
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, options);
    take(d, 0, NULL, &plain);
    near(plain.frame, 60, 30, 400, 200);
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        take(d, 0, &(bnn_draw){3, epoch}, &s);
        near(s.frame, 60, 30, 400, 200);
        const int flip = s.box[0][0] == 0.0f;
        flipped += flip;
        near(s.box[0], flip ? 0 : 15, 45, flip ? 15 : 30, 52.5);
        for (int y = 0; y < 60; y++) {
            for (int x = 0; x < 30; x++) {
                ck_assert_mem_eq(s.image + (y * 64 + x) * 3,
                                 plain.image + (y * 64 + (flip ? 29 - x : x)) * 3, 12);
            }
        }
        ck_assert(s.image[(5 * 64 + 30) * 3] == 0.0f);
    }
    ck_assert(flipped > 4 && flipped < 16);
    bnn_dataset_close(d);
    free(plain.image);
    free(s.image);
}
END_TEST

/* Stretched to SSD's canvas, the mean taken off only. */
START_TEST(voc_stretched) {
    sample s = {0}, again = {0};
    write_voc();
    const bnn_dataset_options options = {.view = {300, 300, 0, 0}};
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, options);
    ck_assert(d->std[0] == 1.0f && d->mean[0] == 123.675f);
    take(d, 0, NULL, &s);
    near(s.frame, 300, 300, 300, 400);
    near(s.box[0], 7.5, 20, 82.5, 220);
    for (int c = 0; c < 3; c++) {
        const float byte = s.image[(150 * 300 + 150) * 3 + c] + d->mean[c];
        ck_assert(fabsf(byte - (float)jpeg_pixel(1, 150, 200, c)) < 4.0f);
    }
    bnn_dataset_close(d);
    d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, options);
    int boxes = 0, beyond = 0, same = 0;
    for (uint32_t epoch = 0; epoch < 50; epoch++) {
        take(d, 0, &(bnn_draw){3, epoch}, &s);
        ck_assert(s.boxes > 0); /* of the photograph there is always an object left */
        boxes += s.boxes;
        for (int i = 0; i < s.boxes; i++) {
            const float *x = s.box[i];
            ck_assert(x[0] >= 0.0f && x[1] >= 0.0f && x[2] <= 300.001f && x[3] <= 300.001f);
            ck_assert(x[0] < x[2] && x[1] < x[3]);
        }
        for (int i = 0; i < 300 * 300 * 3; i++) {
            ck_assert(isfinite(s.image[i]));
        }
        beyond += s.image[0] == 0.0f && s.image[1] == 0.0f; /* the mean, not distorted */
        take(d, 0, &(bnn_draw){3, epoch}, &again);
        same += memcmp(s.image, again.image, 300 * 300 * 12) == 0 &&
                memcmp(s.box, again.box, sizeof s.box) == 0;
    }
    ck_assert_int_eq(same, 50);
    ck_assert(boxes > 55 && boxes < 100 && beyond > 0);
    bnn_dataset_close(d);
    free(s.image);
    free(again.image);
}
END_TEST

START_TEST(voc_refused) {
    refuse_set(&bnn_dataset_voc, BNN_SPLIT_TEST, BNN_ERR_IO, "test.txt: no such file",
               "--data-dir");
    write_voc();
    static const struct {
        const char *xml, *part;
    } wrong[] = {{"", "000001.xml: line 1: no XML"},
                 {"<annotation>", "000001.xml: line 1: no XML"},
                 {"<html></html>", "000001.xml: no <annotation>"},
                 {"<annotation><object/></annotation>", "line 1: an object whose <xmin> is ''"},
                 {ANNOTATION(OBJECT("dog", 0, 1, x, 3, 4)), "an object whose <ymin> is 'x'"},
                 {ANNOTATION(OBJECT("dog", 0, 1, 1, 3, nan)), "an object whose <ymax> is 'nan'"},
                 {"<!DOCTYPE a [<!ENTITY b \"&b;\">]><annotation>&b;</annotation>", "no XML"}};
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    bnn_dataset_close(d);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_text("VOCdevkit/VOC2007/Annotations/000001.xml", wrong[i].xml);
        refuse_set(&bnn_dataset_voc, BNN_SPLIT_TEST, BNN_ERR_FORMAT, wrong[i].part, "000001.xml");
    }
    write_text("VOCdevkit/VOC2007/ImageSets/Main/test.txt", "../../x\n");
    refuse_set(&bnn_dataset_voc, BNN_SPLIT_TEST, BNN_ERR_FORMAT, "'../../x' in its lists", "");
    write_text("VOCdevkit/VOC2007/ImageSets/Main/test.txt", "nothing\n");
    refuse_set(&bnn_dataset_voc, BNN_SPLIT_TEST, BNN_ERR_FORMAT, "no images", "--data-dir");
}
END_TEST

/* Boxes beyond what a sample holds are counted; a damaged photograph is told when it is seen. */
START_TEST(voc_many) {
    static char xml[100000];
    sample s = {0};
    write_voc();
    size_t used = (size_t)sprintf(xml, "<annotation>");
    for (int i = 0; i < 150; i++) {
        used += (size_t)sprintf(xml + used, "%s", OBJECT("dog", 0, 1, 1, 9, 9));
    }
    sprintf(xml + used, "</annotation>");
    write_text("VOCdevkit/VOC2007/Annotations/000001.xml", xml);
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert_str_eq(d->remark,
                     "left out: 22 boxes of images with more than the 128 that are kept");
    take(d, 0, NULL, &s);
    ck_assert_int_eq(s.boxes, BNN_MOST_BOXES);
    write_text("VOCdevkit/VOC2007/JPEGImages/000001.jpg", "\xff\xd8\xff\xe0 cut");
    void *const out[] = {s.image, s.box, s.class, s.ignore, s.area, s.frame};
    expect_error(d->sample(d, 0, NULL, out, &err), BNN_ERR_FORMAT, &err,
                 "000001.jpg: no JPEG image that can be read", NULL);
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

#define SIZED(width, height, objects)                                                              \
    "<annotation>" objects "<size><width>" #width "</width>\n<height> " #height                    \
    "</height><depth>3</depth></size></annotation>"

/* What lies beside its photograph is no object of it, whatever the file says of its size. */
START_TEST(voc_beside) {
    static const struct {
        const char *xml;
        int boxes;
    } sets[] = {{SIZED(400, 300, OBJECT("dog", 0, 900, 9, 950, 20)), 0},
                {SIZED(400, 300, OBJECT("dog", 0, 9, 301, 20, 310)), 0},
                {SIZED(400, 300, OBJECT("dog", 0, -9, 9, 1, 20)), 0},
                {SIZED(400, 300, OBJECT("dog", 0, 9, -9, 20, 1)), 0},
                {SIZED(400, 300, OBJECT("dog", 0, 400, 300, 450, 350)), 1},
                {SIZED(4, 3, OBJECT("dog", 0, 100, 100, 200, 200)), 1},
                {SIZED(x, -1, OBJECT("dog", 0, 401, 9, 450, 20)), 0},
                {ANNOTATION(OBJECT("dog", 0, 401, 9, 450, 20) OBJECT("cat", 0, 9, 9, 20, 20)
                                OBJECT("dog", 0, 500, 9, 550, 20)),
                 1}};
    sample s = {0};
    write_voc();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        write_text("VOCdevkit/VOC2007/Annotations/000001.xml", sets[i].xml);
        bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TEST, (bnn_dataset_options){0});
        take(d, 0, NULL, &s);
        ck_assert_msg(s.boxes == sets[i].boxes, "set %zu has %d boxes", i, s.boxes);
        ck_assert_int_eq(d->remark != NULL, i != 4 && i != 5);
        ck_assert_int_eq(s.class[0], i == 7 ? 7 : s.boxes ? 11 : -1);
        bnn_dataset_close(d);
    }
    write_text("VOCdevkit/VOC2007/Annotations/000001.xml", sets[0].xml);
    bnn_dataset *d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, (bnn_dataset_options){0});
    ck_assert(d->count == 1); /* there is nothing to learn in it */
    ck_assert_str_eq(d->remark, "left out: 1 boxes that are empty, reversed, beside their image or "
                                "of another class, 2 images without objects");
    bnn_dataset_close(d);
    write_text("VOCdevkit/VOC2007/JPEGImages/000001.jpg", "\xff\xd8\xff\xe0 cut");
    d = open_as(&bnn_dataset_voc, BNN_SPLIT_TRAIN, (bnn_dataset_options){0});
    ck_assert(d->count == 2); /* to be told when it is seen */
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

/* ---- COCO ---- */

#define CATEGORIES                                                                                 \
    "\"categories\": [{\"supercategory\": \"animal\", \"id\": 18, \"name\": \"dog\"}, "            \
    "{\"id\": 3, \"name\": \"car\"}]"

/* What stands in the list of annotations, and of images. */
static void write_coco(const char *annotations, const char *images) {
    char text[8192];
    snprintf(text, sizeof text,
             "{\"info\": {\"id\": 7}, \"annotations\": [%s], \"images\": [%s], " CATEGORIES "}",
             annotations, images);
    write_text("annotations/instances_val2017.json", text);
    write_text("annotations/instances_train2017.json", text);
}

#define BOTH                                                                                       \
    "{\"license\": 3, \"file_name\": \"b.jpg\", \"id\": 20}, {\"id\": 10, \"file_name\": "         \
    "\"a.jpg\"}"

static void write_coco_photos(void) {
    static const char *const folders[] = {"annotations", "train2017", "val2017"};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mkdir(in_folder(folders[i]), 0777), 0);
    }
    write_photo("train2017/a.jpg", 100, 200, 1);
    write_photo("train2017/b.jpg", 100, 200, 2);
    write_photo("val2017/a.jpg", 100, 200, 1);
    write_photo("val2017/b.jpg", 100, 200, 2);
}

START_TEST(coco_sets) {
    sample s = {0};
    write_coco_photos();
    write_coco("{\"segmentation\": [[1, 2.5, 3e1], [\"id\"]], \"area\": 12.5, \"iscrowd\": 0, "
               "\"image_id\": 20, \"bbox\": [10, 20.5, 30, 40], \"category_id\": 18, \"id\": 5}, "
               "{\"segmentation\": {\"counts\": [1, 2], \"size\": [3, 4], \"id\": 3}, \"id\": 4, "
               "\"iscrowd\": 1, \"image_id\": 20, \"bbox\": [0, 0, 200, 100], \"category_id\": 3, "
               "\"area\": 7, \"attributes\": {\"bbox\": [9, 9, 9, 9], \"id\": 9}},"
               "{\"id\": 6, \"image_id\": 20, \"bbox\": [5, 5, 0, 9], \"category_id\": 3},"
               "{\"id\": 7, \"image_id\": 99, \"bbox\": [5, 5, 9, 9], \"category_id\": 3},"
               "{\"id\": 8, \"image_id\": 20, \"bbox\": [5, 5, 9, 9], \"category_id\": 4}",
               BOTH ", {\"id\": 30, \"file_name\": \"gone.jpg\"}");
    bnn_dataset *d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert(d->classes == 2 && d->count == 2 && d->skipped == 1);
    ck_assert_str_eq(d->class_names[0], "car");
    ck_assert_str_eq(d->class_names[1], "dog");
    ck_assert_str_eq(d->remark, "left out: 3 boxes that are empty, reversed, beside their image or "
                                "of another class");
    ck_assert(d->field[0].shape.h == 1344);
    take(d, 0, NULL, &s); /* by id: the one without objects */
    ck_assert_int_eq(s.boxes, 0);
    take(d, 1, NULL, &s);
    ck_assert_int_eq(s.boxes, 2);
    near(s.frame, 667, 1333, 100, 200);
    near(s.box[0], 10 * 6.665, 20.5 * 6.67, 40 * 6.665, 60.5 * 6.67);
    ck_assert(s.class[0] == 1 && s.area[0] == 12.5f && !s.ignore[0]);
    ck_assert(s.class[1] == 0 && s.area[1] == 7.0f && s.ignore[1]);
    int64_t number = 0;
    ck_assert(d->class_ids[0] == 3 && d->class_ids[1] == 18);
    ck_assert_ptr_nonnull(d->identify(d, 1, &number));
    ck_assert_int_eq(number, 20);
    const struct stat json = file_of("annotations/instances_val2017.json");
    ck_assert(bnn_dataset_reads(d, json.st_dev, json.st_ino));
    bnn_dataset_close(d);
    d = open_as(&bnn_dataset_coco, BNN_SPLIT_TRAIN, (bnn_dataset_options){0});
    ck_assert(d->count == 1); /* the other has nothing to learn from */
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

/* As in VOC; most files say how large a photograph is. */
START_TEST(coco_beside) {
    sample s = {0};
    write_coco_photos();
    write_coco("{\"id\": 1, \"image_id\": 10, \"bbox\": [200, 5, 9, 9], \"category_id\": 3}, "
               "{\"id\": 2, \"image_id\": 10, \"bbox\": [5, -9, 9, 9], \"category_id\": 3}, "
               "{\"id\": 3, \"image_id\": 10, \"bbox\": [199, 99, 9, 9], \"category_id\": 18}, "
               "{\"id\": 4, \"image_id\": 20, \"bbox\": [5, 100, 9, 9], \"category_id\": 3}",
               "{\"id\": 10, \"file_name\": \"a.jpg\", \"width\": 200, \"height\": 100}, "
               "{\"id\": 20, \"file_name\": \"b.jpg\", \"width\": \"x\", \"height\": -7}");
    bnn_dataset *d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert_str_eq(d->remark, "left out: 3 boxes that are empty, reversed, beside their image or "
                                "of another class");
    take(d, 0, NULL, &s);
    ck_assert(s.boxes == 1 && s.class[0] == 1);
    take(d, 1, NULL, &s);
    ck_assert_int_eq(s.boxes, 0);
    bnn_dataset_close(d);
    write_coco("", "{\"id\": 10, \"file_name\": \"a.jpg\"}"); /* no boxes at all */
    d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    take(d, 0, NULL, &s);
    ck_assert_int_eq(s.boxes, 0);
    const uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    write_coco("", "{\"id\": 10, \"file_name\": \"b.jpg\"}"); /* the sum is of names, too */
    d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert_uint_ne(bnn_dataset_checksum(d), sum);
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

/* Things of one kind are enough to find. */
START_TEST(coco_one_class) {
    sample s = {0};
    write_coco_photos();
    write_text("annotations/instances_val2017.json",
               "{\"images\": [" BOTH "], \"annotations\": [{\"id\": 1, \"image_id\": 10, "
               "\"bbox\": [1, 1, 5, 5], \"category_id\": 9}], "
               "\"categories\": [{\"id\": 9, \"name\": \"face\"}]}");
    bnn_dataset *d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert(d->classes == 1 && d->class_ids[0] == 9 && !d->remark);
    ck_assert_str_eq(d->class_names[0], "face");
    take(d, 0, NULL, &s);
    ck_assert(s.boxes == 1 && s.class[0] == 0);
    bnn_dataset_close(d);
    free(s.image);
}
END_TEST

/* Without annotations there is nothing to score by; which is said. */
START_TEST(coco_unannotated) {
    static const char *const none[] = {"", ", \"annotations\": null", ", \"annotations\": []"};
    write_coco_photos();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"images\": [%s], " CATEGORIES "%s}", BOTH, none[i]);
        write_text("annotations/instances_val2017.json", text);
        write_text("annotations/instances_train2017.json", text);
        bnn_dataset *d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
        ck_assert_int_eq(d->count, 2);
        ck_assert_str_eq(d->remark, "no ground truth, as no image has a box that counts");
        bnn_dataset_close(d);
        refuse_set(&bnn_dataset_coco, BNN_SPLIT_TRAIN, BNN_ERR_FORMAT, "no image has an object",
                   "");
    }
    write_coco("{\"id\": 1, \"image_id\": 10, \"bbox\": [1, 1, 5, 5], \"category_id\": 3, "
               "\"iscrowd\": 1}, "
               "{\"id\": 2, \"image_id\": 10, \"bbox\": [1, 1, 5, 5], \"category_id\": 7}",
               BOTH);
    bnn_dataset *d = open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0});
    ck_assert_str_eq(d->remark, "left out: 1 boxes that are empty, reversed, beside their image or "
                                "of another class; no ground truth, as no image has a box that "
                                "counts");
    bnn_dataset_close(d);
}
END_TEST

#define SOUND "{\"id\": 1, \"image_id\": 10, \"bbox\": [1, 1, 5, 5], \"category_id\": 3}"

START_TEST(coco_refused) {
    refuse_set(&bnn_dataset_coco, BNN_SPLIT_TEST, BNN_ERR_IO, "instances_val2017.json: no such",
               "--data-dir");
    write_coco_photos();
    write_coco(SOUND, BOTH);
    bnn_dataset_close(open_as(&bnn_dataset_coco, BNN_SPLIT_TEST, (bnn_dataset_options){0}));
    static const struct {
        const char *annotations, *images, *part;
    } wrong[] = {{SOUND ", " SOUND, BOTH, "two annotations have the id 1"},
                 {SOUND, BOTH ", {\"id\": 10, \"file_name\": \"c\"}", "two images have the id 10"},
                 {"{\"id\": 8, \"image_id\": 10, \"category_id\": 3}", BOTH,
                  "an annotation (id 8) without a sound \"bbox\""},
                 {"{\"id\": 8, \"image_id\": 10, \"category_id\": 3, \"bbox\": [1, 2, 3]}", BOTH,
                  "without a sound \"bbox\""},
                 {"{\"id\": 8, \"image_id\": 10, \"category_id\": 3, \"bbox\": [1, 2, 3, 4, 5]}",
                  BOTH, "without a sound \"bbox\""},
                 {"{\"id\": 8, \"image_id\": \"x\", \"category_id\": 3, \"bbox\": [1, 2, 3, 4]}",
                  BOTH, "without a sound \"image_id\""},
                 {SOUND, "{\"id\": 1.5, \"file_name\": \"a.jpg\"}", "without a sound \"id\""},
                 {"{\"id\": 8, \"image_id\": 10.25, \"category_id\": 3, \"bbox\": [1, 2, 3, 4]}",
                  BOTH, "without a sound \"image_id\""},
                 {"{\"id\": 8, \"image_id\": 10, \"category_id\": 3e-1, \"bbox\": [1, 2, 3, 4]}",
                  BOTH, "without a sound \"category_id\""},
                 {SOUND, "{\"id\": 10, \"file_name\": \"\"}", "without a sound \"file_name\""},
                 {SOUND, "{\"id\": 10, \"file_name\": \"../a.jpg\"}", "'../a.jpg' is no image's"},
                 {SOUND, "", "no \"images\""},
                 {SOUND, "{\"id\": 10, \"file_name\": \"no.jpg\"}", "no images"},
                 {"[]", BOTH, "a list in a list of items"},
                 {"{\"x\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "",
                  "lists in lists"},
                 {"{,}", BOTH, "near byte "}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_coco(wrong[i].annotations, wrong[i].images);
        refuse_set(&bnn_dataset_coco, BNN_SPLIT_TEST, BNN_ERR_FORMAT, wrong[i].part, "");
    }
    write_text("annotations/instances_val2017.json", "{\"images\": [");
    refuse_set(&bnn_dataset_coco, BNN_SPLIT_TEST, BNN_ERR_FORMAT, "the file is cut off", "again");
    write_text("annotations/instances_val2017.json", "");
    refuse_set(&bnn_dataset_coco, BNN_SPLIT_TEST, BNN_ERR_FORMAT, "instances_val2017.json: ", "");
}
END_TEST

/* ---- augmentation ---- */

/* What SSD draws: half of the photographs stand on something larger; the parts that are cut out
 * have the middle of an object, and proportions up to two. */
START_TEST(frames) {
    int whole = 0, larger = 0, flipped = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        bnn_object object[2] = {{.box = {50, 50, 100, 150}}, {.box = {150, 20, 190, 90}}};
        size_t objects = 2;
        bnn_rng rng = bnn_rng_start(1, i);
        const bnn_seen_part f = bnn_frame_draw(&rng, 200, 300, object, &objects);
        const int all = f.height == 200 && f.width == 300 && f.top == 0 && f.left == 0;
        whole += all;
        larger += f.height > 200;
        flipped += f.flip;
        ck_assert(objects > 0 && f.height >= 1 && f.width >= 1);
        ck_assert(f.height <= 800 && f.width <= 1200 && f.top >= -600 && f.left >= -900);
        for (size_t k = 0; k < objects; k++) {
            const float *x = object[k].box;
            ck_assert((double)x[0] >= f.left && (double)x[2] <= f.left + f.width && x[0] < x[2]);
            ck_assert((double)x[1] >= f.top && (double)x[3] <= f.top + f.height && x[1] < x[3]);
        }
    }
    ck_assert(whole > 100 && whole < 1000 && larger > 300 && flipped > 900 && flipped < 1100);
    size_t none = 0;
    bnn_rng rng = bnn_rng_start(2, 2);
    for (int i = 0; i < 100; i++) { /* no objects; hardly a pixel */
        const bnn_seen_part f = bnn_frame_draw(&rng, 1, 1000, NULL, &none);
        ck_assert(f.height >= 1 && f.width >= 1 && none == 0);
    }
}
END_TEST

/* Turning the hue by a whole circle, or by nothing, changes nothing; grey has no hue. */
START_TEST(colours) {
    int changed = 0, grey_kept = 0;
    for (uint64_t i = 0; i < 200; i++) {
        float pixels[2][3] = {{200.0f, 100.0f, 50.0f}, {90.0f, 90.0f, 90.0f}};
        bnn_rng rng = bnn_rng_start(4, i);
        bnn_distort_colours(&rng, pixels[0], 2);
        changed += pixels[0][0] != 200.0f;
        grey_kept += fabsf(pixels[1][0] - pixels[1][1]) < 1e-3f &&
                     fabsf(pixels[1][1] - pixels[1][2]) < 1e-3f;
        for (int c = 0; c < 3; c++) { /* 1.5 times as bright and wide */
            ck_assert(pixels[0][c] > -200.0f && pixels[0][c] < 1.5f * 232.0f + 1.0f);
        }
    }
    ck_assert(changed > 150 && changed < 200 && grey_kept == 200);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("boxes");
    TCase *tcase = tcase_create("boxes");
    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, voc_sets);
    tcase_add_test(tcase, voc_fitted);
    tcase_add_test(tcase, voc_flipped);
    tcase_add_test(tcase, voc_stretched);
    tcase_add_test(tcase, voc_refused);
    tcase_add_test(tcase, voc_many);
    tcase_add_test(tcase, voc_beside);
    tcase_add_test(tcase, coco_sets);
    tcase_add_test(tcase, coco_beside);
    tcase_add_test(tcase, coco_one_class);
    tcase_add_test(tcase, coco_unannotated);
    tcase_add_test(tcase, coco_refused);
    tcase_add_test(tcase, frames);
    tcase_add_test(tcase, colours);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

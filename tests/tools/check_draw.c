/* Boxes drawn into photographs, and what is found as COCO's results. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_loaders/image/image.h"
#include "tests/fixtures/jpeg_fixture.h"
#include "tools/cli/png_file.h"
#include "tools/predict/boxes.h"
#include "tools/predict/draw.h"
#include "tools/run/coco_results.h"

enum { HEIGHT = 60, WIDTH = 90 };

static bnn_error err;
static uint8_t pixels[HEIGHT][WIDTH][3];
static const bnn_canvas canvas = {HEIGHT, WIDTH, &pixels[0][0][0]};

static int is_blank(int y, int x) {
    return pixels[y][x][0] == 7 && pixels[y][x][1] == 7 && pixels[y][x][2] == 7;
}

static int is_like(int y, int x, int other_y, int other_x) {
    return memcmp(pixels[y][x], pixels[other_y][other_x], 3) == 0;
}

/* Pixels of the rectangle in another colour than the one at its upper left. */
static int others(int y0, int x0, int y1, int x1) {
    int count = 0;
    for (int y = y0; y < y1; y++) {
        for (int x = x0; x < x1; x++) {
            count += !is_like(y, x, y0, x0);
        }
    }
    return count;
}

START_TEST(a_box) {
    memset(pixels, 7, sizeof pixels);
    bnn_draw_box(&canvas, (const double[]){10.2, 29.6, 69.9, 50.0}, 3, "cat 9%");
    /* The frame is two pixels thick, with nothing in it. */
    ck_assert(!is_blank(30, 10) && is_like(30, 10, 31, 69) && is_like(30, 10, 49, 11));
    ck_assert(is_like(48, 69, 30, 10) && is_blank(50, 40) && is_blank(40, 9) && is_blank(40, 70));
    ck_assert(is_blank(32, 12) && is_blank(47, 67) && others(32, 12, 48, 68) == 0);
    /* The text stands above it, on its colour. */
    const int high = bnn_text_height(1), wide = bnn_text_width("cat 9%", 1);
    if (high > 0) { /* the build has letters */
        ck_assert(wide > 20 && wide < 60);
        ck_assert(is_like(30 - high, 10, 30, 10) && is_blank(29 - high, 10));
        const int ink = others(30 - high, 10, 30, 12 + wide);
        ck_assert_msg(ink > 40 && ink < high * wide / 2, "%d pixels of %d", ink, high * wide);
    }
}
END_TEST

/* Nothing is written beside the canvas, wherever the box is, and the text stays on it. */
START_TEST(boxes_beside) {
    static const double boxes[][4] = {{-1e9, -1e9, 1e9, 1e9},
                                      {-50, -50, -20, -20},
                                      {200, 200, 300, 300},
                                      {80, 0, 90, 5},
                                      {60, 50, 10, 10}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        memset(pixels, 7, sizeof pixels);
        bnn_draw_box(&canvas, boxes[i], (int)i, "a name that is far longer than the picture is");
        bnn_draw_box(&canvas, boxes[i], (int)i, "\xc3\xa4\x01\x7f\xff");
        bnn_draw_box(&canvas, boxes[i], (int)i, "");
    }
    memset(pixels, 7, sizeof pixels);
    bnn_draw_box(&canvas, (const double[]){80, 30, 90, 40}, 0, "cat");
    ck_assert(bnn_text_height(1) == 0 || !is_blank(25, 75)); /* moved to the left */
    ck_assert_int_eq(bnn_text_width("\xc3\xa4", 2), bnn_text_width("?", 2));
}
END_TEST

/* Few classes in a row look different. */
START_TEST(colours) {
    uint8_t seen[8][3];
    for (int c = 0; c < 8; c++) {
        bnn_draw_box(&canvas, (const double[]){20, 30, 40, 50}, c, "");
        memcpy(seen[c], pixels[31][21], 3);
        for (int k = 0; k < c; k++) {
            int far = 0;
            for (int i = 0; i < 3; i++) {
                far += abs(seen[c][i] - seen[k][i]);
            }
            ck_assert_msg(far > 60, "classes %d and %d: %d", c, k, far);
        }
    }
}
END_TEST

/* A photograph keeps its size; what was drawn is in the file. */
START_TEST(a_photograph) {
    char path[] = "/tmp/check_draw.XXXXXX";
    size_t size;
    bnn_map file = {0};
    bnn_photo photo;
    bnn_file_boxes found = {.count = 2,
                            .box = {{.box = {10, 20, 60, 50}, .score = 0.9, .class = 1},
                                    {.box = {2, 2, 118, 78}, .score = 0.2, .class = 0}}};
    const bnn_spec spec = {.class_names = "cat\ndog"};
    file.data = make_jpeg(80, 120, 1, (jpeg_kind){.channels = 3}, &size);
    file.size = size;
    close(mkstemp(path));
    ck_assert_int_eq(bnn_boxes_draw(&found, &spec, "a.jpg", &file, 5, path, &err), BNN_OK);
    bnn_map png;
    ck_assert_int_eq(bnn_map_read(path, &png, &err), BNN_OK);
    bnn_code code = bnn_image_file_decode(path, png.data, png.size, &photo, &err);
    if (code == BNN_OK) {
        ck_assert(photo.height == 80 && photo.width == 120);
        const uint8_t *first = photo.rgbx + 4 * (20 * 120 + 30), *last = first + 4 * 29 * 120;
        ck_assert(memcmp(first, last, 3) == 0);
        bnn_photo_free(&photo);
    } else {
        ck_assert_int_eq(code, BNN_ERR_UNSUPPORTED);
    }
    bnn_map_close(&png);
    file.size = 10;
    ck_assert_int_eq(bnn_boxes_draw(&found, &spec, "a.jpg", &file, 5, path, &err), BNN_ERR_FORMAT);
    free((void *)(uintptr_t)file.data);
    unlink(path);
}
END_TEST

/* ---- COCO's results ---- */

static void expect_image(const char *path, const char *expected) {
    json_t *image = bnn_coco_image(path);
    char *text = json_dumps(image, JSON_ENCODE_ANY);
    ck_assert_str_eq(text, expected);
    free(text);
    json_decref(image);
}

START_TEST(images) {
    expect_image("val2017/000000000139.jpg", "139");
    expect_image("12", "12");
    expect_image("VOC2007/JPEGImages/2007_000032.jpg", "\"2007_000032\"");
    expect_image("1.2.jpg", "\"1.2\"");
    expect_image(".jpg", "\".jpg\"");
    expect_image("", "\"\"");
    expect_image("1234567890123456789.png", "\"1234567890123456789\"");
    expect_image("a\xff.png", "\"a\\\\xff\"");
}
END_TEST

START_TEST(results) {
    const bnn_found_box found = {.box = {1.5, 2, 11.5, 22}, .score = 0.5, .class = 1};
    bnn_spec spec = {.class_ids = "3\n18"};
    static const struct {
        const char *ids;
        int category;
    } cases[] = {{"3\n18", 18}, {"3\n18\n", 18}, {"", 2},       {NULL, 2},
                 {"3", 2},      {"3\nx", 2},     {"3\n18x", 2}, {"3\n1111111111111111111", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spec.class_ids = cases[i].ids;
        json_t *item = bnn_coco_result(&spec, bnn_coco_image("7.jpg"), &found);
        json_t *want = json_pack("{s:i, s:i, s:[f, f, f, f], s:f}", "image_id", 7, "category_id",
                                 cases[i].category, "bbox", 1.5, 2.0, 10.0, 20.0, "score", 0.5);
        ck_assert_msg(json_equal(item, want), "case %zu", i);
        json_decref(item);
        json_decref(want);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("draw");
    TCase *tcase = tcase_create("draw");
    tcase_add_test(tcase, a_box);
    tcase_add_test(tcase, boxes_beside);
    tcase_add_test(tcase, colours);
    tcase_add_test(tcase, a_photograph);
    tcase_add_test(tcase, images);
    tcase_add_test(tcase, results);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

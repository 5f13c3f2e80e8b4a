/* Photographs: every kind of JPEG, parts of them against all of them, the resize against sums
 * written out, the test transform and the random crop. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <png.h>

#include "data_loaders/image/image.h"
#include "data_loaders/image/jpeg.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/jpeg_fixture.h"

static const jpeg_kind kinds[] = {{.channels = 1},
                                  {.channels = 3},
                                  {.channels = 3, .halved = 1},
                                  {.channels = 3, .halved = 1, .progressive = 1},
                                  {.channels = 4},
                                  {.channels = 4, .halved = 1, .ycck = 1}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bnn_photo decode(const unsigned char *bytes, size_t size, int shrink, bnn_part part) {
    bnn_photo photo = {0};
    bnn_error err = {0};
    bnn_code code = bnn_jpeg_part("f", bytes, size, shrink, part, &photo, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return photo;
}

static const uint8_t *at(const bnn_photo *p, int y, int x) {
    return p->rgbx +
           4 * ((size_t)(y - p->part.top) * (size_t)p->part.width + (size_t)(x - p->part.left));
}

/* What the colours are, whatever they are stored as. */
START_TEST(colours) {
    for (int k = 0; k < KINDS; k++) {
        size_t size;
        unsigned char *bytes = make_jpeg(40, 50, k, kinds[k], &size);
        int height, width;
        ck_assert(bnn_photo_size("f", bytes, size, &height, &width, NULL) == BNN_OK);
        ck_assert(height == 40 && width == 50);
        bnn_photo p = decode(bytes, size, 1, (bnn_part){0, 0, 40, 50});
        for (int i = 0; i < 40 * 50 * 3; i++) {
            const int y = i / 150, x = i / 3 % 50, c = i % 3;
            int want = jpeg_pixel(k, y, x, kinds[k].channels == 1 ? 0 : c);
            if (kinds[k].channels == 4) { /* inverted: 255 - ink, black likewise */
                want = want * jpeg_pixel(k, y, x, 3) / 255;
            }
            ck_assert_int_le(abs(at(&p, y, x)[c] - want), kinds[k].halved ? 8 : 3);
        }
        bnn_photo_free(&p);
        free(bytes);
    }
}
END_TEST

/* A part is what it is in the whole, whatever lies beside it. */
START_TEST(parts) {
    static const bnn_part part[] = {{0, 0, 1, 1},   {17, 33, 40, 50}, {99, 129, 1, 1},
                                    {5, 16, 90, 8}, {64, 0, 36, 130}, {31, 47, 1, 64}};
    for (int k = 0; k < KINDS; k++) {
        size_t size;
        unsigned char *bytes = make_jpeg(100, 130, k, kinds[k], &size);
        for (int shrink = 1; shrink <= 8; shrink *= 2) {
            const int h = (100 - 1) / shrink + 1, w = (130 - 1) / shrink + 1;
            bnn_photo all = decode(bytes, size, shrink, (bnn_part){0, 0, h, w});
            ck_assert(all.height == h && all.width == w && all.part.width == w);
            for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
                const bnn_part want = {part[i].top / shrink, part[i].left / shrink,
                                       (part[i].height - 1) / shrink + 1,
                                       (part[i].width - 1) / shrink + 1};
                bnn_photo p = decode(bytes, size, shrink, want);
                ck_assert(p.part.top == want.top && p.part.left <= want.left);
                ck_assert(p.part.height == want.height);
                ck_assert(p.part.left + p.part.width >= want.left + want.width);
                for (int y = want.top; y < want.top + want.height; y++) {
                    ck_assert_mem_eq(at(&p, y, want.left), at(&all, y, want.left),
                                     4 * (size_t)want.width);
                }
                bnn_photo_free(&p);
            }
            bnn_photo_free(&all);
        }
        free(bytes);
    }
}
END_TEST

/* ---- resizing ---- */

/* Pillow's BILINEAR, written out: the value of channel c where the axes' pixels i and j are. */
static double plain(const bnn_photo *p, const bnn_axis *y, int i, const bnn_axis *x, int j, int c) {
    const double sy = y->size / y->count, sx = x->size / x->count;
    const double cy = y->first + (y->from + i + 0.5) * sy, cx = x->first + (x->from + j + 0.5) * sx;
    double sum = 0.0, weights = 0.0;
    for (int r = y->low; r < y->high; r++) {
        for (int k = x->low; k < x->high; k++) {
            const double wy = 1.0 - fabs(r + 0.5 - cy) / fmax(sy, 1.0);
            const double wx = 1.0 - fabs(k + 0.5 - cx) / fmax(sx, 1.0);
            if (wy > 0.0 && wx > 0.0) {
                sum += wy * wx * at(p, r, k)[c];
                weights += wy * wx;
            }
        }
    }
    return sum / weights;
}

START_TEST(resized) {
    static uint8_t pixels[37 * 53 * 4], rgb[64 * 64 * 3 + 1];
    static const bnn_axis ys[] = {{0, 37, 0, 37, 37, 0, 37},
                                  {0, 37, 0, 37, 12, 0, 12},
                                  {0, 37, 0, 37, 61, 7, 40},
                                  {10, 5, 10, 15, 64, 0, 64},
                                  {2.5, 20.25, 2, 23, 9, 1, 3}},
                          xs[] = {{0, 53, 0, 53, 53, 0, 53},
                                  {0, 53, 0, 53, 20, 3, 11},
                                  {20, 30, 20, 50, 64, 0, 64},
                                  {52, 1, 52, 53, 8, 0, 8}};
    bnn_photo p = {pixels, {0, 0, 37, 53}, 37, 53};
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * 7919 % 256);
    }
    for (int k = 0; k < 5 * 4; k++) {
        const bnn_axis *y = &ys[k / 4], *x = &xs[k % 4];
        const int values = y->wanted * x->wanted * 3;
        rgb[values] = 77;
        ck_assert(bnn_resize(&p, y, x, rgb, NULL) == BNN_OK);
        ck_assert_int_eq(rgb[values], 77);
        for (int v = 0; v < values; v++) {
            const int i = v / 3 / x->wanted, j = v / 3 % x->wanted;
            ck_assert(fabs(rgb[v] - plain(&p, y, i, x, j, v % 3)) < 0.501);
        }
    }
}
END_TEST

/* A large file is decoded shrunk: what comes of it differs little, and only where it is small. */
START_TEST(decoded_shrunk) {
    size_t size;
    unsigned char *bytes = make_jpeg(1000, 1400, 1, kinds[2], &size);
    static uint8_t rgb[224 * 224 * 3], whole[224 * 224 * 3];
    bnn_photo p = decode(bytes, size, 1, (bnn_part){0, 0, 1000, 1400});
    for (int side = 224; side <= 512; side += 288) {
        bnn_axis y, x;
        int differ = 0;
        bnn_photo_middle(1000, 1400, side, 224, &y, &x);
        ck_assert(bnn_photo_resize("f", bytes, size, &y, &x, rgb, NULL) == BNN_OK);
        ck_assert(bnn_resize(&p, &y, &x, whole, NULL) == BNN_OK);
        for (size_t i = 0; i < sizeof rgb; i++) {
            differ += rgb[i] != whole[i];
            ck_assert_int_le(abs(rgb[i] - whole[i]), 4);
        }
        ck_assert(side == 512 ? differ == 0 : differ > 0);
    }
    bnn_photo_free(&p);
    free(bytes);
}
END_TEST

/* As torchvision.transforms.functional resizes and cuts (resize(256), center_crop(224)). */
START_TEST(middle) {
    static const struct {
        int height, width, count_y, count_x, from_y, from_x;
    } cases[] = {{256, 256, 256, 256, 16, 16}, {375, 500, 256, 341, 16, 58},
                 {500, 375, 341, 256, 58, 16}, {100, 333, 256, 852, 16, 314},
                 {224, 225, 256, 257, 16, 16}, {1, 3, 256, 768, 16, 272},
                 {100, 101, 256, 258, 16, 17}};
    bnn_axis y, x;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnn_photo_middle(cases[i].height, cases[i].width, 256, 224, &y, &x);
        ck_assert_int_eq(y.count, cases[i].count_y);
        ck_assert_int_eq(x.count, cases[i].count_x);
        ck_assert_int_eq(y.from, cases[i].from_y);
        ck_assert_int_eq(x.from, cases[i].from_x);
        ck_assert(y.high == cases[i].height && x.size == cases[i].width && x.wanted == 224);
    }
    bnn_photo_middle(1, 1 << 26, 256, 224, &y, &x); /* no overflow */
    ck_assert_int_eq(x.count, INT_MAX);
}
END_TEST

/* Parts lie within, of areas and proportions that are allowed, all of them equally. */
START_TEST(random_parts) {
    enum { DRAWS = 4000 };
    int tenth[10] = {0}, wide = 0;
    double top = 0.0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        bnn_rng rng = bnn_rng_start(5, i);
        bnn_axis y, x;
        bnn_photo_random(400, 400, 224, &rng, &y, &x);
        const double area = y.size * x.size / 160000.0, ratio = x.size / y.size;
        ck_assert(y.first >= 0 && y.first + y.size <= 400 && y.low == y.first);
        ck_assert(x.first >= 0 && x.first + x.size <= 400 && x.high == x.first + x.size);
        ck_assert(area > 0.078 && area <= 1.0 && ratio > 0.74 && ratio < 1.35);
        ck_assert(y.count == 224 && y.from == 0 && y.wanted == 224);
        tenth[(int)fmin(10.0 * (area - 0.08) / 0.92, 9.0)]++;
        wide += ratio > 1.0;
        top += y.size < 400 ? y.first / (400 - y.size) : 0.5;
    }
    for (int i = 0; i < 6; i++) { /* of larger parts, the widest do not fit */
        ck_assert_int_gt(tenth[i], DRAWS / 10 - 80);
    }
    ck_assert(wide > DRAWS / 2 - 150 && wide < DRAWS / 2 + 150);
    ck_assert(fabs(top / DRAWS - 0.5) < 0.02);
}
END_TEST

/* Where no part fits, the largest in the middle. */
START_TEST(random_parts_of_strips) {
    bnn_axis y, x;
    for (uint64_t i = 0; i < 50; i++) {
        bnn_rng rng = bnn_rng_start(1, i);
        bnn_photo_random(10, 1000, 224, &rng, &y, &x);
        ck_assert(y.first == 0 && y.size == 10 && x.first == 493 && x.size == 13);
        bnn_photo_random(1000, 10, 224, &rng, &y, &x);
        ck_assert(x.first == 0 && x.size == 10 && y.first == 493 && y.size == 13);
        bnn_photo_random(1, 1, 224, &rng, &y, &x);
        ck_assert(x.size == 1 && y.size == 1);
    }
}
END_TEST

/* ---- files ---- */

/* A file that ends early, or of which a part is missing, says so; one whose end is not needed is
 * read. */
START_TEST(damaged) {
    for (int k = 0; k < KINDS; k++) {
        size_t size;
        unsigned char *bytes = make_jpeg(60, 60, k, kinds[k], &size);
        bnn_photo photo = {0};
        bnn_error err = {0};
        const bnn_part all = {0, 0, 60, 60}, none = {0, 0, 1, 1};
        for (size_t cut = 3; cut < size / 2; cut += 7) {
            bnn_code code = bnn_jpeg_part("dir/f.JPEG", bytes, cut, 1, all, &photo, &err);
            expect_error(code, BNN_ERR_FORMAT, &err, "dir/f.JPEG: no JPEG image that can be read (",
                         "copy it again", NULL);
            ck_assert_ptr_null(photo.rgbx);
        }
        if (!kinds[k].progressive) {
            ck_assert(bnn_jpeg_part("f", bytes, size - 10, 1, none, &photo, &err) == BNN_OK);
            bnn_photo_free(&photo);
        }
        memset(bytes + size / 2, 0xff, size / 4);
        expect_error(bnn_jpeg_part("f", bytes, size, 1, all, &photo, &err), BNN_ERR_FORMAT, &err,
                     "no JPEG image", NULL);
        free(bytes);
    }
}
END_TEST

/* Other formats, whatever the name: PNG, whose opacity does not count. */
START_TEST(of_png) {
    static uint8_t rgba[300 * 260 * 4], rgb[224 * 224 * 3];
    static unsigned char file[1 << 20];
    png_alloc_size_t size = sizeof file;
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = 260, .height = 300, .format = PNG_FORMAT_RGBA};
    bnn_axis y, x;
    bnn_error err = {0};
    int height, width;
    for (int i = 0; i < 300 * 260; i++) {
        memcpy(rgba + 4 * i, "\310\144\62\7", 4);
    }
    ck_assert(png_image_write_to_memory(&image, file, &size, 0, rgba, 0, NULL));
    bnn_code code = bnn_photo_size("f.JPEG", file, size, &height, &width, &err);
    if (code == BNN_ERR_UNSUPPORTED) {
        return; /* built without */
    }
    ck_assert(code == BNN_OK && height == 300 && width == 260);
    bnn_photo_middle(height, width, 256, 224, &y, &x);
    ck_assert(bnn_photo_resize("f.JPEG", file, size, &y, &x, rgb, &err) == BNN_OK);
    for (int i = 0; i < 224 * 224; i++) {
        ck_assert_mem_eq(rgb + 3 * i, "\310\144\62", 3);
    }
    expect_error(bnn_photo_resize("f.JPEG", file, size / 2, &y, &x, rgb, &err), BNN_ERR_FORMAT,
                 &err, "f.JPEG: the image is cut off", NULL);
    expect_error(bnn_photo_size("f.JPEG", file, 0, &height, &width, &err), BNN_ERR_FORMAT, &err,
                 "f.JPEG: not an image", NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("photo");
    TCase *tcase = tcase_create("photo");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, colours);
    tcase_add_test(tcase, parts);
    tcase_add_test(tcase, resized);
    tcase_add_test(tcase, decoded_shrunk);
    tcase_add_test(tcase, middle);
    tcase_add_test(tcase, random_parts);
    tcase_add_test(tcase, random_parts_of_strips);
    tcase_add_test(tcase, damaged);
    tcase_add_test(tcase, of_png);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Image files of the user: what they become at the size of a network, and what is refused. The
 * files are PNM and PNG, made here. */
#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/image/image.h"
#include "tests/fixtures/expect_error.h"

static unsigned char file[1 << 16];
static uint8_t rgb[64 * 64 * 3];
static bnn_error err;
static const bnn_shape four = {1, 4, 4, 3};

/* A PNM file whose pixel (y, x) is (10 y + x, y, x). */
static size_t make_pnm(int height, int width) {
    int at = sprintf((char *)file, "P6\n%d %d\n255\n", width, height);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            file[at++] = (unsigned char)(10 * y + x);
            file[at++] = (unsigned char)y;
            file[at++] = (unsigned char)x;
        }
    }
    return (size_t)at;
}

static void read_file(size_t size, int height, int width) {
    const bnn_shape all = {1, height, width, 3};
    bnn_code code = bnn_image_file_read("f", file, size, all, height, width, rgb, &err);
    if (code == BNN_ERR_UNSUPPORTED) {
        exit(77); /* built without */
    }
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

static const uint8_t *at(int width, int y, int x) {
    return rgb + 3 * (y * width + x);
}

/* A file that ends early, wherever, is no image: what it lacks would be whatever was in memory. */
static void refuse_parts(size_t size, size_t header) {
    for (size_t part = 0; part < size; part++) {
        bnn_code code = bnn_image_file_read("f", file, part, four, 4, 4, rgb, &err);
        expect_error(code, BNN_ERR_FORMAT, &err, part > header ? "cut off" : "", NULL);
    }
}

START_TEST(as_it_is) {
    read_file(make_pnm(6, 8), 6, 8);
    for (int y = 0; y < 6; y++) {
        for (int x = 0; x < 8; x++) {
            const uint8_t *p = at(8, y, x);
            ck_assert(p[0] == 10 * y + x && p[1] == y && p[2] == x);
        }
    }
}
END_TEST

/* Each pixel is the mean of those it covers. */
START_TEST(smaller) {
    read_file(make_pnm(12, 12), 4, 4);
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4; x++) {
            const uint8_t *p = at(4, y, x);
            ck_assert_int_eq(p[1], 3 * y + 1);
            ck_assert_int_eq(p[2], 3 * x + 1);
        }
    }
    read_file(make_pnm(12, 12), 8, 8);   /* not by a whole factor: 1.5 pixels each */
    ck_assert_int_eq(at(8, 0, 0)[2], 0); /* (0 + 0.5 * 1) / 1.5 */
    ck_assert_int_eq(at(8, 0, 1)[2], 2); /* (0.5 * 1 + 2) / 1.5 */
}
END_TEST

/* The middle stays, of either proportion. */
START_TEST(cut_out) {
    read_file(make_pnm(4, 10), 4, 4);
    ck_assert(at(4, 0, 0)[2] == 3 && at(4, 3, 3)[2] == 6 && at(4, 3, 3)[1] == 3);
    read_file(make_pnm(10, 4), 4, 4);
    ck_assert(at(4, 0, 0)[1] == 3 && at(4, 3, 3)[1] == 6 && at(4, 3, 3)[2] == 3);
}
END_TEST

/* In the middle, with black around, whatever was there before; cut and scaled to its own size. */
START_TEST(placed) {
    static const bnn_shape pictures[] = {{1, 6, 8, 3}, {1, 3, 4, 3}};
    for (int i = 0; i < 2; i++) {
        const bnn_shape as = pictures[i];
        const int top = (10 - as.h) / 2, left = (12 - as.w) / 2, each = 6 / as.h;
        memset(rgb, 77, sizeof rgb);
        ck_assert_int_eq(bnn_image_file_read("f", file, make_pnm(6, 8), as, 10, 12, rgb, &err),
                         BNN_OK);
        for (int y = 0; y < 10; y++) {
            for (int x = 0; x < 12; x++) {
                const int row = y - top, column = x - left;
                const int in = row >= 0 && row < as.h && column >= 0 && column < as.w;
                /* The mean of 0 and 1 is rounded up. */
                ck_assert_int_eq(at(12, y, x)[1], in ? each * row + each / 2 : 0);
                ck_assert_int_eq(at(12, y, x)[2], in ? each * column + each / 2 : 0);
            }
        }
        ck_assert_int_eq(rgb[10 * 12 * 3], 77);
    }
}
END_TEST

/* Colours by how bright they are; what is grey keeps each value. */
START_TEST(grey) {
    static const uint8_t want[] = {76, 150, 29, 255};
    int size = sprintf((char *)file, "P6\n4 1\n255\n");
    memcpy(file + size, "\377\0\0\0\377\0\0\0\377\377\377\377", 12);
    ck_assert_int_eq(
        bnn_image_file_read("f", file, (size_t)size + 12, (bnn_shape){1, 1, 4, 1}, 1, 4, rgb, &err),
        BNN_OK);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(rgb[i], want[i / 3]);
    }
    size = sprintf((char *)file, "P5\n16 16\n255\n");
    for (int i = 0; i < 256; i++) {
        file[size + i] = (unsigned char)i;
    }
    ck_assert_int_eq(bnn_image_file_read("f", file, (size_t)size + 256, (bnn_shape){1, 16, 16, 1},
                                         16, 16, rgb, &err),
                     BNN_OK);
    for (int i = 0; i < 3 * 256; i++) {
        ck_assert_int_eq(rgb[i], i / 3);
    }
}
END_TEST

/* Linear between the centres of pixels, and even beyond the outer ones. */
START_TEST(larger) {
    read_file(make_pnm(2, 2), 8, 8);
    ck_assert_int_eq(at(8, 0, 0)[0], 0);
    ck_assert_int_eq(at(8, 7, 7)[0], 11);
    ck_assert_int_eq(at(8, 3, 0)[0], 4); /* 10 * 0.375, rounded */
    ck_assert_int_eq(at(8, 4, 0)[0], 6);
    for (int x = 1; x < 8; x++) {
        ck_assert_int_ge(at(8, 0, x)[2], at(8, 0, x - 1)[2]);
    }
}
END_TEST

/* Grey is three equal colours; what is transparent is black. */
START_TEST(of_png) {
    png_image image;
    static const unsigned char grey_alpha[] = {200, 255, 200, 0, 100, 255, 200, 128};
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = image.height = 2;
    image.format = PNG_FORMAT_GA;
    png_alloc_size_t size = sizeof file;
    ck_assert(png_image_write_to_memory(&image, file, &size, 0, grey_alpha, 0, NULL));
    read_file(size, 2, 2);
    static const uint8_t want[] = {200, 0, 100, 100};
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(rgb[i], want[i / 3]);
    }
    refuse_parts(size, 33);
    file[size - 20] ^= 1; /* in the pixels' checksum or before it */
    ck_assert_int_eq(bnn_image_file_read("f", file, size, (bnn_shape){1, 2, 2, 3}, 2, 2, rgb, &err),
                     BNN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "checksum"));
}
END_TEST

/* Rows that are not compressed. */
START_TEST(of_tga) {
    static const unsigned char header[18] = {[2] = 2, [12] = 8, [14] = 6, [16] = 24, [17] = 0x20};
    memcpy(file, header, sizeof header);
    for (int i = 0; i < 6 * 8 * 3; i++) {
        file[18 + i] = (unsigned char)i;
    }
    read_file(18 + 6 * 8 * 3, 6, 8);
    ck_assert(rgb[0] == 2 && rgb[1] == 1 && rgb[2] == 0 && rgb[6 * 8 * 3 - 3] == 6 * 8 * 3 - 1);
    refuse_parts(18 + 6 * 8 * 3, 18);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *bytes;
        const char *part;
    } files[] = {{"", "not an image"},
                 {"P6\n32", "not an image"},
                 {"P6\n0 5\n255\n", "not an image"},
                 {"P6 4294967298 4294967298 255\n123456789012", "not an image"},
                 {"P6 # 1\n2 # 2\n2\n4294967551 123456789012", "not an image"},
                 {"P6\n20000 20000\n255\n", "too many"},
                 {"P6\n2 1\n65535\n123456789012", "16 bits a value"},
                 {"P3\n1 1\n255\n1 2 3\n", "of kind P3 (written as text), which is not read"},
                 {"P1 1 1 1", "convert it to P5, P6 or PNG"},
                 {"P4\n8 1\n1", "of kind P4 (of bits)"},
                 {"P7\nWIDTH 1\n", "not an image"},
                 {"hello, world", "not an image"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bnn_code code = bnn_image_file_read("f", (const unsigned char *)files[i].bytes,
                                            strlen(files[i].bytes), four, 4, 4, rgb, &err);
        if (code == BNN_ERR_UNSUPPORTED) {
            exit(77);
        }
        expect_error(code, BNN_ERR_FORMAT, &err, files[i].part, NULL);
    }
    refuse_parts(make_pnm(6, 8), 11);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image");
    TCase *tcase = tcase_create("image");
    tcase_add_test(tcase, as_it_is);
    tcase_add_test(tcase, smaller);
    tcase_add_test(tcase, cut_out);
    tcase_add_test(tcase, placed);
    tcase_add_test(tcase, grey);
    tcase_add_test(tcase, larger);
    tcase_add_test(tcase, of_png);
    tcase_add_test(tcase, of_tga);
    tcase_add_test(tcase, refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Where the patches that Winograd's products see, and the squares of results that come of them, lie
 * in images: with them the products read and write images where they are, as in windows.c. */
#include "cpu/conv/conv.h"

/* The gradient of the image is a product of the gradient of the results with turned windows. */
bnn_patches bnn_patches_of(const bnn_conv *s, int backward) {
    bnn_patches v = {s->h, s->w, s->oh, s->ow, s->pad_h, s->pad_w, 0, 0, 0};
    if (backward) {
        v = (bnn_patches){s->oh, s->ow, s->h, s->w, 2 - s->pad_h, 2 - s->pad_w, 0, 0, 0};
    }
    v.rows = bnn_ceil_div((size_t)v.out_h, 2), v.cols = bnn_ceil_div((size_t)v.out_w, 2);
    v.count = (size_t)s->n * v.rows * v.cols;
    return v;
}

/* The patch whose first pixel is (y, x) of an image. */
static void point(const bnn_patches *v, const float *image, size_t channels, const float *zeros,
                  int y, int x, const float *to[BNN_PATCH]) {
    ptrdiff_t pixel = (ptrdiff_t)channels, row = v->w * pixel;
    if (y >= 0 && y + 4 <= v->h && x >= 0 && x + 4 <= v->w) {
        const float *from = image + y * row + x * pixel;
        for (int k = 0; k < BNN_PATCH; k++) {
            to[k] = from + k / 4 * row + k % 4 * pixel;
        }
        return;
    }
    for (int k = 0; k < BNN_PATCH; k++) {
        int iy = y + k / 4, ix = x + k % 4;
        int inside = iy >= 0 && iy < v->h && ix >= 0 && ix < v->w;
        to[k] = inside ? image + iy * row + ix * pixel : zeros;
    }
}

void bnn_patches_point(const bnn_patches *v, const float *images, size_t channels,
                       const float *zeros, size_t first, size_t n, const float *(*x)[BNN_PATCH]) {
    size_t image = first / v->cols / v->rows, i = first / v->cols % v->rows, j = first % v->cols;
    size_t size = (size_t)v->h * (size_t)v->w * channels;
    for (size_t t = 0; t < n; t++) {
        point(v, images + image * size, channels, zeros, (int)(2 * i) - v->pad_h,
              (int)(2 * j) - v->pad_w, x[t]);
        j = j + 1 == v->cols ? 0 : j + 1;
        i = j > 0 ? i : i + 1 == v->rows ? 0 : i + 1;
        image += i + j == 0;
    }
}

void bnn_patches_place(const bnn_patches *v, size_t channels, size_t first, size_t n,
                       size_t (*at)[BNN_SQUARE]) {
    size_t h = (size_t)v->out_h, w = (size_t)v->out_w;
    for (size_t t = 0; t < n; t++) {
        size_t image = (first + t) / v->cols / v->rows;
        size_t i = 2 * ((first + t) / v->cols % v->rows), j = 2 * ((first + t) % v->cols);
        for (size_t k = 0; k < BNN_SQUARE; k++) {
            size_t oy = i + k / 2, ox = j + k % 2;
            int inside = oy < h && ox < w;
            at[t][k] = inside ? ((image * h + oy) * w + ox) * channels : SIZE_MAX;
        }
    }
}

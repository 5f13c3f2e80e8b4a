/* Where the patches that Winograd's products see, and the squares of results that come of them, lie
 * in images: with them the products read and write images where they are, as in windows.c. */
#include "cpu/conv/conv.h"

/* The gradient of the image is a product of the gradient of the results with turned windows. */
bnn_patches bnn_patches_of(const bnn_conv *s, size_t m, int backward) {
    bnn_patches v = {s->h,  s->w, s->oh, s->ow, s->pad_h, s->pad_w, m, (m + 2) * (m + 2),
                     m * m, 0,    0,     0};
    if (backward) {
        v.h = s->oh, v.w = s->ow, v.out_h = s->h, v.out_w = s->w;
        v.pad_h = 2 - s->pad_h, v.pad_w = 2 - s->pad_w;
    }
    v.rows = bnn_ceil_div((size_t)v.out_h, m), v.cols = bnn_ceil_div((size_t)v.out_w, m);
    v.count = (size_t)s->n * v.rows * v.cols;
    return v;
}

/* The patch whose first pixel is (y, x) of an image. */
static void point(const bnn_patches *v, const float *image, size_t channels, const float *zeros,
                  int y, int x, const float **to) {
    ptrdiff_t pixel = (ptrdiff_t)channels, row = v->w * pixel;
    const int side = (int)v->m + 2;
    const float *from = image + y * row + x * pixel;
    int whole = y >= 0 && y + side <= v->h && x >= 0 && x + side <= v->w;
    for (int i = 0; i < side; i++, from += row) {
        int there = y + i >= 0 && y + i < v->h;
        for (int j = 0; j < side; j++) {
            int inside = whole || (there && x + j >= 0 && x + j < v->w);
            *to++ = inside ? from + j * pixel : zeros;
        }
    }
}

void bnn_patches_point(const bnn_patches *v, const float *images, size_t channels,
                       const float *zeros, size_t first, size_t n, const float **x) {
    size_t image = first / v->cols / v->rows, i = first / v->cols % v->rows, j = first % v->cols;
    size_t size = (size_t)v->h * (size_t)v->w * channels;
    for (size_t t = 0; t < n; t++) {
        point(v, images + image * size, channels, zeros, (int)(v->m * i) - v->pad_h,
              (int)(v->m * j) - v->pad_w, x + t * v->pixels);
        j = j + 1 == v->cols ? 0 : j + 1;
        i = j > 0 ? i : i + 1 == v->rows ? 0 : i + 1;
        image += i + j == 0;
    }
}

void bnn_patches_place(const bnn_patches *v, size_t channels, size_t first, size_t n, size_t *at) {
    size_t h = (size_t)v->out_h, w = (size_t)v->out_w;
    for (size_t t = 0; t < n; t++) {
        size_t image = (first + t) / v->cols / v->rows;
        size_t i = v->m * ((first + t) / v->cols % v->rows), j = v->m * ((first + t) % v->cols);
        for (size_t k = 0; k < v->results; k++) {
            size_t oy = i + k / v->m, ox = j + k % v->m;
            int inside = oy < h && ox < w;
            *at++ = inside ? ((image * h + oy) * w + ox) * channels : SIZE_MAX;
        }
    }
}

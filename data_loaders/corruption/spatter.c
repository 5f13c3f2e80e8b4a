/* Water or mud on the lens. The water's mask is a chain of small image operations on bytes (Canny
 * edges, distance to them, histogram equalization, emboss), each as OpenCV rounds it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"

#define CANNY_LOW 50
#define CANNY_HIGH 150
#define FARTHEST 20.0

/* ---- Canny -------------------------------------------------------------------------------- */
typedef struct gradient {
    int dx, dy, magnitude;
} gradient;

/* A grid of gradients with a margin of zeros, so that neighbours always exist. */
static gradient *at(gradient *g, const bnn_corruption_job *job, int y, int x) {
    return g + (size_t)(y + 1) * (size_t)(job->width + 2) + (size_t)(x + 1);
}

static void sobel(const bnn_corruption_job *job, const uint8_t *in, gradient *g) {
    memset(g, 0, (size_t)(job->height + 2) * (size_t)(job->width + 2) * sizeof *g);
    for (int y = 0; y < job->height; y++) {
        int up = y ? y - 1 : 0, down = y + 1 < job->height ? y + 1 : y;
        const uint8_t *a = in + (size_t)up * (size_t)job->width;
        const uint8_t *b = in + (size_t)y * (size_t)job->width;
        const uint8_t *c = in + (size_t)down * (size_t)job->width;
        for (int x = 0; x < job->width; x++) {
            int l = x ? x - 1 : 0, r = x + 1 < job->width ? x + 1 : x;
            gradient *p = at(g, job, y, x);
            p->dx = a[r] + 2 * b[r] + c[r] - a[l] - 2 * b[l] - c[l];
            p->dy = c[l] + 2 * c[x] + c[r] - a[l] - 2 * a[x] - a[r];
            p->magnitude = abs(p->dx) + abs(p->dy);
        }
    }
}

/* Is the magnitude a maximum across the edge? Of equals, the right or lower one gives way. */
static int is_ridge(gradient *g, const bnn_corruption_job *job, int y, int x) {
    const gradient *p = at(g, job, y, x);
    const int m = p->magnitude, steep = abs(p->dy) << 15, flat = abs(p->dx) * 13573;
    if (m <= CANNY_LOW) {
        return 0;
    }
    if (steep < flat) { /* under 22.5 degrees */
        return m > at(g, job, y, x - 1)->magnitude && m >= at(g, job, y, x + 1)->magnitude;
    }
    if (steep > flat + (abs(p->dx) << 16)) { /* over 67.5 */
        return m > at(g, job, y - 1, x)->magnitude && m >= at(g, job, y + 1, x)->magnitude;
    }
    int s = (p->dx ^ p->dy) < 0 ? -1 : 1;
    return m > at(g, job, y - 1, x - s)->magnitude && m > at(g, job, y + 1, x + s)->magnitude;
}

enum { NONE, WEAK, EDGE };

/* edge[height,width]: EDGE where an edge is. Weak ones count where they touch a strong one. */
static void canny(bnn_corruption_job *job, const uint8_t *in, uint8_t *edge) {
    const size_t cells = (size_t)(job->height + 2) * (size_t)(job->width + 2);
    double *before = job->scratch;
    gradient *g = (gradient *)bnn_job_take(job, 2 * cells);
    size_t *stack = (size_t *)bnn_job_take(job, job->pixels), top = 0;
    sobel(job, in, g);
    for (size_t i = 0; i < job->pixels; i++) {
        int y = (int)i / job->width, x = (int)i % job->width;
        edge[i] = NONE;
        if (is_ridge(g, job, y, x)) {
            edge[i] = at(g, job, y, x)->magnitude > CANNY_HIGH ? EDGE : WEAK;
            if (edge[i] == EDGE) {
                stack[top++] = i;
            }
        }
    }
    while (top) {
        size_t i = stack[--top];
        for (int k = 0; k < 9; k++) {
            int y = (int)i / job->width + k / 3 - 1, x = (int)i % job->width + k % 3 - 1;
            size_t near = (size_t)(y * job->width + x);
            if (y >= 0 && y < job->height && x >= 0 && x < job->width && edge[near] == WEAK) {
                edge[near] = EDGE;
                stack[top++] = near;
            }
        }
    }
    job->scratch = before;
}

/* ---- distance ----------------------------------------------------------------------------- */
/* Steps of the 5x5 chamfer distance that come before a pixel in reading order; negated, after. */
static const struct {
    int dy, dx, cost; /* of 1 / 65536 */
} steps[] = {{-2, -1, 143976}, {-2, 1, 143976}, {-1, -2, 143976}, {-1, 2, 143976},
             {-1, -1, 91750},  {-1, 1, 91750},  {-1, 0, 65536},   {0, -1, 65536}};

static int nearest(const bnn_corruption_job *job, const int *distance, int y, int x, int sign) {
    int best = distance[y * job->width + x];
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        int v = y + sign * steps[k].dy, u = x + sign * steps[k].dx;
        if (v >= 0 && v < job->height && u >= 0 && u < job->width) {
            int through = distance[v * job->width + u] + steps[k].cost;
            best = through < best ? through : best;
        }
    }
    return best;
}

/* Distance of each pixel to the nearest edge, at most FARTHEST. */
static void distance_to(bnn_corruption_job *job, const uint8_t *edge, double *out) {
    double *before = job->scratch;
    int *distance = (int *)bnn_job_take(job, job->pixels);
    for (size_t i = 0; i < job->pixels; i++) {
        distance[i] = edge[i] == EDGE ? 0 : 1 << 29;
    }
    for (int i = 0; i < (int)job->pixels; i++) {
        distance[i] = nearest(job, distance, i / job->width, i % job->width, 1);
    }
    for (int i = (int)job->pixels - 1; i >= 0; i--) {
        distance[i] = nearest(job, distance, i / job->width, i % job->width, -1);
        double far = distance[i] / 65536.0;
        out[i] = far < FARTHEST ? far : FARTHEST;
    }
    job->scratch = before;
}

/* ---- small filters on bytes --------------------------------------------------------------- */
/* Correlation with a 3x3 kernel at one pixel, border reflect-101. */
static double correlate(const bnn_corruption_job *job, const double *in, size_t i,
                        const double kernel[9]) {
    double sum = 0.0;
    for (int k = 0; k < 9; k++) {
        int y = (int)i / job->width + k / 3 - 1, x = (int)i % job->width + k % 3 - 1;
        y = bnn_border_index(y, job->height, BNN_BORDER_REFLECT_101);
        x = bnn_border_index(x, job->width, BNN_BORDER_REFLECT_101);
        sum += kernel[k] * in[y * job->width + x];
    }
    return sum;
}

/* Spreads the bytes in `x` over 0 to 255 so that each is as frequent as any other. */
static void equalize(double *x, size_t n) {
    size_t count[256] = {0}, sum = 0;
    double to[256] = {0};
    int first = 0;
    for (size_t i = 0; i < n; i++) {
        count[(int)x[i]]++;
    }
    while (count[first] == 0) {
        first++;
    }
    if (count[first] == n) {
        return; /* all are equal, and stay so */
    }
    const double scale = 255.0 / (double)(n - count[first]);
    for (int v = first + 1; v < 256; v++) {
        sum += count[v];
        to[v] = nearbyint((double)sum * scale);
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = to[(int)x[i]];
    }
}

static void make_relief(bnn_corruption_job *job, const uint8_t *edge, double *out) {
    static const double box[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const double emboss[9] = {-2, -1, 0, -1, 1, 1, 0, 1, 2};
    double *other = bnn_job_take(job, job->pixels);
    distance_to(job, edge, out);
    for (size_t i = 0; i < job->pixels; i++) {
        other[i] = floor(correlate(job, out, i, box) / 9);
    }
    equalize(other, job->pixels);
    for (size_t i = 0; i < job->pixels; i++) {
        double v = correlate(job, other, i, emboss);
        out[i] = v < 0 ? 0 : v > 255 ? 255 : v;
    }
    for (size_t i = 0; i < job->pixels; i++) {
        other[i] = nearbyint(correlate(job, out, i, box) / 9);
    }
    memcpy(out, other, job->pixels * sizeof *out);
}

/* ---- the two liquids ---------------------------------------------------------------------- */
static void add_water(bnn_corruption_job *job, const double *liquid) {
    static const double colour[3] = {175 / 255.0, 238 / 255.0, 238 / 255.0};
    double *mask = bnn_job_take(job, job->pixels), max = 0.0;
    uint8_t *bytes = (uint8_t *)bnn_job_take(job, job->pixels / 8 + 1);
    uint8_t *edge = (uint8_t *)bnn_job_take(job, job->pixels / 8 + 1);
    for (size_t i = 0; i < job->pixels; i++) {
        double v = liquid[i] < 0 ? 0 : liquid[i] > 1 ? 1 : liquid[i];
        bytes[i] = (uint8_t)(v * 255);
    }
    canny(job, bytes, edge);
    make_relief(job, edge, mask);
    for (size_t i = 0; i < job->pixels; i++) {
        mask[i] *= bytes[i];
        max = mask[i] > max ? mask[i] : max;
    }
    for (size_t i = 0; max > 0.0 && i < 3 * job->pixels; i++) {
        job->x[i] += mask[i / 3] / max * job->set->spatter[job->level].strength * colour[i % 3];
    }
}

static void add_mud(bnn_corruption_job *job, double *liquid) {
    static const double colour[3] = {63 / 255.0, 42 / 255.0, 20 / 255.0};
    for (size_t i = 0; i < job->pixels; i++) {
        liquid[i] = liquid[i] > job->set->spatter[job->level].threshold;
    }
    bnn_filter_gaussian(job, liquid, 1, job->set->spatter[job->level].strength, 4.0,
                        BNN_BORDER_NEAREST);
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        double mask = liquid[i / 3] < 0.8 ? 0.0 : liquid[i / 3];
        job->x[i] = job->x[i] * (1.0 - mask) + colour[i % 3] * mask;
    }
}

bnn_code bnn_apply_spatter(bnn_corruption_job *job) {
    double *liquid = bnn_job_take(job, job->pixels);
    for (size_t i = 0; i < job->pixels; i++) {
        liquid[i] = job->set->spatter[job->level].mean +
                    job->set->spatter[job->level].deviation * (double)bnn_rng_normal(&job->rng);
    }
    bnn_filter_gaussian(job, liquid, 1, job->set->spatter[job->level].sigma, 4.0,
                        BNN_BORDER_NEAREST);
    for (size_t i = 0; i < job->pixels; i++) {
        if (liquid[i] < job->set->spatter[job->level].threshold) {
            liquid[i] = 0.0;
        }
    }
    if (job->set->spatter[job->level].mud) {
        add_mud(job, liquid);
    } else {
        add_water(job, liquid);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* From a stored shape to N points, as BiBench's recipes for PointNet have it: scaled into the cube,
 * drawn, and for the network once more with its mean at 0 and within the unit sphere. Sums are
 * double: coordinates of 1e38 are floats, too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/augment.h"
#include "data_loaders/clouds/clouds.h"

#define LARGEST 0.999999
#define JITTER 0.01
#define TURN (15.0 * 3.14159265358979323846 / 180.0)

bnn_rng *bnn_points_rng(const bnn_draw *draw, size_t index, bnn_rng *room) {
    if (!draw) {
        return NULL;
    }
    *room = bnn_rng_start(draw->seed, bnn_data_stream("data.points", draw->epoch, (uint32_t)index));
    return room;
}

static void mean_of(const float *xyz, size_t n, size_t stride, double mean[3]) {
    double sum[3] = {0};
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < 3; c++) {
            sum[c] += (double)xyz[i * stride + (size_t)c];
        }
    }
    for (int c = 0; c < 3; c++) {
        mean[c] = sum[c] / (double)n;
    }
}

bnn_code bnn_points_frame(const char *name, const float *xyz, size_t n, size_t stride,
                          bnn_frame *frame, bnn_error *err) {
    int differ = 0;
    if (n == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: none of its faces has three corners: there is no surface; choose "
                        "another file, or copy it again",
                        name);
    }
    frame->most = 0.0;
    mean_of(xyz, n, stride, frame->mean);
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++) {
            double distance = fabs((double)xyz[i * stride + c] - frame->mean[c]);
            frame->most = distance > frame->most ? distance : frame->most;
            differ |= xyz[i * stride + c] != xyz[c];
        }
    }
    if (!differ || !(frame->most > 0.0)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: its %zu points all coincide: there is no shape; choose another file, "
                        "or copy it again",
                        name, n);
    }
    return BNN_OK;
}

void bnn_frame_enter(const bnn_frame *frame, float *xyz, size_t n, size_t stride) {
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++) {
            float *x = &xyz[i * stride + c];
            *x = (float)(((double)*x - frame->mean[c]) / frame->most * LARGEST);
        }
    }
}

void bnn_frame_leave(const bnn_frame *frame, float *xyz, size_t n, size_t stride) {
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++) {
            float *x = &xyz[i * stride + c];
            *x = (float)((double)*x / LARGEST * frame->most + frame->mean[c]);
        }
    }
}

bnn_code bnn_points_normalize(const char *name, float *xyz, size_t n, size_t stride,
                              bnn_error *err) {
    bnn_frame frame;
    bnn_code code = bnn_points_frame(name, xyz, n, stride, &frame, err);
    if (code == BNN_OK) {
        bnn_frame_enter(&frame, xyz, n, stride);
    }
    return code;
}

static double area(const bnn_mesh *mesh, size_t triangle) {
    const uint32_t *corner = mesh->triangle + 3 * triangle;
    const float *a = mesh->vertex + 3 * (size_t)corner[0];
    double u[3], v[3];
    for (int c = 0; c < 3; c++) {
        u[c] = (double)mesh->vertex[3 * (size_t)corner[1] + (size_t)c] - (double)a[c];
        v[c] = (double)mesh->vertex[3 * (size_t)corner[2] + (size_t)c] - (double)a[c];
    }
    double x = u[1] * v[2] - u[2] * v[1], y = u[2] * v[0] - u[0] * v[2];
    double z = u[0] * v[1] - u[1] * v[0];
    return 0.5 * sqrt(x * x + y * y + z * z);
}

/* Uniform in (0, 1). */
static double uniform(bnn_rng *rng) {
    return ((double)bnn_rng_u32(rng) + 0.5) * 0x1p-32;
}

/* The first triangle up to whose end there is more than `at` of the area: one that has some. */
static size_t find(const double *sum, size_t n, double at) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sum[middle] > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void draw_point(const bnn_mesh *mesh, const uint32_t *corner, bnn_rng *rng, float *xyz) {
    double u = uniform(rng), v = uniform(rng);
    if (u + v > 1.0) { /* the other half of the parallelogram, turned over */
        u = 1.0 - u;
        v = 1.0 - v;
    }
    for (size_t c = 0; c < 3; c++) {
        double a = (double)mesh->vertex[3 * (size_t)corner[0] + c];
        double b = (double)mesh->vertex[3 * (size_t)corner[1] + c];
        double d = (double)mesh->vertex[3 * (size_t)corner[2] + c];
        xyz[c] = (float)(a + u * (b - a) + v * (d - a));
    }
}

bnn_code bnn_mesh_sample(const char *name, const bnn_mesh *mesh, bnn_rng *rng, size_t n, float *xyz,
                         bnn_error *err) {
    double *sum = calloc(mesh->triangles + 1, sizeof *sum);
    double total = 0.0;
    if (!sum) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu triangles", name,
                        mesh->triangles);
    }
    for (size_t i = 0; i < mesh->triangles; i++) {
        sum[i] = total += area(mesh, i);
    }
    if (!(total > 0.0)) {
        free(sum);
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: none of its faces has an area, so no points can be drawn; choose "
                        "another file, or copy it again",
                        name);
    }
    for (size_t i = 0; i < n; i++) {
        size_t triangle = find(sum, mesh->triangles, uniform(rng) * total);
        draw_point(mesh, mesh->triangle + 3 * triangle, rng, xyz + 3 * i);
    }
    free(sum);
    return BNN_OK;
}

bnn_code bnn_points_choose(const char *name, bnn_rng *rng, size_t count, size_t n, uint32_t *out,
                           bnn_error *err) {
    uint32_t *order = reallocarray(NULL, count, sizeof *order);
    if (!order) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu points", name, count);
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < n; i++) { /* a shuffle, from its front; round after round */
        /* NOLINTNEXTLINE(clang-analyzer-core.*): a cloud has a point */
        size_t at = i % count, other = at + bnn_rng_below(rng, (uint32_t)(count - at));
        uint32_t swap = order[other];
        order[other] = order[at];
        order[at] = out[i] = swap;
    }
    free(order);
    return BNN_OK;
}

void bnn_points_features(const float *xyz, size_t n, float *out) {
    double mean[3], radius = 0.0;
    mean_of(xyz, n, 3, mean);
    for (size_t i = 0; i < n; i++) {
        double x = (double)xyz[3 * i] - mean[0], y = (double)xyz[3 * i + 1] - mean[1];
        double z = (double)xyz[3 * i + 2] - mean[2], distance = sqrt(x * x + y * y + z * z);
        radius = distance > radius ? distance : radius;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++) {
            double x = (double)xyz[3 * i + c];
            /* One point, or one many times, is the middle. */
            out[6 * i + c] = radius > 0.0 ? (float)((x - mean[c]) / radius) : 0.0f;
            out[6 * i + 3 + c] = xyz[3 * i + c];
        }
    }
}

/* x' = m x. */
static void turn(double m[3][3], float *x) {
    double y[3];
    for (int r = 0; r < 3; r++) {
        y[r] = m[r][0] * (double)x[0] + m[r][1] * (double)x[1] + m[r][2] * (double)x[2];
    }
    for (int r = 0; r < 3; r++) {
        x[r] = (float)y[r];
    }
}

/* m := (a turn about `axis`) m. */
static void turn_about(int axis, double angle, double m[3][3]) {
    const int a = (axis + 1) % 3, b = (axis + 2) % 3;
    for (int c = 0; c < 3; c++) {
        double u = m[a][c], v = m[b][c];
        m[a][c] = cos(angle) * u - sin(angle) * v;
        m[b][c] = sin(angle) * u + cos(angle) * v;
    }
}

void bnn_points_augment(bnn_rng *rng, float *points, size_t n) {
    double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int axis = 0; axis < 3; axis++) {
        turn_about(axis, TURN * (2.0 * uniform(rng) - 1.0), m);
    }
    for (size_t i = 0; i < n; i++) {
        float *point = points + 6 * i;
        for (int c = 0; c < 3; c++) {
            point[c] += (float)(JITTER * (2.0 * uniform(rng) - 1.0));
        }
        turn(m, point);
        turn(m, point + 3);
    }
}

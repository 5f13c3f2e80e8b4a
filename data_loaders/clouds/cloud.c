/* A shape, whatever stores it, and the way from there to the points that a network sees. The
 * decision: a data set's samples and a user's own files go it alike, through the set's row. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/clouds/clouds.h"

#define LEAST_COLUMNS 3
#define MOST_COLUMNS 7 /* a point, its normal, its part */

static int is_ply(const unsigned char *bytes, size_t size) {
    return size > 3 && memcmp(bytes, "ply", 3) == 0 && (bytes[3] == '\n' || bytes[3] == '\r');
}

static int is_off(const unsigned char *bytes, size_t size) {
    bnn_scan scan = bnn_scan_start("", bytes, size);
    return bnn_scan_next(&scan) && scan.end - scan.at >= 3 && memcmp(scan.at, "OFF", 3) == 0;
}

bnn_code bnn_cloud_parse(const char *name, const unsigned char *bytes, size_t size, bnn_cloud *out,
                         bnn_error *err) {
    *out = (bnn_cloud){0};
    return is_ply(bytes, size)   ? bnn_ply_parse(name, bytes, size, out, err)
           : is_off(bytes, size) ? bnn_off_parse(name, bytes, size, &out->mesh, err)
                                 : bnn_points_parse(name, bytes, size, LEAST_COLUMNS, MOST_COLUMNS,
                                                    &out->points, err);
}

/* By the coordinates alone: the same shape is the same, whatever else its file says. */
static bnn_rng rng_of(const bnn_cloud *c) {
    const size_t columns = (size_t)c->points.columns, coordinates = 3 * sizeof(float);
    uLong sum = crc32_z(0, (const unsigned char *)c->mesh.vertex, c->mesh.vertices * coordinates);
    for (size_t i = 0; i < c->points.count; i++) {
        const float *point = c->points.value + columns * i;
        sum = crc32_z(sum, (const unsigned char *)point, coordinates);
    }
    return bnn_rng_start(0, bnn_data_stream("data.points.test", 0, (uint32_t)sum));
}

/* Points of the surface, which is moved into the cube. */
static bnn_code draw_surface(const char *name, bnn_cloud *c, bnn_rng *rng, size_t n,
                             bnn_frame *frame, bnn_error *err) {
    bnn_code code = bnn_points_frame(name, c->mesh.vertex, c->mesh.vertices, 3, frame, err);
    if (code == BNN_OK) {
        bnn_frame_enter(frame, c->mesh.vertex, c->mesh.vertices, 3);
        code = bnn_mesh_sample(name, &c->mesh, rng, n, c->drawn, err);
    }
    return code;
}

static bnn_code draw_points(const char *name, bnn_cloud *c, bnn_rng *rng, size_t n,
                            bnn_frame *frame, bnn_error *err) {
    const size_t columns = (size_t)c->points.columns;
    bnn_code code = bnn_points_frame(name, c->points.value, c->points.count, columns, frame, err);
    if (code == BNN_OK) {
        code = bnn_points_choose(name, rng, c->points.count, n, c->chosen, err);
    }
    for (size_t i = 0; code == BNN_OK && i < n; i++) {
        memcpy(c->drawn + 3 * i, c->points.value + columns * c->chosen[i], 3 * sizeof *c->drawn);
    }
    return code;
}

bnn_code bnn_cloud_draw(const char *name, bnn_cloud *c, bnn_rng *rng, size_t n, size_t columns,
                        float *out, bnn_error *err) {
    const int surface = c->mesh.triangles > 0;
    const size_t known = surface || c->points.columns < 6 ? 3 : columns;
    bnn_rng own = {0};
    bnn_frame frame;
    if (!rng) {
        own = rng_of(c);
        rng = &own;
    }
    c->drawn = reallocarray(NULL, n, 3 * sizeof *c->drawn);
    c->chosen = reallocarray(NULL, n, sizeof *c->chosen);
    bnn_code code = !c->drawn || !c->chosen
                        ? bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for its points", name)
                    : surface ? draw_surface(name, c, rng, n, &frame, err)
                              : draw_points(name, c, rng, n, &frame, err);
    if (code != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < n; i++) {
        const float *from = known > 3 ? c->points.value + (size_t)c->points.columns * c->chosen[i]
                                      : c->drawn + 3 * i;
        memset(out + columns * i, 0, columns * sizeof *out);
        memcpy(out + columns * i, from, known * sizeof *out);
    }
    if (surface) {
        bnn_frame_leave(&frame, c->drawn, n, 3);
    } else {
        bnn_frame_enter(&frame, out, n, columns);
    }
    return BNN_OK;
}

void bnn_cloud_free(bnn_cloud *cloud) {
    bnn_mesh_free(&cloud->mesh);
    bnn_points_free(&cloud->points);
    free(cloud->drawn);
    free(cloud->chosen);
    *cloud = (bnn_cloud){0};
}

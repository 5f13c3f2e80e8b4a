/* Fuzz target: a shape in memory, of whatever kind its bytes say; most are PLY. What is accepted is
 * finite, has corners that are vertices, and gives finite points inside the cube, or a reason why
 * not. */
#include <math.h>

#include "data_loaders/clouds/clouds.h"
#include "tests/fuzz/fuzz.h"

#define POINTS 16

static void draw(bnn_cloud *cloud) {
    float out[6 * POINTS];
    bnn_error err = {0};
    if (!bnn_accepted(bnn_cloud_draw("input", cloud, NULL, POINTS, 6, out, &err), &err)) {
        return;
    }
    for (int i = 0; i < 3 * POINTS; i++) {
        bnn_insist(fabsf(out[6 * (i / 3) + i % 3]) <= 1.0f); /* false of NaN, too */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_cloud cloud;
    if (!bnn_accepted(bnn_cloud_parse("input", data, size, &cloud, &err), &err)) {
        bnn_insist(!cloud.mesh.vertex && !cloud.mesh.triangle && !cloud.points.value);
        return 0;
    }
    bnn_insist(!cloud.mesh.vertex != !cloud.points.value);
    for (size_t i = 0; i < 3 * cloud.mesh.vertices; i++) {
        bnn_insist(isfinite(cloud.mesh.vertex[i]));
    }
    for (size_t i = 0; i < 3 * cloud.mesh.triangles; i++) {
        bnn_insist(cloud.mesh.triangle[i] < cloud.mesh.vertices);
    }
    for (size_t i = 0; i < cloud.points.count * (size_t)cloud.points.columns; i++) {
        bnn_insist(isfinite(cloud.points.value[i]));
    }
    draw(&cloud);
    bnn_cloud_free(&cloud);
    return 0;
}

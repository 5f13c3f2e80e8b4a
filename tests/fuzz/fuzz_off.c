/* Fuzz target: a mesh in memory. What the parser accepts has corners that are vertices, finite, and
 * gives finite points inside the cube, or a reason why not. */
#include <math.h>

#include "data_loaders/clouds/clouds.h"
#include "tests/fuzz/fuzz.h"

#define POINTS 16

static void sample(bnn_mesh *mesh) {
    float xyz[3 * POINTS], out[6 * POINTS];
    bnn_error err = {0};
    bnn_rng rng = bnn_rng_start(0, 1);
    if (!bnn_accepted(bnn_points_normalize("input", mesh->vertex, mesh->vertices, 3, &err), &err) ||
        !bnn_accepted(bnn_mesh_sample("input", mesh, &rng, POINTS, xyz, &err), &err)) {
        return;
    }
    bnn_points_features(xyz, POINTS, out);
    for (int i = 0; i < 6 * POINTS; i++) {
        bnn_insist(fabsf(out[i]) <= 1.000001f); /* false of NaN, too */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_mesh mesh;
    bnn_code code = bnn_off_parse("input", data, size, &mesh, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(!mesh.vertex && !mesh.triangle);
        return 0;
    }
    for (size_t i = 0; i < 3 * mesh.vertices; i++) {
        bnn_insist(isfinite(mesh.vertex[i]));
    }
    for (size_t i = 0; i < 3 * mesh.triangles; i++) {
        bnn_insist(mesh.triangle[i] < mesh.vertices);
    }
    sample(&mesh);
    bnn_mesh_free(&mesh);
    return 0;
}

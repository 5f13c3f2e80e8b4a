/* Meshes in the Object File Format (https://www.geomview.org/docs/html/OFF.html), as text. The
 * decision: lines matter only where the format says so, after a face's corners; otherwise one
 * number follows the other, whatever stands between. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/clouds/clouds.h"

#define VERTEX_BYTES 6 /* at least: three digits, three blanks */
#define CORNER_BYTES 2

static bnn_code fail_short(const bnn_scan *scan, const char *what, size_t got, size_t expected,
                           bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: ends after %zu of the %zu %s its header promises; copy the file again",
                    scan->name, got, expected, what);
}

/* The counts, which the last line of a file of this size may yet hold. */
static bnn_code read_counts(bnn_scan *scan, uint32_t count[3], bnn_error *err) {
    static const char *const what[] = {"number of vertices", "number of faces", "number of edges"};
    for (int i = 0; i < 3; i++) {
        if (!bnn_scan_next(scan)) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: ends before the %s; the file is cut off, copy it again",
                            scan->name, what[i]);
        }
        bnn_code code = bnn_scan_integer(scan, UINT32_MAX, what[i], &count[i], err);
        if (code != BNN_OK) {
            return code;
        }
    }
    return BNN_OK;
}

static bnn_code read_header(bnn_scan *scan, uint32_t count[3], bnn_error *err) {
    if (!bnn_scan_next(scan) || scan->end - scan->at < 3 || memcmp(scan->at, "OFF", 3) != 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: does not begin with OFF; is it another file renamed?", scan->name);
    }
    scan->at += 3;
    bnn_code code = read_counts(scan, count, err);
    const size_t left = (size_t)(scan->end - scan->at);
    if (code != BNN_OK) {
        return code;
    }
    if (count[0] == 0 || count[1] == 0) {
        return bnn_fail(
            err, BNN_ERR_FORMAT,
            "%s: %u vertices and %u faces: there is no surface; choose another file, or "
            "copy it again",
            scan->name, count[0], count[1]);
    }
    if (count[0] > left / VERTEX_BYTES || count[1] > left / CORNER_BYTES) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu bytes, too few for the %u vertices and %u faces its header "
                        "promises; copy the file again",
                        scan->name, left, count[0], count[1]);
    }
    return BNN_OK;
}

static bnn_code read_vertices(bnn_scan *scan, bnn_mesh *mesh, bnn_error *err) {
    for (size_t i = 0; i < 3 * mesh->vertices; i++) {
        if (!bnn_scan_next(scan)) {
            return fail_short(scan, "vertices", i / 3, mesh->vertices, err);
        }
        bnn_code code = bnn_scan_float(scan, &mesh->vertex[i], err);
        if (code != BNN_OK) {
            return code;
        }
    }
    return BNN_OK;
}

bnn_code bnn_mesh_add(const char *name, bnn_mesh *mesh, size_t *capacity, const uint32_t corner[3],
                      bnn_error *err) {
    if (mesh->triangles == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 64;
        uint32_t *triangle = reallocarray(mesh->triangle, larger, 3 * sizeof *triangle);
        if (!triangle) {
            return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu triangles", name,
                            larger);
        }
        mesh->triangle = triangle;
        *capacity = larger;
    }
    memcpy(mesh->triangle + 3 * mesh->triangles++, corner, 3 * sizeof *corner);
    return BNN_OK;
}

/* One polygon, whose corners stand on its line or below. */
static bnn_code read_face(bnn_scan *scan, bnn_mesh *mesh, size_t *capacity, size_t face,
                          size_t faces, bnn_error *err) {
    uint32_t corners, corner[3];
    bnn_code code = BNN_OK;
    if (!bnn_scan_next(scan)) {
        return fail_short(scan, "faces", face, faces, err);
    }
    code = bnn_scan_integer(scan, INT32_MAX, "number of corners", &corners, err);
    for (uint32_t i = 0; i < corners && code == BNN_OK; i++) {
        if (!bnn_scan_next(scan)) {
            return fail_short(scan, "faces", face, faces, err);
        }
        uint32_t *to = &corner[i < 2 ? i : 2];
        code = bnn_scan_integer(scan, (uint32_t)mesh->vertices - 1, "vertex of a face", to, err);
        if (code == BNN_OK && i >= 2) {
            code = bnn_mesh_add(scan->name, mesh, capacity, corner, err);
            corner[1] = corner[2];
        }
    }
    bnn_scan_skip_line(scan);
    return code;
}

bnn_code bnn_off_parse(const char *name, const unsigned char *bytes, size_t size, bnn_mesh *out,
                       bnn_error *err) {
    *out = (bnn_mesh){0};
    bnn_scan scan = bnn_scan_start(name, bytes, size);
    uint32_t count[3];
    bnn_code code = read_header(&scan, count, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t capacity = count[1];
    out->vertices = count[0];
    out->vertex = reallocarray(NULL, out->vertices, 3 * sizeof *out->vertex);
    out->triangle = reallocarray(NULL, capacity, 3 * sizeof *out->triangle);
    code = out->vertex && out->triangle
               ? read_vertices(&scan, out, err)
               : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the mesh", name);
    for (size_t i = 0; i < count[1] && code == BNN_OK; i++) {
        code = read_face(&scan, out, &capacity, i, count[1], err);
    }
    if (code != BNN_OK) {
        bnn_mesh_free(out);
    }
    return code;
}

void bnn_mesh_free(bnn_mesh *mesh) {
    free(mesh->vertex);
    free(mesh->triangle);
    *mesh = (bnn_mesh){0};
}

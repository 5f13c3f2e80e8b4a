/* Clouds of points: the formats they are stored in, and the way from a stored shape to the fixed
 * number of points that a network sees. Parsers read memory, so that a fuzzer needs no files; what
 * they allocate is bounded by what `size` bytes can hold. `name` is for messages. */
#ifndef BNN_DATA_LOADERS_CLOUDS_CLOUDS_H
#define BNN_DATA_LOADERS_CLOUDS_CLOUDS_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"
#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "engine/base/status.h"

/* ---- text (scan.c) ---- */
typedef struct bnn_scan {
    const char *name;
    const char *begin, *at, *end;
} bnn_scan;

bnn_scan bnn_scan_start(const char *name, const unsigned char *bytes, size_t size);
/* To the next number of the line: passes over blanks, commas and a comment ('#' to the line's end).
 * 0: the line, or the text, ends. */
int bnn_scan_more(bnn_scan *scan);
/* To the next number, however many lines below. 0: the text ends. */
int bnn_scan_next(bnn_scan *scan);
void bnn_scan_skip_line(bnn_scan *scan);
/* The number here, as strtod reads it in the C locale, rounded to float; it must be finite. */
bnn_code bnn_scan_float(bnn_scan *scan, float *value, bnn_error *err);
/* The whole number here, 0 <= value <= most; `what` is for the message. */
bnn_code bnn_scan_integer(bnn_scan *scan, uint32_t most, const char *what, uint32_t *value,
                          bnn_error *err);
/* The same as a double, which holds every whole number of 32 bits; as a float it is finite. */
bnn_code bnn_scan_number(bnn_scan *scan, double *value, bnn_error *err);
/* Passes over what stands here, number or not. */
void bnn_scan_skip_word(bnn_scan *scan);
/* The line of scan->at, from 1. */
size_t bnn_scan_line(const bnn_scan *scan);

/* ---- meshes (off.c) ---- */
typedef struct bnn_mesh {
    size_t vertices, triangles;
    float *vertex;      /* [vertices,3], owned */
    uint32_t *triangle; /* [triangles,3] corners, owned */
} bnn_mesh;

/* Object File Format, text. "OFF" may stand on the line of the counts, or be glued to them, as in
 * some files of ModelNet; polygons are cut to triangles from their first corner, those of less than
 * three corners have no area and are left out; colours after the corners are passed over, and so is
 * what follows the last face. */
bnn_code bnn_off_parse(const char *name, const unsigned char *bytes, size_t size, bnn_mesh *out,
                       bnn_error *err);
/* One triangle more; there is room for *capacity. */
bnn_code bnn_mesh_add(const char *name, bnn_mesh *mesh, size_t *capacity, const uint32_t corner[3],
                      bnn_error *err);
void bnn_mesh_free(bnn_mesh *mesh);

/* ---- lists of points (points.c) ---- */
typedef struct bnn_points {
    size_t count;
    int columns;
    float *value; /* [count,columns], owned */
} bnn_points;

/* A line a point, of `least` to `most` numbers each, as many in every line, separated by blanks or
 * commas; empty lines are passed over. */
bnn_code bnn_points_parse(const char *name, const unsigned char *bytes, size_t size, int least,
                          int most, bnn_points *out, bnn_error *err);
void bnn_points_free(bnn_points *points);

/* ---- a shape, whatever stores it (ply.c, cloud.c) ---- */
/* A surface or, without triangles, points, whose fourth to sixth column are their normals. */
struct bnn_cloud {
    bnn_mesh mesh;
    bnn_points points;
    float *drawn;     /* [n,3], after bnn_cloud_draw: the points, where the file has them */
    uint32_t *chosen; /* [n], of points: which they were */
};

/* Polygon File Format, as text or binary in either order: the coordinates of its vertices; its
 * faces, cut to triangles from their first corner; where there are none, the vertices' normals.
 * Whatever else it has is passed over. */
bnn_code bnn_ply_parse(const char *name, const unsigned char *bytes, size_t size, bnn_cloud *out,
                       bnn_error *err);
/* A file of a kind that its bytes tell: PLY, OFF, or else a list of points of 3 to 7 columns. */
bnn_code bnn_cloud_parse(const char *name, const unsigned char *bytes, size_t size, bnn_cloud *out,
                         bnn_error *err);
/* n of its points, or of its surface, scaled into the cube: out[n,columns], what comes after the
 * coordinates being normals, 0 where there are none. It is drawn from once, with the random numbers
 * of training; rng = NULL: with those of its coordinates as they were read, so that a file gives
 * the same points wherever it stands in whatever list. */
bnn_code bnn_cloud_draw(const char *name, bnn_cloud *cloud, bnn_rng *rng, size_t n, size_t columns,
                        float *out, bnn_error *err);
void bnn_cloud_free(bnn_cloud *cloud);

/* ---- blocks of clouds (hdf5.c) ---- */
typedef struct bnn_cloud_block {
    size_t clouds, points;
    float *data;    /* [clouds,points,3], owned */
    uint8_t *label; /* [clouds], owned */
} bnn_cloud_block;

/* The arrays `data`, clouds of points of floats, and `label`, a whole number below `classes` a
 * cloud, of a file in HDF5's classic form. */
bnn_code bnn_hdf5_parse(const char *name, const unsigned char *bytes, size_t size, int classes,
                        bnn_cloud_block *out, bnn_error *err);
void bnn_cloud_block_free(bnn_cloud_block *block);

/* ---- which shapes there are (files.c) ---- */
#define BNN_MOST_POINTS (1 << 20) /* of a sample */

typedef struct bnn_cloud_file {
    const char *path;
    const char *labels; /* the path of a file of its points' labels, or NULL */
    int32_t label;
} bnn_cloud_file;

typedef struct bnn_cloud_files {
    bnn_arena *arena; /* of the paths */
    bnn_cloud_file *file;
    size_t count, capacity;
} bnn_cloud_files;

/* Plans a set of the files: its fields are `field` from here on, the row's of so many points (0: of
 * as many as the row says). */
bnn_code bnn_clouds_plan(bnn_dataset *dataset, bnn_field field[2], bnn_cloud_files *files,
                         int length, bnn_error *err);
/* Lines of names, or of paths, of which the last part counts: printable ASCII without blanks or a
 * dot in front, so that each can be a file's or a folder's in the set's own. An array in `arena`.
 */
bnn_code bnn_names_parse(const char *name, const unsigned char *bytes, size_t size,
                         bnn_arena *arena, const char *const **out, size_t *count, bnn_error *err);
/* Remarks of the dataset how many of the names that it tests are among those that it trains, if any
 * are; `arena` lives as long as it does. */
bnn_code bnn_names_compare(bnn_dataset *dataset, bnn_arena *arena, const char *const *test,
                           size_t tests, const char *const *train, size_t trains, bnn_error *err);
/* A JSON array of "FOLDER/SYNSET/ID": of each, the part from SYNSET on. */
bnn_code bnn_shape_list_parse(const char *name, const unsigned char *bytes, size_t size,
                              bnn_arena *arena, const char *const **out, size_t *count,
                              bnn_error *err);
typedef bnn_code bnn_list_parse(const char *name, const unsigned char *bytes, size_t size,
                                bnn_arena *arena, const char *const **out, size_t *count,
                                bnn_error *err);
/* Either of these of the file at `path`, which the dataset then reads; `cure` ends the message if
 * there is none. */
bnn_code bnn_list_read(bnn_dataset *dataset, const char *path, const char *cure,
                       bnn_list_parse *parse, bnn_arena *arena, const char *const **out,
                       size_t *count, bnn_error *err);
/* Adds a file and, if `labels` is not NULL, the file beside it. Where there is no such file it is
 * counted in dataset->skipped. */
bnn_code bnn_cloud_files_add(bnn_cloud_files *files, bnn_dataset *dataset, bnn_cloud_file file,
                             bnn_error *err);
void bnn_cloud_files_free(bnn_cloud_files *files);
/* Of the labels, and of each file the name, the size and the first 4 KiB: the whole of them is
 * 10 GB. */
uint32_t bnn_cloud_files_checksum(const bnn_cloud_files *files);

/* ---- from shapes to samples (sampling.c) ---- */
/* The random numbers of training sample `index`, in `room`: by (seed, epoch, index). NULL of
 * draw = NULL: see bnn_cloud_draw. */
bnn_rng *bnn_points_rng(const bnn_draw *draw, size_t index, bnn_rng *room);
/* Where a shape lies: the mean of its points, and the largest distance from it along an axis. */
typedef struct bnn_frame {
    double mean[3], most;
} bnn_frame;

/* Of n points, `stride` floats apart. An error where they all coincide. */
bnn_code bnn_points_frame(const char *name, const float *xyz, size_t n, size_t stride,
                          bnn_frame *frame, bnn_error *err);
/* Into the cube: the mean is 0 then, the largest coordinate .999999. And back. */
void bnn_frame_enter(const bnn_frame *frame, float *xyz, size_t n, size_t stride);
void bnn_frame_leave(const bnn_frame *frame, float *xyz, size_t n, size_t stride);
/* Points into the cube of their own frame. */
bnn_code bnn_points_normalize(const char *name, float *xyz, size_t n, size_t stride,
                              bnn_error *err);
/* n points of the mesh's surface, uniformly by area, with replacement: xyz[n,3]. */
bnn_code bnn_mesh_sample(const char *name, const bnn_mesh *mesh, bnn_rng *rng, size_t n, float *xyz,
                         bnn_error *err);
/* n of `count` points in random order: none twice before all are there. */
bnn_code bnn_points_choose(const char *name, bnn_rng *rng, size_t count, size_t n, uint32_t *out,
                           bnn_error *err);
/* The points with their mean at 0, in the unit sphere: out[6 i + 0..2]; and as they are, behind. */
void bnn_points_features(const float *xyz, size_t n, float *out);
/* A training shape of 6 channels, a point and its normal: turned by up to 15 degrees about each
 * axis, each coordinate of each point moved by up to .01. */
void bnn_points_augment(bnn_rng *rng, float *points, size_t n);

#endif

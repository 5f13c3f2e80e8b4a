/* The lists of photographs and objects, and their samples. */
#include "data_loaders/boxes/boxes.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/image/image.h"
#include "data_loaders/lengths.h"
#include "engine/base/file.h"

#define MOST_SIDE 4096 /* of a canvas */

/* ---- planning ---- */

const bnn_field bnn_fields_of_boxes[BNN_BOX_FIELDS] = {
    {"image", BNN_F32, {1, 0, 0, BNN_IMAGE_CHANNELS}},
    {"boxes", BNN_F32, {1, 1, BNN_MOST_BOXES, 4}},
    {"box_class", BNN_I32, {1, 1, BNN_MOST_BOXES, 1}},
    {"box_ignore", BNN_I32, {1, 1, BNN_MOST_BOXES, 1}},
    {"box_area", BNN_F32, {1, 1, BNN_MOST_BOXES, 1}},
    {"frame", BNN_F32, {1, 1, 1, 4}},
};

static bnn_code check_view(const bnn_view *v, const char *name, bnn_error *err) {
    if (v->height < 1 || v->width < 1 || v->height > MOST_SIDE || v->width > MOST_SIDE ||
        v->longer < 0 || v->shorter < 0 || (v->longer > 0) != (v->shorter > 0)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: a canvas of %dx%d for photographs of %dx%d; its sides are 1 to %d",
                        name, v->width, v->height, v->longer, v->shorter, MOST_SIDE);
    }
    return BNN_OK;
}

bnn_code bnn_boxed_plan(bnn_dataset *dataset, const bnn_dataset_options *options, bnn_view usual,
                        bnn_error *err) {
    bnn_boxed_set *b = (bnn_boxed_set *)dataset;
    b->view = options->view.height ? options->view : usual;
    memcpy(b->field, dataset->field, sizeof b->field);
    b->field[BNN_BOX_IMAGE].shape.h = b->view.height;
    b->field[BNN_BOX_IMAGE].shape.w = b->view.width;
    dataset->field = b->field;
    for (int c = 0; c < BNN_IMAGE_CHANNELS && !b->view.longer; c++) {
        dataset->std[c] = 1.0f; /* SSD's networks see the mean taken off only */
    }
    return check_view(&b->view, dataset->info->name, err);
}

/* ---- lists ---- */

bnn_code bnn_boxed_add_photo(bnn_boxed_set *b, const char *path, int64_t number, bnn_error *err) {
    const size_t at = b->paths.bytes;
    bnn_boxed *photo = bnn_list_grown(b->photo, b->photos, &b->photo_room, sizeof *photo);
    b->photo = photo ? photo : b->photo;
    if (!photo || !bnn_texts_add(&b->paths, path, strlen(path))) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of images");
    }
    b->photo[b->photos++] = (bnn_boxed){number, at, b->objects, 0, 0, 0};
    return BNN_OK;
}

bnn_code bnn_boxed_add_object(bnn_boxed_set *b, const bnn_object *object, bnn_error *err) {
    const float *x = object->box;
    bnn_boxed *photo = &b->photo[b->photos - 1];
    const float largest = 1e6f; /* no photograph is that large */
    if (!(x[0] < x[2] && x[1] < x[3] && x[0] > -largest && x[1] > -largest && x[2] < largest &&
          x[3] < largest && isfinite(object->area))) {
        b->unusable++;
        return BNN_OK;
    }
    if (photo->count == BNN_MOST_BOXES) {
        b->beyond++;
        return BNN_OK;
    }
    bnn_object *all = bnn_list_grown(b->object, b->objects, &b->object_room, sizeof *all);
    if (!all) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of boxes");
    }
    b->object = all;
    all[b->objects++] = *object;
    photo->count++;
    return BNN_OK;
}

static int is_beside(const bnn_object *o, int height, int width) {
    return o->box[2] <= 0.0f || o->box[3] <= 0.0f || o->box[0] >= (float)width ||
           o->box[1] >= (float)height;
}

/* A set's files may be wrong about the size of a photograph: before an object is left out for that,
 * it is asked itself. One that cannot be read is told when it is seen. */
static void ask_size(const bnn_boxed_set *b, bnn_boxed *photo) {
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_error err;
    photo->height = photo->width = INT_MAX;
    if (bnn_data_join(path, b->root, b->paths.at + photo->path, &err) != BNN_OK ||
        bnn_map_read(path, &map, &err) != BNN_OK) {
        return;
    }
    int height, width;
    if (bnn_photo_size(path, map.data, map.size, &height, &width, &err) == BNN_OK) {
        photo->height = height;
        photo->width = width;
    }
    bnn_map_close(&map);
}

/* Nobody can find what lies beside the photograph, nor learn from it. */
static void leave_out_beside(bnn_boxed_set *b) {
    bnn_boxed *photo = &b->photo[b->photos - 1];
    size_t kept = photo->first, beside = 0;
    for (size_t i = photo->first; i < b->objects; i++) {
        beside += (size_t)is_beside(&b->object[i], photo->height, photo->width);
    }
    if (beside) {
        ask_size(b, photo);
    }
    for (size_t i = photo->first; beside && i < b->objects; i++) {
        if (is_beside(&b->object[i], photo->height, photo->width)) {
            b->unusable++;
        } else {
            b->object[kept++] = b->object[i];
        }
    }
    b->objects = beside ? kept : b->objects;
    photo->count = b->objects - photo->first;
}

void bnn_boxed_end_photo(bnn_boxed_set *b) {
    leave_out_beside(b);
    if (b->training && b->photo[b->photos - 1].count == 0) {
        b->photos--;
        b->without++;
    }
}

/* ---- samples ---- */

/* Pixels of the canvas: those of the photograph stand in a part of it, the others are `around`. */
typedef struct canvas {
    uint8_t *rgb; /* [height][width][3] of the part */
    int top, left, height, width;
} canvas;

/* The axis of a frame's side of `size` pixels from `first` on, that becomes `count`: of these,
 * those whose middle lies in the photograph, of `limit` pixels. */
static bnn_axis axis_of(double first, double size, int count, int limit) {
    bnn_axis a = {.first = first, .size = size, .high = limit, .count = count};
    const double scale = size / count;
    const double begin = ceil(-first / scale - 0.5), end = ceil((limit - first) / scale - 0.5);
    a.from = (int)fmin(fmax(begin, 0.0), count);
    a.wanted = (int)fmin(fmax(end, 0.0), count) - a.from;
    return a;
}

/* How large the photograph becomes: the factor that its sides are multiplied with. */
static double fitting(const bnn_view *v, int height, int width) {
    const int longer = height > width ? height : width, shorter = height > width ? width : height;
    const double of_sides = fmin((double)v->longer / longer, (double)v->shorter / shorter);
    const double of_canvas = fmin((double)v->height / height, (double)v->width / width);
    return fmin(of_sides, of_canvas);
}

static int rounded(double size, int most) {
    const int whole = (int)(size + 0.5);
    return whole < 1 ? 1 : whole > most ? most : whole;
}

/* One file's bytes, and what of them is seen where. */
typedef struct scene {
    const char *path;
    bnn_map map;
    int height, width;             /* of the photograph */
    bnn_seen_part frame;           /* of it, that is seen */
    int shown_height, shown_width; /* on the canvas */
    bnn_object object[BNN_MOST_BOXES];
    size_t objects;
} scene;

static bnn_code decode(const scene *s, canvas *c, bnn_error *err) {
    const bnn_axis y = axis_of(s->frame.top, s->frame.height, s->shown_height, s->height);
    const bnn_axis x = axis_of(s->frame.left, s->frame.width, s->shown_width, s->width);
    *c = (canvas){NULL, y.from, x.from, y.wanted, x.wanted};
    if (y.wanted < 1 || x.wanted < 1) {
        c->height = c->width = 0;
        return BNN_OK;
    }
    c->rgb = malloc((size_t)y.wanted * (size_t)x.wanted * BNN_IMAGE_CHANNELS);
    if (!c->rgb) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for an image", s->path);
    }
    return bnn_photo_resize(s->path, s->map.data, s->map.size, &y, &x, c->rgb, err);
}

/* The value of channel `ch` at (y, x) of what is shown; outside the photograph lies the mean. */
static float value_at(const bnn_dataset *d, const canvas *c, int y, int x, int ch) {
    const int row = y - c->top, column = x - c->left;
    return row >= 0 && row < c->height && column >= 0 && column < c->width
               ? (float)
                     c->rgb[((size_t)row * (size_t)c->width + (size_t)column) * BNN_IMAGE_CHANNELS +
                            (size_t)ch]
               : d->mean[ch];
}

/* Writes what is shown, of 0 to 255, into rows of the canvas; flipped if asked for. */
static void show(const bnn_boxed_set *b, const scene *s, const canvas *c, float *out) {
    const size_t row = (size_t)b->view.width * BNN_IMAGE_CHANNELS;
    for (int y = 0; y < s->shown_height; y++) {
        float *to = out + (size_t)y * row;
        for (int x = 0; x < s->shown_width; x++) {
            const int from = s->frame.flip ? s->shown_width - 1 - x : x;
            for (int ch = 0; ch < BNN_IMAGE_CHANNELS; ch++) {
                *to++ = value_at(&b->base, c, y, from, ch);
            }
        }
    }
}

/* What is shown; 0 beside it. */
static void normalize(const bnn_boxed_set *b, const scene *s, float *out) {
    const bnn_dataset *d = &b->base;
    for (int y = 0; y < b->view.height; y++) {
        const int shown = y < s->shown_height ? s->shown_width : 0;
        for (int x = 0; x < b->view.width; x++) {
            for (int ch = 0; ch < BNN_IMAGE_CHANNELS; ch++, out++) {
                *out = x < shown ? (*out - d->mean[ch]) / d->std[ch] : 0.0f;
            }
        }
    }
}

static void write_boxes(const scene *s, void *const *out) {
    const double scale[2] = {s->shown_width / s->frame.width, s->shown_height / s->frame.height};
    const double first[2] = {s->frame.left, s->frame.top};
    float *box = out[BNN_BOX_BOXES], *area = out[BNN_BOX_AREA];
    int32_t *class = out[BNN_BOX_CLASS], *ignore = out[BNN_BOX_IGNORE];
    memset(box, 0, BNN_MOST_BOXES * 4 * sizeof *box);
    for (size_t i = 0; i < BNN_MOST_BOXES; i++, box += 4) {
        const bnn_object *o = &s->object[i];
        const int there = i < s->objects;
        class[i] = there ? o->class : -1;
        ignore[i] = there ? o->ignore : 0;
        area[i] = there ? o->area : 0.0f;
        for (int k = 0; k < 4 && there; k++) {
            box[k] = (float)(((double)o->box[k] - first[k % 2]) * scale[k % 2]);
        }
        if (there && s->frame.flip) {
            const float left = box[0];
            box[0] = (float)s->shown_width - box[2];
            box[2] = (float)s->shown_width - left;
        }
    }
    const float frame[4] = {(float)s->shown_height, (float)s->shown_width, (float)s->height,
                            (float)s->width};
    memcpy(out[BNN_BOX_FRAME], frame, sizeof frame);
}

/* Cuts the objects to the photograph; what is left of none is none. */
static void cut_objects(scene *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->objects; i++) {
        bnn_object o = s->object[i];
        o.box[0] = fmaxf(o.box[0], 0.0f);
        o.box[1] = fmaxf(o.box[1], 0.0f);
        o.box[2] = fminf(o.box[2], (float)s->width);
        o.box[3] = fminf(o.box[3], (float)s->height);
        if (o.box[0] < o.box[2] && o.box[1] < o.box[3]) {
            s->object[kept++] = o;
        }
    }
    s->objects = kept;
}

static bnn_code make(const bnn_boxed_set *b, scene *s, bnn_rng *rng, void *const *out,
                     bnn_error *err) {
    const int stretched = b->view.longer == 0;
    canvas c;
    s->frame = (bnn_seen_part){.height = s->height, .width = s->width};
    if (rng) {
        cut_objects(s);
    }
    if (rng && stretched) {
        s->frame = bnn_frame_draw(rng, s->height, s->width, s->object, &s->objects);
    } else if (rng) {
        s->frame.flip = (int)(bnn_rng_u32(rng) & 1);
    }
    const double scale = stretched ? 0.0 : fitting(&b->view, s->height, s->width);
    s->shown_height = stretched ? b->view.height : rounded(s->height * scale, b->view.height);
    s->shown_width = stretched ? b->view.width : rounded(s->width * scale, b->view.width);
    bnn_code code = decode(s, &c, err);
    if (code == BNN_OK) {
        float *pixels = out[BNN_BOX_IMAGE];
        show(b, s, &c, pixels);
        if (rng && stretched) {
            bnn_distort_colours(rng, pixels, (size_t)b->view.height * (size_t)b->view.width);
        }
        normalize(b, s, pixels);
        write_boxes(s, out);
    }
    free(c.rgb);
    return code;
}

static bnn_code boxes_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                             void *const *out, bnn_error *err) {
    const bnn_boxed_set *b = (const bnn_boxed_set *)dataset;
    const bnn_boxed *photo = &b->photo[index];
    char path[BNN_DATA_PATH_MAX];
    scene s = {.path = path, .objects = photo->count};
    bnn_rng rng = {0};
    if (draw) {
        rng = bnn_rng_start(draw->seed,
                            bnn_data_stream("data.augment", draw->epoch, (uint32_t)index));
    }
    if (photo->count > 0) { /* without any box the set has no list of them */
        memcpy(s.object, b->object + photo->first, photo->count * sizeof *s.object);
    }
    bnn_code code = bnn_data_join(path, b->root, b->paths.at + photo->path, err);
    if (code != BNN_OK || (code = bnn_map_read(path, &s.map, err))) {
        return code;
    }
    code = bnn_photo_size(path, s.map.data, s.map.size, &s.height, &s.width, err);
    if (code == BNN_OK) {
        code = make(b, &s, draw ? &rng : NULL, out, err);
    }
    bnn_map_close(&s.map);
    return code;
}

bnn_code bnn_boxed_see(const bnn_dataset *planned, const char *name, const unsigned char *bytes,
                       size_t size, float *image, float frame[4], bnn_error *err) {
    static const char memory[] = "out of memory for an image";
    scene s = {.path = name, .map = {.data = bytes, .size = size}};
    float *box = malloc(BNN_MOST_BOXES * 5 * sizeof *box);
    int32_t *class = malloc(BNN_MOST_BOXES * 2 * sizeof *class);
    void *const out[BNN_BOX_FIELDS] = {[BNN_BOX_IMAGE] = image,
                                       [BNN_BOX_BOXES] = box,
                                       [BNN_BOX_CLASS] = class,
                                       [BNN_BOX_IGNORE] = class ? class + BNN_MOST_BOXES : NULL,
                                       [BNN_BOX_AREA] = box ? box + 4 * BNN_MOST_BOXES : NULL,
                                       [BNN_BOX_FRAME] = frame};
    bnn_code code = box && class ? bnn_photo_size(name, bytes, size, &s.height, &s.width, err)
                                 : bnn_fail(err, BNN_ERR_MEMORY, memory);
    if (code == BNN_OK) {
        code = make((const bnn_boxed_set *)planned, &s, NULL, out, err);
    }
    free(box);
    free(class);
    return code;
}

/* By the size that it is shown in, as its set's files say; in steps, as batches are cut. */
static uint32_t boxes_length(const bnn_dataset *dataset, size_t index) {
    const bnn_boxed_set *b = (const bnn_boxed_set *)dataset;
    const bnn_boxed *p = &b->photo[index];
    if (p->height < 1 || p->width < 1) {
        return 0;
    }
    const double scale = fitting(&b->view, p->height, p->width);
    const uint32_t height = (uint32_t)rounded(p->height * scale, b->view.height);
    const uint32_t width = (uint32_t)rounded(p->width * scale, b->view.width);
    return (height - 1) / BNN_FRAME_STEP << 16 | (width - 1) / BNN_FRAME_STEP;
}

static const char *boxes_identify(const bnn_dataset *dataset, size_t index, int64_t *number) {
    const bnn_boxed_set *b = (const bnn_boxed_set *)dataset;
    *number = b->photo[index].number;
    return b->paths.at + b->photo[index].path;
}

/* Of the names of the photographs, and their objects. */
static uint32_t boxes_checksum(const bnn_dataset *dataset) {
    const bnn_boxed_set *b = (const bnn_boxed_set *)dataset;
    uLong sum = 0;
    for (size_t i = 0; i < b->photos; i++) {
        const bnn_boxed *p = &b->photo[i];
        const char *name = b->paths.at + p->path;
        sum = crc32_z(sum, (const unsigned char *)name, strlen(name) + 1);
        if (p->count) { /* of nothing, crc32 forgets what it had */
            sum = crc32_z(sum, (const unsigned char *)(b->object + p->first),
                          p->count * sizeof *b->object);
        }
    }
    return (uint32_t)sum;
}

/* ---- opening ---- */

bnn_code bnn_boxed_finish(bnn_boxed_set *b, const char *cure, bnn_error *err) {
    if (b->photos == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: no image%s; %s", b->root,
                        b->without ? " has an object" : "s", cure);
    }
    const struct {
        size_t count;
        const char *what;
    } left_out[] = {
        {b->unusable, "boxes that are empty, reversed, beside their image or of another class"},
        {b->beyond, "boxes of images with more than the 128 that are kept"},
        {b->without, "images without objects"}};
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        if (left_out[i].count) {
            used +=
                (size_t)snprintf(b->remark + used, sizeof b->remark - used, "%s%zu %s",
                                 used ? ", " : "left out: ", left_out[i].count, left_out[i].what);
        }
    }
    size_t counting = 0;
    for (size_t i = 0; i < b->objects; i++) {
        counting += b->object[i].ignore == 0;
    }
    if (!b->training && !counting) {
        used += (size_t)snprintf(b->remark + used, sizeof b->remark - used,
                                 "%sno ground truth, as no image has a box that counts",
                                 used ? "; " : "");
    }
    b->base.remark = used ? b->remark : NULL;
    b->base.count = b->photos;
    b->base.sample = boxes_sample;
    b->base.length = b->view.longer ? boxes_length : NULL;
    b->base.identify = boxes_identify;
    b->base.checksum = boxes_checksum;
    return BNN_OK;
}

void bnn_boxed_close(bnn_dataset *dataset) {
    bnn_boxed_set *b = (bnn_boxed_set *)dataset;
    free(b->paths.at);
    free(b->photo);
    free(b->object);
}

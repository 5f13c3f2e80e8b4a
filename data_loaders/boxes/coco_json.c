/* COCO's instances, read event by event (yajl): the 450 MB of train2017 are polygons mostly, which
 * are passed over. What is kept are "images", "annotations" and "categories", arrays of objects; of
 * these only the members that are needed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "data_loaders/boxes/boxes.h"
#include "engine/base/text.h"

enum { MOST_LEVELS = 64, CHUNK = 1 << 16 };
enum { TOP = 1, LIST = 2, ITEM = 3, INSIDE = 4 }; /* levels: {"images": [{"bbox": [ */
enum { NOTHING, IMAGES, ANNOTATIONS, CATEGORIES };

/* The members that are kept of an item, and of which lists' items. */
enum { ID, FILE_NAME, HEIGHT, WIDTH, IMAGE_ID, CATEGORY_ID, CROWD, AREA, NAME, BOX, MEMBERS };
static const struct {
    const char *key;
    int list; /* 0: any */
} members[MEMBERS] = {{"id", 0},
                      {"file_name", IMAGES},
                      {"height", IMAGES},
                      {"width", IMAGES},
                      {"image_id", ANNOTATIONS},
                      {"category_id", ANNOTATIONS},
                      {"iscrowd", ANNOTATIONS},
                      {"area", ANNOTATIONS},
                      {"name", CATEGORIES},
                      {"bbox", ANNOTATIONS}};

typedef struct reader {
    const char *path;
    bnn_coco *out;
    bnn_error *err;
    bnn_code code;
    int level;
    int list;       /* which is read */
    int member;     /* whose value is next, or -1 */
    unsigned found; /* members of the item, a bit each */
    int64_t integer[MEMBERS];
    double area, box[4];
    int corners;
    size_t file_name; /* where it begins */
    char name[64];
} reader;

static int fail(reader *r, bnn_code code) {
    r->code = code;
    return 0;
}

/* ---- items ---- */

static int out_of_memory(reader *r) {
    return fail(r, bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->path));
}

/* What is no size is not said. */
static int side_of(int64_t side) {
    return side > 0 && side < 1000000 ? (int)side : 0;
}

static int add_image(reader *r) {
    bnn_coco *c = r->out;
    bnn_coco_image *all = bnn_list_grown(c->image, c->images, &c->image_room, sizeof *all);
    if (!all) {
        return out_of_memory(r);
    }
    c->image = all;
    all[c->images++] = (bnn_coco_image){r->integer[ID], r->file_name, side_of(r->integer[HEIGHT]),
                                        side_of(r->integer[WIDTH])};
    return 1;
}

static int add_annotation(reader *r) {
    bnn_coco *c = r->out;
    bnn_coco_annotation *all =
        bnn_list_grown(c->annotation, c->annotations, &c->annotation_room, sizeof *all);
    if (!all) {
        return out_of_memory(r);
    }
    c->annotation = all;
    bnn_coco_annotation *a = &all[c->annotations];
    *a = (bnn_coco_annotation){.id = r->integer[ID],
                               .place = c->annotations++,
                               .image = r->integer[IMAGE_ID],
                               .category = r->integer[CATEGORY_ID],
                               .area = r->found >> AREA & 1 ? r->area : r->box[2] * r->box[3],
                               .crowd = r->integer[CROWD] != 0};
    memcpy(a->box, r->box, sizeof a->box);
    return 1;
}

static int add_category(reader *r) {
    bnn_coco *c = r->out;
    bnn_coco_category *all =
        bnn_list_grown(c->category, c->categories, &c->category_room, sizeof *all);
    if (!all) {
        return out_of_memory(r);
    }
    c->category = all;
    all[c->categories].id = r->integer[ID];
    memcpy(all[c->categories++].name, r->name, sizeof r->name);
    return 1;
}

static int end_item(reader *r) {
    static const struct {
        const char *what;
        unsigned needed;
        int (*add)(reader *r);
    } kinds[] = {[IMAGES] = {"an image", 1u << ID | 1u << FILE_NAME, add_image},
                 [ANNOTATIONS] = {"an annotation",
                                  1u << ID | 1u << IMAGE_ID | 1u << CATEGORY_ID | 1u << BOX,
                                  add_annotation},
                 [CATEGORIES] = {"a category", 1u << ID | 1u << NAME, add_category}};
    const unsigned missing = kinds[r->list].needed & ~r->found;
    for (int m = 0; m < MEMBERS; m++) {
        if (missing >> m & 1) {
            return fail(r, bnn_fail(r->err, BNN_ERR_FORMAT,
                                    "%s: %s (id %lld) without a sound \"%s\"; download the "
                                    "annotations again",
                                    r->path, kinds[r->list].what, (long long)r->integer[ID],
                                    members[m].key));
        }
    }
    return kinds[r->list].add(r);
}

/* ---- events ---- */

static int on_key(void *user, const unsigned char *key, size_t length) {
    static const char *const lists[] = {"", "images", "annotations", "categories"};
    reader *r = user;
    r->member = -1;
    if (r->level == TOP) {
        r->list = NOTHING;
        for (int l = IMAGES; l <= CATEGORIES; l++) {
            if (strlen(lists[l]) == length && memcmp(lists[l], key, length) == 0) {
                r->list = l;
            }
        }
    }
    for (int m = 0; m < MEMBERS && r->level == ITEM && r->list; m++) {
        if (strlen(members[m].key) == length && memcmp(members[m].key, key, length) == 0 &&
            (!members[m].list || members[m].list == r->list)) {
            r->member = m;
        }
    }
    return 1;
}

static int on_number(void *user, const char *text, size_t length) {
    reader *r = user;
    char copy[64];
    if (r->member < 0 || r->member == FILE_NAME || r->member == NAME || length >= sizeof copy) {
        return 1;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    const double value = bnn_text_to_double(copy, NULL);
    if (r->member == BOX) {
        if (r->level == INSIDE && r->corners < 4) {
            r->box[r->corners] = value;
        }
        r->corners += r->level == INSIDE && r->corners <= 4;
        r->found &= ~(1u << BOX);
        r->found |= r->corners == 4 ? 1u << BOX : 0;
        return 1;
    }
    const int is_id = r->member == ID || r->member == IMAGE_ID || r->member == CATEGORY_ID;
    if (is_id && value != floor(value)) {
        return 1;
    }
    if (r->level == ITEM && fabs(value) < 9e15) { /* a whole number of a double */
        r->integer[r->member] = (int64_t)value;
        r->area = r->member == AREA ? value : r->area;
        r->found |= 1u << r->member;
    }
    return 1;
}

static int on_boolean(void *user, int value) {
    reader *r = user;
    return on_number(r, value ? "1" : "0", 1);
}

/* "iscrowd": null is none. */
static int on_null(void *user) {
    (void)user;
    return 1;
}

static int keep_file_name(reader *r, const unsigned char *text, size_t length) {
    bnn_coco *c = r->out;
    r->file_name = c->names.bytes;
    return bnn_texts_add(&c->names, (const char *)text, length) || out_of_memory(r);
}

/* A name with a NUL, or of several lines, is none. */
static int on_string(void *user, const unsigned char *text, size_t length) {
    reader *r = user;
    if (r->level != ITEM || (r->member != FILE_NAME && r->member != NAME) || length == 0 ||
        memchr(text, '\0', length) || memchr(text, '\n', length)) {
        return 1;
    }
    if (r->member == FILE_NAME && length < BNN_DATA_PATH_MAX) {
        r->found |= 1u << FILE_NAME;
        return keep_file_name(r, text, length);
    }
    if (r->member == NAME && length < sizeof r->name) {
        memcpy(r->name, text, length);
        r->name[length] = '\0';
        r->found |= 1u << NAME;
    }
    return 1;
}

static int deeper(reader *r) {
    return ++r->level <= MOST_LEVELS ||
           fail(r, bnn_fail(r->err, BNN_ERR_FORMAT, "%s: lists in lists, more than %d", r->path,
                            MOST_LEVELS));
}

static int on_begin(void *user) {
    reader *r = user;
    if (r->level == LIST) {
        r->found = 0;
        r->corners = 0;
        memset(r->integer, 0, sizeof r->integer);
    }
    r->member = r->level >= ITEM ? -1 : r->member;
    return deeper(r);
}

static int on_end(void *user) {
    reader *r = user;
    r->member = -1;
    return r->level-- != ITEM || !r->list || end_item(r);
}

static int on_begin_array(void *user) {
    reader *r = user;
    r->member = r->level == ITEM && r->member == BOX ? BOX : -1;
    if (r->level == LIST) { /* an array where an item stands is none */
        return fail(r, bnn_fail(r->err, BNN_ERR_FORMAT, "%s: a list in a list of items", r->path));
    }
    return deeper(r);
}

static int on_end_array(void *user) {
    reader *r = user;
    r->level--;
    r->member = -1;
    return 1;
}

static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                         .yajl_boolean = on_boolean,
                                         .yajl_number = on_number,
                                         .yajl_string = on_string,
                                         .yajl_start_map = on_begin,
                                         .yajl_map_key = on_key,
                                         .yajl_end_map = on_end,
                                         .yajl_start_array = on_begin_array,
                                         .yajl_end_array = on_end_array};

/* ---- order ---- */

/* Those of an image as in the file, as pycocotools has them. */
static int by_image(const void *a, const void *b) {
    const bnn_coco_annotation *x = a, *y = b;
    if (x->image != y->image) {
        return x->image < y->image ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

static bnn_code twice(const char *path, const char *what, int64_t id, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: two %s have the id %lld; download the annotations again", path, what,
                    (long long)id);
}

static bnn_code put_in_order(const char *path, bnn_coco *c, bnn_error *err) {
    if (!c->images || !c->categories) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: no \"%s\", so these are no instances of COCO; give the annotations of "
                        "its boxes",
                        path, c->images ? "categories" : "images");
    }
    qsort(c->image, c->images, sizeof *c->image, bnn_coco_by_id);
    qsort(c->category, c->categories, sizeof *c->category, bnn_coco_by_id);
    if (c->annotations) {
        qsort(c->annotation, c->annotations, sizeof *c->annotation, bnn_coco_by_id);
    }
    for (size_t i = 1; i < c->images; i++) {
        if (c->image[i].id == c->image[i - 1].id) {
            return twice(path, "images", c->image[i].id, err);
        }
    }
    for (size_t i = 1; i < c->categories; i++) {
        if (c->category[i].id == c->category[i - 1].id) {
            return twice(path, "categories", c->category[i].id, err);
        }
    }
    for (size_t i = 1; i < c->annotations; i++) {
        if (c->annotation[i].id == c->annotation[i - 1].id) {
            return twice(path, "annotations", c->annotation[i].id, err);
        }
    }
    if (c->annotations) {
        qsort(c->annotation, c->annotations, sizeof *c->annotation, by_image);
    }
    return BNN_OK;
}

static bnn_code wrong_json(const reader *r, yajl_handle parser, const unsigned char *text,
                           size_t size, uint64_t before) {
    if (r->code != BNN_OK) {
        return r->code;
    }
    unsigned char *why = yajl_get_error(parser, 0, text, size);
    const size_t length = why ? strcspn((const char *)why, "\n") : 0;
    bnn_code code =
        bnn_fail(r->err, BNN_ERR_FORMAT,
                 "%s: near byte %llu: no JSON (%.*s); download the annotations again", r->path,
                 (unsigned long long)(before + yajl_get_bytes_consumed(parser)), (int)length,
                 why ? (const char *)why : "");
    yajl_free_error(parser, why);
    return code;
}

bnn_code bnn_coco_read(const char *path, FILE *file, bnn_coco *out, bnn_error *err) {
    static const bnn_coco none = {0};
    reader r = {.path = path, .out = out, .err = err, .member = -1};
    unsigned char *text = malloc(CHUNK);
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &r);
    uint64_t before = 0;
    *out = none;
    bnn_code code = text && parser ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    while (code == BNN_OK) {
        const size_t size = fread(text, 1, CHUNK, file);
        if (size == 0) {
            break;
        }
        if (yajl_parse(parser, text, size) != yajl_status_ok) {
            code = wrong_json(&r, parser, text, size, before);
        }
        before += size;
    }
    if (code == BNN_OK && ferror(file)) {
        code = bnn_fail(err, BNN_ERR_IO, "%s: cannot be read to its end", path);
    }
    if (code == BNN_OK && yajl_complete_parse(parser) != yajl_status_ok) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: the file is cut off; download it again", path);
    }
    if (parser) {
        yajl_free(parser);
    }
    free(text);
    code = code == BNN_OK ? put_in_order(path, out, err) : code;
    if (code != BNN_OK) {
        bnn_coco_free(out);
    }
    return code;
}

void bnn_coco_free(bnn_coco *c) {
    static const bnn_coco none = {0};
    free(c->names.at);
    free(c->image);
    free(c->annotation);
    free(c->category);
    *c = none;
}

/* An annotation of PASCAL VOC, read by expat: <annotation> with a <size> and <object>s of a <name>,
 * <difficult> and a <bndbox>. Parts of an object (heads, hands) have the same inside, one level
 * deeper, and are not read. */
#include <expat.h>
#include <math.h>
#include <string.h>

#include "data_loaders/boxes/boxes.h"
#include "engine/base/text.h"

enum { OBJECT_LEVEL = 2, VALUE_LEVEL = 3, CORNER_LEVEL = 4, MOST_LEVELS = 64 };
enum { X1, Y1, X2, Y2, DIFFICULT, NAME, HEIGHT, WIDTH, VALUES };

static const char *const tags[VALUES] = {"xmin",      "ymin", "xmax",   "ymax",
                                         "difficult", "name", "height", "width"};

typedef struct reader {
    const char *path;
    const char *const *names;
    int classes;
    bnn_boxed_set *out;
    XML_Parser parser;
    bnn_error *err;
    bnn_code code;
    int level, annotation, photo_size, object, box; /* within such an element */
    int value;                                      /* whose text is read, or -1 */
    char text[VALUES][64];
    size_t length;
} reader;

static void stop(reader *r, bnn_code code) {
    r->code = code;
    XML_StopParser(r->parser, XML_FALSE);
}

static void begin(void *user, const XML_Char *tag, const XML_Char **attributes) {
    reader *r = user;
    (void)attributes;
    if (++r->level > MOST_LEVELS) {
        stop(r, bnn_fail(r->err, BNN_ERR_FORMAT, "%s: elements in elements, more than %d", r->path,
                         MOST_LEVELS));
        return;
    }
    if (r->level == 1) {
        r->annotation = strcmp(tag, "annotation") == 0;
    } else if (r->level == OBJECT_LEVEL) {
        r->object = r->annotation && strcmp(tag, "object") == 0;
        r->photo_size = r->annotation && strcmp(tag, "size") == 0;
        memset(r->text, 0, sizeof r->text);
    } else if (r->level == VALUE_LEVEL && r->object && strcmp(tag, "bndbox") == 0) {
        r->box = 1;
    }
    const int corner = r->level == CORNER_LEVEL && r->box;
    const int value = r->level == VALUE_LEVEL && r->object && !r->box;
    const int side = r->level == VALUE_LEVEL && r->photo_size;
    r->value = -1;
    const int first = corner ? X1 : value ? DIFFICULT : HEIGHT;
    const int last = corner ? DIFFICULT : value ? HEIGHT : VALUES;
    for (int v = first; (corner || value || side) && v < last; v++) {
        if (strcmp(tag, tags[v]) == 0) {
            r->value = v;
            r->length = 0;
        }
    }
}

static void characters(void *user, const XML_Char *text, int length) {
    reader *r = user;
    for (int i = 0; r->value >= 0 && i < length; i++) {
        const int space = text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r';
        if (!space && r->length + 1 < sizeof r->text[0]) {
            r->text[r->value][r->length++] = text[i];
            r->text[r->value][r->length] = '\0';
        }
    }
}

static int find_class(const reader *r) {
    int class = 0;
    while (class < r->classes && strcmp(r->names[class], r->text[NAME]) != 0) {
        class ++;
    }
    return class;
}

/* Pixels are counted from 1 there. */
static bnn_code end_object(reader *r) {
    bnn_object o = {.class = find_class(r), .ignore = r->text[DIFFICULT][0] == '1'};
    for (int k = 0; k < 4; k++) {
        char *end;
        const double corner = bnn_text_to_double(r->text[k], &end) - 1.0;
        if (end == r->text[k] || *end || !isfinite(corner)) {
            return bnn_fail(r->err, BNN_ERR_FORMAT,
                            "%s: line %lu: an object whose <%s> is '%s', expected a number; copy "
                            "the file again",
                            r->path, (unsigned long)XML_GetCurrentLineNumber(r->parser), tags[k],
                            r->text[k]);
        }
        o.box[k] = (float)corner;
    }
    o.area = (o.box[2] - o.box[0]) * (o.box[3] - o.box[1]);
    if (o.class == r->classes) {
        r->out->unusable++;
        return BNN_OK;
    }
    return bnn_boxed_add_object(r->out, &o, r->err);
}

/* What is no size is not said. */
static int side_of(const char *text) {
    const double side = bnn_text_to_double(text, NULL);
    return side >= 1.0 && side < 1e6 ? (int)side : 0;
}

static void end(void *user, const XML_Char *tag) {
    reader *r = user;
    (void)tag;
    r->value = -1;
    if (r->level == VALUE_LEVEL) {
        r->box = 0;
    }
    if (r->level == OBJECT_LEVEL && r->object) {
        r->object = 0;
        const bnn_code code = end_object(r);
        if (code != BNN_OK) {
            stop(r, code);
        }
    }
    if (r->level == OBJECT_LEVEL && r->photo_size) {
        bnn_boxed *photo = &r->out->photo[r->out->photos - 1];
        photo->height = side_of(r->text[HEIGHT]);
        photo->width = side_of(r->text[WIDTH]);
        r->photo_size = 0;
    }
    r->level--;
}

bnn_code bnn_voc_parse(const char *name, const char *bytes, size_t size, const char *const *names,
                       int classes, bnn_boxed_set *out, bnn_error *err) {
    reader r = {.path = name, .names = names, .classes = classes, .out = out, .err = err};
    r.value = -1;
    r.parser = size < INT32_MAX ? XML_ParserCreate(NULL) : NULL;
    if (!r.parser) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu bytes of XML", name, size);
    }
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, begin, end);
    XML_SetCharacterDataHandler(r.parser, characters);
    const enum XML_Status status = XML_Parse(r.parser, size ? bytes : "", (int)size, 1);
    if (r.code == BNN_OK && status != XML_STATUS_OK) {
        r.code = bnn_fail(err, BNN_ERR_FORMAT, "%s: line %lu: no XML (%s); copy the file again",
                          name, (unsigned long)XML_GetCurrentLineNumber(r.parser),
                          XML_ErrorString(XML_GetErrorCode(r.parser)));
    } else if (r.code == BNN_OK && !r.annotation) {
        r.code = bnn_fail(err, BNN_ERR_FORMAT, "%s: no <annotation> of PASCAL VOC", name);
    }
    XML_ParserFree(r.parser);
    return r.code;
}

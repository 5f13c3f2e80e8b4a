#include "tools/run/coco_results.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "tools/cli/utf8.h"

json_t *bnn_coco_image(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    json_int_t number = 0;
    for (size_t i = 0; i < length && name[i] >= '0' && name[i] <= '9' && length <= 18; i++) {
        number = 10 * number + (name[i] - '0');
        if (i + 1 == length) {
            return json_integer(number);
        }
    }
    char *stem = strndup(name, length);
    json_t *image = stem ? bnn_utf8_json(stem) : NULL;
    free(stem);
    return image;
}

json_t *bnn_coco_result(const bnn_spec *spec, json_t *image, const bnn_found_box *f) {
    return json_pack("{s:o, s:I, s:[f, f, f, f], s:f}", "image_id", image, "category_id",
                     (json_int_t)bnn_class_id(spec, f->class), "bbox", f->box[0], f->box[1],
                     f->box[2] - f->box[0], f->box[3] - f->box[1], "score", f->score);
}

static json_t *image_of(const bnn_dataset *dataset, int32_t index) {
    int64_t number = -1;
    const char *path =
        dataset->identify ? dataset->identify(dataset, (size_t)index, &number) : NULL;
    return number >= 0 || !path ? json_integer(number >= 0 ? number : index) : bnn_coco_image(path);
}

static bnn_code write_all(FILE *out, const char *path, const bnn_spec *spec,
                          const bnn_dataset *dataset, const bnn_listed_boxes *l, bnn_error *err) {
    fputc('[', out);
    for (size_t i = 0; i < l->founds; i++) {
        const bnn_found_box *f = &l->found[i];
        json_t *item = bnn_coco_result(spec, image_of(dataset, f->image), f);
        if (!item) {
            return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
        }
        fputs(i ? ",\n" : "\n", out);
        /* commit sees a stream's error and says more */
        (void)json_dumpf(item, out, JSON_REAL_PRECISION(9) | JSON_COMPACT);
        json_decref(item);
    }
    fputs("\n]\n", out);
    return BNN_OK;
}

bnn_code bnn_coco_results_write(const char *path, const bnn_spec *spec, const bnn_dataset *dataset,
                                const bnn_score *score, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_listed_boxes l = bnn_boxes_listed(score);
    code = l.truth ? write_all(bnn_atomic_stream(file), path, spec, dataset, &l, err)
                   : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    free(l.truth);
    if (code != BNN_OK) {
        bnn_atomic_abandon(file);
        return code;
    }
    return bnn_atomic_commit(file, err);
}

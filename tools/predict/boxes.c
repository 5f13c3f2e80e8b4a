#include "tools/predict/boxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "models/model.h"
#include "tools/cli/png_file.h"
#include "tools/predict/draw.h"
#include "tools/run/coco_results.h"

void bnn_boxes_take(bnn_file_boxes *b, const bnn_spec *spec, const float *output,
                    const float frame[4], double least_score) {
    const size_t all = bnn_boxes_found(spec, output, frame, b->box);
    b->count = 0;
    while (b->count < all && b->box[b->count].score >= least_score) {
        b->count++;
    }
}

json_t *bnn_boxes_json(const bnn_file_boxes *b, const bnn_spec *spec, const char *path,
                       size_t most) {
    json_t *list = json_array();
    for (size_t i = 0; i < b->count && i < most; i++) {
        json_t *item = bnn_coco_result(spec, bnn_coco_image(path), &b->box[i]);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

bnn_code bnn_boxes_draw(const bnn_file_boxes *b, const bnn_spec *spec, const char *path,
                        const bnn_map *file, size_t most, const char *picture, bnn_error *err) {
    bnn_canvas canvas;
    bnn_code code = bnn_canvas_open(path, file, &canvas, err);
    for (size_t i = b->count < most ? b->count : most; code == BNN_OK && i-- > 0;) {
        const bnn_found_box *f = &b->box[i];
        const char *name = bnn_class_name(spec, f->class);
        char text[300];
        snprintf(text, sizeof text, "%.*s %.0f%%", (int)strcspn(name, "\n"), name,
                 100.0 * f->score);
        bnn_draw_box(&canvas, f->box, f->class, text);
    }
    code = code == BNN_OK ? bnn_png_write(picture, canvas.height, canvas.width, canvas.rgb, err)
                          : code;
    free(canvas.rgb);
    return code;
}

/* ---- where pictures go ---- */

static void name_of(const char *file, char name[260]) {
    const char *slash = strrchr(file, '/'), *own = slash ? slash + 1 : file;
    const char *dot = strrchr(own, '.');
    const size_t length = dot && dot > own ? (size_t)(dot - own) : strlen(own);
    snprintf(name, 260, "%.*s.png", (int)(length < 255 ? length : 255), own);
}

void bnn_pictures_plan(bnn_pictures *p, const char *const *files, const char **output,
                       bnn_outputs *outputs) {
    struct stat info;
    char name[260];
    if (!*output) {
        return;
    }
    p->folder = (files[0] && files[1]) || (stat(*output, &info) == 0 && S_ISDIR(info.st_mode));
    for (size_t i = 0; p->folder && files[i]; i++) {
        name_of(files[i], name);
        bnn_outputs_own(outputs, "--output", *output, name);
    }
    if (!p->folder) {
        bnn_outputs_result(outputs, "--output", output);
    }
    p->output = *output;
}

bnn_code bnn_pictures_make(const bnn_pictures *p, bnn_error *err) {
    return p->folder ? bnn_make_folder(p->output, err) : BNN_OK;
}

void bnn_pictures_path(const bnn_pictures *p, const char *file, char path[4300]) {
    char name[260];
    name_of(file, name);
    if (p->folder) {
        snprintf(path, 4300, "%.4000s/%s", p->output, name);
    } else {
        snprintf(path, 4300, "%.4200s", p->output);
    }
}

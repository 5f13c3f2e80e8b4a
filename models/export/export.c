/* The table of formats. */
#include "models/export/export.h"

#include <stdio.h>
#include <string.h>

#include "models/files/packed.h"

/* The project's own: what the others are measured by. */
static bnn_code write_packed(const bnn_export_request *request, const char *path,
                             bnn_export_report *report, bnn_error *err) {
    *report = (bnn_export_report){0};
    return bnn_packed_save(path, request->spec, request->network, &report->bytes, err);
}

const bnn_export_format bnn_export_packed = {
    .name = "packed",
    .suffix = ".bnn",
    .title = "one file with 1-bit weights, batch norms folded to integer thresholds where a sign "
             "follows, run by bnn-eval and libbnn",
    .halves = 1,
    .write = write_packed};

const bnn_export_format *const bnn_export_formats[] = {
    &bnn_export_packed, &bnn_export_lce, &bnn_export_dabnn, &bnn_export_onnx, &bnn_export_c, NULL};

const bnn_export_format *bnn_export_format_find(const char *name) {
    const bnn_export_format *const *f = bnn_export_formats;
    while (*f && strcmp((*f)->name, name) != 0) {
        f++;
    }
    return *f;
}

bnn_code bnn_export_beside(const bnn_export_format *format, const bnn_spec *spec, const char *path,
                           char *beside, size_t room, bnn_error *err) {
    const size_t length = strlen(path), suffix = strlen(format->suffix);
    const char *second = format->heads && spec->task->boxes ? ".json" : format->beside;
    *beside = '\0';
    if (!second) {
        return BNN_OK;
    }
    if (length <= suffix || strcmp(path + length - suffix, format->suffix) != 0 ||
        length + strlen(second) >= room) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: the format %s writes two files, one ending in %s and beside it one "
                        "ending in %s; name the first",
                        path, format->name, format->suffix, second);
    }
    snprintf(beside, room, "%.*s%s", (int)(length - suffix), path, second);
    return BNN_OK;
}

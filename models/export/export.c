/* The table of formats. */
#include "models/export/export.h"

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
    &bnn_export_packed, &bnn_export_lce, &bnn_export_dabnn, &bnn_export_onnx, NULL};

const bnn_export_format *bnn_export_format_find(const char *name) {
    const bnn_export_format *const *f = bnn_export_formats;
    while (*f && strcmp((*f)->name, name) != 0) {
        f++;
    }
    return *f;
}

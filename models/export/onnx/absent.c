/* In place of the other onnx files where the build found no protobuf-c: whoever asks for the format
 * is told so. */
#include "models/export/export.h"

static bnn_code write(const bnn_export_request *request, const char *path,
                      bnn_export_report *report, bnn_error *err) {
    (void)request;
    (void)path;
    *report = (bnn_export_report){0};
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "this program was built without ONNX; install protobuf-c-compiler and "
                    "libprotobuf-c-dev, and build it again");
}

const bnn_export_format bnn_export_onnx = {.name = "onnx",
                                           .suffix = ".onnx",
                                           .title = "ONNX, which this program was built without",
                                           .describes = 1,
                                           .write = write};

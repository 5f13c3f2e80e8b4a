/* A folded network for another engine: one format, one file that is written. What a format cannot
 * say exactly is refused before anything is written; what is written computes what the packed file
 * computes, up to the rounding of float layers. */
#ifndef BNN_MODELS_EXPORT_EXPORT_H
#define BNN_MODELS_EXPORT_EXPORT_H

#include "layers/fold/inference.h"
#include "models/model.h"

/* What is exported, and how. */
typedef struct bnn_export_request {
    const bnn_spec *spec;
    const bnn_inference *network; /* evaluated, for one sample, with thresholds */
    int emulate;      /* allow float work where the format has no op for what the algorithm does */
    int float16;      /* floats were rounded to halves (bnn_export_round), and may be stored so */
    int fuse;         /* affines into the format's products: within rounding instead of exact */
    int first_stage;  /* of a detector of two stages the first alone */
    size_t max_bytes; /* of memory that the exported network works in; 0: any number */
} bnn_export_request;

/* What came of it. */
typedef struct bnn_export_report {
    size_t bytes;     /* of the file; of source, what its constants take where it runs */
    char notes[2048]; /* a line each: what exactness costs, what runs in floats */
} bnn_export_report;

typedef struct bnn_export_format {
    const char *name, *suffix; /* "lce", ".tflite" */
    const char *beside;        /* the suffix of a second file, or NULL */
    int heads; /* exports what detectors say of their anchors (heads.h), with a .json beside */
    const char *title; /* a sentence for --help */
    /* What of a request it knows. */
    int emulates, fuses, halves, bounds;
    int describes;       /* what is written says what it is (described.h), and bnn-bench runs it */
    const char *runs_in; /* what else does, where bnn-bench does not; or NULL */
    /* Writes `path` (atomic). */
    bnn_code (*write)(const bnn_export_request *request, const char *path,
                      bnn_export_report *report, bnn_error *err);
} bnn_export_format;

extern const bnn_export_format bnn_export_packed; /* the project's own (models/files/packed.h) */
extern const bnn_export_format bnn_export_lce, bnn_export_dabnn, bnn_export_onnx, bnn_export_c;

/* Rounds all floats of a network to halves, for good; one beyond their range is refused. */
bnn_code bnn_export_round(const bnn_inference *network, bnn_error *err);

/* NULL-terminated. */
extern const bnn_export_format *const bnn_export_formats[];
const bnn_export_format *bnn_export_format_find(const char *name); /* or NULL */

/* The path of the second file that comes with `path` of such a network; "" where there is none. An
 * error if `path` does not end in the format's suffix, which the second's takes the place of. */
bnn_code bnn_export_beside(const bnn_export_format *format, const bnn_spec *spec, const char *path,
                           char *beside, size_t room, bnn_error *err);

#endif

/* A packed network against its float twin, here and in other frameworks, sample by sample and by
 * the batch. A network that nobody has trained takes as long as a trained one, so neither data nor
 * a trained model are needed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/arena.h"
#include "engine/base/file.h"
#include "models/export/described.h"
#include "models/files/packed.h"
#include "models/files/weights_file.h"
#include "tools/bench/bench.h"
#include "tools/bench/engines.h"
#include "tools/cli/interrupt.h"
#include "tools/export/export_model.h"

/* All networks that are measured in batches of one size have the same float twin. */
typedef struct session {
    const bnn_bench *bench;
    char folder[4096]; /* of what is made to be measured */
    int batch;
    int exported; /* what is measured, and is for one sample */
    bnn_baselines twins;
    size_t twin_bytes; /* of an exported one, or 0 */
} session;

/* The network that is measured, and its file. */
typedef struct subject {
    const bnn_bench *bench;
    bnn_spec spec;
    char title[64];                  /* what a row calls it */
    bnn_st_file *source;             /* --model's file, or NULL */
    char file[4200];                 /* that is run: packed, or exported */
    const bnn_export_format *format; /* of the file */
    size_t file_bytes, float_bytes;
} subject;

/* Parameters of a network as training starts with. */
static bnn_code new_params(const bnn_spec *spec, const bnn_device *device, bnn_params **out,
                           bnn_error *err) {
    bnn_net net = {0};
    bnn_params *params = *out = bnn_params_create();
    if (!params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    }
    bnn_code code = bnn_net_build(spec, device, params, 1, 0, &net, err);
    if (code == BNN_OK && (code = bnn_params_allocate(params, err)) == BNN_OK) {
        bnn_params_initialize(params, 1);
        code = bnn_params_to_device(params, err);
    }
    bnn_graph_free(net.graph);
    return code;
}

/* ---- exporting, in a worker of its own: what it needs is not what inference needs ---- */

typedef struct export {
    const bnn_bench *bench;
    const char *model; /* or NULL: a network that nobody has trained */
    bnn_spec spec;
    const bnn_export_format *format;
    const char *path;
    bnn_export_request how;
}
export;

static bnn_code export_model(void *self, char *version, bnn_error *err) {
    export *e = self;
    bnn_loaded model = {.device = e->bench->device, .spec = e->spec};
    bnn_export_report report;
    (void)version;
    bnn_code code = e->model ? bnn_loaded_open(e->model, &e->bench->device, &model, err)
                             : new_params(&e->spec, &e->bench->device, &model.params, err);
    return code == BNN_OK ? bnn_export_model(&model, e->format, &e->how, e->path, &report, err)
                          : code;
}

static bnn_code export_apart(export *e, bnn_error *err) {
    bnn_worker *worker = NULL;
    bnn_work work = {.set_up = export_model, .self = e};
    bnn_code code = bnn_worker_start(&work, &worker, err);
    bnn_worker_stop(worker);
    return code;
}

static bnn_code pack_to_folder(const session *in, subject *s, bnn_error *err) {
    export e = {in->bench, in->bench->model, s->spec, &bnn_export_packed, s->file, {0}};
    snprintf(s->file, sizeof s->file, "%s/model.bnn", in->folder);
    return export_apart(&e, err);
}

static size_t bytes_of(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? (size_t)file.st_size : 0;
}

/* ---- the two sides ---- */

typedef struct side {
    const subject *subject;
    bnn_spec spec; /* of the twin */
    int twin, batch;
    bnn_predictor *predictor;
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch samples;
    float *output;
} side;

/* Floats, or integers that are all 1: a word, and no padding. malloc'd. */
static const void *values_of(const bnn_field *field, size_t batch) {
    size_t count = batch * bnn_shape_count(field->shape);
    if (field->dtype == BNN_F32) {
        return bnn_bench_floats(count, 1);
    }
    int32_t *values = bnn_alloc_aligned(count * sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        values[i] = 1;
    }
    return values;
}

/* Loads or makes the network, and runs it once, so that its memory is planned and filled. */
static bnn_code set_up(void *self, char *version, bnn_error *err) {
    static bnn_loaded model; /* the predictor reads it to the worker's end */
    static bnn_device own;
    side *d = self;
    const bnn_device *device = &own;
    size_t batch = (size_t)d->batch;
    int inputs;
    bnn_code code;
    (void)version;
    own = d->subject->bench->device;
    if ((code = bnn_bench_device(d->subject->bench->where, &own, err)) != BNN_OK) {
        return code;
    }
    if (d->twin) {
        model = (bnn_loaded){.device = *device, .spec = d->spec};
        code = new_params(&d->spec, device, &model.params, err);
    } else {
        code = bnn_loaded_open(d->subject->file, device, &model, err);
    }
    if (code != BNN_OK || (code = bnn_loaded_predictor(&model, &d->predictor, err)) != BNN_OK) {
        return code;
    }
    bnn_spec_fields(&d->spec, d->field, &inputs);
    d->samples = (bnn_batch){.n = batch, .field = d->field, .field_count = inputs};
    int made = 1;
    for (int i = 0; i < inputs; i++) {
        d->samples.data[i] = values_of(&d->field[i], batch);
        made = made && d->samples.data[i];
    }
    d->output = bnn_alloc_aligned(batch * bnn_spec_outputs(&d->spec) * sizeof(float));
    return made && d->output
               ? bnn_predictor_run(d->predictor, &d->samples, d->output, err)
               : bnn_fail(err, BNN_ERR_MEMORY,
                          "out of memory for %d samples; use a smaller --batch-size", d->batch);
}

static bnn_code run(void *self, bnn_error *err) {
    side *d = self;
    return bnn_predictor_run(d->predictor, &d->samples, d->output, err);
}

/* Of a detector of two stages other formats have the first. */
static int is_first_stage(const subject *s) {
    return s->format != &bnn_export_packed && s->spec.arch->rpn_samples > 0;
}

/* The float twin, exported in the same format and run by the same engine. */
static bnn_code start_exported_twin(session *in, const subject *s, const bnn_spec *twin,
                                    bnn_error *err) {
    char path[4300], name[32];
    bnn_exported exported = {path, s->format == &bnn_export_lce, in->bench->device.threads};
    const bnn_work work = {.start = bnn_exported_start, .self = &exported};
    export e = {in->bench, NULL, *twin, s->format, path, {.first_stage = is_first_stage(s)}};
    snprintf(path, sizeof path, "%s/twin%s", in->folder, s->format->suffix);
    snprintf(name, sizeof name, "%s " BNN_FLOAT_ALGORITHM, s->format->name);
    bnn_code code = export_apart(&e, err);
    if (code == BNN_OK) {
        in->twin_bytes = bytes_of(path);
        code = bnn_baseline_start(&in->twins, name, &work, err);
    }
    return code;
}

/* The float twin for the engines to compare with, of any batch; made once. Without it, they say so.
 */
static bnn_code export_for_engines(const session *in, const bnn_spec *twin, bnn_error *err) {
    char path[4300];
    export e = {in->bench, NULL, *twin, &bnn_export_onnx, path, {0}};
    snprintf(path, sizeof path, "%s/twin%s", in->folder, bnn_export_onnx.suffix);
    if (!bnn_engines_of_twin(in->bench) || access(path, R_OK) == 0) {
        return BNN_OK;
    }
    bnn_code code = export_apart(&e, err);
    return code == BNN_ERR_UNSUPPORTED ? BNN_OK : code;
}

/* Whole detectors do the work of both stages. */
static void note_first_stage(const subject *s) {
    bnn_error why;
    bnn_fail(&why, BNN_ERR_UNSUPPORTED,
             "%s: is the first stage of a detector of two, so only that of its float twin, in the "
             "same engine, runs beside it",
             s->title);
    bnn_bench_note(&why);
}

/* Started by the first case that is wanted, for all. */
static bnn_code start_twins(session *in, side *twin, bnn_error *err) {
    const subject *s = twin->subject;
    bnn_work work = {.set_up = set_up, .run = run, .self = twin};
    if (is_first_stage(s)) {
        note_first_stage(s);
        return start_exported_twin(in, s, &twin->spec, err);
    }
    bnn_code code = bnn_baseline_start(&in->twins, BNN_FLOAT_ALGORITHM, &work, err);
    if (code == BNN_OK && s->format != &bnn_export_packed) {
        code = start_exported_twin(in, s, &twin->spec, err);
    }
    if (code == BNN_OK) {
        code = export_for_engines(in, &twin->spec, err);
    }
    return code == BNN_OK ? bnn_engines_start(in->bench, &twin->spec, (size_t)in->batch, in->folder,
                                              &in->twins, err)
                          : code;
}

/* ---- the same packed network in Larq Compute Engine ---- */

/* As our own exporter writes it; *emulated: floats do what it has no binary way for. */
static bnn_code export_for_lce(const session *in, const subject *s, const char *path, int *emulated,
                               bnn_error *err) {
    export e = {in->bench, s->file, s->spec, &bnn_export_lce, path, {0}};
    bnn_error still;
    bnn_code code = export_apart(&e, err);
    *emulated = 0;
    if (code == BNN_ERR_UNSUPPORTED) { /* if it stays so, the first reason tells more */
        e.how.emulate = 1;
        code = export_apart(&e, &still);
        *emulated = code == BNN_OK;
    }
    return code;
}

/* Another engine's trouble costs its own row only. */
static void start_lce(const session *in, const subject *s, bnn_baselines *baselines) {
    char path[4300];
    bnn_exported exported = {path, 1, in->bench->device.threads};
    bnn_error why;
    int emulated;
    if (in->batch > 1) {
        bnn_fail(&why, BNN_ERR_UNSUPPORTED,
                 "what is exported for Larq Compute Engine is for one sample, so batches are not "
                 "compared with it");
        bnn_bench_note(&why);
        return;
    }
    bnn_baseline *baseline = &baselines->list[baselines->count++];
    snprintf(path, sizeof path, "%s/lce%s", in->folder, bnn_export_lce.suffix);
    bnn_code code = export_for_lce(in, s, path, &emulated, &why);
    if (code != BNN_OK) {
        bnn_fail_in(&why, code, "not compared with Larq Compute Engine");
    } else {
        code = bnn_exported_start(&exported, &baseline->worker, &why);
    }
    snprintf(baseline->name, sizeof baseline->name, "lce%s",
             code == BNN_OK && emulated ? " emulated" : "");
    if (code == BNN_OK && emulated) {
        bnn_fail(&why, BNN_ERR_UNSUPPORTED,
                 "Larq Compute Engine has no binary way for all of %s, so there floats do it, as "
                 "bnn-export --emulate writes it",
                 bnn_spec_algorithm(&s->spec));
    }
    if (code != BNN_OK || emulated) {
        bnn_bench_note(&why);
    }
}

/* Against the twins, which all networks have in common, and the network itself elsewhere. */
static bnn_code measure_beside(const session *in, const subject *s, const bnn_bench_row *row,
                               const bnn_work *work, bnn_error *err) {
    bnn_baselines beside = in->twins;
    if (bnn_engine_chosen(in->bench, &bnn_lce_engine)) {
        start_lce(in, s, &beside);
    }
    bnn_code code = bnn_bench_case(in->bench, row, work, &beside, 1, err);
    for (size_t b = in->twins.count; b < beside.count; b++) {
        bnn_worker_stop(beside.list[b].worker);
    }
    return code;
}

/* ---- a case ---- */

/* Whether an engine runs the file at all: known before a twin is made for it. */
static bnn_code try_once(const bnn_work *work, bnn_error *err) {
    bnn_worker *worker = NULL;
    bnn_code code = bnn_worker_start(work, &worker, err);
    bnn_worker_stop(worker);
    return code;
}

static bnn_code measure(session *in, const subject *s, bnn_error *err) {
    const bnn_bench *bench = in->bench;
    bnn_code code = BNN_OK;
    bnn_bench_row row = {.group = "infer",
                         .threads = bench->device.threads,
                         .images = (size_t)in->batch,
                         .file_bytes = s->file_bytes,
                         .float_bytes = s->float_bytes,
                         .arch = s->spec.arch->name,
                         .algo = bnn_spec_algorithm(&s->spec),
                         .format = s->format->name,
                         .channels = s->spec.channels,
                         .height = s->spec.height,
                         .width = s->spec.width};
    snprintf(row.model, sizeof row.model, "%s", bench->model ? s->title : "");
    snprintf(row.name, sizeof row.name, "infer %s batch %d", s->title, in->batch);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    side packed = {.subject = s, .spec = s->spec, .batch = in->batch}, twin = packed;
    twin.twin = 1;
    twin.spec.binarizer = NULL;
    twin.spec.phase = 0;
    bnn_exported exported = {s->file, s->format == &bnn_export_lce, bench->device.threads};
    bnn_work work = {.set_up = set_up, .run = run, .self = &packed};
    if (s->format != &bnn_export_packed) {
        work = (bnn_work){.start = bnn_exported_start, .self = &exported};
    }
    if (!in->twins.count && work.start) {
        code = try_once(&work, err);
    }
    if (!in->twins.count && code == BNN_OK) {
        code = start_twins(in, &twin, err);
    }
    row.float_bytes = in->twin_bytes ? in->twin_bytes : row.float_bytes;
    if (code == BNN_OK) {
        code = measure_beside(in, s, &row, &work, err);
    }
    return bnn_interrupted() ? BNN_OK : code; /* Python dies of the user's signal, too */
}

/* ---- one network ---- */

/* A float twin's weights, as a file of them would be. */
static bnn_code count_float_bytes(subject *s, bnn_error *err) {
    size_t count;
    bnn_code code = bnn_twin_parameters(&s->spec, &s->bench->device, &count, err);
    s->float_bytes = count * sizeof(float);
    return code;
}

/* The format whose suffix a file has, or NULL. */
static const bnn_export_format *format_by_suffix(const char *path) {
    const size_t length = strlen(path);
    for (const bnn_export_format *const *f = bnn_export_formats; *f; f++) {
        const size_t suffix = strlen((*f)->suffix);
        if (length > suffix && strcmp(path + length - suffix, (*f)->suffix) == 0) {
            return *f;
        }
    }
    return NULL;
}

static bnn_code open_exported(const char *path, subject *s, bnn_error *err) {
    bnn_map map;
    bnn_code code = bnn_map_open(path, &map, err);
    if (code == BNN_OK) {
        s->format = map.size >= 8 && memcmp(map.data + 4, "TFL3", 4) == 0 ? &bnn_export_lce
                                                                          : &bnn_export_onnx;
        code = bnn_described_parse(path, map.data, map.size, &s->source, err);
        bnn_map_close(&map);
    }
    return code;
}

/* Only the header is read here. What is exported says so itself, whatever its name is. */
static bnn_code open_source(const char *path, subject *s, bnn_error *err) {
    const bnn_export_format *named = format_by_suffix(path);
    if (named && named->describes) {
        return open_exported(path, s, err);
    }
    bnn_code code = bnn_weights_file_open(path, &s->source, err);
    if (code == BNN_ERR_FORMAT && open_exported(path, s, NULL) == BNN_OK) {
        return BNN_OK;
    }
    s->format = &bnn_export_packed;
    return code == BNN_ERR_FORMAT && named && named->runs_in
               ? bnn_fail(err, BNN_ERR_UNSUPPORTED,
                          "%s: is for %s; bnn-bench infer runs packed files and checkpoints, and "
                          "of what bnn-export writes .tflite and .onnx files",
                          path, named->runs_in)
               : code;
}

/* What the file is. */
static bnn_code open_model(session *in, subject *s, bnn_error *err) {
    const char *path = s->bench->model, *slash = strrchr(path, '/');
    bnn_code code = open_source(path, s, err);
    if (code != BNN_OK || (code = bnn_spec_read(path, s->source, NULL, &s->spec, err)) != BNN_OK) {
        return code;
    }
    snprintf(s->title, sizeof s->title, "%.60s", slash ? slash + 1 : path);
    in->exported = s->format != &bnn_export_packed;
    if (in->exported && bnn_engine_chosen(in->bench, &bnn_lce_engine)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--compare lce is of packed files and checkpoints, but %s is exported "
                        "already: without it, it runs beside its float twin",
                        path);
    }
    if (in->exported && in->bench->batch_size > 1) {
        bnn_error why = {0};
        bnn_fail(&why, BNN_ERR_ARGUMENT,
                 "an exported model is measured for one sample at a time: --batch-size %d",
                 in->bench->batch_size);
        bnn_bench_note(&why);
    }
    if (in->exported || bnn_model_kind_of(s->source) == BNN_MODEL_PACKED) {
        snprintf(s->file, sizeof s->file, "%s", path);
        return BNN_OK;
    }
    return pack_to_folder(in, s, err);
}

static bnn_code make_model(const session *in, subject *s, const char *algorithm, bnn_error *err) {
    bnn_code code = bnn_bench_spec(s->bench, algorithm, &s->spec, err);
    if (code != BNN_OK) {
        return code;
    }
    snprintf(s->title, sizeof s->title, "%s %s %dx%d", s->spec.arch->name, algorithm,
             s->spec.height, s->spec.width);
    return pack_to_folder(in, s, err);
}

static bnn_code measure_network(session *in, const char *algorithm, bnn_error *err) {
    subject s = {.bench = in->bench, .format = &bnn_export_packed};
    bnn_code code = in->bench->model ? open_model(in, &s, err) : make_model(in, &s, algorithm, err);
    if (code == BNN_OK && (code = count_float_bytes(&s, err)) == BNN_OK) {
        s.file_bytes = bytes_of(s.file);
        code = measure(in, &s, err);
    }
    bnn_st_close(s.source);
    return code;
}

/* ---- the folder ---- */

static bnn_code make_folder(session *in, bnn_error *err) {
    const char *temporary = getenv("TMPDIR");
    snprintf(in->folder, sizeof in->folder, "%s/bnn-bench.XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    return mkdtemp(in->folder)
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_IO, "%s: cannot be made: %s", in->folder, strerror(errno));
}

static bnn_code measure_all(session *in, bnn_error *err) {
    const bnn_bench *bench = in->bench;
    const int most = bench->batch_size ? bench->batch_size : 64;
    bnn_code code = BNN_OK;
    for (in->batch = 1; in->batch; in->batch = in->batch < most && !in->exported ? most : 0) {
        for (size_t a = 0; bench->algorithms[a] && code == BNN_OK && !bnn_interrupted(); a++) {
            code = measure_network(in, bench->algorithms[a], err);
        }
        bnn_baselines_stop(&in->twins);
    }
    return code;
}

/* Energy is measured where it can be, which is told once there are figures that lack it. */
bnn_code bnn_bench_infer(const bnn_bench *bench, bnn_error *err) {
    const char *counters = getenv("BNN_POWERCAP"); /* others than the system's, for tests */
    bnn_bench with = *bench;
    session in = {.bench = &with};
    bnn_energy energy;
    bnn_error why = {0};
    if (bnn_energy_open(counters && *counters ? counters : BNN_ENERGY_FOLDER, &energy, &why) ==
        BNN_OK) {
        with.energy = &energy;
    }
    bnn_code code = make_folder(&in, err);
    if (code != BNN_OK) {
        return code;
    }
    code = measure_all(&in, err);
    bnn_remove_tree(in.folder, NULL);
    if (!with.energy && code == BNN_OK && !bnn_interrupted() &&
        bnn_bench_report_count(bench->report)) {
        bnn_bench_note(&why);
    }
    return code;
}

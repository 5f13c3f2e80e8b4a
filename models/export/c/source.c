/* A network as C source for small processors: NAME.c and NAME.h, constants, the loops that the
 * network uses and a function that runs it, which need nothing else. Both files are complete before
 * either takes its name. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/base/file.h"
#include "models/export/c/write.h"

#define NAME_ROOM 41

typedef struct source {
    const bnn_translation *t;
    bnn_c_plan plan;
    bnn_c_writer w;
    char name[NAME_ROOM], upper[NAME_ROOM];
    int pixels; /* images, whose bytes it can normalize */
    char *body; /* malloc'd */
    size_t body_bytes;
} source;

/* ---- what can be exported ---- */

static bnn_code find_name(source *s, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t length = strlen(name) - strlen(".c");
    int fits = length < NAME_ROOM;
    for (size_t i = 0; fits && i < length; i++) {
        const int small = name[i] >= 'a' && name[i] <= 'z';
        const int letter = small || (name[i] >= 'A' && name[i] <= 'Z');
        fits = letter || (i && (name[i] == '_' || (name[i] >= '0' && name[i] <= '9')));
        s->name[i] = name[i];
        s->upper[i] = (char)(small ? name[i] - 'a' + 'A' : name[i]);
    }
    return fits && length
               ? BNN_OK
               : bnn_fail(s->t->err, BNN_ERR_ARGUMENT,
                          "%s: functions are named after the file, so its name is to be letters, "
                          "digits and '_', a letter first, at most %d of them, and .c",
                          path, NAME_ROOM - 1);
}

/* Every index is an int32_t. */
static bnn_code check_sizes(const source *s) {
    const bnn_translation *t = s->t;
    for (size_t i = 0; i < bnn_graph_tensor_count(t->graph); i++) {
        if (bnn_shape_count(bnn_shape_of(t->graph, (bnn_t)i)) > INT32_MAX / 2) {
            return bnn_fail(t->err, BNN_ERR_UNSUPPORTED,
                            "a tensor of %zu values is too large for exported C source; export "
                            "for a smaller input",
                            bnn_shape_count(bnn_shape_of(t->graph, (bnn_t)i)));
        }
    }
    const int plain = t->plain.input_count == 1 && t->plain.output_count == 1 &&
                      s->plan.value[t->plain.outputs[0]].root != t->plain.inputs[0] &&
                      !bnn_translation_is_constant(t, t->plain.outputs[0]);
    return plain ? BNN_OK
                 : bnn_fail(t->err, BNN_ERR_UNSUPPORTED,
                            "exported C source has one input and computes one output; this network "
                            "does not");
}

static bnn_code check_work(const source *s) {
    const size_t bytes = bnn_c_work_bytes(&s->plan), most = s->t->request->max_bytes;
    const bnn_c_stage *stage = &s->plan.stage[bnn_c_largest_stage(&s->plan)];
    const bnn_node *node = bnn_graph_node(s->t->graph, stage->first);
    return !most || bytes <= most
               ? BNN_OK
               : bnn_translation_refuse(s->t, node,
                                        "here most memory is in use, and the work area takes %zu "
                                        "bytes, more than --max-bytes %zu; have a narrower network "
                                        "or a smaller input",
                                        bytes, most);
}

/* ---- the text ---- */

/* A string, in lines that end in a backslash; nothing in it ends it, whatever it holds. */
static void put_string(FILE *out, const char *text) {
    size_t column = 0;
    fputs("    \"", out);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        const int plain = c >= ' ' && c < 127 && c != '?'; /* two of those may be a trigraph */
        column += (size_t)(c == '"' || c == '\\' ? fprintf(out, "\\%c", c)
                           : plain               ? fprintf(out, "%c", c)
                                                 : fprintf(out, "\\%03o", c));
        if (column > 85 && text[1]) {
            fputs("\" \\\n    \"", out);
            column = 0;
        }
    }
    fputs("\"", out);
}

static void put_class_names(const source *s, FILE *out) {
    const bnn_spec *spec = s->t->request->spec;
    if (!*bnn_class_name(spec, 0)) {
        return;
    }
    fprintf(out, "#define %s_CLASS_NAMES { \\\n", s->upper);
    for (int i = 0; i < spec->classes; i++) {
        const char *name = bnn_class_name(spec, i);
        char *copy = bnn_arena_format(s->t->arena, "%.*s", (int)strcspn(name, "\n"), name);
        put_string(out, copy ? copy : "");
        fputs(", \\\n", out);
    }
    fputs("}\n", out);
}

static const char *logits_of(const source *s) {
    return s->t->request->spec->task->by_point ? "_LOGITS" : "_CLASSES";
}

static void put_interface(const source *s, FILE *out) {
    const char *name = s->name, *upper = s->upper;
    fprintf(out,
            "/* Computes the logits of one input, float [HEIGHT][WIDTH][CHANNELS], prepared as in\n"
            " * training. Not from two threads at once: they would share one work area. */\n"
            "void %s_run(const float input[%s_INPUT], float logits[%s%s]);\n",
            name, upper, upper, logits_of(s));
    if (s->pixels) {
        fprintf(out,
                "/* The same of an image of bytes 0..255, row by row, a pixel's channels together\n"
                " * (RGBRGB...), which it normalizes itself. */\n"
                "void %s_run_pixels(const uint8_t pixels[%s_INPUT], float logits[%s%s]);\n",
                name, upper, upper, logits_of(s));
    }
}

static void put_header(source *s, FILE *out) {
    const bnn_spec *spec = s->t->request->spec;
    const char *upper = s->upper, *description = bnn_translation_description(s->t);
    s->w.failed |= !description;
    fprintf(out,
            "/* %s: a network as bnn-export wrote it; what it is stands in %s_DESCRIPTION. */\n"
            "#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
            s->name, upper, upper, upper);
    fprintf(out, "#define %s_HEIGHT %d\n#define %s_WIDTH %d\n#define %s_CHANNELS %d\n", upper,
            spec->height, upper, spec->width, upper, spec->channels);
    fprintf(out, "#define %s_INPUT %zu\n#define %s_CLASSES %d\n", upper,
            bnn_shape_count(bnn_shape_of(s->t->graph, s->t->plain.inputs[0])), upper,
            spec->classes);
    fprintf(out, "#define %s_LOGITS %zu%s\n", upper, bnn_spec_outputs(spec),
            spec->task->by_point ? " /* [POINTS][CLASSES] */" : "");
    fprintf(out,
            "#define %s_WORK_BYTES %zu /* of memory that is written */\n"
            "#define %s_CONSTANT_BYTES %zu /* of memory that is only read, beside the code */\n",
            upper, bnn_c_work_bytes(&s->plan), upper, bnn_c_constant_bytes(&s->w));
    fprintf(out, "#define %s_CHECKSUM 0x%08x /* of constants and code, for which %s.c looks */\n",
            upper, (unsigned)s->w.checksum, s->name);
    fprintf(out, "#define %s_DESCRIPTION \\\n", upper);
    put_string(out, description ? description : "");
    fputs("\n", out);
    put_class_names(s, out);
    fputs("\n", out);
    put_interface(s, out);
    fputs("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n", out);
}

static void put_work(const source *s, FILE *out) {
    static const char *const member[BNN_C_MEMBERS] = {[BNN_C_FLOATS] = "float floats",
                                                      [BNN_C_BITS] = "uint32_t bits",
                                                      [BNN_C_INTEGERS] = "int32_t integers"};
    if (!bnn_c_work_bytes(&s->plan)) {
        return;
    }
    fputs("\n/* All that is written: maps, and the pixel at hand. */\nstatic struct {\n", out);
    for (int m = 0; m < BNN_C_MEMBERS; m++) {
        if (s->plan.words[m]) {
            fprintf(out, "    %s[%zu];\n", member[m], s->plan.words[m]);
        }
    }
    fprintf(out, "} work;\ntypedef char work_is_as_large[sizeof work == %s_WORK_BYTES ? 1 : -1];\n",
            s->upper);
}

/* Means, or standard deviations, a channel. */
static void put_statistics(const source *s, FILE *out, const char *name, const float values[3]) {
    const int channels = s->t->request->spec->channels;
    char text[BNN_C_FLOAT_ROOM];
    fprintf(out, "    static const float %s[%d] = {", name, channels);
    for (int c = 0; c < channels; c++) {
        fprintf(out, "%s%s", c ? ", " : "", bnn_c_float(values[c < 3 ? c : 2], text));
    }
    fputs("};\n", out);
}

static void put_run_pixels(const source *s, FILE *out) {
    const bnn_spec *spec = s->t->request->spec;
    fprintf(out, "\nvoid %s_run_pixels(const uint8_t pixels[%s_INPUT], float logits[%s%s]) {\n",
            s->name, s->upper, s->upper, logits_of(s));
    put_statistics(s, out, "mean", spec->mean);
    put_statistics(s, out, "deviation", spec->std);
    fprintf(out,
            "    float *x = work.floats + %zu;\n"
            "    for (int32_t i = 0; i < %s_INPUT; i++) {\n"
            "        x[i] = ((float)pixels[i] - mean[i %% %d]) / deviation[i %% %d];\n"
            "    }\n"
            "    %s_run(x, logits);\n}\n",
            s->plan.buffer[s->plan.pixels].offset, s->upper, spec->channels, spec->channels,
            s->name);
}

static const char opening[] =
    "/* Written by bnn-export; what it is stands in %s.h.\n"
    " *\n"
    " * C99, and nothing but <stdint.h>. All bits are those that the packed file computes. So are "
    "all\n"
    " * floats, up to the order in which a product of floats adds up, if no multiplication is "
    "fused\n"
    " * with an addition: gcc and clang do as they should with -ffp-contract=off, or -std=c99. */\n"
    "#include \"%s.h\"\n"
    "\n"
    "#ifdef __clang__\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#endif\n"
    "\n";

static bnn_code put_source(source *s, FILE *out) {
    s->w.out = out;
    fprintf(out, opening, s->name, s->name);
    bnn_c_put_loops(out, s->body, 1);
    bnn_code code = bnn_c_put_constants(&s->w);
    put_work(s, out);
    fputs("\n", out);
    bnn_c_put_loops(out, s->body, 0);
    fprintf(out, "void %s_run(const float input[%s_INPUT], float logits[%s%s]) {\n", s->name,
            s->upper, s->upper, logits_of(s));
    fputs(s->body, out);
    fputs("}\n", out);
    if (s->pixels) {
        put_run_pixels(s, out);
    }
    s->w.checksum = (uint32_t)crc32_z(s->w.checksum, (const unsigned char *)s->body, s->body_bytes);
    fprintf(
        out,
        "\n#if %s_CHECKSUM != 0x%08x\n#error \"%s.h is of another network: export both\"\n#endif\n",
        s->upper, (unsigned)s->w.checksum, s->name);
    return code;
}

/* ---- the files ---- */

static bnn_code prepare(source *s, const char *path) {
    const bnn_translation *t = s->t;
    const bnn_spec *spec = t->request->spec;
    bnn_code code;
    s->pixels = strcmp(spec->arch->inputs[0], "image") == 0;
    for (int c = 0; c < 3; c++) {
        s->pixels = s->pixels && (c >= spec->channels || spec->std[c] > 0.0f);
    }
    if ((code = find_name(s, path)) || (code = bnn_c_plan_make(t, s->pixels, &s->plan)) ||
        (code = check_sizes(s)) || (code = check_work(s))) {
        return code;
    }
    FILE *out = open_memstream(&s->body, &s->body_bytes);
    if (!out) {
        return bnn_translation_no_memory(t);
    }
    if (!(code = bnn_c_writer_start(t, &s->plan, out, &s->w))) {
        s->w.indent = 1;
        code = bnn_c_put_body(&s->w);
    }
    return fclose(out) && !code ? bnn_translation_no_memory(t) : code;
}

static bnn_code write_files(source *s, const char *path) {
    bnn_error *err = s->t->err;
    bnn_atomic_file *files[2] = {NULL, NULL};
    char beside[4352];
    bnn_code code =
        bnn_export_beside(&bnn_export_c, s->t->request->spec, path, beside, sizeof beside, err);
    if (!code && !(code = bnn_atomic_open(path, &files[0], err)) &&
        !(code = bnn_atomic_open(beside, &files[1], err)) &&
        !(code = put_source(s, bnn_atomic_stream(files[0])))) {
        put_header(s, bnn_atomic_stream(files[1]));
        code = s->w.failed ? bnn_translation_no_memory(s->t) : BNN_OK;
    }
    for (int i = 0; i < 2 && !code; i++) {
        code = bnn_atomic_finish(files[i], err);
    }
    for (int i = 0; i < 2; i++) {
        if (code) {
            bnn_atomic_abandon(files[i]);
        } else {
            code = bnn_atomic_commit(files[i], err);
        }
    }
    return code;
}

static bnn_code write_c(const bnn_export_request *request, const char *path,
                        bnn_export_report *report, bnn_error *err) {
    bnn_translation t;
    source s = {.t = &t};
    bnn_code code = bnn_translation_start(request, 0, report, &t, err);
    if (!code && !(code = prepare(&s, path)) && !(code = write_files(&s, path))) {
        report->bytes = bnn_c_constant_bytes(&s.w);
        bnn_translation_note(&t,
                             "%zu bytes of constants (flash; the code adds a few KB), and a work "
                             "area of %zu bytes (RAM)",
                             report->bytes, bnn_c_work_bytes(&s.plan));
    }
    free(s.body);
    bnn_translation_free(&t);
    return code;
}

const bnn_export_format bnn_export_c = {
    .name = "c",
    .suffix = ".c",
    .beside = ".h",
    .title = "C99 source and a header for small processors, which need nothing else",
    .bounds = 1,
    .runs_in = "a program that it is compiled into",
    .write = write_c};

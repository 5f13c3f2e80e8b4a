/* Options as JSON: --config FILE, a run's config.json and a checkpoint's metadata are one format,
 * {"option-name": value, ...}, so that any run can be repeated from what it recorded. Reading goes
 * through jansson, since the text may come from anywhere; writing is a few lines of printf, to keep
 * the table's order and the shortest exact numbers. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tools/cli/options_internal.h"
#include "tools/cli/utf8.h"

#define QUOTE "%.80s"

enum { LARGEST_FILE = 1 << 20 };

/* Options point into these; the list keeps them until the program ends. Options are read by one
 * thread, at a program's start. */
typedef struct kept_string {
    struct kept_string *next;
    char text[];
} kept_string;

static kept_string *kept;

static char *keep(const char *text) {
    size_t bytes = strlen(text) + 1;
    kept_string *string = malloc(sizeof *string + bytes);
    if (!string)
        return NULL;
    memcpy(string->text, text, bytes);
    string->next = kept;
    kept = string;
    return string->text;
}

void bnn_options_forget_strings(void) {
    while (kept) {
        kept_string *next = kept->next;
        free(kept);
        kept = next;
    }
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bnn_code wrong_type(const char *wanted, const json_t *value, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT, "must be %s, not %s", wanted, type_name(value));
}

/* `shown` receives the value for messages, where it has a short form. */
static bnn_code set_value(bnn_option *option, const json_t *value, char *shown, size_t bytes,
                          bnn_error *err) {
    switch (option->type) {
    case BNN_OPTION_FLAG:
        if (!json_is_boolean(value))
            return wrong_type("true or false", value, err);
        *(bool *)option->value = json_is_true(value);
        return BNN_OK;
    case BNN_OPTION_INT:
        if (!json_is_integer(value))
            return wrong_type("a whole number", value, err);
        snprintf(shown, bytes, " %" PRId64, (int64_t)json_integer_value(value));
        return bnn_option_set_int(option, json_integer_value(value), err);
    case BNN_OPTION_REAL:
        if (!json_is_number(value))
            return wrong_type("a number", value, err);
        snprintf(shown, bytes, " %s", bnn_real_text(json_number_value(value)).text);
        return bnn_option_set_real(option, json_number_value(value), err);
    case BNN_OPTION_STRING:
    case BNN_OPTION_OPTIONAL_STRING:
        break;
    }
    if (!json_is_string(value))
        return wrong_type("a string", value, err);
    const char *text = json_string_value(value);
    snprintf(shown, bytes, " " QUOTE, *text ? text : "\"\"");
    /* An option refused later keeps its copy: a few bytes, in a program about to end. */
    char *copy = keep(text);
    if (!copy)
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    bnn_utf8_unescape(copy);
    return bnn_option_set_string(option, copy, err);
}

static bnn_code unknown_key(const bnn_program *program, const char *name, const char *key,
                            bnn_error *err) {
    bnn_nearest nearest = {.name = key};
    for (size_t i = 0; i < program->option_count; i++)
        if (program->options[i].from_config)
            bnn_nearest_offer(&nearest, program->options[i].name);
    if (nearest.best)
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: unknown option \"" QUOTE "\" (did you mean \"%s\"?)", name, key,
                        nearest.best);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: unknown option \"" QUOTE "\"; see %s --help", name,
                    key, program->name);
}

static bnn_code set_key(bnn_program *program, const char *name, const char *key,
                        const json_t *value, bnn_error *err) {
    bnn_option *option = bnn_option_find(program, key, strlen(key), 1);
    if (!option)
        return unknown_key(program, name, key, err);
    if (!option->from_config)
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: \"%s\" can be given on the command line only (--%s)", name,
                        option->name, option->name);
    if (option->given == 1)
        return BNN_OK;
    char shown[100] = "";
    bnn_code code = set_value(option, value, shown, sizeof shown, err);
    if (code)
        return bnn_fail_in(err, code, "%s: \"%s\"%s", name, option->name, shown);
    option->given = 2;
    return BNN_OK;
}

/* JSON is UTF-8. Some editors mark that at the front, and some write UTF-16, with its mark or
 * without: the first character of JSON is of ASCII, so a zero is beside it. */
static int is_utf16(const char *json, size_t bytes) {
    return bytes >= 2 &&
           (!memcmp(json, "\xff\xfe", 2) || !memcmp(json, "\xfe\xff", 2) || !json[0] != !json[1]);
}

static size_t mark_length(const char *json, size_t bytes) {
    return bytes >= 3 && !memcmp(json, "\xef\xbb\xbf", 3) ? 3 : 0;
}

bnn_code bnn_options_from_json(bnn_program *program, const char *name, const char *json,
                               size_t bytes, bnn_error *err) {
    json_error_t why;
    json = json ? json : "";
    size_t mark = mark_length(json, bytes);
    json_t *root = json_loadb(json + mark, bytes - mark, JSON_REJECT_DUPLICATES, &why);
    bnn_code code = BNN_OK;
    if (!root && is_utf16(json, bytes)) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: is text in UTF-16; save it as UTF-8", name);
    } else if (!root) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: not JSON: line %d: %s", name, why.line, why.text);
    } else if (!json_is_object(root)) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: must be a JSON object, {\"option\": value, ...}, not %s", name,
                        type_name(root));
    } else {
        const char *key;
        json_t *value;
        json_object_foreach(root, key, value) {
            code = set_key(program, name, key, value, err);
            if (code)
                break;
        }
    }
    json_decref(root);
    if (code && err)
        bnn_one_line(err->text);
    return code;
}

bnn_code bnn_options_load(bnn_program *program, const char *path, bnn_error *err) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return bnn_fail(err, BNN_ERR_IO, "--config %s: cannot open: %s", path, strerror(errno));
    char *text = malloc(LARGEST_FILE + 1);
    bnn_code code;
    if (!text) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "--config %s: out of memory", path);
    } else {
        errno = 0;
        size_t bytes = fread(text, 1, LARGEST_FILE + 1, file);
        if (ferror(file))
            code = bnn_fail(err, BNN_ERR_IO, "--config %s: cannot read: %s", path, strerror(errno));
        else if (bytes > LARGEST_FILE)
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "--config %s: larger than 1 MiB: not a configuration", path);
        else
            code = bnn_options_from_json(program, path, text, bytes, err);
    }
    free(text);
    fclose(file);
    return code;
}

/* ---- writing ---- */

/* 0: out of memory. */
static int write_string(FILE *out, const char *bytes) {
    char *text = bnn_utf8_escape(bytes);
    fputc('"', out);
    for (const char *c = text; c && *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
    free(text);
    return text != NULL;
}

/* A default outside its own range means "not chosen": it has no JSON, and would be refused. */
static int has_json(const bnn_option *option, int level) {
    if (option->from_config < level)
        return 0;
    switch (option->type) {
    case BNN_OPTION_INT:
        return bnn_option_in_range(option, (double)*(const int64_t *)option->value);
    case BNN_OPTION_REAL:
        return bnn_option_in_range(option, *(const double *)option->value);
    case BNN_OPTION_STRING:
    case BNN_OPTION_OPTIONAL_STRING:
        return *(const char *const *)option->value != NULL;
    case BNN_OPTION_FLAG:
        break;
    }
    return 1;
}

static int write_value(FILE *out, const bnn_option *option) {
    switch (option->type) {
    case BNN_OPTION_FLAG:
        fputs(*(const bool *)option->value ? "true" : "false", out);
        break;
    case BNN_OPTION_INT:
        fprintf(out, "%" PRId64, *(const int64_t *)option->value);
        break;
    case BNN_OPTION_REAL:
        fputs(bnn_real_text(*(const double *)option->value).text, out);
        break;
    case BNN_OPTION_STRING:
    case BNN_OPTION_OPTIONAL_STRING:
        return write_string(out, *(const char *const *)option->value);
    }
    return 1;
}

char *bnn_options_to_json(const bnn_program *program, int level) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    const char *before = "{\n";
    int failed = 0;
    for (size_t i = 0; i < program->option_count; i++) {
        const bnn_option *option = &program->options[i];
        if (!has_json(option, level))
            continue;
        fprintf(out, "%s  \"%s\": ", before, option->name);
        failed |= !write_value(out, option);
        before = ",\n";
    }
    fputs(*before == '{' ? "{}\n" : "\n}\n", out);
    failed |= ferror(out);
    if (fclose(out) || failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* One table of options makes the command line, --help, the configuration file, the man page and
 * the resolved arguments a run records. */
#ifndef BNN_TOOLS_CLI_OPTIONS_H
#define BNN_TOOLS_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/status.h"

typedef enum bnn_option_type {
    BNN_OPTION_FLAG,            /* bool *: --name */
    BNN_OPTION_INT,             /* int64_t *: --name N, within [min, max] */
    BNN_OPTION_REAL,            /* double *: --name X, within [min, max], finite */
    BNN_OPTION_STRING,          /* const char **: --name TEXT */
    BNN_OPTION_OPTIONAL_STRING, /* const char **: --name or --name TEXT; bare gives "" */
} bnn_option_type;

typedef struct bnn_option {
    const char *name; /* without the dashes */
    bnn_option_type type;
    void *value;              /* holds the default before parsing */
    const char *argument;     /* "N", "FILE", ... for --help */
    const char *help;         /* one sentence; wrapped by the printer */
    const char *default_text; /* shown as "default: ..." where the value itself would not say it;
                                 NULL: the value is shown, unless it is NULL, or a flag */
    double min, max;          /* INT and REAL */
    /* STRING: allowed values, NULL-terminated, or NULL for anything. An unknown one is answered
     * with the nearest. */
    const char *const *choices;
    /* 1: may be set by --config FILE and is recorded in a run's config.json; 2: and is part of what
     * a run computes, so it is recorded in checkpoints and must not change when it is resumed. */
    int from_config;
    /* INT of level 2: a resumed run may be given a larger value, where its owner allows that. */
    int may_grow;
    char letter; /* of what is typed often: -j N; or 0 */
    int given;   /* set by the parser: 1 command line, 2 configuration file */
} bnn_option;

typedef struct bnn_program {
    const char *name;        /* "bnn-train" */
    const char *summary;     /* "train a binary or float network" */
    const char *usage;       /* "[options]" or "MODEL [options]" */
    const char *description; /* a few sentences, for --help and the man page */
    const char *examples;    /* lines, for --help and the man page */
    bnn_option *options;
    size_t option_count;
    const char **operands; /* filled by the parser; room for max_operands */
    int min_operands, max_operands, operand_count;
    /* For completion: the first operand's table, as of bnn_command_find, and names that others have
     * (NULL-terminated; NULL: they are files). */
    const void *commands;
    size_t command_size, command_count;
    const char *const *operand_names;
    const char *config; /* the file of --config, which the parser has read, or NULL */
} bnn_program;

typedef enum bnn_parse_result { BNN_PARSE_RUN, BNN_PARSE_DONE, BNN_PARSE_ERROR } bnn_parse_result;

/* Parses argv: --name value and --name=value, -x value and -xvalue of a letter, -h/--help,
 * --version, --man (the man page in roff on stdout), --completion SHELL (bash or zsh; a script on
 * stdout; not shown), and --config FILE (a JSON object of option
 * names; the command line wins). DONE: help or such was printed. ERROR: one line is on stderr
 * ("bnn-train: unknown option --algoo (did you mean
 * --algo?); see bnn-train --help"). Strings from a configuration file live as long as the program.
 * With --BNN_CHECK_OPTIONS (not shown) nothing is done but to refuse what is wrong with the others:
 * DONE. */
#define BNN_CHECK_OPTIONS "check-options"
bnn_parse_result bnn_options_parse(bnn_program *program, int argc, char **argv);

/* Was it given on the command line? */
int bnn_options_given(const bnn_program *program, const char *name);
/* If so, and it has no effect: a line on stderr, "bnn-train: note: --NAME WHY". */
void bnn_options_note(const bnn_program *program, const char *name, const char *why);
/* Of all that were given on the command line but for the NULL-terminated `but`, one line:
 * "bnn-train: note: WHY: --algo, --lr". */
void bnn_options_note_others(const bnn_program *program, const char *const *but, const char *why);

/* Sets options from the text of a JSON object, as if from a configuration file; those given on the
 * command line are kept. `name` is for messages. Refuses unknown names, wrong types, bad values. */
bnn_code bnn_options_from_json(bnn_program *program, const char *name, const char *json,
                               size_t bytes, bnn_error *err);
/* The options of at least this from_config level as a JSON object, one a line, in table order;
 * NULL strings are left out. malloc'd. NULL when memory is out. */
char *bnn_options_to_json(const bnn_program *program, int level);

/* The entry of NULL-terminated `names` nearest to `name` (edit distance), or NULL if none is near.
 */
const char *bnn_nearest_name(const char *name, const char *const *names);
/* A program's command: the struct of that name in its table of `count` structs of `size` bytes,
 * whose first member is the command's name; NULL, and an error that lists them, if there is none.
 */
const void *bnn_command_find(const char *name, const void *table, size_t size, size_t count,
                             bnn_error *err);

#endif

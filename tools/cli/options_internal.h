/* What the three files behind options.h share: options.c (values, the command line),
 * options_json.c (configuration files) and options_help.c (--help, the man page). Nobody else
 * includes this, but the tests. */
#ifndef BNN_TOOLS_CLI_OPTIONS_INTERNAL_H
#define BNN_TOOLS_CLI_OPTIONS_INTERNAL_H

#include "tools/cli/options.h"

/* --config, --help, --version, --man: every program has them without listing them. */
typedef struct bnn_implicit_option {
    const char *name, *argument, *help;
    int only_with_config; /* exists only where some option may come from a file */
} bnn_implicit_option;

extern const bnn_implicit_option bnn_implicit_options[];
extern const size_t bnn_implicit_option_count;

int bnn_options_have_config(const bnn_program *program);
/* The option called name[0..length), or NULL. With `fold`, '_' in the name stands for '-'. */
bnn_option *bnn_option_find(const bnn_program *program, const char *name, size_t length, int fold);

/* Check, then set. The texts in err lack the option's name and value, which the caller puts in
 * front: "must be between 1 and 9". */
bnn_code bnn_option_set_int(bnn_option *option, int64_t value, bnn_error *err);
bnn_code bnn_option_set_real(bnn_option *option, double value, bnn_error *err);
/* The string is not copied. */
bnn_code bnn_option_set_string(bnn_option *option, const char *value, bnn_error *err);
/* Within the option's range, and finite. */
int bnn_option_in_range(const bnn_option *option, double value);

/* The shortest decimal that reads back as the same double. */
typedef struct bnn_number_text {
    char text[40];
} bnn_number_text;
bnn_number_text bnn_real_text(double value);

/* The nearest of many names, offered one by one; `best` is NULL while none is near. */
typedef struct bnn_nearest {
    const char *name, *best;
    size_t cost;
} bnn_nearest;
void bnn_nearest_offer(bnn_nearest *nearest, const char *candidate);

/* Control characters become '?': a message stays one line, whatever it quotes. */
void bnn_one_line(char *text);

/* Reads the file and hands it to bnn_options_from_json. */
bnn_code bnn_options_load(bnn_program *program, const char *path, bnn_error *err);
/* Frees the strings kept from configurations; for the fuzzer, which reads millions of them. */
void bnn_options_forget_strings(void);

void bnn_options_print_help(const bnn_program *program, FILE *out);
void bnn_options_print_man(const bnn_program *program, FILE *out);
/* For bash or zsh; 0: no shell that is known. */
int bnn_options_print_completion(const bnn_program *program, const char *shell, FILE *out);

#endif

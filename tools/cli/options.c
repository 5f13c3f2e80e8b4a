/* The command line: walks argv against the table and checks values. Whatever is wrong ends in one
 * line on stderr that names the culprit and, where there is one, the likely intention. --help and
 * its like win wherever they stand, before any value is touched, so that the defaults they show
 * are the defaults. */
#include "tools/cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "tools/cli/options_internal.h"

/* Quoted from the user at most this much, so that the rest of a message always fits its line. */
#define QUOTE "%.80s"

const bnn_implicit_option bnn_implicit_options[] = {
    {"config", "FILE",
     "Read options from a JSON object such as {\"name\": value}; the command line wins.", 1},
    {"help", NULL, "Print this help and exit.", 0},
    {"version", NULL, "Print the version and exit.", 0},
    {"man", NULL, "Print the manual page (roff) and exit.", 0},
};
const size_t bnn_implicit_option_count =
    sizeof bnn_implicit_options / sizeof bnn_implicit_options[0];

int bnn_options_have_config(const bnn_program *program) {
    for (size_t i = 0; i < program->option_count; i++)
        if (program->options[i].from_config)
            return 1;
    return 0;
}

bnn_option *bnn_option_find(const bnn_program *program, const char *name, size_t length, int fold) {
    for (size_t i = 0; i < program->option_count; i++) {
        const char *candidate = program->options[i].name;
        size_t at = 0;
        while (at < length && candidate[at] &&
               (candidate[at] == name[at] || (fold && candidate[at] == '-' && name[at] == '_')))
            at++;
        if (at == length && !candidate[at])
            return &program->options[i];
    }
    return NULL;
}

void bnn_one_line(char *text) {
    for (; *text; text++)
        *text = bnn_text_shown(*text);
}

bnn_number_text bnn_real_text(double value) {
    bnn_number_text number;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number.text, sizeof number.text, "%.*g", digits, value);
        if (strtod(number.text, NULL) == value)
            break;
    }
    return number;
}

/* ---- values ---- */

int bnn_option_in_range(const bnn_option *option, double value) {
    return isfinite(value) && value >= option->min && value <= option->max;
}

/* "must be KIND between 1 and 9", as far as the range has ends. */
static bnn_code refuse_number(const bnn_option *option, const char *kind, bnn_error *err) {
    /* An integer's table row writes INT64_MIN and INT64_MAX for "no end". */
    double far = option->type == BNN_OPTION_INT ? 9e18 : HUGE_VAL;
    int low = option->min > -far, high = option->max < far;
    bnn_number_text min = bnn_real_text(option->min), max = bnn_real_text(option->max);
    if (low && high)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "must be %sbetween %s and %s", kind, min.text,
                        max.text);
    if (low)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "must be %sat least %s", kind, min.text);
    if (high)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "must be %sat most %s", kind, max.text);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "must be %s",
                    option->type == BNN_OPTION_INT ? "a whole number of 64 bits"
                                                   : "a finite number");
}

bnn_code bnn_option_set_int(bnn_option *option, int64_t value, bnn_error *err) {
    if (!bnn_option_in_range(option, (double)value))
        return refuse_number(option, "", err);
    *(int64_t *)option->value = value;
    return BNN_OK;
}

bnn_code bnn_option_set_real(bnn_option *option, double value, bnn_error *err) {
    if (!bnn_option_in_range(option, value))
        return refuse_number(option, isfinite(value) ? "" : "a finite number ", err);
    /* No minus zero, which passes a minimum of 0 and whose text is the integer -0 in JSON. */
    *(double *)option->value = value == 0 ? 0 : value;
    return BNN_OK;
}

/* As many of the choices as fit a line. */
static void list_choices(const char *const *choices, char *out, size_t bytes) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; choices[i]; i++) {
        size_t length = strlen(choices[i]);
        if (used + length + sizeof ", , ..." > bytes) {
            snprintf(out + used, bytes - used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", i ? ", " : "", choices[i]);
    }
}

static bnn_code check_choice(const bnn_option *option, const char *value, bnn_error *err) {
    for (size_t i = 0; option->choices[i]; i++)
        if (!strcmp(option->choices[i], value))
            return BNN_OK;
    char list[300];
    list_choices(option->choices, list, sizeof list);
    const char *near = bnn_nearest_name(value, option->choices);
    if (near)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "unknown; did you mean %s? (choices: %s)", near,
                        list);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "unknown (choices: %s)", list);
}

bnn_code bnn_option_set_string(bnn_option *option, const char *value, bnn_error *err) {
    if (option->type == BNN_OPTION_STRING && option->choices) {
        bnn_code code = check_choice(option, value, err);
        if (code)
            return code;
    }
    *(const char **)option->value = value;
    return BNN_OK;
}

static bnn_code set_int_text(bnn_option *option, const char *text, bnn_error *err) {
    char *end = NULL;
    errno = 0;
    int64_t value = strtoll(text, &end, 10);
    /* strtoll would skip spaces; nothing but digits and a sign is meant to be here. */
    if (end == text || *end || !strchr("+-0123456789", text[0]))
        return refuse_number(option, "a whole number ", err);
    if (errno == ERANGE)
        return refuse_number(option, "", err);
    return bnn_option_set_int(option, value, err);
}

static bnn_code set_real_text(bnn_option *option, const char *text, bnn_error *err) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r') ||
        strpbrk(text, "xX")) /* base 10 only */
        return refuse_number(option, "a number ", err);
    return bnn_option_set_real(option, value, err);
}

static bnn_code set_text(bnn_option *option, const char *text, bnn_error *err) {
    bnn_code code = BNN_OK;
    switch (option->type) {
    case BNN_OPTION_FLAG:
        *(bool *)option->value = true;
        break;
    case BNN_OPTION_INT:
        code = set_int_text(option, text, err);
        break;
    case BNN_OPTION_REAL:
        code = set_real_text(option, text, err);
        break;
    case BNN_OPTION_STRING:
    case BNN_OPTION_OPTIONAL_STRING:
        code = bnn_option_set_string(option, text, err);
        break;
    }
    if (!code)
        option->given = 1;
    else
        code = bnn_fail_in(err, code, "--%s " QUOTE, option->name, *text ? text : "\"\"");
    return code;
}

/* ---- the command line ---- */

typedef struct words {
    bnn_program *program;
    int argc, at;
    char **argv;
    const char *config; /* the file after --config */
    int only_check;
} words;

static const char *nearest_option(const bnn_program *program, const char *name) {
    bnn_nearest nearest = {.name = name};
    for (size_t i = 0; i < program->option_count; i++)
        bnn_nearest_offer(&nearest, program->options[i].name);
    for (size_t i = 0; i < bnn_implicit_option_count; i++)
        if (!bnn_implicit_options[i].only_with_config || bnn_options_have_config(program))
            bnn_nearest_offer(&nearest, bnn_implicit_options[i].name);
    return nearest.best;
}

/* `word` as typed; its name, without dashes and value, is looked for among the options. */
static bnn_code refuse_word(const bnn_program *program, const char *what, const char *word,
                            const char *otherwise, bnn_error *err) {
    char name[64];
    const char *bare = word + strspn(word, "-");
    size_t length = strcspn(bare, "=");
    snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, bare);
    const char *near = nearest_option(program, name);
    if (near)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s " QUOTE " (did you mean --%s?); see %s --help",
                        what, word, near, program->name);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%s " QUOTE "%s; see %s --help", what, word, otherwise,
                    program->name);
}

static bnn_code take_operand(words *w, const char *word, bnn_error *err) {
    bnn_program *program = w->program;
    if (program->operand_count < program->max_operands) {
        program->operands[program->operand_count++] = word;
        return BNN_OK;
    }
    if (!program->max_operands)
        return refuse_word(program, "unexpected word", word, " (options start with --)", err);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "too many arguments, at " QUOTE "; see %s --help", word,
                    program->name);
}

/* The value of an option: behind '=', or the next word. */
static const char *take_value(words *w, const char *equals) {
    if (equals)
        return equals + 1;
    if (w->at + 1 >= w->argc || !strncmp(w->argv[w->at + 1], "--", 2))
        return NULL;
    return w->argv[++w->at];
}

static bnn_code value_missing(const bnn_program *program, const char *name, const char *argument,
                              bnn_error *err) {
    return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s: its value (%s) is missing; see %s --help", name,
                    argument ? argument : "VALUE", program->name);
}

/* argv[at] starts with "--" and is longer. */
static bnn_code take_option(words *w, bnn_error *err) {
    bnn_program *program = w->program;
    const char *word = w->argv[w->at], *name = word + 2;
    const char *equals = strchr(name, '='), *value = "";
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    bnn_option *option = bnn_option_find(program, name, length, 0);
    if (!option && length == 6 && !strncmp(name, "config", 6) && bnn_options_have_config(program)) {
        w->config = take_value(w, equals);
        return w->config ? BNN_OK : value_missing(program, "config", "FILE", err);
    }
    if (!option && !strcmp(word, "--" BNN_CHECK_OPTIONS)) {
        w->only_check = 1;
        return BNN_OK;
    }
    /* Without a value these were answered before the words were walked through. */
    for (size_t i = 0; i < bnn_implicit_option_count && !option && equals; i++)
        if (strlen(bnn_implicit_options[i].name) == length &&
            !strncmp(bnn_implicit_options[i].name, name, length) &&
            !bnn_implicit_options[i].argument)
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s takes no value",
                            bnn_implicit_options[i].name);
    if (!option)
        return refuse_word(program, "unknown option", word, "", err);
    if (option->type == BNN_OPTION_FLAG) {
        if (equals)
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s takes no value", option->name);
    } else if (option->type == BNN_OPTION_OPTIONAL_STRING) {
        if (equals || (w->at + 1 < w->argc && w->argv[w->at + 1][0] != '-'))
            value = take_value(w, equals);
    } else {
        value = take_value(w, equals);
        if (!value)
            return value_missing(program, option->name, option->argument, err);
    }
    return set_text(option, value, err);
}

/* argv[at] starts with "-" and a letter. */
static bnn_code take_letter(words *w, bnn_error *err) {
    const char *word = w->argv[w->at], *value = "";
    bnn_option *option = NULL;
    for (size_t i = 0; i < w->program->option_count && !option; i++)
        if (w->program->options[i].letter == word[1])
            option = &w->program->options[i];
    if (!option)
        return refuse_word(w->program, "unknown option", word, " (options start with --)", err);
    if (option->type == BNN_OPTION_FLAG) {
        if (word[2])
            return bnn_fail(err, BNN_ERR_ARGUMENT, "-%c takes no value", option->letter);
    } else {
        value = word[2] ? word + 2 : take_value(w, NULL);
        if (!value)
            return value_missing(w->program, option->name, option->argument, err);
    }
    return set_text(option, value, err);
}

static bnn_code take_words(words *w, bnn_error *err) {
    int only_operands = 0;
    for (w->at = 1; w->at < w->argc; w->at++) {
        const char *word = w->argv[w->at];
        bnn_code code = BNN_OK;
        if (only_operands || word[0] != '-' || !word[1])
            code = take_operand(w, word, err);
        else if (!strcmp(word, "--"))
            only_operands = 1;
        else if (word[1] == '-')
            code = take_option(w, err);
        else
            code = take_letter(w, err);
        if (code)
            return code;
    }
    return BNN_OK;
}

/* The first operand that is missing is named as the usage line names it. */
static bnn_code check_operands(const bnn_program *program, bnn_error *err) {
    if (program->operand_count >= program->min_operands)
        return BNN_OK;
    const char *at = program->usage ? program->usage : "";
    int seen = 0;
    for (;; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (!*at)
            return bnn_fail(err, BNN_ERR_ARGUMENT, "an argument is missing; see %s --help",
                            program->name);
        if (*at >= 'A' && *at <= 'Z' && seen++ == program->operand_count)
            break;
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%.*s is missing; see %s --help", (int)strcspn(at, " ."),
                    at, program->name);
}

/* ---- options without effect ---- */

int bnn_options_given(const bnn_program *program, const char *name) {
    const bnn_option *option = bnn_option_find(program, name, strlen(name), 0);
    return option && option->given == 1;
}

void bnn_options_note(const bnn_program *program, const char *name, const char *why) {
    if (bnn_options_given(program, name))
        fprintf(stderr, "%s: note: --%s %s\n", program->name, name, why);
}

static int is_among(const char *name, const char *const *names) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

void bnn_options_note_others(const bnn_program *program, const char *const *but, const char *why) {
    int said = 0;
    for (size_t i = 0; i < program->option_count; i++) {
        const bnn_option *option = &program->options[i];
        if (option->given != 1 || is_among(option->name, but))
            continue;
        if (!said++)
            fprintf(stderr, "%s: note: %s: --%s", program->name, why, option->name);
        else
            fprintf(stderr, ", --%s", option->name);
    }
    if (said)
        fputc('\n', stderr);
}

/* ---- the whole ---- */

/* Prints what --help, --version, --man or --completion ask for; 0 if none of them is there. */
static int answer(const bnn_program *program, int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            bnn_options_print_help(program, stdout);
        } else if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", program->name, BNN_VERSION);
        } else if (strcmp(argv[i], "--man") == 0) {
            bnn_options_print_man(program, stdout);
        } else if (strcmp(argv[i], "--completion") != 0 || i + 1 == argc ||
                   !bnn_options_print_completion(program, argv[i + 1], stdout)) {
            continue;
        }
        return 1;
    }
    return 0;
}

bnn_parse_result bnn_options_parse(bnn_program *program, int argc, char **argv) {
    bnn_error err = {.code = BNN_OK};
    words w = {.program = program, .argc = argc, .argv = argv};
    program->operand_count = 0;
    for (size_t i = 0; i < program->option_count; i++)
        program->options[i].given = 0;
    if (answer(program, argc, argv))
        return BNN_PARSE_DONE;
    bnn_code code = take_words(&w, &err);
    /* The file comes last, as it must know what the command line has set. */
    program->config = w.config;
    if (!code && w.config)
        code = bnn_options_load(program, w.config, &err);
    if (!code && w.only_check)
        return BNN_PARSE_DONE;
    if (!code)
        code = check_operands(program, &err);
    if (!code)
        return BNN_PARSE_RUN;
    bnn_one_line(err.text);
    fprintf(stderr, "%s: %s\n", program->name, err.text);
    return BNN_PARSE_ERROR;
}

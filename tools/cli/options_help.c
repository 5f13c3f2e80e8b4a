/* --help and the man page, both printed from the same table, so that neither can fall behind the
 * options. Help fits 80 columns; the man page escapes whatever roff would read as its own. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tools/cli/options_internal.h"

enum { WIDTH = 80, WIDEST_LEFT = 30 };

/* The programs that refer to each other in SEE ALSO. */
static const char *const siblings[] = {"bnn-bench",  "bnn-corrupt", "bnn-data",
                                       "bnn-eval",   "bnn-export",  "bnn-predict",
                                       "bnn-report", "bnn-sweep",   "bnn-train"};

/* ---- what both print ---- */

/* The default as text, or NULL where there is nothing to say. */
static const char *default_of(const bnn_option *option, bnn_number_text *number) {
    if (option->default_text)
        return *option->default_text ? option->default_text : NULL;
    switch (option->type) {
    case BNN_OPTION_INT:
        snprintf(number->text, sizeof number->text, "%" PRId64, *(const int64_t *)option->value);
        return number->text;
    case BNN_OPTION_REAL:
        if (!isfinite(*(const double *)option->value))
            return NULL;
        *number = bnn_real_text(*(const double *)option->value);
        return number->text;
    case BNN_OPTION_STRING:
    case BNN_OPTION_OPTIONAL_STRING: {
        const char *text = *(const char *const *)option->value;
        return text && *text ? text : NULL;
    }
    case BNN_OPTION_FLAG:
        break;
    }
    return NULL;
}

/* What stands behind the name: argument with its brackets, if any. */
static const char *argument_of(const bnn_option *option, const char **open, const char **close) {
    *open = *close = "";
    if (option->type == BNN_OPTION_FLAG)
        return NULL;
    const char *argument = option->argument ? option->argument : "VALUE";
    if (option->type == BNN_OPTION_OPTIONAL_STRING && argument[0] != '[') {
        *open = "[";
        *close = "]";
    }
    return argument;
}

/* ---- help ---- */

/* Words flow from call to call; a line break in the text is kept. */
typedef struct wrap {
    FILE *out;
    size_t indent, column;
    int pending; /* a space is due before the next word */
} wrap;

static size_t columns(const char *text, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static void new_line(wrap *w) {
    fputc('\n', w->out);
    w->column = 0;
    w->pending = 0;
}

static void put_word(wrap *w, const char *word, size_t bytes) {
    size_t width = columns(word, bytes);
    if (w->pending && w->column + 1 + width >= WIDTH)
        new_line(w);
    if (w->pending) {
        fputc(' ', w->out);
        w->column++;
    }
    for (; w->column < w->indent; w->column++)
        fputc(' ', w->out);
    fwrite(word, 1, bytes, w->out);
    w->column += width;
    w->pending = 1;
}

static void put_text(wrap *w, const char *text) {
    while (*text) {
        size_t bytes = strcspn(text, " \n");
        if (bytes)
            put_word(w, text, bytes);
        text += bytes;
        if (*text == '\n')
            new_line(w);
        text += *text != '\0';
    }
}

/* Two blanks, the option, then the column where texts begin, on the next line if need be. */
static wrap start_row(FILE *out, const char *left, size_t indent) {
    wrap w = {.out = out, .indent = indent};
    size_t width = strlen(left) + 2;
    fprintf(out, "  %s", left);
    w.column = width;
    if (width + 2 > indent)
        new_line(&w);
    return w;
}

static void left_text(const bnn_option *option, char *out, size_t bytes) {
    const char *open, *close, *argument = argument_of(option, &open, &close);
    char letter[8] = "";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, bytes, "%s--%s%s%s%s%s", letter, option->name, argument ? " " : "", open,
             argument ? argument : "", close);
}

static void implicit_left_text(const bnn_implicit_option *option, char *out, size_t bytes) {
    snprintf(out, bytes, "%s--%s%s%s", !strcmp(option->name, "help") ? "-h, " : "", option->name,
             option->argument ? " " : "", option->argument ? option->argument : "");
}

static int is_there(const bnn_program *program, const bnn_implicit_option *option) {
    return !option->only_with_config || bnn_options_have_config(program);
}

static void print_row(FILE *out, const bnn_option *option, size_t indent) {
    char left[128];
    bnn_number_text number;
    left_text(option, left, sizeof left);
    wrap w = start_row(out, left, indent);
    put_text(&w, option->help ? option->help : "");
    if (option->type == BNN_OPTION_STRING && option->choices) {
        put_text(&w, "(choices:");
        for (size_t i = 0; option->choices[i]; i++) {
            char choice[128];
            snprintf(choice, sizeof choice, "%s%s", option->choices[i],
                     option->choices[i + 1] ? "," : ")");
            put_text(&w, choice);
        }
    }
    const char *value = default_of(option, &number);
    if (value) {
        char text[512];
        snprintf(text, sizeof text, "(default: %s)", value);
        put_text(&w, text);
    }
    new_line(&w);
}

/* Where texts begin: behind the widest option that is not too wide. */
static size_t text_column(const bnn_program *program) {
    char left[128];
    size_t widest = 0;
    for (size_t i = 0; i < program->option_count + bnn_implicit_option_count; i++) {
        if (i < program->option_count)
            left_text(&program->options[i], left, sizeof left);
        else
            implicit_left_text(&bnn_implicit_options[i - program->option_count], left, sizeof left);
        size_t width = strlen(left);
        if (width > widest && width + 4 <= WIDEST_LEFT)
            widest = width;
    }
    return widest + 4;
}

static void print_lines(FILE *out, const char *indent, const char *text) {
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", bytes ? indent : "", (int)bytes, text);
        text += bytes + (text[bytes] != '\0');
    }
}

void bnn_options_print_help(const bnn_program *program, FILE *out) {
    const char *usage = program->usage ? program->usage : "";
    fprintf(out, "Usage: %s%s%s\n\n", program->name, *usage ? " " : "", usage);
    wrap w = {.out = out};
    put_text(&w, program->description ? program->description : program->summary);
    if (w.column)
        new_line(&w);
    fputs("\nOptions:\n", out);
    size_t indent = text_column(program);
    for (size_t i = 0; i < program->option_count; i++)
        print_row(out, &program->options[i], indent);
    for (size_t i = 0; i < bnn_implicit_option_count; i++) {
        if (!is_there(program, &bnn_implicit_options[i]))
            continue;
        char left[128];
        implicit_left_text(&bnn_implicit_options[i], left, sizeof left);
        w = start_row(out, left, indent);
        put_text(&w, bnn_implicit_options[i].help);
        new_line(&w);
    }
    if (program->examples && *program->examples) {
        fputs("\nExamples:\n", out);
        print_lines(out, "  ", program->examples);
    }
}

/* ---- man page ---- */

/* `line_start`: a '.' or "'" here would be a request. Returns whether the next one is at the start
 * of a line. */
static int roff_char(FILE *out, char c, int line_start) {
    if (line_start && (c == '.' || c == '\''))
        fputs("\\&", out);
    switch (c) {
    case '\\':
        fputs("\\e", out);
        break;
    case '-':
        fputs("\\-", out);
        break;
    case '\'':
        fputs("\\(aq", out);
        break;
    case '`':
        fputs("\\(ga", out);
        break;
    case '^':
        fputs("\\(ha", out);
        break;
    case '~':
        fputs("\\(ti", out);
        break;
    case '"': /* also an argument's quote, where the text stands in one */
        fputs("\\(dq", out);
        break;
    default:
        fputc(c, out);
    }
    return c == '\n';
}

static void roff(FILE *out, const char *text) {
    for (; *text; text++)
        roff_char(out, *text, 0);
}

/* Text that starts a line, and ends one; `between` stands between its lines. */
static void roff_lines(FILE *out, const char *text, const char *between) {
    int line_start = 1;
    for (; *text; text++) {
        line_start = roff_char(out, *text, line_start);
        if (line_start && text[1])
            fputs(between, out);
    }
    if (!line_start)
        fputc('\n', out);
}

static void roff_option(FILE *out, const bnn_option *option) {
    const char *open, *close, *argument = argument_of(option, &open, &close);
    bnn_number_text number;
    fputs(".TP\n", out);
    if (option->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    roff(out, option->name);
    fputs("\\fR", out);
    if (argument) {
        fprintf(out, " %s\\fI", open);
        roff(out, argument);
        fprintf(out, "\\fR%s", close);
    }
    fputs("\n", out);
    roff_lines(out, option->help ? option->help : "", "");
    if (option->type == BNN_OPTION_STRING && option->choices) {
        fputs("One of", out);
        for (size_t i = 0; option->choices[i]; i++) {
            fputs(i ? ", " : " ", out);
            roff(out, option->choices[i]);
        }
        fputs(".\n", out);
    }
    const char *value = default_of(option, &number);
    if (value) {
        fputs("(default: ", out);
        roff(out, value);
        fputs(")\n", out);
    }
}

static void roff_implicit(FILE *out, const bnn_implicit_option *option) {
    fprintf(out, ".TP\n%s\\fB\\-\\-%s\\fR", !strcmp(option->name, "help") ? "\\fB\\-h\\fR, " : "",
            option->name);
    if (option->argument)
        fprintf(out, " \\fI%s\\fR", option->argument);
    fputs("\n", out);
    roff_lines(out, option->help, "");
}

static void roff_head(const bnn_program *program, FILE *out) {
    fputs(".TH \"", out);
    for (const char *s = program->name; *s; s++)
        roff_char(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s, 0);
    /* No date: the same source gives the same page. */
    fputs("\" 1 \"\" \"", out);
    roff(out, program->name);
    fprintf(out, " %s\" \"User Commands\"\n.SH NAME\n", BNN_VERSION);
    roff(out, program->name);
    fputs(" \\- ", out);
    roff(out, program->summary);
    fputs("\n.SH SYNOPSIS\n\\fB", out);
    roff(out, program->name);
    fputs("\\fR ", out);
    roff(out, program->usage ? program->usage : "");
    fputs("\n.SH DESCRIPTION\n", out);
    roff_lines(out, program->description ? program->description : program->summary, ".PP\n");
}

void bnn_options_print_man(const bnn_program *program, FILE *out) {
    roff_head(program, out);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < program->option_count; i++)
        roff_option(out, &program->options[i]);
    for (size_t i = 0; i < bnn_implicit_option_count; i++)
        if (is_there(program, &bnn_implicit_options[i]))
            roff_implicit(out, &bnn_implicit_options[i]);
    if (program->examples && *program->examples) {
        fputs(".SH EXAMPLES\n.nf\n", out);
        roff_lines(out, program->examples, "");
        fputs(".fi\n", out);
    }
    fputs(".SH \"EXIT STATUS\"\n"
          ".TP\n0\nSuccess.\n"
          ".TP\n1\nAn error; one line on standard error says which.\n"
          ".TP\n130\nInterrupted.\n"
          ".SH \"SEE ALSO\"\n",
          out);
    const char *before = "";
    for (size_t i = 0; i < sizeof siblings / sizeof siblings[0]; i++) {
        if (!strcmp(siblings[i], program->name))
            continue;
        fprintf(out, "%s\\fB", before);
        roff(out, siblings[i]);
        fputs("\\fR(1)", out);
        before = ",\n";
    }
    fputs("\n", out);
}

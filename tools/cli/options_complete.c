/* What bash and zsh complete, printed from the same table as --help. --completion SHELL prints it,
 * which the build asks for; it is not shown, since whoever installs us need not know it. */
#include <string.h>

#include "tools/cli/options_internal.h"

/* What a value is, as far as a shell can help. */
typedef enum kind { NOTHING, CHOICE, FILES, FOLDERS } kind;

static int mentions(const char *argument, const char *word) {
    return argument && strstr(argument, word) != NULL;
}

static kind kind_of(const bnn_option *option) {
    const char *argument = option->argument;
    if (option->type != BNN_OPTION_STRING && option->type != BNN_OPTION_OPTIONAL_STRING)
        return NOTHING;
    if (option->choices)
        return CHOICE;
    if (mentions(argument, "FILE") || mentions(argument, "MODEL"))
        return FILES;
    return mentions(argument, "DIR") || mentions(argument, "RUN") ? FOLDERS : NOTHING;
}

static const char *command_at(const bnn_program *program, size_t i) {
    const char *entry = (const char *)program->commands + i * program->command_size;
    const char *name;
    memcpy(&name, entry, sizeof name); /* a command's first member */
    return name;
}

static void print_names(FILE *out, const char *const *names) {
    for (size_t i = 0; names && names[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", names[i]);
}

static void print_commands(FILE *out, const bnn_program *program) {
    for (size_t i = 0; i < program->command_count; i++)
        fprintf(out, "%s%s", i ? " " : "", command_at(program, i));
}

/* A name as part of another: bnn_train. */
static void print_function(FILE *out, const bnn_program *program) {
    for (const char *c = program->name; *c; c++)
        fputc(*c == '-' ? '_' : *c, out);
}

static int is_there(const bnn_program *program, size_t i) {
    return !bnn_implicit_options[i].only_with_config || bnn_options_have_config(program);
}

/* ---- bash ---- */

static void bash_values(const bnn_program *program, FILE *out) {
    for (size_t i = 0; i < program->option_count; i++) {
        const bnn_option *option = &program->options[i];
        if (option->type == BNN_OPTION_FLAG)
            continue;
        fputs("    ", out);
        if (option->letter)
            fprintf(out, "-%c | ", option->letter);
        fprintf(out, "--%s) ", option->name);
        switch (kind_of(option)) {
        case CHOICE:
            fputs("words='", out);
            print_names(out, option->choices);
            fputs("' ;;\n", out);
            break;
        case FILES:
            fputs("files=-f ;;\n", out);
            break;
        case FOLDERS:
            fputs("files=-d ;;\n", out);
            break;
        case NOTHING:
            /* One whose value may be left out is followed by anything. */
            fputs(option->type == BNN_OPTION_OPTIONAL_STRING ? "value= ;;\n" : ";;\n", out);
            break;
        }
    }
    if (bnn_options_have_config(program))
        fputs("    --config) files=-f ;;\n", out);
}

static void bash_options(const bnn_program *program, FILE *out) {
    for (size_t i = 0; i < program->option_count; i++)
        fprintf(out, "%s--%s", i ? " " : "", program->options[i].name);
    for (size_t i = 0; i < bnn_implicit_option_count; i++)
        if (is_there(program, i))
            fprintf(out, " --%s", bnn_implicit_options[i].name);
}

/* Words break at "=", so that --algo=x is three of them. */
static void print_bash(const bnn_program *program, FILE *out) {
    fprintf(out, "# bash completion of %s, which wrote it: %s --completion bash\n_", program->name,
            program->name);
    print_function(out, program);
    fputs("() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local value=yes words='' files=''\n"
          "    if [[ $cur == = ]]; then\n"
          "        cur=\n"
          "    elif [[ $option == = ]]; then\n"
          "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    case $option in\n",
          out);
    bash_values(program, out);
    fputs("    *) value= ;;\n"
          "    esac\n"
          "    if [[ -z $value && $cur == -* ]]; then\n"
          "        words='",
          out);
    bash_options(program, out);
    fputs("'\n", out);
    if (program->command_count) {
        fputs("    elif [[ -z $value && $COMP_CWORD == 1 ]]; then\n        words='", out);
        print_commands(out, program);
        fputs("'\n", out);
    }
    fputs("    elif [[ -z $value ]]; then\n", out);
    if (program->operand_names) {
        fputs("        words='", out);
        print_names(out, program->operand_names);
        fputs("'\n", out);
    } else {
        fputs("        files=-f\n", out);
    }
    fputs("    fi\n"
          "    COMPREPLY=()\n"
          "    if [[ -n $words ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    elif [[ -n $files ]]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen $files -- \"$cur\")\n"
          "    fi\n"
          "}\n"
          "complete -F _",
          out);
    print_function(out, program);
    fprintf(out, " %s\n", program->name);
}

/* ---- zsh ---- */

/* Within single quotes, and within the brackets or between the colons of _arguments; the first
 * sentence will do. */
static void zsh_text(FILE *out, const char *text) {
    for (; *text && !(*text == '.' && (text[1] == ' ' || text[1] == '\0')); text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void zsh_value(FILE *out, const bnn_option *option) {
    fputs(option->type == BNN_OPTION_OPTIONAL_STRING ? "::" : ":", out);
    zsh_text(out, option->argument ? option->argument : "VALUE");
    switch (kind_of(option)) {
    case CHOICE:
        fputs(":(", out);
        print_names(out, option->choices);
        fputs(")", out);
        break;
    case FILES:
        fputs(":_files", out);
        break;
    case FOLDERS:
        fputs(":_files -/", out);
        break;
    case NOTHING:
        fputs(": ", out);
        break;
    }
}

static void zsh_option(FILE *out, const bnn_option *option) {
    const char *takes = option->type == BNN_OPTION_FLAG ? "" : "=";
    fputs(" \\\n    ", out);
    if (option->letter)
        fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'", option->letter, option->name, option->letter,
                *takes ? "+" : "", option->name, takes);
    else
        fprintf(out, "'--%s%s", option->name, takes);
    fputs("[", out);
    zsh_text(out, option->help ? option->help : "");
    fputs("]", out);
    if (*takes)
        zsh_value(out, option);
    fputs("'", out);
}

static void print_zsh(const bnn_program *program, FILE *out) {
    fprintf(out, "#compdef %s\n# Written by %s --completion zsh.\n_arguments -s", program->name,
            program->name);
    for (size_t i = 0; i < program->option_count; i++)
        zsh_option(out, &program->options[i]);
    for (size_t i = 0; i < bnn_implicit_option_count; i++) {
        const bnn_implicit_option *option = &bnn_implicit_options[i];
        if (!is_there(program, i))
            continue;
        fprintf(out, " \\\n    '--%s%s[", option->name, option->argument ? "=" : "");
        zsh_text(out, option->help);
        fprintf(out, "]%s'", option->argument ? ":FILE:_files" : "");
    }
    if (program->command_count) {
        fputs(" \\\n    '1:command:(", out);
        print_commands(out, program);
        fputs(")'", out);
    }
    if (program->operand_names) {
        fputs(" \\\n    '*:name:(", out);
        print_names(out, program->operand_names);
        fputs(")'\n", out);
    } else if (program->max_operands > 0) {
        fputs(" \\\n    '*:file:_files'\n", out);
    } else {
        fputs("\n", out);
    }
}

int bnn_options_print_completion(const bnn_program *program, const char *shell, FILE *out) {
    if (strcmp(shell, "bash") == 0)
        print_bash(program, out);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(program, out);
    else
        return 0;
    return 1;
}

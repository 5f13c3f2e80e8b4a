/* Names and commands in what programs print, where a user reads them or copies them into a shell.
 */
#ifndef BNN_TOOLS_CLI_SHELL_H
#define BNN_TOOLS_CLI_SHELL_H

/* Room for the longest path of which each character takes four. */
typedef struct bnn_shell_word {
    char s[4 * 4096 + 5];
} bnn_shell_word;

/* A text as one word of a command: as it is, or quoted where a shell would read it otherwise. A
 * path that begins like an option begins with ./ instead; what is longer than a path is cut off. */
bnn_shell_word bnn_shell_quote(const char *text);

/* A name as a line that is printed shows it: of one line, and no command to a terminal. */
bnn_shell_word bnn_shell_show(const char *name);

#endif

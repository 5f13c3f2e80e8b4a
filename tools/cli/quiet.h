/* Several processes of one program do the same, and one of them says it. */
#ifndef BNN_TOOLS_CLI_QUIET_H
#define BNN_TOOLS_CLI_QUIET_H

/* What this process prints from now on, nobody sees; but for bnn_say. */
void bnn_be_quiet(void);
/* A line on stderr, in the name of `program`. */
void bnn_say(const char *program, const char *text);

#endif

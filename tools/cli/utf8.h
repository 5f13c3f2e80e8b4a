/* Names of files are bytes; JSON, which records them, is UTF-8 text. */
#ifndef BNN_TOOLS_CLI_UTF8_H
#define BNN_TOOLS_CLI_UTF8_H

#include <stddef.h>

#include <jansson.h>

/* As UTF-8, reversibly: a byte that is none becomes \xNN, and so does a backslash that stands
 * before an x. malloc'd; NULL when memory is out. */
char *bnn_utf8_escape(const char *bytes);
/* The same as a JSON string; NULL of NULL. */
json_t *bnn_utf8_json(const char *bytes);
/* Back again, in place. */
void bnn_utf8_unescape(char *text);

#endif

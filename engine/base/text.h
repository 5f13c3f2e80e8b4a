/* Numbers and reasons as text, in the C locale whatever the application's is: a file that was
 * written where the decimal point is a comma must be the same file. Nothing is changed for other
 * threads. */
#ifndef BNN_ENGINE_BASE_TEXT_H
#define BNN_ENGINE_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* strtod. */
double bnn_text_to_double(const char *text, char **end);
/* vsnprintf. */
int bnn_text_print(char *out, size_t bytes, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* A character as a line that is printed shows it: one that would end the line, or be a command to a
 * terminal, is '?'. Names of files and what files hold may have such. */
char bnn_text_shown(char c);
/* Bytes of the UTF-8 character at `text` (1 to 4), or 0 if none begins within these `size` bytes. A
 * NUL ends a text, too: one that ends so may be of any size. */
size_t bnn_utf8_length(const char *text, size_t size);
/* Is all of it UTF-8? */
int bnn_utf8_is(const char *text, size_t size);
/* Is `end` the end of `text`? */
int bnn_ends_with(const char *text, const char *end);
/* The number of `name` in a NULL-terminated list, or -1. */
int bnn_name_find(const char *const *names, const char *name);
/* strerror, in English; from several threads at once. */
const char *bnn_reason(int number);

#endif

#include "tools/cli/shell.h"

#include <stdio.h>
#include <string.h>

bnn_shell_word bnn_shell_quote(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./+=:,@%-";
    bnn_shell_word word;
    char *to = word.s, *end = word.s + sizeof word.s - 6; /* a quote, and what ends the word */
    if (*text && !text[strspn(text, plain)]) {
        snprintf(word.s, sizeof word.s, "%s", text);
        return word;
    }
    *to++ = '\'';
    for (; *text && to < end; text++) {
        if (*text == '\'') {
            memcpy(to, "'\\''", 4); /* a quote stands outside of quotes */
            to += 4;
        } else {
            *to++ = *text;
        }
    }
    *to++ = '\'';
    *to = '\0';
    return word;
}

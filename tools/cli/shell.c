#include "tools/cli/shell.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"

bnn_shell_word bnn_shell_show(const char *name) {
    bnn_shell_word word;
    snprintf(word.s, sizeof word.s, "%s", name);
    for (char *c = word.s; *c; c++) {
        *c = bnn_text_shown(*c);
    }
    return word;
}

bnn_shell_word bnn_shell_quote(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./+=:,@%-";
    bnn_shell_word word;
    const char *here = *text == '-' ? "./" : "";
    char *to = word.s, *end = word.s + sizeof word.s - 6; /* a quote, and what ends the word */
    if (*text && !text[strspn(text, plain)]) {
        snprintf(word.s, sizeof word.s, "%s%s", here, text);
        return word;
    }
    to += snprintf(to, 4, "'%s", here);
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

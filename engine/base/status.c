#include "engine/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"

/* Names from a file or a command line end up in messages; a newline or an escape sequence in them
 * must not. */
static void keep_one_line(char *text) {
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}

bnn_code bnn_fail(bnn_error *err, bnn_code code, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        bnn_text_print(err->text, sizeof err->text, format, args);
        va_end(args);
        keep_one_line(err->text);
        err->code = code;
    }
    return code;
}

bnn_code bnn_fail_in(bnn_error *err, bnn_code code, const char *format, ...) {
    if (err) {
        char prefix[256], whole[sizeof err->text + sizeof prefix + 2];
        va_list args;
        va_start(args, format);
        bnn_text_print(prefix, sizeof prefix, format, args);
        va_end(args);
        keep_one_line(prefix);
        snprintf(whole, sizeof whole, "%s: %s", prefix, err->text);
        memcpy(err->text, whole, sizeof err->text);
        err->text[sizeof err->text - 1] = '\0';
        err->code = code;
    }
    return code;
}

#include "engine/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"

/* Names from a file or a command line end up in messages; a newline or an escape sequence in them
 * must not. */
static void keep_one_line(char *text) {
    for (char *p = text; *p; p++) {
        *p = bnn_text_shown(*p);
    }
}

static int inside_character(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* What stands at the front (where it happened) and at the end (a file's name, what is wrong, the
 * cure) is worth more than the middle, which is nearly always a path's. */
static void fit(bnn_error *err, const char *text) {
    static const char gap[] = "...";
    const size_t length = strlen(text), room = sizeof err->text - sizeof gap;
    size_t head = room / 4, tail = length - (room - room / 4);
    if (length < sizeof err->text) {
        memcpy(err->text, text, length + 1);
        return;
    }
    while (head > 0 && inside_character(text[head])) {
        head--;
    }
    while (inside_character(text[tail])) {
        tail++;
    }
    memcpy(err->text, text, head);
    memcpy(err->text + head, gap, sizeof gap - 1);
    memcpy(err->text + head + sizeof gap - 1, text + tail, length - tail + 1);
}

/* "PREFIX: " of the old text, if there is one, in front. Short of memory, the end is lost. */
static void put(bnn_error *err, const char *behind, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = bnn_text_print(NULL, 0, format, again);
    va_end(again);
    size_t bytes = (length > 0 ? (size_t)length : 0) + 3 + (behind ? strlen(behind) : 0);
    char *whole = malloc(bytes);
    if (!whole) {
        int used = bnn_text_print(err->text, sizeof err->text, format, args);
        if (behind && used >= 0 && (size_t)used < sizeof err->text) {
            snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", behind);
        }
    } else {
        int used = bnn_text_print(whole, bytes, format, args);
        if (behind && used >= 0) {
            snprintf(whole + used, bytes - (size_t)used, ": %s", behind);
        }
        fit(err, used >= 0 ? whole : format);
    }
    free(whole);
    keep_one_line(err->text);
}

bnn_code(bnn_fail)(bnn_error *err, bnn_code code, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        put(err, NULL, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

bnn_code(bnn_fail_in)(bnn_error *err, bnn_code code, const char *format, ...) {
    if (err) {
        char before[sizeof err->text];
        va_list args;
        memcpy(before, err->text, sizeof before);
        va_start(args, format);
        put(err, before, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

static const char *cure_of(int number) {
    switch (number) {
    case ENOENT:
        return " (is the path spelled right, and does its folder exist?)";
    case ENOTDIR:
        return " (a part of the path is a file, not a folder)";
    case ENAMETOOLONG:
        return " (choose a shorter one)";
    case EACCES:
    case EPERM:
    case EROFS:
        return " (check the permissions, or choose another folder)";
    case ENOSPC:
    case EDQUOT:
        return " (free some space, or choose another disk)";
    case EFBIG:
        return " (the file size limit, see ulimit -f, or the file system's is too small)";
    case EPIPE:
        return " (who reads it has stopped)";
    default:
        return "";
    }
}

bnn_code bnn_fail_errno(bnn_error *err, const char *path, const char *what, int number) {
    if (number == ENOMEM) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: cannot %s: out of memory", path, what);
    }
    return bnn_fail(err, BNN_ERR_IO, "%s: cannot %s: %s%s", path, what, bnn_reason(number),
                    cure_of(number));
}

#include "engine/base/text.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;

static void make_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* needs no memory */
}

/* This thread's locale before it became C; 0 where that cannot be had. */
static locale_t enter(void) {
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, make_locale);
    return c_locale ? uselocale(c_locale) : (locale_t)0;
}

static void leave(locale_t before) {
    if (before) {
        uselocale(before);
    }
}

double bnn_text_to_double(const char *text, char **end) {
    locale_t before = enter();
    double value = strtod(text, end);
    leave(before);
    return value;
}

int bnn_text_print(char *out, size_t bytes, const char *format, va_list args) {
    locale_t before = enter();
    int length = vsnprintf(out, bytes, format, args);
    leave(before);
    return length;
}

char bnn_text_shown(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

const char *bnn_reason(int number) {
    leave(enter()); /* makes the locale */
    return c_locale ? strerror_l(number, c_locale) : "unknown error";
}

size_t bnn_utf8_length(const char *text, size_t size) {
    const unsigned char *s = (const unsigned char *)text;
    if (size == 0 || (s[0] >= 0x80 && s[0] < 0xC2) || s[0] > 0xF4) {
        return 0;
    }
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < length; i++) { /* a NUL stops this, too */
        if (i >= size || (s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    int too_long = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    int no_scalar = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return too_long || no_scalar ? 0 : length;
}

int bnn_utf8_is(const char *text, size_t size) {
    size_t at = 0, length = 1;
    for (; at < size && length; at += length) {
        length = bnn_utf8_length(text + at, size - at);
    }
    return length != 0;
}

int bnn_ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && memcmp(text + length - tail, end, tail) == 0;
}

int bnn_name_find(const char *const *names, const char *name) {
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

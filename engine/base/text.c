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

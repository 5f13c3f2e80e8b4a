/* What a refusal must be. */
#ifndef BNN_TESTS_EXPECT_ERROR_H
#define BNN_TESTS_EXPECT_ERROR_H

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "engine/base/status.h"

/* The error is one line and holds each of the texts (NULL-terminated). */
static void expect_error(bnn_code got, bnn_code expected, const bnn_error *err, ...) {
    ck_assert_msg(got == expected, "code %d, expected %d: %s", got, expected, err->text);
    ck_assert_int_eq(err->code, expected);
    ck_assert_ptr_null(strchr(err->text, '\n'));
    va_list texts;
    va_start(texts, err);
    for (const char *text; (text = va_arg(texts, const char *)) != NULL;) {
        ck_assert_msg(strstr(err->text, text) != NULL, "no \"%s\" in: %s", text, err->text);
    }
    va_end(texts);
}

#endif

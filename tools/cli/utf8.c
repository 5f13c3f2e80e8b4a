#include "tools/cli/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"

char *bnn_utf8_escape(const char *bytes) {
    char *text = malloc(4 * strlen(bytes) + 1), *to = text;
    while (text && *bytes) {
        size_t length = bnn_utf8_length(bytes, 4);
        if (!length || (bytes[0] == '\\' && bytes[1] == 'x')) {
            to += snprintf(to, 5, "\\x%02x", (unsigned char)*bytes++);
        } else {
            memcpy(to, bytes, length);
            to += length;
            bytes += length;
        }
    }
    if (text)
        *to = '\0';
    return text;
}

json_t *bnn_utf8_json(const char *bytes) {
    char *text = bytes ? bnn_utf8_escape(bytes) : NULL;
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte of an escape, or 0: no name has that one. */
static int escaped_byte(const char *text) {
    if (text[0] != '\\' || text[1] != 'x' || digit(text[2]) < 0 || digit(text[3]) < 0)
        return 0;
    return 16 * digit(text[2]) + digit(text[3]);
}

void bnn_utf8_unescape(char *text) {
    char *to = text;
    while (*text) {
        int byte = escaped_byte(text);
        *to++ = byte ? (char)byte : *text;
        text += byte ? 4 : 1;
    }
    *to = '\0';
}

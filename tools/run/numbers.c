#include "tools/run/numbers.h"

#include <stdio.h>
#include <stdlib.h>

json_t *bnn_numbers_json(const int16_t *small, const int32_t *large, size_t count) {
    char *text = calloc(count + 1, 12), *at = text;
    for (size_t i = 0; text && i < count; i++) {
        at += sprintf(at, "%s%d", i ? " " : "", small ? small[i] : large ? (int)large[i] : 0);
    }
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

int bnn_numbers_read(const json_t *json, int least, int most, size_t count, int16_t *small,
                     int32_t *large) {
    const char *at = json_string_value(json);
    for (size_t i = 0; at && i < count; i++) {
        if (i && *at++ != ' ') {
            return 0;
        }
        const int sign = *at == '-' ? -1 : 1;
        int value = 0, digits = 0;
        for (at += *at == '-'; *at >= '0' && *at <= '9' && digits < 4; digits++) {
            value = value * 10 + (*at++ - '0');
        }
        value *= sign;
        if (!digits || value < least || value > most) {
            return 0;
        }
        if (small) {
            small[i] = (int16_t)value;
        } else {
            large[i] = value;
        }
    }
    return at && !*at;
}

/* Numbers in text, fast: a cloud has 60,000 of them, read anew each time it is drawn. The decision:
 * what has at most 2^53 as its digits and at most 22 as its power of ten is one exact division or
 * product (Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990); the C library
 * reads the rest. Both give the nearest double, so the result does not depend on which it was. */
#include <math.h>
#include <string.h>

#include "data_loaders/clouds/clouds.h"
#include "engine/base/text.h"

#define LONGEST 512 /* characters of a number */
#define EXACT_POWER 22
#define MANY 10000 /* as an exponent */

static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bnn_scan bnn_scan_start(const char *name, const unsigned char *bytes, size_t size) {
    const char *text = bytes ? (const char *)bytes : "";
    return (bnn_scan){name, text, text, text + size};
}

static int is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == ',';
}

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

int bnn_scan_more(bnn_scan *scan) {
    while (scan->at < scan->end && is_blank(*scan->at)) {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == '#') {
        const char *end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
        scan->at = end ? end : scan->end;
    }
    return scan->at < scan->end && *scan->at != '\n';
}

int bnn_scan_next(bnn_scan *scan) {
    while (!bnn_scan_more(scan)) {
        if (scan->at == scan->end) {
            return 0;
        }
        scan->at++;
    }
    return 1;
}

void bnn_scan_skip_line(bnn_scan *scan) {
    const char *end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    scan->at = end ? end + 1 : scan->end;
}

size_t bnn_scan_line(const bnn_scan *scan) {
    size_t line = 1;
    for (const char *p = scan->begin; p < scan->at; p++) {
        line += *p == '\n';
    }
    return line;
}

/* Where the word here ends. */
static const char *word_end(const bnn_scan *scan) {
    const char *p = scan->at;
    while (p < scan->end && *p != '\n' && *p != '#' && !is_blank(*p)) {
        p++;
    }
    return p;
}

/* The C library's, which needs an end that it knows. */
static int slow_number(const char *text, size_t length, double *value) {
    char copy[LONGEST + 1];
    char *end;
    if (length > LONGEST) {
        return 0;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    *value = bnn_text_to_double(copy, &end);
    return end == copy + length;
}

/* What stands between two places as [+-]digits[.digits][e[+-]digits]. 0: it does not. */
static int read_number(const char *text, const char *end, double *value) {
    const char *p = text;
    uint64_t digits = 0;
    int count = 0, fraction = 0, exponent = 0, seen = 0;
    p += p < end && (*p == '-' || *p == '+');
    for (int after = 0; p < end && (is_digit(*p) || (*p == '.' && !after)); p++) {
        if (*p == '.') {
            after = 1;
            continue;
        }
        seen = 1;
        count += digits > 0 || *p != '0';
        if (count <= 19) {
            digits = digits * 10 + (uint64_t)(*p - '0');
        }
        fraction += after && fraction < MANY;
    }
    if (!seen) {
        return 0;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        int sign = ++p < end && *p == '-' ? -1 : 1;
        p += p < end && (*p == '-' || *p == '+');
        if (p == end) {
            return 0;
        }
        for (; p < end && is_digit(*p); p++) {
            exponent = exponent < MANY ? exponent * 10 + (*p - '0') : exponent;
        }
        exponent *= sign;
    }
    if (p != end) {
        return 0;
    }
    exponent -= fraction;
    if (count > 19 || digits > (uint64_t)1 << 53 || exponent < -EXACT_POWER ||
        exponent > EXACT_POWER) {
        return slow_number(text, (size_t)(end - text), value);
    }
    *value = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    *value = *text == '-' ? -*value : *value;
    return 1;
}

void bnn_scan_skip_word(bnn_scan *scan) {
    scan->at = word_end(scan);
}

bnn_code bnn_scan_number(bnn_scan *scan, double *value, bnn_error *err) {
    const char *end = word_end(scan);
    if (!read_number(scan->at, end, value) || !isfinite((float)*value)) {
        size_t length = (size_t)(end - scan->at);
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu: '%.*s' where a finite number is expected; the file is "
                        "damaged or of another kind, copy it again",
                        scan->name, bnn_scan_line(scan), (int)(length < 24 ? length : 24),
                        scan->at);
    }
    scan->at = end;
    return BNN_OK;
}

bnn_code bnn_scan_float(bnn_scan *scan, float *value, bnn_error *err) {
    double number;
    bnn_code code = bnn_scan_number(scan, &number, err);
    if (code == BNN_OK) {
        *value = (float)number;
    }
    return code;
}

bnn_code bnn_scan_integer(bnn_scan *scan, uint32_t most, const char *what, uint32_t *value,
                          bnn_error *err) {
    const char *at = scan->at;
    double number;
    bnn_code code = bnn_scan_number(scan, &number, err);
    if (code != BNN_OK) {
        return code;
    }
    if (number < 0.0 || number > most || floor(number) != number) {
        scan->at = at;
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu: %s %.9g, expected a whole number from 0 to %u; the file is "
                        "damaged, copy it again",
                        scan->name, bnn_scan_line(scan), what, number, most);
    }
    *value = (uint32_t)number;
    return BNN_OK;
}

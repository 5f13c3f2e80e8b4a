#include "tools/fetch/sums.h"

#include <stdlib.h>
#include <string.h>

#include "tools/fetch/path.h"

enum { DIGITS = 64, BEFORE_PATH = DIGITS + 2 };

/* "SHA-256, two blanks (or a blank and a star), PATH". */
static int take_line(char *line, bnn_sum *sum) {
    char safe[BNN_FETCH_PATH];
    const size_t digits = strspn(line, "0123456789abcdef");
    if (digits != DIGITS || line[DIGITS] != ' ' ||
        (line[DIGITS + 1] != ' ' && line[DIGITS + 1] != '*')) {
        return 0;
    }
    memcpy(sum->sha256, line, DIGITS);
    sum->sha256[DIGITS] = '\0';
    sum->path = line + BEFORE_PATH;
    return bnn_safe_path(sum->path, safe) && *safe && strcmp(safe, sum->path) == 0;
}

bnn_code bnn_sums_parse(const char *name, const char *text, size_t size, bnn_sums *sums,
                        bnn_error *err) {
    size_t lines = 1;
    *sums = (bnn_sums){0};
    for (size_t i = 0; i < size; i++) {
        lines += text[i] == '\n';
    }
    sums->text = malloc(size + 1);
    sums->sum = calloc(lines, sizeof *sums->sum);
    if (!sums->text || !sums->sum) {
        bnn_sums_free(sums);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    memcpy(sums->text, text, size);
    sums->text[size] = '\0';
    for (char *line = sums->text, *end; line < sums->text + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(sums->text + size - line));
        end = end ? end : sums->text + size;
        *end = '\0';
        if (*line == '\0' && line == end) {
            continue;
        }
        if (!take_line(line, &sums->sum[sums->count])) {
            bnn_sums_free(sums);
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: has a line that is not 'SHA-256  PATH'; fetch the set again",
                            name);
        }
        sums->count++;
    }
    return BNN_OK;
}

void bnn_sums_free(bnn_sums *sums) {
    free(sums->sum);
    free(sums->text);
    *sums = (bnn_sums){0};
}

/* Which of the functions in loops.inc a text calls. A section begins with a heading of its name;
 * whoever writes that name and a parenthesis calls it. */
#include <string.h>

#include "models/export/c/write.h"

#define SECTIONS 64
static const char mark[] = "/* ---- ";

typedef struct sections {
    size_t count;
    size_t first[SECTIONS]; /* line of the heading */
    int used[SECTIONS];
} sections;

static int is_heading(const char *line) {
    return strncmp(line, mark, sizeof mark - 1) == 0;
}

static int in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int calls(const char *text, const char *heading) {
    const char *name = heading + sizeof mark - 1;
    const size_t length = strcspn(name, " ");
    char before = ' ';
    for (; *text; before = *text++) {
        if (!in_name(before) && strncmp(text, name, length) == 0 && text[length] == '(') {
            return 1;
        }
    }
    return 0;
}

/* The first line behind a section. */
static size_t end_of(const sections *s, size_t section) {
    size_t line = s->first[section] + 1;
    while (bnn_c_loops[line] && !is_heading(bnn_c_loops[line])) {
        line++;
    }
    return line;
}

static void find_sections(sections *s) {
    *s = (sections){0};
    for (size_t i = 0; bnn_c_loops[i] && s->count < SECTIONS; i++) {
        if (is_heading(bnn_c_loops[i])) {
            s->first[s->count++] = i;
        }
    }
}

/* Those stand in front of the ones that use them. */
static void use_others(sections *s) {
    for (size_t i = s->count; i-- > 0;) {
        for (size_t line = s->first[i] + 1; s->used[i] && line < end_of(s, i); line++) {
            for (size_t k = 0; k < i; k++) {
                s->used[k] |= calls(bnn_c_loops[line], bnn_c_loops[s->first[k]]);
            }
        }
    }
}

static int is_type(const sections *s, size_t section) {
    for (size_t line = s->first[section]; line < end_of(s, section); line++) {
        if (strncmp(bnn_c_loops[line], "typedef ", 8) == 0) {
            return 1;
        }
    }
    return 0;
}

void bnn_c_put_loops(FILE *out, const char *text, int types) {
    sections s;
    find_sections(&s);
    for (size_t i = 0; i < s.count; i++) {
        s.used[i] = is_type(&s, i) || calls(text, bnn_c_loops[s.first[i]]);
    }
    use_others(&s);
    for (size_t i = 0; i < s.count; i++) {
        /* A blank line stands behind the heading, and in front of the next one. */
        for (size_t line = s.first[i] + 2;
             s.used[i] && is_type(&s, i) == types && line < end_of(&s, i); line++) {
            fputs(bnn_c_loops[line], out);
        }
    }
}

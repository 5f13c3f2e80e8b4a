/* The command line on arbitrary words: the lines of the input. A refusal is one line on stderr and
 * nothing else; an answer (--help and its like) is on stdout; what is accepted prints nothing, and
 * is within its ranges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/options_table.h"

enum { MOST_WORDS = 64 };

typedef struct capture {
    FILE *file;
    char *text;
    size_t size;
} capture;

static void begin(capture *c) {
    c->file = open_memstream(&c->text, &c->size);
    bnn_insist(c->file != NULL);
}

/* --config may name any file of this machine, a pipe among them: not a matter of chance. */
static int names_a_file(char **word, int count) {
    int found = 0;
    for (int i = 1; i < count; i++) {
        found |= strncmp(word[i], "--config", 8) == 0;
    }
    return found;
}

static void check_values(void) {
    bnn_insist(batch_size >= 1 && batch_size <= 65536);
    bnn_insist(lr >= 0 && lr <= 10 && !signbit(lr) && isfinite(any));
    int known = 0;
    for (size_t i = 0; algorithms[i]; i++) {
        known |= strcmp(algo, algorithms[i]) == 0;
    }
    bnn_insist(known);
    bnn_insist(program.operand_count >= 1 && program.operand_count <= 2 && operands[0]);
}

static void run(char **word, int count) {
    capture printed, refused;
    FILE *real_out = stdout, *real_err = stderr;
    set_defaults();
    begin(&printed);
    begin(&refused);
    stdout = printed.file;
    stderr = refused.file;
    bnn_parse_result result = bnn_options_parse(&program, count, word);
    stdout = real_out;
    stderr = real_err;
    fclose(printed.file);
    fclose(refused.file);
    if (result == BNN_PARSE_ERROR) {
        bnn_insist(refused.size > 1 &&
                   strpbrk(refused.text, "\n\r\033") == refused.text + refused.size - 1);
    } else {
        bnn_insist(refused.size == 0);
    }
    bnn_insist((result == BNN_PARSE_DONE) == (printed.size > 0));
    if (result == BNN_PARSE_RUN) {
        check_values();
    }
    free(printed.text);
    free(refused.text);
}

/* As the commands of a program, whose table has nothing but names. */
static void look_up(const char *name) {
    bnn_error err = {0};
    size_t count = 0;
    while (algorithms[count]) {
        count++;
    }
    const char *const *found = bnn_command_find(name, algorithms, sizeof *algorithms, count, &err);
    bnn_insist(found ? strcmp(*found, name) == 0 : err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char name[] = "bnn-fuzz";
    char *word[MOST_WORDS + 1] = {name}, *text = malloc(size + 1);
    int count = 1;
    bnn_insist(text != NULL);
    memcpy(text, bytes ? bytes : (const uint8_t *)"", size);
    text[size] = '\0';
    for (char *at = text; at && size && count < MOST_WORDS; count++) {
        char *end = strchr(at, '\n');
        word[count] = at;
        if (end) {
            *end = '\0';
        }
        at = end ? end + 1 : NULL;
    }
    if (!names_a_file(word, count)) {
        run(word, count);
    }
    if (count > 1) {
        look_up(word[1]);
    }
    free(text);
    return 0;
}

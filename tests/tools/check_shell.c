/* A quoted word is what a shell reads as the text. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/shell.h"

static const char *const texts[] = {"runs/bnn-resnet20",
                                    "my runs/a",
                                    "it's",
                                    "'",
                                    "$HOME",
                                    "",
                                    "a\nb\\",
                                    "*",
                                    "`x`;",
                                    "#",
                                    "~/it\"s"};

START_TEST(shell_reads_it) {
    const char *text = texts[_i];
    char command[100], read[40] = "";
    snprintf(command, sizeof command, "printf %%s. %.60s", bnn_shell_quote(text).s);
    FILE *from = popen(command, "r");
    ck_assert_ptr_nonnull(from);
    const size_t count = fread(read, 1, sizeof read - 1, from);
    ck_assert_int_eq(pclose(from), 0);
    ck_assert_uint_eq(count, strlen(text) + 1);
    ck_assert(memcmp(read, text, strlen(text)) == 0);
}
END_TEST

START_TEST(as_it_is) {
    ck_assert_str_eq(bnn_shell_quote("/a-b_c/d.e=f,g:h@i%j+k").s, "/a-b_c/d.e=f,g:h@i%j+k");
    ck_assert_str_eq(bnn_shell_quote("a b").s, "'a b'");
    ck_assert_str_eq(bnn_shell_quote("-d").s, "./-d");
    ck_assert_str_eq(bnn_shell_quote("-a b").s, "'./-a b'");
}
END_TEST

/* Cut off, but still one word. */
START_TEST(too_long) {
    static char longest[6000];
    memset(longest, '\'', sizeof longest - 1);
    const bnn_shell_word word = bnn_shell_quote(longest);
    const size_t length = strlen(word.s);
    ck_assert_uint_lt(length, sizeof word.s);
    ck_assert_uint_eq(length % 4, 2);
    ck_assert(word.s[length - 1] == '\'' && word.s[length - 2] == '\'');
    memset(longest, ' ', sizeof longest - 1);
    ck_assert_uint_eq(strlen(bnn_shell_quote(longest).s), sizeof longest + 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shell");
    TCase *cases = tcase_create("shell");
    tcase_add_loop_test(cases, shell_reads_it, 0, sizeof texts / sizeof *texts);
    tcase_add_test(cases, as_it_is);
    tcase_add_test(cases, too_long);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The progress bar on a terminal of several widths (a pty), and its lines elsewhere. */
#include <check.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "tools/cli/progress.h"

static char shown[8192];
static int kept_stderr;

static void take_stderr(int fd) {
    kept_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void use_terminal_type(void) {
    setenv("TERM", "xterm", 1);
}

static void give_back_stderr(void) {
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
}

/* All that was written to the terminal. A pty hands on its data bit by bit, and ends with an error
 * once nobody holds the other side. */
static void read_terminal(int master) {
    size_t length = 0;
    ssize_t got;
    while ((got = read(master, shown + length, sizeof shown - 1 - length)) > 0)
        length += (size_t)got;
    shown[length] = '\0';
    close(master);
}

/* Resumed at 60000 images, and at 80000 after what looks like 1000 seconds: a slow machine's delays
 * change no digit. What the terminal got goes to `shown`. */
static void show_on_terminal(unsigned short width, size_t total, const char *note) {
    int master, slave;
    struct winsize size = {.ws_row = 24, .ws_col = width};
    bnn_progress p;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, &size), 0);
    take_stderr(slave);
    close(slave);
    bnn_progress_start(&p, "epoch 2/5", total, "images", 60000);
    p.started -= 999.6;
    bnn_progress_update(&p, 80000, note);
    int terminal = p.terminal, drew = p.drew;
    bnn_progress_end(&p, note);
    give_back_stderr();
    ck_assert(terminal && drew);
    read_terminal(master);
}

/* The one bar that was drawn, without its control sequences. */
static char *bar(void) {
    ck_assert_int_eq(shown[0], '\r');
    char *end = strstr(shown, "\033[K");
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end, "\033[K\r\033[K"); /* drawn once, cleared once */
    *end = '\0';
    return shown + 1;
}

START_TEST(bar_on_a_terminal) {
    show_on_terminal(120, 100000, "loss 1.234");
    ck_assert_str_eq(bar(), "epoch 2/5 [========================>     ]  80% 80000/100000 images "
                            "20/s ETA 16:40 loss 1.234");
    show_on_terminal(65, 100000, "loss 1.234"); /* no room for a bar */
    ck_assert_str_eq(bar(), "epoch 2/5  80% 80000/100000 images 20/s ETA 16:40 loss 1.234");
    show_on_terminal(20, 100000, "loss 1.234");
    ck_assert_str_eq(bar(), "epoch 2/5  80% 8000");
    show_on_terminal(1, 100000, "loss 1.234");
    ck_assert_str_eq(bar(), "");
    show_on_terminal(120, 0, NULL); /* total unknown */
    ck_assert_str_eq(bar(), "epoch 2/5 80000 images 20/s 16:40");
    show_on_terminal(120, 70000, ""); /* more than expected */
    ck_assert_ptr_nonnull(strstr(bar(), "[==============================] 100% 80000/70000"));
    show_on_terminal(120, 10000000, "");
    ck_assert_ptr_nonnull(strstr(bar(), " ETA 137:")); /* 137 hours */
}
END_TEST

START_TEST(bar_never_wraps) {
    for (unsigned short width = 2; width < 130; width += 3) {
        show_on_terminal(width, 100000, "gr\xc3\xbc\xc3\x9f\x65");
        size_t columns = 0;
        for (const char *s = bar(); *s; s++)
            columns += ((unsigned char)*s & 0xC0) != 0x80;
        ck_assert_uint_lt(columns, width);
    }
    unsetenv("COLUMNS");
    show_on_terminal(0, 100000, ""); /* size unknown */
    ck_assert_uint_lt(strlen(bar()), 80);
    setenv("COLUMNS", "30", 1);
    show_on_terminal(0, 100000, "");
    ck_assert_uint_eq(strlen(bar()), 29);
}
END_TEST

START_TEST(bar_is_redrawn_seldom) {
    int master, slave;
    bnn_progress p;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    take_stderr(slave);
    close(slave);
    double before = bnn_now();
    bnn_progress_start(&p, "x", 10000, "steps", 0);
    for (size_t i = 0; i < 10000; i++)
        bnn_progress_update(&p, i, NULL);
    double seconds = bnn_now() - before;
    bnn_progress_end(&p, NULL);
    give_back_stderr();
    read_terminal(master);
    int draws = 0;
    for (const char *s = shown; (s = strchr(s, '\r')); s++)
        draws++;
    ck_assert_int_ge(draws, 2);
    ck_assert_int_le(draws, 2 + (int)(seconds / 0.2)); /* the first, the clearing, 5 a second */
}
END_TEST

static void read_lines(FILE *file) {
    rewind(file);
    size_t length = fread(shown, 1, sizeof shown - 1, file);
    shown[length] = '\0';
    fclose(file);
}

START_TEST(lines_elsewhere) {
    FILE *file = tmpfile();
    bnn_progress p;
    take_stderr(fileno(file));
    bnn_progress_start(&p, "test", 100000, "images", 0);
    for (size_t i = 0; i < 500; i++)
        bnn_progress_update(&p, i, NULL);
    p.started -= 999.6; /* the next line's time has come */
    p.drawn -= 11;
    bnn_progress_update(&p, 50000, "loss 1");
    bnn_progress_update(&p, 60000, "loss 1");
    bnn_progress_end(&p, "loss 2");
    give_back_stderr();
    ck_assert_int_eq(p.terminal, 0);
    read_lines(file);
    ck_assert_str_eq(shown, "test 50% 50000/100000 images 50/s ETA 16:40 loss 1\n"
                            "test 60% 60000/100000 images 60/s 16:40 loss 2\n");
}
END_TEST

START_TEST(dumb_terminal_gets_lines) {
    int master, slave;
    bnn_progress p;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    setenv("TERM", "dumb", 1);
    take_stderr(slave);
    bnn_progress_start(&p, "x", 0, NULL, 0);
    give_back_stderr();
    ck_assert_int_eq(p.terminal, 0);
    close(master);
    close(slave);
}
END_TEST

START_TEST(rate_counts_what_is_new) {
    bnn_progress p;
    bnn_progress_start(&p, "x", 100, "steps", 40);
    ck_assert_double_eq(bnn_progress_rate(&p), 0);
    p.started -= 1000;
    p.done = 60;
    ck_assert_double_eq_tol(bnn_progress_rate(&p), 0.02, 0.0001);
    p.done = 30; /* nonsense is no negative rate */
    ck_assert_double_eq(bnn_progress_rate(&p), 0);
    double a = bnn_now(), b = bnn_now();
    ck_assert(b >= a && a > 0);
}
END_TEST

/* A bare chroot has no /dev/pts. */
static int have_terminals(void) {
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0)
        return 0;
    close(master);
    close(slave);
    return 1;
}

int main(void) {
    const int terminals = have_terminals();
    Suite *suite = suite_create("progress");
    TCase *cases = tcase_create("progress");
    tcase_add_checked_fixture(cases, use_terminal_type, NULL);
    if (terminals) {
        tcase_add_test(cases, bar_on_a_terminal);
        tcase_add_test(cases, bar_never_wraps);
        tcase_add_test(cases, bar_is_redrawn_seldom);
        tcase_add_test(cases, dumb_terminal_gets_lines);
    }
    tcase_add_test(cases, lines_elsewhere);
    tcase_add_test(cases, rate_counts_what_is_new);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (!terminals)
        puts("SKIPPED: the bar, as there is no pseudo-terminal to draw it on");
    return failed ? EXIT_FAILURE : terminals ? EXIT_SUCCESS : 77;
}

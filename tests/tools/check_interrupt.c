/* Signals: the first is remembered, a second SIGINT or SIGTERM kills, others never do. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/cli/interrupt.h"

static const int patient[] = {SIGHUP, SIGUSR1, SIGUSR2}, impatient[] = {SIGINT, SIGTERM};

START_TEST(first_is_remembered) {
    bnn_interrupt_catch();
    ck_assert(!bnn_interrupted());
    raise(impatient[_i]);
    ck_assert(bnn_interrupted());
    bnn_interrupt_forget();
    ck_assert(!bnn_interrupted());
}
END_TEST

START_TEST(second_kills) {
    bnn_interrupt_catch();
    raise(impatient[_i]);
    raise(impatient[_i]);
}
END_TEST

START_TEST(some_may_come_often) {
    bnn_interrupt_catch();
    for (int times = 0; times < 3; times++) {
        raise(patient[_i]);
    }
    ck_assert(bnn_interrupted());
}
END_TEST

START_TEST(ignored_stays_ignored) {
    signal(patient[_i], SIG_IGN);
    bnn_interrupt_catch();
    raise(patient[_i]);
    ck_assert(!bnn_interrupted());
}
END_TEST

START_TEST(a_gone_reader_kills_nobody) {
    int ends[2];
    bnn_interrupt_forbid_kills();
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq((int)write(ends[1], "x", 1), -1);
    raise(SIGXFSZ);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("interrupt");
    TCase *cases = tcase_create("interrupt");
    tcase_add_loop_test(cases, first_is_remembered, 0, 2);
    tcase_add_loop_test_raise_signal(cases, second_kills, SIGINT, 0, 1);
    tcase_add_loop_test_raise_signal(cases, second_kills, SIGTERM, 1, 2);
    tcase_add_loop_test(cases, some_may_come_often, 0, 3);
    tcase_add_loop_test(cases, ignored_stays_ignored, 0, 3);
    tcase_add_test(cases, a_gone_reader_kills_nobody);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK); /* signals are for the process of the test */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

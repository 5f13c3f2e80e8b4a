/* A lock is one's at a time, needs no cleaning up, and does without where there are none. The
 * system's flock is replaced by one that can be told to fail. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cli/lock.h"

static int refusal; /* of flock; 0: it works */

int flock(int fd, int operation) {
    if (refusal) {
        errno = refusal;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static char folder[64];
static bnn_lock first, second;
static bnn_error err;
static const bnn_lock_text text = {"bnn-test", "PLACE", "works there; wait"};

static void set_up(void) {
    strcpy(folder, "/tmp/check_lock.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    refusal = 0;
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void take(bnn_lock *lock) {
    bnn_code code = bnn_lock_folder(lock, folder, &text, &err);
    ck_assert_msg(code == BNN_OK && lock->held, "%s", err.text);
}

static void expect_busy(bnn_code code) {
    char expected[200], host[128] = "";
    gethostname(host, sizeof host - 1);
    snprintf(expected, sizeof expected,
             "PLACE: another bnn-test (pid %ld on %.100s) works there; wait", (long)getpid(), host);
    ck_assert_int_ne(code, BNN_OK);
    ck_assert_str_eq(err.text, expected);
}

START_TEST(one_at_a_time) {
    take(&first);
    expect_busy(bnn_lock_folder(&second, folder, &text, &err));
    ck_assert(!second.held);
    bnn_lock_let_go(&second); /* harmless */
    bnn_lock_let_go(&first);
    ck_assert_int_eq(access(in_folder(".lock"), F_OK), 0);
    take(&second);
    bnn_lock_remove(&second);
    ck_assert_int_eq(access(in_folder(".lock"), F_OK), -1);
    bnn_lock_remove(&second);
    take(&first);
    bnn_lock_let_go(&first);
}
END_TEST

START_TEST(a_dead_holder_holds_nothing) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        _exit(bnn_lock_folder(&first, folder, &text, &err) == BNN_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    take(&second);
    bnn_lock_let_go(&second);
}
END_TEST

START_TEST(a_file_has_its_own) {
    char path[128];
    strcpy(path, in_folder("out.json"));
    ck_assert_int_eq(bnn_lock_file(&first, path, &text, &err), BNN_OK);
    ck_assert_int_eq(access(in_folder(".out.json.lock"), F_OK), 0);
    expect_busy(bnn_lock_file(&second, path, &text, &err));
    ck_assert_int_eq(symlink("out.json", in_folder("link")), 0);
    expect_busy(bnn_lock_file(&second, in_folder("link"), &text, &err));
    ck_assert_int_eq(bnn_lock_file(&second, in_folder("other"), &text, &err), BNN_OK);
    bnn_lock_remove(&first);
    bnn_lock_remove(&second);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(bnn_lock_file(&first, "here", &text, &err), BNN_OK);
    ck_assert_int_eq(access(".here.lock", F_OK), 0);
    ck_assert_int_eq(chdir("/"), 0);
    bnn_lock_let_go(&first);
}
END_TEST

/* NFS without its lock service and such: with a note, not without the work. */
START_TEST(no_locks_there) {
    static const int reasons[] = {ENOLCK, EOPNOTSUPP, ENOSYS};
    refusal = reasons[_i];
    FILE *said = tmpfile();
    int kept = dup(STDERR_FILENO);
    char line[400] = "", more[8];
    dup2(fileno(said), STDERR_FILENO);
    bnn_code code = bnn_lock_folder(&first, folder, &text, &err);
    dup2(kept, STDERR_FILENO);
    close(kept);
    ck_assert_int_eq(code, BNN_OK);
    rewind(said);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, said));
    ck_assert_msg(strncmp(line, "bnn-test: note: PLACE: cannot be locked", 39) == 0, "%s", line);
    ck_assert_ptr_null(fgets(more, sizeof more, said));
    fclose(said);
    bnn_lock_let_go(&first);
}
END_TEST

START_TEST(errors) {
    refusal = EIO;
    ck_assert_int_ne(bnn_lock_folder(&first, folder, &text, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "/.lock: cannot lock it: "));
    refusal = 0;
    ck_assert_int_ne(bnn_lock_folder(&first, in_folder("nowhere"), &text, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "nowhere/.lock: cannot write"));
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    ck_assert_int_ne(bnn_lock_folder(&first, longest, &text, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "too long"));
    ck_assert_int_ne(bnn_lock_file(&first, longest, &text, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "too long"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lock");
    TCase *cases = tcase_create("lock");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, one_at_a_time);
    tcase_add_test(cases, a_dead_holder_holds_nothing);
    tcase_add_test(cases, a_file_has_its_own);
    tcase_add_loop_test(cases, no_locks_there, 0, 3);
    tcase_add_test(cases, errors);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* How many threads there are by default: what control groups leave of the processors, read from
 * made hierarchies, and what the user's environment says, read by a program of its own. */
#include <check.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu/threads.h"
#include "engine/device.h"

static char mount[64], groups[128];

static void set_up(void) {
    snprintf(mount, sizeof mount, "/tmp/bnn-check-threads-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(mount));
    snprintf(groups, sizeof groups, "%s/groups", mount);
}

static void tear_down(void) {
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s'", mount);
    ck_assert_int_eq(system(command), 0);
}

/* Writes MOUNT/NAME, and its folders. */
static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", mount, name);
    for (char *slash = strchr(path + strlen(mount) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static int quota(void) {
    return bnn_cpu_quota(groups, mount);
}

START_TEST(no_groups) {
    ck_assert_int_eq(quota(), INT_MAX);
    put("groups", "0::/\n");
    ck_assert_int_eq(quota(), INT_MAX);
    put("cpu.max", "max 100000\n");
    ck_assert_int_eq(quota(), INT_MAX);
}
END_TEST

START_TEST(version_2) {
    put("groups", "0::/a/b\n");
    put("a/b/cpu.max", "150000 100000\n");
    ck_assert_int_eq(quota(), 2);
    put("a/cpu.max", "100000 100000\n"); /* the tighter one counts, wherever it stands */
    ck_assert_int_eq(quota(), 1);
    put("a/cpu.max", "max 100000\n");
    put("a/b/cpu.max", "1000 100000\n");
    ck_assert_int_eq(quota(), 1);
    put("a/b/cpu.max", "800000 100000\n");
    ck_assert_int_eq(quota(), 8);
    put("cpu.max", "300000 100000\n");
    ck_assert_int_eq(quota(), 3);
}
END_TEST

/* In a container, paths may be those of the host. */
START_TEST(version_1) {
    put("groups", "12:memory:/docker/x\n4:cpuset,cpu,cpuacct:/docker/x\n1:name=systemd:/\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota(), INT_MAX);
    put("cpu/cpu.cfs_quota_us", "250000\n");
    ck_assert_int_eq(quota(), 3);
    put("cpu/docker/x/cpu.cfs_quota_us", "50000\n");
    put("cpu/docker/x/cpu.cfs_period_us", "50000\n");
    ck_assert_int_eq(quota(), 1);
}
END_TEST

START_TEST(damaged) {
    static const char *const texts[] = {"",    "\n",        "x",    "100000",
                                        "0 0", "-5 100000", "1 -1", "99999999999999999999 1"};
    put("groups", "rubbish\n::\n0::/a\n7:cpu\n");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("a/cpu.max", texts[i]);
        ck_assert_int_eq(quota(), INT_MAX);
    }
}
END_TEST

/* This program again, with more in its environment; see main. */
static int threads_with(const char *environment) {
    char command[4200], self[4096] = "", text[16] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    snprintf(command, sizeof command, "env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT %s '%s' threads",
             environment, self);
    FILE *pipe = popen(command, "r");
    ck_assert(pipe && fgets(text, sizeof text, pipe));
    ck_assert_int_eq(pclose(pipe), 0);
    return atoi(text);
}

START_TEST(environment) {
    int usual = threads_with("");
    ck_assert(usual >= 1 && usual <= omp_get_num_procs());
    ck_assert_int_eq(threads_with("OMP_NUM_THREADS=5"), 5);
    ck_assert_int_eq(threads_with("OMP_NUM_THREADS=4,2"), 4);
    ck_assert_int_eq(threads_with("OMP_THREAD_LIMIT=1"), 1);
    ck_assert_int_eq(threads_with("OMP_NUM_THREADS=5 OMP_THREAD_LIMIT=2"), 2);
    ck_assert_int_eq(threads_with("OMP_NUM_THREADS=9999"), BNN_MAX_THREADS);
}
END_TEST

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "threads") == 0) {
        printf("%d\n", bnn_cpu_threads());
        return 0;
    }
    Suite *suite = suite_create("threads");
    TCase *tcase = tcase_create("threads");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, no_groups);
    tcase_add_test(tcase, version_2);
    tcase_add_test(tcase, version_1);
    tcase_add_test(tcase, damaged);
    tcase_add_test(tcase, environment);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

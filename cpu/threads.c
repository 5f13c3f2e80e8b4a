/* How many threads a kernel works with, and with how many by default. A parallel region always says
 * its number: what OpenMP would take on its own belongs to the calling thread, and may be another
 * when the kernel runs than it was when the workspace was made. */
#include <fenv.h>
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cpu/conv/conv.h"
#include "cpu/threads.h"

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* ---- in a child of fork() ---- */

/* OpenMP's threads may be missing: only the one that forked lives on in a child, and gcc's OpenMP
 * would wait for the others for ever. */
static atomic_int orphaned;
static int had_threads; /* the process that forks; touched by fork's handlers alone */

static void before_fork(void) {
    struct stat tasks; /* a folder with one for each thread */
    had_threads = stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 2 + 1;
}

static void in_child(void) {
    orphaned |= had_threads;
}

/* Before anybody else's parallel region, which counts as well. */
__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(before_fork, NULL, in_child);
}

static int all(const bnn_device *device) {
    return orphaned ? 1 : device->threads;
}

/* Some microseconds: a thread that sleeps takes longer to wake, one that spins a tenth of it. */
size_t bnn_worth_waking = 32768;

int bnn_team(const bnn_device *device, size_t work) {
    return work > bnn_worth_waking ? all(device) : 1;
}

void bnn_together(const bnn_device *device, size_t work,
                  void (*part)(const void *job, bnn_member me), const void *job) {
    int team = bnn_team(device, work);
    if (team == 1) {
        part(job, (bnn_member){0, 1});
        return;
    }
#pragma omp parallel num_threads(team)
    part(job, (bnn_member){(size_t)omp_get_thread_num(), (size_t)omp_get_num_threads()});
}

typedef struct items {
    void (*body)(void *context, size_t i, int worker);
    void *context;
    bnn_queue *queue;
} items;

static void do_items(const void *job, bnn_member me) {
    const items *all = job;
    size_t first, last;
    while (bnn_next_run(all->queue, me, &first, &last)) {
        for (size_t i = first; i < last; i++) {
            all->body(all->context, i, (int)me.thread);
        }
    }
}

void bnn_for_each(const bnn_stream *stream, size_t count,
                  void (*body)(void *context, size_t i, int worker), void *context) {
    bnn_queue queue = {.total = count};
    items all = {body, context, &queue};
    bnn_together(&stream->device, count * stream->device.kernels->block_values, do_items, &all);
}

/* ---- as many as can be had ---- */

static void *wait_for_gate(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* Starts so many threads at once, and ends them again; how many there could be. */
static int try_threads(int wanted) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *thread = malloc((size_t)wanted * sizeof *thread);
    int started = 0;
    pthread_mutex_lock(&gate);
    while (thread && started < wanted &&
           pthread_create(&thread[started], NULL, wait_for_gate, &gate) == 0) {
        started++;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
    }
    free(thread);
    return started;
}

int bnn_threads_granted(int wanted) {
    static atomic_int tried = 1; /* that many there could be */
    wanted = smaller(smaller(wanted, BNN_MAX_THREADS), omp_get_thread_limit());
    if (wanted <= atomic_load(&tried)) {
        return wanted < 1 ? 1 : wanted;
    }
    int granted = 1 + try_threads(wanted - 1);
    atomic_store(&tried, granted);
    return granted;
}

/* ---- floating-point environment ---- */

static _Thread_local fenv_t own_environment;
static _Thread_local int entered;

static void enter(void) {
    entered = fegetenv(&own_environment) == 0 && fesetenv(FE_DFL_ENV) == 0;
}

static void leave(void) {
    if (entered) {
        fesetenv(&own_environment);
    }
    entered = 0;
}

/* The caller outside the region: clang's OpenMP gives it back, behind a region, what it had before.
 */
void bnn_threads_enter(const bnn_device *device) {
    enter();
#pragma omp parallel num_threads(all(device))
    if (omp_get_thread_num() != 0) {
        enter();
    }
}

void bnn_threads_leave(const bnn_device *device) {
#pragma omp parallel num_threads(all(device))
    if (omp_get_thread_num() != 0) {
        leave();
    }
    leave();
}

/* ---- by default ---- */

/* The first line of FOLDER/NAME into `line`; 0 where there is none. */
static int read_line(const char *folder, const char *name, char *line, size_t size) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return 0;
    }
    FILE *file = fopen(path, "r");
    int found = file != NULL && fgets(line, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Processors of one group, rounded up; INT_MAX for no limit. */
static int quota_of_group(const char *folder) {
    char line[64];
    long long quota = -1, period = 0;
    if (read_line(folder, "cpu.max", line, sizeof line)) { /* "max 100000", "150000 100000" */
        char *end;
        quota = strtoll(line, &end, 10);
        period = end == line ? 0 : strtoll(end, NULL, 10);
    } else if (read_line(folder, "cpu.cfs_quota_us", line, sizeof line)) { /* version 1; -1: none */
        quota = strtoll(line, NULL, 10);
        period =
            read_line(folder, "cpu.cfs_period_us", line, sizeof line) ? strtoll(line, NULL, 10) : 0;
    }
    if (quota <= 0 || period <= 0) {
        return INT_MAX;
    }
    long long processors = quota / period + (quota % period != 0);
    return processors < INT_MAX ? (int)processors : INT_MAX;
}

/* The tightest of a group and all that it is in: ROOT, ROOT/a, ROOT/a/b. */
static int quota_on_path(const char *root, const char *group) {
    char folder[PATH_MAX];
    int least = INT_MAX;
    size_t base = strlen(root);
    if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder) {
        return INT_MAX;
    }
    for (;;) {
        int own = quota_of_group(folder);
        least = own < least ? own : least;
        char *slash = strrchr(folder + base, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* Is `word` among the comma-separated `list`? */
static int lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

int bnn_cpu_quota(const char *groups, const char *mount) {
    char line[PATH_MAX], root[PATH_MAX];
    int least = INT_MAX;
    FILE *file = fopen(groups, "r"); /* lines NUMBER:CONTROLLERS:PATH; version 2: 0::PATH */
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL) {
            continue;
        }
        *controllers++ = '\0', *path++ = '\0';
        const char *below = *controllers == '\0' ? "" : lists(controllers, "cpu") ? "/cpu" : NULL;
        if (below == NULL ||
            snprintf(root, sizeof root, "%s%s", mount, below) >= (int)sizeof root) {
            continue;
        }
        int own = quota_on_path(root, strcmp(path, "/") == 0 ? "" : path);
        least = own < least ? own : least;
    }
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

int bnn_cpu_threads(void) {
    int threads = smaller(omp_get_max_threads(), omp_get_thread_limit());
    const char *chosen = getenv("OMP_NUM_THREADS");
    /* A number that the user or the application has named counts, be it wise or not. */
    if ((chosen == NULL || *chosen == '\0') && omp_get_max_threads() == omp_get_num_procs()) {
        threads = smaller(threads, bnn_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
    }
    return threads < 1 ? 1 : smaller(threads, BNN_MAX_THREADS);
}

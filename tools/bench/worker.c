#include "tools/bench/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cli/progress.h"

#define MOST_RUNS 10000

struct bnn_worker {
    pid_t pid;
    int fd;
    FILE *lines; /* what it says */
    char version[BNN_VERSION_BYTES];
};

/* ---- in the worker ---- */

/* Not ru_maxrss where it can be helped: that one begins with the parent's. */
static size_t peak_bytes(void) {
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && !kib && fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmHWM: %zu kB", &kib) != 1) {
            kib = 0;
        }
    }
    if (status) {
        fclose(status);
    }
    struct rusage usage;
    if (!kib && getrusage(RUSAGE_SELF, &usage) == 0) {
        kib = (size_t)usage.ru_maxrss;
    }
    return kib * 1024;
}

/* So many runs, to their end. */
static bnn_code run_all(const bnn_work *work, int runs, double *seconds, bnn_error *err) {
    double start = bnn_now();
    bnn_code code = BNN_OK;
    for (int i = 0; i < runs && code == BNN_OK; i++) {
        code = work->run(work->self, err);
    }
    code = code == BNN_OK && work->wait ? work->wait(work->self, err) : code;
    *seconds = bnn_now() - start;
    return code;
}

/* Runs that only begin something say nothing about how long it takes: their number is chosen
 * before, by one that is waited for. */
static bnn_code choose_runs(const bnn_work *work, int least_runs, double least_seconds, int *runs,
                            bnn_error *err) {
    double seconds;
    *runs = least_runs;
    bnn_code code = run_all(work, 1, &seconds, err);
    if (code == BNN_OK && least_seconds > seconds * least_runs) {
        double wanted = least_seconds / seconds;
        *runs = wanted < MOST_RUNS ? (int)wanted + 1 : MOST_RUNS;
    }
    return code;
}

static bnn_code repeat(const bnn_work *work, int least_runs, double least_seconds,
                       bnn_repetition *out, bnn_error *err) {
    double passed = 0.0;
    int runs = 0, step = 1;
    bnn_code code = work->wait ? choose_runs(work, least_runs, least_seconds, &step, err) : BNN_OK;
    do {
        double seconds;
        if (code != BNN_OK || (code = run_all(work, step, &seconds, err)) != BNN_OK) {
            return code;
        }
        passed += seconds;
        runs += step;
    } while (runs < least_runs || (passed < least_seconds && !work->wait));
    *out = (bnn_repetition){passed / runs, runs, peak_bytes()};
    return BNN_OK;
}

static void serve(const bnn_work *work, int fd) {
    bnn_error err = {0};
    char version[BNN_VERSION_BYTES] = "", line[80];
    FILE *asked = fdopen(fd, "r");
    bnn_code code = asked ? work->set_up(work->self, version, &err)
                          : bnn_fail(&err, BNN_ERR_MEMORY, "out of memory for a worker");
    if (code == BNN_OK) {
        dprintf(fd, "ready %s\n", version);
    }
    while (code == BNN_OK && fgets(line, sizeof line, asked)) {
        int runs;
        double least;
        bnn_repetition done;
        if (sscanf(line, "%d %lf", &runs, &least) == 2 &&
            (code = repeat(work, runs, least, &done, &err)) == BNN_OK) {
            dprintf(fd, "done %.9g %zu %d\n", done.seconds, done.peak_bytes, done.runs);
        }
    }
    if (code != BNN_OK) {
        dprintf(fd, "%s %s\n", code == BNN_ERR_UNSUPPORTED ? "absent" : "error", err.text);
    }
    /* Nothing of the parent's is to be flushed or cleaned up twice. */
    _exit(code == BNN_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void become(const char *const *argv, int fd) {
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0 && dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0 &&
        dup2(nowhere, STDERR_FILENO) >= 0) {
        signal(SIGPIPE, SIG_DFL);
        /* NOLINTNEXTLINE(clang-analyzer-core.*): work or argv is given */
        execvp(argv[0], (char *const *)(size_t)argv);
    }
    _exit(EXIT_FAILURE);
}

/* ---- in the parent ---- */

/* The next line, without its end; what a dead worker says is "absent". */
static int hear(bnn_worker *w, char *line, size_t size) {
    if (!fgets(line, (int)size, w->lines)) {
        return 0;
    }
    line[strcspn(line, "\n")] = '\0';
    return 1;
}

/* The text behind `word` if the line begins with it, else NULL. */
static const char *behind(const char *line, const char *word) {
    size_t length = strlen(word);
    return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

/* Waits for its end, and tells the signal that it died of; 0: none. */
static int end_of(bnn_worker *w) {
    int status = 0;
    pid_t ended = 0;
    while (w->pid > 0 && (ended = waitpid(w->pid, &status, 0)) < 0 && errno == EINTR) {
    }
    w->pid = 0;
    return ended > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bnn_code await_ready(bnn_worker *w, const char *name, bnn_error *err) {
    char line[600];
    const char *text;
    if (!hear(w, line, sizeof line)) {
        const int killed = end_of(w);
        return killed ? bnn_fail(err, BNN_ERR_IO, "%.64s died (%s)", name, strsignal(killed))
                      : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%.64s could not be run", name);
    }
    if ((text = behind(line, "ready"))) {
        snprintf(w->version, sizeof w->version, "%.95s", text);
        return BNN_OK;
    }
    if ((text = behind(line, "absent"))) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", text);
    }
    text = behind(line, "error");
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%s", text ? text : "a worker says nothing sensible");
}

static bnn_code start(const bnn_work *work, const char *const *argv, bnn_worker **out,
                      bnn_error *err) {
    int ends[2];
    bnn_worker *w = calloc(1, sizeof *w);
    if (!w || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        free(w);
        return bnn_fail(err, BNN_ERR_IO, "cannot start a process to measure in: %s",
                        strerror(errno));
    }
    fflush(NULL);
    w->fd = ends[0];
    w->pid = fork();
    if (w->pid == 0) {
        close(ends[0]);
        if (work) {
            serve(work, ends[1]);
        }
        become(argv, ends[1]);
    }
    close(ends[1]);
    w->lines = w->pid > 0 ? fdopen(w->fd, "r") : NULL;
    bnn_code code = w->lines ? await_ready(w, argv ? argv[0] : "a worker", err)
                             : bnn_fail(err, BNN_ERR_IO, "cannot start a process to measure in: %s",
                                        strerror(errno));
    if (code != BNN_OK) {
        bnn_worker_stop(w);
        return code;
    }
    *out = w;
    return BNN_OK;
}

bnn_code bnn_worker_start(const bnn_work *work, bnn_worker **out, bnn_error *err) {
    return work->start ? work->start(work->self, out, err) : start(work, NULL, out, err);
}

bnn_code bnn_worker_exec(const char *const *argv, bnn_worker **out, bnn_error *err) {
    return start(NULL, argv, out, err);
}

const char *bnn_worker_version(const bnn_worker *worker) {
    return worker->version;
}

bnn_code bnn_worker_repeat(bnn_worker *w, int least_runs, double least_seconds, bnn_repetition *out,
                           bnn_error *err) {
    char line[600];
    int length = snprintf(line, sizeof line, "%d %g\n", least_runs, least_seconds);
    const char *text;
    /* A dead worker is an error here, not a SIGPIPE. */
    if (send(w->fd, line, (size_t)length, MSG_NOSIGNAL) != length || !hear(w, line, sizeof line)) {
        const int killed = end_of(w);
        return bnn_fail(err, BNN_ERR_IO, "the process that was measured died%s%s%s",
                        killed ? ": " : "", killed ? strsignal(killed) : "",
                        killed && killed != SIGKILL ? "" : "; was it out of memory?");
    }
    if ((text = behind(line, "done")) &&
        sscanf(text, "%lf %zu %d", &out->seconds, &out->peak_bytes, &out->runs) == 3 &&
        out->seconds > 0.0 && out->runs > 0) {
        return BNN_OK;
    }
    text = behind(line, "error");
    return bnn_fail(err, BNN_ERR_NUMERIC, "%s", text ? text : "a worker says nothing sensible");
}

void bnn_worker_stop(bnn_worker *w) {
    if (!w) {
        return;
    }
    /* Later workers hold copies of this end, so closing it would not be heard. */
    shutdown(w->fd, SHUT_RDWR);
    end_of(w);
    if (w->lines) {
        fclose(w->lines);
    } else {
        close(w->fd);
    }
    free(w);
}

#include "tools/sweep/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/text.h"

enum { LONGEST_WORD = 8192, TAIL = 4096, CANNOT_START = 127 };

void bnn_command_add(bnn_command *c, const char *format, ...) {
    char word[LONGEST_WORD];
    va_list args;
    va_start(args, format);
    bnn_text_print(word, sizeof word, format, args);
    va_end(args);
    const char **words =
        bnn_arena_grow(c->arena, c->word, &c->capacity, c->count + 2, sizeof *words);
    char *copy = bnn_arena_format(c->arena, "%s", word);
    if (!words || !copy) {
        c->short_of_memory = 1;
        return;
    }
    c->word = words;
    c->word[c->count++] = copy;
    c->word[c->count] = NULL;
}

bnn_code bnn_program_beside(const char *program, char path[4200], bnn_error *err) {
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(own, '/');
    if (slash) {
        *slash = '\0';
        snprintf(path, 4200, "%s/%s", own, program);
        if (access(path, X_OK) == 0) {
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_IO, "%s is not beside this program; install both again", program);
}

/* In the child. Its group is its own: what a terminal sends to the one that started it, that one
 * passes on, once. */
static _Noreturn void become(const bnn_command *c, int log, int lock_fd, pid_t parent) {
    int nothing = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    signal(SIGUSR1, SIG_DFL); /* it is what stops it */
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    if (getppid() != parent) {
        _exit(CANNOT_START); /* it has died already */
    }
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (lock_fd >= 0) {
        fcntl(lock_fd, F_SETFD, 0);
    }
    execv(c->word[0], (char *const *)c->word);
    dprintf(STDERR_FILENO, "bnn-sweep: %s: cannot be run: %s\n", c->word[0], bnn_reason(errno));
    _exit(CANNOT_START);
}

bnn_code bnn_job_start(const bnn_command *c, const char *log, int lock_fd, pid_t *pid,
                       bnn_error *err) {
    if (c->short_of_memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return bnn_fail_errno(err, log, "write the log", errno);
    }
    dprintf(fd, "$");
    for (size_t i = 0; i < c->count; i++) {
        dprintf(fd, " %s", c->word[i]);
    }
    dprintf(fd, "\n");
    fflush(NULL);
    const pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0) {
        become(c, fd, lock_fd, parent);
    }
    const int reason = errno;
    close(fd);
    return *pid > 0 ? BNN_OK : bnn_fail_errno(err, c->word[0], "start it", reason);
}

/* The last line of a program's own. */
static int last_words(const char *log, char *message, size_t bytes) {
    char tail[TAIL + 1], *line = NULL;
    FILE *file = fopen(log, "rb");
    if (!file) {
        return 0;
    }
    if (fseek(file, -TAIL, SEEK_END) != 0) {
        rewind(file);
    }
    tail[fread(tail, 1, TAIL, file)] = '\0';
    fclose(file);
    for (char *at = tail, *end; at && *at; at = end ? end + 1 : NULL) {
        if ((end = strchr(at, '\n'))) {
            *end = '\0';
        }
        if (*at == '$') {
            line = NULL; /* of an earlier command */
        } else if (strncmp(at, "bnn-", 4) == 0 && !strstr(at, ": note: ")) {
            line = at;
        }
    }
    if (line) {
        snprintf(message, bytes, "%s", line);
    }
    return line != NULL;
}

void bnn_job_message(const char *log, int status, char *message, size_t bytes) {
    if (WIFSIGNALED(status)) {
        snprintf(message, bytes, "killed by signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == SIGKILL ? "; was memory out?" : "");
    } else if (!last_words(log, message, bytes)) {
        snprintf(message, bytes, "exit status %d", WEXITSTATUS(status));
    }
    for (char *c = message; *c; c++) {
        *c = bnn_text_shown(*c);
    }
}

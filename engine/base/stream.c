/* Why: a name that a user gives for a result need not be a file's. The decision: what is no regular
 * file is opened and written, never replaced; and names of open descriptors mean those descriptors
 * themselves. (Opened by such a name, a file that standard output was redirected to would be
 * written from its beginning, over what stands there; and a socket could not be opened at all.) */
#include "engine/base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int standard_output = STDOUT_FILENO;
static bnn_stream_patience *patience_of_user;

void bnn_stream_standard_output(int fd) {
    standard_output = fd;
}

void bnn_stream_wait_while(bnn_stream_patience *patience) {
    patience_of_user = patience;
}

/* ---- names ---- */

/* The number behind `folder` in `path`, or -1. */
static int number_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) != 0 || path[length] < '0' || path[length] > '9') {
        return -1;
    }
    char *end;
    long long number = strtoll(path + length, &end, 10);
    return *end || number > INT_MAX ? -1 : (int)number;
}

static int descriptor_named(const char *path) {
    static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    char own[64];
    int number = -1;
    snprintf(own, sizeof own, "/proc/%ld/fd/", (long)getpid());
    for (int i = 0; i < 3; i++) {
        number = strcmp(path, standard[i]) == 0 ? i : number;
    }
    number = number >= 0 ? number : number_in(path, "/dev/fd/");
    number = number >= 0 ? number : number_in(path, "/proc/self/fd/");
    number = number >= 0 ? number : number_in(path, own);
    return number == STDOUT_FILENO ? standard_output : number;
}

enum { MOST_LINKS = 40 }; /* followed one after another, as the kernel does */

/* `at` becomes the name that the link there holds; 0 if it is no link, or the name too long. */
static int follow_link(char at[PATH_MAX]) {
    char target[PATH_MAX], next[2 * PATH_MAX];
    ssize_t length = readlink(at, target, sizeof target - 1);
    if (length <= 0) {
        return 0;
    }
    target[length] = '\0';
    const char *slash = target[0] == '/' ? NULL : strrchr(at, '/');
    snprintf(next, sizeof next, "%.*s%s", slash ? (int)(slash - at) + 1 : 0, at, target);
    if (strlen(next) >= PATH_MAX) {
        return 0;
    }
    strcpy(at, next);
    return 1;
}

int bnn_follow_links(const char *path, char at[PATH_MAX]) {
    if (strlen(path) >= PATH_MAX) {
        return 0;
    }
    strcpy(at, path);
    for (int links = 0; links < MOST_LINKS && follow_link(at); links++) {
    }
    return 1;
}

int bnn_stream_descriptor(const char *path) {
    char at[PATH_MAX];
    int number = -1;
    if (strlen(path) >= sizeof at) {
        return -1;
    }
    strcpy(at, path);
    for (int links = 0; links < MOST_LINKS; links++) {
        number = descriptor_named(at);
        if (number >= 0 || !follow_link(at)) {
            break;
        }
    }
    return number;
}

/* ---- what is there ---- */

int bnn_is_writable(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* Looks before anything is opened. *number: the descriptor, or -1; *type: S_IFREG: no stream. */
static bnn_code look(const char *path, int *number, mode_t *type, bnn_error *err) {
    struct stat info;
    *number = bnn_stream_descriptor(path);
    *type = S_IFREG;
    if (*number >= 0) {
        if (fstat(*number, &info) != 0) {
            return bnn_fail(err, BNN_ERR_IO, "%s: there is no such open descriptor", path);
        }
        if (!bnn_is_writable(*number)) {
            return bnn_fail(err, BNN_ERR_IO,
                            "%s: is closed, or open for reading only; name a file, or redirect it "
                            "to one",
                            path);
        }
    } else if (stat(path, &info) != 0) {
        return BNN_OK;
    }
    if (S_ISDIR(info.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: is a folder; name a file in it", path);
    }
    if (S_ISBLK(info.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: is a block device, which would be overwritten; choose another name",
                        path);
    }
    *type = info.st_mode & S_IFMT;
    return BNN_OK;
}

int bnn_is_stream(const char *path) {
    int number;
    mode_t type;
    return look(path, &number, &type, NULL) == BNN_OK && (number >= 0 || type != S_IFREG);
}

bnn_code bnn_stream_check(const char *path, int *stream, bnn_error *err) {
    int number;
    mode_t type;
    bnn_code code = look(path, &number, &type, err);
    *stream = code == BNN_OK && (number >= 0 || type != S_IFREG);
    if (*stream && number < 0 && access(path, W_OK) != 0) {
        code = bnn_fail_errno(err, path, "write to it", errno);
    }
    return code;
}

/* ---- opening ---- */

/* A socket in the file system cannot be opened; somebody listens there, or not. */
static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/* Waits in small steps, as a signal that is only remembered would not end a long one. */
static bnn_code open_when_ready(const char *path, mode_t type, int *fd, bnn_error *err) {
    const int nobody = S_ISSOCK(type) ? EAGAIN : ENXIO; /* EAGAIN: nobody accepts just now */
    for (unsigned tries = 0;; tries++) {
        *fd = S_ISSOCK(type) ? connect_to(path) : open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        if (*fd >= 0 || errno != nobody) {
            break;
        }
        if (patience_of_user && !patience_of_user(path, tries)) {
            return bnn_fail(err, BNN_ERR_IO, "%s: interrupted before anybody came to read it",
                            path);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (*fd >= 0 && fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) & ~O_NONBLOCK) == 0) {
        return BNN_OK;
    }
    int reason = errno;
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return bnn_fail_errno(err, path, "open for writing", reason);
}

bnn_code bnn_stream_open(const char *path, int *fd, bnn_error *err) {
    int number;
    mode_t type;
    *fd = -1;
    bnn_code code = look(path, &number, &type, err);
    if (code != BNN_OK || (number < 0 && type == S_IFREG)) {
        return code;
    }
    if (number < 0 && (S_ISFIFO(type) || S_ISSOCK(type))) {
        return open_when_ready(path, type, fd, err);
    }
    *fd = number >= 0 ? fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                      : open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return *fd >= 0 ? BNN_OK : bnn_fail_errno(err, path, "open for writing", errno);
}

int bnn_reason_of_failed_write(int fd) {
    struct pollfd broken = {.fd = fd, .events = POLLOUT};
    if (poll(&broken, 1, 0) == 1 && (broken.revents & POLLERR)) {
        return EPIPE;
    }
    return write(fd, "\n", 1) < 0 ? errno : 0;
}

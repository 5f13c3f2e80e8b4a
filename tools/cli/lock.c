/* The decision: flock on a file of its own. The kernel lets go of it when its holder dies, even by
 * kill -9, so no lock outlives its process; and a file, unlike a folder, can be locked between
 * machines, too, on NFS. What the file says is for messages only. */
#include "tools/cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/stream.h"

enum { MOST_TRIES = 100 };

static bnn_code too_long(const char *path, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", path);
}

/* " (pid 12 on HOST)", or "" while the holder has not said so yet. */
static void read_holder(int fd, char *out, size_t bytes) {
    char text[200];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    out[0] = '\0';
    if (strncmp(text, "pid ", 4) == 0) {
        snprintf(out, bytes, " (%s)", text);
    }
}

/* It only serves messages: no room for it is no error. */
static void write_holder(int fd) {
    char host[128] = "", text[200];
    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "pid %ld on %s\n", (long)getpid(), host);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) != length) {
        (void)ftruncate(fd, 0);
    }
}

static int has_no_locks(int reason) {
    return reason == ENOLCK || reason == EOPNOTSUPP || reason == ENOSYS || reason == EINVAL;
}

/* 0 or the reason. */
static int lock_now(int fd) {
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Who held the lock before may have removed its file meanwhile. */
static int is_file_there(int fd, const char *path) {
    struct stat open_file, there;
    return fstat(fd, &open_file) == 0 && lstat(path, &there) == 0 &&
           open_file.st_dev == there.st_dev && open_file.st_ino == there.st_ino;
}

/* Whatever else has that name is somebody's, and stays. */
static int is_lock(int fd) {
    struct stat info;
    char text[4];
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink <= 1 &&
           (info.st_size == 0 || (pread(fd, text, 4, 0) == 4 && memcmp(text, "pid ", 4) == 0));
}

static bnn_code refuse(int fd, const bnn_lock_text *text, bnn_error *err) {
    char holder[256];
    read_holder(fd, holder, sizeof holder);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: another %s%s %s", text->place, text->program,
                    holder, text->doing);
}

/* *fd is the file, locked or not lockable; -1: try again. */
static bnn_code try_once(const char *path, const bnn_lock_text *text, int *out, bnn_error *err) {
    /* A link or a pipe of that name is nobody's lock. */
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    *out = -1;
    if (fd < 0) {
        return bnn_fail_errno(err, path, "write the file that locks it", errno);
    }
    bnn_code code = BNN_OK;
    int reason = lock_now(fd);
    if (!is_lock(fd)) {
        code =
            bnn_fail(err, BNN_ERR_ARGUMENT,
                     "%s: this name is a lock's, but the file is none; give it another name", path);
    } else if (reason == EWOULDBLOCK) {
        code = refuse(fd, text, err);
    } else if (has_no_locks(reason)) {
        fprintf(stderr, "%s: note: %s: cannot be locked here (%s); start no other in it\n",
                text->program, text->place, strerror(reason));
        *out = fd;
    } else if (reason) {
        code = bnn_fail_errno(err, path, "lock it", reason);
    } else if (is_file_there(fd, path)) {
        *out = fd;
    }
    if (*out < 0) {
        close(fd);
    }
    return code;
}

static bnn_code take(bnn_lock *lock, const bnn_lock_text *text, bnn_error *err) {
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        int fd;
        bnn_code code = try_once(lock->path, text, &fd, err);
        if (code != BNN_OK) {
            return code;
        }
        if (fd >= 0) {
            write_holder(fd);
            lock->fd = fd;
            lock->held = 1;
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_IO, "%s: changes all the time; start again", lock->path);
}

bnn_code bnn_lock_folder(bnn_lock *lock, const char *folder, const bnn_lock_text *text,
                         bnn_error *err) {
    *lock = (bnn_lock){0};
    int length = snprintf(lock->path, sizeof lock->path, "%s/.lock", folder);
    return length < (int)sizeof lock->path ? take(lock, text, err) : too_long(folder, err);
}

bnn_code bnn_lock_file(bnn_lock *lock, const char *path, const bnn_lock_text *text,
                       bnn_error *err) {
    char at[PATH_MAX];
    *lock = (bnn_lock){0};
    if (!bnn_follow_links(path, at)) {
        return too_long(path, err);
    }
    const char *slash = strrchr(at, '/');
    int folder = slash ? (int)(slash - at) + 1 : 0;
    snprintf(lock->path, sizeof lock->path, "%.*s.%s.lock", folder, at, at + folder);
    return take(lock, text, err);
}

void bnn_lock_let_go(bnn_lock *lock) {
    if (lock->held) {
        close(lock->fd);
    }
    lock->held = 0;
}

void bnn_lock_remove(bnn_lock *lock) {
    if (lock->held && is_file_there(lock->fd, lock->path)) {
        unlink(lock->path);
    }
    bnn_lock_let_go(lock);
}

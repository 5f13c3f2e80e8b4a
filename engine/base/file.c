/* Why: a run that is killed, or a disk that fills up, must never leave a half-written checkpoint
 * under the final name. The decision: data goes to PATH.tmp-<pid> in the same folder (a rename is
 * atomic only within one file system), is synced, and only then renamed; a stream alone is written
 * as it is. Reading is by mmap of regular files alone, so that a fifo cannot hang us and a device
 * cannot feed us for ever. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "engine/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/arena.h"
#include "engine/base/stream.h"

/* ---- reading ---- */

static bnn_code read_all(int fd, const char *path, size_t size, bnn_map *map, bnn_error *err) {
    unsigned char *data = bnn_alloc_aligned(size);
    size_t done = 0;
    if (!data) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu bytes", path, size);
    }
    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            free(data);
            return got ? bnn_fail_errno(err, path, "read", errno)
                       : bnn_fail(
                             err, BNN_ERR_IO,
                             "%s: became shorter while it was read; try again when it is whole",
                             path);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    *map = (bnn_map){
        .data = data, .size = size, .copied = 1, .device = map->device, .inode = map->inode};
    return BNN_OK;
}

static bnn_code take_descriptor(int fd, const char *path, int copied, bnn_map *map,
                                bnn_error *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return bnn_fail_errno(err, path, "look at the file", errno);
    }
    if (S_ISDIR(info.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: is a folder; name a file in it", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: not a regular file (a pipe, socket or device); copy its content to a "
                        "file first",
                        path);
    }
    if (info.st_size < 0 || (uintmax_t)info.st_size > PTRDIFF_MAX) {
        return bnn_fail(err, BNN_ERR_IO, "%s: too large to map on this machine", path);
    }
    size_t size = (size_t)info.st_size;
    map->device = info.st_dev;
    map->inode = info.st_ino;
    if (size == 0) {
        return BNN_OK; /* mmap refuses a length of 0 */
    }
    if (copied) {
        return read_all(fd, path, size, map, err);
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return bnn_fail_errno(err, path, "map the file", errno);
    }
    map->data = data;
    map->size = size;
    return BNN_OK;
}

static bnn_code take_file(const char *path, int copied, bnn_map *map, bnn_error *err) {
    *map = (bnn_map){0};
    /* O_NONBLOCK: opening a fifo for reading would otherwise wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return bnn_fail_errno(err, path, "open for reading", errno);
    }
    bnn_code code = take_descriptor(fd, path, copied, map, err);
    close(fd); /* a mapping keeps the file */
    return code;
}

bnn_code bnn_map_open(const char *path, bnn_map *map, bnn_error *err) {
    return take_file(path, 0, map, err);
}

bnn_code bnn_map_read(const char *path, bnn_map *map, bnn_error *err) {
    return take_file(path, 1, map, err);
}

void bnn_map_close(bnn_map *map) {
    if (map && map->copied) {
        free((void *)(uintptr_t)map->data);
    } else if (map && map->data) {
        munmap((void *)(uintptr_t)map->data, map->size);
    }
    if (map) {
        *map = (bnn_map){0};
    }
}

/* ---- writing ---- */

struct bnn_atomic_file {
    char *path;      /* the final name, symbolic links resolved */
    char *temporary; /* beside it; NULL: a stream, which is written as it is */
    FILE *stream;
    dev_t device; /* which file `temporary` was when we made it */
    ino_t inode;
};

static void free_atomic(bnn_atomic_file *file) {
    free(file->path);
    free(file->temporary);
    free(file);
}

/* The name to rename to: what a link names is replaced, or made, rather than the link. NULL: out of
 * memory. */
static char *final_name(const char *path) {
    char at[PATH_MAX];
    return strdup(bnn_follow_links(path, at) ? at : path); /* too long: the system will say so */
}

static char *temporary_name(const char *path) {
    size_t size = strlen(path) + 32;
    char *name = malloc(size);
    if (name) {
        snprintf(name, size, "%s.tmp-%ld", path, (long)getpid());
    }
    return name;
}

static bnn_code create_temporary(bnn_atomic_file *file, bnn_error *err) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(file->temporary, flags, 0666);
    if (fd < 0 && errno == EEXIST) {
        /* Left by a killed process that had our pid (in containers pids repeat). Should it belong
         * to a living writer after all, that one notices in commit (owns_temporary). */
        unlink(file->temporary);
        fd = open(file->temporary, flags, 0666);
    }
    if (fd < 0) {
        return bnn_fail_errno(err, file->path, "create the file", errno);
    }
    struct stat info;
    int known = fstat(fd, &info) == 0;
    file->stream = known ? fdopen(fd, "wb") : NULL;
    if (!file->stream) {
        bnn_code code = bnn_fail_errno(err, file->path, "create the file", errno);
        close(fd);
        unlink(file->temporary);
        return code;
    }
    file->device = info.st_dev;
    file->inode = info.st_ino;
    if (stat(file->path, &info) == 0) { /* what replaces a file is not for more eyes than it was */
        (void)!fchmod(fd, info.st_mode & 0777);
    }
    return BNN_OK;
}

/* A regular file, or one to be. */
static bnn_code open_temporary(bnn_atomic_file *file, bnn_error *err) {
    file->temporary = temporary_name(file->path);
    return file->temporary ? create_temporary(file, err)
                           : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", file->path);
}

static bnn_code wrap_stream(bnn_atomic_file *file, int fd, bnn_error *err) {
    file->stream = fdopen(fd, "wb");
    if (!file->stream) {
        close(fd);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", file->path);
    }
    return BNN_OK;
}

bnn_code bnn_atomic_open(const char *path, bnn_atomic_file **out, bnn_error *err) {
    int fd;
    struct stat info;
    *out = NULL;
    if (path[0] == '\0') {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "cannot write a file with an empty name");
    }
    if (stat(path, &info) < 0 && errno == ELOOP) { /* a link to itself: it leads to no name */
        return bnn_fail_errno(err, path, "create the file", ELOOP);
    }
    bnn_code code = bnn_stream_open(path, &fd, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_atomic_file *file = calloc(1, sizeof *file);
    char *name = fd >= 0 ? strdup(path) : final_name(path);
    if (!file || !name) {
        free(file);
        free(name);
        if (fd >= 0) {
            close(fd);
        }
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    file->path = name;
    code = fd >= 0 ? wrap_stream(file, fd, err) : open_temporary(file, err);
    if (code != BNN_OK) {
        free_atomic(file);
        return code;
    }
    *out = file;
    return BNN_OK;
}

bnn_code bnn_atomic_check(const char *path, bnn_error *err) {
    bnn_atomic_file *file;
    int stream = 0;
    bnn_code code = *path ? bnn_stream_check(path, &stream, err) : BNN_OK;
    if (code == BNN_OK && !stream && (code = bnn_atomic_open(path, &file, err)) == BNN_OK) {
        bnn_atomic_abandon(file);
    }
    return code;
}

FILE *bnn_atomic_stream(bnn_atomic_file *file) {
    return file->stream;
}

int bnn_sync(int fd) {
    return fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
}

static int owns_temporary(const bnn_atomic_file *file) {
    struct stat info;
    return file->temporary && lstat(file->temporary, &info) == 0 && info.st_dev == file->device &&
           info.st_ino == file->inode;
}

/* All the data on the disk and the stream closed, or an error. */
static bnn_code finish_stream(bnn_atomic_file *file, bnn_error *err) {
    FILE *stream = file->stream;
    file->stream = NULL;
    int failed = ferror(stream);
    int reason = 0;
    if (!failed && (fflush(stream) != 0 || (file->temporary && bnn_sync(fileno(stream)) != 0))) {
        failed = 1;
        reason = errno;
    } else if (failed) {
        reason = bnn_reason_of_failed_write(fileno(stream));
    }
    if (fclose(stream) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    if (failed && reason == 0) {
        return bnn_fail(err, BNN_ERR_IO, "%s: a write failed; is the disk full?", file->path);
    }
    return failed ? bnn_fail_errno(err, file->path, "write the file", reason) : BNN_OK;
}

/* Makes the rename itself last through a power cut. A folder that we may write but not read, or a
 * file system that cannot sync folders, is no reason to fail: the file is whole either way. */
static bnn_code sync_folder_of(const char *path, bnn_error *err) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (slash == path) {
        length = 1;
    }
    char *folder = slash ? strndup(path, length) : strdup(".");
    if (!folder) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    bnn_code code = BNN_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        if (fsync(fd) != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT)) {
            code = bnn_fail_errno(err, path, "sync the folder of the file just written", errno);
        }
        close(fd);
    }
    free(folder);
    return code;
}

bnn_code bnn_atomic_finish(bnn_atomic_file *file, bnn_error *err) {
    return finish_stream(file, err);
}

bnn_code bnn_atomic_commit(bnn_atomic_file *file, bnn_error *err) {
    bnn_code code = file->stream ? finish_stream(file, err) : BNN_OK;
    if (!file->temporary) {
        /* a stream has what it was given */
    } else if (!owns_temporary(file)) {
        if (code == BNN_OK) {
            code = bnn_fail(err, BNN_ERR_IO,
                            "%s: somebody removed or replaced %s while it was being written; is "
                            "another run writing the same file?",
                            file->path, file->temporary);
        }
    } else if (code != BNN_OK) {
        unlink(file->temporary);
    } else if (rename(file->temporary, file->path) != 0) {
        code = bnn_fail_errno(err, file->path, "put the new file in place", errno);
        unlink(file->temporary);
    } else {
        code = sync_folder_of(file->path, err);
    }
    free_atomic(file);
    return code;
}

void bnn_atomic_abandon(bnn_atomic_file *file) {
    if (!file) {
        return;
    }
    if (file->stream) {
        fclose(file->stream);
    }
    if (owns_temporary(file)) {
        unlink(file->temporary);
    }
    free_atomic(file);
}

/* Is this NAME.tmp-<digits>? */
static int is_temporary_of(const char *entry, const char *name) {
    static const char mark[] = ".tmp-";
    size_t length = strlen(name);
    if (strncmp(entry, name, length) != 0 || strncmp(entry + length, mark, sizeof mark - 1) != 0) {
        return 0;
    }
    const char *digits = entry + length + sizeof mark - 1;
    return *digits && digits[strspn(digits, "0123456789")] == '\0';
}

void bnn_atomic_clean(const char *path) {
    char *name = final_name(path);
    char *slash = name ? strrchr(name, '/') : NULL;
    const char *last = slash ? slash + 1 : name;
    if (slash) {
        *slash = '\0';
    }
    DIR *folder = !name ? NULL : opendir(!slash ? "." : *name ? name : "/");
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        if (is_temporary_of(entry->d_name, last)) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder) {
        closedir(folder);
    }
    free(name);
}

/* ---- folders ---- */

static bnn_code make_one_folder(const char *path, bnn_error *err) {
    struct stat info;
    if (mkdir(path, 0777) == 0) {
        return BNN_OK;
    }
    int reason = errno;
    /* Whatever mkdir said (EEXIST, EROFS, EACCES ...), a folder that stands there will do; asking
     * afterwards also settles the race with another run that makes the same one. */
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) {
            return BNN_OK;
        }
        return bnn_fail(err, BNN_ERR_IO, "%s: is a file, so no folder can be made there", path);
    }
    return bnn_fail_errno(err, path, "make the folder", reason);
}

bnn_code bnn_make_folder(const char *path, bnn_error *err) {
    if (path[0] == '\0') {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "cannot make a folder with an empty name");
    }
    char *part = strdup(path);
    if (!part) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    bnn_code code = BNN_OK;
    for (char *p = part + 1; *p && code == BNN_OK; p++) {
        if (*p == '/' && p[-1] != '/') {
            *p = '\0';
            code = make_one_folder(part, err);
            *p = '/';
        }
    }
    if (code == BNN_OK) {
        code = make_one_folder(part, err);
    }
    free(part);
    return code;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

bnn_code bnn_remove_tree(const char *path, bnn_error *err) {
    return nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT
               ? BNN_OK
               : bnn_fail_errno(err, path, "remove", errno);
}

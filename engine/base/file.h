/* Files read whole, and files that are replaced whole or not at all. */
#ifndef BNN_ENGINE_BASE_FILE_H
#define BNN_ENGINE_BASE_FILE_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "engine/base/status.h"

/* A file's bytes, read-only. data is NULL only when size is 0. */
typedef struct bnn_map {
    const unsigned char *data;
    size_t size;
    int copied;   /* in memory of its own */
    dev_t device; /* which file it is, whatever its name */
    ino_t inode;
} bnn_map;

/* Mapped: for what is large. Whoever cuts the file off meanwhile ends the process. */
bnn_code bnn_map_open(const char *path, bnn_map *map, bnn_error *err);
/* Read into memory: whatever becomes of the file later changes nothing. */
bnn_code bnn_map_read(const char *path, bnn_map *map, bnn_error *err);
void bnn_map_close(bnn_map *map);

/* A file being written beside its final name; the final name changes only in commit, by an atomic
 * rename after the data (and then the folder) reached the disk. Whatever fails, the file that
 * stood there before survives. A stream (stream.h) is never replaced but written to. */
typedef struct bnn_atomic_file bnn_atomic_file;

/* fsync; but a file system that cannot sync, and says EINVAL, is no reason to fail. */
int bnn_sync(int fd);

/* Creates PATH.tmp-<pid>, or opens the stream. */
bnn_code bnn_atomic_open(const char *path, bnn_atomic_file **out, bnn_error *err);
/* A stdio stream to write to; errors may be left to commit, which checks ferror. */
FILE *bnn_atomic_stream(bnn_atomic_file *file);
/* Flush and sync: what is left to commit is to rename. For several files that are to change
 * together; on failure, abandon them. */
bnn_code bnn_atomic_finish(bnn_atomic_file *file, bnn_error *err);
/* Flush, sync, rename, sync the folder; frees `file` on success and on failure alike (on failure
 * the temporary file is removed). */
bnn_code bnn_atomic_commit(bnn_atomic_file *file, bnn_error *err);
/* Removes the temporary file and frees. NULL is fine. */
void bnn_atomic_abandon(bnn_atomic_file *file);
/* Before the work whose result is to be written there: would it go? */
bnn_code bnn_atomic_check(const char *path, bnn_error *err);
/* Removes what killed processes left of writing PATH: for one who knows that nobody is at it. */
void bnn_atomic_clean(const char *path);

/* mkdir -p, mode 0777 & ~umask. */
bnn_code bnn_make_folder(const char *path, bnn_error *err);
/* A folder and all in it, links not followed. No folder is no error. */
bnn_code bnn_remove_tree(const char *path, bnn_error *err);

#endif

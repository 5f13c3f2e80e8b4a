/* What is written to as it is, not replaced: open descriptors, pipes, sockets, devices. */
#ifndef BNN_ENGINE_BASE_STREAM_H
#define BNN_ENGINE_BASE_STREAM_H

#include <limits.h>

#include "engine/base/status.h"

/* The name where links that end `path` lead, be there something or not; of no link its own. 0: it
 * is too long. */
int bnn_follow_links(const char *path, char at[PATH_MAX]);

/* The open descriptor that a name means, by itself or at the end of links: /dev/stdout,
 * /dev/stderr, /dev/fd/N, /proc/self/fd/N. -1: none. */
int bnn_stream_descriptor(const char *path);
/* Which descriptor standard output is, under all its names. For a program that keeps it for a
 * result, and has moved it out of the way of what it prints for people. */
void bnn_stream_standard_output(int fd);

/* Can it be written to? Not if it is closed, or open for reading only. */
int bnn_is_writable(int fd);

/* Is there a stream behind this name? A regular file, a folder and nothing are none. */
int bnn_is_stream(const char *path);
/* Asked again and again while nobody is at the other end of a pipe or socket: wait on? tries: how
 * often it was asked before. NULL, as at the start: wait for ever. */
typedef int bnn_stream_patience(const char *path, unsigned tries);
void bnn_stream_wait_while(bnn_stream_patience *patience);
/* Opens it for writing: a descriptor is duplicated, so that what is written stands behind what was
 * there; a pipe waits for its reader. *fd is -1, and the code BNN_OK, where the path names a
 * regular file or nothing yet. Folders and block devices are refused. */
bnn_code bnn_stream_open(const char *path, int *fd, bnn_error *err);
/* Whether bnn_stream_open would succeed, as far as that can be told without opening. *stream: is it
 * one? */
bnn_code bnn_stream_check(const char *path, int *stream, bnn_error *err);
/* stdio remembers that a write failed, not why. What was to be written is spoiled anyway, so ask
 * the system once more by writing one byte; 0 when that went well. */
int bnn_reason_of_failed_write(int fd);

#endif

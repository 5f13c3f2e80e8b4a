/* One program of ours, run for a cell: a process whose words go to a log, and which ends when the
 * one that started it does. */
#ifndef BNN_TOOLS_SWEEP_JOB_H
#define BNN_TOOLS_SWEEP_JOB_H

#include <sys/types.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

/* A command line that grows; NULL-terminated at any moment. */
typedef struct bnn_command {
    bnn_arena *arena;
    const char **word;
    size_t count, capacity;
    int short_of_memory;
} bnn_command;

void bnn_command_add(bnn_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* PROGRAM beside the one that runs. */
bnn_code bnn_program_beside(const char *program, char path[4200], bnn_error *err);
/* `log` is appended to. The process inherits `lock_fd` (-1: none): what that holds is held until
 * the process ends, too, even if the one that started it is killed before. */
bnn_code bnn_job_start(const bnn_command *command, const char *log, int lock_fd, pid_t *pid,
                       bnn_error *err);
/* What a program said last in the log, if it was an error: one line; else, how it ended. */
void bnn_job_message(const char *log, int status, char *message, size_t bytes);

#endif

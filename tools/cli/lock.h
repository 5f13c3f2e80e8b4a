/* One process at a time in a run's folder, or at a results file. */
#ifndef BNN_TOOLS_CLI_LOCK_H
#define BNN_TOOLS_CLI_LOCK_H

#include "engine/base/status.h"

typedef struct bnn_lock {
    int held;
    int fd;
    char path[4200];
} bnn_lock;

/* What stands there, for the message: "PLACE: another PROGRAM (pid 12 on HOST) DOING". */
typedef struct bnn_lock_text {
    const char *program, *place, *doing;
} bnn_lock_text;

/* Makes FOLDER/.lock and holds it until the process ends, however it ends, or `lock` is let go. An
 * error if another process holds it, or the folder cannot be written to. Where the file system has
 * no locks, a note on stderr is all. */
bnn_code bnn_lock_folder(bnn_lock *lock, const char *folder, const bnn_lock_text *text,
                         bnn_error *err);
/* The same for a file, beside it: FOLDER/.NAME.lock, where links to it lead. */
bnn_code bnn_lock_file(bnn_lock *lock, const char *path, const bnn_lock_text *text, bnn_error *err);
/* Another may have it. The lock's file stays. */
void bnn_lock_let_go(bnn_lock *lock);
/* And leaves no trace. */
void bnn_lock_remove(bnn_lock *lock);

#endif

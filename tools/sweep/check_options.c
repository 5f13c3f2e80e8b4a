/* The options that a plan sets are other programs', who know them: each is asked, before any work
 * begins, whether it would take them. What depends on the network or the files is not known yet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "models/model.h"
#include "tools/sweep/sweep.h"

enum { LOG_BYTES = 600, WHY_BYTES = 300 };

static bnn_code ask(const bnn_sweep *sweep, size_t index, int of_eval, const char *name,
                    const char *log, bnn_error *err) {
    bnn_command command = {.arena = bnn_arena_create()};
    pid_t pid;
    bnn_code code = command.arena ? bnn_sweep_check_command(sweep, index, of_eval, &command, err)
                                  : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK && !(code = bnn_job_start(&command, log, -1, &pid, err))) {
        int status = -1;
        char why[WHY_BYTES];
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (status) {
            bnn_job_message(log, status, why, sizeof why);
            code = bnn_fail(err, BNN_ERR_FORMAT, "%s: group '%s': %s", name,
                            sweep->plan.cells[index].group->name, why);
        }
    }
    bnn_arena_free(command.arena);
    return code;
}

/* Do both have the same options, but for the batch of a limit? */
static int alike(const bnn_cell *a, const bnn_cell *b) {
    return a->variant_number == b->variant_number &&
           (strcmp(a->algo, BNN_FLOAT_ALGORITHM) == 0) ==
               (strcmp(b->algo, BNN_FLOAT_ALGORITHM) == 0);
}

static int was_asked(const bnn_plan *plan, const size_t *asked, size_t count, size_t cell) {
    while (count && !alike(&plan->cells[asked[count - 1]], &plan->cells[cell])) {
        count--;
    }
    return count != 0;
}

static bnn_code ask_all(const bnn_sweep *sweep, const char *name, const char *log, size_t *asked,
                        bnn_error *err) {
    const bnn_plan *plan = &sweep->plan;
    bnn_code code = BNN_OK;
    size_t count = 0; /* of this group */
    for (size_t i = 0; i < plan->cell_count && code == BNN_OK; i++) {
        const int begins = !i || plan->cells[i].group != plan->cells[i - 1].group;
        count = begins ? 0 : count;
        if (!was_asked(plan, asked, count, i)) {
            asked[count++] = i;
            code = ask(sweep, i, 0, name, log, err);
        }
        code = code == BNN_OK && begins && plan->cells[i].group->eval
                   ? ask(sweep, i, 1, name, log, err)
                   : code;
    }
    return code;
}

bnn_code bnn_sweep_check_options(const bnn_sweep *sweep, const char *name, bnn_error *err) {
    const char *temporary = getenv("TMPDIR");
    char log[LOG_BYTES];
    size_t *asked = malloc((sweep->plan.cell_count + 1) * sizeof *asked);
    if (!asked) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    snprintf(log, sizeof log, "%.400s/bnn-sweep.XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    const int fd = mkstemp(log);
    bnn_code code = fd < 0 ? bnn_fail_errno(err, log, "make the file", errno)
                           : ask_all(sweep, name, log, asked, err);
    if (fd >= 0) {
        close(fd);
        unlink(log);
    }
    free(asked);
    return code;
}

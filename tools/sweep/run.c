/* The work: so many cells at a time as there are jobs, each a process after the other. Nothing is
 * kept here that is not in the files, too, so the end may come at any moment. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/lock.h"
#include "tools/cli/progress.h"
#include "tools/cli/shell.h"
#include "tools/sweep/sweep.h"

#define POLL_SECONDS 0.05
#define ELSEWHERE_SECONDS 1.0 /* until a cell that another process has is asked for again */

typedef struct slot {
    int busy; /* has a cell */
    size_t cell;
    int stage;
    pid_t pid; /* 0: waits until it may measure alone */
    double started;
    int out_of_time, told_to_stop;
    bnn_lock lock;
    bnn_cell_state state;
} slot;

typedef struct work {
    bnn_sweep *sweep;
    slot *slots;
    bnn_cell_phase *phase;     /* of each cell */
    double *ask;               /* a cell that another process has: when to ask again */
    char *measured;            /* a cell is left until its speed alone is to be measured */
    size_t done, failed, here; /* here: finished by this process */
    int told_elsewhere;
    double begun;
} work;

/* ---- what there is to do ------------------------------------------------------------------- */
bnn_code bnn_sweep_phase(const bnn_sweep *sweep, size_t index, bnn_cell_state *state,
                         bnn_cell_phase *out, bnn_error *err) {
    const bnn_cell *cell = &sweep->plan.cells[index];
    bnn_code code = bnn_cell_state_read(sweep->folder, cell, state, err);
    if (code != BNN_OK) {
        return code;
    }
    *out = bnn_next_stage(cell, state) == BNN_STAGES ? BNN_CELL_DONE
           : bnn_cell_busy(sweep->folder, cell)      ? BNN_CELL_RUNS
           : state->failed                           ? BNN_CELL_FAILED
           : bnn_sweep_has_data(sweep, cell)         ? BNN_CELL_WAITS
                                                     : BNN_CELL_NO_DATA;
    if (*out == BNN_CELL_WAITS && cell->needs_twin) {
        bnn_cell_state twin_state;
        bnn_cell_phase twin;
        code = bnn_sweep_phase(sweep, cell->twin, &twin_state, &twin, err);
        if (code == BNN_OK && !twin_state.done[BNN_STAGE_TRAIN] &&
            (twin == BNN_CELL_FAILED || twin == BNN_CELL_NO_DATA)) {
            *out = BNN_CELL_BLOCKED;
        }
    }
    return code;
}

static int twin_is_trained(const work *w, const bnn_cell *cell) {
    bnn_cell_state state;
    bnn_error why;
    return !cell->needs_twin ||
           (bnn_cell_state_read(w->sweep->folder, &w->sweep->plan.cells[cell->twin], &state,
                                &why) == BNN_OK &&
            state.done[BNN_STAGE_TRAIN]);
}

static int is_taken(const work *w, size_t cell) {
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        if (w->slots[i].busy && w->slots[i].cell == cell) {
            return 1;
        }
    }
    return 0;
}

static int is_wanted(const work *w, size_t cell) {
    return w->sweep->only == BNN_NO_CELL || w->sweep->only == cell;
}

/* Each cell's phase, at the start; what failed before is forgotten if it is to be tried again. */
static bnn_code look(work *w, bnn_error *err) {
    const bnn_plan *plan = &w->sweep->plan;
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < plan->cell_count && code == BNN_OK; i++) {
        bnn_cell_state state;
        code = bnn_sweep_phase(w->sweep, i, &state, &w->phase[i], err);
        if (code == BNN_OK && w->phase[i] == BNN_CELL_FAILED && w->sweep->retry &&
            is_wanted(w, i)) {
            w->phase[i] = BNN_CELL_WAITS;
        }
        if (w->phase[i] == BNN_CELL_RUNS || w->phase[i] == BNN_CELL_BLOCKED) {
            w->phase[i] = BNN_CELL_WAITS; /* whether it does is found out in its turn */
        }
        w->done += w->phase[i] == BNN_CELL_DONE;
    }
    return code;
}

/* ---- what is told -------------------------------------------------------------------------- */
static size_t left(const work *w) {
    size_t count = 0;
    for (size_t i = 0; i < w->sweep->plan.cell_count; i++) {
        count += w->phase[i] == BNN_CELL_WAITS && is_wanted(w, i);
    }
    return count;
}

static void tell_done(const work *w, const slot *s) {
    char score[80], took[32], eta[32];
    const bnn_cell *cell = &w->sweep->plan.cells[s->cell];
    bnn_sweep_score(w->sweep, cell, score);
    bnn_clock_text(bnn_cell_seconds(&s->state), took);
    bnn_clock_text((bnn_now() - w->begun) / (double)(w->here ? w->here : 1) * (double)left(w), eta);
    printf("[%zu/%zu] %-48s %-12s %s%s%s\n", w->done, w->sweep->plan.cell_count, cell->name, score,
           took, left(w) ? "  ETA " : "", left(w) ? eta : "");
    fflush(stdout);
}

static void tell_failed(const work *w, const slot *s, const char *log) {
    printf("[%zu/%zu] %-48s FAILED in %s: %s (%s)\n", w->done, w->sweep->plan.cell_count,
           w->sweep->plan.cells[s->cell].name, bnn_stage_names[s->stage], s->state.message, log);
    fflush(stdout);
}

/* ---- a cell's life ------------------------------------------------------------------------- */
static bnn_code start_stage(work *w, slot *s, bnn_error *err) {
    char log[BNN_CELL_PATH];
    bnn_command command = {.arena = bnn_arena_create()};
    bnn_code code = command.arena ? bnn_cell_path(w->sweep->folder, &w->sweep->plan.cells[s->cell],
                                                  "log.txt", log, err)
                                  : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    s->told_to_stop = s->out_of_time = 0;
    if (code == BNN_OK &&
        (code = bnn_sweep_command(w->sweep, s->cell, s->stage, &command, err)) == BNN_OK) {
        code = bnn_job_start(&command, log, s->lock.held ? s->lock.fd : -1, &s->pid, err);
        s->started = bnn_now();
    }
    bnn_arena_free(command.arena);
    return code;
}

static int others_run(const work *w, const slot *s) {
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        if (&w->slots[i] != s && w->slots[i].busy && w->slots[i].pid) {
            return 1;
        }
    }
    return 0;
}

/* Is somebody waiting to measure, or at it? Then nothing else begins. */
static int someone_measures(const work *w) {
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        if (w->slots[i].busy && w->slots[i].stage == BNN_STAGE_INFER) {
            return 1;
        }
    }
    return 0;
}

static void let_go(slot *s) {
    bnn_lock_remove(&s->lock);
    *s = (slot){0};
}

/* The next stage of the cell, or its end. */
static bnn_code go_on(work *w, slot *s, bnn_error *err) {
    const bnn_cell *cell = &w->sweep->plan.cells[s->cell];
    s->stage = bnn_next_stage(cell, &s->state);
    s->pid = 0;
    if (s->stage == BNN_STAGES) {
        w->phase[s->cell] = BNN_CELL_DONE;
        w->done++;
        w->here++;
        tell_done(w, s);
        let_go(s);
        return BNN_OK;
    }
    if (bnn_interrupted()) {
        let_go(s);
        return BNN_OK;
    }
    if (s->stage != BNN_STAGE_INFER) {
        return start_stage(w, s, err);
    }
    /* Others would have to end first, and nobody could begin meanwhile. */
    if (!w->measured[s->cell] && others_run(w, s)) {
        w->measured[s->cell] = 1;
        let_go(s);
    }
    return BNN_OK;
}

static bnn_code fail_cell(work *w, slot *s, int status, bnn_error *err) {
    char log[BNN_CELL_PATH];
    const bnn_cell *cell = &w->sweep->plan.cells[s->cell];
    bnn_code code = bnn_cell_path(w->sweep->folder, cell, "log.txt", log, err);
    if (code != BNN_OK) {
        return code;
    }
    s->state.failed = 1;
    s->state.failed_stage = s->stage;
    if (s->out_of_time) {
        snprintf(s->state.message, sizeof s->state.message,
                 "its %g minutes are over; with more in the plan --retry goes on",
                 cell->group->minutes);
    } else {
        bnn_job_message(log, status, s->state.message, sizeof s->state.message);
    }
    code = bnn_cell_state_write(w->sweep->folder, cell, &s->state, err);
    w->phase[s->cell] = BNN_CELL_FAILED;
    w->failed++;
    tell_failed(w, s, log);
    let_go(s);
    return code;
}

static bnn_code end_stage(work *w, slot *s, int status, bnn_error *err) {
    const bnn_cell *cell = &w->sweep->plan.cells[s->cell];
    const int good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    s->state.seconds[s->stage] += bnn_now() - s->started;
    s->state.done[s->stage] = good;
    s->pid = 0;
    if (!good && !(s->told_to_stop && !s->out_of_time)) {
        return fail_cell(w, s, status, err);
    }
    bnn_code code = bnn_cell_state_write(w->sweep->folder, cell, &s->state, err);
    if (code == BNN_OK && good) {
        return go_on(w, s, err);
    }
    let_go(s);
    return code;
}

/* What killed processes were writing, of whom there are none: the cell is locked. */
static bnn_code clean(const work *w, const bnn_cell *cell, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; bnn_cell_files[i] && code == BNN_OK; i++) {
        char path[BNN_CELL_PATH];
        if ((code = bnn_cell_path(w->sweep->folder, cell, bnn_cell_files[i], path, err)) ==
            BNN_OK) {
            bnn_atomic_clean(path);
        }
    }
    return code;
}

/* Takes the cell if nobody else has it. *taken: it has a slot, or is done already. */
static bnn_code take(work *w, slot *s, size_t index, bnn_error *err) {
    const bnn_cell *cell = &w->sweep->plan.cells[index];
    char folder[BNN_CELL_PATH];
    bnn_error busy = {0};
    const bnn_lock_text text = {"bnn-sweep", cell->name, "works on it"};
    bnn_code code = bnn_cell_path(w->sweep->folder, cell, "", folder, err);
    if (code != BNN_OK || (code = bnn_make_folder(folder, err)) != BNN_OK) {
        return code;
    }
    *s = (slot){.busy = 1, .cell = index};
    if (bnn_lock_folder(&s->lock, folder, &text, &busy) != BNN_OK) {
        *s = (slot){0};
        w->ask[index] = bnn_now() + ELSEWHERE_SECONDS;
        return busy.code == BNN_ERR_ARGUMENT ? BNN_OK : bnn_fail(err, busy.code, "%s", busy.text);
    }
    if ((code = clean(w, cell, err)) != BNN_OK ||
        (code = bnn_cell_state_read(w->sweep->folder, cell, &s->state, err)) != BNN_OK) {
        return code;
    }
    /* Another may have failed on it meanwhile. */
    if (s->state.failed && !w->sweep->retry) {
        w->phase[index] = BNN_CELL_FAILED;
        w->failed++;
        let_go(s);
        return BNN_OK;
    }
    s->state.failed = 0;
    return (code = bnn_cell_state_write(w->sweep->folder, cell, &s->state, err)) == BNN_OK
               ? go_on(w, s, err)
               : code;
}

/* ---- the loop ------------------------------------------------------------------------------ */
static bnn_code collect(work *w, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        slot *s = &w->slots[i];
        int status;
        if (s->busy && s->pid && waitpid(s->pid, &status, WNOHANG) == s->pid) {
            bnn_code ended = end_stage(w, s, status, err);
            code = code == BNN_OK ? ended : code;
        }
    }
    return code;
}

/* Schedulers send TERM to every process; a second one would end it before it has saved itself. */
static void stop(slot *s) {
    if (s->busy && s->pid && !s->told_to_stop) {
        s->told_to_stop = 1;
        kill(s->pid, SIGUSR1);
    }
}

static void stop_some(work *w, int all) {
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        slot *s = &w->slots[i];
        const double minutes = s->busy ? w->sweep->plan.cells[s->cell].group->minutes : 0.0;
        if (minutes > 0.0 && s->pid &&
            bnn_cell_seconds(&s->state) + bnn_now() - s->started > 60.0 * minutes) {
            s->out_of_time = !s->told_to_stop || s->out_of_time;
            stop(s);
        } else if (all) {
            stop(s);
            if (s->busy && !s->pid) {
                let_go(s);
            }
        }
    }
}

/* A cell that can begin now, or BNN_NO_CELL; *later: there are some that cannot yet. Those of which
 * only the speed is to be measured come when nobody runs. */
static size_t next_cell(work *w, int measured, int *later) {
    const bnn_plan *plan = &w->sweep->plan;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const bnn_cell *cell = &plan->cells[i];
        if (w->phase[i] != BNN_CELL_WAITS || !is_wanted(w, i) || is_taken(w, i) ||
            w->measured[i] != measured) {
            continue;
        }
        if (cell->needs_twin && w->phase[cell->twin] != BNN_CELL_DONE &&
            !twin_is_trained(w, cell)) {
            const bnn_cell_phase twin = w->phase[cell->twin];
            if (twin == BNN_CELL_WAITS && w->sweep->only == BNN_NO_CELL) {
                *later = 1;
            } else {
                w->phase[i] = BNN_CELL_BLOCKED;
            }
        } else if (bnn_now() < w->ask[i]) {
            *later = 1;
        } else {
            return i;
        }
    }
    return BNN_NO_CELL;
}

static bnn_code begin_cells(work *w, int *later, bnn_error *err) {
    bnn_code code = BNN_OK;
    *later = 0;
    for (int64_t i = 0; i < w->sweep->jobs && code == BNN_OK; i++) {
        slot *s = &w->slots[i];
        if (s->busy && !s->pid && !others_run(w, s)) {
            code = start_stage(w, s, err);
        }
        while (!s->busy && code == BNN_OK && !someone_measures(w)) {
            size_t cell = next_cell(w, 0, later);
            if (cell == BNN_NO_CELL && !others_run(w, s)) {
                cell = next_cell(w, 1, later);
            }
            if (cell == BNN_NO_CELL) {
                break;
            }
            code = take(w, s, cell, err);
        }
    }
    return code;
}

static int any_busy(const work *w) {
    for (int64_t i = 0; i < w->sweep->jobs; i++) {
        if (w->slots[i].busy) {
            return 1;
        }
    }
    return 0;
}

static void sleep_a_little(void) {
    const struct timespec pause = {0, (long)(POLL_SECONDS * 1e9)};
    nanosleep(&pause, NULL);
}

/* An error, as of a disk that is full, ends what runs first. */
static bnn_code work_on(work *w, bnn_error *err) {
    bnn_code code = BNN_OK;
    bnn_error later_error;
    for (;;) {
        int later = 0;
        stop_some(w, bnn_interrupted() || code != BNN_OK);
        bnn_code ended = collect(w, code == BNN_OK ? err : &later_error);
        code = code == BNN_OK ? ended : code;
        if (code == BNN_OK && !bnn_interrupted()) {
            code = begin_cells(w, &later, err);
        }
        if (!any_busy(w)) {
            if (code != BNN_OK || bnn_interrupted() || !later) {
                return code;
            }
            if (!w->told_elsewhere) {
                printf("the cells that are left are worked on by others; waiting for them\n");
                fflush(stdout);
                w->told_elsewhere = 1;
            }
        }
        sleep_a_little();
    }
}

static size_t count_phase(const work *w, bnn_cell_phase phase) {
    size_t count = 0;
    for (size_t i = 0; i < w->sweep->plan.cell_count; i++) {
        count += w->phase[i] == phase && is_wanted(w, i);
    }
    return count;
}

static bnn_code sum_up(const work *w, bnn_error *err) {
    const size_t failed = count_phase(w, BNN_CELL_FAILED), none = count_phase(w, BNN_CELL_NO_DATA);
    const size_t blocked = count_phase(w, BNN_CELL_BLOCKED);
    if (bnn_interrupted()) {
        printf("interrupted; go on with: bnn-sweep run %s\n", bnn_shell_quote(w->sweep->folder).s);
        return BNN_OK;
    }
    printf("%zu of %zu cells are done", w->done, w->sweep->plan.cell_count);
    printf(none ? "; %zu have no data (--data-dir NAME=DIR)\n" : "\n", none);
    if (w->sweep->only != BNN_NO_CELL && (none || blocked)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        none ? "%s: nobody said where its data are; give "
                               "--data-dir %s=DIR"
                             : "%s: needs %s, which is not trained",
                        w->sweep->plan.cells[w->sweep->only].name,
                        none
                            ? w->sweep->plan.cells[w->sweep->only].data
                            : w->sweep->plan.cells[w->sweep->plan.cells[w->sweep->only].twin].name);
    }
    return failed || blocked
               ? bnn_fail(
                     err, BNN_ERR_ARGUMENT,
                     "%zu cells failed, %zu need one of them; their log.txt says why; bnn-sweep "
                     "run %s --retry tries again",
                     failed, blocked, w->sweep->folder)
               : BNN_OK;
}

bnn_code bnn_sweep_run(bnn_sweep *sweep, bnn_error *err) {
    const size_t cells = sweep->plan.cell_count;
    work w = {.sweep = sweep,
              .slots = calloc((size_t)sweep->jobs, sizeof *w.slots),
              .phase = calloc(cells, sizeof *w.phase),
              .ask = calloc(cells, sizeof *w.ask),
              .measured = calloc(cells, sizeof *w.measured),
              .begun = bnn_now()};
    bnn_code code = w.slots && w.phase && w.ask && w.measured
                        ? look(&w, err)
                        : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK && (code = work_on(&w, err)) == BNN_OK) {
        code = sum_up(&w, err);
    }
    free(w.slots);
    free(w.phase);
    free(w.ask);
    free(w.measured);
    return code;
}

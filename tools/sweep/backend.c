/* Sweeps for those who have a scheduler: make, or Slurm. Either only says which cell is next; the
 * cell itself is worked on by bnn-sweep run --cell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/shell.h"
#include "tools/sweep/sweep.h"

static bnn_code finish(bnn_atomic_file *file, bnn_error *err) {
    return bnn_atomic_commit(file, err);
}

static bnn_code open_in(const bnn_sweep *sweep, const char *name, char path[BNN_CELL_PATH],
                        bnn_atomic_file **out, bnn_error *err) {
    return snprintf(path, BNN_CELL_PATH, "%s/%s", sweep->folder, name) < BNN_CELL_PATH
               ? bnn_atomic_open(path, out, err)
               : bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", sweep->folder);
}

/* A word of a command in a Makefile, where two dollars are one, and what follows a # in a variable
 * is a comment. */
static void put_for_make(FILE *out, const char *text, int variable) {
    const bnn_shell_word word = bnn_shell_quote(text);
    for (const char *c = word.s; *c; c++) {
        fputs(*c == '$' ? "$$" : variable && *c == '#' ? "\\#" : (const char[]){*c, '\0'}, out);
    }
}

static int stands_alone(const bnn_sweep *sweep, const bnn_cell *cell) {
    return bnn_sweep_has_data(sweep, cell);
}

/* The folder as it is found from anywhere. */
static bnn_code absolute(const char *path, char out[4200], bnn_error *err) {
    char *real = realpath(path, NULL);
    const int reason = !real ? errno : strlen(real) >= 4096 ? ENAMETOOLONG : 0;
    snprintf(out, 4200, "%s", real && !reason ? real : "");
    free(real);
    return reason ? bnn_fail_errno(err, path, "find the folder", reason) : BNN_OK;
}

bnn_code bnn_sweep_write_make(const bnn_sweep *sweep, bnn_error *err) {
    char path[BNN_CELL_PATH], program[4200], folder[4200];
    bnn_atomic_file *file;
    const bnn_plan *plan = &sweep->plan;
    bnn_code code = bnn_program_beside("bnn-sweep", program, err);
    if (code != BNN_OK || (code = absolute(sweep->folder, folder, err)) != BNN_OK ||
        (code = open_in(sweep, "Makefile", path, &file, err)) != BNN_OK) {
        return code;
    }
    FILE *out = bnn_atomic_stream(file);
    fputs("# Written by bnn-sweep. make -j N does the cells that are left; a cell is done once.\n"
          "SWEEP = ",
          out);
    put_for_make(out, program, 1);
    fprintf(out, " run . --threads %lld --cell\nCELLS =", (long long)bnn_sweep_threads(sweep));
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (stands_alone(sweep, &plan->cells[i])) {
            fprintf(out, " \\\n  %s", plan->cells[i].name);
        }
    }
    fputs("\n.PHONY: all $(CELLS)\nall: $(CELLS)\n$(CELLS):\n\tcd ", out);
    put_for_make(out, folder, 0);
    fputs(" && $(SWEEP) $@\n", out);
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (plan->cells[i].needs_twin && stands_alone(sweep, &plan->cells[i])) {
            fprintf(out, "%s: %s\n", plan->cells[i].name, plan->cells[plan->cells[i].twin].name);
        }
    }
    if ((code = finish(file, err)) == BNN_OK) {
        printf("%s; start it with: make -j N -C %s\n", path, bnn_shell_quote(sweep->folder).s);
    }
    return code;
}

/* ---- Slurm --------------------------------------------------------------------------------- */
/* The names, a line each; how many, in *count. */
static bnn_code write_list(const bnn_sweep *sweep, int level, size_t *count, bnn_error *err) {
    char path[BNN_CELL_PATH], name[40];
    bnn_atomic_file *file;
    snprintf(name, sizeof name, "slurm/cells-%d.txt", level);
    bnn_code code = open_in(sweep, name, path, &file, err);
    *count = 0;
    if (code != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < sweep->plan.cell_count; i++) {
        const bnn_cell *cell = &sweep->plan.cells[i];
        if (stands_alone(sweep, cell) && cell->needs_twin == level) {
            fprintf(bnn_atomic_stream(file), "%s\n", cell->name);
            ++*count;
        }
    }
    return finish(file, err);
}

/* Two minutes before its time is over the script alone gets USR1: the cell is saved, and the script
 * puts itself back into the queue. That goes by the array's number and the task's, as one task has
 * the number of the whole array. TERM means that somebody else stops the job, maybe for good: he
 * decides whether it comes back. A shell goes on waiting only if it is told to. */
static const char script_end[] =
    " run . --retry --threads \"${SLURM_CPUS_PER_TASK:-1}\" --cell \"$cell\" &\n"
    "child=$!\n"
    "[ -z \"$again\" ] || stop\n"
    "again=1\n"
    "while [ \"$again\" ]; do\n"
    "    again=\n"
    "    wait \"$child\"\n"
    "    status=$?\n"
    "done\n"
    "# Interrupted: 130; above 128, before it could say so.\n"
    "if [ \"$over\" ] && [ \"$status\" -gt 128 ]; then\n"
    "    exec scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"\n"
    "fi\n"
    "exit \"$status\"\n";

static bnn_code write_script(const bnn_sweep *sweep, int level, size_t count, const char *program,
                             const char *folder, bnn_error *err) {
    char path[BNN_CELL_PATH], name[40];
    bnn_atomic_file *file;
    snprintf(name, sizeof name, "slurm/job-%d.sh", level);
    bnn_code code = open_in(sweep, name, path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    FILE *out = bnn_atomic_stream(file);
    fprintf(out,
            "#!/bin/sh\n#SBATCH --job-name=bnn-sweep-%d\n#SBATCH --array=1-%zu\n"
            "#SBATCH --cpus-per-task=%lld\n#SBATCH --requeue\n#SBATCH --signal=B:USR1@120\n"
            "#SBATCH --open-mode=append\n",
            level, count, (long long)bnn_sweep_threads(sweep));
    fputs("# Written by bnn-sweep. More of #SBATCH (time, partition, memory) may be given to "
          "sbatch.\nover='' again='' child=''\n"
          "stop() {\n    again=1\n    [ -z \"$child\" ] || kill -USR1 \"$child\" 2>/dev/null\n}\n"
          "trap 'over=1; stop' USR1\ntrap stop TERM\ncd ",
          out);
    fputs(bnn_shell_quote(folder).s, out);
    fprintf(out, " || exit 1\ncell=$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" slurm/cells-%d.txt)\n",
            level);
    fputs(bnn_shell_quote(program).s, out);
    fputs(script_end, out);
    return finish(file, err);
}

/* What `command` prints, a line of it; 0 if it fails. */
static int run_command(const char *const *words, char *line, size_t bytes) {
    int ends[2], status = -1;
    if (pipe(ends) != 0) {
        return 0;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    *line = '\0';
    if (said && !fgets(line, (int)bytes, said)) {
        *line = '\0';
    }
    line[strcspn(line, ";\n")] = '\0';
    if (said) {
        fclose(said);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && *line;
}

static int is_on_path(const char *program) {
    const char *folders = getenv("PATH");
    char *path = folders ? strdup(folders) : NULL, *save = NULL, file[4200];
    int found = 0;
    for (char *at = path ? strtok_r(path, ":", &save) : NULL; at && !found;
         at = strtok_r(NULL, ":", &save)) {
        snprintf(file, sizeof file, "%.4000s/%.100s", at, program);
        found = access(file, X_OK) == 0;
    }
    free(path);
    return found;
}

static bnn_code submit(const bnn_sweep *sweep, const size_t count[2], bnn_error *err) {
    char job[64] = "", script[BNN_CELL_PATH], after[100];
    for (int level = 0; level < 2; level++) {
        const char *words[6] = {"sbatch", "--parsable", script};
        snprintf(script, sizeof script, "%s/slurm/job-%d.sh", sweep->folder, level);
        if (level == 1 && *job) {
            snprintf(after, sizeof after, "--dependency=afterany:%.60s", job);
            words[2] = after;
            words[3] = script;
        }
        if (!count[level]) {
            continue;
        }
        if (!run_command(words, job, sizeof job)) {
            return bnn_fail(err, BNN_ERR_IO, "%s: sbatch did not take it; it said why above",
                            script);
        }
        printf("submitted %s as job %s\n", script, job);
    }
    return BNN_OK;
}

static void tell_how_to_submit(const bnn_sweep *sweep, const size_t count[2]) {
    printf("there is no sbatch here; where there is one, submit %s/slurm/job-0.sh (%zu cells)",
           sweep->folder, count[0]);
    if (count[1]) {
        printf(", and, as --dependency=afterany:JOB of the number that gets, %s/slurm/job-1.sh "
               "(%zu cells that need one of those)",
               sweep->folder, count[1]);
    }
    printf("\n");
}

bnn_code bnn_sweep_write_slurm(const bnn_sweep *sweep, bnn_error *err) {
    char program[4200], folder[4200], path[BNN_CELL_PATH];
    size_t count[2];
    bnn_code code = bnn_program_beside("bnn-sweep", program, err);
    snprintf(path, sizeof path, "%s/slurm", sweep->folder);
    if (code != BNN_OK || (code = absolute(sweep->folder, folder, err)) != BNN_OK ||
        (code = bnn_make_folder(path, err)) != BNN_OK) {
        return code;
    }
    for (int level = 0; level < 2 && code == BNN_OK; level++) {
        code = write_list(sweep, level, &count[level], err);
        if (code == BNN_OK && count[level]) {
            code = write_script(sweep, level, count[level], program, folder, err);
        }
    }
    if (code != BNN_OK) {
        return code;
    }
    if (!count[0]) { /* a cell that needs another has the data of that one */
        printf("there is nothing to submit: no cell has data (--data-dir NAME=DIR)\n");
        return BNN_OK;
    }
    if (is_on_path("sbatch")) {
        return submit(sweep, count, err);
    }
    tell_how_to_submit(sweep, count);
    return BNN_OK;
}

#include "tools/cli/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/stream.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/names.h"
#include "tools/cli/openmp.h"

static const char *name;
static int gave_up; /* the wait for a reader: an interrupt, even if it is an error of the work */

static int wait_for_reader(const char *path, unsigned tries) {
    if (bnn_interrupted()) {
        gave_up = 1;
    } else if (tries == 0) {
        fprintf(stderr, "%s: note: %s: waits for a reader\n", name, path);
    }
    return !gave_up;
}

/* ---- files that become shorter while they are mapped ---- */

static char cut_off[256];
static size_t cut_off_bytes;
static atomic_flag told = ATOMIC_FLAG_INIT;
static struct sigaction before_bus;

/* Reading what is no longer there is a fault, not an error: nothing can be done but to say so.
 * Other faults are not ours. */
static void on_bus(int number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code == BUS_ADRERR) {
        while (atomic_flag_test_and_set(&told)) {
            pause(); /* several threads read, one says it */
        }
        ssize_t said = write(STDERR_FILENO, cut_off, cut_off_bytes);
        (void)said;
        _exit(EXIT_FAILURE);
    }
    sigaction(number, &before_bus, NULL);
    if (info->si_code <= 0) {
        raise(number); /* it was sent; a fault comes again by itself */
    }
}

static void explain_cut_files(void) {
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    /* A line of progress may stand on a terminal. */
    snprintf(cut_off, sizeof cut_off,
             "%s%s: a file that is being read has become shorter, or its disk fails; put it back, "
             "then repeat the command, or go on with a run: bnn-train --resume\n",
             isatty(STDERR_FILENO) ? "\n" : "", name);
    cut_off_bytes = strlen(cut_off);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before_bus);
}

/* The lowest number that is free is the one that open takes. For reading only: what is written to
 * what was closed has to fail, as it is lost. */
static void open_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) {
            open("/", O_RDONLY | O_DIRECTORY); /* anything, as long as it is no file of ours */
        }
    }
}

/* Did all that was printed arrive? Where standard output was given to a result, that one's own
 * writing has said so. */
static bnn_code finish_output(bnn_error *err) {
    if (bnn_stream_descriptor("/dev/stdout") != STDOUT_FILENO) {
        return BNN_OK;
    }
    int reason = ferror(stdout) ? bnn_reason_of_failed_write(STDOUT_FILENO) : 0;
    int failed = ferror(stdout);
    if (fclose(stdout) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    if (failed && reason == EBADF) {
        return bnn_fail(err, BNN_ERR_IO,
                        "standard output: is closed, so what was printed is lost; redirect it to a "
                        "file");
    }
    if (failed && reason == 0) {
        return bnn_fail(err, BNN_ERR_IO, "standard output: a part of what was printed is lost");
    }
    return failed ? bnn_fail_errno(err, "standard output", "write what was printed", reason)
                  : BNN_OK;
}

int bnn_start(bnn_program *program, int argc, char **argv, bnn_code (*work)(bnn_error *err)) {
    bnn_error err = {0}, lost = {0};
    name = program->name;
    open_standard_descriptors();
    bnn_openmp_prepare(argv);
    bnn_interrupt_forbid_kills();
    explain_cut_files();
    bnn_names_fill();
    bnn_parse_result parsed = bnn_options_parse(program, argc, argv);
    if (parsed == BNN_PARSE_ERROR) {
        return EXIT_FAILURE;
    }
    bnn_code code = BNN_OK;
    if (parsed == BNN_PARSE_RUN) {
        bnn_interrupt_catch();
        bnn_stream_wait_while(wait_for_reader);
        code = work(&err);
    }
    bnn_code printed = finish_output(&lost);
    if (code != BNN_OK || printed != BNN_OK) {
        fprintf(stderr, "%s: %s\n", program->name, code != BNN_OK ? err.text : lost.text);
    }
    if (gave_up || (bnn_interrupted() && code == BNN_OK)) {
        return BNN_EXIT_INTERRUPTED;
    }
    return code == BNN_OK && printed == BNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

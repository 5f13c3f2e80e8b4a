/* Progress of long work on stderr: a bar with rate and time left on a terminal, redrawn in place a
 * few times a second; a plain line now and then (about every 10 s, and the last) otherwise. */
#ifndef BNN_TOOLS_CLI_PROGRESS_H
#define BNN_TOOLS_CLI_PROGRESS_H

#include <stddef.h>

typedef struct bnn_progress {
    const char *label; /* "epoch 2/5" */
    size_t total;      /* units of work; 0: unknown */
    const char *unit;  /* "images" */
    size_t done, done_at_start;
    double started, drawn; /* seconds, monotonic clock */
    int terminal;          /* stderr is one, and TERM is not "dumb" */
    int drew;
} bnn_progress;

/* `done` > 0 where work was resumed in its middle: the rate counts only what is new. */
void bnn_progress_start(bnn_progress *p, const char *label, size_t total, const char *unit,
                        size_t done);
/* `done` in all so far; `note` (may be NULL) is shown behind the bar: "loss 1.234 acc 45.6%". */
void bnn_progress_update(bnn_progress *p, size_t done, const char *note);
/* Clears the bar (or ends the line) and, off a terminal, prints the last line. */
void bnn_progress_end(bnn_progress *p, const char *note);
/* Units a second since start. */
double bnn_progress_rate(const bnn_progress *p);
/* Seconds of the monotonic clock. */
double bnn_now(void);

#endif

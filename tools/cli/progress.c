/* A progress bar that costs a clock reading a step: everything else happens only when a drawing is
 * due. It is fitted to the terminal's width each time, as a line that wraps cannot be redrawn. */
#include "tools/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.2
#define LINE_SECONDS 10.0

enum { LONGEST_LINE = 1024, WIDEST_BAR = 30, NARROWEST_BAR = 5, USUAL_WIDTH = 80 };

double bnn_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bnn_progress_start(bnn_progress *p, const char *label, size_t total, const char *unit,
                        size_t done) {
    const char *term = getenv("TERM");
    *p = (bnn_progress){.label = label, .total = total, .unit = unit};
    p->done = p->done_at_start = done;
    p->terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    p->started = bnn_now();
    /* The bar shows at once; a line waits for its turn. */
    p->drawn = p->terminal ? p->started - REDRAW_SECONDS : p->started;
}

static double rate_at(const bnn_progress *p, double now) {
    double seconds = now - p->started;
    if (seconds <= 0 || p->done <= p->done_at_start)
        return 0;
    return (double)(p->done - p->done_at_start) / seconds;
}

double bnn_progress_rate(const bnn_progress *p) {
    return rate_at(p, bnn_now());
}

/* 0:07, 12:34, 1:02:03 */
static void format_time(double seconds, char *out, size_t bytes) {
    if (seconds > 999 * 3600.0) {
        snprintf(out, bytes, "long");
        return;
    }
    unsigned s = (unsigned)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, bytes, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, bytes, "%u:%02u", s / 60, s % 60);
}

static size_t terminal_width(void) {
    struct winsize size;
    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    return width > 0 ? (size_t)width : USUAL_WIDTH;
}

/* Columns of UTF-8 text, each character counted as one. */
static size_t columns_of(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* Cuts behind `width` characters. */
static void cut(char *text, size_t width) {
    size_t count = 0;
    for (; *text; text++)
        if (((unsigned char)*text & 0xC0) != 0x80 && count++ == width) {
            *text = '\0';
            return;
        }
}

/* What stands behind the bar: " 45% 12345/50000 images 3456/s ETA 0:12 loss 1.234". At the end, the
 * time spent takes the place of the time left. */
static void format_facts(const bnn_progress *p, double now, const char *note, int at_end, char *out,
                         size_t bytes) {
    double rate = rate_at(p, now);
    char count[64], when[32], speed[32];
    if (p->total)
        snprintf(count, sizeof count, "%3d%% %zu/%zu",
                 p->done >= p->total ? 100 : (int)((double)p->done / (double)p->total * 100),
                 p->done, p->total);
    else
        snprintf(count, sizeof count, "%zu", p->done);
    /* Slow work is counted with a fraction: "0.25/s" says more than "0/s". */
    snprintf(speed, sizeof speed, rate < 10 ? "%.2f/s" : "%.0f/s", rate);
    const char *what = "";
    if (at_end || !p->total) {
        format_time(now - p->started, when, sizeof when);
    } else if (rate > 0) {
        what = "ETA ";
        format_time(p->done < p->total ? (double)(p->total - p->done) / rate : 0, when,
                    sizeof when);
    } else {
        what = "ETA ";
        snprintf(when, sizeof when, "-:--");
    }
    snprintf(out, bytes, "%s %s %s %s%s%s%s", count, p->unit ? p->unit : "", speed, what, when,
             note && *note ? " " : "", note ? note : "");
}

/* The bar gives way first, then the end of the line. */
static void draw_bar(bnn_progress *p, double now, const char *note) {
    char facts[512], bar[WIDEST_BAR + 4] = "", line[LONGEST_LINE];
    const char *label = p->label ? p->label : "";
    format_facts(p, now, note, 0, facts, sizeof facts);
    size_t width = terminal_width() - 1; /* the last column would wrap on some terminals */
    size_t used = columns_of(label) + 1 + columns_of(facts);
    if (p->total && used + 3 + NARROWEST_BAR <= width) {
        size_t room = width - used - 3;
        if (room > WIDEST_BAR)
            room = WIDEST_BAR;
        double part = p->done < p->total ? (double)p->done / (double)p->total : 1;
        size_t full = (size_t)(part * (double)room);
        bar[0] = '[';
        memset(bar + 1, '=', full);
        memset(bar + 1 + full, ' ', room - full);
        if (full < room)
            bar[1 + full] = '>';
        memcpy(bar + 1 + room, "] ", 3);
    }
    snprintf(line, sizeof line, "%s %s%s", label, bar, facts);
    cut(line, width);
    fprintf(stderr, "\r%s\033[K", line);
    p->drew = 1;
}

static void print_line(const bnn_progress *p, double now, const char *note, int at_end) {
    char facts[512];
    format_facts(p, now, note, at_end, facts, sizeof facts);
    fprintf(stderr, "%s %s\n", p->label ? p->label : "", facts + strspn(facts, " "));
}

void bnn_progress_update(bnn_progress *p, size_t done, const char *note) {
    double now = bnn_now();
    p->done = done;
    if (now - p->drawn < (p->terminal ? REDRAW_SECONDS : LINE_SECONDS))
        return;
    p->drawn = now;
    if (p->terminal)
        draw_bar(p, now, note);
    else
        print_line(p, now, note, 0);
}

void bnn_progress_end(bnn_progress *p, const char *note) {
    if (!p->terminal)
        print_line(p, bnn_now(), note, 1);
    else if (p->drew)
        fputs("\r\033[K", stderr);
    p->drew = 0;
}

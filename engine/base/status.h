/* Statuses: the library never exits, aborts or prints. A function that can fail returns a bnn_code
 * and, if the caller passed a bnn_error, leaves there one line that says what, where and the
 * likely cure. */
#ifndef BNN_ENGINE_BASE_STATUS_H
#define BNN_ENGINE_BASE_STATUS_H

typedef enum bnn_code {
    BNN_OK = 0,
    BNN_ERR_ARGUMENT,    /* a value the caller chose is unusable */
    BNN_ERR_IO,          /* the operating system refused (open, read, write, sync, rename) */
    BNN_ERR_FORMAT,      /* a file's bytes are not what its format promises */
    BNN_ERR_MEMORY,      /* out of memory */
    BNN_ERR_SHAPE,       /* tensors do not fit each other */
    BNN_ERR_NUMERIC,     /* a value is not finite */
    BNN_ERR_UNSUPPORTED, /* valid, but not built in */
} bnn_code;

/* One line, no newline at its end. */
typedef struct bnn_error {
    bnn_code code;
    char text[512];
} bnn_error;

/* Fills `err` (may be NULL) printf-like, control characters replaced by '?', and returns `code`, so
 * that a check reads
 * `return bnn_fail(err, BNN_ERR_IO, "%s: ...", path);`. What is too long for a line loses its
 * middle: a path of any length may stand in front of the cure. */
bnn_code bnn_fail(bnn_error *err, bnn_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of an error already there; for callers that know where it happened. */
bnn_code bnn_fail_in(bnn_error *err, bnn_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An analysis of one file at a time does not see that these return the code, which is not OK. */
#ifdef __clang_analyzer__
static inline bnn_code bnn_code_of(bnn_code returned, bnn_code given) {
    (void)returned;
    return given;
}
#define bnn_fail(err, code, ...) bnn_code_of((bnn_fail)(err, code, __VA_ARGS__), code)
#define bnn_fail_in(err, code, ...) bnn_code_of((bnn_fail_in)(err, code, __VA_ARGS__), code)
#endif

/* "PATH: cannot WHAT: REASON (CURE)"; BNN_ERR_IO, or BNN_ERR_MEMORY for ENOMEM. */
bnn_code bnn_fail_errno(bnn_error *err, const char *path, const char *what, int number);

#endif

/* A run's folder. The checkpoint is the truth, and the logs follow it: resuming copies the part of
 * each log that lies before the checkpoint, puts that in the log's place by an atomic rename, and
 * appends; so neither a kill nor a full disk costs more than the last lines. */
#include "tools/run/run_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/base/file.h"
#include "tools/cli/machine.h"
#include "tools/cli/progress.h"
#include "tools/run/events.h"

#define FLUSH_SECONDS 1.0

enum { FLUSH_LINES = 100, LONGEST_LINE = 1 << 16 };

static const char *const sessions = "sessions.jsonl";
static const char *const checkpoints[] = {"last.safetensors", "best.safetensors"};
const char *const bnn_run_files[] = {
    "config.json",      "metrics.csv",      "steps.jsonl",   "sessions.jsonl",
    "last.safetensors", "best.safetensors", BNN_EVENTS_FILE, NULL};

bnn_code bnn_run_file(const bnn_run_folder *run, const char *name, char *out, size_t bytes,
                      bnn_error *err) {
    int length = snprintf(out, bytes, "%s/%s", run->path, name);
    if (length < 0 || (size_t)length >= bytes)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", run->path);
    return BNN_OK;
}

static bnn_code fail_file(const bnn_run_folder *run, const char *name, const char *what,
                          bnn_error *err) {
    const int cause = errno;
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", run->path, name);
    return bnn_fail_errno(err, path, what, cause);
}

static const char *const no_losses[] = {NULL};

static bnn_code set_path(bnn_run_folder *run, const char *path, const bnn_task *task,
                         const char *const *losses, bnn_error *err) {
    *run =
        (bnn_run_folder){.task = task, .losses = losses ? losses : no_losses, .flushed = bnn_now()};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (!length)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "the path of the run's folder is empty");
    if (length >= sizeof run->path)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", path);
    memcpy(run->path, path, length);
    return BNN_OK;
}

static bnn_code open_log(const bnn_run_folder *run, const char *name, const char *mode, FILE **out,
                         bnn_error *err) {
    char path[sizeof run->path];
    bnn_code code = bnn_run_file(run, name, path, sizeof path, err);
    if (code)
        return code;
    *out = fopen(path, mode);
    return *out ? BNN_OK : fail_file(run, name, "open", err);
}

bnn_code bnn_run_lock(bnn_lock *lock, const char *path, bnn_error *err) {
    const bnn_lock_text text = {"bnn-train", path,
                                "is training in it; wait until it ends, or choose another folder "
                                "with --output"};
    return bnn_lock_folder(lock, path, &text, err);
}

/* What killed processes were writing. */
static bnn_code clean(const bnn_run_folder *run, bnn_error *err) {
    char path[sizeof run->path];
    bnn_code code = BNN_OK;
    for (size_t i = 0; !code && bnn_run_files[i]; i++) {
        code = bnn_run_file(run, bnn_run_files[i], path, sizeof path, err);
        if (!code)
            bnn_atomic_clean(path);
    }
    return code;
}

static size_t columns_of(const char *header) {
    size_t columns = 1;
    for (; *header; header++)
        columns += *header == ',';
    return columns;
}

void bnn_metrics_header(const bnn_task *task, const char *const *losses, int older,
                        char header[BNN_METRICS_HEADER_BYTES]) {
    const bnn_metric *m = task->metrics;
    size_t used = (size_t)sprintf(header, "epoch,lr,train_loss");
    for (; losses && *losses; losses++)
        used += (size_t)sprintf(header + used, ",train_loss_%s", *losses);
    for (int i = 0; m[i].key; i++)
        used += m[i].training ? (size_t)sprintf(header + used, ",train_%s", m[i].key) : 0;
    used += (size_t)sprintf(header + used, ",test_loss");
    for (int i = 0; m[i].key && !(older && m[i].minor); i++)
        used += (size_t)sprintf(header + used, ",test_%s", m[i].key);
    sprintf(header + used, ",best_%s", m[0].key);
}

/* ---- a new run ---- */

static bnn_code refuse_old_run(const bnn_run_folder *run, bnn_error *err) {
    char path[sizeof run->path];
    struct stat info;
    bnn_code code = BNN_OK;
    for (int i = 0; i < 2 && !code; i++) {
        code = bnn_run_file(run, checkpoints[i], path, sizeof path, err);
        if (!code && stat(path, &info) == 0)
            code = bnn_fail(
                err, BNN_ERR_ARGUMENT, "%s already holds a run (%s): %sreplace it with --overwrite",
                run->path, checkpoints[i],
                i == 0 ? "continue it with --resume, or " : "choose another --output, or ");
    }
    return code;
}

static bnn_code remove_file(const bnn_run_folder *run, const char *name, bnn_error *err) {
    char path[sizeof run->path];
    bnn_code code = bnn_run_file(run, name, path, sizeof path, err);
    return !code && unlink(path) && errno != ENOENT ? fail_file(run, name, "remove", err) : code;
}

/* An old checkpoint that outlived its run would be resumed under the new configuration. */
static bnn_code remove_checkpoints(const bnn_run_folder *run, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; !code && i < sizeof checkpoints / sizeof checkpoints[0]; i++)
        code = remove_file(run, checkpoints[i], err);
    return code;
}

static bnn_code begin_configuration(const bnn_run_folder *run, const char *config_json,
                                    bnn_atomic_file **out, bnn_error *err) {
    char path[sizeof run->path];
    bnn_code code = bnn_run_file(run, "config.json", path, sizeof path, err);
    if (!code)
        code = bnn_atomic_open(path, out, err);
    if (code)
        return code;
    FILE *stream = bnn_atomic_stream(*out);
    if (fputs(config_json, stream) < 0 || fflush(stream)) {
        code = fail_file(run, "config.json", "write", err);
        bnn_atomic_abandon(*out);
    }
    return code;
}

bnn_code bnn_run_configure(const bnn_run_folder *run, const char *config_json, bnn_error *err) {
    bnn_atomic_file *config;
    bnn_code code = begin_configuration(run, config_json, &config, err);
    return code ? code : bnn_atomic_commit(config, err);
}

/* The configuration is written first and committed last: that the folder can be written to is known
 * before anything old is removed. */
static bnn_code begin(bnn_run_folder *run, const char *config_json, bnn_error *err) {
    bnn_atomic_file *config;
    bnn_code code = begin_configuration(run, config_json, &config, err);
    if (code)
        return code;
    code = remove_checkpoints(run, err);
    if (code) {
        bnn_atomic_abandon(config);
        return code;
    }
    code = bnn_atomic_commit(config, err);
    if (!code)
        code = open_log(run, "metrics.csv", "w", &run->metrics, err);
    if (!code)
        code = open_log(run, "steps.jsonl", "w", &run->steps, err);
    if (!code)
        code = remove_file(run, sessions, err);
    if (!code)
        code = remove_file(run, BNN_EVENTS_FILE, err);
    char header[BNN_METRICS_HEADER_BYTES];
    bnn_metrics_header(run->task, run->losses, 0, header);
    if (!code && (fprintf(run->metrics, "%s\n", header) < 0 || fflush(run->metrics)))
        code = fail_file(run, "metrics.csv", "write", err);
    return code;
}

bnn_code bnn_run_create(bnn_run_folder *run, const char *path, const bnn_task *task,
                        const char *const *losses, const char *config_json, int overwrite,
                        bnn_error *err) {
    bnn_code code = set_path(run, path, task, losses, err);
    if (!code)
        code = bnn_make_folder(run->path, err);
    if (!code)
        code = bnn_run_lock(&run->lock, run->path, err);
    if (!code && !overwrite)
        code = refuse_old_run(run, err);
    if (!code)
        code = clean(run, err);
    if (!code)
        code = begin(run, config_json, err);
    if (code)
        bnn_run_close(run);
    return code;
}

/* ---- a resumed run ---- */

/* A whole line into `line`, without its newline and with a NUL behind it; 0 at the end of the file
 * and at a line that is too long or has no end. */
static int read_line(FILE *file, char *line, size_t *length) {
    size_t used = 0;
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (used == LONGEST_LINE - 1)
            return 0;
        line[used++] = (char)c;
    }
    line[used] = '\0';
    *length = used;
    return c == '\n';
}

/* The number a line belongs to, or 0 if the line is damaged; `columns` of a CSV. */
typedef int line_parser(const char *line, size_t length, size_t columns, uint64_t *number);

static int parse_metrics(const char *line, size_t length, size_t columns, uint64_t *number) {
    size_t commas = 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20)
            return 0;
        commas += line[i] == ',';
    }
    char *end = NULL;
    errno = 0;
    *number = strtoull(line, &end, 10);
    return line[0] >= '0' && line[0] <= '9' && *end == ',' && !errno && commas + 1 == columns;
}

static int parse_step(const char *line, size_t length, size_t columns, uint64_t *number) {
    (void)columns;
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *step = json_object_get(object, "step"); /* NULL where it is no object */
    int valid = json_is_integer(step) && json_integer_value(step) >= 0;
    *number = valid ? (uint64_t)json_integer_value(step) : 0;
    json_decref(object);
    return valid;
}

typedef struct log_kind {
    const char *name;
    const char *header, *older; /* NULL: none */
    size_t columns, added;      /* added: those that the older one lacks, before its last */
    line_parser *parse;
} log_kind;

/* A line of a CSV's file with `missing` columns left empty before its last. */
static void put_line(FILE *out, const char *line, size_t length, size_t missing) {
    size_t first = length;
    while (missing && first > 0 && line[first - 1] != ',')
        first--;
    fwrite(line, 1, first, out); /* commit checks the stream */
    for (size_t i = 0; i < missing; i++)
        fputc(',', out);
    fwrite(line + first, 1, length - first, out);
    fputc('\n', out);
}

static int is_text(const char *line, size_t length, const char *text) {
    return length == strlen(text) && memcmp(line, text, length) == 0;
}

/* Numbers must rise, but may start late or leave some out: a log that was lost, and started anew at
 * epoch 5, is worth keeping when the run is resumed again at epoch 9. */
static uint64_t copy_valid(const log_kind *kind, FILE *in, FILE *out, char *line, uint64_t limit) {
    size_t length = 0, missing = 0;
    uint64_t next = 0, number = 0, kept = 0;
    if (kind->header) {
        if (!read_line(in, line, &length))
            return 0;
        missing = is_text(line, length, kind->header) ? 0 : kind->added;
        if (!is_text(line, length, missing ? kind->older : kind->header))
            return 0;
    }
    while (read_line(in, line, &length) &&
           kind->parse(line, length, kind->columns - missing, &number) && number >= next &&
           number < limit) {
        put_line(out, line, length, missing);
        next = number + 1;
        kept++;
    }
    return kept;
}

static bnn_code copy_log(const bnn_run_folder *run, const log_kind *kind, const char *path,
                         FILE *out, uint64_t limit, uint64_t *kept, bnn_error *err) {
    bnn_code code = BNN_OK;
    *kept = 0;
    if (kind->header)
        fprintf(out, "%s\n", kind->header);
    FILE *in = fopen(path, "rb");
    if (!in)
        return errno == ENOENT ? BNN_OK : fail_file(run, kind->name, "read", err);
    char *line = malloc(LONGEST_LINE);
    errno = 0;
    if (!line)
        code = bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    else
        *kept = copy_valid(kind, in, out, line, limit);
    if (!code && ferror(in))
        code = fail_file(run, kind->name, "read", err);
    free(line);
    fclose(in);
    return code;
}

static bnn_code cut_log(const bnn_run_folder *run, const log_kind *kind, uint64_t limit, FILE **out,
                        uint64_t *kept, bnn_error *err) {
    char path[sizeof run->path];
    bnn_atomic_file *file = NULL;
    bnn_code code = bnn_run_file(run, kind->name, path, sizeof path, err);
    if (!code)
        code = bnn_atomic_open(path, &file, err);
    if (code)
        return code;
    code = copy_log(run, kind, path, bnn_atomic_stream(file), limit, kept, err);
    if (code) {
        bnn_atomic_abandon(file);
        return code;
    }
    code = bnn_atomic_commit(file, err);
    return code ? code : open_log(run, kind->name, "a", out, err);
}

bnn_code bnn_run_reopen(bnn_run_folder *run, const char *path, const bnn_task *task,
                        const char *const *losses, uint64_t epochs, uint64_t steps,
                        bnn_error *err) {
    struct stat info;
    bnn_code code = set_path(run, path, task, losses, err);
    if (code)
        return code;
    if (stat(run->path, &info))
        return bnn_fail(err, BNN_ERR_IO, "%s: cannot open the run's folder: %s", run->path,
                        strerror(errno));
    char header[BNN_METRICS_HEADER_BYTES], older[BNN_METRICS_HEADER_BYTES];
    bnn_metrics_header(task, losses, 0, header);
    bnn_metrics_header(task, losses, 1, older);
    const size_t columns = columns_of(header);
    const log_kind metrics_log = {
        "metrics.csv", header, older, columns, columns - columns_of(older), parse_metrics};
    const log_kind steps_log = {.name = "steps.jsonl", .parse = parse_step};
    uint64_t kept;
    code = clean(run, err);
    if (!code)
        code = cut_log(run, &steps_log, steps, &run->steps, &kept, err);
    if (!code)
        code = cut_log(run, &metrics_log, epochs, &run->metrics, &kept, err);
    run->lost = code ? 0 : epochs - kept;
    if (code)
        bnn_run_close(run);
    return code;
}

/* ---- logging ---- */

/* What was not measured is an empty field. */
static void put_column(FILE *out, double value) {
    if (isnan(value))
        fputc(',', out);
    else
        fprintf(out, ",%.9g", value);
}

bnn_code bnn_run_log_epoch(bnn_run_folder *run, uint64_t epoch, const bnn_epoch_scores *scores,
                           bnn_error *err) {
    const bnn_metric *m = run->task->metrics;
    if (!run->metrics)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s/metrics.csv is not open", run->path);
    fprintf(run->metrics, "%" PRIu64, epoch);
    put_column(run->metrics, scores->lr);
    put_column(run->metrics, scores->train_loss);
    for (int i = 0; run->losses[i]; i++)
        put_column(run->metrics, scores->terms[i]);
    for (int i = 0; m[i].key; i++)
        if (m[i].training)
            put_column(run->metrics, scores->train[i]);
    put_column(run->metrics, scores->test_loss);
    for (int i = 0; m[i].key; i++)
        put_column(run->metrics, scores->test[i]);
    put_column(run->metrics, scores->best);
    fputc('\n', run->metrics);
    /* Far smaller than stdio's buffer: the writing, and its failure, happen in the flush. */
    if (fflush(run->metrics) || ferror(run->metrics))
        return fail_file(run, "metrics.csv", "write", err);
    return BNN_OK;
}

/* JSON knows no NaN and no infinity. */
static void put_member(FILE *out, const char *name, double value) {
    if (isfinite(value))
        fprintf(out, ",\"%s\":%.9g", name, value);
    else
        fprintf(out, ",\"%s\":null", name);
}

bnn_code bnn_run_log_step(bnn_run_folder *run, uint64_t step, uint64_t epoch, double loss,
                          const double terms[BNN_MAX_TERMS], const double metrics[BNN_MAX_METRICS],
                          double lr, double seconds, const char *samples, double per_second,
                          bnn_error *err) {
    const bnn_metric *m = run->task->metrics;
    char speed[64], name[64];
    FILE *out = run->steps;
    if (!out)
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s/steps.jsonl is not open", run->path);
    errno = 0;
    fprintf(out, "{\"step\":%" PRIu64 ",\"epoch\":%" PRIu64, step, epoch);
    put_member(out, "loss", loss);
    for (int i = 0; run->losses[i]; i++) {
        snprintf(name, sizeof name, "loss_%s", run->losses[i]);
        put_member(out, name, terms[i]);
    }
    for (int i = 0; m[i].key; i++)
        if (m[i].training)
            put_member(out, m[i].key, metrics[i]);
    put_member(out, "lr", lr);
    put_member(out, "seconds", seconds);
    snprintf(speed, sizeof speed, "%s_per_second", samples);
    put_member(out, speed, per_second);
    int failed = fputs("}\n", out) < 0;
    double now = bnn_now();
    run->unflushed++;
    if (run->unflushed >= FLUSH_LINES || now - run->flushed >= FLUSH_SECONDS) {
        failed |= fflush(out) != 0;
        run->unflushed = 0;
        run->flushed = now;
    }
    return failed || ferror(out) ? fail_file(run, "steps.jsonl", "write", err) : BNN_OK;
}

bnn_code bnn_run_log_session(const bnn_run_folder *run, uint64_t step, const char *isa, int threads,
                             int ranks, const bnn_run_data *data, bnn_error *err) {
    char cpu[96], several[32] = "";
    FILE *log;
    bnn_code code = open_log(run, sessions, "a", &log, err);
    if (code)
        return code;
    bnn_machine_cpu(cpu, sizeof cpu);
    if (ranks > 1)
        snprintf(several, sizeof several, "\"ranks\":%d,", ranks);
    int failed =
        fprintf(log,
                "{\"step\":%llu,\"isa\":\"%s\",\"threads\":%d,%s\"cpu\":\"%s\","
                "\"train_data\":\"%s\",\"test_data\":\"%s\"}\n",
                (unsigned long long)step, isa, threads, several, cpu, data->train, data->test) < 0;
    failed |= fclose(log) != 0;
    return failed ? fail_file(run, sessions, "write", err) : BNN_OK;
}

static bnn_code sync_log(const bnn_run_folder *run, FILE *log, const char *name, bnn_error *err) {
    if (!log)
        return BNN_OK;
    return fflush(log) || bnn_sync(fileno(log)) ? fail_file(run, name, "write", err) : BNN_OK;
}

bnn_code bnn_run_flush(bnn_run_folder *run, bnn_error *err) {
    bnn_code code = sync_log(run, run->metrics, "metrics.csv", err);
    return code ? code : sync_log(run, run->steps, "steps.jsonl", err);
}

void bnn_run_close(bnn_run_folder *run) {
    if (run->metrics)
        fclose(run->metrics);
    if (run->steps)
        fclose(run->steps);
    run->metrics = run->steps = NULL;
    bnn_lock_let_go(&run->lock);
}

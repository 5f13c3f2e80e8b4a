/* Why: gcc has no libFuzzer, and a bug must be found again from its number. The decision: inputs
 * are a pure function of (corpus, seed, run): run N of seed S is the same on every machine; the
 * crashing input is written to a file all the same.
 *
 *     fuzz_X [--runs N] [--seed S] FILE|FOLDER...
 *
 * runs the files as they are, then, as libFuzzer does, N inputs made of those that lie in folders,
 * the corpora. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "tests/fuzz/fuzz.h"

#define LARGEST 65536
#define MAX_SEEDS 1024
#define MAX_PATH 1024

/* What a signal handler needs: file scope, filled before every run. */
static uint8_t current[LARGEST];
static size_t current_size;
static char crash_name[MAX_PATH]; /* where the input lies, or is to be written */
static int crash_unwritten;

static uint8_t *seeds[MAX_SEEDS];
static size_t seed_sizes[MAX_SEEDS];
static uint32_t seed_count;

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};

/* Only async-signal-safe calls. SIGALRM counts as a crash: the input hangs the target. */
static void on_crash(int number) {
    static const char note[] = "\nfuzz: crashed; the input is in ";
    ssize_t ignored = 0;
    if (crash_name[0]) {
        if (crash_unwritten) {
            int fd = open(crash_name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
            ignored += write(fd, current, current_size);
            close(fd);
        }
        ignored += write(STDERR_FILENO, note, sizeof note - 1);
        ignored += write(STDERR_FILENO, crash_name, strlen(crash_name));
        ignored += write(STDERR_FILENO, "\n", 1);
        (void)ignored;
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers exit by default; abort_on_error brings them through SIGABRT and so to on_crash. The
 * options in the environment come later and win. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "abort_on_error=1:handle_segv=2:handle_sigbus=2:handle_sigill=2:handle_sigfpe=2:"
           "handle_abort=0";
}
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) {
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

/* A heap copy of exactly this size: a read one byte too far is then seen by ASan. */
static int run_one(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) {
        fprintf(stderr, "fuzz: out of memory\n");
        return 1;
    }
    memcpy(copy, data, size);
    int result = LLVMFuzzerTestOneInput(size ? copy : NULL, size);
    free(copy);
    return result != 0;
}

/* ---- mutations ---- */

static size_t pick(bnn_rng *rng, size_t bound) {
    return bound ? bnn_rng_below(rng, (uint32_t)bound) : 0;
}

/* Writes one of the values that break length checks, little-endian, 1 to 8 bytes wide. */
static void put_boundary(bnn_rng *rng) {
    static const uint64_t values[] = {
        0,
        1,
        7,
        8,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0xffff,
        0x10000,
        100000000,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        INT64_MAX,
        (uint64_t)1 << 63,
        UINT64_MAX,
    };
    uint64_t value = values[pick(rng, sizeof values / sizeof values[0])];
    size_t width = (size_t)1 << pick(rng, 4);
    if (current_size < width) {
        return;
    }
    /* Lengths stand at the front more often than elsewhere. */
    size_t at = pick(rng, 2) ? pick(rng, 16) : pick(rng, current_size);
    for (size_t i = 0; i < width && at + i < current_size; i++) {
        current[at + i] = (uint8_t)(value >> (8 * i));
    }
}

/* Replaces `length` bytes at `at` by `size` bytes of `data`, which lie outside `current`. */
static void replace(size_t at, size_t length, const void *data, size_t size) {
    size_t tail = current_size - at - length;
    if (at + size + tail > LARGEST) {
        return;
    }
    memmove(current + at + size, current + at + length, tail);
    memcpy(current + at, data, size);
    current_size = at + size + tail;
}

/* Finds a decimal number in text and puts another in its place. */
static void tweak_number(bnn_rng *rng) {
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "255",
                                          "4294967296",
                                          "4611686018427387904",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "99999999999999999999",
                                          "1.5",
                                          "1e3",
                                          "",
                                          "00",
                                          "null",
                                          "\"1\""};
    size_t start = pick(rng, current_size);
    while (start < current_size && (current[start] < '0' || current[start] > '9')) {
        start++;
    }
    size_t end = start;
    while (end < current_size && current[end] >= '0' && current[end] <= '9') {
        end++;
    }
    if (end > start) {
        const char *text = numbers[pick(rng, sizeof numbers / sizeof numbers[0])];
        replace(start, end - start, text, strlen(text));
    }
}

static void copy_block(bnn_rng *rng) {
    uint8_t block[64];
    size_t size = 1 + pick(rng, sizeof block);
    if (size > current_size) {
        return;
    }
    memcpy(block, current + pick(rng, current_size - size + 1), size);
    size_t at = pick(rng, current_size - size + 1);
    replace(at, pick(rng, 2) ? size : 0, block, size);
}

/* Our head, another seed's tail. */
static void splice(bnn_rng *rng) {
    size_t other = pick(rng, seed_count);
    size_t at = pick(rng, current_size), from = pick(rng, seed_sizes[other]);
    replace(at, current_size - at, seeds[other] + from, seed_sizes[other] - from);
}

/* What a text format's parser decides by. */
static void put_punctuation(bnn_rng *rng) {
    static const char marks[] = "{}[]()\"':, \\\n-L.";
    uint8_t mark = (uint8_t)marks[pick(rng, sizeof marks)];
    size_t at = pick(rng, current_size);
    replace(at, current_size && pick(rng, 2) ? 1 : 0, &mark, 1);
}

static void extend(bnn_rng *rng) {
    uint8_t block[32];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)bnn_rng_u32(rng);
    }
    replace(current_size, 0, block, 1 + pick(rng, sizeof block));
}

static void mutate(bnn_rng *rng) {
    size_t kind = pick(rng, 9);
    if (current_size == 0) {
        kind = 3;
    }
    switch (kind) {
    case 0:
        current[pick(rng, current_size)] ^= (uint8_t)(1u << pick(rng, 8));
        break;
    case 1:
        current[pick(rng, current_size)] = (uint8_t)bnn_rng_u32(rng);
        break;
    case 2:
        current_size = pick(rng, current_size);
        break;
    case 3:
        extend(rng);
        break;
    case 4:
        copy_block(rng);
        break;
    case 5:
        put_boundary(rng);
        break;
    case 6:
        tweak_number(rng);
        break;
    case 7:
        put_punctuation(rng);
        break;
    default:
        splice(rng);
        break;
    }
}

/* Input number `run` of `seed`. */
static void make_input(uint64_t seed, uint32_t run) {
    bnn_rng rng = bnn_rng_start(seed, run);
    size_t which = pick(&rng, seed_count);
    memcpy(current, seeds[which], seed_sizes[which]);
    current_size = seed_sizes[which];
    size_t steps = 1 + pick(&rng, 1 + pick(&rng, 6)); /* mostly few: deep paths stay alive */
    for (size_t i = 0; i < steps; i++) {
        mutate(&rng);
    }
}

/* ---- files ---- */

static void fail(const char *path, const char *why) {
    fprintf(stderr, "%s: %s\n", path, why);
    exit(2);
}

static void read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail(path, "cannot be opened");
    }
    current_size = fread(current, 1, sizeof current, file);
    if (ferror(file) || fgetc(file) != EOF) {
        fail(path, "cannot be read, or is larger than 64 KiB");
    }
    fclose(file);
}

static int run_file(const char *path) {
    read_file(path);
    snprintf(crash_name, sizeof crash_name, "%s", path);
    crash_unwritten = 0;
    alarm(20);
    int failed = run_one(current, current_size);
    if (failed) {
        fprintf(stderr, "fuzz: %s failed\n", path);
    }
    return failed;
}

static int run_seed(const char *path) {
    int failed = run_file(path);
    if (seed_count == MAX_SEEDS || !(seeds[seed_count] = malloc(current_size + 1))) {
        fail(path, "one file too many");
    }
    memcpy(seeds[seed_count], current, current_size);
    seed_sizes[seed_count++] = current_size;
    return failed;
}

/* In the order of their names: where a folder's files lie on the disk decides nothing. */
static int run_folder(const char *path, uint32_t *done) {
    struct dirent **entry;
    int count = scandir(path, &entry, NULL, alphasort), failures = 0;
    if (count < 0) {
        fail(path, "cannot be listed");
    }
    for (int i = 0; i < count; i++) {
        char file[MAX_PATH];
        if (entry[i]->d_name[0] != '.') {
            snprintf(file, sizeof file, "%.700s/%s", path, entry[i]->d_name);
            failures += run_seed(file);
            *done += 1;
        }
        free(entry[i]);
    }
    free(entry);
    return failures;
}

static int run_path(const char *path, uint32_t *done) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return run_folder(path, done);
    }
    *done += 1;
    return run_file(path);
}

/* ---- the program ---- */

static void install_handlers(void) {
    static uint8_t stack[65536]; /* a stack overflow must be reported too */
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternative, NULL);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof crash_signals / sizeof crash_signals[0]; i++) {
        sigaction(crash_signals[i], &action, NULL);
    }
}

static uint32_t run_mutations(uint64_t seed, uint32_t runs) {
    uint32_t failures = 0;
    crash_unwritten = 1;
    for (uint32_t run = 0; run < runs; run++) {
        make_input(seed, run);
        snprintf(crash_name, sizeof crash_name, "crash-%llu-%u.bin", (unsigned long long)seed, run);
        alarm(20);
        if (run_one(current, current_size)) {
            fprintf(stderr, "fuzz: run %u of seed %llu failed\n", run, (unsigned long long)seed);
            failures++;
        }
    }
    return failures;
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash ? slash + 1 : argv[0];
    uint32_t runs = 20000, done = 0, failures = 0;
    uint64_t seed = 1;
    install_handlers();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (argv[i][0] == '-') {
            done = 0;
            break;
        } else {
            failures += (uint32_t)run_path(argv[i], &done);
        }
    }
    if (done == 0) {
        fprintf(stderr, "usage: %s [--runs N] [--seed S] FILE|FOLDER...\n", program);
        return 2;
    }
    if (seed_count > 0) {
        failures += run_mutations(seed, runs);
        done += runs;
    }
    alarm(0);
    crash_name[0] = '\0';
    for (uint32_t i = 0; i < seed_count; i++) {
        free(seeds[i]);
    }
    printf("%s: %u runs, %u failures\n", program, done, failures);
    return failures != 0;
}

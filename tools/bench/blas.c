#include "tools/bench/blas.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

/* cblas.h's enumerations. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k,
                               float alpha, const float *a, int lda, const float *b, int ldb,
                               float beta, float *c, int ldc);

/* Of the worker; one process measures one product. */
static sgemm_function sgemm;
static float *a, *b, *c;

/* Where Debian's variants lie that no alternative points to. */
static void *open_any_variant(void) {
    glob_t found;
    void *library = NULL;
    if (glob("/usr/lib/*/openblas-*/libopenblas.so*", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && !library; i++) {
            library = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        }
        globfree(&found);
    }
    return library;
}

/* ISO C knows no way from an object pointer to a function pointer; POSIX promises this one. */
static void *resolve(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol;
}

static void *open_blas(void) {
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    library = library ? library : dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
    return library ? library : open_any_variant();
}

/* The best kernels of OpenBLAS that this processor can run, by its own name for them. */
static const char *best_core(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512dq") ? "SkylakeX"
           : __builtin_cpu_supports("avx2")   ? "Haswell"
                                              : NULL;
#else
    return NULL;
#endif
}

/* A processor that is younger than OpenBLAS it takes for the oldest of all, Prescott. It decides
 * while it is loaded, and can be told. */
static void *open_for_core(void) {
    char *(*core)(void);
    void *library = open_blas();
    if (library && best_core() && resolve(library, "openblas_get_corename", &core) &&
        strcmp(core(), "Prescott") == 0) {
        dlclose(library);
        setenv("OPENBLAS_CORETYPE", best_core(), 0);
        library = open_blas();
    }
    return library;
}

static bnn_code open_library(int threads, char *version, bnn_error *err) {
    void (*set_threads)(int);
    char *(*core)(void), *(*config)(void);
    char count[16];
    /* It starts its threads while it is loaded. */
    snprintf(count, sizeof count, "%d", threads);
    setenv("OPENBLAS_NUM_THREADS", count, 1);
    void *library = open_for_core();
    if (!library || !resolve(library, "cblas_sgemm", &sgemm) ||
        !resolve(library, "openblas_set_num_threads", &set_threads)) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "no OpenBLAS here, so nothing to compare with; Debian's package is "
                        "libopenblas0");
    }
    set_threads(threads);
    if (resolve(library, "openblas_get_config", &config) &&
        resolve(library, "openblas_get_corename", &core)) {
        char *text = config();
        /* "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": the first two words. */
        size_t length = strcspn(text, " ");
        length += text[length] ? 1 + strcspn(text + length + 1, " ") : 0;
        snprintf(version, BNN_VERSION_BYTES, "%.*s, kernels for %s", (int)length, text, core());
    }
    return BNN_OK;
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    const bnn_sgemm *p = self;
    bnn_code code = open_library(p->threads, version, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t groups = (size_t)p->groups, m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    a = bnn_bench_floats(groups * m * k, 1);
    b = bnn_bench_floats(groups * k * n, 2);
    c = bnn_bench_floats(groups * m * n, 3);
    return a && b && c ? BNN_OK
                       : bnn_fail(err, BNN_ERR_MEMORY,
                                  "out of memory for the matrices of an sgemm of %d x %d x %d; use "
                                  "a smaller --batch-size",
                                  p->m, p->n, p->k);
}

static bnn_code run(void *self, bnn_error *err) {
    const bnn_sgemm *p = self;
    size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    (void)err;
    for (size_t g = 0; g < (size_t)p->groups; g++) {
        sgemm(ROW_MAJOR, p->transpose_a ? TRANS : NO_TRANS, p->transpose_b ? TRANS : NO_TRANS, p->m,
              p->n, p->k, 1.0f, a + g * m * k, p->transpose_a ? p->m : p->k, b + g * k * n,
              p->transpose_b ? p->k : p->n, 0.0f, c + g * m * n, p->n);
    }
    return BNN_OK;
}

bnn_work bnn_sgemm_work(bnn_sgemm *product) {
    return (bnn_work){.set_up = set_up, .run = run, .self = product};
}

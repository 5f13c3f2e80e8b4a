/* Picks the kernel table at run time. The environment variable BNN_ISA caps what a caller who asks
 * for the best gets, and also what may be asked for by name: a test run under a cap must not slip
 * past it. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/micro.h"

typedef struct isa {
    const char *name;
    const bnn_kernels *kernels; /* NULL: this build has none */
    int (*supported)(void);
    const char *lacking; /* what to say if it cannot be had */
} isa;

static int always(void) {
    return 1;
}

#if defined(__x86_64__)
static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}
static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vpopcntdq");
}
#define AVX2_TABLE &bnn_kernels_avx2
#define AVX512_TABLE &bnn_kernels_avx512
#else
static int has_avx2(void) {
    return 0;
}
static int has_avx512(void) {
    return 0;
}
#define AVX2_TABLE NULL
#define AVX512_TABLE NULL
#endif

#if defined(__aarch64__) /* of which NEON is a part */
#define NEON_TABLE &bnn_kernels_neon
#else
#define NEON_TABLE NULL
#endif

/* From the least to the most capable; a cap cuts off what stands behind it. */
static const isa isas[] = {
    {"generic", &bnn_kernels_generic, always, ""},
    {"neon", NEON_TABLE, always, "neon: this CPU is no 64-bit ARM"},
    {"avx2", AVX2_TABLE, has_avx2, "avx2: this CPU or build lacks AVX2, FMA or BMI2"},
    {"avx512", AVX512_TABLE, has_avx512,
     "avx512: this CPU or build lacks AVX-512 (F, BW, DQ, VL, VBMI, VPOPCNTDQ)"},
    {"amx", NULL, always, "amx: not built in yet"},
};

enum { ISAS = sizeof isas / sizeof isas[0] };

static int find(const char *name) {
    for (int i = 0; i < ISAS; i++) {
        if (strcmp(isas[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const bnn_kernels *bnn_cpu_kernels(const char *name, const char **why) {
    static const char *unknown =
        "unknown instruction set; known are generic, neon, avx2, avx512 and amx";
    const char *env = getenv("BNN_ISA"), *ignored;
    int cap = env == NULL || env[0] == '\0' ? ISAS - 1 : find(env);
    why = why == NULL ? &ignored : why;
    *why = NULL;
    if (cap < 0) {
        *why = "BNN_ISA names an unknown instruction set; known are generic, neon, avx2, avx512 "
               "and amx";
        return NULL;
    }
    if (name == NULL) {
        while (cap > 0 && (isas[cap].kernels == NULL || !isas[cap].supported())) {
            cap--;
        }
        return isas[cap].kernels;
    }
    int i = find(name);
    if (i < 0) {
        *why = unknown;
    } else if (isas[i].kernels == NULL || !isas[i].supported()) {
        *why = isas[i].lacking;
    } else if (i > cap) {
        *why = "the environment variable BNN_ISA caps the instruction set below this one";
    } else {
        return isas[i].kernels;
    }
    return NULL;
}

void bnn_for_each(size_t count, void (*body)(void *context, size_t i, int worker), void *context) {
    if (count == 1) {
        body(context, 0, 0);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        body(context, i, omp_get_thread_num());
    }
}

int bnn_set_threads(int n) {
    if (n < 1) {
        n = omp_get_num_procs();
    }
    omp_set_num_threads(n);
    return n;
}

int bnn_threads(void) {
    return omp_get_max_threads();
}

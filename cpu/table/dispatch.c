/* Picks the kernel table at run time. The environment variable BNN_ISA caps what a caller who asks
 * for the best gets, and also what may be asked for by name: a test run under a cap must not slip
 * past it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "cpu/conv/conv.h"

typedef struct isa {
    const char *name;
    const bnn_kernels *kernels;
    const char *(*lacking)(void); /* why it cannot be had; NULL if it can */
} isa;

static const char *nothing(void) {
    return NULL;
}

#if defined(__x86_64__)
static const char *lacking_avx2(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi2")) {
        return "avx2: this CPU lacks AVX2, FMA or BMI2";
    }
    return NULL;
}
static const char *lacking_avx512(void) {
    if (lacking_avx2() != NULL || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl")) {
        return "avx512: this CPU lacks AVX-512 (F, BW, DQ, VL)";
    }
    return NULL;
}

static const char *lacking_vpopcntdq(void) {
    return lacking_avx512() == NULL && __builtin_cpu_supports("avx512vpopcntdq")
               ? NULL
               : "avx512_vpopcntdq: this CPU lacks AVX-512 (F, BW, DQ, VL) or VPOPCNTDQ";
}

/* Whether the processor has tiles (CPUID leaf 7: BF16, TILE) and the system saves them (XCR0:
 * configuration and data). Processors with AVX-512 have both instructions that this asks with. */
static int has_tiles(void) {
    const unsigned amx = 1u << 22 | 1u << 24, saved = 1u << 17 | 1u << 18;
    unsigned a, b, c, d = 0, low, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return 0;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (d & amx) == amx && (low & saved) == saved;
}

static int tiles_granted;

/* A process must ask Linux for tiles, which then belong to all its threads. */
static void ask_for_tiles(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    tiles_granted = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static const char *lacking_amx(void) {
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    if (lacking_vpopcntdq() != NULL || !has_tiles()) {
        return "amx: this CPU lacks AMX (TILE, BF16) or AVX-512 with VPOPCNTDQ, or the system does "
               "not switch AMX on";
    }
    pthread_once(&asked, ask_for_tiles);
    if (!tiles_granted) {
        return "amx: the kernel refuses this process the use of AMX tiles (it takes Linux 5.16)";
    }
    return NULL;
}
#define AVX2_TABLE &bnn_kernels_avx2
#define AVX512_TABLE &bnn_kernels_avx512
#define VPOPCNTDQ_TABLE &bnn_kernels_vpopcntdq
#define AMX_TABLE &bnn_kernels_amx
#else
static const char *lacking_avx2(void) {
    return "avx2: this CPU is no 64-bit x86";
}
static const char *lacking_avx512(void) {
    return "avx512: this CPU is no 64-bit x86";
}
static const char *lacking_vpopcntdq(void) {
    return "avx512_vpopcntdq: this CPU is no 64-bit x86";
}
static const char *lacking_amx(void) {
    return "amx: this CPU is no 64-bit x86";
}
#define AVX2_TABLE NULL
#define AVX512_TABLE NULL
#define VPOPCNTDQ_TABLE NULL
#define AMX_TABLE NULL
#endif

#if defined(__aarch64__) /* of which NEON is a part */
#define NEON_TABLE &bnn_kernels_neon
#define lacking_neon nothing
#elif defined(__arm__)
#define NEON_TABLE &bnn_kernels_neon
static const char *lacking_neon(void) {
    return getauxval(AT_HWCAP) & HWCAP_NEON ? NULL : "neon: this CPU lacks NEON";
}
#else
#define NEON_TABLE NULL
static const char *lacking_neon(void) {
    return "neon: this CPU is no ARM";
}
#endif

#define KNOWN "generic, neon, avx2, avx512, avx512_vpopcntdq and amx"

/* From the least to the most capable; a cap cuts off what stands behind it. */
static const isa isas[] = {
    {"generic", &bnn_kernels_generic, nothing},
    {"neon", NEON_TABLE, lacking_neon},
    {"avx2", AVX2_TABLE, lacking_avx2},
    {"avx512", AVX512_TABLE, lacking_avx512},
    {"avx512_vpopcntdq", VPOPCNTDQ_TABLE, lacking_vpopcntdq},
    {"amx", AMX_TABLE, lacking_amx},
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
    static const char *unknown = "unknown instruction set; known are " KNOWN;
    const char *env = getenv("BNN_ISA"), *ignored;
    int cap = env != NULL && env[0] != '\0' ? find(env) : ISAS - 1;
    why = why == NULL ? &ignored : why;
    *why = NULL;
    if (cap < 0) {
        *why = "BNN_ISA names an unknown instruction set; known are " KNOWN;
        return NULL;
    }
    if (name == NULL) {
        int best = cap;
        while (isas[best].lacking() != NULL) {
            best--;
        }
        return isas[best].kernels;
    }
    int i = find(name);
    *why = i < 0     ? unknown
           : i > cap ? "the environment variable BNN_ISA caps the instruction set below this one"
                     : isas[i].lacking();
    return *why == NULL ? isas[i].kernels : NULL;
}

/* Finds libbnn-cuda.so: beside whatever this is part of, where an installation puts it, or where
 * the system looks for libraries. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cuda/cuda.h"
#include "cuda/library.h"

#define LIBRARY "libbnn-cuda.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const bnn_cuda_entry *entry;

/* The folder of the program or library that this function is in, with a slash; "" if unknown. A
 * program is known by the name it was called by: found along PATH, that is none of a file. */
static void own_folder(char *folder, size_t bytes) {
    Dl_info info;
    char program[3900];
    const char *file = dladdr((const void *)&lock, &info) ? info.dli_fname : NULL;
    folder[0] = '\0';
    if (file && !strchr(file, '/')) {
        const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
        program[length < 0 ? 0 : length] = '\0';
        file = program;
    }
    const char *slash = file ? strrchr(file, '/') : NULL;
    const size_t n = slash ? (size_t)(slash - file) + 1 : 0;
    if (n < bytes) {
        memcpy(folder, file ? file : "", n);
        folder[n] = '\0';
    }
}

static void *open_library(void) {
    static const char *const places[] = {"", BNN_LIB_FROM_BIN "/"};
    char folder[3900], path[4096];
    own_folder(folder, sizeof folder);
    for (size_t i = 0; i < sizeof places / sizeof *places && folder[0]; i++) {
        snprintf(path, sizeof path, "%s%s" LIBRARY, folder, places[i]);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library) {
            return library;
        }
    }
    return dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
}

/* Once it is open it stays so: its threads and its memory outlive any device. */
static bnn_code find_entry(const bnn_cuda_entry **found, bnn_error *err) {
    pthread_mutex_lock(&lock);
    void *library = entry ? NULL : open_library();
    const char *why = entry || library ? NULL : dlerror();
    if (library) {
        entry = dlsym(library, BNN_CUDA_ENTRY);
    }
    *found = entry;
    pthread_mutex_unlock(&lock);
    if (!*found) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "no GPU can be used: " LIBRARY " cannot be opened (%s); build with "
                        "-DBNN_CUDA=ON where CUDA's nvcc is installed",
                        why ? why : "it is another library of that name");
    }
    if (strcmp((*found)->version, BNN_VERSION) != 0 ||
        (*found)->entry_bytes != sizeof(bnn_cuda_entry) ||
        (*found)->kernels_bytes != sizeof(bnn_kernels) ||
        (*found)->device_ops_bytes != sizeof(bnn_device_ops)) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "no GPU can be used: " LIBRARY " is of another build (%s); install both "
                        "from the same one",
                        (*found)->version);
    }
    return BNN_OK;
}

bnn_code bnn_cuda_device(int index, bnn_device *device, bnn_error *err) {
    const bnn_cuda_entry *found;
    const char *why;
    bnn_device cpu;
    bnn_code code = find_entry(&found, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!bnn_cpu_device("generic", 1, &cpu, &why)) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    }
    return found->open(index, cpu.ops, device, err);
}

bnn_code bnn_cuda_count(int *count, bnn_error *err) {
    const bnn_cuda_entry *found;
    bnn_code code = find_entry(&found, err);
    return code == BNN_OK ? found->count(count, err) : code;
}

bnn_code bnn_cublas_multiply(const bnn_stream *stream, const bnn_cublas_product *product,
                             const void *a, const void *b, void *c, bnn_error *err) {
    const bnn_cuda_entry *found;
    bnn_code code = find_entry(&found, err);
    return code == BNN_OK ? found->multiply(stream, product, a, b, c, err) : code;
}

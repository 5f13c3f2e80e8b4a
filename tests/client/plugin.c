/* A program that meets the library only at run time: opened, used on two threads, and closed, again
 * and again, while OpenMP's threads live on. */
#include <bnn.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5 };

typedef struct use {
    void *library;
    const char *path;
    float logit; /* of class 0 */
    int failed;
} use;

/* What dlsym gives is a function's address, which ISO C has no cast for. */
static void get(use *u, const char *name, void *function) {
    void *at = u->library ? dlsym(u->library, name) : NULL;
    u->failed |= !at;
    memcpy(function, &at, sizeof at);
}

/* One thread's use of the library, from opening to closing. */
static void *run(void *argument) {
    use *u = argument;
    char error[BNN_ERROR_BYTES] = "no such function";
    int (*set_threads)(int);
    bnn_model *(*load)(const char *, char *), *model = NULL;
    int (*run_pixels)(bnn_model *, size_t, const uint8_t *, float *, char *);
    void (*describe)(const bnn_model *, bnn_model_info *, size_t);
    void (*release)(bnn_model *);
    bnn_model_info info;
    u->library = dlopen("libbnn.so." BNN_SONAME, RTLD_NOW | RTLD_LOCAL);
    get(u, "bnn_model_set_threads", &set_threads);
    get(u, "bnn_model_load", &load);
    get(u, "bnn_model_run_pixels", &run_pixels);
    get(u, "bnn_model_describe_sized", &describe);
    get(u, "bnn_model_free", &release);
    if (!u->failed) {
        set_threads(2);
        model = load(u->path, error);
    }
    if (model) {
        describe(model, &info, sizeof info);
        uint8_t *pixels = calloc((size_t)info.height * info.width, info.channels);
        float *logits = calloc(info.outputs, sizeof *logits);
        u->failed = !pixels || !logits || run_pixels(model, 1, pixels, logits, error);
        u->logit = logits ? logits[0] : 0;
        free(logits);
        free(pixels);
        release(model);
    }
    if (u->failed || !model) {
        fprintf(stderr, "plugin: %s\n", u->library ? error : dlerror());
        u->failed = 1;
    }
    u->failed |= u->library && dlclose(u->library) != 0;
    return NULL;
}

int main(int argc, char **argv) {
    float first = 0;
    for (int round = 0; argc == 2 && round < ROUNDS; round++) {
        use here = {.path = argv[1]}, there = {.path = argv[1]};
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, &there)) {
            return 1;
        }
        run(&here);
        pthread_join(thread, NULL);
        first = round ? first : here.logit;
        if (here.failed || there.failed || here.logit != first || there.logit != first) {
            return 1;
        }
        /* Closed by all, it is still there: threads that it started may be running in it. */
        void *still = dlopen("libbnn.so." BNN_SONAME, RTLD_NOW | RTLD_NOLOAD);
        if (!still || dlclose(still)) {
            fputs("plugin: the library was unmapped under its threads\n", stderr);
            return 1;
        }
        usleep(1000);
    }
    return argc != 2;
}

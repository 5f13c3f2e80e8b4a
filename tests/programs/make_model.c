/* make_model ARCH ALGO CxHxW CLASSES SAMPLES MODEL.bnn INPUT.npy LOGITS.npy: a packed model of
 * dyadic numbers (fixtures/dyadic.h), samples for it, and what it computes of them; for tests that
 * compare engines. */
#include <stdio.h>

#include "engine/device.h"
#include "engine/io/npy.h"
#include "models/files/packed.h"
#include "tests/fixtures/dyadic.h"

static bnn_code write_samples(const dyadic *d, int64_t count, const char *input, const char *logits,
                              bnn_error *err) {
    const bnn_spec *s = &d->spec;
    const size_t values = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    const size_t outputs = bnn_spec_outputs(s);
    const int64_t x_shape[4] = {count, s->height, s->width, s->channels};
    const int64_t y_shape[3] = {count, (int64_t)outputs / s->classes, s->classes};
    const int64_t plain[2] = {count, s->classes};
    const int rows = outputs > (size_t)s->classes;
    bnn_npy_writer *x_file = NULL, *y_file = NULL;
    float *x = malloc(values * sizeof *x);
    bnn_code code = x ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK &&
        (code = bnn_npy_write_open(input, BNN_NPY_F32, 4, x_shape, &x_file, err)) == BNN_OK &&
        (code = bnn_npy_write_open(logits, BNN_NPY_F32, rows ? 3 : 2, rows ? y_shape : plain,
                                   &y_file, err)) == BNN_OK) {
        for (int64_t i = 0; i < count; i++) {
            dyadic_sample(d, (uint64_t)i, x);
            bnn_npy_write(x_file, x, values * sizeof *x);
            bnn_npy_write(y_file, dyadic_run(d, x), outputs * sizeof(float));
        }
        code = bnn_npy_write_commit(x_file, err);
        x_file = NULL;
        if (code == BNN_OK) {
            code = bnn_npy_write_commit(y_file, err);
            y_file = NULL;
        }
    }
    bnn_npy_write_abandon(x_file);
    bnn_npy_write_abandon(y_file);
    free(x);
    return code;
}

int main(int argc, char **argv) {
    bnn_error err = {0};
    bnn_device device;
    const char *why;
    dyadic d = {0};
    bnn_shape input = {.n = 1};
    size_t bytes;
    if (argc != 9 || sscanf(argv[3], "%dx%dx%d", &input.c, &input.h, &input.w) != 3) {
        fprintf(stderr, "usage: make_model ARCH ALGO CxHxW CLASSES SAMPLES MODEL INPUT LOGITS\n");
        return 2;
    }
    bnn_code code = bnn_cpu_device(NULL, 1, &device, &why)
                        ? dyadic_start(&d, &device, argv[1], argv[2], input, atoi(argv[4]), &err)
                        : bnn_fail(&err, BNN_ERR_UNSUPPORTED, "%s", why);
    if (code == BNN_OK &&
        (code = bnn_packed_save(argv[6], &d.spec, d.network, &bytes, &err)) == BNN_OK) {
        code = write_samples(&d, atoi(argv[5]), argv[7], argv[8], &err);
    }
    if (code != BNN_OK) {
        fprintf(stderr, "make_model: %s\n", err.text);
    }
    dyadic_stop(&d);
    return code != BNN_OK;
}

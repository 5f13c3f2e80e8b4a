#include "tools/train/sample_files.h"

#include "engine/base/file.h"

bnn_code bnn_sample_files_open(const bnn_spec *spec, size_t samples, const char *inputs,
                               const char *outputs, bnn_sample_files *files, bnn_error *err) {
    const int64_t n = (int64_t)samples, outputs_of = (int64_t)bnn_spec_outputs(spec);
    const int64_t columns = spec->task->boxes ? BNN_DETECTION : spec->classes;
    const int64_t rows = outputs_of / columns;
    int64_t inputs_of = 0;
    while (spec->arch->inputs[inputs_of]) {
        inputs_of++;
    }
    const int64_t seen[5] = {n, inputs_of, spec->height, spec->width, spec->channels};
    const int64_t of_one[4] = {n, spec->height, spec->width, spec->channels};
    const int64_t of_points[3] = {n, rows, columns}, made[2] = {n, columns};
    bnn_code code = BNN_OK;
    *files = (bnn_sample_files){0};
    if (inputs) {
        const bnn_npy_type type = spec->arch->input_dtype == BNN_I32 ? BNN_NPY_I32 : BNN_NPY_F32;
        code = bnn_npy_write_open(inputs, type, inputs_of > 1 ? 5 : 4,
                                  inputs_of > 1 ? seen : of_one, &files->inputs, err);
    }
    if (code == BNN_OK && outputs) {
        code = bnn_npy_write_open(outputs, BNN_NPY_F32, rows > 1 ? 3 : 2,
                                  rows > 1 ? of_points : made, &files->outputs, err);
    }
    return code;
}

bnn_code bnn_sample_files_commit(bnn_sample_files *files, bnn_error *err) {
    bnn_npy_writer *writers[2] = {files->inputs, files->outputs};
    bnn_code code = BNN_OK;
    *files = (bnn_sample_files){0};
    for (int i = 0; i < 2; i++) {
        if (writers[i] && code == BNN_OK) {
            code = bnn_npy_write_commit(writers[i], err);
        } else {
            bnn_npy_write_abandon(writers[i]);
        }
    }
    return code;
}

void bnn_sample_files_abandon(bnn_sample_files *files) {
    bnn_npy_write_abandon(files->inputs);
    bnn_npy_write_abandon(files->outputs);
    *files = (bnn_sample_files){0};
}

bnn_code bnn_predictions_write(const char *path, const int32_t *prediction, const float *value,
                               size_t samples, size_t rows, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < samples * rows; i++) {
        const char end = (i + 1) % rows ? ' ' : '\n';
        if (value) {
            fprintf(bnn_atomic_stream(file), "%.9g%c", (double)value[i], end);
        } else {
            fprintf(bnn_atomic_stream(file), "%d%c", (int)prediction[i], end);
        }
    }
    return bnn_atomic_commit(file, err);
}

#include "tools/run/given.h"

#include <string.h>

#include "tools/run/data_spec.h"

/* What the file does not say is as given. */
static bnn_code check(const char *path, const char *option, const char *given, const char *said,
                      bnn_error *err) {
    return !given || strcmp(given, said) == 0
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT,
                          "%s: by its metadata its %s is '%s', so leave --%s %s out", path, option,
                          said, option, given);
}

bnn_code bnn_given_open(const bnn_given *given, const char *path, const bnn_device *device,
                        bnn_loaded *model, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(given->data);
    bnn_spec samples = {0};
    if (info) {
        bnn_spec_of_info(&samples, info);
    }
    bnn_spec_given names = {.arch = given->arch,
                            .algo = given->algo,
                            .samples = info ? &samples : NULL,
                            .own_classes = info && !info->class_names};
    bnn_code code = bnn_loaded_open_as(path, &names, device, model, err);
    const bnn_spec *spec = &model->spec;
    if (code == BNN_OK && !(code = check(path, "arch", given->arch, spec->arch->name, err)) &&
        !(code = check(path, "algo", given->algo, bnn_spec_algorithm(spec), err))) {
        code = check(path, "data", given->other_data ? NULL : given->data, spec->dataset, err);
    }
    return code;
}

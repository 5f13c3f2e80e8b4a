#include "models/files/loaded.h"

#include <stdio.h>
#include <string.h>

#include "models/files/packed.h"
#include "models/files/weights_file.h"

/* Of a network trained to its end, so that a schedule stands where it would have led. */
enum { LONG_TRAINING = 10000 };

/* What only this program writes, another tool's file may lack: a schedule's buffers, which no
 * forward of the last phase depends on. */
static bnn_code read_params(bnn_loaded *l, bnn_error *err) {
    bnn_weights weights;
    const bnn_binarizer *algo = l->spec.binarizer;
    bnn_code code = bnn_weights_open(l->path, l->file, l->params, &weights, err);
    if (code != BNN_OK) {
        return code;
    }
    if (l->foreign && algo && l->spec.phase == algo->phases - 1) {
        weights.scheduled = algo;
    }
    /* What the metadata claims costs no memory before the file is seen to hold it. */
    if ((code = bnn_weights_check_params(&weights, l->params, err)) ||
        (code = bnn_params_allocate(l->params, err))) {
        return code;
    }
    bnn_apply_schedule(weights.scheduled, l->params, LONG_TRAINING - 1, LONG_TRAINING);
    code = bnn_weights_read_params(&weights, l->params, err);
    return code == BNN_OK ? bnn_params_to_device(l->params, err) : code;
}

/* Of a packed file that says itself what it holds. */
static bnn_code count_constants(bnn_loaded *l, bnn_error *err) {
    return bnn_packed_count(l->path, l->file, &l->binary_weights, &l->parameters, err);
}

/* The network's parameters, by name and shape. */
static bnn_code list_params(bnn_loaded *l, bnn_error *err) {
    bnn_net net;
    l->params = bnn_params_create();
    if (!l->params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", l->path);
    }
    bnn_code code = bnn_net_build(&l->spec, &l->device, l->params, 1, 0, &net, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "%s", l->path);
    }
    bnn_graph_free(net.graph);
    return BNN_OK;
}

/* How many classes another tool's file has a classifier for, the last layer with one row a class:
 * the data set that is given says only how many it usually has. */
static int classes_in_file(const bnn_loaded *l, int own_classes) {
    const bnn_param *last = NULL;
    bnn_weights weights;
    char name[512];
    for (size_t i = 0; i < l->params->count; i++) {
        const bnn_param *p = l->params->list[i];
        last = p->ndim > 1 && p->shape[0] == l->spec.classes ? p : last;
    }
    if (!l->foreign || !own_classes || bnn_st_metadata(l->file, "classes") || !last ||
        l->spec.task->boxes || l->spec.task->real_target ||
        bnn_weights_open(l->path, l->file, l->params, &weights, NULL) != BNN_OK) {
        return l->spec.classes;
    }
    snprintf(name, sizeof name, "%s%s", weights.prefix, last->name);
    const bnn_st_tensor *t = bnn_st_find(l->file, name);
    return t && t->ndim == last->ndim && t->shape[0] > 1 && t->shape[0] <= BNN_MAX_CLASSES
               ? (int)t->shape[0]
               : l->spec.classes;
}

/* The network's parameters by name: counted, and for a checkpoint read. */
static bnn_code open_params(bnn_loaded *l, int own_classes, bnn_error *err) {
    bnn_code code = list_params(l, err);
    if (code != BNN_OK) {
        return code;
    }
    const int classes = classes_in_file(l, own_classes);
    if (classes != l->spec.classes) {
        l->spec.classes = classes;
        l->spec.class_names = "";
        bnn_params_free(l->params);
        if ((code = list_params(l, err)) != BNN_OK) {
            return code;
        }
    }
    l->binary_weights = bnn_params_binary(l->params);
    l->parameters = bnn_params_total(l->params);
    if (l->packed) {
        bnn_params_free(l->params);
        l->params = NULL;
        return BNN_OK;
    }
    return read_params(l, err);
}

bnn_code bnn_loaded_from_file(const char *name, bnn_st_file *file, size_t file_bytes,
                              const bnn_spec_given *given, const bnn_device *device, bnn_loaded *l,
                              bnn_error *err) {
    *l = (bnn_loaded){.device = *device, .file = file, .file_bytes = file_bytes};
    if (strlen(name) >= sizeof l->path) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%.64s...: the path is too long", name);
    }
    memcpy(l->path, name, strlen(name) + 1);
    bnn_model_kind kind = bnn_model_kind_of(file);
    l->packed = kind == BNN_MODEL_PACKED || kind == BNN_MODEL_PACKED_1;
    l->foreign = kind == BNN_MODEL_FOREIGN;
    if (kind == BNN_MODEL_UNKNOWN) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: neither a checkpoint nor a packed model of this program", name);
    }
    bnn_code code = bnn_spec_read(name, file, given, &l->spec, err);
    if (code != BNN_OK) {
        return code;
    }
    return kind == BNN_MODEL_PACKED ? count_constants(l, err)
                                    : open_params(l, given && given->own_classes, err);
}

bnn_code bnn_loaded_open(const char *path, const bnn_device *device, bnn_loaded *l,
                         bnn_error *err) {
    return bnn_loaded_open_as(path, NULL, device, l, err);
}

bnn_code bnn_loaded_open_as(const char *path, const bnn_spec_given *given, const bnn_device *device,
                            bnn_loaded *l, bnn_error *err) {
    bnn_st_file *file;
    *l = (bnn_loaded){0};
    bnn_code code = bnn_weights_file_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    return bnn_loaded_from_file(path, file, bnn_st_bytes(file), given, device, l, err);
}

void bnn_loaded_close(bnn_loaded *l) {
    bnn_params_free(l->params);
    bnn_st_close(l->file);
    *l = (bnn_loaded){0};
}

bnn_code bnn_loaded_predictor(const bnn_loaded *l, bnn_predictor **out, bnn_error *err) {
    return bnn_predictor_create(&l->spec, &l->device, l->params, l->packed ? l->file : NULL,
                                l->path, out, err);
}

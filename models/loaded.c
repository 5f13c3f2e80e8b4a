#include "models/loaded.h"

#include <string.h>
#include <sys/stat.h>

#include "models/checkpoint.h"

/* The network's parameters by name: counted, and for a checkpoint read. */
static bnn_code open_params(bnn_loaded *l, bnn_error *err) {
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
    l->binary_weights = bnn_params_binary(l->params);
    l->parameters = bnn_params_total(l->params);
    if (l->packed) {
        bnn_params_free(l->params);
        l->params = NULL;
        return BNN_OK;
    }
    /* What the metadata claims costs no memory before the file is seen to hold it. */
    if ((code = bnn_checkpoint_check_params(l->path, l->file, l->params, err)) ||
        (code = bnn_params_allocate(l->params, err))) {
        return code;
    }
    return bnn_checkpoint_read_params(l->path, l->file, l->params, err);
}

bnn_code bnn_loaded_from_file(const char *name, bnn_st_file *file, size_t file_bytes,
                              const bnn_device *device, bnn_loaded *l, bnn_error *err) {
    *l = (bnn_loaded){.device = *device, .file = file, .file_bytes = file_bytes};
    if (strlen(name) >= sizeof l->path) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%.64s...: the path is too long", name);
    }
    memcpy(l->path, name, strlen(name) + 1);
    const char *format = bnn_st_metadata(file, "format");
    l->packed = format && strcmp(format, BNN_PACKED_FORMAT) == 0;
    if (!format || (!l->packed && strcmp(format, BNN_CHECKPOINT_FORMAT) != 0)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: neither a checkpoint nor a packed model of this program", name);
    }
    bnn_code code = bnn_spec_read(name, file, &l->spec, err);
    return code == BNN_OK ? open_params(l, err) : code;
}

bnn_code bnn_loaded_open(const char *path, const bnn_device *device, bnn_loaded *l,
                         bnn_error *err) {
    struct stat info;
    bnn_st_file *file;
    *l = (bnn_loaded){0};
    bnn_code code = bnn_st_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t bytes = stat(path, &info) == 0 ? (size_t)info.st_size : 0;
    return bnn_loaded_from_file(path, file, bytes, device, l, err);
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

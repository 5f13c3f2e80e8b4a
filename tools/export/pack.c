#include "tools/export/pack.h"

#include "layers/fold/fold.h"
#include "models/files/packed.h"

static bnn_code check_packable(const bnn_loaded *model, bnn_error *err) {
    const bnn_binarizer *algo = model->spec.binarizer;
    if (model->packed) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: is packed already", model->path);
    }
    if (algo && model->spec.phase < algo->phases - 1) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: %s was stopped before its last epoch, so its operands are not bits "
                        "yet; finish the training (bnn-train --resume) and export again",
                        model->path, algo->name);
    }
    return BNN_OK;
}

bnn_code bnn_pack(const bnn_loaded *model, const char *path, size_t *bytes, bnn_error *err) {
    bnn_net net = {0};
    bnn_fold *fold = NULL;
    bnn_code code;
    if (!(code = check_packable(model, err)) &&
        !(code = bnn_net_build(&model->spec, &model->device, model->params, 1, 0, &net, err)) &&
        !(code = bnn_fold_create(net.graph, 1, net.input, 1, &net.output, 1, &fold, err)) &&
        !(code = bnn_graph_bind(bnn_fold_graph(fold), NULL, err)) &&
        !(code = bnn_fold_evaluate(fold, err))) {
        code = bnn_packed_save(path, &model->spec, bnn_fold_result(fold), bytes, err);
    }
    bnn_fold_free(fold);
    bnn_graph_free(net.graph);
    return code;
}

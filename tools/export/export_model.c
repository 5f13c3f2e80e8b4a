#include "tools/export/export_model.h"

#include "layers/fold/fold.h"

static bnn_code check_phase(const bnn_loaded *model, bnn_error *err) {
    const bnn_binarizer *algo = model->spec.binarizer;
    return !algo || model->spec.phase == algo->phases - 1
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                          "%s: %s was stopped before its last epoch, so its operands are not bits "
                          "yet; finish the training (bnn-train --resume) and export again",
                          model->path, algo->name);
}

static bnn_code write(const bnn_loaded *model, const bnn_inference *network,
                      const bnn_export_format *format, const bnn_export_request *how,
                      const char *path, bnn_export_report *report, bnn_error *err) {
    bnn_export_request request = how ? *how : (bnn_export_request){0};
    request.spec = &model->spec;
    request.network = network;
    if (model->spec.task->boxes && !format->heads && format != &bnn_export_packed) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: finds boxes, which the format %s has no place for; use the format "
                        "packed, or onnx or lce for what it says of its anchors",
                        model->path, format->name);
    }
    if (request.first_stage && !model->spec.task->boxes) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--part rpn: %s finds no boxes; leave it out",
                        model->path);
    }
    bnn_code code = request.float16 ? bnn_export_round(network, err) : BNN_OK;
    return code == BNN_OK ? format->write(&request, path, report, err) : code;
}

static bnn_code export_checkpoint(const bnn_loaded *model, const bnn_export_format *format,
                                  const bnn_export_request *how, const char *path,
                                  bnn_export_report *report, bnn_error *err) {
    bnn_net net = {0};
    bnn_fold *fold = NULL;
    bnn_code code;
    if (!(code = check_phase(model, err)) &&
        !(code = bnn_net_build(&model->spec, &model->device, model->params, 1, 0, &net, err)) &&
        !(code =
              bnn_fold_create(net.graph, net.fields, net.input, 1, &net.output, 1, &fold, err)) &&
        !(code = bnn_graph_bind(bnn_fold_graph(fold), NULL, err)) &&
        !(code = bnn_fold_evaluate(fold, err))) {
        code = write(model, bnn_fold_result(fold), format, how, path, report, err);
    }
    bnn_fold_free(fold);
    bnn_graph_free(net.graph);
    return code;
}

static bnn_code export_packed(const bnn_loaded *model, const bnn_export_format *format,
                              const bnn_export_request *how, const char *path,
                              bnn_export_report *report, bnn_error *err) {
    bnn_predictor *predictor = NULL;
    const bnn_inference *network;
    bnn_code code;
    if (!(code = bnn_loaded_predictor(model, &predictor, err)) &&
        !(code = bnn_predictor_network(predictor, 1, &network, err))) {
        code = write(model, network, format, how, path, report, err);
    }
    bnn_predictor_free(predictor);
    return code;
}

bnn_code bnn_export_model(const bnn_loaded *model, const bnn_export_format *format,
                          const bnn_export_request *how, const char *path,
                          bnn_export_report *report, bnn_error *err) {
    if (model->packed && format == &bnn_export_packed) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: is packed already", model->path);
    }
    return (model->packed ? export_packed : export_checkpoint)(model, format, how, path, report,
                                                               err);
}

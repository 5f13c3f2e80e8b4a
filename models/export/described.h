/* What an exported file says of its model (export.h puts it there), read back: a bench runs the
 * file in its own engine, and wants to know which network's float twin goes beside it. */
#ifndef BNN_MODELS_EXPORT_DESCRIBED_H
#define BNN_MODELS_EXPORT_DESCRIBED_H

#include "engine/io/safetensors.h"

/* Of a .tflite or an .onnx file, by its bytes, which may be anything: a file without tensors whose
 * metadata are the model's (bnn_spec_read reads them). Close it with bnn_st_close. */
bnn_code bnn_described_parse(const char *name, const unsigned char *data, size_t size,
                             bnn_st_file **out, bnn_error *err);

#endif

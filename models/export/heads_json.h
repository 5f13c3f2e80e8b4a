/* What whoever runs an exported detector needs to know: its anchors, how boxes are made of them and
 * which stay, as a JSON file beside the model. Its fields are in docs/guide.md, and
 * tools/export/heads.py computes with them. */
#ifndef BNN_MODELS_EXPORT_HEADS_JSON_H
#define BNN_MODELS_EXPORT_HEADS_JSON_H

#include "models/export/heads.h"
#include "models/export/translate.h"

/* Writes it beside `path` (bnn_export_beside), which is written afterwards. */
bnn_code bnn_heads_write(const bnn_translation *t, const bnn_export_format *format,
                         const char *path);

#endif

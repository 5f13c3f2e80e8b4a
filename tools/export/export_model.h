/* From a model file to one for deployment; for bnn-export, and for bnn-bench, which packs networks
 * that nobody has trained, too. */
#ifndef BNN_TOOLS_EXPORT_EXPORT_MODEL_H
#define BNN_TOOLS_EXPORT_EXPORT_MODEL_H

#include "models/export/export.h"
#include "models/files/loaded.h"

/* Writes the model in a format (atomic). Of a checkpoint it is the folded network with thresholds,
 * and that its operands are bits by now is checked; of a packed file what that holds. How is said
 * in `how`, whose spec and network are found here; NULL: nothing special. */
bnn_code bnn_export_model(const bnn_loaded *model, const bnn_export_format *format,
                          const bnn_export_request *how, const char *path,
                          bnn_export_report *report, bnn_error *err);

#endif

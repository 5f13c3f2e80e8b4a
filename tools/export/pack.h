/* From a network with parameters to a packed file; for bnn-export, and for bnn-bench, which packs
 * networks that nobody has trained, too. */
#ifndef BNN_TOOLS_EXPORT_PACK_H
#define BNN_TOOLS_EXPORT_PACK_H

#include "models/files/loaded.h"

/* Writes the folded network with thresholds, which is what a packed file holds (atomic); *bytes
 * gets the file's size. `model` has parameters; that its operands are bits by now is checked. */
bnn_code bnn_pack(const bnn_loaded *model, const char *path, size_t *bytes, bnn_error *err);

#endif

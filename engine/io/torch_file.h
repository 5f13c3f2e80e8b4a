/* PyTorch's files as torch.save writes them: the zip archive (since 1.6) and the one before it,
 * pickles with raw storages behind. The state dict in them becomes a list of tensors
 * (safetensors.h): the file's dictionary itself, or one in it ("state_dict", "model", ...) beside
 * whatever else a checkpoint holds. Nothing is run; what is no plain tensor of such a dictionary is
 * refused by the name of what would make it. */
#ifndef BNN_ENGINE_IO_TORCH_FILE_H
#define BNN_ENGINE_IO_TORCH_FILE_H

#include "engine/io/safetensors.h"

/* Whether the bytes begin like such a file, and not like a safetensors file. */
int bnn_torch_is(const void *bytes, size_t size);
/* From memory the caller keeps alive; `name` is for messages. */
bnn_code bnn_torch_parse(const char *name, const void *bytes, size_t size, bnn_st_file **out,
                         bnn_error *err);

#endif

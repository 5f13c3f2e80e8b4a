/* What the files that read PyTorch's files share. */
#ifndef BNN_ENGINE_IO_TORCH_PRIVATE_H
#define BNN_ENGINE_IO_TORCH_PRIVATE_H

#include "engine/io/pickle.h"
#include "engine/io/safetensors_private.h"

/* "save ... with": the cure of whatever is no state dict. */
#define BNN_TORCH_SAVE "torch.save(model.state_dict(), ...)"

/* The types of numbers, by the class of their storage and by name. */
typedef struct bnn_torch_type {
    const char *storage, *name; /* "FloatStorage", "float32" */
    size_t bytes;
    int dtype; /* bnn_st_dtype; -1: of none that we read */
} bnn_torch_type;

/* A name of torch's ("torch.FloatStorage", "torch.float32"), or NULL. */
const bnn_torch_type *bnn_torch_type_of(const bnn_py *global);

/* Where the bytes of storages lie. */
typedef struct bnn_torch_storages {
    const void *self;
    /* That of a key; 0 and an error: there is none that can be used. */
    bnn_code (*find)(const void *self, const bnn_py *key, const unsigned char **data, size_t *bytes,
                     bnn_error *err);
    size_t file_bytes; /* copies of what does not lie row by row may take about as much */
} bnn_torch_storages;

/* Finds the state dict in what a pickle describes. */
bnn_code bnn_torch_state_dict(const char *name, const bnn_py *top, const bnn_py **out,
                              bnn_error *err);
/* Its tensors, into an empty file that has an arena. */
bnn_code bnn_torch_tensors(const char *name, const bnn_py *state_dict,
                           const bnn_torch_storages *storages, bnn_st_file *file, bnn_error *err);

/* What makes a tensor: torch._utils._rebuild_tensor or one of its later versions. */
typedef struct bnn_torch_call {
    int version; /* 1 to 3 */
    const bnn_py *arguments;
} bnn_torch_call;
/* Of a tensor, also where it is wrapped (nn.Parameter, a subclass); 0: it is none that we know. */
int bnn_torch_tensor_of(const bnn_py *value, bnn_torch_call *out);
/* A key or a name for messages: its text, shortened. */
typedef struct bnn_torch_label {
    char s[104];
} bnn_torch_label;
bnn_torch_label bnn_torch_label_of(const bnn_py *value);

#endif

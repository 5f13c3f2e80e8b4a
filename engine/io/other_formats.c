/* Why: who is handed a file with weights tries it, whatever its format, and "not a safetensors
 * file" leaves him guessing. The decision: only a file that was refused is looked at, for each of
 * these signatures is also the start of some sound safetensors file; and one whose header begins
 * where it should is damaged, not of another format. */
#include <string.h>

#include "engine/io/safetensors_private.h"

#define FROM_PYTORCH                                                                               \
    "load it in PyTorch and write its weights with "                                               \
    "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")"
#define FROM_PYTHON "write its weights with a safetensors library (save_file)"
#define WHERE_TRAINED FROM_PYTHON " where the network was trained"
#define DECOMPRESS "decompress it first"

#define TEXT (-1)

/* The first row that fits holds. */
static const struct {
    int at; /* TEXT: behind white space, and what follows is text */
    const char *start;
    size_t length;
    const char *within; /* and this among the first bytes, or NULL */
    const char *what, *cure;
} formats[] = {
    {0, "version https://git-lfs", 23, NULL,
     "a Git LFS pointer, and the weights are still to be fetched",
     "run git lfs pull in its repository"},
    {0, "PK\3\4", 4, ".npy", "NumPy arrays (npz)", FROM_PYTHON},
    {0, "PK\3\4", 4, NULL, "a PyTorch file (zip)", FROM_PYTORCH},
    {0, "\x80\2", 2, NULL, "a PyTorch file (pickle)", FROM_PYTORCH},
    {0, "\x80\3", 2, NULL, "a Python pickle", FROM_PYTORCH},
    {0, "\x80\4", 2, NULL, "a Python pickle", FROM_PYTORCH},
    {0, "\x80\5", 2, NULL, "a Python pickle", FROM_PYTORCH},
    {0, "\x89HDF\r\n\x1a\n", 8, NULL, "an HDF5 file, as Keras writes", FROM_PYTHON},
    {0, "\x93NUMPY", 6, NULL, "a NumPy array (npy)", FROM_PYTHON},
    {4, "TFL3", 4, NULL, "a TensorFlow Lite model", WHERE_TRAINED},
    {0, "GGUF", 4, NULL, "a GGUF file", WHERE_TRAINED},
    {0, "\x1f\x8b\x08", 3, NULL, "compressed (gzip)", DECOMPRESS},
    {0, "\3757zXZ", 5, NULL, "compressed (xz)", DECOMPRESS},
    {0, "\x28\xb5\x2f\xfd", 4, NULL, "compressed (zstd)", DECOMPRESS},
    {0, "BZh", 3, NULL, "compressed (bzip2)", DECOMPRESS},
    {TEXT, "<", 1, NULL, "an HTML or XML page, so the download failed",
     "download the file itself; a page may have been named instead of it"},
    {TEXT, "{", 1, NULL, "a JSON text, an index of several files or a server's answer",
     "name the .safetensors file itself, or the folder in which an index lies"},
};

/* A protocol buffer has no signature; an ONNX model's begins with its version (field 1, a small
 * number) and then the producer's name, the domain or the graph (fields 2, 4 and 7). */
static int is_onnx(const unsigned char *bytes, size_t size) {
    return size > 3 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 64 &&
           (bytes[2] == 0x12 || bytes[2] == 0x22 || bytes[2] == 0x3a);
}

static int contains(const unsigned char *bytes, size_t size, const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= size; i++) {
        if (memcmp(bytes + i, text, length) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Where a text begins: behind white space and a byte order mark; `size` if it is none. */
static size_t text_start(const unsigned char *bytes, size_t size) {
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && at < 64 && (bytes[at] == ' ' || (bytes[at] >= '\t' && bytes[at] <= '\r'))) {
        at++;
    }
    size_t first = size < LENGTH_BYTES ? size : LENGTH_BYTES; /* a length has zeros */
    return memchr(bytes, 0, first) ? size : at;
}

static int fits(size_t row, const unsigned char *bytes, size_t size) {
    size_t length = formats[row].length, start = size < 256 ? size : 256;
    size_t at = formats[row].at == TEXT ? text_start(bytes, size) : (size_t)formats[row].at;
    return at <= size && size - at >= length &&
           memcmp(bytes + at, formats[row].start, length) == 0 &&
           (!formats[row].within || contains(bytes, start, formats[row].within));
}

bnn_code bnn_st_other_format(const char *name, const unsigned char *bytes, size_t size,
                             bnn_error *err) {
    static const unsigned char zeros[4]; /* of a length that is allowed */
    if (size == 0 || (size > LENGTH_BYTES && bytes[LENGTH_BYTES] == '{' &&
                      memcmp(bytes + 4, zeros, sizeof zeros) == 0)) {
        return BNN_ERR_FORMAT;
    }
    if (is_onnx(bytes, size)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: is an ONNX model, not a safetensors file; %s",
                        name, WHERE_TRAINED);
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (fits(i, bytes, size)) {
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: is %s, not a safetensors file; %s", name,
                            formats[i].what, formats[i].cure);
        }
    }
    return BNN_ERR_FORMAT;
}

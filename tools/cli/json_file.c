#include "tools/cli/json_file.h"

#include <math.h>
#include <stdio.h>

#include "engine/base/file.h"

#define LARGEST_FILE ((size_t)1 << 26)

bnn_code bnn_json_write(const char *path, json_t *root, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = root ? bnn_atomic_open(path, &file, err)
                         : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    if (code == BNN_OK) {
        /* commit sees a stream's error and says more */
        (void)json_dumpf(root, bnn_atomic_stream(file), JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        fputc('\n', bnn_atomic_stream(file));
        code = bnn_atomic_commit(file, err);
    }
    json_decref(root);
    return code;
}

json_t *bnn_json_read(const char *path, bnn_error *err) {
    bnn_map map;
    json_error_t why;
    json_t *root = NULL;
    if (bnn_map_read(path, &map, err) != BNN_OK) {
        return NULL;
    }
    if (map.size > LARGEST_FILE) {
        bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 64 MiB: not a file of ours", path);
    } else if (!(root = json_loadb(map.size ? (const char *)map.data : "", map.size,
                                   JSON_REJECT_DUPLICATES, &why))) {
        bnn_fail(err, BNN_ERR_FORMAT, "%s: not JSON: line %d: %.80s", path, why.line, why.text);
    }
    bnn_map_close(&map);
    return root;
}

json_t *bnn_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

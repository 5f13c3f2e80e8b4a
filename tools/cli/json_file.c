#include "tools/cli/json_file.h"

#include <math.h>
#include <stdio.h>

#include "engine/base/file.h"

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

json_t *bnn_json_parse(const char *name, const char *json, size_t bytes, const char *cure,
                       bnn_error *err) {
    json_error_t why;
    json_t *root = json_loadb(json ? json : "", json ? bytes : 0, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        bnn_fail(err, BNN_ERR_FORMAT, "%s: not JSON: line %d: %.80s%s", name, why.line, why.text,
                 cure);
    }
    return root;
}

json_t *bnn_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

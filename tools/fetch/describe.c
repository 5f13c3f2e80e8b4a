/* What is told of a source. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/fetch/fetch.h"
#include "tools/fetch/path.h"

const char *bnn_source_file_name(const char *url, size_t *length) {
    const size_t end = strcspn(url, "?#");
    size_t start = end;
    while (start > 0 && url[start - 1] != '/') {
        start--;
    }
    *length = end - start;
    const char *name = url + start;
    const int dots = *length <= 2 && strspn(name, ".") >= *length;
    return start == 0 || *length == 0 || dots || name[0] == '.' ? NULL : name;
}

const char *bnn_size_text(uint64_t bytes, char out[32]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000.0;
        unit++;
    }
    if (bytes == 0) {
        snprintf(out, 32, "?");
    } else {
        snprintf(out, 32, value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    }
    return out;
}

uint64_t bnn_source_bytes(const bnn_source *source) {
    uint64_t sum = 0;
    for (size_t i = 0; i < source->files; i++) {
        if (source->file[i].bytes == 0) {
            return 0;
        }
        sum += source->file[i].bytes;
    }
    return sum;
}

int bnn_source_is_there(const bnn_source *source, const char *output) {
    char path[BNN_FETCH_PATH];
    struct stat status;
    return bnn_path_join(path, output, source->folder, NULL) == BNN_OK &&
           stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

void bnn_source_use(const bnn_source *source, const char *output, char *out, size_t bytes) {
    const char *folder = *source->data_dir ? source->data_dir : source->folder;
    snprintf(out, bytes, "%s%s%s/%s", source->option, *source->option ? " " : "", output, folder);
}

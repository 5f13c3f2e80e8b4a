/* What the fuzz targets share, under either driver. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define LENGTH_BYTES 8 /* of a safetensors header's length */

void bnn_insist(int condition) {
    if (!condition) {
        abort();
    }
}

int bnn_accepted(bnn_code code, const bnn_error *err) {
    bnn_insist(code == BNN_OK ||
               (err->code == code && err->text[0] && !strpbrk(err->text, "\n\r\033")));
    return code == BNN_OK;
}

/* ---- completed files ---- */

/* The largest number in the text, within reason: where the last tensor ends. */
static size_t promised(const uint8_t *text, size_t size, size_t limit) {
    size_t most = 0, number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            number = 0;
        } else if (number <= limit) { /* beyond it, it stays too large to its end */
            number = number * 10 + text[i] - '0';
        }
        most = number > most && number <= limit ? number : most;
    }
    return most;
}

/* Where the object that the text begins with ends; 0 if it does not. */
static size_t object_end(const uint8_t *text, size_t size) {
    int depth = 0, quoted = 0;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && text[i] == '{') {
            depth++;
        } else if (!quoted && text[i] == '}' && --depth <= 0) {
            return i + 1;
        }
    }
    return 0;
}

uint8_t *bnn_completed(const uint8_t *data, size_t size, size_t most, size_t *completed_size) {
    size_t header = 0;
    size_t end = size > LENGTH_BYTES ? object_end(data + LENGTH_BYTES, size - LENGTH_BYTES) : 0;
    if (end == 0) {
        return NULL;
    }
    for (int i = LENGTH_BYTES; i-- > 0;) {
        header = header << 8 | data[i];
    }
    /* Padding stays where the length agrees. */
    for (end += LENGTH_BYTES; end < size && data[end] == ' ' && end - LENGTH_BYTES < header;) {
        end++;
    }
    size_t body = promised(data + LENGTH_BYTES, end - LENGTH_BYTES, most);
    uint8_t *whole = malloc(end + body);
    if (!whole) {
        return NULL;
    }
    memcpy(whole, data, end);
    for (int i = 0; i < LENGTH_BYTES; i++) {
        whole[i] = (uint8_t)((uint64_t)(end - LENGTH_BYTES) >> (8 * i));
    }
    memset(whole + end, 0x3c, body); /* 0.0115 as float: neither zero nor damaged */
    memcpy(whole + end, data + end, size - end < body ? size - end : body);
    *completed_size = end + body;
    return whole;
}

/* ---- the folder ---- */

static char folder[32];

static void remove_folder(void) {
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    while (entries && (entry = readdir(entries)) != NULL) {
        unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries) {
        closedir(entries);
    }
    rmdir(folder);
}

const char *bnn_scratch_folder(void) {
    if (!folder[0]) {
        const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(folder, sizeof folder, "%s/bnn-fuzz-XXXXXX", place);
        bnn_insist(mkdtemp(folder) != NULL);
        atexit(remove_folder);
    }
    return folder;
}

const char *bnn_scratch_file(const char *name, const void *data, size_t size) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", bnn_scratch_folder(), name);
    FILE *file = fopen(path, "wb");
    bnn_insist(file != NULL);
    bnn_insist(size == 0 || fwrite(data, 1, size, file) == size);
    bnn_insist(fclose(file) == 0);
    return path;
}

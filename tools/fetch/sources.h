/* Where data sets come from. This table is the one place that knows: `list` prints it, `fetch`
 * follows it, `check` compares with it. */
#ifndef BNN_TOOLS_FETCH_SOURCES_H
#define BNN_TOOLS_FETCH_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

/* One address. */
typedef struct bnn_source_file {
    const char *url;
    uint64_t bytes; /* as published; 0: nobody says */
    /* As published, in lower case; NULL: none is. One is enough. */
    const char *md5, *sha256;
    /* Of an archive: which of its folders becomes the set's; "" is all of it, and what lies
     * elsewhere is left. NULL: the file itself belongs to the set, as it is. */
    const char *inside;
} bnn_source_file;

/* A file or folder that an unpacked set has. */
typedef struct bnn_source_part {
    const char *path;
    uint64_t bytes; /* 0: any, but not none; of a folder, 0 */
} bnn_source_part;

typedef struct bnn_source {
    const char *name;
    const char *text;   /* one line */
    const char *folder; /* that is made of it, below --output */
    const char *page, *terms;
    /* What a program is told to read it: "--data voc --years 2012 --data-dir", before the folder,
     * or its part behind a "/" ("" is the folder itself). */
    const char *option, *data_dir;
    /* The loader that checks it, with this variant, and how many samples are published, 0 where the
     * loader counts otherwise. NULL: a loader needs more than the set. */
    const char *data, *variant;
    size_t train, test;
    const char *by_hand; /* how to get what may not be fetched; such a set has no files */
    const bnn_source_file *file;
    size_t files;
    const bnn_source_part *part;
    size_t parts;
    /* About what unpacking takes: the disk is asked for it, and an archive that makes more than
     * twice as much is refused. */
    uint64_t unpacked;
    size_t entries;
} bnn_source;

extern const bnn_source bnn_sources[];
extern const size_t bnn_source_count;

/* A list of sources: the table's, or a file's. */
typedef struct bnn_source_list {
    const bnn_source *source;
    size_t count;
    void *owned; /* what a file's texts live in */
} bnn_source_list;

/* What a file lists in JSON: {"sets": [{"name": ..., "folder": ..., "text": ..., "terms": ...,
 * "page": ..., "option": ..., "unpacked": bytes, "entries": N, "files": [{"url": ..., "bytes": ...,
 * "md5": ..., "sha256": ..., "inside": ...}], "parts": [{"path": ..., "bytes": ...}]}]}; only name
 * and files must be there. Paths are relative and have no "..". `name` is for messages. */
bnn_code bnn_sources_parse(const char *name, const char *text, size_t size, bnn_source_list *list,
                           bnn_error *err);
bnn_code bnn_sources_read(const char *path, bnn_source_list *list, bnn_error *err);
void bnn_sources_free(bnn_source_list *list);

/* What stands behind the last slash of an address: "CoLA.zip"; NULL if that is no file's name. The
 * text is the address's, and ends before a "?". */
const char *bnn_source_file_name(const char *url, size_t *length);

#endif

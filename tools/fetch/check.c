/* Is a set on the disk what it should be? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "data_loaders/dataset.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/fetch/digest.h"
#include "tools/fetch/fetch.h"
#include "tools/fetch/path.h"
#include "tools/fetch/sums.h"

enum { CHUNK = 1 << 16, TOLD = 10 };

typedef struct checking {
    const bnn_source *s;
    char folder[BNN_FETCH_PATH];
    size_t files, wrong; /* that were looked at */
} checking;

/* The first few by name. */
static void complain(checking *c, const char *path, const char *what) {
    if (c->wrong++ < TOLD) {
        printf("%s/%s: %s\n", c->folder, path, what);
    } else if (c->wrong == TOLD + 1) {
        printf("...\n");
    }
}

static void check_size(checking *c, const char *path, uint64_t bytes, int any_if_zero) {
    char full[BNN_FETCH_PATH], what[100];
    struct stat status;
    c->files++;
    if (bnn_path_join(full, c->folder, path, NULL) != BNN_OK || stat(full, &status) != 0) {
        complain(c, path, "is not there");
    } else if (S_ISREG(status.st_mode) && bytes && (uint64_t)status.st_size != bytes) {
        snprintf(what, sizeof what, "has %llu bytes, expected %llu",
                 (unsigned long long)status.st_size, (unsigned long long)bytes);
        complain(c, path, what);
    } else if (S_ISREG(status.st_mode) && any_if_zero && status.st_size == 0) {
        complain(c, path, "is empty");
    }
}

/* ---- checksums ---- */

static bnn_code digest_file(const char *path, int md5, bnn_digests *out, bnn_error *err) {
    static unsigned char chunk[CHUNK];
    bnn_digest *digest = NULL;
    size_t got;
    FILE *file = fopen(path, "rbe");
    bnn_code code =
        file ? bnn_digest_new(md5, 1, &digest, err) : bnn_fail_errno(err, path, "read", errno);
    if (code == BNN_OK) {
        while (!bnn_interrupted() && (got = fread(chunk, 1, sizeof chunk, file)) > 0) {
            bnn_digest_add(digest, chunk, got);
        }
        code = ferror(file) ? bnn_fail_errno(err, path, "read", errno) : BNN_OK;
        bnn_digest_end(digest, out);
    }
    if (file) {
        fclose(file);
    }
    return code;
}

static void compare(checking *c, const char *path, const char *md5, const char *sha256) {
    char full[BNN_FETCH_PATH];
    bnn_digests is;
    if (bnn_path_join(full, c->folder, path, NULL) != BNN_OK ||
        digest_file(full, md5 != NULL, &is, NULL) != BNN_OK) {
        complain(c, path, "cannot be read");
    } else if (!bnn_interrupted() &&
               ((md5 && strcmp(is.md5, md5) != 0) || (sha256 && strcmp(is.sha256, sha256) != 0))) {
        complain(c, path, "is damaged: its checksum is another");
    }
}

/* Those that were written when it was unpacked. *there: are there any? */
static bnn_code check_sums(checking *c, int *there, bnn_error *err) {
    char path[BNN_FETCH_PATH];
    bnn_map map;
    bnn_sums sums;
    bnn_progress progress;
    struct stat status;
    bnn_code code = bnn_path_join(path, c->folder, BNN_SUMS_FILE, err);
    *there = code == BNN_OK && stat(path, &status) == 0;
    if (!*there || (code = bnn_map_read(path, &map, err)) != BNN_OK) {
        return code;
    }
    code = bnn_sums_parse(path, (const char *)map.data, map.size, &sums, err);
    bnn_map_close(&map);
    if (code == BNN_OK) {
        bnn_progress_start(&progress, c->s->name, sums.count, "files", 0);
        for (size_t i = 0; i < sums.count && !bnn_interrupted(); i++) {
            compare(c, sums.sum[i].path, NULL, sums.sum[i].sha256);
            bnn_progress_update(&progress, i + 1, NULL);
        }
        bnn_progress_end(&progress, NULL);
        c->files += sums.count;
    }
    bnn_sums_free(&sums);
    return code;
}

/* Files that are of the set as they were fetched. */
static void check_files(checking *c, int usable) {
    for (size_t i = 0; i < c->s->files && !bnn_interrupted(); i++) {
        const bnn_source_file *f = &c->s->file[i];
        char name[256];
        size_t length;
        const char *start = f->inside ? NULL : bnn_source_file_name(f->url, &length);
        const size_t before = c->wrong;
        if (start) {
            snprintf(name, sizeof name, "%.*s", (int)length, start);
            check_size(c, name, f->bytes, 1);
            if (usable && c->wrong == before && (f->md5 || f->sha256)) {
                compare(c, name, f->md5, f->sha256);
            }
        }
    }
}

/* ---- what the loader says ---- */

static bnn_code count_samples(const checking *c, const char *output, bnn_split split, size_t *count,
                              bnn_error *err) {
    const bnn_dataset_options options = {.variant = c->s->variant};
    const char *below = *c->s->data_dir ? c->s->data_dir : c->s->folder;
    char dir[BNN_FETCH_PATH];
    bnn_dataset *dataset = NULL;
    bnn_code code = bnn_path_join(dir, output, below, err);
    code = code == BNN_OK
               ? bnn_dataset_open(bnn_dataset_find(c->s->data), dir, split, &options, &dataset, err)
               : code;
    *count = code == BNN_OK ? dataset->count : 0;
    bnn_dataset_close(dataset);
    return code;
}

static bnn_code check_samples(const checking *c, const char *output, size_t is[2], bnn_error *err) {
    const size_t published[2] = {c->s->train, c->s->test};
    static const bnn_split splits[2] = {BNN_SPLIT_TRAIN, BNN_SPLIT_TEST};
    static const char *const names[2] = {"training", "test"};
    bnn_code code = BNN_OK;
    for (int i = 0; i < 2 && code == BNN_OK && !bnn_interrupted(); i++) {
        code = count_samples(c, output, splits[i], &is[i], err);
        if (code == BNN_OK && published[i] && is[i] != published[i]) {
            code = bnn_fail(err, BNN_ERR_FORMAT, "%s: has %zu %s samples, published are %zu",
                            c->s->name, is[i], names[i], published[i]);
        }
    }
    return code;
}

/* ---- the whole ---- */

static void print_verdict(const checking *c, int summed, int usable, const size_t samples[2]) {
    printf("%s: %s is whole", c->s->name, c->folder);
    if (c->s->data) {
        printf(": %zu training and %zu test samples", samples[0], samples[1]);
    }
    if (!usable) {
        printf("; no checksums, bnn-data was built without them");
    } else if (!summed) {
        printf("; sizes only, since another program unpacked it");
    }
    printf("\n");
}

bnn_code bnn_check_source(const bnn_source *s, const char *output, bnn_error *err) {
    static checking c;
    size_t samples[2] = {0};
    int summed = 0;
    c = (checking){.s = s};
    bnn_code code = bnn_path_join(c.folder, output, s->folder, err);
    if (code == BNN_OK && !bnn_source_is_there(s, output)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: %s is not there; bnn-data %s %s%s", s->name, c.folder,
                        s->by_hand ? "list" : "fetch", s->name,
                        s->by_hand ? " tells how to get it" : " gets it");
    }
    const int usable = bnn_fetch_usable(NULL) == BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < s->parts; i++) {
        check_size(&c, s->part[i].path, s->part[i].bytes, 1);
    }
    if (code == BNN_OK) {
        check_files(&c, usable);
    }
    if (code == BNN_OK && usable) {
        code = check_sums(&c, &summed, err);
    }
    summed |= s->files && !s->file[0].inside;
    if (code == BNN_OK && c.wrong) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu of the %zu things looked at are missing or damaged; remove %s and "
                        "fetch it again",
                        s->name, c.wrong, c.files, c.folder);
    }
    if (code == BNN_OK && s->data) {
        code = check_samples(&c, output, samples, err);
    }
    if (code == BNN_OK && !bnn_interrupted()) {
        print_verdict(&c, summed, usable, samples);
    }
    return code;
}

#define _GNU_SOURCE /* syncfs */
#include "tools/fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/lock.h"
#include "tools/fetch/digest.h"
#include "tools/fetch/download.h"
#include "tools/fetch/path.h"
#include "tools/fetch/sums.h"
#include "tools/fetch/unpack.h"

#define UNPACKED "unpacked"

/* Where the table does not say what an archive makes. */
static const uint64_t usual_growth = 20, usual_room = 64 << 20;
static const size_t usual_entries = 1000000;

/* The places of a set that is being fetched. */
typedef struct places {
    char target[BNN_FETCH_PATH];   /* OUTPUT/FOLDER */
    char work[BNN_FETCH_PATH];     /* OUTPUT/.NAME.fetch: archives, and */
    char unpacked[BNN_FETCH_PATH]; /* what becomes the target */
} places;

static bnn_code find_places(const bnn_source *s, const char *output, places *p, bnn_error *err) {
    char name[300];
    snprintf(name, sizeof name, ".%.200s.fetch", s->name);
    bnn_code code = bnn_path_join(p->target, output, s->folder, err);
    code = code == BNN_OK ? bnn_path_join(p->work, output, name, err) : code;
    return code == BNN_OK ? bnn_path_join(p->unpacked, p->work, UNPACKED, err) : code;
}

static bnn_code archive_path(const places *p, const bnn_source_file *f, char label[256],
                             char path[BNN_FETCH_PATH], bnn_error *err) {
    size_t length;
    const char *name = bnn_source_file_name(f->url, &length);
    if (!name || length > 255) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: ends with no file's name", f->url);
    }
    snprintf(label, 256, "%.*s", (int)length, name);
    return bnn_path_join(path, p->work, label, err);
}

/* ---- room ---- */

/* What is yet to come: of the archives, and what they make. */
static uint64_t needed(const bnn_source *s, const places *p) {
    uint64_t sum = s->unpacked;
    for (size_t i = 0; i < s->files; i++) {
        char path[BNN_FETCH_PATH], part[BNN_FETCH_PATH + 8], label[256];
        struct stat status;
        uint64_t have = 0;
        if (archive_path(p, &s->file[i], label, path, NULL) == BNN_OK) {
            snprintf(part, sizeof part, "%s.part", path);
            if (stat(path, &status) == 0 || stat(part, &status) == 0) {
                have = (uint64_t)status.st_size;
            }
        }
        sum += s->file[i].bytes > have ? s->file[i].bytes - have : 0;
    }
    return sum;
}

static bnn_code check_room(const bnn_source *s, const places *p, bnn_error *err) {
    char want[32], is[32];
    struct statvfs disk;
    const uint64_t need = needed(s, p);
    if (statvfs(p->work, &disk) != 0) {
        return BNN_OK; /* then writing will tell */
    }
    const uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return room >= need
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_IO,
                          "%s: %s are needed, and %s has %s left; make room, or choose another "
                          "place by --output",
                          s->name, bnn_size_text(need, want), p->work, bnn_size_text(room, is));
}

/* ---- archives ---- */

static bnn_code download_one(const bnn_source *s, const bnn_source_file *f, const places *p,
                             const bnn_fetching *how, bnn_error *err) {
    char path[BNN_FETCH_PATH], label[256], mirrored[BNN_FETCH_PATH];
    bnn_download d = {.url = f->url,
                      .label = label,
                      .path = path,
                      .bytes = f->bytes,
                      .md5 = f->md5,
                      .sha256 = f->sha256,
                      .tries = how->tries};
    bnn_code code = archive_path(p, f, label, path, err);
    if (code == BNN_OK && how->mirror) {
        const size_t length = strlen(how->mirror);
        const char *slash = length && how->mirror[length - 1] == '/' ? "" : "/";
        if (snprintf(mirrored, sizeof mirrored, "%s%s%s/%s", how->mirror, slash, s->name, label) >=
            (int)sizeof mirrored) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--mirror: the address is too long");
        }
        d.url = mirrored;
    }
    return code == BNN_OK ? bnn_download_file(&d, err) : code;
}

static bnn_code place_one(const bnn_source *s, const bnn_source_file *f, const places *p,
                          FILE *sums, bnn_error *err) {
    char path[BNN_FETCH_PATH], to[BNN_FETCH_PATH], label[256];
    struct stat status = {0};
    bnn_code code = archive_path(p, f, label, path, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!f->inside) {
        code = bnn_path_join(to, p->unpacked, label, err);
        return code != BNN_OK || rename(path, to) == 0
                   ? code
                   : bnn_fail_errno(err, to, "put in its place", errno);
    }
    if (stat(path, &status) != 0) {
        return bnn_fail_errno(err, path, "read", errno);
    }
    const uint64_t size = (uint64_t)status.st_size;
    const bnn_unpack u = {.archive = path,
                          .label = label,
                          .inside = f->inside,
                          .folder = p->unpacked,
                          .most_bytes =
                              s->unpacked ? 2 * s->unpacked : usual_growth * size + usual_room,
                          .most_entries = s->entries ? 2 * s->entries : usual_entries,
                          .sums = sums};
    return bnn_unpack_archive(&u, err);
}

static int has_archives(const bnn_source *s) {
    size_t i = 0;
    while (i < s->files && !s->file[i].inside) {
        i++;
    }
    return i < s->files;
}

/* An archive that lacks what the set is known to have is another one. */
static bnn_code check_parts(const bnn_source *s, const places *p, bnn_error *err) {
    for (size_t i = 0; i < s->parts; i++) {
        char path[BNN_FETCH_PATH];
        bnn_code code = bnn_path_join(path, p->unpacked, s->part[i].path, err);
        if (code != BNN_OK || access(path, F_OK) != 0) {
            return code ? code
                        : bnn_fail(err, BNN_ERR_FORMAT,
                                   "%s: there is no %s in what was fetched; nothing of it was kept",
                                   s->name, s->part[i].path);
        }
    }
    return BNN_OK;
}

static bnn_code unpack_all(const bnn_source *s, const places *p, bnn_error *err) {
    char path[BNN_FETCH_PATH];
    FILE *sums = NULL;
    bnn_code code = bnn_remove_tree(p->unpacked, err);
    code = code == BNN_OK ? bnn_make_folder(p->unpacked, err) : code;
    code = code == BNN_OK ? bnn_path_join(path, p->unpacked, BNN_SUMS_FILE, err) : code;
    if (code == BNN_OK && has_archives(s) && !(sums = fopen(path, "we"))) {
        code = bnn_fail_errno(err, path, "write", errno);
    }
    for (size_t i = 0; code == BNN_OK && i < s->files && !bnn_interrupted(); i++) {
        code = place_one(s, &s->file[i], p, sums, err);
    }
    if (sums && (ferror(sums) | fclose(sums)) != 0 && code == BNN_OK) {
        code = bnn_fail_errno(err, path, "write", errno);
    }
    return code == BNN_OK && !bnn_interrupted() ? check_parts(s, p, err) : code;
}

/* ---- the whole ---- */

static bnn_code put_in_place(const places *p, bnn_error *err) {
    char parent[BNN_FETCH_PATH];
    snprintf(parent, sizeof parent, "%s", p->target);
    *strrchr(parent, '/') = '\0';
    bnn_code code = bnn_make_folder(parent, err);
    const int fd = open(p->unpacked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        syncfs(fd);
        close(fd);
    }
    return code != BNN_OK || rename(p->unpacked, p->target) == 0
               ? code
               : bnn_fail_errno(err, p->target, "put the set in place", errno);
}

static bnn_code fetch_files(const bnn_source *s, const bnn_fetching *how, const places *p,
                            bnn_error *err) {
    bnn_code code = check_room(s, p, err);
    for (size_t i = 0; code == BNN_OK && i < s->files && !bnn_interrupted(); i++) {
        code = download_one(s, &s->file[i], p, how, err);
    }
    if (code == BNN_OK && !bnn_interrupted()) {
        code = unpack_all(s, p, err);
        if (code == BNN_OK && !bnn_interrupted()) {
            code = put_in_place(p, err);
        }
        bnn_remove_tree(p->unpacked, NULL); /* whatever is left of it is no set */
    }
    return code;
}

bnn_code bnn_fetch_source(const bnn_source *s, const bnn_fetching *how, bnn_error *err) {
    char use[BNN_FETCH_PATH + 200];
    places p;
    bnn_lock lock = {0};
    bnn_code code = find_places(s, how->output, &p, err);
    if (code != BNN_OK) {
        return code;
    }
    if (access(p.target, F_OK) == 0) {
        printf("%s: %s is there already; bnn-data check %s looks whether it is whole\n", s->name,
               p.target, s->name);
        return BNN_OK;
    }
    if (s->by_hand) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: no program may fetch it; bnn-data list %s tells how to get it",
                        s->name, s->name);
    }
    const bnn_lock_text text = {"bnn-data", p.work, "is fetching it"};
    if ((code = bnn_fetch_usable(err)) != BNN_OK || (code = bnn_make_folder(p.work, err)) ||
        (code = bnn_lock_folder(&lock, p.work, &text, err))) {
        return code;
    }
    code = fetch_files(s, how, &p, err);
    if (code == BNN_OK && !bnn_interrupted()) {
        code = bnn_remove_tree(p.work, err);
        bnn_source_use(s, how->output, use, sizeof use);
        printf("%s: %s\n", s->name, use);
    } else if (code == BNN_OK) {
        fprintf(stderr, "bnn-data: interrupted; the same command goes on where it was\n");
    }
    bnn_lock_let_go(&lock);
    return code;
}

#include "tools/fetch/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/fetch/digest.h"
#include "tools/fetch/path.h"

enum { BLOCK = 1 << 16 };

typedef struct unpacking {
    const bnn_unpack *u;
    struct archive *archive;
    bnn_progress progress;
    uint64_t bytes;
    size_t entries, made;
    char last_folder[BNN_FETCH_PATH]; /* that is known to be there */
} unpacking;

static bnn_code fail_archive(const unpacking *s, bnn_error *err) {
    const char *why = archive_error_string(s->archive);
    return bnn_fail(err, BNN_ERR_FORMAT, "%s: %s; remove %s and fetch it again", s->u->label,
                    why ? why : "is damaged", s->u->archive);
}

static bnn_code fail_entry(const unpacking *s, const char *name, const char *what, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT, "%s: '%.200s' in it %s; nothing of it was kept",
                    s->u->label, name, what);
}

static int is_left_out(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return strncmp(path, "__MACOSX", 8) == 0 || strncmp(name, "._", 2) == 0 ||
           strcmp(name, ".DS_Store") == 0;
}

/* The folder that the file is to lie in. */
static bnn_code make_parent(unpacking *s, const char *path, bnn_error *err) {
    char folder[BNN_FETCH_PATH];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (strcmp(folder, s->last_folder) == 0) {
        return BNN_OK;
    }
    bnn_code code = bnn_make_folder(folder, err);
    memcpy(s->last_folder, folder, sizeof folder);
    return code;
}

static bnn_code copy_data(unpacking *s, const char *name, int fd, bnn_digest *digest,
                          bnn_error *err) {
    static unsigned char block[BLOCK];
    la_ssize_t got = 0;
    while (!bnn_interrupted() && (got = archive_read_data(s->archive, block, sizeof block)) > 0) {
        s->bytes += (uint64_t)got;
        if (s->bytes > s->u->most_bytes) {
            return fail_entry(s, name, "makes the whole larger than the set can be", err);
        }
        for (la_ssize_t done = 0; done < got;) {
            const ssize_t written = write(fd, block + done, (size_t)(got - done));
            if (written < 0 && errno != EINTR) {
                return bnn_fail_errno(err, name, "write", errno);
            }
            done += written > 0 ? written : 0;
        }
        bnn_digest_add(digest, block, (size_t)got);
        bnn_progress_update(&s->progress, (size_t)(archive_filter_bytes(s->archive, -1) / 1000),
                            NULL);
    }
    return got < 0 ? fail_archive(s, err) : BNN_OK;
}

static bnn_code make_file(unpacking *s, const char *name, bnn_error *err) {
    char path[BNN_FETCH_PATH];
    bnn_digest *digest = NULL;
    bnn_digests sum;
    bnn_code code = bnn_path_join(path, s->u->folder, name, err);
    code = code == BNN_OK ? make_parent(s, path, err) : code;
    if (code != BNN_OK || (code = bnn_digest_new(0, 1, &digest, err)) != BNN_OK) {
        return code;
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    code = fd < 0 ? bnn_fail_errno(err, path, "write", errno) : copy_data(s, name, fd, digest, err);
    bnn_digest_end(digest, &sum);
    if (fd >= 0 && close(fd) != 0 && code == BNN_OK) {
        code = bnn_fail_errno(err, path, "write", errno);
    }
    if (code == BNN_OK && fprintf(s->u->sums, "%s  %s\n", sum.sha256, name) < 0) {
        code = bnn_fail_errno(err, path, "write the checksum of", errno);
    }
    return code;
}

static bnn_code take_entry(unpacking *s, struct archive_entry *entry, bnn_error *err) {
    char path[BNN_FETCH_PATH], full[BNN_FETCH_PATH];
    const char *name = archive_entry_pathname(entry);
    name = name ? name : archive_entry_pathname_utf8(entry);
    const mode_t type = archive_entry_filetype(entry);
    if (++s->entries > s->u->most_entries) {
        return fail_entry(s, name ? name : "?", "is one file more than the set can have", err);
    }
    if (!name || !bnn_safe_path(name, path)) {
        return fail_entry(s, name ? name : "?", "is no path below the folder", err);
    }
    if (is_left_out(path)) {
        return BNN_OK;
    }
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
        (type != AE_IFREG && type != AE_IFDIR)) {
        return fail_entry(s, name, "is a link or a device, not a file", err);
    }
    const char *inner = bnn_path_inside(path, s->u->inside);
    if (!inner) {
        return BNN_OK;
    }
    s->made++;
    if (type == AE_IFDIR) {
        bnn_code code = bnn_path_join(full, s->u->folder, inner, err);
        return code == BNN_OK ? bnn_make_folder(full, err) : code;
    }
    return make_file(s, inner, err);
}

static bnn_code take_all(unpacking *s, bnn_error *err) {
    struct archive_entry *entry;
    bnn_code code = BNN_OK;
    int got = ARCHIVE_OK;
    if (archive_read_open_filename(s->archive, s->u->archive, BLOCK) != ARCHIVE_OK) {
        return fail_archive(s, err);
    }
    while (code == BNN_OK && !bnn_interrupted() &&
           ((got = archive_read_next_header(s->archive, &entry)) == ARCHIVE_OK ||
            got == ARCHIVE_WARN)) {
        code = take_entry(s, entry, err);
    }
    if (code == BNN_OK && !bnn_interrupted() && got != ARCHIVE_EOF) {
        code = fail_archive(s, err);
    } else if (code == BNN_OK && !bnn_interrupted() && s->made == 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: has no folder %s; it is not the archive that was "
                        "published",
                        s->u->label, s->u->inside);
    }
    return code;
}

bnn_code bnn_unpack_archive(const bnn_unpack *u, bnn_error *err) {
    char label[300];
    struct stat status = {0};
    unpacking s = {.u = u, .archive = archive_read_new()};
    if (!s.archive) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", u->label);
    }
    archive_read_support_format_tar(s.archive);
    archive_read_support_format_zip(s.archive);
    archive_read_support_filter_gzip(s.archive);
    archive_read_support_filter_bzip2(s.archive);
    archive_read_support_filter_xz(s.archive);
    archive_read_support_filter_zstd(s.archive);
    stat(u->archive, &status);
    snprintf(label, sizeof label, "unpacking %.200s", u->label);
    bnn_progress_start(&s.progress, label, (size_t)(status.st_size / 1000) + 1, "kB", 0);
    bnn_code code = take_all(&s, err);
    if (code == BNN_OK && !bnn_interrupted()) {
        s.progress.done = s.progress.total;
    }
    bnn_progress_end(&s.progress, NULL);
    archive_read_free(s.archive);
    return code;
}

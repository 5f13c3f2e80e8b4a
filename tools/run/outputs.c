#include "tools/run/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "tools/run/run_folder.h"

/* ---- which file ---- */

static void take_identity(bnn_file_use *use, const struct stat *info) {
    use->known = 1;
    use->type = info->st_mode & S_IFMT;
    use->device = info->st_dev;
    use->inode = info->st_ino;
}

/* Nothing is there yet: the place where a link to nowhere leads, or the name's own. */
static void identify_place(bnn_file_use *use) {
    char at[PATH_MAX];
    struct stat folder;
    if (!bnn_follow_links(use->path, at)) {
        return;
    }
    char *slash = strrchr(at, '/');
    use->name = strdup(slash ? slash + 1 : at);
    if (slash) {
        slash[slash == at] = '\0';
    }
    if (use->name && stat(slash ? at : ".", &folder) == 0 && S_ISDIR(folder.st_mode)) {
        take_identity(use, &folder);
        use->type = 0;
    }
}

static void identify(bnn_file_use *use) {
    struct stat info;
    int descriptor = bnn_stream_descriptor(use->path);
    use->by_descriptor = descriptor >= 0;
    if (descriptor >= 0 ? fstat(descriptor, &info) == 0 : stat(use->path, &info) == 0) {
        take_identity(use, &info);
    } else if (use->role != BNN_FILE_READ) {
        identify_place(use);
    }
}

/* Where not even the folder is there yet, the path is all that is known. */
static int same(const bnn_file_use *a, const bnn_file_use *b) {
    if (!a->known && !b->known) {
        return strcmp(a->path, b->path) == 0;
    }
    return a->known && b->known && a->device == b->device && a->inode == b->inode &&
           !a->name == !b->name && (!a->name || strcmp(a->name, b->name) == 0);
}

/* ---- the list ---- */

static void add(bnn_outputs *o, bnn_file_role role, const char *option, const char *folder,
                const char *path) {
    bnn_file_use *use = realloc(o->use, (o->count + 1) * sizeof *use);
    size_t bytes = (folder ? strlen(folder) + 1 : 0) + strlen(path) + 1;
    char *whole = malloc(bytes);
    o->use = use ? use : o->use;
    if (!use || !whole) {
        o->short_of_memory = 1;
        free(whole);
        return;
    }
    snprintf(whole, bytes, "%s%s%s", folder ? folder : "", folder ? "/" : "", path);
    use[o->count] = (bnn_file_use){.role = role, .option = option, .path = whole};
    identify(&use[o->count++]);
}

void bnn_outputs_read(bnn_outputs *o, const char *option, const char *path) {
    DIR *folder = path ? opendir(path) : NULL;
    const struct dirent *entry;
    if (path && !folder) {
        add(o, BNN_FILE_READ, option, NULL, path);
    }
    while (folder && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            add(o, BNN_FILE_READ, option, path, entry->d_name);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

void bnn_outputs_read_in(bnn_outputs *o, const char *option, const char *folder, const char *name) {
    add(o, BNN_FILE_READ, option, folder, name);
}

void bnn_outputs_read_run(bnn_outputs *o, const char *folder) {
    for (size_t i = 0; bnn_run_files[i]; i++) {
        bnn_outputs_read_in(o, "a run's file", folder, bnn_run_files[i]);
    }
}

void bnn_outputs_run_of(bnn_outputs *o, const char *model) {
    char folder[PATH_MAX], config[PATH_MAX + 16];
    const char *slash = model ? strrchr(model, '/') : NULL;
    if (!model || strlen(model) >= sizeof folder) {
        return;
    }
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - model) : 1, slash ? model : ".");
    snprintf(config, sizeof config, "%s/config.json", folder);
    if (access(config, F_OK) == 0) {
        bnn_outputs_read_run(o, folder);
    }
}

void bnn_outputs_own(bnn_outputs *o, const char *option, const char *folder, const char *name) {
    add(o, BNN_FILE_OWN, option, folder, name);
}

void bnn_outputs_result(bnn_outputs *o, const char *option, const char **path) {
    if (*path && strcmp(*path, "-") == 0) {
        *path = "/dev/stdout";
    }
    if (*path) {
        add(o, BNN_FILE_RESULT, option, NULL, *path);
    }
}

/* ---- the check ---- */

/* Where nothing is ever kept, nothing is lost. */
static int leads_nowhere(const bnn_file_use *use) {
    struct stat info, there;
    return use->type == S_IFCHR && stat("/dev/null", &info) == 0 && stat(use->path, &there) == 0 &&
           info.st_rdev == there.st_rdev;
}

static int is_written(const bnn_file_use *use) {
    return use->role == BNN_FILE_RESULT || use->role == BNN_FILE_OWN;
}

/* A terminal takes a result and, on standard error, what is said about it; so does a descriptor
 * that was named as such. */
static int may_share(const bnn_file_use *result, const bnn_file_use *screen) {
    return screen->role == BNN_FILE_SCREEN && (result->by_descriptor || result->type == S_IFCHR);
}

static bnn_code check_pair(const bnn_file_use *a, const bnn_file_use *b, bnn_error *err) {
    const bnn_file_use *first = is_written(a) ? a : b, *second = first == a ? b : a;
    const int only_reads = !is_written(first) && a->role == b->role;
    if (only_reads || !same(a, b) || leads_nowhere(a) || may_share(first, second)) {
        return BNN_OK;
    }
    if (is_written(second)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s %s and %s %s are the same; choose another place for one of them",
                        first->option, first->path, second->option, second->path);
    }
    if (second->role == BNN_FILE_READ) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s %s: would be written over, but it is read as %s %s; choose another "
                        "place",
                        first->option, first->path, second->option, second->path);
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "%s %s: this is also where the lines of %s go; choose another place",
                    first->option, first->path, second->option);
}

/* What is printed has files, too, where it was redirected to them. */
static void add_screen(bnn_outputs *o, const char *option, const char *path) {
    add(o, BNN_FILE_SCREEN, option, NULL, path);
}

/* PATH.tmp-12: what is being written, or was when its program was killed. */
static int is_unfinished(const char *path) {
    const char *end = strrchr(path, '-');
    return end && end - path >= 4 && strncmp(end - 4, ".tmp", 4) == 0 && end[1] &&
           strspn(end + 1, "0123456789") == strlen(end + 1);
}

static bnn_code check_place(const bnn_file_use *use, bnn_error *err) {
    if (use->role == BNN_FILE_READ && is_unfinished(use->path)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: is called like an unfinished file, and those are removed; give it "
                        "another name",
                        use->path);
    }
    if (use->role == BNN_FILE_OWN && use->type && (use->type != S_IFREG || use->by_descriptor)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: is %s, so no file can be written there", use->path,
                        use->type == S_IFDIR ? "a folder" : "no regular file");
    }
    /* A folder that is not there yet will be made. */
    return use->role == BNN_FILE_RESULT || (use->role == BNN_FILE_OWN && use->known)
               ? bnn_atomic_check(use->path, err)
               : BNN_OK;
}

/* Is it standard output, by whatever name or number? */
static int takes_standard_output(const bnn_file_use *use) {
    struct stat info;
    return use->role == BNN_FILE_RESULT && use->by_descriptor &&
           (bnn_stream_descriptor(use->path) == STDOUT_FILENO ||
            (use->type != S_IFCHR && fstat(STDOUT_FILENO, &info) == 0 &&
             info.st_dev == use->device && info.st_ino == use->inode));
}

static bnn_code give_standard_output(bnn_error *err) {
    int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (kept < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        return bnn_fail_errno(err, "standard output", "keep it for a result", errno);
    }
    bnn_stream_standard_output(kept);
    setvbuf(stdout, NULL, _IOLBF, 0); /* lines stay in order with those of standard error */
    return BNN_OK;
}

/* Words for people that nobody can read are no loss beside results of their own; without these they
 * are the result. */
static bnn_code settle_closed_screen(int has_results, bnn_error *err) {
    if (bnn_is_writable(STDOUT_FILENO)) {
        return BNN_OK;
    }
    if (!has_results) {
        return bnn_fail(err, BNN_ERR_IO,
                        "standard output: is closed, so the result would be lost; redirect it to a "
                        "file");
    }
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) {
        return bnn_fail_errno(err, "/dev/null", "print to it, as standard output is closed", errno);
    }
    close(nowhere);
    return BNN_OK;
}

bnn_code bnn_outputs_check(bnn_outputs *o, bnn_error *err) {
    bnn_code code = BNN_OK;
    int taken = 0, has_results = 0;
    add_screen(o, "standard output", "/dev/stdout");
    add_screen(o, "standard error", "/dev/stderr");
    if (o->short_of_memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the names of files");
    }
    for (size_t i = 0; i < o->count; i++) {
        for (size_t k = 0; k < i && code == BNN_OK; k++) {
            code = check_pair(&o->use[k], &o->use[i], err);
        }
        code = code == BNN_OK ? check_place(&o->use[i], err) : code;
        taken |= takes_standard_output(&o->use[i]);
        has_results |= is_written(&o->use[i]);
    }
    code = code == BNN_OK && taken ? give_standard_output(err) : code;
    return code == BNN_OK ? settle_closed_screen(has_results, err) : code;
}

typedef int reads_file(const void *of, dev_t device, ino_t inode);

static bnn_code spare(const bnn_outputs *o, const char *option, reads_file *reads, const void *of,
                      bnn_error *err) {
    for (size_t i = 0; of && i < o->count; i++) {
        const bnn_file_use *use = &o->use[i];
        if (use->role != BNN_FILE_READ && use->type && reads(of, use->device, use->inode)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s %s: would be written over, but it is read as a file of %s; choose "
                            "another place",
                            use->option, use->path, option);
        }
    }
    return BNN_OK;
}

static int dataset_reads(const void *of, dev_t device, ino_t inode) {
    return bnn_dataset_reads(of, device, inode);
}

static int corruptions_reads(const void *of, dev_t device, ino_t inode) {
    return bnn_corruptions_reads(of, device, inode);
}

static int corruptor_reads(const void *of, dev_t device, ino_t inode) {
    return bnn_corruptor_reads(of, device, inode);
}

bnn_code bnn_outputs_spare_data(const bnn_outputs *o, const bnn_dataset *dataset, bnn_error *err) {
    return spare(o, "--data-dir", dataset_reads, dataset, err);
}

bnn_code bnn_outputs_spare_corruptions(const bnn_outputs *o, const bnn_corruptions *corruptions,
                                       bnn_error *err) {
    return spare(o, "--corruptions", corruptions_reads, corruptions, err);
}

bnn_code bnn_outputs_spare_frost(const bnn_outputs *o, const bnn_corruptor *corruptor,
                                 bnn_error *err) {
    return spare(o, "--frost-dir", corruptor_reads, corruptor, err);
}

void bnn_outputs_free(bnn_outputs *o) {
    for (size_t i = 0; i < o->count; i++) {
        free(o->use[i].path);
        free(o->use[i].name);
    }
    free(o->use);
    *o = (bnn_outputs){0};
}

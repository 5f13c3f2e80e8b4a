/* base/file.h: files mapped, files replaced whole or not at all. The tests may run as root, so
 * what cannot be written is a path below a regular file or in a missing folder, and a full disk is
 * played by RLIMIT_FSIZE. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "tests/fixtures/file_limit.h"

static char folder[64];
static char path[128];

static void set_up(void) {
    strcpy(folder, "/tmp/bnn-check-file-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
    static char whole[256];
    snprintf(whole, sizeof whole, "%s/%s", folder, name);
    return whole;
}

static int entries_in_folder(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

static void write_text(const char *name, const char *text) {
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void expect_text(const char *name, const char *text) {
    bnn_map map;
    bnn_error err;
    ck_assert_int_eq(bnn_map_open(name, &map, &err), BNN_OK);
    ck_assert_uint_eq(map.size, strlen(text));
    ck_assert(map.size == 0 || memcmp(map.data, text, map.size) == 0);
    bnn_map_close(&map);
}

static void expect_error(bnn_code code, bnn_code wanted, const bnn_error *err, const char *where,
                         const char *what) {
    ck_assert_int_eq(code, wanted);
    ck_assert_int_eq(err->code, wanted);
    ck_assert_msg(strstr(err->text, where) != NULL, "%s", err->text);
    ck_assert_msg(strstr(err->text, what) != NULL, "%s", err->text);
    ck_assert_msg(strchr(err->text, '\n') == NULL, "%s", err->text);
}

static void expect_map_error(const char *name, const char *what) {
    bnn_map map;
    bnn_error err;
    expect_error(bnn_map_open(name, &map, &err), BNN_ERR_IO, &err, name, what);
    ck_assert_ptr_null(map.data);
    ck_assert_uint_eq(map.size, 0);
}

/* ---- reading ---- */

START_TEST(map_reads_the_bytes) {
    write_text(path, "some bytes");
    expect_text(path, "some bytes");
}
END_TEST

START_TEST(map_of_an_empty_file) {
    bnn_map map;
    bnn_error err;
    write_text(path, "");
    ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
    ck_assert_ptr_null(map.data);
    ck_assert_uint_eq(map.size, 0);
    bnn_map_close(&map);
    bnn_map_close(&map); /* twice is harmless */
}
END_TEST

/* Also an empty one, of which there is nothing to map. */
START_TEST(map_knows_which_file) {
    struct stat info;
    bnn_map map;
    bnn_error err;
    for (int i = 0; i < 2; i++) {
        write_text(path, i ? "" : "bytes");
        ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert(map.device == info.st_dev && map.inode == info.st_ino);
        bnn_map_close(&map);
    }
}
END_TEST

START_TEST(map_refuses_what_is_no_file) {
    expect_map_error(folder, "folder");
    expect_map_error("/dev/zero", "not a regular file");
    expect_map_error(path, "No such file");
    expect_map_error("", "No such file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_map_error(path, "not a regular file"); /* a hang is caught by the timeout */
    write_text(in_folder("plain"), "x");
    expect_map_error(in_folder("plain/below"), "not a folder");
}
END_TEST

START_TEST(errors_may_be_ignored) {
    bnn_map map;
    bnn_atomic_file *file;
    ck_assert_int_eq(bnn_map_open(path, &map, NULL), BNN_ERR_IO);
    ck_assert_int_eq(bnn_atomic_open(in_folder("no/file"), &file, NULL), BNN_ERR_IO);
    ck_assert_ptr_null(file);
}
END_TEST

/* ---- writing ---- */

static bnn_atomic_file *begin(const char *name) {
    bnn_atomic_file *file;
    bnn_error err;
    bnn_code code = bnn_atomic_open(name, &file, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return file;
}

static void replace(const char *name, const char *text) {
    bnn_error err;
    bnn_atomic_file *file = begin(name);
    fputs(text, bnn_atomic_stream(file));
    bnn_code code = bnn_atomic_commit(file, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

START_TEST(commit_replaces) {
    replace(path, "first");
    expect_text(path, "first");
    replace(path, "second, longer");
    expect_text(path, "second, longer");
    replace(path, "");
    expect_text(path, "");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

START_TEST(nothing_changes_before_commit) {
    char name[160];
    replace(path, "old");
    bnn_atomic_file *file = begin(path);
    fputs("new", bnn_atomic_stream(file));
    fflush(bnn_atomic_stream(file));
    expect_text(path, "old");
    snprintf(name, sizeof name, "%s.tmp-%ld", path, (long)getpid());
    expect_text(name, "new");
    bnn_atomic_abandon(file);
    bnn_atomic_abandon(NULL);
    expect_text(path, "old");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

START_TEST(relative_names_work) {
    ck_assert_int_eq(chdir(folder), 0);
    replace("file", "here");
    expect_text(path, "here");
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(links_are_followed) {
    replace(path, "old");
    ck_assert_int_eq(symlink("file", in_folder("link")), 0);
    replace(in_folder("link"), "new");
    expect_text(path, "new");
    struct stat info;
    ck_assert_int_eq(lstat(in_folder("link"), &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_int_eq(entries_in_folder(), 2);
}
END_TEST

/* What replaces a file is read by whom it was read; a link to itself leads to no file. */
START_TEST(permissions_stay) {
    struct stat info;
    bnn_error err;
    bnn_atomic_file *file;
    replace(path, "old");
    ck_assert_int_eq(chmod(path, 0640), 0);
    replace(path, "new");
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0640);
    ck_assert_int_eq(symlink("loop", in_folder("loop")), 0);
    ck_assert_int_eq(bnn_atomic_open(in_folder("loop"), &file, &err), BNN_ERR_IO);
    ck_assert_msg(strstr(err.text, "symbolic links"), "%s", err.text);
}
END_TEST

/* What a killed process with our pid left behind is in nobody's way. */
START_TEST(stale_temporary_is_replaced) {
    char name[160];
    snprintf(name, sizeof name, "%s.tmp-%ld", path, (long)getpid());
    write_text(name, "stale bytes of a killed run");
    replace(path, "new");
    expect_text(path, "new");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

/* Two writers of the same name must not publish each other's half. */
START_TEST(second_writer_wins_first_is_told) {
    bnn_error err;
    bnn_atomic_file *first = begin(path);
    bnn_atomic_file *second = begin(path);
    fputs("second", bnn_atomic_stream(second));
    expect_error(bnn_atomic_commit(first, &err), BNN_ERR_IO, &err, path, "another run");
    ck_assert_int_eq(bnn_atomic_commit(second, &err), BNN_OK);
    expect_text(path, "second");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

static void expect_open_error(const char *name, bnn_code wanted, const char *what) {
    bnn_atomic_file *file;
    bnn_error err;
    expect_error(bnn_atomic_open(name, &file, &err), wanted, &err, name, what);
    ck_assert_ptr_null(file);
}

START_TEST(open_refuses_what_cannot_be_written) {
    expect_open_error(folder, BNN_ERR_IO, "folder");
    expect_open_error("", BNN_ERR_ARGUMENT, "empty name");
    expect_open_error(in_folder("missing/file"), BNN_ERR_IO, "No such file");
    write_text(path, "old");
    expect_open_error(in_folder("file/below"), BNN_ERR_IO, "Not a directory");
    expect_text(path, "old");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

/* Writes `bytes` zeros (at most a million) and closes with `end` on a disk of 1000 bytes. */
static bnn_code fill_disk(bnn_atomic_file *file, size_t bytes,
                          bnn_code (*end)(bnn_atomic_file *, bnn_error *), bnn_error *err) {
    static const char block[1000000];
    limit_files(1000);
    fwrite(block, 1, bytes, bnn_atomic_stream(file));
    bnn_code code = end(file, err);
    limit_files(RLIM_INFINITY);
    return code;
}

/* Sizes on both sides of stdio's buffer: an error at fflush and an error in the middle. */
START_TEST(full_disk_leaves_the_old_file) {
    static const size_t sizes[] = {1001, 5000, 1000000};
    bnn_error err;
    replace(path, "old");
    bnn_code code = fill_disk(begin(path), sizes[_i], bnn_atomic_commit, &err);
    expect_error(code, BNN_ERR_IO, &err, path, "File too large");
    expect_text(path, "old");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

/* Of two files that are to change together, a disk that is full at the second spares the first. */
START_TEST(full_disk_spares_what_is_finished) {
    char other[256];
    bnn_error err;
    snprintf(other, sizeof other, "%s", in_folder("other"));
    replace(path, "old");
    bnn_atomic_file *first = begin(path), *second = begin(other);
    fputs("new", bnn_atomic_stream(first));
    ck_assert_int_eq(bnn_atomic_finish(first, &err), BNN_OK);
    bnn_code code = fill_disk(second, 5000, bnn_atomic_finish, &err);
    expect_error(code, BNN_ERR_IO, &err, other, "too large");
    bnn_atomic_abandon(first);
    bnn_atomic_abandon(second);
    expect_text(path, "old");
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

START_TEST(finished_files_change_together) {
    char other[256];
    bnn_error err;
    snprintf(other, sizeof other, "%s", in_folder("other"));
    replace(path, "old");
    bnn_atomic_file *first = begin(path), *second = begin(other);
    fputs("new", bnn_atomic_stream(first));
    fputs("new", bnn_atomic_stream(second));
    ck_assert_int_eq(bnn_atomic_finish(first, &err), BNN_OK);
    ck_assert_int_eq(bnn_atomic_finish(second, &err), BNN_OK);
    expect_text(path, "old");
    ck_assert_int_eq(bnn_atomic_commit(first, &err), BNN_OK);
    ck_assert_int_eq(bnn_atomic_commit(second, &err), BNN_OK);
    expect_text(path, "new");
    expect_text(other, "new");
    ck_assert_int_eq(entries_in_folder(), 2);
}
END_TEST

START_TEST(vanished_folder_is_an_error) {
    bnn_error err;
    const char *name = in_folder("sub");
    ck_assert_int_eq(mkdir(name, 0777), 0);
    bnn_atomic_file *file = begin(in_folder("sub/file"));
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s/sub'", folder);
    ck_assert_int_eq(system(command), 0);
    fputs("x", bnn_atomic_stream(file));
    expect_error(bnn_atomic_commit(file, &err), BNN_ERR_IO, &err, "sub/file", "removed");
}
END_TEST

/* What a link leads to is made, also where nothing is there yet. */
START_TEST(links_to_nothing_are_followed) {
    struct stat info;
    ck_assert_int_eq(mkdir(in_folder("sub"), 0777), 0);
    ck_assert_int_eq(symlink("sub/target", in_folder("link")), 0);
    replace(in_folder("link"), "new");
    expect_text(in_folder("sub/target"), "new");
    ck_assert_int_eq(lstat(in_folder("link"), &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
}
END_TEST

START_TEST(check_finds_out_and_leaves_nothing) {
    bnn_error err;
    ck_assert_int_eq(bnn_atomic_check(path, &err), BNN_OK);
    ck_assert_int_eq(entries_in_folder(), 0);
    write_text(path, "old");
    ck_assert_int_eq(bnn_atomic_check(path, &err), BNN_OK);
    expect_text(path, "old");
    expect_error(bnn_atomic_check("", &err), BNN_ERR_ARGUMENT, &err, "", "empty name");
    expect_error(bnn_atomic_check(folder, &err), BNN_ERR_IO, &err, folder, "is a folder");
    expect_error(bnn_atomic_check(in_folder("no/file"), &err), BNN_ERR_IO, &err, "no/file",
                 "No such file");
    expect_error(bnn_atomic_check("/dev/fd/987", &err), BNN_ERR_IO, &err, "/dev/fd/987",
                 "no such open descriptor");
    ck_assert_int_eq(bnn_atomic_check("/dev/null", &err), BNN_OK);
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0600), 0);
    ck_assert_int_eq(bnn_atomic_check(in_folder("pipe"), &err), BNN_OK); /* waits for nobody */
}
END_TEST

START_TEST(leftovers_are_removed) {
    write_text(path, "kept");
    write_text(in_folder("file.tmp-1"), "x");
    write_text(in_folder("file.tmp-99999"), "x");
    write_text(in_folder("file.tmp-1x"), "kept");
    write_text(in_folder("file.tmp-"), "kept");
    write_text(in_folder("other.tmp-1"), "kept");
    bnn_atomic_clean(path);
    ck_assert_int_eq(entries_in_folder(), 4);
    ck_assert_int_eq(access(in_folder("file.tmp-1"), F_OK), -1);
    ck_assert_int_eq(chdir(folder), 0);
    write_text("other.tmp-2", "x");
    bnn_atomic_clean("other");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(entries_in_folder(), 3);
    bnn_atomic_clean(in_folder("no/such"));
}
END_TEST

/* ---- streams ---- */

/* A file of which `text` was written, as a shell's redirection would open it. */
static int redirected(const char *name, const char *text) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

START_TEST(descriptors_are_written_behind) {
    char name[64];
    int fd = redirected(path, "before ");
    static const char *const forms[] = {"/dev/fd/%d", "/proc/self/fd/%d"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, forms[i], fd);
        ck_assert_int_eq(bnn_stream_descriptor(name), fd);
        ck_assert(bnn_is_stream(name));
        replace(name, "result ");
    }
    snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)getpid(), fd);
    replace(name, "result ");
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    ck_assert_int_eq(symlink(name, in_folder("link")), 0);
    replace(in_folder("link"), "linked");
    expect_text(path, "before result result result linked");
    ck_assert_int_eq(entries_in_folder(), 2);
    ck_assert_int_eq(bnn_stream_descriptor("/dev/stdout"), 1);
    ck_assert_int_eq(bnn_stream_descriptor("/dev/stderr"), 2);
    static const char *const none[] = {
        "/dev/fd/", "/dev/fd/1x",   "/dev/fd/-1",          "/dev/fd/1/2",
        "-",        "/dev/stdouts", "/dev/fd/99999999999", ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        ck_assert_int_eq(bnn_stream_descriptor(none[i]), -1);
    }
    close(fd);
}
END_TEST

START_TEST(standard_output_may_be_moved) {
    int fd = redirected(path, "");
    bnn_stream_standard_output(fd);
    replace("/dev/stdout", "1");
    replace("/dev/fd/1", "2");
    expect_text(path, "12");
    close(fd);
}
END_TEST

START_TEST(pipes_are_written_to) {
    char text[32] = "";
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ck_assert(bnn_is_stream(path));
    replace(path, "through the pipe");
    ck_assert_int_eq(read(fd, text, sizeof text), 16);
    ck_assert_str_eq(text, "through the pipe");
    close(fd);
    ck_assert_int_eq(entries_in_folder(), 1);
}
END_TEST

static int reader;
static unsigned asked;

/* A reader comes when this was asked for the third time, or never. */
static int until_third(const char *name, unsigned tries) {
    ck_assert_str_eq(name, path);
    ck_assert_uint_eq(tries, asked++);
    if (tries == 2) {
        reader = open(path, O_RDONLY | O_NONBLOCK);
    }
    return 1;
}

static int twice(const char *name, unsigned tries) {
    ck_assert_str_eq(name, path);
    return tries < 2;
}

START_TEST(pipes_wait_for_a_reader) {
    char text[32] = "";
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    bnn_stream_wait_while(twice);
    expect_open_error(path, BNN_ERR_IO, "before anybody came");
    bnn_stream_wait_while(until_third);
    bnn_atomic_file *file = begin(path);
    ck_assert_uint_eq(asked, 3);
    int flags = fcntl(fileno(bnn_atomic_stream(file)), F_GETFL);
    ck_assert_int_eq(flags & O_NONBLOCK, 0);
    bnn_atomic_abandon(file);
    replace(path, "late");
    ck_assert_int_eq(read(reader, text, sizeof text), 4);
    ck_assert_str_eq(text, "late");
    close(reader);
}
END_TEST

START_TEST(sockets_wait_for_a_place) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), queued = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 0), 0);
    ck_assert_int_eq(connect(queued, (struct sockaddr *)&address, sizeof address), 0);
    bnn_stream_wait_while(twice);
    expect_open_error(path, BNN_ERR_IO, "before anybody came");
    close(queued);
    close(listener);
}
END_TEST

START_TEST(sockets_are_connected_to) {
    char text[32] = "";
    bnn_error err;
    bnn_atomic_file *file;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    expect_error(bnn_atomic_open(path, &file, &err), BNN_ERR_IO, &err, path, "refused");
    ck_assert_int_eq(listen(listener, 1), 0);
    replace(path, "to the socket");
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(read(fd, text, sizeof text), 13);
    ck_assert_str_eq(text, "to the socket");
    close(fd);
    close(listener);
}
END_TEST

static void expect_lost(const char *name, size_t bytes, const char *what) {
    static char block[100000];
    bnn_error err;
    bnn_atomic_file *file = begin(name);
    fwrite(block, 1, bytes, bnn_atomic_stream(file));
    expect_error(bnn_atomic_commit(file, &err), BNN_ERR_IO, &err, name, what);
}

/* Smaller and larger than stdio's buffer. */
START_TEST(streams_tell_what_is_lost) {
    int ends[2];
    char name[64];
    expect_lost("/dev/full", 10, "No space left");
    expect_lost("/dev/full", 100000, "No space left");
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    expect_lost(name, 10, "Broken pipe");
    expect_lost(name, 100000, "Broken pipe");
    replace("/dev/null", "gone");
    ck_assert_int_eq(access("/dev/null.tmp-1", F_OK), -1);
}
END_TEST

START_TEST(descriptors_that_cannot_be_written) {
    char name[64];
    write_text(path, "old");
    int fd = open(path, O_RDONLY);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    expect_open_error(name, BNN_ERR_IO, "reading only");
    close(fd);
    expect_open_error(name, BNN_ERR_IO, "no such open descriptor");
    expect_text(path, "old");
}
END_TEST

/* ---- folders ---- */

START_TEST(folders_are_made_with_parents) {
    static const char *const names[] = {"a", "a/b/c", "x//y/", "a/b/c", "x/../z"};
    bnn_error err;
    struct stat info;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(bnn_make_folder(in_folder(names[i]), &err), BNN_OK);
        ck_assert_int_eq(stat(in_folder(names[i]), &info), 0);
        ck_assert(S_ISDIR(info.st_mode));
    }
    ck_assert_int_eq(bnn_make_folder("/", &err), BNN_OK);
    ck_assert_int_eq(bnn_make_folder(".", &err), BNN_OK);
}
END_TEST

START_TEST(folders_that_cannot_be_made) {
    bnn_error err;
    write_text(path, "old");
    expect_error(bnn_make_folder(path, &err), BNN_ERR_IO, &err, path, "is a file");
    expect_error(bnn_make_folder(in_folder("file/a/b"), &err), BNN_ERR_IO, &err, path, "is a file");
    expect_error(bnn_make_folder("", &err), BNN_ERR_ARGUMENT, &err, "", "empty name");
    expect_error(bnn_make_folder("/proc/no-such/folder", &err), BNN_ERR_IO, &err, "/proc/no-such",
                 "cannot make the folder");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");
    tcase_set_timeout(tests, 20);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, map_reads_the_bytes);
    tcase_add_test(tests, map_of_an_empty_file);
    tcase_add_test(tests, map_knows_which_file);
    tcase_add_test(tests, map_refuses_what_is_no_file);
    tcase_add_test(tests, errors_may_be_ignored);
    tcase_add_test(tests, commit_replaces);
    tcase_add_test(tests, nothing_changes_before_commit);
    tcase_add_test(tests, relative_names_work);
    tcase_add_test(tests, links_are_followed);
    tcase_add_test(tests, permissions_stay);
    tcase_add_test(tests, stale_temporary_is_replaced);
    tcase_add_test(tests, second_writer_wins_first_is_told);
    tcase_add_test(tests, open_refuses_what_cannot_be_written);
    tcase_add_loop_test(tests, full_disk_leaves_the_old_file, 0, 3);
    tcase_add_test(tests, full_disk_spares_what_is_finished);
    tcase_add_test(tests, finished_files_change_together);
    tcase_add_test(tests, vanished_folder_is_an_error);
    tcase_add_test(tests, links_to_nothing_are_followed);
    tcase_add_test(tests, check_finds_out_and_leaves_nothing);
    tcase_add_test(tests, leftovers_are_removed);
    tcase_add_test(tests, descriptors_are_written_behind);
    tcase_add_test(tests, standard_output_may_be_moved);
    tcase_add_test(tests, pipes_are_written_to);
    tcase_add_test(tests, pipes_wait_for_a_reader);
    tcase_add_test(tests, sockets_wait_for_a_place);
    tcase_add_test(tests, sockets_are_connected_to);
    tcase_add_test(tests, streams_tell_what_is_lost);
    tcase_add_test(tests, descriptors_that_cannot_be_written);
    tcase_add_test(tests, folders_are_made_with_parents);
    tcase_add_test(tests, folders_that_cannot_be_made);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

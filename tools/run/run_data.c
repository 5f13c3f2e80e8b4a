#include "tools/run/run_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bnn_run_data_of(const bnn_dataset *train, const bnn_dataset *test, bnn_run_data *out) {
    snprintf(out->train, sizeof out->train, "%08x", (unsigned)bnn_dataset_checksum(train));
    snprintf(out->test, sizeof out->test, "%08x", (unsigned)bnn_dataset_checksum(test));
    out->teacher[0] = '\0';
}

void bnn_run_data_read(const bnn_st_file *file, bnn_run_data *out) {
    const char *train = bnn_st_metadata(file, "train_data");
    const char *test = bnn_st_metadata(file, "test_data");
    snprintf(out->train, sizeof out->train, "%s", train ? train : "");
    const char *teacher = bnn_st_metadata(file, "teacher");
    snprintf(out->test, sizeof out->test, "%s", test ? test : "");
    snprintf(out->teacher, sizeof out->teacher, "%s", teacher ? teacher : "");
}

static int differ(const char *was, const char *now) {
    return *was && *now && strcmp(was, now) != 0;
}

bnn_code bnn_run_data_same(const char *path, const bnn_run_data *was, const bnn_run_data *now,
                           bnn_error *err) {
    const int train = differ(was->train, now->train), test = differ(was->test, now->test);
    if (differ(was->teacher, now->teacher)) {
        return bnn_fail(
            err, BNN_ERR_ARGUMENT,
            "%s: the run began with another teacher than its --teacher is now; put that "
            "file back, or go on with this one: --accept-changed-data",
            path);
    }
    if (!train && !test) {
        return BNN_OK;
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "%s: the %s samples or labels are not those the run began with; give the "
                    "folder of its own data with --data-dir, or go on with these: "
                    "--accept-changed-data",
                    path,
                    train && test ? "training and test"
                    : train       ? "training"
                                  : "test");
}

void bnn_run_data_note(const bnn_st_file *file, const bnn_dataset *test, const char *dir,
                       const char *program) {
    bnn_run_data was, now;
    bnn_run_data_read(file, &was);
    if (!*was.test) {
        return;
    }
    snprintf(now.test, sizeof now.test, "%08x", (unsigned)bnn_dataset_checksum(test));
    if (differ(was.test, now.test)) {
        fprintf(stderr,
                "%s: note: the test samples or labels in %s are not those the network was trained "
                "with; if they were moved, name their folder with --data-dir\n",
                program, dir);
    }
}

const char *bnn_recorded_path(const char *path, char room[PATH_MAX]) {
    return path && realpath(path, room) ? room : path;
}

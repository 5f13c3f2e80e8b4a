/* Test sets in the layout of CIFAR-10-C, read from files that the test itself writes. */
#include "data_loaders/corruption/corruption.h"
#include "data_loaders/internal.h"
#include "tests/fixtures/data_fixture.h"

/* An .npy file, version 1; `type` such as "|u1", `shape` such as "(5,)". */
static void write_npy(const char *name, const char *type, const char *shape, const void *data,
                      size_t size) {
    char header[128];
    int used = snprintf(header, sizeof header,
                        "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    ck_assert_int_lt(used, 117);
    memset(header + used, ' ', sizeof header - (size_t)used);
    header[117] = '\n';
    FILE *file = fopen(in_folder(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file), 10);
    ck_assert_uint_eq(fwrite(header, 1, 118, file), 118);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* Picture r of corruption k is pixel(1000*k + r). */
static void write_corruption(const char *name, size_t k, size_t images) {
    unsigned char *data = malloc(5 * images * SAMPLE);
    char shape[64];
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < 5 * images * SAMPLE; i++) {
        int j = (int)(i % SAMPLE);
        data[i] = pixel(1000 * k + i / SAMPLE, j / 96, j / 3 % SIDE, j % 3);
    }
    snprintf(shape, sizeof shape, "(%zu, 32, 32, 3)", 5 * images);
    write_npy(name, "|u1", shape, data, 5 * images * SAMPLE);
    free(data);
}

/* What the network was trained with: not the table's. */
static const bnn_dataset_info trained = {.mean = {1, 20, 300}, .std = {7, 0.5f, 3}};

/* The labels of the clean images; without any, all labels will do. */
static const int32_t *clean_labels;
static size_t clean_count;

static int32_t clean_label(const bnn_dataset *dataset, size_t index) {
    (void)dataset;
    return clean_labels[index];
}

static const bnn_dataset *clean_set(void) {
    static bnn_dataset clean;
    clean = (bnn_dataset){.count = 1, .total = clean_count, .label = clean_label};
    bnn_data_describe(&clean, bnn_dataset_find("cifar10"));
    bnn_dataset_normalize(&clean, trained.mean, trained.std);
    return &clean;
}

static bnn_code open_some(const char *dir, const char *const *names, int must,
                          bnn_corruptions **out, bnn_error *err) {
    int kind[BNN_CORRUPTION_KINDS], musts[BNN_CORRUPTION_KINDS];
    size_t count = 0;
    *out = (bnn_corruptions *)1;
    for (; names[count]; count++) {
        kind[count] = bnn_corruption_find(names[count]);
        musts[count] = must;
    }
    return bnn_corruptions_open(clean_set(), dir, kind, musts, count, out, err);
}

static bnn_corruptions *open_corruptions(void) {
    bnn_corruptions *c;
    bnn_error err = {0};
    bnn_code code = open_some(folder, bnn_corruption_names, 0, &c, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return c;
}

static void expect_bad_corruptions(const char *dir, bnn_code expected, const char *text,
                                   const char *more) {
    bnn_corruptions *c;
    bnn_error err = {0};
    bnn_code code = open_some(dir, bnn_corruption_names, 0, &c, &err);
    expect_error(code, expected, &err, text, more, NULL);
    ck_assert_ptr_null(c);
}

static void expect_severity(const bnn_corruptions *c, size_t k, int severity) {
    static unsigned char source[SIDE][SIDE][3];
    static float plain[SAMPLE], x[SAMPLE];
    bnn_dataset *d;
    bnn_error err = {0};
    ck_assert_int_eq(bnn_corruptions_dataset(c, k, severity, 0, &d, &err), BNN_OK);
    ck_assert_uint_eq(d->count, 3);
    for (size_t i = 0; i < 3; i++) {
        int32_t label = -1;
        fill_source(1000 * k + (size_t)(severity - 1) * 3 + i, source);
        plain_transform(source, &trained, 4, 4, 0, plain);
        sample(d, i, &(bnn_draw){5, 5}, x, &label); /* augment is without effect */
        ck_assert_mem_eq(x, plain, sizeof x);
        ck_assert_int_eq(label, (int)(7 + i));
    }
    bnn_dataset_close(d);
}

START_TEST(corruptions_samples) {
    const int64_t wide[15] = {7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9};
    const unsigned char narrow[3] = {7, 8, 9};
    bnn_error err = {0};
    bnn_dataset *d;
    write_corruption("saturate.npy", 2, 3);
    write_corruption("gaussian_noise.npy", 0, 3);
    write_corruption("jpeg_compression.npy", 1, 3);
    write_file("README", "x", 1);
    write_file("._fog.npy", "x", 1);
    if (_i == 0) {
        write_npy("labels.npy", "<i8", "(15,)", wide, sizeof wide);
    } else {
        write_npy("labels.npy", "|u1", "(3,)", narrow, sizeof narrow);
    }
    bnn_corruptions *c = open_corruptions();
    ck_assert_uint_eq(bnn_corruptions_count(c), 3);
    ck_assert_int_eq(bnn_corruptions_kind(c, 0), bnn_corruption_find("gaussian_noise"));
    ck_assert_int_eq(bnn_corruptions_kind(c, 1), bnn_corruption_find("jpeg_compression"));
    ck_assert_int_eq(bnn_corruptions_kind(c, 2), bnn_corruption_find("saturate"));
    for (size_t k = 0; k < 3; k++) {
        for (int severity = 1; severity <= 5; severity++) {
            expect_severity(c, k, severity);
        }
    }
    ck_assert_int_eq(bnn_corruptions_dataset(c, 1, 5, 2, &d, &err), BNN_OK);
    ck_assert_uint_eq(d->count, 2);
    bnn_dataset_close(d);
    bnn_code code = bnn_corruptions_dataset(c, 0, 6, 0, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "severity 6", NULL);
    code = bnn_corruptions_dataset(c, 0, 0, 0, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "severity 0", NULL);
    code = bnn_corruptions_dataset(c, 3, 1, 0, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "corruption 3", NULL);
    bnn_corruptions_close(c);
}
END_TEST

static int reads(const bnn_corruptions *c, const char *name) {
    struct stat file = file_of(name);
    return bnn_corruptions_reads(c, file.st_dev, file.st_ino);
}

START_TEST(corruptions_files) {
    const unsigned char labels[5] = {0};
    write_corruption("fog.npy", 0, 1);
    write_corruption("snow.npy", 1, 1);
    write_npy("labels.npy", "|u1", "(5,)", labels, 5);
    write_file("README", "x", 1);
    bnn_corruptions *c = open_corruptions();
    ck_assert(reads(c, "fog.npy") && reads(c, "snow.npy") && reads(c, "labels.npy"));
    ck_assert(!reads(c, "README"));
    bnn_corruptions_close(c);
}
END_TEST

START_TEST(corruptions_labels) {
    const int32_t negative[5] = {0, 1, -1, 3, 4};
    const uint64_t huge[1] = {UINT64_MAX};
    const unsigned char labels[6] = {0};
    char missing[128];
    snprintf(missing, sizeof missing, "%s/none", folder);
    expect_bad_corruptions(missing, BNN_ERR_IO, "/none: no such folder", "CIFAR-10-C.tar");
    expect_bad_corruptions(folder, BNN_ERR_IO, "no corruption", folder);
    write_npy("labels.npy", "|u1", "(5,)", labels, 5);
    expect_bad_corruptions(folder, BNN_ERR_IO, "no corruption", folder);
    write_corruption("fog.npy", 0, 1);
    bnn_corruptions_close(open_corruptions());

    write_npy("labels.npy", "|u1", "(6,)", labels, 6);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: 6 labels", "expected 5 (or 1)");
    write_npy("labels.npy", "|u1", "(1, 5)", labels, 5);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: 5 labels in 2 dim", "");
    write_npy("labels.npy", "|u1", "(5, 1, 1)", labels, 5);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: 5 labels in 3 dim", "");
    write_npy("labels.npy", "|u1", "(5, 1)", labels, 5);
    bnn_corruptions_close(open_corruptions());
    write_npy("labels.npy", "|u1", "(1, 1)", labels, 1);
    bnn_corruptions_close(open_corruptions());
    write_npy("labels.npy", "<f4", "(1,)", labels, 4);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: elements of type f4", "integers");
    write_npy("labels.npy", "<i4", "(5,)", negative, sizeof negative);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: label 2 is -1", "0 to 9");
    write_npy("labels.npy", "<u8", "(1,)", huge, sizeof huge);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: label 0 is", "0 to 9");
    write_file("labels.npy", "rubbish", 7);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy", "");
    ck_assert_int_eq(unlink(in_folder("labels.npy")), 0);
    expect_bad_corruptions(folder, BNN_ERR_IO, "/labels.npy: no such file", "CIFAR-10-C.tar");
}
END_TEST

/* The labels must be those of the clean images, at every severity. */
START_TEST(corruptions_order) {
    const int32_t clean[4] = {3, 1, 4, 1};
    unsigned char labels[15];
    clean_labels = clean;
    clean_count = 4;
    for (int i = 0; i < 15; i++) {
        labels[i] = (unsigned char)clean[i % 3];
    }
    write_corruption("fog.npy", 0, 3);
    write_npy("labels.npy", "|u1", "(15,)", labels, 15);
    bnn_corruptions_close(open_corruptions());
    write_npy("labels.npy", "|u1", "(3, 1)", labels, 3);
    bnn_corruptions_close(open_corruptions());
    labels[10] = 2;
    labels[12] = 2;
    write_npy("labels.npy", "|u1", "(15,)", labels, 15);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT,
                           "/labels.npy: label 10 is 2, but the clean test image 1 is of class 1",
                           "order");
    write_npy("labels.npy", "|u1", "(3,)", labels + 1, 3);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/labels.npy: label 0 is 1, but", "of class 3");
    clean_count = 0; /* a clean set that is not as long says nothing of the rest */
    bnn_corruptions_close(open_corruptions());
}
END_TEST

/* Files that are not wanted are not looked at, whatever is wrong with them. */
START_TEST(corruptions_wanted) {
    static const char *const fog[] = {"fog", NULL}, *const two[] = {"snow", "fog", NULL};
    static const char *const extra[] = {"spatter", "saturate", NULL};
    const unsigned char labels[5] = {0};
    bnn_corruptions *c;
    bnn_error err = {0};
    write_npy("labels.npy", "|u1", "(5,)", labels, 5);
    write_file("fogg.npy", "x", 1);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/fogg.npy: none of the 19", "rename");
    write_corruption("fog.npy", 0, 1);
    write_corruption("frost.npy", 1, 2);
    write_file("brightness.npy", "rubbish", 7);
    ck_assert_int_eq(mkdir(in_folder("contrast.npy"), 0777), 0);
    bnn_code code = open_some(folder, fog, 1, &c, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    ck_assert_uint_eq(bnn_corruptions_count(c), 1);
    ck_assert(reads(c, "fog.npy") && !reads(c, "frost.npy") && !reads(c, "brightness.npy"));
    bnn_corruptions_close(c);
    code = open_some(folder, two, 0, &c, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    ck_assert_uint_eq(bnn_corruptions_count(c), 1);
    bnn_corruptions_close(c);
    code = open_some(folder, two, 1, &c, &err);
    expect_error(code, BNN_ERR_IO, &err, "/snow.npy: no such file", "--corruptions make", NULL);
    ck_assert_ptr_null(c);
    code = open_some(folder, extra, 0, &c, &err);
    expect_error(code, BNN_ERR_IO, &err, "none of the corruptions that are wanted", NULL);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/fog.npy: 1 images a severity", "frost.npy");
}
END_TEST

START_TEST(corruptions_arrays) {
    static unsigned char bytes[10 * SAMPLE];
    write_corruption("fog.npy", 0, 1);
    write_npy("labels.npy", "|u1", "(5,)", bytes, 5);
    write_corruption("frost.npy", 1, 2);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/fog.npy: 1 images a severity",
                           "frost.npy has 2");
    write_npy("frost.npy", "|i1", "(5, 32, 32, 3)", bytes, 5 * SAMPLE);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/frost.npy: elements of type i1", "uint8");
    write_npy("frost.npy", "|u1", "(6, 32, 32, 3)", bytes, 6 * SAMPLE);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/frost.npy: 4 dimensions [6,32,32,3]",
                           "[5*N,32,32,3]");
    write_npy("frost.npy", "|u1", "(5, 3, 32, 32)", bytes, 5 * SAMPLE);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "[5,3,32,32]", "");
    write_npy("frost.npy", "|u1", "(5, 3072)", bytes, 5 * SAMPLE);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "2 dimensions [5,3072,0,0]", "");
    write_npy("frost.npy", "|u1", "(0, 32, 32, 3)", bytes, 0);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/frost.npy: ", "");
    write_npy("frost.npy", "|u1", "(5, 32, 32, 3)", bytes, 4 * SAMPLE);
    expect_bad_corruptions(folder, BNN_ERR_FORMAT, "/frost.npy", "");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cifar10c");
    TCase *files = tcase_create("cifar10c");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_set_timeout(files, 120);
    tcase_add_loop_test(files, corruptions_samples, 0, 2);
    tcase_add_test(files, corruptions_files);
    tcase_add_test(files, corruptions_labels);
    tcase_add_test(files, corruptions_order);
    tcase_add_test(files, corruptions_wanted);
    tcase_add_test(files, corruptions_arrays);
    suite_add_tcase(suite, files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Event files: framing, checksums and messages against the formats' own definitions, and that a
 * file is cut where a run is resumed. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/run/events.h"

static bnn_error err;
static char path[64];
static uint8_t bytes[1 << 14];

static void set_up(void) {
    strcpy(path, "/tmp/check_events.XXXXXX");
    close(mkstemp(path));
    unlink(path);
    err = (bnn_error){0};
}

static void tear_down(void) {
    unlink(path);
}

static size_t read_back(void) {
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return size;
}

/* RFC 3720's check value of CRC-32C, masked. */
START_TEST(checksum) {
    const uint32_t crc = 0xe3069283u;
    ck_assert_uint_eq(bnn_masked_crc32c((const uint8_t *)"123456789", 9),
                      (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u));
    uint8_t zeros[32] = {0}; /* RFC 3720, B.4 */
    ck_assert_uint_eq(bnn_masked_crc32c(zeros, 32),
                      (uint32_t)((0x8a9136aau >> 15 | 0x8a9136aau << 17) + 0xa282ead8u));
}
END_TEST

static void add(bnn_events *e, uint64_t step, const char *tag, double value) {
    const bnn_scalar scalars[] = {{tag, value}, {"left out", NAN}};
    ck_assert_int_eq(bnn_events_add(e, step, scalars, 2, &err), BNN_OK);
}

/* Two epochs of two steps. */
static void write_all(bnn_events *e) {
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        add(e, 2 * epoch, "train/loss", 0.5);
        add(e, 2 * epoch + 1, "train/loss", 0.25);
        add(e, 2 * epoch + 2, BNN_EVENTS_EPOCH, (double)epoch);
    }
    ck_assert_int_eq(bnn_events_flush(e, &err), BNN_OK);
}

START_TEST(layout) {
    bnn_events e;
    ck_assert_int_eq(bnn_events_open(&e, path, 0, 0, &err), BNN_OK);
    size_t first = read_back();
    /* Length, its checksum, time, version, checksum. */
    ck_assert_uint_eq(first, 8 + 4 + 9 + 2 + 13 + 4);
    ck_assert_uint_eq(bytes[0], 9 + 2 + 13);
    ck_assert_uint_eq(bytes[12], 0x09);
    ck_assert_int_eq(memcmp(bytes + 21,
                            "\x1a\x0d"
                            "brain.Event:2",
                            15),
                     0);
    add(&e, 300, "a/b", 1.0);
    bnn_events_close(&e);
    size_t size = read_back();
    const uint8_t message[] = {0x10, 0xac, 0x02, 0x2a, 12, 0x0a, 10,   0x0a, 3,
                               'a',  '/',  'b',  0x15, 0,  0,    0x80, 0x3f};
    ck_assert_uint_eq(size - first, 12 + 9 + sizeof message + 4);
    ck_assert_int_eq(memcmp(bytes + first + 12 + 9, message, sizeof message), 0);
}
END_TEST

START_TEST(cut) {
    bnn_events e;
    ck_assert_int_eq(bnn_events_open(&e, path, 0, 0, &err), BNN_OK);
    write_all(&e);
    bnn_events_close(&e);
    const size_t size = read_back();
    ck_assert_uint_eq(bnn_events_kept(bytes, size, 4, 2), size);
    ck_assert_uint_eq(bnn_events_kept(bytes, size, 9, 9), size);
    /* Before the evaluation of the second epoch: its event only is cut. */
    const size_t no_epoch = bnn_events_kept(bytes, size, 4, 1);
    ck_assert_uint_lt(no_epoch, size);
    ck_assert_uint_eq(bnn_events_kept(bytes, size - 1, 4, 2), no_epoch);
    const size_t one_epoch = bnn_events_kept(bytes, size, 2, 1);
    ck_assert_uint_lt(one_epoch, no_epoch);
    ck_assert_uint_lt(bnn_events_kept(bytes, size, 2, 0), one_epoch);
    ck_assert_uint_eq(bnn_events_kept(bytes, size, 0, 0), 40);
    /* Goes on behind the cut, to the same length. */
    ck_assert_int_eq(bnn_events_open(&e, path, 2, 1, &err), BNN_OK);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq((size_t)info.st_size, one_epoch);
    add(&e, 2, "train/loss", 0.5);
    add(&e, 3, "train/loss", 0.25);
    add(&e, 4, BNN_EVENTS_EPOCH, 1.0);
    bnn_events_close(&e);
    ck_assert_uint_eq(read_back(), size);
    ck_assert_uint_eq(bnn_events_kept(bytes, size, 4, 2), size);
}
END_TEST

/* What is damaged ends what is kept; what is none of ours is begun anew. */
START_TEST(damaged) {
    bnn_events e;
    ck_assert_int_eq(bnn_events_open(&e, path, 0, 0, &err), BNN_OK);
    write_all(&e);
    bnn_events_close(&e);
    const size_t size = read_back();
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        ck_assert_uint_le(bnn_events_kept(bytes, size, 99, 99), i);
        bytes[i] ^= 0x10;
    }
    FILE *file = fopen(path, "wb");
    fputs("not events, but long enough to be some", file);
    fclose(file);
    ck_assert_int_eq(bnn_events_open(&e, path, 5, 5, &err), BNN_OK);
    bnn_events_close(&e);
    ck_assert_uint_eq(read_back(), 40);
    ck_assert_int_ne(bnn_events_open(&e, "/nowhere/events", 0, 0, &err), BNN_OK);
    bnn_events_close(&e);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("events");
    TCase *cases = tcase_create("events");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, checksum);
    tcase_add_test(cases, layout);
    tcase_add_test(cases, cut);
    tcase_add_test(cases, damaged);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

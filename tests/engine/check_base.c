/* Statuses, random numbers (Philox against its authors' vectors) and arenas. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/half.h"
#include "engine/base/rng.h"
#include "engine/base/status.h"
#include "engine/base/text.h"

/* (An assertion a byte would be slow: each sends a message from the fork.) */
static int all_equal(const unsigned char *p, size_t bytes, unsigned char value) {
    int equal = 1;
    for (size_t i = 0; i < bytes; i++) {
        equal &= p[i] == value;
    }
    return equal;
}

/* ---- status ---- */

START_TEST(test_status) {
    bnn_error err = {0};
    ck_assert_int_eq(bnn_fail(&err, BNN_ERR_IO, "%s: %d", "a.npy", 7), BNN_ERR_IO);
    ck_assert_int_eq(err.code, BNN_ERR_IO);
    ck_assert_str_eq(err.text, "a.npy: 7");
    ck_assert_int_eq(bnn_fail_in(&err, BNN_ERR_FORMAT, "run %s", "x"), BNN_ERR_FORMAT);
    ck_assert_int_eq(err.code, BNN_ERR_FORMAT);
    ck_assert_str_eq(err.text, "run x: a.npy: 7");
    ck_assert_int_eq(bnn_fail(NULL, BNN_ERR_MEMORY, "nobody listens"), BNN_ERR_MEMORY);
    ck_assert_int_eq(bnn_fail_in(NULL, BNN_ERR_MEMORY, "nobody listens"), BNN_ERR_MEMORY);
}
END_TEST

START_TEST(test_long_status) {
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    bnn_error err = {0};
    bnn_fail(&err, BNN_ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
    bnn_fail_in(&err, BNN_ERR_IO, "%s", "in front");
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
    ck_assert_int_eq(strncmp(err.text, "in front: aaa", 13), 0);
    bnn_fail_in(&err, BNN_ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
}
END_TEST

/* Whatever a path's length, its last name and what stands behind it are there, and its front. */
START_TEST(test_status_of_long_paths) {
    char path[9000] = "/top";
    bnn_error err = {0};
    while (strlen(path) < 4000) {
        strcat(path, "/\xc3\xa9\xe2\x82\xac_folder");
        bnn_fail(&err, BNN_ERR_IO, "--json %s/name.json: cannot be; choose another", path);
        ck_assert_uint_lt(strlen(err.text), sizeof err.text);
        ck_assert_msg(strncmp(err.text, "--json /top/", 12) == 0, "%s", err.text);
        const char *end = strstr(err.text, "_folder/name.json: cannot be; choose another");
        ck_assert_msg(end && strlen(end) == 44, "%s", err.text);
        for (const char *s = err.text; *s;) { /* no character is cut in its middle */
            size_t length = bnn_utf8_length(s, 4);
            ck_assert_uint_gt(length, 0);
            s += length;
        }
    }
    ck_assert_ptr_nonnull(strstr(err.text, "..."));
    char more[5000];
    memset(more, 'x', sizeof more - 1);
    more[sizeof more - 1] = '\0';
    bnn_fail(&err, BNN_ERR_IO, "%s/file: gone; look elsewhere", more);
    bnn_fail_in(&err, BNN_ERR_IO, "bnn %s", path);
    ck_assert_msg(strncmp(err.text, "bnn /top/", 9) == 0, "%s", err.text);
    ck_assert_str_eq(err.text + strlen(err.text) - 27, "/file: gone; look elsewhere");
    bnn_fail_errno(&err, path, "open it", ENOENT);
    ck_assert_ptr_nonnull(
        strstr(err.text, "_folder: cannot open it: No such file or directory (is "));
    ck_assert_int_eq(bnn_fail_errno(&err, "x", "open it", ENOMEM), BNN_ERR_MEMORY);
    ck_assert_str_eq(err.text, "x: cannot open it: out of memory");
}
END_TEST

/* ---- random numbers ---- */

/* Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, result. */
static const struct {
    uint32_t counter[4], key[2], result[4];
} vectors[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static uint64_t two_words(const uint32_t *w) {
    return (uint64_t)w[1] << 32 | w[0];
}

START_TEST(test_philox) {
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t out[4];
        bnn_philox(two_words(vectors[i].key), two_words(vectors[i].counter + 2),
                   two_words(vectors[i].counter), out);
        ck_assert_mem_eq(out, vectors[i].result, sizeof out);
    }
}
END_TEST

START_TEST(test_streams) {
    bnn_rng a = bnn_rng_start(1, 2), b = bnn_rng_start(1, 2), c = bnn_rng_start(1, 3);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = bnn_rng_u32(&a);
        ck_assert_uint_eq(x, bnn_rng_u32(&b));
        same += x == bnn_rng_u32(&c);
    }
    ck_assert_int_lt(same, 3);
    ck_assert_uint_eq(bnn_hash_name(""), 0xcbf29ce484222325u);
    ck_assert_uint_eq(bnn_hash_name("a"), 0xaf63dc4c8601ec8cu); /* FNV-1a's own vectors */
    ck_assert_uint_eq(bnn_hash_name("foobar"), 0x85944171f73967e8u);
}
END_TEST

START_TEST(test_distributions) {
    enum { N = 200000 };
    bnn_rng rng = bnn_rng_start(42, 0);
    double sum = 0.0, squares = 0.0, fourth = 0.0;
    for (int i = 0; i < N; i++) {
        double x = (double)bnn_rng_normal(&rng);
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    ck_assert(fabs(sum / N) < 0.01 && fabs(squares / N - 1.0) < 0.02);
    ck_assert(fabs(fourth / N - 3.0) < 0.1);
    double low = 1.0, high = 0.0;
    for (int i = 0; i < N; i++) {
        double x = (double)bnn_rng_uniform(&rng);
        low = fmin(low, x);
        high = fmax(high, x);
    }
    ck_assert(low >= 0.0 && low < 1e-4 && high < 1.0 && high > 1.0 - 1e-4);
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t x = bnn_rng_below(&rng, 7);
        if (x >= 7) {
            ck_abort_msg("%u is not below 7", x);
        }
        seen[x]++;
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_int_gt(seen[i], 9500);
        ck_assert_int_lt(seen[i], 10500);
    }
    ck_assert_uint_eq(bnn_rng_below(&rng, 1), 0);
}
END_TEST

START_TEST(test_permutation) {
    enum { N = 1000 };
    bnn_rng rng = bnn_rng_start(7, 7);
    uint32_t order[N];
    char seen[N] = {0};
    bnn_rng_permutation(&rng, N, order);
    int fixed = 0;
    for (uint32_t i = 0; i < N; i++) {
        ck_assert_uint_lt(order[i], N);
        ck_assert(!seen[order[i]]);
        seen[order[i]] = 1;
        fixed += order[i] == i;
    }
    ck_assert_int_lt(fixed, 10);
    int first[6] = {0}; /* all 6 orders of 3, equally often */
    for (int i = 0; i < 6000; i++) {
        bnn_rng_permutation(&rng, 3, order);
        first[order[0] * 2 + (order[1] > order[2])]++;
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_gt(first[i], 850);
        ck_assert_int_lt(first[i], 1150);
    }
}
END_TEST

/* ---- arena ---- */

/* Every half is its own nearest; between two of them the nearer one, in the middle the even one. */
START_TEST(test_half) {
    for (uint32_t i = 0; i < 0x7c00; i++) {
        const uint16_t low = (uint16_t)i, high = (uint16_t)(i + 1), even = i & 1 ? high : low;
        const float from = bnn_half_value(low);
        const float to = high == 0x7c00 ? 65536.0f : bnn_half_value(high);
        const float middle = (from + to) / 2.0f;
        ck_assert_uint_eq(bnn_half_of(from), low);
        ck_assert_uint_eq(bnn_half_of(-from), low | 0x8000);
        ck_assert_uint_eq(bnn_half_of(middle), even);
        ck_assert_uint_eq(bnn_half_of(nextafterf(middle, 0.0f)), low);
        ck_assert_uint_eq(bnn_half_of(-nextafterf(middle, INFINITY)), high | 0x8000);
    }
    ck_assert_uint_eq(bnn_half_of(1e30f), 0x7c00);
    ck_assert_uint_eq(bnn_half_of(-INFINITY), 0xfc00);
    ck_assert_uint_eq(bnn_half_of(1e-30f), 0);
    ck_assert_uint_eq(bnn_half_of(-1e-45f), 0x8000);
    ck_assert(isnan(bnn_half_value(bnn_half_of(NAN))));
}
END_TEST

START_TEST(test_half_list) {
    const float none[] = {0.1f, 2049.0f, 65536.0f, 1e-8f, NAN};
    const float halves[] = {0.0f, -0.0f, 0.5f, -2048.0f, 65504.0f, 5.9604645e-8f, -INFINITY};
    enum { HALVES = sizeof halves / sizeof *halves };
    uint16_t to[HALVES];
    ck_assert(bnn_half_are(HALVES, halves));
    bnn_half_list(HALVES, halves, to);
    for (size_t i = 0; i < HALVES; i++) {
        const float value = bnn_half_value(to[i]);
        ck_assert_mem_eq(&value, &halves[i], sizeof value);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const float values[] = {1.0f, none[i], 1.0f};
        ck_assert(!bnn_half_are(3, values));
    }
}
END_TEST

START_TEST(test_arena) {
    bnn_arena *arena = bnn_arena_create();
    unsigned char *piece[500];
    size_t size[500];
    bnn_rng rng = bnn_rng_start(1, 1);
    for (int i = 0; i < 500; i++) {
        size[i] = i % 50 == 49 ? 70000 + (size_t)i : bnn_rng_below(&rng, 600);
        piece[i] = bnn_arena_alloc(arena, size[i]);
        ck_assert_ptr_nonnull(piece[i]);
        ck_assert_uint_eq((uintptr_t)piece[i] % _Alignof(max_align_t), 0);
        ck_assert(all_equal(piece[i], size[i], 0));
        memset(piece[i], i & 0xff, size[i]);
    }
    for (int i = 0; i < 500; i++) { /* nobody's bytes are somebody else's */
        ck_assert(all_equal(piece[i], size[i], (unsigned char)i));
    }
    ck_assert_str_eq(bnn_arena_format(arena, "layer%d.%s", 3, "weight"), "layer3.weight");
    static char path[5000];
    memset(path, 'p', sizeof path - 1);
    ck_assert_str_eq(bnn_arena_format(arena, "%s", path), path);
    ck_assert_ptr_null(bnn_arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(bnn_arena_alloc(arena, SIZE_MAX / 2 + 1));
    ck_assert_ptr_null(bnn_arena_alloc(NULL, 1));
    bnn_arena_free(arena);
    bnn_arena_free(NULL);
}
END_TEST

START_TEST(test_growing) {
    bnn_arena *arena = bnn_arena_create();
    size_t capacity = 0, copies = 0;
    int *list = NULL;
    for (int i = 0; i < 5000; i++) {
        int *grown = bnn_arena_grow(arena, list, &capacity, (size_t)i + 1, sizeof *list);
        ck_assert_ptr_nonnull(grown);
        ck_assert(capacity > (size_t)i && grown[i] == 0);
        copies += grown != list;
        list = grown;
        list[i] = i;
    }
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(list[i], i);
    }
    ck_assert_uint_lt(copies, 16);
    const size_t before = capacity;
    ck_assert_ptr_null(bnn_arena_grow(arena, list, &capacity, SIZE_MAX, sizeof *list));
    ck_assert_ptr_null(bnn_arena_grow(arena, list, &capacity, SIZE_MAX / 4, sizeof *list));
    ck_assert_uint_eq(capacity, before);
    ck_assert_ptr_eq(bnn_arena_grow(arena, list, &capacity, 1, sizeof *list), list);
    bnn_arena_free(arena);
}
END_TEST

START_TEST(test_aligned) {
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        unsigned char *p = bnn_alloc_aligned(bytes);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        ck_assert(all_equal(p, bytes, 0));
        free(p);
    }
    ck_assert_ptr_null(bnn_alloc_aligned(SIZE_MAX));
    ck_assert_ptr_null(bnn_alloc_aligned(SIZE_MAX - 63));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base");
    TCase *tcase = tcase_create("base");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_status);
    tcase_add_test(tcase, test_long_status);
    tcase_add_test(tcase, test_status_of_long_paths);
    tcase_add_test(tcase, test_philox);
    tcase_add_test(tcase, test_streams);
    tcase_add_test(tcase, test_distributions);
    tcase_add_test(tcase, test_permutation);
    tcase_add_test(tcase, test_half);
    tcase_add_test(tcase, test_half_list);
    tcase_add_test(tcase, test_arena);
    tcase_add_test(tcase, test_growing);
    tcase_add_test(tcase, test_aligned);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

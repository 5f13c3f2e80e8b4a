/* Every entry of every kernel table this machine has, family by family (kernels/), and how a table
 * is found. No OpenMP before srunner_run_all: Check forks, and the child would hang. */
#include "cpu/tiles/tiles.h"
#include "tests/cpu/kernels/harness.h"

START_TEST(test_dispatch) {
    const char *why = "";
    unsetenv("BNN_ISA");
    ck_assert_ptr_null(bnn_cpu_kernels("mmx", &why));
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_null(bnn_cpu_kernels("mmx", NULL));
    const bnn_kernels *generic = bnn_cpu_kernels("generic", &why);
    ck_assert_ptr_nonnull(generic);
    ck_assert_str_eq(generic->name, "cpu generic");
    ck_assert_ptr_nonnull(bnn_cpu_kernels(NULL, &why));
    const bnn_kernels *amx = bnn_cpu_kernels("amx", &why);
    ck_assert((amx == NULL) == (why != NULL));
    ck_assert((bnn_cpu_kernels(NULL, &why) == amx) == (amx != NULL));
#if defined(__aarch64__)
    ck_assert_str_eq(bnn_cpu_kernels(NULL, &why)->name, "cpu neon");
#endif
    setenv("BNN_ISA", "generic", 1);
    ck_assert_ptr_eq(bnn_cpu_kernels(NULL, &why), generic);
    ck_assert_ptr_null(bnn_cpu_kernels("avx2", &why));
    setenv("BNN_ISA", "mmx", 1);
    ck_assert_ptr_null(bnn_cpu_kernels(NULL, &why));
    ck_assert_ptr_nonnull(why);
    bnn_device device;
    ck_assert(!bnn_cpu_device(NULL, 1, &device, &why));
    setenv("BNN_ISA", "generic", 1);
    ck_assert(bnn_cpu_device(NULL, 0, &device, &why));
    ck_assert_int_eq(device.threads, bnn_cpu_threads());
    ck_assert(bnn_cpu_device("generic", 2, &device, &why) && device.kernels == generic);
    ck_assert_int_eq(device.threads, 2);
    ck_assert(bnn_cpu_device(NULL, BNN_MAX_THREADS + 1, &device, &why));
    /* Before there are as many, their stacks fill 32 bits. */
    ck_assert(device.threads == BNN_MAX_THREADS || sizeof(void *) == 4);
}
END_TEST

/* Tables consist of pointers and positive sizes: none may be missing but those at `optional`. */
static void check_complete(const char *what, const void *table, size_t size,
                           const size_t *optional) {
    for (size_t at = 0; at < size; at += sizeof(uintptr_t)) {
        uintptr_t entry;
        memcpy(&entry, (const unsigned char *)table + at, sizeof entry);
        if (*optional == at) {
            optional++;
            continue;
        }
        ck_assert_msg(entry != 0, "%s: entry %zu is missing", what, at / sizeof entry);
    }
}

START_TEST(test_complete) {
    static const size_t none[] = {SIZE_MAX};
    static const size_t of_micro[] = {offsetof(bnn_micro, small_mixed),
                                      offsetof(bnn_micro, b1_pack_a), SIZE_MAX};
    static const size_t of_mixed[] = {offsetof(bnn_mixed, enter), offsetof(bnn_mixed, leave),
                                      offsetof(bnn_mixed, pixels), SIZE_MAX};
    for (const bnn_kernels *k = next_table(NULL); k != NULL; k = next_table(k)) {
        check_complete(k->name, k, sizeof *k, none);
    }
    const bnn_micro *const all[] = {
        &bnn_micro_generic,
#if defined(__x86_64__)
        &bnn_micro_avx2,
        &bnn_micro_avx512,
        &bnn_micro_vpopcntdq,
        &bnn_micro_amx,
#elif defined(BNN_NEON)
        &bnn_micro_neon,
#endif
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char what[32];
        snprintf(what, sizeof what, "machine kernels %zu", i);
        check_complete(what, all[i], sizeof *all[i], of_micro);
        check_complete(what, all[i]->mixed, sizeof *all[i]->mixed, of_mixed);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels");
    TCase *tcase = tcase_create("kernels");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, test_dispatch);
    tcase_add_test(tcase, test_complete);
    add_kernel_tests(tcase);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

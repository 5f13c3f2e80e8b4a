/* The kernels of cuda/ without a GPU: the tests of the CPU's tables, with the items and threads of
 * a kernel in one order and in the other. What a GPU alone can show they do not: votes, fragments,
 * who is seen by whom. */
#include "tests/cpu/kernels/harness.h"
#include "tests/cuda/shim.h"

/* All entries but what the CPU's products are made of. */
START_TEST(test_complete) {
    const bnn_kernels *k = kernel_table(0);
    for (size_t at = 0; at < sizeof *k; at += sizeof(uintptr_t)) {
        uintptr_t entry;
        memcpy(&entry, (const unsigned char *)k + at, sizeof entry);
        ck_assert_msg(entry != 0 || at == offsetof(bnn_kernels, micro), "entry %zu is missing",
                      at / sizeof entry);
    }
}
END_TEST

static void forwards(void) {
    bnn_cuda_backwards = 0;
}

static void backwards(void) {
    bnn_cuda_backwards = 1;
}

int main(void) {
    Suite *suite = suite_create("kernels of cuda");
    for (int order = 0; order < 2; order++) {
        TCase *tcase = tcase_create(order ? "backwards" : "forwards");
        tcase_add_checked_fixture(tcase, order ? backwards : forwards, NULL);
        tcase_set_timeout(tcase, 240);
        tcase_add_test(tcase, test_complete);
        add_product_tests(tcase);
        add_attention_tests(tcase);
        add_bits_tests(tcase);
        add_elementwise_tests(tcase);
        add_norm_tests(tcase);
        add_group_tests(tcase);
        add_pool_tests(tcase);
        add_point_tests(tcase);
        add_distillation_tests(tcase);
        add_optimizer_tests(tcase);
        add_text_tests(tcase);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

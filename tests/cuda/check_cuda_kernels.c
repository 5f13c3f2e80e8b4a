/* The kernels of cuda/, by the tests of the CPU's tables. Without a GPU, with the items and threads
 * of a kernel in one order and in the other; what a GPU alone can show that does not: votes of a
 * warp, fragments of its tensor cores, who is seen by whom. */
#include "tests/cpu/kernels/harness.h"
#include "tests/cuda/test_device.h"

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
    test_device_order(0);
}

static void backwards(void) {
    test_device_order(1);
}

int main(void) {
    const char *why;
    if (!test_device_open(&why)) {
        printf("SKIPPED: %s\n", why);
        return 77;
    }
    Suite *suite = suite_create("kernels of cuda");
    for (int order = 0; order < test_device_orders(); order++) {
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
        add_detection_tests(tcase);
        add_box_tests(tcase);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, test_device_forks());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

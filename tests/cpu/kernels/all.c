/* The list of all families of kernels: what one device's table is tested by, every other's is. */
#include "tests/cpu/kernels/harness.h"

bnn_precision precision_now;

void add_kernel_tests(TCase *tcase) {
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
}

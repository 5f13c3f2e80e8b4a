/* What a fuzz target offers: libFuzzer's entry point, and valid inputs to start from. With clang's
 * -fsanitize=fuzzer link the target alone; elsewhere link it with driver.c. */
#ifndef BNN_TESTS_FUZZ_FUZZ_H
#define BNN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Writes valid input number `index` (0, 1, 2, ...) to `out` and returns its size; 0 when there is
 * no such index or it does not fit into `max`. */
size_t bnn_fuzz_seed(int index, uint8_t *out, size_t max);

#endif

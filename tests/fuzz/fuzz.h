/* What a fuzz target offers: libFuzzer's entry point. With clang's -fsanitize=fuzzer link the
 * target alone; elsewhere link it with driver.c. Both start from corpus/, which has a folder a
 * target. */
#ifndef BNN_TESTS_FUZZ_FUZZ_H
#define BNN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- common.c: what targets share ---- */

/* Aborts where a promise is broken: a crash, whose input is kept. */
void bnn_insist(int condition);
/* Whether the code is BNN_OK. Insists that a refusal says one line, in an error of that code. */
int bnn_accepted(bnn_code code, const bnn_error *err);

/* A safetensors file with the length of its header set to where its text ends, and with as much
 * data as the largest number in the text, up to `most`: otherwise hardly a mutation of the text
 * would get past the checks of both, and a corpus would have to hold weights. malloc'd; NULL where
 * the text is no object. */
uint8_t *bnn_completed(const uint8_t *data, size_t size, size_t most, size_t *completed_size);

/* Writes a file to a folder of this process's own, in memory where the system has such a place,
 * gone at its end; returns the file's path, which lasts until the next call. */
const char *bnn_scratch_file(const char *name, const void *data, size_t size);
/* That folder. */
const char *bnn_scratch_folder(void);

#endif

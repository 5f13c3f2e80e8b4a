/* The instructions of AMX as the kernels use them, in C: included before everything else when the
 * kernels' own files are compiled for the tests (tests/CMakeLists.txt), under names of their own.
 */
#ifndef BNN_TESTS_CPU_AMX_EMULATED_H
#define BNN_TESTS_CPU_AMX_EMULATED_H

#include <immintrin.h>
#include <stddef.h>

#define bnn_mixed_amx bnn_mixed_amx_emulated

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig amx_loadconfig
#define _tile_release amx_release
#define _tile_loadd amx_loadd
#define _tile_stored amx_stored
#define _tile_zero amx_zero
#define _tile_dpbf16ps amx_dpbf16ps

/* Each aborts where the processor would raise an exception. */
void amx_loadconfig(const void *config);
void amx_release(void);
void amx_loadd(int tile, const void *from, size_t stride);
void amx_stored(int tile, void *to, size_t stride);
void amx_zero(int tile);
void amx_dpbf16ps(int sum, int a, int b);

#endif

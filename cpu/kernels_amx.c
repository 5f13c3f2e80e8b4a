/* The kernel table of this instruction set: the shared loops compiled with this file's flags, over
 * its own bit primitives and machine kernels. */
#include "cpu/micro.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/bits_avx512.h"
#include "cpu/conv.h"
#include "cpu/sincos.h"

#define MICRO bnn_micro_amx
#define TABLE bnn_kernels_amx
#define NAME "cpu amx"

#include "cpu/bits.inc"
#include "cpu/elementwise.inc"
#include "cpu/norm.inc"
#include "cpu/groups.inc"
#include "cpu/pool.inc"
#include "cpu/table.inc"

#endif

/* The kernel table of this instruction set: the shared loops compiled with this file's flags, over
 * its own bit primitives and machine kernels. */
#include "cpu/micro.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/bits_avx2.h"
#include "cpu/conv.h"
#include "cpu/sincos.h"

#define MICRO bnn_micro_avx2
#define TABLE bnn_kernels_avx2
#define NAME "cpu avx2"

#include "cpu/bits.inc"
#include "cpu/elementwise.inc"
#include "cpu/norm.inc"
#include "cpu/groups.inc"
#include "cpu/pool.inc"
#include "cpu/table.inc"

#endif

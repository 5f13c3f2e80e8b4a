/* The kernel tables of AVX-512: the shared loops compiled with this file's flags, over its own bit
 * primitives; and machine kernels by what a processor has beside F, BW, DQ and VL. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/tiles/bits_avx512.h"
#include "cpu/conv/conv.h"
#include "cpu/detect/detect.h"
#include "engine/exp.h"
#include "engine/sincos.h"

#include "cpu/rows/bits.inc"
#include "cpu/rows/elementwise.inc"
#include "cpu/rows/norm.inc"
#include "cpu/rows/groups.inc"
#include "cpu/rows/optimizers.inc"
#include "cpu/rows/pool.inc"
#include "cpu/rows/points.inc"
#include "cpu/rows/bottleneck.inc"
#include "cpu/rows/text.inc"
#include "cpu/rows/attention.inc"
#include "cpu/rows/distillation.inc"
#include "cpu/rows/detection.inc"

#define MICRO bnn_micro_avx512
#define TABLE bnn_kernels_avx512
#define NAME "cpu avx512"
#include "cpu/table/table.inc"

#define MICRO bnn_micro_vpopcntdq
#define TABLE bnn_kernels_vpopcntdq
#define NAME "cpu avx512_vpopcntdq"
#include "cpu/table/table.inc"

#define MICRO bnn_micro_amx
#define TABLE bnn_kernels_amx
#define NAME "cpu amx"
#include "cpu/table/table.inc"

#endif

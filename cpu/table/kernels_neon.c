/* The kernel table of this instruction set: the shared loops compiled with this file's flags, over
 * its own bit primitives and machine kernels. */
#include "cpu/tiles/tiles.h"

#if defined(BNN_NEON) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/tiles/bits_neon.h"
#include "cpu/conv/conv.h"
#include "cpu/detect/detect.h"
#include "engine/exp.h"
#include "engine/sincos.h"

#define MICRO bnn_micro_neon
#define TABLE bnn_kernels_neon
#define NAME "cpu neon"

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
#include "cpu/table/table.inc"

#endif

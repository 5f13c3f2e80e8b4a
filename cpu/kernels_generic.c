/* The kernel table of this instruction set: the shared loops compiled with this file's flags, over
 * its own bit primitives and machine kernels. */
#include <math.h>
#include <string.h>

#include "cpu/bits_generic.h"
#include "cpu/conv.h"
#include "cpu/sincos.h"

#define MICRO bnn_micro_generic
#define TABLE bnn_kernels_generic
#define NAME "cpu generic"

#include "cpu/bits.inc"
#include "cpu/elementwise.inc"
#include "cpu/norm.inc"
#include "cpu/groups.inc"
#include "cpu/pool.inc"
#include "cpu/table.inc"

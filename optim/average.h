/* An exponential moving average of a flat buffer: what is evaluated and deployed instead of the
 * last step's values (Polyak & Juditsky 1992; torch.optim.swa_utils.get_ema_multi_avg_fn). */
#ifndef BNN_OPTIM_AVERAGE_H
#define BNN_OPTIM_AVERAGE_H

#include <stddef.h>

#include "engine/base/status.h"
#include "engine/device.h"

typedef struct bnn_average {
    bnn_stream stream; /* of copies */
    size_t count;      /* floats */
    float *memory;     /* the device's */
    float *host;       /* its mirror, or the same memory (engine/params.h) */
    double decay;
    int begun; /* by a step; the first copies */
} bnn_average;

/* Zeroed. Free it with bnn_average_free, also after a failure. */
bnn_code bnn_average_init(bnn_average *a, const bnn_device *device, size_t count, double decay,
                          bnn_error *err);
void bnn_average_free(bnn_average *a); /* one that is zeroed is fine */
/* Floats [first, first + count) of the buffer have the values w, the device's, after a step: a =
 * decay a + (1 - decay) w; in the first step, until the caller sets `begun`, a = w. */
void bnn_average_move(const bnn_average *a, const bnn_stream *stream, size_t first, size_t count,
                      const float *w);
/* Between the average and its mirror, as bnn_optimizer_to_host and _to_device. `after`: the stream
 * that has moved it. */
bnn_code bnn_average_to_host(const bnn_average *a, const bnn_stream *after, bnn_error *err);
bnn_code bnn_average_to_device(const bnn_average *a, bnn_error *err);

#endif

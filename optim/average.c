#include "optim/average.h"

bnn_code bnn_average_init(bnn_average *a, const bnn_device *device, size_t count, double decay,
                          bnn_error *err) {
    *a = (bnn_average){.count = count, .decay = decay};
    if (!bnn_stream_start(&a->stream, device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    return bnn_mirror_take(device, count, &a->memory, &a->host)
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the average of the parameters");
}

void bnn_average_free(bnn_average *a) {
    const bnn_device *device = &a->stream.device;
    if (device->ops) {
        bnn_mirror_release(device, a->memory, a->host);
    }
    bnn_stream_end(&a->stream);
    a->memory = a->host = NULL;
}

void bnn_average_move(const bnn_average *a, const bnn_stream *stream, size_t first, size_t count,
                      const float *w) {
    const bnn_kernels *k = stream->device.kernels;
    if (a->begun) {
        k->average_step(stream, count, w, (float)(1.0 - a->decay), a->memory + first);
    } else {
        k->copy(stream, count, w, a->memory + first, 0);
    }
}

bnn_code bnn_average_to_host(const bnn_average *a, const bnn_stream *after, bnn_error *err) {
    const bnn_device_ops *ops = a->stream.device.ops;
    ops->follow(&a->stream, after);
    bnn_mirror_get(&a->stream, a->host, a->memory, a->count);
    return ops->finish(&a->stream, err);
}

bnn_code bnn_average_to_device(const bnn_average *a, bnn_error *err) {
    bnn_mirror_put(&a->stream, a->memory, a->host, a->count);
    return a->stream.device.ops->finish(&a->stream, err);
}

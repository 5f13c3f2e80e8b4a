/* Sums of many values that become one number: by part side by side, parts in order. */
#ifndef BNN_CUDA_PARTS_CUH
#define BNN_CUDA_PARTS_CUH

#include "cuda/launch.cuh"

/* Their sums wait in the stream's scratch. */
enum { SUM_PARTS = BNN_CUDA_SCRATCH / 8 };

/* end(sum of value(i), i < n) */
template <class V, class E> static void add_up(const bnn_stream *stream, size_t n, V value, E end) {
    double *part = (double *)bnn_cuda_scratch(stream);
    each(stream, SUM_PARTS, [=] BNN_EACH(size_t p) {
        double sum = 0.0;
        for (size_t i = n * p / SUM_PARTS; i < n * (p + 1) / SUM_PARTS; i++) {
            sum += value(i);
        }
        part[p] = sum;
    });
    each(stream, 1, [=] BNN_EACH(size_t) {
        double sum = 0.0;
        for (size_t p = 0; p < SUM_PARTS; p++) {
            sum += part[p];
        }
        end(sum);
    });
}

#endif

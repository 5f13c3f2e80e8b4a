/* Sums by a team, in the CPU's order: of a run of values (cpu/rows/groups.inc) LANES lanes of
 * floats over a run, then in double, lane after lane and run after run; of losses one value after
 * another, which a thread adds while all fetch them. */
#ifndef BNN_CUDA_LANES_CUH
#define BNN_CUDA_LANES_CUH

#include "cuda/launch.cuh"

enum { LANES = 32, LANE_VALUES = 4096 };

template <int THREADS> struct lane_memory {
    float s[THREADS], q[THREADS];
    double sum_s, sum_q; /* results */
};

/* Adds to sum_s and sum_q, which thread 0 has set before a barrier, what value(i, &u, &v) gives of
 * i < len: the sums of u, and of u * v. Runs of `run` values, a multiple of LANES. */
template <int THREADS, class V>
BNN_GPU void lane_sums(team<THREADS> t, lane_memory<THREADS> &m, size_t len, size_t run, V value) {
    const size_t at_once = THREADS / LANES;
    for (size_t first = 0; first < len; first += at_once * run) {
        t.each([&](int thread) {
            size_t from = first + (size_t)thread / LANES * run;
            size_t end = from + run < len ? from + run : len;
            float s = 0.0f, q = 0.0f;
            for (size_t i = from + (size_t)thread % LANES; i < end; i += LANES) {
                float u, v;
                value(i, &u, &v);
                s += u;
                q += u * v;
            }
            m.s[thread] = s, m.q[thread] = q;
        });
        t.each([&](int thread) {
            for (size_t k = 0; thread == 0 && k < at_once && first + k * run < len; k++) {
                double s = 0.0, q = 0.0;
                for (size_t j = 0; j < LANES; j++) {
                    s += (double)m.s[k * LANES + j];
                    q += (double)m.q[k * LANES + j];
                }
                m.sum_s += s;
                m.sum_q += q;
            }
        });
    }
}

template <int THREADS> struct order_memory { double value[THREADS], sum; /* the result */ };

/* Adds value(i), i < n, in order to `sum`, which thread 0 has set before a barrier. */
template <int THREADS, class V>
BNN_GPU void add_in_order(team<THREADS> t, order_memory<THREADS> &m, size_t n, V value) {
    for (size_t first = 0; first < n; first += THREADS) {
        size_t count = n - first < THREADS ? n - first : (size_t)THREADS;
        t.each([&](int thread) {
            if ((size_t)thread < count) {
                m.value[thread] = value(first + (size_t)thread);
            }
        });
        t.each([&](int thread) {
            for (size_t i = 0; thread == 0 && i < count; i++) {
                m.sum += m.value[i];
            }
        });
    }
}

template <class V, class E> struct ordered_sum {
    static constexpr int THREADS = 256;
    struct shared {
        order_memory<THREADS> order;
    };
    size_t n;
    V value;
    E end;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t) const {
        t.each([&](int thread) {
            if (thread == 0) {
                m.order.sum = 0.0;
            }
        });
        add_in_order(t, m.order, n, value);
        t.each([&](int thread) {
            if (thread == 0) {
                end(m.order.sum);
            }
        });
    }
};

/* end(the sum of value(i), i < n, in order). */
template <class V, class E>
static void sum_in_order(const bnn_stream *stream, size_t n, V value, E end) {
    teams(stream, 1, ordered_sum<V, E>{n, value, end});
}

#endif

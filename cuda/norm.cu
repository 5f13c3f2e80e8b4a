/* Sums of channels over rows, and batch normalization built on them. A thread sums a channel over
 * runs of RUN_ROWS rows in float and on in double, as the CPU does (cpu/rows/norm.inc), and rows
 * are cut into PARTS that are summed side by side, of which the last kernel makes one, in order. Up
 * to PARTS runs that is the CPU's order, and its bits; behind it, only where doubles are added. */
#include "cuda/sums.cuh"
#include "cuda/table.h"

static size_t sums_bytes(const bnn_stream *, size_t c) {
    return piece_bytes(c);
}

/* A channel's sums over the parts of a piece. */
BNN_GPU void whole_part(piece_sums p, size_t c, size_t j, double *s, double *q) {
    *s = *q = 0.0;
    for (size_t i = 0; i < PARTS; i++) {
        *s += p.s[i * c + j];
        *q += p.q[i * c + j];
    }
}

/* Adds to the sums what value(i, pivot, &u, &v) gives: s += u and q += u * v. first_pivot(j) is a
 * channel's pivot where sums begin. */
template <class P, class V>
static void add_sums(const bnn_stream *stream, size_t rows, size_t c, int reset, void *sums,
                     P first_pivot, V value) {
    each_row(stream, PARTS, c, [=] BNN_EACH(size_t part, size_t j) {
        piece_sums p = sums_at(sums, c, 0);
        size_t runs = (rows + RUN_ROWS - 1) / RUN_ROWS, at = part * c + j;
        size_t run = runs * part / PARTS, last = runs * (part + 1) / PARTS;
        float pivot = reset ? first_pivot(j) : p.pivot[j];
        double s = reset ? 0.0 : p.s[at], q = reset ? 0.0 : p.q[at];
        for (; run < last; run++) {
            size_t r = run * RUN_ROWS, end = r + RUN_ROWS < rows ? r + RUN_ROWS : rows;
            float part_s = 0.0f, part_q = 0.0f;
            for (; r < end; r++) {
                float u, v;
                value(r * c + j, pivot, &u, &v);
                part_s += u;
                part_q += u * v;
            }
            s += (double)part_s;
            q += (double)part_q;
        }
        p.s[at] = s, p.q[at] = q;
    });
    /* Behind them: all of the above read the pivots. */
    each(stream, reset ? c : 1, [=] BNN_EACH(size_t j) {
        piece_sums p = sums_at(sums, c, 0);
        if (reset) {
            p.pivot[j] = first_pivot(j);
        }
        if (j == 0) {
            *p.count = (reset ? 0.0 : *p.count) + (double)rows;
        }
    });
}

static void channel_moments(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x,
                            int reset, void *sums) {
    add_sums(
        stream, rows, c, reset, sums, [=] BNN_EACH(size_t j) { return number(x, j); },
        [=] BNN_EACH(size_t i, float pivot, float *u, float *v) {
            *u = *v = number(x, i) - pivot;
        });
}

static void channel_sums(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                         bnn_numbers x, const double *centre, int reset, void *sums) {
    int only = x.f32 == NULL && x.i16 == NULL;
    add_sums(
        stream, rows, c, reset, sums,
        [=] BNN_EACH(size_t j) { return centre == NULL ? 0.0f : (float)centre[j]; },
        [=] BNN_EACH(size_t i, float pivot, float *u, float *v) {
            *u = g[i];
            *v = only ? 0.0f : centre == NULL ? number(x, i) : number(x, i) - pivot;
        });
}

static void prelu_sums(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                       const float *x, int reset, void *sums) {
    add_sums(
        stream, rows, c, reset, sums, [=] BNN_EACH(size_t) { return 0.0f; },
        [=] BNN_EACH(size_t i, float, float *u, float *v) {
            *u = x[i] > 0.0f ? 0.0f : g[i];
            *v = x[i] > 0.0f ? 0.0f : x[i];
        });
}

/* A channel's sums over all pieces. */
BNN_GPU void whole_sums(size_t c, size_t pieces, const void *sums, size_t j, double *s, double *q) {
    *s = *q = 0.0;
    for (size_t i = 0; i < pieces; i++) {
        double part_s, part_q;
        whole_part(sums_at(sums, c, i), c, j, &part_s, &part_q);
        *s += part_s;
        *q += part_q;
    }
}

static void channel_sums_finish(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                                float *sum, float *dot, int acc) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double s, q;
        whole_sums(c, pieces, sums, j, &s, &q);
        if (sum != NULL) {
            sum[j] = (acc ? sum[j] : 0.0f) + (float)s;
        }
        if (dot != NULL) {
            dot[j] = (acc ? dot[j] : 0.0f) + (float)q;
        }
    });
}

/* A shared slope is one thread's, for the order of channels. */
static void prelu_finish(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                         size_t slopes, float *gslope, int acc) {
    size_t each_has = slopes == 1 ? c : 1;
    each(stream, slopes == 1 ? 1 : c, [=] BNN_EACH(size_t at) {
        double whole = 0.0;
        for (size_t j = at; j < at + each_has; j++) {
            double s, q;
            whole_sums(c, pieces, sums, j, &s, &q);
            whole += q;
        }
        gslope[at] = (acc ? gslope[at] : 0.0f) + (float)whole;
    });
}

/* ---- batch normalization ---- */

/* Mean and sum of squared deviations of channel j over all pieces (Chan, Golub & LeVeque 1983). */
BNN_GPU double whole_moments(size_t c, size_t pieces, const void *sums, size_t j, double *mean,
                             double *squares) {
    double count = 0.0;
    *mean = *squares = 0.0;
    for (size_t i = 0; i < pieces; i++) {
        piece_sums p = sums_at(sums, c, i);
        double s, q, n = *p.count;
        whole_part(p, c, j, &s, &q);
        double shift = s / n, at = (double)p.pivot[j] + shift;
        double m2 = q - s * shift, apart = at - *mean, total = count + n;
        *mean += apart * (n / total);
        *squares += (m2 > 0.0 ? m2 : 0.0) + apart * apart * (count * n / total);
        count = total;
    }
    return count;
}

/* Sums of a whole piece lie in its first part. */
BNN_GPU void set_whole(piece_sums p, size_t c, size_t j, double s, double q) {
    for (size_t i = 0; i < PARTS; i++) {
        p.s[i * c + j] = i == 0 ? s : 0.0;
        p.q[i * c + j] = i == 0 ? q : 0.0;
    }
}

/* Behind those that read the first piece's. */
static void merge_counts(const bnn_stream *stream, size_t c, size_t pieces, void *sums) {
    each(stream, 1, [=] BNN_EACH(size_t) {
        for (size_t i = 1; i < pieces; i++) {
            *sums_at(sums, c, 0).count += *sums_at(sums, c, i).count;
        }
    });
}

static void merge_moments(const bnn_stream *stream, size_t c, size_t pieces, void *sums) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        piece_sums p = sums_at(sums, c, 0);
        double mean, squares, count = whole_moments(c, pieces, sums, j, &mean, &squares);
        p.pivot[j] = (float)mean;
        double apart = mean - (double)p.pivot[j];
        set_whole(p, c, j, count * apart, squares + count * apart * apart);
    });
    merge_counts(stream, c, pieces, sums);
}

static void merge_sums(const bnn_stream *stream, size_t c, size_t pieces, void *sums) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double s, q;
        whole_sums(c, pieces, sums, j, &s, &q);
        set_whole(sums_at(sums, c, 0), c, j, s, q);
    });
    merge_counts(stream, c, pieces, sums);
}

/* What batch_norm reads of a state: factor and shift, each as a float and what the float leaves. */
BNN_GPU void set_line(double *state, size_t c, size_t j, double a, double b) {
    float *at = (float *)(void *)state;
    at[j] = (float)a;
    at[c + j] = (float)(a - (double)at[j]);
    at[2 * c + j] = (float)b;
    at[3 * c + j] = (float)(b - (double)at[2 * c + j]);
}

static void batch_norm_finish(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                              const float *scale, const float *weight, const float *bias, float eps,
                              float momentum, float *running_mean, float *running_var,
                              double *state) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double mean, squares, factor = scale == NULL ? 1.0 : (double)scale[j];
        double count = whole_moments(c, pieces, sums, j, &mean, &squares);
        double var = squares / count * factor * factor, r = 1.0 / sqrt(var + (double)eps);
        double unbiased = count > 1.0 ? var * count / (count - 1.0) : var;
        running_mean[j] += momentum * ((float)(mean * factor) - running_mean[j]);
        running_var[j] += momentum * ((float)unbiased - running_var[j]);
        double a = (double)weight[j] * r * factor;
        set_line(state, c, j, a, (double)bias[j] - mean * a);
        state[2 * c + j] = mean;
        state[3 * c + j] = r;
    });
}

static void batch_norm_fixed(const bnn_stream *stream, size_t c, const float *scale,
                             const float *weight, const float *bias, float eps,
                             const float *running_mean, const float *running_var, double *state) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double f = (double)weight[j] / sqrt((double)running_var[j] + (double)eps);
        set_line(state, c, j, f * (scale == NULL ? 1.0 : (double)scale[j]),
                 (double)bias[j] - (double)running_mean[j] * f);
    });
}

static void batch_norm(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x,
                       const double *state, float *y) {
    const float *k = (const float *)(const void *)state;
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        float v = number(x, r * c + j);
        y[r * c + j] = fmaf(v, k[j], k[2 * c + j]) + fmaf(v, k[c + j], k[3 * c + j]);
    });
}

static void batch_norm_backward_finish(const bnn_stream *stream, size_t c, size_t pieces,
                                       const void *sums, const float *scale, const float *weight,
                                       const double *state, float *gweight, float *gbias, int acc,
                                       float *coefficient) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double s = 0.0, dot = 0.0, count = 0.0, factor = scale == NULL ? 1.0 : (double)scale[j];
        for (size_t i = 0; i < pieces; i++) {
            piece_sums p = sums_at(sums, c, i);
            double part_s, part_q;
            whole_part(p, c, j, &part_s, &part_q);
            s += part_s;
            /* From about the pivot, a float, to about the mean. */
            dot += part_q + part_s * ((double)p.pivot[j] - state[2 * c + j]);
            count += *p.count;
        }
        double r = state[3 * c + j], a = (double)weight[j] * r, rs = r * factor;
        if (gbias != NULL) {
            gbias[j] = (acc ? gbias[j] : 0.0f) + (float)s;
        }
        if (gweight != NULL) {
            gweight[j] = (acc ? gweight[j] : 0.0f) + (float)(dot * rs);
        }
        double kb = -a * rs * rs * dot / count, mean = state[2 * c + j];
        coefficient[j] = (float)a;
        coefficient[c + j] = (float)kb;
        coefficient[2 * c + j] = (float)mean;
        coefficient[3 * c + j] =
            (float)(-a * s / count - kb * (mean - (double)coefficient[2 * c + j]));
    });
}

static void batch_norm_fixed_backward(const bnn_stream *stream, size_t c, const float *weight,
                                      float eps, const float *running_var, float *coefficient) {
    each(stream, c, [=] BNN_EACH(size_t j) {
        double deviation = sqrt((double)running_var[j] + (double)eps);
        coefficient[j] = (float)((double)weight[j] / deviation);
        coefficient[c + j] = coefficient[2 * c + j] = coefficient[3 * c + j] = 0.0f;
    });
}

/* gx = a g + b (x - mean) + k */
static void batch_norm_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                                bnn_numbers x, const float *coefficient, float *gx, int acc) {
    const float *k = coefficient;
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        size_t i = r * c + j;
        float v = number(x, i);
        put(gx, i, fmaf(k[j], g[i], fmaf(k[c + j], v - k[2 * c + j], k[3 * c + j])), acc);
    });
}

void bnn_cuda_norm(bnn_kernels *k) {
    k->sums_bytes = sums_bytes;
    k->channel_moments = channel_moments;
    k->channel_sums = channel_sums;
    k->merge_moments = merge_moments;
    k->merge_sums = merge_sums;
    k->channel_sums_finish = channel_sums_finish;
    k->prelu_sums = prelu_sums;
    k->prelu_finish = prelu_finish;
    k->batch_norm_finish = batch_norm_finish;
    k->batch_norm_fixed = batch_norm_fixed;
    k->batch_norm = batch_norm;
    k->batch_norm_fixed_backward = batch_norm_fixed_backward;
    k->batch_norm_backward_finish = batch_norm_backward_finish;
    k->batch_norm_backward = batch_norm_backward;
}

#include "tests/binary_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define EPS 1e-5

static int is(const ref_layer *r, const char *algorithm) {
    return strcmp(r->algorithm, algorithm) == 0;
}

static int linear(const ref_layer *r) {
    return r->kind == BNN_LINEAR;
}

/* ---- antiderivatives of the surrogates' slopes ----------------------------------------------- */

static double clamped(double x, double bound) {
    return x < -bound ? -bound : x > bound ? bound : x;
}

static double triangle(double x) {
    double c = clamped(x, 1.0);
    return c < 0.0 ? c * c + 2.0 * c : 2.0 * c - c * c;
}

static double fourier(double x, int n) {
    double sum = 0.0, c = clamped(x, 1.0);
    for (int i = 0; i <= n; i++) {
        sum += sin((2 * i + 1) * 0.1 * c) / (2 * i + 1);
    }
    return 4.0 / PI * sum;
}

/* ---- what signs are taken of, and their scales ----------------------------------------------- */

static void row_statistics(const double *x, size_t n, double *mean, double *var) {
    *mean = *var = 0.0;
    for (size_t i = 0; i < n; i++) {
        *mean += x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        *var += (x[i] - *mean) * (x[i] - *mean) / (double)(n - 1);
    }
}

static void activation_arguments(ref_layer *r) {
    const double *x = r->leaf[REF_X], *t = r->leaf[REF_T];
    size_t len = r->act.count / r->act.rows;
    for (size_t i = 0; i < r->act.count; i++) {
        r->act.u[i] = x[i] + (t ? t[i % (size_t)r->conv.c] : 0.0);
    }
    for (size_t row = 0; is(r, "recu") && r->training && row < r->act.rows; row++) {
        double mean, var;
        row_statistics(x + row * len, len, &mean, &var);
        for (size_t i = 0; i < len; i++) {
            r->act.u[row * len + i] = x[row * len + i] / sqrt(var + EPS);
        }
    }
}

static void weight_arguments(ref_layer *r) {
    const double *w = r->leaf[REF_W];
    size_t len = r->weight.count / r->weight.rows;
    int standardize = is(r, "recu"), centre = standardize || (is(r, "xnor") && linear(r));
    for (size_t row = 0; row < r->weight.rows; row++) {
        double mean, var;
        row_statistics(w + row * len, len, &mean, &var);
        for (size_t i = 0; i < len; i++) {
            double *u = &r->weight.u[row * len + i];
            *u = w[row * len + i] - (centre ? mean : 0.0);
            *u *= standardize ? 2.0 * sqrt(2.0) / sqrt(var + EPS) : 1.0;
        }
    }
}

static double abs_mean(const double *x, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += fabs(x[i]) / (double)n;
    }
    return sum;
}

/* Stop-gradients: taken when recording, held afterwards. */
static void record_constants(ref_layer *r) {
    int scaled = !(is(r, "bnn") || is(r, "xnorpp") || is(r, "recu"));
    size_t a = r->act.count / r->act.rows, w = r->weight.count / r->weight.rows;
    for (size_t i = 0; i < r->act.rows; i++) {
        r->act.scale[i] = is(r, "xnor") ? abs_mean(r->leaf[REF_X] + i * a, a) : 1.0;
    }
    for (size_t i = 0; i < r->weight.rows; i++) {
        r->weight.scale[i] = scaled ? abs_mean(r->weight.u + i * w, w) : 1.0;
    }
    double mean = abs_mean(r->weight.u, r->weight.count);
    r->weight.bound = r->tau < 1.0 ? -mean * log(2.0 - 2.0 * r->tau) : INFINITY;
}

static double activation_surrogate(const ref_layer *r, double u) {
    if (is(r, "bireal") || is(r, "reactnet") || is(r, "recu")) {
        return triangle(u);
    }
    return is(r, "fda") ? fourier(u, (int)r->n) : clamped(u, 1.0);
}

static double weight_surrogate(const ref_layer *r, double u) {
    if (is(r, "recu")) {
        return clamped(u, r->weight.bound);
    }
    return is(r, "fda") ? fourier(u, (int)r->n) : clamped(u, 1.0);
}

/* Does a scale multiply the gradient too? (Spec 1.0, weight-scale gradient rule.) */
static int scale_in_gradient(const ref_layer *r, int weight) {
    if (is(r, "fda")) {
        return weight;
    }
    return linear(r) && (is(r, "xnor") || (weight && is(r, "dorefa")));
}

static void signs(const ref_layer *r, ref_signs *s, int weight, int record) {
    size_t len = s->count / s->rows;
    for (size_t i = 0; i < s->count; i++) {
        double k = scale_in_gradient(r, weight) ? s->scale[i / len] : 1.0;
        double f = weight ? weight_surrogate(r, s->u[i]) : activation_surrogate(r, s->u[i]);
        if (record) {
            s->sign[i] = s->u[i] >= 0.0 ? 1.0 : -1.0;
            s->value[i] = s->scale[i / len] * s->sign[i];
            s->base[i] = s->value[i] - k * f;
        } else {
            s->value[i] = s->base[i] + k * f;
        }
    }
}

/* value += scale alpha (W2 relu(W1 x) + 0.1 sin x), over runs of d values; a hidden width of 0
 * leaves the sine. */
static void add_noise(const ref_layer *r, ref_signs *s, const double *x, size_t d,
                      const double *fc1, const double *fc2) {
    size_t hidden = d / 64;
    for (size_t row = 0; row < s->count / d; row++) {
        const double *in = x + row * d;
        for (size_t i = 0; i < d; i++) {
            double eta = 0.1 * sin(in[i]);
            for (size_t j = 0; j < hidden; j++) {
                double h = 0.0;
                for (size_t k = 0; k < d; k++) {
                    h += fc1[j * d + k] * in[k];
                }
                eta += fc2[i * hidden + j] * fmax(h, 0.0);
            }
            s->value[row * d + i] += s->scale[(row * d + i) / (s->count / s->rows)] * r->alpha * eta;
        }
    }
}

/* ---- the product ----------------------------------------------------------------------------- */

static double product_at(const bnn_conv *s, const double *x, const double *w, int n, int i, int j,
                         int o) {
    int cg = s->c / s->groups, first = o / (s->o / s->groups) * cg;
    double sum = 0.0;
    for (int a = 0; a < s->kh; a++) {
        for (int b = 0; b < s->kw; b++) {
            int h = i * s->stride_h - s->pad_h + a * s->dil_h;
            int v = j * s->stride_w - s->pad_w + b * s->dil_w;
            for (int c = 0; h >= 0 && h < s->h && v >= 0 && v < s->w && c < cg; c++) {
                sum += x[((n * s->h + h) * s->w + v) * s->c + first + c] *
                       w[((o * s->kh + a) * s->kw + b) * cg + c];
            }
        }
    }
    return sum;
}

static void product(const bnn_conv *s, const double *x, const double *w, double *y) {
    for (int n = 0; n < s->n; n++) {
        for (int i = 0; i < s->oh; i++) {
            for (int j = 0; j < s->ow; j++) {
                for (int o = 0; o < s->o; o++) {
                    *y++ = product_at(s, x, w, n, i, j, o);
                }
            }
        }
    }
}

void ref_integers(const ref_layer *r, double *out) {
    product(&r->conv, r->act.sign, r->weight.sign, out);
}

static void output(ref_layer *r) {
    const bnn_conv *s = &r->conv;
    for (size_t k = 0; k < (size_t)(s->n * s->oh * s->ow * s->o); k++) {
        int o = (int)k % s->o, j = (int)k / s->o % s->ow, i = (int)k / (s->o * s->ow) % s->oh;
        double bias = r->leaf[REF_BIAS] ? r->leaf[REF_BIAS][o] : 0.0, z = r->product[k];
        if (is(r, "recu")) {
            double alpha = r->leaf[REF_SCALE][o];
            r->y[k] = linear(r) ? z * alpha + bias : (z + bias) * alpha;
        } else if (is(r, "xnorpp")) {
            double h = r->leaf[REF_H] ? r->leaf[REF_H][i] : 1.0;
            double v = r->leaf[REF_V] ? r->leaf[REF_V][j] : 1.0;
            r->y[k] = z * r->leaf[REF_SCALE][o] * h * v + bias;
        } else {
            r->y[k] = z + bias;
        }
    }
}

void ref_run(ref_layer *r, int record) {
    activation_arguments(r);
    weight_arguments(r);
    if (record) {
        record_constants(r);
    }
    signs(r, &r->act, 0, record);
    signs(r, &r->weight, 1, record);
    if (r->noisy) {
        add_noise(r, &r->act, r->leaf[REF_X], (size_t)r->conv.c, r->leaf[REF_ACT_FC1],
                  r->leaf[REF_ACT_FC2]);
        add_noise(r, &r->weight, r->leaf[REF_W], r->weight.count / r->weight.rows,
                  r->leaf[REF_WEIGHT_FC1], r->leaf[REF_WEIGHT_FC2]);
    }
    product(&r->conv, r->act.value, r->weight.value, r->product);
    output(r);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void create_signs(ref_signs *s, size_t count, size_t rows) {
    *s = (ref_signs){.count = count, .rows = rows};
    s->u = calloc(4 * count + rows, sizeof(double));
    s->sign = s->u + count;
    s->value = s->sign + count;
    s->base = s->value + count;
    s->scale = s->base + count;
}

void ref_create(ref_layer *r) {
    const bnn_conv *s = &r->conv;
    size_t outputs = (size_t)(s->n * s->oh * s->ow * s->o);
    create_signs(&r->act, (size_t)(s->n * s->h * s->w * s->c),
                 (size_t)(linear(r) ? s->n * s->h * s->w : s->n));
    create_signs(&r->weight, (size_t)(s->o * s->kh * s->kw * s->c / s->groups), (size_t)s->o);
    r->product = calloc(2 * outputs, sizeof(double));
    r->y = r->product + outputs;
}

void ref_free(ref_layer *r) {
    for (int i = 0; i < REF_LEAVES; i++) {
        free(r->leaf[i]);
    }
    free(r->act.u);
    free(r->weight.u);
    free(r->product);
}

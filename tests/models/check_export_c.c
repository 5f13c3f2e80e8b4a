/* Export as C source: the loops against the engine's kernels, whole networks compiled and run, what
 * the plan promises of memory, what is written, and what is refused. */
#include "engine/io/npy.h"
#include "models/export/c/plan.h"
#include "models/export/translate.h"
#include "tests/fixtures/dyadic.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"
#include "tests/fixtures/packed_fixture.h"

/* Only some are called here; all are compiled. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "models/export/c/loops.inc"

static uint32_t seed = 1;

static int random_below(int n) {
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (uint32_t)n);
}

/* ---- loops ---- */

static bnn_conv random_conv(int groups, int depth, int per_group) {
    bnn_conv s = {.n = 1,
                  .h = 3 + random_below(5),
                  .w = 3 + random_below(5),
                  .c = groups * depth,
                  .o = groups * per_group,
                  .kh = 1 + random_below(3),
                  .kw = 1 + random_below(3),
                  .stride_h = 1 + random_below(2),
                  .stride_w = 1 + random_below(2),
                  .pad_h = random_below(3),
                  .pad_w = random_below(3),
                  .dil_h = 1 + random_below(2),
                  .dil_w = 1 + random_below(2),
                  .groups = groups};
    s.pad_h += s.dil_h * (s.kh - 1) > s.h ? s.dil_h : 0;
    s.pad_w += s.dil_w * (s.kw - 1) > s.w ? s.dil_w : 0;
    s.oh = (s.h + 2 * s.pad_h - s.dil_h * (s.kh - 1) - 1) / s.stride_h + 1;
    s.ow = (s.w + 2 * s.pad_w - s.dil_w * (s.kw - 1) - 1) / s.stride_w + 1;
    return s;
}

static window window_of(const bnn_conv *s) {
    return (window){s->h,        s->w,        s->c,     s->o,     s->ow,    s->kh,    s->kw,
                    s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dil_h, s->dil_w, s->groups};
}

/* The product as the engine's kernels compute it, of +1 and -1 as floats. */
static float *engine_product(const bnn_conv *s, const float *x, const float *w) {
    bnn_device device = one_thread();
    const bnn_stream stream = {.device = device};
    float *y = calloc((size_t)(s->oh * s->ow * s->o), sizeof *y);
    void *ws = bnn_alloc_aligned(device.kernels->conv_workspace(&stream, s, 0, 0));
    const bnn_operand xs = {.f32 = x}, fs = {.f32 = w};
    const bnn_result to = {.f32 = y};
    ck_assert(y && ws);
    device.kernels->conv_forward(&stream, s, &xs, &fs, &to, ws);
    free(ws);
    return y;
}

static float *random_signs(size_t n) {
    float *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_below(2) ? 1.0f : -1.0f;
    }
    return x;
}

/* Rows of c signs as bits. malloc'd. */
static uint32_t *bits_of(size_t rows, size_t c, const float *x) {
    uint32_t *bits = calloc(rows * ((c + 31) / 32), sizeof *bits);
    ck_assert_ptr_nonnull(bits);
    for (size_t i = 0; i < rows * c; i++) {
        bits[i / c * ((c + 31) / 32) + i % c / 32] |= (uint32_t)(x[i] > 0) << (i % c % 32);
    }
    return bits;
}

/* Filters [taps][o] of depth signs, from [o][taps]. */
static float *by_tap(const bnn_conv *s, size_t depth, const float *w) {
    const size_t taps = (size_t)(s->kh * s->kw), o = (size_t)s->o;
    float *to = malloc(o * taps * depth * sizeof *to);
    ck_assert_ptr_nonnull(to);
    for (size_t i = 0; i < o * taps; i++) {
        memcpy(to + (i % taps * o + i / taps) * depth, w + i * depth, depth * sizeof *to);
    }
    return to;
}

static void check_products(const bnn_conv *s) {
    const window v = window_of(s);
    const size_t depth = (size_t)(s->c / s->groups), taps = (size_t)(s->kh * s->kw);
    float *x = random_signs((size_t)(s->h * s->w * s->c));
    float *w = random_signs((size_t)s->o * taps * depth), *tapped = by_tap(s, depth, w);
    float *expected = engine_product(s, x, w), floats[256];
    uint32_t *bits = bits_of((size_t)(s->h * s->w), (size_t)s->c, x);
    uint32_t *whole = bits_of(taps * (size_t)s->o, depth, tapped);
    uint32_t *grouped = bits_of((size_t)s->o, taps * depth, w);
    int32_t integers[256];
    for (int i = 0; i < s->oh * s->ow; i++) {
        const float *row = expected + i * s->o;
        floats_product(&v, x, w, i, floats);
        ck_assert_mem_eq(floats, row, (size_t)s->o * sizeof *row);
        if (s->groups == 1) {
            bits_product(&v, bits, whole, i, integers);
            for (int o = 0; o < s->o; o++) {
                ck_assert(integers[o] == (int)row[o]);
            }
        }
        grouped_bits_product(&v, bits, grouped, i, integers);
        for (int o = 0; o < s->o; o++) {
            ck_assert(integers[o] == (int)row[o]);
        }
    }
    free(x), free(w), free(tapped), free(expected), free(bits), free(whole), free(grouped);
}

START_TEST(products) {
    for (int i = 0; i < 60; i++) {
        const bnn_conv one = random_conv(1, 1 + random_below(70), 1 + random_below(20));
        const bnn_conv several = random_conv(1 + random_below(40), 1 + random_below(5), 2);
        check_products(&one);
        check_products(&several);
    }
}
END_TEST

/* All thresholds on all integers, both ways, and the signs of zeros, as the engine has them. */
START_TEST(signs_and_thresholds) {
    enum { N = 70 };
    bnn_device device = one_thread();
    const bnn_stream stream = {.device = device};
    float x[N];
    int32_t threshold[N], integers[N];
    uint64_t expected[2];
    uint32_t got[3];
    for (int d = -9; d <= 9; d++) {
        for (int i = 0; i < N; i++) {
            threshold[i] = i - N / 2;
            integers[i] = d;
            x[i] = (float)d;
        }
        device.kernels->threshold_pack(&stream, 1, N, x, threshold, expected);
        threshold_row(N, x, threshold, got);
        ck_assert(got[0] == (uint32_t)expected[0] && got[1] == (uint32_t)(expected[0] >> 32) &&
                  got[2] == (uint32_t)expected[1]);
        memset(got, 0xff, sizeof got);
        threshold_integers(N, integers, threshold, got);
        ck_assert(got[0] == (uint32_t)expected[0] && got[1] == (uint32_t)(expected[0] >> 32) &&
                  got[2] == (uint32_t)expected[1]);
    }
    for (int i = 0; i < N; i++) {
        x[i] = i % 4 == 0 ? -0.0f : i % 4 == 1 ? 0.0f : i % 4 == 2 ? -1e-30f : 1e-30f;
    }
    device.kernels->sign_pack(&stream, 1, N, x, expected);
    sign_row(N, x, got);
    ck_assert(got[0] == (uint32_t)expected[0] && got[1] == (uint32_t)(expected[0] >> 32) &&
              got[2] == (uint32_t)expected[1]);
}
END_TEST

START_TEST(counts) {
    for (int i = 0; i < 1000; i++) {
        const uint32_t v = (uint32_t)random_below(1 << 16) << 16 | (uint32_t)random_below(1 << 16);
        ck_assert_int_eq(popcount(v), __builtin_popcount(v));
    }
    ck_assert_int_eq(popcount(0xffffffffu), 32);
}
END_TEST

/* ---- whole networks ---- */

static bnn_code export_to(const char *name, const bnn_spec *spec, const bnn_inference *network,
                          size_t max_bytes, bnn_export_report *report, bnn_error *err) {
    const bnn_export_request request = {.spec = spec, .network = network, .max_bytes = max_bytes};
    *err = (bnn_error){0};
    return bnn_export_c.write(&request, in_folder(name), report, err);
}

static char *text_of(const char *name) {
    FILE *file = fopen(in_folder(name), "rb");
    static char text[1 << 22];
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_values(const char *name, size_t count, const float *values) {
    bnn_error err = {0};
    const int64_t shape[1] = {(int64_t)count};
    bnn_npy_writer *file;
    CK_CODE(bnn_npy_write_open(in_folder(name), BNN_NPY_F32, 1, shape, &file, &err));
    bnn_npy_write(file, values, count * sizeof *values);
    CK_CODE(bnn_npy_write_commit(file, &err));
}

/* What it says of logits that are equal, or differ by a rounding of the last one. */
#define EQUAL "equal 1 classes 1 worst 0$"
#define ROUNDED "equal [01] classes 1 worst (0|[0-9.]+e-0[78])$"

/* Compiles net.c, warnings being errors, and runs it on a sample. */
static void compile_and_run(const bnn_inference *r, const char *defined, const char *expected) {
    static const char *const compilers[] = {"gcc", "clang"};
    bnn_graph *g = r->graph;
    const size_t inputs = bnn_shape_count(bnn_shape_of(g, r->inputs[0]));
    const size_t outputs = bnn_shape_count(bnn_shape_of(g, r->outputs[0]));
    float *x = malloc(inputs * sizeof *x);
    char command[1024];
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < inputs; i++) {
        x[i] = (float)(random_below(33) - 16) / 8.0f;
    }
    bnn_graph_set(g, r->inputs[0], x);
    bnn_graph_forward(g);
    write_values("input.npy", inputs, x);
    write_values("logits.npy", outputs, bnn_f32(g, r->outputs[0]));
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command,
                 "cd %s || exit 1; which %s >/dev/null 2>&1 || exit 0; unset LD_PRELOAD;"
                 "%s -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O1 %s"
                 " -I. -include net.h net.c %s/run.c -o run >said 2>&1 && ./run >said && "
                 "grep -Eq '^samples 1 %s' said",
                 folder, compilers[i], compilers[i], defined, BNN_EXPORTED, expected);
        ck_assert_msg(system(command) == 0, "%.900s", text_of("said"));
    }
    free(x);
}

/* Fractions that add up exactly. */
static void make_dyadic(const bnn_inference *r) {
    for (size_t i = 0; i < r->constant_count; i++) {
        const bnn_t t = r->constants[i].t;
        for (size_t k = 0;
             bnn_dtype_of(r->graph, t) == BNN_F32 && k < bnn_shape_count(bnn_shape_of(r->graph, t));
             k++) {
            bnn_f32(r->graph, t)[k] = (float)(random_below(5) - 2) / 2.0f;
        }
    }
    bnn_conv_prepare_filters(r->graph);
}

/* The tiny network has every op. */
START_TEST(every_op) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_inference r;
    bnn_export_report report;
    bnn_error err;
    spec.mean[0] = spec.mean[1] = spec.mean[2] = 64.0f;
    spec.std[0] = spec.std[1] = spec.std[2] = 32.0f;
    tiny_network(&r, &device, 1);
    make_dyadic(&r);
    CK_CODE(export_to("net.c", &spec, &r, 0, &report, &err));
    compile_and_run(&r, "-DPIXELS", ROUNDED); /* fine fractions, multiplied */
    bnn_inference_free(&r);
}
END_TEST

static bnn_t product_of(bnn_inference *r, const char *name, bnn_t x, int out, int kernel,
                        const bnn_conv_config *config, const bnn_conv_end *end) {
    const int bits = bnn_dtype_of(r->graph, x) == BNN_B1;
    const bnn_shape w = {out, kernel, kernel, bnn_shape_of(r->graph, x).c / config->groups};
    bnn_t weight = bnn_inference_constant(r, bits ? BNN_B1 : BNN_F32, w, name);
    return bnn_op_folded_conv(r->graph, bnn_plain(x), bnn_plain(weight), config, end);
}

static bnn_t sign_of(bnn_graph *g, bnn_t x) {
    return bnn_op_sign(g, x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

static void finish(bnn_inference *r, bnn_t output) {
    bnn_error err = {0};
    r->outputs[0] = output;
    bnn_graph_keep(r->graph, output);
    ck_assert_msg(bnn_graph_compile(r->graph, BNN_NONE, &err) == BNN_OK, "%s", err.text);
    CK_CODE(bnn_graph_bind(r->graph, NULL, &err));
    for (size_t i = 0; i < r->constant_count; i++) {
        const bnn_t t = r->constants[i].t;
        const bnn_shape s = bnn_shape_of(r->graph, t);
        for (size_t k = 0; k < bnn_shape_count(s); k++) {
            if (bnn_dtype_of(r->graph, t) == BNN_I32) {
                bnn_i32(r->graph, t)[k] = random_below(21) - 10;
            } else if (bnn_dtype_of(r->graph, t) == BNN_B1) {
                const size_t row = k / (size_t)s.c * bnn_words((size_t)s.c), bit = k % (size_t)s.c;
                bnn_bits(r->graph, t)[row + bit / 64] |= (uint64_t)random_below(2) << (bit % 64);
            }
        }
    }
    make_dyadic(r);
}

static bnn_t start(bnn_inference *r, const bnn_device *device, bnn_shape input) {
    bnn_error err = {0};
    CK_CODE(bnn_inference_start(r, device, 1, 1, &err));
    r->input_count = r->output_count = 1;
    return r->inputs[0] = bnn_graph_input(r->graph, "image", BNN_F32, input);
}

/* Groups, steps between taps, uneven padding; pools that pass over pixels and pools that overlap,
 * in the loop of the product and behind a stored map, on the way to thresholds and not. */
START_TEST(windows) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_inference r;
    bnn_export_report report;
    bnn_error err;
    bnn_t x = start(&r, &device, (bnn_shape){1, 9, 11, 6});
    bnn_conv_config grouped = {1, 2, 1, 2, 2, 1, 3, -1}, plain = {1, 1, 1, 1, 1, 1, 1, 0};
    bnn_conv_config depthwise = {1, 1, 1, 1, 1, 1, 36, 0};
    x = product_of(&r, "a.weight", x, 36, 3, &grouped, &bnn_conv_plain);
    x = product_of(&r, "b.weight", sign_of(r.graph, x), 72, 3, &depthwise, &bnn_conv_plain);
    x = bnn_op_max_pool(r.graph, x, 2, 3, 1, 0);
    x = bnn_op_threshold(r.graph, x, bnn_inference_constant(&r, BNN_I32, bnn_vector(72), "b.t"));
    bnn_t y = product_of(&r, "c.weight", x, 8, 3, &plain, &bnn_conv_plain);
    bnn_t z = bnn_op_max_pool(r.graph, y, 3, 1, 1, 0);
    z = bnn_op_threshold(r.graph, z, bnn_inference_constant(&r, BNN_I32, bnn_vector(8), "c.t"));
    z = product_of(&r, "d.weight", z, 8, 3, &plain, &bnn_conv_plain);
    z = bnn_op_add(r.graph, y, bnn_op_clamp(r.graph, z, -INFINITY, 1.5f));
    z = bnn_op_max_pool(r.graph, bnn_op_clamp(r.graph, z, -2.0f, 3.0f), 2, 2, 0, 1);
    z = bnn_op_global_max_pool(r.graph, z, 0.0f);
    finish(&r, product_of(&r, "fc.weight", z, TINY_CLASSES, 1,
                          &(bnn_conv_config){1, 1, 0, 0, 1, 1, 1, 0}, &bnn_conv_plain));
    spec.height = 9, spec.width = 11, spec.channels = 6;
    CK_CODE(export_to("net.c", &spec, &r, 0, &report, &err));
    compile_and_run(&r, "", EQUAL);
    bnn_inference_free(&r);
}
END_TEST

/* A factor for each pixel, as XNOR-Net's linear layers have. */
static bnn_t scaled(bnn_inference *r, bnn_t x, int kernel) {
    const bnn_conv_config config = {1, 1, kernel / 2, kernel / 2, 1, 1, 1, 0};
    const bnn_t scale =
        bnn_op_abs_mean(r->graph, x, (int)bnn_shape_rows(bnn_shape_of(r->graph, x)));
    const bnn_shape w = {TINY_CLASSES, kernel, kernel, bnn_shape_of(r->graph, x).c};
    const bnn_value bits = {sign_of(r->graph, x), scale};
    bnn_t weight = bnn_inference_constant(r, BNN_B1, w, "scaled.weight");
    return bnn_op_folded_conv(r->graph, bits, bnn_plain(weight), &config, &bnn_conv_plain);
}

START_TEST(factors) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_export_report report;
    bnn_error err;
    for (int kernel = 1; kernel <= 3; kernel += 2) {
        bnn_inference r;
        bnn_t x = start(&r, &device, (bnn_shape){1, 1, 7, 4});
        finish(&r, bnn_op_global_max_pool(r.graph, scaled(&r, x, kernel), 0.5f));
        spec.height = 1, spec.width = 7, spec.channels = 4;
        bnn_code code = export_to("net.c", &spec, &r, 0, &report, &err);
        if (kernel == 1) {
            CK_CODE(code);
            compile_and_run(&r, "", EQUAL);
        } else {
            expect_error(code, BNN_ERR_UNSUPPORTED, &err, "scaled: ", "a factor of its own", NULL);
        }
        bnn_inference_free(&r);
    }
}
END_TEST

/* Bits that are there from the beginning, where bits of an image are expected. */
START_TEST(constant_bits) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_inference r;
    bnn_export_report report;
    bnn_error err;
    const bnn_conv_config plain = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_t x = start(&r, &device, (bnn_shape){1, 1, 1, TINY_CLASSES});
    bnn_t seen = bnn_inference_constant(&r, BNN_B1, bnn_vector(40), "seen");
    bnn_t y = product_of(&r, "a.weight", seen, TINY_CLASSES, 1, &plain, &bnn_conv_plain);
    finish(&r, bnn_op_add(r.graph, y, x));
    expect_error(export_to("net.c", &spec, &r, 0, &report, &err), BNN_ERR_UNSUPPORTED, &err,
                 "a: operand 1 of conv is a constant", NULL);
    bnn_inference_free(&r);
}
END_TEST

/* ---- what it promises ---- */

static const struct promise {
    const char *arch, *algo;
    bnn_shape input;
    size_t work; /* bytes, at most */
    const char *absent;
} promises[] = {
    {"resnet20", "bnn", {1, 28, 28, 1}, 84000, "magnitudes"},
    {"resnet20", "xnor", {1, 28, 28, 1}, 84000, "threshold_"},
    {"resnet20", "fp32", {1, 8, 8, 1}, 10000, "popcount"},
    {"vgg_small", "reactnet", {1, 32, 32, 3}, 62000, "threshold_row"},
    {"pointnet_vanilla", "dorefa", {1, 1, 256, 3}, 18000, "pixel_at(&"},
    {"pointnet", "recu", {1, 1, 64, 3}, 84000, "_row(0"},
    {"deep_fsmn", "bireal", {1, 32, 32, 1}, 20000, "max_row"},
};

/* What is in use at once lies apart. */
static void check_places(const bnn_c_plan *p) {
    for (int i = 0; i < p->buffers; i++) {
        const bnn_c_buffer *a = &p->buffer[i];
        ck_assert(a->offset + a->words <= p->words[a->member]);
        for (int k = 0; k < i; k++) {
            const bnn_c_buffer *b = &p->buffer[k];
            ck_assert(a->member != b->member || a->last < b->first || b->last < a->first ||
                      a->offset + a->words <= b->offset || b->offset + b->words <= a->offset);
        }
    }
}

static void check_lines(const char *text) {
    for (; *text; text += strcspn(text, "\n") + 1) {
        ck_assert_msg(strcspn(text, "\n") < 100, "%.120s", text);
    }
}

START_TEST(memory) {
    const struct promise *promise = &promises[_i];
    bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    char expected[64];
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, promise->arch, promise->algo, promise->input, 5, &err));
    const bnn_export_request request = {.spec = &d.spec, .network = d.network};
    bnn_translation t;
    bnn_c_plan plan;
    CK_CODE(bnn_translation_start(&request, 0, &report, &t, &err));
    CK_CODE(bnn_c_plan_make(&t, strcmp(d.spec.arch->inputs[0], "image") == 0, &plan));
    const size_t bytes = bnn_c_work_bytes(&plan);
    check_places(&plan);
    ck_assert_msg(bytes <= promise->work, "%zu bytes of memory", bytes);
    CK_CODE(export_to("net.c", &d.spec, d.network, bytes, &report, &err));
    snprintf(expected, sizeof expected, "a work area of %zu bytes", bytes);
    ck_assert_msg(strstr(report.notes, expected) != NULL, "%s", report.notes);
    check_lines(text_of("net.h"));
    const char *text = text_of("net.c");
    check_lines(text);
    ck_assert_msg(!strstr(text, promise->absent), "%s is not used", promise->absent);
    expect_error(export_to("small.c", &d.spec, d.network, bytes - 1, &report, &err),
                 BNN_ERR_UNSUPPORTED, &err, "--max-bytes", "work area takes", NULL);
    ck_assert_int_ne(access(in_folder("small.c"), F_OK), 0);
    ck_assert_int_ne(access(in_folder("small.h"), F_OK), 0);
    bnn_translation_free(&t);
    dyadic_stop(&d);
}
END_TEST

/* ---- what is written, and what is not ---- */

static bnn_code export_tiny(const char *name, const bnn_spec *spec, bnn_error *err) {
    bnn_device device = one_thread();
    bnn_inference r;
    bnn_export_report report;
    tiny_network(&r, &device, 1);
    bnn_code code = export_to(name, spec, &r, 0, &report, err);
    bnn_inference_free(&r);
    return code;
}

static void expect_files(int count) {
    char command[160];
    snprintf(command, sizeof command, "test $(ls %s | wc -l) = %d", folder, count);
    ck_assert_msg(system(command) == 0, "%s", command);
}

START_TEST(file_names) {
    static const char *const wrong[] = {
        "1net.c",      "a-b.c",
        "_net.c",      "n.t.c",
        ".c",          "netc",
        "net.txt",     "net",
        "n\303\244.c", "a1234567890123456789012345678901234567890.c"};
    bnn_spec spec = tiny_spec();
    bnn_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(export_tiny(wrong[i], &spec, &err), BNN_ERR_ARGUMENT);
        ck_assert_msg(strstr(err.text, "named after the file") || strstr(err.text, "two files"),
                      "%s", err.text);
    }
    expect_files(0);
    CK_CODE(export_tiny("A_2.c", &spec, &err));
    expect_files(2);
    ck_assert(strstr(text_of("A_2.c"), "void A_2_run(const float input[A_2_INPUT]"));
    ck_assert(strstr(text_of("A_2.h"), "#define A_2_CLASSES 3\n"));
}
END_TEST

/* Where one of the files cannot be written, neither is. */
START_TEST(both_or_none) {
    bnn_spec spec = tiny_spec();
    bnn_error err;
    ck_assert_int_eq(mkdir(in_folder("net.h"), 0777), 0);
    write_file("net.h/kept", "", 0);
    write_file("net.c", "before", 6);
    ck_assert_int_ne(export_tiny("net.c", &spec, &err), BNN_OK);
    ck_assert_str_eq(text_of("net.c"), "before");
    expect_files(2);
}
END_TEST

START_TEST(not_finite) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_inference r;
    bnn_export_report report;
    bnn_error err;
    tiny_network(&r, &device, 1);
    bnn_f32(r.graph, r.constants[0].t)[3] = NAN;
    expect_error(export_to("net.c", &spec, &r, 0, &report, &err), BNN_ERR_NUMERIC, &err,
                 "stem.factor", "not finite", NULL);
    expect_files(0);
    bnn_inference_free(&r);
}
END_TEST

/* Names from files end no comment and no string, and are no names of C. */
START_TEST(hostile_names) {
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    bnn_inference r;
    bnn_export_report report;
    bnn_error err;
    spec.class_names = "*/ int x; /*\n\"quoted\\\" ?\?/\n\303\244\033[0m";
    spec.dataset = "*/\\";
    spec.mean[0] = spec.mean[1] = spec.mean[2] = 64.0f;
    spec.std[0] = spec.std[1] = spec.std[2] = 32.0f;
    tiny_network(&r, &device, 1);
    make_dyadic(&r);
    for (size_t i = 0; i < r.constant_count; i++) {
        static const char *const names[] = {"*/ #error \" \n.int", "popcount(//\\", "sum_row.a"};
        r.constants[i].name = names[i % 3];
    }
    CK_CODE(export_to("net.c", &spec, &r, 0, &report, &err));
    check_lines(text_of("net.h"));
    compile_and_run(&r, "-DPIXELS", ROUNDED); /* fine fractions, multiplied */
    bnn_inference_free(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export_c");
    TCase *loops = tcase_create("loops"), *networks = tcase_create("networks");
    TCase *files = tcase_create("files");
    tcase_add_test(loops, products);
    tcase_add_test(loops, signs_and_thresholds);
    tcase_add_test(loops, counts);
    suite_add_tcase(suite, loops);
    tcase_add_checked_fixture(networks, make_folder, remove_folder);
    tcase_set_timeout(networks, 120);
    tcase_add_test(networks, every_op);
    tcase_add_test(networks, windows);
    tcase_add_test(networks, factors);
    tcase_add_test(networks, constant_bits);
    tcase_add_loop_test(networks, memory, 0, sizeof promises / sizeof *promises);
    suite_add_tcase(suite, networks);
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, file_names);
    tcase_add_test(files, both_or_none);
    tcase_add_test(files, not_finite);
    tcase_add_test(files, hostile_names);
    suite_add_tcase(suite, files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* What all export formats share: the FlatBuffer writer against bytes made by hand, a threshold as
 * an affine, borders, what a translation says of a network and how it refuses. */
#include "engine/base/file.h"
#include "engine/base/half.h"
#include "models/export/described.h"
#include "models/export/flatbuffer.h"
#include "models/files/checkpoint.h"
#include "models/export/translate.h"
#include "tests/fixtures/packed_fixture.h"

/* ---- FlatBuffers ---- */

START_TEST(flat_bytes) {
    static const unsigned char expected[40] = {
        0x14, 0, 0, 0, 'T', 'F', 'L', '3', 0x0c, 0, 0x0c, 0, 4, 0, 0, 0, 0,   0,   8, 0,
        0x0c, 0, 0, 0, 3,   0,   0,   0,   4,    0, 0,    0, 2, 0, 0, 0, 'a', 'b', 0, 0};
    bnn_error err = {0};
    bnn_flat f;
    bnn_flat_field root[] = {{.id = 0, .bytes = 4, .value = 3}, {.id = 3}};
    bnn_flat_start(&f, "TFL3");
    bnn_flat_table(&f, BNN_FLAT_ROOT, 2, root);
    bnn_flat_string(&f, root[1].hole, "ab");
    CK_CODE(bnn_flat_finish(&f, &err));
    ck_assert_uint_eq(f.size, sizeof expected);
    ck_assert_mem_eq(f.data, expected, sizeof expected);
    bnn_flat_free(&f);
}
END_TEST

static size_t u32(const bnn_flat *f, size_t at) {
    return f->data[at] | (size_t)f->data[at + 1] << 8 | (size_t)f->data[at + 2] << 16 |
           (size_t)f->data[at + 3] << 24;
}

/* Whatever stands before, items and scalars of 8 bytes are aligned. */
START_TEST(flat_alignment) {
    for (size_t length = 0; length < 9; length++) {
        static const uint64_t words[2] = {0x0123456789abcdef, 7};
        bnn_error err = {0};
        bnn_flat f;
        bnn_flat_field root[] = {{.id = 2}, {.id = 0}, {.id = 1}};
        bnn_flat_field leaf[] = {{.id = 1, .bytes = 8, .value = 5},
                                 {.id = 0, .bytes = 1, .value = 9}};
        bnn_flat_start(&f, NULL);
        bnn_flat_table(&f, BNN_FLAT_ROOT, 3, root);
        bnn_flat_vector(&f, root[0].hole, 1, 1, length, "123456789");
        bnn_flat_vector(&f, root[1].hole, 8, 16, 2, words);
        size_t hole = bnn_flat_offsets(&f, root[2].hole, 1);
        bnn_flat_table(&f, hole, 2, leaf);
        CK_CODE(bnn_flat_finish(&f, &err));
        size_t vector = root[1].hole + u32(&f, root[1].hole), table = hole + u32(&f, hole);
        ck_assert_uint_eq((vector + 4) % 16, 0);
        ck_assert_uint_eq(u32(&f, vector), 2);
        ck_assert_mem_eq(f.data + vector + 4, "\xef\xcd\xab\x89\x67\x45\x23\x01\7", 9);
        ck_assert_uint_eq(table % 8, 0);
        ck_assert_uint_eq(leaf[0].hole % 8, 0);
        ck_assert_uint_eq(u32(&f, leaf[0].hole), 5);
        ck_assert_uint_eq(f.data[leaf[1].hole], 9);
        ck_assert_uint_eq(f.size % 4, 0);
        bnn_flat_free(&f);
    }
}
END_TEST

/* Tables of one form have one vtable, and what is ahead may be led to twice. */
START_TEST(flat_shared) {
    bnn_error err = {0};
    bnn_flat f;
    bnn_flat_field root[] = {{.id = 0}, {.id = 1}, {.id = 2}};
    bnn_flat_field leaf[3][2] = {{{.id = 0, .bytes = 4, .value = 7}, {.id = 1}},
                                 {{.id = 0, .bytes = 4, .value = 8}, {.id = 1}},
                                 {{.id = 1, .bytes = 4, .value = 9}, {.id = 0}}};
    size_t table[3];
    bnn_flat_start(&f, NULL);
    bnn_flat_table(&f, BNN_FLAT_ROOT, 3, root);
    for (int i = 0; i < 3; i++) {
        bnn_flat_table(&f, root[i].hole, 2, leaf[i]);
        table[i] = root[i].hole + u32(&f, root[i].hole);
    }
    ck_assert_uint_eq(table[0] - u32(&f, table[0]), table[1] - u32(&f, table[1]));
    ck_assert_uint_ne(table[0] - u32(&f, table[0]), table[2] - u32(&f, table[2]));
    bnn_flat_string(&f, leaf[0][1].hole, "text");
    ck_assert_int_eq(bnn_flat_share(&f, leaf[1][1].hole, leaf[0][1].hole), 1);
    const size_t text = leaf[0][1].hole + u32(&f, leaf[0][1].hole);
    ck_assert_uint_eq(leaf[1][1].hole + u32(&f, leaf[1][1].hole), text);
    ck_assert_str_eq((const char *)f.data + text + 4, "text");
    ck_assert_int_eq(bnn_flat_share(&f, leaf[2][1].hole, root[0].hole), 0); /* lies behind */
    ck_assert_uint_eq(u32(&f, leaf[2][1].hole), 0);
    CK_CODE(bnn_flat_finish(&f, &err));
    bnn_flat_free(&f);
}
END_TEST

/* More than an offset can say is an error, not a wrong file. */
START_TEST(flat_too_large) {
    bnn_error err = {0};
    bnn_flat f;
    bnn_flat_field root[] = {{.id = 0}};
    bnn_flat_start(&f, NULL);
    bnn_flat_table(&f, BNN_FLAT_ROOT, 1, root);
    bnn_flat_vector(&f, root[0].hole, 8, 8, SIZE_MAX / 8 + 2, "");
    ck_assert_int_eq(bnn_flat_finish(&f, &err), BNN_ERR_MEMORY);
    bnn_flat_free(&f);
}
END_TEST

/* ---- translation ---- */

typedef struct translated {
    bnn_inference network;
    bnn_spec spec;
    bnn_export_request request;
    bnn_export_report report;
    bnn_translation t;
    bnn_error err;
} translated;

static void start(translated *x) {
    bnn_device device = one_thread();
    x->err = (bnn_error){0};
    x->spec = tiny_spec();
    tiny_network(&x->network, &device, 1);
    x->request = (bnn_export_request){.spec = &x->spec, .network = &x->network};
    bnn_code code = bnn_translation_start(&x->request, 0, &x->report, &x->t, &x->err);
    ck_assert_msg(code == BNN_OK, "%s", x->err.text);
}

static void stop(translated *x) {
    bnn_translation_free(&x->t);
    bnn_inference_free(&x->network);
}

static const bnn_node *find_node(const translated *x, const bnn_op *op, int nth) {
    for (size_t i = 0; i < bnn_graph_node_count(x->t.graph); i++) {
        const bnn_node *node = bnn_graph_node(x->t.graph, i);
        if (node->op == op && nth-- == 0) {
            return node;
        }
    }
    return NULL;
}

/* The tiny network, which has every op, in single steps gives the same bits. */
START_TEST(plain) {
    translated x;
    float image[TINY_PIXELS];
    start(&x);
    tiny_images(image, 1);
    bnn_graph_set(x.network.graph, x.network.inputs[0], image);
    bnn_graph_forward(x.network.graph);
    bnn_graph_set(x.t.plain.graph, x.t.plain.inputs[0], image);
    bnn_graph_forward(x.t.plain.graph);
    ck_assert_mem_eq(bnn_f32(x.t.plain.graph, x.t.plain.outputs[0]),
                     bnn_f32(x.network.graph, x.network.outputs[0]), TINY_CLASSES * sizeof(float));
    stop(&x);
}
END_TEST

/* A convolution with ones around is one with zeros around and the border. */
START_TEST(border) {
    translated x;
    start(&x);
    const bnn_node *node = find_node(&x, &bnn_conv_op, 1); /* 3x3 on bits, padded */
    const int8_t *w = bnn_translation_signs(&x.t, node->in[1]);
    const float *b = bnn_translation_border(&x.t, node, 1.0f);
    ck_assert(w && b);
    for (int y = 0; y < TINY_SIDE; y++) {
        for (int i = 0; i < TINY_SIDE; i++) {
            for (int o = 0; o < TINY_WIDE; o++) {
                int sum = 0;
                for (int k = 0; k < 9 * TINY_WIDE; k++) {
                    int at_y = y + k / TINY_WIDE / 3 - 1, at_x = i + k / TINY_WIDE % 3 - 1;
                    int inside = at_y >= 0 && at_y < TINY_SIDE && at_x >= 0 && at_x < TINY_SIDE;
                    sum += inside ? 0 : w[o * 9 * TINY_WIDE + k];
                }
                ck_assert(b[(y * TINY_SIDE + i) * TINY_WIDE + o] == (float)sum);
            }
        }
    }
    stop(&x);
}
END_TEST

START_TEST(messages) {
    translated x;
    start(&x);
    const bnn_node *node = find_node(&x, &bnn_max_pool_op, 0);
    ck_assert_str_eq(bnn_translation_layer(&x.t, node), "three");
    ck_assert_int_eq(bnn_translation_int(node, "kernel"), 3);
    ck_assert_int_eq(bnn_translation_refuse(&x.t, node, "no %s; have another", "pools"),
                     BNN_ERR_UNSUPPORTED);
    ck_assert_str_eq(x.err.text, "three: no pools; have another");
    node = find_node(&x, &bnn_global_max_pool_op, 0);
    ck_assert(bnn_translation_float(node, "shift") == -0.25f);
    bnn_translation_note(&x.t, "%d bytes", 12);
    bnn_translation_note(&x.t, "slow");
    ck_assert_str_eq(x.report.notes, "12 bytes\nslow\n");
    json_t *description = json_loads(bnn_translation_description(&x.t), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(description, "arch")), "resnet20");
    ck_assert_str_eq(json_string_value(json_object_get(description, "input")), "3x4x4");
    json_decref(description);
    stop(&x);
}
END_TEST

/* Whatever a threshold says, so does the sign of its affine, of every integer that is met. */
START_TEST(steps) {
    static const int32_t most = BNN_TRANSLATION_MOST_TERMS;
    const int32_t integers[] = {-most, -41, -3, -1, 0, 1, 2, 40, most};
    const int32_t at[] = {INT32_MIN / 2, -most - 1, -41, -1, 0, 1, 2, most, INT32_MAX / 2};
    translated x;
    start(&x);
    const bnn_t constant = find_node(&x, &bnn_threshold_op, 0)->in[1];
    const size_t count = bnn_shape_count(bnn_shape_of(x.t.graph, constant));
    int32_t *threshold = bnn_i32(x.t.graph, constant);
    for (size_t i = 0; i < 2 * sizeof at / sizeof *at; i++) {
        const int flip = (int)(i % 2);
        threshold[0] = 2 * at[i / 2] + flip;
        const int32_t said = bnn_translation_thresholds(&x.t, constant)[0];
        const bnn_steps affine = bnn_translation_steps(&x.t, constant, count);
        ck_assert_int_eq(said & 1, flip);
        for (size_t d = 0; d < sizeof integers / sizeof *integers; d++) {
            const int bit = (integers[d] >= at[i / 2]) != flip;
            const float y = affine.factor[0] * (float)integers[d] + affine.shift[0];
            ck_assert(fabsf(y) >= 0.5f);
            ck_assert_int_eq(y > 0.0f, bit);
            ck_assert_int_eq((integers[d] >= (said - flip) / 2) != flip, bit);
        }
    }
    stop(&x);
}
END_TEST

/* A network that reads what nobody trains: a constant in place of a map, and the other way round.
 */
START_TEST(operands) {
    for (int constant = 0; constant < 2; constant++) {
        bnn_device device = one_thread();
        bnn_spec spec = tiny_spec();
        bnn_inference r;
        bnn_export_report report;
        bnn_translation t;
        bnn_error err;
        CK_CODE(bnn_inference_start(&r, &device, 1, 1, &err));
        r.input_count = r.output_count = 1;
        const bnn_t x = r.inputs[0] = bnn_graph_input(r.graph, "input", BNN_F32, bnn_vector(4));
        r.outputs[0] =
            constant ? bnn_op_add(r.graph, x,
                                  bnn_inference_constant(&r, BNN_F32, bnn_vector(4), "a.shift"))
                     : bnn_op_prelu(r.graph, x, bnn_op_clamp(r.graph, x, 0.0f, 1.0f));
        bnn_graph_keep(r.graph, r.outputs[0]);
        CK_CODE(bnn_graph_compile(r.graph, BNN_NONE, &err));
        CK_CODE(bnn_graph_bind(r.graph, NULL, &err));
        const bnn_export_request request = {.spec = &spec, .network = &r};
        ck_assert_int_eq(bnn_translation_start(&request, 0, &report, &t, &err),
                         BNN_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.text, constant ? "a: operand 2 of add is a constant"
                                                        : "operand 2 of prelu is no constant"));
        bnn_translation_free(&t);
        bnn_inference_free(&r);
    }
}
END_TEST

/* -0.0 is a zero that engines take for negative. */
START_TEST(zeros) {
    translated x;
    start(&x);
    const bnn_node *node = find_node(&x, &bnn_affine_op, 0);
    float *values = bnn_f32(x.t.graph, node->in[1]);
    values[0] = -0.0f;
    const float *floats = bnn_translation_floats(&x.t, node->in[1]);
    ck_assert(floats && floats[0] == 0.0f && !signbit(floats[0]) && floats[1] == values[1]);
    stop(&x);
}
END_TEST

/* Rounded floats are stored as halves, and read back as what they were rounded to. */
START_TEST(halves) {
    bnn_error err = {0};
    bnn_inference network, read;
    bnn_device device = one_thread();
    bnn_spec spec = tiny_spec();
    char path[] = "/tmp/bnn-check-export-XXXXXX";
    float x[TINY_PIXELS], y[TINY_CLASSES];
    bnn_export_report whole, half;
    bnn_map map;
    bnn_st_file *file;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    tiny_network(&network, &device, 1);
    tiny_images(x, 1);
    bnn_f32(network.graph, network.constants[1].t)[3] = 1.0f / 3.0f;
    const bnn_export_request request = {.spec = &spec, .network = &network, .float16 = 1};
    CK_CODE(bnn_export_packed.write(&request, path, &whole, &err));
    CK_CODE(bnn_export_round(&network, &err));
    CK_CODE(bnn_export_packed.write(&request, path, &half, &err));
    ck_assert_uint_lt(half.bytes, whole.bytes);
    bnn_graph_set(network.graph, network.inputs[0], x);
    bnn_graph_forward(network.graph);
    memcpy(y, bnn_f32(network.graph, network.outputs[0]), sizeof y);
    CK_CODE(bnn_map_read(path, &map, &err));
    CK_CODE(bnn_st_parse(path, map.data, map.size, &file, &err));
    ck_assert_int_eq(bnn_st_find(file, "f")->dtype, BNN_ST_F16);
    CK_CODE(bnn_packed_build(path, file, &device, 1, &read, &err));
    CK_CODE(bnn_graph_bind(read.graph, NULL, &err));
    CK_CODE(bnn_packed_fill(path, file, &read, &err));
    bnn_graph_set(read.graph, read.inputs[0], x);
    bnn_graph_forward(read.graph);
    ck_assert_mem_eq(bnn_f32(read.graph, read.outputs[0]), y, sizeof y);
    bnn_inference_free(&read);
    bnn_st_close(file);
    bnn_map_close(&map);
    bnn_f32(network.graph, network.constants[0].t)[0] = 1e6f;
    ck_assert_int_eq(bnn_export_round(&network, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "stem.factor: 1e+06 is beyond"));
    bnn_inference_free(&network);
    close(fd);
    unlink(path);
}
END_TEST

/* Of a list that is long enough, if somebody asks, and if all of it are halves. */
START_TEST(lists_of_halves) {
    enum { FEWEST = BNN_TRANSLATION_FEWEST_HALVES };
    float values[FEWEST];
    translated x;
    start(&x);
    for (int i = 0; i < FEWEST; i++) {
        values[i] = (float)i - 0.5f; /* a threshold, a map of borders */
    }
    ck_assert(!bnn_translation_halves(&x.t, FEWEST, values));
    x.request.float16 = 1;
    ck_assert(bnn_translation_halves(&x.t, FEWEST, values));
    const uint16_t *as = bnn_translation_as_halves(&x.t, FEWEST, values);
    ck_assert_ptr_nonnull(as);
    for (int i = 0; i < FEWEST; i++) {
        ck_assert(bnn_half_value(as[i]) == values[i]);
    }
    ck_assert(!bnn_translation_halves(&x.t, FEWEST - 1, values));
    ck_assert(!bnn_translation_halves(&x.t, FEWEST, NULL));
    values[FEWEST - 1] = 1024.5f;
    ck_assert(!bnn_translation_halves(&x.t, FEWEST, values));
    stop(&x);
}
END_TEST

/* ---- what an exported file says of itself ---- */

static void check_description(const unsigned char *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file;
    bnn_spec spec;
    CK_CODE(bnn_described_parse("model", data, size, &file, &err));
    CK_CODE(bnn_spec_read("model", file, NULL, &spec, &err));
    ck_assert_str_eq(spec.arch->name, "resnet20");
    ck_assert(spec.channels == 3 && spec.height == TINY_SIDE && spec.classes == TINY_CLASSES);
    bnn_st_close(file);
    for (size_t cut = 0; cut < size; cut++) { /* never read beyond the end; never half a model */
        unsigned char *part = malloc(cut + 1);
        ck_assert_ptr_nonnull(part);
        memcpy(part, data, cut);
        bnn_code code = bnn_described_parse("model", part, cut, &file, &err);
        ck_assert(code == BNN_ERR_FORMAT || cut + 4 > size);
        bnn_st_close(file);
        free(part);
    }
}

START_TEST(described_flatbuffer) {
    translated x;
    bnn_flat f;
    bnn_flat_field root[] = {{.id = 0, .bytes = 4, .value = 3}, {.id = 3}};
    start(&x);
    bnn_flat_start(&f, "TFL3");
    bnn_flat_table(&f, BNN_FLAT_ROOT, 2, root);
    bnn_flat_string(&f, root[1].hole, bnn_translation_description(&x.t));
    ck_assert_int_eq(bnn_flat_finish(&f, &x.err), BNN_OK);
    check_description(f.data, f.size);
    bnn_flat_free(&f);
    stop(&x);
}
END_TEST

/* Fields as protocol buffers write them: a tag, a length, the bytes. */
static size_t put_entry(unsigned char *to, const char *key, const char *value) {
    const size_t k = strlen(key), v = strlen(value), all = k + v + 5;
    const unsigned char head[5] = {14 << 3 | 2, (unsigned char)(0x80 | (all & 0x7f)),
                                   (unsigned char)(all >> 7), 1 << 3 | 2, (unsigned char)k};
    memcpy(to, head, 5);
    memcpy(to + 5, key, k);
    to[5 + k] = 2 << 3 | 2;
    to[6 + k] = (unsigned char)(0x80 | (v & 0x7f));
    to[7 + k] = (unsigned char)(v >> 7);
    memcpy(to + 8 + k, value, v);
    return 8 + k + v;
}

START_TEST(described_onnx) {
    static const char *const entries[][2] = {
        {"algo", "bnn"},  {"input", "3x4x4"},  {"classes", "3"},    {"mean", "1 1 1"},
        {"std", "2 2 2"}, {"data", "cifar10"}, {"arch", "resnet20"}};
    unsigned char data[512] = {1 << 3, 7, 7 << 3 | 2, 3, 'a', 'b', 'c', 9 << 3 | 5, 1, 2, 3, 4};
    size_t size = 12;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        size += put_entry(data + size, entries[i][0], entries[i][1]);
    }
    check_description(data, size);
}
END_TEST

START_TEST(names) {
    for (size_t i = 0; bnn_export_formats[i]; i++) {
        ck_assert_ptr_eq(bnn_export_format_find(bnn_export_formats[i]->name),
                         bnn_export_formats[i]);
        ck_assert_int_eq(bnn_export_formats[i]->suffix[0], '.');
    }
    ck_assert_ptr_null(bnn_export_format_find("none"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export");
    TCase *flat = tcase_create("flatbuffer"), *translation = tcase_create("translation");
    tcase_add_test(flat, flat_bytes);
    tcase_add_test(flat, flat_alignment);
    tcase_add_test(flat, flat_shared);
    tcase_add_test(flat, flat_too_large);
    suite_add_tcase(suite, flat);
    tcase_add_test(translation, steps);
    tcase_add_test(translation, operands);
    tcase_add_test(translation, plain);
    tcase_add_test(translation, border);
    tcase_add_test(translation, messages);
    tcase_add_test(translation, zeros);
    tcase_add_test(translation, halves);
    tcase_add_test(translation, lists_of_halves);
    tcase_add_test(translation, names);
    tcase_add_test(translation, described_flatbuffer);
    tcase_add_test(translation, described_onnx);
    suite_add_tcase(suite, translation);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

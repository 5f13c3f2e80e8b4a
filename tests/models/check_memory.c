/* Memory that runs out: each call of malloc and its like fails once, the first, the second, up to
 * the last that a piece of work makes. The work must end in an error of one line, with nothing
 * leaked, and succeed when nothing fails. The linker sends the calls of our objects through here
 * (--wrap), and jansson is told to. (jansson itself passes over some failures; then the result must
 * be the right one all the same.) */
#include <jansson.h>

#include "engine/io/torch_file.h"
#include "optim/optimizer.h"
#include "tests/fixtures/model_fixture.h"

static long calls, failing; /* number `failing` of the calls fails; 0: none */
static long alive;          /* blocks that are allocated */

static int fails(void) {
    return ++calls == failing;
}

static void *counted(void *block) {
    alive += block != NULL;
    return block;
}

/* The linker's names. */
#define REAL(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

REAL(void *, malloc, size_t size) {
    return fails() ? NULL : counted(__real_malloc(size));
}

REAL(void *, calloc, size_t count, size_t size) {
    return fails() ? NULL : counted(__real_calloc(count, size));
}

REAL(void *, aligned_alloc, size_t alignment, size_t size) {
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

REAL(void *, realloc, void *old, size_t size) {
    if (fails()) {
        return NULL;
    }
    void *block = __real_realloc(old, size);
    alive += block != NULL && old == NULL;
    return block;
}

REAL(void *, reallocarray, void *old, size_t count, size_t size) {
    if (fails()) {
        return NULL;
    }
    void *block = __real_reallocarray(old, count, size);
    alive += block != NULL && old == NULL;
    return block;
}

REAL(char *, strdup, const char *text) {
    return fails() ? NULL : counted(__real_strdup(text));
}

REAL(char *, strndup, const char *text, size_t size) {
    return fails() ? NULL : counted(__real_strndup(text, size));
}

REAL(void, free, void *block) {
    alive -= block != NULL;
    __real_free(block);
}

/* ---- work ---- */

static char folder[64];
static char checkpoint[64], packed[64], written[64];
static uint8_t *pixels;
static bnn_device device;

static void set_up(void) {
    strcpy(folder, "/tmp/bnn-check-memory-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(checkpoint, sizeof checkpoint, "%s/model.safetensors", folder);
    snprintf(packed, sizeof packed, "%s/model.bnn", folder);
    snprintf(written, sizeof written, "%s/written", folder);
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    write_checkpoint(checkpoint, "reactnet");
    write_packed(checkpoint, packed);
    pixels = fixture_images(2);
    device = one_thread();
    bnn_model_set_threads(1); /* OpenMP's own memory is not ours to fail */
}

static void tear_down(void) {
    free(pixels);
    unlink(checkpoint);
    unlink(packed);
    unlink(written);
    rmdir(folder);
}

static float logits[2 * FIXTURE_CLASSES];

/* A batch of one and one of two: the network is planned twice. */
static int load_and_run(const char *path, char *error) {
    bnn_model *model = bnn_model_load(path, error);
    int code = model ? bnn_model_run_pixels(model, 2, pixels, logits, error) : 1;
    code = code ? code : bnn_model_run_pixels(model, 1, pixels, logits, error);
    bnn_model_free(model);
    return code;
}

static int run_checkpoint(char *error) {
    return load_and_run(checkpoint, error);
}

static int run_packed(char *error) {
    return load_and_run(packed, error);
}

static int report(const bnn_error *err, char *error) {
    snprintf(error, BNN_ERROR_BYTES, "%s", err->text);
    return err->code != BNN_OK;
}

/* With its floats as halves, which are memory, too. */
static int export_as(const bnn_export_format *format, char *error) {
    const bnn_export_request how = {.float16 = 1};
    bnn_error err = {0};
    bnn_loaded model = {0};
    bnn_export_report done;
    if (bnn_loaded_open(checkpoint, &device, &model, &err) == BNN_OK) {
        bnn_export_model(&model, format, &how, written, &done, &err);
    }
    bnn_loaded_close(&model);
    return report(&err, error);
}

static int pack(char *error) {
    return export_as(&bnn_export_packed, error);
}

static int export_lce(char *error) {
    return export_as(&bnn_export_lce, error);
}

/* A step of training, a checkpoint, and all of that read back. */
static bnn_code train(bnn_params *params, bnn_net *net, bnn_optimizer *optimizer, bnn_error *err) {
    static float x[2 * FIXTURE_PIXELS];
    static const int32_t label[2] = {1, 2};
    bnn_st_file *file;
    bnn_code code;
    bnn_spec spec = {.height = FIXTURE_SIDE,
                     .width = FIXTURE_SIDE,
                     .channels = 3,
                     .classes = FIXTURE_CLASSES,
                     .std = {1, 1, 1}};
    if ((code = bnn_spec_find(&spec, "resnet20", "recu", err)) ||
        (code = bnn_net_build(&spec, &device, params, 2, 1, net, err)) ||
        (code = bnn_params_allocate(params, err)) ||
        (code = bnn_graph_bind(net->graph, NULL, err)) ||
        (code = bnn_optimizer_init(optimizer, bnn_optimizer_find("adam"), &device,
                                   params->value_count, err))) {
        return code;
    }
    bnn_params_initialize(params, 1);
    bnn_apply_schedule(spec.binarizer, params, 0, 10);
    bnn_graph_set(net->graph, net->input[0], x);
    bnn_graph_set(net->graph, net->input[1], label);
    bnn_graph_forward(net->graph);
    bnn_graph_backward(net->graph);
    bnn_optimizer_step(optimizer, params->values, params->grads);
    if ((code = bnn_checkpoint_save(written, &spec, params, NULL, optimizer, NULL, 0, err)) ||
        (code = bnn_st_open(written, &file, err))) {
        return code;
    }
    bnn_weights weights;
    if (!(code = bnn_weights_open(written, file, params, &weights, err)) &&
        !(code = bnn_weights_read_params(&weights, params, err))) {
        code = bnn_checkpoint_read_optimizer(&weights, params, optimizer, err);
    }
    bnn_st_close(file);
    return code;
}

static int train_and_save(char *error) {
    bnn_error err = {0};
    bnn_net net = {0};
    bnn_optimizer optimizer = {0};
    bnn_params *params = bnn_params_create();
    if (!params) {
        bnn_fail(&err, BNN_ERR_MEMORY, "out of memory for the parameters");
    } else {
        train(params, &net, &optimizer, &err);
    }
    bnn_optimizer_free(&optimizer);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return report(&err, error);
}

/* A file of PyTorch's, in the format before its archives, with a tensor out of order; as a list of
 * one file. */
static int open_torch(char *error) {
    static const char bytes[] =
        "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}."
        "\x80\2}U\1wctorch._utils\n_rebuild_tensor\n((U\7storagectorch\nFloatStorage\nU\1"
        "0U\3cpuK\4NtQK\0K\2K\2\x86K\1K\2\x86tRs.\x80\2](U\1"
        "0e.\4\0\0\0\0\0\0\0....----++++====";
    bnn_error err = {0};
    bnn_st_file *file = NULL, *list = NULL;
    if (bnn_torch_parse("m.pt", bytes, sizeof bytes - 1, &file, &err) == BNN_OK &&
        bnn_st_join("m.pt", &file, 1, NULL, &list, &err) == BNN_OK) {
        memcpy(logits, bnn_st_find(list, "w")->data, 4 * sizeof *logits);
    }
    bnn_st_close(list);
    return report(&err, error);
}

/* Of those that call often and take long not every call, unless BNN_TEST_ALL is set. */
static const struct {
    int (*work)(char *error);
    long step;
} works[] = {{run_checkpoint, 1}, {run_packed, 1},      {pack, 3},
             {export_lce, 7},     {train_and_save, 41}, {open_torch, 1}};

/* What a work that succeeded has come to: logits, and the bytes written. */
static uint64_t result(void) {
    uint64_t hash = 0xcbf29ce484222325u;
    FILE *file = fopen(written, "rb");
    for (int c = file ? getc(file) : EOF; c != EOF; c = getc(file)) {
        hash = (hash ^ (unsigned char)c) * 0x100000001b3u;
    }
    if (file) {
        fclose(file);
    }
    for (size_t i = 0; i < sizeof logits; i++) {
        hash = (hash ^ ((const unsigned char *)logits)[i]) * 0x100000001b3u;
    }
    return hash;
}

START_TEST(each_call_fails) {
    char error[BNN_ERROR_BYTES];
    ck_assert_msg(works[_i].work(error) == 0, "%s", error);
    const uint64_t right = result();
    const long step = getenv("BNN_TEST_ALL") ? 1 : works[_i].step;
    long n = 1, failures = 0, rounds = 0;
    int struck, failed;
    do {
        long before = alive;
        error[0] = '\0';
        calls = 0;
        failing = n;
        failed = works[_i].work(error);
        failing = 0; /* Check allocates, too */
        struck = calls >= n;
        failures += failed;
        ck_assert_msg(alive == before, "call %ld: %ld blocks leak (%s)", n, alive - before, error);
        ck_assert_msg(!failed || (error[0] && !strchr(error, '\n')), "call %ld: no error", n);
        ck_assert_msg(failed || result() == right, "call %ld: another result", n);
        rounds++;
        n += step;
    } while (struck);
    ck_assert_msg(!failed, "without a failure: %s", error);
    ck_assert_int_gt(failures, rounds / 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, each_call_fails, 0, sizeof works / sizeof *works);
    tcase_set_timeout(tcase, 800);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

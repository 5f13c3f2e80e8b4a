/* models/files/weights_file.h: weights in a folder, in one file or several, under old names and
 * without the trunk of their names, are the same weights. */
#include <string.h>

#include "models/files/weights.h"
#include "models/files/weights_file.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"

/* A little BERT: most names begin with "bert.". */
static const char *const names[] = {"bert.embeddings.word_embeddings.weight",
                                    "bert.embeddings.LayerNorm.weight",
                                    "bert.embeddings.LayerNorm.bias",
                                    "bert.encoder.layer.0.output.dense.weight",
                                    "bert.encoder.layer.0.output.LayerNorm.weight",
                                    "bert.encoder.layer.0.output.LayerNorm.bias",
                                    "bert.pooler.dense.weight",
                                    "classifier.weight"};
enum { NAMES = sizeof names / sizeof names[0], SIZE = 2 };

static bnn_params *make_params(const char *const *list, size_t count) {
    bnn_params *params = bnn_params_create();
    bnn_error err = {0};
    for (size_t i = 0; i < count; i++) {
        const bnn_param p = {.name = list[i],
                             .ndim = 1,
                             .shape = {SIZE},
                             .outer = 1,
                             .channels = SIZE,
                             .space = 1,
                             .inner = 1,
                             .memory = {1, 1, 1, SIZE},
                             .trainable = 1};
        ck_assert_msg(bnn_params_register(params, &p, &err) != NULL, "%s", err.text);
    }
    return params;
}

static bnn_params *params_of_bert(void) {
    return make_params(names, NAMES);
}

static float value_of(size_t name, int item) {
    return (float)(10 * (int)name + item);
}

/* Each name as it is called in the file, "" for what it lacks; from and up to but not `end`. */
static void write_tensors(const char *file, const char *const *called, size_t from, size_t end) {
    static float values[NAMES][SIZE];
    static const int64_t shape[] = {SIZE};
    bnn_error err = {0};
    bnn_st_writer *writer = bnn_st_writer_create();
    for (size_t i = from; i < end; i++) {
        values[i][0] = value_of(i, 0);
        values[i][1] = value_of(i, 1);
        bnn_code code =
            *called[i] ? bnn_st_add_tensor(writer, called[i], BNN_ST_F32, 1, shape, values[i], &err)
                       : BNN_OK;
        ck_assert_msg(code == BNN_OK, "%s", err.text);
    }
    ck_assert_msg(bnn_st_add_metadata(writer, "arch", "bert", &err) == BNN_OK, "%s", err.text);
    ck_assert_msg(bnn_st_write(writer, in_folder(file), &err) == BNN_OK, "%s", err.text);
    bnn_st_writer_free(writer);
}

static bnn_st_file *open_weights(const char *path) {
    bnn_error err = {0};
    bnn_st_file *file;
    ck_assert_msg(bnn_weights_file_open(path, &file, &err) == BNN_OK, "%s", err.text);
    return file;
}

/* All are found but those that are missing, with their values, and each tensor is a parameter's. */
static void expect_values(const char *path, const char *prefix, const char *lacks, size_t missing) {
    bnn_error err = {0};
    bnn_weights w;
    bnn_st_file *file = open_weights(path);
    bnn_params *params = params_of_bert();
    ck_assert_int_eq(bnn_weights_open(path, file, params, &w, &err), BNN_OK);
    ck_assert_str_eq(w.prefix, prefix);
    ck_assert_str_eq(w.lacks, lacks);
    size_t found = 0;
    for (size_t i = 0; i < NAMES; i++) {
        char why[BNN_WHY_BYTES];
        float values[SIZE];
        const bnn_param *p = bnn_params_find(params, names[i]);
        if (bnn_weights_find(&w, names[i], p, why)) {
            ck_assert_int_eq(bnn_weights_read(&w, names[i], p, values, &err), BNN_OK);
            ck_assert(values[0] == value_of(i, 0) && values[1] == value_of(i, 1));
            found++;
        }
    }
    ck_assert_uint_eq(found, NAMES - missing);
    ck_assert_uint_eq(bnn_st_count(file), found);
    for (size_t i = 0; i < found; i++) {
        ck_assert_ptr_nonnull(bnn_weights_param(&w, params, bnn_st_at(file, i)->name));
    }
    ck_assert_ptr_null(bnn_weights_param(&w, params, "bert.pooler"));
    bnn_params_free(params);
    bnn_st_close(file);
}

/* ---- names ---- */

static const struct {
    const char *called[NAMES];
    const char *prefix, *lacks;
    size_t missing;
} forms[] = {
    {{"bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight",
      "bert.embeddings.LayerNorm.bias", "bert.encoder.layer.0.output.dense.weight",
      "bert.encoder.layer.0.output.LayerNorm.weight", "bert.encoder.layer.0.output.LayerNorm.bias",
      "bert.pooler.dense.weight", "classifier.weight"},
     "",
     "",
     0},
    /* Old names, no head: a tie of all names, and of all but the trunk. */
    {{"bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.gamma",
      "bert.embeddings.LayerNorm.beta", "bert.encoder.layer.0.output.dense.weight",
      "bert.encoder.layer.0.output.LayerNorm.gamma", "bert.encoder.layer.0.output.LayerNorm.beta",
      "bert.pooler.dense.weight", ""},
     "",
     "",
     1},
    /* BertModel's own. */
    {{"embeddings.word_embeddings.weight", "embeddings.LayerNorm.gamma",
      "embeddings.LayerNorm.beta", "encoder.layer.0.output.dense.weight",
      "encoder.layer.0.output.LayerNorm.weight", "encoder.layer.0.output.LayerNorm.bias",
      "pooler.dense.weight", ""},
     "",
     "bert.",
     1},
    /* The same with a head beside it, in a wrapper. */
    {{"module.embeddings.word_embeddings.weight", "module.embeddings.LayerNorm.weight",
      "module.embeddings.LayerNorm.bias", "module.encoder.layer.0.output.dense.weight",
      "module.encoder.layer.0.output.LayerNorm.weight",
      "module.encoder.layer.0.output.LayerNorm.bias", "module.pooler.dense.weight",
      "module.classifier.weight"},
     "module.",
     "bert.",
     0},
    {{"model.bert.embeddings.word_embeddings.weight", "model.bert.embeddings.LayerNorm.weight",
      "model.bert.embeddings.LayerNorm.bias", "", "", "", "", "model.classifier.weight"},
     "model.",
     "",
     4},
    /* Another trunk. */
    {{"roberta.embeddings.word_embeddings.weight", "roberta.embeddings.LayerNorm.weight",
      "roberta.embeddings.LayerNorm.bias", "", "", "", "roberta.pooler.dense.weight", ""},
     "roberta.",
     "bert.",
     4},
};

START_TEST(names_of_others) {
    write_tensors("m", forms[_i].called, 0, NAMES);
    expect_values(in_folder("m"), forms[_i].prefix, forms[_i].lacks, forms[_i].missing);
}
END_TEST

/* Where most names have no part in common, nothing may be left out. */
START_TEST(no_trunk) {
    static const char *const list[] = {"a.w", "b.w", "a.v", "c.w"};
    static const char *const called[] = {"w", "w.v", "v", "c.x"};
    bnn_error err = {0};
    bnn_weights w;
    bnn_params *params = make_params(list, 4);
    write_tensors("m", called, 0, 4);
    bnn_st_file *file = open_weights(in_folder("m"));
    ck_assert_int_eq(bnn_weights_open("m", file, params, &w, &err), BNN_OK);
    ck_assert_str_eq(w.prefix, "");
    ck_assert_str_eq(w.lacks, "");
    bnn_st_close(file);
    bnn_params_free(params);
}
END_TEST

/* Both names stand in the file: each is itself. */
START_TEST(old_and_new) {
    static const char *const called[] = {"LayerNorm.weight", "LayerNorm.gamma", "x.LayerNorm.beta"};
    write_tensors("m", called, 0, 3);
    bnn_st_file *file = open_weights(in_folder("m"));
    ck_assert_ptr_nonnull(bnn_st_find(file, "LayerNorm.weight"));
    ck_assert_ptr_nonnull(bnn_st_find(file, "LayerNorm.gamma"));
    ck_assert_ptr_nonnull(bnn_st_find(file, "x.LayerNorm.bias"));
    ck_assert_str_eq(bnn_st_metadata(file, "arch"),
                     "bert"); /* what a file says, it goes on saying */
    ck_assert_uint_gt(bnn_st_bytes(file), 24);
    bnn_st_close(file);
}
END_TEST

/* ---- folders ---- */

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

START_TEST(folders) {
    ck_assert(!bnn_weights_folder_is(folder));
    ck_assert(!bnn_weights_folder_is("/nowhere"));
    write_tensors("model.safetensors", names, 0, NAMES);
    ck_assert(bnn_weights_folder_is(folder));
    ck_assert(!bnn_weights_folder_is(in_folder("model.safetensors")));
    expect_values(folder, "", "", 0);
    write_text("pytorch_model.bin", "it comes second");
    expect_values(folder, "", "", 0);
}
END_TEST

#define MAP(a, b)                                                                                  \
    "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"x\": \"" a "\", \"y\": \"" b           \
    "\", \"z\": \"" a "\"}}"

START_TEST(several_files) {
    write_tensors("b", names, 0, 3);
    write_tensors("a", names, 3, NAMES);
    write_text("model.safetensors.index.json", MAP("b", "a"));
    expect_values(folder, "", "", 0);
}
END_TEST

static const struct {
    const char *index, *what;
    bnn_code code;
} bad_indices[] = {
    {MAP("a", "nowhere"), "/nowhere: cannot open", BNN_ERR_IO},
    {MAP("a", "b"), "two tensors of one name", BNN_ERR_FORMAT},
    {MAP("a", "text"), "not a safetensors file", BNN_ERR_FORMAT},
    {MAP("a", "../a"), "tensor \"y\" is said to lie in what is no file of the same folder",
     BNN_ERR_FORMAT},
    {MAP("..", "a"), "no file of the same folder", BNN_ERR_FORMAT},
    {MAP("a", ""), "no file of the same folder", BNN_ERR_FORMAT},
    {"{\"weight_map\": {\"x\": 1}}", "no file of the same folder", BNN_ERR_FORMAT},
    {"{\"weight_map\": {}}", "has no \"weight_map\"", BNN_ERR_FORMAT},
    {"{\"weight_map\": [\"a\"]}", "has no \"weight_map\"", BNN_ERR_FORMAT},
    {"[]", "has no \"weight_map\"", BNN_ERR_FORMAT},
    {"{", "index.json: is not usable JSON in line 1", BNN_ERR_FORMAT},
    {"", "index.json: is not usable JSON", BNN_ERR_FORMAT},
};

START_TEST(bad_index) {
    bnn_error err = {0};
    bnn_st_file *file;
    write_tensors("a", names, 0, 3);
    write_tensors("b", names, 2, NAMES);
    write_text("text", "This is a text, and no model at all; it is long enough to be one.");
    write_text("pytorch_model.bin.index.json", bad_indices[_i].index);
    expect_error(bnn_weights_file_open(folder, &file, &err), bad_indices[_i].code, &err,
                 bad_indices[_i].what, folder, NULL);
    ck_assert_ptr_null(file);
}
END_TEST

START_TEST(too_many_files) {
    static char text[32768];
    bnn_error err = {0};
    bnn_st_file *file;
    size_t at = (size_t)sprintf(text, "{\"weight_map\": {");
    for (int i = 0; i <= 1000; i++) {
        at += (size_t)sprintf(text + at, "%s\"%d\": \"f%d\"", i ? "," : "", i, i);
    }
    sprintf(text + at, "}}");
    write_text("model.safetensors.index.json", text);
    expect_error(bnn_weights_file_open(folder, &file, &err), BNN_ERR_UNSUPPORTED, &err,
                 "lists more than 1000 files", NULL);
}
END_TEST

START_TEST(empty_folder) {
    bnn_error err = {0};
    bnn_st_file *file;
    expect_error(bnn_weights_file_open(folder, &file, &err), BNN_ERR_IO, &err, folder,
                 "a folder without model.safetensors, pytorch_model.bin", NULL);
    expect_error(bnn_weights_file_open("/nowhere", &file, &err), BNN_ERR_IO, &err, "/nowhere",
                 NULL);
}
END_TEST

#define LOOP(tests, name, table) tcase_add_loop_test(tests, name, 0, sizeof table / sizeof table[0])

int main(void) {
    Suite *suite = suite_create("weights_file");
    TCase *tests = tcase_create("weights_file");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    LOOP(tests, names_of_others, forms);
    tcase_add_test(tests, no_trunk);
    tcase_add_test(tests, old_and_new);
    tcase_add_test(tests, folders);
    tcase_add_test(tests, several_files);
    LOOP(tests, bad_index, bad_indices);
    tcase_add_test(tests, too_many_files);
    tcase_add_test(tests, empty_folder);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* Blocks of clouds as HDF5. Files that only the format's own library can write are the fuzz
 * target's.
 */
#include "data_loaders/clouds/clouds.h"
#include "engine/base/file.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/hdf5_fixture.h"

/* Each byte of it another: an answer, and nothing worse. Cut anywhere: an error. */
START_TEST(block_damaged) {
    const float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    unsigned char bytes[4096];
    bnn_cloud_block block;
    write_block("x.h5", 1, 4, data, (const unsigned char *)"\5");
    FILE *file = fopen(in_folder("x.h5"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t i = 0; i < size; i++) {
        bnn_error err = {0};
        ck_assert_int_ne(bnn_hdf5_parse("x", bytes, i, 40, &block, &err), BNN_OK);
        ck_assert(err.text[0] && !block.data && !block.label);
        for (int with = 1; with < 256; with = 2 * with + 1) {
            bytes[i] ^= (unsigned char)with;
            if (bnn_hdf5_parse("x", bytes, size, 40, &block, &err) == BNN_OK) {
                bnn_cloud_block_free(&block);
            }
            bytes[i] ^= (unsigned char)with;
        }
    }
    ck_assert_int_eq(bnn_hdf5_parse("x", bytes, size, 40, &block, NULL), BNN_OK);
    ck_assert_mem_eq(block.data, data, sizeof data);
    bnn_cloud_block_free(&block);
}
END_TEST

/* As the format's own library writes them (h5py): plain, in chunks, packed, within a header, after
 * other arrays and behind a tree of several levels. Values count up. */
START_TEST(block_forms) {
    static const char *const forms[] = {"plain",   "unpacked_chunks", "gzip",  "shuffled",
                                        "compact", "attributes",      "pieces"};
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        const int pieces = strcmp(forms[f], "pieces") == 0;
        char path[512];
        bnn_map map;
        bnn_cloud_block block;
        bnn_error err = {0};
        snprintf(path, sizeof path, "%s/hdf5/%s", BNN_CORPUS, forms[f]);
        ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
        bnn_code code = bnn_hdf5_parse(path, map.data, map.size, 40, &block, &err);
        ck_assert_msg(code == BNN_OK, "%s", err.text);
        ck_assert_uint_eq(block.clouds, pieces ? 150 : 2);
        ck_assert_uint_eq(block.points, pieces ? 1 : 4);
        for (size_t i = 0; i < 3 * block.clouds * block.points; i++) {
            ck_assert(block.data[i] == (float)i);
        }
        for (size_t i = 0; i < block.clouds; i++) {
            ck_assert_uint_eq(block.label[i], pieces ? i % 40 : i ? 39 : 3);
        }
        bnn_cloud_block_free(&block);
        bnn_map_close(&map);
    }
}
END_TEST

static const struct {
    const char *file, *says;
    bnn_code code;
} bad_blocks[] = {
    {"latest", "has a newer form of HDF5", BNN_ERR_UNSUPPORTED},
    {"lzf", "data is packed otherwise than by gzip", BNN_ERR_UNSUPPORTED},
    {"external", "data has no data within the file", BNN_ERR_FORMAT},
    {"soft_link", "data is not there", BNN_ERR_FORMAT},
    {"no_label", "label is not there", BNN_ERR_FORMAT},
    {"huge", "data is larger than the file could hold", BNN_ERR_FORMAT},
    {"holes", "data lacks some of its chunks", BNN_ERR_FORMAT},
    {"damaged", "data has a chunk that cannot be unpacked", BNN_ERR_FORMAT},
    {"wide_chunks", "data has chunks larger than itself", BNN_ERR_FORMAT},
    {"doubles", "data holds no floats of 32 bits", BNN_ERR_FORMAT},
    {"float_label", "label holds no whole numbers", BNN_ERR_FORMAT},
    {"labels_short", "label has not one label a shape", BNN_ERR_FORMAT},
    {"labels_wide", "label has not one label a shape", BNN_ERR_FORMAT},
    {"negative", "shape 0 has label 65533", BNN_ERR_FORMAT},
    {"four", "data is not [shapes, points, 3]", BNN_ERR_FORMAT},
    {"rank4", "data has another number of axes", BNN_ERR_FORMAT},
    {"no_clouds", "data is empty", BNN_ERR_FORMAT},
};

START_TEST(block_malformed) {
    char path[512];
    bnn_map map;
    bnn_cloud_block block;
    bnn_error err = {0};
    snprintf(path, sizeof path, "%s/hdf5/%s", BNN_CORPUS, bad_blocks[_i].file);
    ck_assert_int_eq(bnn_map_open(path, &map, &err), BNN_OK);
    bnn_code code = bnn_hdf5_parse("x.h5", map.data, map.size, 40, &block, &err);
    expect_error(code, bad_blocks[_i].code, &err, "x.h5: ", bad_blocks[_i].says, NULL);
    ck_assert(!block.data && !block.label);
    bnn_map_close(&map);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hdf5");
    TCase *tc = tcase_create("hdf5");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, block_damaged);
    tcase_add_test(tc, block_forms);
    tcase_add_loop_test(tc, block_malformed, 0, sizeof bad_blocks / sizeof bad_blocks[0]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

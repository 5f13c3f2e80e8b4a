/* FlexBuffer maps, byte by byte. */
#include <check.h>
#include <string.h>

#include "models/export/lce/flexbuffer.h"

static void check_map(int count, const bnn_flex_entry *entries, size_t text, const char *rest,
                      size_t rest_bytes) {
    bnn_arena *arena = bnn_arena_create();
    size_t bytes, at = 0;
    const unsigned char *map = bnn_flex_map(arena, count, entries, &bytes);
    ck_assert_ptr_nonnull(map);
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq((const char *)map + at, entries[i].key);
        at += strlen(entries[i].key) + 1;
    }
    ck_assert_uint_eq(at, text);
    ck_assert_uint_eq(bytes, text + rest_bytes);
    ck_assert_mem_eq(map + at, rest, rest_bytes);
    bnn_arena_free(arena);
}

/* Bytes that the engine reads right. */
START_TEST(flexbuffer) {
    static const bnn_flex_entry conv[] = {{"channels_in", 64},
                                          {"dilation_height_factor", 1},
                                          {"dilation_width_factor", 1},
                                          {"fused_activation_function", 0},
                                          {"pad_values", 1},
                                          {"padding", 0},
                                          {"stride_height", 1},
                                          {"stride_width", 1}};
    static const bnn_flex_entry pool[] = {{"filter_height", 2},
                                          {"filter_width", 2},
                                          {"padding", 1},
                                          {"stride_height", 2},
                                          {"stride_width", 2}};
    check_map(8, conv, 129,
              "\x08\x82\x77\x61\x4c\x33\x29\x22\x15\0\0\x0a\0\0\0\x01\0\0\0\x08\0\0\0"
              "\x40\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0"
              "\6\6\6\6\6\6\6\6\x28\x26\x01",
              66);
    check_map(5, pool, 62,
              "\x05\x3f\x32\x26\x1f\x12\x05\0\0\0\x01\0\0\0\x05\0\0\0"
              "\x02\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\x02\0\0\0\6\6\6\6\6\x19\x26\x01",
              46);
}
END_TEST

START_TEST(flexbuffer_limits) {
    static const bnn_flex_entry wide[] = {{"a", INT32_MIN}, {"b", 128}};
    char key[300];
    bnn_arena *arena = bnn_arena_create();
    size_t bytes;
    const unsigned char *map = bnn_flex_map(arena, 2, wide, &bytes);
    ck_assert_mem_eq(map + 20, "\0\0\0\x80\x80\0\0\0", 8);
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    ck_assert_ptr_null(bnn_flex_map(arena, 1, &(bnn_flex_entry){key, 1}, &bytes));
    bnn_arena_free(arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("flexbuffer");
    TCase *tcase = tcase_create("flexbuffer");
    tcase_add_test(tcase, flexbuffer);
    tcase_add_test(tcase, flexbuffer_limits);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

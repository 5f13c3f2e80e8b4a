/* Which recipe a network gets on its data, where rows of several kinds fit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "data_loaders/dataset.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "tools/train/recipes.h"

static const struct {
    const char *data, *arch;
    int binary;
    const char *optimizer;
    double lr;
} expected[] = {
    {"speech_commands", "fsmn", 1, "adam", 1e-3}, /* diverges with sgd */
    {"speech_commands", "fsmn", 0, "sgd", 1e-3},
    {"speech_commands", "deep_fsmn", 1, "sgd", 5e-3},
    {"speech_commands", "deep_fsmn", 0, "sgd", 1e-3},
    {"cifar10", "resnet18", 1, "adam", 1e-3},
    {"mnist", "vgg_small", 0, "adam", 1e-3},
};

START_TEST(row) {
    const bnn_recipe *r =
        bnn_recipe_find(expected[_i].data, expected[_i].arch, expected[_i].binary);
    ck_assert_str_eq(r->optimizer, expected[_i].optimizer);
    ck_assert(r->lr == expected[_i].lr);
}
END_TEST

/* Every recipe names what there is. */
START_TEST(every_data_set) {
    for (size_t i = 0; bnn_datasets[i]; i++) {
        for (int binary = 0; binary < 2; binary++) {
            const bnn_recipe *r = bnn_recipe_find(bnn_datasets[i]->name, "fsmn", binary);
            ck_assert_ptr_nonnull(bnn_optimizer_find(r->optimizer));
            ck_assert_int_ge(bnn_name_find(bnn_lr_schedule_names, r->scheduler), 0);
            ck_assert(r->epochs > 0 && r->batch_size > 0 && r->lr > 0.0);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recipes");
    TCase *tcase = tcase_create("recipes");
    tcase_add_loop_test(tcase, row, 0, sizeof expected / sizeof *expected);
    tcase_add_test(tcase, every_data_set);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

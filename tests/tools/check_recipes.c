/* Which recipe a network gets on its data, where rows of several kinds fit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "data_loaders/dataset.h"
#include "models/model.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "tools/train/recipes.h"

static const struct {
    const char *data, *arch, *algo, *optimizer;
    double lr;
    int batch_size;
    const char *milestones;
} expected[] = {
    {"speech_commands", "fsmn", "bnn", "adam", 1e-3, 96, NULL}, /* diverges with sgd */
    {"speech_commands", "fsmn", "fp32", "sgd", 1e-3, 96, NULL},
    {"speech_commands", "deep_fsmn", "recu", "sgd", 5e-3, 96, NULL},
    {"speech_commands", "deep_fsmn", "fp32", "sgd", 1e-3, 96, NULL},
    {"cifar10", "resnet18", "bnn", "adam", 1e-3, 128, NULL},
    {"cifar10", "resnet18", "fp32", "sgd", 0.1, 128, NULL},
    {"mnist", "vgg_small", "fp32", "adam", 1e-3, 128, NULL},
    {"voc", "ssd300_vgg16", "fda", "adam", 1e-4, 8, NULL},
    {"voc", "ssd300_vgg16", "recu", "adam", 1e-4, 32, NULL},
    {"voc", "faster_rcnn_resnet18", "fda", "adam", 1e-4, 2, NULL},
    {"voc", "faster_rcnn_resnet18", "fp32", "sgd", 0.01, 2, "20"},
    {"coco", "ssd300_vgg16", "fp32", "sgd", 0.02, 8, "16,22"},
};

START_TEST(row) {
    const bnn_recipe *r = bnn_recipe_find(expected[_i].data, expected[_i].arch, expected[_i].algo);
    ck_assert_str_eq(r->optimizer, expected[_i].optimizer);
    ck_assert(r->lr == expected[_i].lr && r->batch_size == expected[_i].batch_size);
    ck_assert_pstr_eq(r->milestones, expected[_i].milestones);
    ck_assert_int_eq(r->milestones != NULL, strcmp(r->scheduler, "step") == 0);
}
END_TEST

/* Every recipe names what there is. */
START_TEST(every_data_set) {
    for (size_t i = 0; bnn_datasets[i]; i++) {
        static const char *const algos[] = {BNN_FLOAT_ALGORITHM, "bnn", "fda"};
        for (size_t k = 0; k < sizeof algos / sizeof *algos; k++) {
            const bnn_recipe *r = bnn_recipe_find(bnn_datasets[i]->name, "fsmn", algos[k]);
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

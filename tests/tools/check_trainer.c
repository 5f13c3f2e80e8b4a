/* What a step of training moves, and how far: modules that are frozen stay as they are and change
 * nothing for the others, and no tensor's gradient is longer than it may be. And what the network
 * is where the steps are averaged. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/files/loaded.h"
#include "tests/fixtures/made_up.h"
#include "tools/train/trainer.h"

enum { BATCH = 4, SIDE = 16 };

static char folder[] = "/tmp/bnn-check-trainer-XXXXXX";

static bnn_device device;
static double ema; /* of what is trained from now on */

static bnn_spec spec_of(const char *algorithm) {
    return made_up_spec("deep_fsmn", algorithm, SIDE, SIDE, 1);
}

/* `steps` of one batch each; what they came to, in `model`. */
static bnn_code train(const char *algorithm, const char *freeze, double clip_norm,
                      double clip_grad_norm, size_t steps, bnn_loaded *model, bnn_error *err) {
    char path[80];
    bnn_train_result result;
    made_up train_set, test_set;
    bnn_train_settings set = {.spec = spec_of(algorithm),
                              .device = device,
                              .optimizer = bnn_optimizer_find("sgd"),
                              .weight_decay = freeze ? 0.01 : 0.0,
                              .schedule = {.kind = BNN_LR_CONSTANT, .lr = 0.1, .epochs = 1},
                              .batch_size = BATCH,
                              .accumulate = 1,
                              .seed = 1,
                              .freeze = freeze,
                              .ema = ema,
                              .clip_norm = clip_norm,
                              .clip_grad_norm = clip_grad_norm,
                              .args = "{}",
                              .config = "{}",
                              .output = folder,
                              .overwrite = 1};
    make_up(&train_set, &set.spec, steps * BATCH);
    make_up(&test_set, &set.spec, 1);
    set.train = &train_set.dataset;
    set.test = &test_set.dataset;
    bnn_code code = bnn_train(&set, &result, err);
    snprintf(path, sizeof path, "%s/last.safetensors", folder);
    return code == BNN_OK && model ? bnn_loaded_open(path, &device, model, err) : code;
}

static bnn_loaded trained(const char *algorithm, const char *freeze, double clip_norm,
                          size_t steps) {
    bnn_loaded model;
    bnn_error err = {0};
    ck_assert_msg(train(algorithm, freeze, clip_norm, 0.0, steps, &model, &err) == BNN_OK, "%s: %s",
                  algorithm, err.text);
    return model;
}

/* As they are before the first step. */
static bnn_params *initial(const char *algorithm) {
    bnn_error err = {0};
    bnn_net net;
    bnn_spec spec = spec_of(algorithm);
    bnn_params *params = bnn_params_create();
    ck_assert(bnn_net_build(&spec, &device, params, 1, 0, &net, &err) == BNN_OK);
    ck_assert(bnn_params_allocate(params, &err) == BNN_OK);
    bnn_params_initialize(params, 1);
    bnn_graph_free(net.graph);
    return params;
}

static const float *values(const bnn_params *params, const bnn_param *like) {
    const bnn_param *param = bnn_params_find(params, like->name);
    ck_assert_ptr_nonnull(param);
    return bnn_param_data(params, param);
}

static int same(const bnn_params *a, const bnn_params *b, const bnn_param *param) {
    return memcmp(values(a, param), values(b, param), param->count * sizeof(float)) == 0;
}

static int begins(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

static const char *const algorithms[] = {"fp32", "bnn", "xnorpp", "reactnet", "recu"};

/* backbone.1 is not backbone.10, nor is fc1 a part of a module "fc". */
START_TEST(still_modules) {
    const char *algorithm = algorithms[_i];
    bnn_params *before = initial(algorithm);
    bnn_loaded free_run = trained(algorithm, "backbone.7.memory.1", 0.0, 1);
    bnn_loaded frozen_run =
        trained(algorithm, "front_end,backbone.1,fc.weight,backbone.7.memory.1", 0.0, 1);
    size_t still = 0, moved = 0;
    for (size_t i = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        int is_still = begins(p->name, "front_end.") || begins(p->name, "backbone.1.") ||
                       strcmp(p->name, "fc.weight") == 0 || begins(p->name, "backbone.7.memory.1.");
        if (!p->trainable) {
            continue;
        }
        ck_assert_msg(!is_still || same(frozen_run.params, before, p), "%s %s has moved", algorithm,
                      p->name);
        /* After one step the others are where they would be anyway. */
        ck_assert_msg(is_still || same(frozen_run.params, free_run.params, p), "%s %s differs",
                      algorithm, p->name);
        still += is_still;
        moved += !is_still && !same(frozen_run.params, before, p);
    }
    ck_assert_uint_ge(still, 10);
    ck_assert_uint_ge(moved, 20);
    bnn_loaded_close(&free_run);
    bnn_loaded_close(&frozen_run);
    bnn_params_free(before);
}
END_TEST

/* Every second parameter, and then the others: whatever an op's other inputs want. */
START_TEST(still_parameters) {
    const char *algorithm = algorithms[_i / 2];
    bnn_params *before = initial(algorithm);
    char *names = calloc(before->count, 64);
    ck_assert_ptr_nonnull(names);
    for (size_t i = 0, at = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        if (p->trainable && i % 2 == (size_t)_i % 2) {
            at += (size_t)sprintf(names + at, "%s%.60s", at ? "," : "", p->name);
        }
    }
    bnn_loaded free_run = trained(algorithm, "front_end.0.bias", 0.0, 1);
    bnn_loaded frozen_run = trained(algorithm, names, 0.0, 1);
    for (size_t i = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        int is_still = i % 2 == (size_t)_i % 2 || strcmp(p->name, "front_end.0.bias") == 0;
        ck_assert_msg(!p->trainable ||
                          same(frozen_run.params, is_still ? before : free_run.params, p) ||
                          strcmp(p->name, "front_end.0.bias") == 0,
                      "%s %s", algorithm, p->name);
    }
    free(names);
    bnn_loaded_close(&free_run);
    bnn_loaded_close(&frozen_run);
    bnn_params_free(before);
}
END_TEST

START_TEST(frozen_wrongly) {
    static const struct {
        const char *freeze, *says;
    } bad[] = {{"backbone.1,layer1", "no parameters lie in a module 'layer1'"},
               {"back", "no parameters lie in a module 'back'"},
               {"front_end,,fc", "no parameters lie in a module ''"},
               {"front_end,", "no parameters lie in a module ''"},
               {"", "no parameters lie in a module ''"},
               {"front_end,fc1,backbone,fc", "nothing is left to train"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bnn_error err = {0};
        ck_assert_int_eq(train("bnn", bad[i].freeze, 0.0, 0.0, 1, NULL, &err), BNN_ERR_ARGUMENT);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "'%s' says: %s", bad[i].freeze,
                      err.text);
    }
}
END_TEST

static double distance(const bnn_params *a, const bnn_params *b, const bnn_param *param) {
    const float *x = values(a, param), *y = values(b, param);
    double sum = 0.0;
    for (size_t i = 0; i < param->count; i++) {
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return sqrt(sum);
}

/* A step of plain sgd is lr times the gradient. */
START_TEST(short_steps) {
    const char *algorithm = algorithms[_i];
    const double lr = 0.1, most = 0.05;
    bnn_params *before = initial(algorithm);
    bnn_loaded plain = trained(algorithm, NULL, 0.0, 1), wide = trained(algorithm, NULL, 1e6, 1),
               tight = trained(algorithm, NULL, most, 1);
    size_t longer = 0, shorter = 0;
    for (size_t i = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        if (!p->trainable) {
            continue;
        }
        double gradient = distance(plain.params, before, p) / lr;
        double clipped = distance(tight.params, before, p) / lr;
        double rounding = 1e-6 * sqrt((double)p->count) + 1e-3 * most;
        ck_assert_msg(same(plain.params, wide.params, p), "%s %s", algorithm, p->name);
        ck_assert_msg(fabs(clipped - fmin(gradient, most)) <= rounding, "%s %s: %g of %g",
                      algorithm, p->name, clipped, gradient);
        longer += gradient > most;
        shorter += gradient < most;
    }
    ck_assert_uint_ge(longer, 3);
    ck_assert_uint_ge(shorter, 3);
    bnn_loaded_close(&plain);
    bnn_loaded_close(&wide);
    bnn_loaded_close(&tight);
    bnn_params_free(before);
}
END_TEST

/* Together the gradients are no longer than they may be, and keep their direction. */
START_TEST(short_together) {
    const char *algorithm = algorithms[_i];
    const double lr = 0.1, most = 0.05, limits[] = {0.0, 1e6, most};
    bnn_error err = {0};
    bnn_loaded model[3], still;
    double squares[3] = {0};
    bnn_params *before = initial(algorithm);
    for (int k = 0; k < 3; k++) {
        ck_assert_msg(train(algorithm, NULL, 0.0, limits[k], 1, &model[k], &err) == BNN_OK, "%s",
                      err.text);
        for (size_t i = 0; i < before->count; i++) {
            const bnn_param *p = before->list[i];
            const double d = p->trainable ? distance(model[k].params, before, p) / lr : 0.0;
            squares[k] += d * d;
        }
    }
    const double all = sqrt(squares[0]);
    ck_assert_double_gt(all, 2.0 * most);
    ck_assert_double_eq_tol(sqrt(squares[2]), most, 1e-3 * most);
    for (size_t i = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        if (p->trainable) {
            const double wanted = distance(model[0].params, before, p) * most / all;
            ck_assert_msg(same(model[0].params, model[1].params, p), "%s %s", algorithm, p->name);
            ck_assert_double_eq_tol(distance(model[2].params, before, p), wanted,
                                    1e-7 * sqrt((double)p->count) + 1e-2 * wanted);
        }
    }
    /* What is frozen has no part in it. */
    ck_assert(train(algorithm, "front_end", 0.0, most, 1, &still, &err) == BNN_OK);
    for (size_t i = 0; i < before->count; i++) {
        const bnn_param *p = before->list[i];
        ck_assert(!begins(p->name, "front_end.") || !p->trainable || same(still.params, before, p));
    }
    bnn_loaded_close(&still);
    for (int k = 0; k < 3; k++) {
        bnn_loaded_close(&model[k]);
    }
    bnn_params_free(before);
}
END_TEST

static bnn_loaded averaged(const char *algorithm, double decay, size_t steps) {
    ema = decay;
    bnn_loaded model = trained(algorithm, NULL, 0.0, steps);
    ema = 0.0;
    return model;
}

/* After one step the average is what that step came to, w1; after two, decay w1 + (1 - decay) w2,
 * of parameters and of what batch norms have seen. */
START_TEST(average) {
    const char *algorithm = algorithms[_i];
    bnn_loaded one = trained(algorithm, NULL, 0.0, 1), two = trained(algorithm, NULL, 0.0, 2);
    bnn_loaded first = averaged(algorithm, 0.75, 1);
    bnn_loaded half = averaged(algorithm, 0.5, 2), quarter = averaged(algorithm, 0.25, 2);
    size_t apart = 0;
    for (size_t i = 0; i < one.params->count; i++) {
        const bnn_param *p = one.params->list[i];
        const float *w = values(two.params, p);
        const float *a = values(half.params, p), *b = values(quarter.params, p);
        ck_assert_msg(same(first.params, one.params, p), "%s %s", algorithm, p->name);
        for (size_t k = 0; k < p->count; k++) {
            /* Both lie on the line from w2 to w1, the one twice as far. */
            double far = (double)a[k] - (double)w[k], near = (double)b[k] - (double)w[k];
            ck_assert_msg(fabs(far - 2.0 * near) <= 1e-6 * (1.0 + fabs((double)w[k])),
                          "%s %s: %g and %g from %g", algorithm, p->name, far, near, (double)w[k]);
            apart += fabs(near) > 1e-4;
        }
    }
    ck_assert_uint_ge(apart, 100);
    bnn_loaded_close(&one);
    bnn_loaded_close(&two);
    bnn_loaded_close(&first);
    bnn_loaded_close(&half);
    bnn_loaded_close(&quarter);
}
END_TEST

/* What a network is trained on beside its task is no part of the loss that is told. */
START_TEST(told_loss) {
    char path[80], line[200];
    bnn_error err = {0};
    bnn_train_result result;
    made_up samples;
    bnn_net net;
    float x[BATCH * 24 * 6], task_loss, loss;
    int32_t part[BATCH * 24];
    double told = 0.0;
    bnn_train_settings set = {.spec = made_up_spec("pointnet_partseg", "fp32", 1, 24, 6),
                              .device = device,
                              .optimizer = bnn_optimizer_find("sgd"),
                              .schedule = {.kind = BNN_LR_CONSTANT, .lr = 0.1, .epochs = 1},
                              .batch_size = BATCH,
                              .accumulate = 1,
                              .seed = 1,
                              .args = "{}",
                              .config = "{}",
                              .output = folder,
                              .overwrite = 1};
    make_up(&samples, &set.spec, BATCH);
    set.train = set.test = &samples.dataset;
    ck_assert_msg(bnn_train(&set, &result, &err) == BNN_OK, "%s", err.text);
    snprintf(path, sizeof path, "%s/metrics.csv", folder);
    FILE *file = fopen(path, "r");
    ck_assert(file && fgets(line, sizeof line, file) &&
              strstr(line, "epoch,lr,train_loss,") == line);
    ck_assert_int_eq(fscanf(file, "%*d,%*f,%lf", &told), 1);
    fclose(file);

    bnn_params *params = bnn_params_create();
    ck_assert(bnn_net_build(&set.spec, &device, params, BATCH, 1, &net, &err) == BNN_OK);
    ck_assert(bnn_params_allocate(params, &err) == BNN_OK);
    bnn_params_initialize(params, 1);
    ck_assert(bnn_graph_bind(net.graph, NULL, &err) == BNN_OK);
    for (size_t i = 0; i < BATCH; i++) {
        make_sample(&samples.dataset, i, NULL, (void *[]){x + i * 24 * 6, part + i * 24}, &err);
    }
    bnn_graph_set(net.graph, net.input[0], x);
    bnn_graph_set(net.graph, net.input[1], part);
    bnn_graph_forward(net.graph);
    ck_assert(bnn_graph_get(net.graph, net.task_loss, &task_loss, &err) == BNN_OK);
    ck_assert(bnn_graph_get(net.graph, net.loss, &loss, &err) == BNN_OK);
    ck_assert_msg(fabs(told - (double)task_loss) < 0.1 * (double)(loss - task_loss),
                  "%g, not %g (%g)", told, (double)task_loss, (double)loss);
    ck_assert(loss > task_loss + 1e-3f);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

static void set_up(void) {
    const char *why;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_msg(bnn_cpu_device(NULL, 2, &device, &why), "%s", why);
}

static void tear_down(void) {
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

int main(void) {
    const int count = (int)(sizeof algorithms / sizeof *algorithms);
    Suite *suite = suite_create("trainer");
    TCase *tcase = tcase_create("steps");
    tcase_add_unchecked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, still_modules, 0, count);
    tcase_add_loop_test(tcase, still_parameters, 0, 2 * count);
    tcase_add_test(tcase, frozen_wrongly);
    tcase_add_loop_test(tcase, short_steps, 0, count);
    tcase_add_loop_test(tcase, short_together, 0, count);
    tcase_add_loop_test(tcase, average, 0, count);
    tcase_add_test(tcase, told_loss);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The prefetching loader, on a dataset that writes down what it was asked for: order, restarts,
 * and the same batches from any number of threads. Also worth a run under -fsanitize=thread. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_loaders/lengths.h"
#include "data_loaders/loader.h"
#include "tests/fixtures/expect_error.h"

/* A dataset that says what it was asked: x = (index, epoch, seed, augment), label = index. */
static const bnn_field tiny_fields[] = {{"image", BNN_F32, {1, 2, 2, 1}},
                                        {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_dataset_info tiny_info = {
    .name = "tiny", .samples = "images", .field = tiny_fields, .fields = 2, .classes = 10};
static size_t damaged; /* this sample and the next cannot be read; 0: none */

static bnn_code tiny_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                            void *const *out, bnn_error *err) {
    float *x = out[0];
    (void)dataset; /* and no ck_assert here: Check is for one thread */
    if (damaged && (index == damaged || index == damaged + 1)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%zu.jpg: torn", index);
    }
    x[0] = (float)index;
    x[1] = draw ? (float)draw->epoch : 0.0f;
    x[2] = draw ? (float)draw->seed : 0.0f;
    x[3] = draw != NULL;
    *(int32_t *)out[1] = (int32_t)index;
    return BNN_OK;
}

static bnn_dataset tiny_dataset(size_t count) {
    return (bnn_dataset){.info = &tiny_info,
                         .field = tiny_fields,
                         .fields = 2,
                         .count = count,
                         .sample = tiny_sample};
}

static int next_batch(bnn_loader *loader, bnn_batch *batch) {
    bnn_error err = {0};
    bnn_code code = bnn_loader_next(loader, batch, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return batch->n != 0;
}

static bnn_loader *make_loader(const bnn_dataset *dataset, bnn_loader_options options) {
    bnn_loader *loader;
    bnn_error err = {0};
    bnn_code code = bnn_loader_create(dataset, &options, &loader, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return loader;
}

/* Runs from `first` to the epoch's end; the indices go to order[first * batch...]. */
static void walk(bnn_loader *loader, const bnn_dataset *dataset, const bnn_loader_options *options,
                 uint32_t epoch, size_t first, int32_t *order) {
    bnn_error err = {0};
    bnn_batch batch;
    size_t seen = first * options->batch_size;
    seen = seen < dataset->count ? seen : dataset->count;
    ck_assert_int_eq(bnn_loader_start(loader, epoch, first, &err), BNN_OK);
    while (next_batch(loader, &batch)) {
        size_t left = dataset->count - seen;
        ck_assert_uint_eq(batch.n, left < options->batch_size ? left : options->batch_size);
        for (size_t i = 0; i < batch.n; i++) {
            const float *x = (const float *)batch.data[0] + 4 * i;
            const int32_t label = ((const int32_t *)batch.data[1])[i];
            ck_assert(x[0] == (float)label);
            ck_assert(x[1] == (options->augment ? (float)epoch : 0.0f));
            ck_assert(x[2] == (options->augment ? (float)options->seed : 0.0f));
            ck_assert(x[3] == (float)options->augment);
            order[seen++] = label;
        }
    }
    ck_assert_uint_eq(seen, dataset->count);
    ck_assert_int_eq(next_batch(loader, &batch), 0); /* and stays there */
    ck_assert_uint_eq(batch.n, 0);
}

static void expect_permutation(const int32_t *order, size_t count) {
    char *seen = calloc(count, 1);
    ck_assert_ptr_nonnull(seen);
    for (size_t i = 0; i < count; i++) {
        ck_assert(order[i] >= 0 && (size_t)order[i] < count && !seen[order[i]]);
        seen[order[i]] = 1;
    }
    free(seen);
}

#define COUNT 1003
#define BYTES (COUNT * sizeof(int32_t))

START_TEST(loader_order) {
    static int32_t plain[COUNT], first[COUNT], second[COUNT], other[COUNT], again[COUNT];
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {.batch_size = 50, .seed = 11, .threads = 2, .prefetch = 2};
    bnn_loader *loader = make_loader(&d, o);
    ck_assert_uint_eq(bnn_loader_steps(loader), 21);
    bnn_batch batch;
    ck_assert_int_eq(next_batch(loader, &batch), 0); /* not started */
    walk(loader, &d, &o, 0, 0, plain);
    bnn_loader_free(loader);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(plain[i], i);
    }
    o.shuffle = o.augment = 1;
    loader = make_loader(&d, o);
    walk(loader, &d, &o, 0, 0, first);
    walk(loader, &d, &o, 1, 0, second);
    walk(loader, &d, &o, 0, 0, again);
    bnn_loader_free(loader);
    ck_assert_mem_eq(first, again, BYTES);
    o.seed = 12;
    loader = make_loader(&d, o);
    walk(loader, &d, &o, 0, 0, other);
    bnn_loader_free(loader);
    expect_permutation(first, COUNT);
    expect_permutation(second, COUNT);
    expect_permutation(other, COUNT);
    ck_assert_mem_ne(first, plain, BYTES);
    ck_assert_mem_ne(first, second, BYTES);
    ck_assert_mem_ne(first, other, BYTES);
}
END_TEST

/* Of each batch the parts are, one behind the other, what a single loader has, in any number; where
 * there are fewer samples than parts some have none, not the first. */
START_TEST(loader_parts) {
    enum { SAMPLES = 47, BATCH = 9 };
    static const int parts[] = {1, 2, 3, 5, 9};
    int32_t whole[SAMPLES];
    bnn_dataset d = tiny_dataset(SAMPLES);
    bnn_error err = {0};
    bnn_loader_options o = {
        .batch_size = BATCH, .shuffle = 1, .augment = 1, .seed = 3, .threads = 2, .prefetch = 2};
    bnn_loader *single = make_loader(&d, o);
    walk(single, &d, &o, 4, 0, whole);
    bnn_loader_free(single);
    o.parts = parts[_i];
    size_t seen = 0;
    for (o.part = 0; o.part < o.parts; o.part++) {
        bnn_loader *loader = make_loader(&d, o);
        bnn_batch batch;
        ck_assert_uint_eq(bnn_loader_steps(loader), (SAMPLES - 1) / BATCH + 1);
        ck_assert_int_eq(bnn_loader_start(loader, 4, 1, &err), BNN_OK); /* not from the first */
        for (size_t step = 1; next_batch(loader, &batch); step++) {
            size_t first, all, own = bnn_loader_share(loader, step, &first, &all);
            ck_assert_uint_eq(all, step == SAMPLES / BATCH ? SAMPLES % BATCH : BATCH);
            ck_assert(own > 0 || (o.part > 0 && all < (size_t)o.parts));
            ck_assert_uint_eq(batch.n, own > 0 ? own : 1);
            ck_assert_uint_le(own, (BATCH - 1) / (size_t)o.parts + 1);
            for (size_t i = 0; i < own; i++) {
                ck_assert_int_eq(((const int32_t *)batch.data[1])[i],
                                 whole[step * BATCH + first + i]);
            }
            seen += own;
        }
        bnn_loader_free(loader);
    }
    ck_assert_uint_eq(seen, SAMPLES - BATCH);
}
END_TEST

/* Any number of threads and of batches ahead gives what one thread gives, from any step on. */
START_TEST(loader_determinism) {
    static int32_t expected[COUNT], got[COUNT];
    const int threads[] = {1, 2, 3}, prefetch[] = {1, 4};
    const size_t batch_sizes[] = {1, 7, 64, COUNT};
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {
        .batch_size = batch_sizes[_i], .shuffle = 1, .seed = 5, .threads = 1, .prefetch = 1};
    bnn_loader *loader = make_loader(&d, o);
    walk(loader, &d, &o, 3, 0, expected);
    bnn_loader_free(loader);
    for (int i = 0; i < 6; i++) {
        o.threads = threads[i % 3];
        o.prefetch = prefetch[i / 3];
        loader = make_loader(&d, o);
        const size_t steps = bnn_loader_steps(loader);
        const size_t starts[] = {0, steps / 3, steps - 1, steps, 0};
        for (size_t j = 0; j < sizeof starts / sizeof *starts; j++) {
            memset(got, 0xff, BYTES);
            size_t before = starts[j] * o.batch_size;
            memcpy(got, expected, before < COUNT ? before * sizeof *got : BYTES);
            walk(loader, &d, &o, 3, starts[j], got);
            ck_assert_mem_eq(got, expected, BYTES);
        }
        bnn_loader_free(loader);
    }
}
END_TEST

/* Starting anew while the workers are at it, and freeing likewise. */
START_TEST(loader_restart_while_busy) {
    static int32_t expected[COUNT], got[COUNT];
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {.batch_size = 20, .shuffle = 1, .seed = 9, .threads = 3, .prefetch = 4};
    bnn_loader *loader = make_loader(&d, o);
    bnn_error err = {0};
    bnn_batch batch;
    for (uint32_t round = 0; round < 60; round++) {
        ck_assert_int_eq(bnn_loader_start(loader, round, round % 51, &err), BNN_OK);
        for (uint32_t i = 0; i < round % 4; i++) {
            next_batch(loader, &batch);
        }
    }
    walk(loader, &d, &o, 2, 0, got);
    bnn_loader_start(loader, 8, 0, &err);
    bnn_loader_free(loader);
    loader = make_loader(&d, o);
    walk(loader, &d, &o, 2, 0, expected);
    bnn_loader_free(loader);
    ck_assert_mem_eq(got, expected, BYTES);
    for (int i = 0; i < 20; i++) {
        bnn_loader_free(make_loader(&d, o));
    }
}
END_TEST

/* The batch in hand stays as it is while others are prepared behind it. */
START_TEST(loader_keeps_batch) {
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {.batch_size = 100, .threads = 2, .prefetch = 1};
    bnn_loader *loader = make_loader(&d, o);
    bnn_error err = {0};
    bnn_batch batch;
    ck_assert_int_eq(bnn_loader_start(loader, 0, 0, &err), BNN_OK);
    for (int step = 0; next_batch(loader, &batch); step++) {
        ck_assert_uint_eq((uintptr_t)batch.data[0] % 64, 0);
        usleep(2000);
        for (size_t i = 0; i < batch.n; i++) {
            ck_assert_int_eq(((const int32_t *)batch.data[1])[i], step * 100 + (int)i);
        }
    }
    bnn_loader_free(loader);
}
END_TEST

/* The batches before the damage are good; the one with it names the first sample of it, whichever
 * thread met which; another epoch can begin. */
START_TEST(loader_meets_damage) {
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {.batch_size = 100, .threads = 3, .prefetch = 2};
    for (int round = 0; round < 50; round++) {
        bnn_loader *loader = make_loader(&d, o);
        bnn_error err = {0};
        bnn_batch batch;
        damaged = 531; /* and 532, which may be in the chunk of another thread */
        ck_assert_int_eq(bnn_loader_start(loader, 0, 0, &err), BNN_OK);
        for (int step = 0; step < 5; step++) {
            ck_assert(next_batch(loader, &batch));
        }
        ck_assert_int_eq(bnn_loader_next(loader, &batch, &err), BNN_ERR_FORMAT);
        ck_assert_str_eq(err.text, "tiny, sample 531: 531.jpg: torn");
        ck_assert_uint_eq(batch.n, 0);
        ck_assert_int_eq(bnn_loader_start(loader, 1, 0, &err), BNN_OK);
        ck_assert(next_batch(loader, &batch));
        bnn_loader_free(loader);
        damaged = 0;
    }
}
END_TEST

START_TEST(loader_errors) {
    const struct {
        bnn_loader_options options;
        const char *text;
    } bad[] = {
        {{.batch_size = 0, .threads = 1, .prefetch = 1}, "batch size 0"},
        {{.batch_size = 512, .threads = 1, .prefetch = 1},
         "batch size 512 is larger than the data set (100 images); use --batch-size 100 or less"},
        {{.batch_size = 10, .threads = 0, .prefetch = 1}, "0 loader threads"},
        {{.batch_size = 10, .threads = 1, .prefetch = 0}, "0 batches ahead"},
        {{.batch_size = 10, .threads = -1, .prefetch = 1}, "-1 loader threads"},
    };
    bnn_dataset d = tiny_dataset(100), empty = tiny_dataset(0);
    bnn_error err = {0};
    bnn_loader *loader;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        loader = (bnn_loader *)1;
        bnn_code code = bnn_loader_create(&d, &bad[i].options, &loader, &err);
        expect_error(code, BNN_ERR_ARGUMENT, &err, bad[i].text, NULL);
        ck_assert_ptr_null(loader);
    }
    bnn_loader_options good = {.batch_size = 10, .threads = 1, .prefetch = 1};
    expect_error(bnn_loader_create(&empty, &good, &loader, &err), BNN_ERR_ARGUMENT, &err,
                 "tiny: 0 images", NULL);
    loader = make_loader(&d, good);
    expect_error(bnn_loader_start(loader, 0, 11, &err), BNN_ERR_ARGUMENT, &err, "step 11",
                 "10 steps", NULL);
    bnn_loader_free(loader);
    bnn_loader_free(NULL);
}
END_TEST

static volatile sig_atomic_t worker_signals;
static pthread_t main_thread;

static void on_signal(int number) {
    (void)number;
    worker_signals += !pthread_equal(pthread_self(), main_thread);
}

/* A signal to the process goes to a thread that does not block it: never a worker. */
/* ---- samples of many lengths: sample i is so many tokens long, which are i + 1 ---- */
enum { LONGEST = 90 };
static const bnn_field text_fields[] = {{"ids", BNN_I32, {1, 1, LONGEST, 1}},
                                        {"mask", BNN_I32, {1, 1, LONGEST, 1}},
                                        {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_dataset_info text_info = {
    .name = "text", .samples = "texts", .field = text_fields, .fields = 3, .classes = 10};

static uint32_t text_length(const bnn_dataset *dataset, size_t index) {
    (void)dataset;
    return (uint32_t)(index * index % 97 % (LONGEST + 1));
}

static bnn_code text_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                            void *const *out, bnn_error *err) {
    const uint32_t length = text_length(dataset, index);
    (void)draw;
    (void)err;
    for (uint32_t t = 0; t < LONGEST; t++) {
        ((int32_t *)out[0])[t] = t < length ? (int32_t)index + 1 : 0;
        ((int32_t *)out[1])[t] = t < length;
    }
    *(int32_t *)out[2] = (int32_t)index;
    return BNN_OK;
}

/* What a batch holds, whose fields are `width` wide; its samples go to order[]. */
static int expect_text_batch(const bnn_dataset *d, const bnn_batch *batch, int32_t *order) {
    const int width = batch->field[0].shape.w;
    int longest = 0;
    ck_assert_int_eq(batch->field[1].shape.w, width);
    ck_assert_int_eq(batch->field[2].shape.w, 1);
    for (size_t i = 0; i < batch->n; i++) {
        const int32_t index = order[i] = ((const int32_t *)batch->data[2])[i];
        const int length = (int)text_length(d, (size_t)index);
        for (int t = 0; t < width; t++) {
            const size_t at = i * (size_t)width + (size_t)t;
            ck_assert_int_eq(((const int32_t *)batch->data[0])[at], t < length ? index + 1 : 0);
            ck_assert_int_eq(((const int32_t *)batch->data[1])[at], t < length);
        }
        longest = length > longest ? length : longest;
    }
    ck_assert_int_ge(width, longest);
    return width;
}

static int walk_texts(const bnn_dataset *d, bnn_loader_options o, size_t first, int32_t *order) {
    bnn_loader *loader = make_loader(d, o);
    bnn_error err = {0};
    bnn_batch batch;
    int widths = 0;
    ck_assert_int_eq(bnn_loader_start(loader, 3, first, &err), BNN_OK);
    for (size_t seen = first * o.batch_size; next_batch(loader, &batch); seen += batch.n) {
        widths += expect_text_batch(d, &batch, order + seen);
    }
    bnn_loader_free(loader);
    return widths;
}

START_TEST(loader_groups_lengths) {
    static int32_t order[COUNT], threaded[COUNT], resumed[COUNT], padded[COUNT];
    bnn_dataset d = {.info = &text_info,
                     .field = text_fields,
                     .fields = 3,
                     .count = COUNT,
                     .sample = text_sample,
                     .length = text_length};
    bnn_loader_options o = {.batch_size = 8,
                            .shuffle = 1,
                            .cut = 1,
                            .group_by_length = 1,
                            .seed = 4,
                            .threads = 1,
                            .prefetch = 2};
    ck_assert_int_eq(bnn_length_step(LONGEST), 16);
    ck_assert_int_eq(bnn_length_step(12), 16);
    ck_assert_int_eq(bnn_length_step(512), 64);
    const int grouped = walk_texts(&d, o, 0, order);
    expect_permutation(order, COUNT);
    o.threads = 3;
    walk_texts(&d, o, 0, threaded);
    ck_assert_mem_eq(order, threaded, BYTES);
    walk_texts(&d, o, 50, resumed);
    ck_assert_mem_eq(order + 400, resumed + 400, (COUNT - 400) * sizeof *order);
    o.group_by_length = 0;
    const int cut = walk_texts(&d, o, 0, order);
    o.cut = 0;
    const int all = walk_texts(&d, o, 0, padded);
    ck_assert_mem_eq(order, padded, BYTES);
    ck_assert_int_eq(all, (COUNT + 7) / 8 * LONGEST);
    ck_assert_int_lt(cut, all);
    ck_assert_int_lt(grouped, all * 2 / 3); /* lengths are even from 0 to 90 */
}
END_TEST

/* Photographs of three sizes on one canvas, whose pixels tell where they stand. */
enum { CANVAS_HEIGHT = 70, CANVAS_WIDTH = 100 };

static const bnn_field photo_fields[] = {{"image", BNN_F32, {1, CANVAS_HEIGHT, CANVAS_WIDTH, 3}},
                                         {"frame", BNN_F32, {1, 1, 1, 4}}};
static const int photo_sizes[3][2] = {{20, 64}, {64, 33}, {70, 10}};

static bnn_code photo_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                             void *const *out, bnn_error *err) {
    float *image = out[0], *frame = out[1];
    (void)dataset, (void)draw, (void)err;
    for (int i = 0; i < CANVAS_HEIGHT * CANVAS_WIDTH * 3; i++) {
        image[i] = (float)((int)index * 100000 + i);
    }
    for (int k = 0; k < 4; k++) {
        frame[k] = (float)photo_sizes[index % 3][k % 2];
    }
    return BNN_OK;
}

static uint32_t photo_length(const bnn_dataset *dataset, size_t index) {
    (void)dataset;
    return (uint32_t)photo_sizes[index % 3][0];
}

/* A batch is as high as its highest and as wide as its widest one, to steps, within the canvas. */
START_TEST(loader_cuts_frames) {
    bnn_dataset d = {.info = &text_info,
                     .field = photo_fields,
                     .fields = 2,
                     .count = 9,
                     .sample = photo_sample,
                     .length = photo_length};
    bnn_loader_options o = {.batch_size = 3, .cut = 1, .threads = 2, .prefetch = 2};
    bnn_batch batch;
    bnn_error err = {0};
    const bnn_shape mixed = {1, CANVAS_HEIGHT, 64, 3};
    bnn_loader *loader = make_loader(&d, o);
    ck_assert_int_eq(bnn_loader_start(loader, 0, 0, &err), BNN_OK);
    for (size_t first = 0; next_batch(loader, &batch); first += 3) {
        const float *image = batch.data[0];
        ck_assert(bnn_shape_equal(batch.field[0].shape, mixed));
        ck_assert_int_eq(batch.field[1].shape.c, 4);
        for (size_t i = 0; i < 3 * (size_t)CANVAS_HEIGHT * 64 * 3; i++) {
            const size_t sample = first + i / (CANVAS_HEIGHT * 64 * 3);
            const size_t y = i / (64 * 3) % CANVAS_HEIGHT, x = i % (64 * 3);
            ck_assert(image[i] == (float)(sample * 100000 + y * CANVAS_WIDTH * 3 + x));
        }
    }
    bnn_loader_free(loader);
    o.shuffle = o.group_by_length = 1; /* each with its like */
    int area = 0;
    loader = make_loader(&d, o);
    ck_assert_int_eq(bnn_loader_start(loader, 0, 0, &err), BNN_OK);
    while (next_batch(loader, &batch)) {
        area += batch.field[0].shape.h * batch.field[0].shape.w;
    }
    ck_assert_int_eq(area, 32 * 64 + 64 * 64 + CANVAS_HEIGHT * 32);
    bnn_loader_free(loader);
}
END_TEST

START_TEST(loader_signals) {
    bnn_dataset d = tiny_dataset(COUNT);
    bnn_loader_options o = {.batch_size = 10, .threads = 3, .prefetch = 2};
    struct sigaction action = {.sa_handler = on_signal};
    main_thread = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    bnn_loader *loader = make_loader(&d, o);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0); /* the caller's mask is as before */
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL); /* now a worker would be the only taker */
    kill(getpid(), SIGUSR1);
    usleep(20000);
    ck_assert_int_eq(worker_signals, 0);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    bnn_loader_free(loader);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loader");
    TCase *loader = tcase_create("loader");
    tcase_set_timeout(loader, 120);
    suite_add_tcase(suite, loader);
    tcase_add_test(loader, loader_order);
    tcase_add_loop_test(loader, loader_parts, 0, 5);
    tcase_add_loop_test(loader, loader_determinism, 0, 4);
    tcase_add_test(loader, loader_restart_while_busy);
    tcase_add_test(loader, loader_keeps_batch);
    tcase_add_test(loader, loader_meets_damage);
    tcase_add_test(loader, loader_errors);
    tcase_add_test(loader, loader_groups_lengths);
    tcase_add_test(loader, loader_cuts_frames);
    tcase_add_test(loader, loader_signals);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

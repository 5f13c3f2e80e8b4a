/* The kernels of cuda/, by the tests of the CPU's tables. Without a GPU, with the items and threads
 * of a kernel in one order and in the other; what a GPU alone can show that does not: votes of a
 * warp, fragments of its tensor cores, who is seen by whom. */
#include "tests/cpu/kernels/harness.h"
#include "tests/cuda/test_device.h"

/* All entries but what the CPU's products are made of. */
START_TEST(test_complete) {
    const bnn_kernels *k = kernel_table(0);
    for (size_t at = 0; at < sizeof *k; at += sizeof(uintptr_t)) {
        uintptr_t entry;
        memcpy(&entry, (const unsigned char *)k + at, sizeof entry);
        ck_assert_msg(entry != 0 || at == offsetof(bnn_kernels, micro), "entry %zu is missing",
                      at / sizeof entry);
    }
}
END_TEST

/* ---- more boxes and images than a team has threads, or turns: as the CPU chooses ---- */

enum { IMAGES = 18, BOXES = 1300, TRUTHS = 20, CLASSES = 2 };

/* A box and a score, on few places: many overlap as much as others, or are as good. */
static void random_boxes(size_t n, float *box, int columns) {
    for (size_t i = 0; i < n; i++, box += columns) {
        float *at = columns == 5 ? box + 1 : box;
        at[0] = (float)below(60), at[1] = (float)below(60);
        at[2] = at[0] + (float)(8 + below(24)), at[3] = at[1] + (float)(8 + below(24));
        if (columns == 5) {
            box[0] = below(9) ? (float)(i / BOXES) : -1.0f;
        }
    }
}

static bnn_stream *stream_of_cpu(void) {
    static bnn_stream stream;
    bnn_device device;
    ck_assert(bnn_cpu_device("generic", 1, &device, NULL) && bnn_stream_start(&stream, &device));
    return &stream;
}

START_TEST(test_many_matches) {
    size_t mark = buffer_count, all = IMAGES * BOXES * sizeof(int32_t);
    float *roi = get_floats(IMAGES * BOXES * 5), *of_truth = get_floats(IMAGES * TRUTHS * 4);
    int32_t *label = get(IMAGES * TRUTHS * 4), *assigned[2], *sampled[2], *hard[2], *whose[2];
    float *taken[2], *logits = random_floats(IMAGES * BOXES * (CLASSES + 1));
    random_boxes(IMAGES * BOXES, roi, 5);
    random_boxes(IMAGES * TRUTHS, of_truth, 4);
    for (int i = 0; i < IMAGES * TRUTHS; i++) {
        label[i] = below(CLASSES + 1) - 1;
    }
    const bnn_boxes boxes = {roi, IMAGES, BOXES, 0, 5};
    const bnn_ground_truth truth = {of_truth, label, NULL, TRUTHS};
    const bnn_matching rule = {0.5f, 0.4f, 0.2f, 1, _i};
    const bnn_sampling sampling = {100, 25, !_i, {1, 2}};
    const size_t room = IMAGES * (size_t)sampling.count;
    for (int cpu = 0; cpu < 2; cpu++) {
        const bnn_stream *stream = cpu ? stream_of_cpu() : on(kernel_table(0));
        const bnn_kernels *k = stream->device.kernels;
        void *ws = get(k->boxes_workspace(stream, 3 * (TRUTHS + BOXES), 0));
        assigned[cpu] = get(all), sampled[cpu] = get(all), hard[cpu] = get(all);
        whose[cpu] = get(room * 4), taken[cpu] = get_floats(5 * room);
        int32_t *labels = get(all);
        k->assign(stream, &boxes, &truth, &rule, assigned[cpu], ws);
        k->sample(stream, IMAGES, BOXES, &sampling, assigned[cpu], sampled[cpu], ws);
        k->box_labels(stream, IMAGES, BOXES, &truth, assigned[cpu], CLASSES, labels);
        k->hard_negatives(stream, IMAGES, BOXES, CLASSES, 3, logits, labels, hard[cpu], ws);
        k->sample_rois(stream, &boxes, &truth, &rule, &sampling, taken[cpu], whose[cpu], ws);
    }
    assert_same(all, assigned[0], assigned[1], "assign");
    assert_same(all, sampled[0], sampled[1], "sample");
    assert_same(all, hard[0], hard[1], "hard_negatives");
    assert_same(room * 4, whose[0], whose[1], "sample_rois: whose");
    assert_same(room * 20, taken[0], taken[1], "sample_rois");
    release(mark);
}
END_TEST

START_TEST(test_many_suppressed) {
    const bnn_nms s = {.n = IMAGES,
                       .rows = BOXES,
                       .classes = CLASSES,
                       .columns = CLASSES + 1,
                       .level = {1000, 300},
                       .most = 900,
                       .keep = 700,
                       .score = -0.2f,
                       .overlap = 0.9f};
    size_t mark = buffer_count, room = IMAGES * s.keep;
    float *score = random_floats(IMAGES * BOXES * s.columns), *box = get_floats(IMAGES * BOXES * 4);
    float *result[2];
    int32_t *index[2];
    random_boxes(IMAGES * BOXES, box, 4);
    for (size_t i = 0; i < IMAGES * BOXES * s.columns; i++) {
        score[i] = roundf(64.0f * score[i]);
    }
    for (int cpu = 0; cpu < 2; cpu++) {
        const bnn_stream *stream = cpu ? stream_of_cpu() : on(kernel_table(0));
        const bnn_kernels *k = stream->device.kernels;
        result[cpu] = get_floats(room * 6), index[cpu] = get(room * 4);
        k->nms(stream, &s, score, box, result[cpu], index[cpu],
               get(k->boxes_workspace(stream, BOXES * CLASSES, s.keep)));
    }
    assert_same(room * 4, index[0], index[1], "nms: numbers");
    assert_same(room * 24, result[0], result[1], "nms");
    REQUIRE(index[0][600] >= 0); /* more than a team has threads */
    release(mark);
}
END_TEST

static void forwards(void) {
    test_device_order(0);
    precision_now = BNN_PRECISION_FP32;
}

static void backwards(void) {
    test_device_order(1);
}

static void as_tf32(void) {
    precision_now = BNN_PRECISION_TF32;
}

static void as_bf16(void) {
    precision_now = BNN_PRECISION_BF16;
}

/* Products of less than a float's precision. */
static void add_products(Suite *suite, const char *name, void (*set)(void)) {
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, set, forwards);
    tcase_set_timeout(tcase, 240);
    add_product_tests(tcase);
    suite_add_tcase(suite, tcase);
}

int main(void) {
    const char *why;
    if (!test_device_open(&why)) {
        printf("SKIPPED: %s\n", why);
        return 77;
    }
    Suite *suite = suite_create("kernels of cuda");
    for (int order = 0; order < test_device_orders(); order++) {
        TCase *tcase = tcase_create(order ? "backwards" : "forwards");
        tcase_add_checked_fixture(tcase, order ? backwards : forwards, NULL);
        tcase_set_timeout(tcase, 240);
        tcase_add_test(tcase, test_complete);
        add_kernel_tests(tcase);
        tcase_add_loop_test(tcase, test_many_matches, 0, 2);
        tcase_add_test(tcase, test_many_suppressed);
        suite_add_tcase(suite, tcase);
    }
    add_products(suite, "tf32", as_tf32);
    add_products(suite, "bf16", as_bf16);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, test_device_forks());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

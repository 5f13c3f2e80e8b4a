/* What ranks do together, with threads for ranks: sums and agreements, and batch norms whose
 * statistics are those of the whole batch. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph.h"
#include "layers/layer.h"

enum { RANKS = 3 };

/* ---- a communicator of threads ---- */

static pthread_barrier_t all_here;
static void *told[RANKS];

static void gather(const bnn_comm *comm, void *all, size_t bytes) {
    told[comm->rank] = (char *)all + (size_t)comm->rank * bytes;
    pthread_barrier_wait(&all_here);
    for (int r = 0; r < comm->size; r++) {
        if (r != comm->rank) {
            memcpy((char *)all + (size_t)r * bytes, told[r], bytes);
        }
    }
    pthread_barrier_wait(&all_here);
}

static void broadcast(const bnn_comm *comm, int from, void *data, size_t bytes) {
    told[comm->rank] = data;
    pthread_barrier_wait(&all_here);
    if (comm->rank != from) {
        memcpy(data, told[from], bytes);
    }
    pthread_barrier_wait(&all_here);
}

static bnn_comm comms[RANKS];

/* Runs work(rank's communicator) on all of them. */
static void on_all(void *(*work)(void *)) {
    pthread_t thread[RANKS];
    ck_assert_int_eq(pthread_barrier_init(&all_here, NULL, RANKS), 0);
    for (int r = 0; r < RANKS; r++) {
        comms[r] = (bnn_comm){.rank = r,
                              .size = RANKS,
                              .local_size = RANKS,
                              .gather = gather,
                              .broadcast = broadcast,
                              .room = calloc(RANKS * BNN_COMM_ROOM, sizeof(double))};
        ck_assert_ptr_nonnull(comms[r].room);
        ck_assert_int_eq(pthread_create(&thread[r], NULL, work, &comms[r]), 0);
    }
    for (int r = 0; r < RANKS; r++) {
        pthread_join(thread[r], NULL);
        free(comms[r].room);
    }
    pthread_barrier_destroy(&all_here);
}

/* ---- sums, agreements ---- */

static double sums[RANKS][3000];
static int any[RANKS][2];
static bnn_code codes[RANKS][3];
static bnn_error errors[RANKS];

/* In the order of ranks: 1 is lost in the first sum, not in the last. */
static void *add(void *argument) {
    bnn_comm *comm = argument;
    const int r = comm->rank;
    for (size_t i = 0; i < 3000; i++) {
        sums[r][i] = r == 0 ? 1e16 : r == 1 ? 1.0 : -1e16 + (double)i * 2.0;
    }
    bnn_comm_add(comm, sums[r], 3000);
    any[r][0] = bnn_comm_any(comm, r == 2);
    any[r][1] = bnn_comm_any(comm, 0);
    codes[r][0] = bnn_comm_agree(comm, BNN_OK, &errors[r]);
    bnn_code own = r == 0 ? BNN_OK : bnn_fail(&errors[r], BNN_ERR_IO, "rank %d has no file", r);
    codes[r][1] = bnn_comm_agree(comm, own, &errors[r]);
    /* From then on each is alone with what it has. */
    codes[r][2] = r == 1 ? bnn_comm_agree(comm, BNN_ERR_SHAPE, NULL) : BNN_ERR_SHAPE;
    return NULL;
}

START_TEST(agreements) {
    on_all(add);
    for (int r = 0; r < RANKS; r++) {
        for (size_t i = 0; i < 3000; i++) {
            ck_assert(sums[r][i] == (1e16 + 1.0) + (-1e16 + (double)i * 2.0));
        }
        ck_assert_int_eq(any[r][0], 1);
        ck_assert_int_eq(any[r][1], 0);
        ck_assert_int_eq(codes[r][0], BNN_OK);
        ck_assert_int_eq(codes[r][1], BNN_ERR_IO);
        ck_assert_str_eq(errors[r].text, "rank 1 has no file");
        ck_assert_int_eq(codes[r][2], BNN_ERR_SHAPE);
    }
    bnn_comm alone = bnn_comm_alone();
    double x = 3.0;
    bnn_comm_add(&alone, &x, 1);
    ck_assert(x == 3.0 && bnn_comm_any(&alone, 1) && !bnn_comm_any(&alone, 0));
    ck_assert_int_eq(bnn_comm_agree(&alone, BNN_ERR_IO, NULL), BNN_ERR_IO);
}
END_TEST

START_TEST(parts) {
    for (size_t n = 1; n < 40; n++) {
        for (int all = 1; all < 12; all++) {
            size_t next = 0, least = n, most = 0;
            for (int p = 0; p < all; p++) {
                size_t first, own = bnn_part_of(n, p, all, &first);
                ck_assert_uint_eq(first, next);
                next += own;
                least = own < least ? own : least;
                most = own > most ? own : most;
                ck_assert(p > 0 || own > 0);
            }
            ck_assert_uint_eq(next, n);
            ck_assert_uint_le(most - least, 1);
        }
    }
}
END_TEST

/* ---- batch norms ---- */

enum { SAMPLES = 8, ROWS = 40, C = 5, VALUES = SAMPLES * ROWS * C };
static float x[VALUES], g[VALUES]; /* of the whole batch */

typedef struct normed {
    float y[VALUES], gx[VALUES], gradients[64], mean[C], var[C];
} normed;

/* Samples [first, first + n), in training; their places in `out`. */
static void norm(const bnn_comm *comm, size_t first, size_t n, normed *out) {
    const char *why;
    const size_t at = first * ROWS * C, count = n * ROWS * C;
    bnn_error err = {0};
    bnn_device device;
    ck_assert(bnn_cpu_device(NULL, 1, &device, &why));
    bnn_params *params = bnn_params_create();
    bnn_graph *graph = bnn_graph_create(&device, params, 1);
    if (comm) {
        bnn_graph_share_statistics(graph, comm);
    }
    bnn_build build = {.graph = graph};
    bnn_t in = bnn_graph_input(graph, "x", BNN_F32, (bnn_shape){(int)n, 1, ROWS, C});
    bnn_graph_want_grad(graph, in);
    bnn_t y = bnn_batch_norm(&build, "bn", in, 0.75f);
    bnn_graph_keep(graph, y);
    ck_assert_msg(bnn_graph_compile(graph, y, &err) == BNN_OK, "%s", err.text);
    ck_assert(bnn_params_allocate(params, &err) == BNN_OK);
    bnn_params_initialize(params, 1);
    ck_assert(bnn_graph_bind(graph, NULL, &err) == BNN_OK);
    bnn_graph_set(graph, in, x + at);
    bnn_graph_forward(graph);
    memcpy(out->y + at, bnn_f32(graph, y), count * sizeof(float));
    memcpy(bnn_grad(graph, y), g + at, count * sizeof(float));
    bnn_graph_backward(graph);
    memcpy(out->gx + at, bnn_grad(graph, in), count * sizeof(float));
    memcpy(out->gradients, params->grads, params->value_count * sizeof(float));
    memcpy(out->mean, bnn_param_data(params, bnn_params_find(params, "bn.running_mean")),
           sizeof out->mean);
    memcpy(out->var, bnn_param_data(params, bnn_params_find(params, "bn.running_var")),
           sizeof out->var);
    bnn_graph_free(graph);
    bnn_params_free(params);
}

static normed shared[RANKS];

static void *norm_part(void *argument) {
    const bnn_comm *comm = argument;
    size_t first, n = bnn_part_of(SAMPLES, comm->rank, comm->size, &first);
    norm(comm, first, n, &shared[comm->rank]);
    return NULL;
}

static void near(const float *got, const float *want, size_t count, const char *what) {
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(fabsf(got[i] - want[i]) <= 2e-6f * (1.0f + fabsf(want[i])),
                      "%s %zu: %.9g, not %.9g", what, i, (double)got[i], (double)want[i]);
    }
}

/* Of parts of different sizes, with means far from 0 and from each other. */
START_TEST(statistics) {
    static normed whole;
    for (size_t i = 0; i < VALUES; i++) {
        x[i] = (float)((i * 7919) % 1009) / 300.0f + (float)(i / (VALUES / 3)) * 4.0f + 20.0f;
        g[i] = (float)((i * 104729) % 997) / 500.0f - 0.7f;
    }
    norm(NULL, 0, SAMPLES, &whole);
    on_all(norm_part);
    float gradients[64] = {0};
    for (int r = 0; r < RANKS; r++) {
        size_t first, n = bnn_part_of(SAMPLES, r, RANKS, &first);
        const size_t at = first * ROWS * C, count = n * ROWS * C;
        near(shared[r].y + at, whole.y + at, count, "y");
        near(shared[r].gx + at, whole.gx + at, count, "gradient");
        near(shared[r].mean, whole.mean, C, "running mean");
        near(shared[r].var, whole.var, C, "running variance");
        ck_assert_mem_eq(shared[r].mean, shared[0].mean, sizeof whole.mean);
        ck_assert_mem_eq(shared[r].var, shared[0].var, sizeof whole.var);
        for (int i = 0; i < 64; i++) {
            gradients[i] += shared[r].gradients[i];
        }
    }
    for (int i = 0; i < 64; i++) { /* sums of hundreds of values */
        ck_assert(fabsf(gradients[i] - whole.gradients[i]) <= 1e-4f);
    }
    ck_assert(fabsf(whole.gradients[0]) > 1e-2f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("comm");
    TCase *tcase = tcase_create("comm");
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, agreements);
    tcase_add_test(tcase, parts);
    tcase_add_test(tcase, statistics);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

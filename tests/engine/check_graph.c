/* The graph as a whole: planned memory gives what memory of one's own gives, steps allocate
 * nothing, threads change no bit, errors stick, and graphs of one model share what they should. */
#include "tests/fixtures/graph_fixture.h"

#include <malloc.h>

#include "engine/graph_private.h"
#include "models/model.h"
#include "optim/optimizer.h"

/* ---- counting allocations ---- */

/* OpenMP allocates for every parallel region; how much, empty ones tell, and that is not counted.
 */
enum { SIZES = 16 };
static size_t openmp_bytes[SIZES];
static volatile int learning, learned;
static volatile size_t allocations;

static void note(size_t bytes) {
    for (int i = 0; i < learned; i++) {
        if (openmp_bytes[i] == bytes) {
            return;
        }
    }
    if (learning && learned < SIZES) {
        openmp_bytes[learned++] = bytes;
    } else {
        allocations++;
    }
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(WITH_ASAN)
/* sanitizer/allocator_interface.h, which gcc does not install */
extern int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                                     void (*)(const volatile void *));

static void on_malloc(const volatile void *p, size_t bytes) {
    (void)p;
    note(bytes);
}

static void on_free(const volatile void *p) {
    (void)p;
}

static void install_counter(void) {
    ck_assert_int_ne(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free), 0);
}
#else
/* glibc's own entry points, under other names: ours take the usual ones. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

void *malloc(size_t bytes) {
    note(bytes);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    note(count * bytes);
    return __libc_calloc(count, bytes);
}

void *realloc(void *p, size_t bytes) {
    note(bytes);
    return __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t align, size_t bytes) {
    note(bytes);
    return __libc_memalign(align, bytes);
}

static void install_counter(void) {}
#endif

static void count_allocations(void) {
    install_counter();
    int threads = 0;
    learning = 1;
    for (int i = 0; i < 4; i++) { /* kernels have them for one thread too */
#pragma omp parallel for schedule(static) reduction(+ : threads) if (i & 1)
        for (int k = 0; k < 64; k++) {
            threads++;
        }
    }
    learning = 0;
    ck_assert_int_eq(threads, 4 * 64);
}

/* ---- memory of one's own ---- */

static void *poisoned(size_t bytes) {
    void *p = bnn_alloc_aligned(bytes);
    ck_assert_ptr_nonnull(p);
    memset(p, 0xff, bytes); /* NaN: what is read before it is written shows */
    return p;
}

/* Binds every value, gradient and workspace of a compiled graph to a place of its own; returns how
 * many bytes that took. What it allocated is in `list`, NULL-terminated. */
static size_t bind_apart(bnn_graph *g, void **list) {
    size_t n = 0, total = 0;
    void *planned = list[n++] = poisoned(g->bytes);
    ck_assert_int_eq(bnn_graph_bind(g, planned, NULL), BNN_OK);
    for (size_t t = 0; t < g->tensor_count; t++) {
        bnn_tensor *tensor = &g->tensors[t];
        size_t values = bnn_tensor_bytes(tensor->dtype, tensor->shape);
        const bnn_node *made = tensor->producer < 0 ? NULL : &g->nodes[tensor->producer];
        if (made && made->op->view && made->out[0] == (bnn_t)t) {
            tensor->data = g->tensors[made->in[0]].data;
        } else if (tensor->role == BNN_ROLE_ACTIVATION || tensor->role == BNN_ROLE_CONSTANT) {
            tensor->data = list[n++] = poisoned(values);
            total += values;
        }
        if (tensor->grad_buffer >= 0 && !tensor->param) {
            size_t bytes = 4 * bnn_shape_count(tensor->shape);
            tensor->grad = list[n++] = poisoned(bytes);
            total += bytes;
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        bnn_node *node = &g->nodes[i];
        if (node->workspace) {
            node->ws = list[n++] = poisoned(node->workspace);
            node->ws_backward = list[n++] = poisoned(node->workspace);
            total += 2 * node->workspace;
        }
    }
    list[n] = NULL;
    return total;
}

/* ---- random graphs ---- */

enum { NODES = 24, CHANNELS = 6, MOST_TENSORS = 400 };
static const bnn_shape image = {2, 4, 4, CHANNELS};

typedef struct random_net {
    bnn_params *params;
    bnn_graph *graph;
    bnn_t input, root;
    int names;
} random_net;

static bnn_t shaped(random_net *net, const char *kind, bnn_shape shape, int trainable) {
    char name[32];
    snprintf(name, sizeof name, "%s%d", kind, net->names++);
    return plain_param(net->graph, name, shape, trainable);
}

static bnn_t vector(random_net *net, const char *kind) {
    return shaped(net, kind, bnn_vector(CHANNELS), strcmp(kind, "buffer") != 0);
}

static bnn_t filters(random_net *net) {
    return shaped(net, "weight", (bnn_shape){CHANNELS, 3, 3, CHANNELS}, 1);
}

static bnn_t binary_conv(random_net *net, bnn_t x) {
    bnn_graph *g = net->graph;
    bnn_conv_config same = {1, 1, 1, 1, 1, 1, 1, 0};
    bnn_t w = filters(net);
    bnn_ste triangle = {BNN_STE_TRIANGLE, 1.0f}, clip = {BNN_STE_CLIP, 1.0f};
    bnn_value a = bnn_op_sign(g, x, BNN_NONE, 0, net->names % 2 ? triangle : clip, BNN_NONE);
    return bnn_op_conv(g, a, bnn_op_sign(g, w, bnn_op_abs_mean(g, w, CHANNELS), 1, clip, BNN_NONE),
                       &same);
}

/* Integers times a factor that is learned: it waits, unless the integers are made floats first. */
static bnn_t scaled_conv(random_net *net, bnn_t x, int waits) {
    bnn_graph *g = net->graph;
    bnn_conv_config same = {1, 1, 1, 1, 1, 1, 1, 0};
    bnn_ste clip = {BNN_STE_CLIP, 1.0f};
    bnn_value w = bnn_op_sign(g, filters(net), BNN_NONE, 0, clip, BNN_NONE);
    bnn_t y = bnn_op_conv(g, bnn_op_sign(g, x, BNN_NONE, 0, clip, BNN_NONE), w, &same);
    ck_assert_int_eq(bnn_dtype_of(g, y), BNN_I16);
    y = waits ? y : bnn_op_unscale(g, y, BNN_NONE, BNN_NONE);
    y = bnn_op_affine(g, y, vector(net, "scale"), BNN_NONE);
    ck_assert_int_eq(bnn_dtype_of(g, y), waits ? BNN_I16 : BNN_F32);
    return y;
}

/* A chain through another shape and back, with a node that may work in place between. */
static bnn_t through_view(random_net *net, bnn_t x) {
    bnn_graph *g = net->graph;
    bnn_t v = bnn_op_reshape(g, x, (bnn_shape){2, 2, 8, CHANNELS});
    v = bnn_op_affine(g, v, vector(net, "scale"), vector(net, "shift"));
    v = bnn_op_clamp(g, v, -3.0f, 3.0f);
    return bnn_op_reshape(g, v, image);
}

/* A product of floats whose operand is a row-wise value of a smaller product's: both are cheaper to
 * compute again than to hold. */
static bnn_t noisy_conv(random_net *net, bnn_t x) {
    bnn_graph *g = net->graph;
    bnn_conv_config same = {1, 1, 1, 1, 1, 1, 1, 0}, point = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_shape narrow = {2, 1, 1, CHANNELS}, wide = {CHANNELS, 1, 1, 2}, one = bnn_vector(1);
    bnn_t down = shaped(net, "down", narrow, 1), up = shaped(net, "up", wide, 1);
    bnn_t h = bnn_op_clamp(g, bnn_op_conv(g, bnn_plain(x), bnn_plain(down), &point), 0.0f, 9.0f);
    bnn_t lin = bnn_op_conv(g, bnn_plain(h), bnn_plain(up), &point);
    bnn_t alpha = shaped(net, "alpha", one, 0), n = shaped(net, "n", one, 0);
    bnn_t a = bnn_op_noisy_sign(g, x, lin, BNN_NONE, alpha, n);
    return bnn_op_conv(g, bnn_plain(a), bnn_plain(filters(net)), &same);
}

static bnn_t random_node(random_net *net, int kind, bnn_t x, bnn_t other) {
    bnn_graph *g = net->graph;
    bnn_conv_config same = {1, 1, 1, 1, 1, 1, 1, 0};
    switch (kind) {
    case 0:
        return bnn_op_conv(g, bnn_plain(x), bnn_plain(filters(net)), &same);
    case 1:
        return binary_conv(net, x);
    case 2:
        return bnn_op_affine(g, x, vector(net, "scale"), vector(net, "shift"));
    case 3:
        return bnn_op_clamp(g, x, -2.0f, 2.0f);
    case 4:
        return bnn_op_batch_norm(g, x, vector(net, "weight"), vector(net, "bias"),
                                 vector(net, "buffer"), vector(net, "buffer"), 1e-5f, 0.1f);
    case 5:
        return bnn_op_max_pool(g, x, 3, 1, 1, 0);
    case 6:
        return bnn_op_normalize(g, x, 2, 1, 1, 1.0f, 1e-5f);
    case 7:
        return through_view(net, x);
    case 8:
        return scaled_conv(net, x, 1);
    case 9:
        return noisy_conv(net, x);
    default:
        return bnn_op_add(g, x, other);
    }
}

/* The same graph for the same seed. Inputs of a node lean towards the latest tensors, so that there
 * are chains, branches and dead ends. */
static void build_random(random_net *net, uint64_t seed, int keep_all) {
    *net = (random_net){.params = bnn_params_create()};
    net->graph = bnn_graph_create(test_device(), net->params, 1);
    bnn_rng rng = bnn_rng_start(seed, 1);
    bnn_t made[NODES + 1];
    net->input = made[0] = bnn_graph_input(net->graph, "x", BNN_F32, image);
    bnn_graph_want_grad(net->graph, net->input);
    for (int i = 0; i < NODES; i++) {
        int reach = i + 1 < 4 ? i + 1 : 4, kind = (int)bnn_rng_below(&rng, 13);
        int x = i - (int)bnn_rng_below(&rng, (uint32_t)reach);
        int other = i - (int)bnn_rng_below(&rng, (uint32_t)reach);
        kind = kind == 7 && x == 0 ? 2 : kind; /* no view of an input (op.h) */
        made[i + 1] = random_node(net, kind, made[x], made[other]);
    }
    net->root = bnn_graph_value(net->graph, made[NODES]);
    for (int t = 0; keep_all && t < (int)bnn_graph_tensor_count(net->graph); t++) {
        bnn_graph_keep(net->graph, t);
    }
    bnn_error err = {0};
    ck_ok(bnn_graph_compile(net->graph, net->root, &err), err);
    ck_ok(bnn_params_allocate(net->params, &err), err);
    for (size_t i = 0; i < net->params->value_count; i++) {
        net->params->values[i] = 0.1f + 0.4f * bnn_rng_normal(&rng);
    }
    for (size_t i = 0; i < net->params->buffer_count; i++) {
        net->params->buffers[i] = 0.5f;
    }
}

static void free_random(random_net *net) {
    bnn_graph_free(net->graph);
    bnn_params_free(net->params);
}

static void run_random(random_net *net, const float *x, const float *gy) {
    bnn_graph_set(net->graph, net->input, x);
    bnn_graph_forward(net->graph);
    memcpy(bnn_grad(net->graph, net->root), gy, 4 * bnn_shape_count(image));
    bnn_graph_backward(net->graph);
}

/* Values that return to their memory: by a product run again, or row by row. */
static void count_returns(const bnn_graph *g, size_t *products, size_t *rows) {
    for (size_t i = 0; i < g->action_count; i++) {
        const bnn_action *a = &g->actions[i];
        ck_assert(!a->restored || g->tensors[g->nodes[a->node].out[0]].restored);
        *products += a->restored && a->part == BNN_WHOLE;
        *rows += a->restored && a->part == BNN_MAP;
    }
}

/* Everything a caller may read; `reached`: the input's gradient exists. */
static void compare_random(const random_net *a, const random_net *b, uint64_t seed) {
    size_t bytes = 4 * bnn_shape_count(image);
    int reached = a->graph->tensors[a->input].has_grad;
    ck_assert_msg(memcmp(a->params->grads, b->params->grads, 4 * a->params->value_count) == 0,
                  "graph %d: parameters' gradients differ", (int)seed);
    ck_assert_msg(
        !reached || memcmp(bnn_grad(a->graph, a->input), bnn_grad(b->graph, b->input), bytes) == 0,
        "graph %d: the input's gradient differs", (int)seed);
}

/* Against the same graph with every tensor in memory of its own: there nothing is a block's own or
 * computed again, but the sums are the same. */
START_TEST(test_planned_memory) {
    size_t planned = 0, apart = 0, moving = 0, again = 0, products = 0, rows = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        random_net a, b;
        void *list[MOST_TENSORS] = {NULL};
        build_random(&a, seed, 0);
        build_random(&b, seed, 1);
        again += a.graph->recomputation_count;
        count_returns(a.graph, &products, &rows);
        ck_assert_uint_eq(b.graph->recomputation_count, 0);
        void *memory = poisoned(bnn_graph_bytes(a.graph));
        ck_assert_int_eq(bnn_graph_bind(a.graph, memory, NULL), BNN_OK);
        planned += bnn_graph_bytes(a.graph);
        apart += bind_apart(b.graph, list);
        bnn_rng rng = bnn_rng_start(seed, 2);
        float *x = random_floats(&rng, SHIFTED, bnn_shape_count(image));
        float *gy = random_floats(&rng, SHIFTED, bnn_shape_count(image));
        for (int step = 0; step < 2; step++) { /* the second finds the first's leftovers */
            run_random(&a, x, gy);
            run_random(&b, x, gy);
            compare_random(&a, &b, seed);
        }
        float *taken = spoiled_run(a.graph, a.params, a.root, gy);
        memcpy(a.params->grads, taken, 4 * a.params->value_count);
        compare_random(&a, &b, seed); /* no more, if they are taken as they come */
        free(taken);
        for (size_t i = 0; i < a.params->value_count; i++) {
            if (!isfinite(a.params->grads[i])) {
                ck_abort_msg("graph %d: not finite", (int)seed);
            }
            moving += a.params->grads[i] != 0.0f;
        }
        for (int i = 0; list[i]; i++) {
            free(list[i]);
        }
        free(memory);
        free(x);
        free(gy);
        free_random(&a);
        free_random(&b);
    }
    ck_assert_uint_lt(2 * planned, apart); /* and it does share */
    ck_assert_uint_gt(moving, 10000);
    ck_assert_uint_gt(again, 100); /* and does compute again, */
    ck_assert_uint_gt(products, 100);
    ck_assert_uint_gt(rows, 100);
}
END_TEST

static void build_scaled(random_net *net, int waits, int pool) {
    *net = (random_net){.params = bnn_params_create()};
    net->graph = bnn_graph_create(test_device(), net->params, 1);
    bnn_error err = {0};
    net->input = bnn_graph_input(net->graph, "x", BNN_F32, image);
    bnn_graph_want_grad(net->graph, net->input);
    bnn_t y = scaled_conv(net, net->input, waits);
    y = random_node(net, pool ? 5 : 4, y, y);
    net->root = bnn_graph_value(net->graph, y);
    ck_ok(bnn_graph_compile(net->graph, net->root, &err), err);
    ck_ok(bnn_params_allocate(net->params, &err), err);
    ck_ok(bnn_graph_bind(net->graph, NULL, &err), err);
    bnn_rng rng = bnn_rng_start(7, 1);
    for (size_t i = 0; i < net->params->value_count; i++) {
        net->params->values[i] = 0.3f * bnn_rng_normal(&rng); /* factors of both signs */
    }
}

static void compare_close(size_t n, const float *a, const float *b, double tolerance,
                          const char *what) {
    double largest = 0.0, worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)b[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    ck_assert_msg(largest > 0.0 && worst <= tolerance * largest, "%s: %g of %g", what, worst,
                  largest);
}

/* A learned factor that waits on integers does what one multiplied at once does: to a batch norm,
 * which takes it, and to a maximum, which must not, as it may be negative. */
START_TEST(test_learned_scale) {
    for (int pool = 0; pool < 2; pool++) {
        random_net a, b;
        size_t n = bnn_shape_count(image);
        bnn_rng rng = bnn_rng_start(3, 2);
        float *x = random_floats(&rng, OFF_KINKS, n), *gy = random_floats(&rng, SHIFTED, n);
        build_scaled(&a, 1, pool);
        build_scaled(&b, 0, pool);
        for (int step = 0; step < 2; step++) { /* the second finds the first's gradients */
            run_random(&a, x, gy);
            run_random(&b, x, gy);
        }
        compare_close(n, bnn_f32(a.graph, a.root), bnn_f32(b.graph, b.root), 1e-6, "result");
        compare_close(n, bnn_grad(a.graph, a.input), bnn_grad(b.graph, b.input), 1e-5,
                      "gradient of x");
        for (size_t i = 0; i < a.params->count; i++) {
            const bnn_param *p = a.params->list[i];
            const float *want = bnn_param_grad(b.params, b.params->list[i]);
            if (p->trainable) {
                /* Batch norm is all but blind to a factor: its gradient is what cancelling left. */
                compare_close(p->count, bnn_param_grad(a.params, p), want, pool ? 1e-6 : 1e-3,
                              p->name);
            }
        }
        free(x);
        free(gy);
        free_random(&a);
        free_random(&b);
    }
}
END_TEST

/* A factor that a batch norm reads in its backward, adding nothing to the gradient, behind the one
 * node that does. */
START_TEST(test_late_reader) {
    random_net net = {.params = bnn_params_create()};
    bnn_error err = {0};
    bnn_graph *g = net.graph = bnn_graph_create(test_device(), net.params, 1);
    net.input = bnn_graph_input(g, "x", BNN_F32, image);
    bnn_graph_want_grad(g, net.input);
    bnn_t x = bnn_op_affine(g, net.input, BNN_NONE, BNN_NONE), scale = vector(&net, "scale");
    bnn_defer_scale(g, x, scale);
    bnn_t y = random_node(&net, 5, random_node(&net, 4, x, x), BNN_NONE); /* in steps apart */
    net.root = bnn_op_affine(g, y, scale, BNN_NONE);
    ck_ok(bnn_graph_compile(g, net.root, &err), err);
    ck_ok(bnn_params_allocate(net.params, &err), err);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    bnn_rng rng = bnn_rng_start(8, 1);
    size_t n = bnn_shape_count(image);
    float *values = random_floats(&rng, SHIFTED, n), *gy = random_floats(&rng, SHIFTED, n);
    fill_random(&rng, POSITIVE, net.params->value_count, net.params->values);
    run_random(&net, values, gy);
    float *gx = malloc(4 * n);
    memcpy(gx, bnn_grad(g, net.input), 4 * n);
    float *taken = spoiled_run(g, net.params, net.root, gy);
    ck_assert(memcmp(taken, net.params->grads, 4 * net.params->value_count) == 0);
    ck_assert(memcmp(gx, bnn_grad(g, net.input), 4 * n) == 0);
    free(values);
    free(gy);
    free(gx);
    free(taken);
    free_random(&net);
}
END_TEST

/* ---- whole networks ---- */

typedef struct trained {
    bnn_params *params;
    bnn_net net;
    bnn_optimizer optimizer;
    float *x;
    int32_t label[64];
} trained;

static void start_training_on(const bnn_kernels *kernels, trained *t, const char *algorithm,
                              int batch, int threads) {
    bnn_error err = {0};
    bnn_device device = *test_device();
    device.kernels = kernels, device.threads = threads;
    bnn_spec spec = {.height = 12, .width = 12, .channels = 3, .classes = 10};
    ck_ok(bnn_spec_find(&spec, "resnet20", algorithm, &err), err);
    t->params = bnn_params_create();
    ck_ok(bnn_net_build(&spec, &device, t->params, batch, 1, &t->net, &err), err);
    ck_ok(bnn_params_allocate(t->params, &err), err);
    bnn_params_initialize(t->params, 5);
    bnn_apply_schedule(spec.binarizer, t->params, 3, 10);
    for (size_t i = 0; i < t->params->count; i++) { /* blocks that do something from the start */
        const bnn_param *p = t->params->list[i];
        float *value = bnn_param_data(t->params, p);
        for (size_t k = 0; strstr(p->name, "bn2.weight") && k < p->count; k++) {
            value[k] = 0.5f;
        }
    }
    ck_ok(bnn_optimizer_init(&t->optimizer, bnn_optimizer_find("adam"), &device,
                             t->params->value_count, &err),
          err);
    t->optimizer.lr = 1e-3;
    bnn_rng rng = bnn_rng_start(9, 9);
    t->x = random_floats(&rng, SHIFTED, (size_t)batch * 12 * 12 * 3);
    for (int i = 0; i < 64; i++) {
        t->label[i] = 3 * i % 10;
    }
}

static void start_training(trained *t, const char *algorithm, int batch, int threads) {
    start_training_on(test_kernels(), t, algorithm, batch, threads);
}

static void bind_training(trained *t, void *memory) {
    bnn_error err = {0};
    ck_ok(bnn_graph_bind(t->net.graph, memory, &err), err);
    bnn_graph_set(t->net.graph, t->net.input[0], t->x);
    bnn_graph_set(t->net.graph, t->net.input[1], t->label);
}

static float train_step(trained *t) {
    bnn_graph_forward(t->net.graph);
    bnn_graph_backward(t->net.graph);
    bnn_optimizer_step(&t->optimizer, t->params->values, t->params->grads);
    return *bnn_f32(t->net.graph, t->net.loss);
}

static void stop_training(trained *t) {
    bnn_optimizer_free(&t->optimizer);
    bnn_graph_free(t->net.graph);
    bnn_params_free(t->params);
    free(t->x);
}

START_TEST(test_no_allocation) {
    trained t;
    start_training(&t, "reactnet", 2, 2);
    bind_training(&t, NULL);
    train_step(&t); /* OpenMP makes its threads */
    count_allocations();
    size_t before = allocations;
    free(bnn_alloc_aligned(1));
    size_t first = allocations;
    for (int i = 0; i < 3; i++) {
        train_step(&t);
    }
    size_t after = allocations; /* assertions allocate too */
    ck_assert_msg(first == before + 1, "the counter does not count");
    ck_assert_uint_eq(after, first);
    stop_training(&t);
}
END_TEST

static void check_threads(const char *algorithm) {
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        trained t;
        start_training(&t, algorithm, 3, threads);
        bind_training(&t, NULL);
        float loss = train_step(&t);
        ck_assert(isfinite(loss) && train_step(&t) != loss);
        size_t bytes = 4 * t.params->value_count;
        if (!first) {
            first = malloc(bytes);
            memcpy(first, t.params->values, bytes);
        }
        ck_assert_msg(memcmp(first, t.params->values, bytes) == 0,
                      "%s: %d threads train other parameters than 1", algorithm, threads);
        stop_training(&t);
    }
    free(first);
}

static double norm_apart(const float *a, const float *b, size_t n) {
    double apart = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)a[i] * (double)a[i];
    }
    return sqrt(apart / norm);
}

/* Blocks of any size, and whole tensors at once: only the order of sums differs, which in a binary
 * network turns a sign here and there. */
static void check_blocks(const char *algorithm, size_t block_values, double tolerance) {
    bnn_kernels other = *test_kernels();
    trained a, b;
    other.block_values = block_values;
    start_training(&a, algorithm, 8, 2);
    start_training_on(&other, &b, algorithm, 8, 2);
    bind_training(&a, NULL);
    bind_training(&b, NULL);
    double loss = (double)train_step(&a), other_loss = (double)train_step(&b);
    double apart = norm_apart(a.params->grads, b.params->grads, a.params->value_count);
    ck_assert_msg(fabs(loss - other_loss) <= tolerance * loss && apart < tolerance,
                  "%s in blocks of %zu: loss %g, not %g; gradients %g apart", algorithm,
                  block_values, other_loss, loss, apart);
    stop_training(&a);
    stop_training(&b);
}

START_TEST(test_blocks) {
    static const size_t sizes[] = {64, 1000, SIZE_MAX / 4};
    for (int i = 0; i < 3; i++) {
        check_blocks("fp32", sizes[i], 1e-4);
        check_blocks("recu", sizes[i], 0.05);
    }
}
END_TEST

/* An optimizer that moves each parameter as soon as its gradient is there changes nothing for the
 * others. */
START_TEST(test_early_updates) {
    const char *algorithm = _i ? bnn_binarizers[_i - 1]->name : "fp32";
    trained t;
    start_training(&t, algorithm, 2, 1);
    bind_training(&t, NULL);
    bnn_graph_forward(t.net.graph);
    bnn_graph_backward(t.net.graph);
    float *taken = spoiled_run(t.net.graph, t.params, t.net.loss, NULL);
    for (size_t i = 0; i < t.params->count; i++) {
        const bnn_param *p = t.params->list[i];
        ck_assert_msg(!p->trainable || memcmp(taken + p->offset, bnn_param_grad(t.params, p),
                                              p->count * sizeof(float)) == 0,
                      "%s: %s has another gradient", algorithm, p->name);
    }
    free(taken);
    stop_training(&t);
}
END_TEST

/* Nor are all gradients there at once: with small images they would take most of the memory. */
START_TEST(test_few_gradients) {
    bnn_error err = {0};
    bnn_net net;
    bnn_params *params = bnn_params_create();
    bnn_spec spec = {.height = 8, .width = 8, .channels = 3, .classes = 10};
    ck_ok(bnn_spec_find(&spec, "resnet18", "fp32", &err), err);
    ck_ok(bnn_net_build(&spec, test_device(), params, 1, 1, &net, &err), err);
    size_t bytes = bnn_graph_bytes(net.graph), all = 4 * params->value_count;
    ck_assert_msg(3 * bytes < all, "%zu bytes planned, gradients of %zu", bytes, all);
    bnn_graph_free(net.graph);
    bnn_params_free(params);
}
END_TEST

/* Bytes of planned memory that some step needs at once. */
static size_t needed_at_once(const bnn_graph *g) {
    size_t most = 0;
    for (int step = 0; step < (int)g->step_count; step++) {
        size_t bytes = 0;
        for (size_t i = 0; i < g->buffer_count; i++) {
            const bnn_buffer *b = &g->buffers[i];
            int live = 0;
            for (int k = 0; k < 2 && b->step < 0; k++) {
                const bnn_life *l = &b->life[k];
                live |= l->first >= 0 && g->actions[l->first].step <= step &&
                        (l->last == (int)g->action_count || g->actions[l->last].step >= step);
            }
            bytes += live ? b->bytes : 0;
        }
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void build_network(const char *arch, const char *algorithm, bnn_params *params,
                          bnn_net *net) {
    bnn_error err = {0};
    bnn_spec spec = {.height = 32, .width = 32, .channels = 3, .classes = 10};
    ck_ok(bnn_spec_find(&spec, arch, algorithm, &err), err);
    ck_ok(bnn_net_build(&spec, test_device(), params, 16, 1, net, &err), err);
}

/* Hardly more is planned than some step needs at once. */
START_TEST(test_tight_plan) {
    static const char *const arch[] = {"resnet18", "resnet34", "resnet20"};
    for (int i = 0; i < 9; i++) {
        const char *algorithm = i % 3 == 0 ? "fp32" : i % 3 == 1 ? "fda" : "reactnet";
        bnn_net net;
        bnn_params *params = bnn_params_create();
        build_network(arch[i / 3], algorithm, params, &net);
        size_t bytes = bnn_graph_bytes(net.graph), needed = needed_at_once(net.graph);
        ck_assert_msg((double)bytes < 1.04 * (double)needed,
                      "%s %s: %zu bytes where %zu are needed", arch[i / 3], algorithm, bytes,
                      needed);
        bnn_graph_free(net.graph);
        bnn_params_free(params);
    }
}
END_TEST

/* Three gigabytes of sums that stay: a plan that 32 bits cannot count fails, and does not wrap. */
START_TEST(test_vast_plan) {
    const bnn_shape quarter = {(1 << 13) - 1, 1 << 7, 1 << 6, 1},
                    whole = {1 << 15, 1 << 7, 1 << 6, 1};
    const int large = sizeof(size_t) > 4;
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(test_device(), params, 0);
    bnn_error err = {0};
    bnn_t sum = bnn_graph_input(g, "x0", BNN_F32, quarter);
    for (int i = 1; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        sum = bnn_op_add(g, sum, bnn_graph_input(g, name, BNN_F32, quarter));
        bnn_graph_keep(g, sum);
    }
    ck_assert_int_eq(bnn_graph_compile(g, sum, &err), large ? BNN_OK : BNN_ERR_MEMORY);
    ck_assert(!large || bnn_graph_bytes(g) / 12 >= bnn_shape_count(quarter) * sizeof(float));
    bnn_graph_free(g);
    g = bnn_graph_create(test_device(), params, 0);
    sum = bnn_graph_input(g, "x", BNN_F32, whole);
    ck_assert_int_eq(bnn_graph_compile(g, bnn_op_add(g, sum, sum), &err),
                     large ? BNN_OK : BNN_ERR_SHAPE);
    bnn_graph_free(g);
    bnn_params_free(params);
}
END_TEST

/* The gradient of latent weights takes the memory of that of the operand they become. */
START_TEST(test_gradients_in_place) {
    static const char *const algorithms[] = {"bnn", "fda"};
    for (int i = 0; i < 2; i++) {
        bnn_net net;
        int shared = 0;
        bnn_params *params = bnn_params_create();
        build_network("resnet20", algorithms[i], params, &net);
        const bnn_graph *g = net.graph;
        for (size_t k = 0; k < g->node_count; k++) {
            const bnn_tensor *in = &g->tensors[g->nodes[k].in[0]];
            int weights = in->param && in->param->binary && bnn_row_wise(g->nodes[k].op);
            shared += weights && in->grad_buffer == g->tensors[g->nodes[k].out[0]].grad_buffer;
        }
        ck_assert_msg(shared == 18, "%s: %d of 18 layers", algorithms[i], shared);
        bnn_graph_free(net.graph);
        bnn_params_free(params);
    }
}
END_TEST

/* Where products of floats take the time, of the forward's wide maps of floats there remain
 * the products' results alone; where bits do, what comes again costs, and some sums remain as well.
 */
START_TEST(test_what_remains) {
    static const char *const algorithms[] = {"fp32", "fda", "bnn", "reactnet"};
    for (int i = 0; i < 4; i++) {
        bnn_net net;
        bnn_params *params = bnn_params_create();
        build_network("resnet20", algorithms[i], params, &net);
        const bnn_graph *g = net.graph;
        int sums = 0, products = 0;
        for (size_t t = 0; t < g->tensor_count; t++) {
            const bnn_node *node = bnn_graph_producer(g, (bnn_t)t);
            bnn_shape s = bnn_shape_of(g, (bnn_t)t);
            int map = g->tensors[t].saved && node && s.n == 16 && s.h > 1 && s.c >= 16;
            sums += map && bnn_row_wise(node->op) && g->tensors[t].dtype == BNN_F32;
            products += map && node->op == &bnn_conv_op;
        }
        ck_assert_int_ge(products, 18);
        ck_assert_msg(i < 2 ? sums == 0 : sums > 0, "%s: %d sums remain", algorithms[i], sums);
        bnn_graph_free(net.graph);
        bnn_params_free(params);
    }
}
END_TEST

/* Planned bytes: a binary network's step takes less than its float twin's. */
START_TEST(test_less_memory) {
    static const char *const algorithms[] = {"bnn",    "xnor",     "dorefa", "xnorpp",
                                             "bireal", "reactnet", "recu"};
    size_t bytes[8];
    for (int i = 0; i < 8; i++) {
        trained t;
        start_training(&t, i ? algorithms[i - 1] : "fp32", 64, 1);
        bytes[i] = bnn_graph_bytes(t.net.graph);
        size_t percent = i <= 4 ? 80 : 90; /* the last three hold what their slopes are read from */
        ck_assert_msg(i == 0 || 100 * bytes[i] < percent * bytes[0], "%s: %zu bytes beside %zu",
                      i ? algorithms[i - 1] : "", bytes[i], bytes[0]);
        stop_training(&t);
    }
}
END_TEST

START_TEST(test_threads) {
    check_threads("reactnet");
    check_threads("recu");
    check_threads("fda");
    check_threads("xnorpp");
    check_threads("fp32");
}
END_TEST

/* A last, smaller batch: the same parameters, in the larger graph's memory. */
START_TEST(test_tail_batch) {
    trained full, tail, alone;
    bnn_error err = {0};
    bnn_spec spec = {.height = 12, .width = 12, .channels = 3, .classes = 10};
    start_training(&full, "recu", 4, 1);
    start_training(&alone, "recu", 1, 1);
    tail = full;
    ck_ok(bnn_spec_find(&spec, "resnet20", "recu", &err), err);
    ck_ok(bnn_net_build(&spec, test_device(), full.params, 1, 1, &tail.net, &err), err);
    size_t bytes = bnn_graph_bytes(full.net.graph);
    ck_assert_uint_lt(bnn_graph_bytes(tail.net.graph), bytes);
    void *memory = poisoned(bytes);
    bind_training(&full, memory);
    bind_training(&tail, memory);
    memcpy(alone.x, full.x, 12 * 12 * 3 * sizeof(float));
    bind_training(&alone, NULL);
    bnn_graph_forward(full.net.graph);
    bnn_graph_backward(full.net.graph);
    float loss = *bnn_f32(full.net.graph, full.net.loss);
    memcpy(full.params->buffers, alone.params->buffers, 4 * full.params->buffer_count);
    ck_assert(train_step(&tail) == train_step(&alone));
    ck_assert(memcmp(full.params->values, alone.params->values, 4 * full.params->value_count) == 0);
    ck_assert(memcmp(full.params->buffers, alone.params->buffers, 4 * full.params->buffer_count) ==
              0);
    bnn_graph_forward(full.net.graph);
    ck_assert(*bnn_f32(full.net.graph, full.net.loss) != loss); /* sees the tail's step */
    bnn_graph_free(tail.net.graph);
    stop_training(&full);
    stop_training(&alone);
    free(memory);
}
END_TEST

int main(void) {
    int algorithms = 0;
    while (bnn_binarizers[algorithms]) {
        algorithms++;
    }
    Suite *suite = suite_create("graph");
    TCase *tcase = tcase_create("graph");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_planned_memory);
    tcase_add_test(tcase, test_learned_scale);
    tcase_add_test(tcase, test_late_reader);
    tcase_add_test(tcase, test_no_allocation);
    tcase_add_test(tcase, test_blocks);
    tcase_add_loop_test(tcase, test_early_updates, 0, 1 + algorithms); /* and fp32 */
    tcase_add_test(tcase, test_few_gradients);
    tcase_add_test(tcase, test_tight_plan);
    tcase_add_test(tcase, test_vast_plan);
    tcase_add_test(tcase, test_gradients_in_place);
    tcase_add_test(tcase, test_what_remains);
    tcase_add_test(tcase, test_less_memory);
    tcase_add_test(tcase, test_threads);
    tcase_add_test(tcase, test_tail_batch);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

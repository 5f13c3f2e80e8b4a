#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "models/model.h"
#include "tools/cli/names.h"
#include "tools/cli/options.h"
#include "tools/run/data_spec.h"
#include "tools/sweep/plan_private.h"

enum { MOST_NAMES = 64 };

/* Names of a table, in its order. */
typedef struct choice {
    const char *name[MOST_NAMES];
    size_t count;
    int exact; /* none of them by a pattern */
} choice;

static const char *const everything[] = {"*"};

/* Whether the list's last word on this name, if any, takes it in. */
static int is_chosen(const char *name, const char *const *pattern, size_t count) {
    int chosen = 0;
    for (size_t i = 0; i < count; i++) {
        const int out = pattern[i][0] == '!';
        chosen = fnmatch(pattern[i] + out, name, 0) == 0 ? !out : chosen;
    }
    return chosen;
}

int bnn_plan_names_any(const char *pattern, const char *const *names) {
    for (; *names; names++) {
        if (fnmatch(pattern + (pattern[0] == '!'), *names, 0) == 0) {
            return 1;
        }
    }
    return 0;
}

static bnn_code no_such_name(const bnn_reader *r, const char *key, const char *pattern,
                             const char *const *names) {
    char what[200];
    const char *near = bnn_nearest_name(pattern, names);
    snprintf(what, sizeof what, "'%s': there is no %.60s%s%s%s", key, pattern,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return bnn_plan_fail(r, what);
}

static bnn_code choose(const bnn_reader *r, const bnn_sweep_group *g, const char *key,
                       const char *const *names, choice *out) {
    const json_t *list = json_object_get(g->given, key);
    const char *pattern[MOST_NAMES];
    size_t count = list ? json_array_size(list) : 1;
    char what[80];
    *out = (choice){.exact = 1};
    if (count == 0 || count > MOST_NAMES) {
        snprintf(what, sizeof what, "'%s' must be a list of names", key);
        return bnn_plan_fail(r, what);
    }
    for (size_t i = 0; i < count; i++) {
        pattern[i] = list ? json_string_value(json_array_get(list, i)) : everything[0];
        if (!pattern[i] || !bnn_plan_names_any(pattern[i], names)) {
            return no_such_name(r, key, pattern[i] ? pattern[i] : "such name", names);
        }
        out->exact &= !strpbrk(pattern[i], "*?[!");
    }
    for (; *names; names++) {
        if (is_chosen(*names, pattern, count) && out->count < MOST_NAMES) {
            out->name[out->count++] = *names;
        }
    }
    return BNN_OK;
}

/* Float twins first: others may start from them. */
static void twins_first(choice *algos) {
    for (size_t i = 1; i < algos->count; i++) {
        if (strcmp(algos->name[i], BNN_FLOAT_ALGORITHM) == 0) {
            memmove(algos->name + 1, algos->name, i * sizeof *algos->name);
            algos->name[0] = BNN_FLOAT_ALGORITHM;
        }
    }
}

static int names_twin(const json_t *options) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)options, key, value) {
        if (json_is_string(value) && strstr(json_string_value(value), "{twin}")) {
            return 1;
        }
    }
    return 0;
}

/* What is common, what its kind of network has of its own, and the variant's. */
static json_t *options_of(const bnn_sweep_group *g, int binary, const json_t *variant) {
    json_t *options = json_object();
    json_t *const parts[] = {json_object_get(g->given, "options"),
                             json_object_get(g->given, binary ? "binary" : "float"),
                             (json_t *)variant};
    for (size_t i = 0; options && i < sizeof parts / sizeof *parts; i++) {
        if (parts[i] && json_object_update(options, parts[i]) != 0) {
            json_decref(options);
            options = NULL;
        }
    }
    return options;
}

static bnn_code out_of_memory(const bnn_reader *r) {
    return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
}

static bnn_code add_cell(const bnn_reader *r, bnn_plan *plan, const bnn_cell *like,
                         const json_t *variant) {
    const int binary = strcmp(like->algo, BNN_FLOAT_ALGORITHM) != 0;
    if (plan->cell_count == BNN_MAX_CELLS) {
        return bnn_plan_fail(r, "these are more than 100000 cells");
    }
    bnn_cell *cells = bnn_arena_grow(plan->arena, plan->cells, &plan->cell_capacity,
                                     plan->cell_count + 1, sizeof *cells);
    plan->cells = cells ? cells : plan->cells;
    if (!cells) {
        return out_of_memory(r);
    }
    bnn_cell *c = &cells[plan->cell_count];
    *c = *like;
    c->name = bnn_arena_format(plan->arena, "%s/%s-%s-%s%s%s-s%" PRId64, c->group->name, c->algo,
                               c->arch, c->data, *c->variant ? "-" : "", c->variant, c->seed);
    c->options = options_of(c->group, binary, variant);
    if (!c->name || !c->options) {
        return out_of_memory(r);
    }
    plan->cell_count++;
    c->needs_twin = names_twin(c->options);
    if (c->needs_twin && (!binary || c->twin == BNN_NO_CELL)) {
        return bnn_plan_fail(r, "{twin} is the run of a float twin: fp32 must be among the "
                                "algorithms, and {twin} among the options of 'binary'");
    }
    return BNN_OK;
}

/* All algorithms of one network, data set, variant and seed. */
static bnn_code add_algorithms(const bnn_reader *r, bnn_plan *plan, const choice *algos,
                               bnn_cell like, const json_t *variant) {
    bnn_code code = BNN_OK;
    like.twin = BNN_NO_CELL;
    for (size_t a = 0; a < algos->count && code == BNN_OK; a++) {
        like.algo = algos->name[a];
        code = add_cell(r, plan, &like, variant);
        if (strcmp(like.algo, BNN_FLOAT_ALGORITHM) == 0) {
            like.twin = plan->cell_count - 1;
        }
    }
    return code;
}

static bnn_code add_seeds(const bnn_reader *r, bnn_plan *plan, const choice *algos, bnn_cell like,
                          const json_t *variant) {
    const json_t *seeds = json_object_get(like.group->given, "seeds");
    const size_t count = seeds ? json_array_size(seeds) : 1;
    bnn_code code = BNN_OK;
    for (size_t s = 0; s < count && code == BNN_OK; s++) {
        like.seed = seeds ? json_integer_value(json_array_get(seeds, s)) : 1;
        like.first_seed = s == 0;
        for (size_t k = 0; k < s; k++) {
            if (json_integer_value(json_array_get(seeds, k)) == like.seed) {
                return bnn_plan_fail(r, "a seed stands twice in 'seeds'");
            }
        }
        code = add_algorithms(r, plan, algos, like, variant);
    }
    return code;
}

static bnn_code add_variants(const bnn_reader *r, bnn_plan *plan, const choice *algos,
                             bnn_cell like) {
    json_t *variants = json_object_get(like.group->given, "variants"), *options;
    bnn_code code = BNN_OK;
    like.variant = "";
    if (!variants) {
        return add_seeds(r, plan, algos, like, NULL);
    }
    json_object_foreach(variants, like.variant, options) {
        code = code == BNN_OK ? add_seeds(r, plan, algos, like, options) : code;
        like.variant_number++;
    }
    return code;
}

bnn_code bnn_plan_add_cells(const bnn_reader *r, bnn_plan *plan, bnn_sweep_group *g) {
    choice algos, archs, data;
    const size_t before = plan->cell_count;
    bnn_error unfit = {0};
    bnn_code code = choose(r, g, "algos", bnn_algorithm_names, &algos);
    code = code == BNN_OK ? choose(r, g, "archs", bnn_arch_names, &archs) : code;
    code = code == BNN_OK ? choose(r, g, "data", bnn_dataset_names, &data) : code;
    if (code != BNN_OK) {
        return code;
    }
    twins_first(&algos);
    for (size_t d = 0; d < data.count && code == BNN_OK; d++) {
        for (size_t a = 0; a < archs.count && code == BNN_OK; a++) {
            const bnn_cell like = {.group = g, .arch = archs.name[a], .data = data.name[d]};
            if (bnn_arch_fits(bnn_arch_find(like.arch), bnn_dataset_find(like.data), &unfit) ==
                BNN_OK) {
                code = add_variants(r, plan, &algos, like);
            } else if (archs.exact && data.exact) {
                return bnn_plan_fail(r, unfit.text);
            }
        }
    }
    /* A pattern may be of names that are to come. */
    return code == BNN_OK && plan->cell_count == before && archs.count && data.count
               ? bnn_plan_fail(r, "no network goes together with a data set")
               : code;
}

bnn_code bnn_plan_find(const bnn_plan *plan, const char *cell, size_t *out, bnn_error *err) {
    const char **names = bnn_arena_alloc(plan->arena, (plan->cell_count + 1) * sizeof *names);
    if (!names) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < plan->cell_count; i++) {
        names[i] = plan->cells[i].name;
        if (strcmp(names[i], cell) == 0) {
            *out = i;
            return BNN_OK;
        }
    }
    const char *near = bnn_nearest_name(cell, names);
    return bnn_fail(err, BNN_ERR_ARGUMENT, "--cell %.200s: the plan has none of that name%s%s%s",
                    cell, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

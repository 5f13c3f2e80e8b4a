#include "engine/base/text.h"
#include "tools/run/data_spec.h"

#include <stdio.h>
#include <string.h>

static int is(const char *name, const char *other) {
    return name && strcmp(name, other) == 0;
}

/* An option that only data sets of one kind of samples have. */
typedef struct kind_option {
    const char *option, *field; /* the first of such samples */
    int given;
} kind_option;

static int has_boxes(const bnn_dataset_info *info) {
    return info->fields > 1 && is(info->field[1].name, "boxes");
}

int bnn_data_has_corruptions(const bnn_dataset_info *info) {
    return is(info->task, "classify") && is(info->field[0].name, "image");
}

bnn_view bnn_view_for(const bnn_arch *arch, const bnn_dataset_info *info, int side) {
    if (!has_boxes(info)) {
        return (bnn_view){0};
    }
    if (arch->side) {
        return (bnn_view){.height = arch->side, .width = arch->side};
    }
    /* As 600 to 1000, which is the usual view of VOC. */
    const int shorter = side * 3 / 5;
    return (bnn_view){side, side, side, side && shorter < 1 ? 1 : shorter};
}

bnn_view bnn_view_of(const bnn_spec *spec, const bnn_dataset_info *info) {
    const bnn_dataset_options usual = {0};
    bnn_dataset *planned = NULL;
    bnn_code code = has_boxes(info) ? bnn_dataset_plan(info, &usual, &planned, NULL) : BNN_OK;
    const int same = code == BNN_OK && planned && planned->field[0].shape.h == spec->height;
    bnn_dataset_close(planned);
    return bnn_view_for(spec->arch, info, same ? 0 : spec->height);
}

bnn_code bnn_data_choose(const bnn_dataset_info *info, const bnn_data_choice *choice,
                         bnn_dataset_options *options, bnn_error *err) {
    const struct {
        const char *option, *value;
    } variants[] = {{"words", choice->words},
                    {"category", choice->category},
                    {"test-genres", choice->test_genres},
                    {"years", choice->years}};
    const kind_option kinds[] = {{"points", "points", choice->points != 0},
                                 {"length", "ids", choice->length != 0},
                                 {"vocab", "ids", choice->vocab != NULL}};
    const int64_t length = choice->points ? choice->points : choice->length;
    *options = (bnn_dataset_options){.limit = (size_t)choice->limit,
                                     .length = (int)length,
                                     .vocab_file = choice->vocab,
                                     .view = choice->view};
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].value && !is(info->variant, variants[i].option)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect on --data %s",
                            variants[i].option, info->name);
        }
        options->variant = variants[i].value ? variants[i].value : options->variant;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].given && !is(info->field[0].name, kinds[i].field)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect on --data %s",
                            kinds[i].option, info->name);
        }
    }
    return BNN_OK;
}

static void describe(bnn_spec *spec, const bnn_dataset_info *info, const bnn_field *field,
                     int classes) {
    spec->height = field->shape.h;
    spec->width = field->shape.w;
    spec->channels = field->shape.c;
    spec->classes = classes;
    spec->task = bnn_task_find(info->task);
    spec->dataset = info->name;
    memcpy(spec->mean, info->mean, sizeof spec->mean);
    memcpy(spec->std, info->std, sizeof spec->std);
    spec->picture = info->picture;
    spec->small_boxes = info->small_boxes;
}

void bnn_spec_of_info(bnn_spec *spec, const bnn_dataset_info *info) {
    describe(spec, info, &info->field[0], info->classes);
}

bnn_code bnn_spec_of_dataset(bnn_spec *spec, const bnn_dataset *dataset,
                             const bnn_dataset_options *options, bnn_arena *arena, bnn_error *err) {
    size_t bytes = 1, id_bytes = 1;
    const int named = dataset->class_names ? dataset->classes : 0; /* a planned set may have none */
    for (int c = 0; c < named; c++) {
        bytes += strlen(dataset->class_names[c]) + 1;
        id_bytes += dataset->class_ids ? 24 : 0;
    }
    char *names = bnn_arena_alloc(arena, bytes), *at = names;
    char *ids = bnn_arena_alloc(arena, id_bytes), *id_at = ids;
    char *variant = bnn_arena_format(arena, "%s", options->variant ? options->variant : "");
    char *vocab = bnn_arena_format(arena, "%.*s", (int)dataset->vocab_bytes,
                                   dataset->vocab ? (const char *)dataset->vocab : "");
    if (!names || !ids || !variant || !vocab) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for what a model says of its data");
    }
    for (int c = 0; c < named; c++) {
        at += sprintf(at, "%s%s", c ? "\n" : "", dataset->class_names[c]);
        if (dataset->class_ids) {
            id_at += sprintf(id_at, "%s%lld", c ? "\n" : "", (long long)dataset->class_ids[c]);
        }
    }
    *at = *id_at = '\0';
    describe(spec, dataset->info, &dataset->field[0], dataset->classes);
    memcpy(spec->mean, dataset->mean, sizeof spec->mean);
    memcpy(spec->std, dataset->std, sizeof spec->std);
    spec->class_names = names;
    spec->class_ids = ids;
    spec->variant = variant;
    spec->vocab = vocab;
    return BNN_OK;
}

void bnn_data_note(const bnn_dataset *dataset, const char *what, const char *program) {
    if (dataset->skipped) {
        fprintf(stderr,
                "%s: note: %s: %zu files that its lists or links name for %s are not there; the "
                "%zu %s that are make the set\n",
                program, dataset->info->name, dataset->skipped, what, dataset->total,
                dataset->info->samples);
    }
    if (dataset->remark) {
        fprintf(stderr, "%s: note: %s: %s\n", program, dataset->info->name, dataset->remark);
    }
}

static int fits(const bnn_arch *arch, const bnn_dataset_info *info) {
    return is(arch->inputs[0], info->field[0].name) &&
           bnn_arch_serves(arch, bnn_task_find(info->task));
}

/* The first network for such data, or NULL. */
static const char *arch_for(const bnn_dataset_info *info) {
    for (size_t i = 0; bnn_archs[i]; i++) {
        if (fits(bnn_archs[i], info)) {
            return bnn_archs[i]->name;
        }
    }
    return NULL;
}

/* The first data set for such a network, or NULL. */
static const char *data_for(const bnn_arch *arch) {
    for (size_t i = 0; bnn_datasets[i]; i++) {
        if (fits(arch, bnn_datasets[i])) {
            return bnn_datasets[i]->name;
        }
    }
    return NULL;
}

bnn_code bnn_arch_fits(const bnn_arch *arch, const bnn_dataset_info *info, bnn_error *err) {
    if (fits(arch, info)) {
        return BNN_OK;
    }
    const char *data = data_for(arch), *other = arch_for(info);
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "--arch %s is for %s of '%s', --data %s for %s of '%s'; take --data %s, or "
                    "--arch %s",
                    arch->name, arch->task->name, arch->inputs[0], info->name, info->task,
                    info->field[0].name, data ? data : "of another kind",
                    other ? other : "of another kind");
}

bnn_code bnn_arch_holds(const bnn_arch *arch, const bnn_dataset *dataset, bnn_error *err) {
    const int length = dataset->field[0].shape.w;
    if (!arch->vocabulary) {
        return BNN_OK;
    }
    if (dataset->tokens > (size_t)arch->vocabulary) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "the vocabulary has %zu tokens, %s has room for %d; give --vocab that of "
                        "bert-base-uncased",
                        dataset->tokens, arch->name, arch->vocabulary);
    }
    return length <= arch->positions
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT, "--length %d: %s takes at most %d tokens", length,
                          arch->name, arch->positions);
}

void bnn_note_classes(const bnn_spec *spec, const bnn_dataset *dataset, const char *path,
                      const char *program) {
    const int named = dataset->class_names && *spec->class_names ? dataset->classes : 0;
    for (int c = 0; c < named; c++) {
        const char *own = bnn_class_name(spec, c), *its = dataset->class_names[c];
        const size_t length = strcspn(own, "\n");
        if (strlen(its) != length || memcmp(own, its, length) != 0) {
            fprintf(stderr,
                    "%s: note: %s was trained for other classes: class %d is %.*s, here %s\n",
                    program, path, c, (int)length, own, its);
            return;
        }
    }
}

bnn_code bnn_spec_takes(const bnn_spec *spec, const bnn_dataset *dataset, const char *path,
                        bnn_error *err) {
    const bnn_shape d = dataset->field[0].shape;
    if (spec->height != d.h || spec->width != d.w || spec->channels != d.c ||
        spec->classes != dataset->classes) {
        return bnn_fail(err, BNN_ERR_SHAPE,
                        "%s takes %dx%dx%d %s of %d classes; %s has %dx%dx%d of %d", path,
                        spec->channels, spec->height, spec->width, dataset->info->samples,
                        spec->classes, dataset->info->name, d.c, d.h, d.w, dataset->classes);
    }
    return bnn_arch_holds(spec->arch, dataset, err);
}

bnn_code bnn_pool_choose(bnn_spec *spec, const char *name, bnn_error *err) {
    const char *points = "points";
    char names[200] = "";
    spec->pool = (bnn_pool)bnn_name_find(bnn_pool_names, name);
    if (spec->pool == BNN_POOL_USUAL || is(spec->arch->inputs[0], points)) {
        return BNN_OK;
    }
    for (size_t i = 0, used = 0; bnn_archs[i]; i++) {
        if (is(bnn_archs[i]->inputs[0], points) && used < sizeof names) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     bnn_archs[i]->name);
        }
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT, "--pool has no effect on --arch %s; it does on %s",
                    spec->arch->name, names);
}

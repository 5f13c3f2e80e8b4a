#include "tools/run/data_spec.h"

#include <stdio.h>
#include <string.h>

static int is(const char *name, const char *other) {
    return name && strcmp(name, other) == 0;
}

bnn_code bnn_data_choose(const bnn_dataset_info *info, const bnn_data_choice *choice,
                         bnn_dataset_options *options, bnn_error *err) {
    const struct {
        const char *option, *value;
    } variants[] = {{"words", choice->words}, {"category", choice->category}};
    *options = (bnn_dataset_options){.limit = (size_t)choice->limit, .length = (int)choice->points};
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].value && !is(info->variant, variants[i].option)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s says nothing to --data %s",
                            variants[i].option, info->name);
        }
        options->variant = variants[i].value ? variants[i].value : options->variant;
    }
    if (choice->points && !is(info->field[0].name, "points")) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--points says nothing to --data %s", info->name);
    }
    return BNN_OK;
}

static void describe(bnn_spec *spec, const bnn_dataset_info *info, const bnn_field *field,
                     int classes) {
    spec->height = field->shape.h;
    spec->width = field->shape.w;
    spec->channels = field->shape.c;
    spec->classes = classes;
    spec->dataset = info->name;
    memcpy(spec->mean, info->mean, sizeof spec->mean);
    memcpy(spec->std, info->std, sizeof spec->std);
    spec->picture = info->picture;
}

void bnn_spec_of_info(bnn_spec *spec, const bnn_dataset_info *info) {
    describe(spec, info, &info->field[0], info->classes);
}

bnn_code bnn_spec_of_dataset(bnn_spec *spec, const bnn_dataset *dataset,
                             const bnn_dataset_options *options, bnn_arena *arena, bnn_error *err) {
    size_t bytes = 1;
    for (int c = 0; c < dataset->classes; c++) {
        bytes += strlen(dataset->class_names[c]) + 1;
    }
    char *names = bnn_arena_alloc(arena, bytes), *at = names;
    char *variant = bnn_arena_format(arena, "%s", options->variant ? options->variant : "");
    if (!names || !variant) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the names of the classes");
    }
    for (int c = 0; c < dataset->classes; c++) {
        at += sprintf(at, "%s%s", c ? "\n" : "", dataset->class_names[c]);
    }
    describe(spec, dataset->info, &dataset->field[0], dataset->classes);
    spec->class_names = names;
    spec->variant = variant;
    return BNN_OK;
}

void bnn_data_note(const bnn_dataset *dataset, const char *what, const char *program) {
    if (dataset->skipped) {
        fprintf(stderr,
                "%s: note: %s: %zu files that its lists name for %s are not there; the %zu %s that "
                "are make the set\n",
                program, dataset->info->name, dataset->skipped, what, dataset->total,
                dataset->info->samples);
    }
    if (dataset->remark) {
        fprintf(stderr, "%s: note: %s: %s\n", program, dataset->info->name, dataset->remark);
    }
}

bnn_code bnn_arch_fits(const bnn_arch *arch, const bnn_dataset_info *info, bnn_error *err) {
    const char *fitting = "none yet";
    if (is(arch->task->name, info->task) && is(arch->input, info->field[0].name)) {
        return BNN_OK;
    }
    for (size_t i = 0; bnn_archs[i]; i++) {
        if (is(bnn_archs[i]->task->name, info->task) &&
            is(bnn_archs[i]->input, info->field[0].name)) {
            fitting = bnn_archs[i]->name;
            break;
        }
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "--arch %s is for %s of '%s', --data %s for %s of '%s'; for that, --arch %s",
                    arch->name, arch->task->name, arch->input, info->name, info->task,
                    info->field[0].name, fitting);
}

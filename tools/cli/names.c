#include "tools/cli/names.h"

#include "data_loaders/dataset.h"
#include "models/export/export.h"
#include "optim/optimizer.h"

const char *bnn_algorithm_names[32];
const char *bnn_arch_names[32];
const char *bnn_dataset_names[32];
const char *bnn_optimizer_names[32];
const char *bnn_format_names[32];

void bnn_names_fill(void) {
    size_t n = 0;
    for (; bnn_binarizers[n]; n++) {
        bnn_algorithm_names[n] = bnn_binarizers[n]->name;
    }
    bnn_algorithm_names[n] = BNN_FLOAT_ALGORITHM;
    for (size_t i = 0; bnn_archs[i]; i++) {
        bnn_arch_names[i] = bnn_archs[i]->name;
    }
    for (size_t i = 0; bnn_datasets[i]; i++) {
        bnn_dataset_names[i] = bnn_datasets[i]->name;
    }
    for (size_t i = 0; bnn_optimizer_kinds[i]; i++) {
        bnn_optimizer_names[i] = bnn_optimizer_kinds[i]->name;
    }
    for (size_t i = 0; bnn_export_formats[i]; i++) {
        bnn_format_names[i] = bnn_export_formats[i]->name;
    }
}

void bnn_names_print(FILE *out) {
    fprintf(out, "algorithms (--algo)\n");
    for (size_t i = 0; bnn_binarizers[i]; i++) {
        fprintf(out, "  %-14s %s\n", bnn_binarizers[i]->name, bnn_binarizers[i]->title);
    }
    fprintf(out, "  %-14s the float twin, ReLU in place of Hardtanh\n", BNN_FLOAT_ALGORITHM);
    fprintf(out, "architectures (--arch)\n");
    for (size_t i = 0; bnn_archs[i]; i++) {
        fprintf(out, "  %-14s %s\n", bnn_archs[i]->name, bnn_archs[i]->title);
    }
    fprintf(out, "data sets (--data)\n");
    for (size_t i = 0; bnn_datasets[i]; i++) {
        fprintf(out, "  %-14s %s\n", bnn_datasets[i]->name, bnn_datasets[i]->description);
    }
}

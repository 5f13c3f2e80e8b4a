#include "tools/train/plan_table.h"

#include <stdio.h>
#include <string.h>

#include "models/summary.h"

enum { MOST_NAMES = 12 };

/* By name, as many as fit a line. */
static void print_classes(const bnn_spec *spec) {
    printf("classes         ");
    for (int c = 0; c < spec->classes && c < MOST_NAMES; c++) {
        const char *name = bnn_class_name(spec, c);
        printf("%s%.*s", c ? ", " : "", (int)strcspn(name, "\n"), name);
    }
    printf(spec->classes > MOST_NAMES ? ", ...\n" : "\n");
}

void bnn_plan_table_print(const bnn_train_settings *s, const bnn_params *params, const bnn_net *net,
                          size_t bytes) {
    size_t macs = 0, binary_macs = 0;
    printf("%-28s %-16s %12s %14s %14s  %s\n", "layer", "output", "parameters", "weight bits",
           "MACs", "product");
    for (size_t i = 0; i < bnn_graph_node_count(net->graph); i++) {
        bnn_layer_row row;
        if (!bnn_layer_row_at(net->graph, i, &row)) {
            continue;
        }
        char shape[48];
        snprintf(shape, sizeof shape, "%dx%dx%d", row.output.c, row.output.h, row.output.w);
        const char *name = row.weight ? row.weight->name : "attention.weight";
        printf("%-28.*s %-16s %12zu %14zu %14zu  %s\n", (int)strlen(name) - 7, name, shape,
               row.parameters, row.bits, row.macs, row.binary ? "binary" : "float");
        macs += row.macs;
        binary_macs += row.binary ? row.macs : 0;
    }
    size_t total = bnn_params_total(params), binary = bnn_params_binary(params);
    printf("\n%s with %s, input %dx%dx%d, %d classes\n", s->spec.arch->name,
           bnn_spec_algorithm(&s->spec), s->spec.channels, s->spec.height, s->spec.width,
           s->spec.classes);
    print_classes(&s->spec);
    if (strcmp(s->spec.arch->inputs[0], "points") == 0) {
        printf("pool of points  %s\n",
               bnn_pool_names[bnn_pool_of(s->spec.pool, !!s->spec.binarizer)]);
    }
    printf("parameters      %14zu\n", total);
    printf("binary weights  %14zu\n", binary);
    printf("MACs            %14zu\n", macs);
    printf("binary MACs     %14zu\n", binary_macs);
    printf("peak memory     %14zu bytes planned for training at batch size %zu (%.1f MiB)\n", bytes,
           s->batch_size, (double)bytes / 1048576.0);
}

#include "tools/train/plan_table.h"

#include <stdio.h>
#include <string.h>

#include "models/summary.h"
#include "tools/run/plan_counts.h"

enum { MOST_NAMES = 12 };

/* By name, as many as fit a line; nothing where only the files know them. */
static void print_classes(const bnn_spec *spec) {
    if (!*bnn_class_name(spec, 0)) {
        return;
    }
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
        if (!bnn_layer_row_at(net->graph, i, 1, &row)) {
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

static json_t *shape_json(bnn_shape s) {
    return json_pack("[i, i, i]", s.c, s.h, s.w);
}

static json_t *layers_json(const bnn_net *net) {
    json_t *layers = json_array();
    for (size_t i = 0; i < bnn_graph_node_count(net->graph); i++) {
        bnn_layer_row row;
        if (bnn_layer_row_at(net->graph, i, 1, &row)) {
            json_array_append_new(
                layers,
                json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:b}", "weight",
                          row.weight ? row.weight->name : "attention.weight", "input",
                          shape_json(row.input), "output", shape_json(row.output), "parameters",
                          (json_int_t)row.parameters, "bits", (json_int_t)row.bits, "macs",
                          (json_int_t)row.macs, "binary", row.binary));
        }
    }
    return layers;
}

json_t *bnn_plan_json(const bnn_train_settings *s, const char *data, const bnn_net *net,
                      size_t bytes) {
    const bnn_complexity c = bnn_complexity_of(&s->spec, net->graph);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:[i, i, i], s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:o}",
        "format", BNN_PLAN_FORMAT, "arch", s->spec.arch->name, "algo", bnn_spec_algorithm(&s->spec),
        "data", data, "input", s->spec.channels, s->spec.height, s->spec.width, "classes",
        s->spec.classes, "parameters", (json_int_t)c.parameters, "binary_weights",
        (json_int_t)c.binary_weights, "float_parameters", (json_int_t)c.float_parameters,
        "kept_parameters", (json_int_t)c.kept, "macs", (json_int_t)c.macs, "binary_macs",
        (json_int_t)c.binary_macs, "scalings", (json_int_t)c.scalings, "float_work",
        (json_int_t)c.float_work, "batch_size", (json_int_t)s->batch_size, "peak_bytes",
        (json_int_t)bytes, "layers", layers_json(net));
}

#include "tools/train/profile_table.h"

#include <stdlib.h>
#include <string.h>

#include "layers/ops.h"

/* The row of that name; the last one takes what finds no room. */
static bnn_profile_row *row_of(bnn_profile_table *table, const char *name) {
    for (int i = 0; i < table->count; i++) {
        if (strcmp(table->row[i].name, name) == 0) {
            return &table->row[i];
        }
    }
    int full = table->count == BNN_PROFILE_ROWS;
    bnn_profile_row *row = &table->row[full ? table->count - 1 : table->count++];
    snprintf(row->name, sizeof row->name, "%s", full ? "others" : name);
    return row;
}

/* A product is named by its operands, since those decide how it is computed. */
static void name_of(const bnn_graph *graph, const bnn_node *node, char *name, size_t size) {
    int conv = node->op == &bnn_conv_op;
    int bits = conv && bnn_dtype_of(graph, node->in[0]) == BNN_B1;
    snprintf(name, size, "%s%s", node->op->name, !conv ? "" : bits ? " of bits" : " of floats");
}

void bnn_profile_table_add(bnn_profile_table *table, const bnn_graph *graph) {
    for (size_t i = 0; i < bnn_graph_node_count(graph); i++) {
        char name[32];
        name_of(graph, bnn_graph_node(graph, i), name, sizeof name);
        bnn_profile_row *row = row_of(table, name);
        for (int kind = 0; kind < BNN_COST_KINDS; kind++) {
            bnn_cost cost = bnn_profile_cost(graph, i, (bnn_cost_kind)kind);
            row->cost[kind].seconds += cost.seconds;
            row->cost[kind].bytes += cost.bytes;
        }
    }
}

void bnn_profile_table_extra(bnn_profile_table *table, const char *name, double seconds,
                             double bytes) {
    bnn_cost *cost = &row_of(table, name)->cost[BNN_COST_FORWARD];
    cost->seconds += seconds;
    cost->bytes += bytes;
}

static bnn_cost total_of(const bnn_profile_row *row) {
    bnn_cost sum = {0.0, 0.0};
    for (int kind = 0; kind < BNN_COST_KINDS; kind++) {
        sum.seconds += row->cost[kind].seconds;
        sum.bytes += row->cost[kind].bytes;
    }
    return sum;
}

static int slower_first(const void *a, const void *b) {
    double x = total_of(a).seconds, y = total_of(b).seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print_row(const bnn_profile_row *row, double steps, double all, FILE *to) {
    bnn_cost total = total_of(row);
    fprintf(to, "%-18s", row->name);
    for (int kind = 0; kind < BNN_COST_KINDS; kind++) {
        fprintf(to, " %9.3f", 1e3 * row->cost[kind].seconds / steps);
    }
    fprintf(to, " %9.3f %5.1f%% %9.1f\n", 1e3 * total.seconds / steps,
            all > 0.0 ? 100.0 * total.seconds / all : 0.0, total.bytes / steps / 1e6);
}

void bnn_profile_table_print(const bnn_profile_table *table, uint64_t steps, FILE *to) {
    bnn_profile_table sorted = *table;
    bnn_profile_row total = {.name = "total"};
    double count = steps ? (double)steps : 1.0;
    qsort(sorted.row, (size_t)sorted.count, sizeof sorted.row[0], slower_first);
    for (int i = 0; i < sorted.count; i++) {
        for (int kind = 0; kind < BNN_COST_KINDS; kind++) {
            total.cost[kind].seconds += sorted.row[i].cost[kind].seconds;
            total.cost[kind].bytes += sorted.row[i].cost[kind].bytes;
        }
    }
    double all = total_of(&total).seconds;
    fprintf(to, "%-18s %9s %9s %9s %9s %6s %9s\n", "ms a step", "forward", "again", "backward",
            "all", "", "MB");
    for (int i = 0; i < sorted.count; i++) {
        print_row(&sorted.row[i], count, all, to);
    }
    print_row(&total, count, all, to);
}

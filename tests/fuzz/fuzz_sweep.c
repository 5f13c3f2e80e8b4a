/* What bnn-sweep reads, on arbitrary bytes: a plan, which becomes cells, and the state of a cell.
 */
#include <string.h>

#include "models/model.h"
#include "tests/fuzz/fuzz.h"
#include "tools/cli/names.h"
#include "tools/sweep/state.h"

static const char known[] =
    "{\"groups\": [{\"name\": \"g\", \"algos\": [\"bnn\"], \"archs\": [\"resnet20\"], "
    "\"data\": [\"cifar10\"], \"options\": {\"lr\": 0.1}}]}";

static void check_cells(const bnn_plan *plan) {
    for (size_t i = 0; i < plan->cell_count; i++) {
        const bnn_cell *c = &plan->cells[i];
        bnn_insist(strlen(c->name) < BNN_MAX_CELL_NAME && !strstr(c->name, ".."));
        bnn_insist(json_is_object(c->options));
        bnn_insist(!c->needs_twin ||
                   (c->twin < i && strcmp(plan->cells[c->twin].algo, BNN_FLOAT_ALGORITHM) == 0));
    }
}

static void read_state(const char *text, size_t size) {
    bnn_error err = {0};
    bnn_plan plan;
    bnn_cell_state state;
    bnn_insist(bnn_plan_parse("known.json", known, strlen(known), &plan, &err) == BNN_OK);
    if (bnn_accepted(bnn_cell_state_parse("state.json", text, size, &plan.cells[0], &state, &err),
                     &err)) {
        bnn_insist(bnn_cell_seconds(&state) >= 0.0);
        bnn_insist(bnn_next_stage(&plan.cells[0], &state) <= BNN_STAGES);
    }
    bnn_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    bnn_error err = {0};
    bnn_plan plan;
    bnn_names_fill();
    if (bnn_accepted(bnn_plan_parse("plan.json", text, size, &plan, &err), &err)) {
        check_cells(&plan);
        bnn_insist(bnn_plan_set_limit(&plan, 5, &err) == BNN_OK);
        (void)bnn_plan_data_dir(&plan, "cifar10");
    }
    bnn_plan_free(&plan);
    read_state(text, size);
    return 0;
}

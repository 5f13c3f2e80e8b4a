#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "models/model.h"
#include "tools/cli/shell.h"
#include "tools/report/bibench.h"
#include "tools/report/page.h"

static bnn_code out_of_memory(const char *folder, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", folder);
}

const char *bnn_bibench_task(const char *data) {
    return strncmp(data, "glue_", 5) == 0 ? "glue" : data;
}

/* By what they see: pixels, words; points and sound are for networks of linear layers. */
const char *bnn_bibench_kind(const char *arch) {
    const char *input = bnn_arch_find(arch)->inputs[0];
    return strcmp(input, "image") == 0 ? "CNN" : strcmp(input, "ids") == 0 ? "Transformer" : "MLP";
}

/* Part of a link: what has a meaning there is written as bytes. */
static const char *link_of(bnn_arena *arena, const char *base, const char *cell, const char *file) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~/";
    char *out = bnn_arena_alloc(arena, 3 * (strlen(base) + strlen(cell)) + strlen(file) + 1),
         *at = out;
    for (const char *part = base; out && part; part = part == base ? cell : NULL) {
        for (const char *c = part; *c; c++) {
            at += strchr(plain, *c) ? sprintf(at, "%c", *c)
                                    : sprintf(at, "%%%02X", (unsigned char)*c);
        }
    }
    if (out) {
        strcpy(at, file);
    }
    return out;
}

/* Only whole cells count: all agree then, whenever the report is made. */
static int is_measured(const bnn_cell *cell, const bnn_cell_state *state) {
    int is = 1;
    for (int stage = BNN_STAGE_COUNT; stage <= BNN_STAGE_EVAL; stage++) {
        is &= state->done[stage] || !bnn_stage_wanted(cell, stage);
    }
    return is;
}

static bnn_code read_counts(bnn_bibench *b, const bnn_cell *cell, bnn_bibench_run *r,
                            bnn_error *err) {
    char path[BNN_CELL_PATH];
    bnn_plan_counts *counts = bnn_arena_alloc(b->arena, sizeof *counts);
    bnn_code code = counts ? bnn_cell_path(b->folder, cell, "complexity.json", path, err)
                           : out_of_memory(b->folder, err);
    if (code == BNN_OK && access(path, F_OK) == 0 &&
        (code = bnn_plan_counts_read(path, b->arena, counts, err)) == BNN_OK) {
        r->counts = counts;
    }
    return code;
}

/* One machine measured them all, and their names in the table are the cells'. */
static bnn_code read_inference(bnn_bibench *b, const bnn_cell *cell, bnn_error *err) {
    char path[BNN_CELL_PATH];
    bnn_map map;
    const size_t before = b->devices->row_count;
    bnn_code code = bnn_cell_path(b->folder, cell, "infer.json", path, err);
    if (code == BNN_OK && (code = bnn_map_read(path, &map, err)) == BNN_OK) {
        code = bnn_device_table_parse(b->devices, bnn_arena_format(b->arena, "%s", path),
                                      (const char *)map.data, map.size, err);
        bnn_map_close(&map);
    }
    for (size_t i = before; code == BNN_OK && i < b->devices->row_count; i++) {
        b->devices->rows[i].host = "";
        b->devices->rows[i].model = cell->name;
    }
    return code;
}

static bnn_code read_cell(bnn_bibench *b, const bnn_cell *cell, const char *link_base,
                          bnn_error *err) {
    char path[BNN_CELL_PATH];
    bnn_cell_state state;
    bnn_code code = bnn_cell_state_read(b->folder, cell, &state, err);
    if (code != BNN_OK || !is_measured(cell, &state)) {
        return code;
    }
    bnn_bibench_run *r = &b->runs[b->run_count++];
    r->cell = cell;
    const int trained = bnn_stage_wanted(cell, BNN_STAGE_TRAIN);
    r->link =
        link_of(b->arena, link_base, cell->name, trained ? "/run/report.html" : "/complexity.json");
    if (!trained) {
        return r->link ? read_counts(b, cell, r, err) : out_of_memory(b->folder, err);
    }
    if ((code = bnn_cell_path(b->folder, cell, "run", path, err)) != BNN_OK) {
        return code;
    }
    const char *kept = bnn_arena_format(b->arena, "%s", path);
    code =
        r->link && kept ? bnn_report_run_open(kept, &r->run, err) : out_of_memory(b->folder, err);
    if (code == BNN_OK && !r->run.evaluated) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the cell is done, but its " BNN_RESULTS_FILE
                        " is gone; remove the cell's folder to do it again",
                        kept);
    }
    code = code == BNN_OK ? read_counts(b, cell, r, err) : code;
    return code == BNN_OK && state.done[BNN_STAGE_INFER] ? read_inference(b, cell, err) : code;
}

/* ---- entries ------------------------------------------------------------------------------- */
static int same_entry(const bnn_cell *a, const bnn_cell *b) {
    return a->group == b->group && a->algo == b->algo && a->arch == b->arch && a->data == b->data &&
           a->variant_number == b->variant_number;
}

/* Float first, then as the table of algorithms has them. */
static void find_algorithms(bnn_bibench *b) {
    for (int binary = 0; binary < 2; binary++) {
        for (size_t i = 0; i < (binary ? SIZE_MAX : 1); i++) {
            const char *name =
                binary ? (bnn_binarizers[i] ? bnn_binarizers[i]->name : NULL) : BNN_FLOAT_ALGORITHM;
            if (!name) {
                return;
            }
            for (size_t k = 0; k < b->run_count; k++) {
                if (strcmp(b->runs[k].cell->algo, name) == 0) {
                    b->algorithm[b->algorithms++] = name;
                    break;
                }
            }
        }
    }
}

static size_t algorithm_of(const bnn_bibench *b, const bnn_cell *cell) {
    size_t a = 0;
    while (strcmp(b->algorithm[a], cell->algo) != 0) {
        a++;
    }
    return a;
}

static bnn_code add_to_entry(bnn_bibench *b, const bnn_bibench_run *r, bnn_error *err) {
    size_t i = 0;
    while (i < b->entry_count && !same_entry(b->entries[i].cell, r->cell)) {
        i++;
    }
    bnn_bibench_entry *e = &b->entries[i];
    if (i == b->entry_count) {
        *e = (bnn_bibench_entry){.cell = r->cell, .algorithm = algorithm_of(b, r->cell)};
        b->entry_count++;
    }
    const bnn_bibench_run **runs =
        bnn_arena_grow(b->arena, e->run, &e->capacity, e->runs + 1, sizeof(*runs));
    if (!runs) {
        return out_of_memory(b->folder, err);
    }
    e->run = runs;
    e->run[e->runs++] = r;
    return BNN_OK;
}

static void average(bnn_bibench_entry *e) {
    for (size_t i = 0; i < e->runs; i++) {
        e->score += e->run[i]->run.results.metric[0] / (double)e->runs;
        e->seconds += e->run[i]->run.step.total / (double)e->runs;
    }
}

static void find_twin(const bnn_bibench *b, bnn_bibench_entry *e) {
    for (size_t i = 0; i < b->entry_count; i++) {
        bnn_cell like = *e->cell;
        like.algo = b->entries[i].cell->algo;
        if (strcmp(like.algo, BNN_FLOAT_ALGORITHM) == 0 && same_entry(&like, b->entries[i].cell)) {
            e->twin = &b->entries[i];
        }
    }
}

bnn_code bnn_bibench_read(bnn_bibench *b, const char *folder, const char *link_base,
                          bnn_error *err) {
    char path[4300];
    snprintf(path, sizeof path, "%.4200s/plan.json", folder);
    b->folder = folder;
    if (access(path, F_OK) != 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: no folder of a sweep, it has no plan.json; bnn-sweep run makes one",
                        folder);
    }
    bnn_code code = bnn_plan_read(path, &b->plan, err);
    if (code != BNN_OK) {
        return code;
    }
    const size_t cells = b->plan.cell_count;
    b->cells = cells;
    b->arena = bnn_arena_create();
    b->devices = calloc(1, sizeof *b->devices);
    if (b->arena) {
        b->runs = bnn_arena_alloc(b->arena, cells * sizeof *b->runs);
        b->entries = bnn_arena_alloc(b->arena, (cells + 1) * sizeof *b->entries);
    }
    code = b->devices && b->runs && b->entries ? BNN_OK : out_of_memory(folder, err);
    for (size_t i = 0; i < cells && code == BNN_OK; i++) {
        code = read_cell(b, &b->plan.cells[i], link_base, err);
    }
    if (code == BNN_OK && !b->run_count) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT, "%s: no cell is done yet; bnn-sweep run %s", folder,
                        bnn_shell_quote(folder).s);
    }
    if (code == BNN_OK) {
        find_algorithms(b);
    }
    for (size_t i = 0; i < b->run_count && code == BNN_OK; i++) {
        code = add_to_entry(b, &b->runs[i], err);
    }
    for (size_t i = 0; i < b->entry_count && code == BNN_OK; i++) {
        average(&b->entries[i]);
        find_twin(b, &b->entries[i]);
    }
    return code;
}

void bnn_bibench_free(bnn_bibench *b) {
    for (size_t i = 0; i < b->run_count; i++) {
        bnn_report_run_close(&b->runs[i].run);
    }
    if (b->devices) {
        bnn_device_table_free(b->devices);
    }
    free(b->devices);
    bnn_arena_free(b->arena);
    bnn_plan_free(&b->plan);
    *b = (bnn_bibench){0};
}

/* ---- the runs' own pages ------------------------------------------------------------------- */
static int is_newer(const char *page, const char *than) {
    struct stat a, b;
    return stat(page, &a) == 0 && stat(than, &b) == 0 &&
           (a.st_mtim.tv_sec > b.st_mtim.tv_sec ||
            (a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec > b.st_mtim.tv_nsec));
}

bnn_code bnn_bibench_write_runs(const bnn_bibench *b, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < b->run_count && code == BNN_OK; i++) {
        char page[BNN_CELL_PATH], results[BNN_CELL_PATH];
        bnn_atomic_file *file;
        const bnn_cell *cell = b->runs[i].cell;
        if (!bnn_stage_wanted(cell, BNN_STAGE_TRAIN)) {
            continue;
        }
        if ((code = bnn_cell_path(b->folder, cell, "run/report.html", page, err)) != BNN_OK ||
            (code = bnn_cell_path(b->folder, cell, "run/" BNN_RESULTS_FILE, results, err)) !=
                BNN_OK ||
            is_newer(page, results) || (code = bnn_atomic_open(page, &file, err)) != BNN_OK) {
            continue;
        }
        code = bnn_report_page_run(bnn_atomic_stream(file), &b->runs[i].run, NULL, err);
        if (code == BNN_OK) {
            code = bnn_atomic_commit(file, err);
        } else {
            bnn_atomic_abandon(file);
        }
    }
    return code;
}

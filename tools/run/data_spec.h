/* A data set and the networks that learn it: which go together, and what a set tells a network of
 * its samples and classes. */
#ifndef BNN_TOOLS_RUN_DATA_SPEC_H
#define BNN_TOOLS_RUN_DATA_SPEC_H

#include "data_loaders/dataset.h"
#include "engine/base/arena.h"
#include "models/model.h"

/* The options by which a user picks a part or a form of a data set; NULL or 0: not given. */
typedef struct bnn_data_choice {
    const char *words, *category, *test_genres, *years, *vocab;
    int64_t points, length, limit;
    bnn_view view;
} bnn_data_choice;

/* How a network sees photographs with boxes: `side` pixels a side, 0: as many as it, or the set,
 * has. Not given (dataset.h) where the set has no boxes. */
bnn_view bnn_view_for(const bnn_arch *arch, const bnn_dataset_info *info, int side);
/* The same of one that has been trained. */
bnn_view bnn_view_of(const bnn_spec *spec, const bnn_dataset_info *info);

/* The dataset's options of them; an error for one that says nothing to it. */
bnn_code bnn_data_choose(const bnn_dataset_info *info, const bnn_data_choice *choice,
                         bnn_dataset_options *options, bnn_error *err);

/* Is it of images of a class each, which corruptions are of? */
int bnn_data_has_corruptions(const bnn_dataset_info *info);

/* Shape, classes, preparation and name, as the row has them. */
void bnn_spec_of_info(bnn_spec *spec, const bnn_dataset_info *info);
/* The same of the open set, and its classes' names; texts in the arena. */
bnn_code bnn_spec_of_dataset(bnn_spec *spec, const bnn_dataset *dataset,
                             const bnn_dataset_options *options, bnn_arena *arena, bnn_error *err);
/* Says on stderr, in the name of `program`, how many files of the set were left out, if any, and
 * what else the set remarks of itself. */
void bnn_data_note(const bnn_dataset *dataset, const char *what, const char *program);
/* Can this network learn this set? By its task and what it sees, whatever the sizes. */
bnn_code bnn_arch_fits(const bnn_arch *arch, const bnn_dataset_info *info, bnn_error *err);
/* Has this set other classes than the network in the file `path` was trained for? A note then. */
void bnn_note_classes(const bnn_spec *spec, const bnn_dataset *dataset, const char *path,
                      const char *program);
/* Are this set's samples and classes as many as those of the network in the file `path`? */
bnn_code bnn_spec_takes(const bnn_spec *spec, const bnn_dataset *dataset, const char *path,
                        bnn_error *err);
/* The pool of that name into the spec; an error if its network has no points to pool. */
bnn_code bnn_pool_choose(bnn_spec *spec, const char *name, bnn_error *err);

/* Whether a network of text has a row for every token of the data's vocabulary and a place for each
 * of a text's; of other samples, always. */
bnn_code bnn_arch_holds(const bnn_arch *arch, const bnn_dataset *dataset, bnn_error *err);

#endif

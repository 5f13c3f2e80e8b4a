/* A user's own file, or text, as what a network sees: as the test samples of its data set are made,
 * of what travels with the model. */
#ifndef BNN_TOOLS_PREDICT_SAMPLE_H
#define BNN_TOOLS_PREDICT_SAMPLE_H

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/dataset.h"
#include "data_loaders/text/text.h"
#include "engine/base/file.h"
#include "models/files/loaded.h"

typedef struct bnn_sample {
    const bnn_loaded *model;
    bnn_field field[BNN_MAX_FIELDS]; /* that the network sees */
    int inputs;
    void *data[BNN_MAX_FIELDS]; /* of each */
    uint8_t *pixels;
    bnn_cloud cloud;  /* the last file's */
    bnn_vocab *vocab; /* of texts, else NULL */
    bnn_ids tokens[2];
    size_t unlike; /* texts that were pairs where the network learned single ones, or otherwise */
    int reader;    /* of files that are a sample each; -1: of none */
    /* Of photographs with boxes: how they are seen, and what of the input is the last one. */
    bnn_dataset *view;
    float frame[4]; /* height and width of its part of the input, and its own */
} bnn_sample;

/* Free it in any case. An error where nothing is read as what the network sees. */
bnn_code bnn_sample_create(bnn_sample *sample, const bnn_loaded *model, bnn_error *err);
void bnn_sample_free(bnn_sample *sample);
int bnn_sample_is_text(const bnn_sample *sample);

/* Of images, sound and clouds: a file's contents. */
bnn_code bnn_sample_of_file(bnn_sample *sample, const char *path, const bnn_map *map,
                            bnn_error *err);
/* Of texts: a sentence, or a pair of them, whose second is not NULL. */
bnn_code bnn_sample_of_text(bnn_sample *sample, const char *name, const char *const text[2],
                            const size_t size[2], bnn_error *err);
/* Of texts: a line, with a tab between the sentences of a pair. */
bnn_code bnn_sample_of_line(bnn_sample *sample, const char *name, const char *line, size_t size,
                            bnn_error *err);

#endif

/* A network by name: which architecture, binarized how, for which samples. */
#ifndef BNN_MODELS_MODEL_H
#define BNN_MODELS_MODEL_H

#include "layers/binarizers/binarizer.h"
#include "models/distill.h"
#include "models/nets/arch.h"

/* The name of the float twin beside the algorithms. */
#define BNN_FLOAT_ALGORITHM "fp32"

/* What a file may claim, far beyond any network here; one that claims more is damaged. */
#define BNN_MAX_SIDE 4096 /* rows, columns or channels of a sample */
#define BNN_MAX_CLASSES 1000000

struct bnn_spec {
    const bnn_arch *arch;
    const bnn_binarizer *binarizer;       /* NULL: float */
    int height, width, channels, classes; /* of the input, [1,height,width,channels] a sample */
    const bnn_task *task;                 /* what its data are to teach */
    int phase;                            /* of the binarizer's schedule */
    bnn_distill distill;                  /* in training: what a teacher shows */
    float dropout;                        /* in training, of a network that drops values; 0: none */
    const bnn_comm *statistics;           /* in training: of whose batches, or NULL (graph.h) */
    bnn_ties ties;                        /* of a binary network with attention */
    int small_boxes;                      /* of a detector: its anchors are for such as COCO's */
    bnn_pool pool;                        /* of points, where the architecture has such a layer */
    /* How images were prepared; travels with the model. What they were normalized with, on the
     * 0..255 scale; and the picture that stands in the middle of the input, with black around: of
     * one channel it is grey. No height: nothing is known. */
    float mean[3], std[3];
    bnn_shape picture;
    const char *dataset;     /* its name, or "" */
    const char *variant;     /* which of its sets (data_loaders/dataset.h), or "" */
    const char *class_names; /* a line each, or "" */
    const char *class_ids;   /* their numbers in the files of the data, likewise; or "" */
    const char *vocab;       /* of texts: the vocabulary's file, a token a line, or "" */
};

const char *bnn_spec_algorithm(const bnn_spec *spec);
/* Finds names; an error names the unknown one. The task stays if the architecture can serve it,
 * else it is the architecture's own. */
bnn_code bnn_spec_find(bnn_spec *spec, const char *arch, const char *algorithm, bnn_error *err);

/* The fields of a batch that its graphs read: the `inputs` first ones in evaluation, all in
 * training. Returns how many. */
int bnn_spec_fields(const bnn_spec *spec, bnn_field field[BNN_MAX_FIELDS], int *inputs);
/* Where the name of a class begins in spec->class_names; it ends at its line's end. "" if there is
 * none. */
const char *bnn_class_name(const bnn_spec *spec, int class);
/* The number of a class in the files of its data: spec->class_ids', else from 1 on. */
int64_t bnn_class_id(const bnn_spec *spec, int class);
/* Values of the main output for one sample. */
size_t bnn_spec_outputs(const bnn_spec *spec);

/* One graph of a network. */
typedef struct bnn_net {
    bnn_graph *graph;
    bnn_field field[BNN_MAX_FIELDS]; /* bnn_spec_fields */
    int fields;
    bnn_t input[BNN_MAX_FIELDS]; /* where each goes */
    bnn_t output;                /* of a detector in training: the terms of its loss */
    bnn_t terms;                 /* of a loss of several, one behind the other; else BNN_NONE */
    bnn_t loss;                  /* BNN_NONE in evaluation */
    bnn_t task_loss, penalty;    /* its terms; no penalty: BNN_NONE. Under a teacher the task's loss
                                    is none of them, but told */
    bnn_output shown;            /* what it has inside, values of which may be asked for */
    /* In training with a teacher: inputs for its outputs, as bnn_distill_list has them. */
    bnn_t teacher_input[BNN_MAX_SHOWN];
    int teacher_inputs;
} bnn_net;

/* Builds (and in training compiles) the graph for `batch` samples. The caller frees net->graph. */
bnn_code bnn_net_build(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                       int batch, int training, bnn_net *net, bnn_error *err);

/* How many parameters the float twin of `spec` has. */
bnn_code bnn_twin_parameters(const bnn_spec *spec, const bnn_device *device, size_t *count,
                             bnn_error *err);

/* The values of a field that a network reads; an error if the batch has none of its shape. */
bnn_code bnn_batch_data(const bnn_batch *batch, const bnn_field *field, const void **data,
                        bnn_error *err);
/* Gives a bound graph the fields it reads; the batch lives as long as it runs. */
bnn_code bnn_net_feed(const bnn_net *net, const bnn_batch *batch, bnn_error *err);

/* Writes the binarizer's state for an epoch into the buffers; returns the phase. */
int bnn_apply_schedule(const bnn_binarizer *binarizer, bnn_params *params, int epoch, int epochs);
/* Whether that sets this buffer. */
int bnn_is_scheduled(const bnn_binarizer *binarizer, const bnn_param *param);

#endif

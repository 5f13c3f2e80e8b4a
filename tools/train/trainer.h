/* The training loop: epochs of steps, an evaluation and a checkpoint after each, resumable at any
 * step. */
#ifndef BNN_TOOLS_TRAIN_TRAINER_H
#define BNN_TOOLS_TRAIN_TRAINER_H

#include "data_loaders/loader.h"
#include "engine/comm.h"
#include "models/model.h"
#include "optim/optimizer.h"
#include "optim/lr_schedule.h"
#include "tools/train/profile_table.h"
#include "tools/run/run_data.h"
#include "tools/run/run_folder.h"

typedef struct bnn_train_settings {
    bnn_spec spec; /* its phase is the trainer's to set */
    bnn_device device;
    int loader_threads; /* 0: as many as the device has */
    const bnn_dataset *train, *test;
    bnn_run_data data; /* theirs */
    const bnn_optimizer_kind *optimizer;
    double momentum, weight_decay;
    int nesterov;
    double clip_norm;         /* of a tensor's gradient, at most; 0: as it is */
    double clip_grad_norm;    /* of all gradients together, likewise */
    double ema;               /* decay of the average that is shown instead; 0: none */
    const char *freeze;       /* modules that stay as they are (bnn_params_freeze), or NULL */
    bnn_lr_schedule schedule; /* warm-up in steps is the trainer's to set */
    int warmup_epochs;
    bnn_comm *comm;      /* the ranks that train together; NULL: this process alone */
    int sync_bn;         /* batch norms have statistics of all ranks' samples */
    size_t batch_size;   /* of all ranks together */
    int group_by_length; /* bnn_loader_options */
    int no_augment;      /* likewise, without its augment */
    size_t accumulate;   /* batches whose gradients are added up for one step, at least 1 */
    uint64_t seed;
    const char *init_from;     /* or NULL */
    const char *teacher;       /* a checkpoint, where spec.distill takes one */
    int init_partial;          /* even if most of its weights do not fit */
    const char *resume;        /* checkpoint file, or NULL */
    const char *args;          /* JSON, for the checkpoints */
    const char *config;        /* JSON, for the folder of a run that is new or changed */
    int extended;              /* with `resume`: to more epochs than it was started with */
    int accept_changed_data;   /* with `resume`: data that are not those it began with */
    uint32_t patience;         /* epochs without a better one until the end; 0: any number */
    int tensorboard;           /* events, too */
    uint64_t checkpoint_every; /* steps; 0: at the end of an epoch only */
    const char *output;
    int overwrite;
    int profile; /* measure nodes; result->profile is filled */
} bnn_train_settings;

typedef struct bnn_train_result {
    int interrupted;
    int was_finished; /* nothing was left to do */
    int gave_up;      /* patience was over before the epochs were */
    double best;      /* the task's main metric on the test set */
    uint64_t steps;
    uint64_t timed_steps; /* of this session */
    double seconds_per_step;
    bnn_profile_table profile;
} bnn_train_result;

/* Trains, or goes on with what the settings resume, until the last epoch, or until patience is over
 * or a signal asks to stop; *result is of what was done, after an error too. */
bnn_code bnn_train(const bnn_train_settings *settings, bnn_train_result *result, bnn_error *err);

/* Threads of the host, for loading and evaluation. */
int bnn_train_threads(const bnn_train_settings *set);
/* How training reads its data: shuffled, augmented, some batches ahead. */
bnn_loader_options bnn_train_loader_options(size_t batch_size, uint64_t seed, int threads);

/* Planned bytes of a training step: parameters, gradients, optimizer, graph. Needs no data. */
bnn_code bnn_train_plan(const bnn_train_settings *settings, bnn_params *params, bnn_net *net,
                        size_t *bytes, bnn_error *err);

#endif

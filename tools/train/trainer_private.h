/* The inside of a training, for its files: trainer.c sets it up and counts the epochs, nets.c
 * builds its graphs, saving.c writes and reads its checkpoints, epoch.c runs the steps of an epoch
 * and what follows them, moving.c does what they do to the parameters, average.c averages these;
 * buckets.c and ranks.c are what is done for other ranks. */
#ifndef BNN_TOOLS_TRAIN_TRAINER_PRIVATE_H
#define BNN_TOOLS_TRAIN_TRAINER_PRIVATE_H

#include "models/predictor.h"
#include "models/teacher.h"
#include "optim/average.h"
#include "tools/run/events.h"
#include "tools/train/train_state.h"
#include "tools/train/trainer.h"

/* Parameters whose gradients lie side by side in bnn_trainer.sum, and are summed over the ranks at
 * once. */
typedef struct bnn_bucket {
    size_t first, end;         /* of the list of parameters; all of them are trained */
    size_t gradients, missing; /* this step's that have not come yet */
} bnn_bucket;

/* A network for batches of such samples, so many. */
typedef struct bnn_sized_net {
    bnn_shape input; /* no samples: there is no network */
    bnn_net net;
} bnn_sized_net;

typedef struct bnn_trainer {
    const bnn_train_settings *set;
    bnn_comm *comm, alone; /* the settings', or this one */
    bnn_bucket *buckets; /* [bucket_count], in the order of their sums: the last parameters first */
    bnn_sum *sums;       /* theirs */
    size_t bucket_count;
    /* Of this step, the first so many: all gradients have come, the sum has started, it is in the
     * parameters. */
    size_t buckets_copied, buckets_begun, buckets_done;
    int joined;              /* the devices of all ranks add up among themselves */
    size_t buckets_followed; /* then: sums that the stream of the step waits for */
    bnn_stream copies[2]; /* to the host, in turns, where memory is not its own; or of the sums */
    float *host_sum;      /* `sum` on the host, which adds up; `sum` itself where it is there */
    int stop;             /* a signal has come to any rank */
    double *record;       /* of a step, for the others */
    bnn_spec spec;
    const bnn_task *task;
    bnn_params *params;
    bnn_run_data data;    /* the settings', and the teacher's */
    bnn_teacher *teacher; /* or NULL */
    /* The same network for each size of batch: first for the largest, others when one comes. */
    bnn_sized_net nets[BNN_MAX_SIZES];
    size_t nets_built; /* the last so many of them are there */
    void *memory;      /* of all: they never run at once; the device's */
    size_t memory_bytes;
    /* Of the gradients of a step's batches, where it has several, or where they are clipped
     * together or summed over ranks; likewise. */
    float *sum;
    float *output; /* of a batch, for the host */
    bnn_optimizer optimizer;
    bnn_average average[2];      /* with --ema: of the parameters, and of the buffers */
    bnn_params averaged;         /* `params` with these for values */
    bnn_params *shown;           /* what is evaluated, and saved as the network: one of both */
    int first_batch, last_batch; /* of its step, the one that runs */
    double moving;               /* seconds that the optimizer takes of a step */
    bnn_lr_schedule schedule;
    bnn_loader *loader;
    size_t steps; /* of an epoch */
    bnn_predictor *predictor;
    bnn_run_folder run;
    bnn_events events; /* open if they are wanted */
    bnn_train_state state;
    bnn_score step; /* of the last step */
    bnn_score test;
    double seconds; /* spent in steps */
    uint64_t timed;
    bnn_profile_table profile;
    int exploded;      /* the loss; it has been told */
    int ranks_changed; /* since it was saved; likewise */
    int data_changed;  /* since the run began; it has been told */
} bnn_trainer;

/* nets.c: puts the binarizer's schedule into effect; graphs change where its phase does. */
bnn_code bnn_trainer_enter_epoch(bnn_trainer *t, bnn_error *err);
/* Training graphs of the present phase begin: with that of whole batches. */
bnn_code bnn_trainer_build_nets(bnn_trainer *t, bnn_error *err);
/* The graph for a batch; valid until the next call. */
bnn_code bnn_trainer_net(bnn_trainer *t, const bnn_batch *batch, const bnn_net **net,
                         bnn_error *err);
void bnn_trainer_free_nets(bnn_trainer *t);
/* Parameters and the optimizer's state, to the host's mirror or from it. */
bnn_code bnn_trainer_to_host(const bnn_trainer *t, bnn_error *err);
bnn_code bnn_trainer_to_device(const bnn_trainer *t, bnn_error *err);

/* saving.c: the checkpoint `name` of the run's folder; last.safetensors when the logs are on the
 * disk. */
bnn_code bnn_trainer_save(bnn_trainer *t, const char *name, bnn_error *err);
bnn_code bnn_trainer_save_last(bnn_trainer *t, bnn_error *err);
bnn_code bnn_trainer_load(bnn_trainer *t, const char *path, bnn_error *err);

/* moving.c: what becomes of a gradient (engine/params.h). */
void bnn_trainer_update(void *trainer, const bnn_stream *stream, const bnn_param *param,
                        float *grad);
/* Instead of a backward, where no sample of the batch is this rank's. */
void bnn_trainer_no_gradients(bnn_trainer *t, const bnn_stream *stream);
/* Behind the backward of a step's last batch. */
void bnn_trainer_end_step(bnn_trainer *t, const bnn_stream *stream);

/* buckets.c: sums over the ranks go on while the backward does. Nothing to do for one rank. Free
 * them in any case. */
bnn_code bnn_trainer_make_buckets(bnn_trainer *t, bnn_error *err);
/* Called by all ranks, or by none: lets their devices add up, or notes why they do not. */
bnn_code bnn_trainer_join_devices(bnn_trainer *t, bnn_error *err);
/* The hosts', where devices do not. */
bnn_code bnn_trainer_open_sums(bnn_trainer *t, bnn_error *err);
void bnn_trainer_free_buckets(bnn_trainer *t);
/* The gradient of a step's last batch is in `sum`, by what `stream` was given so far. Returns how
 * many buckets are done of this step. */
size_t bnn_trainer_gradient_ready(bnn_trainer *t, const bnn_stream *stream, const bnn_param *param);
/* Waits for at least one more. */
size_t bnn_trainer_wait_bucket(bnn_trainer *t);
/* A bucket whose sum is done is in `sum`, for what `stream` is given from now on. */
void bnn_trainer_fetch_bucket(bnn_trainer *t, const bnn_stream *stream, size_t bucket);
/* Whether all copies to the host, and all sums of devices, have succeeded so far. */
bnn_code bnn_trainer_check_copies(const bnn_trainer *t, bnn_error *err);

/* ranks.c: what ranks tell each other beside gradients. */
static inline int bnn_trainer_shared(const bnn_trainer *t) {
    return t->comm->size > 1;
}
/* Rank 0 alone writes. */
static inline int bnn_trainer_writes(const bnn_trainer *t) {
    return t->comm->rank == 0;
}
/* Refuses batches that cannot be shared out. */
bnn_code bnn_trainer_check_sizes(const bnn_trainer *t, bnn_error *err);
/* Refuses ranks that would train different things; says what they do. */
bnn_code bnn_trainer_check_alike(const bnn_trainer *t, bnn_error *err);
/* A step's score becomes that of all ranks' samples, and all know of a signal or a loss that is not
 * finite, which is an error. */
bnn_code bnn_trainer_share_step(bnn_trainer *t, bnn_code code, bnn_error *err);
/* The same of an evaluation, whose sums add up, unless rank 0 has done it alone. */
bnn_code bnn_trainer_share_test(bnn_trainer *t, int *stopped, bnn_code code, bnn_error *err);
/* What batch norms have seen on rank 0 counts for all (torch's DistributedDataParallel). */
bnn_code bnn_trainer_share_buffers(bnn_trainer *t, bnn_error *err);
/* Has a signal come, to anybody? */
int bnn_trainer_stopped(const bnn_trainer *t);

/* average.c: once the parameters are allocated; without --ema nothing is averaged. Free it in any
 * case. */
bnn_code bnn_trainer_average_create(bnn_trainer *t, bnn_error *err);
void bnn_trainer_average_free(bnn_trainer *t);
/* Averages are the present values, and begin with the next step. */
void bnn_trainer_average_restart(bnn_trainer *t);
/* All parameters of a step have moved. */
void bnn_trainer_average_step(bnn_trainer *t, const bnn_stream *stream);
/* The values of what is shown, to the host's mirror or from it. */
bnn_code bnn_trainer_shown_to_host(const bnn_trainer *t, bnn_error *err);
bnn_code bnn_trainer_shown_to_device(const bnn_trainer *t, bnn_error *err);

/* epoch.c: steps to the end of the epoch, or a signal. */
bnn_code bnn_trainer_run_epoch(bnn_trainer *t, bnn_error *err);
/* Evaluates, logs, saves. A signal during the evaluation leaves it to be done again. */
bnn_code bnn_trainer_finish_epoch(bnn_trainer *t, bnn_error *err);

#endif

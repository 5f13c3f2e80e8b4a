/* The ranks of a training: processes that hold the same network, each sees a part of every batch,
 * and what they found adds up. A communicator is how they reach each other; all of them call the
 * same functions of it in the same order. Sums run in the order of ranks, whatever carries the
 * numbers, so as many ranks give the same bits again. Memory is the host's.
 *
 * One process on its own is a communicator of size 1, for which there is nothing to do. */
#ifndef BNN_ENGINE_COMM_H
#define BNN_ENGINE_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

typedef struct bnn_comm bnn_comm;

/* A sum that goes on beside other work: x[i] becomes that of all ranks' x[i]. First each rank gets
 * its share of the values from all, which it adds up, then all get all shares: a rank sends and
 * receives 2 (size - 1) / size of the values, as in a ring. */
typedef struct bnn_sum {
    float *x; /* [count], not to be touched from start to end */
    size_t count;
    enum { BNN_SUM_IDLE, BNN_SUM_SHARES, BNN_SUM_ADDED, BNN_SUM_RESULTS } stage;
    float *parts;     /* [size][own share] */
    int *counts;      /* what goes where, [4][size]; both are the communicator's */
    intptr_t request; /* what is under way */
} bnn_sum;

struct bnn_comm {
    int rank, size;
    int local_size, local_rank; /* ranks on this machine, and this one's number among them */
    int failed;                 /* an agreement has: there is no other */
    /* Blocks until all are here. all[size][bytes]: each rank's part, of which it has its own. */
    void (*gather)(const bnn_comm *comm, void *all, size_t bytes);
    /* Blocks likewise. Those of rank `from` become all ranks'. */
    void (*broadcast)(const bnn_comm *comm, int from, void *data, size_t bytes);
    /* Memory for sums of x[count]; `sum` may be started any number of times, once at a time. */
    bnn_code (*open_sum)(const bnn_comm *comm, float *x, size_t count, bnn_sum *sum,
                         bnn_error *err);
    void (*close_sum)(const bnn_comm *comm, bnn_sum *sum); /* one that is zeroed is fine */
    void (*start_sum)(const bnn_comm *comm, bnn_sum *sum);
    /* Gets on with sums[0, count), which were started in this order: returns how many of the first
     * ones have ended. With `wait`, all. */
    size_t (*advance)(const bnn_comm *comm, bnn_sum *sums, size_t count, int wait);
    /* Ends all ranks; does not return. */
    void (*abort)(const bnn_comm *comm);
    double *room; /* [size][BNN_COMM_ROOM], of sums that are waited for; size 1: NULL */
    void *own;
};

#define BNN_COMM_ROOM ((size_t)1024)

/* One rank, for nobody else to change: each caller has its own. */
bnn_comm bnn_comm_alone(void);
/* x[count] becomes the sum of all ranks'. */
void bnn_comm_add(const bnn_comm *comm, double *x, size_t count);
/* Whether any rank says so. */
int bnn_comm_any(const bnn_comm *comm, int yes);
/* The same status for all: BNN_OK, or the error of the first rank that has one. There is no further
 * agreement then: who failed returns, and says nothing more to the others. */
bnn_code bnn_comm_agree(bnn_comm *comm, bnn_code code, bnn_error *err);

/* Which samples of a batch of n are part `part` of `parts`: returns how many, from *first on. All
 * parts together are the batch; where it has fewer samples than parts some are empty, not the
 * first. */
static inline size_t bnn_part_of(size_t n, int part, int parts, size_t *first) {
    const size_t p = (size_t)part, all = (size_t)parts;
    *first = n / all * p + (n % all * p + all - 1) / all;
    return n / all * (p + 1) + (n % all * (p + 1) + all - 1) / all - *first;
}

#endif

/* A communicator over MPI. Nothing is added up by MPI: in which order it would do that is its own
 * affair. It carries numbers only, and each rank adds up its share in the order of ranks. MPI's own
 * errors end all ranks, with its message (MPI_ERRORS_ARE_FATAL). */
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "tools/ranks/ranks.h"

/* Operations of one communicator must begin in the same order everywhere, and when a sum goes on to
 * its results depends on time: so there is one for each. */
typedef struct channels {
    MPI_Comm waited, shares, results;
} channels;

static const channels *channels_of(const bnn_comm *comm) {
    return comm->own;
}

static void gather(const bnn_comm *comm, void *all, size_t bytes) {
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, (int)bytes, MPI_BYTE,
                  channels_of(comm)->waited);
}

static void broadcast(const bnn_comm *comm, int from, void *data, size_t bytes) {
    enum { MOST = 1 << 30 };
    for (size_t first = 0; first < bytes; first += MOST) {
        const size_t n = bytes - first < MOST ? bytes - first : MOST;
        MPI_Bcast((char *)data + first, (int)n, MPI_BYTE, from, channels_of(comm)->waited);
    }
}

/* ---- sums beside other work ---- */

_Static_assert(sizeof(MPI_Request) <= sizeof(intptr_t), "a request does not fit");

static MPI_Request request_of(const bnn_sum *sum) {
    MPI_Request request;
    memcpy(&request, &sum->request, sizeof request);
    return request;
}

static void set_request(bnn_sum *sum, MPI_Request request) {
    memcpy(&sum->request, &request, sizeof request);
}

/* Which values are rank r's to add up. */
static size_t share_of(const bnn_comm *comm, const bnn_sum *sum, int r, size_t *first) {
    return bnn_part_of(sum->count, r, comm->size, first);
}

static bnn_code open_sum(const bnn_comm *comm, float *x, size_t count, bnn_sum *sum,
                         bnn_error *err) {
    const size_t size = (size_t)comm->size;
    size_t first, own;
    *sum = (bnn_sum){.x = x, .count = count};
    own = share_of(comm, sum, comm->rank, &first);
    sum->parts = bnn_alloc_aligned(size * own * sizeof(float) + 1);
    sum->counts = calloc(4 * size, sizeof *sum->counts);
    if (!sum->parts || !sum->counts || count > INT_MAX || own * size > INT_MAX) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the sum of all ranks' gradients");
    }
    int *sent = sum->counts, *sent_at = sent + size, *got = sent_at + size, *got_at = got + size;
    for (int r = 0; r < comm->size; r++) {
        sent[r] = (int)share_of(comm, sum, r, &first);
        sent_at[r] = (int)first;
        got[r] = (int)own;
        got_at[r] = r * (int)own;
    }
    return BNN_OK;
}

static void close_sum(const bnn_comm *comm, bnn_sum *sum) {
    (void)comm;
    free(sum->parts);
    free(sum->counts);
    *sum = (bnn_sum){0};
}

static void start_sum(const bnn_comm *comm, bnn_sum *sum) {
    const int *sent = sum->counts, *sent_at = sent + comm->size, *got = sent_at + comm->size;
    MPI_Request request;
    MPI_Ialltoallv(sum->x, sent, sent_at, MPI_FLOAT, sum->parts, got, got + comm->size, MPI_FLOAT,
                   channels_of(comm)->shares, &request);
    set_request(sum, request);
    sum->stage = BNN_SUM_SHARES;
}

/* The shares have come; results go out once those of all sums before do. */
static void add_up(const bnn_comm *comm, bnn_sum *sum) {
    size_t first, own = share_of(comm, sum, comm->rank, &first);
    float *restrict x = sum->x + first;
    memcpy(x, sum->parts, own * sizeof *x);
    for (size_t r = 1; r < (size_t)comm->size; r++) {
        const float *restrict part = sum->parts + r * own;
        for (size_t i = 0; i < own; i++) {
            x[i] += part[i];
        }
    }
    sum->stage = BNN_SUM_ADDED;
}

static void send_results(const bnn_comm *comm, bnn_sum *sum) {
    const int *counts = sum->counts;
    MPI_Request request;
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, sum->x, counts, counts + comm->size,
                    MPI_FLOAT, channels_of(comm)->results, &request);
    set_request(sum, request);
    sum->stage = BNN_SUM_RESULTS;
}

/* Whether what was under way has ended. */
static int has_ended(bnn_sum *sum, int wait) {
    MPI_Request request = request_of(sum);
    int ended = 1;
    if (wait) {
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    } else {
        MPI_Test(&request, &ended, MPI_STATUS_IGNORE);
    }
    set_request(sum, request);
    return ended;
}

static size_t advance(const bnn_comm *comm, bnn_sum *sums, size_t count, int wait) {
    size_t done = 0;
    int in_order = 1; /* all before have sent their results */
    for (size_t i = 0; i < count; i++) {
        bnn_sum *sum = &sums[i];
        if (sum->stage == BNN_SUM_SHARES && has_ended(sum, wait)) {
            add_up(comm, sum);
        }
        if (sum->stage == BNN_SUM_ADDED && in_order) {
            send_results(comm, sum);
        }
        in_order = in_order && sum->stage != BNN_SUM_SHARES && sum->stage != BNN_SUM_ADDED;
    }
    for (size_t i = 0; i < count; i++) {
        bnn_sum *sum = &sums[i];
        if (sum->stage == BNN_SUM_RESULTS && has_ended(sum, wait)) {
            sum->stage = BNN_SUM_IDLE;
        }
        done += done == i && sum->stage == BNN_SUM_IDLE;
    }
    return done;
}

/* ---- beginning and end ---- */

static void abort_all(const bnn_comm *comm) {
    MPI_Abort(channels_of(comm)->waited, EXIT_FAILURE);
}

/* Among the ranks that share this machine's memory. */
static void look_beside(bnn_comm *comm) {
    MPI_Comm machine;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &comm->local_size);
    MPI_Comm_rank(machine, &comm->local_rank);
    MPI_Comm_free(&machine);
}

bnn_code bnn_ranks_open(bnn_comm *comm, bnn_error *err) {
    int provided;
    *comm = bnn_comm_alone();
    if (bnn_ranks_started() == 1) {
        return BNN_OK;
    }
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "MPI does not begin, or not beside threads; start it with mpirun -np N");
    }
    channels *own = calloc(1, sizeof *own);
    MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &comm->size);
    look_beside(comm);
    comm->room = calloc((size_t)comm->size * BNN_COMM_ROOM, sizeof *comm->room);
    if (!own || !comm->room) {
        free(own);
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the ranks");
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &own->waited);
    MPI_Comm_dup(MPI_COMM_WORLD, &own->shares);
    MPI_Comm_dup(MPI_COMM_WORLD, &own->results);
    comm->gather = gather;
    comm->broadcast = broadcast;
    comm->open_sum = open_sum;
    comm->close_sum = close_sum;
    comm->start_sum = start_sum;
    comm->advance = advance;
    comm->abort = abort_all;
    comm->own = own;
    return BNN_OK;
}

void bnn_ranks_close(bnn_comm *comm) {
    channels *own = comm->own;
    if (own) {
        MPI_Comm_free(&own->waited);
        MPI_Comm_free(&own->shares);
        MPI_Comm_free(&own->results);
        MPI_Finalize();
    }
    free(own);
    free(comm->room);
    *comm = bnn_comm_alone();
}

/* Built without MPI. */
#include "tools/ranks/ranks.h"

bnn_code bnn_ranks_open(bnn_comm *comm, bnn_error *err) {
    const int ranks = bnn_ranks_started();
    *comm = bnn_comm_alone();
    return ranks == 1
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                          "started as one of %d ranks, but built without MPI: they would all "
                          "train the same; install libopenmpi-dev and build again",
                          ranks);
}

void bnn_ranks_close(bnn_comm *comm) {
    (void)comm;
}

/* The ranks this process is started among, by mpirun or srun: the only room that knows MPI. */
#ifndef BNN_TOOLS_RANKS_RANKS_H
#define BNN_TOOLS_RANKS_RANKS_H

#include "engine/comm.h"

/* The communicator of all ranks, or one of size 1 where the process is on its own. An error, where
 * it is not and the program was built without MPI. */
bnn_code bnn_ranks_open(bnn_comm *comm, bnn_error *err);
/* Waits for all. One that is zeroed, or alone, is fine. */
void bnn_ranks_close(bnn_comm *comm);

/* How many ranks the process was started among, and as which, as its environment says; 1 and 0
 * where it says nothing. */
int bnn_ranks_started(void);
int bnn_ranks_started_as(void);

#endif

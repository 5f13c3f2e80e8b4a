/* What those who start ranks tell them. Asked before MPI is, which takes time to begin and is not
 * there for everybody. */
#include <stdlib.h>

#include "engine/base/text.h"
#include "tools/ranks/ranks.h"

/* Open MPI's mpirun; MPICH's, Intel's and MVAPICH's; srun, if it speaks with its tasks: without
 * that, they are processes on their own. */
static const struct {
    const char *size, *rank, *speaks;
} starters[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                {"PMI_SIZE", "PMI_RANK", "PMI_SIZE"},
                {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "PMIX_RANK"},
                {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "PMI_FD"}};

static int number_of(const char *name, int otherwise) {
    const char *text = getenv(name);
    char *end;
    const double number = text ? bnn_text_to_double(text, &end) : -1.0;
    return number >= 0.0 && number < 1e6 ? (int)number : otherwise;
}

int bnn_ranks_started(void) {
    for (size_t i = 0; i < sizeof starters / sizeof *starters; i++) {
        const int ranks = getenv(starters[i].speaks) ? number_of(starters[i].size, 1) : 1;
        if (ranks > 1) {
            return ranks;
        }
    }
    return 1;
}

int bnn_ranks_started_as(void) {
    for (size_t i = 0; i < sizeof starters / sizeof *starters; i++) {
        if (getenv(starters[i].speaks) && number_of(starters[i].size, 1) > 1) {
            return number_of(starters[i].rank, 0);
        }
    }
    return 0;
}

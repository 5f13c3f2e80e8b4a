#include "engine/comm.h"

#include <string.h>

bnn_comm bnn_comm_alone(void) {
    return (bnn_comm){.rank = 0, .size = 1, .local_size = 1};
}

void bnn_comm_add(const bnn_comm *comm, double *x, size_t count) {
    for (size_t first = 0, n; comm->size > 1 && first < count; first += n) {
        n = count - first < BNN_COMM_ROOM ? count - first : BNN_COMM_ROOM;
        memcpy(comm->room + (size_t)comm->rank * n, x + first, n * sizeof *x);
        comm->gather(comm, comm->room, n * sizeof *x);
        memcpy(x + first, comm->room, n * sizeof *x);
        for (size_t r = 1; r < (size_t)comm->size; r++) {
            for (size_t i = 0; i < n; i++) {
                x[first + i] += comm->room[r * n + i];
            }
        }
    }
}

int bnn_comm_any(const bnn_comm *comm, int yes) {
    double told = yes != 0;
    bnn_comm_add(comm, &told, 1);
    return told > 0.0;
}

bnn_code bnn_comm_agree(bnn_comm *comm, bnn_code code, bnn_error *err) {
    struct {
        bnn_code code;
        bnn_error error;
    } told;
    int first = 0;
    if (comm->size == 1 || comm->failed) {
        return code;
    }
    comm->room[comm->rank] = code;
    comm->gather(comm, comm->room, sizeof *comm->room);
    while (first < comm->size && comm->room[first] == (double)BNN_OK) {
        first++;
    }
    if (first == comm->size) {
        return BNN_OK;
    }
    memset(&told, 0, sizeof told);
    told.code = code;
    if (code != BNN_OK && err) {
        told.error = *err;
    }
    comm->broadcast(comm, first, &told, sizeof told);
    comm->failed = 1;
    return bnn_fail(err, told.code, "%s", told.error.text);
}

#include "tools/cli/openmp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tries before sleeping: some microseconds, a little more than the loops of a step are apart. */
#define SPIN_COUNT "2000"
#define SELF "/proc/self/exe"

/* Started by that name, the process is called "exe", and pgrep and ps would not find it. */
static void keep_name(const char *path) {
    char name[17] = "";
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (path && prctl(PR_GET_NAME, name) == 0 && strcmp(name, strrchr(SELF, '/') + 1) == 0) {
        prctl(PR_SET_NAME, slash ? slash + 1 : path);
    }
}

static void remove_empty_registration(void) {
    char name[64];
    struct stat object;
    snprintf(name, sizeof name, "/__KMP_REGISTERED_LIB_%d_%d", (int)getpid(), (int)getuid());
    int fd = shm_open(name, O_RDONLY, 0);
    if (fd >= 0) {
        if (fstat(fd, &object) == 0 && object.st_size == 0) {
            shm_unlink(name);
        }
        close(fd);
    }
}

static void wait_politely(char **argv) {
    keep_name(argv[0]);
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") ||
        setenv("GOMP_SPINCOUNT", SPIN_COUNT, 1) != 0) {
        return;
    }
    execv(SELF, argv);
}

void bnn_openmp_prepare(char **argv) {
    remove_empty_registration();
    wait_politely(argv);
}

#include "tools/cli/quiet.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static FILE *heard; /* NULL: stderr is */

void bnn_be_quiet(void) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int nobody = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(stdout);
    heard = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (nobody >= 0) {
        dup2(nobody, STDOUT_FILENO);
        dup2(nobody, STDERR_FILENO);
        close(nobody);
    }
}

void bnn_say(const char *program, const char *text) {
    FILE *to = heard ? heard : stderr;
    fprintf(to, "%s: %s\n", program, text);
    fflush(to);
}

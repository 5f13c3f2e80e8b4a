#include "tools/cli/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

void bnn_machine_cpu(char *name, size_t size) {
    char line[256];
    struct utsname machine;
    snprintf(name, size, "%s", uname(&machine) == 0 ? machine.machine : "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(name, size, "%.*s", (int)strcspn(colon, "\n"), colon);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    for (char *p = name; *p; p++) { /* goes into JSON and tables as it is */
        *p = (unsigned char)*p < ' ' || *p == '"' || *p == '\\' || *p == 127 ? ' ' : *p;
    }
}

#include "tools/cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop;

static void remember(int number) {
    (void)number;
    stop = 1;
}

static void handle(int number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void bnn_interrupt_forbid_kills(void) {
    handle(SIGXFSZ, SIG_IGN, 0);
    handle(SIGPIPE, SIG_IGN, 0);
}

void bnn_interrupt_catch(void) {
    static const int patient[] = {SIGHUP, SIGUSR1, SIGUSR2};
    handle(SIGINT, remember, (int)SA_RESETHAND | SA_RESTART);
    handle(SIGTERM, remember, (int)SA_RESETHAND | SA_RESTART);
    for (size_t i = 0; i < sizeof patient / sizeof patient[0]; i++) {
        struct sigaction before;
        if (sigaction(patient[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            handle(patient[i], remember, SA_RESTART);
        }
    }
}

int bnn_interrupted(void) {
    return stop;
}

void bnn_interrupt_share(void) {
    stop = 1;
}

void bnn_interrupt_forget(void) {
    stop = 0;
}

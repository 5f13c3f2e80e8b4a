/* From reset to main on a Cortex-M; files and standard output are the emulator's (semihosting). */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
void initialise_monitor_handles(void); /* of newlib's rdimon */
int main(void);

void _init(void) {}

void _fini(void) {}

void reset(void) {
    for (uint32_t *from = data_from, *to = data_begin; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_begin; to < bss_end;) {
        *to++ = 0;
    }
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* floats in hardware are off at first */
#endif
    initialise_monitor_handles();
    exit(main());
}

static void stop(void) {
    exit(2);
}

/* The stack, reset, and all faults. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)stop, (void *)stop, (void *)stop, (void *)stop, (void *)stop};

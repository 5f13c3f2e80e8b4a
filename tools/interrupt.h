/* SIGINT and SIGTERM as a request to stop at the next good moment. */
#ifndef BNN_TOOLS_INTERRUPT_H
#define BNN_TOOLS_INTERRUPT_H

/* The exit status of a program stopped so. */
#define BNN_EXIT_INTERRUPTED 130

/* From now on a first signal is only remembered; a second one ends the program at once. */
void bnn_interrupt_catch(void);
/* Has one come? */
int bnn_interrupted(void);

#endif
